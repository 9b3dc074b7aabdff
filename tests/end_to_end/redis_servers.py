"""Redis servers of a test's own: started, frozen, killed and filled, and asked from outside of any gateway."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agwtwisted.core.revocation.redis_replies import RedisReplies, RedisReply, command
from tests import programs, running
from tests.end_to_end.backends import accepts
from tests.end_to_end.lines import DEADLINE, wait_until

USER, PASSWORD, DATABASE = "gateway", "open sesame", b"1"

RULES = (
    f'user {USER} on ">{PASSWORD}" ~agwtwisted:* resetchannels'
    " -@all +get +set +del +xadd +xread +xrevrange +ping +select"
)
"""What docs/revocation.md lets a gateway do, and no more."""


class RedisProcess:
    """One server, which keeps nothing over its end."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        (self.port,) = running.free_ports(1)
        (directory / "redis.conf").write_text(
            f'bind 127.0.0.1\nport {self.port}\nsave ""\nappendonly no\n{RULES}\n'
            + "".join(f"{each}\n" for each in options)
        )
        self.start()

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        program = programs.path_of("redis-server")
        assert program
        with (self.directory / "redis.log").open("ab") as output:
            self._process = subprocess.Popen(
                [program, "redis.conf"], cwd=self.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        wait_until(lambda: self._process.poll() is not None or accepts(self.port), "redis-server listens")
        assert self._process.poll() is None, (self.directory / "redis.log").read_text()

    def kill(self) -> None:
        """It is gone, with all that it had."""
        self._process.kill()
        self._process.wait(DEADLINE)

    def freeze(self) -> None:
        """It takes connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was."""
        self._process.send_signal(signal.SIGCONT)

    def ask(self, *words: bytes | str) -> RedisReply:
        """The reply to a command, given by an administrator."""
        sent = [word.encode() if isinstance(word, str) else word for word in words]
        replies = RedisReplies(64 << 20)
        found: list[RedisReply] = []
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as line:
            line.sendall(command(b"SELECT", DATABASE) + command(*sent))
            while len(found) < 2:
                data = line.recv(65536)
                assert data, "redis-server has closed the connection"
                found += replies.feed(data)
        return found[1]

    def keys(self, pattern: str) -> list[bytes]:
        """The keys of this pattern."""
        found = self.ask("KEYS", pattern)
        assert isinstance(found, list)
        return [each for each in found if isinstance(each, bytes)]


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisProcess]:
    """A server, ended whatever happens."""
    server = RedisProcess(directory, *options)
    try:
        yield server
    finally:
        server.kill()
