"""Clients of HTTP/2 that have the gateway work for little, and those that only ask for much."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import pack

from hyperframe.frame import DataFrame, GoAwayFrame, RstStreamFrame

from agwtwisted.core.http.messages import Framing
from agwtwisted.core.http2.budgets import CAPACITY
from agwtwisted.core.http2.codes import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    GOAWAY,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    SETTINGS,
)
from agwtwisted.transport.send_queue import QUEUE_LIMIT
from tests.http2.connections import Http2Case, limits
from tests.http2.raw_frames import GET, MALFORMED, POST, frame, request, reset, streams, update
from tests.http2_clients import FrameClient

FLOOD = 20_000


class FloodTests(Http2Case):
    """Much of one kind: the connection ends with ENHANCE_YOUR_CALM, a reason and a count."""

    def flood(self, parts: Iterator[bytes], at_once: int) -> int:
        """Sends parts until the server has closed; returns how many."""
        sent = 0
        for part in parts:
            sent += 1
            self.pending += part
            if sent % at_once == 0:
                self.line.send(self.pending)
                self.pending = b""
                if self.line.eof:
                    break
        return sent

    def assert_calmed(
        self, kind: str, parts: Iterator[bytes], most: int, opening: bytes = b"", at_once: int = 100
    ) -> FrameClient:
        """A flood ends the connection within so many parts; every exchange is over, and no timer is left."""
        self.setUp()
        self.pending = b""
        client = self.frames()
        client.send(opening)
        sent = self.flood(parts, at_once)
        self.assertLessEqual(sent, most + at_once, kind)
        goaway = client.next(GoAwayFrame)
        reason = f"too many {kind.replace('_', ' ')}"
        self.assertEqual((goaway.error_code, goaway.additional_data), (ENHANCE_YOUR_CALM, reason.encode()), kind)
        self.assertEqual(self.session.misuses, [(kind, reason)])
        self.line.hang_up()
        self.assertEqual(self.network.timers(), [])
        return client

    def test_frames(self) -> None:
        """Cheap frames of every kind, 20,000 of each; some thousands pass."""
        one = update(0)
        floods = {
            "pings": (frame(PING, payload=b"12345678"), 1000),
            "settings": (frame(SETTINGS), 100),
            "priorities": (frame(PRIORITY, 0, 3, pack(">IB", 0, 1)), 4000),
            "window_updates": (one, 4100),
            "unknown_frames": (frame(0x77, payload=b"?"), 4000),
        }
        for kind, (each, most) in floods.items():
            self.assert_calmed(kind, iter([each] * FLOOD), most)
        self.assert_calmed("priorities", iter([frame(PRIORITY_UPDATE, 0, 0, pack(">I", 1) + b"u=1")] * FLOOD), 4000)
        self.assert_calmed("pings", iter([frame(PING, 1, payload=b"12345678")] * FLOOD), 1000)
        self.assert_calmed("unknown_frames", iter([frame(SETTINGS, 1)] * FLOOD), 4000)
        self.assert_calmed("unknown_frames", iter([frame(GOAWAY, payload=bytes(8))] * FLOOD), 4000)

    def test_settings_that_change_all_windows(self) -> None:
        """SETTINGS with many values count by these."""
        windows = pack(">HIHI", 4, 1, 4, 2) * 16
        self.assert_calmed("settings", iter([frame(SETTINGS, payload=windows)] * FLOOD), 25, at_once=5)

    def test_bodies_in_pieces(self) -> None:
        """DATA of a byte or of none, padded or not, on one stream or after it is over."""
        opening = request(1, POST, END_HEADERS)
        for piece in (b"x", b""):
            self.assert_calmed("small_data", iter([frame(DATA, 0, 1, piece)] * FLOOD), 4100, opening)
            self.assertLessEqual(len(self.last.data), 4200)
        self.assert_calmed("small_data", iter([frame(DATA, 8, 1, b"\x02x\0\0")] * FLOOD), 4100, opening)

    def test_window_of_a_stream(self) -> None:
        """WINDOW_UPDATE by single octets on a stream whose response waits: each lets an octet go, and still counts."""

        def updates() -> Iterator[bytes]:
            for _ in range(FLOOD):
                self.line.send(update(1))
                yield b""

        self.begun_answers(b"x" * 100_000)
        opening = frame(SETTINGS, payload=pack(">HI", 4, 0)) + request(1)
        client = self.assert_calmed("window_updates", updates(), 4200, opening)
        self.assertGreater(sum(isinstance(each, DataFrame) for each in client.rest()), 1000)

    def begun_answers(self, body: bytes) -> None:
        """Every exchange answers at once, whenever the connection was made."""
        self.on_setup = lambda: self.answers_at_once(body)

    on_setup: Callable[[], None] = staticmethod(lambda: None)

    def setUp(self) -> None:
        """A connection."""
        super().setUp()
        self.on_setup()

    def test_rapid_reset(self) -> None:
        """Requests that are taken back at once (CVE-2023-44487): some hundred begin, and all of them end."""
        self.assert_calmed("resets", (request(each) + reset(each) for each in streams(FLOOD)), 400)
        self.assertLessEqual(len(self.asked), 401)
        self.assertTrue(all(asked.lost for asked in self.asked))

    def test_made_you_reset(self) -> None:
        """Requests that the gateway is made to reset (CVE-2025-8671), in each of the ways that there are."""
        ways = {
            "a window of 0": lambda each: request(each) + update(each, 0),
            "a window too large": lambda each: request(each) + update(each, 0x7FFFFFFF),
            "DATA behind the end": lambda each: request(each) + frame(DATA, 0, each, b"x" * 100),
            "HEADERS behind the end": lambda each: request(each) * 2,
            "more than its length": lambda each: (
                request(each, POST + b"\x0f\x0d\x011", END_HEADERS) + frame(DATA, 1, each, b"x" * 100)
            ),
            "less than its length": lambda each: (
                request(each, POST + b"\x0f\x0d\x011", END_HEADERS) + frame(DATA, 1, each)
            ),
            "malformed": lambda each: request(each, MALFORMED),
        }
        for way, attack in ways.items():
            self.assert_calmed("stream_errors", map(attack, streams(FLOOD)), 401)
            self.assertLessEqual(len(self.asked), 410, way)

    def test_over(self) -> None:
        """Header blocks, and windows of 0, on a stream that is over."""
        opening = request(1, MALFORMED)
        self.assert_calmed("stream_errors", iter([request(1)] * FLOOD), 400, opening)
        self.assert_calmed("stream_errors", iter([update(1, 0)] * FLOOD), 400, opening)

    def test_over_and_not_sent(self) -> None:
        """So do header blocks on a stream that was answered before its body came, and whose answer waits."""
        self.begun_answers(b"x" * 100)
        opening = frame(SETTINGS, payload=pack(">HI", 4, 0)) + request(1, POST, END_HEADERS)
        self.assert_calmed("stream_errors", iter([request(1)] * FLOOD), 400, opening)

    def test_too_many_streams(self) -> None:
        """Streams above the limit are refused, and soon no more are."""
        client = self.assert_calmed(
            "refused_streams", (request(each, POST, END_HEADERS) for each in streams(FLOOD)), 500
        )
        refused = [each for each in client.rest() if isinstance(each, RstStreamFrame)]
        self.assertEqual({each.error_code for each in refused}, {7})
        self.assertEqual(len(self.asked), 100)

    def test_streams_during_a_hold(self) -> None:
        """While no request may be begun, those that are taken back are not kept."""
        self.on_setup = lambda: self.protocol.hold()
        self.assert_calmed("resets", (request(each) + reset(each) for each in streams(FLOOD)), 400)
        self.assertEqual(self.asked, [])

    def test_continuations(self) -> None:
        """Header blocks in many frames (CVE-2024-27316): nine end the connection at once, with END_HEADERS or not."""
        for size in (0, 100):
            self.setUp()
            client = self.frames()
            client.send(request(1, GET, END_STREAM) + frame(CONTINUATION, 0, 1, b"\x00" * size) * FLOOD)
            self.assertEqual(client.next(GoAwayFrame).error_code, ENHANCE_YOUR_CALM)
            self.assertEqual([kind for kind, _ in self.session.misuses], ["limit"])
        blocks = (
            request(each, GET, END_STREAM) + frame(CONTINUATION, 0, each) + frame(CONTINUATION, END_HEADERS, each)
            for each in streams(FLOOD)
        )
        self.assert_calmed("continuations", blocks, 250)

    def test_hpack_bomb(self) -> None:
        """Fields that grow in the decoder (CVE-2016-6581) end the connection, and are kept nowhere."""
        client = self.frames()
        large = b"\x40\x01a\x7f\x81\x1e" + b"v" * 3968  # into the table
        client.send(request(1, GET + large), request(3, GET + b"\xbe" * 16_000))
        client.next(GoAwayFrame)
        self.assertEqual([kind for kind, _ in self.session.misuses], ["protocol"])
        self.assertEqual(len(self.asked), 1)

    def test_many_fields(self) -> None:
        """Header lists with more fields than a request may have, which are the dearest to decode, count by these."""
        block = GET + b"\x10\x01a\x01b" * 900
        self.assert_calmed("stream_errors", (request(each, block) for each in streams(FLOOD)), 10, at_once=1)

    def test_mixed(self) -> None:
        """A little of everything is as much as a lot of one."""
        parts = (request(each) + reset(each) + update(0) + frame(PING, payload=bytes(8)) for each in streams(FLOOD))
        self.assert_calmed("resets", parts, 270)

    def test_answers_that_are_not_read(self) -> None:
        """A client that asks for answers and does not read them is ended before they fill the memory."""
        client = self.frames()
        self.line.stall(0)
        self.answers_at_once(b"x" * 500_000)
        client.send(update(0, 1 << 20), frame(SETTINGS, payload=pack(">HI", 4, 1 << 20)), request(1))
        self.turn()
        self.assertTrue(self.connection.full)
        self.begun = lambda asked: None
        self.line.send(frame(PING, payload=bytes(8)) * 968)
        self.assertEqual(self.session.misuses, [("unread_answers", "too many unread answers")])
        self.assertLess(self.connection.bytes_out, 510_000 + 2 * QUEUE_LIMIT)


class HeavyUseTests(Http2Case):
    """Much that is asked for: the connection lives on."""

    gateway = limits(max_body_bytes=1 << 30)

    def assert_alive(self, client: FrameClient) -> None:
        """The client may go on."""
        client.round_trip()
        self.assertEqual(self.session.misuses, [])

    def test_page_that_is_left(self) -> None:
        """A browser cancels two hundred requests, twice, and as many as it lets be answered."""
        client = self.frames()
        for first in (1, 201, 401):
            for part in (first, first + 100):
                client.send(*map(request, streams(50, part)))
                client.send(*map(reset, streams(50, part)))
        self.answers_at_once()
        for first in range(601, 1801, 200):
            client.send(*map(request, streams(100, first)))
        self.assert_alive(client)
        self.assertEqual(len(self.asked), 900)

    def test_download(self) -> None:
        """Two WINDOW_UPDATEs for each DATA frame of a download cost nothing."""
        client = self.frames()
        client.send(request(1))
        self.last.head(framing=Framing.CHUNKED)
        left = self.protocol._spending.budget
        for _ in range(3000):
            self.last.reply.body(b"x" * 16_000)
            self.last.reply.flush()
            client.send(update(0, 16_000), update(1, 16_000))
            self.line.take()
        self.assertGreater(left.left, 3900)
        self.assert_alive(client)

    def test_upload(self) -> None:
        """A body in 5,000 pieces of 1 KB, with a short one between each two."""
        client = self.frames()
        client.send(request(1, POST, END_HEADERS))
        for _ in range(200):
            client.send((frame(DATA, 0, 1, b"x" * 1024) + frame(DATA, 0, 1, b"--12345678")) * 25)
            self.assertEqual(len(self.last.data), 25 * 1034)
            self.last.data = b""
        self.assert_alive(client)

    def test_keep_alive(self) -> None:
        """PINGs each ten seconds for a day, beside a request that takes as long."""
        client = self.frames()
        client.send(request(1))
        for _ in range(8640):
            self.network.advance(10)
            self.line.send(frame(PING, payload=bytes(8)))
            self.line.take()
        self.assert_alive(client)

    def test_long_heads(self) -> None:
        """Header blocks that do not fit into one frame, where the gateway allows them, cost no CONTINUATION."""
        self.gateway = limits(http2_max_header_list=65536, http2_max_header_field=32768, max_header_bytes=65536)
        self.setUp()
        client = self.frames()
        self.answers_at_once()
        field = b"\x10\x01a\x7f\x81\x7e" + b"x" * (127 + 126 * 128 + 1)
        block = GET + field + field
        for number in streams(50):
            rest = frame(CONTINUATION, END_HEADERS, number, block[16384:])
            client.send(request(number, block[:16384], END_STREAM) + rest)
            self.network.pump([0.0] * 3)
        self.assertEqual(len(self.asked), 50)
        self.assertGreater(self.protocol._spending.budget.left, CAPACITY - 50)
        self.assert_alive(client)

    def test_requests(self) -> None:
        """As many requests as a connection may have, each with a window update and a PING."""
        client = self.frames()
        self.answers_at_once()
        for first in range(1, 1980, 20):
            client.send(*(request(each) + update(0) + frame(PING, payload=bytes(8)) for each in streams(10, first)))
        self.assert_alive(client)
        self.assertEqual(len(self.asked), 990)
