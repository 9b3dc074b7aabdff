"""Who listens on a port, by the tables of the system."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.port_owners import port_owners


class PortOwnersTests(SynchronousTestCase):
    """The users."""

    def test_own(self) -> None:
        """A socket of this process that listens is this user's; one that is bound alone is not there."""
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with closing(socket.socket(family)) as listening:
                listening.bind((host, 0))
                port = listening.getsockname()[1]
                self.assertEqual(port_owners(host, port), frozenset())
                listening.listen()
                self.assertEqual(port_owners(host, port), {os.geteuid()})
                self.assertEqual(port_owners("localhost", port), {os.geteuid()})
                self.assertEqual(port_owners("127.0.0.9", port), frozenset())

    def test_every_address(self) -> None:
        """A program that listens on every address listens on this one, too."""
        with closing(socket.create_server(("", 0))) as listening:
            self.assertEqual(port_owners("127.0.0.1", listening.getsockname()[1]), {os.geteuid()})

    def test_no_table(self) -> None:
        """Where the system does not say it, no user is known; lines that are none are left out."""
        table = Path(self.mktemp())
        self.assertEqual(port_owners("127.0.0.1", 1, (str(table),)), frozenset())
        table.write_text("head\n\nx\n")
        self.assertEqual(port_owners("127.0.0.1", 1, (str(table),)), frozenset())
