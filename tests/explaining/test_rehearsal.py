"""Rehearsals: what is said of a certificate without its key is what a real handshake says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import NotAsked, Refused, Trusted, Unchecked, log_word
from agwtwisted.explaining.rehearsal import Rehearsal, rehearse
from tests import clients, configurations, pki
from tests.clients import Gateway, client_context, text
from tests.strategies import UTF8, integer, simple_name, string

PAST = datetime(2021, 1, 1, tzinfo=UTC)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\0")
WEAK_KEY = pki.rsa_key(1024)
OTHER_ROOT = pki.Authority.root("Clients Root")  # the same name, another key
BIT_STRING_NAME = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x03, b"\0a"))))


@cache
def table() -> dict[str, pki.Credential]:
    """Clients of every kind, good and bad, under the root that the profiles of devices trust."""
    root = configurations.clients_root()
    first = root.intermediate("First")
    short = root.intermediate("Short", path_length=0)
    names = root.intermediate("Names", permitted=[x509.DNSName("example.com")])
    demands = pki.extension(
        x509.PolicyConstraints(require_explicit_policy=0, inhibit_policy_mapping=None), critical=True
    )
    return {
        "under the root": root.issue(),
        "one down": first.issue(),
        "two down": first.intermediate("Second").issue(),
        "too far down": _deep(root, 8).issue(),
        "as far down as may be": _deep(root, 7).issue(),
        "P-384": first.issue(key=pki.ec_key(ec.SECP384R1()), hash=hashes.SHA384()),
        "RSA": first.issue(key=pki.rsa_key()),
        "Ed25519": first.issue(key=pki.ed25519_key()),
        "no purpose": first.issue(eku=None),
        "both purposes": first.issue(eku=(pki.SERVER_AUTH, pki.CLIENT_AUTH), eku_critical=True),
        "server's purpose": first.issue(eku=(pki.SERVER_AUTH,)),
        "any purpose": first.issue(eku=(pki.ANY_USE,)),
        "OCSP's purpose": first.issue(eku=(pki.OCSP_SIGNING,)),
        "no key usage": first.issue(usage=None),
        "key encipherment": first.issue(usage=pki.key_usage("key_encipherment")),
        "key agreement": first.issue(usage=pki.key_usage("key_agreement")),
        "no constraints": first.issue(ca=None),
        "version 1": first.issue(version=1),
        "version 1 with extensions": first.issue(version=1, has_extensions=True),
        "a CA as a client": first.intermediate("A CA"),
        "the root as a client": root,
        "expired": first.issue(not_after=PAST),
        "not yet valid": first.issue(not_before=pki.NOT_AFTER),
        "month 13": first.issue(not_after=pki.utc_time(b"261301000000Z")),
        "expired intermediate": root.intermediate("Old", not_after=PAST).issue(),
        "intermediate of the future": root.intermediate("New", not_before=pki.NOT_AFTER).issue(),
        "a stranger's": pki.Authority.root("Strangers Root").issue(),
        "a stranger's of the same name": OTHER_ROOT.issue(),
        "a stranger's of the same name, without key identifiers": OTHER_ROOT.issue(aki=False),
        "self-signed": pki.self_signed(),
        "signature of zeros": first.issue(signature=b"0" * 70),
        "intermediate with a signature of zeros": root.intermediate("Zeros", signature=b"0" * 70).issue(),
        "path too long": short.intermediate("Deep").issue(),
        "a name not permitted": names.issue(san=["example.org"]),
        "a name permitted": names.issue(san=["a.example.com"]),
        "issued by no CA": root.intermediate("Not a CA", ca=False).issue(),
        "issued by one without constraints": root.intermediate("No constraints", ca=None).issue(),
        "issued by one that may not sign": root.intermediate("No", usage=pki.key_usage("crl_sign")).issue(),
        "issued by one for servers": root.intermediate("Servers", eku=(pki.SERVER_AUTH,)).issue(),
        "issued by a version 1": root.intermediate("Version 1", version=1).issue(),
        "unknown and critical": first.issue(extra=[pki.extension(UNKNOWN, critical=True)]),
        "critical by our rules alone": first.issue(extra=[pki.extension(x509.OCSPNoCheck(), critical=True)]),
        "a policy is demanded": root.intermediate("Demands", extra=[demands]).issue(),
        "unknown": first.issue(extra=[pki.extension(UNKNOWN)]),
        "unknown twice": first.issue(extra=[pki.extension(UNKNOWN), pki.extension(UNKNOWN)]),
        "signed over SHA-1": first.issue(hash=hashes.SHA1()),
        "intermediate over SHA-1": root.intermediate("SHA-1", hash=hashes.SHA1()).issue(),
        "intermediate with a weak key": root.intermediate("Weak", key=WEAK_KEY).issue(),
        "serial zero": first.issue(serial=0),
        "negative serial": first.issue(serial=-5),
        "an odd issuer name": first.issue(issuer=BIT_STRING_NAME),
    }


def _deep(authority: pki.Authority, levels: int) -> pki.Authority:
    for level in range(levels):
        authority = authority.intermediate(f"Level {level}")
    return authority


class OddKey:
    """A public key as its bytes say, whether or not there is a private one."""

    def __init__(self, info: bytes) -> None:
        self._info = info

    def public_key(self) -> OddKey:
        """Itself."""
        return self

    def public_bytes(self, *_: object) -> bytes:
        """SubjectPublicKeyInfo."""
        return self._info


def rsa_of(bits: int) -> OddKey:
    """An RSA key of that length."""
    key = rsa.RSAPublicNumbers(65537, (1 << bits - 1) + 1).public_key()
    return OddKey(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def explicit_p256() -> OddKey:
    """A key of P-256, but for the curve's numbers in place of its name (RFC 3279 section 2.3.5)."""
    point = bytes.fromhex(
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    )
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    slope = bytes.fromhex("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b")
    field = pki.tlv(0x30, bytes.fromhex("06072a8648ce3d0101"), integer(prime))
    curve = pki.tlv(0x30, pki.tlv(0x04, (prime - 3).to_bytes(32, "big")), pki.tlv(0x04, slope))
    numbers = pki.tlv(0x30, integer(1), field, curve, pki.tlv(0x04, point), integer(order), integer(1))
    algorithm = pki.tlv(0x30, bytes.fromhex("06072a8648ce3d0201"), numbers)
    return OddKey(pki.tlv(0x30, algorithm, pki.tlv(0x03, b"\0" + point)))


def site_of(gateway: Gateway, name: str) -> Site:
    """The site of a listener."""
    ports = Plan.of(gateway.config).http_ports.values()
    [site] = [site for port in ports for site in port.sites.all() if site.listener.name == name]
    return site


def rehearsed(
    profile: str, *sent: bytes, now: datetime = pki.NOW, gateway: str = "", source: configurations.Files | None = None
) -> Rehearsal:
    """How a listener with this profile takes the certificates."""
    there = _usual(profile, gateway) if source is None else Gateway(text(f"l {profile}", gateway=gateway), source)
    return rehearse(site_of(there, "l"), sent, now, there.config.gateway)


@cache
def _usual(profile: str, gateway: str) -> Gateway:
    """One with the usual files, made once: nothing of a rehearsal stays in it."""
    return Gateway(text(f"l {profile}", gateway=gateway))


def really(profile: str, client: SSL.Context, *, answer: bool = False) -> str:
    """What the log says of a client's handshake with such a listener, and of its request where it gets so far."""
    there = Gateway(text(f"l {profile}"))
    connection = there.shake_hands(client)
    if connection.connection.is_secure:
        connection.say(clients.GET)
        if not there.log.records:  # forwarded: the log waits for the backend's answer
            request = there.backend()
            return "SUCCESS" if b"-Verification: SUCCESS\r\n" in request else "PASSTHROUGH"
    [record] = there.log.records
    return str(record["sslClientVerify"])


class AgreementTests(SynchronousTestCase):
    """With real handshakes, of clients that do have their keys."""

    def _agrees(self, profile: str) -> set[str]:
        verdicts = set()
        for title, client in table().items():
            # As real handshakes can only be had now, so is the rehearsal.
            with self.subTest(title, profile=profile):
                word = log_word(rehearsed(profile, *client.chain_der[:-1] or client.chain_der, now=_now()).verdict)
                for version in clients.VERSIONS:
                    context = client_context(client, version=version)
                    self.assertEqual(word, really(profile, context), title)
                verdicts.add(word)
        return verdicts

    def test_refused_in_the_handshake(self) -> None:
        """Some fifty certificates get the same verdict with their key and without it, in TLS 1.2 and 1.3."""
        self.assertGreater(len(self._agrees("strict")), 15)

    def test_refused_after_the_handshake(self) -> None:
        """The same where the refusal is a page."""
        self.assertGreater(len(self._agrees("http400")), 15)

    def test_weak_keys_allowed(self) -> None:
        """The same where keys and digests do not count: some of those refused before are now accepted."""
        self._agrees("weak")
        for title in ("signed over SHA-1", "intermediate with a weak key"):
            client = table()[title]
            self.assertEqual(rehearsed("weak", *client.chain_der[:-1]).verdict, Trusted())
            self.assertIsInstance(rehearsed("strict", *client.chain_der[:-1]).verdict, Refused)

    def test_passthrough(self) -> None:
        """A listener that does not verify refuses no client."""
        self.assertEqual(self._agrees("passthrough"), {"PASSTHROUGH"})

    def test_a_weak_key(self) -> None:
        """A key that a client's own library does not use by default."""
        client = configurations.clients_root().issue(key=WEAK_KEY)
        context = client_context(client, version=clients.TLS_1_2, ciphers=b"DEFAULT:@SECLEVEL=0")
        told = log_word(rehearsed("strict", client.der).verdict)
        self.assertEqual((told, really("strict", context)), ("FAILED:EE certificate key too weak",) * 2)

    def test_issuer_dn(self) -> None:
        """With the issuer DN compared, the issuer that the file stands for is taken and its sibling is not."""
        source = clients.files()
        sibling = clients.partners().issuers[0].intermediate("Others").issue()
        for client, verdict in (
            (clients.partner(), "SUCCESS"),
            (sibling, "FAILED:unable to verify the client certificate issuer"),
        ):
            told = log_word(rehearsed("pinned", *client.chain_der[:-1], source=source).verdict)
            self.assertEqual((told, really("pinned", client_context(client))), (verdict, verdict))


def _now() -> datetime:
    return datetime.now(UTC)


class RehearsalTests(SynchronousTestCase):
    """The rehearsal by itself."""

    def test_whatever_tls_is_spoken(self) -> None:
        """Groups, certificates and versions of the listener have no part in the judgement of a client's certificate."""
        text = clients.text("l strict").replace(
            "[ssl_profile strict]\n", "[ssl_profile strict]\ntls_groups = brainpoolP256r1\n"
        )
        custom = "policy_type = CustomV2\nmin_protocol_version = TLSv1_3\n"
        text = text.replace("tls_groups", f"{custom}tls_groups")
        server = pki.Authority.root("Servers").issue_server("localhost", key=ed448.Ed448PrivateKey.generate())
        gateway = Gateway(text, clients.files(site_pem=server.chain_pem, site_key=server.key_pem))
        for client, verdict in ((clients.device(), Trusted()), (clients.stranger(), Refused(reasons.NO_LOCAL_ISSUER))):
            found = rehearse(site_of(gateway, "l"), [client.der], pki.NOW, gateway.config.gateway)
            self.assertEqual(found.verdict, verdict, found.failure)

    def test_time(self) -> None:
        """The time is the one given, for OpenSSL as for us: to the second before and after a certificate's life."""
        begin, end = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 2, 1, tzinfo=UTC)
        client = configurations.clients_root().issue(not_before=begin, not_after=end)
        second = timedelta(seconds=1)
        early, late = "certificate is not yet valid or the system clock is incorrect", "certificate has expired"
        for now, verdict in (
            (begin - second, Refused(early)),
            (begin + second, Trusted()),
            (end - second, Trusted()),
            (end + second, Refused(late)),
        ):
            for profile in ("strict", "http400"):
                self.assertEqual(rehearsed(profile, client.der, now=now).verdict, verdict)

    def test_far_times(self) -> None:
        """Every time that Python knows is one to verify at."""
        client = configurations.clients_root().issue()
        for now in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)):
            self.assertIsInstance(rehearsed("strict", client.der, now=now).verdict, Refused)

    def test_the_chain_is_told_whole(self) -> None:
        """Also where a listener would have ended the handshake at the first error."""
        root = configurations.clients_root()
        client = root.intermediate("First").issue(not_after=PAST)
        for profile in ("strict", "http400"):
            told = rehearsed(profile, *client.chain_der[:-1])
            self.assertEqual(told.evidence.chain, client.chain_der)
            self.assertEqual((told.evidence.error, told.evidence.error_depth), (10, 0))
            self.assertEqual(told.verdict, Refused("certificate has expired"))

    def test_a_chain_without_its_end(self) -> None:
        """As far as it could be built."""
        client = pki.Authority.root("Strangers Root").intermediate("First").issue()
        self.assertEqual(rehearsed("strict", *client.chain_der[:2]).evidence.chain, client.chain_der[:2])

    def test_order_does_not_count(self) -> None:
        """OpenSSL finds its way through whatever is sent after the client's own certificate."""
        client = configurations.clients_root().intermediate("First").intermediate("Second").issue()
        sent = (client.der, client.chain_der[3], client.chain_der[2], clients.stranger().der, client.chain_der[1])
        told = rehearsed("strict", *sent)
        self.assertEqual((told.verdict, told.evidence.chain), (Trusted(), client.chain_der))

    def test_nobody_asks(self) -> None:
        """Without an SSL profile there is no verdict to be had."""
        self.assertEqual(rehearsed("-", clients.device().der).verdict, NotAsked())

    def test_nobody_verifies(self) -> None:
        """On a Passthrough listener the verdict is that there is none."""
        self.assertEqual(rehearsed("passthrough", clients.stranger().der).verdict, Unchecked())

    def test_the_listeners_policy_does_not_matter(self) -> None:
        """A listener of TLS 1.3 alone, or of one suite, answers as the others do."""
        for policy in (
            "policy_type = CustomV2\nmin_protocol_version = TLSv1_3\n",
            "policy_type = CustomV2\nmin_protocol_version = TLSv1_2\n"
            "cipher_suites = TLS_RSA_WITH_AES_128_GCM_SHA256\n",  # with which its key has nothing in common
        ):
            configuration = text("l strict").replace("[ssl_profile strict]\n", f"[ssl_profile strict]\n{policy}")
            there = Gateway(configuration)
            told = rehearse(site_of(there, "l"), [clients.device().der], pki.NOW, there.config.gateway)
            self.assertEqual(told.verdict, Trusted())

    def test_keys_of_the_server(self) -> None:
        """Whatever key the listener has, it gets as far as its client's certificate."""
        for key in (pki.rsa_key(), pki.ed25519_key(), pki.ec_key(ec.SECP521R1())):
            server = pki.Authority.root("Servers").issue_server("localhost", key=key)
            source = clients.files(site_pem=server.pem, site_key=server.key_pem)
            self.assertEqual(rehearsed("strict", clients.device().der, source=source).verdict, Trusted())

    def test_too_much(self) -> None:
        """Certificates beyond what the gateway or OpenSSL reads of a client are refused unread."""
        client = configurations.clients_root().issue(san=[f"{number:040}.example" for number in range(430)])
        for limit, copies, failure in (
            (1024, 2, "the handshake is too long"),
            (40_000, 2, ""),
            (102_400, 5, "excessive message size"),
        ):
            told = rehearsed("strict", *[client.der] * copies, gateway=f"max_client_chain_bytes = {limit}\n")
            self.assertEqual(told.failure, failure)
            expected = Refused("the certificate was not verified") if failure else Trusted()
            self.assertEqual(told.verdict, expected)

    def test_monsters(self) -> None:
        """What is large or odd beyond reason gets a verdict like others, where a gateway reads so much of a client."""
        root = configurations.clients_root()
        many = [f"{number:x}.example" for number in range(4000)]
        permitted = root.intermediate("Permits", permitted=[x509.DNSName(f"{name}.org") for name in many[:300]])
        long_name = simple_name(("2.5.4.3", string(UTF8, "\0" * 65536)))
        circle = root.intermediate("Circle")
        for what, leaf, reason in (
            ("RSA of 16384 bits", root.issue(key=rsa_of(16384), ski=False), ""),
            ("a curve's numbers", root.issue(key=explicit_p256(), ski=False), reasons.REASONS[94]),
            ("thousands of names", root.issue(san=many), ""),
            (
                "thousands of names, hundreds permitted",
                permitted.issue(san=many),
                reasons.REASONS[1],
            ),  # too many to compare
            ("a name of 64 KB", root.issue(subject=long_name), reasons.EXCESSIVE),
            ("a hundred authorities", _deep(root, 100).issue(), reasons.CHAIN_TOO_LONG),
            ("authorities that issued each other", circle.intermediate("Round").intermediate("Circle").issue(), ""),
        ):
            sent = [leaf.der, *(issuer.der for issuer in leaf.issuers[:-1])]
            told = rehearsed("strict", *sent, gateway="max_client_chain_bytes = 102400\n")
            self.assertEqual(told.verdict, Refused(reason) if reason else Trusted(), what)

    @given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
    def test_rubbish(self, sent: list[bytes]) -> None:
        """Bytes that are no certificates are refused, and nothing is raised."""
        self.assertIsInstance(rehearse(STRICT, sent, pki.NOW, SETTINGS).verdict, Refused)


_GATEWAY = Gateway(text("l strict"))
STRICT, SETTINGS = site_of(_GATEWAY, "l"), _GATEWAY.config.gateway
