"""The heads of a request that goes on, and of its response."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.decisions import Forwarded
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.rules.rewriting import RewrittenRequest
from agwtwisted.core.verification.verdicts import NotAsked
from agwtwisted.exchange.forwarding import ForwardedRequest
from agwtwisted.exchange.record import ExchangeRecord
from tests import identities
from tests.gateways import Stand, site
from tests.http_backends import User
from tests.wires import Network

HEAD = RequestHead(method=b"GET", target=b"/a", version=b"1.1", host="a.example", authority=b"a.example", headers=())
OK = ResponseHead(status=200, reason=b"OK", headers=(), framing=Framing.NONE)


class ForwardedRequestTests(SynchronousTestCase):
    """One request to a pool of one server."""

    def setUp(self) -> None:
        self.make()

    def make(self, request: RewrittenRequest | None = None, **settings: Any) -> None:
        """The request, as rules have left it, under these settings."""
        self.network = Network()
        self.stand = Stand(self.network)
        client = identities.client(NotAsked())
        assert isinstance(client, Admitted)
        where = site(**settings)
        self.action = where.actions.default
        self.record = ExchangeRecord(self.stand.exchanges, HEAD, client, "public")
        self.record.site = where
        self.record.route = self.stand.exchanges.route("public", self.action)
        session: Any = SimpleNamespace(identity=lambda action, client: b"X-Identity: x\r\n", address=b"192.0.2.1:7")
        decision = Forwarded(self.action, client, request)
        self.user: Any = User()
        self.user.connected = lambda connection: None
        self.forwarded = ForwardedRequest(self.stand.exchanges, HEAD, b"", session, self.record, decision, self.user)

    def sent(self) -> bytes:
        """What a server gets."""
        self.forwarded.start()
        self.network.advance(0)
        return self.network.backend(9000).line.take()

    def test_head(self) -> None:
        """A server gets the client's request, who it is, and the exchange's number; the record has the host."""
        head = self.sent()
        self.assertTrue(head.startswith(b"GET /a HTTP/1.1\r\nHost: a.example\r\n"))
        self.assertIn(b"\r\nX-Identity: x\r\n", head)
        self.assertIn(b"\r\nX-Appgw-Trace-Id: " + self.record.trace_id + b"\r\n", head)
        self.assertEqual((self.record.host, self.record.forwarded_target), (b"a.example", None))

    def test_rewritten(self) -> None:
        """Rules may send it to another path and host, and the record has both."""
        self.make(attrs.evolve(RewrittenRequest.of(HEAD, b"/z"), host=b"z.example"))
        self.assertTrue(self.sent().startswith(b"GET /z HTTP/1.1\r\nHost: z.example\r\n"))
        self.assertEqual((self.record.host, self.record.forwarded_target), (b"z.example", b"/z"))

    def test_response(self) -> None:
        """Without rules, and in a pool without affinity, a response's head goes on as it is."""
        self.assertIs(self.forwarded.rewritten(OK, 0), OK)
        self.assertEqual((self.forwarded.affinity, self.forwarded.rules_saw_it), (None, False))

    def test_affinity(self) -> None:
        """In a pool with affinity a client that is not bound yet gets the cookies of its server."""
        self.make(cookie_based_affinity=True)
        [server] = self.stand.exchanges.backends.pool(self.action.pool, self.action.settings).servers  # type: ignore[arg-type]
        assert self.forwarded.affinity
        bound = self.forwarded.bound(OK, self.forwarded.affinity, server)
        self.assertTrue(bound.headers)
        self.assertEqual({name for name, _ in bound.headers}, {b"Set-Cookie"})

    def test_nowhere(self) -> None:
        """What leads to no pool is not forwarded: that would be a defect."""
        client = identities.client(NotAsked())
        assert isinstance(client, Admitted)
        session: Any = None
        for nowhere in (attrs.evolve(self.action, pool=None), attrs.evolve(self.action, settings=None)):
            self.record.route = self.stand.exchanges.route("public", nowhere)
            decision = Forwarded(nowhere, client, None)
            with self.assertRaises(AssertionError):
                ForwardedRequest(self.stand.exchanges, HEAD, b"", session, self.record, decision, self.user)
