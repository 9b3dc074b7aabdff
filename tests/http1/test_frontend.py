"""The frontend on a connection in memory, with exchanges that do what the test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

import attrs
from twisted.internet.interfaces import IDelayedCall
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2.requests import RequestTranslator
from agwtwisted.core.http2.responses import ResponseBlocks
from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.tls.policies import TlsPolicy, predefined
from agwtwisted.http1.frontend import LOOK, MAX_HELD, Frontend
from agwtwisted.interfaces import RequestHandling, ResponseWriter
from agwtwisted.listening.ports import QUIET
from agwtwisted.transport.connection import LINGER, Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.wires import READ, Line, Network

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
LONG_SIZE = 500_000
LONG = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % LONG_SIZE
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

HEADER_TIMEOUT, BODY_TIMEOUT, IDLE_TIMEOUT = 60.0, 61.0, 75.0
RATE = 100
"""Bytes a second."""


def gateway(min_body_rate: int) -> Gateway:
    """Limits that can be distinguished."""
    policy = predefined("AppGwSslPolicy20220101")
    assert isinstance(policy, TlsPolicy)
    return Gateway(
        ssl_policy=policy,
        body_timeout=BODY_TIMEOUT,
        min_body_rate=min_body_rate,
        min_response_rate=RATE,
        max_header_bytes=4096,
        max_body_bytes=1 << 20,
    )


@attrs.define
class FakeSession:
    """All that a frontend asks of its session."""

    draining: bool = False
    expelled: bool = False

    def misused(self, kind: str, reason: str) -> None:
        """Never called by HTTP/1.1."""

    def settled(self) -> bool:
        """A hold is not over before `go_on`."""
        return False


class Asked:
    """An exchange: notes its events, and answers when the test says so."""

    def __init__(
        self, request: RequestHead | UnfitRequest, reply: ResponseWriter, begun: Callable[[Asked], None]
    ) -> None:
        self.request = request
        self.reply = reply
        self.data = b""
        self.whole = False
        self.refused: tuple[int, ErrorInfo] | None = None
        self.lost = False
        self.drained = 0
        self.flushes = 0
        self._begun = begun

    def begin(self, body: bytes | None) -> None:
        """The request's head is there, and perhaps its body."""
        if body is not None:
            self.data = body
            self.whole = isinstance(self.request, RequestHead) and self.request.framing is not Framing.NONE
        self._begun(self)

    def body(self, data: bytes) -> None:
        """A piece of its body."""
        self.data += data

    def body_complete(self) -> None:
        """Its end."""
        self.whole = True

    def flush(self) -> None:
        """The end of a read."""
        self.flushes += 1

    def refuse(self, status: int, error_info: ErrorInfo) -> None:
        """Taken back: answers at once, as the real one does."""
        self.refused = status, error_info
        self.answer(status=status)

    def client_drained(self) -> None:
        """Room again."""
        self.drained += 1

    def client_lost(self) -> None:
        """The client left."""
        self.lost = True

    # -- what the test has it do

    def head(
        self, status: int = 200, framing: Framing = Framing.LENGTH, length: int = 2, headers: tuple[Header, ...] = ()
    ) -> None:
        """Begins the answer."""
        self.reply.head(
            ResponseHead(status=status, reason=b"R", headers=headers, framing=framing, content_length=length)
        )

    def answer(self, body: bytes = b"ok", status: int = 200, framing: Framing = Framing.LENGTH) -> None:
        """A whole answer."""
        self.head(status, framing, len(body))
        if body and self.request.method != b"HEAD":
            self.reply.body(body)
        self.finish()

    def finish(self) -> None:
        """Ends the answer."""
        self.reply.end()
        self.reply.release()


class _Case(SynchronousTestCase):
    """One connection; `begun` says what each exchange does at once."""

    min_body_rate = RATE

    def setUp(self) -> None:
        self.network = Network()
        self.asked: list[Asked] = []
        self.session = FakeSession()
        self.begun: Callable[[Asked], None] = lambda asked: None
        self.connection = Connection(self.network, NO_OUTBOX)
        self.line: Line = self.network.dial(self.connection)
        names = HeaderNames()
        readers = RequestParser(names), lambda: RequestTranslator(names, bytes), ResponseBlocks
        self.handling = RequestHandling(self, gateway(self.min_body_rate), *readers)  # type: ignore[arg-type]
        self.frontend = Frontend(self.connection, self.session, self.handling)  # type: ignore[arg-type]
        self.connection.receiver = self.frontend

    def exchange(self, request: RequestHead | UnfitRequest, reply: ResponseWriter, session: Any) -> Asked:
        """As interfaces.Exchanges says."""
        asked = Asked(request, reply, self._begin)
        self.asked.append(asked)
        return asked

    def _begin(self, asked: Asked) -> None:
        self.begun(asked)

    def answers_at_once(self, body: bytes = b"ok") -> None:
        """Has every exchange answer before `begin` returns."""
        self.begun = lambda asked: asked.answer(body)

    @property
    def last(self) -> Asked:
        """The newest exchange."""
        return self.asked[-1]

    def turn(self) -> None:
        """What is due happens."""
        self.network.advance(0)

    def targets(self) -> list[bytes]:
        """What was asked for so far."""
        return [asked.request.target for asked in self.asked]

    def assert_closed(self, *, linger: bool = False) -> None:
        """The connection ends: at once, or once the client has closed."""
        self.turn()
        self.assertTrue(self.line.eof)
        self.assertEqual(bool(self.line.connected), linger)
        self.line.hang_up()
        self.assertFalse(self.line.connected)
        self.assertEqual(self.network.timers(), [])


class AnswerTests(_Case):
    """What the client reads."""

    def test_length(self) -> None:
        """A delimited answer keeps its length; the connection stays open."""
        self.line.send(GET)
        self.last.answer(b"hello")
        self.assertEqual(self.line.take(), b"HTTP/1.1 200 R\r\nContent-Length: 5\r\n\r\nhello")
        self.assertTrue(self.line.connected)

    def test_chunked(self) -> None:
        """An answer without a length is chunked for HTTP/1.1."""
        self.line.send(GET)
        self.last.answer(b"hello", framing=Framing.CLOSE)
        self.assertEqual(
            self.line.take(), b"HTTP/1.1 200 R\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )

    def test_http_1_0(self) -> None:
        """HTTP/1.0 knows no chunks: such an answer ends with the connection, and a delimited one says what follows."""
        self.line.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        self.last.answer(b"one")
        self.assertEqual(self.line.take(), b"HTTP/1.1 200 R\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\none")
        self.line.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        self.last.reply.informational(103, b"Early", [])
        self.last.answer(b"two", framing=Framing.CHUNKED)
        self.assertEqual(self.line.take(), b"HTTP/1.1 200 R\r\nConnection: close\r\n\r\ntwo")
        self.assert_closed()

    def test_http_1_0_closes(self) -> None:
        """HTTP/1.0 closes unless it was asked not to."""
        self.line.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        self.last.answer()
        self.assertIn(b"Connection: close\r\n", self.line.take())
        self.assert_closed()

    def test_head(self) -> None:
        """The response to HEAD has the length of a body that does not come, and no chunks."""
        self.line.send(GET.replace(b"GET", b"HEAD"))
        self.last.answer(b"hello")
        self.assertEqual(self.line.take(), b"HTTP/1.1 200 R\r\nContent-Length: 5\r\n\r\n")
        self.line.send(GET.replace(b"GET", b"HEAD"))
        self.last.answer(b"", framing=Framing.CHUNKED)
        self.assertEqual(self.line.take(), b"HTTP/1.1 200 R\r\n\r\n")
        self.assertTrue(self.line.connected)

    def test_informational(self) -> None:
        """An interim response goes out at once, ahead of the answer."""
        self.line.send(GET)
        self.last.reply.informational(103, b"Early Hints", [(b"Link", b"</a>")])
        self.assertEqual(self.line.take(), b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
        self.last.answer()
        self.assertTrue(self.line.take().startswith(b"HTTP/1.1 200 R\r\n"))

    def test_nothing_is_sent_before_the_flush(self) -> None:
        """Head and body of one read of the backend leave in one write, and are counted then."""
        self.line.send(GET)
        self.last.head()
        self.last.reply.body(b"ok")
        self.assertEqual((self.line.received, self.last.reply.bytes_sent), (b"", 0))
        self.last.reply.flush()
        self.assertEqual(self.last.reply.bytes_sent, len(self.line.received))

    def test_bytes_sent_are_those_of_one_answer(self) -> None:
        """The count begins anew with each request."""
        counts: list[int] = []
        for _ in range(2):
            self.line.send(GET)
            self.last.answer()
            counts.append(self.frontend._writer.bytes_sent)
        self.assertEqual(counts[0], counts[1])

    def test_close_after_this_answer(self) -> None:
        """An answer said to be the last one says so to the client, and is."""
        self.line.send(GET)
        self.last.reply.head(ResponseHead(status=421, reason=b"R", headers=(), framing=Framing.NONE), last=True)
        self.last.finish()
        self.assertEqual(self.line.take(), b"HTTP/1.1 421 R\r\nConnection: close\r\n\r\n")
        self.assert_closed()

    def test_cut(self) -> None:
        """An answer that cannot be completed is sent as far as it came; then the connection breaks."""
        self.line.send(GET)
        self.last.head(length=10)
        self.last.reply.body(b"half")
        self.last.reply.abort()
        self.turn()
        self.assertTrue(self.line.received.endswith(b"half"))
        self.assertEqual((self.line.reset, self.last.lost), (True, False))
        self.assertEqual(self.network.timers(), [])

    def test_late_answer(self) -> None:
        """A head given when there is no request any more goes nowhere."""
        self.frontend._writer.head(ResponseHead(status=200, reason=b"R", headers=(), framing=Framing.NONE))
        self.frontend._writer.flush()
        self.assertEqual(self.line.received, b"")


class RequestTests(_Case):
    """The events of an exchange."""

    def test_body(self) -> None:
        """A body comes piece by piece, then its end; every read ends with a flush."""
        self.line.send(POST + b"01234")
        self.assertEqual((self.last.data, self.last.whole, self.last.flushes), (b"01234", False, 1))
        self.line.send(b"56789")
        self.assertEqual((self.last.data, self.last.whole, self.last.flushes), (b"0123456789", True, 2))

    def test_whole_body(self) -> None:
        """A body that comes with its head is handed on with it, and does not end the connection of an early answer."""
        self.answers_at_once()
        for _ in range(2):
            self.line.send(POST + b"0123456789")
            self.assertEqual((self.last.data, self.last.whole, self.last.flushes), (b"0123456789", True, 0))
        self.assertEqual((len(self.asked), self.line.received.count(b"close")), (2, 0))

    def test_byte_by_byte(self) -> None:
        """It makes no difference how the bytes come."""
        for byte in CHUNKED + b"3\r\nabc\r\n0\r\n\r\n":
            self.line.send(bytes((byte,)))
        self.assertEqual((self.last.data, self.last.whole), (b"abc", True))

    def test_client_leaves(self) -> None:
        """The exchange in progress is notified, once, and no timer is left."""
        self.line.send(POST)
        self.line.hang_up()
        self.assertTrue(self.last.lost)
        self.assertEqual(self.network.timers(), [])

    def test_client_leaves_between_requests(self) -> None:
        """An exchange that is over is not notified."""
        self.line.send(GET)
        self.last.answer()
        self.line.hang_up()
        self.assertFalse(self.last.lost)
        self.assertEqual(self.network.timers(), [])

    def test_unfit_head(self) -> None:
        """A request that is unfit is answered and ends the connection, which waits for what may still come."""
        self.answers_at_once()
        self.line.send(b"GET / HTTP/1.1\r\n\r\n" + GET)
        self.assertEqual(len(self.asked), 1)
        request = self.last.request
        assert isinstance(request, UnfitRequest)
        self.assertEqual(request.error_info, ErrorInfo.HTTP_NO_HOST_HEADER)
        self.assertIn(b"Connection: close", self.line.received)
        self.assert_closed(linger=True)

    def test_unfit_body(self) -> None:
        """A body that turns out unfit takes its request back; the answer closes the connection."""
        self.line.send(CHUNKED + b"3\r\nabc\r\nzz\r\n")
        self.assertEqual(self.last.refused, (400, ErrorInfo.INVALID_REQUEST))
        self.assertIn(b"Connection: close", self.line.received)
        self.assert_closed(linger=True)

    def test_unfit_body_of_the_last_request(self) -> None:
        """The same holds at once for a request that had said it was the last."""
        self.line.send(CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + b"zz\r\n")
        self.assertEqual(self.last.refused, (400, ErrorInfo.INVALID_REQUEST))

    def test_body_too_large(self) -> None:
        """A body that grows beyond the limit takes its request back."""
        self.line.send(CHUNKED)
        piece = b"%x\r\n%b\r\n" % (READ, bytes(READ))
        for _ in range((1 << 20) // READ + 1):
            self.line.send(piece)
        self.assertEqual(self.last.refused, (413, ErrorInfo.INVALID_REQUEST))
        self.assertLessEqual(len(self.last.data), 1 << 20)

    def test_unfit_after_a_request(self) -> None:
        """An unfit request waits for the answer before it, as any other would."""
        self.line.send(GET + b"BAD\r\n\r\n")
        self.assertEqual(len(self.asked), 1)
        self.last.answer()
        self.assertIsInstance(self.last.request, UnfitRequest)
        self.last.answer(status=400)
        self.assertEqual(self.line.received.count(b"HTTP/1.1"), 2)
        self.assert_closed(linger=True)

    def test_early_answer(self) -> None:
        """An answer before the request is whole closes the connection, and what still comes of it is thrown away."""
        self.line.send(POST + b"012")
        self.last.answer()
        self.assertIn(b"Connection: close", self.line.received)
        self.line.send(b"3456789" + GET)
        self.assertEqual((len(self.asked), self.last.data), (1, b"012"))
        self.assert_closed(linger=True)

    def test_early_head_and_late_end(self) -> None:
        """A request that becomes whole while its early answer is on the way still is the last one: it was announced."""
        self.line.send(POST)
        self.last.head()
        self.last.reply.flush()
        self.line.send(b"0123456789")
        self.assertTrue(self.last.whole)
        self.last.reply.body(b"ok")
        self.last.finish()
        self.assert_closed()


class FinishedTests(_Case):
    """A client that sends no more."""

    def assert_over(self) -> None:
        """The connection is gone, and nothing is left of it."""
        self.turn()
        self.assertEqual((self.line.connected, self.line.reset, self.network.timers()), (0, False, []))

    def test_answered(self) -> None:
        """A request that was whole is answered, with a body or without; then the connection ends."""
        for request in (GET, POST + b"0123456789", CHUNKED + b"0\r\n\r\n"):
            self.setUp()
            self.line.send(request)
            self.line.hang_up()
            self.network.advance(10 * LOOK)
            self.assertEqual((bool(self.line.connected), self.last.lost), (True, False))
            self.last.head(length=5)
            self.last.reply.body(b"he")
            self.last.reply.flush()
            self.network.advance(10 * LOOK)
            self.last.reply.body(b"llo")
            self.last.finish()
            self.assertTrue(self.line.take().endswith(b"\r\n\r\nhello"))
            self.assert_over()

    def test_answered_at_once(self) -> None:
        """So is one that is answered in the same turn, however many came before it."""
        self.answers_at_once()
        self.line.send(GET * 3)
        self.line.hang_up()
        self.assertEqual(self.line.take().count(b"HTTP/1.1 200"), 3)
        self.assert_over()

    def test_pipelined(self) -> None:
        """Every whole request is answered in its turn; one that is not goes with the connection."""
        for rest, lost in ((b"", False), (b"GET / HT", False), (POST + b"123", True)):
            self.setUp()
            self.line.send(GET + GET + GET + rest)
            self.line.hang_up()
            for number in range(3):
                self.assertEqual(len(self.asked), number + 1)
                self.assertTrue(self.line.connected)
                self.last.answer(b"%d" % number)
            self.assertEqual(self.line.take().count(b"HTTP/1.1 200"), 3)
            self.assertEqual(self.last.lost, lost)
            self.assert_over()

    def test_not_whole(self) -> None:
        """A head that is not whole is no request, and a body that is not whole takes its request with it."""
        self.line.send(b"GET / HTTP/1.1\r\nHo")
        self.line.hang_up()
        self.assertEqual(self.asked, [])
        self.assert_over()
        self.setUp()
        self.line.send(POST + b"012")
        self.line.hang_up()
        self.assertTrue(self.last.lost)
        self.assert_over()

    def test_idle(self) -> None:
        """A connection without a request is closed at once."""
        self.answers_at_once()
        self.line.send(GET)
        self.line.hang_up()
        self.assert_over()

    def test_unfit(self) -> None:
        """So is one whose request was unfit, without lingering."""
        self.line.send(b"BAD\r\n\r\n")
        self.line.hang_up()
        self.last.answer(status=400)
        self.assertIn(b"Connection: close", self.line.take())
        self.assert_over()

    def test_tunnel(self) -> None:
        """Another protocol ends with the client's side of it."""
        self.line.send(UPGRADE)
        self.last.reply.switch(b"websocket", [])
        self.line.hang_up()
        self.assertTrue(self.last.lost)
        self.assert_over()

    def test_before_the_switch(self) -> None:
        """A client that has finished before it is let speak another protocol is not let."""
        self.line.send(UPGRADE + b"frame")
        self.line.hang_up()
        self.assertTrue(self.line.connected)
        self.last.reply.switch(b"websocket", [])
        self.assertTrue(self.last.lost)
        self.assert_over()

    def test_upgrade_not_granted(self) -> None:
        """What followed a wish that is not granted is a request like others."""
        self.line.send(UPGRADE + GET)
        self.line.hang_up()
        self.last.answer()
        self.last.answer()
        self.assertEqual((len(self.asked), self.line.take().count(b"HTTP/1.1 200")), (2, 2))
        self.assert_over()

    def test_on_hold(self) -> None:
        """A request that waits for the client's verdict is answered after it; without one the connection ends."""
        self.frontend.hold()
        self.line.send(GET)
        self.line.hang_up()
        self.assertTrue(self.line.connected)
        self.answers_at_once()
        self.frontend.go_on()
        self.assertEqual(self.line.take().count(b"HTTP/1.1 200"), 1)
        self.assert_over()

    def test_reads_slowly(self) -> None:
        """It has to read its answer as fast as any other client."""
        self.line.send(GET)
        self.line.hang_up()
        self.line.stall(0)
        self.last.answer(bytes(LONG_SIZE))
        self.network.advance(BODY_TIMEOUT)
        self.network.advance(0)
        self.assertFalse(self.line.connected)

    def test_reset(self) -> None:
        """One that resets the connection while its answer is awaited has left, which is looked for now and then."""
        self.line.send(GET)
        self.line.hang_up()
        self.network.advance(3 * LOOK)
        self.assertFalse(self.last.lost)
        self.line.is_gone = True
        self.network.advance(LOOK)
        self.network.advance(0)
        self.assertTrue(self.last.lost)
        self.assertEqual((self.line.connected, self.network.timers()), (0, []))


class PipeliningTests(_Case):
    """Requests that come before the answer to the one before."""

    def test_in_order(self) -> None:
        """A slow first and a fast second: the second is not begun before the first is answered."""
        self.line.send(GET + GET.replace(b"/", b"/2", 1))
        self.assertEqual(self.targets(), [b"/"])
        self.assertFalse(self.network.is_reading(self.line))
        self.begun = lambda asked: asked.answer(b"fast")
        self.last.answer(b"slow")
        self.assertEqual(self.targets(), [b"/", b"/2"])
        self.assertLess(self.line.received.index(b"slow"), self.line.received.index(b"fast"))
        self.assertTrue(self.network.is_reading(self.line))

    def test_many(self) -> None:
        """A read full of requests is answered one by one, without recursion."""
        self.answers_at_once()
        count = 2000
        self.line.send(GET * count)
        self.assertEqual((len(self.asked), self.line.received.count(b"HTTP/1.1 200")), (count, count))

    def test_some_a_turn(self) -> None:
        """Of requests that are answered at once, so many are begun in a turn; the next ones come after the others'."""
        self.answers_at_once()
        turns: list[int] = []
        next_turn = self.connection.next_turn

        def noted(go_on: Callable[[], None]) -> IDelayedCall:
            turns.append(len(self.asked))
            return next_turn(go_on)

        self.patch(self.connection, "next_turn", noted)
        self.line.send(GET * 100)
        self.turn()
        self.assertEqual((turns, len(self.asked)), ([32, 64, 96], 100))
        self.assertTrue(self.network.is_reading(self.line))

    def test_the_next_turn_of_one_that_left(self) -> None:
        """A client that leaves with requests unanswered leaves no timer behind."""
        self.answers_at_once()
        self.frontend.received(GET * 100)
        self.frontend.ended("the client left")
        self.turn()
        self.assertEqual((len(self.asked), self.network.timers()), (32, []))

    def test_little_is_read_ahead(self) -> None:
        """A client that sends without end while the first answer is due is not read on."""
        self.line.send(GET)
        for _ in range(10):
            self.line.send(GET * 1000)
        self.assertLessEqual(self.line.sent_on, 2 * READ)
        self.answers_at_once()
        self.last.answer()
        self.turn()
        self.assertEqual(len(self.asked), 10_001)

    def test_last_one_behind_another(self) -> None:
        """A request that says it is the last is not lost behind a slow answer."""
        self.line.send(GET + LAST)
        self.last.answer()
        self.assertEqual(self.targets(), [b"/", b"/last"])
        self.last.answer()
        self.assert_closed()

    def test_body_behind_another(self) -> None:
        """A body that began behind a slow answer is read on."""
        self.line.send(GET + POST + b"012")
        self.last.answer()
        self.line.send(b"3456789")
        self.assertEqual((self.last.data, self.last.whole), (b"0123456789", True))

    def test_after_the_last_one(self) -> None:
        """Bytes after the last request are ignored: not read on, and no reason to destroy the response."""
        self.line.send(LAST)
        for _ in range(10):
            self.line.send(bytes(READ))
        self.assertLessEqual(self.line.sent_on, 3 * READ)
        self.last.answer()
        self.assertEqual(len(self.asked), 1)
        self.assert_closed(linger=True)
        self.assertFalse(self.line.reset)

    def test_client_that_does_not_read(self) -> None:
        """Answers do not pile up for a client that asks without reading."""
        self.answers_at_once(bytes(1000))
        self.line.stall(0)
        for _ in range(20):
            self.line.send(GET * 100)
        begun = len(self.asked)
        self.assertLessEqual(begun * 1000, 2 * QUEUE_LIMIT + READ)
        self.line.read()
        self.assertEqual(len(self.asked), 2000)

    def test_client_that_never_reads(self) -> None:
        """Such a client is aborted in time."""
        self.answers_at_once(bytes(1000))
        self.line.stall(0)
        for _ in range(10):
            self.line.send(GET * 100)
        self.network.advance(IDLE_TIMEOUT)
        self.assertTrue(self.line.reset)
        self.assertEqual(self.network.timers(), [])


class BackPressureTests(_Case):
    """Both ways."""

    def test_body_is_stopped(self) -> None:
        """A paused body is not read, and read on when resumed."""
        self.line.send(POST)
        self.last.reply.pause_body()
        self.last.reply.pause_body()
        self.line.send(b"0123456789")
        self.assertEqual(self.last.data, b"")
        self.last.reply.resume_body()
        self.last.reply.resume_body()
        self.turn()
        self.assertEqual(self.last.data, b"0123456789")

    def test_next_request_waits_although_the_body_flows(self) -> None:
        """Resuming a body does not let the request behind it be read ahead without bound."""
        self.line.send(POST + b"0123456789" + GET)
        self.last.reply.pause_body()
        self.last.reply.resume_body()
        self.assertFalse(self.network.is_reading(self.line))

    def test_paused_body_at_the_end(self) -> None:
        """A body that was paused when its answer ended does not stop the next request."""
        self.line.send(POST + b"0123456789")
        self.last.reply.pause_body()
        self.last.answer()
        self.line.send(GET)
        self.assertEqual(len(self.asked), 2)

    def test_slow_reader(self) -> None:
        """`full` asks the exchange to stop, `client_drained` to go on."""
        self.line.send(GET)
        self.last.head(length=1 << 20)
        self.line.stall()
        while not self.last.reply.full:
            self.last.reply.body(bytes(READ))
            self.last.reply.flush()
        self.assertEqual(self.last.drained, 0)
        self.line.read()
        self.assertEqual((self.last.drained, self.last.reply.full), (1, False))

    def _clog(self) -> None:
        self.line.stall()
        self.last.head(framing=Framing.CHUNKED)
        while not self.last.reply.full:
            self.last.reply.body(bytes(READ))
            self.last.reply.flush()

    def test_reader_too_slow(self) -> None:
        """A client that takes nothing is aborted, and its exchange notified."""
        self.line.send(GET)
        self._clog()
        self.network.advance(BODY_TIMEOUT - 1)
        self.assertFalse(self.line.reset)
        self.network.advance(1)
        self.assertEqual((self.line.reset, self.last.lost), (True, True))
        self.assertEqual(self.network.timers(), [])

    def test_reader_that_trickles(self) -> None:
        """Reading a little now and then wins the time that it is worth at the lowest rate, and no more."""
        self.line.send(GET)
        self._clog()
        self.network.advance(BODY_TIMEOUT - 1)
        self.line.read(10 * RATE)
        self.network.advance(1)  # ten seconds more
        self.network.advance(9)
        self.assertFalse(self.line.reset)
        self.network.advance(1)
        self.assertEqual((self.line.reset, self.last.lost), (True, True))

    def test_slow_reader_that_asks_ahead(self) -> None:
        """A request that waits for a slow reader of the answers before it is not dropped while that one reads."""
        self.answers_at_once(bytes(1000))
        self.line.stall(0)
        self.line.send(GET * 1000)
        for _ in range(10):
            self.line.read(20 * RATE)
            self.network.advance(20)
        self.assertEqual((self.line.reset, self.connection.full), (False, True))
        self.assertLess(len(self.asked), 1000)
        self.line.read()
        self.assertEqual(len(self.asked), 1000)
        self.network.advance(IDLE_TIMEOUT)
        self.assert_closed()

    def test_reader_in_time(self) -> None:
        """A client that reads on has no deadline while the backend has its own."""
        self.line.send(GET)
        self._clog()
        self.network.advance(BODY_TIMEOUT - 1)
        self.line.read()
        self.network.advance(10 * BODY_TIMEOUT)
        self.assertFalse(self.line.eof)

    def test_end_of_body_does_not_excuse_a_slow_reader(self) -> None:
        """The deadline of a client that does not read stands when it sends the rest of its body, or is paused."""
        for pause in (False, True):
            self.setUp()
            self.line.send(POST)
            self._clog()
            if pause:
                self.last.reply.pause_body()
            else:
                self.line.send(b"0123456789")
            self.network.advance(BODY_TIMEOUT)
            self.assertTrue(self.line.reset)

    def test_paused_body_is_not_the_clients_fault(self) -> None:
        """A client that reads again is not blamed for a body that the backend does not take."""
        self.line.send(POST)
        self.last.reply.pause_body()
        self._clog()
        self.line.read()
        self.network.advance(10 * BODY_TIMEOUT)
        self.assertEqual((self.last.refused, self.line.reset), (None, False))


class DeadlineTests(_Case):
    """Every wait for the client has one."""

    def test_silence_from_the_start(self) -> None:
        """A connection that never says anything is closed without a word."""
        self.network.advance(HEADER_TIMEOUT - 1)
        self.assertTrue(self.line.connected)
        self.network.advance(1)
        self.assertEqual((self.line.received, self.asked), (b"", []))
        self.assert_closed()

    def test_empty_lines_win_no_time(self) -> None:
        """Empty lines before a request are no request."""
        self.network.advance(HEADER_TIMEOUT - 1)
        self.line.send(b"\r\n")
        self.network.advance(1)
        self.assert_closed()

    def test_slow_head(self) -> None:
        """A head has its time in all: a byte now and then wins nothing; the answer is 408."""
        self.answers_at_once()
        for byte in GET[:5]:
            self.line.send(bytes((byte,)))
            self.network.advance(HEADER_TIMEOUT / 5)
        request = self.last.request
        assert isinstance(request, UnfitRequest)
        self.assertEqual((request.status, request.error_info), (408, ErrorInfo.INVALID_REQUEST))
        self.assert_closed(linger=True)

    def test_slow_second_head(self) -> None:
        """The time of a later head begins with its first byte, not with the idle time."""
        self.line.send(GET)
        self.last.answer()
        self.network.advance(IDLE_TIMEOUT - 1)
        self.line.send(b"GET")
        self.network.advance(HEADER_TIMEOUT - 1)
        self.assertEqual(len(self.asked), 1)
        self.network.advance(1)
        self.assertIsInstance(self.last.request, UnfitRequest)

    def test_head_that_came_with_the_one_before(self) -> None:
        """A head that began while the answer before was due has its time from that answer on."""
        self.line.send(GET + b"GET /")
        self.network.advance(10 * HEADER_TIMEOUT)
        self.last.answer()
        self.network.advance(HEADER_TIMEOUT - 1)
        self.assertEqual(len(self.asked), 1)
        self.network.advance(1)
        self.assertIsInstance(self.last.request, UnfitRequest)

    def test_idle(self) -> None:
        """Between requests the connection is closed in time, without a word."""
        self.line.send(GET)
        self.last.answer()
        self.line.take()
        self.network.advance(IDLE_TIMEOUT - 1)
        self.assertTrue(self.line.connected)
        self.network.advance(1)
        self.assertEqual(self.line.received, b"")
        self.assert_closed()

    def test_idle_no_longer(self) -> None:
        """A request that has arrived as the idle time ends is answered: its connection is not closed over it."""
        self.line.send(GET)
        self.last.answer()
        self.line.take()
        self.network.advance(IDLE_TIMEOUT - 1)
        with mock.patch.object(self.connection, "has_arrived", return_value=True):
            self.network.advance(1)
        self.line.send(GET)
        self.last.answer()
        self.assertIn(b"200 R", self.line.take())
        self.network.advance(IDLE_TIMEOUT)
        self.assert_closed()

    def test_idle_with_empty_lines(self) -> None:
        """Empty lines without end put the end of the idle time off once: by then a request would have shown."""
        self.line.send(GET)
        self.last.answer()
        with mock.patch.object(self.connection, "has_arrived", return_value=True):
            self.network.advance(IDLE_TIMEOUT)
            self.line.send(b"\r\n")
            self.assertTrue(self.line.connected)
            self.network.advance(HEADER_TIMEOUT)
        self.assert_closed()

    def test_awaited_first(self) -> None:
        """Before its first request a client is not idle: it may just have shaken hands."""
        begun = self.network.seconds()
        frontend = Frontend(self.connection, mock.Mock(), self.handling, 3.0)
        self.network.advance(1)
        self.assertEqual(frontend.awaited(begun + 1), (Awaited.HEAD, begun))

    def test_awaited(self) -> None:
        """What the client is waited for, and since when."""
        begun = self.network.seconds()
        self.network.advance(1)
        self.assertEqual(self.frontend.awaited(begun + 1), (Awaited.HEAD, begun))
        self.line.send(GET[:5])
        self.assertEqual(self.frontend.awaited(begun + 1), (Awaited.HEAD, begun))
        self.line.send(GET[5:])
        self.assertEqual(self.frontend.awaited(begun + 1), (Awaited.NOTHING, begun + 1))
        self.last.answer()
        self.assertEqual(self.frontend.awaited(begun + 2), (Awaited.REQUEST, begun + 1))
        self.line.send(POST)
        self.assertEqual(self.frontend.awaited(begun + 2)[0], Awaited.MORE)
        self.reply_waits()
        self.line.send(b"0123456789")
        self.assertEqual(self.frontend.awaited(begun + 2)[0], Awaited.NOTHING)
        self.line.stall(0)
        self.last.answer(b"x" * 300_000)
        self.assertEqual(self.frontend.awaited(begun + 2)[0], Awaited.MORE)
        self.line.read()
        self.line.send(b"nonsense\r\n\r\n")
        self.last.answer(status=400)
        self.assertEqual(self.frontend.awaited(begun + 2), (Awaited.REQUEST, 0.0))

    def reply_waits(self) -> None:
        """While the body is not taken the client is not waited for."""
        self.last.reply.pause_body()
        self.assertEqual(self.frontend.awaited(0)[0], Awaited.NOTHING)
        self.last.reply.resume_body()

    def test_waiting_for_the_answer(self) -> None:
        """While the answer is due the client has no deadline, however its request came."""
        for request in (GET, POST + b"0123456789"):
            self.line.send(request)
            self.network.advance(1000)
            self.last.answer()
        self.assertTrue(self.line.connected)

    def test_silent_body(self) -> None:
        """A body that does not come is answered 408, however much of it came before."""
        for came in (0, 1, RATE * 1000):
            self.setUp()
            self.line.send(LONG + bytes(came))
            self.network.advance(BODY_TIMEOUT - 1)
            self.assertIsNone(self.last.refused)
            self.network.advance(1)
            self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))
            self.assert_closed(linger=True)

    def test_trickling_body(self) -> None:
        """A body that comes more slowly than it may is answered 408: a byte now and then wins no time to speak of."""
        self.line.send(LONG)
        for _ in range(3):
            self.network.advance(BODY_TIMEOUT / 4)
            self.line.send(b"0")
        self.network.advance(BODY_TIMEOUT / 4)
        self.assertIsNone(self.last.refused)
        self.network.advance(3 / RATE)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))

    def test_slow_body(self) -> None:
        """A body that comes as slowly as it may comes whole, however long that takes, and in whatever pieces."""
        for piece in (RATE, 20 * RATE):
            self.setUp()
            self.line.send(LONG)
            for _ in range(LONG_SIZE // piece):
                self.network.advance(piece / RATE)
                self.line.send(bytes(piece))
            self.assertEqual((self.last.refused, self.last.whole), (None, True))
            self.network.advance(1000)
            self.assertIsNone(self.last.refused)

    def test_time_of_the_head_is_not_that_of_the_body(self) -> None:
        """A body has its whole time, however long its head took."""
        for byte in LONG[:-1]:
            self.line.send(bytes((byte,)))
        self.network.advance(HEADER_TIMEOUT - 1)
        self.line.send(LONG[-1:])
        self.network.advance(BODY_TIMEOUT - 1)
        self.assertIsNone(self.last.refused)
        self.network.advance(1)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))

    def test_paused_body(self) -> None:
        """A body that is not wanted now has no deadline until it is."""
        self.line.send(POST)
        self.last.reply.pause_body()
        self.network.advance(1000)
        self.assertIsNone(self.last.refused)
        self.last.reply.resume_body()
        self.network.advance(BODY_TIMEOUT)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))

    def test_client_that_does_not_leave(self) -> None:
        """A lingering close ends by itself."""
        self.line.send(POST)
        self.last.answer()
        self.network.advance(LINGER)
        self.assertFalse(self.line.connected)
        self.assertEqual(self.network.timers(), [])


class AnyRateTests(_Case):
    """Where no rate is asked for."""

    min_body_rate = 0

    def test_trickling_body(self) -> None:
        """A body has its time for each byte; then 408."""
        self.line.send(POST)
        for byte in b"0123":
            self.network.advance(BODY_TIMEOUT - 1)
            self.line.send(bytes((byte,)))
        self.assertEqual((self.last.refused, self.last.data), (None, b"0123"))
        self.network.advance(BODY_TIMEOUT)
        self.assertEqual(self.last.refused, (408, ErrorInfo.INVALID_REQUEST))
        self.assert_closed(linger=True)


class UpgradeTests(_Case):
    """Requests for another protocol."""

    def test_granted(self) -> None:
        """What came after the request is the new protocol's, and all that follows."""
        self.line.send(UPGRADE + b"early")
        self.line.send(b"er")
        self.assertEqual(self.last.data, b"")
        self.last.reply.switch(b"websocket", [])
        self.assertEqual(
            self.line.take(),
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        self.assertEqual(self.last.data, b"earlyer")
        self.line.send(GET)
        self.assertEqual((self.last.data, len(self.asked)), (b"earlyer" + GET, 1))
        self.last.reply.body(b"frame")
        self.last.reply.flush()
        self.assertEqual(self.line.take(), b"frame")
        self.network.advance(1000)  # a tunnel says what it likes, when it likes
        self.line.send(b"0")
        self.network.advance(1000)
        self.assertTrue(self.line.connected)
        self.last.finish()
        self.assert_closed()

    def test_granted_and_not_taken(self) -> None:
        """A backend that does not take what was held stops the client."""
        self.line.send(UPGRADE + b"early")
        asked = self.last
        asked.body = lambda data: asked.reply.pause_body()  # type: ignore[method-assign]
        asked.reply.switch(b"websocket", [])
        self.assertFalse(self.network.is_reading(self.line))
        asked.reply.resume_body()
        self.assertTrue(self.network.is_reading(self.line))

    def test_refused(self) -> None:
        """After any other answer, what was held is read as HTTP, with all its checks."""
        self.line.send(UPGRADE + GET.replace(b"/", b"/2", 1))
        self.line.send(b"BAD\r\n\r\n")
        self.assertEqual(len(self.asked), 1)
        self.last.answer()
        self.assertEqual(self.targets(), [b"/", b"/2"])
        self.last.answer()
        self.assertIsInstance(self.last.request, UnfitRequest)

    def test_refused_at_once(self) -> None:
        """The same when the answer comes before `begin` returns."""
        self.answers_at_once()
        self.line.send(UPGRADE + UPGRADE + GET)
        self.assertEqual(len(self.asked), 3)
        self.line.send(GET)
        self.assertEqual(len(self.asked), 4)

    def test_refused_with_nothing_held(self) -> None:
        """The next request may come later."""
        self.line.send(UPGRADE)
        self.last.answer()
        self.line.send(GET)
        self.assertEqual(len(self.asked), 2)

    def test_behind_another(self) -> None:
        """A request for an upgrade behind a slow answer keeps what follows it."""
        self.line.send(GET + UPGRADE + b"early")
        self.last.answer()
        self.last.reply.switch(b"websocket", [])
        self.turn()
        self.assertEqual(self.last.data, b"early")

    def test_held_is_bounded(self) -> None:
        """A client cannot send ahead without end; when the upgrade is refused it is read on."""
        self.line.send(UPGRADE)
        for _ in range(10):
            self.line.send(GET * 1000)
        self.assertLessEqual(self.line.sent_on, MAX_HELD + 2 * READ)
        self.answers_at_once()
        self.last.answer()
        self.turn()
        self.assertEqual(len(self.asked), 10_001)

    def test_slow_tunnel(self) -> None:
        """A client that does not take what a tunnel carries is aborted in time."""
        self.line.send(UPGRADE)
        self.last.reply.switch(b"websocket", [])
        self.line.stall()
        while not self.last.reply.full:
            self.last.reply.body(bytes(READ))
            self.last.reply.flush()
        self.network.advance(BODY_TIMEOUT)
        self.assertEqual((self.line.reset, self.last.lost), (True, True))

    def test_other_protocols_are_not_asked_for(self) -> None:
        """Only WebSocket is forwarded: a connection switched to HTTP/2 would carry requests past every check."""
        self.line.send(UPGRADE.replace(b"websocket", b"h2c") + GET)
        request = self.last.request
        assert isinstance(request, RequestHead)
        self.assertEqual(request.upgrade, b"")
        self.last.answer()
        self.assertEqual(len(self.asked), 2)


class DrainTests(_Case):
    """The gateway stops."""

    def drain(self) -> None:
        """It does now."""
        self.session.draining = True
        self.frontend.drain(self.network.seconds(), QUIET)

    def asked_before(self, ago: float) -> None:
        """A request was answered so many seconds ago."""
        self.line.send(GET)
        self.last.answer()
        self.line.take()
        self.network.advance(ago)

    def test_idle(self) -> None:
        """A connection that has been idle for a while closes at once."""
        self.asked_before(QUIET)
        self.drain()
        self.assert_closed()

    def test_idle_for_a_moment(self) -> None:
        """One that has not closes once it has: a request may be on its way."""
        self.asked_before(QUIET / 4)
        self.drain()
        self.network.advance(QUIET / 2)
        self.assertTrue(self.line.connected)
        self.network.advance(QUIET / 4)
        self.assert_closed()

    def test_silent(self) -> None:
        """So does one whose first request has not come."""
        self.network.advance(QUIET / 4)
        self.drain()
        self.network.advance(QUIET / 2)
        self.assertTrue(self.line.connected)
        self.network.advance(QUIET / 4)
        self.assert_closed()

    def test_on_its_way(self) -> None:
        """The request that was on its way is answered, and its answer says that it is the last."""
        self.asked_before(QUIET / 4)
        self.drain()
        self.line.send(GET)
        self.last.answer()
        self.assertIn(b"Connection: close", self.line.received)
        self.assert_closed()

    def test_arrived(self) -> None:
        """So is one that has arrived and was not read yet, however long the connection was idle before."""
        self.asked_before(10 * QUIET)
        with mock.patch.object(self.connection, "has_arrived", return_value=True):
            self.drain()
        self.line.send(GET)
        self.last.answer()
        self.assertIn(b"Connection: close", self.line.received)
        self.assert_closed()

    def test_under_way(self) -> None:
        """Requests under way, and those that have come behind them, are answered; the last answer says that it is."""
        self.line.send(GET + GET)
        self.drain()
        self.last.answer()
        self.assertNotIn(b"Connection: close", self.line.take())
        self.last.answer()
        self.assertIn(b"Connection: close", self.line.received)
        self.assertEqual(len(self.asked), 2)
        self.assert_closed()

    def test_answer_under_way(self) -> None:
        """One answer that has not said that it is the last is followed by another, if a request comes in time."""
        for comes in (True, False):
            self.setUp()
            self.line.send(GET)
            self.last.head()
            self.drain()
            self.last.reply.body(b"ok")
            self.last.finish()
            self.assertTrue(self.line.take().endswith(b"ok"))
            if comes:
                self.line.send(GET)
                self.last.answer()
                self.assertIn(b"Connection: close", self.line.received)
            else:
                self.network.advance(QUIET)
            self.assert_closed()

    def test_head_under_way(self) -> None:
        """A head that has begun has little time: a gateway that stops does not wait a minute for a stranger."""
        self.line.send(GET[:5])
        self.drain()
        self.network.advance(gateway(RATE).silent_timeout)
        self.assertEqual(self.last.request.status, 408)  # type: ignore[union-attr]

    def test_expelled(self) -> None:
        """A client that is not welcome any more is answered no further request, though it has come."""
        for late in (False, True):
            self.setUp()
            self.line.send(GET + GET)
            if late:
                self.last.head()
            self.session.draining = self.session.expelled = True
            self.frontend.finish()
            if not late:
                self.last.head()
            self.last.reply.body(b"ok")
            self.last.finish()
            self.assertEqual(b"Connection: close" in self.line.received, not late)
            self.assertEqual(len(self.asked), 1)
            self.assert_closed(linger=True)
        self.setUp()
        self.session.draining = self.session.expelled = True
        self.frontend.finish()
        self.assert_closed()


class DefectTests(_Case):
    """Defects of the gateway beside an exchange."""

    def make_exchange_fail(self, times: int) -> None:
        """So many exchanges cannot be made."""
        make = self.exchange
        failures = iter(range(times))

        def exchange(request: RequestHead | UnfitRequest, reply: ResponseWriter, session: Any) -> Asked:
            if next(failures, None) is not None:
                raise ZeroDivisionError
            return make(request, reply, session)

        self.exchange = exchange  # type: ignore[method-assign]

    def test_no_exchange(self) -> None:
        """A request whose exchange cannot be made is answered with 500, by one that is made for that."""
        for request in (GET, GET + GET, POST, POST + b"0123456789", GET[:-2] + b"Connection: close\r\n\r\n"):
            self.setUp()
            self.make_exchange_fail(1)
            self.begun = lambda asked: asked.answer(status=asked.request.status)  # type: ignore[union-attr]
            self.line.send(request)
            self.assertTrue(self.line.take().startswith(b"HTTP/1.1 500 "), request)
            self.assertEqual([asked.request.method for asked in self.asked], [request.split()[0]])
            self.assert_closed(linger=True)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_no_exchange_at_all(self) -> None:
        """Where none can be made for the 500 either, the connection is cut."""
        self.make_exchange_fail(2)
        self.line.send(GET)
        self.turn()
        self.assertTrue(self.line.reset)
        self.assertEqual((self.line.take(), self.network.timers()), (b"", []))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_close(self) -> None:
        """Where the connection cannot be closed in good order behind the last answer, it is cut."""

        def close(*, linger: bool = False) -> None:
            raise ZeroDivisionError

        self.connection.close = close  # type: ignore[method-assign]
        self.line.send(LAST)
        self.last.answer()
        self.turn()
        self.assertTrue(self.line.reset)
        self.assertEqual(self.network.timers(), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
