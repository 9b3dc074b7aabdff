"""`workers = 2`: what clients and the log see of it, also when a worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import changes, clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.changes import GET, Steady
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.worker_processes import is_alive

MANY = 24
"""Connections of which either worker has some, but for one time in eight millions."""


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def workers(of: gateway.Gateway) -> set[int]:
    """The processes that the spawner, the parent's only child, has forked."""
    return {worker for spawner in children(of.pid) for worker in children(spawner)}


def is_answered(line: Line) -> bool:
    """Whether a connection still carries a request and its response."""
    try:
        line.send(GET % b"/")
        return line.response().status == 200
    except (OSError, AssertionError):
        return False


class WorkersTests(SynchronousTestCase):
    """A gateway of two workers."""

    @contextmanager
    def running(self) -> Iterator[gateway.Gateway]:
        """One with a plain and a Strict door, before a server that answers with its name."""
        with ExitStack() as stack:
            backend = stack.enter_context(closing(Backend(changes.Pages("one"))))
            self.plain, self.strict = running.free_ports(2)
            text = gateway.gateway_section(workers=2, drain_timeout=5) + gateway.PROFILES
            text += gateway.pool("app", backend.port) + gateway.door("plain", self.plain, protocol="Http")
            text += gateway.door("strict", self.strict, "strict")
            started = stack.enter_context(gateway.running_gateway(text))
            wait_until(lambda: len(workers(started)) == 2, "there are two workers")
            yield started

    def test_killed_worker(self) -> None:
        """A worker that is killed takes its own connections with it and no other, and is replaced."""
        with self.running() as at, ExitStack() as stack:
            call = at.call(self.strict, "ecdsa")
            lines = [stack.enter_context(closing(clients.encrypted(call))) for _ in range(MANY)]
            self.assertTrue(all(map(is_answered, lines)))
            before = workers(at)
            os.kill(min(before), signal.SIGKILL)
            new = [clients.by_python(call).status for _ in range(MANY)]
            self.assertEqual(new, [200] * MANY)
            living = sum(map(is_answered, lines))
            self.assertTrue(0 < living < MANY, living)
            wait_until(lambda: len(workers(at)) == 2, "there are two workers again")
            self.assertEqual(len(workers(at) & before), 1)

    def test_log(self) -> None:
        """The access log has every request of every worker on a line of its own."""
        with self.running() as at, ExitStack() as stack:
            call = at.call(self.strict, "ecdsa")
            asking = [Steady(lambda: clients.plain(self.plain), keeps=True) for _ in range(8)]
            asking += [Steady(lambda: clients.encrypted(call), keeps=False) for _ in range(2)]
            for each in asking:
                stack.callback(each.stop)
            wait_until(lambda: sum(each.answered for each in asking) > 1000, "there is load")
            for each in asking:
                each.stop()
            self.assertEqual([failure for each in asking for failure in each.failures], [])
            answered = sum(each.answered for each in asking)
            wait_until(lambda: len(at.records()) >= answered, "every request has its line")
            self.assertEqual(len({each["transactionId"] for each in at.records()}), answered)

    def test_ends_as_one(self) -> None:
        """SIGTERM to the parent ends all, with one exit status, after what is under way."""
        with self.running() as at:
            family = {*children(at.pid), *workers(at)}
            line = clients.plain(self.plain)
            self.addCleanup(line.close)
            self.assertTrue(is_answered(line))
            self.assertIn(at.stop(), (0, -signal.SIGTERM))
            self.assertEqual(line.rest(), b"")
            wait_until(lambda: not any(map(is_alive, family)), "no process is left")
