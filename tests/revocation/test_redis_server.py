"""How a Redis server is connected to, and what its files have to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.resolver import resolver_of
from agwtwisted.core.http.service_urls import StoreAddress
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.revocation.redis_link import Login
from agwtwisted.revocation.redis_server import RedisServerFiles, StoreFileError
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests import pki
from tests.servers import Server, server_context
from tests.wires import Network

PLAIN = StoreAddress(host="127.0.0.1", port=6379, user="gateway", database=2)
ENCRYPTED = StoreAddress(host="127.0.0.1", port=6379, is_encrypted=True)
NAME = "127.0.0.1"


class ServerCase(SynchronousTestCase):
    """A server, and files of its own."""

    def setUp(self) -> None:
        self.network = Network()
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def server(self, address: StoreAddress, **files: Path) -> RedisServerFiles:
        """The server that a gateway with these keys has."""
        policy = policies.predefined(policies.DEFAULT)
        assert isinstance(policy, TlsPolicy)
        keys = {f"revocation_store_{name}_file": str(path) for name, path in files.items()}
        gateway = Gateway(ssl_policy=policy, revocation_store=address, **keys)  # type: ignore[arg-type]
        network: Any = self.network
        return RedisServerFiles.of(gateway, address, network, resolver_of(network), NO_OUTBOX)

    def written(self, name: str, content: bytes, mode: int = 0o600) -> Path:
        """A file."""
        path = self.directory / name
        path.touch()
        path.chmod(mode)
        path.write_bytes(content)
        return path


class LoginTests(ServerCase):
    """User, password, database."""

    def test_login(self) -> None:
        """The password is the file's, without the end of its line, as it is at that moment."""
        server = self.server(PLAIN, password=self.written("password", b"first\n"))
        self.assertEqual(server.login(), Login(user="gateway", password=b"first", database=2))
        self.written("password", b"second")
        self.assertEqual(server.login().password, b"second")
        self.assertEqual(self.server(ENCRYPTED).login(), Login())
        self.assertEqual(server.name, "redis://gateway@127.0.0.1:6379/2")

    def test_refused(self) -> None:
        """A file that others can read, an empty one, and none at all are refused."""
        for path in (self.written("open", b"secret", 0o644), self.written("empty", b"\n")):
            error = self.assertRaises(StoreFileError, self.server(PLAIN, password=path).login)
            self.assertIn(str(path), str(error))
        self.assertRaises(OSError, self.server(PLAIN, password=self.directory / "none").login)


class DialTests(ServerCase):
    """Connections."""

    def dialed(self, server: RedisServerFiles, shown: pki.Credential, **options: Any) -> Deferred[Connection]:
        """A connection over TLS to a server with this certificate."""
        dialed = server.dial(2.0)
        self.network.advance(0)
        line = self.network.backend(6379).line
        Server(self.network, line, server_context(shown, **options)).talk()
        self.network.advance(0)
        return dialed

    def test_plain(self) -> None:
        """Without TLS the connection is there at once."""
        dialed = self.server(PLAIN).dial(2.0)
        self.network.advance(0)
        self.assertFalse(self.successResultOf(dialed).is_secure)

    def test_tls(self) -> None:
        """Over TLS the server proves its name by the CAs of the file, and is shown the gateway's certificate."""
        root = pki.Authority.root("Redis Root")
        own = root.issue("gateway")
        own.write(self.directory, "own")
        trusted = Path(pki.write(self.directory, "root.pem", root))
        files = {"certificate": self.directory / "own.pem", "key": self.directory / "own.key"}
        server = self.server(ENCRYPTED, trusted=trusted, **files)
        connection = self.successResultOf(self.dialed(server, root.issue_server(NAME), clients=root))
        self.assertTrue(connection.is_secure)
        for shown in (root.issue_server("10.0.0.1"), pki.Authority.root("Other").issue_server(NAME)):
            self.failureResultOf(self.dialed(server, shown, clients=root))

    def test_files(self) -> None:
        """Files that OpenSSL does not take are named."""
        bad = self.written("bad.pem", b"no certificate")
        for files in (
            {"trusted": bad},
            {"certificate": bad, "key": bad},
            {"trusted": self.directory / "none"},
        ):
            error = self.assertRaises(StoreFileError, self.server(ENCRYPTED, **files).dial, 2.0)
            self.assertIn(str(next(iter(files.values()))), str(error))
