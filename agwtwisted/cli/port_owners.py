"""Who listens on a port of this machine (proc(5), /proc/net/tcp): a token must reach no program of another user.

Every user may listen on a port above 1023 while the gateway that had it does not run.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

TABLES: Final = ("/proc/net/tcp", "/proc/net/tcp6")

_LISTENS: Final = "0A"
_FIELDS: Final = 8
_EVERY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what others may listen on
_NAMED: Final = frozenset({"127.0.0.1", "::1"})
"""What ``localhost`` may mean."""


def port_owners(host: str, port: int, tables: tuple[str, ...] = TABLES) -> frozenset[int]:
    """The users whose programs listen there; none where nothing does, or the system does not say.

    Args:
        host: an IP address of loopback, or ``localhost``.
        port: of TCP.
        tables: the files that say it.
    """
    wanted = (_NAMED if host == "localhost" else {host}) | _EVERY
    rows = (row for table in tables for row in _rows(table))
    return frozenset(user for address, found, user in rows if found == port and address in wanted)


def _rows(table: str) -> Iterator[tuple[str, int, int]]:
    """Address, port and user of each socket that listens."""
    try:
        lines = Path(table).read_text("ascii").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        if len(fields) >= _FIELDS and fields[3] == _LISTENS:
            address, _, port = fields[1].partition(":")
            yield _address(address), int(port, 16), int(fields[7])


def _address(words: str) -> str:
    """Of the words of 32 bits that the kernel prints, in the order of bytes of this machine."""
    packed = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    text = socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)
    return text.removeprefix("::ffff:")
