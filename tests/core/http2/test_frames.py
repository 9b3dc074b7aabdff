"""Frames that are sent, as another implementation reads them."""

from __future__ import annotations

from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2 import codes, frames

STREAM = codes.LARGEST_STREAM


def read(octets: bytes) -> list[Frame]:
    """The frames of which `octets` consists."""
    found = []
    view = memoryview(octets)
    while view:
        frame, length = Frame.parse_frame_header(view[: codes.FRAME_HEAD], strict=True)
        frame.parse_body(view[codes.FRAME_HEAD : codes.FRAME_HEAD + length])
        found.append(frame)
        view = view[codes.FRAME_HEAD + length :]
    return found


class FrameTests(SynchronousTestCase):
    """What each of them says."""

    def check(self, octets: bytes, kind: type[Frame], flags: set[str], **attributes: object) -> None:
        """One frame of this type, with these flags and attributes."""
        (frame,) = read(octets)
        self.assertIsInstance(frame, kind)
        self.assertEqual(set(frame.flags), flags)
        self.assertEqual({name: getattr(frame, name) for name in attributes}, attributes)

    def test_data(self) -> None:
        """DATA has its octets, and END_STREAM where it is the last; an empty one is allowed."""
        self.check(frames.data(STREAM, b"abc", False), DataFrame, set(), stream_id=STREAM, data=b"abc")
        self.check(frames.data(1, b"", True), DataFrame, {"END_STREAM"}, stream_id=1, data=b"")
        octets = frames.data_head(5, 16384, True) + bytes(16384)
        self.check(octets, DataFrame, {"END_STREAM"}, stream_id=5, data=bytes(16384))

    def test_headers(self) -> None:
        """A block that fits is one HEADERS frame."""
        self.check(frames.headers(1, b"abc", False), HeadersFrame, {"END_HEADERS"}, stream_id=1, data=b"abc")
        octets = frames.headers(STREAM, bytes(16384), True)
        self.check(octets, HeadersFrame, {"END_HEADERS", "END_STREAM"}, stream_id=STREAM, data=bytes(16384))

    def test_continuation(self) -> None:
        """A larger block has CONTINUATION frames behind it, of which the last one alone ends it."""
        for size, parts in ((11, [10, 1]), (20, [10, 10]), (25, [10, 10, 5])):
            block = bytes(range(size))
            first, *others = read(frames.headers(3, block, True, 10))
            self.assertIsInstance(first, HeadersFrame)
            self.assertEqual(set(first.flags), {"END_STREAM"})
            self.assertTrue(all(isinstance(each, ContinuationFrame) and each.stream_id == 3 for each in others))
            self.assertEqual([set(each.flags) for each in others], [set()] * (len(others) - 1) + [{"END_HEADERS"}])
            data = [first.data, *(each.data for each in others)]  # type: ignore[attr-defined]
            self.assertEqual(b"".join(data), block)
            self.assertEqual([len(each) for each in data], parts)

    def test_resets(self) -> None:
        """RST_STREAM and GOAWAY have their code."""
        self.check(frames.rst_stream(7, codes.CANCEL), RstStreamFrame, set(), stream_id=7, error_code=8)
        self.check(
            frames.goaway(STREAM, codes.ENHANCE_YOUR_CALM, b"why"),
            GoAwayFrame,
            set(),
            stream_id=0,
            last_stream_id=STREAM,
            error_code=11,
            additional_data=b"why",
        )
        self.check(frames.goaway(0, 0), GoAwayFrame, set(), last_stream_id=0, error_code=0, additional_data=b"")

    def test_settings(self) -> None:
        """SETTINGS have their values in order; their acknowledgement has none."""
        values = [(codes.INITIAL_WINDOW_SIZE, 262_144), (codes.MAX_CONCURRENT_STREAMS, 0xFFFFFFFF)]
        octets = frames.settings(values)
        self.check(octets, SettingsFrame, set(), stream_id=0, settings=dict(values))
        self.assertEqual(octets[codes.FRAME_HEAD :], b"\0\x04\0\x04\0\0\0\x03\xff\xff\xff\xff")
        self.check(frames.SETTINGS_ACK, SettingsFrame, {"ACK"}, stream_id=0, settings={})

    def test_pings(self) -> None:
        """A PING and its answer have the same octets."""
        self.check(frames.ping(b"12345678"), PingFrame, set(), stream_id=0, opaque_data=b"12345678")
        self.check(frames.ping_ack(b"12345678"), PingFrame, {"ACK"}, stream_id=0, opaque_data=b"12345678")

    def test_window_updates(self) -> None:
        """Credit for a stream or the connection, up to the largest."""
        for stream, increment in ((0, 1), (STREAM, codes.LARGEST_WINDOW)):
            octets = frames.window_update(stream, increment)
            self.check(octets, WindowUpdateFrame, set(), stream_id=stream, window_increment=increment)
