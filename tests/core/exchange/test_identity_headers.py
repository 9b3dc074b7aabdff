"""The headers about the client, read by a backend."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables, url_encoded_pem
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.exchange.identity_headers import (
    ClientIdentity,
    IdentityHeadersError,
    Verification,
    client_identity,
)
from agwtwisted.core.identity.clients import Identity
from agwtwisted.core.resources.resources import CertificateHeaders
from agwtwisted.core.verification.verdicts import Absent, NotAsked, Trusted, Unchecked, Verdict
from tests import pki
from tests.strategies import certificate as written
from tests.strategies import damaged, names

ROOT = pki.Authority.root()
DEVICE = ROOT.issue("device 7").der
ON = frozenset({CertificateHeaders.ON})
ALL = frozenset({CertificateHeaders.ALL})


def lines(
    verdict: Verdict, der: bytes | None = DEVICE, wanted: frozenset[CertificateHeaders] = ON, limit: int = 30000
) -> list[tuple[bytes, bytes]]:
    """The header lines that the gateway writes about a client."""
    certificate = None if der is None else certificate_variables(der)
    block = header_block(Identity(verdict=verdict, certificate=certificate), wanted, limit=limit)
    return [(name, value) for name, _, value in (line.partition(b": ") for line in block.split(b"\r\n")[:-1])]


class ReadTests(SynchronousTestCase):
    """What the gateway writes is read."""

    def test_verified(self) -> None:
        """The certificate, and all that the gateway says of it."""
        expected = certificate_variables(DEVICE)
        self.assertEqual(
            client_identity(lines(Trusted())),
            ClientIdentity(
                verification=Verification.SUCCESS,
                certificate=DEVICE,
                subject="CN=device 7",
                issuer=expected.issuer.decode(),
                serial=expected.serial.decode(),
                fingerprint=expected.fingerprint.decode(),
                start_date=expected.start_date.decode(),
                end_date=expected.end_date.decode(),
            ),
        )
        self.assertTrue(client_identity(lines(Trusted())).verified)

    def test_not_verified(self) -> None:
        """A certificate that was not verified is there, and no text of it unless all are sent; the client does not
        count as verified.
        """
        for wanted, subject in ((ON, ""), (ALL, "CN=device 7")):
            identity = client_identity(lines(Unchecked(), wanted=wanted))
            self.assertEqual((identity.verification, identity.subject), (Verification.PASSTHROUGH, subject))
            self.assertEqual((identity.certificate, identity.verified), (DEVICE, False))

    def test_without_certificate(self) -> None:
        """None was sent, or none was asked for."""
        for verdict, word in ((Absent(), Verification.NONE), (NotAsked(), Verification.NOT_ASKED)):
            identity = client_identity(lines(verdict, None))
            self.assertEqual(identity, ClientIdentity(verification=word))
            self.assertFalse(identity.verified)

    def test_omitted(self) -> None:
        """What was too large to be sent is named."""
        identity = client_identity(lines(Trusted(), limit=1000))
        self.assertEqual((identity.certificate, identity.omitted), (None, ("x-client-certificate",)))
        self.assertEqual((identity.verified, identity.subject), (True, "CN=device 7"))

    def test_spellings(self) -> None:
        """Names are taken as CGI and WSGI spell them, values as octets or as text."""
        as_read = client_identity(lines(Trusted()))
        wsgi = [(name.decode().upper().replace("-", "_"), value.decode("latin-1")) for name, value in lines(Trusted())]
        self.assertEqual(client_identity(wsgi), as_read)
        asgi = [(name.lower(), value) for name, value in lines(Trusted())]
        self.assertEqual(client_identity([*asgi, (b"host", b"a"), (b"x-client-certificates", b"b")]), as_read)

    @given(st.one_of(st.binary(min_size=1, max_size=64), damaged(st.builds(written, subject=names()))))
    def test_any_certificate(self, der: bytes) -> None:
        """Whatever the certificate is, its octets come through."""
        for verdict in (Trusted(), Unchecked()):
            self.assertEqual(client_identity(lines(verdict, der)).certificate, der)


class RefusedTests(SynchronousTestCase):
    """Headers that the gateway has not written."""

    def refused(self, *headers: tuple[str | bytes, str | bytes]) -> None:
        """They are no identity."""
        self.assertRaises(IdentityHeadersError, client_identity, headers)

    def test_twice(self) -> None:
        """A name that comes twice, in whatever spelling: one of the two is the client's own."""
        for name, value in lines(Trusted()):
            for other in (name, name.replace(b"-", b"_"), name.upper(), name.replace(b"-", b".")):
                self.refused(*lines(Trusted()), (other, value))

    def test_joined(self) -> None:
        """Words that a server has joined from two lines are none of the gateway's."""
        for word in ("SUCCESS, SUCCESS", "SUCCESS,NONE", "success", " SUCCESS", "FAILED:x"):
            self.refused(("X-Client-Certificate-Verification", word))

    def test_without_verification(self) -> None:
        """A certificate without a verification header, or with one that says NONE, identifies no client."""
        rest = [line for line in lines(Trusted()) if line[0] != b"X-Client-Certificate-Verification"]
        for line in rest:
            self.refused(line)
            self.refused(line, ("X-Client-Certificate-Verification", "NONE"))

    def test_without_certificate(self) -> None:
        """The word alone, where nothing was left out, is none of the gateway's."""
        for word in ("SUCCESS", "PASSTHROUGH"):
            self.refused(("X-Client-Certificate-Verification", word), ("X-Client-Certificate-Subject", "CN=a"))

    def test_no_certificate(self) -> None:
        """What is no PEM in URL encoding."""
        pem = url_encoded_pem(DEVICE).decode()
        for text in ("", "a", pem[:-3], pem[1:], pem.replace("MII", "M*I"), pem + pem, "\u20ac"):
            self.refused(("X-Client-Certificate-Verification", "SUCCESS"), ("X-Client-Certificate", text))

    def test_two_certificates(self) -> None:
        """The fingerprint is that of the certificate."""
        other = ROOT.issue("another").der
        mixed = [
            (name, url_encoded_pem(other) if name == b"X-Client-Certificate" else value)
            for name, value in lines(Trusted())
        ]
        self.refused(*mixed)

    @given(
        st.lists(st.tuples(st.sampled_from(["x-client-certificate", "X_Client_Certificate_Verification"]), st.text()))
    )
    def test_anything(self, headers: list[tuple[str, str]]) -> None:
        """Whatever comes, it is an identity or an error of that kind, and no client counts as verified without a
        certificate.
        """
        try:
            identity = client_identity(headers)
        except IdentityHeadersError:
            return
        self.assertFalse(identity.verified and identity.certificate is None)
