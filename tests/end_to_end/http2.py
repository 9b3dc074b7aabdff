"""A gateway that speaks HTTP/2, before a server that does what the path says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests import running
from tests.end_to_end import gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import DEADLINE, Line, Message
from tests.http2_clients import Http2Client, Response, over_tls

SITES = {"open": None, "strict": "strict", "also": "strict", "partners": "partners"}
"""The host names of the port `sites`, each with `.example`, and their profiles."""

DOORS = ("open", "strict", "passthrough", "http400", "mixed", "sites", "http1", "plain", "behind")

ANSWERS = {
    "/204": b"HTTP/1.1 204 No Content\r\nX-Here: 1\r\n\r\n",
    "/304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 1000\r\n\r\n',
    "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
    b"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Sum: 7\r\n\r\n",
    "/hints": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\nConnection: X-A\r\nX-A: 1\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhints",
    "/lines": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, X-Private\r\nKeep-Alive: timeout=5\r\n"
    b"X-Private: 1\r\nProxy-Connection: keep-alive\r\nX-MIXED-Case: Value\r\n"
    b"Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/\r\n\r\nlines",
    "/cut": b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this",
    "/until-the-end": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
}
"""Whole answers; after the last two the server closes."""

EVENT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nd\r\ndata: here\n\n\n\r\n"
)
"""The first event of a stream that goes on until the other side ends it."""

PIECE = bytes(range(256)) * 64


class Actor:
    """A server: answers by `ANSWERS`, `/bytes/N` with so many, `/events` without end, all else with what was asked.

    The answer to /slow waits until the test says so.
    """

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)  # released by each request for /slow
        self.go_on = threading.Event()

    def __call__(self, line: Line) -> None:
        """Talks on one connection."""
        while head := line.head():
            target = head.start.split()[1].partition("?")[0]
            if head.get("expect") and "refused" not in target:
                line.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if "refused" in target:
                line.send(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
                return
            self._answer(line, target, head, line.body(head))
            if target in ("/cut", "/until-the-end"):
                return

    def _answer(self, line: Line, target: str, head: Message, body: bytes) -> None:
        if target.startswith("/slow"):
            self.asked.release()
            assert self.go_on.wait(DEADLINE)
        if target in ANSWERS:
            line.send(ANSWERS[target])
        elif target == "/events":
            line.send(EVENT)
            line.rest()
        elif target.startswith("/bytes/"):
            size = int(target.rpartition("/")[2])
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            for at in range(0, 0 if head.start.startswith("HEAD") else size, len(PIECE)):
                line.send(PIECE[: size - at])
        else:
            told = json.dumps({"start": head.start, "headers": head.headers, "size": len(body), "sum": sum(body)})
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told.encode()))


class Told:
    """The request as the server got it."""

    def __init__(self, response: Response) -> None:
        read: dict[str, Any] = json.loads(response.body)
        self.start: str = read["start"]
        self.headers: list[tuple[str, str]] = [(name, value) for name, value in read["headers"]]
        self.size: int = read["size"]
        self.sum: int = read["sum"]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for each, value in self.headers if each.lower() == name]


@contextmanager
def stage(**keys: object) -> Iterator[gateway.Scene]:
    """A door of each profile, one with path rules, one with several sites, and one without HTTP/2."""
    doors = dict(zip(DOORS, running.free_ports(len(DOORS)), strict=True))
    actor = Actor()
    with closing(Backend(actor)) as backend:
        keys = {"enable_http2": "true", "http2_max_requests": 1_000_000, **keys}
        text = gateway.gateway_section(**keys) + gateway.PROFILES
        text += section(
            "ssl_profile mixed", verify_client_auth_mode="Passthrough", trusted_client_certificates="devices"
        )
        text += gateway.pool("app", backend.port)
        text += gateway.door("open", doors["open"]) + gateway.door("http1", doors["http1"], enable_http2="false")
        text += gateway.door("plain", doors["plain"], protocol="Http")
        text += gateway.door("behind", doors["behind"], "strict", accept_proxy_protocol="127.0.0.0/8")
        for name in ("strict", "passthrough", "http400"):
            text += gateway.door(name, doors[name], name)
        for name, profile in SITES.items():
            text += gateway.door(f"site-{name}", doors["sites"], profile, host_names=f"{name}.example")
        listener = {"address": "127.0.0.1", "port": doors["mixed"], "protocol": "Https", "ssl_profile": "mixed"}
        text += section("http_listener mixed", ssl_certificate="server", **listener) + RULES
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=actor)
            actor.go_on.set()


RULES = """\
[url_path_map map]
default_backend_address_pool = app
default_backend_http_settings = app
default_rewrite_rule_set = version

[path_rule map/admin]
paths = /admin*
backend_address_pool = app
backend_http_settings = app
client_certificate = Require

[path_rule map/old]
paths = /old*
redirect_configuration = moved

[redirect_configuration moved]
redirect_type = Found
target_url = https://example.org/new

[rewrite_rule version/says]
condition.1 = var_http_version ~ ^HTTP/2
request_header.X-Version = {var_http_version}
response_header.X-Version = {var_http_version} {var_http_method} {var_host}

[request_routing_rule mixed]
priority = 1
rule_type = PathBasedRouting
http_listener = mixed
url_path_map = map

"""


class Http2Case(gateway.SceneCase):
    """Tests with clients of HTTP/2."""

    stage = staticmethod(stage)

    def client(self, door: str, certificate: str = "", **options: Any) -> Http2Client:
        """A client of a door, after its handshake."""
        made = over_tls(self.gateway.call(self.scene.doors[door], certificate, **options))
        self.addCleanup(made.close)
        return made

    def told(self, response: Response) -> Told:
        """What the server was asked, which answered 200."""
        self.assertEqual((response.status, response.reset), (200, None), response)
        return Told(response)
