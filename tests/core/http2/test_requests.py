"""Requests of HTTP/2: what they become, and that what is dangerous in HTTP/1.1 has no way through them.

Two oracles: h2 refuses no header list that is forwarded, and the reader of HTTP/1.1 makes the same of the same request.
"""

from __future__ import annotations

from unittest import mock

import attrs
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.framing import request_head
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import MAX_TARGET, METHODS, BadRequest, Framing, RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http2 import requests
from agwtwisted.core.http2.field_rules import FORBIDDEN, MalformedRequest
from agwtwisted.core.http2.header_codec import Fields, list_size
from agwtwisted.core.http2.requests import MAX_FIELD, MAX_FIELD_LIST, RequestTranslator
from tests.field_oracle import h2_takes, is_one_head
from tests.memory import kept_after
from tests.requests import names, targets, values

GET: Fields = ((b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"a.example"), (b":path", b"/a?b"))
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="

Outcome = RequestHead | UnfitRequest | MalformedRequest


def translator(names: HeaderNames | None = None, **limits: int) -> RequestTranslator:
    """A translator with a key that is known."""
    return RequestTranslator(names or HeaderNames(), lambda: KEY, **limits)


def outcome(*more: Header, of: Fields = GET, end_stream: bool = True) -> Outcome:
    """What becomes of a request with these fields too; three times the same."""
    judge = translator()
    found = [judge.request((*of, *more), end_stream=end_stream, size=9) for _ in range(3)]
    assert found[0] == found[1] == found[2], found
    return found[0]


def with_pseudo(**pseudo: bytes | None) -> Fields:
    """Those of `GET`, some of them other ones or left out."""
    said = {name.decode()[1:]: value for name, value in GET} | pseudo
    return tuple((b":%b" % name.encode(), value) for name, value in said.items() if value is not None)


def without_version(head: Outcome | BadRequest) -> object:
    """What is the same in all versions of HTTP."""
    if isinstance(head, RequestHead):
        return attrs.evolve(head, version=b"", size=0)
    return head if isinstance(head, MalformedRequest) else (head.status, head.error_info)


class RequestTests(SynchronousTestCase):
    """Requests that are forwarded."""

    def test_get(self) -> None:
        """Path, host and end-to-end fields as they came; Host is not among them."""
        head = outcome((b"accept", b"a"), (b"user-agent", b"me"), (b"host", b"a.example"), (b"te", b"trailers"))
        self.assertEqual(
            head,
            RequestHead(
                method=b"GET",
                target=b"/a?b",
                version=b"2.0",
                host="a.example",
                authority=b"a.example",
                headers=((b"accept", b"a"), (b"user-agent", b"me")),
                user_agent=b"me",
                size=9,
            ),
        )

    def test_remembered(self) -> None:
        """What the other fields say is found out once; the path is looked at each time, the size is the block's."""
        judge = translator()
        with mock.patch.object(requests, "fit_request", wraps=requests.fit_request) as looked:
            first = judge.request(GET, end_stream=True, size=9)
            again = judge.request(with_pseudo(path=b"/c"), end_stream=True, size=5)
            moved = judge.request((GET[3], *GET[:3]), end_stream=True, size=9)
        assert isinstance(first, RequestHead)
        self.assertEqual(looked.call_count, 1)
        self.assertEqual(again, attrs.evolve(first, target=b"/c", size=5))
        self.assertEqual(moved, first)
        begun = judge.request(GET, end_stream=False, size=9)
        assert isinstance(begun, RequestHead)
        self.assertIs(begun.framing, Framing.CHUNKED)

    def test_same_request(self) -> None:
        """A request that has come before is the same head; another size, or a body to come, makes it another one."""
        judge = translator()
        first = judge.request(GET, end_stream=True, size=9)
        self.assertIs(judge.request((*GET,), end_stream=True, size=9), first)
        assert isinstance(first, RequestHead)
        self.assertEqual(judge.request(GET, end_stream=True, size=8), attrs.evolve(first, size=8))
        self.assertNotEqual(judge.request(GET, end_stream=False, size=9), first)
        for number in range(3 * requests.RECENT):
            judge.request(with_pseudo(path=b"/%d" % number), end_stream=True, size=9)
        judge.request((*GET, (b"x", b"y" * 2000)), end_stream=True, size=9)
        self.assertLessEqual(len(judge._recent), requests.RECENT)
        self.assertLess(max(map(list_size, judge._recent)), 1100)

    def test_memory_is_bounded(self) -> None:
        """What is remembered takes no more than is stated, however short the fields are, and however long."""
        room = 1 << 18
        self.patch(requests, "REMEMBERED", room)
        short = tuple((b"%02d" % number, b"%02d" % number) for number in range(90))
        for more in (short, ((b"user-agent", b"x" * 3900),)):
            judge = translator()

            def read(judge: RequestTranslator = judge, more: Fields = more) -> None:
                for number in range(60):
                    fields = (*GET, *[(name, b"%b%d" % (value, 7)) for name, value in more], (b"y", b"%d" % number))
                    assert isinstance(judge.request(fields, end_stream=True, size=9), RequestHead)

            kept = kept_after(read)
            self.assertLess(kept, 1.1 * room)
            self.assertGreater(kept, room / 8)

    def test_bodies(self) -> None:
        """A body goes on with its length where that is said, else in chunks; one that is over has none, or 0."""
        none, length, chunked = Framing.NONE, Framing.LENGTH, Framing.CHUNKED
        for method, said, end_stream, framing, size in (
            (b"GET", None, True, none, 0),
            (b"GET", None, False, chunked, 0),
            (b"GET", b"0", True, none, 0),
            (b"GET", b"0", False, none, 0),
            (b"GET", b"3", False, length, 3),
            (b"POST", None, True, length, 0),
            (b"PATCH", None, True, length, 0),
            (b"SEARCH", None, True, none, 0),
            (b"POST", None, False, chunked, 0),
            (b"POST", b"0", True, length, 0),
            (b"PUT", b"3", False, length, 3),
        ):
            more = () if said is None else ((b"content-length", said),)
            head = outcome(*more, of=with_pseudo(method=method), end_stream=end_stream)
            assert isinstance(head, RequestHead)
            self.assertEqual((head.framing, head.content_length), (framing, size), (method, said, end_stream))

    def test_cookies(self) -> None:
        """The crumbs of a cookie are one, where the first was (RFC 9113 section 8.2.3)."""
        head = outcome((b"cookie", b"a=b"), (b"x", b"y"), (b"cookie", b"c=d"), (b"cookie", b"e=f"))
        assert isinstance(head, RequestHead)
        self.assertEqual(head.headers, ((b"cookie", b"a=b; c=d; e=f"), (b"x", b"y")))
        self.assertIsInstance(outcome(*[(b"cookie", b"a=b")] * 150), RequestHead)

    def test_empty_crumbs(self) -> None:
        """A value that is put together has no white space at an end, either."""
        for crumbs, whole in (
            ((b"a=b", b""), b"a=b"),
            ((b"", b"a=b"), b"a=b"),
            ((b"a=b", b"", b"c=d"), b"a=b; c=d"),
            ((b"", b""), b""),
        ):
            head = outcome(*[(b"cookie", crumb) for crumb in crumbs])
            assert isinstance(head, RequestHead)
            self.assertEqual(head.headers, ((b"cookie", whole),))

    def test_managed(self) -> None:
        """The gateway alone says who a client is, in whatever spelling; X-Forwarded-For is kept apart."""
        lines = ((b"x-client-certificate", b"x"), (b"x_client.certificate", b"x"), (b"x-forwarded-proto", b"http"))
        head = outcome(*lines, (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"192.0.2.2"))
        assert isinstance(head, RequestHead)
        self.assertEqual((head.headers, head.forwarded_for), ((), b"192.0.2.1, 192.0.2.2"))

    def test_odd_names(self) -> None:
        """Names that some backends take for others are dropped and counted each time, or refused."""
        dropped: list[tuple[bytes, int]] = []
        judge = translator(HeaderNames(tell_dropped=lambda name, count: dropped.append((name, count))))
        for _ in range(10):
            head = judge.request((*GET, (b"content_length", b"1")), end_stream=True, size=9)
            assert isinstance(head, RequestHead)
            self.assertEqual(head.headers, ())
        self.assertEqual(dropped, [(b"content_length", 1), (b"content_length", 10)])
        strict = translator(HeaderNames(reject_odd=True))
        found = strict.request((*GET, (b"content_length", b"1")), end_stream=True, size=9)
        self.assertEqual(without_version(found), (400, ErrorInfo.INVALID_REQUEST))

    def test_expect(self) -> None:
        """A client that waits for 100 is known."""
        head = outcome((b"expect", b"100-Continue"), of=with_pseudo(method=b"POST"), end_stream=False)
        assert isinstance(head, RequestHead)
        self.assertTrue(head.expects_continue)

    def test_host(self) -> None:
        """:authority or Host names the host, or both in the same octets."""
        for fields in (GET, (*with_pseudo(authority=None), (b"host", b"a.example")), (*GET, (b"host", b"a.example"))):
            head = outcome(of=fields)
            assert isinstance(head, RequestHead)
            self.assertEqual((head.host, head.authority, head.headers), ("a.example", b"a.example", ()))

    def test_schemes(self) -> None:
        """As in the absolute form of HTTP/1.1, http is taken too: it decides nothing."""
        for scheme in (b"https", b"http", b"HTTPS"):
            self.assertIsInstance(outcome(of=with_pseudo(scheme=scheme)), RequestHead)

    def test_asterisk(self) -> None:
        """OPTIONS may be about the server."""
        head = outcome(of=with_pseudo(method=b"OPTIONS", path=b"*"))
        assert isinstance(head, RequestHead)
        self.assertEqual(head.target, b"*")

    def test_websocket(self) -> None:
        """An extended CONNECT is a request to upgrade, with a key of the gateway's (RFC 8441)."""
        lines = ((b"origin", b"x"), (b"sec-websocket-version", b"13"))
        head = outcome(*lines, of=with_pseudo(method=b"CONNECT", protocol=b"websocket"), end_stream=False)
        assert isinstance(head, RequestHead)
        self.assertEqual((head.method, head.target, head.upgrade), (b"GET", b"/a?b", b"websocket"))
        self.assertIs(head.framing, Framing.NONE)
        self.assertEqual(head.headers, (*lines, (b"sec-websocket-key", KEY)))


class UnfitTests(SynchronousTestCase):
    """Requests that get a page."""

    def check(self, status: int, info: ErrorInfo, found: Outcome) -> None:
        """Asserts that it is this page."""
        assert isinstance(found, UnfitRequest), found
        self.assertEqual((found.status, found.error_info, found.version), (status, info, b"2.0"))

    def test_what_it_says(self) -> None:
        """The page's line in the log has what the request says."""
        found = outcome((b"user-agent", b"me"), of=with_pseudo(method=b"TRACE"))
        assert isinstance(found, UnfitRequest)
        self.assertEqual(
            (found.method, found.target, found.authority, found.user_agent, found.size),
            (b"TRACE", b"/a?b", b"a.example", b"me", 9),
        )

    def test_methods(self) -> None:
        """Those that are forwarded are known; CONNECT is 405."""
        connect = ((b":method", b"CONNECT"), (b":authority", b"a.example:443"))
        self.check(405, ErrorInfo.INVALID_METHOD, outcome(of=connect, end_stream=False))
        self.check(405, ErrorInfo.INVALID_METHOD_TRACE, outcome(of=with_pseudo(method=b"TRACE")))
        self.check(400, ErrorInfo.INVALID_METHOD, outcome(of=with_pseudo(method=b"get")))

    def test_hosts(self) -> None:
        """A host there must be, of the right form, and one."""
        self.check(400, ErrorInfo.HTTP_NO_HOST_HEADER, outcome(of=with_pseudo(authority=None)))
        for authority in (b"", b"a@b", b"a b", b"a/b", b"a,b", b"a:b", b"x" * 300):
            self.check(400, ErrorInfo.INVALID_HOST, outcome(of=with_pseudo(authority=authority)))
        twice = ((b"host", b"a.example"), (b"host", b"a.example"))
        self.check(400, ErrorInfo.INVALID_HOST, outcome(*twice))

    def test_paths(self) -> None:
        """No blank, no fragment, nothing outside ASCII, no more than 32 KiB."""
        for path in (b"/a b", b"/a#b", b"/\xe4", b"/a\tb"):
            self.check(400, ErrorInfo.REQUEST_URI_INVALID, outcome(of=with_pseudo(path=path)))
        large = translator(max_list=1 << 20, max_field=1 << 20)
        found = large.request(with_pseudo(path=b"/" * (MAX_TARGET + 1)), end_stream=True, size=9)
        self.check(414, ErrorInfo.REQUEST_URI_INVALID, found)

    def test_scheme(self) -> None:
        """No other scheme is served."""
        self.check(400, ErrorInfo.REQUEST_URI_INVALID, outcome(of=with_pseudo(scheme=b"ftp")))

    def test_lengths(self) -> None:
        """A Content-Length is one number."""
        for lengths in ((b"1", b"1"), (b"1", b"2"), (b"1,1",), (b"-1",), (b"+1",), (b"0x1",), (b"",), (b"1" * 19,)):
            lines = [(b"content-length", length) for length in lengths]
            self.check(400, ErrorInfo.INVALID_CONTENT_LENGTH, outcome(*lines, end_stream=False))

    def test_too_much(self) -> None:
        """A body that is too long is refused before it comes."""
        judge = translator(max_body_bytes=5)
        for length, fits in ((5, True), (6, False)):
            fields = (*GET, (b"content-length", b"%d" % length))
            found = judge.request(fields, end_stream=False, size=9)
            if fits:
                self.assertIsInstance(found, RequestHead)
            else:
                self.check(413, ErrorInfo.INVALID_REQUEST, found)

    def test_list_size(self) -> None:
        """A list over its limit, a field over its own, and too many fields are 431, with whatever path."""
        judge = translator()
        for room, fits in ((0, True), (1, False)):
            whole = MAX_FIELD_LIST - list_size(GET) - 3 * 33 + room
            for fields in (
                (*GET, (b"a", b"x" * 8000), (b"b", b"x" * (whole - 8000)), (b"c", b"")),
                with_pseudo(path=b"/" + b"x" * (MAX_FIELD - 38 + room)),
                (*GET, (b"a", b"x" * (MAX_FIELD - 33 + room))),
                (*GET, *[(b"a", b"b")] * (100 + room)),
            ):
                for _ in range(2):
                    found = judge.request(fields, end_stream=True, size=9)
                    if fits:
                        self.assertIsInstance(found, RequestHead)
                    else:
                        self.check(431, ErrorInfo.INVALID_REQUEST, found)

    def test_grpc(self) -> None:
        """gRPC gets the status that its clients look for, and a message that says why; gRPC-Web is forwarded."""
        for kind in (b"application/grpc", b"application/grpc+proto", b"Application/gRPC;x=y"):
            lines = ((b"content-type", kind), (b"te", b"trailers"))
            found = outcome(*lines, of=with_pseudo(method=b"POST"), end_stream=False)
            self.check(415, ErrorInfo.INVALID_REQUEST, found)
            assert isinstance(found, UnfitRequest)
            self.assertIn((b"grpc-status", b"12"), found.headers)
            self.assertIn(b"gRPC is not forwarded", dict(found.headers)[b"grpc-message"])
            self.assertFalse(found.page)
        for kind in (b"application/grpc-web", b"application/grpc-web+proto", b"application/grpcx", b"a"):
            self.assertIsInstance(outcome((b"content-type", kind), end_stream=False), RequestHead)

    def test_websockets(self) -> None:
        """Another protocol is 501; a WebSocket with a body, or to another scheme, is 400."""
        connect = {"method": b"CONNECT", "protocol": b"websocket"}
        found = outcome(of=with_pseudo(**connect | {"protocol": b"connect-udp"}), end_stream=False)
        self.check(501, ErrorInfo.INVALID_METHOD, found)
        found = outcome((b"content-length", b"3"), of=with_pseudo(**connect), end_stream=False)
        self.check(400, ErrorInfo.INVALID_REQUEST, found)
        found = outcome(of=with_pseudo(**connect, scheme=b"ws"), end_stream=False)
        self.check(400, ErrorInfo.REQUEST_URI_INVALID, found)


class MalformedTests(SynchronousTestCase):
    """Header lists that are none, beside those of `core.http2.field_rules`."""

    def refused(self, fields: Fields, *, end_stream: bool = False) -> None:
        """Asserts that the stream is reset."""
        with self.subTest(fields=fields):
            self.assertIsInstance(outcome(of=fields, end_stream=end_stream), MalformedRequest)

    def test_rules(self) -> None:
        """What the rules forbid is refused, and so it is the second time."""
        for more in ((b"X", b"y"), (b"x", b"y\n"), (b":path", b"/"), (b"connection", b"x"), (b"host", b"b.example")):
            self.refused((*GET, more))
            self.refused((*GET, more), end_stream=True)

    def test_closed_tunnel(self) -> None:
        """A WebSocket that is over as it begins is none."""
        self.refused(with_pseudo(method=b"CONNECT", protocol=b"websocket"), end_stream=True)

    def test_length_without_data(self) -> None:
        """A stream that is over has no body to come."""
        self.refused((*GET, (b"content-length", b"1")), end_stream=True)

    def test_trailers(self) -> None:
        """Trailers have no pseudo-header field, nor the name of a header that frames or identifies."""
        judge = translator()
        self.assertIsNone(judge.trailers(((b"grpc-status", b"0"), (b"x-sum", b"1"))))
        self.assertIsNone(judge.trailers(()))
        for name in (b":path", b":status", b"X", b"", b"content-length", b"x_client-certificate", *sorted(FORBIDDEN)):
            self.assertIsInstance(judge.trailers(((name, b"1"),)), MalformedRequest, name)
        self.assertIsInstance(judge.trailers(((b"x", b"a\r\n"),)), MalformedRequest)
        self.assertIsInstance(judge.trailers(((b"x", b"y"),) * 101), MalformedRequest)
        self.assertIsInstance(judge.trailers(((b"x", b"y" * MAX_FIELD_LIST),)), MalformedRequest)


_ODD_NAMES = st.sampled_from(
    [*b"x X a:b te connection host cookie content-length :path :x :status :protocol \xe4".split(), b"", b"a b"]
)
_ODD_VALUES = st.sampled_from(
    [
        b"",
        b"a",
        b" a",
        b"a\t",
        b"a\r\nb",
        b"\0",
        b"a.example",
        b"trailers",
        b"1",
        b"/",
        b"GET",
        b"CONNECT",
        b"websocket",
    ]
)
_SPOILT = st.lists(st.tuples(_ODD_NAMES, _ODD_VALUES), max_size=3)
_DROPPED = st.sets(st.integers(0, 3), max_size=2)


class OracleTests(SynchronousTestCase):
    """What others make of the same."""

    @given(_DROPPED, _SPOILT, st.sampled_from([b"GET", b"CONNECT", b"OPTIONS"]), st.booleans(), st.randoms())
    def test_h2(self, dropped: set[int], more: list[Header], method: bytes, end_stream: bool, chance: object) -> None:
        """What h2 refuses is not forwarded, nor are trailers taken that it refuses."""
        fields = [(b":method", method), *GET[1:]]
        fields = [field for at, field in enumerate(fields) if at not in dropped] + more
        if end_stream:
            chance.shuffle(fields)  # type: ignore[attr-defined]
        found = outcome(of=tuple(fields), end_stream=end_stream)
        if not h2_takes(fields):
            self.assertNotIsInstance(found, RequestHead)
        elif isinstance(found, RequestHead):
            is_one_head(found)
        if not h2_takes(more, trailers=True):
            self.assertIsNotNone(translator().trailers(tuple(more)))

    @given(
        st.sampled_from([*sorted(METHODS), b"TRACE"]),
        targets(),
        st.lists(st.tuples(names().map(bytes.lower), values()), max_size=5),
        st.sampled_from([b"a.example", b"A.example:443", b"[::1]:80", b"a b", b"x@y"]),
        st.sampled_from([None, 0, 3, b"x"]),
        st.booleans(),
    )
    @example(b"GET", b"/", [(b"x-forwarded-for", b"a"), (b"x-forwarded-for", b"b")], b"a", None, True)
    @example(b"GET", b"/", [(b"expect", b"100-continue"), (b"authorization", b"b")], b"a", 3, False)
    def test_http1(
        self,
        method: bytes,
        target: bytes,
        lines: list[Header],
        host: bytes,
        length: int | bytes | None,
        end_stream: bool,
    ) -> None:
        """The reader of HTTP/1.1 makes the same of the same request, and of the one that a backend gets."""
        absent = FORBIDDEN | {b"te", b"host", b"content-length", b"cookie"}
        lines = [line for line in lines if line[0] not in absent and line[1] == line[1].strip(b" \t")]
        end_stream = end_stream and length in (None, 0)
        if length is not None:
            lines.append((b"content-length", b"%d" % length if isinstance(length, int) else length))
        fields = ((b":method", method), (b":scheme", b"https"), (b":authority", host), (b":path", target), *lines)
        found = outcome(of=fields, end_stream=end_stream)
        framed = [*lines]
        if length is None and not end_stream:
            framed.append((b"transfer-encoding", b"chunked"))
        elif length is None and method in (b"POST", b"PUT", b"PATCH"):
            framed.append((b"content-length", b"0"))
        expected = request_head(method, target, b"1.1", [(b"host", host), *framed], HeaderNames())
        self.assertEqual(without_version(found), without_version(expected))
        if isinstance(found, RequestHead):
            is_one_head(found)
