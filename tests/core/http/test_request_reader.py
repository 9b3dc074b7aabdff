"""Requests from bytes: what is read, what is refused, and that nothing else ever comes out."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.forwarding import request_bytes
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.messages import MAX_TARGET, METHODS, Framing, Mark, RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_reader import LARGEST_WHOLE, LONGEST_REPEATED, RequestEvent, RequestReader
from tests.memory import kept_after
from tests.readers import in_one_piece, pulled, pulled_on
from tests.requests import parsed, requests

HEADER_BYTES = 32768
BODY_BYTES = 1 << 20
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"

BAD = (400, ErrorInfo.INVALID_REQUEST)
BAD_HOST = (400, ErrorInfo.INVALID_HOST)
NO_HOST = (400, ErrorInfo.HTTP_NO_HOST_HEADER)
BAD_LENGTH = (400, ErrorInfo.INVALID_CONTENT_LENGTH)
BAD_TARGET = (400, ErrorInfo.REQUEST_URI_INVALID)
BAD_METHOD = (400, ErrorInfo.INVALID_METHOD)
BAD_VERSION = (400, ErrorInfo.INVALID_VERSION)
TOO_LONG = (414, ErrorInfo.REQUEST_URI_INVALID)
TOO_MUCH = (413, ErrorInfo.INVALID_REQUEST)


def get(lines: bytes = b"", *, start: bytes = b"GET / HTTP/1.1", host: bytes = b"Host: a\r\n") -> bytes:
    """A request without a body, with further lines."""
    return start + b"\r\n" + host + lines + b"\r\n"


def post(lines: bytes, body: bytes = b"") -> bytes:
    """A POST with these lines and this body."""
    return b"POST / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + body


def chunks(body: bytes) -> bytes:
    """A POST with a chunked body, written as given."""
    return post(b"Transfer-Encoding: chunked\r\n", body)


REFUSED_HEADS = {
    # framing (RFC 9112 sections 6.1 and 6.3)
    "CL.TE": (post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), BAD_LENGTH),
    "TE.CL": (post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"), BAD_LENGTH),
    "two lengths": (post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"12345"), BAD_LENGTH),
    "the same length twice": (post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"12345"), BAD_LENGTH),
    "a list of lengths": (post(b"Content-Length: 5, 5\r\n", b"12345"), BAD_LENGTH),
    "a signed length": (post(b"Content-Length: +5\r\n", b"12345"), BAD_LENGTH),
    "a negative length": (post(b"Content-Length: -5\r\n", b"12345"), BAD_LENGTH),
    "a hexadecimal length": (post(b"Content-Length: 0x5\r\n", b"12345"), BAD_LENGTH),
    "a length in words": (post(b"Content-Length: abc\r\n", b"12345"), BAD_LENGTH),
    "a length with a space": (post(b"Content-Length: 5 5\r\n", b"12345"), BAD_LENGTH),
    "an empty length": (post(b"Content-Length: \r\n", b"12345"), BAD_LENGTH),
    "a length of 5,000 digits": (post(b"Content-Length: " + b"9" * 5000 + b"\r\n"), BAD_LENGTH),
    "a length of 19 digits": (post(b"Content-Length: 1000000000000000000\r\n"), BAD_LENGTH),
    "POST without a length": (post(b""), BAD_LENGTH),
    "xchunked": (post(b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"), BAD),
    "chunked, identity": (post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"), BAD),
    "identity": (post(b"Transfer-Encoding: identity\r\n"), BAD),
    "identity with a length": (post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"12345"), BAD_LENGTH),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"), BAD),
    "chunked twice": (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"), BAD),
    "chunked and cow": (post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n", b"0\r\n\r\n"), BAD),
    "a comma after chunked": (post(b"Transfer-Encoding: chunked,\r\n", b"0\r\n\r\n"), BAD),
    "an empty coding": (post(b"Transfer-Encoding: \r\n", b"0\r\n\r\n"), BAD),
    "chunked and a vertical tab": (post(b"Transfer-Encoding: \x0bchunked\r\n", b"0\r\n\r\n"), BAD),
    "a coding before the colon's space": (post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"), BAD),
    "chunked in HTTP/1.0": (get(b"Transfer-Encoding: chunked\r\n", start=b"PUT / HTTP/1.0"), BAD),
    "an upgrade with a body": (post(b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", b"a"), BAD),
    "an upgrade with chunks": (
        post(b"Connection: upgrade\r\nUpgrade: h2c, websocket\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        BAD,
    ),
    # lines (RFC 9112 sections 2.2 and 5)
    "LF alone": (b"GET / HTTP/1.1\nHost: a\n\n", BAD),
    "LF alone after a header": (b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", BAD),
    "LF alone at the end": (b"GET / HTTP/1.1\r\nHost: a\r\n\n", BAD),
    "CR alone in a value": (get(b"X: a\rY: b\r\n"), BAD),
    "CR CR CR": (b"GET / HTTP/1.1\r\nHost: a\r\r\r", BAD),
    "NUL in a value": (get(b"X: a\0b\r\n"), BAD),
    "NUL in a name": (get(b"X\0: a\r\n"), BAD),
    "a control character in a value": (get(b"X: a\x01b\r\n"), BAD),
    "DEL in a value": (get(b"X: a\x7fb\r\n"), BAD),
    "a folded line": (get(b"X: a\r\n b\r\n"), BAD),
    "a line folded with a tab": (get(b"X: a\r\n\tb\r\n"), BAD),
    "a folded first line": (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", BAD),
    "a space before the colon": (get(b"X : a\r\n"), BAD),
    "no colon": (get(b"X\r\n"), BAD),
    "no name": (get(b": a\r\n"), BAD),
    "a space in a name": (get(b"X Y: a\r\n"), BAD),
    "a parenthesis in a name": (get(b"X(: a\r\n"), BAD),
    "a name beyond ASCII": (get(b"X\xe9: a\r\n"), BAD),
    "two Authorization": (get(b"Authorization: a\r\nauthorization: b\r\n"), BAD),
    # hosts (RFC 9112 section 3.2)
    "no Host": (get(host=b""), NO_HOST),
    "an empty Host in HTTP/1.0": (get(host=b"Host:\r\n", start=b"GET / HTTP/1.0"), BAD_HOST),
    "a user in the target of HTTP/1.0": (get(host=b"", start=b"GET http://b@a/ HTTP/1.0"), BAD_HOST),
    # protocols
    "GET of RTSP": (get(start=b"GET / RTSP/1.0"), BAD_VERSION),
    "POST of RTSP": (get(b"Content-Length: 0\r\n", start=b"POST / RTSP/1.0"), BAD_VERSION),
    "OPTIONS of RTSP": (get(start=b"OPTIONS * RTSP/1.0", host=b"CSeq: 1\r\n"), BAD_VERSION),
    "OPTIONS of RTSP/2.0": (get(start=b"OPTIONS /a RTSP/2.0"), BAD_VERSION),
    "RTSP in HTTP's version": (get(start=b"GET / RTSP/1.1"), BAD_VERSION),
    "RTSP without lines": (b"GET /a RTSP/1.0\r\n\r\n", BAD_VERSION),
    "RTSP after empty lines": (b"\r\n\r\n" + get(start=b"GET / RTSP/1.0"), BAD_VERSION),
    "RTSP with a long line": (
        get(b"X: b\r\n", start=b"GET / RTSP/1.0", host=b"A: " + b"b" * 900 + b"\r\n"),
        BAD_VERSION,
    ),
    "RTSP that speaks of HTTP": (get(b"X: GET / HTTP/1.1\r\n", start=b"GET / RTSP/1.0"), BAD_VERSION),
    "SOURCE of ICE": (get(start=b"SOURCE / ICE/1.0"), BAD_METHOD),
    "two Host": (get(b"Host: b\r\n"), BAD_HOST),
    "the same Host twice": (get(b"HOST: a\r\n"), BAD_HOST),
    "an empty Host": (get(host=b"Host:\r\n"), BAD_HOST),
    "two colons in Host": (get(host=b"Host: example.com:8090:8080\r\n"), BAD_HOST),
    "a list of hosts": (get(host=b"Host: a, b\r\n"), BAD_HOST),
    "a space in Host": (get(host=b"Host: a b\r\n"), BAD_HOST),
    "a path in Host": (get(host=b"Host: a/b\r\n"), BAD_HOST),
    "a user in Host": (get(host=b"Host: b@a\r\n"), BAD_HOST),
    "a port in words in Host": (get(host=b"Host: a:x\r\n"), BAD_HOST),
    "Host beyond ASCII": (get(host=b"Host: \xc3\xa9\r\n"), BAD_HOST),
    "Host with an empty label": (get(host=b"Host: a..b\r\n"), BAD_HOST),
    "Host of dots": (get(host=b"Host: .\r\n"), BAD_HOST),
    "another host in the target": (get(start=b"GET http://b/ HTTP/1.1"), BAD_HOST),
    "another port in the target": (get(start=b"GET http://a:81/ HTTP/1.1"), BAD_HOST),
    "a user in the target": (get(start=b"GET http://u@a/ HTTP/1.1"), BAD_HOST),
    # request lines (RFC 9112 section 3)
    "CONNECT": (get(start=b"CONNECT a:443 HTTP/1.1", host=b"Host: a:443\r\n"), (405, ErrorInfo.INVALID_METHOD)),
    "CONNECT with a path": (get(start=b"CONNECT / HTTP/1.1"), (405, ErrorInfo.INVALID_METHOD)),
    "TRACE": (get(start=b"TRACE / HTTP/1.1"), (405, ErrorInfo.INVALID_METHOD_TRACE)),
    "an unknown method": (get(start=b"GET123 / HTTP/1.1"), BAD_METHOD),
    "a method in lower case": (get(start=b"get / HTTP/1.1"), BAD_METHOD),
    "RTSP": (get(start=b"DESCRIBE rtsp://a/ RTSP/1.0"), BAD_VERSION),
    "a method of RTSP": (get(start=b"PAUSE / HTTP/1.1"), BAD_METHOD),
    "a method of ICE": (get(start=b"SOURCE / ICE/1.0"), BAD_METHOD),
    "GET *": (get(start=b"GET * HTTP/1.1"), BAD_TARGET),
    "OPTIONS *a": (get(start=b"OPTIONS *a HTTP/1.1"), BAD_TARGET),
    "a fragment": (get(start=b"GET /a#b HTTP/1.1"), BAD_TARGET),
    "a target beyond ASCII": (get(start=b"GET /\xe9 HTTP/1.1"), BAD_TARGET),
    "a control character in the target": (get(start=b"GET /\x01 HTTP/1.1"), BAD_TARGET),
    "a tab in the target": (get(start=b"GET /\ta HTTP/1.1"), BAD_TARGET),
    "a space in the target": (get(start=b"GET /a b HTTP/1.1"), BAD),
    "a relative target": (get(start=b"GET a HTTP/1.1"), BAD_TARGET),
    "another scheme": (get(start=b"GET ftp://a/ HTTP/1.1"), BAD_TARGET),
    "HTTP/0.9": (get(start=b"GET / HTTP/0.9"), (400, ErrorInfo.INVALID_09_METHOD)),
    "a simple request": (b"GET /\r\n\r\n", (400, ErrorInfo.INVALID_09_METHOD)),
    "HTTP/0.3": (get(start=b"GET / HTTP/0.3"), BAD_VERSION),
    "HTTP/1.2": (get(start=b"GET / HTTP/1.2"), BAD_VERSION),
    "HTTP/2.0": (get(start=b"GET / HTTP/2.0"), BAD_VERSION),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD_VERSION),
    "another protocol": (get(start=b"GET / HTCPCP/1.0"), BAD),
    # limits
    "a URL too long": (get(start=b"GET /" + b"a" * MAX_TARGET + b" HTTP/1.1"), TOO_LONG),
    "a first line too long": (
        get(start=b"GET " + b" " * 70 + b"/" + b"a" * (MAX_TARGET - 10) + b" HTTP/1.1"),
        TOO_LONG,
    ),
    "a header line too long": (get(b"X: " + b"a" * HEADER_BYTES + b"\r\n"), BAD),
    "too many header lines": (get(b"X: a\r\n" * (HEADER_BYTES // 6)), BAD),
    "a body too long": (post(b"Content-Length: %d\r\n" % (BODY_BYTES + 1)), TOO_MUCH),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", BAD_METHOD),
}
"""Requests that are answered by the gateway before a byte of them goes anywhere."""

REFUSED_BODIES = {
    "a size of 17 digits": (chunks(b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "a signed size": (chunks(b"+3\r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "a negative size": (chunks(b"-3\r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "a size with 0x": (chunks(b"0x3\r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "a size with a space": (chunks(b"3 \r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "no size": (chunks(b"\r\nabc\r\n0\r\n\r\n"), b"", BAD),
    "LF alone after a size": (chunks(b"3\nabc\r\n0\r\n\r\n"), b"", BAD),
    "LF alone after an extension": (chunks(b"3;a\nabc\r\n0\r\n\r\n"), b"", BAD),
    "CR alone after an extension": (chunks(b"3;a\rabc\r\n0\r\n\r\n"), b"", BAD),
    "LF alone after a chunk": (chunks(b"3\r\nabc\n0\r\n\r\n"), b"abc", BAD),
    "more than the size": (chunks(b"3\r\nabcd\r\n0\r\n\r\n"), b"abc", BAD),
    "LF alone after the last chunk": (chunks(b"3\r\nabc\r\n0\n\n"), b"abc", BAD),
    "a trailer that changes the framing": (chunks(b"3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"), b"abc", BAD_LENGTH),
    "a trailer that encodes": (chunks(b"3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"), b"abc", BAD),
    "a managed trailer": (chunks(b"3\r\nabc\r\n0\r\nX-Client-Certificate: a\r\n\r\n"), b"abc", BAD),
    "a managed trailer, spelled oddly": (chunks(b"3\r\nabc\r\n0\r\nx_client.certificate: a\r\n\r\n"), b"abc", BAD),
    "a folded trailer": (chunks(b"3\r\nabc\r\n0\r\nX: a\r\n b\r\n\r\n"), b"abc", BAD),
    "after Connection: close": (
        post(b"Connection: close\r\nTransfer-Encoding: chunked\r\n", b"3\r\nabc\r\nzz\r\n"),
        b"abc",
        BAD,
    ),
}
"""Requests whose head is fit and whose body is not: how much of it is handed on, and why the rest is refused."""

TAKEN = {
    "GET": (get(), b"/", Framing.NONE, b""),
    "empty lines first": (b"\r\n\r\n" + get(), b"/", Framing.NONE, b""),
    "an empty value": (get(b"X:\r\n"), b"/", Framing.NONE, b""),
    "OPTIONS *": (get(start=b"OPTIONS * HTTP/1.1"), b"*", Framing.NONE, b""),
    "the same host in the target": (get(start=b"GET http://A/b?c HTTP/1.1"), b"/b?c", Framing.NONE, b""),
    "a target without a path": (get(start=b"GET https://a?c HTTP/1.1"), b"/?c", Framing.NONE, b""),
    "two slashes": (get(start=b"GET //b/ HTTP/1.1"), b"//b/", Framing.NONE, b""),
    "a length": (post(b"Content-Length: 3\r\n", b"abc"), b"/", Framing.LENGTH, b"abc"),
    "a length with spaces around": (post(b"Content-Length:\t 3 \r\n", b"abc"), b"/", Framing.LENGTH, b"abc"),
    "no bytes": (post(b"Content-Length: 0\r\n"), b"/", Framing.LENGTH, b""),
    "GET with a body": (get(b"Content-Length: 3\r\n") + b"abc", b"/", Framing.LENGTH, b"abc"),
    "GET with no bytes": (get(b"Content-Length: 0\r\n"), b"/", Framing.NONE, b""),
    "chunked": (chunks(b"3\r\nabc\r\n0\r\n\r\n"), b"/", Framing.CHUNKED, b"abc"),
    "chunked in capitals": (post(b"transfer-encoding:\tCHUNKED \r\n", b"0\r\n\r\n"), b"/", Framing.CHUNKED, b""),
    "leading zeros": (chunks(b"00000000000000000003\r\nabc\r\n0\r\n\r\n"), b"/", Framing.CHUNKED, b"abc"),
    "extensions": (chunks(b'3;a=b;c="d"\r\nabc\r\n0;e\r\n\r\n'), b"/", Framing.CHUNKED, b"abc"),
    "trailers": (chunks(b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nHost: b\r\n\r\n"), b"/", Framing.CHUNKED, b"abc"),
    "a URL as long as may be": (
        get(start=b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1"),
        b"/" + b"a" * (MAX_TARGET - 1),
        Framing.NONE,
        b"",
    ),
    "headers as long as may be": (get(b"X: " + b"a" * (HEADER_BYTES - 14) + b"\r\n"), b"/", Framing.NONE, b""),
    "both": (
        get(b"X: " + b"a" * (HEADER_BYTES - 14) + b"\r\n", start=b"GET /" + b"a" * (MAX_TARGET - 1) + b" HTTP/1.1"),
        b"/" + b"a" * (MAX_TARGET - 1),
        Framing.NONE,
        b"",
    ),
    "a body as long as may be": (
        post(b"Content-Length: %d\r\n" % BODY_BYTES, bytes(BODY_BYTES)),
        b"/",
        Framing.LENGTH,
        bytes(BODY_BYTES),
    ),
}
"""Requests that go on: the target, how the body is framed, and the body."""


def reader(*, lines: int = 100, header_bytes: int = HEADER_BYTES) -> RequestReader:
    """A reader with the limits of these tests."""
    parser = RequestParser(HeaderNames(), max_header_bytes=header_bytes, max_header_lines=lines)
    return RequestReader(parser, max_body_bytes=BODY_BYTES)


def events(pieces: Iterable[bytes]) -> list[RequestEvent]:
    """What is read, each request having its turn at once, neighbouring pieces of a body in_one_piece."""
    reading = reader()
    return in_one_piece(event for piece in pieces for event in events_of(reading, piece))


def events_of(reading: RequestReader, piece: bytes) -> list[RequestEvent]:
    """What one read brings, each request having its turn at once."""
    reading.feed(piece)
    return pulled_on(reading)


def ways(data: bytes) -> dict[str, list[bytes]]:
    """The ways in which the same bytes may come; a long message in pieces of an odd size, not in single bytes."""
    size = 1 if len(data) < 10_000 else 997
    return {
        "whole": [data],
        "piece by piece": [data[start : start + size] for start in range(0, len(data), size)],
    }


class RefusedTests(SynchronousTestCase):
    """What is not forwarded, and what the log says of it."""

    def test_heads(self) -> None:
        """Each of these heads is refused with its status and code, however it comes and whatever follows."""
        for name, (data, expected) in REFUSED_HEADS.items():
            for way, pieces in [*ways(data).items(), *ways(data + SMUGGLED).items()]:
                with_name = f"{name}, {way}"
                (unfit,) = events(pieces) or [None]
                assert isinstance(unfit, UnfitRequest), with_name
                self.assertEqual((unfit.status, unfit.error_info), expected, with_name)

    def test_bodies(self) -> None:
        """Each of these bodies takes its request back, and nothing after it is a request."""
        for name, (data, body, expected) in REFUSED_BODIES.items():
            for way, pieces in [*ways(data).items(), *ways(data + SMUGGLED).items()]:
                head, *rest = events(pieces)
                assert isinstance(head, RequestHead), (name, way)
                unfit = rest.pop()
                assert isinstance(unfit, UnfitRequest), (name, way)
                self.assertEqual((rest, (unfit.status, unfit.error_info)), ([body] if body else [], expected), name)

    def test_protocols(self) -> None:
        """Whatever the method, no request of another protocol is forwarded."""
        for method in (*METHODS, *b"DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN RECORD FLUSH SOURCE PRI".split()):
            for protocol in (b"RTSP/1.0", b"RTSP/1.1", b"ICE/1.1", b"SIP/2.0", b"http/1.1", b"HTTPS/1.1"):
                (unfit,) = events([get(b"Content-Length: 0\r\n", start=b"%b / %b" % (method, protocol))])
                assert isinstance(unfit, UnfitRequest)
                self.assertEqual(unfit.status, 400, (method, protocol))

    def test_protocol_of_a_later_request(self) -> None:
        """A request of RTSP among pipelined ones is refused, and those before it stand."""
        before = chunks(b"0\r\n\r\n") + get()
        data = before + get(start=b"GET /b RTSP/1.0") + SMUGGLED
        for way, pieces in {
            **ways(data),
            "in its name": [data[: data.index(b"TSP")], data[data.index(b"TSP") :]],
        }.items():
            *found, unfit = events(pieces)
            self.assertEqual([type(event) for event in found], [RequestHead, Mark, RequestHead], way)
            assert isinstance(unfit, UnfitRequest), way
            self.assertEqual((unfit.status, unfit.error_info), BAD_VERSION, way)

    def test_protocol_that_is_spoken_of(self) -> None:
        """The name of another protocol may stand anywhere else in a request."""
        data = get(b"X-A: OPTIONS / RTSP/1.0\r\n", host=b"A: / RTSP/1.0\r\nHost: a\r\n") + chunks(
            b"9\r\n/ RTSP/1.\r\n0\r\n\r\n"
        )
        for way, pieces in ways(data).items():
            heads = [event for event in events(pieces) if isinstance(event, RequestHead)]
            self.assertEqual([head.method for head in heads], [b"GET", b"POST"], way)

    def test_no_host(self) -> None:
        """HTTP/1.0 need not name a host; an absolute target does (RFC 9112 section 3.2.2)."""
        for target, host in ((b"/a", ""), (b"http://A.example:80/a", "a.example")):
            (head,) = events([get(host=b"", start=b"GET %b HTTP/1.0" % target)])
            assert isinstance(head, RequestHead)
            self.assertEqual((head.host, head.target), (host, b"/a"))
            self.assertEqual(head.authority.lower(), host.encode() + b":80" * bool(host))

    def test_upgrade_that_is_passed_over(self) -> None:
        """A body that comes with a wish for a protocol that is not granted is read, and so is what follows it."""
        h2c = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n"
        for framing, body in (
            (b"Content-Length: 5\r\n", b"hello"),
            (b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"),
        ):
            for way, pieces in ways(post(h2c + framing, body) + get()).items():
                found = events(pieces)
                heads = [event for event in found if isinstance(event, RequestHead)]
                self.assertEqual(
                    [(head.method, head.upgrade, head.headers) for head in heads],
                    [(b"POST", b"", ()), (b"GET", b"", ())],
                    way,
                )
                self.assertEqual(b"".join(event for event in found if isinstance(event, bytes)), b"hello", way)

    def test_says_what_it_knows(self) -> None:
        """The log gets method, target, host and user agent of a refused request, as far as they were read."""
        (unfit,) = events([get(b"User-Agent: me\r\nHost: b\r\n", start=b"PUT /a HTTP/1.1")])
        assert isinstance(unfit, UnfitRequest)
        self.assertEqual((unfit.method, unfit.target, unfit.authority, unfit.user_agent), (b"PUT", b"/a", b"a", b"me"))
        self.assertFalse(unfit.keep_alive)

    def test_late(self) -> None:
        """A head that does not come in time is refused with 408, once."""
        reading = reader()
        self.assertEqual(events_of(reading, b"GET / HTTP/1.1\r\nHo"), [])
        self.assertTrue(reading.head_open)
        unfit = reading.late()
        self.assertEqual((unfit.status, unfit.method, reading.head_open, reading.done), (408, b"GET", False, True))
        self.assertEqual(events_of(reading, b"st: a\r\n\r\n"), [])

    def test_odd_names(self) -> None:
        """Names outside [A-Za-z0-9-] lose their line, or make the request bad where they are to be rejected."""
        (head,) = events([get(b"X_Y: 1\r\nX.Y: 2\r\nX-Y: 3\r\n")])
        assert isinstance(head, RequestHead)
        self.assertEqual(head.headers, ((b"X-Y", b"3"),))
        rejecting = RequestReader(RequestParser(HeaderNames(reject_odd=True)), max_body_bytes=0)
        (unfit,) = events_of(rejecting, get(b"X_Y: 1\r\n"))
        assert isinstance(unfit, UnfitRequest)
        self.assertEqual((unfit.status, unfit.error_info), BAD)


class EndlessTests(SynchronousTestCase):
    """What never ends is refused before it takes memory without bound."""

    def _refused(self, start: bytes, piece: bytes) -> UnfitRequest:
        reading = reader()
        told = events_of(reading, start)
        fed = len(start)
        while not reading.done:
            told += events_of(reading, piece)
            fed += len(piece)
            assert fed < BODY_BYTES + 300_000, "read on and on"
        unfit = told.pop()
        assert isinstance(unfit, UnfitRequest)
        return unfit

    def test_header_line(self) -> None:
        """A header line without end."""
        self.assertEqual(self._refused(b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"a" * 1000).status, 400)

    def test_header_name(self) -> None:
        """A header name without end."""
        self.assertEqual(self._refused(b"GET / HTTP/1.1\r\nHost: a\r\n", b"a" * 1000).status, 400)

    def test_white_space(self) -> None:
        """White space before a value without end."""
        self.assertEqual(self._refused(b"GET / HTTP/1.1\r\nX:", b" " * 1000).status, 400)

    def test_target(self) -> None:
        """A target without end."""
        self.assertEqual(self._refused(b"GET /", b"a" * 1000).status, 414)

    def test_trailers(self) -> None:
        """Trailers without end, in one line or many."""
        for piece in (b"a" * 1000, b"X: a\r\n" * 200):
            self.assertEqual(self._refused(chunks(b"0\r\n"), piece).status, 400)

    def test_chunk_extension(self) -> None:
        """A chunk extension of a megabyte."""
        self.assertEqual(self._refused(chunks(b"3;"), b"a" * 1000).status, 400)

    def test_chunks(self) -> None:
        """More data in chunks than a body may have."""
        self.assertEqual(self._refused(chunks(b""), b"1000\r\n" + bytes(0x1000) + b"\r\n").status, 413)

    def test_many_chunk_extensions(self) -> None:
        """Little body in much framing."""
        self.assertEqual(self._refused(chunks(b""), b"1;" + b"a" * 500 + b"\r\nb\r\n").status, 400)

    def test_small_chunks_are_no_offence(self) -> None:
        """A body in chunks of one byte may be as long as any."""
        reading = reader()
        events_of(reading, chunks(b""))
        for _ in range(100):
            self.assertEqual(events_of(reading, b"1\r\na\r\n" * 1000), [b"a" * 1000])
        self.assertFalse(reading.done)

    def test_long_bodies_are_no_offence(self) -> None:
        """Nor is a long body without any framing within."""
        reading = reader()
        told = events_of(reading, post(b"Content-Length: %d\r\n" % BODY_BYTES))
        for _ in range(BODY_BYTES // 1024):
            told += events_of(reading, bytes(1024))
        self.assertEqual(told[-1], Mark.END)

    def test_whole_body(self) -> None:
        """A body that came with its head can be taken with it, up to a bound; what is behind it comes next."""
        reading = reader()
        for head, body, whole in (
            (get(), b"", None),
            (post(b"Content-Length: 3\r\n"), b"abc", b"abc"),
            (post(b"Content-Length: 0\r\n"), b"", b""),
            (post(b"Content-Length: 3\r\n"), b"ab", None),
            (post(b"Content-Length: %d\r\n" % LARGEST_WHOLE), bytes(LARGEST_WHOLE), bytes(LARGEST_WHOLE)),
            (post(b"Content-Length: %d\r\n" % (LARGEST_WHOLE + 1)), bytes(LARGEST_WHOLE + 1), None),
            (chunks(b""), b"3\r\nabc\r\n0\r\n\r\n", None),
        ):
            reading = reader()
            reading.feed(head + body + (b"" if whole is None else get()))
            self.assertIsInstance(reading.next_event(), RequestHead)
            self.assertEqual(reading.whole_body(), whole)
            if whole is not None:
                self.assertIs(reading.next_event(), Mark.PAUSED)
                reading.next_request()
                self.assertIsInstance(reading.next_event(), RequestHead)

    def test_whole_last_request(self) -> None:
        """Behind the last request, body included, nothing more is read."""
        for request in (
            get(b"Connection: close\r\n"),
            post(b"Connection: close\r\nContent-Length: 0\r\n"),
            post(b"Connection: close\r\nContent-Length: 3\r\n", b"abc"),
        ):
            reading = reader()
            reading.feed(request)
            self.assertIsInstance(reading.next_event(), RequestHead)
            reading.whole_body()
            self.assertTrue(reading.done)
            reading.feed(get())
            self.assertEqual(reading.unread, 0)

    def test_long_reads_are_no_offence(self) -> None:
        """A read that ends in another head than it began in says nothing about either."""
        reading = reader()
        stream = get() * 20_000
        count = sum(len(events_of(reading, stream[start : start + 65_530])) for start in range(0, len(stream), 65_530))
        self.assertEqual((count, reading.done), (20_000, False))


class LineTests(SynchronousTestCase):
    """How many lines a head may have, and what an unfinished one keeps."""

    def _status(self, data: bytes, lines: int = 10) -> int:
        """What is answered to a request, however it comes; 200 where it goes on."""
        told = set()
        for pieces in ways(data).values():
            reading = reader(lines=lines)
            found = [event for piece in pieces for event in events_of(reading, piece)]
            event = found[-1] if found else None
            told.add(event.status if isinstance(event, UnfitRequest) else 200)
        self.assertEqual(len(told), 1, data)
        return told.pop()

    def test_of_a_request(self) -> None:
        """A head may have so many lines and no more, be it plain or not."""
        for odd in (b"", b"X: \xe9\r\n"):
            self.assertEqual(self._status(get(b"X: a\r\n" * (9 - bool(odd)) + odd)), 200)
            self.assertEqual(self._status(get(b"X: a\r\n" * (10 - bool(odd)) + odd)), 400)

    def test_while_it_arrives(self) -> None:
        """A line too many is refused before the head is whole."""
        self.assertEqual(self._status(get(b"X: a\r\n" * 10 + b"X")[:-2]), 400)

    def test_of_trailers(self) -> None:
        """Trailers are counted by themselves."""
        for count, status in ((10, 200), (11, 400)):
            self.assertEqual(self._status(chunks(b"0\r\n" + b"X: a\r\n" * count + b"\r\n")), status)

    def test_what_is_kept(self) -> None:
        """An unfinished head keeps little more than its bytes, however short its lines are."""
        head = b"GET /" + b"a" * 1000 + b" HTTP/1.1\r\nHost: a\r\n" + b"ab:cd\r\n" * 4500
        readers = [reader(lines=10_000, header_bytes=1 << 20) for _ in range(10)]
        for size in (len(head), 1000):
            pieces = [head[start : start + size] for start in range(0, len(head), size)]
            kept = kept_after(lambda: [events_of(reading, piece) for reading in readers for piece in pieces])  # noqa: B023
            self.assertLess(kept / len(readers), 2 * len(head))

    def test_what_is_kept_of_a_whole_one(self) -> None:
        """Nothing is, once its events are taken: neither of a head nor of a body."""
        head = get(b"X: \xe9%b\r\n" % (b"a" * 20_000), start=b"PUT /" + b"a" * 20_000 + b" HTTP/1.1")
        chunked = chunks(b"1;%b\r\na\r\n" % (b"b" * 4000) * 20 + b"0\r\nX: %b\r\n\r\n" % (b"a" * 20_000))
        readers = [reader() for _ in range(10)]

        def answered() -> None:
            for reading in readers:
                for start in range(0, len(head + chunked), 997):
                    events_of(reading, (head + chunked)[start : start + 997])

        self.assertLess(kept_after(answered) / len(readers), 5000)


class RepeatedTests(SynchronousTestCase):
    """A client that repeats its request."""

    def test_repeated(self) -> None:
        """The same octets are looked at once, whatever comes before and behind them; any other octets are looked at."""
        reading, one, other, with_body = reader(), get(b"X: 1\r\n"), get(b"X: 2\r\n"), b"Content-Length: 1\r\n"
        came = [one, one, other, one + other + other, b"\r\n" + other, other[:-1], b"\n" + one]
        came += [post(with_body, b"a") + post(with_body, b"b"), post(with_body, b"c")]
        self.assertEqual(
            [event for data in came for event in events_of(reading, data)],
            [event for data in [*came[:5], other + one, *came[7:]] for event in events_of(reader(), data)],
        )
        first, second = (events_of(reading, one)[0] for _ in range(2))
        self.assertIs(first, second)

    def test_by_another_parser(self) -> None:
        """What the parser before said of a head is forgotten with it."""
        reading = reader()
        for _ in range(2):
            self.assertIsInstance(events_of(reading, get(b"X: 1\r\n"))[0], RequestHead)
        reading.read_by(RequestParser(HeaderNames(), max_header_lines=1), 0)
        self.assertIsInstance(events_of(reading, get(b"X: 1\r\n"))[0], UnfitRequest)

    def test_long(self) -> None:
        """A long head is looked at each time, and not kept."""
        reading, long = reader(), get(b"X: %b\r\n" % (b"a" * LONGEST_REPEATED))
        [first], [second] = (events_of(reading, long) for _ in range(2))
        self.assertEqual(first, second)
        self.assertIsNot(first, second)


class AheadTests(SynchronousTestCase):
    """What follows a request."""

    def test_waits(self) -> None:
        """It stays as it came until its turn: no head of it is read."""
        for first in (get(), get(b"X: \xe9\r\n"), post(b"Content-Length: 3\r\n", b"abc"), chunks(b"0\r\n\r\n")):
            for pieces in ([first + get() * 3], [first, get() * 3], [first + b"GET", get()[3:] + get() * 2]):
                reading = reader()
                found: list[RequestEvent] = []
                for piece in pieces:
                    reading.feed(piece)
                    found += pulled(reading)
                heads = [event for event in found if isinstance(event, RequestHead)]
                waits = (reading.next_event(), reading.unread)
                self.assertEqual((len(heads), waits), (1, (Mark.PAUSED, 3 * len(get()))))
                for left in (2, 1, 0):
                    reading.next_request()
                    self.assertEqual((len(pulled(reading)), reading.unread), (1, left * len(get())))

    def test_read_by_another_parser(self) -> None:
        """Between requests another parser takes over: a head that has begun is read by it from its beginning."""
        other = RequestParser(HeaderNames(), max_header_lines=1)
        whole, long = get(b"X: 1\r\n"), get(b"X: 1\r\n" * 2)
        for at in range(len(long)):
            for before in (b"", get()):
                reading = reader()
                reading.feed(before + long[:at])
                pulled(reading)
                if before:
                    reading.next_request()
                    pulled(reading)
                reading.read_by(other, 0)
                reading.feed(long[at:])
                [event] = pulled(reading)
                self.assertIsInstance(event, UnfitRequest)
        reading = reader(lines=1)
        reading.feed(whole[:9])
        pulled(reading)
        reading.read_by(RequestParser(HeaderNames()), 2)
        reading.feed(whole[9:] + post(b"Content-Length: 3\r\n", b"abc"))
        self.assertIsInstance(pulled(reading)[0], RequestHead)
        reading.next_request()
        [unfit] = pulled(reading)
        assert isinstance(unfit, UnfitRequest)
        self.assertEqual((unfit.status, unfit.error_info), TOO_MUCH)

    def test_fed_before_it_is_asked(self) -> None:
        """What comes before the reader is asked again is read in its order."""
        data = post(b"Content-Length: 3\r\n", b"abc") + chunks(b"1\r\nd\r\n0\r\n\r\n") + get()
        for size in (1, 7, 50):
            reading = reader()
            for start in range(0, len(data), size):
                reading.feed(data[start : start + size])
            found = pulled_on(reading)
            heads = [event.method for event in found if isinstance(event, RequestHead)]
            self.assertEqual(heads, [b"POST", b"POST", b"GET"], size)
            self.assertEqual(b"".join(event for event in found if isinstance(event, bytes)), b"abcd")

    def test_empty_lines(self) -> None:
        """Empty lines behind a request are nothing that waits (RFC 9112 section 2.2)."""
        for pieces in ([get() + b"\r\n"], [get(), b"\r\n\r\n"]):
            reading = reader()
            found: list[RequestEvent] = []
            for piece in pieces:
                reading.feed(piece)
                found += pulled(reading)
            self.assertEqual(reading.unread, 0)
            reading.next_request()
            reading.feed(b"\r\n" + get())
            self.assertEqual(len(found + pulled(reading)), 2)


class TakenTests(SynchronousTestCase):
    """What is forwarded."""

    def test_requests(self) -> None:
        """Each of these is read the same however it comes, and what follows it is the next request."""
        for name, (data, target, framing, body) in TAKEN.items():
            for way, pieces in ways(data + SMUGGLED).items():
                head, *rest = events(pieces)
                assert isinstance(head, RequestHead), (name, way)
                self.assertEqual((head.target, head.framing, head.keep_alive), (target, framing, True), name)
                following = rest.pop()
                assert isinstance(following, RequestHead), (name, way)
                self.assertEqual(following.target, b"/smuggled")
                expected = [] if framing is Framing.NONE else [*([body] if body else []), Mark.END]
                self.assertEqual(rest, expected, name)

    def test_size(self) -> None:
        """The size of a head is that of its bytes."""
        data = get(b"X: a\r\n")
        (head,) = events([data])
        assert isinstance(head, RequestHead)
        self.assertEqual(head.size, len(data))

    def test_last_request(self) -> None:
        """After a request that is the last one nothing is read, and nothing is refused either."""
        for last in (get(b"Connection: close\r\n"), get(start=b"GET / HTTP/1.0")):
            for pieces in ways(last + SMUGGLED).values():
                (head,) = events(pieces)
                assert isinstance(head, RequestHead)
                self.assertFalse(head.keep_alive)

    def test_connection_of_another_proxy(self) -> None:
        """Proxy-Connection ends nothing, however the bytes come: RFC 9112 appendix C.2.2."""
        data = get(b"Proxy-Connection: close\r\n") + get(start=b"GET /next HTTP/1.1") + SMUGGLED
        for way, pieces in ways(data).items():
            targets = [head.target for head in events(pieces) if isinstance(head, RequestHead)]
            self.assertEqual((way, targets), (way, [b"/", b"/next", b"/smuggled"]))

    def test_many_with_bodies_in_one_read(self) -> None:
        """However many requests with a body come at once, each is read."""
        one = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"
        found = events([one * 2000])
        self.assertEqual(len([event for event in found if isinstance(event, RequestHead)]), 2000)
        self.assertEqual((found.count(b"x"), found.count(Mark.END)), (2000, 2000))

    def test_after_a_counted_body(self) -> None:
        """Where the rest of a body ends, the next request begins, however they are cut; a last request has none."""
        body = bytes(range(256)) * 4
        first = post(b"Content-Length: 1024\r\n", body)
        last = post(b"Connection: close\r\nContent-Length: 1024\r\n", body)
        whole = first + get() + first + last + SMUGGLED
        for cut in (1, 7, 100, 511, 1000, len(first), len(first) + 1, 3000, len(whole)):
            found = events(whole[at : at + cut] for at in range(0, len(whole), cut))
            targets = [event.target for event in found if isinstance(event, RequestHead)]
            self.assertEqual(targets, [b"/"] * 4, cut)
            self.assertEqual(b"".join(event for event in found if isinstance(event, bytes)), body * 3, cut)
            self.assertEqual([event for event in found if isinstance(event, Mark)], [Mark.END] * 3, cut)

    def test_upgrade(self) -> None:
        """What follows a request for an upgrade waits, as it came; it is the tunnel's, or further requests."""
        wish = get(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        follows = b"\r\n" + SMUGGLED
        for pieces in ([wish + follows], [wish, *(follows[at : at + 1] for at in range(len(follows)))]):
            for is_granted in (True, False):
                reading = reader()
                found: list[RequestEvent] = []
                for piece in pieces:
                    reading.feed(piece)
                    found += pulled(reading)
                (head,) = found
                assert isinstance(head, RequestHead)
                self.assertEqual((head.upgrade, reading.upgrading, reading.done), (b"websocket", True, False))
                self.assertEqual(reading.unread, len(follows))
                if is_granted:
                    self.assertEqual((reading.take_unread(), reading.unread), (follows, 0))
                else:
                    reading.next_request()
                    (refused,) = pulled(reading)
                    assert isinstance(refused, RequestHead)
                    self.assertEqual((refused.target, reading.upgrading), (b"/smuggled", False))

    def test_upgrade_on_the_last_request(self) -> None:
        """Where the client says close beside its wish, the tunnel gets what followed; without one nothing is read."""
        for follows in (SMUGGLED, b"\r\n\x81\x00"):
            for pieces in ([b"", follows], [follows], [follows[:1], follows[1:2], follows[2:]]):
                for is_granted in (True, False):
                    reading = reader()
                    reading.feed(get(b"Connection: upgrade, close\r\nUpgrade: websocket\r\n") + pieces[0])
                    (head,) = pulled(reading)
                    assert isinstance(head, RequestHead)
                    for piece in pieces[1:]:
                        reading.feed(piece)
                    self.assertEqual((reading.upgrading, reading.done), (True, False))
                    if is_granted:
                        self.assertEqual(reading.take_unread(), follows)
                    else:
                        reading.next_request()
                        self.assertEqual((pulled(reading), reading.done, reading.unread), ([], True, 0))

    @given(
        st.lists(st.sampled_from(["close", "keep-alive", "upgrade", "TE", "closed", "", " close\t"]), max_size=4),
        st.sampled_from(["1.0", "1.1"]),
        st.booleans(),
    )
    def test_end_of_the_connection(self, tokens: list[str], version: str, several: bool) -> None:
        """Whatever Connection says, a request follows exactly when the head says that one may."""
        lines = "".join(f"Connection: {token}\r\n" for token in tokens) if several else ""
        lines = lines or f"Connection: {','.join(tokens)}\r\n"
        head, *rest = events([get(lines.encode(), start=f"GET / HTTP/{version}".encode()) + SMUGGLED])
        assert isinstance(head, RequestHead)
        self.assertEqual([type(event) for event in rest], [RequestHead] if head.keep_alive else [])


def _told(event: RequestEvent) -> object:
    return (event.status, event.error_info) if isinstance(event, UnfitRequest) else event


class PropertyTests(SynchronousTestCase):
    """Whatever comes."""

    @given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([case[0] for case in REFUSED_HEADS.values()]))))
    def test_only_events_come_out(self, pieces: list[bytes]) -> None:
        """Any bytes in any pieces give events, never an exception, and an unfit request is the last one."""
        read = events(pieces)
        unfit = [event for event in read if isinstance(event, UnfitRequest)]
        self.assertEqual(unfit, read[-1:] if unfit else [])

    @given(requests(), st.data())
    def test_damaged_requests(self, request: tuple[bytes, bytes, object], data: st.DataObject) -> None:
        """A request with one byte changed gives events, never an exception."""
        octets = request[0]
        place = data.draw(st.integers(0, len(octets) - 1))
        changed = octets[:place] + data.draw(st.binary(min_size=0, max_size=2)) + octets[place + 1 :]
        whole, parted = events([changed]), events([changed[:place], changed[place:]])
        self.assertEqual([_told(event) for event in whole], [_told(event) for event in parted])

    @given(requests(), st.integers(1, 9))
    def test_nothing_is_smuggled(self, request: tuple[bytes, bytes, list[tuple[bytes, bytes]]], size: int) -> None:
        """What the backend gets reads the same to a strict parser; no managed name of the client's is there."""
        octets, body, lines = request
        stream = octets + SMUGGLED
        head, *rest, following = events(stream[start : start + size] for start in range(0, len(stream), size))
        assert isinstance(head, RequestHead)
        assert isinstance(following, RequestHead)
        self.assertEqual(following.target, b"/smuggled")
        self.assertEqual(b"".join(event for event in rest if isinstance(event, bytes)), body)
        self.assertEqual([type(event) for event in rest if not isinstance(event, bytes)].count(Mark), len(rest[-1:]))
        identity = b"X-Client-Certificate: ours\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n"
        (method, target, version), sent = parsed(request_bytes(head, b"a.example", identity, b"192.0.2.1:7", b"0" * 32))
        self.assertEqual((method, target, version), (*octets.split(b" ", 2)[:2], b"HTTP/1.1"))
        ours = {canonical(name): value for name, value in sent if canonical(name) in MANAGED_NAMES}
        self.assertEqual(
            ours,
            {
                b"x-client-certificate": b"ours",
                b"x-forwarded-proto": b"https",
                b"x-forwarded-port": b"443",
                b"x-original-host": b"a.example",
                b"x-original-url": target,
                b"x-appgw-trace-id": b"0" * 32,
            },
        )
        for once in (*ours, b"host", b"content-length", b"transfer-encoding", b"connection"):
            self.assertLessEqual([canonical(name) for name, _ in sent].count(once), 1)
        for name, value in lines:
            if (
                name.isalnum()
                and name.lower() not in (b"te", b"trailer", b"upgrade")
                and b"Connection" not in dict(lines)
            ):
                self.assertIn((name, value), sent)
