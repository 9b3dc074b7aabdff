"""The pyOpenSSL context of a site: the certificate it presents, its TLS policy, and the CAs it trusts.

For `port_contexts`, which makes those of a port and chooses among them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import attrs
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from OpenSSL import SSL, crypto

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.certificates.variables import CertificateVariables, certificate_variables
from agwtwisted.core.configuration.trust_coherence import names_of
from agwtwisted.core.plan.routing import AnySite, RelaySite
from agwtwisted.core.resources.resources import ClientAuth, MissingClientAuthEku, Refusal, SslProfile
from agwtwisted.core.tls.client_hello import offered_suites
from agwtwisted.core.tls.extensions import openssl_groups
from agwtwisted.core.tls.policies import (
    TlsPolicy,
    expected_suite,
    openssl_cipher_list,
    openssl_ciphersuites,
    suits_http2,
)
from agwtwisted.core.verification.handshake import ClientRules
from agwtwisted.core.verification.judging import Anchors
from agwtwisted.tls.codec import error_text
from agwtwisted.tls.openssl import KNOWN, KnownCertificates, own_callbacks, set_groups
from agwtwisted.tls.own_certificate import present
from agwtwisted.tls.path_search import PathSearch
from agwtwisted.tls.staples import staple_to

_VERSIONS = {"TLSv1_2": SSL.TLS1_2_VERSION, "TLSv1_3": SSL.TLS1_3_VERSION}

PROTOCOLS = (b"http/1.1", b"http/1.0")
"""What may be chosen of the protocols that a client offers (ALPN), the better one first."""

HTTP2: Final = b"h2"
"""What comes before these where a listener speaks it (RFC 9113 section 3.2)."""

_ASK = SSL.VERIFY_PEER
_INSIST = _ASK | SSL.VERIFY_FAIL_IF_NO_PEER_CERT


class CertificateError(SectionError):
    """A server certificate that OpenSSL does not serve, one with a weak key for instance."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"ssl_certificate {name}", f"cannot be used: {reason}")


class AuthorityError(SectionError):
    """A trusted CA that OpenSSL does not read, although the file's reader does."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"trusted_client_certificate {name}", f"holds a certificate that OpenSSL cannot read: {reason}"
        )


class GroupsError(SectionError):
    """Groups for key exchange that this OpenSSL does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(f"ssl_profile {name}", "tls_groups has a group that this OpenSSL does not know")


VariablesOf: TypeAlias = Callable[[bytes], CertificateVariables]

SetVerify: TypeAlias = Callable[[SSL.Context | SSL.Connection, int], None]
"""Sets the verify mode of a context or a connection, with the callback."""

TRUSTED_ROOM: Final = 1 << 24
"""Bytes that the certificates and variables of trusted clients may take in memory, those used last."""

_ROOM_OF_ONE: Final = 6
"""Times the octets of a certificate: itself, once more in base64 with escapes, and the names and numbers in it."""


def trusted_variables() -> VariablesOf:
    """`certificate_variables` with a memory, one for a gateway; to be asked for certificates that were verified."""
    return remembering_within(certificate_variables, TRUSTED_ROOM, lambda der, _: _ROOM_OF_ONE * len(der))


@attrs.frozen(eq=False)
class SiteContext:
    """One site's context, and how its clients are judged."""

    site: AnySite
    context: SSL.Context
    rules: ClientRules
    search: PathSearch | None  # for a path that holds where OpenSSL's does not
    variables_of: VariablesOf = attrs.field(repr=False)
    """The variables of a trusted client, remembered: clients come back. Strangers' are not to fill the memory."""
    content: str = ""
    """The fingerprint of all that it is made of."""
    sessions_of: str = ""
    """The fingerprint of all that a verdict depends on, where clients may resume sessions; else empty."""
    remembered: dict[object, Any] = attrs.field(factory=dict, repr=False)
    """What other modules have made of this context once, each by its own key."""

    verify_mode: int = attrs.field(init=False)
    """OpenSSL's: without a certificate the handshake goes on, unless the refusal is an alert."""

    @verify_mode.default
    def _mode_of_rules(self) -> int:
        if not self.rules.asks:
            return SSL.VERIFY_NONE
        return _INSIST if self.rules.refuses_in_handshake else _ASK


def refuses_by_alert(site: AnySite) -> bool:
    """Whether a Strict site refuses in the handshake. On L4 there is no other way: no HTTP is spoken after it."""
    profile = site.profile
    return isinstance(site, RelaySite) or (profile is not None and profile.refusal is Refusal.HANDSHAKE)


def asks(site: AnySite) -> bool:
    """Whether a site asks its clients for certificates."""
    return site.profile is not None and site.profile.asks


@attrs.frozen(eq=False)
class Trust:
    """What is made of a profile's CAs once, for all sites with this profile."""

    anchors: Anchors
    authorities: Mapping[bytes, crypto.X509]  # by their DER
    known: KnownCertificates = attrs.field(repr=False)  # the same, as verify callbacks get them
    search: PathSearch | None  # for a path that holds where OpenSSL's does not

    @classmethod
    def of(cls, profile: SslProfile, max_depth: int) -> Trust:
        """Reads the CAs of a profile.

        Raises:
            AuthorityError: OpenSSL does not read one.
        """
        anchors = Anchors.of(
            [trusted.chain for trusted in profile.trusted_client_certificates],
            profile.verify_client_cert_issuer_dn,
            allow_weak=profile.allow_weak,
            any_purpose=profile.missing_client_auth_eku is MissingClientAuthEku.ALLOW,
        )
        search = PathSearch(anchors, anchors.authorities, max_depth) if KNOWN else None
        authorities = _authorities(profile)
        return cls(anchors, authorities, KnownCertificates(authorities), search)


class Trusts:
    """The `Trust` of each profile of one configuration, made when it is first asked for.

    Hundreds of sites share a profile with a hundred CAs: for each site anew they would take as many times as long.
    """

    def __init__(self, max_depth: int) -> None:
        self.max_depth = max_depth
        self._made: dict[int, tuple[SslProfile, Trust]] = {}

    def of(self, profile: SslProfile) -> Trust:
        """That of a profile, which is known by its identity: to compare it would mean to compare its files."""
        known = self._made.get(id(profile))
        if known is None:
            known = self._made[id(profile)] = profile, Trust.of(profile, self.max_depth)
        return known[1]


@attrs.frozen(kw_only=True)
class Basis:
    """What the context of a site is made of, beside the site."""

    variables_of: VariablesOf  # of trusted clients
    trusts: Trusts
    set_verify: SetVerify  # sets the verify mode, and the callback
    content: str = ""  # as in `SiteContext`
    sessions_of: str = ""
    session_id_context: bytes = b""  # at most 32 octets; empty: no session is resumed


def site_context(site: AnySite, basis: Basis) -> SiteContext:
    """Makes the context of a site, which is spoken over TLS; by itself it resumes no session.

    Raises:
        CertificateError: OpenSSL does not serve the server certificate.
        AuthorityError: or does not read a trusted CA.
        GroupsError: or does not know a group for key exchange.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    apply_policy(context, site.listener.ssl_policy, allow_weak=site.profile is not None and site.profile.allow_weak)
    restrict(context)
    _set_groups(context, site.profile)
    if basis.session_id_context:
        context.set_session_id(basis.session_id_context)
        # Sessions are kept by the context with which a connection begins; OpenSSL asks this one for leave to name them.
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
    if choose := _choice_of_protocol(site):
        context.set_alpn_select_callback(choose)
        own_callbacks(context)
    context.set_verify_depth(basis.trusts.max_depth)
    _use_server_certificate(context, site)
    trust = _trust(context, site, basis.trusts)
    rules = _client_rules(site, basis.trusts.max_depth, None if trust is None else trust.anchors)
    search = None if trust is None else trust.search
    made = SiteContext(site, context, rules, search, basis.variables_of, basis.content, basis.sessions_of)
    if trust is not None:
        made.remembered[KnownCertificates] = trust.known  # they have to live as long as the store
    if rules.asks:
        basis.set_verify(context, made.verify_mode)
    return made


def _client_rules(site: AnySite, max_depth: int, anchors: Anchors | None) -> ClientRules:
    """How clients are judged; the CAs of a Passthrough profile are for paths that require a certificate."""
    profile = site.profile
    if profile is None or not asks(site):
        return ClientRules(asks=False, max_depth=max_depth)
    strict = profile.client_auth is ClientAuth.STRICT
    return ClientRules(
        asks=True,
        strict=strict,
        refuses_in_handshake=strict and refuses_by_alert(site),
        anchors=anchors,
        max_depth=max_depth,
    )


_ANY_STRENGTH = b"@SECLEVEL=0"
"""In a cipher list: OpenSSL looks at no key's size and no digest.

Level 1 refuses signatures over SHA-1 and MD5, level 2 keys below 112 bits too. pyOpenSSL has no other way to set it.
"""


def apply_policy(context: SSL.Context, policy: TlsPolicy | None, *, allow_weak: bool) -> None:
    """Sets versions and cipher suites; with `allow_weak` OpenSSL looks at no key's size and no digest."""
    if policy is None:
        raise AssertionError("an Https listener has a TLS policy")
    context.set_min_proto_version(_VERSIONS[policy.min_version])
    context.set_max_proto_version(_VERSIONS[policy.max_version])
    if policy.tls12_cipher_suites or allow_weak:
        ciphers = openssl_cipher_list(policy) or b"DEFAULT"
        context.set_cipher_list(b"%b:%b" % (ciphers, _ANY_STRENGTH) if allow_weak else ciphers)
    if policy.tls13_cipher_suites:
        context.set_tls13_ciphersuites(openssl_ciphersuites(policy))


def _set_groups(context: SSL.Context, profile: SslProfile | None) -> None:
    names = () if profile is None else profile.tls_groups
    if not set_groups(context, openssl_groups(names)) and profile is not None and names:
        raise GroupsError(profile.name)


def restrict(context: SSL.Context, *, resumable: bool = False) -> None:
    """Sets what is the same for all contexts of listeners; sessions are resumed by those of `sessions` alone.

    A ticket or a session of an open site would resume into a strict site of the same port without a certificate.
    """
    options = SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    if not resumable:
        options |= SSL.OP_NO_TICKET
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(options)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 20 KiB less for an idle connection


ChooseProtocol: TypeAlias = Callable[[SSL.Connection, list[bytes]], bytes]
"""Chooses one of the protocols that a client offers; raises SSL.Error where there is none."""


def _choice_of_protocol(site: AnySite) -> ChooseProtocol | None:
    """By what a protocol is chosen for the clients of a site; None: none is, whatever they offer."""
    if isinstance(site, RelaySite):
        return partial(_choose_protocol, site.listener.alpn_protocols) if site.listener.alpn_protocols else None
    listener = site.listener
    if not listener.http2 or listener.ssl_policy is None or listener.ssl_certificate is None:
        return partial(_choose_protocol, PROTOCOLS)
    return partial(_choose_version, listener.ssl_policy, isinstance(listener.ssl_certificate.key, RSAPrivateKey))


def _choose_version(policy: TlsPolicy, with_rsa_key: bool, connection: SSL.Connection, offered: list[bytes]) -> bytes:
    """HTTP/2 where it is offered and the cipher suite suits it."""
    if HTTP2 in offered and _suits_http2(connection, policy, with_rsa_key=with_rsa_key):
        return HTTP2
    return _choose_protocol(PROTOCOLS, connection, offered)


def _suits_http2(connection: SSL.Connection, policy: TlsPolicy, *, with_rsa_key: bool) -> bool:
    """Whether the cipher suite of a handshake, whose protocol is being chosen, suits HTTP/2.

    In TLS 1.2 OpenSSL has chosen it, too, and does not say it before the end, except that of a session which is
    resumed. So it is found as OpenSSL finds it. A client that has no group in common with us gets another one, and may
    not speak HTTP/2 then, as `http.port` sees.
    """
    if connection.get_protocol_version() == SSL.TLS1_3_VERSION:
        return True
    suite = connection.get_cipher_name()
    if suite is None:
        hello = connection.get_app_data().hello
        suite = expected_suite(policy, offered_suites(hello), with_rsa_key=with_rsa_key)
    return suits_http2(suite)


def _choose_protocol(protocols: Sequence[bytes], connection: SSL.Connection, offered: list[bytes]) -> bytes:
    for protocol in protocols:
        if protocol in offered:
            return protocol
    # A client that offers only other protocols gets no_application_protocol (RFC 7301 section 3.2): raising sends it.
    raise SSL.Error([("SSL routines", "", "no application protocol")])


def _use_server_certificate(context: SSL.Context, site: AnySite) -> None:
    certificate = site.listener.ssl_certificate
    if certificate is None:
        raise AssertionError("an Https listener has a certificate")
    present(context, certificate, CertificateError)
    staple_to(context, certificate)


def _trust(context: SSL.Context, site: AnySite, trusts: Trusts) -> Trust | None:
    """Fills the context's store and the list of acceptable CAs from the profile's files, and from nowhere else.

    A Passthrough client is free to send any certificate: the list that it gets names no CAs. None where the site asks
    for no certificate, or its profile names no file.
    """
    profile = site.profile
    if profile is None or not asks(site) or not profile.trusted_client_certificates:
        return None
    trust = trusts.of(profile)
    _fill_store(context, trust.authorities.values())
    _advertise(context, [trust.authorities[authority.der] for authority in names_of(profile).values()])
    return trust


def fill_store(context: SSL.Context, profile: SslProfile) -> None:
    """Has a new context trust the profile's CAs, and no others.

    Raises:
        AuthorityError: OpenSSL does not read one.
    """
    _fill_store(context, _authorities(profile).values())


def _fill_store(context: SSL.Context, authorities: Iterable[crypto.X509]) -> None:
    store = context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    for authority in authorities:
        store.add_cert(authority)


def _authorities(profile: SslProfile) -> dict[bytes, crypto.X509]:
    """The CAs of a profile by their DER."""
    return {
        authority.der: _loaded(authority.der, trusted.name)
        for trusted in profile.trusted_client_certificates
        for authority in trusted.chain.authorities
    }


def _loaded(authority: bytes, name: str) -> crypto.X509:
    """A CA of the section of this name as OpenSSL has it."""
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, authority)
    except crypto.Error as error:
        raise AuthorityError(name, error_text(SSL.Error(*error.args))) from error


def _advertise(context: SSL.Context, authorities: Iterable[crypto.X509]) -> None:
    """Makes these CAs the list that clients get in a CertificateRequest.

    pyOpenSSL warns of its own kind of certificate here, and cryptography's cannot be made of every CA that OpenSSL
    reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for authority in authorities:
            context.add_client_ca(authority)
