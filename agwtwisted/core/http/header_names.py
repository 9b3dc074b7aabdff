"""What is done with a header line of a request, by its name: forwarded, looked at, dropped, or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from agwtwisted.core.base.values import value
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.messages import BadRequest
from agwtwisted.core.http.pages import ErrorInfo

# What is done with a header line: what its name is for us. Plain bytes: an Enum's hash is computed in Python.
_END_TO_END: Final = b""
_DROPPED: Final = b"-"  # hop-by-hop or managed: never forwarded as it came
_ODD: Final = b"?"  # outside [A-Za-z0-9-]
AUTHORIZATION: Final = b"authorization"
CONNECTION: Final = b"connection"
CONTENT_LENGTH: Final = b"content-length"
EXPECT: Final = b"expect"
FORWARDED_FOR: Final = b"x-forwarded-for"
HOST: Final = b"host"
TRANSFER_ENCODING: Final = b"transfer-encoding"
UPGRADE: Final = b"upgrade"
USER_AGENT: Final = b"user-agent"

HOP_BY_HOP: Final = frozenset((b"http2-settings", b"keep-alive", b"proxy-connection", b"te", b"trailer"))
"""RFC 9110 section 7.6.1, and what HTTP/2 upgrades and older proxies use."""

REMEMBERED_NAMES: Final = 1024
LONGEST_REMEMBERED: Final = 64

_SPECIAL: Final = frozenset(
    (
        AUTHORIZATION,
        CONNECTION,
        CONTENT_LENGTH,
        EXPECT,
        FORWARDED_FOR,
        HOST,
        TRANSFER_ENCODING,
        UPGRADE,
        USER_AGENT,
    )
)
_FORWARDED: Final = frozenset((AUTHORIZATION, FORWARDED_FOR, USER_AGENT))  # special ones that backends get of clients
_LOOKED_AT: Final = frozenset((AUTHORIZATION, USER_AGENT))  # and forwarded as they came
_REPEATABLE: Final = frozenset((CONNECTION, FORWARDED_FOR, UPGRADE, USER_AGENT))
_FORWARDABLE_NAME: Final = re.compile(rb"[A-Za-z0-9-]+")

_INVALID_REQUEST: Final = BadRequest(400, ErrorInfo.INVALID_REQUEST)
_REPEATED: Final = {
    HOST: BadRequest(400, ErrorInfo.INVALID_HOST),
    CONTENT_LENGTH: BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH),
}


@value
class SortedLines:
    """Header lines of a request by what is done with them."""

    headers: list[Header]  # end-to-end ones, which are forwarded as they came
    special: dict[bytes, bytes]  # by name in lower case: those that say something to the gateway; several joined
    odd: list[bytes]  # names whose lines are dropped because they are none that is forwarded


class HeaderNames:
    """Sorts header names, each looked at once: the names that clients send are few and the same.

    Args:
        managed: further names, in canonical form, that clients may not set.
        reject_odd: whether a name outside ``[A-Za-z0-9-]`` makes the request bad; else its line is dropped.
        tell_dropped: is called with such a name and the number of times it was dropped: the 1st time, the 10th, the
            100th and so on.
    """

    def __init__(
        self,
        managed: frozenset[bytes] = frozenset(),
        *,
        reject_odd: bool = False,
        tell_dropped: Callable[[bytes, int], None] | None = None,
    ) -> None:
        self.reject_odd = reject_odd
        self._tell_dropped = tell_dropped
        self._dropped: dict[bytes, int] = {}
        self._managed = MANAGED_NAMES | managed
        self.known: dict[bytes, bytes] = {}  # what `kind` said of names that came before

    def kind(self, name: bytes) -> bytes:
        """What is done with a line of this name: its lower case where it is a special one."""
        kind = self.known.get(name)
        if kind is None:
            kind = self._sorted(name)
            if len(self.known) < REMEMBERED_NAMES and len(name) <= LONGEST_REMEMBERED:
                self.known[name] = kind
        return kind

    def sort(self, lines: Sequence[Header]) -> SortedLines | BadRequest:
        """The lines of a head by what is done with them; a name that is to be rejected, or stands twice, is bad."""
        headers: list[Header] = []
        special: dict[bytes, bytes] = {}
        odd: list[bytes] = []
        known = self.known.get
        for line in lines:
            kind = known(line[0])
            if kind is None:
                kind = self.kind(line[0])
            if kind is _END_TO_END:
                headers.append(line)
            elif kind is _ODD:
                if self.reject_odd:
                    return _INVALID_REQUEST
                odd.append(line[0])
            elif kind is not _DROPPED:
                if kind in special and kind not in _REPEATABLE:
                    return _REPEATED.get(kind, _INVALID_REQUEST)
                if kind in _LOOKED_AT:
                    headers.append(line)
                special[kind] = special[kind] + b", " + line[1] if kind in special else line[1]
        return SortedLines(headers, special, odd)

    def drop(self, name: bytes) -> None:
        """Counts a line that is dropped for its name; beyond `REMEMBERED_NAMES` of them, new ones are not counted.

        Long names count by how they begin: they are kept, and any client can send them.
        """
        name = name[:LONGEST_REMEMBERED]
        count = self._dropped.get(name, 0) + 1
        if count == 1 and len(self._dropped) >= REMEMBERED_NAMES:
            return
        self._dropped[name] = count
        if self._tell_dropped is not None and str(count).strip("0") == "1":
            self._tell_dropped(name, count)

    def is_managed(self, name: bytes) -> bool:
        """Whether clients may not set this name, in whatever spelling."""
        return canonical(name) in self._managed

    def _sorted(self, name: bytes) -> bytes:
        lower = name.lower()
        if lower in _SPECIAL and not (lower in _FORWARDED and lower in self._managed):
            return lower
        if self.is_managed(name) or lower in HOP_BY_HOP:
            return _DROPPED
        return _END_TO_END if _FORWARDABLE_NAME.fullmatch(name) else _ODD
