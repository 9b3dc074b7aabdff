"""Requests that are held, or wait for their turn."""

from __future__ import annotations

from hyperframe.frame import (
    DataFrame,
    RstStreamFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2.codes import (
    PROTOCOL_ERROR,
    REFUSED_STREAM,
)
from agwtwisted.core.http2.send_bounds import MAX_HEADS
from agwtwisted.http2.waiting_requests import ANSWERS_A_TURN, MAX_WAITING
from tests.http2.connections import Http2Case
from tests.http2_clients import get


class WaitingTests(Http2Case):
    """Requests that are held, or wait for their turn."""

    def test_hold(self) -> None:
        """While a client is judged again new requests wait, those under way go on; then all begin in their order."""
        client = self.browser()
        before = client.request("/before", method="POST", body=b"a", end=False)
        self.protocol.hold()
        responses = [client.request(f"/{number}", method="POST", body=b"body") for number in range(3)]
        client.body(before, b"b", end=True)
        self.assertEqual((self.targets(), self.last.data), ([b"/before"], b"ab"))
        self.last.answer()
        client.finished(before)
        self.protocol.go_on()
        self.assertEqual(self.targets()[1:], [b"/0", b"/1", b"/2"])
        self.assertEqual([(asked.data, asked.whole) for asked in self.asked[1:]], [(b"body", True)] * 3)
        for asked in self.asked[1:]:
            asked.answer()
        self.assertEqual([client.finished(each).status for each in responses], [200] * 3)

    def test_settled(self) -> None:
        """A request that comes once the session has settled begins at once."""
        client = self.browser()
        self.protocol.hold()
        client.request("/a")
        self.assertEqual(self.targets(), [])
        self.session.is_settled = True
        client.request("/b")
        self.assertEqual(self.targets(), [b"/a", b"/b"])

    def test_reset_while_it_waits(self) -> None:
        """A request that was reset while it waited does not begin."""
        client = self.browser()
        self.protocol.hold()
        first, _ = client.request("/a"), client.request("/b")
        client.reset(first)
        self.protocol.go_on()
        self.assertEqual(self.targets(), [b"/b"])

    def test_not_as_long_as_said_while_it_waits(self) -> None:
        """What is wrong with a body that came meanwhile is found once the request has begun."""
        client = self.frames()
        self.protocol.hold()
        client.send(
            client.headers(1, get("/", ("content-length", "3"), method="POST"), "END_HEADERS"),
            DataFrame(1, b"four", flags=["END_STREAM"]),
        )
        self.protocol.go_on()
        self.assertEqual((self.last.refused, self.last.data), ((400, ErrorInfo.INVALID_REQUEST), b""))
        self.assertEqual(client.next(RstStreamFrame).error_code, PROTOCOL_ERROR)

    def test_answered_at_once(self) -> None:
        """Where such a request is answered before its body is looked at, the answer stands."""
        self.answers_at_once()
        client = self.frames()
        self.protocol.hold()
        client.send(
            client.headers(1, get("/", ("content-length", "3"), method="POST"), "END_HEADERS"),
            DataFrame(1, b"four", flags=["END_STREAM"]),
        )
        self.protocol.go_on()
        self.assertEqual(client.next(DataFrame).data, b"ok")
        self.assertIsNone(self.last.refused)

    def test_what_waits_is_bounded(self) -> None:
        """More fields than there is room for are refused, and the client may ask again."""
        client = self.frames()
        self.protocol.hold()
        count = MAX_WAITING // 16000 + 2
        for number in range(count + 1):
            client.send(client.headers(2 * number + 1, get("/", ("x", "y" * 8000), ("z", "y" * 7900))))
        self.assertEqual(client.next(RstStreamFrame).error_code, REFUSED_STREAM)
        self.protocol.go_on()
        self.assertLessEqual(len(self.asked), count)

    def test_turns(self) -> None:
        """No more than some requests begin in one turn; the others follow in the next, in order."""
        self.answers_at_once()
        client = self.frames()
        octets = b"".join(client.headers(2 * number + 1, get(f"/{number}")) for number in range(3 * ANSWERS_A_TURN))
        self.connection.dataReceived(octets)
        self.assertEqual(len(self.asked), ANSWERS_A_TURN)
        self.turn()
        self.turn()
        self.assertEqual(self.targets(), [b"/%d" % number for number in range(3 * ANSWERS_A_TURN)])

    def test_a_client_that_does_not_read(self) -> None:
        """While many heads wait for a client that does not read, it asks for no more; its reading begins the next."""
        client = self.frames(INITIAL_WINDOW_SIZE=1 << 20)
        client.send(WindowUpdateFrame(0, 1 << 20), client.headers(1, get()))
        self.line.stall(10_000)
        self.last.head(length=1 << 20)
        self.last.reply.body(bytes(65536))
        self.last.reply.flush()
        self.line.send(client.headers(3, get("/slow")))
        self.last.head(headers=((b"x", b"y" * MAX_HEADS),))
        self.last.reply.flush()
        self.line.send(client.headers(5, get("/waits")))
        self.assertEqual(self.targets(), [b"/", b"/slow"])
        self.line.read()
        self.assertEqual(self.targets(), [b"/", b"/slow", b"/waits"])
