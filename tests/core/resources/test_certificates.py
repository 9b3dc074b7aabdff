"""Certificates as values."""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from tests.configurations import files, load, site


class CertificatesTests(SynchronousTestCase):
    """What the values promise."""

    def test_keys_are_not_shown(self) -> None:
        """A server's private key is in no repr of the configuration."""
        [listener] = load().http_listeners
        text = repr(load())
        assert listener.ssl_certificate is not None
        self.assertNotIn("key=", repr(listener.ssl_certificate))
        self.assertNotIn("PrivateKey", text)
        self.assertNotIn(site().key_pem.decode().splitlines()[1], text)

    def test_sources(self) -> None:
        """Each knows the files that it was read from, by their hashes: a certificate's is that of both."""
        data = files().data
        [listener] = load().http_listeners
        certificate, profile = listener.ssl_certificate, listener.ssl_profile
        assert certificate is not None
        assert profile is not None
        [trusted] = profile.trusted_client_certificates
        hashes = {path: sha256(content).digest() for path, content in data.items()}
        self.assertEqual(certificate.source, hashes["conf/pki/site.pem"] + hashes["conf/pki/site.key"])
        self.assertEqual(trusted.source, hashes["conf/pki/clients-ca.pem"])
