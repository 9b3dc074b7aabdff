"""The certificates of the demonstration: what is in them, and when they are made anew."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.coherence import DEMO_ORGANIZATION
from agwtwisted.demo.certificates import (
    CERTIFICATES,
    LIFETIME,
    MARGIN,
    MARK,
    SECRETS,
    DemoError,
    ensure,
)
from tests.programs import needs

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class DemoDirectory(SynchronousTestCase):
    """A directory of its own for each test."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())

    def content(self) -> dict[str, bytes]:
        """Every file of the directory."""
        return {path.name: path.read_bytes() for path in self.directory.iterdir()}


class MakingTests(DemoDirectory):
    """A set made where there was none."""

    def setUp(self) -> None:
        super().setUp()
        self.made = ensure(self.directory, NOW)

    def test_writes_every_file_and_no_other(self) -> None:
        """The set is the files that are named, nothing half-written among them."""
        self.assertTrue(self.made)
        self.assertEqual(set(self.content()), {*CERTIFICATES, *SECRETS})

    def test_keys_are_their_owners_alone(self) -> None:
        """A file that holds a private key is readable by its owner only, and the others hold none."""
        for path in self.directory.iterdir():
            with self.subTest(path.name):
                secret = b"PRIVATE KEY" in path.read_bytes()
                self.assertEqual(secret, path.name in SECRETS)
                self.assertEqual(path.stat().st_mode & 0o777, 0o600 if secret else 0o644)

    def test_authorities_leave_no_key(self) -> None:
        """No written private key belongs to a certificate that may sign others."""
        keys = [load_pem_private_key(self.content()[name], None).public_key() for name in SECRETS]
        for name in CERTIFICATES:
            for certificate in x509.load_pem_x509_certificates(self.content()[name]):
                authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
                self.assertNotEqual(authority, certificate.public_key() in keys)

    def test_every_name_says_demo(self) -> None:
        """Subject and issuer of every certificate carry the organization by which the gateway knows them."""
        for name in CERTIFICATES:
            for certificate in x509.load_pem_x509_certificates(self.content()[name]):
                for who in (certificate.subject, certificate.issuer):
                    found = [entry.value for entry in who.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
                    self.assertEqual(found, [DEMO_ORGANIZATION])

    def test_lives_ninety_days(self) -> None:
        """Every certificate but the expired one ends ninety days after it was made; that one has ended."""
        for name in CERTIFICATES:
            leaf = x509.load_pem_x509_certificates(self.content()[name])[0]
            self.assertEqual(leaf.not_valid_after_utc - leaf.not_valid_before_utc, timedelta(days=90))
            self.assertEqual(leaf.not_valid_after_utc > NOW, name != "expired.pem")

    def test_server_is_named_as_it_is_reached(self) -> None:
        """The server's certificate is good for localhost and both loopback addresses."""
        leaf = x509.load_pem_x509_certificates(self.content()["server.pem"])[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost"])
        addresses = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
        self.assertEqual(addresses, ["127.0.0.1", "::1"])


class KeepingTests(DemoDirectory):
    """A set that is there already."""

    def setUp(self) -> None:
        super().setUp()
        ensure(self.directory, NOW)
        self.before = self.content()

    def test_is_kept_while_it_serves(self) -> None:
        """Until a month before its end a complete set stays, byte for byte: then the gateway would warn of it."""
        self.assertFalse(ensure(self.directory, NOW + LIFETIME - MARGIN - timedelta(seconds=1)))
        self.assertEqual(self.content(), self.before)

    def test_is_made_anew_in_its_last_month(self) -> None:
        """With a month left or less, every file is made anew."""
        self.assertTrue(ensure(self.directory, NOW + LIFETIME - MARGIN))
        self.assertEqual({name for name, old in self.before.items() if self.content()[name] == old}, set())

    def test_is_made_anew_when_a_file_is_missing(self) -> None:
        """Without any one of its files the set is not complete, and is not patched but made anew."""
        for name in sorted(self.before):
            with self.subTest(name):
                before = self.content()
                (self.directory / name).unlink()
                if name == "server.pem":  # its key alone could be anybody's
                    (self.directory / "server.key").unlink()
                self.assertTrue(ensure(self.directory, NOW))
                self.assertEqual({kept for kept, old in before.items() if self.content()[kept] == old}, set())

    def test_spares_what_is_not_of_the_demo(self) -> None:
        """A file of one of the names that already existed is reported, and nothing is written."""
        foreign = {"server.pem": b"-----BEGIN CERTIFICATE-----\n", "clients-ca.pem": b"", "client.pem": b"\0\xff"}
        for name, content in foreign.items():
            with self.subTest(name):
                path = self.directory / name
                path.write_bytes(content)
                before = self.content()
                with self.assertRaisesRegex(DemoError, name):
                    ensure(self.directory, NOW + LIFETIME)
                self.assertEqual(self.content(), before)
                path.write_bytes(self.before[name])

    def test_spares_a_certificate_of_another_organization(self) -> None:
        """A well-made certificate of another organization is not taken for ours."""
        leaf = trustme.CA().issue_cert("localhost").cert_chain_pems[0].bytes()
        (self.directory / "server.pem").write_bytes(leaf)
        with self.assertRaisesRegex(DemoError, r"server\.pem is not a demo certificate"):
            ensure(self.directory, NOW)

    def test_spares_a_server_key_without_certificate(self) -> None:
        """A server key alone may be the user's own: it is not overwritten."""
        (self.directory / "server.pem").unlink()
        with self.assertRaisesRegex(DemoError, r"server\.key"):
            ensure(self.directory, NOW)

    def test_an_interruption_leaves_no_complete_set(self) -> None:
        """A making that fails half-way is seen to have failed, although every file is there."""
        (self.directory / "client.pem.new").mkdir()
        with self.assertRaises(OSError):
            ensure(self.directory, NOW + LIFETIME)
        (self.directory / "client.pem.new").rmdir()
        self.assertFalse((self.directory / MARK).exists())

    def test_starts_over_after_an_interruption(self) -> None:
        """What an interrupted making left behind is replaced."""
        (self.directory / MARK).unlink()
        (self.directory / "client.pem.new").write_bytes(b"half of it")
        self.assertTrue(ensure(self.directory, NOW))
        self.assertEqual(set(self.content()), set(self.before))


@needs("openssl")
class OpensslTests(DemoDirectory):
    """What the `openssl` program says of the certificates."""

    def setUp(self) -> None:
        super().setUp()
        ensure(self.directory, datetime.now(UTC))

    def verify(self, name: str, purpose: str) -> str:
        """The words of `openssl verify` about the file's first certificate."""
        command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", "clients-ca.pem", name]
        done = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def test_accepts_the_good_ones(self) -> None:
        """The client's and the server's certificates verify for their purposes, and for no other."""
        self.assertIn("client.pem: OK", self.verify("client.pem", "sslclient"))
        self.assertIn("server.pem: OK", self.verify("server.pem", "sslserver"))
        self.assertIn("purpose", self.verify("server.pem", "sslclient"))

    def test_refuses_the_others_for_their_reasons(self) -> None:
        """The expired and the stranger's certificate fail, each for what it is there to show."""
        self.assertIn("certificate has expired", self.verify("expired.pem", "sslclient"))
        self.assertIn("unable to get local issuer", self.verify("stranger.pem", "sslclient"))
