"""The end of a gateway under load: whatever has reached it is answered."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from typing import ClassVar

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

KEEPING, COMING, ENCRYPTED = 12, 4, 4
"""Clients that keep their connection, that come anew for each request, and that keep one with TLS."""

BEFORE = 400
"""Requests that are answered before the gateway is told to stop."""


@attrs.define
class Asking:
    """A client that asks for as long as it can connect, on a thread of its own; or until something has happened: then
    a connection that cannot be made counts as one that was cut.
    """

    connect: Callable[[], Line]
    keeps: bool
    done: threading.Event | None = None
    answered: int = 0
    cut: int = 0
    connections: int = 0
    thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def _ask(self) -> None:
        line: Line | None = None
        while self.done is None or not self.done.is_set():
            if line is None:
                try:
                    line = self.connect()
                except OSError:
                    self.cut += self.done is not None
                    return  # nobody listens any more: it was not told that anybody would
                self.connections += 1
            try:
                line.send(GET)
                response = line.response()
            except (OSError, AssertionError):
                self.cut += 1
                return
            self.answered += 1
            if not self.keeps or response.get("Connection") == "close":
                line.close()
                line = None
        if line is not None:
            line.close()


class StoppingTests(SynchronousTestCase):
    """SIGTERM, and SIGQUIT, which has no limit."""

    keys: ClassVar[Mapping[str, object]] = {}
    """Of the section [gateway]."""

    def start(self) -> Gateway:
        """A gateway with a plain and a strict door."""
        backend = Backend()
        self.addCleanup(backend.close)
        self.plain, self.strict = running.free_ports(2)
        text = gateway.gateway_section(**self.keys) + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.door("plain", self.plain, protocol="Http") + gateway.door("strict", self.strict, "strict")
        entered = gateway.prepared(text)
        started = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        started.start()
        return started

    def test_under_load(self) -> None:
        """No request is cut, of clients that keep their connections nor of those that come anew."""
        for number in (signal.SIGTERM, signal.SIGQUIT):
            started = self.start()
            call = started.call(self.strict, "ecdsa")
            asking = [Asking(lambda: clients.plain(self.plain), keeps=True) for _ in range(KEEPING)]
            asking += [Asking(lambda: clients.plain(self.plain), keeps=False) for _ in range(COMING)]
            asking += [Asking(lambda call=call: clients.encrypted(call), keeps=True) for _ in range(ENCRYPTED)]  # type: ignore[misc]
            wait_until(lambda asking=asking: sum(each.answered for each in asking) >= BEFORE, "there is load")  # type: ignore[misc]
            started.signal(number)
            for each in asking:
                each.thread.join(60)
            self.assertEqual(sum(each.cut for each in asking), 0)
            status = started.wait()
            self.assertIn(status, (0, -signal.SIGTERM), started.output)
            gateway.assert_no_defect(started.output)
            self.assertEqual(len(started.records()), sum(each.answered for each in asking))
