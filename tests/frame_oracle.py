"""h2 and hyperframe as a second reader of frames, and streams of frames that are right, and nearly right."""

from __future__ import annotations

from collections.abc import Iterator
from struct import pack, unpack_from
from typing import Any

import attrs
from h2.exceptions import ProtocolError
from h2.frame_buffer import FrameBuffer
from h2.settings import Settings
from hyperframe import frame as theirs
from hyperframe.exceptions import InvalidPaddingError
from hypothesis import strategies as st

from agwtwisted.core.http2 import codes, frames
from agwtwisted.core.http2.frame_reader import FrameReader
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
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

BLOCK_BYTES = 40_000
BEGIN = codes.PREFACE + frames.settings([])
RESERVED = 1 << 31
Found = list[Frame | ConnectionFault]


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 1, length: int | None = None) -> bytes:
    """A frame as it is written, with the length that it claims."""
    size = len(payload) if length is None else length
    return pack(">IBI", size << 8 | kind, flags, stream) + payload


def pulled(reader: FrameReader) -> Found:
    """What there is to read."""
    return list(iter(reader.next_frame, None))


def joined(found: Found) -> Found:
    """The same with neighbouring DATA of one stream in one: of a long frame there may be several parts.

    What is wrong with a preface is seen by what has come with it, so no more is left of that than its code.
    """
    whole: Found = []
    for each in found:
        before = whole[-1] if whole else None
        if isinstance(before, DataFrame) and isinstance(each, DataFrame) and before.stream == each.stream:
            data, size = before.data + each.data, before.size + each.size
            whole[-1] = DataFrame(each.stream, data, size, before.end_stream or each.end_stream)
        else:
            whole.append(each)
    return [_without_how_it_came(each) for each in whole]


def _without_how_it_came(found: Frame | ConnectionFault) -> Frame | ConnectionFault:
    if isinstance(found, DataFrame):
        return attrs.evolve(found, part=False)
    if isinstance(found, ConnectionFault) and "HTTP/" in found.reason:
        return attrs.evolve(found, reason="no preface")
    return found


# What both make of it


def frames_agree(octets: bytes) -> int:
    """What h2 refuses we refuse, and what both take says the same to both. Returns how many frames both took.

    Where we refuse more than h2, it is for one of the reasons that are known here, and the other way round.
    """
    reader, buffer = FrameReader(max_block=BLOCK_BYTES), FrameBuffer(server=True)
    buffer.max_frame_size = codes.LEAST_MAX_FRAME_SIZE
    taken = 0
    for raw in split(octets):
        reader.feed(raw)
        ours = pulled(reader)
        fault = next((each for each in ours if isinstance(each, ConnectionFault | StreamFault)), None)
        said = _theirs(buffer, raw)
        if isinstance(said, ProtocolError):
            assert fault or h2_is_too_strict(raw), (raw, ours, said)
            break
        if fault:
            assert _may_be_stricter(fault.reason, raw), (raw, fault, said)
            break
        is_cut = (
            len(ours) == 1 and isinstance(ours[0], DataFrame) and ours[0].part
        )  # the beginning of a long frame, which h2 waits for
        assert is_cut or [_plain(each) for each in ours] == said, (raw, ours, said)
        taken += len(said)
    return taken


def split(octets: bytes) -> Iterator[bytes]:
    """The preface, then frame by frame; the last may be cut short."""
    yield octets[: len(codes.PREFACE)]
    at = len(codes.PREFACE)
    while at < len(octets):
        end = len(octets)
        if end - at >= codes.FRAME_HEAD:
            end = at + codes.FRAME_HEAD + (unpack_from(">I", octets, at)[0] >> 8)
        yield octets[at:end]
        at = end


def _theirs(buffer: FrameBuffer, raw: bytes) -> list[tuple[Any, ...]] | ProtocolError:
    """What h2 reads, as far as that is what a frame says by itself."""
    try:
        buffer.add_data(raw)
        return [_said(each) for each in buffer]
    except InvalidPaddingError:  # h2.connection catches it
        return ProtocolError("invalid padding")
    except ProtocolError as error:
        return error


def _said(found: theirs.Frame) -> tuple[Any, ...]:
    stream, flags = found.stream_id, found.flags
    match found:
        case theirs.HeadersFrame():
            _not_on_itself(found)
            return "HEADERS", stream, found.data, "END_STREAM" in flags
        case theirs.DataFrame():
            return "DATA", stream, found.data, found.flow_controlled_length, "END_STREAM" in flags
        case theirs.ContinuationFrame():  # h2.connection refuses it
            raise ProtocolError("outside a header block")
        case theirs.SettingsFrame():
            for identifier, value in found.settings.items():
                Settings(client=True).validate_received_setting(identifier, value)
            return "SETTINGS", "ACK" in flags, {name: found.settings[name] for name in found.settings if name in KNOWN}
        case theirs.PriorityFrame():
            _not_on_itself(found)
            return "ignored", codes.PRIORITY, 5
        case theirs.RstStreamFrame():
            return "RST_STREAM", stream, found.error_code
        case theirs.PingFrame():
            return "PING", "ACK" in flags, found.opaque_data
        case theirs.GoAwayFrame():
            return "GOAWAY", found.last_stream_id & codes.LARGEST_STREAM, found.error_code
        case theirs.WindowUpdateFrame():
            return "WINDOW_UPDATE", stream, found.window_increment
        case theirs.ExtensionFrame(type=codes.PRIORITY_UPDATE) if len(found.body) >= 4 and not stream:
            return "PRIORITY_UPDATE", unpack_from(">I", found.body)[0] & codes.LARGEST_STREAM, found.body[4:]
        case _:
            return "ignored", found.type, found.body_len


def _not_on_itself(found: theirs.HeadersFrame | theirs.PriorityFrame) -> None:
    """h2.connection asks for this, not its frame buffer."""
    if found.depends_on == found.stream_id:
        raise ProtocolError("may not depend on itself")


KNOWN = (1, 2, 3, 4, 5, 6, 8, 9)


def _plain(found: Frame | ConnectionFault) -> tuple[Any, ...]:
    """What we read, in the same words."""
    match found:
        case HeadersFrame():
            return "HEADERS", found.stream, found.block, found.end_stream
        case DataFrame():
            return "DATA", found.stream, found.data, found.size, found.end_stream
        case SettingsFrame():
            return "SETTINGS", False, dict(found.values)
        case SettingsAck():
            return "SETTINGS", True, {}
        case ResetFrame():
            return "RST_STREAM", found.stream, found.code
        case PingFrame():
            return "PING", False, found.data
        case PingAck():
            return "PING", True, found.data
        case GoAwayFrame():
            return "GOAWAY", found.last_stream, found.code
        case WindowUpdateFrame():
            return "WINDOW_UPDATE", found.stream, found.increment
        case PriorityUpdateFrame():
            return "PRIORITY_UPDATE", found.stream, found.value
        case IgnoredFrame():
            return "ignored", found.kind, found.size
        case _:
            raise AssertionError(found)


def h2_is_too_strict(raw: bytes) -> bool:
    """What hyperframe refuses and RFC 9113 allows.

    A reserved bit in WINDOW_UPDATE, a header block fragment of padding alone (sections 6.9 and 6.2), and ALTSVC, which
    has no meaning from a client and is ignored like every unknown type (RFC 7838 section 4).
    """
    if not is_whole(raw):
        return True  # it has looked at the head alone, we wait for the rest
    kind, flags = raw[3], raw[4]
    if kind == codes.WINDOW_UPDATE:
        return len(raw) == 13 and raw[9] >= 0x80 and any((raw[9] & 0x7F, *raw[10:]))
    if kind == codes.HEADERS and flags & codes.PADDED:
        return raw[9] == len(raw) - codes.FRAME_HEAD - 1
    return kind == theirs.AltSvcFrame.type


STRICTER = {
    "before the first SETTINGS": None,  # RFC 9113 section 3.4
    "PUSH_PROMISE from a client": codes.PUSH_PROMISE,  # section 8.4
    "more than 10 CONTINUATION": codes.CONTINUATION,
    f"a header block of more than {BLOCK_BYTES} bytes": codes.CONTINUATION,
    "SETTINGS with more than 32 values": codes.SETTINGS,
    "SETTINGS with the value": codes.SETTINGS,  # one that a later one of its name hides, or of RFC 9218
    "PRIORITY_UPDATE": codes.PRIORITY_UPDATE,  # RFC 9218
    "HEADERS with more padding": codes.HEADERS,  # hyperframe takes the priority for a part of the block
    "HEADERS of a wrong length": codes.HEADERS,
    "HEADERS has a stream depend on itself": codes.HEADERS,  # without END_HEADERS: h2 says so at the end of the block
}
"""Reasons for which we refuse frames that h2's frame buffer takes, and in which of them that happens."""


def is_whole(raw: bytes) -> bool:
    """Whether a frame has all the octets that its head speaks of."""
    return len(raw) >= codes.FRAME_HEAD and len(raw) - codes.FRAME_HEAD >= unpack_from(">I", raw)[0] >> 8


def _may_be_stricter(reason: str, raw: bytes) -> bool:
    if not is_whole(raw):
        return True  # we have looked at the head alone, it waits for the rest
    kinds = [kind for text, kind in STRICTER.items() if text in reason]
    return bool(kinds) and kinds[0] in (None, raw[3])


# What they are given

STREAMS = st.sampled_from((0, 1, 1, 1, 3, 5, 2, codes.LARGEST_STREAM, RESERVED, RESERVED | 1))
FLAGS = st.sampled_from((0, 1, 4, 5, 8, 0x0C, 0x0D, 0x20, 0x24, 0x25, 0x2C, 0x2D, 0xFF))
NUMBERS = st.sampled_from((0, 1, 3, 16_383, 16_384, 1 << 24, RESERVED - 1, RESERVED, RESERVED | 1, (1 << 32) - 1))
SMALL = st.binary(max_size=24)
LONG = st.sampled_from((1024, 1025, 1025, 1300, 16_385)).map(bytes)
NUMBER = NUMBERS.map(lambda number: pack(">I", number))
SETTING = st.builds(lambda name, value: pack(">HI", name, value), st.integers(0, 10), NUMBERS)
PAYLOADS = st.one_of(
    SMALL,
    LONG,
    NUMBER,
    st.builds(bytes.__add__, NUMBER, SMALL),
    st.lists(SETTING, max_size=40).map(b"".join),
    st.builds(lambda size, rest: bytes((size,)) + rest, st.integers(0, 26), SMALL),
    st.sampled_from((4, 5, 6, 8)).map(lambda size: b"\1" * size),
)


@st.composite
def _right(draw: st.DrawFn) -> bytes:
    """A frame as a client sends it."""
    stream = draw(st.sampled_from((1, 3, 5)))
    match draw(st.integers(0, 7)):
        case 0:
            return frames.headers(stream, draw(SMALL), draw(st.booleans()), draw(st.sampled_from((5, 16_384))))
        case 1:
            return frames.data(stream, draw(st.one_of(SMALL, LONG)), draw(st.booleans()))
        case 2:
            return frames.window_update(draw(st.sampled_from((0, stream))), draw(st.integers(1, RESERVED - 1)))
        case 3:
            return frames.settings([(codes.INITIAL_WINDOW_SIZE, draw(st.integers(0, RESERVED - 1)))])
        case 4:
            return frame(codes.PRIORITY, pack(">IB", draw(STREAMS) ^ 8, 1), stream=stream)
        case 5:
            return frames.rst_stream(stream, draw(NUMBERS))
        case 6:
            return frames.ping(bytes(8)) + frames.SETTINGS_ACK + frames.goaway(0, 0, draw(SMALL))
        case _:
            padding = draw(st.integers(0, 9))
            priority = pack(">IB", draw(STREAMS) ^ 8, 1)
            payload = bytes((padding,)) + priority + draw(SMALL) + bytes(padding)
            return frame(codes.HEADERS, payload, flags=codes.PADDED | codes.HAS_PRIORITY | draw(FLAGS), stream=stream)


KINDS = st.sampled_from((*range(12), 0x10, 0xEE))
_ODD = st.builds(
    lambda kind, payload, flags, stream: frame(kind, payload, flags=flags, stream=stream),
    KINDS,
    PAYLOADS,
    FLAGS,
    STREAMS,
)


@st.composite
def frame_streams(draw: st.DrawFn) -> bytes:
    """What a client may send: mostly frames that are right, some that are nearly so, an octet changed, the end lost."""
    parts = draw(st.lists(st.one_of(_right(), _right(), _ODD), max_size=8))
    octets = bytearray(BEGIN + b"".join(parts))
    if draw(st.integers(0, 3)) == 0:
        octets[draw(st.integers(0, len(octets) - 1))] = draw(st.integers(0, 255))
    if draw(st.integers(0, 3)) == 0:
        del octets[draw(st.integers(0, len(octets))) :]
    return bytes(octets)
