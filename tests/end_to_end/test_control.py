"""`agw reload` and `agw status`, of a running gateway: what it takes, and what it refuses, with the reasons."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import closing

from tests import pki, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line
from tests.end_to_end.test_twistd import TwistdCase


class ControlCase(TwistdCase):
    """A gateway with a state directory, which has its control socket."""

    workers = 1

    def setUp(self) -> None:
        super().setUp()
        self.running = self.started(state_directory="state", workers=self.workers)

    def agw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command, in the gateway's directory."""
        return self.running.agw(*words)

    def status(self) -> dict[str, object]:
        """What the gateway is, asked without a command, which takes its time to start."""
        with closing(socket.socket(socket.AF_UNIX)) as client:
            client.connect(str(self.running.directory / "state" / "control.sock"))
            line = Line(client)
            line.send(b"GET /status HTTP/1.1\r\nHost: gateway\r\n\r\n")
            return dict(json.loads(line.response().body))

    def change(self, old: str, new: str) -> None:
        """Another text of the configuration."""
        text = self.running.file.read_text()
        self.assertIn(old, text)
        self.running.file.write_text(text.replace(old, new))


class ReloadTests(ControlCase):
    """`agw reload`."""

    def rejected(self, *reasons: str) -> None:
        """A reload is refused, by these problems among others, and the gateway serves as before."""
        before = self.status()["generation"]
        done = self.agw("reload", "--config", "gw.ini")
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        for reason in reasons:
            self.assertIn(reason, done.stdout)
        self.assertTrue(done.stdout.endswith(f"rejected: generation {before} stays in force\n"), done.stdout)
        self.assertEqual(self.status()["generation"], before)
        self.assertEqual(self.ask(), 200)
        self.assertEqual(clients.by_python(self.running.call(self.strict, "ecdsa")).status, 200)

    def test_in_force(self) -> None:
        """A new listener serves when the command ends; it says what has changed, and the status has it."""
        (port,) = running.free_ports(1)
        with self.running.file.open("a") as file:
            file.write(gateway.door("other", port, protocol="Http"))
        done = self.agw("reload", "--config", "gw.ini")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"generation 2 \([0-9a-f]{12}\) is in force\n")
        self.assertIn("  added: http_listener other\n", done.stdout)
        with closing(clients.plain(port)) as line:
            self.assertEqual(self.ask(line), 200)
        status = self.status()
        self.assertEqual(status["generation"], 2)
        self.assertEqual(len(status["listeners"]), 3)  # type: ignore[arg-type]
        again = self.agw("reload", "--control", "state/control.sock", "--json")
        self.assertEqual(again.returncode, 0)
        answer = json.loads(again.stdout)
        self.assertEqual((answer["outcome"], answer["generation"], answer["added"]), ("in_force", 2, []))

    def test_errors(self) -> None:
        """A file with errors: all of them are said, with their lines."""
        self.change("[gateway]\n", "[gateway]\nfoo = 1\nbar = 2\n")
        self.rejected("gw.ini:2 [gateway] unknown key 'foo'", "gw.ini:3 [gateway] unknown key 'bar'")

    def test_busy_port(self) -> None:
        """A new listener on a port that is in use."""
        with closing(socket.create_server(("127.0.0.1", 0))) as other:
            port = other.getsockname()[1]
            with self.running.file.open("a") as file:
                file.write(gateway.door("other", port, protocol="Http"))
            self.rejected(f"[http_listener other] cannot listen on 127.0.0.1:{port}: Address already in use")

    def test_unreadable_key(self) -> None:
        """A key that is not there."""
        (self.running.directory / "server.key").unlink()
        self.rejected("server.key", "No such file or directory")

    def test_other_key(self) -> None:
        """A certificate that does not match the key."""
        other = pki.Authority.root("Other").issue_server("localhost")
        (self.running.directory / "server.pem").write_bytes(other.chain_pem)
        self.rejected("[ssl_certificate server]", "key")

    def test_what_cannot_change(self) -> None:
        """The control socket itself, and the state directory, until a restart."""
        self.change("[gateway]\n", "[control]\nsocket = other.sock\n\n[gateway]\n")
        done = self.agw("reload", "--control", "state/control.sock")
        self.assertEqual((done.returncode, done.stderr), (1, ""), done.stdout)
        self.assertIn("[control] cannot change while the gateway runs", done.stdout)

    def test_many_at_once(self) -> None:
        """Commands that come at once are all answered."""
        words = [*gateway.AGW, "reload", "--config", "gw.ini"]
        started = [
            subprocess.Popen(words, cwd=self.running.directory, env=running.environment(), stdout=subprocess.DEVNULL)
            for _ in range(3)
        ]
        self.assertEqual([each.wait(running.PATIENCE) for each in started], [0, 0, 0])


class WorkersTests(ReloadTests):
    """The same where several processes serve: their parent answers for all."""

    workers = 2

    def test_status(self) -> None:
        """The status has a line for each worker, with its connections."""
        line = self.connect()
        self.assertEqual(self.ask(line), 200)

        def found() -> bool:
            workers = self.status()["workers"]
            assert isinstance(workers, list)
            self.assertEqual([each["index"] for each in workers], [1, 2])
            return sum(each["connections"] for each in workers) == 1

        gateway.wait_until(found, "the parent has counted the connection")


class SocketTests(ControlCase):
    """The socket."""

    def test_owner(self) -> None:
        """It is its owner's alone, and gone when the gateway is."""
        path = self.running.directory / "state" / "control.sock"
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.running.stop(), -15)
        self.assertFalse(path.exists())
        done = self.agw("status", "--config", "gw.ini")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"^no gateway answers on state/control.sock: ")
        self.assertNotIn("Traceback", done.stderr)

    def test_no_configuration(self) -> None:
        """Without a file, or with one that switches the socket off, the command says so."""
        done = self.agw("reload", "--config", "none.ini")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("none.ini cannot be read: No such file or directory", done.stderr)
        (self.running.directory / "off.ini").write_text("[control]\nsocket = off\n")
        done = self.agw("reload", "--config", "off.ini")
        self.assertEqual(done.returncode, 2)
        self.assertIn("socket = off", done.stderr)

    def test_status(self) -> None:
        """For people, one line each: what it is, its configuration, its connections by listener; or as JSON."""
        done = self.agw("status", "--config", "gw.ini")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^gateway +running, agwtwisted \S+, process \d+$")
        self.assertRegex(done.stdout, r"(?m)^last reload +none$")
        self.assertRegex(done.stdout, rf"(?m)^  127\.0\.0\.1:{self.strict} +0 connections$")
        done = self.agw("status", "--config", "gw.ini", "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        shown, answered = json.loads(done.stdout), self.status()
        self.assertLess(shown.pop("uptime"), answered.pop("uptime"))
        self.assertEqual(shown, answered)

    def test_killed(self) -> None:
        """A gateway that was killed leaves a socket, which the next one replaces."""
        assert self.running.process
        self.running.process.kill()
        self.running.process.wait()
        self.assertTrue((self.running.directory / "state" / "control.sock").exists())
        self.running.start()
        self.assertEqual(self.status()["pid"], self.running.pid)

    def test_taken_over(self) -> None:
        """A gateway beside another one gets the socket when that one begins to stop."""
        beside = Gateway(self.running.directory, self.running.file.read_text())
        self.addCleanup(self.end, beside)
        beside.file = beside.directory / "beside.ini"
        plain, strict = running.free_ports(2)
        text = self.running.file.read_text()
        beside.file.write_text(text.replace(str(self.plain), str(plain)).replace(str(self.strict), str(strict)))
        beside.ports = [plain, strict]
        beside.prefix = ["env", "true"][:0]
        words = [word.replace("gw.ini", "beside.ini") for word in beside.words()]
        beside.words = lambda *_, **__: words  # type: ignore[method-assign]
        beside.start()
        self.assertEqual(self.status()["pid"], self.running.pid)
        self.running.stop()
        gateway.wait_until(lambda: self.agw("status", "--config", "gw.ini").returncode == 0, "the other one has it")
        self.assertEqual(self.status()["pid"], beside.pid)

    def end(self, started: Gateway) -> None:
        """It is gone, whatever happens."""
        if started.process and started.process.poll() is None:
            os.kill(started.pid, 9)
            started.process.wait()
