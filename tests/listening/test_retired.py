"""Ports that get no further connections while the gateway goes on."""

from __future__ import annotations

from typing import Any
from unittest import mock

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.listening.retired import RetiredPorts
from agwtwisted.transport.deferreds import TrackedSet


class OldPort:
    """A port whose connections the test ends."""

    def __init__(self, *connections: str) -> None:
        self.events: list[str] = []
        self.connections: TrackedSet[str] = TrackedSet()
        for connection in connections:
            self.connections.add(connection)

    @property
    def clients(self) -> int:
        """How many there are."""
        return len(self.connections)

    def retire(self) -> None:
        """Notes it."""
        self.events.append("retired")

    def drain(self) -> None:
        """Notes it."""
        self.events.append("drained")

    def abort(self) -> None:
        """Notes it, and ends every connection."""
        self.events.append("aborted")
        for connection in self.connections.snapshot():
            self.connections.discard(connection)


class OldListener(Service):
    """A listener whose socket is closed when the test says so."""

    def __init__(self, port: OldPort) -> None:
        self.port = port
        self.closed: Deferred[None] = Deferred()

    def stopService(self) -> Deferred[None]:
        """Begins to."""
        return self.closed


class RetiredTests(SynchronousTestCase):
    """They are drained, and forgotten."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.retired = RetiredPorts(self.clock)

    def close(self, port: Any) -> OldListener:
        """A listener of a running service, which is to close."""
        listener, parent = OldListener(port), MultiService()
        listener.setServiceParent(parent)
        parent.startService()
        self.retired.close(listener, 30.0)  # type: ignore[arg-type]
        self.assertIsNone(listener.parent)
        return listener

    def test_removed(self) -> None:
        """A port is retired once its socket is closed, and its last connections are ended when their time is over."""
        port = OldPort("a", "b")
        listener = self.close(port)
        closed = self.retired.all_closed()
        self.assertEqual((port.events, self.retired.connections), ([], 0))
        self.assertNoResult(closed)
        listener.closed.callback(None)
        self.successResultOf(closed)
        self.assertEqual((port.events, self.retired.connections), (["retired"], 2))
        port.connections.discard("a")
        with capturedLogs() as events:
            self.clock.advance(30.0)
        self.assertEqual((port.events, self.retired.connections), (["retired", "aborted"], 0))
        self.assertIn("the last 1 connections of a removed listener", formatEvent(events[0]))

    def test_removed_in_time(self) -> None:
        """One whose connections end by themselves leaves no timer behind."""
        port = OldPort("a")
        self.close(port).closed.callback(None)
        port.connections.discard("a")
        self.assertEqual((self.clock.getDelayedCalls(), port.events), ([], ["retired"]))

    def test_socket_that_cannot_be_closed(self) -> None:
        """A defect in closing the socket is logged, and the port is retired all the same."""
        port = OldPort("a")
        self.close(port).closed.errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(port.events, ["retired"])
        self.successResultOf(self.retired.all_closed())

    def test_port_that_cannot_be_retired(self) -> None:
        """A defect in retiring a port is logged; its connections have the same time, and the next reload its turn."""
        port = OldPort("a")
        with mock.patch.object(port, "retire", side_effect=ZeroDivisionError):
            self.close(port).closed.callback(None)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.successResultOf(self.retired.all_closed())
        self.clock.advance(30.0)
        self.assertEqual((port.events, self.retired.connections), (["aborted"], 0))

    def test_stop(self) -> None:
        """When the gateway stops, all of them are drained, waited for, and aborted at last."""
        one, two = OldPort("a"), OldPort("b")
        for port in (one, two):
            self.close(port).closed.callback(None)
        self.retired.drain()
        empty = Deferred.fromCoroutine(self.retired.when_empty())
        one.connections.discard("a")
        self.assertNoResult(empty)
        self.retired.abort()
        self.successResultOf(empty)
        self.assertEqual((one.events, two.events), (["retired", "drained"], ["retired", "drained", "aborted"]))
