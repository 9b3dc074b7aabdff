"""A server's certificate, its chain and its key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.verification.server_certificates import (
    is_pfx,
    matched,
    read_certificates,
    read_key,
    read_pfx,
    wrong_dates,
)
from tests import pki

ROOT = pki.Authority.root("Servers Root")
SUB = ROOT.intermediate("Servers")
LEAF = SUB.issue_server("localhost")
OTHER = SUB.issue_server("other")


def certificates(*credentials: pki.Credential) -> tuple[x509.Certificate, ...]:
    """Their certificates."""
    return tuple(credential.certificate for credential in credentials)


def said(data: bytes) -> list[str]:
    """The problems of a certificate file."""
    return [str(problem) for problem in read_certificates(data, "site.pem")[1]]


def pfx(
    credential: pki.Credential | None, chain: Sequence[pki.Credential], password: bytes = b"", *, key: bool = True
) -> bytes:
    """A PKCS #12 file."""
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = credential.key if credential and key else None
    certificate = credential.certificate if credential else None
    return pkcs12.serialize_key_and_certificates(b"site", private, certificate, certificates(*chain), how)


class Refusing(SynchronousTestCase):
    """A test case that wants to know why."""

    def reason(self, call: Callable[..., Any], *arguments: Any) -> str:
        """What is said about what is not taken."""
        return str(self.assertRaises(UnacceptableError, call, *arguments))


class CertificatesTests(SynchronousTestCase):
    """A file of certificates."""

    def test_chain(self) -> None:
        """The leaf comes first, then who issued it, with or without the root."""
        for chain in ((LEAF,), (LEAF, SUB), (LEAF, SUB, ROOT)):
            self.assertEqual(read_certificates(pki.bundle(*chain), "site.pem"), (certificates(*chain), ()))

    def test_wrong_order(self) -> None:
        """A certificate in the wrong place is named with its line, and so is the one before it."""
        [problem] = said(pki.bundle(LEAF, ROOT))
        self.assertRegex(problem, r"^ERROR site.pem:\d\d certificate 2 \('CN=Servers Root'\) is in the wrong place")
        self.assertIn("did not issue certificate 1 ('CN=localhost')", problem)
        self.assertEqual(len(said(pki.bundle(SUB, LEAF, ROOT))), 2)
        self.assertEqual(len(said(pki.bundle(LEAF, LEAF))), 1)

    def test_namesake(self) -> None:
        """An intermediate with the right name and another key is in the wrong place: signatures are looked at."""
        self.assertEqual(len(said(pki.bundle(LEAF, ROOT.intermediate("Servers")))), 1)

    def test_nothing_to_read(self) -> None:
        """A file without certificate says so: empty, garbage, or a key alone."""
        for data in (b"", b"garbage", LEAF.key_pem, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
            found, problems = read_certificates(data, "site.pem")
            self.assertEqual((found, len(problems)), ((), 1), data)

    def test_key_beside_the_certificate(self) -> None:
        """One file may hold both."""
        data = LEAF.key_pem + LEAF.chain_pem
        self.assertEqual(said(data), [])
        self.assertEqual(matched(read_certificates(data, "")[0], read_key(data)).certificates, certificates(LEAF, SUB))

    @given(st.binary())
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever a file holds, there are certificates or problems."""
        found, problems = read_certificates(data, "site.pem")
        self.assertTrue(found or problems)

    @given(st.integers(min_value=0, max_value=2000), st.integers(min_value=0, max_value=255))
    def test_one_byte_changed(self, position: int, byte: int) -> None:
        """A certificate with one octet changed is read, or is a problem; looking at it raises nothing."""
        der = bytearray(LEAF.der)
        der[position % len(der)] = byte
        found, problems = read_certificates(pki.pem_block("CERTIFICATE", bytes(der)) + SUB.pem, "site.pem")
        self.assertTrue(found or problems)
        list(wrong_dates(found, pki.NOW))
        try:
            matched(found or certificates(LEAF), LEAF.key)
        except UnacceptableError as error:
            self.assertTrue(error.message)
        self.flushWarnings()  # cryptography's, about serial numbers that are not positive


class KeyTests(Refusing):
    """A private key."""

    def test_formats(self) -> None:
        """PKCS #8 and the older forms of one key are the same; RSA, EC and Ed25519 serve."""
        for key in (pki.ec_key(), pki.rsa_key(), pki.ed25519_key()):
            data = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            self.assertEqual(read_key(data).public_key(), key.public_key())
        old = LEAF.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        self.assertEqual(read_key(old).public_key(), LEAF.key.public_key())

    def test_encrypted(self) -> None:
        """An encrypted key is refused with what to do instead, in either form."""
        for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
            how = serialization.BestAvailableEncryption(b"secret")
            data = LEAF.key.private_bytes(serialization.Encoding.PEM, form, how)
            self.assertIn("is encrypted", self.reason(read_key, data))

    def test_no_key(self) -> None:
        """What is no key says so, and repeats nothing of it."""
        for data in (b"", b"garbage", LEAF.pem, LEAF.key_pem[:-40], LEAF.key_pem.replace(b"M", b"N")):
            self.assertEqual(self.reason(read_key, data), "has no valid private key in PEM")

    def test_useless_key(self) -> None:
        """A key that cannot sign is no use to TLS."""
        data = x25519.X25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.assertIn("cannot use", self.reason(read_key, data))

    def test_owner(self) -> None:
        """The key must be the first certificate's; if it is another's, that one is named."""
        self.assertEqual(matched(certificates(LEAF, SUB), LEAF.key).certificates, certificates(LEAF, SUB))
        reason = self.reason(matched, certificates(LEAF, SUB), OTHER.key)
        self.assertEqual(reason, "is not the key of certificate 1 ('CN=localhost')")
        reason = self.reason(matched, certificates(SUB, LEAF), LEAF.key)
        self.assertIn("is the key of certificate 2 ('CN=localhost')", reason)

    def test_is_not_shown(self) -> None:
        """The key is in no repr, so in no log."""
        self.assertNotIn("key", repr(matched(certificates(LEAF), LEAF.key)))

    @given(st.binary())
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever a file holds, there is a key or a reason."""
        self.reason(read_key, data)


class PfxTests(Refusing):
    """Certificate, chain and key in one file."""

    def test_names(self) -> None:
        """The ending says that a file is PKCS #12."""
        self.assertEqual(
            [is_pfx(name) for name in ("a.pfx", "A.PFX", "a.p12", "a.pem", "pfx")], [True, True, True, False, False]
        )

    def test_order_is_made(self) -> None:
        """The order of the chain in the file does not matter; what comes out is in order."""
        for chain in ((SUB, ROOT), (ROOT, SUB)):
            server = read_pfx(pfx(LEAF, chain), None)
            self.assertEqual(read_pfx(pfx(LEAF, (*chain, LEAF)), None).certificates, server.certificates)
            self.assertEqual(server.certificates, certificates(LEAF, SUB, ROOT))
            self.assertEqual(server.key.public_key(), LEAF.key.public_key())

    def test_password(self) -> None:
        """The password opens the file; a wrong one, or none, does not."""
        data = pfx(LEAF, (SUB,), b"secret")
        self.assertEqual(read_pfx(data, b"secret").certificates, certificates(LEAF, SUB))
        for password in (None, b"", b"other", b"\xff"):
            self.assertIn("cannot be opened", self.reason(read_pfx, data, password))
        self.assertIn("(set password_file)", self.reason(read_pfx, data, None))

    def test_stranger_in_the_chain(self) -> None:
        """A certificate that is not part of the server's chain is reported."""
        self.assertIn("'CN=other'", self.reason(read_pfx, pfx(LEAF, (SUB, OTHER)), None))

    def test_root_does_not_follow_itself(self) -> None:
        """A self-signed server certificate is its own chain."""
        alone = pki.self_signed("alone", eku=(pki.SERVER_AUTH,))
        self.assertEqual(read_pfx(pfx(alone, ()), None).certificates, certificates(alone))
        self.assertEqual(read_pfx(pfx(LEAF, (SUB, ROOT)), None).certificates[-1], ROOT.certificate)

    def test_without_key(self) -> None:
        """Certificates alone do not make a server, nor does a key alone."""
        chain = certificates(SUB)
        key = pkcs12.serialize_key_and_certificates(None, LEAF.key, None, chain, serialization.NoEncryption())
        self.assertIn("no certificate with its private key", self.reason(read_pfx, key, None))
        self.assertIn("no certificate with its private key", self.reason(read_pfx, pfx(LEAF, (), key=False), None))
        self.assertIn("no certificate with its private key", self.reason(read_pfx, pfx(None, (LEAF, SUB)), None))

    @given(st.binary())
    def test_any_bytes(self, data: bytes) -> None:
        """Whatever a file holds, there is a server's certificate or a reason."""
        self.reason(read_pfx, data, b"secret")


class DatesTests(SynchronousTestCase):
    """Whether certificates are in date."""

    def test_messages(self) -> None:
        """Expired and future ones are named with the date, others are not."""
        old = SUB.issue_server("old", not_after=datetime(2026, 5, 1, tzinfo=UTC))
        new = SUB.issue_server("new", not_before=datetime(2026, 7, 1, tzinfo=UTC))
        self.assertEqual(
            list(wrong_dates(certificates(LEAF, old, new), pki.NOW)),
            [
                "certificate 2 ('CN=old') expired on 2026-05-01",
                "certificate 3 ('CN=new') is not valid before 2026-07-01",
            ],
        )

    def test_unreadable_dates(self) -> None:
        """A certificate of month 13 is none that can be read, so that no later code meets its dates."""
        odd = SUB.issue_server("odd", not_after=pki.utc_time(b"261301000000Z"))
        self.assertEqual(len(said(odd.pem)), 1)

    def test_unreadable_subject(self) -> None:
        """A name that cannot be read is called that, and the dates are shown all the same."""
        subject = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, bytes.fromhex("0603550403"), pki.tlv(0x0C, b"\xff"))))
        odd = ROOT.issue(subject, not_after=datetime(2026, 5, 1, tzinfo=UTC))
        messages = list(wrong_dates(certificates(odd), pki.NOW))
        self.assertEqual(messages, ["certificate 1 (unreadable subject) expired on 2026-05-01"])
