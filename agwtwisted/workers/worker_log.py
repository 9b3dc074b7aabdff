"""What workers and the spawner log: every line comes into the parent's log, with the process that it is from.

A worker's events travel through its channel, with their level. What is written to the standard error of the spawner or
a worker, where Python and libraries report what ends them, comes through a pipe. Neither makes a process wait, and
neither can flood the log.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_DONE
from twisted.logger import ILogObserver, Logger, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.workers.messages import Message, MessageKind

MOST_TEXT: Final = 16 * 1024
"""Characters or bytes of one event."""

MOST_WAITING: Final = 256 * 1024
"""Bytes that wait in the channel, above which events are counted and left out."""

_STDERR_EVENTS: Final = 60
"""Times in a minute that what a process has written to its standard error comes into the log."""


@implementer(ILogObserver)
class ChannelObserver:
    """Sends the events of a worker to the parent.

    Args:
        send: sends a message.
        waiting: returns how many bytes of messages wait to be sent.
    """

    def __init__(self, send: Callable[[Message], None], waiting: Callable[[], int]) -> None:
        self._send = send
        self._waiting = waiting
        self._left_out = 0

    def __call__(self, event: dict[str, Any]) -> None:
        """Takes an event of this process; raises nothing."""
        level = event.get("log_level")
        if level is LogLevel.debug:
            return
        if self._waiting() > MOST_WAITING:
            self._left_out += 1
            return
        if self._left_out:
            left_out, self._left_out = self._left_out, 0
            self._logged("warn", "agwtwisted.workers", f"{left_out} events were left out of this log")
        name = "info" if level is None else level.name
        self._logged(name, str(event.get("log_namespace") or ""), text_of(event))

    def _logged(self, level: str, namespace: str, text: str) -> None:
        fields = {"level": level, "namespace": namespace, "text": text}
        self._send(Message(kind=MessageKind.LOGGED, fields=fields))


def text_of(event: dict[str, Any]) -> str:
    """An event as text, with its traceback where it has one."""
    text = formatEvent(event)
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        text = f"{text}\n{failure.getTraceback()}".strip()
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]}… ({len(text)} characters)"


def log_for(source: str, message: Message) -> None:
    """Logs here what another process has logged there."""
    level = LogLevel.lookupByName(message.fields["level"])
    log = Logger(namespace=message.fields["namespace"] or "agwtwisted.workers")
    log.emit(level, "{source}: {text}", source=source, text=message.fields["text"])


@implementer(IReadDescriptor)
class StandardError:
    """Logs the lines that another process writes to its standard error.

    Args:
        reactor: watches the pipe.
        descriptor: the end of it to read, which is this object's from now on.
        source: what the log calls the process.
    """

    _log = Logger()

    def __init__(self, reactor: Any, descriptor: int, source: str) -> None:
        os.set_blocking(descriptor, False)
        self._reactor = reactor
        self._descriptor = descriptor
        self._source = source
        self._rest = b""  # of a line without an end
        self._said = LogRateLimiter(reactor.seconds, lines=_STDERR_EVENTS)
        reactor.addReader(self)

    def fileno(self) -> int:
        """The descriptor; -1 once it is closed."""
        return self._descriptor

    def logPrefix(self) -> str:
        """What the log calls it."""
        return "agwgateway"

    def doRead(self) -> Exception | None:  # type: ignore[override]  # noqa: N802 - as Twisted's own
        """Something was written."""
        try:
            data = os.read(self._descriptor, MOST_TEXT)
        except BlockingIOError:
            return None
        whole, end, rest = (self._rest + data).rpartition(b"\n")
        self._rest = rest
        if end:
            self._say(whole)
        if not data or len(rest) > MOST_TEXT:
            self._end_line()
        return None if data else CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """The process has ended, or closed it."""
        self._end_line()
        self._let_go()

    def close(self) -> None:
        """Logs what there is, and reads no more; nothing if it is closed already."""
        if self._descriptor >= 0:
            self.doRead()
            self._end_line()
            self._let_go()

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1

    def _end_line(self) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._say(rest)

    def _say(self, lines: bytes) -> None:
        """Logs lines that came together, as one event: those of a traceback, perhaps."""
        left_out = self._said.admit(self._source)
        if left_out is not None:
            more = f" ({left_out} more of these before)" if left_out else ""
            text = lines.decode(errors="backslashreplace")
            self._log.error("{source}: {text}{more}", source=self._source, text=text, more=more)
