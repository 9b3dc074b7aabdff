"""Frames from bytes: what is read, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

from collections.abc import Iterable
from struct import pack

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2 import codes, frames
from agwtwisted.core.http2.codes import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PREFACE,
    SETTINGS,
)
from agwtwisted.core.http2.frame_reader import SPARE_CONTINUATIONS, FrameReader
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    DataFrame,
    HeadersFrame,
    IgnoredFrame,
    PingFrame,
    SettingsFrame,
    StreamFault,
    WindowUpdateFrame,
)
from tests.frame_oracle import BEGIN, RESERVED, Found, frame, frame_streams, frames_agree, joined, pulled
from tests.memory import kept_after

BLOCK_BYTES = 32_768


def begun() -> FrameReader:
    """A reader that has had the preface and the first SETTINGS."""
    reader = FrameReader(max_block=BLOCK_BYTES)
    reader.feed(BEGIN)
    assert pulled(reader) == [SettingsFrame(())]
    return reader


def fed(pieces: Iterable[bytes], reader: FrameReader | None = None) -> Found:
    """What a reader says of these pieces."""
    reader = reader or FrameReader(max_block=BLOCK_BYTES)
    found: Found = []
    for piece in pieces:
        reader.feed(piece)
        found += pulled(reader)
    return found


def read(octets: bytes) -> Found:
    """What a reader says of what follows the first SETTINGS."""
    return fed([octets], begun())


class FaultTestCase(SynchronousTestCase):
    """Checks of connection errors."""

    def refused(self, code: int, octets: bytes) -> str:
        """They are a connection error of this code; nothing is read behind it. Returns the reason."""
        return self.ended(code, begun(), octets)

    def ended(self, code: int, reader: FrameReader, octets: bytes) -> str:
        """So does what a certain reader is fed."""
        reader.feed(octets + frames.ping(b"12345678"))
        *_, fault = pulled(reader)
        assert isinstance(fault, ConnectionFault), fault
        self.assertEqual(fault.code, code, fault.reason)
        self.assertTrue(fault.reason.isprintable())
        self.assertTrue(reader.done)
        reader.feed(frames.ping(b"12345678"))
        self.assertIsNone(reader.next_frame())
        self.assertEqual(reader.unread, 0)
        return fault.reason


class PrefaceTests(FaultTestCase):
    """RFC 9113 section 3.4."""

    def test_begins_the_connection(self) -> None:
        """The preface, then SETTINGS; until both are whole the reader has not begun."""
        reader = FrameReader(max_block=BLOCK_BYTES)
        for octet in BEGIN[:-1]:
            reader.feed(bytes((octet,)))
            self.assertIsNone(reader.next_frame())
            self.assertFalse(reader.begun)
            self.assertFalse(reader.block_open)
        reader.feed(BEGIN[-1:])
        self.assertEqual(pulled(reader), [SettingsFrame(())])
        self.assertTrue(reader.begun)

    def test_http1(self) -> None:
        """A client that sends HTTP/1 where HTTP/2 was agreed is recognized, in whatever pieces."""
        for octets in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"POST /a", b"PRI * HTTP/1.1\r\n", b"XYZ / HTTP/1.1\r\n"):
            reader = FrameReader(max_block=BLOCK_BYTES)
            self.assertIn("HTTP/1", self.ended(codes.PROTOCOL_ERROR, reader, octets))

    def test_other(self) -> None:
        """Anything else is refused with its first wrong octet."""
        for at in range(len(PREFACE)):
            reader = FrameReader(max_block=BLOCK_BYTES)
            reader.feed(PREFACE[:at])
            self.assertIsNone(reader.next_frame())
            reader.feed(bytes((PREFACE[at] ^ 1,)))
            fault = reader.next_frame()
            assert isinstance(fault, ConnectionFault)
            self.assertEqual(fault.code, codes.PROTOCOL_ERROR)
            self.assertTrue(reader.done)
            self.assertIsNone(reader.next_frame())

    def test_settings_first(self) -> None:
        """No other frame comes before the first SETTINGS, nor does an acknowledgement of some."""
        for first in (frames.ping(b"12345678"), frames.SETTINGS_ACK, frames.headers(1, b"a", True), frame(0xEE)):
            self.ended(codes.PROTOCOL_ERROR, FrameReader(max_block=BLOCK_BYTES), PREFACE + first)

    def test_faulty_settings_first(self) -> None:
        """SETTINGS that are wrong do not begin a connection."""
        reader = FrameReader(max_block=BLOCK_BYTES)
        self.ended(codes.FRAME_SIZE_ERROR, reader, PREFACE + frame(SETTINGS, b"1", stream=0))
        self.assertFalse(reader.begun)


class FrameTests(FaultTestCase):
    """RFC 9113 sections 4.1 and 4.2."""

    def test_too_long(self) -> None:
        """A length over MAX_FRAME_SIZE is refused with the frame's head, of whatever type; the largest is read."""
        for kind in (DATA, HEADERS, SETTINGS, codes.PING, 0xEE):
            self.refused(codes.FRAME_SIZE_ERROR, frame(kind, length=16385))
        self.assertEqual(read(frame(DATA, bytes(16384))), [DataFrame(1, bytes(16384), 16384, False)])
        self.refused(codes.FRAME_SIZE_ERROR, frame(HEADERS) + frame(CONTINUATION, length=16385))
        reader = FrameReader(max_block=BLOCK_BYTES)
        self.ended(codes.FRAME_SIZE_ERROR, reader, PREFACE + frame(SETTINGS, length=16385, stream=0))
        larger = FrameReader(max_block=BLOCK_BYTES, max_frame_size=20_000)
        found = fed([BEGIN + frame(DATA, bytes(20_000)) + frame(DATA, length=20_001)], larger)
        self.assertEqual([type(each) for each in found], [SettingsFrame, DataFrame, ConnectionFault])

    def test_unknown_types(self) -> None:
        """Types that are not known are ignored on any stream, also those of other extensions (section 4.1)."""
        for kind in (0x0A, 0x0B, 0x0C, 0x11, 0xFF):
            for stream in (0, 1, 2):
                octets = frame(kind, b"abc", stream=stream, flags=0xFF) + frames.ping(b"12345678")
                self.assertEqual(read(octets), [IgnoredFrame(kind, 3), PingFrame(b"12345678")])

    def test_unknown_flags(self) -> None:
        """Flags that a type does not have mean nothing."""
        self.assertEqual(read(frame(DATA, b"abc", flags=0xF7)), [DataFrame(1, b"abc", 3, True)])
        self.assertEqual(read(frame(HEADERS, b"abc", flags=0xD6)), [HeadersFrame(1, b"abc", False)])
        self.assertEqual(read(frame(codes.RST_STREAM, bytes(4), flags=0xFF)), read(frame(codes.RST_STREAM, bytes(4))))

    def test_reserved_bit(self) -> None:
        """The bit before a stream's identifier is ignored."""
        stream = codes.LARGEST_STREAM
        self.assertEqual(
            read(
                frame(DATA, b"a", stream=RESERVED | stream)
                + frame(HEADERS, b"a", stream=RESERVED | stream, flags=END_HEADERS)
                + frame(codes.PING, b"12345678", stream=RESERVED)
            ),
            [DataFrame(stream, b"a", 1, False), HeadersFrame(stream, b"a", False), PingFrame(b"12345678")],
        )

    def test_window_updates(self) -> None:
        """Credit for a stream and for the connection; of 0 it is an error of the stream or of the connection."""
        self.assertEqual(read(frames.window_update(0, 9)), [WindowUpdateFrame(0, 9)])
        credit, fault = read(frames.window_update(3, codes.LARGEST_WINDOW) + frames.window_update(3, 0))
        self.assertEqual(credit, WindowUpdateFrame(3, codes.LARGEST_WINDOW))
        assert isinstance(fault, StreamFault)
        self.assertEqual(fault.stream, 3)
        self.refused(codes.PROTOCOL_ERROR, frames.window_update(0, 0))

    def test_goes_on_behind_a_stream_fault(self) -> None:
        """A stream error is the stream's alone."""
        found = read(frames.window_update(3, 0) + frames.ping(b"12345678"))
        self.assertEqual([type(each) for each in found], [StreamFault, PingFrame])

    def test_payloads(self) -> None:
        """What `payloads` refuses ends the connection."""
        self.refused(codes.FRAME_SIZE_ERROR, frame(codes.PING, b"1234567", stream=0))
        self.refused(codes.PROTOCOL_ERROR, frame(codes.PUSH_PROMISE, bytes(4)))


class DataTests(FaultTestCase):
    """RFC 9113 section 6.1."""

    def test_on_a_stream(self) -> None:
        """DATA is about a stream."""
        self.refused(codes.PROTOCOL_ERROR, frame(DATA, b"a", stream=0))
        self.refused(codes.PROTOCOL_ERROR, frame(DATA, b"\0a", flags=PADDED, stream=0))

    def test_plain(self) -> None:
        """Octets, or none, and whether they are the last."""
        self.assertEqual(read(frames.data(1, b"abc", False)), [DataFrame(1, b"abc", 3, False)])
        self.assertEqual(read(frames.data(3, b"", True)), [DataFrame(3, b"", 0, True)])

    def test_padding(self) -> None:
        """Padding is taken away, whatever it is; it counts for flow control, and so does its length."""
        for padding, rest in ((0, b"abc"), (2, b"abc"), (255, b""), (0, b"")):
            payload = bytes((padding,)) + rest + b"\xff" * padding
            expected = DataFrame(1, rest, len(payload), True)
            self.assertEqual(read(frame(DATA, payload, flags=PADDED | END_STREAM)), [expected])

    def test_too_much_padding(self) -> None:
        """Padding is shorter than the payload, of which its length is a part."""
        self.refused(codes.PROTOCOL_ERROR, frame(DATA, b"\1", flags=PADDED))
        self.refused(codes.PROTOCOL_ERROR, frame(DATA, b"\4abc", flags=PADDED))
        self.refused(codes.FRAME_SIZE_ERROR, frame(DATA, b"", flags=PADDED))

    def test_in_parts(self) -> None:
        """A long frame is handed on as it comes; padding counts with the first part, the last one ends the stream."""
        body, reader = bytes(range(256)) * 8, begun()
        octets = frame(DATA, b"\2" + body + b"xx", flags=PADDED | END_STREAM)
        begin = codes.FRAME_HEAD + 1
        pieces = [octets[:9], octets[9 : begin + 1], octets[begin + 1 : begin + 2000]]
        self.assertEqual(
            [fed([piece], reader) for piece in pieces],
            [[], [DataFrame(1, body[:1], 4, False, True)], [DataFrame(1, body[1:2000], 1999, False, True)]],
        )
        self.assertEqual(fed([octets[begin + 2000 : -1]], reader), [DataFrame(1, body[2000:], 48, True, True)])
        self.assertEqual(fed([octets[-1:] + frames.ping(b"12345678")], reader), [PingFrame(b"12345678")])

    def test_short_ones_are_whole(self) -> None:
        """One of up to 1 KiB is handed on whole: that its parts are short says nothing, that it is does."""
        for size, parts in ((1, 1), (1024, 1), (1025, 1025)):
            octets = frames.data(1, bytes(size), False)
            found = fed([octets[at : at + 1] for at in range(len(octets))], begun())
            self.assertEqual(len(found), parts)
            self.assertEqual(joined(found), [DataFrame(1, bytes(size), size, False)])

    def test_faults_are_found_at_once(self) -> None:
        """A long frame that is wrong is refused with its first octets."""
        self.refused(codes.PROTOCOL_ERROR, frame(DATA, b"a", stream=0, length=1) + bytes(9))
        reader = begun()
        found = fed([frame(DATA, length=2000, stream=0), bytes(2000)], reader)
        self.assertEqual([type(each) for each in found], [ConnectionFault])


class HeadersTests(FaultTestCase):
    """RFC 9113 sections 6.2 and 6.10."""

    def test_plain(self) -> None:
        """A header block in one frame."""
        self.assertEqual(read(frames.headers(1, b"abc", False)), [HeadersFrame(1, b"abc", False, 1)])
        self.assertEqual(read(frames.headers(3, b"", True)), [HeadersFrame(3, b"", True, 1)])

    def test_on_a_stream(self) -> None:
        """HEADERS are about a stream."""
        forms = (
            (0, b""),
            (END_HEADERS, b""),
            (END_HEADERS | PADDED, b"\0"),
            (END_HEADERS | HAS_PRIORITY, b"\0\0\0\3\0"),
        )
        for flags, payload in forms:
            self.refused(codes.PROTOCOL_ERROR, frame(HEADERS, payload, flags=flags, stream=0))

    def test_padding_and_priority(self) -> None:
        """Both are taken away, alone and together, also where nothing of the block is left."""
        priority = pack(">IB", RESERVED | 3, 200)
        for block in (b"abc", b""):
            for payload, flags in (
                (b"\0" + block, PADDED),
                (b"\2" + block + b"xx", PADDED),
                (priority + block, HAS_PRIORITY),
                (b"\3" + priority + block + b"xxx", PADDED | HAS_PRIORITY),
            ):
                found = read(frame(HEADERS, payload, flags=flags | END_HEADERS | END_STREAM))
                self.assertEqual(found, [HeadersFrame(1, block, True)])

    def test_too_much_padding(self) -> None:
        """Padding and priority fit in the payload."""
        priority = pack(">IB", 3, 200)
        self.refused(codes.PROTOCOL_ERROR, frame(HEADERS, b"\4abc", flags=PADDED | END_HEADERS))
        self.refused(codes.FRAME_SIZE_ERROR, frame(HEADERS, b"", flags=PADDED | END_HEADERS))
        self.refused(codes.FRAME_SIZE_ERROR, frame(HEADERS, priority[:4], flags=HAS_PRIORITY | END_HEADERS))
        both = PADDED | HAS_PRIORITY | END_HEADERS
        self.refused(codes.FRAME_SIZE_ERROR, frame(HEADERS, b"\1" + priority, flags=both))

    def test_self_dependency(self) -> None:
        """A stream that depends on itself ends the connection: a reset could not leave out its header block."""
        for exclusive in (0, RESERVED):
            payload = pack(">IB", exclusive | 5, 15) + b"abc"
            self.refused(codes.PROTOCOL_ERROR, frame(HEADERS, payload, flags=HAS_PRIORITY | END_HEADERS, stream=5))

    def test_continuation(self) -> None:
        """A block in several frames, the first of them padded; END_STREAM stands in the first."""
        first = frame(HEADERS, b"\1abcx", flags=PADDED | END_STREAM)
        octets = first + frame(CONTINUATION, b"") + frame(CONTINUATION, b"def", flags=END_HEADERS)
        self.assertEqual(read(octets), [HeadersFrame(1, b"abcdef", True, 3)])
        self.assertEqual(read(octets + frames.ping(b"12345678"))[1:], [PingFrame(b"12345678")])
        self.assertEqual(read(frames.headers(1, bytes(30_000), False)), [HeadersFrame(1, bytes(30_000), False, 2)])

    def test_nothing_comes_between(self) -> None:
        """Within a block no frame but CONTINUATION of its stream is taken, not even one of an unknown type."""
        first = frame(HEADERS, b"abc")
        for other in (
            frames.ping(b"12345678"),
            frames.headers(1, b"a", False),
            frames.data(1, b"a", False),
            frames.window_update(1, 1),
            frame(0xEE),
            frame(CONTINUATION, b"a", flags=END_HEADERS, stream=3),
            frame(CONTINUATION, b"a", flags=END_HEADERS, stream=0),
        ):
            self.refused(codes.PROTOCOL_ERROR, first + other)

    def test_continuation_of_nothing(self) -> None:
        """CONTINUATION follows HEADERS that are open."""
        for stream in (0, 1):
            self.refused(codes.PROTOCOL_ERROR, frame(CONTINUATION, b"a", flags=END_HEADERS, stream=stream))
        whole = frames.headers(1, b"abc", False)
        self.refused(codes.PROTOCOL_ERROR, whole + frame(CONTINUATION, b"a", flags=END_HEADERS))

    def test_block_too_long(self) -> None:
        """A header block is bounded, in one frame and in several, whatever its padding."""
        largest = frames.headers(1, bytes(BLOCK_BYTES), False)
        self.assertEqual(read(largest), [HeadersFrame(1, bytes(BLOCK_BYTES), False, 2)])
        self.refused(codes.ENHANCE_YOUR_CALM, frames.headers(1, bytes(BLOCK_BYTES + 1), False))
        for payload, flags in ((b"abcdef", 0), (b"\1abcdefx", PADDED), (bytes(5) + b"abcdef", HAS_PRIORITY)):
            for end in (0, END_HEADERS):
                small = FrameReader(max_block=5)
                octets = BEGIN + frame(HEADERS, payload, flags=flags | end)
                self.assertIn("5 bytes", self.ended(codes.ENHANCE_YOUR_CALM, small, octets))
        padded = frame(HEADERS, b"\x09abcde" + bytes(9), flags=PADDED | END_HEADERS)
        self.assertEqual(fed([BEGIN + padded], FrameReader(max_block=5))[1:], [HeadersFrame(1, b"abcde", False)])

    def test_too_many_continuations(self) -> None:
        """A block may not be cut into arbitrarily many frames, which need not have a single octet."""
        first, more = frame(HEADERS, b"a"), frame(CONTINUATION)
        last = frame(CONTINUATION, flags=END_HEADERS)
        most = SPARE_CONTINUATIONS + 2  # of 16 KiB each for the longest block
        found = read(first + more * (most - 1) + last)
        self.assertEqual(found, [HeadersFrame(1, b"a", False, most + 1)])
        self.refused(codes.ENHANCE_YOUR_CALM, first + more * most + last)

    def test_longest_block(self) -> None:
        """However long blocks may be, the longest one is taken in frames of the usual size."""
        for size in (1024, 1 << 21):
            block = bytes(size)
            found = fed([BEGIN + frames.headers(1, block, True)], FrameReader(max_block=size))
            self.assertEqual([each.block for each in found if isinstance(each, HeadersFrame)], [block])

    def test_block_open(self) -> None:
        """A block is open from the head of its first frame on, until its last one is whole."""
        octets = frame(HEADERS, b"abc") + frame(CONTINUATION, b"def", flags=END_HEADERS)
        reader = begun()
        for at in range(len(octets)):
            self.assertEqual(reader.block_open, at >= codes.FRAME_HEAD, at)
            fed([octets[at : at + 1]], reader)
        self.assertFalse(reader.block_open)
        fed([frames.data(1, b"abc", False)[:-1]], reader)
        self.assertFalse(reader.block_open)


CONVERSATION = (
    BEGIN
    + frames.headers(1, b"abc", False)
    + frame(DATA, b"\2abcxx", flags=PADDED)
    + frame(HEADERS, b"abc", stream=3)
    + frame(CONTINUATION, b"def", flags=END_HEADERS, stream=3)
    + frames.window_update(0, 7)
    + frame(0xEE, b"x" * 300)
    + frames.settings([(4, 7)])
    + frames.data(1, b"y" * 1300, False)
    + frame(DATA, b"\3" + b"y" * 1300 + b"xxx", flags=PADDED | END_STREAM, stream=5)
    + frames.data(3, b"y" * 300, True)
)


class FeedingTests(SynchronousTestCase):
    """However the bytes come."""

    def test_octet_by_octet(self) -> None:
        """The same frames come out."""
        whole = fed([CONVERSATION])
        self.assertEqual(len(whole), 10)
        self.assertEqual(joined(fed(CONVERSATION[at : at + 1] for at in range(len(CONVERSATION)))), whole)

    @given(st.lists(st.integers(0, len(CONVERSATION)), max_size=12))
    def test_in_any_pieces(self, cuts: list[int]) -> None:
        """The same frames come out, wherever they are cut, also of a reader that is fed ahead."""
        ends = [*sorted(cuts), len(CONVERSATION)]
        pieces = [CONVERSATION[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
        whole = fed([CONVERSATION])
        self.assertEqual(joined(fed(pieces)), whole)
        ahead = FrameReader(max_block=BLOCK_BYTES)
        ahead.feed(pieces[0])
        found = [ahead.next_frame()]
        for piece in pieces[1:]:
            ahead.feed(piece)
            found.append(ahead.next_frame())
        found += pulled(ahead)
        self.assertEqual(joined([each for each in found if each is not None]), whole)

    @given(st.binary(max_size=400))
    def test_anything(self, octets: bytes) -> None:
        """Whatever follows the first SETTINGS is read as frames, and ends at most once."""
        found = read(octets)
        faults = [each for each in found if isinstance(each, ConnectionFault)]
        self.assertEqual(faults, [each for each in found[-1:] if isinstance(each, ConnectionFault)])

    @given(frame_streams())
    def test_as_h2_reads_them(self, octets: bytes) -> None:
        """What h2 refuses is refused, and what both take says the same to both, in one piece and octet by octet."""
        frames_agree(octets)
        whole = joined(fed([octets]))
        self.assertEqual(joined(fed(octets[at : at + 1] for at in range(len(octets)))), whole)

    def test_work_is_linear(self) -> None:
        """A frame that comes octet by octet is put together twice: once its head is there, and once all of it is."""
        for octets in (frame(0xEE, bytes(16_384)), frame(HEADERS, bytes(16_384), flags=END_HEADERS)):
            reader = begun()
            pieces = {}
            for at in range(len(octets)):
                fed([octets[at : at + 1]], reader)
                pieces[id(reader._data)] = reader._data
            self.assertLess(len(pieces), 6)

    def test_what_is_kept(self) -> None:
        """Nothing of frames that were handed on, and no more than what came of one that is not whole."""
        readers = [begun() for _ in range(100)]
        self.assertLess(kept_after(lambda: [fed([CONVERSATION[len(BEGIN) :]], each) for each in readers]) / 100, 200)
        part = frame(0xEE, bytes(4000), length=16_384)
        pieces = [part[at : at + 10] for at in range(0, len(part), 10)]
        self.assertLess(kept_after(lambda: [fed(pieces, each) for each in readers]) / 100, 5000)
        more = [begun() for _ in range(100)]
        large = frames.data(1, bytes(16_000), False) * 3 + part[:100]
        self.assertLess(kept_after(lambda: [fed([large], each) for each in more]) / 100, 500)
