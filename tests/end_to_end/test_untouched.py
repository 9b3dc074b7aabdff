"""What passes as it is: expectations and their answers, compressed bodies, large heads."""

from __future__ import annotations

import gzip
import tempfile
from contextlib import closing
from pathlib import Path

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Talk, answering, echo
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.end_to_end.test_streams import OK, StreamCase, get

LARGE = 32768 - 1000
"""Bytes of header lines that leave room for the few that a test does not count."""


def large_lines() -> list[str]:
    """Header lines that are as much as the gateway takes by default, about; one of them as long as a certificate."""
    return [f"X-Long: {'l' * 8000}", *(f"X-{number}: {'s' * 290}" for number in range((LARGE - 8000) // 300))]


def answering_at_once(status: int) -> Talk:
    """Answers with this status as soon as there is a head."""

    def talk(line: Line) -> None:
        if line.head():
            line.send(b"HTTP/1.1 %d Reason\r\nContent-Length: 3\r\n\r\n%d" % (status, status))
            line.rest()

    return talk


class ExpectationTests(StreamCase):
    """`Expect: 100-continue` is between the client and the server."""

    def curl(self, *words: str) -> str:
        """What curl prints, which waits for 100 Continue, and says at last how much it has sent."""
        call = self.gateway.call(self.scene.doors["strict"], "ecdsa", source=self.source)
        certificate, key = call.certificate or ("", "")
        base = ["curl", "--silent", "--show-error", "--cacert", call.trusted, "--cert", certificate, "--key", key]
        base += ["--interface", call.source, "--header", "Expect: 100-continue", "--data-binary", "the body"]
        base += ["--expect100-timeout", str(int(DEADLINE)), "--write-out", " %{size_upload}"]
        done = clients.run([*base, *words, f"https://localhost:{call.port}/"])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    @programs.needs("curl")
    def test_granted(self) -> None:
        """The server says when it wants the body, and has none of it before."""
        before: list[bytes] = []

        def granting(line: Line) -> None:
            if (head := line.head()) and head.get("expect"):
                before.append(bytes(line.received).partition(b"\r\n\r\n")[2])
                line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
                line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n", line.body(head))

        self.play(granting)
        self.assertEqual(self.curl(), "the body 8")
        self.assertEqual(before, [b""])

    @programs.needs("curl")
    def test_answered_at_once(self) -> None:
        """A server that answers without the body, be it 417 or anything else, is taken at its word: none is sent."""
        for status in (417, 401, 200):
            backend = self.play(answering_at_once(status))
            self.assertEqual(self.curl(), f"{status} 0")
            self.assertNotIn(b"the body", backend.received)

    def test_answered_at_once_without_curl(self) -> None:
        """Such an answer is the connection's last: what came next might be the body, or the next request."""
        self.play(answering_at_once(417))
        for door in ("strict", "plain"):
            line = self.connect(door)
            line.send(get("PUT", "Content-Length: 8\r\nExpect: 100-continue\r\n"))
            answer = line.response()
            self.assertEqual((answer.status, answer.get("connection")), (417, "close"))
            self.assertEqual(line.rest(), b"")

    def test_nothing_is_granted_by_the_gateway(self) -> None:
        """Before the server has said anything, the client hears nothing."""
        backend = self.play(Line.rest)
        line = self.connect("plain")
        line.send(get("PUT", "Content-Length: 8\r\nExpect: 100-continue\r\n"))
        wait_until(lambda: backend.received.endswith(b"\r\n\r\n"), "the server has the head")
        line.send(b"the body")
        wait_until(lambda: backend.received.endswith(b"the body"), "the server has the body")
        self.assertEqual(line.received, b"")


class CompressionTests(StreamCase):
    """Compressed bodies are bodies like others."""

    def test_both_ways(self) -> None:
        """The bytes of a compressed request reach the server, and those of a compressed answer the client."""
        zipped = gzip.compress(b"again and " * 10_000)
        # A server that closes says so: a POST on a kept connection that it is just closing would not be sent again.
        head = (
            "Content-Encoding: gzip",
            f"Content-Length: {len(zipped)}",
            "Vary: Accept-Encoding",
            "Connection: close",
        )
        said = "\r\n".join((*head, "", ""))
        backend = self.play(answering(b"HTTP/1.1 200 OK\r\n" + said.encode() + zipped))
        for door in ("strict", "plain"):
            backend.forget()
            line = self.connect(door)
            wanted = "Content-Encoding: gzip\r\nAccept-Encoding: gzip;q=1.0, br;q=0\r\n"
            line.send(get("POST", f"{wanted}Content-Length: {len(zipped)}\r\n"), zipped)
            answer = line.response()
            self.assertEqual((answer.get("content-encoding"), answer.get("vary")), ("gzip", "Accept-Encoding"))
            self.assertEqual(answer.body, zipped)
            sent, _, body = backend.received.partition(b"\r\n\r\n")
            self.assertEqual(body, zipped)
            for header in wanted.encode().split(b"\r\n"):
                self.assertIn(header, sent)


class LargeHeadTests(StreamCase):
    """Heads of 32 KB."""

    def test_request(self) -> None:
        """A request with as many headers as the gateway takes reaches the server whole."""
        self.play(echo)
        lines = large_lines()
        for door in ("strict", "plain"):
            line = self.connect(door)
            for _ in range(2):
                line.send(get(extra="".join(f"{each}\r\n" for each in lines)))
                came = line.response().body.decode().split("\r\n")
                self.assertEqual([each for each in came if each in set(lines)], lines)

    def test_response(self) -> None:
        """So does a response with as many reach the client."""
        lines = large_lines()
        head = "".join(f"{each}\r\n" for each in ("HTTP/1.1 200 OK", *lines, "Content-Length: 2"))
        self.play(answering(*[head.encode() + b"\r\nok"] * 2))
        for door in ("strict", "plain"):
            line = self.connect(door)
            for _ in range(2):
                line.send(get())
                answer = line.response()
                self.assertEqual([f"{name}: {value}" for name, value in answer.headers if name[:2] == "X-"], lines)
                self.assertEqual(answer.body, b"ok")

    @programs.needs("curl")
    def test_curl(self) -> None:
        """curl, too, sends and takes as many."""
        lines = large_lines()
        head = "".join(f"{each}\r\n" for each in ("HTTP/1.1 200 OK", *lines, "Content-Length: 2"))
        backend = self.play(answering(head.encode() + b"\r\nok"))
        with tempfile.NamedTemporaryFile() as file:
            Path(file.name).write_text("\n".join(lines))
            address = f"http://localhost:{self.scene.doors['plain']}/"
            done = clients.run(["curl", "--silent", "--include", "--header", f"@{file.name}", address])
        for line in lines:
            self.assertIn(line, done.stdout)
            self.assertIn(line.encode(), backend.received)

    def test_response_too_large(self) -> None:
        """A larger one is a 502, and the log says that this is why."""
        large = OK.replace(b"\r\n", b"\r\nX: " + b"l" * 33000 + b"\r\n", 1)
        (port,) = running.free_ports(1)
        with closing(Backend(answering(large))) as backend:
            # A gateway of its own: the log says no more than so much a minute about one server.
            text = gateway.gateway_section() + gateway.pool("app", backend.port)
            text += gateway.door("plain", port, protocol="Http")
            with gateway.running_gateway(text) as started, closing(clients.plain(port)) as line:
                line.send(get())
                self.assertEqual(line.response().status, 502)
                record = started.record(httpStatus=502)
                self.assertEqual(record["error_info"], "ERRORINFO_UPSTREAM_CLOSED_CONNECTION")
                said = f"127.0.0.1:{backend.port}: the head of the response is larger than max_header_bytes = 32768"
                wait_until(lambda: said in started.output, "the log says so")
                self.assertTrue(backend.line(0).ended.wait(DEADLINE))

    def test_request_too_large(self) -> None:
        """A larger request is a 400, and no byte of it reaches the server."""
        backend = self.play(echo)
        line = self.connect()
        line.send(get(extra="".join(f"{each}\r\n" for each in (*large_lines(), f"X: {'l' * 2000}"))))
        self.assertEqual(line.response().status, 400)
        self.assertEqual(backend.received, b"")
