"""What all exchanges of one configuration share."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.resources.resources import CustomError
from agwtwisted.core.verification.verdicts import Missing, Refused
from agwtwisted.exchange.context import TRACE_IDS, ExchangeContext
from tests.gateways import Stand, site
from tests.wires import Network


class ContextTests(SynchronousTestCase):
    """Pages, frames and trace ids."""

    def context(self, **limits: Any) -> ExchangeContext:
        """Of a gateway in memory."""
        stand = Stand(Network(), **limits)
        stand.wall.ahead = 1_700_000_000.0
        return stand.exchanges

    def test_trace_id(self) -> None:
        """32 hex digits, others each time."""
        context = self.context()
        ids = {context.trace_id() for _ in range(3 * TRACE_IDS)}
        self.assertEqual(len(ids), 3 * TRACE_IDS)
        self.assertTrue(all(len(each) == 32 and int(each, 16) >= 0 for each in ids))

    def test_pages(self) -> None:
        """Each page bears the gateway's name, and its head has type and length, and what else was given."""
        context = self.context(server_header="ours")
        head = context.page_head(context.standard(404), [(b"Location", b"/")])
        lines = dict(head.headers)
        self.assertEqual((lines[b"Server"], lines[b"Content-Type"], lines[b"Location"]), (b"ours", b"text/html", b"/"))
        self.assertEqual(lines[b"Date"], b"Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertEqual(head.content_length, len(context.standard(404).body))
        self.assertIn(b"<hr><center>ours</center>", context.plain_http().body)
        self.assertNotIn(b"Server", dict(self.context(server_header="").page_head(context.standard(404)).headers))

    def test_refusals(self) -> None:
        """A client reads whether its certificate is missing, or why it is not accepted."""
        context = self.context()
        self.assertIn(b"No required SSL certificate was sent", context.refusal(Missing()).body)
        self.assertIn(b"certificate has expired", context.refusal(Refused("certificate has expired")).body)

    def test_own_pages(self) -> None:
        """A listener's own page comes before the gateway's, and both before ours."""
        context = self.context()
        page = context.standard(502)
        self.assertIs(context.shown(page, "a"), page)
        context.error_pages = ErrorPages(
            [CustomError(status=502, page=b"all"), CustomError(listener="a", status=502, page=b"a")]
        )
        self.assertEqual([context.shown(page, name).body for name in ("a", "b")], [b"a", b"all"])
        self.assertIs(context.shown(context.standard(404), "a").status, 404)

    def test_routes(self) -> None:
        """The names of listener, rule, pool and settings are rendered once for each action."""
        context, action = self.context(), site().actions.default
        route = context.route("listener", action)
        self.assertIs(context.route("listener", action), route)
        self.assertIn(b'"ruleName":"basic"', route.frame.text)
        self.assertIn(b'"ruleName":""', context.route("listener", None).frame.text)

    def test_servers(self) -> None:
        """A route has the servers of its action, once and for all; one that leads to none has none."""
        context, action = self.context(), site().actions.default
        assert action.pool is not None
        assert action.settings is not None
        servers = context.backends.pool(action.pool, action.settings)
        self.assertIs(context.route("listener", action).servers, servers)
        self.assertIs(context.routes[action].servers, servers)
        self.assertIsNone(context.route("listener", None).servers)
        self.assertIsNone(context.route("listener", attrs.evolve(action, settings=None)).servers)

    def test_counters_are_found_by_names(self) -> None:
        """Two configurations that name a route alike count on in the same counters."""
        context, other = self.context(), self.context()
        other.metrics = context.metrics
        first, second = (each.route("listener", site().actions.default).counters for each in (context, other))
        self.assertIs(first.requests, second.requests)
        self.assertIs(first.backend, second.backend)
        self.assertIsNot(context.route("listener", None).counters.backend, first.backend)
