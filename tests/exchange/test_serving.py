"""What all exchanges of one configuration share."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.error_pages import ErrorPages
from agwtwisted.core.resources.resources import CustomError
from agwtwisted.core.verification.verdicts import Missing, Refused
from agwtwisted.exchange.serving import Serving
from tests.gateways import Stand, site
from tests.wires import Network


class ServingTests(SynchronousTestCase):
    """Pages, frames and trace ids."""

    def serving(self, **limits: Any) -> Serving:
        """Of a gateway in memory."""
        stand = Stand(Network(), **limits)
        stand.wall.ahead = 1_700_000_000.0
        return stand.exchanges

    def test_trace_id(self) -> None:
        """32 hex digits, others each time."""
        serving = self.serving()
        ids = {serving.trace_id() for _ in range(100)}
        self.assertEqual(len(ids), 100)
        self.assertTrue(all(len(each) == 32 and int(each, 16) >= 0 for each in ids))

    def test_pages(self) -> None:
        """Each page bears the gateway's name, and its head tells type and length, and what else was given."""
        serving = self.serving(server_header="ours")
        head = serving.page_head(serving.standard(404), [(b"Location", b"/")])
        lines = dict(head.headers)
        self.assertEqual((lines[b"Server"], lines[b"Content-Type"], lines[b"Location"]), (b"ours", b"text/html", b"/"))
        self.assertEqual(lines[b"Date"], b"Tue, 14 Nov 2023 22:13:20 GMT")
        self.assertEqual(head.content_length, len(serving.standard(404).body))
        self.assertIn(b"<hr><center>ours</center>", serving.plain_http().body)
        self.assertNotIn(b"Server", dict(self.serving(server_header="").page_head(serving.standard(404)).headers))

    def test_refusals(self) -> None:
        """A client reads whether its certificate is missing, or why it is not accepted."""
        serving = self.serving()
        self.assertIn(b"No required SSL certificate was sent", serving.refusal(Missing()).body)
        self.assertIn(b"certificate has expired", serving.refusal(Refused("certificate has expired")).body)

    def test_own_pages(self) -> None:
        """A listener's own page comes before the gateway's, and both before ours."""
        serving = self.serving()
        page = serving.standard(502)
        self.assertIs(serving.shown(page, "a"), page)
        serving.error_pages = ErrorPages(
            [CustomError(status=502, page=b"all"), CustomError(listener="a", status=502, page=b"a")]
        )
        self.assertEqual([serving.shown(page, name).body for name in ("a", "b")], [b"a", b"all"])
        self.assertIs(serving.shown(serving.standard(404), "a").status, 404)

    def test_frames(self) -> None:
        """The names of listener, rule, pool and settings are rendered once for each action."""
        serving, action = self.serving(), site().actions.default
        frame = serving.frame("listener", action)
        self.assertIs(serving.frame("listener", action), frame)
        self.assertIn(b'"ruleName":"basic"', frame.text)
        self.assertIn(b'"ruleName":""', serving.frame("listener", None).text)
