"""The system's clock is set by an hour while the gateway runs: nothing hangs, nothing is cut."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import pki, programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.responder import Responder, delegate

HOUR = 3600
GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class FakeTime:
    """libfaketime's clock of a process, which can be set while that runs; its monotonic clock stays the true one."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / "time"
        self.set(0)
        words = ["faketime", "-m", "-f", "+0", "printenv", "LD_PRELOAD"]
        library = subprocess.run(words, capture_output=True, text=True, check=True, timeout=DEADLINE).stdout.strip()
        self.environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, ahead: int) -> None:
        """The process's clock is ahead of the true one by so many seconds."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{ahead:+d}\n")
        new.replace(self._file)


class Slow:
    """A server that answers a request for /slow when the test says so, and any other at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, line: Line) -> None:
        """Talks on one connection."""
        while head := line.head():
            if "/slow" in head.start:
                self.asked.set()
                self.go_on.wait(DEADLINE)
            line.send(OK)


@programs.needs("faketime")
class StepTests(SynchronousTestCase):
    """A gateway whose clock is an hour wrong, from one moment to the next."""

    def setUp(self) -> None:
        root = gateway.certificates()["devices-root"]
        assert isinstance(root, pki.Authority)
        self.issuer = root.intermediate("Devices of the clock's tests")
        self.slow = Slow()

    @contextmanager
    def place(self) -> Iterator[Gateway]:
        """A gateway with a plain door, and two whose clients are asked about."""
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            signer = delegate(self.issuer)
            self.responder = stack.enter_context(closing(Responder(signer)))
            self.responder.certificates = (signer,)
            backend = stack.enter_context(closing(Backend(self.slow)))
            stack.callback(self.slow.go_on.set)
            self.plain, self.refusing, self.allowing = running.free_ports(3)
            text = gateway.gateway_section(header_timeout=2, drain_timeout=5) + gateway.PROFILES
            text += gateway.pool("app", backend.port)
            text += gateway.door("plain", self.plain, protocol="Http")
            for name, port in (("Refuse", self.refusing), ("Allow", self.allowing)):
                text += section(
                    f"ssl_profile {name}",
                    trusted_client_certificates="devices",
                    verify_client_revocation="OCSP",
                    ocsp_responder_url=self.responder.url,
                    ocsp_clock_skew=2 * HOUR,
                    ocsp_unavailable=name,
                )
                text += gateway.door(name, port, name)
            self.time = FakeTime(directory)
            yield stack.enter_context(gateway.running_gateway(text, self.time.environment))

    def comes(self, at: Gateway, name: str, status: str, port: int) -> int:
        """What a new device gets about which the responder says this."""
        device = self.issuer.issue(name)
        self.responder.knows(device, status=status)
        device.write(at.directory, name)
        return clients.by_python(at.call(port, name)).status

    def check(self, at: Gateway, ahead: int, word: str) -> None:
        """Sets the clock in the middle of everything."""
        with closing(clients.plain(self.plain)) as head, closing(clients.plain(self.plain)) as running_long:
            self.slow.asked.clear()
            self.slow.go_on.clear()
            running_long.send(GET % b"/slow")
            self.slow.asked.wait(DEADLINE)
            head.send(b"GET / HT")
            seen = f"clock was set {word}"
            before = at.output.count(seen)
            self.time.set(ahead)
            wait_until(lambda: at.output.count(seen) > before, "the gateway sees the step")
            self.assertEqual(head.response().status, 408)
            self.slow.go_on.set()
            self.assertEqual(running_long.response().body, b"ok")
        for port in (self.refusing, self.allowing):
            self.assertEqual(self.comes(at, f"good{port}{ahead}", "good", port), 200)
            self.assertEqual(self.comes(at, f"revoked{port}{ahead}", "revoked", port), 400)
        with closing(clients.plain(self.plain)) as line:
            line.send(GET % b"/last%d" % ahead)
            line.response()
        stamp = at.record(requestUri=f"/last{ahead}")["timeStamp"]
        wrong = datetime.fromisoformat(stamp) - datetime.now(UTC) - timedelta(seconds=ahead)
        self.assertLess(abs(wrong), timedelta(seconds=DEADLINE))

    def test_back_and_forward(self) -> None:
        """Deadlines come, long requests live, responders are asked and believed, the log is written in the new time."""
        with self.place() as at:
            self.check(at, -HOUR, "back")
            self.check(at, 0, "forward")
            self.check(at, HOUR, "forward")

    def test_expired_by_a_step(self) -> None:
        """A client whose certificate has expired by the new time loses its connection, without sending anything."""
        with self.place() as at:
            short = self.issuer.issue("short", not_after=datetime.now(UTC) + timedelta(minutes=30))
            self.responder.knows(short, status="good")
            short.write(at.directory, "short")
            with closing(clients.encrypted(at.call(self.refusing, "short"))) as line:
                line.send(GET % b"/")
                self.assertEqual(line.response().status, 200)
                self.time.set(HOUR)
                self.assertEqual(line.rest(), b"")
