"""Sessions that clients resume: by OpenSSL's and Java's own programs, in TLS 1.2 and 1.3."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tests import programs, running
from tests.end_to_end import clients, gateway, java
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Answer, Call

VERSIONS = ("1.2", "1.3")


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A door that asks for no certificate, before a backend that echoes."""
    names = ("open",)
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.door("open", doors["open"])
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class Sessions:
    """The session of one client of `openssl s_client`, in a file."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "session"

    def call(self, call: Call) -> tuple[Answer, bool]:
        """One request, with the session of the request before where there was one; whether it was resumed."""
        options = ["-sess_out", str(self.file)]
        if self.file.exists():
            options += ["-sess_in", str(self.file)]
        printed, complained = clients.s_client(call, *options)
        return clients.answered(printed, complained), bool(re.search(r"(?m)^Reused, ", printed))


class OpenSslTests(gateway.SceneCase):
    """`openssl s_client -sess_out` and `-sess_in`."""

    stage = staticmethod(stage)

    @programs.needs("openssl")
    def test_without_certificates(self) -> None:
        """A session of a port that asks for no certificate resumes, and the request is answered."""
        for version in VERSIONS:
            with tempfile.TemporaryDirectory() as directory:
                sessions = Sessions(Path(directory))
                call = self.gateway.call(self.scene.doors["open"], version=version)
                found = [sessions.call(call) for _ in range(3)]
            self.assertEqual([answer.status for answer, _ in found], [200] * 3)
            self.assertEqual([resumed for _, resumed in found], [False, True, True])


@programs.needs("javac")
class JavaTests(gateway.SceneCase):
    """Java's own TLS."""

    stage = staticmethod(stage)

    def test_without_certificates(self) -> None:
        """Java resumes on a port that asks for no certificate, and keeps a connection for several requests."""
        port = self.scene.doors["open"]
        for version in VERSIONS:
            with java.client(self.gateway.call(port, version=version)) as client:
                found = [client.new(port) for _ in range(3)]
                self.assertEqual([each.status for each in found], [200] * 3)
                self.assertEqual([each.resumed for each in found], [False, True, True])
                kept = {source_of(client.keep(port).body) for _ in range(3)}
                self.assertEqual(len(kept), 1)


def source_of(echo: str) -> str:
    """The client's address and port, as the backend has seen them."""
    found = re.search(r"X-Forwarded-For: (\S+?)\|", echo)
    assert found, echo
    return found[1]
