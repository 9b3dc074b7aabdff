"""A gateway of several processes, as its users start it: what a client notices of a worker's end, a reload, a stop."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
from collections.abc import Mapping
from contextlib import closing
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway, test_stopping
from tests.end_to_end.backends import Backend, accepts
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.worker_processes import is_alive, spawner, worker_of, workers

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

MANY = 24
"""Connections that reach both workers: that all reach the same one happens once in eight million times."""


class Workers(SynchronousTestCase):
    """A gateway with two workers, and a plain, an open and a strict door."""

    def setUp(self) -> None:
        backend = Backend()
        self.addCleanup(backend.close)
        self.plain, self.open, self.strict, self.spare = running.free_ports(4)
        self.backend = backend

    def text(self, *, more: str = "", **keys: object) -> str:
        """Its configuration."""
        text = gateway.gateway_section(**{"workers": 2, **keys}) + gateway.PROFILES
        text += gateway.pool("app", self.backend.port) + gateway.door("plain", self.plain, protocol="Http")
        return text + gateway.door("open", self.open) + gateway.door("strict", self.strict, "strict") + more

    def prepared(self, text: str) -> Gateway:
        """One with this configuration, not started."""
        entered = gateway.prepared(text)
        made = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        return made

    def started(self, **keys: object) -> Gateway:
        """One that serves with both workers, and must end well."""
        made = self.prepared(self.text(**keys))
        made.start()
        workers(made)
        self.addCleanup(self.assert_ends_well, made)
        return made

    def assert_ends_well(self, made: Gateway) -> None:
        """It ends by SIGTERM, all of its processes do, and it has complained of no defect."""
        processes = [*workers(made).values(), spawner(made)]
        self.assertIn(made.stop(), (0, -signal.SIGTERM, -signal.SIGINT), made.output)
        gateway.assert_no_defect(made.output)
        self.assertEqual([each for each in processes if is_alive(each)], [])

    def answered(self, line: Line) -> str:
        """The Server header of an answer of the gateway's own, or the status of the backend's."""
        line.send(GET)
        return str(line.response().status)

    def connections(self, made: Gateway) -> dict[int, list[Line]]:
        """Connections that have had an answer, by the worker that serves them; both have some."""
        processes = workers(made)
        found: dict[int, list[Line]] = {index: [] for index in processes}
        for _ in range(MANY):
            line = clients.plain(self.plain)
            self.addCleanup(line.close)
            self.assertEqual(self.answered(line), "200")
            found[worker_of(line, processes)].append(line)
        self.assertTrue(all(found.values()), found)
        return found


class ServingTests(Workers):
    """While all is well."""

    def test_both_serve(self) -> None:
        """Connections reach both workers; a strict door refuses in each what one process refuses."""
        made = self.started()
        self.connections(made)
        for _ in range(MANY):
            self.assertEqual(clients.by_python(made.call(self.strict, "ecdsa")).status, 200)
            self.assertEqual(clients.by_python(made.call(self.strict, version="1.2")).alert, "handshake_failure")

    def test_tickets(self) -> None:
        """A ticket that one worker has issued is taken by all, TLS 1.3 and 1.2, also by one that was forked later."""
        made = self.started()
        for version in ("1.3", "1.2"):
            call = made.call(self.open, version=version)
            context = clients.context(call)
            session = self.session(context, None)[0]
            for _ in range(MANY):
                self.assertTrue(self.session(context, session)[1], version)
            killed = workers(made)[1]
            os.kill(killed, signal.SIGKILL)
            workers(made, besides=killed)
            for _ in range(MANY):
                self.assertTrue(self.session(context, session)[1], version)

    def session(self, context: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[ssl.SSLSession, bool]:
        """The session of a connection that may resume another's, and whether it has."""
        with closing(clients.plain(self.open)) as line:
            wrapped = context.wrap_socket(line.socket, server_hostname="localhost", session=session)
            line.socket = wrapped
            self.assertEqual(self.answered(line), "200")
            assert wrapped.session is not None
            return wrapped.session, bool(wrapped.session_reused)

    def test_log(self) -> None:
        """What a worker logs is in the parent's log, with the worker in front; the access log has whole lines."""
        made = self.started()
        self.connections(made)
        wait_until(lambda: len(made.records()) == MANY, "the access log has all lines")
        file = made.directory / "access.log"
        file.rename(made.directory / "moved.log")
        file.mkdir()
        made.signal(signal.SIGUSR1)
        for index in (1, 2):
            wait_until(lambda index=index: f"worker {index}: the access log" in made.output, "it cannot be reopened")

    def test_standard_output(self) -> None:
        """`access_log = -` works with workers, in the foreground."""
        made = self.started(access_log="-")
        self.connections(made)
        wait_until(lambda: made.output.count('"properties"') == MANY, "all lines are on standard output")


class ReplacingTests(Workers):
    """When a process ends that should not."""

    def test_only_its_own_connections(self) -> None:
        """A worker that dies takes its own connections along; the other's go on, and it is replaced."""
        made = self.started()
        lines = self.connections(made)
        killed = workers(made)[1]
        os.kill(killed, signal.SIGKILL)
        for line in lines[1]:
            self.assertEqual(line.rest(), b"")
        for line in lines[2]:
            self.assertEqual(self.answered(line), "200")
        self.assertEqual(workers(made, besides=killed).keys(), {1, 2})
        self.assertRegex(made.output, r"worker 1 has ended after [\d.]+ s: SIGKILL; its connections")
        self.connections(made)

    def test_its_queue(self) -> None:
        """Connections that wait in the queue of a worker that dies are served by the next one."""
        made = self.started()
        killed = workers(made)[1]
        os.kill(killed, signal.SIGSTOP)  # from now on it accepts none
        lines = [clients.plain(self.plain) for _ in range(MANY)]
        for line in lines:
            self.addCleanup(line.close)
            line.send(GET)
        os.kill(killed, signal.SIGKILL)
        self.assertEqual({line.response().status for line in lines}, {200})

    def test_terminated(self) -> None:
        """SIGTERM to a worker alone has it drain; another one takes its place, and its share of the connections."""
        made = self.started()
        lines = self.connections(made)
        ended = workers(made)[2]
        os.kill(ended, signal.SIGTERM)
        workers(made, besides=ended)
        for line in lines[1]:
            self.assertEqual(self.answered(line), "200")
        self.connections(made)
        self.assertIn("worker 2: Draining; then another worker takes its place", made.output)
        self.assertRegex(made.output, r"worker 2 has drained and ended after [\d.]+ s; the next one starts in")

    def test_spawner(self) -> None:
        """A spawner that dies is replaced, and workers serve on; then they are replaced as before."""
        made = self.started()
        lines = self.connections(made)
        killed = spawner(made)
        os.kill(killed, signal.SIGKILL)
        spawner(made, besides=killed)
        for line in (*lines[1], *lines[2]):
            self.assertEqual(self.answered(line), "200")
        ended = workers(made)[1]
        os.kill(ended, signal.SIGKILL)
        workers(made, besides=ended)
        self.assertIn("The spawner", made.output)
        self.connections(made)

    def test_parent(self) -> None:
        """If the parent dies, all others end by themselves, and the ports are free."""
        made = self.prepared(self.text(drain_timeout=1))
        made.start()
        processes = [*workers(made).values(), spawner(made)]
        made.signal(signal.SIGKILL)
        made.wait()
        wait_until(lambda: not any(map(is_alive, processes)), "all processes have ended")
        again = self.prepared(self.text())
        again.start()
        workers(again)
        again.stop()


class ReloadTests(Workers):
    """SIGHUP."""

    def reload(self, made: Gateway, text: str, words: str) -> None:
        """Has it take another configuration; waits until the log has the words once more."""
        before = made.output.count(words)
        made.file.write_text(text)
        made.signal(signal.SIGHUP)
        wait_until(lambda: made.output.count(words) > before, f"the log has {words!r}")

    def headers(self) -> set[str]:
        """The Server headers of the gateway's own answers, of connections that reach both workers."""
        found = set()
        for _ in range(MANY):
            with closing(clients.plain(self.plain)) as line:
                line.send(b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n")
                found.add(line.response().get("Server"))
        return found

    def test_all(self) -> None:
        """Another configuration is in force in all workers, with new listeners, also in one that is forked later."""
        made = self.started()
        self.assertEqual(self.headers(), {"agwtwisted"})
        more = gateway.door("spare", self.spare, protocol="Http")
        text = self.text(more=more, server_header="other")
        self.reload(made, text, "is in force")
        wait_until(lambda: self.headers() == {"other"}, "all workers have it")
        with closing(clients.plain(self.spare)) as line:
            self.assertEqual(self.answered(line), "200")
        killed = workers(made)[1]
        os.kill(killed, signal.SIGKILL)
        workers(made, besides=killed)
        self.assertEqual(self.headers(), {"other"})
        for _ in range(MANY):
            with closing(clients.plain(self.spare)) as line:
                self.assertEqual(self.answered(line), "200")

    def test_refused(self) -> None:
        """A wrong one is in force in none, and neither is one with a busy port; the reason is in the log."""
        made = self.started()
        self.reload(made, self.text(server_header="other") + "[nonsense]\n", "rejected")
        with closing(running_port(self.spare)):
            more = gateway.door("spare", self.spare, protocol="Http")
            self.reload(made, self.text(more=more, server_header="other"), "rejected")
        self.assertIn(f"cannot listen on 127.0.0.1:{self.spare}", made.output)
        self.assertEqual(self.headers(), {"agwtwisted"})

    def test_removed(self) -> None:
        """A listener that went is refused by all, and its port is free."""
        made = self.started(more=gateway.door("spare", self.spare, protocol="Http"))
        self.reload(made, self.text(), "is in force")
        wait_until(lambda: f"No longer listening on 127.0.0.1:{self.spare}: http_listener spare" in made.output, "said")
        wait_until(lambda: not accepts(self.spare), "both closed it")
        self.assertEqual(
            made.output.count(f"istening on 127.0.0.1:{self.spare}"), 2, made.output
        )  # by the parent alone
        self.assertRegex(made.output, r" is ready in \d+ ms: 4 listeners, 2 workers\n")
        self.assertRaises(ConnectionRefusedError, clients.plain, self.spare)
        running_port(self.spare).close()

    def test_after_the_spawner(self) -> None:
        """A spawner that was started after a reload forks workers of the configuration in force."""
        made = self.started()
        self.reload(made, self.text(server_header="other"), "is in force")
        killed = spawner(made)
        os.kill(killed, signal.SIGKILL)
        spawner(made, besides=killed)
        for index in (1, 2):
            ended = workers(made)[index]
            os.kill(ended, signal.SIGKILL)
            workers(made, besides=ended)
        self.assertEqual(self.headers(), {"other"})


def running_port(port: int) -> Line:
    """A program that listens there."""
    from agwtwisted.listening.listener import bind

    return Line(bind("127.0.0.1", port))


class StoppingTests(test_stopping.StoppingTests):
    """A stop under load, of two workers: no request is cut."""

    keys: ClassVar[Mapping[str, object]] = {"workers": 2}


class StartTests(Workers):
    """A start that fails, and how a gateway is stopped."""

    def test_port(self) -> None:
        """A busy port stops the start, with a message, before anything serves."""
        with closing(running_port(self.open)):
            made = self.prepared(self.text())
            done = running.call(made.directory, *made.words())
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot listen on 127.0.0.1:{self.open}", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_twice(self) -> None:
        """A second gateway on the same ports does not start, although workers share ports."""
        made = self.started()
        again = self.prepared(self.text())
        done = running.call(again.directory, *again.words())
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot listen on", done.stderr)
        self.connections(made)

    def test_worker(self) -> None:
        """A worker that cannot start stops the start; the reason is said, and no process is left."""
        made = self.prepared(self.text())
        made.environment = {"PYTHONPATH": f"{made.directory}:{running.ROOT}"}
        (made.directory / "sitecustomize.py").write_text(SABOTAGE)
        done = subprocess.run(
            made.words(),
            cwd=made.directory,
            env={**running.environment(), **made.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=running.PATIENCE,
        )
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(
            done.stdout + done.stderr, r"a defect of the gateway in a worker, which is in the log: RuntimeError"
        )
        self.assertRegex(done.stdout, r"worker \d: Unexpected error while starting(.*\n)+.*RuntimeError: sabotage")
        spawned = int(re.findall(r"The spawner \(process (\d+)\)", done.stdout)[0])
        self.assertFalse(is_alive(spawned))

    def test_interrupted(self) -> None:
        """SIGINT to all processes at once, as a terminal sends it, drains as SIGTERM to the parent does."""
        made = self.started()
        lines = self.connections(made)
        for process in (made.pid, spawner(made), *workers(made).values()):
            os.kill(process, signal.SIGINT)
        for line in (*lines[1], *lines[2]):
            self.assertEqual(line.rest(), b"")
        self.assertIn(made.wait(), (0, -signal.SIGINT), made.output)

    def test_second_signal(self) -> None:
        """A second SIGTERM, while the gateway drains, ends all processes at once."""
        made = self.started(drain_timeout=3600)
        processes = [*workers(made).values(), spawner(made)]
        line = clients.plain(self.plain)
        self.addCleanup(line.close)
        line.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
        wait_until(lambda: worker_of(line, workers(made)), "the connection is served")
        made.signal(signal.SIGTERM)
        wait_until(lambda: "Stopping: 1 connection, which may take 3600 s to end" in made.output, "it drains")
        made.signal(signal.SIGTERM)
        self.assertEqual(made.wait(), -signal.SIGTERM)
        wait_until(lambda: not any(map(is_alive, processes)), "all processes have ended")

    def test_check(self) -> None:
        """`--check` says how many workers there are."""
        for value, words in (("2", "2 workers"), ("auto", f"{len(os.sched_getaffinity(0))} workers (auto)")):
            made = self.prepared(self.text(workers=value))
            done = running.call(made.directory, *made.words(check=True))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(words, done.stdout)


SABOTAGE = """
import sys
if "agwtwisted.workers.spawner" in sys.orig_argv:
    import agwtwisted.shared
    def make(*arguments, **named):
        raise RuntimeError("sabotage")
    agwtwisted.shared.Shared.make = make
"""
