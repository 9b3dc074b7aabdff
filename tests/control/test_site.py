"""What the control API answers, over a real Unix socket."""

from __future__ import annotations

import json
import os
import socket
from contextlib import closing
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed

from agwtwisted._version import VERSION
from agwtwisted.cli.control import ControlPlace, NoGatewayError, ask
from agwtwisted.console.files import HEADERS, console_files
from agwtwisted.control.channel import BODY
from agwtwisted.control.site import ASK_TIMEOUT, UNDER_WAY
from agwtwisted.core.operations.measurements import Collected, Measurements
from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.core.operations.routes import ROUTES, Form
from agwtwisted.core.plan.changes import Changes
from agwtwisted.operations.late_imports import ReplacedError
from agwtwisted.reload import STOPPING, Rejected, Reloaded
from tests.control.sites import STATUS, SiteCase, received
from tests.sockets import until


class AnswerTests(SiteCase):
    """Paths and methods."""

    async def test_status(self) -> None:
        """GET /status: the members of the status, version and process."""
        answer = await self.exchange("GET", "/status")
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.members, {"version": VERSION, "pid": os.getpid(), **STATUS.members()})
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(answer.headers["cache-control"], "no-store")

    async def test_head(self) -> None:
        """HEAD is answered as GET, without the body."""
        answer = await self.exchange("HEAD", "/status")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertNotEqual(answer.headers["content-length"], "0")

    async def test_in_force(self) -> None:
        """POST /reload: 200 once the configuration is in force, with all that changed, and the warnings."""
        changes = Changes(added=("listener a",), changed=("gateway",), removed=("listener b",))
        self.outcome = Deferred()
        answer = Deferred.fromCoroutine(self.exchange("POST", "/reload"))
        await until(lambda: self.asked)
        self.assertNoResult(answer)
        done = Reloaded(generation=4, fingerprint="a", changes=changes, warnings=("WARNING w",), seconds=0.12345)
        self.outcome.callback(done)
        expected = {
            "outcome": "in_force",
            "generation": 4,
            "fingerprint": "a",
            "warnings": ["WARNING w"],
            "seconds": 0.123,
            "added": ["listener a"],
            "changed": ["gateway"],
            "removed": ["listener b"],
        }
        found = await answer
        self.assertEqual((found.status, found.members), (200, expected))

    async def test_rejected(self) -> None:
        """422 with every problem, where the configuration is not taken; 409 where the gateway stops."""
        members = {"outcome": "rejected", "generation": 3, "fingerprint": "f", "problems": ["one", "two"]}
        answer = await self.exchange("POST", "/reload")
        self.assertEqual((answer.status, answer.members), (422, members))
        self.outcome = succeed(Rejected(generation=3, fingerprint="f", problems=(STOPPING,)))
        answer = await self.exchange("POST", "/reload")
        self.assertEqual((answer.status, answer.members["problems"]), (409, [STOPPING]))

    async def test_reopen(self) -> None:
        """POST /log/reopen opens the logs anew."""
        answer = await self.exchange("POST", "/log/reopen")
        self.assertEqual((answer.status, answer.members, self.asked), (200, {"outcome": "reopened"}, ["reopen"]))

    async def test_questions(self) -> None:
        """Every route of a question asks the gateway that question, with the arguments of its path and its query."""
        for route in ROUTES:
            if not isinstance(route.asks, Question) or route.form is not Form.JSON:
                continue
            self.asked.clear()
            path = "/".join("a%2Fb" if each.startswith("{") else each for each in route.segments)
            query = "&".join(f"{name}=x+y" for name in route.query)
            answer = await self.exchange(route.method, f"/{path}{'?' if query else ''}{query}")
            self.assertEqual(answer.status, 200, route.path)
            self.assertEqual(answer.members, {"question": route.asks.value})
            expected = {each[1:-1]: "a/b" for each in route.segments if each.startswith("{")}
            self.assertEqual(self.asked, [(route.asks, expected | dict.fromkeys(route.query, "x y"))])

    async def test_metrics(self) -> None:
        """GET /metrics: text for Prometheus, and OpenMetrics where the client prefers that."""
        self.answers[Question.METRICS] = Measurements(Collected()).members()
        answer = await self.exchange("GET", "/metrics")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.headers["content-type"].startswith("text/plain; version="), answer.headers)
        answer = await self.exchange("GET", "/metrics", Accept="application/openmetrics-text")
        self.assertTrue(answer.headers["content-type"].startswith("application/openmetrics-text; "), answer.headers)
        self.assertTrue(answer.body.endswith(b"# EOF\n"), answer.body)

    async def test_explain(self) -> None:
        """POST /explain: the members of the body are the question."""
        answer = await self.exchange("POST", "/explain", b'{"listener": "a", "certificate": "PEM"}')
        self.assertEqual((answer.status, answer.members), (200, {"accepted": True}))
        self.assertEqual(self.asked, [("explain", {"listener": "a", "certificate": "PEM"})])

    async def test_body(self) -> None:
        """The members of a body are arguments, too."""
        answer = await self.exchange("POST", "/revocation/forget", b'{"serial": "0A", "issuer": null}')
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.asked, [(Question.FORGET, {"serial": "0A", "issuer": None})])

    async def test_no_json(self) -> None:
        """A body that is no JSON, or does not say so, is refused and asks nothing."""
        answer = await self.exchange("POST", "/revocation/forget", b"{}", Content_Type="text/plain")
        self.assertEqual(answer.status, 415)
        for body in (b"{", b"[]", b'{"no": 1}', b'{"serial": NaN}', b'{"serial":1,"serial":1}', b"[" * 60000, b"\xff"):
            answer = await self.exchange("POST", "/revocation/forget", body)
            self.assertEqual((answer.status, list(answer.members)), (400, ["error"]), body[:20])
        self.assertEqual(self.asked, [])

    async def test_errors_of_questions(self) -> None:
        """What is wrong with a question is answered with its status, whether it is raised or comes later."""
        self.answers[Question.CLIENTS] = QuestionError(400, "limit has to be less")
        answer = await self.exchange("GET", "/clients?limit=5000")
        self.assertEqual((answer.status, answer.members), (400, {"error": "limit has to be less"}))
        self.answers[Question.CLOSE] = later = Deferred[object]()
        waiting = Deferred.fromCoroutine(self.exchange("POST", "/connections/1-1/close"))
        await until(lambda: (Question.CLOSE, {"id": "1-1"}) in self.asked)
        later.errback(QuestionError(404, "no such connection"))
        self.assertEqual((await waiting).status, 404)

    async def test_defect(self) -> None:
        """A defect is answered with 500 and is in the log; nothing of it is in the answer."""
        self.answers[Question.BACKENDS] = ValueError("secret")
        answer = await self.exchange("GET", "/backends")
        self.assertEqual(answer.status, 500)
        self.assertNotIn(b"secret", answer.body)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    async def test_replaced(self) -> None:
        """What would take another version's modules is answered with 503, and with what to do; it is no defect."""
        self.answers[Question.BACKENDS] = ReplacedError("file", "agwtwisted.part")
        answer = await self.exchange("GET", "/backends")
        self.assertEqual(answer.status, 503)
        self.assertIn("start the gateway anew to use agwtwisted.part", answer.members["error"])

    async def test_defect_of_the_site(self) -> None:
        """A defect before a question is asked ends the connection, and is in the log."""
        with mock.patch("agwtwisted.control.site.matched", side_effect=ValueError("x")):
            self.assertEqual((await self.exchange("GET", "/backends")).status, 0)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual((await self.exchange("GET", "/backends")).status, 200)

    async def test_no_answer(self) -> None:
        """A question that is not answered in time is given up, with 504."""
        self.answers[Question.BACKENDS] = Deferred[object]()
        waiting = Deferred.fromCoroutine(self.exchange("GET", "/backends"))
        await until(lambda: self.asked)
        self.clock.advance(ASK_TIMEOUT)
        self.assertEqual((await waiting).status, 504)

    async def test_others(self) -> None:
        """Other paths and methods are refused, and ask nothing; the errors say what there is."""
        answer = await self.exchange("GET", "/nothing")
        self.assertEqual(answer.status, 404)
        self.assertIn("/status, /listeners", answer.members["error"])
        answer = await self.exchange("GET", "/reload")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST"))
        for method in ("OPTIONS", "PUT", "get", "TRACE"):
            answer = await self.exchange(method, "/status")
            self.assertEqual((answer.status, answer.headers["allow"]), (405, "GET"), method)
            self.assertFalse([each for each in answer.headers if each.startswith("access-control")])
        self.assertEqual(self.asked, [])

    async def test_client_that_leaves(self) -> None:
        """A client that does not wait for the answer changes nothing about the reload."""
        self.outcome = Deferred()
        client = self.client()
        client.sendall(b"POST /reload HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n")
        await until(lambda: self.asked)
        client.close()
        self.outcome.callback(Rejected(generation=3, fingerprint="f", problems=("one",)))
        await self.settled()
        self.assertEqual((await self.exchange("GET", "/status")).status, 200)

    async def test_clients_that_leave_their_questions(self) -> None:
        """Questions of clients that have left count until they are over; beyond the bound others get 503, no reload."""
        left = self.answers[Question.BACKENDS] = Deferred[object]()
        for number in range(UNDER_WAY):
            with closing(self.client()) as client:
                client.sendall(b"GET /backends HTTP/1.1\r\nHost: gateway\r\n\r\n")
                await until(lambda number=number: len(self.asked) > number)
        answer = await self.exchange("GET", "/listeners")
        self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
        self.assertEqual((await self.exchange("POST", "/reload")).status, 422)
        left.callback({})
        self.assertEqual((await self.exchange("GET", "/listeners")).status, 200)

    async def test_client_that_sends_no_more(self) -> None:
        """A client that half-closes behind its request, as `socat` does, gets the answer."""
        self.outcome = Deferred()
        with closing(self.client()) as client:
            client.sendall(b"POST /reload HTTP/1.1\r\nHost: gateway\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            await until(lambda: [each for each in self.site.connections.channels if each.gives_way])
            self.outcome.callback(Rejected(generation=3, fingerprint="f", problems=("one",)))
            self.assertTrue((await received(client)).startswith(b"HTTP/1.1 422 "))
            await self.settled()
        with closing(self.client()) as client:
            client.sendall(b"POST /reload HTTP/1.1\r\n")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(await received(client), b"")

    async def test_agw(self) -> None:
        """`agw` reads the answers."""
        found = await ask(reactor, ControlPlace(path=self.path), "GET", "/status")  # type: ignore[arg-type]
        self.assertEqual((found.status, found.members["generation"]), (200, 3))

    async def test_gone(self) -> None:
        """Nothing answers after the end."""
        self.served.stopService()
        with self.assertRaises(NoGatewayError) as caught:
            await ask(reactor, ControlPlace(path=self.path), "GET", "/status")  # type: ignore[arg-type]
        self.assertIn("No such file", str(caught.exception))


class ConsoleTests(SiteCase):
    """The files of the console."""

    async def test_files(self) -> None:
        """Each file is answered with its media type and the headers of all; /console/ is the page."""
        for name, file in {**console_files(), "": console_files()["index.html"]}.items():
            answer = await self.exchange("GET", f"/console/{name}")
            self.assertEqual((answer.status, answer.body), (200, file.content))
            self.assertEqual(answer.headers["content-type"], file.media_type)
            for header, value in HEADERS.items():
                self.assertEqual(answer.headers[header.lower()], value)

    async def test_root(self) -> None:
        """GET / leads to the page."""
        answer = await self.exchange("GET", "/")
        self.assertEqual((answer.status, answer.headers["location"]), (302, "/console/"))

    async def test_no_other_files(self) -> None:
        """Other names are no files, however they are spelled; the errors have the same headers."""
        names = ("../files.py", "..%2ffiles.py", "%2e%2e/files.py", "/etc/passwd", "index.html/", "INDEX.HTML")
        for name in (*names, "static/", "index.html%00", "//", "."):
            answer = await self.exchange("GET", f"/console/{name}")
            self.assertEqual(answer.status, 404, name)
            self.assertEqual(answer.headers["content-security-policy"], HEADERS["Content-Security-Policy"])
        self.assertEqual((await self.exchange("POST", "/console/")).status, 405)


class OwnerTests(SiteCase):
    """Who may ask on the Unix socket."""

    async def test_another_user(self) -> None:
        """A process of another user is refused, even where the socket's mode would let it in."""
        with (
            mock.patch("agwtwisted.control.access.os.geteuid", return_value=12345),
            mock.patch("agwtwisted.control.access.struct.unpack", return_value=(1, 4711, 1)),
        ):
            answers = [await self.exchange("POST", "/reload"), await self.exchange("GET", "/console/")]
        self.assertEqual(([each.status for each in answers], self.asked), ([403, 403], []))
        self.assertIn("owner", answers[0].members["error"])

    async def test_root(self) -> None:
        """Root may ask a gateway of any user."""
        with (
            mock.patch("agwtwisted.control.access.os.geteuid", return_value=12345),
            mock.patch("agwtwisted.control.access.struct.unpack", return_value=(1, 0, 0)),
        ):
            answer = await self.exchange("GET", "/status")
        self.assertEqual(answer.status, 200)


class SmugglingTests(SiteCase):
    """Requests that are meant to be more than one, or none."""

    async def test_second_request(self) -> None:
        """What comes behind a request is no request, be it behind a body or at once."""
        body = b'{"serial": "0A"}'
        head = b"Host: g\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        reload = b"POST /reload HTTP/1.1\r\nHost: g\r\n\r\n"
        data = await self.raw(b"POST /revocation/forget HTTP/1.1\r\n" + head + body + reload)
        self.assertEqual(data.count(b"HTTP/1.1 "), 1)
        self.assertEqual(self.asked, [(Question.FORGET, {"serial": "0A"})])
        self.assertEqual((await self.raw(b"GET /status HTTP/1.1\r\nHost: g\r\n\r\n" + reload)).count(b"HTTP/1.1 "), 1)
        self.assertEqual(len(self.asked), 1)

    async def test_two_lengths(self) -> None:
        """Two lengths, or a length and a coding, are no request; lines behind a wrong one are none either."""
        wrong = (
            b"Content-Length: 3\r\nContent-Length: 3\r\n",
            b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
            b"Content-Length: +3\r\n",
            b"Transfer-Encoding: gzip, chunked\r\n",
            b"Host : x\r\n",
            b"no header\r\n",
            b"X: a\0b\r\n",
        )
        for lines in wrong:
            data = await self.raw(b"POST /reload HTTP/1.1\r\n" + lines + b"Host: g\r\n\r\nabc")
            self.assertTrue(data.startswith(b"HTTP/1.1 400 "), lines)
            self.assertEqual(data.count(b"HTTP/1.1 "), 1, lines)
            self.assertEqual(json.loads(data.partition(b"\r\n\r\n")[2]), {"error": "this is no request of HTTP/1.1"})
        self.assertEqual(self.asked, [])

    async def test_absolute_target(self) -> None:
        """A target with another host is no path."""
        self.assertEqual((await self.exchange("GET", "http://evil/status")).status, 404)


class BoundsTests(SiteCase):
    """Sizes."""

    async def test_large_body(self) -> None:
        """A body that is too long, or of unknown length, is refused by its head; the client can read why."""
        head = b"POST /reload HTTP/1.1\r\nHost: gateway\r\nExpect: 100-continue\r\n"
        with closing(self.client()) as client:
            client.sendall(head + b"Content-Length: %d\r\n\r\n" % (BODY + 1))
            await until(lambda: self.site.connections.channels)
            data = await self.raw(head + b"Content-Length: %d\r\n\r\n" % (BODY + 1) + b"x" * (BODY + 1))
        self.assertTrue(data.startswith(b"HTTP/1.1 413 "), data[:40])
        self.assertIn(b"of at most 98304", data)
        data = await self.raw(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertTrue(data.startswith(b"HTTP/1.1 411 "), data[:40])
        self.assertEqual(self.asked, [])

    async def test_largest_body(self) -> None:
        """One of 64 KB is read, a certificate with its chain in it."""
        body = b'{"issuer": "%s"}' % (b"x" * (BODY - 14))
        self.assertEqual(len(body), BODY)
        self.assertEqual((await self.exchange("POST", "/revocation/forget", body)).status, 200)

    async def test_large_head(self) -> None:
        """Endless header lines are no request."""
        received = await self.raw(b"GET /status HTTP/1.1\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 100 + b"\r\n")
        self.assertTrue(received.startswith(b"HTTP/1.1 400 "), received[:40])
        received = await self.raw(b"GET /status HTTP/1.1\r\n" + b"X: x\r\n" * 200 + b"\r\n")
        self.assertTrue(received.startswith(b"HTTP/1.1 400 "), received[:40])
        received = await self.raw(b"GET /" + b"x" * 20000)
        self.assertNotIn(b" 200 ", received)
