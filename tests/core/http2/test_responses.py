"""Responses as header lists and field blocks."""

from __future__ import annotations

from unittest import mock

from hpack import Decoder
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import Header, HeaderBlock
from agwtwisted.core.http.heads import RESPONSE, response_of
from agwtwisted.core.http.messages import Framing, ResponseHead
from agwtwisted.core.http2 import responses
from agwtwisted.core.http2.header_codec import encoded
from agwtwisted.core.http2.responses import ResponseBlocks, informational_fields, response_fields
from tests.field_oracle import h2_takes
from tests.memory import kept_after
from tests.requests import names, values

LINES = b"Server: a\r\nDate: Mon, 30 Nov 2026 15:41:05 GMT\r\nContent-Type: text/plain\r\n"


def head_of(lines: bytes, *, status: int = 200, to_head_request: bool = False) -> ResponseHead:
    """A backend's response, as the reader has it."""
    matched = RESPONSE.fullmatch(b"HTTP/1.1 %d OK\r\n%b\r\n" % (status, lines))
    assert matched is not None
    head = response_of(matched, to_head_request)
    assert isinstance(head, ResponseHead), head
    return head


class FieldsTests(SynchronousTestCase):
    """Header lists."""

    def test_usual(self) -> None:
        """The status first, names in lower case, the length as it is known."""
        self.assertEqual(
            response_fields(head_of(LINES + b"Content-Length: 5\r\n")),
            (
                (b":status", b"200"),
                (b"server", b"a"),
                (b"date", b"Mon, 30 Nov 2026 15:41:05 GMT"),
                (b"content-type", b"text/plain"),
                (b"content-length", b"5"),
            ),
        )

    def test_nothing_of_a_connection(self) -> None:
        """What concerns the backend's connection stays there, the names of Connection, too."""
        lines = b"Connection: close, X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\nUpgrade: h2c\r\n"
        lines += b"Proxy-Connection: close\r\nTrailer: x\r\nX-B: 2\r\n"
        self.assertEqual(response_fields(head_of(lines)), ((b":status", b"200"), (b"x-b", b"2")))
        head = ResponseHead(
            status=200, reason=b"", headers=((b"Connection", b"a"), (b"TE", b"a")), framing=Framing.CLOSE
        )
        self.assertEqual(response_fields(head), ((b":status", b"200"),))

    def test_white_space(self) -> None:
        """A rewrite rule may set a value with white space at its ends, which a client would take for malformed."""
        head = ResponseHead(status=200, reason=b"", headers=((b"A", b" b c\t"), (b"D", b" ")), framing=Framing.CLOSE)
        self.assertEqual(response_fields(head)[1:], ((b"a", b"b c"), (b"d", b"")))

    def test_length(self) -> None:
        """To HEAD, and with 304, it is that of the body that is not sent; with 204 there is none."""
        length = b"Content-Length: 5\r\n"
        self.assertIn((b"content-length", b"5"), response_fields(head_of(length, to_head_request=True)))
        self.assertIn((b"content-length", b"5"), response_fields(head_of(length, status=304)))
        self.assertEqual(response_fields(head_of(length, status=204)), ((b":status", b"204"),))

    def test_informational(self) -> None:
        """An interim response has its headers."""
        fields = informational_fields(103, [(b"Link", b"</a>"), (b"Connection", b"close")])
        self.assertEqual(fields, ((b":status", b"103"), (b"link", b"</a>")))


class OracleTests(SynchronousTestCase):
    """What clients make of what servers say."""

    @given(st.lists(st.tuples(names(), values()), max_size=6), st.sampled_from([200, 204, 304, 404]), st.booleans())
    @example([(b"Content-Length", b"5"), (b"Keep-Alive", b"5"), (b"Trailer", b"x"), (b"TE", b"gzip")], 200, False)
    def test_h2(self, lines: list[Header], status: int, to_head_request: bool) -> None:
        """Whatever the reader of HTTP/1.1 takes of a server is a response that h2 takes, as a list and as a block."""
        octets = b"".join(b"%b: %b\r\n" % line for line in lines)
        matched = RESPONSE.fullmatch(b"HTTP/1.1 %d OK\r\n%b\r\n" % (status, octets))
        head = None if matched is None else response_of(matched, to_head_request)
        if isinstance(head, ResponseHead):
            fields = response_fields(head)
            self.assertTrue(h2_takes(fields, response=True), fields)
            self.assertEqual(Decoder(1 << 20).decode(ResponseBlocks().block(head), raw=True), [*fields])


class BlocksTests(SynchronousTestCase):
    """Field blocks."""

    def test_same(self) -> None:
        """A block is that of the header list, of whatever head it is made."""
        blocks = ResponseBlocks()
        for lines in (LINES + b"Content-Length: 5\r\n", LINES, b"Set-Cookie: a=b\r\n", b""):
            for status in (200, 404):
                for _ in range(2):
                    head = head_of(lines, status=status)
                    self.assertEqual(blocks.block(head), encoded(response_fields(head)))
                    self.assertEqual(Decoder().decode(blocks.block(head), raw=True), [*response_fields(head)])
        own = ResponseHead(status=200, reason=b"OK", headers=((b"A", b"b"),), framing=Framing.LENGTH, content_length=3)
        self.assertEqual(blocks.block(own), encoded(response_fields(own)))

    def test_length_apart(self) -> None:
        """Heads with the same lines and another length have other blocks."""
        blocks = ResponseBlocks()
        heads = [
            ResponseHead(
                status=200, reason=b"", headers=HeaderBlock(b"A: b\r\n"), framing=Framing.LENGTH, content_length=size
            )
            for size in (1, 2)
        ]
        self.assertEqual(len({blocks.block(head) for head in heads}), 2)

    def test_remembered(self) -> None:
        """Equal heads are looked at once, but for one with a secret of its client."""
        blocks = ResponseBlocks()
        with mock.patch.object(responses, "encoded", wraps=encoded) as made:
            for _ in range(3):
                blocks.block(head_of(LINES))
            self.assertEqual(made.call_count, 1)
            for _ in range(3):
                blocks.block(head_of(LINES + b"set-Cookie: a=b\r\n"))
            self.assertEqual(made.call_count, 4)

    def test_bounded(self) -> None:
        """What is remembered takes no more than is stated."""
        for value, many in ((b"", 4000), (b"x" * 2000, 600)):
            blocks = ResponseBlocks()

            def answer(blocks: ResponseBlocks = blocks, value: bytes = value, many: int = many) -> None:
                for number in range(many):
                    blocks.block(head_of(b"A: %b%d\r\n" % (value, number)))

            self.assertLess(kept_after(answer), 1.2 * responses.REMEMBERED_BLOCKS)
