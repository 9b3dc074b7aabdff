"""WebSocket over HTTP/2: what a backend is asked, and what it has to prove."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.websockets import accepts, tunnel_headers, upgrade_lines
from tests.requests import head_of

# The example of RFC 6455 section 1.3.
KEY, ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


class WebSocketTests(SynchronousTestCase):
    """RFC 8441 section 5."""

    def test_upgrade_lines(self) -> None:
        """The key is the gateway's, whatever the client has sent; the version is there in any case."""
        lines = upgrade_lines([(b"sec-websocket-key", b"x"), (b"sec-websocket-accept", b"y"), (b"a", b"b")], KEY)
        self.assertEqual(lines, [(b"a", b"b"), (b"sec-websocket-version", b"13"), (b"sec-websocket-key", KEY)])
        lines = upgrade_lines([(b"sec-websocket-version", b"14")], KEY)
        self.assertEqual(lines, [(b"sec-websocket-version", b"14"), (b"sec-websocket-key", KEY)])

    def test_accepts(self) -> None:
        """A backend proves that it has read this request, once and rightly."""
        request = head_of((b"sec-websocket-key", KEY))
        self.assertTrue(accepts(request, [(b"Sec-WebSocket-Accept", ACCEPT)]))
        self.assertFalse(accepts(request, [(b"Sec-WebSocket-Accept", ACCEPT.lower())]))
        self.assertFalse(accepts(request, [(b"Sec-WebSocket-Accept", ACCEPT)] * 2))
        self.assertFalse(accepts(request, []))
        self.assertFalse(accepts(head_of(), [(b"Sec-WebSocket-Accept", b"Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=")]))

    def test_tunnel_headers(self) -> None:
        """The client gets the protocol that was chosen, and no proof that it has not asked for."""
        headers = [(b"Sec-WebSocket-Accept", ACCEPT), (b"Sec-WebSocket-Protocol", b"chat")]
        self.assertEqual(tunnel_headers(headers), headers[1:])
