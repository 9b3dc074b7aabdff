"""The certificates that other tests stand on are what they claim to be."""

from __future__ import annotations

import os
import tempfile
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from tests import pki


class PkiTests(SynchronousTestCase):
    """`tests.pki`."""

    def test_a_chain_of_three_verifies_with_each_kind_of_key(self) -> None:
        """OpenSSL accepts root, intermediate and leaf."""
        for key in (pki.ec_key, pki.rsa_key, pki.ed25519_key):
            root = pki.Authority.root(key=key())
            leaf = root.intermediate(key=key()).issue("device", key=key(), san=["device.example"])
            store = crypto.X509Store()
            store.add_cert(crypto.X509.from_cryptography(root.certificate))
            device, intermediate = (crypto.X509.from_cryptography(c.certificate) for c in (leaf, leaf.issuers[0]))
            crypto.X509StoreContext(store, device, [intermediate]).verify_certificate()

    def test_options_reach_the_certificate(self) -> None:
        """Validity, serial, extensions, hash and names are those asked for."""
        root = pki.Authority.root(pki.name("Root", organization_name="Contoso"), path_length=1)
        leaf = root.issue(
            serial=0x0ABC,
            not_after=pki.NOW,
            not_before=pki.NOW - timedelta(days=1),
            eku=None,
            ocsp_url="http://ocsp.example/",
            hash=hashes.SHA384(),
        ).certificate
        self.assertEqual(root.certificate.subject.rfc4514_string(), "CN=Root,O=Contoso")
        self.assertEqual((leaf.serial_number, leaf.not_valid_after_utc), (0x0ABC, pki.NOW))
        self.assertEqual(leaf.signature_hash_algorithm.name if leaf.signature_hash_algorithm else "", "sha384")
        kinds = {type(entry.value) for entry in leaf.extensions}
        self.assertIn(x509.AuthorityInformationAccess, kinds)
        self.assertNotIn(x509.ExtendedKeyUsage, kinds)

    def test_unreadable_certificates_can_be_made(self) -> None:
        """Month 13, doubled extensions and version 1 are issued without complaint."""
        root = pki.Authority.root()
        doubled = root.issue(extra=[pki.key_usage("digital_signature")])
        with self.assertRaises(x509.DuplicateExtension):
            _ = doubled.certificate.extensions
        with self.assertRaises(ValueError):
            _ = root.issue(not_after=pki.utc_time(b"261301000000Z")).certificate
        self.assertIs(root.issue(version=1).certificate.version, x509.Version.v1)

    def test_written_files_read_back(self) -> None:
        """A leaf's file holds its intermediates, and only its owner reads the key."""
        with tempfile.TemporaryDirectory() as directory:
            leaf = pki.Authority.root().intermediate().issue()
            certificate, key = leaf.write(directory, "device")
            with open(certificate, "rb") as file:
                self.assertEqual(len(x509.load_pem_x509_certificates(file.read())), 2)
            with open(key, "rb") as file:
                load_pem_private_key(file.read(), None)
            self.assertEqual(os.stat(key).st_mode & 0o777, 0o600)
            path = pki.write(directory, "chain.pem", *leaf.issuers)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), pki.bundle(*leaf.issuers))
