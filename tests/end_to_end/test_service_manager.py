"""systemd's notifications of a whole gateway, on a socket as systemd has it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.end_to_end import gateway
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_twistd import SlowCase, TwistdCase
from tests.operations.test_service_manager import Systemd


class NotifyCase(TwistdCase):
    """A gateway that systemd has started, as it were."""

    def setUp(self) -> None:
        super().setUp()
        self.systemd = Systemd(f"@agwtwisted-{os.getpid()}-{self.plain}")
        self.addCleanup(self.systemd.close)
        self.heard: list[str] = []

    def notifying(self, *, watchdog: float = 0, **keys: object) -> Gateway:
        """One that is ready."""
        prepared = self.prepare(**keys)
        prepared.environment = {"NOTIFY_SOCKET": self.systemd.address}
        if watchdog:
            prepared.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))
        prepared.prefix = ["env", "--default-signal=HUP"]  # whatever this suite was started by
        prepared.begin()
        self.addCleanup(lambda: gateway.assert_no_defect(prepared.output))
        self.wait_for("READY=1")
        return prepared

    def wait_for(self, words: str) -> str:
        """The first message with these words that has not been seen yet."""

        def found() -> str:
            self.heard += self.systemd.received()
            while self.heard:
                message = self.heard.pop(0)
                if words in message:
                    return message
            return ""

        return wait_until(found, f"systemd hears {words}")


class NotifyTests(NotifyCase):
    """From the start to the end."""

    def test_life(self) -> None:
        """READY=1 comes when every port accepts, and STOPPING=1, with time to drain, at SIGTERM."""
        started = self.notifying(drain_timeout=3)
        self.assertEqual(self.ask(), 200)
        self.assertEqual(started.stop(), -signal.SIGTERM)
        self.assertIn("EXTEND_TIMEOUT_USEC=18000000\n", self.wait_for("STOPPING=1"))

    def test_reload(self) -> None:
        """SIGHUP: RELOADING=1, and READY=1 once it has ended, whether the new configuration is in force or not."""
        started = self.notifying()
        text = started.file.read_text()
        for configuration, expected in ((text, "last reload at "), (f"nonsense\n{text}", "last reload rejected at ")):
            started.file.write_text(configuration)
            started.signal(signal.SIGHUP)
            self.assertIn("\nMONOTONIC_USEC=", self.wait_for("RELOADING=1"))
            self.assertIn(expected, self.wait_for("READY=1"))
            self.assertEqual(self.ask(), 200)
        started.stop()

    def test_sender(self) -> None:
        """The messages come from the process that was started, which systemd takes for the main one."""
        started = self.notifying()
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text()
        self.assertEqual(children, "")
        started.stop()

    def test_watchdog(self) -> None:
        """Signs of life come while the reactor turns, and none while the process stands still."""
        started = self.notifying(watchdog=0.5)
        self.wait_for("WATCHDOG=1")
        self.wait_for("WATCHDOG=1")
        started.signal(signal.SIGSTOP)
        wait_until(lambda: gateway_state(started.pid) == "T", "it stands still")
        self.systemd.received()
        self.heard.clear()
        self.assertEqual(self.systemd.received(), [])
        started.signal(signal.SIGCONT)
        self.wait_for("WATCHDOG=1")
        started.stop()


class DrainTests(SlowCase, NotifyCase):
    """The end of a gateway that systemd has started."""

    def test_quit(self) -> None:
        """A drain without limit asks for more time than the unit allows."""
        started = self.notifying(drain_timeout=0)
        line = self.under_way()
        started.signal(signal.SIGQUIT)
        self.assertIn("EXTEND_TIMEOUT_USEC=120000000\n", self.wait_for("STOPPING=1"))
        self.go_on.set()
        self.assertEqual(line.response().body, b"ok")
        self.assertEqual(started.wait(), 0)


def gateway_state(pid: int) -> str:
    """The state of a process, one letter."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
