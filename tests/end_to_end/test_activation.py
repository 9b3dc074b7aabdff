"""Sockets that systemd has made: the gateway serves on them, and a restart refuses and resets no client."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import closing

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_stopping import Asking
from tests.end_to_end.test_twistd import TwistdCase
from tests.programs import needs

PASS_ON = """
import fcntl, os, sys
descriptors, names, *command = sys.argv[1:]
held = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 50) for each in descriptors.split(",")]  # beyond those that follow
for number, each in enumerate(held, 3):
    os.dup2(each, number)
os.environ.update(LISTEN_FDS=str(len(held)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execvp(command[0], command)
"""


def pass_on(to: Gateway, sockets: Sequence[socket.socket], names: str = "") -> None:
    """Has a gateway get these sockets as systemd passes them on, when it starts."""
    to.descriptors = tuple(each.fileno() for each in sockets)
    to.prefix = [running.PYTHON, "-c", PASS_ON, ",".join(map(str, to.descriptors)), names]


class ActivationTests(TwistdCase):
    """A gateway whose sockets are passed on to it."""

    def setUp(self) -> None:
        super().setUp()
        self.kept = [socket.create_server(("127.0.0.1", port), backlog=1024) for port in (self.plain, self.strict)]
        for each in self.kept:
            self.addCleanup(each.close)

    def activated(self, names: str = "", workers: int = 1) -> Gateway:
        """One that serves on them."""
        prepared = self.prepare(workers=workers)
        pass_on(prepared, self.kept, names)
        prepared.start()
        self.addCleanup(lambda: gateway.assert_no_defect(prepared.output))
        return prepared

    def test_serves(self) -> None:
        """Both doors answer; the sockets are those that were made before, and stay when the gateway is gone."""
        started = self.activated("plain:strict")
        self.assertEqual(self.ask(), 200)
        call = started.call(self.strict, "ecdsa")
        self.assertEqual(clients.by_python(call).status, 200)
        self.assertEqual(started.stop(), -signal.SIGTERM)
        with closing(socket.create_connection(("127.0.0.1", self.plain))):
            self.kept[0].accept()[0].close()

    def test_restart_under_load(self) -> None:
        """Of clients that ask while the gateway ends and another is started, none is refused, and none is cut."""
        self.restart(workers=1)

    def test_restart_with_workers(self) -> None:
        """So it is where two workers share each socket."""
        self.restart(workers=2)

    def restart(self, workers: int) -> None:
        """A gateway follows another one under load."""
        done = threading.Event()
        self.addCleanup(done.set)
        first = self.activated(workers=workers)
        asking = [Asking(lambda: clients.plain(self.plain), keeps=True, done=done) for _ in range(6)]
        asking += [Asking(lambda: clients.plain(self.plain), keeps=False, done=done) for _ in range(4)]
        call = first.call(self.strict, "ecdsa")
        asking += [Asking(lambda: clients.encrypted(call), keeps=False, done=done) for _ in range(2)]
        wait_until(lambda: sum(each.answered for each in asking) > 200, "there is load")
        self.assertEqual(first.stop(), -signal.SIGTERM)
        asked = sum(each.answered for each in asking)
        second = self.activated(workers=workers)
        wait_until(lambda: sum(each.answered for each in asking) > asked + 200, "the next one serves them")
        done.set()
        for each in asking:
            each.thread.join(60)
        self.assertEqual(sum(each.cut for each in asking), 0)
        second.stop()
        logged = len(first.records()) + len(second.records())
        self.assertEqual(logged, sum(each.answered for each in asking))

    def test_no_listener(self) -> None:
        """A socket that no listener is for stops the start, and is named."""
        (other,) = running.free_ports(1)
        self.kept.append(socket.create_server(("127.0.0.1", other)))
        self.addCleanup(self.kept[-1].close)
        prepared = self.prepare()
        pass_on(prepared, self.kept, "plain:strict:admin")
        done = running.call(prepared.directory, *prepared.words(), descriptors=prepared.descriptors)
        self.assertEqual(done.returncode, 1)
        reason = f"no listener has the address 127.0.0.1:{other} ('admin')"
        self.assertIn(f"gw.ini sockets of the service manager (LISTEN_FDS): {reason}\n", done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_reload(self) -> None:
        """A reload after which no listener is for a socket is refused: its clients would wait in vain."""
        self.reload(workers=1)

    def test_reload_with_workers(self) -> None:
        """So it is with workers."""
        self.reload(workers=2)

    def reload(self, workers: int) -> None:
        """A listener loses its rule, and is not bound any more."""
        started = self.activated("plain:strict", workers)
        text = started.file.read_text()
        rule, _, _ = text.partition("[request_routing_rule strict]")[2].partition("\n\n")
        started.file.write_text(text.replace(f"[request_routing_rule strict]{rule}", ""))
        started.signal(signal.SIGHUP)
        wait_until(lambda: "Reload of the configuration" in started.output, "it has reloaded")
        self.assertIn(f"no listener has the address 127.0.0.1:{self.strict} ('strict')", started.output)
        self.assertIn("rejected: generation 1 stays in force", started.output)
        self.assertEqual(clients.by_python(started.call(self.strict, "ecdsa")).status, 200)
        self.assertEqual(started.stop(), -signal.SIGTERM)

    @needs("systemd-socket-activate")
    def test_by_systemd(self) -> None:
        """systemd's own program for trying it starts the gateway at the first connection, which is answered."""
        for each in self.kept:
            each.close()
        prepared = self.prepare()
        ports = [f"--listen=127.0.0.1:{port}" for port in (self.plain, self.strict)]
        environment = [f"--setenv={name}={value}" for name, value in running.environment().items() if "PYTHON" in name]
        prepared.prefix = ["systemd-socket-activate", "--fdname=plain:strict", *ports, *environment]
        prepared.start()
        self.assertEqual(self.ask(), 200)
        self.assertEqual(prepared.stop(), -signal.SIGTERM)
        gateway.assert_no_defect(prepared.output)
