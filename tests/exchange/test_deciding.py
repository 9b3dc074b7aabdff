"""What becomes of requests: those of admitted clients go where they lead, all others get one answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.decisions import CertificateRequired, Forwarded, decide
from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_reader import LONGEST_REPEATED
from agwtwisted.core.identity.clients import Admitted, TurnedAway
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.resources import PathCertificate, PathRule, RedirectConfiguration, RedirectType
from agwtwisted.core.verification.verdicts import Missing, NotAsked, Refused, Verdict
from agwtwisted.exchange import deciding
from agwtwisted.exchange.context import ExchangeContext, OwnAnswer
from agwtwisted.exchange.deciding import RequestOutcome, route, turn_away, unauthenticated
from agwtwisted.exchange.record import ExchangeRecord
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import identities
from tests.gateways import Stand, mapped, profile, site
from tests.wires import Line, Network

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"
HEAD = RequestHead(method=b"GET", target=b"/a", version=b"1.1", host="a.example", authority=b"a.example", headers=())


class RouteTests(SynchronousTestCase):
    """Requests of an admitted client."""

    def decide(
        self, *sites: Site, request: RequestHead | UnfitRequest = HEAD, strict: Any = None
    ) -> tuple[RequestOutcome, ExchangeRecord]:
        """What becomes of it, and what is noted of it."""
        context = Stand(Network()).exchanges
        client = identities.client(NotAsked())
        assert isinstance(client, Admitted)
        session: Any = SimpleNamespace(sites=Sites.of(sites or (site(),)), profile=None)
        record = ExchangeRecord(context, request, client, "connection's")
        return route(context, session, client)(request, record, strict), record

    def assert_answer(self, outcome: RequestOutcome, status: int, error_info: ErrorInfo, *, last: bool = False) -> None:
        """The gateway answers so."""
        assert isinstance(outcome, OwnAnswer)
        self.assertEqual((outcome.status, outcome.error_info, outcome.last), (status, error_info, last))

    def test_forwarded(self) -> None:
        """A request goes on by site and action, and the record has both."""
        outcome, record = self.decide()
        self.assertIsInstance(outcome, Forwarded)
        self.assertEqual((record.listener, record.action is None, record.site is None), ("basic", False, False))

    def test_as_it_began(self) -> None:
        """A request is decided about by the sites and the profile that its connection had when it began."""
        client = identities.client(NotAsked())
        assert isinstance(client, Admitted)
        session: Any = SimpleNamespace(sites=Sites.of((site(),)), profile=None)
        context = Stand(Network()).exchanges
        decide = route(context, session, client)
        session.sites, session.profile = Sites.of((site("b.example"),)), profile("p")
        self.assertIsInstance(decide(HEAD, ExchangeRecord(context, HEAD, client, "s"), None), Forwarded)

    def test_following_requests(self) -> None:
        """Each request of a connection goes by its own host, whatever the one before asked for."""
        session: Any = SimpleNamespace(sites=Sites.of((site("a.example"), site("b.example"))), profile=None)
        context, client = Stand(Network()).exchanges, identities.admitted(NotAsked())
        found = []
        for host in ("a.example", "a.example", "b.example", "c.example", "b.example", "a.example"):
            request = attrs.evolve(HEAD, host=host)
            record = ExchangeRecord(context, request, client, "connection's")
            route(context, session, client)(request, record, None)
            found.append(record.site and record.site.listener.host_names)
        a, b = ("a.example",), ("b.example",)
        self.assertEqual(found, [a, a, b, None, b, a])

    def test_same_request(self) -> None:
        """A head that comes again goes where it went; where rules have a say they are asked each time."""
        context, client = Stand(Network()).exchanges, identities.admitted(NotAsked())
        rules = mapped(site("b.example"), PathRule(name="r", paths=("/*",), client_certificate=PathCertificate.REQUIRE))
        session: Any = SimpleNamespace(sites=Sites.of((site("a.example"), rules)), profile=None)
        other = attrs.evolve(HEAD, host="b.example")
        found = []
        for request, strict in ((HEAD, None), (HEAD, None), (other, client), (other, None), (HEAD, None), (HEAD, None)):
            record = ExchangeRecord(context, request, client, "connection's")
            found.append((route(context, session, client)(request, record, strict), record.listener, record.action))
        outcomes, listeners, actions = zip(*found, strict=True)
        self.assertEqual(listeners, ("a.example", "a.example", "b.example", "b.example", "a.example", "a.example"))
        self.assertEqual(outcomes[0], Forwarded(actions[0], client, None))
        self.assertEqual({outcomes[at] for at in (1, 4, 5)}, {outcomes[0]})
        self.assertIsInstance(outcomes[2], Forwarded)
        self.assertNotEqual(outcomes[2], outcomes[0])
        self.assertIsInstance(outcomes[3], CertificateRequired)

    def test_long_request(self) -> None:
        """A long head is not kept for the next request: it is decided about each time."""
        context, client = Stand(Network()).exchanges, identities.admitted(NotAsked())
        session: Any = SimpleNamespace(sites=Sites.of((site("a.example"),)), profile=None)
        long = attrs.evolve(HEAD, size=LONGEST_REPEATED + 1)
        decided: list[RequestHead] = []
        self.patch(deciding, "decide", lambda *given: (decided.append(given[1]), decide(*given))[1])
        for request in (HEAD, HEAD, long, long):
            record = ExchangeRecord(context, request, client, "connection's")
            self.assertIsInstance(route(context, session, client)(request, record, None), Forwarded)
        self.assertEqual(decided, [HEAD, long, long])

    def test_other_sites(self) -> None:
        """What a connection remembers of its sites and its profile goes with them."""
        session: Any = SimpleNamespace(sites=Sites.of((site(),)), profile=None)
        context, client = Stand(Network()).exchanges, identities.admitted(NotAsked())
        record = ExchangeRecord(context, HEAD, client, "connection's")
        self.assertIsInstance(route(context, session, client)(HEAD, record, None), Forwarded)
        before, session.sites = session.sites, Sites.of((site("b.example"),))
        self.assert_answer(route(context, session, client)(HEAD, record, None), 404, ErrorInfo.INVALID_HOST)
        session.sites = before
        self.assertIsInstance(route(context, session, client)(HEAD, record, None), Forwarded)
        session.profile = profile("strict")
        self.assert_answer(route(context, session, client)(HEAD, record, None), 421, ErrorInfo.INVALID_HOST, last=True)

    def test_turned_away(self) -> None:
        """For a client that is turned away nothing is decided here: that would be a defect."""
        session: Any = SimpleNamespace(sites=Sites.of((site(),)), profile=None)
        context = Stand(Network()).exchanges
        record = ExchangeRecord(context, HEAD, identities.turned_away(Missing()), "connection's")
        with self.assertRaises(AssertionError):
            route(context, session, identities.admitted(NotAsked()))(HEAD, record, None)

    def test_unfit(self) -> None:
        """An unfit request is answered as it says, for any client, and has no site."""
        unfit = UnfitRequest(status=414, error_info=ErrorInfo.REQUEST_URI_INVALID)
        outcome, record = self.decide(request=unfit)
        self.assert_answer(outcome, 414, ErrorInfo.REQUEST_URI_INVALID)
        self.assertEqual((record.listener, record.site), ("connection's", None))

    def test_unfit_without_page(self) -> None:
        """The answer to an unfit request has its headers, and no body where it is to have none."""
        headers = ((b"grpc-status", b"12"),)
        unfit = UnfitRequest(status=415, error_info=ErrorInfo.INVALID_REQUEST, page=False, headers=headers)
        outcome, _ = self.decide(site(), request=unfit)
        assert isinstance(outcome, OwnAnswer)
        assert outcome.page is not None
        self.assertEqual(outcome.page.body, b"")
        self.assertEqual((outcome.status, outcome.headers), (415, headers))

    def test_no_site(self) -> None:
        """A host that no listener takes is not found; none at all is an error of the client's."""
        other = site("b.example")
        self.assert_answer(self.decide(other)[0], 404, ErrorInfo.INVALID_HOST)
        nameless = attrs.evolve(HEAD, host="")
        self.assert_answer(self.decide(other, request=nameless)[0], 400, ErrorInfo.HTTP_NO_HOST_HEADER)

    def test_misdirected(self) -> None:
        """A site of another profile, or one that wants SNI where there was none, ends the connection."""
        wants_name = site("a.example")
        wants_name = attrs.evolve(
            wants_name, listener=attrs.evolve(wants_name.listener, require_server_name_indication=True)
        )
        for where in (site("a.example", profile=profile("strict")), wants_name):
            outcome, record = self.decide(where)
            self.assert_answer(outcome, 421, ErrorInfo.INVALID_HOST, last=True)
            self.assertIsNone(record.site)

    def test_redirected(self) -> None:
        """A redirect is an answer with a Location."""
        away = RedirectConfiguration(name="away", redirect_type=RedirectType.FOUND, target_url="https://b.example/")
        where = mapped(site(), PathRule(name="r", paths=("/*",), redirect_configuration=away))
        outcome, _ = self.decide(where)
        self.assert_answer(outcome, 302, ErrorInfo.NO_ERROR)
        assert isinstance(outcome, OwnAnswer)
        self.assertEqual([name for name, _ in outcome.headers], [b"Location"])

    def test_certificate_required(self) -> None:
        """A path that requires a certificate asks for it once, and then decides by it."""
        where = mapped(site(), PathRule(name="r", paths=("/*",), client_certificate=PathCertificate.REQUIRE))
        self.assertIsInstance(self.decide(where)[0], CertificateRequired)
        missing = identities.client(Missing())
        outcome, record = self.decide(where, strict=missing)
        self.assert_answer(outcome, 400, ErrorInfo.HTTPS_NO_CERT)
        self.assertIs(record.client, missing)


class TurnedAwayTests(SynchronousTestCase):
    """A gateway in memory, and clients that are turned away."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.backend = self.network.backend(9000)

    def line(self, verdict: Verdict) -> Line:
        """The connection of a client with this verdict."""
        connection = Connection(self.network, NO_OUTBOX)
        line = self.network.dial(connection)
        self.stand.begin(connection, verdict)
        return line

    def test_by_type(self) -> None:
        """Whatever a client asks that is turned away, it gets the page, and no further answer."""
        client = identities.client(Refused("x"))
        assert isinstance(client, TurnedAway)
        answer = unauthenticated(self.stand.exchanges, client, last=True)
        record = ExchangeRecord(self.stand.exchanges, HEAD, client, "public")
        for request in (HEAD, UnfitRequest(status=414, error_info=ErrorInfo.REQUEST_URI_INVALID)):
            for strict in (None, identities.client(NotAsked())):
                self.assertIs(turn_away(answer)(request, record, strict), answer)
        self.assertEqual((answer.status, answer.error_info, answer.last), (400, ErrorInfo.HTTPS_NO_CERT, True))

    def test_head(self) -> None:
        """The answer to HEAD has no body."""
        line = self.line(Missing())
        line.send(GET.replace(b"GET", b"HEAD"))
        self.assertTrue(line.take().endswith(b"\r\n\r\n"))
        self.assertEqual(self.stand.log.last["httpStatus"], 400)

    def test_body(self) -> None:
        """A body that comes with the request, or behind the answer, goes nowhere."""
        line = self.line(Refused("certificate revoked"))
        line.send(b"POST /a HTTP/1.1\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabc")
        self.assertIn(b"certificate revoked", line.take())
        line.send(b"def")
        self.assertEqual((self.backend.attempts, len(self.stand.log.records)), (0, 1))

    def test_defect(self) -> None:
        """An error of the gateway's own ends the connection, and is the one thing that the log says of the request."""
        for name in ("shown", "page_head"):
            self.setUp()
            line = self.line(Missing())
            self.patch(ExchangeContext, name, lambda *_: 1 / 0)
            line.send(GET)
            self.network.advance(0)
            self.assertEqual(line.connected, 0)
            record = self.stand.log.last
            self.assertEqual((record["httpStatus"], record["error_info"]), (500, "ERRORINFO_INTERNAL_ERROR"))
            self.assertEqual(len(self.stand.log.records), 1)
            self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
