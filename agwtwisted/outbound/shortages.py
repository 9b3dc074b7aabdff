"""What the gateway itself lacked where no connection was made: that is no news of the server."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from twisted.internet.abstract import isIPv6Address

from agwtwisted.transport.descriptors import SHORTAGES

_SHORTAGES: Final = SHORTAGES | {errno.EADDRNOTAVAIL}
"""No descriptor, memory or local port is left."""


def descriptor_shortage() -> str:
    """Why no descriptor is to be had now; empty where one is. Resolvers and TLS do not report that they lacked one."""
    try:
        socket.socket().close()
    except OSError as error:
        return _shortage(error.errno)
    return ""


def _shortage(code: int | None) -> str:
    return f"the gateway cannot open a connection: {os.strerror(code or 0)}"


class FailedAddresses:
    """What connecting to the addresses of one server failed with."""

    def __init__(self) -> None:
        self._shortages: list[str] = []
        self._failures = 0

    def add(self, address: str, code: int | None) -> None:
        """Connecting to an address failed with this error code of the system; None: with none."""
        self._failures += 1
        if code in _SHORTAGES:
            is_sure = code != errno.EADDRNOTAVAIL or not isIPv6Address(address)
            self._shortages.append(_shortage(code) if is_sure else "")

    @property
    def shortage(self) -> str:
        """Which resource of our own was lacking; empty where none was.

        A host without IPv6 has no local address for it either (EADDRNOTAVAIL): that counts only where no other address
        was tried.
        """
        sure = [each for each in self._shortages if each]
        if sure:
            return sure[0]
        only_ipv6 = self._shortages and len(self._shortages) == self._failures
        return _shortage(errno.EADDRNOTAVAIL) if only_ipv6 else ""
