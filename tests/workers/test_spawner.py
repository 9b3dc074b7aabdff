"""The spawner's own side: a process of its own, whose parent is the test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from datetime import UTC, datetime

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.listening.listener import bind
from agwtwisted.loading import Files
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.workers.channel import receive_waiting, send_waiting
from agwtwisted.workers.configurations import prepare, problems_of
from agwtwisted.workers.messages import Decoder, Message, MessageKind
from tests import clients, running
from tests.end_to_end.lines import DEADLINE

PROGRAM = """
import os, sys
from agwtwisted.workers import spawner
fork = os.fork
def forked():
    threads = len(os.listdir("/proc/self/task"))
    print(threads, "twisted.internet.reactor" in sys.modules, file=sys.stderr, flush=True)
    return fork()
os.fork = forked
spawner.main(int(sys.argv[1]))
"""


class SpawnerTests(SynchronousTestCase):
    """Orders and answers."""

    def setUp(self) -> None:
        self.end, other = socket.socketpair()
        self.end.settimeout(DEADLINE)
        self.decoder = Decoder()
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(other.fileno())],
            env=running.environment(),
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        other.close()
        self.addCleanup(self.close)

    def close(self) -> None:
        """The parent is gone: the spawner ends by itself."""
        self.end.close()
        with self.process:
            try:
                self.process.wait(DEADLINE)
            finally:
                self.process.kill()

    def receive(self) -> Message:
        """The next answer."""
        for message in self.decoder.messages():
            return message
        self.assertTrue(receive_waiting(self.end, self.decoder), "it has ended")
        return self.receive()

    def files(self, port: int, change: tuple[str, str] = ("", "")) -> Files:
        """A configuration with one listener, for which certificates are there."""
        text = clients.text("basic strict; address = 127.0.0.1").replace("port = 8443", f"port = {port}")
        named = {f"conf/{path}": SourceFile(data=data, mode=0o600) for path, data in clients.files().data.items()}
        named |= {path: SourceFile(data=data, mode=0o600) for path, data in clients.files().data.items()}
        main = SourceFile(data=text.replace("access_log = -\n", "").replace(*change).encode(), mode=0o600)
        return Files(file="conf/gw.ini", main=main, named=named)

    def prepared(self, serial: int, files: Files) -> Message:
        """The answer to a configuration."""
        send_waiting(self.end, prepare(serial, files, datetime.now(UTC)))
        return self.receive()

    def test_forks(self) -> None:
        """It forks with one thread and without a reactor; the worker serves, and both end with their channels."""
        [port] = running.free_ports(1)
        bound = bind("127.0.0.1", port)
        memory = SharedMemory.create(100, 1)
        self.addCleanup(os.close, memory.descriptor)
        answer = self.prepared(5, self.files(port))
        self.assertEqual((answer.kind, dict(answer.fields)), (MessageKind.PREPARED, {"serial": 5, "warnings": []}))
        send_waiting(self.end, Message(kind=MessageKind.COMMIT, fields={"serial": 5}))
        channel, other = socket.socketpair()
        channel.settimeout(DEADLINE)
        errors = os.open(os.devnull, os.O_WRONLY)
        fields = {"serial": 9, "index": 1, "count": 1, "restarts": 0, "addresses": [["127.0.0.1", port, False]]}
        descriptors = [other.fileno(), errors, memory.descriptor, bound.fileno()]
        send_waiting(self.end, Message(kind=MessageKind.FORK, fields=fields, data=b"x" * 32, descriptors=descriptors))
        for mine in (other, bound):
            mine.close()
        os.close(errors)
        forked = self.receive()
        self.assertEqual((forked.kind, forked.fields["serial"]), (MessageKind.FORKED, 9))
        send_waiting(channel, Message(kind=MessageKind.BEGIN))
        decoder, kinds = Decoder(), set()
        while MessageKind.READY not in kinds:
            self.assertTrue(receive_waiting(channel, decoder))
            kinds |= {message.kind for message in decoder.messages()}
        socket.create_connection(("127.0.0.1", port)).close()
        channel.close()
        ended = self.receive()
        self.assertEqual((ended.kind, dict(ended.fields)), (MessageKind.ENDED, {"serial": 9, "status": 1}))
        assert self.process.stderr
        self.assertEqual(self.process.stderr.readline(), b"1 False\n")
        self.assertRaises(ConnectionRefusedError, socket.create_connection, ("127.0.0.1", port))

    def test_refuses(self) -> None:
        """What is wrong with a configuration is answered, line by line; and what OpenSSL does not take."""
        answer = self.prepared(5, self.files(8443, ("verify_client_auth_mode = Strict", "verify_client_auth_mode = X")))
        self.assertEqual(answer.kind, MessageKind.REFUSED)
        self.assertIn("verify_client_auth_mode", str(problems_of(answer)[0]))
        answer = self.prepared(6, self.files(8443))
        self.assertEqual(
            answer.kind, MessageKind.PREPARED, problems_of(answer) if answer.kind is MessageKind.REFUSED else ""
        )
