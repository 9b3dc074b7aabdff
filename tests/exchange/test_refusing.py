"""Requests of clients that are turned away: each is answered with a page, and none is routed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.pages import Page
from agwtwisted.core.verification.verdicts import Missing, Refused, Trusted, Verdict
from agwtwisted.exchange.context import ExchangeContext
from agwtwisted.exchange.exchange import HttpExchange
from agwtwisted.exchange.refusing import PageExchange
from agwtwisted.tls.relay_wires import RelayWire
from tests import identities
from tests.gateways import Stand
from tests.wires import Line, Network

GET = b"GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n"


class RefusingTests(SynchronousTestCase):
    """A gateway in memory, and clients that are turned away."""

    def setUp(self) -> None:
        self.network = Network()
        self.stand = Stand(self.network)
        self.backend = self.network.backend(9000)

    def line(self, verdict: Verdict) -> Line:
        """The connection of a client with this verdict."""
        wire = RelayWire(self.network)
        line = self.network.dial(wire)
        self.stand.begin(wire, verdict)
        return line

    def test_by_type(self) -> None:
        """An exchange that routes is made for an admitted client, and for no other."""
        for verdict, kind in ((Trusted(), HttpExchange), (Missing(), PageExchange), (Refused("x"), PageExchange)):
            session: Any = SimpleNamespace(client=identities.client(verdict), listener="public")
            request: Any = None
            writer: Any = None
            self.assertIsInstance(self.stand.exchanges.exchange(request, writer, session), kind)

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

    def assert_defect(self, shown: Callable[..., Page], *, answered: bool) -> None:
        """Where pages are shown so, the request ends with 500 and the connection with it."""
        self.setUp()
        line = self.line(Missing())
        patch = self.patch(ExchangeContext, "shown", shown)
        line.send(GET)
        patch.restore()
        self.network.advance(0)
        self.assertEqual((b" 500 " in line.take(), line.connected), (answered, 0))
        record = self.stand.log.last
        self.assertEqual((record["httpStatus"], record["error_info"]), (500, "ERRORINFO_INTERNAL_ERROR"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1 if answered else 2)

    def test_defect(self) -> None:
        """An error of the gateway's own is answered with 500; where that fails, too, the connection is cut."""
        errors = iter((ZeroDivisionError,))

        def fail_once(context: ExchangeContext, page: Page, listener: str) -> Page:
            """Of the first page."""
            for error in errors:
                raise error
            return page

        def fail(context: ExchangeContext, page: Page, listener: str) -> Page:
            """Of every page."""
            raise ZeroDivisionError

        self.assert_defect(fail_once, answered=True)
        self.assert_defect(fail, answered=False)
