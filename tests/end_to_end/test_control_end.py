"""The end of a gateway whose control API is in use: nothing holds it up, and nothing of it is left."""

from __future__ import annotations

import signal
import socket
from contextlib import closing

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, control_api, gateway
from tests.end_to_end.backends import Backend, accepts
from tests.end_to_end.control_api import EventReader, bearer
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.worker_processes import is_alive, spawner, workers
from tests.programs import needs

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@needs("curl")
class EndTests(SynchronousTestCase):
    """SIGTERM while events are read, the console is open, and a connection says nothing."""

    processes = 1

    def started(self) -> Gateway:
        """A gateway, not shared with other tests."""
        backend = Backend()
        self.addCleanup(backend.close)
        self.plain, self.control = running.free_ports(2)
        text = gateway.gateway_section(state_directory="state", workers=self.processes)
        text += gateway.section("control", port=self.control) + gateway.pool("app", backend.port)
        text += gateway.door("plain", self.plain, protocol="Http")
        entered = gateway.prepared(text)
        made = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        made.start()
        if self.processes > 1:
            workers(made, self.processes)
        return made

    def processes_of(self, made: Gateway) -> list[int]:
        """All of its processes."""
        return [made.pid] if self.processes == 1 else [made.pid, spawner(made), *workers(made).values()]

    def unix(self, made: Gateway) -> Line:
        """A connection to the socket."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(made.directory / control_api.SOCKET))
        return Line(client)

    def test_stop(self) -> None:
        """It ends as if none of them were there; readers of events see the end, and the port is free."""
        made = self.started()
        reader = EventReader(made)
        self.addCleanup(reader.close)
        silent, half = self.unix(made), clients.plain(self.control)
        self.addCleanup(half.close)
        half.send(b"GET /console/ HTTP/1.1\r\nHost: ")
        open_console = control_api.curl_tcp(self.control, "/console/")
        self.assertEqual(open_console.status, 200)
        processes = self.processes_of(made)
        self.assertIn(made.stop(), (0, -signal.SIGTERM), made.output)
        reader.ended()
        for line in (silent, half):
            line.rest()
        self.assertFalse(accepts(self.control))
        self.assertFalse((made.directory / control_api.SOCKET).exists())
        wait_until(lambda: not any(map(is_alive, processes)), "all processes have ended")
        gateway.assert_no_defect(made.output)

    def test_draining(self) -> None:
        """While it drains it answers still, and says so, or its socket is the next gateway's already."""
        made = self.started()
        words = bearer(made)
        with closing(clients.plain(self.plain)) as line:
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
            wait_until(lambda: self.connections(made) == 1, "its connection is counted")
            made.signal(signal.SIGTERM)
            wait_until(lambda: not accepts(self.plain), "it drains")
            if accepts(self.control):
                answer = control_api.curl_tcp(self.control, "/status", *words)
                self.assertEqual(answer.members["phase"], "stopping")
            line.send(b"ok")
            self.assertEqual(line.response().status, 200)
        self.assertIn(made.wait(), (0, -signal.SIGTERM))
        gateway.assert_no_defect(made.output)

    def connections(self, made: Gateway) -> int:
        """How many clients it has."""
        return int(control_api.curl(made, "/status").members["connections"])


class WorkersEndTests(EndTests):
    """The same of a gateway with workers."""

    processes = 2
