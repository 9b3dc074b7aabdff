"""The gateway as a service: how twistd starts it, says why not, has it log anew, and ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from tests import fork_server, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, accepts
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import DEADLINE, Line, wait_until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class TwistdCase(SynchronousTestCase):
    """A gateway for each test, not started yet: a plain and a strict door before a backend."""

    def setUp(self) -> None:
        self.backend = Backend()
        self.addCleanup(self.backend.close)
        self.plain, self.strict = running.free_ports(2)

    def configuration(self, **keys: object) -> str:
        """The configuration, with these keys of the gateway's own section."""
        text = gateway.gateway_section(**keys) + gateway.PROFILES + gateway.pool("app", self.backend.port)
        text += gateway.door("plain", self.plain, protocol="Http")
        return text + gateway.door("strict", self.strict, "strict")

    def prepare(self, **keys: object) -> Gateway:
        """A gateway that was not started."""
        entered = gateway.prepared(self.configuration(**keys))
        self.addCleanup(entered.__exit__, None, None, None)
        return entered.__enter__()

    def started(self, *twistd_options: str, **keys: object) -> Gateway:
        """A gateway that serves."""
        prepared = self.prepare(**keys)
        prepared.start(*twistd_options)
        self.addCleanup(lambda: gateway.assert_no_defect(prepared.output))
        return prepared

    def call(self, started: Gateway, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the gateway's directory to its end."""
        if words[: len(gateway.TWISTD)] == gateway.TWISTD and "AGW_PYTHON" not in os.environ:
            return fork_server.call("twistd", words[len(gateway.TWISTD) :], started.directory, running.PATIENCE)
        return running.call(started.directory, *words)

    def connect(self) -> Line:
        """A connection to the plain door."""
        line = clients.plain(self.plain)
        self.addCleanup(line.close)
        return line

    def ask(self, line: Line | None = None) -> int:
        """The status of one request."""
        line = line or self.connect()
        line.send(GET)
        return line.response().status

    def assert_nobody_listens(self) -> None:
        """Both ports are free."""
        self.assertEqual((accepts(self.plain), accepts(self.strict)), (False, False))


class CommandTests(TwistdCase):
    """Commands that end by themselves."""

    def test_help_and_version(self) -> None:
        """twistd lists the gateway, and the gateway its options and its version."""
        prepared = self.prepare()
        self.assertIn("agwgateway", self.call(prepared, *gateway.TWISTD, "--help").stdout)
        told = self.call(prepared, *gateway.TWISTD, "agwgateway", "--help").stdout
        self.assertIn("--config", told)
        self.assertIn("--check", told)
        version = self.call(prepared, *gateway.TWISTD, "agwgateway", "--version")
        self.assertEqual((version.stdout, version.returncode), (f"agwtwisted {VERSION}\n", 0))

    def test_check(self) -> None:
        """--check of a good file says so, and starts nothing."""
        prepared = self.prepare()
        for options in ((), ("-n",)):
            done = self.call(prepared, *prepared.words(*options, check=True))
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith("Listeners\n"), done.stdout)
            self.assertTrue(done.stdout.endswith("\ngw.ini: the configuration is valid\n"), done.stdout)
            self.assert_nobody_listens()
        self.assertFalse((prepared.directory / "twistd.pid").exists())
        self.assertFalse((prepared.directory / "access.log").exists())

    def test_bad_file(self) -> None:
        """Every error of a file is reported in one run, with file and line, whether it is checked or started."""
        prepared = self.prepare()
        text = prepared.file.read_text()
        lines = text.count("\n")
        prepared.file.write_text(text + "[http_listener other]\nprt = 1\nport = 70000\nssl_certificate = nobody\n")
        for words in (
            prepared.words(check=True),
            prepared.words("-n", "--pidfile="),
            prepared.words("--pidfile=gateway.pid"),
        ):
            done = self.call(prepared, *words)
            self.assertEqual(done.returncode, 1)
            for number in (2, 3, 4):
                self.assertRegex(done.stderr, rf"ERROR (/\S+/)?gw\.ini:{lines + number} ")  # absolute at a start
            self.assertNotIn("Traceback", done.stdout + done.stderr)
            self.assert_nobody_listens()

    def test_bad_certificates(self) -> None:
        """A missing, empty or malformed authority file stops the start."""
        prepared = self.prepare()
        trusted = prepared.directory / "trusted.pem"
        for content in (None, b"", b"no certificate", trusted.read_bytes()[:-100]):
            trusted.unlink()
            if content is not None:
                trusted.write_bytes(content)
            done = self.call(prepared, *prepared.words("-n", "--pidfile="))
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"ERROR /\S+/(gw\.ini:\d+|trusted\.pem)")
            self.assert_nobody_listens()
            trusted.touch()

    def test_no_file(self) -> None:
        """A file that is not there is named."""
        prepared = self.prepare()
        prepared.file.unlink()
        done = self.call(prepared, *prepared.words("-n", "--pidfile="))
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stderr, f"ERROR {prepared.file} cannot be read: No such file or directory\n")

    def test_busy_port(self) -> None:
        """A port that is in use stops the start, in the foreground and as a daemon, and leaves the others free."""
        prepared = self.prepare()
        with closing(socket.create_server(("127.0.0.1", self.strict))):
            for options in (("-n", "--pidfile="), ("--pidfile=gateway.pid", "--logfile=gateway.log")):
                done = self.call(prepared, *prepared.words(*options))
                self.assertEqual(done.returncode, 1)
                section = r"gw\.ini:\d+ \[http_listener strict\]"
                told = rf"ERROR /\S+/{section} cannot listen on 127\.0\.0\.1:{self.strict}: Address"
                self.assertRegex(done.stderr, told)
                self.assertNotIn("Traceback", done.stdout + done.stderr)
                self.assertFalse(accepts(self.plain))
        self.assertFalse((prepared.directory / "gateway.pid").exists())

    def test_access_log_that_cannot_be(self) -> None:
        """A log that cannot be opened stops the start; standard output is none for a daemon."""
        prepared = self.prepare(access_log="nowhere/access.log")
        done = self.call(prepared, *prepared.words("-n", "--pidfile="))
        self.assertEqual(done.returncode, 1)
        self.assertIn("nowhere/access.log", done.stderr)
        prepared = self.prepare(access_log="-")
        done = self.call(prepared, *prepared.words("--pidfile=gateway.pid"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("access_log = - ", done.stderr)
        self.assertFalse((prepared.directory / "gateway.pid").exists())
        self.assert_nobody_listens()

    def test_standard_output(self) -> None:
        """In the foreground the access log may be standard output, one line of JSON for each request."""
        started = self.started("-n", "--pidfile=", "--logfile=twistd.log", access_log="-")
        self.assertEqual(self.ask(), 200)
        started.stop()
        lines = [line for line in started.output.splitlines() if not line.startswith("WARNING ")]
        self.assertEqual([json.loads(line)["properties"]["httpStatus"] for line in lines], [200])


class DaemonTests(TwistdCase):
    """In the background."""

    def test_life(self) -> None:
        """A daemon writes its process id, serves, ends at SIGTERM, and takes the file of its id with it."""
        prepared = self.prepare()
        done = self.call(prepared, *prepared.words("--pidfile=gateway.pid", "--logfile=gateway.log"))
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        pid_file = prepared.directory / "gateway.pid"
        wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the daemon has written its id")
        pid = int(pid_file.read_text())
        try:
            self.assertEqual(self.ask(), 200)
            call = prepared.call(self.strict, "ecdsa")
            self.assertEqual(clients.by_python(call).status, 200)
            prepared.record(clientIP=call.source)
            again = self.call(prepared, *prepared.words("--pidfile=gateway.pid", "--logfile=gateway.log"))
            self.assertEqual(again.returncode, 1)  # one of it is enough
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: ended(pid), "the daemon has ended")
        finally:
            if not ended(pid):
                os.kill(pid, signal.SIGKILL)
        self.assertFalse(pid_file.exists())
        self.assert_nobody_listens()
        log = (prepared.directory / "gateway.log").read_text()
        self.assertIn("Received SIGTERM", log)
        gateway.assert_no_defect(log)


class FeedbackTests(TwistdCase):
    """What the gateway's own log has."""

    def test_log(self) -> None:
        """A line for each listener, that it is ready, what a reload changed, and the end; no factories."""
        started = self.prepare(state_directory="state")
        text = started.file.read_text()
        local = f"backend_addresses = 127.0.0.1:{self.backend.port}"
        started.file.write_text(text.replace(local, f"{local}, nowhere.invalid"))
        started.start("-n", "--pidfile=", "--logfile=own.log")
        log = started.directory / "own.log"
        wait_until(lambda: "nowhere.invalid:80 (app): Unknown -> Down" in log.read_text(), "the name is looked up")
        [spare] = running.free_ports(1)
        changed = text.replace(str(self.plain), str(spare))
        started.file.write_text(changed)
        started.signal(signal.SIGHUP)
        wait_until(lambda: f"Listening on 127.0.0.1:{spare}" in log.read_text(), "the reload is through")
        started.stop()
        printed = re.sub(r"(?m)^\S+ \[(\S+)\] ", r"", log.read_text())
        strict = f"Listening on 127.0.0.1:{self.strict}: http_listener strict (Https, any host; ssl_profile strict: "
        expected = (
            f"Control socket {started.directory}/state/control.sock",
            f"Listening on 127.0.0.1:{self.plain}: http_listener plain (Http, any host)",
            f"{strict}Strict, Handshake)",
            f"No longer listening on 127.0.0.1:{self.plain}: http_listener plain",
            f"Listening on 127.0.0.1:{spare}: http_listener plain (Http, any host)",
            "Stopping: 0 connections, which may take 30 s to end",
        )
        for line in expected:
            self.assertEqual(printed.splitlines().count(line), 1, printed)
        self.assertRegex(printed, rf"(?m)^agwtwisted {VERSION} is ready in \d+ ms: 2 listeners$")
        self.assertNotRegex(printed, "starting on|(Start|Stopp)ing (factory|protocol)|Port .* Closed")


class SlowCase(TwistdCase):
    """A gateway before a backend that answers by halves."""

    def setUp(self) -> None:
        super().setUp()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.backend.talk = self.slow

    def slow(self, line: Line) -> None:
        """Answers at once with the first half of a body, and with the other half when it may."""
        while line.head():
            line.send(OK[:-1])
            if self.go_on.wait(DEADLINE):
                line.send(OK[-1:])

    def under_way(self) -> Line:
        """A connection with half an answer."""
        line = self.connect()
        line.send(GET)
        wait_until(lambda: line.more() and line.received.endswith(b"o"), "half of the answer is there")
        return line


class EndTests(SlowCase):
    """SIGTERM, and what is under way then."""

    def test_drains(self) -> None:
        """At SIGTERM no connection is accepted any more, idle ones close, and the response in progress is finished."""
        started = self.started()
        idle = self.connect()
        line = self.under_way()
        started.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(self.plain) and not accepts(self.strict), "nobody is accepted")
        self.assertEqual(idle.rest(), b"")
        self.assertIsNone(started.process and started.process.poll())
        self.go_on.set()
        self.assertEqual(line.response().body, b"ok")
        self.assertEqual(line.rest(), b"")
        self.assertIn(started.wait(), (0, -signal.SIGTERM))
        (record,) = started.records()
        self.assertEqual((record["httpStatus"], record["error_info"]), (200, "ERRORINFO_NO_ERROR"))

    def test_second_signal(self) -> None:
        """A second SIGTERM ends it at once, without a word."""
        started = self.started()
        line = self.under_way()
        started.signal(signal.SIGTERM)
        wait_until(lambda: not accepts(self.plain), "nobody is accepted")
        started.signal(signal.SIGTERM)
        self.assertEqual(started.wait(), -signal.SIGTERM)
        with self.assertRaises((AssertionError, OSError)):
            line.response()

    def test_quit(self) -> None:
        """SIGQUIT drains without limit: what is in progress is finished long after `drain_timeout`; status 0."""
        started = self.started(drain_timeout=0)
        line = self.under_way()
        started.signal(signal.SIGQUIT)
        wait_until(lambda: not accepts(self.plain), "no client is accepted")
        self.go_on.set()
        self.assertEqual(line.response().body, b"ok")
        self.assertEqual(started.wait(), 0)
        (record,) = started.records()
        self.assertEqual(record["httpStatus"], 200)

    def test_second_quit(self) -> None:
        """A second SIGQUIT, or a SIGTERM after one, ends it at once, and leaves no core."""
        for second in (signal.SIGQUIT, signal.SIGTERM):
            started = self.started()
            line = self.under_way()
            started.signal(signal.SIGQUIT)
            wait_until(lambda: not accepts(self.plain), "no client is accepted")
            started.signal(signal.SIGHUP)  # which does nothing any more
            started.signal(second)
            self.assertEqual(started.wait(), -signal.SIGTERM)
            with self.assertRaises((AssertionError, OSError)):
                line.response()

    def test_interrupted(self) -> None:
        """Ctrl-C drains as SIGTERM does."""
        started = self.started()
        line = self.under_way()
        started.signal(signal.SIGINT)
        wait_until(lambda: not accepts(self.plain), "nobody is accepted")
        self.go_on.set()
        self.assertEqual(line.response().body, b"ok")
        self.assertIn(started.wait(), (0, -signal.SIGINT))

    def test_drain_timeout(self) -> None:
        """What is not finished after `drain_timeout` is cut, and has its line in the log all the same."""
        started = self.started(drain_timeout=1)
        line = self.under_way()
        silent = self.connect()  # in its handshake when the end comes
        started.signal(signal.SIGTERM)
        self.assertIn(started.wait(), (0, -signal.SIGTERM))
        self.assertEqual(len(started.records()), 1)
        with self.assertRaises((AssertionError, OSError)):
            line.response()
        silent.rest()

    def test_nothing_under_way(self) -> None:
        """Without anything under way it ends, and says nothing but that."""
        started = self.started()
        self.assertIn(started.stop(), (0, -signal.SIGTERM))
        self.assertNotRegex(started.output, "(?i)error|warn(?!ing)|drain")


class RotationTests(TwistdCase):
    """SIGUSR1."""

    def test_no_line_is_lost(self) -> None:
        """Renamed and reopened again and again while requests come, the log has every one of them, once."""
        started = self.started()
        log = started.directory / "access.log"
        line = self.connect()
        asked = 0
        for rotation in range(4):
            asked += sum(self.ask(line) == 200 for _ in range(25))
            log.rename(log.with_suffix(f".{rotation}"))
            started.signal(signal.SIGUSR1)
            asked += sum(self.ask(line) == 200 for _ in range(25))  # some of them before it is reopened
            wait_until(log.exists, "the log is reopened")
        started.stop()
        counts = [len(path.read_bytes().splitlines()) for path in sorted(started.directory.glob("access.*"))]
        self.assertEqual(len(counts), 5)
        self.assertEqual((sum(counts), asked), (200, 200))
        self.assertTrue(all(counts[1:]), counts)
        records = [each for path in started.directory.glob("access.*") for each in started.records(path.name)]
        self.assertEqual(len({each["transactionId"] for each in records}), asked)

    def test_log_of_twistd(self) -> None:
        """twistd's own log is reopened by the same signal; neither log is readable by other users."""
        self.addCleanup(os.umask, os.umask(0o022))
        started = self.started("-n", "--pidfile=", "--logfile=twistd.log")
        (started.directory / "access.log").unlink()
        log = started.directory / "twistd.log"
        log.rename(log.with_suffix(".moved"))
        started.signal(signal.SIGUSR1)
        for file in ("access.log", "twistd.log"):
            wait_until((started.directory / file).exists, f"{file} is there")
        self.assertEqual(self.ask(), 200)
        started.stop()
        self.assertEqual(len(started.records()), 1)
        self.assertIn("Received SIGUSR1", log.with_suffix(".moved").read_text())
        self.assertIn("Received SIGTERM", log.read_text())
        for file in ("access.log", "twistd.log", "twistd.moved"):
            self.assertEqual(mode_of(started.directory / file), 0o640, file)

    def test_modes_of_a_daemon(self) -> None:
        """A daemon has another umask than its start: the access log has the same mode after a rotation."""
        self.addCleanup(os.umask, os.umask(0o022))
        prepared = self.prepare()
        self.call(prepared, *prepared.words("--pidfile=gateway.pid", "--logfile=gateway.log"))
        pid_file = prepared.directory / "gateway.pid"
        wait_until(lambda: pid_file.exists() and pid_file.read_text(), "the daemon has written its id")
        pid = int(pid_file.read_text())
        try:
            self.assertEqual(self.ask(), 200)
            log = prepared.directory / "access.log"
            self.assertEqual([mode_of(path) for path in (log, log.with_name("gateway.log"))], [0o640, 0o640])
            logs = (log, log.with_name("gateway.log"))
            for each in logs:
                each.rename(each.with_suffix(".1"))
            os.kill(pid, signal.SIGUSR1)
            for each in logs:
                wait_until(each.exists, "the log is reopened")
                wait_until(lambda each=each: mode_of(each) == 0o640, "it may be read by those who read the old one")
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: ended(pid), "the daemon has ended")


def mode_of(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777


def ended(pid: int) -> bool:
    """Whether the process is gone, or waits only for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
