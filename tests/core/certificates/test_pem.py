"""`agwtwisted.core.certificates.pem`: every form of certificate files, no private key in any message."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import CertificateFile, read_certificates
from agwtwisted.core.certificates.pkcs7 import HINT
from tests import pki

ROOT = pki.Authority.root()
LEAF = ROOT.issue()
BOTH = pki.bundle(ROOT, LEAF)


def found(data: bytes) -> list[bytes]:
    """The certificates read from `data`, which must be without problems."""
    file = read_certificates(data, "ca.pem")
    assert not file.problems, file.problems
    return [block.der for block in file.certificates]


def problems(data: bytes) -> list[str]:
    """The problems found in `data`, with their places."""
    return [str(problem) for problem in read_certificates(data, "ca.pem").problems]


class FormsTests(SynchronousTestCase):
    """What is read."""

    def test_each_form_gives_the_same_certificates(self) -> None:
        """PEM with text between, CRLF, BOM, indentation or glued lines, and base64 of PEM, hold both certificates."""
        wanted = [ROOT.der, LEAF.der]
        for data in (
            BOTH,
            b"subject=CN = root\n" + ROOT.pem + b"\n\n# the device\n-----\n" + LEAF.pem + b"the end",
            BOTH.replace(b"\n", b"\r\n"),
            b"\xef\xbb\xbf" + BOTH,
            BOTH.rstrip(),
            ROOT.pem.rstrip() + LEAF.pem,
            b"".join(b"    " + line + b" \t\n" for line in BOTH.splitlines()),
            BOTH.replace(b"CERTIFICATE", b"X509 CERTIFICATE"),
            base64.b64encode(BOTH),
            base64.encodebytes(b"\xef\xbb\xbf" + BOTH),
        ):
            self.assertEqual(found(data), wanted, data[:60])

    def test_one_certificate_in_der_or_its_base64(self) -> None:
        """A CER file holds one certificate, on no line."""
        for data in (ROOT.der, base64.b64encode(ROOT.der), base64.encodebytes(ROOT.der)):
            self.assertEqual(found(data), [ROOT.der])
            self.assertEqual(read_certificates(data, "ca.cer").certificates[0].line, 0)

    def test_lines_are_those_of_the_begin(self) -> None:
        """Counted from 1, whatever ends a line, and 0 where the text was wrapped in base64."""

        def lines(data: bytes) -> list[int]:
            return [block.line for block in read_certificates(data, "f").certificates]

        after = len(ROOT.pem.splitlines()) + 1
        self.assertEqual(lines(BOTH), [1, after])
        self.assertEqual(lines(b"a\r\nb\r\n" + BOTH.replace(b"\n", b"\r\n")), [3, after + 2])
        self.assertEqual(lines(base64.b64encode(BOTH)), [0, 0])


class ProblemsTests(SynchronousTestCase):
    """What is wrong, and where."""

    def test_each_fault_is_told_with_its_line(self) -> None:
        """One message a fault, at the line of the block."""
        body = ROOT.pem.split(b"-----")[2]
        begin, end = b"-----BEGIN CERTIFICATE-----\n", b"-----END CERTIFICATE-----\n"
        line = b"x\n"
        pfx = "a PKCS #12 file (.pfx): `openssl pkcs12 -nokeys` extracts the certificates"
        for data, message in [
            (b"", "ERROR ca.pem the file is empty"),
            (b"\xef\xbb\xbf \r\n\t", "ERROR ca.pem the file is empty"),
            (ROOT.pem.decode().encode("utf-16"), "ERROR ca.pem the file is UTF-16 text; save it as ASCII or UTF-8"),
            (b"hello", "ERROR ca.pem neither PEM with its BEGIN and END lines, nor DER, nor base64 of either"),
            (body + b"!", "ERROR ca.pem neither PEM with its BEGIN and END lines, nor DER, nor base64 of either"),
            (b"aGVsbG8=", "ERROR ca.pem not an X.509 certificate"),
            (ROOT.der[:-1], "ERROR ca.pem not an X.509 certificate"),
            (bytes.fromhex("30820a0a020103"), f"ERROR ca.pem {pfx}"),
            (bytes.fromhex("3080020103"), f"ERROR ca.pem {pfx}"),
            (bytes.fromhex("308105020100"), "ERROR ca.pem not an X.509 certificate"),
            (ROOT.der + b"\0", "ERROR ca.pem not an X.509 certificate"),
            (line + begin + end, "ERROR ca.pem:2 nothing between the delimiters"),
            (line + begin + b"!" + end, "ERROR ca.pem:2 the text between the delimiters is not base64"),
            (begin + b"MAA=\n" + end, "ERROR ca.pem:1 the block is not an X.509 certificate"),
            (line + begin + body, "ERROR ca.pem:2 a BEGIN line without its END line"),
            (line + end, "ERROR ca.pem:2 an END line without its BEGIN line"),
            (
                begin + body + b"-----END X509 CRL-----",
                "ERROR ca.pem:1 a BEGIN line and an END line with different labels",
            ),
            (
                b"-----BEGIN CERTIFICATE----\n" + body,
                "ERROR ca.pem:1 a BEGIN or END line without five dashes at its end",
            ),
            (
                line + pki.pem_block("CERTIFICATE REQUEST", b"0"),
                "ERROR ca.pem:2 a block CERTIFICATE REQUEST does not belong here, only certificates",
            ),
        ]:
            self.assertEqual(problems(data), [message])

    def test_blocks_without_meaning(self) -> None:
        """Parameters and public keys, which programs write beside certificates, are passed over."""
        labels = ("EC PARAMETERS", "DH PARAMETERS", "DSA PARAMETERS", "PUBLIC KEY", "RSA PUBLIC KEY")
        for block in (pki.pem_block(label, b"0") for label in labels):
            file = read_certificates(block + LEAF.pem + block, "f")
            self.assertEqual(([each.der for each in file.certificates], file.problems), ([LEAF.der], ()))

    def test_bundles_are_named(self) -> None:
        """A PKCS #7 bundle, in PEM or DER, is no certificate, and the message says what makes a file of it."""
        bundle = pkcs7.serialize_certificates([ROOT.certificate], Encoding.DER)
        text = b"-----BEGIN PKCS7-----\nAAAA\n-----END PKCS7-----\n"
        for data, place in ((bundle, "ca.p7b"), (b"x\n" + text, "ca.p7b:2"), (base64.b64encode(bundle), "ca.p7b")):
            [problem] = read_certificates(data, "ca.p7b").problems
            self.assertEqual(str(problem), f"ERROR {place} {HINT}")

    def test_the_good_blocks_around_a_bad_one_are_still_read(self) -> None:
        """Every fault of a file is found in one run."""
        cut = ROOT.pem.rpartition(b"-----END")[0]
        file = read_certificates(LEAF.pem + cut + pki.pem_block("PKCS7", b"x") + LEAF.pem, "f")
        self.assertEqual([block.der for block in file.certificates], [LEAF.der, LEAF.der])
        self.assertEqual(len(file.problems), 2)

    def test_unreadable_certificates_are_problems(self) -> None:
        """Month 13, or an offset in a time, with which OpenSSL verifies nothing, are not exceptions."""
        for time in (b"261301000000Z", b"261201000000+0100"):
            odd = ROOT.issue(not_after=pki.utc_time(time))
            for data in (odd.pem, odd.der):
                self.assertIn("not an X.509 certificate", "".join(problems(data)))

    def test_what_says_that_it_is_a_certificate_is_kept(self) -> None:
        """The bytes of unreadable certificates are there too, in the order of the file, and of keys and others not."""
        odd = ROOT.issue(not_after=pki.utc_time(b"261301000000Z"))
        file = read_certificates(LEAF.pem + odd.pem + LEAF.key_pem + pki.pem_block("PKCS7", b"x") + ROOT.pem, "f")
        self.assertEqual([block.der for block in file.encoded], [LEAF.der, odd.der, ROOT.der])
        lines = [LEAF.pem.count(b"\n") + 1, file.certificates[-1].line]
        self.assertEqual([block.line for block in file.encoded], [1, *lines])
        for data, ders in ((LEAF.der, [LEAF.der]), (odd.der, [odd.der]), (b"", []), (b"hello", [])):
            self.assertEqual([block.der for block in read_certificates(data, "f").encoded], ders)


class PrivateKeyTests(SynchronousTestCase):
    """Private keys are found, and never shown."""

    key = LEAF.key_pem
    traditional = pki.rsa_key(1024).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    encrypted = LEAF.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )

    def test_in_every_form(self) -> None:
        """PKCS #8, traditional and encrypted keys, in PEM, DER, base64, and with damaged delimiters."""
        in_der = base64.b64decode(b"".join(self.key.splitlines()[1:-1]))
        for key in (self.key, self.traditional, self.encrypted):
            self.assertEqual(read_certificates(ROOT.pem + key, "f").private_key_lines, (ROOT.pem.count(b"\n") + 1,))
            for damaged in (key.replace(b"-----\n", b"----\n"), key.partition(b"-----END")[0], key.replace(b"\n", b"")):
                file = read_certificates(ROOT.pem + damaged, "f")
                self.assertIn(ROOT.pem.count(b"\n") + 1, file.private_key_lines, damaged[:40])
        encrypted = base64.b64decode(b"".join(self.encrypted.splitlines()[1:-1]))
        for whole in (in_der, encrypted, base64.b64encode(in_der), base64.b64encode(self.encrypted)):
            file = read_certificates(whole, "f")
            self.assertEqual((file.private_key_lines, file.problems), ((0,), ()))

    @settings(max_examples=200)
    @given(st.data())
    def test_nothing_of_it_is_in_a_message_or_a_repr(self, data: st.DataObject) -> None:
        """However the file is cut and glued, no eight characters of the key come out."""
        parts = [self.key, self.key.replace(b"PRIVATE KEY", b"CERTIFICATE"), ROOT.pem, b"-----END ", b"-----BEGIN "]
        mixed = b"".join(data.draw(st.lists(st.sampled_from(parts), min_size=1, max_size=4)))
        start = data.draw(st.integers(0, len(mixed)))
        cut = mixed[start : data.draw(st.integers(start, len(mixed)))]
        file = read_certificates(cut, "f")
        said = repr(file) + "".join(map(str, file.problems))
        body = b"".join(self.key.splitlines()[1:-1]).decode()
        self.assertFalse([body[at : at + 8] for at in range(len(body) - 8) if body[at : at + 8] in said])


class AnythingTests(SynchronousTestCase):
    """Bytes from anywhere."""

    @given(st.binary(max_size=300) | st.sampled_from([BOTH, ROOT.der]).flatmap(lambda good: mutations(good)))
    def test_nothing_raises_and_nothing_is_silent(self, data: bytes) -> None:
        """Any bytes give certificates, keys or problems, never an exception and never nothing at all."""
        file = read_certificates(data, "f")
        self.assertIsInstance(file, CertificateFile)
        self.assertTrue(file.certificates or file.private_key_lines or file.problems)


@st.composite
def mutations(draw: st.DrawFn, good: bytes) -> bytes:
    """`good` with one byte replaced, removed or put in."""
    at = draw(st.integers(0, len(good) - 1))
    return good[:at] + draw(st.binary(max_size=2)) + good[at + 1 :]
