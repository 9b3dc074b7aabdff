"""The local CA and the control plane's certificate: what is in them, and when they are made."""

from __future__ import annotations

import contextlib
import ssl
import stat
import tempfile
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

from cryptography import x509
from OpenSSL import SSL
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.resource_manager.authority import RENEWED, LocalAuthority, LocalAuthorityError, ServerConnections
from agwtwisted.sharing.private_files import PrivateFileError
from agwtwisted.starter.issuing import Issuing


class LocalAuthorityCase(SynchronousTestCase):
    """One in a directory of its own; the test has the time."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "state"
        self.now = datetime.now(UTC)

    def authority(self, address: str = "127.0.0.1") -> LocalAuthority:
        """That of a start."""
        return LocalAuthority(self.directory, address, lambda: self.now)


class LocalAuthorityTests(LocalAuthorityCase):
    """Its files."""

    def test_first_start(self) -> None:
        """The CA may issue for this machine alone; its certificate is for all to read, keys are not."""
        server = self.authority().server()
        ca = x509.load_pem_x509_certificate((self.directory / "ca.pem").read_bytes())
        server.certificate.verify_directly_issued_by(ca)
        constraints = ca.extensions.get_extension_for_class(x509.NameConstraints)
        self.assertTrue(constraints.critical)
        self.assertEqual(
            constraints.value.permitted_subtrees,
            [
                x509.DNSName("localhost"),
                x509.IPAddress(ip_network("127.0.0.0/8")),
                x509.IPAddress(ip_network("::1/128")),
            ],
        )
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.directory.iterdir()}
        self.assertEqual(modes, {"ca.pem": 0o644, "ca.key": 0o600, "arm.pem": 0o600})

    def test_names(self) -> None:
        """The certificate is for localhost and its addresses, the one that was given among them."""
        names = self.authority("127.9.9.9").server().certificate.extensions
        found = names.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(found.get_values_for_type(x509.DNSName), ["localhost"])
        addresses = [ip_address(each) for each in ("127.0.0.1", "::1", "127.9.9.9")]
        self.assertEqual(found.get_values_for_type(x509.IPAddress), addresses)

    def test_kept(self) -> None:
        """The next start has the same CA and certificate, until it is near its end: then another one of the same CA."""
        first = self.authority().server()
        ca = (self.directory / "ca.pem").read_bytes()
        self.assertEqual(self.authority().server().certificate, first.certificate)
        self.now = first.certificate.not_valid_after_utc - RENEWED
        second = self.authority().server()
        self.assertNotEqual(second.certificate, first.certificate)
        self.assertEqual((self.directory / "ca.pem").read_bytes(), ca)
        self.assertNotEqual(self.authority("127.2.2.2").server().certificate, second.certificate)

    def test_damaged(self) -> None:
        """A key that is missing, is another one or can be read by others stops the start, and is never replaced."""
        self.authority().server()
        key = self.directory / "ca.key"
        data = key.read_bytes()
        key.chmod(0o644)
        self.assertRaises(PrivateFileError, self.authority().server)
        key.unlink()
        self.assertRaises(FileNotFoundError, self.authority().server)
        key.touch(0o600)
        self.assertRaises(LocalAuthorityError, self.authority().server)
        other = Issuing(organization="x", lifetime=timedelta(days=9)).authority("x", self.now, path_length=0)
        key.write_bytes(other.key_pem())
        self.assertIn("is not its key", str(self.assertRaises(LocalAuthorityError, self.authority().server)))
        key.write_bytes(data)
        self.authority().server()


class HandshakeTests(LocalAuthorityCase):
    """What a client gets."""

    def shaken(self, client: ssl.SSLContext, name: str, connection: SSL.Connection) -> None:
        """A handshake in memory; raises what the client raises."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        end = client.wrap_bio(incoming, outgoing, server_hostname=name)
        connection.set_accept_state()
        for _ in range(10):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                connection.bio_write(outgoing.read())
                with contextlib.suppress(SSL.WantReadError):
                    connection.do_handshake()
                incoming.write(connection.bio_read(1 << 16))
            else:
                return

    def test_trusted_names(self) -> None:
        """A client that trusts the CA takes the certificate for this machine's names, and for no other."""
        connections = ServerConnections(self.authority("127.0.0.1"), lambda: self.now)
        client = ssl.create_default_context(cafile=str(self.authority().ca_file))
        for name in ("localhost", "127.0.0.1", "::1"):
            self.shaken(client, name, connections.serverConnectionForTLS(None))
        self.assertRaises(
            ssl.SSLCertVerificationError, self.shaken, client, "example.com", connections.serverConnectionForTLS(None)
        )

    def test_stolen_key(self) -> None:
        """With the key of the CA nothing can be issued that a client takes for another server."""
        self.authority().server()
        ca = self.authority()._ca()
        leaf = Issuing(organization="x", lifetime=timedelta(days=9)).server("x", ca, self.now, ["example.com"])
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.use_certificate(leaf.certificate)
        context.use_privatekey(leaf.key)
        client = ssl.create_default_context(cafile=str(self.authority().ca_file))
        error = self.assertRaises(
            ssl.SSLCertVerificationError, self.shaken, client, "example.com", SSL.Connection(context, None)
        )
        self.assertIn("permitted subtree violation", str(error))

    def test_old_versions(self) -> None:
        """TLS 1.1 and older are refused."""
        connections = ServerConnections(self.authority(), lambda: self.now)
        server = connections.serverConnectionForTLS(None)
        old = SSL.Context(SSL.TLS_CLIENT_METHOD)
        old.set_cipher_list(b"ALL:@SECLEVEL=0")
        old.set_max_proto_version(SSL.TLS1_1_VERSION)
        client = SSL.Connection(old, None)
        client.set_connect_state()
        server.set_accept_state()
        self.assertRaises(SSL.WantReadError, client.do_handshake)
        server.bio_write(client.bio_read(1 << 16))
        self.assertIn("unsupported protocol", str(self.assertRaises(SSL.Error, server.do_handshake)))

    def test_renewed_while_it_runs(self) -> None:
        """A connection that comes near the end of the certificate gets the next one."""
        connections = ServerConnections(self.authority(), lambda: self.now)
        first = connections.serverConnectionForTLS(None).get_context()
        self.assertIs(connections.serverConnectionForTLS(None).get_context(), first)
        self.now += timedelta(days=61)
        self.assertIsNot(connections.serverConnectionForTLS(None).get_context(), first)

    def test_cannot_be_renewed(self) -> None:
        """Where the next one cannot be made the present one goes on, and the log says so."""
        connections = ServerConnections(self.authority(), lambda: self.now)
        first = connections.serverConnectionForTLS(None).get_context()
        self.now += timedelta(days=61)
        (self.directory / "ca.key").unlink()
        with capturedLogs() as events:
            self.assertIs(connections.serverConnectionForTLS(None).get_context(), first)
        self.assertIn("cannot be renewed", formatEvent(events[0]))
