"""What the demo backend answers."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from agwtwisted.demo.backend import Received, ReceivedRequest, page

PEM = "-----BEGIN%20CERTIFICATE-----%0AMIIB%2Bw%3D%3D%0A-----END%20CERTIFICATE-----%0A"


def ask(headers: dict[bytes, list[bytes]]) -> tuple[DummyRequest, str]:
    """The request and the body of its answer."""
    request = DummyRequest([b""])
    request.uri = b"/seen?by=backend"
    for name, values in headers.items():
        request.requestHeaders.setRawHeaders(name, values)
    return request, ReceivedRequest().render(request).decode()


class ReceivedRequestTests(SynchronousTestCase):
    """One request, two ways to describe it."""

    def test_json_for_programs(self) -> None:
        """Who does not ask for HTML gets method, target and headers as JSON, repeated headers in one."""
        request, body = ask({b"Accept": [b"*/*"], b"X-Two": [b"a", b"b"]})
        self.assertEqual(request.responseHeaders.getRawHeaders(b"Content-Type"), [b"application/json"])
        expected = {"method": "GET", "target": "/seen?by=backend", "headers": {"Accept": "*/*", "X-Two": "a, b"}}
        self.assertEqual(json.loads(body), expected)

    def test_page_for_browsers(self) -> None:
        """Who takes HTML gets a page that no script can run in."""
        request, body = ask({b"Accept": [b"text/html,application/xhtml+xml"]})
        self.assertIn("<th>Accept<td>text/html,application/xhtml+xml", body)
        policy = request.responseHeaders.getRawHeaders(b"Content-Security-Policy")
        self.assertEqual(policy, [b"default-src 'none'; style-src 'unsafe-inline'"])

    def test_bytes_that_are_no_text(self) -> None:
        """A header that is not UTF-8 is shown escaped."""
        _, body = ask({b"X-Odd": [b"\xff"]})
        self.assertEqual(json.loads(body)["headers"]["X-Odd"], r"\xff")


class PageTests(SynchronousTestCase):
    """The page for browsers."""

    def test_certificate_is_readable(self) -> None:
        """The certificate appears as PEM, with its line ends."""
        shown = page(Received(method="GET", target="/", headers={"X-Client-Certificate": PEM}))
        self.assertIn("-----BEGIN CERTIFICATE-----\nMIIB+w==\n-----END CERTIFICATE-----", shown)

    def test_says_what_the_verdict_means(self) -> None:
        """A sentence on top states the verdict."""
        for verdict, words in (("SUCCESS", "verified"), ("PASSTHROUGH", "did not verify"), ("NONE", "sent none")):
            headers = {"X-Client-Certificate-Verification": verdict}
            self.assertIn(words, page(Received(method="GET", target="/", headers=headers)))
        self.assertIn("not asked", page(Received(method="GET", target="/", headers={})))

    @given(st.text(), st.text(), st.text(), st.sampled_from(["X-Client-Certificate-Verification", "X-Any"]))
    def test_nothing_received_becomes_markup(self, method: str, target: str, value: str, name: str) -> None:
        """Whatever a client sends, the page's only tags are its own."""
        own = page(Received(method="", target="", headers={name: "SUCCESS"}))
        shown = page(Received(method=method, target=target, headers={name: value}))
        self.assertEqual(shown.count("<"), own.count("<"))
