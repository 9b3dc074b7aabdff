"""Chains of certificates, made by combining what is odd about each part, and what three verifiers say of them.

The verifiers: OpenSSL as the gateway uses it (a handshake in memory), the gateway (its rules, on OpenSSL's evidence)
and cryptography's validator for clients, which shares no code with either. That validator is made for the Web PKI; what
it asks of a subjectAltName is left out here.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from agwtwisted.core.verification.certificate_rules import certificate_from
from agwtwisted.core.verification.chains import TrustedChain
from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors, judge
from agwtwisted.core.verification.path_building import may_be_mended
from agwtwisted.core.verification.reasons import REASONS
from agwtwisted.core.verification.verdicts import Refused, Trusted
from agwtwisted.tls.path_search import PathSearch
from tests import pki
from tests.handshakes import evidence_of

Options = Mapping[str, Any]
"""For `pki.Authority.issue`."""

SECOND = timedelta(seconds=1)
KEYS = [ec.derive_private_key(number, ec.SECP256R1()) for number in range(101, 121)]
"""Made once: what they are does not matter, that they differ does."""

RSA_KEY = pki.rsa_key()
WEAK_KEY = pki.rsa_key(1024)


def _raw(oid: str, value: bytes, *, critical: bool = False) -> x509.Extension[Any]:
    return pki.extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical=critical)


PRIVATE = "1.3.6.1.4.1.99999.1"
POLICY, OTHER_POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.99999.2.1"), x509.ObjectIdentifier("1.3.6.1.4.1.99999.2.2")
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")


def issued_under(*policies: x509.ObjectIdentifier) -> x509.Extension[Any]:
    """certificatePolicies."""
    return pki.extension(x509.CertificatePolicies([x509.PolicyInformation(policy, None) for policy in policies]))


def demands_policy(after: int = 0) -> x509.Extension[Any]:
    """policyConstraints: `after` so many certificates a policy is required."""
    return pki.extension(x509.PolicyConstraints(after, None), critical=True)


def maps_policy(issuer: x509.ObjectIdentifier, subject: x509.ObjectIdentifier) -> x509.Extension[Any]:
    """policyMappings."""
    pair = b"".join(pki._oid(each.dotted_string) for each in (issuer, subject))
    return _raw("2.5.29.33", pki.tlv(0x30, pki.tlv(0x30, pair)), critical=True)


def _directory(**attributes: str) -> x509.DirectoryName:
    return x509.DirectoryName(
        x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, attributes["organization"])])
    )


def _network(text: str) -> x509.IPAddress:
    return x509.IPAddress(ipaddress.ip_network(text))


SUBJECT = pki.name("device", organization_name="Contoso")
NAMES: Sequence[str | x509.GeneralName] = (
    "host.example.com",
    "192.0.2.1",
    x509.RFC822Name("device@example.com"),
    x509.UniformResourceIdentifier("https://host.example.com/device"),
)
"""What the leaf is called, unless it is about that."""

AUTHORITIES: Mapping[str, Options] = {
    "good": {},
    "expired": {"not_after": pki.NOW - timedelta(days=1)},
    "not yet valid": {"not_before": pki.NOW + timedelta(days=1)},
    "valid from this second": {"not_before": pki.NOW},
    "valid until this second": {"not_after": pki.NOW},
    "valid until the last second": {"not_after": pki.NOW - SECOND},
    "valid from the next second": {"not_before": pki.NOW + SECOND},
    "no CA": {"ca": False},
    "no basicConstraints": {"ca": None},
    "basicConstraints not critical": {"ca": None, "extra": [pki.extension(x509.BasicConstraints(True, None))]},
    "version 1": {"version": 1},
    "no keyUsage": {"usage": None},
    "no keyCertSign": {"usage": pki.key_usage("digital_signature")},
    "for clients": {"eku": (pki.CLIENT_AUTH,)},
    "for servers": {"eku": (pki.SERVER_AUTH,)},
    "for anything": {"eku": (pki.ANY_USE,)},
    "path length 0": {"path_length": 0},
    "path length 1": {"path_length": 1},
    "permits the DNS name": {"permitted": [x509.DNSName("example.com")]},
    "permits another DNS name": {"permitted": [x509.DNSName("example.org")]},
    "excludes the DNS name": {"excluded": [x509.DNSName("example.com")]},
    "excludes another DNS name": {"excluded": [x509.DNSName("example.org")]},
    "permits the address": {"permitted": [_network("192.0.2.0/24")]},
    "permits another address": {"permitted": [_network("198.51.100.0/24")]},
    "excludes the address": {"excluded": [_network("192.0.2.0/24")]},
    "permits the email": {"permitted": [x509.RFC822Name("example.com")]},
    "permits another email": {"permitted": [x509.RFC822Name("example.org")]},
    "excludes the email": {"excluded": [x509.RFC822Name("example.com")]},
    "permits the URI": {"permitted": [x509.UniformResourceIdentifier("host.example.com")]},
    "permits another URI": {"permitted": [x509.UniformResourceIdentifier("host.example.org")]},
    "excludes the URI": {"excluded": [x509.UniformResourceIdentifier("host.example.com")]},
    "permits the directory name": {"permitted": [_directory(organization="Contoso")]},
    "permits another directory name": {"permitted": [_directory(organization="Fabrikam")]},
    "excludes the directory name": {"excluded": [_directory(organization="Contoso")]},
    "excludes another directory name": {"excluded": [_directory(organization="Fabrikam")]},
    "permits a registered ID": {"permitted": [x509.RegisteredID(POLICY)]},
    "empty subject": {"subject": x509.Name([])},
    "ends before it begins": {"not_before": pki.NOW + SECOND, "not_after": pki.NOW - SECOND},
    "unknown critical": {"extra": [_raw(PRIVATE, b"\5\0", critical=True)]},
    "unknown": {"extra": [_raw(PRIVATE, b"\5\0")]},
    "doubled": {"extra": [pki.key_usage("key_cert_sign")]},
    "weak key": {"key": WEAK_KEY},
    "RSA key": {"key": RSA_KEY},
    "Ed25519 key": {"key": pki.ed25519_key()},
    "P-521 key": {"key": pki.ec_key(ec.SECP521R1())},
    "P-224 key": {"key": pki.ec_key(ec.SECP224R1())},
    "SHA-1": {"hash": hashes.SHA1()},
    "SHA-384": {"hash": hashes.SHA384()},
    "bad signature": {"signature": b"0" * 70},
    "serial 0": {"serial": 0},
    "negative serial": {"serial": -5},
    "serial of 21 octets": {"serial": 1 << 160},
    "no SKI": {"ski": False},
    "no AKI": {"aki": False},
    "wrong AKI": {"aki": False, "extra": [pki.extension(x509.AuthorityKeyIdentifier(b"another key", None, None))]},
    "demands a policy": {"extra": [demands_policy()]},
    "demands a policy, has one": {"extra": [demands_policy(), issued_under(POLICY)]},
    "inhibits anyPolicy": {"extra": [pki.extension(x509.InhibitAnyPolicy(0), critical=True)]},
    "maps policies": {"extra": [issued_under(POLICY), maps_policy(POLICY, OTHER_POLICY)]},
}
"""What may be odd about a CA between root and leaf."""

LEAVES: Mapping[str, Options] = {
    "good": {},
    "expired": {"not_after": pki.NOW - timedelta(days=1)},
    "not yet valid": {"not_before": pki.NOW + timedelta(days=1)},
    "valid from this second": {"not_before": pki.NOW},
    "valid until this second": {"not_after": pki.NOW},
    "valid until the last second": {"not_after": pki.NOW - SECOND},
    "valid from the next second": {"not_before": pki.NOW + SECOND},
    "ends before it begins": {"not_before": pki.NOW + SECOND, "not_after": pki.NOW - SECOND},
    "CA": {"ca": True, "usage": pki.key_usage("digital_signature", "key_cert_sign")},
    "no basicConstraints": {"ca": None},
    "version 1": {"version": 1},
    "version 1 with extensions": {"version": 1, "has_extensions": True},
    "no keyUsage": {"usage": None},
    "encipherment only": {"usage": pki.key_usage("key_encipherment")},
    "agreement only": {"usage": pki.key_usage("key_agreement")},
    "keyCertSign without CA": {"usage": pki.key_usage("digital_signature", "key_cert_sign")},
    "no purposes": {"eku": None},
    "for servers": {"eku": (pki.SERVER_AUTH,)},
    "for anything": {"eku": (pki.ANY_USE,)},
    "for both": {"eku": (pki.SERVER_AUTH, pki.CLIENT_AUTH)},
    "purposes are critical": {"eku_critical": True},
    "no names": {"san": None},
    "empty subject": {"subject": x509.Name([])},
    "empty subject and no names": {"subject": x509.Name([]), "san": None},
    "names constrained": {"permitted": [x509.DNSName("example.com")]},
    "unknown critical": {"extra": [_raw(PRIVATE, b"\5\0", critical=True)]},
    "unknown": {"extra": [_raw(PRIVATE, b"\5\0")]},
    "doubled": {"extra": [pki.key_usage("digital_signature")]},
    "weak key": {"key": WEAK_KEY},
    "RSA key": {"key": RSA_KEY},
    "Ed25519 key": {"key": pki.ed25519_key()},
    "P-521 key": {"key": pki.ec_key(ec.SECP521R1())},
    "SHA-1": {"hash": hashes.SHA1()},
    "SHA-384": {"hash": hashes.SHA384()},
    "bad signature": {"signature": b"0" * 70},
    "serial 0": {"serial": 0},
    "negative serial": {"serial": -5},
    "serial of 21 octets": {"serial": 1 << 160},
    "no SKI": {"ski": False},
    "no AKI": {"aki": False},
    "wrong AKI": {"aki": False, "extra": [pki.extension(x509.AuthorityKeyIdentifier(b"another key", None, None))]},
    "has a policy": {"extra": [issued_under(POLICY)]},
    "demands a policy": {"extra": [demands_policy()]},
}
"""What may be odd about a leaf."""


@attrs.frozen(kw_only=True, eq=False)
class Presented:
    """A client with its chain, and what the gateway trusts."""

    leaf: pki.Credential
    sent: tuple[bytes, ...]  # above the leaf, in the order of the Certificate message
    root: pki.Authority
    file: tuple[pki.Authority, ...] = ()  # further CAs in the trusted client CA file


@attrs.frozen(kw_only=True)
class Answers:
    """Why each refuses; empty: it does not."""

    openssl: str
    gateway: str
    cryptography: str

    def __str__(self) -> str:
        """``++-``: OpenSSL and the gateway accept, cryptography refuses."""
        return "".join("-" if reason else "+" for reason in (self.openssl, self.gateway, self.cryptography))


def answers(presented: Presented) -> Answers:
    """What the three say at `pki.NOW`."""
    authorities = (presented.root, *presented.file)
    told = evidence_of(
        presented.leaf,
        presented.sent,
        [authority.der for authority in authorities],
        at=pki.NOW.replace(tzinfo=None),
        max_depth=MAX_DEPTH,
    )
    chain = TrustedChain(
        file="ca.pem",
        root=presented.root.parsed,
        authorities=tuple(authority.parsed for authority in authorities),
        issuer=authorities[-1].parsed,
    )
    anchors = Anchors.of([chain], False)
    found = judge(told, anchors, pki.NOW)
    if isinstance(found, Refused) and (told.error_depth or may_be_mended(told.error)):
        search = PathSearch(anchors, anchors.authorities, MAX_DEPTH, cpu_seconds=lambda: 0.0)
        search.openssl_now = pki.NOW
        if search.find((presented.leaf.der, *presented.sent), pki.NOW):
            found = Trusted()
    return Answers(
        openssl=REASONS[told.error] if told.error else "",
        gateway=found.reason if isinstance(found, Refused) else "",
        cryptography=_refused_by_cryptography(presented),
    )


def _certificate(der: bytes) -> x509.Certificate:
    certificate = certificate_from(der)
    assert certificate is not None
    return certificate


def _refused_by_cryptography(presented: Presented) -> str:
    leaves = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    verifier = (
        PolicyBuilder()
        .store(Store([_certificate(presented.root.der)]))
        .time(pki.NOW)
        .max_chain_depth(MAX_DEPTH - 1)  # there the root does not count
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=leaves)
        .build_client_verifier()
    )
    others = [_certificate(der) for der in (*presented.sent, *(authority.der for authority in presented.file))]
    try:
        verifier.verify(_certificate(presented.leaf.der), others)
    except (VerificationError, ValueError) as error:
        return str(error) or type(error).__name__
    return ""


# Shapes: how a chain is sent, and what stands around it


@attrs.frozen(kw_only=True, eq=False)
class Drawn:
    """One draw: what is odd about each certificate, and the choices that the shape makes."""

    authorities: tuple[str, ...]  # below the root, downwards
    leaf: str
    chosen: random.Random


Shape = Callable[[Drawn], Presented]


@cache
def _root(number: int = 0, common_name: str = "Root") -> pki.Authority:
    return pki.Authority.root(common_name, key=KEYS[number])


STRANGER = _root(1, "Stranger")
STRANGERS = (STRANGER, STRANGER.intermediate("Strangers", key=KEYS[2]))


def _line(drawn: Drawn, root: pki.Authority | None = None) -> tuple[pki.Credential, list[pki.Authority]]:
    """The leaf and the CAs between it and its root, nearest first."""
    leaf = _leaf(_authority(root or _root(), drawn.authorities), drawn.leaf)
    return leaf, [*leaf.issuers[:-1]]


@cache
def _authority(root: pki.Authority, names: tuple[str, ...]) -> pki.Authority:
    """The lowest of these; those above are shared with other chains."""
    if not names:
        return root
    level = len(names)
    usual = {"subject": f"CA {level}", "key": KEYS[2 + level]}
    return _authority(root, names[:-1]).intermediate(**{**usual, **AUTHORITIES[names[-1]]})


def _leaf(issuer: pki.Authority, kind: str) -> pki.Credential:
    return issuer.issue(**{"subject": SUBJECT, "key": KEYS[-1], "san": NAMES, **LEAVES[kind]})


def _presented(leaf: pki.Credential, sent: Sequence[pki.Credential], **more: Any) -> Presented:
    return Presented(leaf=leaf, sent=tuple(each.der for each in sent), **{"root": _root(), **more})


def in_order(drawn: Drawn) -> Presented:
    """As a client should."""
    leaf, line = _line(drawn)
    return _presented(leaf, line)


def shuffled(drawn: Drawn) -> Presented:
    """In any order (RFC 8446 section 4.4.2 asks servers to bear with it)."""
    leaf, line = _line(drawn)
    drawn.chosen.shuffle(line)
    return _presented(leaf, line)


def with_root(drawn: Drawn) -> Presented:
    """The root is sent too."""
    leaf, line = _line(drawn)
    return _presented(leaf, [*line, _root()])


def with_strangers(drawn: Drawn) -> Presented:
    """Certificates that have nothing to do with it stand between."""
    leaf, line = _line(drawn)
    mixed = [*line, *STRANGERS, line[0] if line else STRANGER]
    drawn.chosen.shuffle(mixed)
    return _presented(leaf, mixed)


def leaf_only(drawn: Drawn) -> Presented:
    """The CAs between are in the gateway's file, and not sent."""
    leaf, line = _line(drawn)
    return _presented(leaf, [], file=tuple(line))


def leaf_alone(drawn: Drawn) -> Presented:
    """The CAs between are nowhere."""
    leaf, _ = _line(drawn)
    return _presented(leaf, [])


def other_root(drawn: Drawn) -> Presented:
    """Under a root of the same name with another key."""
    leaf, line = _line(drawn, _root(12))
    return _presented(leaf, line)


def namesake_last(drawn: Drawn) -> Presented:
    """Another CA bears the issuer's name, with another key; key identifiers decide, or else the order."""
    leaf, line = _line(drawn)
    return _presented(leaf, [*line, _namesake(leaf)])


def namesake_first(drawn: Drawn) -> Presented:
    """The same, sent before the true one."""
    leaf, line = _line(drawn)
    return _presented(leaf, [_namesake(leaf), *line])


def _namesake(leaf: pki.Credential) -> pki.Authority:
    return _root().intermediate(leaf.issuers[0].subject, key=KEYS[13])


def cross_signed_first(drawn: Drawn) -> Presented:
    """The topmost CA has a second certificate, by a root that is not trusted; it comes first."""
    leaf, line = _line(drawn)
    if not line:
        return _presented(leaf, line)
    return _presented(leaf, [_crossed(line), *line])


def cross_signed_last(drawn: Drawn) -> Presented:
    """The same, last."""
    leaf, line = _line(drawn)
    if not line:
        return _presented(leaf, line)
    return _presented(leaf, [*line, _crossed(line)])


def _crossed(line: list[pki.Authority]) -> pki.Authority:
    return STRANGER.intermediate(line[-1].subject, key=line[-1].key)


def cross_signed_in_file(drawn: Drawn) -> Presented:
    """The same, first, and the true certificates are in the gateway's file."""
    leaf, line = _line(drawn)
    return _presented(leaf, [_crossed(line)] if line else [], file=tuple(line))


def root_cross_signed(drawn: Drawn) -> Presented:
    """The root itself is certified by another root, and that certificate is sent."""
    leaf, line = _line(drawn)
    return _presented(leaf, [*line, STRANGER.intermediate(_root().subject, key=_root().key), STRANGER])


def loop(drawn: Drawn) -> Presented:
    """Two CAs that certified each other hang on the chain."""
    leaf, line = _line(drawn)
    if not line:
        return _presented(leaf, line)
    above = STRANGER.intermediate("Loop", key=KEYS[14])
    back = above.intermediate(line[-1].subject, key=line[-1].key)
    round_again = line[-1].intermediate("Loop", key=KEYS[14])
    mixed = [*line, back, round_again]
    drawn.chosen.shuffle(mixed)
    return _presented(leaf, mixed)


def self_issued(drawn: Drawn) -> Presented:
    """The lowest CA has changed its key, and certified the new one under its own name."""
    leaf, line = _line(drawn)
    if not line:
        return _presented(leaf, line)
    renewed = line[0].intermediate(line[0].subject, key=KEYS[15])
    return _presented(_leaf(renewed, drawn.leaf), [renewed, *line])


SHAPES: tuple[Shape, ...] = (
    in_order,
    shuffled,
    with_root,
    with_strangers,
    leaf_only,
    leaf_alone,
    other_root,
    namesake_last,
    namesake_first,
    cross_signed_first,
    cross_signed_last,
    cross_signed_in_file,
    root_cross_signed,
    loop,
    self_issued,
)


@attrs.frozen(kw_only=True)
class Case:
    """A generated chain, by the names of what it is made of."""

    authorities: tuple[str, ...]  # below the root, downwards
    leaf: str
    shape: Shape
    seed: int = 0

    @property
    def odd(self) -> frozenset[str]:
        """What is odd about its CAs."""
        return frozenset(self.authorities) - {"good"}

    def __str__(self) -> str:
        return f"{self.shape.__name__}: {' > '.join(('root', *self.authorities))} > leaf {self.leaf} (seed {self.seed})"

    def presented(self) -> Presented:
        """The certificates, made anew but for the CAs, which chains share."""
        return self.shape(Drawn(authorities=self.authorities, leaf=self.leaf, chosen=random.Random(self.seed)))

    def answers(self) -> Answers:
        """What the three say."""
        return answers(self.presented())


def cases(count: int, seed: int = 1) -> Iterator[Case]:
    """So many chains, the same for the same seed: mostly with one or two things odd about them."""
    chosen = random.Random(seed)
    for number in range(count):
        length = chosen.choice((0, 1, 1, 1, 2, 2, 2, 3, MAX_DEPTH - 1, MAX_DEPTH))
        authorities = ["good"] * length
        for _ in range(chosen.choice((0, 1, 1, 1, 2))):
            if length:
                authorities[chosen.randrange(length)] = chosen.choice(list(AUTHORITIES))
        yield Case(
            authorities=tuple(authorities),
            leaf=chosen.choice((*["good"] * len(LEAVES), *LEAVES)),
            shape=chosen.choice((*[in_order] * 6, *SHAPES)),
            seed=number,
        )
