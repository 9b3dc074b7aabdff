"""What an entry of a list says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.revocation.crl_entries import (
    CrlEntry,
    UnusableCrlError,
    judge_entry_extensions,
    plain_serial,
    read_entry,
)
from tests import crls, pki
from tests.crls import Listed, extension
from tests.pki import tlv

AT = pki.NOW - crls.DAY


class EntryTests(SynchronousTestCase):
    """`read_entry`."""

    def read(self, entry: Listed) -> CrlEntry:
        """What is read of it, behind something else."""
        return read_entry(b"\0\0" + entry.der(), 2)

    def test_plain(self) -> None:
        """An entry without extensions has a time and no reason."""
        self.assertEqual(self.read(Listed(serial=1)), CrlEntry(revoked_at=AT.timestamp()))

    def test_all(self) -> None:
        """Reason and invalidity date are read, the time in either form."""
        entry = Listed(serial=1, reason=1, invalidity_date=AT - crls.DAY, at=tlv(0x18, b"20500101000000Z"))
        expected = CrlEntry(
            revoked_at=2524608000.0, reason="keyCompromise", invalidity_date=(AT - crls.DAY).timestamp()
        )
        self.assertEqual(self.read(entry), expected)

    def test_reasons(self) -> None:
        """Every reason of RFC 5280 section 5.3.1 has its word; others have none."""
        words = [self.read(Listed(serial=1, reason=number)).reason for number in range(12)]
        words_of_library = {flag.value for flag in pki.x509.ReasonFlags}
        self.assertLessEqual(set(words) - {""}, words_of_library)
        self.assertEqual((words[0], words[6], words[8]), ("unspecified", "certificateHold", "removeFromCRL"))
        self.assertEqual((words[7], words[11]), ("", ""))

    def test_what_cannot_be_read(self) -> None:
        """A time or a reason that is none takes nothing away: the certificate is in the list."""
        entry = Listed(serial=1, at=pki.utc_time(b"269901000000Z"), extensions=[extension(crls.REASON, b"x")])
        self.assertEqual(self.read(entry), CrlEntry())
        entry = Listed(serial=1, extensions=[extension(crls.INVALIDITY_DATE, tlv(0x17, b"x"))])
        self.assertEqual(self.read(entry), CrlEntry(revoked_at=AT.timestamp()))


class ExtensionsTests(SynchronousTestCase):
    """`judge_entry_extensions`."""

    def test_known(self) -> None:
        """Those that are read may be critical."""
        critical = [extension(each, b"x", critical=True) for each in (crls.REASON, crls.INVALIDITY_DATE)]
        judge_entry_extensions(tlv(0x30, *critical))

    def test_unknown(self) -> None:
        """One that is not known may be there, but not critical."""
        judge_entry_extensions(tlv(0x30, extension(crls.UNHEARD_OF, b"x")))
        with self.assertRaises(UnusableCrlError):
            judge_entry_extensions(tlv(0x30, extension(crls.UNHEARD_OF, b"x", critical=True)))

    def test_other_issuers(self) -> None:
        """An entry of another issuer makes the list an indirect one, critical or not."""
        for critical in (True, False):
            with self.assertRaises(UnusableCrlError):
                judge_entry_extensions(tlv(0x30, extension(crls.CERTIFICATE_ISSUER, b"x", critical=critical)))

    def test_unreadable(self) -> None:
        """What is no extensions is an error."""
        for data in (b"", b"x", tlv(0x31), tlv(0x30, tlv(0x30, tlv(0x06, b"\1")))):
            with self.assertRaises(DerError):
                judge_entry_extensions(data)


class SerialTests(SynchronousTestCase):
    """`plain_serial`."""

    def test_forms(self) -> None:
        """Leading octets that do not change the number go, others stay."""
        forms = {"00": "00", "0005": "05", "000080": "0080", "0080": "0080", "ffff80": "80", "ff7f": "ff7f", "": ""}
        self.assertEqual({form: plain_serial(bytes.fromhex(form)).hex() for form in forms}, forms)
