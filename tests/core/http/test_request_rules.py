"""What any version of HTTP asks of a request: here as a reader without Host headers and HTTP/1's framing would ask."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.header_names import HeaderNames, SortedLines
from agwtwisted.core.http.messages import MAX_TARGET, BadRequest, RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.request_rules import RequestFraming, fit_request

HTTP_2 = RequestFraming(version=b"2.0")


def fit(
    method: bytes = b"GET",
    target: bytes = b"/",
    authority: bytes = b"a.example",
    lines: tuple[Header, ...] = (),
    framing: RequestFraming | BadRequest = HTTP_2,
) -> RequestHead | BadRequest:
    """What becomes of a request of HTTP/2."""
    found = HeaderNames().sort(lines)
    assert isinstance(found, SortedLines)
    return fit_request(method, target, authority, found, framing, 7)


class FitTests(SynchronousTestCase):
    """Requests of another version than HTTP/1."""

    def test_fit(self) -> None:
        """Method, target and authority as they came, the lines by their names, the rest by the framing."""
        lines = ((b"user-agent", b"me"), (b"expect", b"100-Continue"), (b"x-forwarded-for", b"1"), (b"x-own", b"2"))
        head = fit(b"PUT", b"/a?b", b"A.example:443", lines)
        assert isinstance(head, RequestHead)
        self.assertEqual((head.method, head.target, head.host, head.version), (b"PUT", b"/a?b", "a.example", b"2.0"))
        self.assertEqual((head.authority, head.user_agent, head.forwarded_for), (b"A.example:443", b"me", b"1"))
        self.assertEqual((head.headers, head.expects_continue, head.size), ((lines[0], lines[3]), True, 7))

    def test_managed(self) -> None:
        """Names that only the gateway may say are dropped in this version, too."""
        head = fit(lines=((b"x-client-certificate", b"a"), (b"x-forwarded-proto", b"b"), (b"te", b"trailers")))
        assert isinstance(head, RequestHead)
        self.assertEqual(head.headers, ())

    def test_named_by_the_connection(self) -> None:
        """Names that the framing says to concern the connection are dropped."""
        framing = RequestFraming(version=b"1.1", hop_by_hop=frozenset((b"x-a",)))
        head = fit(lines=((b"X-A", b"a"), (b"X-B", b"b")), framing=framing)
        assert isinstance(head, RequestHead)
        self.assertEqual(head.headers, ((b"X-B", b"b"),))

    def test_unfit(self) -> None:
        """Method, host and target are refused before what is wrong with the framing."""
        bad_framing = BadRequest(400, ErrorInfo.INVALID_CONTENT_LENGTH)
        cases: list[tuple[dict[str, Any], BadRequest]] = [
            ({"method": b"TRACE"}, BadRequest(405, ErrorInfo.INVALID_METHOD_TRACE)),
            ({"method": b"CONNECT"}, BadRequest(405, ErrorInfo.INVALID_METHOD)),
            ({"method": b"get"}, BadRequest(400, ErrorInfo.INVALID_METHOD)),
            ({"authority": b"a b"}, BadRequest(400, ErrorInfo.INVALID_HOST)),
            ({"target": b"http://b/"}, BadRequest(400, ErrorInfo.INVALID_HOST)),
            ({"target": b"*"}, BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)),
            ({"target": b"/#"}, BadRequest(400, ErrorInfo.REQUEST_URI_INVALID)),
            ({"target": b"/" + b"a" * MAX_TARGET}, BadRequest(414, ErrorInfo.REQUEST_URI_INVALID)),
            ({}, bad_framing),
        ]
        for asked, expected in cases:
            self.assertEqual(fit(**asked, framing=bad_framing), expected, asked)
