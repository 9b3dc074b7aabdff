"""What the tests of the control API share: a gateway whose whole API is open, and clients that ask it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

import attrs

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Named
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.end_to_end.worker_processes import workers

SOCKET = "state/control.sock"


@attrs.frozen
class ControlAnswer:
    """An answer of the control API."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def members(self) -> Any:
        """Those of its JSON object."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)


def curl(gateway: Gateway, path: str, *words: str) -> ControlAnswer:
    """An answer over the Unix socket, by curl."""
    unix = ["--unix-socket", str(gateway.directory / SOCKET)]
    return answered(
        clients.run(["curl", "--silent", "--show-error", "--include", *unix, *words, f"http://gateway{path}"])
    )


def curl_tcp(port: int, path: str, *words: str) -> ControlAnswer:
    """An answer over TCP, by curl."""
    return answered(
        clients.run(["curl", "--silent", "--show-error", "--include", *words, f"http://127.0.0.1:{port}{path}"])
    )


def bearer(started: Gateway) -> tuple[str, str]:
    """The words of curl that show the gateway's token."""
    token = (started.directory / "state" / "control.token").read_text().strip()
    return ("--header", f"Authorization: Bearer {token}")


def answered(done: subprocess.CompletedProcess[str]) -> ControlAnswer:
    """What curl has printed."""
    assert done.returncode == 0, done
    head, _, body = done.stdout.partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    pairs = (line.partition(": ")[::2] for line in lines)
    return ControlAnswer(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


@attrs.frozen(kw_only=True)
class Servers:
    """The two servers of the pool `app`, by the names that they answer with."""

    one: Backend
    two: Backend


def configuration(doors: Mapping[str, int], servers: Servers, relayed: Backend, **keys: object) -> str:
    """Doors of every kind, and a control API on both sockets."""
    text = gateway.gateway_section(state_directory="state", log_refused_certificates="true", **keys)
    text += gateway.section("control", port=doors["control"]) + gateway.PROFILES
    text += gateway.pool("app", servers.one.port, servers.two.port)
    text += gateway.relay_pool("echo", relayed.port)
    text += gateway.door("plain", doors["plain"], protocol="Http") + gateway.door("strict", doors["strict"], "strict")
    text += gateway.door("http400", doors["http400"], "http400")
    return text + gateway.relay_door("relay", doors["relay"], "strict", to="echo")


DOORS = ("plain", "strict", "http400", "relay", "control")


@contextmanager
def stage(processes: int = 1, **keys: object) -> Iterator[gateway.Scene]:
    """A gateway of one process, or with so many workers, before two servers."""
    doors = dict(zip(DOORS, running.free_ports(len(DOORS)), strict=True))
    with (
        closing(Backend(Named("one"))) as one,
        closing(Backend(Named("two"))) as two,
        closing(Backend(echoing)) as relayed,
    ):
        servers = Servers(one=one, two=two)
        text = configuration(doors, servers, relayed, workers=processes, **keys)
        with gateway.running_gateway(text) as started:
            if processes > 1:
                workers(started, processes)
            yield gateway.Scene(gateway=started, doors=doors, backend=servers)


@contextmanager
def one() -> Iterator[gateway.Scene]:
    """A gateway of one process."""
    with stage() as scene:
        yield scene


@contextmanager
def two() -> Iterator[gateway.Scene]:
    """A gateway with two workers."""
    with stage(2) as scene:
        yield scene


def echoing(line: Any) -> None:
    """Sends back what comes."""
    sent = 0
    while line.more():
        line.send(bytes(line.received[sent:]))
        sent = len(line.received)


_numbers = count()


class EventReader:
    """curl, which reads the events of the Unix socket until it is ended."""

    def __init__(self, started: Gateway, query: str = "") -> None:
        unix = ["--unix-socket", str(started.directory / SOCKET)]
        words = ["curl", "--silent", "--no-buffer", *unix, f"http://gateway/events{query}"]
        self._file = started.directory / f"events-{next(_numbers)}"
        with self._file.open("wb") as output:
            self.process = subprocess.Popen(words, stdout=output, env=running.environment())
        wait_until(lambda: b"retry:" in self._file.read_bytes(), "the events have begun")

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and members of each so far."""
        found = []
        for block in self._file.read_text().split("\n\n")[:-1]:
            lines = dict(line.partition(": ")[::2] for line in block.splitlines())
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"])))
        return found

    def await_event(self, kind: str, **members: object) -> dict[str, Any]:
        """The first event of this kind with these members, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [each for of, each in self.events() if of == kind and members.items() <= each.items()]

        return wait_until(found, f"an event {kind} with {members}")[0]

    def ended(self) -> int:
        """curl's exit status, once the gateway has ended the events."""
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
