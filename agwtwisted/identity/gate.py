"""Holds a connection after its handshake until the verdict about the client is in.

No byte of the client is looked at before: what comes is kept, and reading stops once it is enough. It does not stop at
once, or nobody would notice that the client has left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.identity.standing import no_answer
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.streaming import TcpWire

Check: TypeAlias = Callable[[Peer], Peer | Deferred[Peer]]
"""The peer with its final verdict, whether its certificate is still good: at once where that is known.

Else it has a deadline, and may be cancelled.
"""

MAX_EARLY = 16384
"""Bytes that are kept of a client that waits for its verdict; one read may come on top."""


class Gate:
    """The receiver of a wire between its handshake and the verdict.

    `opened` is called once, with the peer and its final verdict; the wire's receiver must be set when it returns. It is
    called for a refused peer too: whether that one is told why is not the gate's question.
    """

    log = Logger()

    def __init__(self, wire: TcpWire, opened: Callable[[Peer], None]) -> None:
        self._wire = wire
        self._opened = opened
        self._early = bytearray()
        self._waiting: Deferred[Peer] | None = None

    def judge(self, peer: Peer, check: Check | None = None) -> None:
        """Opens at once for a peer that needs no further check, else when `check` has answered.

        Only a peer found trusted is checked any further; a check that fails is a refusal.
        """
        if check is None or not isinstance(peer.verdict, Trusted):
            self._opened(peer)
            return
        try:
            answer = check(peer)
        except Exception:
            answer = no_answer(Failure(), peer, self.log)
        if isinstance(answer, Peer):
            self._opened(answer)
            return
        self._wire.receiver = self
        self._waiting = answer
        answered = answer.addErrback(no_answer, peer, self.log).addCallback(self._answered)
        answered.addErrback(self._broken)  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(answered, self.log, "judging a client certificate")

    def received(self, data: bytes) -> None:
        """Early bytes."""
        self._early += data
        if len(self._early) >= MAX_EARLY:
            self._wire.pause()

    def drained(self) -> None:
        """Nothing is written before the gate opens."""

    def finished(self) -> None:
        """The client has finished sending, which its wire remembers; it may still be answered."""

    def ended(self, reason: str) -> None:
        """The client left before the verdict: nobody needs the answer any more."""
        if self._waiting is not None:
            self._waiting.cancel()

    def _answered(self, peer: Peer) -> None:
        if self._wire.closing:
            return
        self._opened(peer)
        early, self._early = bytes(self._early), bytearray()
        if early and not self._wire.closing:
            self._wire.receiver.received(early)
        if self._wire.input_ended and not self._wire.closing:
            receiver: Any = self._wire.receiver  # which such a wire tells of this
            receiver.finished()
        self._wire.resume()

    def _broken(self, failure: Failure) -> Failure:
        # Without a gate that opens the connection would wait for ever.
        self._wire.abort()
        return failure
