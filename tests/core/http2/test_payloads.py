"""What the payload of each frame may be, and what is refused."""

from __future__ import annotations

from struct import pack

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2 import codes
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    Frame,
    GoAwayFrame,
    IgnoredFrame,
    PingAck,
    PingFrame,
    PriorityUpdateFrame,
    ResetFrame,
    SettingsAck,
    SettingsFrame,
    StreamFault,
    WindowUpdateFrame,
)
from agwtwisted.core.http2.payloads import MAX_SETTINGS, PAYLOADS

RESERVED = 1 << 31
FRAME_SIZE = codes.FRAME_SIZE_ERROR
PROTOCOL = codes.PROTOCOL_ERROR


def found(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> Frame | ConnectionFault:
    """What a frame says, whose payload stands among other octets."""
    octets = b"\xff" * 9 + payload + b"\xff" * 9
    return PAYLOADS[kind](octets, flags, stream, 9, 9 + len(payload))


class PayloadTests(SynchronousTestCase):
    """`PAYLOADS`."""

    def refused(self, code: int, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        """It is a connection error of this code, with a reason of one line."""
        fault = found(kind, payload, flags=flags, stream=stream)
        assert isinstance(fault, ConnectionFault), fault
        self.assertEqual(fault.code, code)
        self.assertTrue(fault.reason.isprintable())

    def test_on_which_streams(self) -> None:
        """RFC 9113 section 6: some are about a stream, some about the connection, and WINDOW_UPDATE about either."""
        for kind, size in ((codes.PRIORITY, 5), (codes.RST_STREAM, 4)):
            self.refused(PROTOCOL, kind, b"\1" * size)
        for kind, size in ((codes.SETTINGS, 0), (codes.PING, 8), (codes.GOAWAY, 8), (codes.PRIORITY_UPDATE, 4)):
            self.refused(PROTOCOL, kind, b"\1" * size, stream=1)

    def test_lengths(self) -> None:
        """A frame that is shorter or longer than its type allows is a frame size error, on a stream too."""
        for kind, sizes in ((codes.PRIORITY, (0, 4, 6)), (codes.RST_STREAM, (0, 3, 5))):
            for size in sizes:
                self.refused(FRAME_SIZE, kind, b"\1" * size, stream=1)
        for kind, sizes in (
            (codes.SETTINGS, (1, 5, 7)),
            (codes.PING, (0, 7, 9)),
            (codes.GOAWAY, (0, 7)),
            (codes.WINDOW_UPDATE, (0, 3, 5)),
            (codes.PRIORITY_UPDATE, (0, 3)),
        ):
            for size in sizes:
                self.refused(FRAME_SIZE, kind, b"\1" * size)
        self.refused(FRAME_SIZE, codes.SETTINGS, bytes(6), flags=codes.ACK)

    def test_priority(self) -> None:
        """PRIORITY is checked and ignored; one by which a stream depends on itself is refused."""
        for dependency in (0, 3, RESERVED | 3, codes.LARGEST_STREAM):
            payload = pack(">IB", dependency, 15)
            self.assertEqual(found(codes.PRIORITY, payload, stream=1), IgnoredFrame(codes.PRIORITY, 5))
        for exclusive in (0, RESERVED):
            self.refused(PROTOCOL, codes.PRIORITY, pack(">IB", exclusive | 7, 15), stream=7)

    def test_rst_stream(self) -> None:
        """RST_STREAM has any code, known or not."""
        for code in (0, 8, 0xFFFFFFFF):
            self.assertEqual(found(codes.RST_STREAM, pack(">I", code), stream=5), ResetFrame(5, code))

    def test_settings(self) -> None:
        """Settings that are known come in their order; others are ignored (RFC 9113 section 6.5.2)."""
        pairs = [
            (4, 0),
            (0xF000, 7),
            (4, codes.LARGEST_WINDOW),
            (5, 16384),
            (1, 0xFFFFFFFF),
            (3, 0),
            (6, 0),
            (8, 1),
            (9, 1),
        ]
        frame = found(codes.SETTINGS, b"".join(pack(">HI", *pair) for pair in pairs))
        self.assertEqual(frame, SettingsFrame(tuple(pair for pair in pairs if pair[0] != 0xF000)))
        self.assertEqual(found(codes.SETTINGS), SettingsFrame(()))
        self.assertEqual(found(codes.SETTINGS, flags=0xFF), SettingsAck())

    def test_settings_out_of_range(self) -> None:
        """A value that a setting cannot have is an error, wherever it stands and whatever follows."""
        for identifier, value, code in (
            (codes.ENABLE_PUSH, 2, PROTOCOL),
            (codes.INITIAL_WINDOW_SIZE, 1 << 31, codes.FLOW_CONTROL_ERROR),
            (codes.MAX_FRAME_SIZE, 16383, PROTOCOL),
            (codes.MAX_FRAME_SIZE, 1 << 24, PROTOCOL),
            (codes.ENABLE_CONNECT_PROTOCOL, 2, PROTOCOL),
            (codes.NO_RFC7540_PRIORITIES, 2, PROTOCOL),
        ):
            wrong = pack(">HI", identifier, value)
            right = pack(">HI", identifier, 16384 if identifier == codes.MAX_FRAME_SIZE else 0)
            for payload in (wrong, right + wrong, wrong + right):
                self.refused(code, codes.SETTINGS, payload)

    def test_many_settings(self) -> None:
        """A frame with more values than there are settings to speak of makes only work."""
        pair = pack(">HI", codes.INITIAL_WINDOW_SIZE, 1)
        self.assertIsInstance(found(codes.SETTINGS, pair * MAX_SETTINGS), SettingsFrame)
        self.refused(codes.ENHANCE_YOUR_CALM, codes.SETTINGS, pair * (MAX_SETTINGS + 1))

    def test_push_promise(self) -> None:
        """A client cannot push, on any stream (RFC 9113 section 8.4)."""
        for stream in (0, 1, 2):
            self.refused(PROTOCOL, codes.PUSH_PROMISE, bytes(9), flags=codes.END_HEADERS, stream=stream)

    def test_ping(self) -> None:
        """A PING and the answer to one."""
        self.assertEqual(found(codes.PING, b"12345678", flags=0xFE), PingFrame(b"12345678"))
        self.assertEqual(found(codes.PING, b"12345678", flags=0xFF), PingAck(b"12345678"))

    def test_goaway(self) -> None:
        """GOAWAY with or without debug data; the reserved bit means nothing."""
        for debug in (b"", b"x" * 99):
            payload = pack(">II", RESERVED | 9, 0xFFFFFFFF) + debug
            self.assertEqual(found(codes.GOAWAY, payload), GoAwayFrame(9, 0xFFFFFFFF))

    def test_window_update(self) -> None:
        """Credit is never 0 (RFC 9113 section 6.9); the reserved bit means nothing."""
        for stream in (0, 1):
            for increment in (1, codes.LARGEST_WINDOW):
                frame = found(codes.WINDOW_UPDATE, pack(">I", RESERVED | increment), stream=stream)
                self.assertEqual(frame, WindowUpdateFrame(stream, increment))
        for nothing in (0, RESERVED):
            self.refused(PROTOCOL, codes.WINDOW_UPDATE, pack(">I", nothing))
            fault = found(codes.WINDOW_UPDATE, pack(">I", nothing), stream=1)
            assert isinstance(fault, StreamFault)
            self.assertEqual((fault.stream, fault.code), (1, PROTOCOL))

    def test_priority_update(self) -> None:
        """RFC 9218 section 7.1: it is about a stream, and has a field value, also an empty one."""
        for text in (b"", b"u=3, i"):
            frame = found(codes.PRIORITY_UPDATE, pack(">I", RESERVED | 3) + text)
            self.assertEqual(frame, PriorityUpdateFrame(3, text))
        self.refused(PROTOCOL, codes.PRIORITY_UPDATE, pack(">I", RESERVED) + b"u=3")
