"""The fields of HTTP/2: blocks that come and go, and what they say."""

from __future__ import annotations

from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from hpack import Decoder, Encoder

from agwtwisted.core.http.header_lines import HeaderBlock
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import Framing, RequestHead, ResponseHead
from agwtwisted.core.http2.header_codec import Fields, HeaderCodecError, HeaderDecoder
from agwtwisted.core.http2.requests import RequestTranslator
from agwtwisted.core.http2.responses import ResponseBlocks

GET: Fields = (
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":authority", b"api.contoso.example"),
    (b":path", b"/orders/1234?limit=20"),
    (b"user-agent", b"curl/8.9"),
    (b"accept", b"application/json"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"accept-language", b"en-US,en;q=0.9"),
    (b"cookie", b"sid=0123456789abcdef"),
)
LINES = (
    b"Date: Mon, 01 Jun 2026 12:00:00 GMT\r\nServer: backend\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1024\r\n"
)
CHANGING = 5000

BLOCKS = {
    "small literals": b"\x00\x01a\x00" * 990,
    "small literals that are kept": b"\x40\x01a\x00" * 990,
    "references to a long field": b"\x40\x01x\x7f\xa1\x1f" + b"y" * 4000 + b"\xbe" * 12000,
    "an octet of Huffman code each": b"\x04\xff\x81\x7f" + b"\x1f" * 16384,
    "table updates": b"\x20" * 16384,
}


def test_decode_again(benchmark: Any) -> None:
    """The block of a request that came before on its connection."""
    encoder, decoder = Encoder(), HeaderDecoder()
    decoder.decode(encoder.encode(GET))
    block = encoder.encode(GET)
    assert benchmark(decoder.decode, block) == GET


@pytest.mark.parametrize("decode", ["ours", "the library's"])
def test_decode_new_path(benchmark: Any, decode: str) -> None:
    """Blocks of requests whose paths differ, from a client that has them put into the table."""
    encoder, ours, library = Encoder(), HeaderDecoder(), Decoder()
    blocks = iter([encoder.encode((*GET[:3], (b":path", b"/orders/%d" % n), *GET[4:])) for n in range(CHANGING)])
    call = ours.decode if decode == "ours" else lambda block: library.decode(block, raw=True)
    benchmark.pedantic(lambda: call(next(blocks)), rounds=CHANGING)


@pytest.mark.parametrize("kind", BLOCKS)
def test_decode_hostile(benchmark: Any, kind: str) -> None:
    """Blocks that are made to cost much; divide by their octets."""
    block = BLOCKS[kind]

    def decode() -> None:
        with suppress(HeaderCodecError):
            HeaderDecoder().decode(block)

    benchmark(decode)
    benchmark.extra_info["octets"] = len(block)


@pytest.mark.parametrize("usual", [True, False])
def test_request(benchmark: Any, usual: bool) -> None:
    """A request whose other fields came before; and one that is judged, for each request has a new one."""
    translator = RequestTranslator(HeaderNames(), lambda: b"")
    numbers = count()

    def request() -> object:
        fields = GET if usual else (*GET, (b"x-request-id", b"%d" % next(numbers)))
        return translator.request(fields, end_stream=True, size=9)

    assert isinstance(benchmark(request), RequestHead)


@pytest.mark.parametrize("usual", [True, False])
def test_response(benchmark: Any, usual: bool) -> None:
    """The block of a response whose head came before; and of one that has a new line each time."""
    blocks = ResponseBlocks()
    numbers = count()

    def block() -> bytes:
        lines = LINES[:] if usual else LINES + b"ETag: %d\r\n" % next(numbers)
        headers = HeaderBlock(lines, True)
        return blocks.block(
            ResponseHead(status=200, reason=b"OK", headers=headers, framing=Framing.LENGTH, content_length=1024)
        )

    assert benchmark(block).startswith(b"\x88")
