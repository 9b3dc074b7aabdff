"""What the workers of one gateway share, as clients, backends, responders and logs see it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.end_to_end.test_revocation import Place, issuer
from tests.end_to_end.test_worker_processes import GET, MANY, Workers
from tests.end_to_end.worker_processes import worker_of, workers
from tests.responder import Response, Single

GONE = (OSError, AssertionError, ValueError)
"""What a client meets whose connection was closed."""


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Runs `work` in so many threads; raises the first error, and one where some do not end."""
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE)
    if errors:
        raise errors[0]
    if any(thread.is_alive() for thread in threads):
        raise AssertionError("some clients are stuck")


class LogTests(Workers):
    """One access log."""

    def test_every_line(self) -> None:
        """2,000 requests over connections of both workers make 2,000 whole lines, through two rotations; none of a
        worker that is killed meanwhile is torn.
        """
        made = self.started()
        log = made.directory / "access.log"
        rotated = [log.with_name(f"access.log.{number}") for number in (1, 2)]

        def work(number: int) -> None:
            for _ in range(25):
                with closing(clients.plain(self.plain)) as line:
                    for _ in range(10):
                        self.assertEqual(self.answered(line), "200")
                if number == 0 and not rotated[-1].exists():
                    log.rename(next(each for each in rotated if not each.exists()))
                    made.signal(signal.SIGUSR1)
                    wait_until(log.exists, "there is a new file")

        in_threads(8, work)

        def lines() -> list[bytes]:
            return b"".join(each.read_bytes() for each in (*rotated, log)).splitlines(keepends=True)

        wait_until(lambda: len(lines()) == 2000, "every request has its line")
        self.assertTrue(all(json.loads(line) and line.endswith(b"\n") for line in lines()))
        ids = [json.loads(line)["properties"]["transactionId"] for line in lines()]
        self.assertEqual(len(set(ids)), 2000)


SEVERAL = 4


class Counting:
    """A backend that knows how many requests it has at once, and holds the first ones until they are several."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = self.most = 0
        self.release = threading.Event()

    def __call__(self, line: Line) -> None:
        while line.head() is not None:
            with self._lock:
                self._now += 1
                self.most = max(self.most, self._now)
                if self.most >= SEVERAL:
                    self.release.set()
            self.release.wait(DEADLINE)
            with self._lock:
                self._now -= 1
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


class LimitsTests(Workers):
    """Limits of the sum."""

    def test_connections(self) -> None:
        """Many clients at once, to two workers that have ten places together: the backend never has more than ten
        requests, and every client gets all of its answers.
        """
        counting = Counting()
        self.backend.talk = counting
        self.started(max_connections=10)

        def work(_: int) -> None:
            left = 12
            while left:
                with contextlib.suppress(*GONE), closing(clients.plain(self.plain)) as line:
                    line.send(GET)
                    left -= line.response().status == 200

        in_threads(30, work)
        self.assertLessEqual(counting.most, 10)
        self.assertGreaterEqual(counting.most, SEVERAL)

    def test_strangers(self) -> None:
        """Strangers that fill all places with silence, all of them at one worker, keep no client out of the other."""
        made = self.started(max_connections=10)
        processes = workers(made)
        strangers = 0
        while strangers < 10:
            line = clients.plain(self.plain)
            self.addCleanup(line.close)
            index = wait_until(partial(worker_of, line, processes), "it is accepted")
            if index == 1:
                strangers += 1
            else:
                line.close()
        served: Counter[int] = Counter()
        for _ in range(MANY):
            with closing(clients.plain(self.plain)) as line:
                self.assertEqual(self.answered(line), "200")
                served[worker_of(line, processes)] += 1
        self.assertEqual(set(served), {1, 2})

    def test_addresses(self) -> None:
        """An address has so many connections in all workers; those of a worker that was killed count no more."""
        made = self.started(max_connections_per_address=6)
        for attempt in range(2):
            served, lines = 0, []
            for _ in range(MANY):
                line = clients.plain(self.plain, "127.0.0.9")
                self.addCleanup(line.close)
                with contextlib.suppress(*GONE):
                    line.send(GET)
                    served += line.response().status == 200
                    lines.append(line)
            self.assertEqual(served, 6)
            if attempt == 0:
                processes = workers(made)
                of_killed = [line for line in lines if worker_of(line, processes) == 1]
                os.kill(processes[1], signal.SIGKILL)
                workers(made, besides=processes[1])
                for line in lines:
                    line.close()
                self.assertLess(len(of_killed), 7)
                wait_until(lambda: self.free("127.0.0.9"), "places are free again")

    def free(self, source: str) -> bool:
        """Whether the address gets an answer."""
        with contextlib.suppress(*GONE), closing(clients.plain(self.plain, source)) as line:
            line.send(GET)
            return line.response().status == 200
        return False


class RevocationTests(SynchronousTestCase):
    """What one worker learns of a certificate."""

    def setUp(self) -> None:
        stack = ExitStack()
        self.addCleanup(stack.close)
        self.at = Place(stack, gateway_keys={"workers": 2}, further=section("control", socket="control.sock"))
        self.made: Gateway = self.at.gateway
        workers(self.made)

    def connections(self, name: str) -> Iterator[tuple[int, Line]]:
        """Connections of a device that have had an answer, each with the index of its worker."""
        while True:
            line = clients.encrypted(self.at.call("handshake", name))
            self.addCleanup(line.close)
            line.send(GET)
            self.assertEqual(line.response().status, 200)
            yield worker_of(line, workers(self.made)), line

    def of_both(self, name: str) -> dict[int, Line]:
        """One of each worker."""
        found: dict[int, Line] = {}
        for index, line in self.connections(name):
            found[index] = line
            if len(found) == 2:
                return found
        raise AssertionError

    def test_asked_once(self) -> None:
        """A certificate that both workers see is asked about once."""
        self.at.device("good")
        self.of_both("good")
        self.assertEqual(len(self.at.responder.asked), 1)

    def test_brought(self) -> None:
        """A check asks, and what it learns is known to all workers; a revocation that is brought in a file ends the
        connections of both, and the responder is not asked for it.
        """
        device = self.at.device("device")
        chain = str(self.made.directory / "device.pem")
        done = self.made.agw("revocation", "check", "--listener", "handshake", "--config", "gw.ini", chain)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{self.at.responder.url}: answers\n", done.stdout)
        self.assertTrue(done.stdout.endswith("\nAccepted: good (OCSP)\n"), done.stdout)
        found = self.of_both("device")
        self.assertEqual(len(self.at.responder.asked), 1)
        now = datetime.now(UTC).replace(microsecond=0)
        revoked = Single(certificate=device, status="revoked", this_update=now, next_update=None)
        file = self.made.directory / "revoked.ors"
        file.write_bytes(Response(signer=issuer(), singles=[revoked], produced_at=now).der())
        issuers = self.made.directory / "issuer.pem"
        issuers.write_bytes(issuer().pem)
        words = ("revocation", "import", "--config", "gw.ini", "--issuer", str(issuers), str(file))
        done = self.made.agw(*words)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("taken: serial ", done.stdout)
        for line in found.values():
            self.assertEqual(line.rest(), b"")
        explained = self.made.agw("revocation", "check", "--listener", "handshake", "--config", "gw.ini", chain)
        self.assertIn("known before: revoked on", explained.stdout)

    def test_revoked(self) -> None:
        """A revocation that one worker learns ends connections of the other, which has known it as good and does not
        ask; nor does a worker that begins later.
        """
        device = self.at.device("device")
        found = self.of_both("device")
        self.at.responder.knows(device, status="revoked")
        killed = workers(self.made)[1]  # the next one knows nothing, and asks
        os.kill(killed, signal.SIGKILL)
        workers(self.made, besides=killed)
        asked = len(self.at.responder.asked)

        def is_refused() -> bool:
            with closing(clients.encrypted(self.at.call("handshake", "device"))) as line:
                line.send(GET)
                return line.response().status == 400

        wait_until(is_refused, "a connection has come to the new worker")
        self.assertEqual(found[2].rest(), b"")
        for _ in range(MANY):
            self.assertTrue(is_refused())
        self.assertEqual(len(self.at.responder.asked), asked + 1)
        for index in (1, 2):
            killed = workers(self.made)[index]
            os.kill(killed, signal.SIGKILL)
            workers(self.made, besides=killed)
        for _ in range(MANY):
            self.assertTrue(is_refused())
        self.assertEqual(len(self.at.responder.asked), asked + 1)


class HealthTests(Workers):
    """Probes."""

    def test_once(self) -> None:
        """The parent probes, for all workers, and also for one that is forked later."""
        probed = Backend()
        self.addCleanup(probed.close)
        once = gateway.section("probe once", protocol="Http", port=probed.port, interval=86400)
        more = once + gateway.pool("probed", probed.port, probe="once")
        more += gateway.door("probed", self.spare, protocol="Http", to="probed")
        made = self.started(more=more)
        wait_until(lambda: made.output.count("Unknown -> Up") == 2, "the servers were probed")
        killed = workers(made)[1]
        os.kill(killed, signal.SIGKILL)
        workers(made, besides=killed)
        self.connections(made)
        self.assertEqual(probed.received.count(b"GET "), 1)

    def test_down(self) -> None:
        """A server that one worker's requests find refusing is avoided by all workers, without any probe."""
        [port] = running.free_ports(1)
        other = Backend(port=port)
        self.addCleanup(other.close)
        pool = gateway.section("probe once", protocol="Http", port=gateway.well(), interval=86400)
        pool += gateway.pool("two", self.backend.port, other.port, probe="once")
        made = self.prepared(self.text(more=pool + gateway.door("both", self.spare, protocol="Http", to="two")))
        made.start()
        workers(made)
        self.addCleanup(self.assert_ends_well, made)
        wait_until(lambda: made.output.count("Unknown -> Up") == 3, "all are up")
        other.close()

        def statuses() -> set[str]:
            found = set()
            for _ in range(4):
                with closing(clients.plain(self.spare)) as line:
                    found.add(self.answered(line))
            return found

        wait_until(lambda: statuses() == {"200"} and "Up -> Down" in made.output, "the other one is down")
        self.assertEqual(made.output.count("Up -> Down"), 1)


class AffinityTests(Workers):
    """Cookies."""

    def test_any_worker(self) -> None:
        """The cookie that one worker gives leads to the same server through each of them, without a state directory."""
        other = Backend()
        self.addCleanup(other.close)
        pool = gateway.pool("two", self.backend.port, other.port, cookie_based_affinity="Enabled")
        made = self.prepared(self.text(more=pool + gateway.door("both", self.spare, protocol="Http", to="two")))
        made.start()
        workers(made)
        self.addCleanup(self.assert_ends_well, made)
        with closing(clients.plain(self.spare)) as line:
            line.send(GET)
            cookie = line.response().get("Set-Cookie").partition(";")[0].encode()
        for each in (self.backend, other):
            each.forget()
        for _ in range(MANY):
            with closing(clients.plain(self.spare)) as line:
                line.send(GET.replace(b"\r\n\r\n", b"\r\nCookie: " + cookie + b"\r\n\r\n"))
                answer: Any = line.response()
                self.assertEqual((answer.status, answer.all("Set-Cookie")), (200, []))
        counts = sorted(each.received.count(b"Cookie: ") for each in (self.backend, other))
        self.assertEqual(counts, [0, MANY])
