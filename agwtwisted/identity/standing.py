"""Keeps the verdict about a client true while its connection lives.

A verdict has an end: that of the certificates, and that of the OCSP response. There, and when a certificate becomes
known as revoked, the client is judged again; so it is when the system's clock was set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.identity.peer import OcspStatus, Peer
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused, Trusted
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import log_failure

NO_ANSWER = Refused(reasons.STATUS_UNAVAILABLE)


class Recheck(Protocol):
    """What judges a trusted client further, and knows when to do it again: `revocation.RevocationCheck`."""

    def __call__(self, peer: Peer) -> Peer | Deferred[Peer]:
        """The peer with its final verdict, at once where that is known; may be cancelled."""

    def watch(self, peer: Peer, told: Callable[[], None]) -> Callable[[], None]:
        """Has `told` called when there is bad news about the client; returns what ends that."""


class Judged(Protocol):
    """Whose client it is."""

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no request may be forwarded until `renewed`."""

    def renewed(self, peer: Peer) -> None:
        """The verdict from now on; a refused client stays refused."""


def asked_of(recheck: Recheck, peer: Peer) -> Deferred[Peer]:
    """What the check finds, now or later; fails with what it raises."""
    try:
        answer = recheck(peer)
    except Exception:
        return fail(Failure())
    return succeed(answer) if isinstance(answer, Peer) else answer


def no_answer(failure: Failure, peer: Peer, log: Logger) -> Peer:
    """A check that failed is a refusal; the log has why, unless it was cancelled."""
    if failure.check(CancelledError) is None:
        log.failure("A check of a client certificate failed", failure)
    return attrs.evolve(peer, verdict=NO_ANSWER, ocsp_status=OcspStatus.UNAVAILABLE)


class Standing:
    """The verdict about one trusted client; `stop` it when the connection is gone."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, wall: WallClock, judged: Judged, verified: Peer, recheck: Recheck | None
    ) -> None:
        """`verified` is the client as the handshake left it, before any further check."""
        self._clock = clock
        self._wall = wall
        self._judged: Judged | None = judged
        self._verified = verified
        self._recheck = recheck
        self._timer: IDelayedCall | None = None
        self._asking: Deferred[Peer] | None = None
        self._unwatch = recheck.watch(verified, self._again) if recheck is not None else None
        self._unsubscribe = wall.subscribe(self._again)

    def until(self, end: float) -> None:
        """The verdict holds until then, in seconds since 1970."""
        self._timer = self._clock.callLater(max(end - self._wall.seconds(), 0.0), self._over)

    def stop(self) -> None:
        """Nobody is interested any more."""
        self._judged = None
        self._unsubscribe()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        if self._asking is not None:
            self._asking.cancel()

    def _over(self) -> None:
        self._timer = None
        self._again()

    def _again(self) -> None:
        """Judges anew, unless that is under way."""
        judged = self._judged
        if judged is None or self._asking is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wall.seconds() >= self._verified.until:
            self._refuse(attrs.evolve(self._verified, verdict=Refused(reasons.EXPIRED)))
        elif self._recheck is None:  # the system's clock was set
            self.until(self._verified.until)
        else:
            judged.hold()
            self._ask(self._recheck)

    def _ask(self, recheck: Recheck) -> None:
        self._asking = asking = asked_of(recheck, self._verified)
        asked = asking.addErrback(no_answer, self._verified, self.log).addCallback(self._answered)
        log_failure(asked, self.log, "judging a client certificate again")

    def _answered(self, peer: Peer) -> None:
        self._asking = None
        judged = self._judged
        if judged is None:
            return
        if isinstance(peer.verdict, Trusted):
            self.until(peer.until)
            judged.renewed(peer)
        else:
            self._refuse(peer)

    def _refuse(self, peer: Peer) -> None:
        judged = self._judged
        self.stop()
        if judged is not None:
            judged.renewed(peer)
