"""Keeps the decision about a client true while its connection lives.

A verdict has an end: that of the certificates, and that of the OCSP response. There, and when a certificate becomes
known as revoked, the client is judged again; so it is when the system's clock was set. For the gate and the sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final, Protocol, TypeAlias

import attrs
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.identity.clients import (
    NOT_CHECKED,
    Admitted,
    Client,
    ClientRevocationStatus,
    PendingClient,
    RevocationFinding,
    TurnedAway,
    identify,
)
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused, Trusted
from agwtwisted.transport.clocks import WallClock
from agwtwisted.transport.deferreds import log_failure

Answer: TypeAlias = RevocationFinding | Deferred[RevocationFinding]
"""What a check finds, at once where that is known; else it has a deadline, and may be cancelled."""

CHECK_FAILED: Final = RevocationFinding(
    status=ClientRevocationStatus.UNAVAILABLE, refusal=Refused(reasons.STATUS_UNAVAILABLE)
)

EXPIRED: Final = RevocationFinding(status=ClientRevocationStatus.NOT_CHECKED, refusal=Refused(reasons.EXPIRED))


class Check(Protocol):
    """What judges a client further whose certificate was verified: `revocation.RevocationCheck`."""

    def __call__(self, pending: PendingClient) -> Answer:
        """What is found about the revocation of the client's certificate."""

    def watch(self, pending: PendingClient, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when a certificate of the client becomes known as revoked; returns what ends that."""


class Revalidated(Protocol):
    """Whose client is revalidated."""

    def hold(self) -> None:
        """The verdict is over, and the new one not in: no request may be forwarded until `renewed`."""

    def renewed(self, client: Client) -> None:
        """The decision from now on; a client that is turned away stays so."""


def asked_of(check: Callable[[PendingClient], Answer], pending: PendingClient) -> Deferred[RevocationFinding]:
    """What the check finds, now or later; fails with what it raises."""
    try:
        answer = check(pending)
    except Exception:
        return fail(Failure())
    return succeed(answer) if isinstance(answer, RevocationFinding) else answer


def check_failed(failure: Failure, log: Logger) -> RevocationFinding:
    """A check that failed is a refusal; the log has why, unless it was cancelled."""
    if failure.check(CancelledError) is None:
        log.failure("A check of a client certificate failed", failure)
    return CHECK_FAILED


class Revalidation:
    """Judges one trusted client again, each time that its verdict is over; `stop` it when the connection is gone.

    Args:
        clock: what is waited by.
        wall: the time that certificates and OCSP responses speak of.
        revalidated: whose client it is.
        pending: the client as its handshake left it, before any check.
        check: how it is judged further; None where only its certificates have an end.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        wall: WallClock,
        revalidated: Revalidated,
        pending: PendingClient,
        check: Check | None,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._revalidated: Revalidated | None = revalidated
        self._pending = pending
        self._check = check
        self._timer: IDelayedCall | None = None
        self._asking: Deferred[RevocationFinding] | None = None
        self._unwatch = check.watch(pending, self._again) if check is not None else None
        self._unsubscribe: Callable[[], None] | None = wall.subscribe(self._again)

    @classmethod
    def of(
        cls,
        clock: IReactorTime,
        wall: WallClock,
        revalidated: Revalidated,
        client: Admitted,
        check: Check | None,
    ) -> Revalidation | None:
        """That of an admitted client; None where its verdict has no end."""
        if client.until == inf:
            return None
        made = cls(clock, wall, revalidated, client.pending, check)
        made.until(client.until)
        return made

    @classmethod
    def anew(
        cls, clock: IReactorTime, wall: WallClock, revalidated: Revalidated, pending: PendingClient, check: Check | None
    ) -> Revalidation:
        """That of a client whose certificate was judged by another profile, of which it `begin`s."""
        is_trusted = isinstance(pending.proof.verdict, Trusted)
        return cls(clock, wall, revalidated, pending, check if is_trusted else None)

    @property
    def provisional(self) -> Client:
        """The client before any check."""
        return identify(self._pending, NOT_CHECKED)

    def begin(self) -> None:
        """Judges now, and from then on each time that the verdict is over."""
        proof = self._pending.proof
        if isinstance(proof.verdict, Trusted) and self._wall.seconds() >= proof.until:
            self._renew(EXPIRED)
        elif self._check is None:
            self._renew(NOT_CHECKED)
        else:
            self._ask(self._check)

    def check_by(self, check: Check | None) -> None:
        """From now on the client is checked by this, which judges and watches as the one before does."""
        self._check = check

    def until(self, end: float) -> None:
        """The verdict holds until then, in seconds since 1970; one that has no end is not made again."""
        if end == inf:
            self.stop()
            return
        self._timer = self._clock.callLater(max(end - self._wall.seconds(), 0.0), self._over)

    def stop(self) -> None:
        """The connection is gone: no timer, watch or question of it stays."""
        self._revalidated = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None  # it leads back here
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
        """Judges anew, unless that is in progress."""
        revalidated = self._revalidated
        if revalidated is None or self._asking is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wall.seconds() >= self._pending.proof.until:
            self._renew(EXPIRED)
        elif self._check is None:  # the system's clock was set
            self.until(self._pending.proof.until)
        else:
            self._ask(self._check)

    def _ask(self, check: Check) -> None:
        if self._revalidated is not None:
            self._revalidated.hold()
        self._asking = asking = asked_of(check, self._pending)
        asked = asking.addErrback(check_failed, self.log).addCallback(self._answered)
        log_failure(asked, self.log, "judging a client certificate again")

    def _answered(self, finding: RevocationFinding) -> None:
        self._asking = None
        self._renew(finding)

    def _renew(self, finding: RevocationFinding) -> None:
        """Has the client replaced by what the finding makes of it; one that is turned away is not judged again."""
        revalidated = self._revalidated
        if revalidated is None:
            return
        client = identify(self._pending, finding)
        if isinstance(client, Admitted):
            self.until(client.until)
        else:
            self.stop()
        revalidated.renewed(client)


class StrictClient:
    """The client of one connection as the paths see it that require a certificate; judged again at every request.

    What was found out about a certificate is remembered elsewhere, so that a judgement costs little. Once a path has
    let in a client that the listener itself does not verify, its certificate is revalidated as on a Strict listener.

    Args:
        clock: what is waited by.
        wall: the time that certificates and OCSP responses speak of.
        check: how the client is judged further, if it is.
        expel: ends the connection of a client that such a path has let in, and is turned away now.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, wall: WallClock, check: Check | None, expel: Callable[[], None]) -> None:
        self.has_let_in = False  # such a path, this client
        self._clock = clock
        self._wall = wall
        self._check = check
        self._expel: Callable[[], None] | None = expel  # None once the connection is gone, or another is asked
        self._client: Client | None = None  # as it was judged last
        self._revalidation: Revalidation | None = None
        self._judging: Deferred[Client] | None = None  # what goes on on the connection

    def judged(self, client: Client) -> Deferred[Client]:
        """The client of the connection, as such a path takes it; may be cancelled."""
        if isinstance(client, TurnedAway):
            return succeed(client)
        pending = client.pending.strict()
        if not isinstance(pending.proof.verdict, Trusted):
            return succeed(identify(pending, NOT_CHECKED))
        if self._wall.seconds() >= min(client.until, pending.proof.until):
            return succeed(identify(pending, attrs.evolve(client.finding, refusal=EXPIRED.refusal)))
        checked = succeed(NOT_CHECKED) if self._check is None else asked_of(self._check, pending)
        return checked.addErrback(check_failed, self.log).addCallback(self._judged, client, pending)

    def judge_again(self, client: Client) -> None:
        """Such a path has let the client in by another profile: expels it, unless it would by this one, too."""
        self.has_let_in = True  # whatever becomes of the judgement: another reload may come before its end
        judging = self._judging = self.judged(client)
        log_failure(judging.addCallback(self._judged_again).addErrback(self._not_judged), self.log, "judging a client")

    def check_by(self, check: Check | None) -> None:
        """From now on the client is checked by this, which judges and watches as the one before does."""
        self._check = check
        self._client = None  # requests under way keep theirs, with what it remembers of the configuration before
        if self._revalidation is not None:
            self._revalidation.check_by(check)

    def stop(self) -> None:
        """The connection is gone, or another takes this one's place."""
        self._expel = None
        if self._revalidation is not None:
            self._revalidation.stop()
        if self._judging is not None:
            self._judging.cancel()

    def _judged(self, finding: RevocationFinding, client: Admitted, pending: PendingClient) -> Client:
        judged = identify(pending, finding)
        if isinstance(judged, Admitted) and self._expel is not None:
            self.has_let_in = True
            if not isinstance(client.verdict, Trusted) and self._revalidation is None:
                self._revalidation = Revalidation.of(self._clock, self._wall, self, judged, self._check)
        if self._client is None or self._client != judged:  # else it is the same as before, with what it remembers
            self._client = judged
        return self._client

    def _judged_again(self, client: Client) -> None:
        self._judging = None
        if self._expel is not None:  # else it was stopped, and does not know
            self.has_let_in = isinstance(client, Admitted)
        self.renewed(client)

    def _not_judged(self, failure: Failure) -> Failure:
        self._judging = None
        if self._expel is not None:
            self._expel()
        return failure

    # -- as Revalidated says

    def hold(self) -> None:
        """Every request to such a path waits for the verdict by itself."""

    def renewed(self, client: Client) -> None:
        """A request or an upgraded connection of such a path may be under way: no further one follows it."""
        if isinstance(client, TurnedAway) and self._expel is not None:
            self._expel()
