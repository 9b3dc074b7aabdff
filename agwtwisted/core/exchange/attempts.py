"""Which server gets a request, which one next where it fails, and what is kept of a body to send it again.

A server that cannot be connected to has got nothing: the next one is asked, every server of the pool once. One that is
down is asked right after a refusal only: a request that waited for a silent server waits for no other such. A request
that was sent is sent again at most once, if its method allows that and all of its body is still there.

Called by the shell's `attempts`, and by tests.
"""

from __future__ import annotations

from typing import Final, Generic, TypeVar

from agwtwisted.core.backends.balancing import Candidate, Order
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.exchange.forwarding import LAST_CHUNK, chunk
from agwtwisted.core.http.messages import IDEMPOTENT, Framing, RequestHead

KEPT_BODY: Final = 65536
"""Bytes of a request's body that are kept to send them once more; further ones are sent and forgotten."""

# Before Python 3.12 each look at a member of an Enum costs a call.
_NONE, _CHUNKED = Framing.NONE, Framing.CHUNKED

T = TypeVar("T", bound=Candidate)


class ServerChoice(Generic[T]):
    """The servers that one request tries after the first one has failed.

    Args:
        order: of the servers, without the first.
        current: the first, which was asked.
        stays: whether another attempt stays at its server, as long as that can be connected to.
    """

    __slots__ = ("_order", "_repeated", "_spare", "_stays", "current")

    def __init__(self, order: Order[T], current: T, *, stays: bool = False) -> None:
        self.current = current  # the server that was asked last
        self._order = order
        self._stays = stays
        self._spare: T | None = None  # a server that is down, whose turn it is once no other is left
        self._repeated = False

    def after_failed_connection(self, *, refused: bool) -> T | None:
        """The next server, after one that could not be connected to; None: none is left."""
        return self._chosen(self._next(down=refused))

    def again(self, *, timed_out: bool) -> T | None:
        """The server that gets a request which was sent and failed; None: it is not sent again."""
        if self._repeated:
            return None
        # Asking a server that is too slow once more would only double its load.
        current = self.current
        same = None if timed_out or current.state is HealthState.DOWN else current
        server = (same if self._stays else None) or self._next(down=False) or same
        if server is None and not timed_out:
            server = self._next(down=True)
        self._repeated = server is not None
        return self._chosen(server)

    def _chosen(self, server: T | None) -> T | None:
        self.current = server or self.current
        return server

    def _next(self, *, down: bool) -> T | None:
        """The next server, which is a `down` one only where that is said."""
        server, self._spare = self._spare or next(self._order, None), None
        if server is not None and server.state is HealthState.DOWN and not down:
            server, self._spare = None, server
        return server


class KeptBody:
    """The body of a request so far, as it is sent: complete until it is too large to be kept, empty from then on.

    Nothing follows its end, to which a defect would lead: a server would read it as the beginning of another request.

    Args:
        framing: how it is sent.
        whole: all of it; None: it comes in pieces.
    """

    __slots__ = ("_chunked", "_forgotten", "_kept", "whole")

    def __init__(self, framing: Framing, whole: bytes | None = None) -> None:
        self.whole = framing is _NONE or whole is not None
        self._chunked = framing is _CHUNKED
        self._forgotten = False
        self._kept: bytes | bytearray = whole or b""  # most requests have no body
        if self._chunked and whole is not None:
            self._kept = (chunk(whole) if whole else b"") + LAST_CHUNK

    @property
    def has_room(self) -> bool:
        """Whether more may come before a server takes it."""
        return not self._forgotten and len(self._kept) <= KEPT_BODY

    def so_far(self) -> bytes:
        """What a server gets that is asked now."""
        return bytes(self._kept)

    def add(self, data: bytes, *, sent: bool) -> bytes:
        """A piece came: returns it as it is sent. One that is `sent` already need not be kept for the first attempt.

        Raises:
            AssertionError: the body is whole, or there is none.
        """
        if self.whole:
            raise AssertionError("nothing follows the end of a body")
        return self._keep(chunk(data) if self._chunked else data, sent=sent)

    def end(self, *, sent: bool) -> bytes:
        """The body is whole: returns its end as it is sent.

        Raises:
            AssertionError: that is known.
        """
        if self.whole and self._chunked:
            raise AssertionError("a body ends once")
        self.whole = True
        return self._keep(LAST_CHUNK, sent=sent) if self._chunked else b""

    def may_be_sent_again(self, request: RequestHead) -> bool:
        """Whether this request may be sent a second time (RFC 9110 section 9.2.2), and all of it is there."""
        return not self._forgotten and request.method in IDEMPOTENT and not request.upgrade

    def _keep(self, piece: bytes, *, sent: bool) -> bytes:
        if not self._forgotten:
            self._kept = self._kept or bytearray()
            self._kept += piece
            if sent and len(self._kept) > KEPT_BODY:
                self._forgotten, self._kept = True, b""
        return piece


NO_BODY: Final = KeptBody(Framing.NONE)
"""That of all requests without one, which share it: nothing is added to it."""
