"""The protocol of sd_notify: read by a socket as systemd has it."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.operations.service_manager import (
    AGAIN,
    EXTENSION,
    KEPT,
    MARGIN,
    STATUS_INTERVAL,
    STATUS_LENGTH,
    ServiceManager,
)
from agwtwisted.transport.clocks import monotonic_microseconds


class Systemd:
    """The manager's end: a datagram socket at an address of NOTIFY_SOCKET's kind."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._socket.setblocking(False)

    def received(self) -> list[str]:
        """The messages since the last call."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self._socket.recv(1 << 16).decode())
        return found

    def close(self) -> None:
        """Listens no more."""
        self._socket.close()


class NotifyCase(SynchronousTestCase):
    """A manager that listens, and the gateway's side on a clock."""

    watchdog = 0.0

    def setUp(self) -> None:
        self.systemd = Systemd(f"@agwtwisted-{os.getpid()}-{self.id()}"[:90])
        self.addCleanup(self.systemd.close)
        self.clock = Clock()
        self.manager = ServiceManager(self.systemd.address, self.clock, self.watchdog)
        self.addCleanup(self.manager.close)
        self.line = "7 connections"

    def serve(self) -> None:
        """The gateway is ready."""
        self.manager.serve(lambda: self.line)


class MessageTests(NotifyCase):
    """What is said when."""

    def test_ready(self) -> None:
        """READY=1 comes with the status, once, and before it nothing."""
        self.assertEqual(self.systemd.received(), [])
        self.serve()
        self.assertEqual(self.systemd.received(), ["READY=1\nSTATUS=7 connections"])

    def test_reload(self) -> None:
        """A reload begins with RELOADING=1 and the monotonic time of it, and ends with READY=1."""
        self.serve()
        self.systemd.received()
        before = monotonic_microseconds()
        self.manager.reloading()
        self.line = "last reload rejected"
        self.manager.reloaded()
        begun, ended = self.systemd.received()
        found = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)\nSTATUS=7 connections", begun)
        assert found
        self.assertTrue(before <= int(found[1]) <= monotonic_microseconds())
        self.assertEqual(ended, "READY=1\nSTATUS=last reload rejected")

    def test_status(self) -> None:
        """A status that has changed is sent after some time, one that has not is not; it is one line, and bounded."""
        self.serve()
        self.systemd.received()
        self.clock.advance(STATUS_INTERVAL)
        self.assertEqual(self.systemd.received(), [])
        self.line = "8 connections\nREADY=1" + "x" * 1000
        self.clock.advance(STATUS_INTERVAL)
        [message] = self.systemd.received()
        self.assertTrue(message.startswith("STATUS=8 connections\\nREADY=1xxx"))
        self.assertEqual(len(message), len("STATUS=") + STATUS_LENGTH)

    def test_stopping(self) -> None:
        """A stop names the time that it may take, and is extended no further."""
        self.serve()
        self.systemd.received()
        self.manager.stopping(30)
        timeout = f"EXTEND_TIMEOUT_USEC={int((30 + MARGIN) * 1e6)}"
        self.assertEqual(self.systemd.received(), [f"STOPPING=1\n{timeout}\nSTATUS=7 connections"])
        self.clock.pump([EXTENSION / 4] * 4)
        self.assertEqual(self.systemd.received(), [])

    def test_stopping_without_limit(self) -> None:
        """A drain without limit extends the timeout again and again, well before it is over."""
        self.serve()
        self.systemd.received()
        self.manager.stopping(None)
        timeout = f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}"
        self.assertEqual(self.systemd.received(), [f"STOPPING=1\n{timeout}\nSTATUS=7 connections"])
        self.clock.pump([EXTENSION / 4] * 3)
        self.assertEqual(self.systemd.received(), [timeout] * 3)

    def test_no_watchdog(self) -> None:
        """Without WATCHDOG_USEC there are no signs of life."""
        self.serve()
        self.clock.pump([1.0] * 100)
        self.assertNotIn("WATCHDOG", "".join(self.systemd.received()))

    def test_close(self) -> None:
        """After the end nothing is sent, and no timer is left."""
        self.serve()
        self.manager.stopping(None)
        self.manager.close()
        self.systemd.received()
        self.manager.reloaded()
        self.assertEqual((self.systemd.received(), self.clock.getDelayedCalls()), ([], []))


class WatchdogTests(NotifyCase):
    """WATCHDOG=1."""

    watchdog = 10.0

    def test_half_of_it(self) -> None:
        """A sign of life goes out at the start, and twice within the time."""
        self.serve()
        self.clock.pump([2.5] * 4)
        self.assertEqual(self.systemd.received()[1:].count("WATCHDOG=1"), 3)


class RoomTests(NotifyCase):
    """A manager that does not read."""

    def fill(self) -> None:
        """The manager's queue is full."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
            other.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    other.sendto(b"X=1", f"\0{self.systemd.address[1:]}")

    def test_waits_for_room(self) -> None:
        """What must arrive does, in order, once there is room; what is worth something at once only, does not."""
        self.fill()
        self.serve()
        self.manager.reloading()
        self.line = "8 connections"
        self.clock.advance(STATUS_INTERVAL)
        self.assertNotIn("READY", "".join(self.systemd.received()))
        self.clock.advance(AGAIN)
        ready, reloading = self.systemd.received()
        self.assertTrue(ready.startswith("READY=1"))
        self.assertTrue(reloading.startswith("RELOADING=1"))
        self.clock.pump([AGAIN] * 3)
        self.assertEqual(self.systemd.received(), [])

    def test_bounded(self) -> None:
        """Of very many messages the last are kept."""
        self.fill()
        for number in range(3 * KEPT):
            self.line = str(number)
            self.serve()
        self.systemd.received()
        found = []
        for _ in range(KEPT):  # the queue may be shorter than what waits
            self.clock.advance(AGAIN)
            found += [each.rpartition("=")[2] for each in self.systemd.received()]
        self.assertEqual(found, [str(number) for number in range(2 * KEPT, 3 * KEPT)])

    def test_gone(self) -> None:
        """A manager that is gone is reported once, and nothing is kept for it."""
        self.systemd.close()
        with capturedLogs() as events:
            self.serve()
            self.manager.reloaded()
        [event] = events
        self.assertIn("systemd cannot be notified: Connection refused", formatEvent(event))
        self.assertEqual(len(self.manager._waiting), 0)


class EnvironmentTests(SynchronousTestCase):
    """The variables of the service manager."""

    def of(self, **environment: str) -> ServiceManager:
        """The gateway's side, from its environment, as process 10."""
        manager = ServiceManager.of(environment, 10, Clock())
        self.addCleanup(manager.close)
        self.assertEqual(environment, {})
        return manager

    def test_none(self) -> None:
        """Without NOTIFY_SOCKET, or with one of an unknown kind, nothing is sent and nothing runs."""
        for variables in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}, {"NOTIFY_SOCKET": "@"}):
            manager = self.of(**variables, WATCHDOG_USEC="1000000")
            self.assertFalse(manager.sending)
            manager.serve(str)
            manager.reloading()
            manager.stopping(None)
            self.assertEqual(manager._clock.getDelayedCalls(), [])  # type: ignore[attr-defined]

    def test_path(self) -> None:
        """A path of the file system is an address as well."""
        directory = Path(self.mktemp())
        directory.mkdir()
        path = os.path.relpath(directory / "n")
        systemd = Systemd(path)
        self.addCleanup(systemd.close)
        manager = ServiceManager(path, Clock())
        self.addCleanup(manager.close)
        manager.serve(lambda: "s")
        self.assertEqual(systemd.received(), ["READY=1\nSTATUS=s"])

    def test_watchdog(self) -> None:
        """The watchdog is this process's if no other is named, and its time is given in microseconds."""
        socket_of = {"NOTIFY_SOCKET": "@agw"}
        self.assertEqual(self.of(**socket_of, WATCHDOG_USEC="3000000")._watchdog, 3.0)
        self.assertEqual(self.of(**socket_of, WATCHDOG_USEC="3000000", WATCHDOG_PID="10")._watchdog, 3.0)
        self.assertEqual(self.of(**socket_of, WATCHDOG_USEC="3000000", WATCHDOG_PID="11")._watchdog, 0.0)
        self.assertEqual(self.of(**socket_of, WATCHDOG_USEC="soon")._watchdog, 0.0)
        self.assertEqual(self.of(**socket_of)._watchdog, 0.0)
