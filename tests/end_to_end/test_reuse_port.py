"""Two gateways on the same ports: the next one begins to serve before the last one ends."""

from __future__ import annotations

import os
import signal
import threading

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_stopping import Asking
from tests.end_to_end.test_twistd import TwistdCase
from tests.operations.test_service_manager import Systemd


class ReusePortTests(TwistdCase):
    """`reuse_port = true`."""

    def beside(self, first: Gateway) -> Gateway:
        """Another gateway with the same configuration, in the same directory."""
        second = Gateway(first.directory, first.file.read_text())
        self.addCleanup(self.end, second)
        return second

    def end(self, started: Gateway) -> None:
        """It is gone, whatever happens."""
        if started.process and started.process.poll() is None:
            started.process.kill()
            started.process.wait()

    def test_upgrade_under_load(self) -> None:
        """Another gateway starts, the first one drains by SIGQUIT: no request is refused or cut, and all are logged."""
        first = self.started(reuse_port="true", state_directory="state")
        done = threading.Event()
        self.addCleanup(done.set)
        call = first.call(self.strict, "ecdsa")
        asking = [Asking(lambda: clients.plain(self.plain), keeps=True, done=done) for _ in range(6)]
        asking += [Asking(lambda: clients.plain(self.plain), keeps=False, done=done) for _ in range(4)]
        asking += [Asking(lambda: clients.encrypted(call), keeps=keeps, done=done) for keeps in (True, False)]
        wait_until(lambda: sum(each.answered for each in asking) > 200, "there is load")
        second = self.beside(first)
        systemd = Systemd(f"@agwtwisted-{os.getpid()}-{self.plain}")
        self.addCleanup(systemd.close)
        second.environment["NOTIFY_SOCKET"] = systemd.address
        second.begin()
        wait_until(lambda: "READY=1" in "".join(systemd.received()), "the next gateway is ready")
        first.signal(signal.SIGQUIT)
        self.assertEqual(first.wait(), 0)
        asked = sum(each.answered for each in asking)
        wait_until(lambda: sum(each.answered for each in asking) > asked + 200, "the next one serves them")
        done.set()
        for each in asking:
            each.thread.join(60)
        self.assertEqual(second.stop(), -signal.SIGTERM)
        self.assertEqual(sum(each.cut for each in asking), 0)
        self.assertEqual(len(first.records()), sum(each.answered for each in asking))

    def test_not_by_accident(self) -> None:
        """A gateway that may not share its ports is not joined, whatever the other one says."""
        started = self.started()
        other = self.beside(started)
        other.file = other.directory / "other.ini"
        other.file.write_text(self.configuration(reuse_port="true"))
        done = running.call(other.directory, *(word.replace("gw.ini", "other.ini") for word in other.words()))
        self.assertEqual(done.returncode, 1)
        self.assertIn("Address already in use", done.stderr)
        gateway.assert_no_defect(done.stderr)
