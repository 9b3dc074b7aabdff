"""What the gateway says to systemd, by the protocol of sd_notify(3): ready, reloading, stopping, alive.

Datagrams to the socket that NOTIFY_SOCKET names; without it nothing is sent. No message is waited for: one that the
manager has no room for is sent again a little later, if it is of those that must arrive.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from agwtwisted.core.base.errors import printable
from agwtwisted.transport.clocks import monotonic_microseconds

STATUS_INTERVAL: Final = 5.0
"""Seconds after which a status that has changed is sent."""

AGAIN: Final = 0.2
"""Seconds after which a message is sent again that the manager had no room for."""

KEPT: Final = 16
"""Messages that wait for room; of more, the oldest are given up."""

STATUS_LENGTH: Final = 500
"""Characters of a status that are sent."""

EXTENSION: Final = 120.0
"""Seconds by which a drain without limit extends the timeout of the stop, each time; renewed after a quarter of it."""

MARGIN: Final = 15.0
"""Seconds beyond `drain_timeout` that the manager is asked to wait for the end."""

_MICROSECONDS: Final = 1_000_000


class ServiceManager:
    """systemd, or whatever speaks its protocol; `sending` is False where there is none.

    Args:
        address: what NOTIFY_SOCKET says: a path, or ``@`` and an abstract name; empty: there is no manager.
        clock: for the times between messages.
        watchdog: seconds within which the manager expects a sign of life; 0: it expects none.
    """

    _log = Logger()

    def __init__(self, address: str, clock: IReactorTime, watchdog: float = 0.0) -> None:
        self._clock = clock
        self._watchdog = watchdog
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self._waiting: deque[bytes] = deque(maxlen=KEPT)
        self._calls: dict[str, IDelayedCall] = {}
        self._status = ""
        self._failing = False
        self._line: Callable[[], str] = str

    @classmethod
    def of(cls, environment: MutableMapping[str, str], pid: int, clock: IReactorTime) -> ServiceManager:
        """The one that started this process; its variables are removed, so that no child takes them for its own.

        Args:
            environment: of the process.
            pid: of the process that WATCHDOG_PID may name.
            clock: the reactor.
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        named = environment.pop("WATCHDOG_PID", str(pid))
        expected = microseconds.isascii() and microseconds.isdigit() and named == str(pid)
        if not address.startswith(("/", "@")) or len(address) < 2:
            address = ""  # of another kind of socket
        return cls(address, clock, int(microseconds) / _MICROSECONDS if expected else 0.0)

    @property
    def sending(self) -> bool:
        """Whether there is a manager."""
        return self._socket is not None

    def serve(self, line: Callable[[], str]) -> None:
        """The gateway accepts connections on all its ports: says so, and from now on how it is, in one line."""
        self._line = line
        self._must("READY=1", self._status_now())
        self._call("status", STATUS_INTERVAL, self._send_status)
        if self._watchdog:
            self._sign_of_life()

    def reloading(self) -> None:
        """A reload begins."""
        self._must("RELOADING=1", f"MONOTONIC_USEC={monotonic_microseconds()}", self._status_now())

    def reloaded(self) -> None:
        """A reload has ended, whether the new configuration is in force or the earlier one serves on."""
        self._must("READY=1", self._status_now())

    def stopping(self, seconds: float | None) -> None:
        """The gateway drains; `seconds` is how long it will at most, None: without limit."""
        if seconds is None:
            extension = EXTENSION
            self._call("extension", EXTENSION / 4, self._extend)
        else:
            extension = seconds + MARGIN
        self._must("STOPPING=1", _extension(extension), self._status_now())

    def close(self) -> None:
        """Says no more."""
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._calls.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _extend(self) -> None:
        self._call("extension", EXTENSION / 4, self._extend)
        self._may(_extension(EXTENSION))

    def _send_status(self) -> None:
        self._call("status", STATUS_INTERVAL, self._send_status)
        before = self._status
        if self._status_now() != before:
            self._may(self._status)

    def _sign_of_life(self) -> None:
        # By the reactor: it stops where that hangs.
        self._call("watchdog", self._watchdog / 2, self._sign_of_life)
        self._may("WATCHDOG=1")

    def _status_now(self) -> str:
        self._status = f"STATUS={printable(self._line())[:STATUS_LENGTH]}"
        return self._status

    def _call(self, what: str, seconds: float, call: Callable[[], None]) -> None:
        if self._socket is not None:
            self._calls[what] = self._clock.callLater(seconds, call)

    def _must(self, *assignments: str) -> None:
        """Sends what the manager waits for: in order, and again where there was no room."""
        self._waiting.append(_datagram(assignments))
        self._send_waiting()

    def _may(self, *assignments: str) -> None:
        """Sends what is worth something now only, unless something waits already."""
        if not self._waiting:
            self._sent(_datagram(assignments))

    def _send_waiting(self) -> None:
        while self._waiting and self._sent(self._waiting[0]):
            self._waiting.popleft()
        if self._waiting and not ("again" in self._calls and self._calls["again"].active()):
            self._call("again", AGAIN, self._send_waiting)

    def _sent(self, datagram: bytes) -> bool:
        """Whether the message has been dealt with: it has arrived, or never can."""
        if self._socket is None:
            return True
        try:
            self._socket.sendto(datagram, socket.MSG_NOSIGNAL, self._address)
        except BlockingIOError:
            return False
        except OSError as error:
            if not self._failing:
                self._log.warn("systemd cannot be notified: {reason}", reason=error.strerror or str(error))
            self._failing = True
        else:
            self._failing = False
        return True


def _extension(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(seconds * _MICROSECONDS)}"


def _datagram(assignments: tuple[str, ...]) -> bytes:
    return "\n".join(assignments).encode()
