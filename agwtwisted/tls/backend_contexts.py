"""TLS towards backends: a pyOpenSSL context for each way to trust them, and what is checked in a handshake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.plan.server_identity import ServerIdentity, mismatch
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings
from agwtwisted.core.verification.reasons import REASONS, UNKNOWN
from agwtwisted.tls import system_roots
from agwtwisted.tls.client import ClientHandshake
from agwtwisted.tls.openssl import own_callbacks
from agwtwisted.tls.own_certificate import present
from agwtwisted.transport.connection import Connection

HTTP_PROTOCOLS: Final = (b"http/1.1",)
"""What is offered to HTTP backends (ALPN), so that none of them answers in another protocol."""

REMEMBERED: Final = 512
"""Certificates of which it is remembered whether they are a server's, for each way to trust."""


class ClientCertificateError(SectionError):
    """A certificate that OpenSSL does not show to backends, one with a weak key for instance."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"ssl_certificate {name}", f"cannot be used for backends: {reason}")


@attrs.frozen(kw_only=True, eq=False)
class BackendTls:
    """How the servers under certain settings are spoken to in TLS."""

    context: SSL.Context
    validate_name: bool
    offering: Callable[[bytes], SSL.Context]  # the context that offers this one protocol by ALPN
    # The same servers show the same certificates again and again; looking for a name costs a fifth of the handshake.
    mismatch: Callable[[bytes, ServerIdentity], str] = attrs.field(factory=lambda: lru_cache(REMEMBERED)(mismatch))

    @classmethod
    def trusting(
        cls,
        roots: Sequence[Certificate],
        *,
        validate_chain: bool = True,
        validate_name: bool = True,
        certificate: SslCertificate | None = None,
        protocols: Sequence[bytes] = (),
    ) -> BackendTls:
        """With certain roots.

        Args:
            roots: who may issue servers' certificates; none: the system's.
            validate_chain: whether that is looked at.
            validate_name: whether a certificate must be for the server that is wanted.
            certificate: the gateway's own, for servers that ask.
            protocols: what is offered by ALPN.
        """

        def offering(*protocols: bytes) -> SSL.Context:
            return _context(roots, protocols, validate_chain=validate_chain, certificate=certificate)

        return cls(
            context=offering(*protocols),
            validate_name=validate_name,
            offering=lru_cache(limits.ALPN_PROTOCOLS.highest)(offering),
        )

    @classmethod
    def of_files(cls, roots: Path | None, certificate: Path | None, key: Path | None) -> BackendTls:
        """With files in PEM, as OpenSSL reads them; None: the system's roots, no certificate of the gateway's own.

        Raises:
            SSL.Error: a file is not there, or not what it has to be.
        """
        context = _context((), (), validate_chain=True, certificate=None, trusts_system=roots is None)
        if roots is not None:
            context.load_verify_locations(str(roots))
        if certificate is not None and key is not None:
            context.use_certificate_chain_file(str(certificate))
            context.use_privatekey_file(str(key))
            context.check_privatekey()
        return cls(context=context, validate_name=True, offering=lambda protocol: context)

    def handshake(
        self,
        clock: IReactorTime,
        connection: Connection,
        identity: ServerIdentity,
        until: float,
        *,
        protocol: bytes = b"",
    ) -> ClientHandshake:
        """The handshake of a connection with a server that must prove to be this one, through at the time `until`.

        It is offered one protocol (ALPN) if one is given, instead of those of all connections.
        """
        context = self.offering(protocol) if protocol else self.context
        return ClientHandshake(clock, connection, _ServerCheck(self, context, identity), until)


def _context(
    roots: Sequence[Certificate],
    protocols: Sequence[bytes],
    *,
    validate_chain: bool,
    certificate: SslCertificate | None,
    trusts_system: bool = True,
) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    if roots or trusts_system:
        _trust(context, roots)
    if validate_chain:
        context.set_verify(SSL.VERIFY_PEER, _note)
        own_callbacks(context)
    else:
        context.set_verify(SSL.VERIFY_NONE)
    if certificate is not None:
        present(context, certificate, ClientCertificateError)
    if protocols:
        context.set_alpn_protos(list(protocols))
    return context


class BackendContexts:
    """The ways to trust of one configuration, each made once: the system's roots take their time to read.

    Args:
        previous: those of the configuration in force. A way with the same content is taken of them, until `settle`.
    """

    def __init__(self, previous: BackendContexts | None = None) -> None:
        self._made: dict[str, BackendTls] = {}  # by the fingerprint of their content
        self._kept: Mapping[str, BackendTls] = {} if previous is None else previous._made
        self._fingerprints = Fingerprints()
        self._system_roots = system_roots.state()

    def of(self, settings: BackendHttpSettings | BackendSettings) -> BackendTls:
        """How TLS is spoken under settings of HTTP, or of L4, which always verify and offer a protocol by connection.

        Raises:
            ClientCertificateError: the gateway's own certificate is none that OpenSSL shows.
        """
        asked = _asked(settings)
        own = settings.trusted_root_certificates
        key = self._fingerprints.of((own or self._system_roots, *asked.values()))
        made = self._made.get(key) or self._kept.get(key)
        if made is None:
            made = BackendTls.trusting([root for trusted in own for root in trusted.certificates], **asked)
        self._made[key] = made
        return made

    def settle(self) -> None:
        """Takes nothing more of the previous ones."""
        self._kept = {}


def _asked(settings: BackendHttpSettings | BackendSettings) -> dict[str, Any]:
    """What `BackendTls.trusting` gets besides the roots."""
    if isinstance(settings, BackendSettings):
        return {}
    return {
        "validate_chain": settings.validate_cert_chain_and_expiry,
        "validate_name": settings.validate_sni,
        "certificate": settings.client_ssl_certificate,
        "protocols": HTTP_PROTOCOLS,
    }


class _Notes:
    """What the verify callback of one handshake noted."""

    def __init__(self) -> None:
        self.reason = ""


class _ServerCheck:
    """The server of one handshake, as client.ServerCheck says."""

    def __init__(self, tls: BackendTls, context: SSL.Context, identity: ServerIdentity) -> None:
        self.tls = SSL.Connection(context, None)
        self._notes = _Notes()
        self._validate_name = tls.validate_name
        self._mismatch = tls.mismatch
        self._identity = identity
        self.tls.set_app_data(self._notes)  # not this: they would keep each other alive
        self.tls.set_connect_state()
        if identity.name:
            self.tls.set_tlsext_host_name(identity.name.encode())

    @property
    def reason(self) -> str:
        """Why the server's certificates were refused."""
        return self._notes.reason

    def refusal(self) -> str:
        """Why the server is not the one that was wanted."""
        if self.reason:
            return self.reason
        if not self._validate_name:
            return ""
        certificate = self.tls.get_peer_certificate()
        if certificate is None:
            return "the server sent no certificate"
        return self._mismatch(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate), self._identity)


def _note(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
    """OpenSSL's verify callback: OpenSSL decides, and its first reason is kept."""
    notes: _Notes = connection.get_app_data()
    if not ok and not notes.reason:
        which = f"certificate {depth} above the server's" if depth else "the server's certificate"
        notes.reason = f"{which}: {REASONS.get(error, UNKNOWN)}"
    return bool(ok)


def _trust(context: SSL.Context, roots: Sequence[Certificate]) -> None:
    if not roots:
        context.set_default_verify_paths()
        return
    store = context.get_cert_store()
    if store is None:
        raise AssertionError("a new context has a store")
    for root in roots:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, root.der))
