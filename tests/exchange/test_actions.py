"""The actions of an exchange by themselves; what they do together is in test_exchange."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange import states as on
from agwtwisted.core.exchange.attempts import KEPT_BODY
from agwtwisted.core.http.messages import RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Client
from agwtwisted.core.verification.verdicts import Missing, NotAsked
from agwtwisted.exchange.actions import PERFORM, ExchangeActions
from agwtwisted.exchange.context import Lost, OwnAnswer
from tests import identities
from tests.gateways import Stand
from tests.wires import Network

HEAD = RequestHead(method=b"GET", target=b"/", version=b"1.1", host="a", authority=b"a", headers=())


class Writer:
    """Notes its events."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.bytes_sent = 0
        self.full = False

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.told.append(name)


class _Actions(ExchangeActions):
    """Notes how a client was judged."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.verdicts: list[Client] = []

    def judged(self, strict: Client) -> None:
        """The client as a Strict profile takes it."""
        self.verdicts.append(strict)


class ExchangeActionsTests(SynchronousTestCase):
    """Those of one exchange."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.writer = Writer()
        self.judging: Deferred[Client] = Deferred()
        self.session = SimpleNamespace(
            client=identities.client(NotAsked()), listener="public", strict_client=lambda: self.judging
        )
        writer: Any = self.writer
        session: Any = self.session
        self.answer = OwnAnswer(404, ErrorInfo.INVALID_HOST)
        self.actions = _Actions(
            self.stand.exchanges, HEAD, writer, session, lambda request, record, strict: self.answer
        )

    def test_names(self) -> None:
        """Every action of the table is the method of its name, which says so."""
        self.assertEqual({*PERFORM}, {*on.ACTIONS})
        for action, perform in PERFORM.items():
            self.assertIs(getattr(ExchangeActions, action.name.lower()), perform)
            self.assertTrue((perform.__doc__ or "").startswith(action.name))

    def test_decide(self) -> None:
        """The answer to the question is an event, with what it brings."""
        self.assertEqual(self.actions.decide(None), (on.OWN_ANSWER, self.answer))

    def test_hold_body(self) -> None:
        """What comes while the client is judged is kept, and the client stopped before it is too much."""
        self.actions.judge_client(None)
        self.actions.hold_body(bytes(KEPT_BODY - 1))
        self.assertEqual(self.writer.told, [])
        self.actions.hold_body(b"x")
        self.assertEqual((self.writer.told, self.actions.record.body_size), (["pause_body"], KEPT_BODY))

    def test_turned_away_meanwhile(self) -> None:
        """A client that was turned away while it was judged for a path is taken as that, whatever the path says."""
        for now in (NotAsked(), Missing()):
            self.setUp()
            self.actions.judge_client(None)
            self.session.client = identities.client(now)
            strict = identities.client(NotAsked())
            self.judging.callback(strict)
            self.assertEqual(self.actions.verdicts, [strict if isinstance(now, NotAsked) else self.session.client])

    def test_answer(self) -> None:
        """An answer of our own ends the exchange: page, line, and the next request."""
        self.actions.answer(self.answer)
        self.assertEqual(self.writer.told, ["head", "body", "end", "release"])
        self.assertTrue(self.actions.ended)
        self.assertEqual((self.stand.log.last["httpStatus"], len(self.stand.log.lines)), (404, 1))

    def test_ends_once(self) -> None:
        """Whatever ends it after that, there is one line in the log."""
        self.actions.leave(None)
        self.actions.cut(Lost("x", timed_out=True))
        self.assertEqual([each["httpStatus"] for each in self.stand.log.records], [499])

    def test_client_leaves(self) -> None:
        """The judgement of a client that left is cancelled, and what still comes of it goes nowhere."""
        self.actions.judge_client(None)
        self.actions.leave(None)
        self.assertTrue(self.judging.called)
        self.assertEqual(self.actions.verdicts, [])

    def test_lost(self) -> None:
        """Why a response was lost has its code in the log."""
        self.assertEqual(Lost("x", timed_out=True).error_info, ErrorInfo.UPSTREAM_TIMED_OUT)
        self.assertEqual(Lost("x", timed_out=False).error_info, ErrorInfo.UPSTREAM_CLOSED_CONNECTION)
