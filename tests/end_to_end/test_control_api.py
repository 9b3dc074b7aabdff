"""The control API of a gateway with workers: answers of all of them, and clients that would hold it up."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import attrs

from agwtwisted.core.operations.answer_members import undocumented, unseen
from agwtwisted.core.operations.answers import ANSWERS
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.routes import ROUTES, Asked, Form, Operation
from agwtwisted.workers.worker import NUMBERS
from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Scene, SceneCase
from tests.end_to_end.lines import Line, Message, wait_until
from tests.end_to_end.test_load_distribution import policy
from tests.end_to_end.worker_processes import workers

READERS = 10

NOT_HERE = {"responders", "lists", "next_renewals", "shared_store"}
"""Lists that are empty in this gateway, and what it has not; their members have tests of their own."""


@attrs.frozen
class Answered:
    """An answer."""

    status: int
    members: dict[str, Any]


@contextmanager
def controlled() -> Iterator[Scene]:
    """A gateway of two workers, with the control API on a Unix socket and on TCP."""
    plain, strict, asking, control = running.free_ports(4)
    backend = Backend()
    text = gateway.gateway_section(workers=2, state_directory="state") + gateway.PROFILES
    text += gateway.section("control", port=control) + gateway.pool("app", backend.port)
    keys = {"trusted_client_certificates": "devices", "verify_client_revocation": "OCSP"}
    text += gateway.section("ssl_profile asking", **keys) + gateway.door("asking", asking, "asking")
    text += gateway.door("plain", plain, protocol="Http") + gateway.door("strict", strict, "strict")
    shared = gateway.door("shared", plain, protocol="Http", host_names="shared.example")
    text += policy("shared", "RoundRobin", app=2)
    text += shared.replace("backend_address_pool = app\n", "load_distribution_policy = shared\n")
    with closing(backend), gateway.running_gateway(text) as started:
        workers(started)
        doors = {"plain": plain, "strict": strict, "control": control}
        yield Scene(gateway=started, doors=doors, backend=backend)


class ControlCase(SceneCase):
    """Questions over either socket."""

    stage = staticmethod(controlled)

    def setUp(self) -> None:
        super().setUp()
        self.state = self.gateway.directory / "state"

    def connection(self, *, tcp: bool = False) -> socket.socket:
        """A connection to the API."""
        if tcp:
            return socket.create_connection(("127.0.0.1", self.scene.doors["control"]), running.PATIENCE)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(running.PATIENCE)
        client.connect(str(self.state / "control.sock"))
        return client

    def head(self, method: str, target: str, *, tcp: bool = False, body: bytes = b"") -> bytes:
        """A request."""
        kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        token = (self.state / "control.token").read_text().strip()
        authority = f"127.0.0.1:{self.scene.doors['control']}" if tcp else "gateway"
        authorization = f"Authorization: Bearer {token}\r\n" if tcp else ""
        return f"{method} {target} HTTP/1.1\r\nHost: {authority}\r\n{authorization}{kind}\r\n".encode() + body

    def response(self, method: str, target: str, *, tcp: bool = False, body: bytes = b"") -> Message:
        """An answer as it came."""
        with closing(Line(self.connection(tcp=tcp))) as line:
            line.send(self.head(method, target, tcp=tcp, body=body))
            return line.response()

    def ask(self, target: str, method: str = "GET", *, tcp: bool = False, **members: str) -> Answered:
        """A question."""
        body = json.dumps(members).encode() if members else b""
        response = self.response(method, target, tcp=tcp, body=body)
        return Answered(response.status, json.loads(response.body))

    def ask_until_all_answer(self) -> None:
        """No worker is missing any more."""
        wait_until(lambda: not self.ask("/listeners").members["missing_workers"], "all workers answer")


class AnswerTests(ControlCase):
    """Answers of all workers."""

    def test_both_sockets(self) -> None:
        """The Unix socket and the port answer the same, for all workers."""
        for target in ("/listeners", "/backends", "/certificates", "/clients", "/configuration"):
            answers = [self.ask(target, tcp=tcp) for tcp in (False, True)]
            self.assertEqual([each.status for each in answers], [200, 200], target)
            self.assertEqual(answers[0].members.keys(), answers[1].members.keys())
            self.assertEqual(answers[0].members.get("missing_workers", []), [])

    def test_metrics(self) -> None:
        """GET /metrics has every worker."""
        response = self.response("GET", "/metrics")
        self.assertEqual(response.status, 200)
        self.assertIn(b"agw_workers 2.0\n", response.body)
        self.assertIn(b"agw_workers_missing 0.0\n", response.body)

    def test_clients_of_all(self) -> None:
        """Clients of whichever worker are in one list, and each can be closed by its id; then it is gone."""
        with ExitStack() as held:
            lines = [held.enter_context(closing(clients.plain(self.scene.doors["plain"]))) for _ in range(6)]
            for line in lines:
                line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(line.response().status, 200)
            answer = self.ask("/clients?limit=1000&listener=plain")
            ports = {each["port"]: each["id"] for each in answer.members["clients"]}
            mine = [line.socket.getsockname()[1] for line in lines]
            self.assertLessEqual(set(mine), set(ports))
            closed = self.ask(f"/connections/{ports[mine[0]]}/close", "POST")
            self.assertEqual((closed.status, closed.members["missing_workers"]), (200, []))
            self.assertEqual(lines[0].rest(), b"")
            self.assertEqual(self.ask(f"/connections/{ports[mine[0]]}/close", "POST").status, 404)

    def test_refusal(self) -> None:
        """A client that is refused is an event, and one of the refusals; its certificate is explained by its id."""
        with closing(self.connection(tcp=True)) as reader:
            reader.sendall(self.head("GET", "/events?kinds=refusal", tcp=True))
            received = b""
            while b"retry:" not in received:
                received += reader.recv(1 << 16)
            self.ask_until_all_answer()  # and so listen
            found = clients.by_python(self.gateway.call(self.scene.doors["strict"], "stranger"))
            self.assertEqual(found.alert, "unknown_ca")
            while b"event: refusal" not in received or not received.endswith(b"\n\n\r\n"):
                received += reader.recv(1 << 16)
        event = json.loads(received.partition(b"event: refusal\ndata: ")[2].partition(b"\n")[0])
        (refusal,) = self.ask(f"/refusals?id={event['id']}").members["refusals"]
        self.assertEqual((refusal["listener"], refusal["subject"]), ("strict", event["subject"]))
        self.assertIn(event["id"], [each["id"] for each in self.ask("/refusals").members["refusals"]])
        answer = self.ask("/explain", "POST", tcp=True, refusal=event["id"])
        self.assertEqual((answer.status, answer.members["accepted"]), (200, False), answer)
        self.assertEqual(self.ask("/explain", "POST", refusal="9-9").status, 404)

    def test_documented(self) -> None:
        """Every member of the reference page is in the answer of a gateway, and the other way round."""
        with closing(clients.encrypted(self.gateway.call(self.scene.doors["strict"], "ecdsa"))) as line:
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(line.response().status, 200)
            clients.by_python(self.gateway.call(self.scene.doors["strict"], "stranger"))
            answers: dict[Asked, Any] = {Operation.RELOAD: self.ask("/reload", "POST").members}
            for route in ROUTES:
                if route.method == "GET" and route.form is Form.JSON:
                    answers[route.asks] = self.ask(route.path).members
            pem = (self.gateway.directory / "stranger.pem").read_text()
            answers[Operation.EXPLAIN] = self.ask("/explain", "POST", listener="strict", certificate=pem).members
            device = (self.gateway.directory / "ecdsa.pem").read_text()
            answers[Operation.CHECK] = self.ask(
                "/revocation/check", "POST", listener="asking", certificate=device
            ).members
            answers[Question.IMPORT] = self.ask("/revocation/import", "POST", ocsp_response="MAA=").members
            answers[Operation.REOPEN] = self.ask("/log/reopen", "POST").members
            server = f"/backends/app/app/127.0.0.1:{self.scene.backend.port}"
            answers[Question.DRAIN] = self.ask(f"{server}/drain", "POST").members
            answers[Question.UNDRAIN] = self.ask(f"{server}/undrain", "POST").members
            answers[Question.FORGET] = self.ask("/revocation/forget", "POST").members
            (client,) = answers[Question.CLIENTS]["clients"][-1:]
            answers[Question.CLOSE] = self.ask(f"/connections/{client['id']}/close", "POST").members
        self.assertEqual(answers.keys(), ANSWERS.keys())
        for asked, tree in ANSWERS.items():
            answer = {name: value for name, value in answers[asked].items() if name != "missing_workers"}
            self.assertNotIn("error", answer, asked)
            self.assertEqual(list(undocumented(tree, answer)), [], asked)
            missing = {path for path in unseen(tree, answer) if path.partition(".")[0] not in NOT_HERE}
            self.assertEqual(missing, set(), asked)

    def test_token(self) -> None:
        """The token is made at the start, its owner's alone; it is in no log."""
        token = self.state / "control.token"
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        self.assertNotIn(token.read_text().strip(), self.gateway.output)
        with closing(Line(self.connection(tcp=True))) as line:
            line.send(f"GET /status HTTP/1.1\r\nHost: 127.0.0.1:{self.scene.doors['control']}\r\n\r\n".encode())
            self.assertEqual(line.response().status, 401)


class HeldUpTests(ControlCase):
    """Clients and workers that do nothing."""

    def test_readers_that_do_not_read(self) -> None:
        """Readers of events that never read, and connections that send nothing, keep no reload from its answer."""
        with ExitStack() as held:
            for tcp in (False, True):
                for number in range(READERS):
                    reader = held.enter_context(closing(self.connection(tcp=tcp)))
                    reader.sendall(self.head("GET", "/events", tcp=tcp))
                    if not number:
                        self.assertIn(b"200 OK", reader.recv(1 << 16))
                for _ in range(50):
                    silent = held.enter_context(closing(self.connection(tcp=tcp)))
                    with contextlib.suppress(OSError):  # it has given way already
                        silent.sendall(b"POST /reload HTTP/1.1\r\n")
            done = self.gateway.agw("reload", "--config", "gw.ini")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(self.ask("/reload", "POST", tcp=True).status, 200)

    def test_worker_that_stands_still(self) -> None:
        """A worker that does not answer is missing from the answers, which come all the same, until it goes on."""
        process = workers(self.gateway)[1]
        self.addCleanup(self.ask_until_all_answer)
        os.kill(process, signal.SIGSTOP)
        self.addCleanup(os.kill, process, signal.SIGCONT)
        answer = self.ask("/listeners")
        self.assertEqual((answer.status, answer.members["missing_workers"]), (200, [1]))
        again = [self.ask(target) for target in ("/listeners", "/backends", "/clients")]
        self.assertEqual([each.members["missing_workers"] for each in again], [[1]] * 3)
        self.assertIn(b"agw_workers_missing 1.0\n", self.response("GET", "/metrics").body)
        self.assertIn("No answer to a question of the control API within 5 s by worker 1", self.gateway.output)
        gone = self.ask("/connections/1-123456/close", "POST")
        self.assertEqual(gone.status, 503, gone)

    def test_worker_that_ends(self) -> None:
        """A worker that ends while it is asked is missing; its successor answers, and no id is given again."""
        process = workers(self.gateway)[2]
        self.addCleanup(workers, self.gateway, 2, process)
        os.kill(process, signal.SIGSTOP)
        with closing(Line(self.connection())) as line:
            line.send(self.head("GET", "/listeners"))
            os.kill(process, signal.SIGKILL)
            response = line.response()
        self.assertEqual(response.status, 200)
        self.assertIn(json.loads(response.body)["missing_workers"], ([], [2]))  # it may have answered before
        workers(self.gateway, 2, process)
        self.ask_until_all_answer()
        self.assertGreater(min(self.numbers_of_clients(2)), NUMBERS)

    def numbers_of_clients(self, worker: int) -> list[int]:
        """Numbers in the ids of some clients that this worker has."""
        with ExitStack() as held:
            for _ in range(20):
                place = ("127.0.0.1", self.scene.doors["plain"])
                held.enter_context(closing(socket.create_connection(place, running.PATIENCE)))
            wait_until(lambda: self.ask("/clients").members["total"] >= 20, "all clients are there")
            ids = [each["id"].split("-") for each in self.ask("/clients").members["clients"]]
            return [int(number) for index, number in ids if index == str(worker)]
