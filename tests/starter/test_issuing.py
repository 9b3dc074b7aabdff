"""Certificates that are made on this machine: what is in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.starter.issuing import IssuedCertificate, Issuing

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ISSUING = Issuing(organization="tests", lifetime=timedelta(days=9))


def purposes(issued: IssuedCertificate) -> list[x509.ObjectIdentifier]:
    """What a certificate may be used for."""
    return list(issued.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


class IssuingTests(SynchronousTestCase):
    """Every kind of certificate."""

    def setUp(self) -> None:
        self.root = ISSUING.authority("root", NOW, path_length=0)

    def test_authority(self) -> None:
        """A root signs itself, may sign certificates, and no CA below it."""
        found = self.root.certificate
        found.verify_directly_issued_by(found)
        constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
        self.assertEqual((constraints.critical, constraints.value.ca, constraints.value.path_length), (True, True, 0))
        self.assertTrue(found.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign)

    def test_server(self) -> None:
        """A server has its names and addresses, each as what it is, and one purpose."""
        server = ISSUING.server("server", self.root, NOW, ("localhost", "::1", "10.0.0.1"))
        server.certificate.verify_directly_issued_by(self.root.certificate)
        names = server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost"])
        addresses = [ip_address("::1"), ip_address("10.0.0.1")]
        self.assertEqual(names.get_values_for_type(x509.IPAddress), addresses)
        self.assertEqual(purposes(server), [ExtendedKeyUsageOID.SERVER_AUTH])

    def test_name_that_is_none(self) -> None:
        """What a certificate cannot have as a name is an error."""
        with self.assertRaises(ValueError):
            ISSUING.server("server", self.root, NOW, ("größer.example",))

    def test_purposes(self) -> None:
        """Clients and responders have one purpose each; a responder's own status is not to be asked."""
        client = ISSUING.client("client", self.root, NOW)
        responder = ISSUING.responder("responder", self.root, NOW)
        self.assertEqual(purposes(client), [ExtendedKeyUsageOID.CLIENT_AUTH])
        self.assertEqual(purposes(responder), [ExtendedKeyUsageOID.OCSP_SIGNING])
        self.assertTrue(responder.certificate.extensions.get_extension_for_class(x509.OCSPNoCheck))

    def test_validity(self) -> None:
        """A certificate is valid from the start that is given, for the lifetime."""
        client = ISSUING.client("client", self.root, NOW).certificate
        self.assertEqual((client.not_valid_before_utc, client.not_valid_after_utc), (NOW, NOW + timedelta(days=9)))

    def test_key(self) -> None:
        """The key is the certificate's, and no repr shows it."""
        client = ISSUING.client("client", self.root, NOW)
        self.assertEqual(load_pem_private_key(client.key_pem(), None).public_key(), client.certificate.public_key())
        self.assertNotIn("key", repr(client))
