"""A rule set end to end: path maps, certificates by path, conditions of access, redirects, rewriting, error pages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import attrs
from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.lines import DEADLINE, Line, Message

NAME = "passthrough.example"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


def tell(line: Line) -> None:
    """Answers every request with its method, target and header lines, as JSON."""
    while head := line.head():
        line.body(head)
        method, target, _ = head.start.split()
        lines = [(name.lower(), value) for name, value in head.headers]
        line.send(HINT if head.get("x-hint") else b"")
        body = json.dumps({"method": method, "target": target, "headers": lines}).encode()
        line.send(b"HTTP/1.1 200 OK\r\nServer: hidden\r\nContent-Length: %d\r\n\r\n" % len(body), body)


@attrs.frozen
class Scene:
    """A gateway with its backends."""

    gateway: gateway.Gateway
    https: int
    http: int
    backend: Backend


@contextmanager
def stage() -> Iterator[Scene]:
    """One Passthrough listener with a path map, and a plain one that redirects to it."""
    https, http, nobody = running.free_ports(3)
    with closing(Backend(tell)) as backend, web_sockets() as sockets:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.pool("sockets", sockets) + gateway.pool("gone", nobody, probe=None)
        text += gateway.section("backend_http_settings deep", path="/deep/", client_certificate_headers="off")
        keys = {"verify_client_auth_mode": "Passthrough", "trusted_client_certificates": "devices"}
        text += gateway.section("ssl_profile mixed", **keys)
        listener = {"address": "127.0.0.1", "port": https, "protocol": "Https"}
        text += gateway.section("http_listener www", ssl_certificate="server", ssl_profile="mixed", **listener)
        text += RULES
        text += gateway.section("http_listener plain", address="127.0.0.1", port=http, protocol="Http")
        text += gateway.section(
            "redirect_configuration to-https",
            redirect_type="Permanent",
            target_listener="www",
            include_path="true",
            include_query_string="true",
        )
        text += gateway.section(
            "request_routing_rule plain", priority=2, http_listener="plain", redirect_configuration="to-https"
        )
        text += gateway.section("custom_error www/502", file="502.html")
        with gateway.prepared(text) as started:
            (started.directory / "502.html").write_text("<p>back soon</p>")
            started.start()
            yield Scene(started, https, http, backend)
            assert started.stop() in (0, -15)
            gateway.assert_no_defect(started.output)


RULES = """\
[url_path_map www]
default_backend_address_pool = app
default_backend_http_settings = app
default_rewrite_rule_set = names

[path_rule www/admin]
paths = /admin*
backend_address_pool = app
backend_http_settings = app
client_certificate = Require

[path_rule www/seven]
paths = /seven
backend_address_pool = app
backend_http_settings = app
client_certificate = Require
deny_unless.1 = var_client_certificate_subject_cn == rsa device

[path_rule www/way]
paths = /way
backend_address_pool = app
backend_http_settings = app
rewrite_rule_set = way

[path_rule WWW/nothing]
paths = /nothing
backend_address_pool = APP
backend_http_settings = App
rewrite_rule_set = nothing

[path_rule www/deep]
paths = /api/*
backend_address_pool = app
backend_http_settings = deep

[path_rule www/gone]
paths = /gone
backend_address_pool = gone
backend_http_settings = gone

[path_rule www/socket]
paths = /socket
backend_address_pool = sockets
backend_http_settings = sockets
client_certificate = Require

[rewrite_rule names/identity]
condition.1 = var_client_certificate_subject_cn ~ ^(.*)$
request_header.X-Device = {var_client_certificate_subject_cn_1}
request_header.X-Cipher = {var_ciphers_used}
response_header.X-Served = {var_http_status} {var_client_certificate_subject_cn}
response_header.Server =

[rewrite_rule Names/Build X-Policy, piece by piece]
response_header.X-Policy = a;
response_header.X-Policy.2 = {http_resp_X-Policy} b
request_header.X-Steps = {http_req_x-steps}+1
request_header.X-Steps.2 = {http_req_x-steps}+2

[rewrite_rule_set Nothing]

[rewrite_rule names/sizes]
response_header.X-Received = {var_received_bytes}
response_header.X-Sent = {var_sent_bytes}

[rewrite_rule way/in]
condition.1 = http_req_x-way exists
url_path = {http_req_x-way}
reroute = true

[request_routing_rule www]
priority = 1
rule_type = PathBasedRouting
http_listener = www
url_path_map = www

"""


@contextmanager
def web_sockets() -> Iterator[int]:
    """A WebSocket server that answers with the message and the client's identity."""

    def answer(connection: ServerConnection) -> None:
        assert connection.request
        who = connection.request.headers.get("X-Client-Certificate-Verification", "nobody")
        for message in connection:
            connection.send(f"{who}: {message!r}")

    server = serve(answer, "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()
        thread.join(DEADLINE)


class RouteTests(SynchronousTestCase):
    """What requests come to."""

    def setUp(self) -> None:
        self.scene = gateway.shared(stage)

    def ask(self, path: str, certificate: str = "", **headers: str) -> Message:
        """The answer to a request for a path, by a client with that certificate."""
        line = clients.encrypted(self.scene.gateway.call(self.scene.https, certificate, name=NAME))
        with closing(line):
            lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
            line.send(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n{lines}\r\n".encode())
            return line.response()

    def told(self, path: str, certificate: str = "", **headers: str) -> tuple[str, dict[str, str]]:
        """The target and the header lines that the backend got."""
        answer = self.ask(path, certificate, **headers)
        self.assertEqual(answer.status, 200, answer.body)
        told = json.loads(answer.body)
        return told["target"], dict(told["headers"])

    def test_required(self) -> None:
        """On a path that requires a certificate, only a client with one that is accepted gets to the backend."""
        _, headers = self.told("/admin", "ecdsa")
        self.assertEqual(headers["x-client-certificate-verification"], "SUCCESS")
        self.assertEqual(headers["x-client-certificate-subject"], "CN=ecdsa device")
        for certificate, text in (
            ("", b"No required SSL certificate was sent"),
            ("stranger", b"unable to get local issuer certificate"),
            ("expired", b"certificate has expired"),
        ):
            answer = self.ask("/admin", certificate)
            self.assertEqual((answer.status, text in answer.body), (400, True), answer.body)

    def test_optional_elsewhere(self) -> None:
        """On every other path every client is accepted, and the backend gets that it is unverified."""
        for certificate, word in (("ecdsa", "PASSTHROUGH"), ("stranger", "PASSTHROUGH"), ("", "NONE")):
            target, headers = self.told("/", certificate, X_Client_Certificate_Verification="SUCCESS")
            self.assertEqual((target, headers["x-client-certificate-verification"]), ("/", word))

    def test_every_spelling(self) -> None:
        """No spelling of the path leads round its certificate; what is not clear is refused, with one or without."""
        for path in ("/x/../admin", "//admin", "/%61dmin", "/ADMIN/", "/./admin", "/%2e/admin"):
            self.assertEqual(self.ask(path).status, 400, path)
            self.assertTrue(self.told(path, "ecdsa")[0].lower().startswith("/admin"), path)
        for path in ("/admin;x", "/x%2fadmin", "/%5cadmin", "/admin%00", "/%2561dmin"):
            self.assertEqual((self.ask(path).status, self.ask(path, "ecdsa").status), (400, 400), path)

    def test_led_there(self) -> None:
        """A rule that leads a request to such a path accepts no client without a certificate."""
        self.assertEqual(self.ask("/way", X_Way="/admin/x").status, 400)
        self.assertEqual(self.ask("/way", X_Way="/x/%2e./admin").status, 400)
        self.assertEqual(self.told("/way", "ecdsa", X_Way="/admin/x")[0], "/admin/x")
        self.assertEqual(self.told("/way", X_Way="/other")[0], "/other")
        self.assertEqual(self.ask("/way", X_Way="/way").status, 500)  # round and round
        self.assertEqual(self.ask("/way", X_Way="no path").status, 400)

    def test_denied(self) -> None:
        """Who has a certificate but does not meet the condition gets 403."""
        self.assertEqual([self.ask("/seven", each).status for each in ("rsa", "ecdsa", "")], [200, 403, 400])

    def test_one_connection(self) -> None:
        """One connection has a verified client on one path and an unverified one on the next, in the log as well."""
        call = self.scene.gateway.call(self.scene.https, "ecdsa", name=NAME)
        with closing(clients.encrypted(call)) as line:
            for path, word in (("/admin", "SUCCESS"), ("/", "PASSTHROUGH"), ("/admin", "SUCCESS")):
                line.send(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
                headers = dict(json.loads(line.response().body)["headers"])
                self.assertEqual(headers["x-client-certificate-verification"], word)
                record = self.scene.gateway.record(transactionId=headers["x-appgw-trace-id"])
                self.assertEqual(record["sslClientVerify"], word)

    def test_rewritten(self) -> None:
        """Rules identify the client to the backend and change the response; the gateway deletes such a header of a
        client.
        """
        answer = self.ask("/", "ecdsa")
        self.assertEqual(answer.get("x-served"), "200 ecdsa device")
        self.assertEqual(answer.get("server"), "")
        _, headers = self.told("/", "ecdsa", X_Device="me")
        self.assertEqual((headers["x-device"], headers["x-cipher"][:4]), ("ecdsa device", "TLS_"))
        for name in ("X-Device", "x_device", "X.Device"):
            self.assertNotIn("x-device", self.told("/", **{name: "me"})[1])
            self.assertNotIn("x-device", self.told("/admin", "ecdsa", **{name: "me"})[1])

    def test_actions_on_one_header(self) -> None:
        """A second action of a rule on a header sees what the first made of it, in requests and responses."""
        self.assertEqual(self.ask("/").get("x-policy"), "a; b")
        self.assertEqual(self.told("/", X_Steps="0")[1]["x-steps"], "0+1+2")

    def test_empty_set(self) -> None:
        """A rewrite rule set without rules, referred to in another case, changes nothing."""
        answer = self.ask("/nothing", X_Steps="0")
        headers = dict(json.loads(answer.body)["headers"])
        self.assertEqual((headers["x-steps"], answer.get("x-policy"), answer.get("server")), ("0", "", "hidden"))

    def test_sizes(self) -> None:
        """A rule for the response knows the bytes that came, and those that went out ahead of it: an early hint."""
        with closing(clients.encrypted(self.scene.gateway.call(self.scene.https, name=NAME))) as line:
            request = f"GET / HTTP/1.1\r\nHost: {NAME}\r\n"
            for hint, answers in (("", 1), ("X-Hint: 1\r\n", 2), ("", 1)):
                line.send(f"{request}{hint}\r\n".encode())
                *hints, answer = (line.response() for _ in range(answers))
                self.assertEqual([each.status for each in (*hints, answer)], [103, 200][-answers:])
                sizes = len(f"{request}{hint}\r\n"), len(HINT) if hints else 0
                self.assertEqual((answer.get("x-received"), answer.get("x-sent")), (str(sizes[0]), str(sizes[1])))

    def test_override_path(self) -> None:
        """The settings' path stands in place of what the path rule matched, and no certificate headers are sent."""
        target, headers = self.told("/api/a/b?q=1", "ecdsa")
        self.assertEqual(target, "/deep/a/b?q=1")
        self.assertFalse([name for name in headers if name.startswith("x-client-certificate")])

    def test_error_page(self) -> None:
        """Where no server answers, the operator's page says so."""
        answer = self.ask("/gone")
        self.assertEqual((answer.status, answer.body), (502, b"<p>back soon</p>"))

    @programs.needs("curl")
    def test_redirect(self) -> None:
        """The plain listener sends browsers to the other one, with path and query."""
        source = clients.fresh_source()
        words = ["curl", "--silent", "--interface", source, "--include", "--max-time", "20", "-H", f"Host: {NAME}"]
        done = clients.run([*words, f"http://127.0.0.1:{self.scene.http}/a/b?c=d"])
        self.assertIn("HTTP/1.1 301 Moved Permanently\r\n", done.stdout)
        self.assertIn(f"\r\nLocation: https://{NAME}:{self.scene.https}/a/b?c=d\r\n", done.stdout)

    def test_web_socket(self) -> None:
        """An upgrade goes by the same rules: with a certificate it is granted, without one it is not."""
        uri = f"wss://{NAME}:{self.scene.https}/socket"

        def call(certificate: str) -> str:
            about = self.scene.gateway.call(self.scene.https, certificate, name=NAME)
            line = clients.plain(self.scene.https, about.source)
            with connect(uri, sock=line.socket, ssl=clients.context(about), server_hostname=NAME) as connection:
                connection.send("hello")
                return str(connection.recv())

        self.assertEqual(call("ecdsa"), "SUCCESS: 'hello'")
        self.assertEqual(self.assertRaises(InvalidStatus, call, "").response.status_code, 400)
