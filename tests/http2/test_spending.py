"""What costs the gateway more than the client, on a connection."""

from __future__ import annotations

from hyperframe.frame import (
    GoAwayFrame,
    PingFrame,
    RstStreamFrame,
)

from agwtwisted.core.http2.codes import (
    CANCEL,
    ENHANCE_YOUR_CALM,
)
from tests.http2.connections import Http2Case
from tests.http2_clients import get


class SpendingTests(Http2Case):
    """What costs the gateway more than the client."""

    def test_abuse(self) -> None:
        """Who has too much done for too little is cut off, with the reason in the log."""
        client = self.frames()
        for _ in range(3000):
            if not self.line.connected or self.line.eof:
                break
            self.line.send(PingFrame(0, b"12345678").serialize())
            self.line.take()
        client.send(b"")
        self.assertEqual(self.session.misuses, [("pings", "too many pings")])

    def test_rapid_reset(self) -> None:
        """HEADERS and RST_STREAM without end are cut off (CVE-2023-44487)."""
        client = self.frames()
        for number in range(2000):
            if self.connection.closing:
                break
            client.send(client.headers(2 * number + 1, get()), RstStreamFrame(2 * number + 1, CANCEL))
        self.assertEqual(client.next(GoAwayFrame).error_code, ENHANCE_YOUR_CALM)
        self.assertLess(len(self.asked), 1000)
        self.assertTrue(all(asked.lost for asked in self.asked))
