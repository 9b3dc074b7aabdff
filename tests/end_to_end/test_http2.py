"""HTTP/2 through the gateway: requests and responses, translated for a server that speaks HTTP/1.1."""

from __future__ import annotations

import json
from contextlib import closing

from tests.end_to_end import clients
from tests.end_to_end.http2 import PIECE, Http2Case
from tests.http2_clients import PREFACE, get

CANCEL, INTERNAL_ERROR, PROTOCOL_ERROR = 8, 2, 1


class RequestTests(Http2Case):
    """What the server gets."""

    def test_methods(self) -> None:
        """Requests of every method arrive with their path, host and fields, several at once."""
        client = self.client("open")
        methods = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
        asked = {method: client.request("/a%20b?c=d", ("x-one", "1"), method=method) for method in methods}
        for method, response in asked.items():
            told = self.told(client.finished(response))
            self.assertEqual(told.start, f"{method} /a%20b?c=d HTTP/1.1")
            self.assertEqual((told.all("host"), told.all("x-one")), (["localhost"], ["1"]))

    def test_bodies(self) -> None:
        """Bodies of all sizes arrive, by Content-Length where the client gives it, else chunked."""
        client = self.client("open")
        for size in (0, 1, 16_384, 65_535, 65_536, 300_000):
            body = (PIECE * 19)[:size]
            told = self.told(client.fetch("/", ("content-length", str(size)), method="POST", body=body))
            self.assertEqual((told.size, told.sum), (size, sum(body)))
            self.assertEqual((told.all("content-length"), told.all("transfer-encoding")), ([str(size)], []))
            told = self.told(client.fetch("/", method="POST", body=body))
            self.assertEqual((told.size, told.sum), (size, sum(body)))
            self.assertEqual((told.all("content-length"), told.all("transfer-encoding")), ([], ["chunked"]))

    def test_no_body(self) -> None:
        """A request that ends with its fields has no body; a POST says so by its length, as over HTTP/1.1."""
        client = self.client("open")
        told = self.told(client.fetch("/"))
        self.assertEqual((told.size, told.all("content-length"), told.all("transfer-encoding")), (0, [], []))
        told = self.told(client.fetch("/", method="POST"))
        self.assertEqual((told.size, told.all("content-length"), told.all("transfer-encoding")), (0, ["0"], []))

    def test_length_is_wrong(self) -> None:
        """A body that is longer or shorter than its Content-Length resets the stream; the connection goes on."""
        client = self.client("open")
        for body in (b"longer", b"x"):
            response = client.fetch("/", ("content-length", "2"), method="POST", body=body)
            self.assertEqual(response.reset, PROTOCOL_ERROR)
        self.told(client.fetch("/"))

    def test_trailers(self) -> None:
        """Trailers end a body, and none becomes a header of the request; one with a managed name resets the stream."""
        client = self.client("open")
        response = client.request("/", ("trailer", "x-sum"), method="POST", body=b"body", end=False)
        client.trailers(response, [("x-sum", "7")])
        told = self.told(client.finished(response))
        self.assertEqual((told.size, told.all("x-sum")), (4, []))
        response = client.request("/", method="POST", body=b"body", end=False)
        client.trailers(response, [("x-client-certificate-subject", "CN=forged")])
        self.assertEqual(client.finished(response).reset, PROTOCOL_ERROR)

    def test_cookies(self) -> None:
        """Crumbs of a cookie are one header (RFC 9113, section 8.2.3)."""
        client = self.client("open")
        told = self.told(
            client.fetch("/", ("cookie", "a=1"), ("x-between", "1"), ("cookie", "b=2; c=3"), ("cookie", "d=4"))
        )
        self.assertEqual(told.all("cookie"), ["a=1; b=2; c=3; d=4"])

    def test_managed_headers(self) -> None:
        """What a client says of itself in managed headers, in whatever spelling, does not reach the server."""
        names = (
            "x-client-certificate-subject",
            "x_client_certificate_subject",
            "x.client.certificate-subject",
            "x-client-certificate-verification",
            "x-client-certificate",
            "client-cert",
            "x-forwarded-client-cert",
            "x-forwarded-proto",
            "x-original-host",
            "x-appgw-trace-id",
        )
        for door, certificate in (("open", ""), ("passthrough", ""), ("strict", "ecdsa")):
            client = self.client(door, certificate)
            told = self.told(client.fetch("/", *[(name, "forged") for name in names]))
            self.assertNotIn("forged", [value for _, value in told.headers])
            said = told.all("x-client-certificate-subject")
            self.assertEqual(said, ["CN=ecdsa device"] if certificate else [])

    def test_malformed(self) -> None:
        """Fields that HTTP/2 forbids reset their stream, nothing reaches the server, and the connection goes on."""
        client = self.client("open")
        for fields in (
            get("/", ("X-Client-Certificate-Subject", "forged")),
            get("/", ("connection", "close")),
            get("/", ("transfer-encoding", "chunked")),
            get("/", ("te", "gzip")),
            get("/", ("x-a", "b\r\nx-injected: 1")),
            get("/", ("x-a\r\nx-injected", "1")),
            get("/", ("x-a", " b")),
            get("/ HTTP/1.1\r\nx-injected: 1"),
            get("/", (":path", "/other")),
            get("/", method="GET / HTTP/1.1\r\nx-injected: 1\r\n\r\nGET"),
        ):
            self.assertEqual(client.finished(client.send_fields(fields)).reset, PROTOCOL_ERROR, fields)
        told = self.told(client.fetch("/"))
        self.assertEqual(told.all("x-injected"), [])

    def test_connect(self) -> None:
        """CONNECT is answered 405, as over HTTP/1.1."""
        client = self.client("open")
        response = client.send_fields([(":method", "CONNECT"), (":authority", "localhost:22")])
        self.assertEqual(client.finished(response).status, 405)

    def test_grpc(self) -> None:
        """A gRPC client gets 415 with a status and a message of gRPC, in fields alone, as it has to be for it."""
        client = self.client("open")
        headers = (("content-type", "application/grpc"), ("te", "trailers"))
        response = client.fetch("/package.Service/Method", *headers, method="POST", body=b"\0\0\0\0\1x")
        self.assertEqual((response.status, response.get("grpc-status")), (415, "12"))
        self.assertIn("HTTP/1.1", response.get("grpc-message"))
        self.assertEqual((response.text, response.get("content-type")), ("", ""))
        frames = [type(each).__name__ for each in client.frames if each.stream_id == response.stream]
        self.assertEqual(frames[0], "HeadersFrame")
        self.assertNotIn("DataFrame", frames)


class ResponseTests(Http2Case):
    """What the client gets."""

    def test_bodies(self) -> None:
        """Bodies arrive whole, by length, in chunks or to the end of the server's connection."""
        client = self.client("open")
        responses = [client.request(f"/bytes/{size}") for size in (0, 1, 65_535, 1_000_000)]
        for response in responses:
            size = int(client.finished(response).get("content-length"))
            self.assertEqual(bytes(response.body), (PIECE * 62)[:size])
        self.assertEqual([len(each.body) for each in responses], [0, 1, 65_535, 1_000_000])
        self.assertEqual(client.fetch("/chunks").text, "abcdefg")
        self.assertEqual(client.fetch("/until-the-end").text, "until the end")

    def test_without_body(self) -> None:
        """204, 304 and the answer to HEAD end with their fields, and keep what they say of a length."""
        client = self.client("open")
        for path, method, status, length in (
            ("/204", "GET", 204, ""),
            ("/304", "GET", 304, "1000"),
            ("/head", "HEAD", 200, "1000"),
        ):
            response = client.fetch(path, method=method)
            self.assertEqual((response.status, response.get("content-length"), response.text), (status, length, ""))

    def test_fields(self) -> None:
        """Names are lower case, fields of one connection are gone, and each cookie is a field of its own."""
        response = self.client("open").fetch("/lines")
        self.assertEqual(response.all("set-cookie"), ["a=1; Path=/", "b=2; Path=/"])
        self.assertEqual(response.get("x-mixed-case"), "Value")
        forbidden = {"connection", "keep-alive", "x-private", "proxy-connection", "transfer-encoding"}
        self.assertEqual({name for name, _ in response.headers} & forbidden, set())

    def test_interim(self) -> None:
        """A 103 comes before the response, without fields of one connection."""
        response = self.client("open").fetch("/hints")
        self.assertEqual(response.interim, [(103, [("link", "</style.css>; rel=preload")])])
        self.assertEqual(response.text, "hints")

    def test_expectation(self) -> None:
        """A client that expects a 100 gets the server's, and sends its body then; or the final answer instead."""
        client = self.client("open")
        response = client.request("/", ("expect", "100-continue"), method="POST", end=False)
        client.until(lambda: response.interim, "100 comes")
        self.assertEqual(response.interim, [(100, [])])
        client.body(response, b"body", end=True)
        self.assertEqual(self.told(client.finished(response)).size, 4)
        response = client.request("/refused", ("expect", "100-continue"), method="POST", end=False)
        client.until(lambda: response.done, "the expectation is refused")
        self.assertEqual((response.status, response.text), (417, "no"))
        self.told(client.fetch("/"))

    def test_cut(self) -> None:
        """A response that its server cuts is a stream that was reset; others go on."""
        client = self.client("open")
        cut, whole = client.request("/cut"), client.request("/")
        self.assertEqual(client.finished(cut).reset, INTERNAL_ERROR)
        self.told(client.finished(whole))

    def test_client_leaves_a_stream(self) -> None:
        """A client that resets a stream is logged as one that left; others go on."""
        client = self.client("open")
        client.reading = False
        left = client.request("/bytes/9000000")
        client.until(lambda: left.body, "the body comes")
        client.reset(left, CANCEL)
        client.read_on()
        self.told(client.fetch("/"))
        record = self.gateway.record(requestUri="/bytes/9000000")
        self.assertLess(record["sentBytes"], 9_000_000)

    def test_redirect(self) -> None:
        """A redirect is the gateway's own answer."""
        response = self.client("mixed").fetch("/old")
        self.assertEqual(response.status, 302)
        self.assertTrue(response.get("location").startswith("https://example.org/new"), response.headers)

    def test_variables(self) -> None:
        """Rewrite rules see HTTP/2.0 in http_version, in conditions and in values."""
        response = self.client("mixed").fetch("/")
        self.assertEqual(self.told(response).all("x-version"), ["HTTP/2.0"])
        self.assertEqual(response.get("x-version"), "HTTP/2.0 GET localhost")

    def test_log(self) -> None:
        """The access log has a line for each stream, whose version is HTTP/2.0, and whose bytes are its own."""
        client = self.client("open")
        for path in ("/bytes/10?log", "/bytes/100000?log"):
            client.fetch(path)
        small, large = (
            self.gateway.record(requestUri=path, requestQuery="log") for path in ("/bytes/10", "/bytes/100000")
        )
        self.assertEqual({each["httpVersion"] for each in (small, large)}, {"HTTP/2.0"})
        self.assertEqual((small["clientPort"], small["httpStatus"]), (large["clientPort"], 200))
        self.assertTrue(10 < small["sentBytes"] < 1000, small)
        self.assertTrue(100_000 < large["sentBytes"] < 102_000, large)
        self.assertGreater(small["receivedBytes"], 0)


class BesideTests(Http2Case):
    """HTTP/1.1 on the same port, and both versions of TLS."""

    def test_versions_of_tls(self) -> None:
        """HTTP/2 is spoken over TLS 1.2 and 1.3."""
        for version in ("1.2", "1.3"):
            client = self.client("strict", "ecdsa", version=version)
            path = f"/tls-{version}"
            self.told(client.fetch(path))
            record = self.gateway.record(requestUri=path)
            self.assertEqual((record["sslProtocol"], record["httpVersion"]), (f"TLSv{version}", "HTTP/2.0"))

    def test_http1(self) -> None:
        """A client that offers http/1.1, or nothing, is served as ever; one that offers both gets HTTP/2."""
        for protocols, selected in (((), None), (("http/1.1",), "http/1.1"), (("http/1.1", "h2"), "h2")):
            call = self.gateway.call(self.scene.doors["open"], protocols=protocols)
            with closing(clients.encrypted(call)) as line:
                self.assertEqual(line.socket.selected_alpn_protocol(), selected)  # type: ignore[attr-defined]
                if selected != "h2":
                    line.send(b"GET /http1 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertEqual(line.response().status, 200)
                    self.assertEqual(self.gateway.record(clientIP=call.source)["httpVersion"], "HTTP/1.1")

    def test_listener_without(self) -> None:
        """A listener with `enable_http2 = false` selects http/1.1 on a gateway with HTTP/2."""
        call = self.gateway.call(self.scene.doors["http1"], protocols=("h2", "http/1.1"))
        with closing(clients.encrypted(call)) as line:
            self.assertEqual(line.socket.selected_alpn_protocol(), "http/1.1")  # type: ignore[attr-defined]

    def test_without_tls(self) -> None:
        """An Http listener speaks HTTP/1.1: the preface is refused, and an Upgrade to h2c is ignored."""
        port = self.scene.doors["plain"]
        with closing(clients.plain(port)) as line:
            line.send(PREFACE)
            self.assertIn(line.response().status, (400, 405, 505))
        with closing(clients.plain(port)) as line:
            upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
            line.send(b"GET /h2c HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")
            response = line.response()
            self.assertEqual(response.status, 200)
            names = {name.lower() for name, _ in json.loads(response.body)["headers"]}
            self.assertEqual(names & {"upgrade", "http2-settings"}, set())
