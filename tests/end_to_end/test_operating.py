"""A running gateway as an operator sees and changes it, by curl and `agw`: one process, and with workers."""

from __future__ import annotations

import json
import threading
from collections import Counter
from contextlib import closing
from typing import Any

from agwtwisted.core.operations.routes import ROUTES, Form
from tests.end_to_end import clients, control_api, gateway
from tests.end_to_end.control_api import ControlAnswer, EventReader
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.end_to_end.test_stopping import Asking
from tests.programs import needs

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class ApiCase(gateway.SceneCase):
    """What the tests of one process and of workers use."""

    stage = staticmethod(control_api.one)

    def ask(self, path: str, *words: str) -> ControlAnswer:
        """An answer over the Unix socket."""
        return control_api.curl(self.gateway, path, *words)

    def get(self, path: str) -> Any:
        """The members of an answer."""
        answer = self.ask(path)
        self.assertEqual(answer.status, 200, answer)
        return answer.members

    def post(self, path: str, **members: object) -> ControlAnswer:
        """The answer to a POST, with a body if there are members."""
        body = ["--header", "Content-Type: application/json", "--data", json.dumps(members)] if members else []
        return self.ask(path, "--request", "POST", *body)

    def connect(self, door: str, certificate: str = "ecdsa") -> Line:
        """A connection to a door."""
        port = self.scene.doors[door]
        if door == "plain":
            line = clients.plain(port, clients.fresh_source())
        else:
            line = clients.encrypted(self.gateway.call(port, certificate, source=clients.fresh_source()))
        self.addCleanup(line.close)
        return line

    def answered(self, line: Line) -> str:
        """Which server has answered a request."""
        line.send(GET)
        response = line.response()
        self.assertEqual(response.status, 200)
        return response.body.decode()

    def client_at(self, line: Line) -> dict[str, Any]:
        """What the API says of the client at the other end of a connection."""
        address, port = line.socket.getsockname()
        found = [each for each in self.get(f"/clients?search={address}")["clients"] if each["port"] == port]
        self.assertEqual(len(found), 1, found)
        return found[0]


@needs("curl")
class QuestionTests(ApiCase):
    """What every question is answered, and that `agw` shows the same."""

    def test_all(self) -> None:
        """Every route that may be asked answers a JSON object; HEAD answers the same without it."""
        asked = [route for route in ROUTES if route.method == "GET" and route.form is Form.JSON]
        self.assertGreater(len(asked), 6)
        for route in asked:
            self.assertIsInstance(self.get(route.path), dict, route.path)
            head = self.ask(route.path, "--head")
            self.assertEqual((head.status, head.body), (200, ""), route.path)

    def test_listeners(self) -> None:
        """The listeners are those of the file, each with its connections in all processes."""
        kept = [self.connect("plain") for _ in range(8)]
        for line in kept:
            self.answered(line)
        found = {each["name"]: each for each in self.get("/listeners")["listeners"]}
        self.assertEqual(found.keys(), {"plain", "strict", "http400", "relay"})
        self.assertEqual(found["plain"]["connections"], 8)
        self.assertEqual(found["strict"]["verify_client_auth_mode"], "Strict")
        self.assertEqual((found["relay"]["kind"], found["relay"]["protocol"]), ("listener", "Tls"))

    def test_configuration(self) -> None:
        """What is in force is the file's text, with its warnings; no file's content but its own is shown."""
        answer = self.get("/configuration")
        self.assertEqual(answer["text"], self.gateway.file.read_text())
        self.assertTrue(answer["warnings"])
        self.assertNotIn("PRIVATE KEY", json.dumps(answer))

    def test_certificates(self) -> None:
        """The server's certificate is among them, with the listeners that show it."""
        found = {each["name"]: each for each in self.get("/certificates")["certificates"]}
        self.assertGreater(found["server"]["days_left"], 0)
        self.assertIn("localhost", found["server"]["dns_names"])
        self.assertIn("http_listener strict", found["server"]["used_by"])

    def test_commands(self) -> None:
        """`agw` prints the API's JSON, and a table for people, with exit status 0."""
        for command in ("backends", "certificates", "listeners"):
            shown = self.gateway.agw(command, "--config", "gw.ini", "--json")
            self.assertEqual((shown.returncode, shown.stderr), (0, ""), command)
            self.assertEqual(json.loads(shown.stdout).keys(), self.get(f"/{command}").keys())
            table = self.gateway.agw(command, "--config", "gw.ini")
            self.assertEqual((table.returncode, table.stderr), (0, ""), command)
            self.assertNotIn("{", table.stdout)

    def test_wrong(self) -> None:
        """A wrong path, method, argument or body is answered with its status and one sentence."""
        for status, path, words in (
            (404, "/nonsense", ()),
            (405, "/status", ("--request", "DELETE")),
            (400, "/clients?limit=0", ()),
            (400, "/clients?nonsense=1", ()),
            (404, "/connections/9-99/close", ("--request", "POST")),
            (404, "/backends/app/app/127.0.0.1:1/drain", ("--request", "POST")),
            (415, "/revocation/forget", ("--data", "{}")),
            (400, "/revocation/forget", ("--data", "[", "--header", "Content-Type: application/json")),
        ):
            answer = self.ask(path, *words)
            self.assertEqual(answer.status, status, (path, answer))
            self.assertEqual(answer.members.keys(), {"error"})


class WorkersQuestionTests(QuestionTests):
    """The same of a gateway with workers."""

    stage = staticmethod(control_api.two)


@needs("curl")
class ClientTests(ApiCase):
    """Connections: who they are, and their end."""

    def test_who(self) -> None:
        """A client is shown with its certificate and what it has asked; without one as such."""
        line = self.connect("strict")
        for _ in range(3):
            self.answered(line)
        found = self.client_at(line)
        self.assertEqual((found["listener"], found["protocol"], found["verify"]), ("strict", "http/1.1", "SUCCESS"))
        self.assertEqual((found["subject"], found["requests"], found["state"]), ("CN=ecdsa device", 3, "idle"))
        plain = self.connect("plain")
        self.answered(plain)
        self.assertEqual((self.client_at(plain)["subject"], self.client_at(plain)["tls"]), (None, None))

    def test_pages(self) -> None:
        """Pages follow each other, without a client twice or left out."""
        lines = [self.connect("plain") for _ in range(12)]
        for line in lines:
            self.answered(line)
        seen: list[str] = []
        after = ""
        while True:
            page = self.get(f"/clients?limit=5&listener=plain{after}")
            seen += [each["id"] for each in page["clients"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual({self.client_at(line)["id"] for line in lines}, set(seen))

    def test_close(self) -> None:
        """One connection ends, and no other one; once more it is not found."""
        for door in ("strict", "relay"):
            closed, other = self.connect(door), self.connect(door)
            for line in (closed, other):
                if door == "strict":
                    self.answered(line)
                else:
                    line.send(b"ping")
                    self.assertEqual(line.exactly(4), b"ping")
            which = self.client_at(closed)["id"]
            answer = self.post(f"/connections/{which}/close")
            self.assertEqual((answer.status, answer.members["outcome"]), (200, "closed"))
            self.assertEqual(closed.rest(), b"")
            wait_until(lambda which=which: self.post(f"/connections/{which}/close").status == 404, "it is gone")
            self.client_at(other)

    def test_refused(self) -> None:
        """A client that is refused is among the refusals, with the reason, whichever process has refused it."""
        for door in ("strict", "http400"):
            source = clients.fresh_source()
            clients.by_python(self.gateway.call(self.scene.doors[door], "stranger", source=source))

            def found(source: str = source) -> list[dict[str, Any]]:
                return [each for each in self.get("/refusals")["refusals"] if each["address"] == source]

            [refusal] = wait_until(found, "the refusal is known")
            self.assertEqual((refusal["listener"], refusal["has_certificate"]), (door, True))
            self.assertTrue(refusal["verify"].startswith("FAILED:"), refusal)

    def test_explained(self) -> None:
        """A certificate is explained as the gateway judges it."""
        for name, accepted in (("ecdsa", True), ("stranger", False), ("expired", False)):
            text = (self.gateway.directory / f"{name}.pem").read_text()
            answer = self.post("/explain", listener="strict", certificate=text)
            self.assertEqual((answer.status, answer.members["accepted"]), (200, accepted), answer)
            self.assertTrue(answer.members["steps"])


class WorkersClientTests(ClientTests):
    """The same of a gateway with workers."""

    stage = staticmethod(control_api.two)


@needs("curl")
class DrainTests(ApiCase):
    """A server that an operator takes out of service, under load."""

    def server(self, action: str) -> str:
        """The outcome of an action on the first server."""
        answer = self.post(f"/backends/app/app/127.0.0.1:{self.scene.backend.one.port}/{action}")
        self.assertEqual(answer.status, 200, answer)
        return str(answer.members["outcome"])

    def answers(self, count: int = 24) -> Counter[str]:
        """Who answers so many requests, each over a connection of its own."""
        found: Counter[str] = Counter()
        for _ in range(count):
            with closing(clients.plain(self.scene.doors["plain"])) as line:
                found[self.answered(line)] += 1
        return found

    def test_under_load(self) -> None:
        """No request is lost; after it the server gets none, and its share again when it is back; events say both."""
        reader = EventReader(self.gateway, "?kinds=health")
        self.addCleanup(reader.close)
        done = threading.Event()
        plain, strict = self.scene.doors["plain"], self.gateway.call(self.scene.doors["strict"], "ecdsa")
        load = [Asking(lambda: clients.plain(plain), keeps, done) for keeps in (True, True, True, False)]
        load += [Asking(lambda: clients.encrypted(strict), keeps, done) for keeps in (True, False)]
        try:
            wait_until(lambda: all(each.answered > 20 for each in load), "all clients are served")
            self.assertEqual((self.server("drain"), self.server("drain")), ("drained", "unchanged"))
            wait_until(lambda: self.answers() == {"two": 24}, "the other server gets all requests")
            [settings] = [
                each
                for pool in self.get("/backends")["backend_pools"]
                if pool["name"] == "app"
                for each in pool["backend_settings"]
            ]
            self.assertEqual(
                {each["port"]: each["draining"] for each in settings["servers"]},
                {self.scene.backend.one.port: True, self.scene.backend.two.port: False},
            )
            self.assertEqual(self.server("undrain"), "undrained")
            reader.await_event("health", after="Draining")
            reader.await_event("health", before="Draining")
            wait_until(lambda: self.answers()["one"] > 4, "the server gets its share again")
            before = [each.answered for each in load]
            wait_until(lambda: all(each.answered > start + 20 for each, start in zip(load, before, strict=True)), "on")
        finally:
            done.set()
            for each in load:
                each.thread.join(DEADLINE)
        self.assertEqual(sum(each.cut for each in load), 0)


class WorkersDrainTests(DrainTests):
    """The same of a gateway with workers."""

    stage = staticmethod(control_api.two)


@needs("curl")
class EventTests(ApiCase):
    """Server-Sent Events."""

    def setUp(self) -> None:
        super().setUp()
        self.reader = EventReader(self.gateway)
        self.addCleanup(self.reader.close)

    def test_refusals_and_reloads(self) -> None:
        """A reader gets refusals of every process as they happen, and goes on through a reload."""
        for _ in range(2):
            for _ in range(3):
                source = clients.fresh_source()
                clients.by_python(self.gateway.call(self.scene.doors["strict"], "stranger", source=source))
                refusal = self.reader.await_event("refusal", address=source)
                self.assertEqual(refusal["listener"], "strict")
            answer = self.post("/reload")
            self.assertEqual((answer.status, answer.members["outcome"]), (200, "in_force"), answer)
        events = wait_until(
            lambda: [each for kind, each in self.reader.events() if kind == "reload"][1:], "both are said"
        )
        self.assertEqual(events[-1]["outcome"], "in_force")

    def test_kinds(self) -> None:
        """One that wants other kinds gets no refusals."""
        other = EventReader(self.gateway, "?kinds=health")
        self.addCleanup(other.close)
        source = clients.fresh_source()
        clients.by_python(self.gateway.call(self.scene.doors["strict"], "stranger", source=source))
        self.reader.await_event("refusal", address=source)
        self.assertEqual([kind for kind, _ in other.events() if kind == "refusal"], [])


class WorkersEventTests(EventTests):
    """The same of a gateway with workers."""

    stage = staticmethod(control_api.two)
