"""WebSocket over HTTP/2: what a backend is asked, and what it has to prove."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import Framing, ResponseHead
from agwtwisted.core.http2.websockets import looks_open, tunnel_fields, upgrade_lines
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

    def test_tunnel_fields(self) -> None:
        """A backend proves that it has read this request, once and rightly; the proof is not passed on."""
        request = head_of((b"sec-websocket-key", KEY))
        accept, protocol = (b"Sec-WebSocket-Accept", ACCEPT), (b"Sec-WebSocket-Protocol", b"chat")
        fields = tunnel_fields(request, [accept, protocol, (b"Upgrade", b"websocket"), (b"Connection", b"upgrade")])
        self.assertEqual(fields, ((b":status", b"200"), (b"sec-websocket-protocol", b"chat")))
        for headers in ([(b"Sec-WebSocket-Accept", ACCEPT.lower())], [accept, accept], [protocol]):
            self.assertIsNone(tunnel_fields(request, headers))
        self.assertIsNone(tunnel_fields(head_of(), [(b"Sec-WebSocket-Accept", b"Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=")]))

    def test_looks_open(self) -> None:
        """A 2xx without a switch would be taken for one, and other answers are answers."""
        upgrade = attrs.evolve(head_of(), upgrade=b"websocket")
        answers = {
            status: ResponseHead(status=status, reason=b"", headers=(), framing=Framing.NONE)
            for status in (200, 204, 301, 403)
        }
        found = [status for status, answer in answers.items() if looks_open(upgrade, answer)]
        self.assertEqual(found, [200, 204])
        self.assertFalse(looks_open(head_of(), answers[200]))
