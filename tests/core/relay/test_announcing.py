"""The header that backends get before a client's first byte."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.listening.proxy_protocol import (
    ALPN,
    AUTHORITY,
    CLIENT_CERT_CONN,
    CLIENT_CERT_SESS,
    CLIENT_SSL,
    MAX_LENGTH,
    SSL,
    SSL_CIPHER,
    SSL_CLIENT_CERT,
    SSL_CN,
    SSL_KEY_ALG,
    SSL_SIG_ALG,
    SSL_VERSION,
    HeaderReader,
    ProxyHeader,
    split,
)
from agwtwisted.core.relay import announcing
from agwtwisted.core.relay.announcing import ServerNames, server_names
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked, Verdict
from tests import pki, strategies
from tests.identities import admitted, turned_away
from tests.strategies import COMMON_NAME, UTF8, certificate, simple_name, string

SOURCE = (ipaddress.ip_address("192.0.2.7"), 50000)
DESTINATION = (ipaddress.ip_address("198.51.100.1"), 8883)
NAMES = ServerNames(signature="ecdsa-with-SHA256", key="EC256")
DEVICE = pki.Authority.root().issue("device 7").der
CERTIFICATE_SEEN = CLIENT_SSL | CLIENT_CERT_CONN | CLIENT_CERT_SESS


def client(verdict: Verdict, der: bytes | None = None, **others: Any) -> Admitted:
    """A client over TLS, with this certificate."""
    known = None if der is None else certificate_variables(der)
    tls = {"tls_version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "server_name": "mqtt.example", **others}
    return admitted(verdict, certificate=known, **tls)


def told(who: Admitted, names: ServerNames | None = NAMES) -> tuple[ProxyHeader, bool]:
    """What a backend reads of a client's header, and whether its certificate was left out."""
    data, omitted = announcing.header(who, SOURCE, DESTINATION, names)
    found = HeaderReader().feed(data)
    if not isinstance(found, ProxyHeader):  # longer than our own reader takes
        tlvs = split(data[28:])
        assert tlvs is not None
        found = ProxyHeader(source=SOURCE, destination=DESTINATION, tlvs=tlvs)
    return found, omitted


def tls(who: Admitted) -> tuple[int, int, dict[int, bytes]]:
    """The bits about the client, the verify field, and the values below."""
    header, _ = told(who)
    value = next(tlv.value for tlv in header.tlvs if tlv.type == SSL)
    below = split(value[5:])
    assert below is not None
    return value[0], int.from_bytes(value[1:5], "big"), {tlv.type: tlv.value for tlv in below}


class HeaderTests(SynchronousTestCase):
    """The header of a client."""

    def test_addresses_alone(self) -> None:
        """Where TLS is not described, or not used, there are addresses and nothing else."""
        alone = ProxyHeader(source=SOURCE, destination=DESTINATION)
        self.assertEqual(told(client(Trusted(), DEVICE), None), (alone, False))
        self.assertEqual(told(client(NotAsked(), tls_version="", server_name=""), NAMES), (alone, False))

    def test_trusted(self) -> None:
        """A verified client: verify is zero, and its name and certificate are there."""
        bits, verify, values = tls(client(Trusted(), DEVICE))
        self.assertEqual((bits, verify), (CERTIFICATE_SEEN, 0))
        self.assertEqual(
            values,
            {
                SSL_VERSION: b"TLSv1.3",
                SSL_CN: b"device 7",
                SSL_CIPHER: b"TLS_AES_128_GCM_SHA256",
                SSL_SIG_ALG: b"ecdsa-with-SHA256",
                SSL_KEY_ALG: b"EC256",
                SSL_CLIENT_CERT: DEVICE,
            },
        )

    def test_never_zero_but_for_success(self) -> None:
        """Verify is zero for no other verdict, with a certificate or without; its field would mean success to some."""
        for verdict in (NotAsked(), Absent(), Unchecked()):
            for der in (None, DEVICE):
                self.assertNotEqual(tls(client(verdict, der))[1], 0, (verdict, der))
        self.assertNotEqual(tls(client(Trusted(), None))[1], 0)

    def test_turned_away(self) -> None:
        """A refused client is announced to no backend."""
        for verdict in (Missing(), Refused("x")):
            with self.assertRaises(AttributeError):
                announcing.header(turned_away(verdict, tls_version="TLSv1.3"), SOURCE, DESTINATION, NAMES)

    def test_unchecked(self) -> None:
        """A Passthrough certificate is unverified: the header has it, for the backend to judge, but not its name."""
        bits, _, values = tls(client(Unchecked(), DEVICE))
        self.assertEqual((bits, values[SSL_CLIENT_CERT]), (CERTIFICATE_SEEN, DEVICE))
        self.assertNotIn(SSL_CN, values)

    def test_no_certificate(self) -> None:
        """Without a certificate the bits say so, and nothing of one is there."""
        for verdict in (NotAsked(), Absent()):
            bits, _, values = tls(client(verdict))
            self.assertEqual(bits, CLIENT_SSL)
            self.assertEqual(set(values), {SSL_VERSION, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG})

    def test_server_name(self) -> None:
        """The name that the client asked for is the authority; without one there is none."""
        header, _ = told(client(NotAsked()))
        self.assertEqual([tlv.value for tlv in header.tlvs if tlv.type == AUTHORITY], [b"mqtt.example"])
        header, _ = told(client(NotAsked(), server_name=""))
        self.assertEqual([tlv.type for tlv in header.tlvs], [SSL])

    def test_protocol(self) -> None:
        """A protocol that was agreed on comes first; without one there is none."""
        header, _ = told(client(NotAsked(), protocol=b"h2"))
        self.assertEqual(
            [(tlv.type, tlv.value) for tlv in header.tlvs[:2]], [(ALPN, b"h2"), (AUTHORITY, b"mqtt.example")]
        )

    def test_certificate_that_does_not_fit(self) -> None:
        """A certificate beyond what the length field counts is left out, which is logged; all the rest is there."""
        rest = 28 + 3 + len("mqtt.example") + 3 + 5 + 10 + 25 + 20 + 8 + 3
        for size, omitted in ((MAX_LENGTH + 16 - rest, False), (MAX_LENGTH + 17 - rest, True), (1 << 17, True)):
            stranger = client(Unchecked(), bytes(size))
            self.assertEqual(told(stranger)[1], omitted, size)
            bits, _, values = tls(stranger)
            self.assertEqual((bits, SSL_CLIENT_CERT in values), (CERTIFICATE_SEEN, not omitted))

    @given(strategies.damaged(strategies.certificates()))
    def test_any_certificate(self, der: bytes) -> None:
        """Whatever a client's certificate is, there is a header, and a name in it is printable."""
        _, _, values = tls(client(Trusted(), der))
        self.assertEqual(values.get(SSL_CLIENT_CERT, b""), der)
        self.assertTrue(values.get(SSL_CN, b"").decode().isprintable())

    def test_ambiguous_name(self) -> None:
        """A subject with two common names, or one that ends early for some readers, has none."""
        for texts in (("victim", "other"), ("victim\0.evil",)):
            subject = simple_name(*((COMMON_NAME, string(UTF8, text)) for text in texts))
            self.assertNotIn(SSL_CN, tls(client(Trusted(), certificate(subject=subject)))[2])


class PageTests(SynchronousTestCase):
    """docs/l4.md."""

    def test_names_every_value(self) -> None:
        """Each type that is sent stands in the page's table."""
        page = (Path(__file__).parents[3] / "docs" / "l4.md").read_text()
        types = (ALPN, AUTHORITY, SSL, SSL_VERSION, SSL_CN, SSL_CIPHER, SSL_SIG_ALG, SSL_KEY_ALG, SSL_CLIENT_CERT)
        self.assertEqual(re.findall(r"\| `0x(\w\w)` \| `PP2_", page), [f"{number:02x}" for number in types])


class ServerNamesTests(SynchronousTestCase):
    """How the gateway's own certificate is called."""

    def test_algorithms(self) -> None:
        """Signature and key in OpenSSL's short names, as HAProxy sends them."""
        rsa, ec = pki.Authority.root(key=pki.rsa_key()), pki.Authority.root()
        edwards = pki.Authority.root(key=pki.ed25519_key())
        found = [
            server_names(issuer.issue_server("localhost", key=key).certificate)
            for issuer, key in (
                (rsa, rsa.key),
                (ec, ec.key),
                (ec, pki.ec_key(pki.ec.SECP384R1())),
                (edwards, edwards.key),
            )
        ]
        self.assertEqual(
            [(each.signature, each.key) for each in found],
            [
                ("RSA-SHA256", "RSA2048"),
                ("ecdsa-with-SHA256", "EC256"),
                ("ecdsa-with-SHA256", "EC384"),
                ("ED25519", "ED25519"),
            ],
        )
