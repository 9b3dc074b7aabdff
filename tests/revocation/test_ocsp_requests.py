"""What a responder may send over HTTP."""

from __future__ import annotations

import socket
from contextlib import closing

from twisted.internet.threads import deferToThread

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.revocation.ocsp import ProvenResponse
from agwtwisted.core.revocation.status import Unreachable, Unusable
from agwtwisted.revocation.ocsp_requests import by_get
from tests.end_to_end.lines import DEADLINE
from tests.ocsp_clients import (
    CONTENT_TYPE,
    DEVICE,
    ISSUER,
    OK,
    ClientCase,
    Timed,
    cut,
    http_body,
    ocsp_request,
    reactor,
)
from tests.responder import Asked, Responder, http


class HostileTests(ClientCase):
    """Responders that do not."""

    async def outcome(self, answer: bytes) -> object:
        """What becomes of an answer, sent as it stands; each time as if nothing had been asked before."""
        self.client = self.made(reactor)
        self.responder.say = lambda _: answer
        return await self.ask()

    async def test_other_answers(self) -> None:
        """Pages, encodings and errors are no answers."""
        for answer, words in (
            (http(b"", status=b"500 Oh"), "status 500"),
            (http(b"", b"Location: " + self.responder.url.encode(), status=b"303 See Other"), "status 303"),
            (http(b"<html>", content_type=b"text/html"), "content type"),
            (http(b"x", b"Content-Encoding: gzip"), "Content-Encoding"),
            (b"\x00\x01 nonsense\r\n\r\n", "does not speak HTTP"),
        ):
            self.assert_unreachable(await self.outcome(answer), words)
        self.assertEqual(len(self.responder.asked), 5)

    async def test_odd_answers(self) -> None:
        """Whatever comes in place of HTTP, the outcome is a value and nothing is logged."""
        body = b"\r\n" + b"x" * 10
        for answer in (
            OK + b"\r\n",
            OK + CONTENT_TYPE + b"Content-Length: -1\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: ten\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: 10\r\nContent-Length: 9\r\n" + body,
            OK + CONTENT_TYPE + b"Content-Length: 10\r\nTransfer-Encoding: gzip\r\n" + body,
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n",
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n",
            OK + b": \r\n\x00\xff" + body,
            OK + b"\xff\r\n" + CONTENT_TYPE + body,
            b"HTTP/1.1 \xff\r\n" + body,
            b"HTTP/1.1 99999999999 OK\r\n" + body,
            b"HTTP/1.1 -200 OK\r\n" + body,
            b"HTTP/1.1 101 Switching Protocols\r\n" + body,
            b"HTTP/1.1 204 No Content\r\n" + CONTENT_TYPE + body,
            b"HTTP/9.9 200 OK\r\n" + CONTENT_TYPE + body,
            b"ICY 200 OK\r\n" + CONTENT_TYPE + body,
            b"\r\n" * 100,
            OK + b"X-Header: " + b"x" * 1_000_000,
            b"\x16\x03\x01\x00\x05hello",
        ):
            self.client = self.made(reactor)
            self.responder.say = cut(self.responder, answer)
            self.assertIsInstance(await self.ask(), Unreachable | Unusable, answer)

    async def test_content_type(self) -> None:
        """The type may be written in capitals and have parameters; none at all, or a longer one, is another type."""
        body = http_body(self.responder.true_answer(ocsp_request(self.request)))
        for kind in (b"Application/OCSP-Response", b"application/ocsp-response ; charset=x"):
            self.assertIsInstance(await self.outcome(http(body, content_type=kind)), ProvenResponse)
        for kind in (b"", b"application/ocsp-response-not", b"application/ocsp-request"):
            self.assert_unreachable(await self.outcome(http(body, content_type=kind)), "content type")

    async def test_piece_by_piece(self) -> None:
        """An answer may come in any pieces."""
        whole = self.responder.true_answer(ocsp_request(self.request))

        def say(_: Asked) -> bytes:
            """Answers a few bytes at a time."""
            self.responder.lines[-1].socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in whole[:-1]:
                self.responder.lines[-1].send(bytes([octet]))
            return whole[-1:]

        self.responder.say = say
        self.assertIsInstance(await self.ask(), ProvenResponse)

    async def test_drop_by_drop(self) -> None:
        """However steadily the body drips, its time is over when the question's is."""
        clock = Timed()
        self.client = self.made(clock)
        self.responder.say = lambda _: None
        asked = self.ask(self.route(timeout=5))
        await deferToThread(self.responder.wait_for, 1)
        line = self.responder.lines[0]
        line.send(OK + CONTENT_TYPE + b"Content-Length: 1000\r\n\r\n")
        for _ in range(4):
            line.send(b"x")
            clock.advance(1)
            await deferToThread(lambda: None)  # the reactor turns
            self.assertFalse(asked.called)
        line.send(b"x")
        clock.advance(1)
        self.assert_unreachable(await asked, "no response in time")
        self.assertTrue(await deferToThread(line.ended.wait, DEADLINE))

    async def test_too_long(self) -> None:
        """A body that is too long is not read: announced, in chunks, or without an end; so are endless headers."""
        chunk = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
        for answer in (
            http(b"x" * 65537),
            OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 1000,
            OK + CONTENT_TYPE + b"\r\n" + b"x" * 10_000_000,
            OK + b"X-Header: x\r\n" * 1_000_000,
            b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
        ):
            self.assert_unreachable(await self.outcome(answer), "too long")

    async def test_a_little_too_long(self) -> None:
        """One octet more than 64 KB is too many, announced, before it comes, or in chunks, when it has come."""
        announced = OK + CONTENT_TYPE + b"Content-Length: 65537\r\n\r\n"
        chunked = OK + CONTENT_TYPE + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n" + b"x" * 65537 + b"\r\n0\r\n\r\n"
        for answer in (announced, chunked):
            self.client = self.made(reactor)
            self.responder.say = lambda _, answer=answer: answer
            self.assert_unreachable(await self.ask(), "too long")

    async def test_longest(self) -> None:
        """64 KB are not too long."""
        self.assertIsInstance(await self.outcome(http(b"x" * 65536)), Unusable)

    async def testcut(self) -> None:
        """An answer that ends before its end is none, wherever it is cut."""
        whole = self.responder.true_answer(ocsp_request(self.request))
        for size in (0, 10, whole.index(b"\r\n\r\n") + 4, len(whole) - 1):
            self.client = self.made(reactor)
            self.responder.say = cut(self.responder, whole[:size])
            self.assertIsInstance(await self.ask(), Unreachable)

    async def test_without_length(self) -> None:
        """Where the end of the connection is the end of the body, the response itself shows whether it is complete."""
        body = self.responder.true_answer(ocsp_request(self.request)).partition(b"\r\n\r\n")[2]
        for answer, expected in ((body, ProvenResponse), (body[:-1], Unusable)):
            self.client = self.made(reactor)
            self.responder.say = cut(self.responder, OK + CONTENT_TYPE + b"\r\n" + answer)
            self.assertIsInstance(await self.ask(), expected)


class MethodTests(ClientCase):
    """By GET or by POST."""

    async def test_get(self) -> None:
        """A short request goes by GET, in the path of the URL, with nothing that is not needed; the operator may forbid
        it.
        """
        self.assertIsInstance(await self.ask(self.route(by_get=True)), ProvenResponse)
        head = bytes(self.responder.lines[0].received).partition(b"\r\n\r\n")[0].split(b"\r\n")
        self.assertEqual([line.partition(b":")[0] for line in head[1:]], [b"Host", b"Accept"])
        self.assertRegex(self.responder.heads[0], r"^GET /[A-Za-z0-9%]+ HTTP/1.1$")
        self.assertIsInstance(await self.ask(self.route(by_get=False)), ProvenResponse)
        self.assertEqual(self.responder.heads[1], "POST / HTTP/1.1")

    async def test_no_get(self) -> None:
        """A responder that takes no GET is asked by POST at once, and then by POST alone; another one still by GET."""
        answers = self.responder.true_answer
        self.responder.say = lambda request: (
            http(b"", status=b"405 Method Not Allowed") if self.responder.heads[-1][0] == "G" else answers(request)
        )
        for _ in range(2):
            self.assertIsInstance(await self.ask(self.route(by_get=True)), ProvenResponse)
        self.assertEqual([head.partition(" ")[0] for head in self.responder.heads], ["GET", "POST", "POST"])
        with closing(Responder(ISSUER)) as other:
            other.knows(DEVICE)
            self.assertIsInstance(await self.ask(self.route(other.url, by_get=True)), ProvenResponse)
            self.assertEqual(other.heads[0].partition(" ")[0], "GET")

    async def test_neither(self) -> None:
        """Where a POST brings no answer either, that is the reason, and the responder may take a GET the next time."""
        self.responder.say = lambda _: http(b"", status=b"404 Not Found")
        for _ in range(2):
            self.assert_unreachable(await self.ask(self.route(by_get=True)), "404")
        self.assertEqual([head.partition(" ")[0] for head in self.responder.heads], ["GET", "POST"] * 2)

    async def test_no_second_time(self) -> None:
        """A responder that does not answer a GET is not asked by POST: its time is over."""
        self.responder.say = lambda _: None
        self.assert_unreachable(await self.ask(self.route(by_get=True, timeout=0.3)), "no response in time")
        self.assertEqual(len(self.responder.heads), 1)

    def test_urls(self) -> None:
        """The request is the last part of the path, encoded; 255 octets are short enough, a query is not the place."""
        asked = by_get(destination("http://a.example/ocsp"), b"\xff\xef\xbe")
        assert asked is not None
        self.assertEqual(asked.destination.url, "http://a.example/ocsp/%2F%2B%2B%2B")
        self.assertEqual((asked.destination.host, asked.method, asked.body), ("a.example", b"GET", b""))
        for length, is_short in ((255, True), (256, False)):
            path = "x" * (length - len("http://a.example//AAAA"))
            found = by_get(destination(f"http://a.example/{path}/"), b"\0\0\0")
            self.assertEqual(found is not None, is_short)
        self.assertIsNone(by_get(destination("http://a.example/?ocsp"), b"\0"))
