"""pyOpenSSL contexts of the sites of a port; SNI; the verify callback, which asks the core and notes the answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Any, Final, TypeAlias

import attrs
from OpenSSL import SSL, crypto
from twisted.logger import Logger

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.base.remembering import remembering_within
from agwtwisted.core.certificates.costs import Costs
from agwtwisted.core.certificates.variables import CertificateVariables, certificate_variables
from agwtwisted.core.configuration.trust_coherence import names_of
from agwtwisted.core.http.host_names import is_address
from agwtwisted.core.identity.clients import NO_PROOF, CertificateProof, ClientConnection, PendingClient
from agwtwisted.core.plan.routing import AnySite, NamedSites, RelaySite, S, Site
from agwtwisted.core.resources.resources import ClientAuth, MissingClientAuthEku, Refusal, SslProfile
from agwtwisted.core.tls.extensions import openssl_groups
from agwtwisted.core.tls.policies import TlsPolicy, openssl_cipher_list, openssl_ciphersuites
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.judging import REASONS, Anchors, Evidence, judge
from agwtwisted.core.verification.path_building import may_be_mended
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    StrictVerdict,
    Trusted,
    Unchecked,
    Verdict,
)
from agwtwisted.tls.openssl import GO_ON, KNOWN, Presented, set_groups, verifying
from agwtwisted.tls.own_certificate import present
from agwtwisted.tls.path_search import PathSearch
from agwtwisted.tls.records import error_text

_VERSIONS = {"TLSv1_2": SSL.TLS1_2_VERSION, "TLSv1_3": SSL.TLS1_3_VERSION}

_log = Logger()

PROTOCOLS = (b"http/1.1", b"http/1.0")
"""What may be chosen of the protocols that a client offers (ALPN), the better one first."""

NO_CERTIFICATE = "peer did not return a certificate"
"""OpenSSL's word for a handshake that failed because a certificate is required and none was sent."""

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
    verify_mode: int
    anchors: Anchors | None  # of a profile that names trusted client certificates
    max_depth: int
    search: PathSearch | None  # for a path that holds where OpenSSL's does not
    variables_of: VariablesOf = attrs.field(repr=False)
    """The variables of a trusted client, remembered: clients come back. Strangers' are not to fill the memory."""
    strict: bool = attrs.field(init=False)
    """Whether a client needs a certificate that is accepted, whatever it asks for."""
    refuses_in_handshake: bool = attrs.field(init=False)
    """Whether a client is turned away by an alert, rather than by an answer after the handshake."""

    @strict.default
    def _strict(self) -> bool:
        profile = self.site.profile
        return profile is not None and profile.client_auth is ClientAuth.STRICT

    @refuses_in_handshake.default
    def _refuses_in_handshake(self) -> bool:
        return self.strict and refuses_by_alert(self.site)


class ClientCertificates:
    """What the callbacks of one handshake noted: the site, the certificates by depth, the first error, the verdict."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.contexts: PortContexts | None = None  # of the port, once there is a connection
        self.site_context: SiteContext | None = None  # until a ClientHello has chosen one
        self.server_name = ""  # SNI, in lower case
        self.name_refused = False
        self._now = now
        self._by_depth: dict[int, bytes] = {}  # DER
        self._told: tuple[bytes, ...] | None = None  # the same, the leaf first
        self._error = 0
        self._error_depth = 0
        self._costs = Costs()
        self._searched = False
        self._first_error = 0  # of OpenSSL's own path, where another one holds
        self._verdict: Verdict = UNJUDGED

    @property
    def version_agreed(self) -> bool:
        """Whether a ClientHello was understood: OpenSSL chooses the version before it tells the name."""
        return self.site_context is not None or self.name_refused

    def note(self, certificate: bytes, error: int, depth: int, ok: bool, presented: Presented = tuple) -> int:
        """One call of OpenSSL's verify callback; returns how the handshake goes on, as `openssl.Told` does.

        OpenSSL tells its first error, or every certificate of a chain it has built, the root first and the leaf last.
        Where another path holds than the one it tells of, what it goes on to say does not count.
        """
        if self._first_error:
            return GO_ON
        self._by_depth[depth] = certificate
        self._told = None
        site_context = self.site_context
        anchors = None if site_context is None else site_context.anchors
        if not ok and anchors is not None and anchors.forgives(certificate, error, depth):
            return GO_ON
        if not ok and not self._error:
            self._error, self._error_depth = error, depth
        if site_context is None:
            return reasons.DEFECT
        if self._error and self._costs.exceeded_by(certificate):
            self._verdict = Refused(reasons.EXCESSIVE)
            return reasons.alert_code(reasons.EXCESSIVE)  # whatever the profile: OpenSSL would go on with it
        reason = self._reason(site_context, error, depth, ok)
        if reason is None or self._finds_another_path(site_context, error, depth, reason, presented):
            return GO_ON
        if not site_context.refuses_in_handshake:
            return GO_ON  # the verdict is made of the notes, after the handshake
        self._verdict = Refused(reason)
        return reasons.alert_code(reason) if ok else error

    def _reason(self, site_context: SiteContext, error: int, depth: int, ok: bool) -> str | None:
        """Why the client would be refused by what was told now; None where nothing speaks against it so far."""
        if not ok:
            return REASONS.get(error, "certificate verify failed")
        if depth or self._error or site_context.anchors is None:
            return None
        self._verdict = verdict = self._judged(site_context)
        return verdict.reason if isinstance(verdict, Refused) else None

    def _finds_another_path(
        self, site_context: SiteContext, error: int, depth: int, reason: str, presented: Presented
    ) -> bool:
        """Whether there is a path that holds, which counts from now on.

        It is looked for once, and not where the leaf itself is at fault.
        """
        search = site_context.search
        if search is None or self._searched or not (depth or may_be_mended(error)):
            return False
        self._searched = True
        path = search.find(presented(), datetime.fromtimestamp(self._now(), UTC))
        if path is None:
            return False
        self._by_depth = dict(enumerate(path))
        self._told = None
        self._first_error = error or reasons.alert_code(reason)
        self._error = self._error_depth = 0
        self._verdict = self._judged(site_context)
        return True

    def verdict(self, failure: str = "") -> Verdict:
        """The verdict once the handshake is over, where it failed with OpenSSL's word for why.

        Where a certificate is required and none was seen it is a refusal.
        """
        site_context = self.site_context
        if site_context is None:
            return self._verdict
        if site_context.verify_mode == SSL.VERIFY_NONE:
            return NotAsked()
        if failure:
            return Missing() if failure == NO_CERTIFICATE else self._refusal()
        if not site_context.strict:
            return Unchecked() if self._by_depth else Absent()
        if self._by_depth and site_context.refuses_in_handshake:
            return self._verdict
        return self.strict_verdict()

    @property
    def relays(self) -> bool:
        """Whether the site is one of L4, whose servers speak what the client has agreed on."""
        return self.site_context is not None and isinstance(self.site_context.site, RelaySite)

    def strict_verdict(self) -> StrictVerdict:
        """The verdict of a Strict profile with the site's trusted client certificates, after the handshake.

        A refusal where there is nothing to judge by.
        """
        site_context = self.site_context
        if site_context is None or site_context.anchors is None:
            return UNJUDGED
        return self._judged(site_context) if self._by_depth else Missing()

    def _refusal(self) -> Refused:
        """The noted one; a trusted certificate proves nothing of a client that did not prove to have its key."""
        return self._verdict if isinstance(self._verdict, Refused) else UNJUDGED

    def certificate(self, *, trusted: bool) -> CertificateVariables | None:
        """The leaf's variables, None when it was not seen; they are remembered where the client is trusted."""
        leaf = self._by_depth.get(0)
        if leaf is None:
            return None
        if trusted and self.site_context is not None:
            return self.site_context.variables_of(leaf)
        return certificate_variables(leaf)

    def valid_until(self) -> float:
        """Until when the certificates of a trusted client are valid, in seconds since 1970."""
        if self.site_context is None or self.site_context.anchors is None:
            return 0.0  # nobody was trusted
        return self.site_context.anchors.valid_until(self._chain())

    def issuers_der(self) -> tuple[bytes, ...]:
        """The verified chain after the leaf, as DER."""
        chain = self._chain()
        return chain[1:] if 0 in self._by_depth else chain

    def evidence(self) -> Evidence:
        """What OpenSSL has told so far."""
        return Evidence(
            chain=self._chain(), error=self._error, error_depth=self._error_depth, first_error=self._first_error
        )

    def _chain(self) -> tuple[bytes, ...]:
        """The certificates as far as they were told."""
        if self._told is None:
            self._told = tuple([self._by_depth[depth] for depth in sorted(self._by_depth)])
        return self._told

    def _judged(self, site_context: SiteContext) -> StrictVerdict:
        if site_context.anchors is None:
            return UNJUDGED
        # The profile's own CAs are there already: copies for every connection would be a kilobyte and more.
        self._told = tuple(map(site_context.anchors.own, self._chain()))
        now = datetime.fromtimestamp(self._now(), UTC)
        return judge(self.evidence(), site_context.anchors, now, max_depth=site_context.max_depth)


@attrs.frozen(eq=False)
class PortContexts:
    """The contexts of every site of a port, and the choice among them."""

    sites: NamedSites[Any]
    by_site: dict[AnySite, SiteContext]
    first: SiteContext  # connections are born with it, whatever site they select

    @classmethod
    def of(cls, sites: NamedSites[S], *, max_depth: int, variables_of: VariablesOf | None = None) -> PortContexts:
        """Makes the contexts; the port's first one is that of its basic listener, else of any site.

        `variables_of` is the memory that the ports of a gateway share; None: this port has its own.
        """
        every = sites.all()
        remembered = variables_of or trusted_variables()
        resumable = all(not _asks(site.profile) for site in every)
        by_site: dict[AnySite, SiteContext] = {
            site: _site_context(site, remembered, resumable=resumable, max_depth=max_depth) for site in every
        }
        contexts = cls(sites, by_site, by_site[every[0]])
        contexts.first.context.set_tlsext_servername_callback(servername_callback)
        return contexts

    def connection(self, notes: ClientCertificates) -> SSL.Connection:
        """A new connection in the server's role, whose callbacks write into `notes`."""
        connection = SSL.Connection(self.first.context, None)
        notes.contexts = self
        connection.set_app_data(notes)
        connection.set_accept_state()
        return connection

    def choose(self, connection: SSL.Connection, notes: ClientCertificates) -> None:
        """Chooses the site of a ClientHello, which has a name or none.

        `set_context` leaves the old verify mode in place: without `set_verify` a strict site would fail open.
        A refusal is noted, not raised: raising would print a traceback for every such client. A second ClientHello,
        after a HelloRetryRequest, chooses anew; who was refused once stays so.
        """
        name = notes.server_name = server_name(connection)
        site = self.sites.select(name) if name else self.sites.unnamed
        if site is None:
            notes.name_refused = True
            notes.site_context = None
            return
        chosen = notes.site_context = self.by_site[site]
        if connection.get_context() is not chosen.context:
            connection.set_context(chosen.context)
            _set_verify(connection, chosen.verify_mode)


def servername_callback(connection: SSL.Connection) -> None:
    """OpenSSL's servername callback for every port, which runs for every ClientHello.

    It finds the contexts of the port by the connection. A callback that held them would be held by one of them, and the
    private keys in them would stay until the garbage collector finds the circle.
    """
    notes: ClientCertificates = connection.get_app_data()
    if notes.contexts is None:
        raise AssertionError("a connection is made by the contexts of its port")
    notes.contexts.choose(connection, notes)


def verify_callback(
    connection: SSL.Connection, certificate: bytes, error: int, depth: int, ok: bool, presented: Presented
) -> int:
    """OpenSSL's verify callback for every context; what goes wrong in it is logged, and a refusal."""
    notes: ClientCertificates = connection.get_app_data()
    try:
        return notes.note(certificate, error, depth, ok, presented)
    except Exception:
        _log.failure("Unexpected error while verifying a client certificate")
        return reasons.DEFECT


_set_verify: Final = verifying(verify_callback)


def server_name(connection: SSL.Connection) -> str:
    """The SNI of a connection, in lower case; empty when none was sent, or an address (RFC 6066 section 3)."""
    sent = connection.get_servername()
    name = sent.decode("ascii", "backslashreplace").lower() if sent else ""
    return "" if is_address(name) else name


def pending_client(
    notes: ClientCertificates, tls: SSL.Connection, connection: ClientConnection, *, failure: str = ""
) -> PendingClient:
    """Who is at the other end once the handshake is over, well or, for the reason given, badly.

    Args:
        notes: of the handshake's callbacks.
        tls: OpenSSL's end of the connection.
        connection: what was known before the handshake.
        failure: why the handshake failed; empty where it did not.
    """
    connection = attrs.evolve(
        connection,
        tls_version=tls.get_protocol_version_name() if notes.version_agreed or not failure else "",
        cipher=tls.get_cipher_name() or "",
        server_name=notes.server_name,
        protocol=tls.get_alpn_proto_negotiated() if notes.relays and not failure else b"",
    )
    return PendingClient(connection=connection, proof=_proof(notes, failure))


def _proof(notes: ClientCertificates, failure: str) -> CertificateProof:
    verdict = notes.verdict(failure)
    if isinstance(verdict, NotAsked):
        return NO_PROOF
    strict_verdict = notes.strict_verdict() if isinstance(verdict, Absent | Unchecked) else verdict
    trusted = isinstance(strict_verdict, Trusted)
    certificate = notes.certificate(trusted=trusted)
    return CertificateProof(
        verdict=verdict,
        strict_verdict=strict_verdict,
        certificate=certificate,
        chain_der=notes.issuers_der(),
        until=notes.valid_until() if trusted and certificate is not None else inf,
    )


def refuses_by_alert(site: AnySite) -> bool:
    """Whether a Strict site refuses in the handshake. On L4 there is no other way: no HTTP is spoken after it."""
    profile = site.profile
    return isinstance(site, RelaySite) or (profile is not None and profile.refusal is Refusal.HANDSHAKE)


def _asks(profile: SslProfile | None) -> bool:
    return profile is not None and profile.client_auth is not ClientAuth.NONE


def _site_context(site: AnySite, variables_of: VariablesOf, *, resumable: bool, max_depth: int) -> SiteContext:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    _apply_policy(context, site.listener.ssl_policy, allow_weak=site.profile is not None and site.profile.allow_weak)
    _restrict(context, resumable=resumable)
    _set_groups(context, site.profile)
    if protocols := PROTOCOLS if isinstance(site, Site) else site.listener.alpn_protocols:
        context.set_alpn_select_callback(partial(_choose_protocol, protocols))
    context.set_verify_depth(max_depth)
    _use_server_certificate(context, site)
    mode = SSL.VERIFY_NONE
    anchors = None
    profile = site.profile
    if profile is not None and profile.client_auth is not ClientAuth.NONE:
        mode = _ASK
        if profile.client_auth is ClientAuth.STRICT and refuses_by_alert(site):
            mode = _INSIST
        if profile.trusted_client_certificates:  # of a Passthrough profile they are for paths that require one
            anchors = _trust(context, profile)
        _set_verify(context, mode)
    search = None
    if anchors is not None and KNOWN:
        search = PathSearch(anchors, anchors.authorities, max_depth)
    return SiteContext(site, context, mode, anchors, max_depth, search, variables_of)


_ANY_STRENGTH = b"@SECLEVEL=0"
"""In a cipher list: OpenSSL looks at no key's size and no digest.

Level 1 refuses signatures over SHA-1 and MD5, level 2 keys below 112 bits too. pyOpenSSL has no other way to set it.
"""


def _apply_policy(context: SSL.Context, policy: TlsPolicy | None, *, allow_weak: bool) -> None:
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


def _restrict(context: SSL.Context, *, resumable: bool) -> None:
    # A ticket or a session of an open site would resume into a strict site of the same port without a certificate.
    options = SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE
    if not resumable:
        options |= SSL.OP_NO_TICKET
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(options)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 20 KiB less for an idle connection


def _choose_protocol(protocols: Sequence[bytes], connection: SSL.Connection, offered: list[bytes]) -> bytes:
    for protocol in protocols:
        if protocol in offered:
            return protocol
    # A client that offers protocols but none of ours is told so (RFC 7301 section 3.2): raising sends that alert.
    raise SSL.Error([("SSL routines", "", "no application protocol")])


def _use_server_certificate(context: SSL.Context, site: AnySite) -> None:
    certificate = site.listener.ssl_certificate
    if certificate is None:
        raise AssertionError("an Https listener has a certificate")
    present(context, certificate, CertificateError)


def _trust(context: SSL.Context, profile: SslProfile) -> Anchors:
    """Fills the context's store and the list of acceptable CAs from the profile's files, and from nowhere else.

    A Passthrough client is free to send what it has: it is told no CAs.
    """
    chains = [trusted.chain for trusted in profile.trusted_client_certificates]
    store = context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    authorities = {
        authority.der: _loaded(authority.der, trusted.name)
        for trusted in profile.trusted_client_certificates
        for authority in trusted.chain.authorities
    }
    for certificate in authorities.values():
        store.add_cert(certificate)
    for authority in names_of(profile).values():
        _advertise(context, authorities[authority.der])
    return Anchors.of(
        chains,
        profile.verify_client_cert_issuer_dn,
        allow_weak=profile.allow_weak,
        any_purpose=profile.missing_client_auth_eku is MissingClientAuthEku.ALLOW,
    )


def _loaded(authority: bytes, name: str) -> crypto.X509:
    """A CA of the section of this name as OpenSSL has it."""
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, authority)
    except crypto.Error as error:
        raise AuthorityError(name, error_text(SSL.Error(*error.args))) from error


def _advertise(context: SSL.Context, authority: crypto.X509) -> None:
    """Adds a CA to the list that clients are told.

    pyOpenSSL warns of its own kind of certificate here, and cryptography's cannot be made of every CA that OpenSSL
    reads.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.add_client_ca(authority)
