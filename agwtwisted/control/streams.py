"""GET /events: what happens, as Server-Sent Events (HTML Standard, 9.2), to readers that may be slow or come back.

Each event has an id; a reader that names the last one that it has (`Last-Event-ID`) gets those since, as far back as
they are kept. Of a reader that does not read so much is kept; then the oldest events are dropped, and an event `lost`
says how many in their place. One that reads nothing for long is cut off.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import attrs
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from agwtwisted.control.channel import ControlRequest

KEPT: Final = 1000
"""Events that a reader that comes back may get."""

KEPT_BYTES: Final = 1024 * 1024
"""Bytes of them, and of those that wait for one reader."""

KEEP_ALIVE: Final = 15.0
"""Seconds between two comments, by which each end sees that the other one lives."""

STALL_TIMEOUT: Final = 60.0
"""Seconds in which a reader reads something, before it is cut off."""

LINGER: Final = 60.0
"""Seconds for which events are kept on without a reader, for one that comes back."""

RETRY: Final = 2000
"""Milliseconds after which an EventSource of a browser connects again."""

LOST: Final = "lost"
"""The kind of the event that says how many others are missing; `count` is null where that is not known."""

_LONGEST_NUMBER: Final = 20

HEADERS: Final = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class EventSource(Protocol):
    """Where events come from."""

    def subscribe(self, heard: Callable[[str, Mapping[str, Any]], object]) -> Callable[[], None]:
        """Has `heard` called with the kind and the members of each event, until what this returns is called."""


@attrs.frozen(kw_only=True)
class SentEvent:
    """An event with its number, as it is sent."""

    number: int
    kind: str
    text: bytes


class EventStreams:
    """All readers of events, and the last events.

    Args:
        reactor: has the clock.
        source: is subscribed to while there are readers.
    """

    def __init__(self, reactor: IReactorTime, source: EventSource) -> None:
        self._reactor = reactor
        self._source = source
        self._run = secrets.token_hex(4)  # ids of an earlier run, or of another gateway, mean nothing here
        self._number = 0
        self._kept: deque[SentEvent] = deque()
        self._kept_bytes = 0
        self.readers: dict[StreamReader, None] = {}
        self._unsubscribe: Callable[[], None] | None = None
        self._leaving: IDelayedCall | None = None

    def open(self, request: ControlRequest, kinds: frozenset[str]) -> None:
        """Answers a request with events of these kinds, until one of the two ends."""
        self._listen()
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        reader = StreamReader(request, self._reactor, kinds, self._left)
        self.readers[reader] = None
        reader.begin()
        for event in self._since(request.header("Last-Event-ID"), kinds):
            reader.hear(event)

    def close(self) -> None:
        """Ends all readers, and hears no more."""
        for each in tuple(self.readers):
            each.close()
        self._deafen()

    def heard(self, kind: str, members: Mapping[str, Any]) -> None:
        """Something has happened."""
        self._number += 1
        event = self._event(self._number, kind, members)
        self._kept.append(event)
        self._kept_bytes += len(event.text)
        while len(self._kept) > KEPT or self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popleft().text)
        for each in tuple(self.readers):
            each.hear(event)

    def _event(self, number: int, kind: str, members: Mapping[str, Any]) -> SentEvent:
        data = json.dumps(members)  # on one line, in ASCII
        text = f"id: {self._run}-{number}\nevent: {kind}\ndata: {data}\n\n".encode()
        return SentEvent(number=number, kind=kind, text=text)

    def _since(self, last: str | None, kinds: frozenset[str]) -> Iterator[SentEvent]:
        """The events since the one with this id, and before them how many are not kept any more."""
        if last is None:
            return
        run, _, number = last.partition("-")
        first = self._kept[0].number if self._kept else self._number + 1
        known = run == self._run and number.isascii() and number.isdigit() and len(number) < _LONGEST_NUMBER
        after = int(number) if known else 0
        if not known or after + 1 < first:
            count = first - 1 - after if known and not kinds else None
            yield self._event(first - 1, LOST, {"count": count})
        yield from (each for each in self._kept if each.number > after)

    def _listen(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        if self._unsubscribe is None:
            self._unsubscribe = self._source.subscribe(self.heard)

    def _left(self, reader: StreamReader) -> None:
        self.readers.pop(reader, None)
        if not self.readers and self._unsubscribe is not None and self._leaving is None:
            self._leaving = self._reactor.callLater(LINGER, self._left_alone)

    def _left_alone(self) -> None:
        self._leaving = None
        self._deafen()
        self._run = secrets.token_hex(4)  # what happens until the next reader comes is missing
        self._kept.clear()
        self._kept_bytes = 0

    def _deafen(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is not None:
            unsubscribe()


@implementer(IPushProducer)
class StreamReader:
    """One reader.

    Args:
        request: is answered with events.
        reactor: has the clock.
        kinds: those that it wants; empty: all.
        left: called once it is gone.
    """

    def __init__(
        self,
        request: ControlRequest,
        reactor: IReactorTime,
        kinds: frozenset[str],
        left: Callable[[StreamReader], None],
    ) -> None:
        self._request = request
        self._channel = request.channel
        self._reactor = reactor
        self._kinds = kinds
        self._on_left = left
        self._paused = False
        self._waiting: deque[SentEvent] = deque()
        self._waiting_bytes = 0
        self._lost = 0
        self._timer: IDelayedCall | None = None

    def begin(self) -> None:
        """Sends the head of the answer."""
        self._channel.stream()
        self._request.notifyFinish().addBoth(self._gone)  # type: ignore[unused-awaitable]  # always succeeds
        self._timer = self._reactor.callLater(KEEP_ALIVE, self._keep_alive)
        self._request.registerProducer(self, True)
        self._request.write(b"retry: %d\n\n" % RETRY)

    def hear(self, event: SentEvent) -> None:
        """Sends an event, or keeps it until it can be sent."""
        if self._kinds and event.kind not in self._kinds and event.kind != LOST:
            return
        if not self._paused:
            self._request.write(event.text)
            return
        self._waiting.append(event)
        self._waiting_bytes += len(event.text)
        while len(self._waiting) > KEPT or self._waiting_bytes > KEPT_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft().text)
            self._lost += 1

    def end(self) -> None:
        """Cuts off the answer."""
        self._channel.abort()

    def close(self) -> None:
        """Ends the answer, whole where the client reads it."""
        if self._paused:
            self.end()
        else:
            self._request.unregisterProducer()
            self._request.finish()

    # -- IPushProducer

    def pauseProducing(self) -> None:
        """The client does not read."""
        self._paused = True
        self._wait(STALL_TIMEOUT, self.end)

    def resumeProducing(self) -> None:
        """It does again."""
        self._paused = False
        self._wait(KEEP_ALIVE, self._keep_alive)
        if self._lost:
            lost, self._lost = self._lost, 0
            self._request.write(b'event: %b\ndata: {"count": %d}\n\n' % (LOST.encode(), lost))
        while self._waiting and not self._paused:
            event = self._waiting.popleft()
            self._waiting_bytes -= len(event.text)
            self._request.write(event.text)

    def stopProducing(self) -> None:
        """The connection is gone, which `notifyFinish` says as well."""

    def _keep_alive(self) -> None:
        self._timer = self._reactor.callLater(KEEP_ALIVE, self._keep_alive)
        self._request.write(b": alive\n\n")

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._reactor.callLater(seconds, then)

    def _gone(self, outcome: object) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._waiting.clear()
        self._on_left(self)
