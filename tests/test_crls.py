"""Lists that `openssl ca` has signed, and generated ones of every kind, beside OpenSSL and cryptography.

Where the gateway and another one disagree is known and written down. `AGW_DIFFERENTIAL` says how many are generated.
"""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from OpenSSL import crypto
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl import ProvenCrl, prove, read_head
from agwtwisted.core.revocation.crl_encodings import encoded_lists
from agwtwisted.core.revocation.crl_status import CrlRules, CrlSubject, status_of
from agwtwisted.core.revocation.status import Good, Revoked, Unusable
from agwtwisted.core.verification.certificate_rules import certificate_from
from tests import crls, pki
from tests.crls import DAY, Crl, Listed, issuing_point, point_name, points_extension, revoked, uri
from tests.pki import tlv
from tests.programs import needs

COUNT = int(os.environ.get("AGW_DIFFERENTIAL", "2000")) // 5
HERE, THERE = "http://crl.example/1", "http://crl.example/2"
Status: TypeAlias = Good | Revoked | Unusable

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")
NAMESAKE = ROOT.intermediate("Issuer")
CERTIFICATES = {
    "plain": ISSUER.issue("device"),
    "of a point": ISSUER.issue("device", extra=[points_extension(point_name(uri(HERE)))]),
    "of two points": ISSUER.issue("device", extra=[points_extension(point_name(uri(THERE)), point_name(uri(HERE)))]),
    "of an indirect point": ISSUER.issue(
        "device", extra=[points_extension(point_name(uri(HERE)) + tlv(0xA2, crls.directory("Other")))]
    ),
    "of a point of its issuer": ISSUER.issue(
        "device", extra=[points_extension(point_name(uri(HERE)) + tlv(0xA2, crls.directory(ISSUER.subject)))]
    ),
    "of a point for some reasons": ISSUER.issue(
        "device", extra=[points_extension(point_name(uri(HERE)) + crls.some_reasons("01", tag=0x81))]
    ),
    "an authority": ISSUER.intermediate("Below"),
    "serial 0": ISSUER.issue("device", serial=0),
    "negative serial": ISSUER.issue("device", serial=-129),
    "serial of 20 octets": ISSUER.issue("device", serial=1 << 158),
}


def status_by_gateway(data: Sequence[bytes], certificate: pki.Credential, now: float) -> Status:
    """What the gateway makes of these lists."""
    proven = [prove(each, ISSUER.parsed) for each in data]
    subject = CrlSubject.of(certificate.der, ISSUER.der)
    assert isinstance(subject, CrlSubject)
    usable = [each for each in proven if isinstance(each, ProvenCrl)]
    return status_of(usable, subject, CrlRules(), now)


# openssl ca


CONFIGURATION = """
[ca]
default_ca = this
[this]
database = index.txt
crlnumber = number
default_md = sha256
[plain]
database = index.txt
default_md = sha256
[bare]
[keyed]
authorityKeyIdentifier = keyid:always,issuer:always
[users]
authorityKeyIdentifier = keyid:always
issuingDistributionPoint = critical,@only_users
[only_users]
onlyuser = TRUE
fullname = URI:http://crl.example/1
[indirect]
issuingDistributionPoint = critical,@is_indirect
[is_indirect]
indirectCRL = TRUE
"""

REASONS = (
    ("", ""),
    (",unspecified", "unspecified"),
    (",keyCompromise", "keyCompromise"),
    (",CACompromise", "cACompromise"),
    (",affiliationChanged", "affiliationChanged"),
    (",superseded", "superseded"),
    (",cessationOfOperation", "cessationOfOperation"),
    (",certificateHold", "certificateHold"),
    (",removeFromCRL", "removeFromCRL"),
    (",keyTime,20250101000000Z", "keyCompromise"),
    (",holdInstruction,holdInstructionReject", "certificateHold"),
)
"""Of entries, in the database of `openssl ca` and in a status."""


@needs("openssl")
class OpensslTests(SynchronousTestCase):
    """Lists of `openssl ca -gencrl`, and `openssl verify -crl_check`."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = Path(place.name)

    def gencrl(self, *options: str, entries: str = "", number: int = 7, days: int = 30) -> bytes:
        """The list that `openssl ca` signs for ISSUER, in PEM; with an option alone, the section of extensions."""
        options = ("-crlexts", *options) if len(options) == 1 else options
        ISSUER.write(self.place, "issuer")
        for name, text in (("index.txt", entries), ("number", f"{number:02X}\n"), ("ca.cnf", CONFIGURATION)):
            (self.place / name).write_text(text)
        self.run_openssl(
            *("ca", "-gencrl", "-config", "ca.cnf", "-cert", "issuer.pem", "-keyfile", "issuer.key"),
            *("-crldays", str(days), *options, "-out", "crl.pem"),
        )
        return (self.place / "crl.pem").read_bytes()

    def run_openssl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs it where the files are; it has to succeed."""
        found = self.openssl(*arguments)
        self.assertEqual(found.returncode, 0, found.stderr)
        return found

    def openssl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs it where the files are."""
        command = ["openssl", *arguments]
        return subprocess.run(command, cwd=self.place, capture_output=True, text=True, timeout=60, check=False)

    def proven(self, pem: bytes) -> ProvenCrl:
        """What the list in a file of PEM proves."""
        (data,) = encoded_lists(pem)
        found = prove(data, ISSUER.parsed)
        assert isinstance(found, ProvenCrl), found
        return found

    def test_every_reason(self) -> None:
        """Every kind of entry is found, with its reason, its time and its invalidity date; others are good."""
        entries = "".join(
            f"R\t491231235959Z\t260101000000Z{reason}\t{4096 + number:04X}\tunknown\t/CN={number}\n"
            for number, (reason, _) in enumerate(REASONS)
        )
        crl = self.proven(self.gencrl("keyed", entries=entries))
        self.assertEqual((len(crl.table), crl.number), (len(REASONS), 7))
        now = crl.this_update
        for number, (_, reason) in enumerate(REASONS):
            device = ISSUER.issue("device", serial=4096 + number)
            subject = CrlSubject.of(device.der, ISSUER.der)
            assert isinstance(subject, CrlSubject)
            status = status_of([crl], subject, CrlRules(), now)
            assert isinstance(status, Revoked)
            self.assertEqual((status.at, status.reason), (1767225600.0, reason))
            self.assertEqual(status.invalidity_date, 1735689600.0 if "keyTime" in REASONS[number][0] else None)
        subject = CrlSubject.of(ISSUER.issue("other", serial=4095).der, ISSUER.der)
        assert isinstance(subject, CrlSubject)
        self.assertIsInstance(status_of([crl], subject, CrlRules(), now), Good)

    def test_scopes(self) -> None:
        """Its issuing distribution points are read: one for users, which is honoured, and an indirect one, refused."""
        crl = self.proven(self.gencrl("users"))
        self.assertEqual((crl.scope.only_users, crl.scope.names), (True, (b"\x86" + HERE.encode(),)))
        (data,) = encoded_lists(self.gencrl("indirect"))
        self.assertIsInstance(prove(data, ISSUER.parsed), Unusable)

    def test_without_extensions(self) -> None:
        """A list with nothing but a number is one."""
        crl = self.proven(self.gencrl("bare", number=255))
        self.assertEqual((crl.number, len(crl.table)), (255, 0))

    def test_version_1(self) -> None:
        """Without a number and extensions it writes version 1, which does not count."""
        (data,) = encoded_lists(self.gencrl("-name", "plain"))
        self.assertEqual(prove(data, ISSUER.parsed), Unusable("the CRL is not of version 2"))

    def test_der(self) -> None:
        """The same list in DER, as `openssl crl` writes it."""
        pem = self.gencrl("keyed")
        self.run_openssl("crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der")
        self.assertEqual(encoded_lists((self.place / "crl.der").read_bytes()), encoded_lists(pem))

    def test_as_openssl_verifies(self) -> None:
        """`openssl verify -crl_check` and the gateway decide alike about certificates with and without an entry."""
        listed, other = ISSUER.issue("listed", serial=77), ISSUER.issue("other", serial=78)
        (self.place / "root.pem").write_bytes(ROOT.pem)
        pem = self.gencrl("keyed", entries="R\t491231235959Z\t260101000000Z,superseded\t4D\tunknown\t/CN=x\n")
        crl = self.proven(pem)
        for certificate in (listed, other):
            (self.place / "leaf.pem").write_bytes(certificate.pem)
            arguments = ("-CAfile", "root.pem", "-untrusted", "issuer.pem", "-CRLfile", "crl.pem", "leaf.pem")
            verified = self.openssl("verify", "-crl_check", *arguments)
            status = status_by_gateway(encoded_lists(pem), certificate, crl.this_update)
            self.assertEqual(verified.returncode == 0, isinstance(status, Good), verified.stderr)
            self.assertEqual("certificate revoked" in verified.stderr, isinstance(status, Revoked))


# Generated lists

Change: TypeAlias = Callable[[Crl, pki.Credential], Crl]


def _with(**changes: Any) -> Change:
    return lambda crl, _: attrs.evolve(crl, **changes)


def _extended(*extensions: bytes) -> Change:
    return lambda crl, _: attrs.evolve(crl, extensions=[*crl.extensions, *extensions])


def _entered(**changes: Any) -> Change:
    def change(crl: Crl, certificate: pki.Credential) -> Crl:
        return attrs.evolve(crl, entries=[*crl.entries, attrs.evolve(revoked(certificate, None), **changes)])

    return change


HARMLESS = crls.extension(crls.UNHEARD_OF, b"x")
CRITICAL = crls.extension(crls.UNHEARD_OF, b"x", critical=True)

CHANGES: dict[str, Change] = {
    "the certificate": _entered(),
    "the certificate, with a reason": _entered(reason=1),
    "the certificate, with more": _entered(reason=5, invalidity_date=pki.NOW, extensions=[HARMLESS]),
    "removed": _entered(reason=8),
    "a neighbour": lambda crl, device: attrs.evolve(
        crl, entries=[*crl.entries, Listed(serial=device.parsed.serial[:-1] + bytes([device.parsed.serial[-1] ^ 1]))]
    ),
    "others": lambda crl, _: attrs.evolve(crl, entries=[*crl.entries, *(Listed(serial=n) for n in range(2000, 2040))]),
    "expired": _with(this_update=pki.NOW - 9 * DAY, next_update=pki.NOW - timedelta(hours=1)),
    "from the future": _with(this_update=pki.NOW + timedelta(hours=1)),
    "valid for years": _with(this_update=pki.NOW - 3000 * DAY, next_update=pki.NOW + 3000 * DAY),
    "for users": _extended(issuing_point(crls.ONLY_USERS)),
    "for authorities": _extended(issuing_point(crls.ONLY_AUTHORITIES)),
    "for attribute certificates": _extended(issuing_point(crls.ONLY_ATTRIBUTES)),
    "indirect": _extended(issuing_point(crls.INDIRECT)),
    "of a point": _extended(issuing_point(point_name(uri(HERE)))),
    "of another point": _extended(issuing_point(point_name(uri("http://crl.example/3")))),
    "of the issuer's point": _extended(issuing_point(point_name(crls.directory(ISSUER.subject)))),
    "of a point, for users": _extended(issuing_point(point_name(uri(HERE)), crls.ONLY_USERS)),
    "for some reasons": _extended(issuing_point(crls.some_reasons("01"))),
    "without a number": _with(number=None),
    "without a key identifier": _with(key_identifier=None),
    "another key identifier": _with(key_identifier=b"x" * 20),
    "of a namesake": _with(signer=NAMESAKE),
    "of a namesake, hidden": _with(signer=NAMESAKE, key_identifier=None),
    "of the root": _with(signer=ROOT),
    "another issuer": _with(issuer=ROOT.subject),
    "a wrong signature": _with(signature=pki._signature(ISSUER.key, b"x", hashes.SHA256())),
    "SHA-384": _with(digest=hashes.SHA384()),
    "an unknown extension": _extended(HARMLESS),
    "an unknown critical extension": _extended(CRITICAL),
    "delta": _extended(crls.extension(crls.DELTA, tlv(0x02, b"\1"), critical=True)),
    "a number twice": _extended(crls.extension(crls.NUMBER, tlv(0x02, b"\3"))),
}
"""What a list may be like; two of them at most are combined."""

KNOWN = {
    "indirect": "refused wholly: OpenSSL takes those of the certificate's own issuer",
    "removed": "removeFromCRL has a meaning in delta lists alone (section 5.3.1): OpenSSL takes it as not revoked",
    "of the issuer's point": "the issuer's name is a point of every certificate (section 6.3.3); not with OpenSSL",
    "of a point for some reasons": "a list that is not limited is about all reasons, whatever a point says",
}
"""Kinds of lists, and the kind of certificates, with which OpenSSL decides otherwise, and why."""


def status_by_openssl(lists: Sequence[bytes], certificate: pki.Credential) -> str:
    """What OpenSSL says with these lists: empty where it accepts the certificate."""
    store = crypto.X509Store()
    for each in (ROOT, ISSUER):
        store.add_cert(for_openssl(each))
    for data in lists:
        try:
            store.add_crl(x509.load_der_x509_crl(data))
        except crypto.Error:
            continue  # it cannot be read
    extended_crl_support = 0x1000
    store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.PARTIAL_CHAIN | extended_crl_support)
    store.set_time(pki.NOW)
    try:
        crypto.X509StoreContext(store, for_openssl(certificate)).verify_certificate()
    except crypto.X509StoreContextError as error:
        return str(error)
    return ""


def for_openssl(certificate: pki.Credential) -> crypto.X509:
    """The certificate as OpenSSL takes it, odd serial numbers included."""
    found = certificate_from(certificate.der)
    assert found is not None
    return crypto.X509.from_cryptography(found)


def made(certificate: pki.Credential, names: Sequence[str], at: int = 0) -> Crl:
    """A list with these changes, the newer the larger `at` is."""
    crl = Crl(signer=ISSUER, number=at + 1, this_update=pki.NOW - 2 * DAY + at * timedelta(hours=1))
    for name in names:
        crl = CHANGES[name](crl, certificate)
    return crl


class DifferentialTests(SynchronousTestCase):
    """The gateway beside OpenSSL, on lists of our own making."""

    def compare(self, kind: str, *lists: Sequence[str]) -> bool:
        """Both accept, or both refuse; who says that it is revoked is not alone with it. Returns whether they agree."""
        certificate = CERTIFICATES[kind]
        data = [made(certificate, names, at).der() for at, names in enumerate(lists)]
        status = status_by_gateway(data, certificate, pki.NOW.timestamp())
        if len(data) > 1:  # OpenSSL verifies one list, the one that looks best: a false one would hide the other
            data = [each for each in data if isinstance(prove(each, ISSUER.parsed), ProvenCrl)]
        other = status_by_openssl(data, certificate)
        agreed = isinstance(status, Good) == (not other) and (isinstance(status, Revoked) or "revoked" not in other)
        if not KNOWN.keys() & {kind, *(name for names in lists for name in names)}:
            self.assertTrue(agreed, f"{kind}, {lists}: the gateway {status}, OpenSSL {other or 'accepts'}")
        return agreed

    def test_every_kind(self) -> None:
        """About every kind of certificate both decide alike with every kind of list."""
        self.assertEqual([kind for kind in CERTIFICATES if kind not in KNOWN and not self.compare(kind, ())], [])
        for kind in CERTIFICATES:
            for name in CHANGES:
                self.compare(kind, (name,))

    def test_two_at_once(self) -> None:
        """They do with two oddities in one list, chosen at random."""
        chosen = random.Random(1)
        for _ in range(COUNT):
            self.compare(chosen.choice([*CERTIFICATES]), chosen.sample([*CHANGES], 2))

    def test_two_lists(self) -> None:
        """They do with two lists, of which the second one is newer."""
        chosen = random.Random(2)
        for _ in range(COUNT):
            self.compare(chosen.choice([*CERTIFICATES]), [chosen.choice([*CHANGES])], [chosen.choice([*CHANGES])])

    def test_known_differences(self) -> None:
        """Each difference that is written down is one."""
        for name in KNOWN:
            kind, names = (name, ()) if name in CERTIFICATES else ("plain", (name,))
            self.assertFalse(self.compare(kind, names), name)


class LibraryTests(SynchronousTestCase):
    """The gateway's reader beside that of cryptography."""

    def test_the_same_fields(self) -> None:
        """Every kind of list says the same to both."""
        device = CERTIFICATES["plain"]
        for name in CHANGES:
            data = made(device, [name]).der()
            head, library = read_head(data), x509.load_der_x509_crl(data)
            if isinstance(head, Unusable):
                continue
            self.assertEqual(head.this_update, library.last_update_utc.timestamp())
            assert library.next_update_utc is not None
            self.assertEqual(head.next_update, library.next_update_utc.timestamp())
            self.assertEqual(tlv(0x30, head.issuer), library.issuer.public_bytes())
            self.assertEqual(data[head.signed.at : head.signed.end], library.tbs_certlist_bytes)
            self.assertEqual(head.signature, library.signature)

    def test_the_same_entries(self) -> None:
        """Of lists that cryptography has built every entry is found, as it was meant."""
        chosen = random.Random(3)
        reasons = [each for each in x509.ReasonFlags if each is not x509.ReasonFlags.remove_from_crl]
        for _ in range(20):
            entries = {
                chosen.getrandbits(159) + 1: chosen.choice([None, *reasons]) for _ in range(chosen.randrange(60))
            }
            table = self.built(entries).table
            self.assertEqual(len(table), len(entries))
            for serial, reason in entries.items():
                entry = table.find(serial.to_bytes(20, "big"))
                assert entry is not None
                self.assertEqual(
                    (entry.revoked_at, entry.reason), (pki.NOW.timestamp(), reason.value if reason else "")
                )

    def built(self, entries: Mapping[int, x509.ReasonFlags | None]) -> ProvenCrl:
        """A list as cryptography makes it."""
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=ISSUER.certificate.subject, last_update=pki.NOW, next_update=pki.NOW + DAY
        )
        for serial, reason in entries.items():
            entry = x509.RevokedCertificateBuilder(serial, pki.NOW)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False) if reason else entry
            builder = builder.add_revoked_certificate(entry.build())
        found = prove(
            builder.sign(ISSUER.key, hashes.SHA256()).public_bytes(pki.serialization.Encoding.DER), ISSUER.parsed
        )
        assert isinstance(found, ProvenCrl)
        return found
