"""The frames of HTTP/2: 16 of a kind in one read, and one that comes octet by octet."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest

from agwtwisted.core.http2 import codes, frames
from agwtwisted.core.http2.frame_reader import FrameReader

BLOCK = b"x" * 60
WITH_PRIORITY = codes.END_HEADERS | codes.END_STREAM | codes.HAS_PRIORITY
READS = {
    "HEADERS": frames.headers(1, BLOCK, True),
    "HEADERS with a priority": pack(">IBIIB", 65 << 8 | codes.HEADERS, WITH_PRIORITY, 1, 0, 15) + BLOCK,
    "HEADERS and CONTINUATION": frames.headers(1, BLOCK, True, 30),
    "DATA of 1 octet": frames.data(1, b"x", False),
    "DATA of 1 KiB": frames.data(1, bytes(1024), False),
    "DATA of 16 KiB": frames.data(1, bytes(16_384), False),
    "WINDOW_UPDATE": frames.window_update(1, 1000),
    "SETTINGS": frames.settings([(codes.INITIAL_WINDOW_SIZE, 1 << 20), (codes.HEADER_TABLE_SIZE, 4096)]),
    "PING": frames.ping(b"12345678"),
    "RST_STREAM": frames.rst_stream(1, codes.CANCEL),
    "an unknown type": pack(">IBI", 0xEE, 0, 0),
}


def _reader() -> FrameReader:
    reader = FrameReader(max_block=32_768)
    reader.feed(codes.PREFACE + frames.settings([]))
    assert reader.next_frame() is not None
    return reader


def _taken(reader: FrameReader, octets: bytes) -> None:
    reader.feed(octets)
    while reader.next_frame() is not None:
        pass


@pytest.mark.parametrize("kind", READS)
def test_read(benchmark: Any, kind: str) -> None:
    """16 frames in one read."""
    benchmark(_taken, _reader(), READS[kind] * 16)


def test_read_one(benchmark: Any) -> None:
    """A read that has one request."""
    benchmark(_taken, _reader(), READS["HEADERS"])


def test_read_octet_by_octet(benchmark: Any) -> None:
    """A frame of 16 KiB in as many reads."""
    reader = _reader()
    octets = READS["DATA of 16 KiB"]
    pieces = [octets[at : at + 1] for at in range(len(octets))]
    benchmark.pedantic(lambda: [_taken(reader, piece) for piece in pieces], rounds=5)


def test_made(benchmark: Any) -> None:
    """HEADERS and the head of DATA, as of a usual answer."""
    benchmark(lambda: frames.headers(1, BLOCK, False) + frames.data_head(1, 1024, True))
