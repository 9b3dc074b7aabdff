"""HTTP through the gateway, to servers that others have written: nginx and gunicorn."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests import programs, running
from tests.end_to_end import backends, clients, gateway
from tests.end_to_end.clients import Call
from tests.end_to_end.lines import Line

BODY = bytes(range(256)) * 1024
DIGEST = f"{len(BODY)} {hashlib.sha256(BODY).hexdigest()}".encode()


@contextmanager
def directory() -> Iterator[Path]:
    """A directory for a backend."""
    path = Path(tempfile.mkdtemp(prefix="agw-backend-"))
    yield path
    shutil.rmtree(path)


@contextmanager
def nginx_stage() -> Iterator[gateway.Scene]:
    """A strict door before nginx, which serves some files; and one before a pool whose first server is down."""
    doors = dict(zip(("strict", "half-dead"), running.free_ports(2), strict=True))
    with directory() as files:
        for number in range(20):
            (files / f"{number}.txt").write_text(f"file {number}")
        (files / "large").write_bytes(BODY)
        with backends.nginx(files) as port:
            (dead,) = running.free_ports(1)
            text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", port)
            text += gateway.pool("half", dead, port)
            text += gateway.door("strict", doors["strict"], "strict")
            text += gateway.door("half-dead", doors["half-dead"], "strict", to="half")
            with gateway.running_gateway(text) as started:
                yield gateway.Scene(gateway=started, doors=doors, backend=files)


@contextmanager
def gunicorn_stage() -> Iterator[gateway.Scene]:
    """A strict and a passthrough door before gunicorn."""
    doors = dict(zip(("strict", "passthrough"), running.free_ports(2), strict=True))
    with directory() as files, backends.gunicorn(files) as port:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", port)
        text += "".join(gateway.door(name, doors[name], name) for name in doors)
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors)


class ProxyCase(gateway.SceneCase):
    """What the tests of both backends use."""

    def call(self, door: str = "strict") -> Call:
        """A call with a valid certificate."""
        return self.gateway.call(self.scene.doors[door], "ecdsa")

    def connect(self, door: str = "strict") -> Line:
        """A connection with a valid certificate."""
        line = clients.encrypted(self.call(door))
        self.addCleanup(line.close)
        return line

    def curl(self, *words: str, path: str = "/", given: bytes = b"") -> str:
        """What curl prints."""
        call = self.call()
        certificate, key = call.certificate or ("", "")
        trust = ["curl", "--silent", "--show-error", "--cacert", call.trusted, "--cert", certificate, "--key", key]
        done = clients.run([*trust, *words, f"https://localhost:{call.port}{path}"], given)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


@programs.needs("nginx")
class NginxTests(ProxyCase):
    """Requests that nginx answers."""

    stage = staticmethod(nginx_stage)

    def test_keep_alive_both_ways(self) -> None:
        """A client's requests share its connection, and those of several clients share one to the backend."""
        seen = set()
        for _ in range(3):
            line = self.connect()
            for _ in range(5):
                line.send(get("/connection"))
                seen.add(line.response().body)
            line.close()
        self.assertEqual(len({answer.split()[0] for answer in seen}), 1)
        self.assertEqual(len(seen), 15)

    def test_pipelining(self) -> None:
        """Requests sent at once are answered in their order."""
        line = self.connect()
        line.send(*(get(f"/{number}.txt") for number in range(20)))
        self.assertEqual([line.response().body for _ in range(20)], [b"file %d" % number for number in range(20)])

    def test_pipelining_of_every_kind(self) -> None:
        """Answers with and without a body keep their order and their framing."""
        line = self.connect()
        line.send(get("/large", "HEAD"), get("/1.txt"), get("/nothing"), get("/2.txt"), get("/missing"), get("/3.txt"))
        head = line.response(to_head=True)
        self.assertEqual((head.status, head.get("content-length")), (200, str(len(BODY))))
        self.assertEqual(line.response().body, b"file 1")
        self.assertEqual(line.response().status, 204)
        self.assertEqual(line.response().body, b"file 2")
        self.assertEqual(line.response().status, 404)
        self.assertEqual(line.response().body, b"file 3")

    def test_not_modified(self) -> None:
        """A 304 has no body, and the connection goes on."""
        line = self.connect()
        line.send(get("/1.txt"))
        tag = line.response().get("etag")
        line.send(get("/1.txt", extra=f"If-None-Match: {tag}\r\n"), get("/2.txt"))
        unchanged = line.response()
        self.assertEqual((unchanged.status, unchanged.get("etag")), (304, tag))
        self.assertEqual(line.response().body, b"file 2")

    def test_ranges(self) -> None:
        """A part of a file comes as the backend cut it."""
        line = self.connect()
        line.send(get("/large", extra="Range: bytes=1000-1999\r\n"))
        answer = line.response()
        self.assertEqual((answer.status, answer.body), (206, BODY[1000:2000]))

    def test_compressed(self) -> None:
        """A client that takes gzip gets nginx's own bytes, in chunks; one that does not gets the file."""
        line = self.connect()
        line.send(get("/zipped", extra="Accept-Encoding: gzip\r\n"), get("/zipped"))
        zipped = line.response()
        self.assertEqual((zipped.get("content-encoding"), zipped.get("transfer-encoding")), ("gzip", "chunked"))
        self.assertLess(len(zipped.body), len(BODY))
        self.assertEqual(gzip.decompress(zipped.body), BODY)
        plain = line.response()
        self.assertEqual((plain.get("content-encoding"), plain.body), ("", BODY))

    def test_connection_close(self) -> None:
        """A client that says close gets its answer and the end, and the backend's connection is used again."""
        before = self.connect()
        before.send(get("/connection"))
        connection = before.response().body.split()[0]
        line = self.connect()
        line.send(get("/connection", extra="Connection: close\r\n"))
        answer = line.response()
        self.assertEqual(answer.get("connection"), "close")
        self.assertEqual(answer.body.split()[0], connection)
        self.assertEqual(line.rest(), b"")

    def test_http_1_0(self) -> None:
        """HTTP/1.0 closes after its answer, unless the client asks to keep the connection."""
        line = self.connect()
        line.send(b"GET /1.txt HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
        answer = line.response()
        self.assertEqual((answer.get("connection"), answer.body), ("keep-alive", b"file 1"))
        line.send(b"GET /2.txt HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = line.response()
        self.assertEqual((answer.get("connection"), answer.body), ("close", b"file 2"))
        self.assertEqual(line.rest(), b"")

    def test_hop_by_hop_headers_stay(self) -> None:
        """What a client says of its own connection, the backend does not hear."""
        line = self.connect()
        line.send(get("/headers", extra="Connection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=1\r\nTE: trailers\r\n"))
        self.assertEqual(line.response().body, b"localhost|keep-alive|CN=ecdsa device")

    def test_methods_that_are_not_forwarded(self) -> None:
        """CONNECT and TRACE are answered by the gateway."""
        for method in ("CONNECT", "TRACE"):
            line = self.connect()
            line.send(get("localhost:443" if method == "CONNECT" else "/", method))
            self.assertEqual(line.response().status, 405)

    def test_server_that_is_down(self) -> None:
        """Of a pool the next server is asked when one does not answer: no client sees the difference."""
        line = self.connect("half-dead")
        for number in range(6):
            line.send(get(f"/{number}.txt"))
            self.assertEqual(line.response().body, b"file %d" % number)

    @programs.needs("curl")
    def test_curl(self) -> None:
        """curl gets a file whole, on one connection for several of them, in HTTP/1.0 and from a position on."""
        self.assertEqual(self.curl(path="/large").encode("latin-1"), BODY)
        self.assertEqual(self.curl("--http1.0", path="/large").encode("latin-1"), BODY)
        self.assertEqual(self.curl("--continue-at", "1000", path="/large").encode("latin-1"), BODY[1000:])
        counted = self.curl("--write-out", " %{num_connects}\n", path="/[1-3].txt")
        self.assertEqual(counted.split("\n"), ["file 1 1", "file 2 0", "file 3 0", ""])

    def test_log(self) -> None:
        """A line of the log has sizes, server and route."""
        call = self.call()
        with closing(clients.encrypted(call)) as line:
            line.send(get("/large?a=b"))
            line.response()
        record = self.gateway.record(clientIP=call.source)
        self.assertEqual(record["requestQuery"], "a=b")
        self.assertEqual((record["requestUri"], record["originalRequestUriWithArgs"]), ("/large", ""))
        self.assertEqual((record["ruleName"], record["backendPoolName"]), ("strict", "app"))
        self.assertEqual(record["serverStatus"], "200")
        self.assertGreater(record["sentBytes"], len(BODY))


class GunicornTests(ProxyCase):
    """Requests that gunicorn answers."""

    stage = staticmethod(gunicorn_stage)

    def test_body_with_a_length(self) -> None:
        """A body of known length arrives as it was."""
        line = self.connect()
        for _ in range(2):
            line.send(get("/digest", "POST", extra=f"Content-Length: {len(BODY)}\r\n"), BODY)
            self.assertEqual(line.response().body, DIGEST)

    def test_chunked_body(self) -> None:
        """A body in chunks, of whatever sizes, with extensions and trailers, arrives as it was."""
        line = self.connect()
        for size in (1, 7, 4096, len(BODY)):
            body = BODY if size > 7 else BODY[:1000]
            chunks = [body[at : at + size] for at in range(0, len(body), size)]
            line.send(get("/digest", "POST", extra="Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n"))
            line.send(*(b"%x;name=value\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks))
            line.send(b"0\r\nX-Sum: 1\r\n\r\n")
            expected = f"{len(body)} {hashlib.sha256(body).hexdigest()}".encode()
            self.assertEqual(line.response().body, expected)

    def test_body_in_single_bytes(self) -> None:
        """A request that comes byte by byte is the same request."""
        line = self.connect()
        head = get("/digest", "POST", extra="Transfer-Encoding: chunked\r\n")
        for byte in head + b"5\r\nhello\r\n3\r\nyou\r\n0\r\n\r\n":
            line.send(bytes([byte]))
        self.assertEqual(line.response().body, f"8 {hashlib.sha256(b'helloyou').hexdigest()}".encode())

    def test_chunked_answer(self) -> None:
        """An answer in chunks is whole, and the connection goes on."""
        line = self.connect()
        line.send(get("/chunks"), get("/chunks"))
        for _ in range(2):
            answer = line.response()
            self.assertEqual(answer.get("transfer-encoding"), "chunked")
            self.assertEqual(answer.body, b"".join(b"%05d\n" % number for number in range(2000)))

    def test_chunked_answer_for_http_1_0(self) -> None:
        """A client of HTTP/1.0 gets the same bytes without chunks, and the end of the connection for their end."""
        line = self.connect()
        line.send(b"GET /chunks HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n")
        answer = line.response()
        self.assertEqual((answer.get("transfer-encoding"), answer.get("connection")), ("", "close"))
        self.assertEqual(answer.body, b"".join(b"%05d\n" % number for number in range(2000)))

    def test_head_and_304(self) -> None:
        """HEAD and 304 end at their heads, whatever those say of a body."""
        line = self.connect()
        line.send(get("/chunks", "HEAD"), get("/unchanged"), get("/chunks"))
        self.assertEqual(line.response(to_head=True).status, 200)
        self.assertEqual(line.response().status, 304)
        self.assertEqual(len(line.response().body), 12000)

    def test_expectation(self) -> None:
        """A client that waits for 100 Continue gets the backend's, and then sends its body."""
        line = self.connect()
        for _ in range(2):
            line.send(get("/digest", "POST", extra=f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n"))
            self.assertEqual(line.response().status, 100)
            line.send(BODY)
            self.assertEqual(line.response().body, DIGEST)

    @programs.needs("curl")
    def test_curl(self) -> None:
        """curl uploads with a length and in chunks, waits for 100 Continue, and sends a form."""
        self.assertEqual(self.curl("--upload-file", "-", path="/digest", given=BODY).encode(), DIGEST)
        words = ("--header", "Expect: 100-continue", "--data-binary", "@-")
        self.assertEqual(self.curl(*words, path="/digest", given=BODY).encode(), DIGEST)
        words = ("--header", "Transfer-Encoding: chunked", "--data-binary", "@-")
        self.assertEqual(self.curl(*words, path="/digest", given=BODY).encode(), DIGEST)
        self.assertRegex(self.curl("--form", "a=b", path="/digest"), "^1[0-9]{2} ")

    def variables(self, door: str, extra: str) -> dict[str, str]:
        """The request's variables as a WSGI application sees them: it takes ``-`` and ``_`` in names for the same."""
        line = self.connect(door)
        line.send(get("/", extra=extra))
        return dict(each.split("=", 1) for each in line.response().body.decode().split("\n"))

    def test_who_the_client_is(self) -> None:
        """The application learns who the client is from the gateway, whatever the client says of itself."""
        forged = "".join(
            f"{name}: forged\r\n"
            for name in (
                "X_Client_Certificate_Subject",
                "X-Client_Certificate-Verification",
                "X_Forwarded_Proto",
                "x-client-certificate-issuer",
                "X.Client.Certificate.Serial",
                "X_Appgw_Trace_Id",
            )
        )
        variables = self.variables("strict", forged + "X-Forwarded-For: 192.0.2.1\r\n")
        self.assertNotIn("forged", variables.values())
        self.assertEqual(variables["HTTP_X_CLIENT_CERTIFICATE_SUBJECT"], "CN=ecdsa device")
        self.assertEqual(variables["HTTP_X_CLIENT_CERTIFICATE_VERIFICATION"], "SUCCESS")
        self.assertEqual(variables["HTTP_X_FORWARDED_PROTO"], "https")
        self.assertEqual(variables["HTTP_X_FORWARDED_PORT"], str(self.scene.doors["strict"]))
        self.assertRegex(variables["HTTP_X_FORWARDED_FOR"], r"^192\.0\.2\.1, 127\.1\.\d+\.\d+:\d+$")
        self.assertEqual(variables["HTTP_X_ORIGINAL_HOST"], "localhost")

    def test_nobody_verified(self) -> None:
        """On a passthrough door the application hears no subject, neither the certificate's nor a forged one."""
        forged = "X-Client-Certificate-Subject: a\r\nX_Client_Certificate_Subject: b\r\n"
        variables = self.variables("passthrough", forged)
        self.assertNotIn("HTTP_X_CLIENT_CERTIFICATE_SUBJECT", variables)
        self.assertEqual(variables["HTTP_X_CLIENT_CERTIFICATE_VERIFICATION"], "PASSTHROUGH")


def get(target: str, method: str = "GET", extra: str = "") -> bytes:
    """A request's head."""
    return f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode()
