"""`dedicated_backend_connection`: a backend that counts its connections, and knows who has logged in on each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager

import attrs

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import Line, Message, wait_until
from tests.end_to_end.test_load_distribution import led, policy

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
LOGIN = b"Authorization: NTLM %b\r\n"


class Logins:
    """Like a server of NTLM: a connection is somebody's after two requests with a secret each, until it ends."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numbers = itertools.count(1)
        self.lines: dict[str, Line] = {}

    def __call__(self, line: Line) -> None:
        """Talks on one connection."""
        said, steps = f"{self.name} {next(self.numbers)}", 0
        self.lines[said] = line
        while head := line.head():
            line.body(head)
            login = head.get("authorization").removeprefix("NTLM ")
            steps += bool(login) and steps < 2
            if b"/end" in head.start.encode():
                return
            status = "200 OK" if steps == 2 or "/open" in head.start else "401 Unauthorized"
            line.send(f"HTTP/1.1 {status}\r\nContent-Length: {len(said)}\r\nX-Login: {login}\r\n\r\n{said}".encode())


@attrs.frozen
class Servers:
    """Both servers."""

    one: Backend
    two: Backend


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Doors with dedicated connections, with shared ones, with a policy and with affinity."""
    names = ("own", "shared", "policy", "sticky")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend(Logins("one"))) as one, closing(Backend(Logins("two"))) as two:
        text = gateway.gateway_section(state_directory="state") + gateway.PROFILES
        text += gateway.pool("own", one.port, two.port, dedicated_backend_connection="true")
        text += gateway.pool("shared", one.port) + gateway.pool("second", two.port)
        text += policy("policy", "LeastConnections", shared=1, second=3)
        text += section(
            "backend_http_settings sticky",
            probe="own",
            cookie_based_affinity="Enabled",
            dedicated_backend_connection="true",
        )
        text += gateway.door("own", doors["own"], "strict", to="own")
        for name in names[1:]:
            text += gateway.door(name, doors[name], protocol="Http", to=name)
        text = led(text, "policy").replace("backend_http_settings = policy\n", "backend_http_settings = own\n")
        text = text.replace("backend_address_pool = sticky\n", "backend_address_pool = own\n")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=Servers(one, two))


class DedicatedTests(gateway.SceneCase):
    """Clients with connections of their own."""

    stage = staticmethod(stage)

    def connect(self, door: str) -> Line:
        """A connection of a client."""
        port = self.scene.doors[door]
        line = clients.encrypted(self.gateway.call(port, "ecdsa")) if door == "own" else clients.plain(port)
        self.addCleanup(line.close)
        return line

    def ask(self, line: Line, target: bytes = b"/", more: bytes = b"") -> Message:
        """One request."""
        line.send(GET % (target, more))
        return line.response()

    def log_in(self, line: Line) -> str:
        """The two requests of a login; returns the name of the connection that it belongs to."""
        self.assertEqual(self.ask(line, more=LOGIN % b"negotiate").status, 401)
        response = self.ask(line, more=LOGIN % b"authenticate")
        self.assertEqual(response.status, 200)
        return response.body.decode()

    def server_line(self, name: str) -> Line:
        """The connection to a server that has this name."""
        (found,) = (
            each.talk.lines[name]
            for each in (self.scene.backend.one, self.scene.backend.two)
            if name in each.talk.lines
        )
        return found

    def test_logins(self) -> None:
        """A login holds for the client that made it, over as many requests as it likes, and for no other one."""
        for door in ("own", "policy"):
            one, other = self.connect(door), self.connect(door)
            name = self.log_in(one)
            self.assertEqual(self.ask(other).status, 401)
            self.assertEqual({self.ask(one).body.decode() for _ in range(4)}, {name})
            self.assertEqual({self.ask(one).status for _ in range(4)}, {200})
            self.assertEqual(self.ask(other).status, 401)
            self.assertNotEqual(self.log_in(other), name)

    def test_shared(self) -> None:
        """Without the key a login would be that of any other client: so the tests above see what they look for."""
        one, other = self.connect("shared"), self.connect("shared")
        name = self.log_in(one)
        self.assertEqual((self.ask(other).status, self.ask(other).body.decode()), (200, name))

    def test_ends_with_the_client(self) -> None:
        """Whichever way a client leaves, its connection to the server ends."""
        for more in (b"", b"", b"Connection: close\r\n"):
            line = self.connect("own")
            found = self.server_line(self.ask(line, b"/open", more).body.decode())
            if not more:
                self.assertFalse(found.ended.is_set())
                line.close()
            wait_until(found.ended.is_set, "the connection to the server has ended")

    def test_ended_by_the_server(self) -> None:
        """A connection that the server ends is replaced by a new one, where the login is to be made again."""
        line = self.connect("own")
        name = self.log_in(line)
        line.send(b"POST /end HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(line.response().status, 502)
        again = self.ask(line)
        self.assertEqual(again.status, 401)
        self.assertNotEqual(again.body.decode(), name)

    def test_affinity(self) -> None:
        """A cookie leads to its server, over a connection of the client's own; without one it stays where it was."""
        first = self.ask(self.connect("sticky"), b"/open")
        cookie = b"Cookie: %b\r\n" % first.get("set-cookie").partition(";")[0].encode()
        server = first.body.decode().partition(" ")[0]
        names = set()
        for _ in range(3):
            line = self.connect("sticky")
            answers = {self.ask(line, b"/open", cookie).body.decode() for _ in range(3)}
            self.assertEqual(len(answers), 1)
            names |= answers
        self.assertEqual({name.partition(" ")[0] for name in names}, {server})
        self.assertEqual(len(names), 3)

    def test_reloaded(self) -> None:
        """A reload that changes nothing about the servers leaves the login; one that shares connections ends it."""
        line = self.connect("own")
        name = self.log_in(line)
        path = self.gateway.directory / "gw.ini"
        text = path.read_text()
        self.addCleanup(self.gateway.agw, "reload", "--config", "gw.ini")
        self.addCleanup(path.write_text, text)
        for old, new, status in (
            ("request_timeout = 20", "request_timeout = 21", 200),
            ("dedicated_backend_connection = true\n", "", 401),
        ):
            path.write_text(text.replace(old, new))
            self.assertEqual(self.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
            self.assertEqual(self.ask(line).status, status, name)
