"""Second readers of header lists: hpack of blocks, h2 of what may stand in a list, HTTP/1.1 of what a backend gets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers
from hpack import Decoder, HPACKError

from agwtwisted.core.exchange.forwarding import request_bytes
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.messages import Framing, RequestHead
from agwtwisted.core.http.request_reader import RequestReader
from agwtwisted.core.http2.header_codec import Fields, HeaderCodecError, HeaderDecoder
from tests.requests import parsed

PARSER = RequestParser(HeaderNames(), max_header_bytes=1 << 20, max_header_lines=1000)  # with the lines of the gateway

_MANY_UPDATES = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]*[^\x80-\xff]){3}", re.DOTALL)


def blocks_agree(blocks: Sequence[bytes]) -> list[Fields]:
    """hpack's decoder and ours read the same, up to the first block that both refuse. Returns what they read.

    Ours alone refuses a third table update (RFC 7541 section 4.2).
    """
    ours, library = HeaderDecoder(), Decoder(32768)
    found: list[Fields] = []
    for block in blocks:
        fields, expected = _ours(ours, block), _the_library_s(library, block)
        if fields is None and expected is not None:
            assert _MANY_UPDATES.match(block), (block, expected)
        else:
            assert fields == expected, (block, fields, expected)
        if fields is None:
            break
        found.append(fields)
        assert ours.decode(block) == _the_library_s(library, block)
    return found


def _ours(decoder: HeaderDecoder, block: bytes) -> Fields | None:
    try:
        return decoder.decode(block)
    except HeaderCodecError:
        return None


def _the_library_s(decoder: Decoder, block: bytes) -> Fields | None:
    try:
        return tuple((bytes(name), bytes(value)) for name, value in decoder.decode(block, raw=True))
    except HPACKError:
        return None


def h2_takes(fields: Sequence[Header], *, trailers: bool = False, response: bool = False) -> bool:
    """Whether h2 takes the header list of a request, of its trailers, or of a response."""
    flags = HeaderValidationFlags(
        is_client=response, is_trailer=trailers, is_response_header=response, is_push_promise=False
    )
    try:
        list(validate_headers(fields, flags))
    except ProtocolError:
        return False
    return True


def is_one_head(head: RequestHead) -> None:
    """What a backend gets of a request is one head of HTTP/1.1, which says the same."""
    octets = request_bytes(head, head.authority, b"", b"192.0.2.1", b"0" * 32)
    words, lines = parsed(octets)
    assert words == [head.method, head.target, b"HTTP/1.1"], octets
    names = [name.lower() for name, _ in lines]
    assert names.count(b"host") == names.count(b"connection") == names.count(b"x-forwarded-for") == 1, octets
    framed = names.count(b"content-length") + names.count(b"transfer-encoding")
    assert framed == (head.framing is not Framing.NONE), octets
    reader = RequestReader(PARSER, max_body_bytes=1 << 62)
    reader.feed(octets)
    again = reader.next_event()
    assert isinstance(again, RequestHead), (octets, again)
    assert again.size == len(octets)
    for name in ("method", "target", "host", "authority", "framing", "content_length", "upgrade", "user_agent"):
        assert getattr(again, name) == getattr(head, name), (name, octets)
