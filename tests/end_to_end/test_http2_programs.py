"""HTTP/2 by clients that others have written: curl, nghttp, h2load, HAProxy, Java, Node and Go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import unittest
from pathlib import Path
from typing import Any

from tests import EXAMPLES, running
from tests.end_to_end import brokers, clients, gateway, java
from tests.end_to_end.clients import Call
from tests.end_to_end.http2 import PIECE, Http2Case
from tests.programs import needs, path_of

HERE = Path(__file__).parent

WRITTEN = "%{http_version} %{http_code}"
"""What curl prints after an answer."""


class CurlTests(Http2Case):
    """curl, on libnghttp2."""

    def curl(self, door: str, path: str, *words: str, certificate: str = "", given: bytes = b"") -> tuple[str, str]:
        """Its answer: the body, and how it came."""
        call = self.gateway.call(self.scene.doors[door], certificate)
        options = ["curl", "--silent", "--show-error", "--http2", "--cacert", call.trusted, "--max-time", "60"]
        if call.certificate:
            options += ["--cert", call.certificate[0], "--key", call.certificate[1]]
        done = clients.run([*options, "--write-out", f"\n{WRITTEN}", *words, url(call, path)], given)
        body, _, how = done.stdout.rpartition("\n")
        self.assertEqual(done.stderr, "")
        return body, how

    @needs("curl")
    def test_requests(self) -> None:
        """A certificate, a body of known and of unknown length, HEAD, 204, 103, and a large answer."""
        body, how = self.curl("strict", "/", certificate="ecdsa")
        self.assertEqual(how, "2 200")
        self.assertIn(["X-Client-Certificate-Subject", "CN=ecdsa device"], json.loads(body)["headers"])
        content = PIECE * 20
        for words in (("--data-binary", "@-"), ("--upload-file", "-")):
            body, how = self.curl("open", "/", *words, given=content)
            self.assertEqual((json.loads(body)["size"], how), (len(content), "2 200"))
        for path, words, answer in (
            ("/head", ("--head",), "2 200"),
            ("/204", (), "2 204"),
            ("/304", (), "2 304"),
            ("/hints", (), "2 200"),
            ("/old", (), "2 302"),
            ("/nothing/here", ("--request", "DELETE"), "2 200"),
        ):
            self.assertEqual(self.curl("mixed", path, *words)[1], answer, path)
        self.assertEqual(len(self.curl("open", "/bytes/1000000")[0]), 1_000_000)

    @needs("curl")
    def test_page(self) -> None:
        """Who has no certificate reads the page of `refusal = Http400`."""
        body, how = self.curl("http400", "/")
        self.assertEqual(how, "2 400")
        self.assertIn("No required SSL certificate was sent", body)


def url(call: Call, path: str) -> str:
    """The URL of a door."""
    return f"https://localhost:{call.port}{path}"


class NghttpTests(Http2Case):
    """nghttp and h2load, the clients of nghttp2."""

    def call(self, door: str, certificate: str = "") -> tuple[Call, list[str]]:
        """A call, and the words for its certificate."""
        call = self.gateway.call(self.scene.doors[door], certificate)
        words = [f"--cert={call.certificate[0]}", f"--key={call.certificate[1]}"] if call.certificate else []
        return call, words

    @needs("nghttp")
    def test_nghttp(self) -> None:
        """Several requests on one connection, with a body, trailers and an expectation."""
        call, words = self.call("strict", "ecdsa")
        paths = [url(call, path) for path in ("/1", "/2", "/chunks", "/bytes/100000", "/hints")]
        done = clients.run(["nghttp", "--no-verify-peer", "--stat", "--null-out", *words, *paths])
        found = re.findall(r"(?m)^ *\d+ .* (\d{3}) +\S+ (/\S*)$", done.stdout)
        self.assertEqual(
            {path: status for status, path in found},
            dict.fromkeys(("/1", "/2", "/chunks", "/bytes/100000", "/hints"), "200"),
            done.stdout + done.stderr,
        )
        content = self.gateway.directory / "content"
        content.write_bytes(PIECE * 20)
        options = [f"--data={content}", "--trailer=x-sum: 7", "--expect-continue", "--no-content-length"]
        done = clients.run(["nghttp", "--no-verify-peer", *options, *words, url(call, "/")])
        self.assertEqual(json.loads(done.stdout)["size"], len(PIECE) * 20, done.stderr)

    @needs("h2load")
    def test_h2load(self) -> None:
        """Many streams on several connections are all answered."""
        call, words = self.call("open")
        done = clients.run(["h2load", "-n", "400", "-c", "4", "-m", "50", *words, url(call, "/")])
        self.assertIn("400 total, 400 started, 400 done, 400 succeeded, 0 failed", done.stdout)
        self.assertIn("status codes: 400 2xx", done.stdout)


HAPROXY = """
frontend ahead
    mode http
    bind 127.0.0.1:{port}
    default_backend gateway
backend gateway
    mode http
    http-reuse always
    server one 127.0.0.1:{to} send-proxy-v2 ssl alpn h2 sni str(localhost) verify none crt {directory}/haproxy.pem
"""


class ProxyTests(Http2Case):
    """A proxy ahead of the gateway, which speaks HTTP/2 to it."""

    @needs("haproxy", "curl")
    def test_haproxy(self) -> None:
        """HAProxy's requests come by HTTP/2 behind a PROXY header, and the log has its client's address."""
        (port,) = running.free_ports(1)
        place = Path(self.mktemp()).absolute()
        place.mkdir()
        credential = gateway.certificates()["ecdsa"]
        (place / "haproxy.pem").write_bytes(credential.chain_pem + credential.key_pem)
        configuration = HAPROXY.format(port=port, to=self.scene.doors["behind"], directory=place)
        source = clients.fresh_source()
        with brokers.haproxy(place, configuration, port):
            words = ["curl", "--silent", "--interface", source, f"http://127.0.0.1:{port}/behind-haproxy"]
            answer = json.loads(clients.run(words).stdout)
        self.assertIn(["X-Client-Certificate-Subject", "CN=ecdsa device"], answer["headers"])
        record = self.gateway.record(requestUri="/behind-haproxy")
        self.assertEqual((record["clientIP"], record["httpVersion"]), (source, "HTTP/2.0"))


class OtherProgramTests(Http2Case):
    """Clients in Java, Node and Go: each asks fifty times at once on one connection, and sends a body."""

    def answer(self, words: list[str], door: str, certificate: str = "") -> dict[str, Any]:
        """What a program prints."""
        call = self.gateway.call(self.scene.doors[door], certificate)
        done = clients.run([*words, str(call.port), call.trusted, *(call.certificate or ())])
        self.assertEqual(done.stderr, "")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    @needs("javac")
    def test_java(self) -> None:
        """java.net.http.HttpClient."""
        call = self.gateway.call(self.scene.doors["strict"], "ecdsa", version="1.3")
        with java.client(call) as client:
            answer = client.many(call.port)
        self.assertEqual(answer.status, 200, answer)
        counted, _, body = answer.body.partition(' {"')
        self.assertEqual(counted, "{HTTP_2 200=52}")
        self.assertEqual(json.loads('{"' + body)["size"], 300_000)

    @needs("node")
    def test_node(self) -> None:
        """Node's module http2."""
        answer = self.answer(["node", str(HERE / "http2_client.js")], "strict", "ecdsa")
        self.assertEqual(
            answer,
            {
                "many": [[200, f"GET /{number} HTTP/1.1"] for number in range(50)],
                "sizes": [300_000, 300_000],
                "interim": [103],
                "large": 1_000_000,
                "subject": [["X-Client-Certificate-Subject", "CN=ecdsa device"]],
            },
        )

    @needs("go")
    @unittest.skipUnless(EXAMPLES, "Go compiles its library first: make explore")
    def test_go(self) -> None:
        """net/http of Go."""
        program = Path(self.mktemp()).absolute()
        go = path_of("go")
        assert go
        environment = {**running.environment(), "GO111MODULE": "off", "HOME": os.environ.get("HOME", "/root")}
        source = str(HERE / "http2_client.go")
        subprocess.run([go, "build", "-o", str(program), source], check=True, env=environment, timeout=running.PATIENCE)
        self.assertEqual(
            self.answer([str(program)], "strict", "ecdsa"),
            {
                "proto": "HTTP/2.0",
                "many": ["GET /many HTTP/1.1"] * 50,
                "sizes": [300_000, 300_000],
                "interim": [103],
                "large": 1_000_000,
                "head": 200,
                "subject": ["CN=ecdsa device"],
            },
        )
