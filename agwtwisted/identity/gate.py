"""Holds a connection after its handshake until the verdict about the client is final.

No byte of the client is looked at before: what comes is kept. For the ports, whose connections have one each.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.core.identity.clients import (
    NOT_CHECKED,
    Admitted,
    Client,
    PendingClient,
    RevocationFinding,
    TurnedAway,
    identify,
)
from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.identity.revalidation import Answer, check_failed
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.deferreds import log_failure
from agwtwisted.transport.early import EarlyBytes


class Gate:
    """The receiver of a connection between its handshake and the verdict.

    One of the two callables is called, once; the connection's receiver must be set when it returns.

    Args:
        connection: of the client.
        admitted: takes a client that may be forwarded.
        turned_away: takes one that may not, to have it read why, or to close.
    """

    log = Logger()

    def __init__(
        self, connection: Connection, admitted: Callable[[Admitted], None], turned_away: Callable[[TurnedAway], None]
    ) -> None:
        self._connection = connection
        self._admitted = admitted
        self._turned_away = turned_away
        self._early: EarlyBytes | None = None  # while it is the receiver
        self._waiting: Deferred[RevocationFinding] | None = None

    def judge(self, pending: PendingClient, check: Callable[[PendingClient], Answer] | None = None) -> bool:
        """Decides at once about a client that needs no further check, else when `check` has answered.

        Only a client found trusted is checked any further; a check that fails is a refusal. Returns whether it is
        decided.
        """
        if check is None or not isinstance(pending.proof.verdict, Trusted):
            self._open(pending, NOT_CHECKED)
            return True
        try:
            answer = check(pending)
        except Exception:
            answer = check_failed(Failure(), self.log)
        if isinstance(answer, RevocationFinding):
            self._open(pending, answer)
            return True
        self._connection.receiver = self
        if self._early is None:
            self._early = EarlyBytes(self._connection)
        self._waiting = answer
        answered = answer.addErrback(check_failed, self.log).addCallback(self._answered, pending, answer)
        answered.addErrback(self._broken)  # type: ignore[unused-awaitable]  # handed on to the log
        log_failure(answered, self.log, "judging a client certificate")
        return self._waiting is None

    def suspend(self) -> None:
        """What was asked about the client does not count any more: the gate stays shut until it is judged again."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()

    def received(self, data: bytes) -> None:
        """Early bytes."""
        if self._early is not None:
            self._early.add(data)

    def drained(self) -> None:
        """Nothing is written before the gate opens."""

    def finished(self) -> None:
        """The client has finished sending, which its connection remembers; it may still be answered."""

    def ended(self, reason: str) -> None:
        """The client left before the verdict: the check is cancelled."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._admitted = self._turned_away = _over

    def _decide(self, pending: PendingClient, finding: RevocationFinding) -> None:
        client = identify(pending, finding)
        admitted, turned_away = self._admitted, self._turned_away
        self._admitted = self._turned_away = _over  # they lead to a port, which is free with its configuration
        if isinstance(client, Admitted):
            admitted(client)
        else:
            turned_away(client)

    def _answered(self, finding: RevocationFinding, pending: PendingClient, asked: Deferred[RevocationFinding]) -> None:
        if self._waiting is asked:
            self._waiting = None
            self._open(pending, finding)

    def _open(self, pending: PendingClient, finding: RevocationFinding) -> None:
        """Decides; what has come meanwhile goes to the receiver that follows."""
        kept = self._early
        if kept is None:
            self._decide(pending, finding)
            return
        if self._connection.closing:
            return
        self._decide(pending, finding)
        early = kept.take()
        if early and not self._connection.closing:
            self._connection.receiver.received(early)
        if self._connection.input_ended and not self._connection.closing:
            self._connection.receiver.finished()
        self._connection.resume()

    def _broken(self, failure: Failure) -> Failure:
        # Without a gate that opens the connection would wait for ever.
        self._connection.abort()
        return failure


def _over(client: Client) -> None:
    raise AssertionError("a gate decides once")
