"""Frames of a client of HTTP/2, made by hand."""

from __future__ import annotations

from struct import pack

from agwtwisted.core.http2.codes import CANCEL, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WINDOW_UPDATE

GET = b"\x82\x87\x84\x01\x09localhost"  # :method, :scheme, :path of HPACK's static table; :authority
POST = b"\x83" + GET[1:]
TWO_OCTETS = POST + b"\x0f\x0d\x012"  # Content-Length
MALFORMED = GET + b"\x00\x01A\x01b"  # a name in upper case (RFC 9113 section 8.2.1)


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """A frame of any kind."""
    return pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def request(stream: int, block: bytes = GET, flags: int = END_STREAM | END_HEADERS) -> bytes:
    """HEADERS that open a stream."""
    return frame(HEADERS, flags, stream, block)


def update(stream: int, increment: int = 1) -> bytes:
    """WINDOW_UPDATE."""
    return frame(WINDOW_UPDATE, 0, stream, pack(">I", increment))


def reset(stream: int) -> bytes:
    """RST_STREAM."""
    return frame(RST_STREAM, 0, stream, pack(">I", CANCEL))


def streams(count: int, first: int = 1) -> range:
    """The numbers of so many streams."""
    return range(first, first + 2 * count, 2)
