"""Requests as clients might write them, and a strict reading of what the gateway makes of them."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from agwtwisted.core.http.framing import request_head
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.managed import MANAGED_NAMES
from agwtwisted.core.http.messages import RequestHead

HOST: Header = (b"Host", b"a.example")

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\t\x20-\x7e\x80-\xff]*)")

Parsed = tuple[list[bytes], list[tuple[bytes, bytes]]]
"""The three words of a request line (or of a status line), and the header lines."""


def head_of(
    *lines: Header, method: bytes = b"GET", version: bytes = b"1.1", names: HeaderNames | None = None
) -> RequestHead:
    """The head of a request that is fit to forward."""
    head = request_head(method, b"/", version, (HOST, *lines), names or HeaderNames())
    assert isinstance(head, RequestHead), head
    return head


def parsed(head: bytes) -> Parsed:
    """A head, read by the letter of RFC 9112: CR LF alone ends lines, nothing is folded, nothing is forgiven."""
    text, end, rest = head.partition(b"\r\n\r\n")
    assert (end, rest) == (b"\r\n\r\n", b""), "a head ends with its first empty line"
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)|\0", text), "CR or LF alone, or NUL"
    first, *lines = text.split(b"\r\n")
    matches = [_HEADER.fullmatch(line) for line in lines]
    assert all(matches), lines
    words = first.split(b" ", 2)
    assert len(words) == 3, first
    return words, [(match[1], match[2]) for match in matches if match]


def spelled(name: bytes) -> st.SearchStrategy[bytes]:
    """A header name in every spelling that some backend takes for the same: case, ``_`` and ``.`` for ``-``."""
    letters = [sorted({chr(byte).lower(), chr(byte).upper()}) if byte != 0x2D else ["-", "_", "."] for byte in name]
    return st.tuples(*map(st.sampled_from, letters)).map(lambda word: "".join(word).encode())


def managed_names() -> st.SearchStrategy[bytes]:
    """Names that only the gateway may say, in any spelling."""
    return st.sampled_from(sorted(MANAGED_NAMES)).flatmap(spelled)


def names() -> st.SearchStrategy[bytes]:
    """Header names: any token, managed ones, and some that mean something on the way."""
    hops = st.sampled_from([b"TE", b"Keep-Alive", b"proxy-connection", b"Trailer", b"HTTP2-Settings", b"Upgrade"])
    return st.one_of(st.text(TOKEN, min_size=1, max_size=12).map(str.encode), managed_names(), hops)


def values() -> st.SearchStrategy[bytes]:
    """Header values."""
    return st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20).map(
        lambda text: re.sub(rb"[\x7f]", b"", text.encode("latin-1")).strip()
    )


def targets() -> st.SearchStrategy[bytes]:
    """Targets in origin-form."""
    return st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=30).map(
        lambda text: b"/" + text.encode()
    )


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks of any size, with extensions, leading zeros and trailers."""
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True) if start < end]
    extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
    zeros = draw(st.sampled_from([b"", b"0", b"00000000"]))
    trailers = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"Host: b\r\nX-Sum: 1\r\n"]))
    chunks = b"".join(b"%b%x%b\r\n%b\r\n" % (zeros, len(piece), extension, piece) for piece in pieces)
    return chunks + b"0\r\n" + trailers + b"\r\n"


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes, list[tuple[bytes, bytes]]]:
    """A request that is fit to forward: its bytes, its body, and the header lines beyond the necessary ones."""
    special = {b"host", b"content-length", b"transfer-encoding", b"authorization", b"upgrade", b"expect", b"connection"}
    lines = draw(st.lists(st.tuples(names(), values()), max_size=5))
    lines = [line for line in lines if line[0].lower() not in special]
    if draw(st.booleans()):
        named = draw(st.lists(st.one_of(st.sampled_from([b"keep-alive", b"TE"]), managed_names(), names()), max_size=3))
        lines.append((b"Connection", b", ".join(name for name in named if name.lower() not in (b"close", b"upgrade"))))
    body = draw(st.one_of(st.just(b""), st.binary(max_size=40), st.just(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")))
    framing = b"Content-Length: %d\r\n" % len(body)
    framed = body
    if draw(st.booleans()):
        framing, framed = b"Transfer-Encoding: chunked\r\n", draw(chunked(body))
    draw_place = draw(st.integers(0, len(lines)))
    rendered = [b"%b: %b\r\n" % line for line in lines]
    rendered.insert(draw_place, framing)
    head = b"%b %b HTTP/1.1\r\nHost: a.example\r\n" % (
        draw(st.sampled_from([b"POST", b"PUT", b"GET"])),
        draw(targets()),
    )
    return head + b"".join(rendered) + b"\r\n" + framed, body, lines
