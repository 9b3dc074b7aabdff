"""The parent with real processes, in the reactor of the tests."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from agwtwisted.core.base.errors import ConfigError
from agwtwisted.listening.listener import BindError, bind
from agwtwisted.reload import FileSource, Rejected, Reloaded
from agwtwisted.workers.parent import ParentService, build_parent
from tests import clients, running
from tests.sockets import until


class ParentTests(TestCase):
    """A gateway of two workers."""

    timeout = running.PATIENCE

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        for path, content in clients.files().data.items():
            file = self.directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_bytes(content)
        [self.port] = running.free_ports(1)
        self.file = self.directory / "conf" / "gw.ini"
        self.file.parent.mkdir(exist_ok=True)
        self.source = FileSource(str(self.file), partial(datetime.now, UTC))
        self.write()

    def write(self, more: str = "") -> None:
        """The configuration's text."""
        text = clients.text("basic strict; address = 127.0.0.1").replace("port = 8443", f"port = {self.port}")
        text = text.replace("access_log = -\n", f"access_log = {self.directory / 'access.log'}\n{more}")
        self.file.write_text(text)
        self.file.chmod(0o600)

    def built(self) -> ParentService:
        """The parent, whose sockets are bound."""
        from twisted.internet import reactor

        return build_parent(self.source.load(), cast(PosixReactorBase, reactor), count=2, source=self.source)

    @inlineCallbacks
    def started(self) -> Any:
        """It serves, and is stopped at the end."""
        from twisted.internet import reactor

        parent = self.built()
        yield deferLater(reactor, 0)  # it runs, as it does not yet where twistd starts a service
        self.addCleanup(parent.stopService)
        parent.startService()
        yield parent.started
        return parent

    @inlineCallbacks
    def test_serves(self) -> Any:
        """Two workers serve, whose state is known; after the stop no process is left, and the port is free."""
        parent = yield self.started()
        processes = [worker.pid for worker in parent.workers]
        self.assertEqual([worker.index for worker in parent.workers], [1, 2])
        self.assertTrue(all(processes))
        self.assertEqual(parent.connections, 0)
        status = parent.status()
        self.assertEqual([(each.address, each.port) for each in status.listeners], [("127.0.0.1", self.port)])
        self.assertEqual((status.generation, len(status.workers)), (1, 2))
        yield deferToThread(self.connect)
        yield parent.stopService()
        for process in processes:
            self.assertRaises(ProcessLookupError, os.kill, process, 0)
        bind("127.0.0.1", self.port).close()

    def connect(self) -> None:
        """A client's connection."""
        socket.create_connection(("127.0.0.1", self.port)).close()

    def is_free(self) -> bool:
        """Whether no process has the port any more."""
        try:
            bind("127.0.0.1", self.port).close()
        except BindError:
            return False
        return True

    @inlineCallbacks
    def test_reloads(self) -> Any:
        """A reload changes all workers, or none; its answer is as that of one process."""
        parent = yield self.started()
        self.write("server_header = other\n")
        outcome = yield parent.reload()
        self.assertIsInstance(outcome, Reloaded)
        self.assertEqual((outcome.generation, outcome.changes.changed), (2, ("gateway",)))
        self.write("nonsense = 1\n")
        outcome = yield parent.reload()
        self.assertIsInstance(outcome, Rejected)
        self.assertIn("unknown key", outcome.problems[0])

    @inlineCallbacks
    def test_to_nothing_and_back(self) -> Any:
        """Where that is allowed, all workers give up every port, and take those that come again; so do new workers."""
        self.source = attrs.evolve(self.source, may_be_empty=True)
        parent = yield self.started()
        served = self.file.read_text()
        self.file.write_text("[gateway]\n")
        outcome = yield parent.reload()
        self.assertIsInstance(outcome, Reloaded, str(outcome))
        self.assertEqual((parent.status().listeners, list(parent.sockets)), ((), []))
        yield Deferred.fromCoroutine(until(self.is_free))
        self.file.write_text(served)
        outcome = yield parent.reload()
        self.assertIsInstance(outcome, Reloaded, str(outcome))
        yield deferToThread(self.connect)

    @inlineCallbacks
    def test_begun_with_nothing(self) -> Any:
        """Workers that start without a port serve the first one that comes."""
        served = self.file.read_text()
        self.source = attrs.evolve(self.source, may_be_empty=True)
        self.file.write_text("[gateway]\n")
        parent = yield self.started()
        self.assertTrue(all(worker.pid for worker in parent.workers))
        self.file.write_text(served)
        outcome = yield parent.reload()
        self.assertIsInstance(outcome, Reloaded, str(outcome))
        yield deferToThread(self.connect)

    def test_limit(self) -> None:
        """A stop has the time of `drain_timeout`, or no limit."""
        parent = self.built()
        self.addCleanup(parent.stopService)
        self.assertEqual(parent.drain_limit, parent.reloads.in_force.plan.gateway.drain_timeout)
        parent.drain_without_limit()
        self.assertIsNone(parent.drain_limit)

    def test_busy(self) -> None:
        """A busy port, or an access log that cannot be opened, stops it before any process is started."""
        with bind("127.0.0.1", self.port):
            with self.assertRaises(ConfigError) as caught:
                self.built()
            self.assertIn("cannot listen", str(caught.exception))
        (self.directory / "access.log").unlink(missing_ok=True)
        (self.directory / "access.log").mkdir()
        with self.assertRaises(ConfigError) as caught:
            self.built()
        self.assertIn("access_log", str(caught.exception))
        bind("127.0.0.1", self.port).close()
