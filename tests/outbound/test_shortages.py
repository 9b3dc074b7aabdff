"""What the gateway itself lacks."""

from __future__ import annotations

import errno
import os
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.outbound import shortages
from agwtwisted.outbound.shortages import FailedAddresses, descriptor_shortage


class ShortageTests(SynchronousTestCase):
    """Error codes of the system."""

    def shortage(self, **failures: int) -> str:
        """What was lacking where connecting to IPv4 and IPv6 addresses failed with these codes."""
        failed = FailedAddresses()
        for family, code in failures.items():
            failed.add("2001:db8::1" if family == "ipv6" else "192.0.2.1", code)
        return failed.shortage

    def test_whose_fault(self) -> None:
        """Descriptors, memory and local ports are ours; that a server refuses is not."""
        for code in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL):
            self.assertIn(os.strerror(code), self.shortage(ipv4=code))
        self.assertEqual(self.shortage(ipv4=errno.ECONNREFUSED, ipv6=errno.ENETUNREACH), "")
        self.assertEqual(FailedAddresses().shortage, "")

    def test_without_ipv6(self) -> None:
        """A machine without IPv6 has no local address for it: that counts only where nothing else was tried."""
        self.assertEqual(self.shortage(ipv6=errno.EADDRNOTAVAIL, ipv4=errno.ECONNREFUSED), "")
        self.assertIn(os.strerror(errno.EADDRNOTAVAIL), self.shortage(ipv6=errno.EADDRNOTAVAIL))

    def test_descriptors(self) -> None:
        """Whether one is to be had is tried."""
        self.assertEqual(descriptor_shortage(), "")

        def exhausted() -> Any:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(shortages, "socket", SimpleNamespace(socket=exhausted))
        self.assertIn(os.strerror(errno.EMFILE), descriptor_shortage())
