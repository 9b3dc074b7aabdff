"""The header block that identifies the client to a backend."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables, url_encoded_pem
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.identity.clients import Identity, NotAdmittedError
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked, Verdict
from tests import pki
from tests.strategies import UTF8, certificate, certificates, damaged, simple_name, string
from tests.strategies import alternative_names as san

ON, ALL, RFC9440, XFCC = (
    CertificateHeaders.ON,
    CertificateHeaders.ALL,
    CertificateHeaders.RFC9440,
    CertificateHeaders.XFCC,
)
EVERYTHING = frozenset(CertificateHeaders)

ROOT = pki.Authority.root("Root")
DEVICE = ROOT.intermediate("Devices").issue("device", serial=0xABC)
LEAF, *CHAIN = DEVICE.chain_der
VARIABLES = certificate_variables(LEAF)

DETAILS = ["Subject", "Issuer", "Serial", "Fingerprint", "Start-Date", "End-Date"]
TWO = ["X-Client-Certificate", "X-Client-Certificate-Verification"]
EIGHT = [*TWO, *(f"X-Client-Certificate-{detail}" for detail in DETAILS)]

LINE = re.compile(rb"[A-Za-z0-9-]+: [ -~]+")


def block(verdict: Verdict, *wanted: CertificateHeaders, der: bytes = LEAF, limit: int = 30000) -> bytes:
    """The headers of a client with this verdict."""
    identity = Identity(verdict=verdict, certificate=certificate_variables(der), chain_der=tuple(CHAIN))
    return header_block(identity, frozenset(wanted), limit=limit)


def fields(lines: bytes) -> dict[str, bytes]:
    """Names and values of complete header lines, none of them twice."""
    assert lines == b"" or lines.endswith(b"\r\n")
    pairs = [line.split(b": ", 1) for line in lines.split(b"\r\n")[:-1]]
    found = {name.decode(): value for name, value in pairs}
    assert len(found) == len(pairs), "a header is there twice"
    return found


def xfcc(*, subject: bytes = b"", entries: Iterable[tuple[int, bytes]] = ()) -> bytes:
    """The XFCC value for an unverified certificate, without hash and certificate."""
    der = certificate(subject=subject or b"\x30\x00", extensions=[san(*entries)])
    value = fields(block(Unchecked(), XFCC, der=der))["x-forwarded-client-cert"]
    return value.partition(b'%0A";')[2]


class WhichHeadersTests(SynchronousTestCase):
    """Which headers go with which verdict."""

    def assert_names(self, verdict: Verdict, wanted: Iterable[CertificateHeaders], names: list[str]) -> None:
        """The block has these headers, in this order."""
        self.assertEqual(list(fields(block(verdict, *wanted))), names)

    def test_a_verified_certificate(self) -> None:
        """All eight headers are sent, with `on` and with `all`."""
        for wanted in ({ON}, {ALL}, {ON, ALL}):
            self.assert_names(Trusted(), wanted, EIGHT)

    def test_a_certificate_that_nobody_judged(self) -> None:
        """With `on`, its words are not repeated as if they were true; with `all` they are."""
        self.assert_names(Unchecked(), {ON}, TWO)
        self.assert_names(Unchecked(), {ALL}, EIGHT)

    def test_no_certificate(self) -> None:
        """The backend gets the value for no certificate, if it gets any of these headers."""
        for wanted in ({ON}, {ALL}, EVERYTHING):
            self.assertEqual(block(Absent(), *wanted), b"X-Client-Certificate-Verification: NONE\r\n")
        self.assertEqual(
            header_block(Identity(verdict=Absent()), frozenset({ON})), b"X-Client-Certificate-Verification: NONE\r\n"
        )
        self.assertEqual(block(Absent(), RFC9440, XFCC), b"")

    def test_nothing_to_say(self) -> None:
        """A client that was not asked, or that is turned away, has no headers, whatever came along."""
        self.assertEqual(block(NotAsked(), *EVERYTHING), b"")
        for verdict in (Missing(), Refused(reason="certificate revoked")):
            self.assertRaises(NotAdmittedError, block, verdict, *EVERYTHING)

    def test_off(self) -> None:
        """Without wanted headers there are none."""
        for verdict in (Trusted(), Unchecked(), Absent()):
            self.assertEqual(block(verdict), b"")

    def test_success_is_never_said_of_nothing(self) -> None:
        """A verdict about a certificate that is not there says nothing."""
        for verdict in (Trusted(), Unchecked()):
            self.assertEqual(header_block(Identity(verdict=verdict), EVERYTHING), b"")

    def test_only_what_is_wanted(self) -> None:
        """The other forms come alone or with the eight."""
        self.assert_names(Trusted(), {RFC9440}, ["Client-Cert", "Client-Cert-Chain"])
        self.assert_names(Trusted(), {XFCC}, ["x-forwarded-client-cert"])
        self.assert_names(
            Trusted(), EVERYTHING, [*EIGHT, "Client-Cert", "Client-Cert-Chain", "x-forwarded-client-cert"]
        )

    def test_all_are_managed(self) -> None:
        """Each header that can be sent is one that no client can send."""
        for limit in (1000, 30000):
            for name in fields(block(Trusted(), *EVERYTHING, limit=limit)):
                self.assertIn(canonical(name.encode()), MANAGED_NAMES)

    def test_without_a_value_not_sent(self) -> None:
        """What a certificate lacks makes no empty header."""
        names = fields(block(Trusted(), ON, der=certificate(validity=b"\5\0")))
        self.assertEqual(list(names), [*TWO, "X-Client-Certificate-Serial", "X-Client-Certificate-Fingerprint"])


class ValuesTests(SynchronousTestCase):
    """What the headers hold."""

    def test_the_variables(self) -> None:
        """Each of the eight has the server variable's value."""
        values = [
            VARIABLES.certificate, b"SUCCESS", b"CN=device", b"CN=Devices", b"0ABC", VARIABLES.fingerprint,
            b"Jan  1 00:00:00 2020 GMT", b"Dec 31 23:59:59 2049 GMT",
        ]  # fmt: skip
        self.assertEqual(list(fields(block(Trusted(), ON)).values()), values)
        self.assertEqual(fields(block(Unchecked(), ON))["X-Client-Certificate-Verification"], b"PASSTHROUGH")

    def test_rfc9440(self) -> None:
        """The leaf is a byte sequence, the chain a list of them, from the leaf's issuer to the root."""
        found = fields(block(Trusted(), RFC9440))
        self.assertEqual(base64.b64decode(found["Client-Cert"].strip(b":"), validate=True), LEAF)
        sequences = re.findall(rb":([^:]*):", found["Client-Cert-Chain"])
        self.assertEqual([base64.b64decode(sequence, validate=True) for sequence in sequences], CHAIN)
        self.assertEqual(found["Client-Cert-Chain"], b", ".join(b":%b:" % sequence for sequence in sequences))

    def test_no_chain_of_a_certificate_that_nobody_judged(self) -> None:
        """A chain that was not verified is not handed on, in no form."""
        self.assertEqual(list(fields(block(Unchecked(), RFC9440))), ["Client-Cert"])
        self.assertNotIn(b"Chain=", block(Unchecked(), XFCC))

    def test_xfcc(self) -> None:
        """The elements are Envoy's, in its order."""
        device = ROOT.issue(
            "device", san=["device.example", "two.example", pki.x509.UniformResourceIdentifier("spiffe://a/b")]
        )
        variables = certificate_variables(device.der)
        whole = header_block(
            Identity(verdict=Trusted(), certificate=variables, chain_der=(ROOT.der,)), frozenset({XFCC})
        )
        expected = (
            b"Hash=" + hashlib.sha256(device.der).hexdigest().encode()
            + b';Cert="' + variables.certificate + b'";Chain="' + variables.certificate + url_encoded_pem(ROOT.der)
            + b'";Subject="CN=device";URI=spiffe://a/b;DNS=device.example;DNS=two.example'
        )  # fmt: skip
        self.assertEqual(whole, b"x-forwarded-client-cert: " + expected + b"\r\n")

    def test_xfcc_of_a_certificate_without_names(self) -> None:
        """Subject and URI are there all the same, as Envoy has it."""
        self.assertEqual(xfcc(), b'Subject="";URI=')

    def test_xfcc_separators(self) -> None:
        """A value that holds a separator is quoted."""
        self.assertEqual(xfcc(entries=[(6, b"http://a/?b=c;d,e")]), b'Subject="";URI="http://a/?b=c;d,e"')

    def test_xfcc_names_that_are_none(self) -> None:
        """An alternative name with an octet that cannot be in it is left out, not cut or cleaned."""
        odd = [b"victim\0evil", b"a\r\nb", b'a"b', b"a\\b", b"a b", b"a\x7f", b"\xe9", b""]
        self.assertEqual(xfcc(entries=[(kind, octets) for octets in odd for kind in (2, 6)]), b'Subject="";URI=')

    @given(st.text(st.one_of(st.sampled_from('"\\;,='), st.characters(codec="utf-8"))))
    def test_xfcc_subject_stays_in_its_quotes(self, text: str) -> None:
        """No subject ends its quotes early, neither for who takes a backslash as an escape nor for who does not."""
        subject = simple_name(("2.5.4.3", string(UTF8, text)))
        value = xfcc(subject=subject)
        quoted = value.removeprefix(b'Subject="').removesuffix(b'";URI=')
        self.assertNotRegex(quoted, rb'"|\\\\|\\$')
        plain = re.sub(
            rb"\\([0-9A-F]{2})|\\(.)", lambda found: bytes.fromhex(found[1].decode()) if found[1] else found[2], quoted
        )
        self.assertEqual(plain.decode(), f"CN={text}")

    @given(st.one_of(certificates(), damaged(certificates())), st.sampled_from([Trusted(), Unchecked()]))
    def test_lines_whatever_the_certificate(self, der: bytes, verdict: Verdict) -> None:
        """Every line is a name and printable ASCII: no certificate can bring a control character into a header."""
        for line in block(verdict, *EVERYTHING, der=der).removesuffix(b"\r\n").split(b"\r\n"):
            self.assertTrue(LINE.fullmatch(line), line)


class LimitTests(SynchronousTestCase):
    """Certificates too large for the backend."""

    def test_the_largest_are_left_out_and_named(self) -> None:
        """What does not fit is not sent at all, and a header names what the backend does not get."""
        whole = fields(block(Trusted(), *EVERYTHING))
        found = fields(block(Trusted(), *EVERYTHING, limit=2500))
        self.assertEqual(found.pop("X-Client-Certificate-Omitted"), b"x-forwarded-client-cert, Client-Cert")
        self.assertEqual(list(found), EIGHT)
        self.assertEqual(found, {name: whole[name] for name in EIGHT})

    def test_no_chain_without_its_leaf(self) -> None:
        """The two headers of RFC 9440 are left out together, though the shorter one would fit."""
        found = fields(block(Trusted(), RFC9440, limit=1000))
        self.assertEqual(found, {"X-Client-Certificate-Omitted": b"Client-Cert"})

    def test_up_to_the_limit(self) -> None:
        """A block of exactly the limit is sent whole, one byte less is too little."""
        whole = block(Trusted(), ON)
        self.assertEqual(block(Trusted(), ON, limit=len(whole)), whole)
        self.assertEqual(
            fields(block(Trusted(), ON, limit=len(whole) - 1))["X-Client-Certificate-Omitted"], TWO[0].encode()
        )

    def test_a_subject_of_64_kilobytes(self) -> None:
        """The certificate and the subject go; the fingerprint still identifies the client."""
        der = certificate(subject=simple_name(("2.5.4.3", string(UTF8, "\0" * 65536))))
        found = fields(block(Trusted(), ON, der=der))
        self.assertEqual(found["X-Client-Certificate-Omitted"], b"X-Client-Certificate-Subject, X-Client-Certificate")
        self.assertEqual(found["X-Client-Certificate-Fingerprint"], hashlib.sha1(der).hexdigest().encode())

    @given(st.integers(1000, 8000))
    def test_never_longer(self, limit: int) -> None:
        """The block keeps the limit with the flag counted, and every header in it is whole."""
        whole = fields(block(Trusted(), *EVERYTHING))
        lines = block(Trusted(), *EVERYTHING, limit=limit)
        self.assertLessEqual(len(lines), limit)
        found = fields(lines)
        omitted = found.pop("X-Client-Certificate-Omitted", b"").decode().split(", ")
        self.assertEqual(found, {name: value for name, value in whole.items() if name in found})
        self.assertEqual(set(whole) - set(found) - {"Client-Cert-Chain"}, set(omitted) - {""})
