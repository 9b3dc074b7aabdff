"""Who the client of a connection is: admitted or turned away.

What a handshake has shown is a `PendingClient`. `identify` alone makes a `Client` of it, which is `Admitted` or
`TurnedAway`, and only `Admitted` can be forwarded: the functions that choose a backend, write the headers about a
client or read the variables of its certificate take no other type. For the gate, the revalidation, the ports and
whatever decides about requests.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import cached_property
from math import inf
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates.variables import CertificateVariables
from agwtwisted.core.listening.proxy_protocol import Endpoint
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Missing,
    NotAsked,
    Refused,
    Refusing,
    StrictVerdict,
    Trusted,
    Unchecked,
    Verdict,
    admits,
)


class RevocationSource(Enum):
    """Where the revocation status of a client's certificate comes from (`verify_client_revocation`)."""

    OCSP = "OCSP"
    CRL = "CRL"

    __hash__ = object.__hash__  # that of an Enum is computed in Python


class NoSource(Enum):
    """No source of revocation status has said anything about a client."""

    NONE = ""


DecidingSource: TypeAlias = RevocationSource | NoSource
"""The source that has decided about a client: the access log's ``revocationSource``."""


class ClientRevocationStatus(Enum):
    """What was found about the revocation of a client's certificate: the access log's ``revocationStatus``."""

    NOT_CHECKED = "not-checked"
    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"
    UNAVAILABLE_ALLOWED = "unavailable-allowed"
    NOT_ASKED = "not-asked"


def _unknown() -> bytes:
    return b""


@value(kw_only=True)
class ClientConnection:
    """The facts about a client's connection: they do not depend on the decision about the client."""

    address: str
    port: int
    gateway_port: int = 0  # that accepted the connection
    tls_version: str = ""  # "TLSv1.3"; empty on plain HTTP
    cipher: str = ""  # OpenSSL's name
    server_name: str = ""  # SNI, lower case
    protocol: bytes = b""  # agreed on by ALPN; looked at on L4, and where HTTP/2 may be spoken
    reached: Endpoint | None = None  # the destination that a proxy ahead names; None: the gateway's own address
    offered_suites: bytes = b""  # of the ClientHello: `core.tls.client_hello`
    ja4: bytes = b""  # its fingerprint: `core.tls.ja4`; empty on L4 and without TLS
    session_reused: bool = False  # whether its handshake resumed a TLS session
    tcp_rtt: Callable[[], bytes] = attrs.field(default=_unknown, eq=False, repr=False)
    """The round-trip time in microseconds as it is now; empty where the system does not have it."""

    def after_handshake(
        self,
        *,
        tls_version: str,
        cipher: str,
        server_name: str,
        protocol: bytes,
        offered_suites: bytes,
        ja4: bytes,
        session_reused: bool,
    ) -> ClientConnection:
        """The same with what the handshake has shown."""
        return ClientConnection(
            address=self.address,
            port=self.port,
            gateway_port=self.gateway_port,
            tls_version=tls_version,
            cipher=cipher,
            server_name=server_name,
            protocol=protocol,
            reached=self.reached,
            offered_suites=offered_suites,
            ja4=ja4,
            session_reused=session_reused,
            tcp_rtt=self.tcp_rtt,
        )


@attrs.frozen(kw_only=True)
class CertificateProof:
    """What a handshake has shown of the client's certificate, and the verdicts on it.

    The certificate proves the client's identity only if a verdict says so. Other kinds of proof belong beside this one.
    """

    verdict: Verdict  # by the listener's SSL profile
    strict_verdict: StrictVerdict = UNJUDGED  # by a Strict profile with the same CAs: for paths that require it
    certificate: CertificateVariables | None = None
    chain_der: tuple[bytes, ...] = ()  # the chain after the leaf, as far as it was verified, for RFC 9440
    until: float = inf  # the end of the certificates' validity where either verdict is Trusted, in seconds since 1970

    def strict(self) -> CertificateProof:
        """The same with the verdict of a Strict profile."""
        return self if isinstance(self.verdict, Trusted) else attrs.evolve(self, verdict=self.strict_verdict)

    @cached_property
    def _identity(self) -> Identity:
        """For `Admitted` alone: one object for all connections of a client."""
        verdict = self.verdict
        certificate = self.certificate if isinstance(verdict, Trusted | Unchecked) else None
        return Identity(
            verdict=verdict, certificate=certificate, chain_der=self.chain_der if isinstance(verdict, Trusted) else ()
        )


NO_PROOF: Final = CertificateProof(verdict=NotAsked())
"""Of a client that was asked for no certificate."""


@attrs.frozen(kw_only=True)
class RevocationFinding:
    """What a check of revocation says about a client whose certificate was verified."""

    status: ClientRevocationStatus
    source: DecidingSource = NoSource.NONE  # which has said it
    refusal: Refused | None = None
    until: float = inf  # when the finding has to be made again, in seconds since 1970
    ocsp_status: ClientRevocationStatus = attrs.field()
    """The same for who knows OCSP alone, as the access log's ``ocspStatus``: what OCSP has decided, or was asked for
    where nothing was decided; else *not checked*."""

    @ocsp_status.default
    def _of_ocsp(self) -> ClientRevocationStatus:
        return ClientRevocationStatus.NOT_CHECKED if self.source is RevocationSource.CRL else self.status


NOT_CHECKED: Final = RevocationFinding(status=ClientRevocationStatus.NOT_CHECKED)
"""Where the SSL profile asks for no check of revocation, or nothing was verified that could be checked."""


@attrs.frozen(kw_only=True)
class PendingClient:
    """A client after its handshake, before the decision about it: nothing is done for it."""

    connection: ClientConnection
    proof: CertificateProof

    def strict(self) -> PendingClient:
        """The same for a path that requires a certificate: with the verdict of a Strict profile."""
        return attrs.evolve(self, proof=self.proof.strict())


class NotAdmittedError(ValueError):
    """`Admitted` or `Identity` was to be made with a verdict that turns the client away."""


def _check_admits(verdict: Verdict) -> None:
    if not admits(verdict):
        raise NotAdmittedError(f"with this verdict a client is turned away: {verdict}")


@attrs.frozen(kw_only=True, cache_hash=True)
class Identity:
    """What backends may know about the certificate of an admitted client; made by `Admitted`.

    Raises:
        NotAdmittedError: the verdict does not admit.
    """

    verdict: Verdict
    certificate: CertificateVariables | None = None  # verified, or shown where none is verified
    chain_der: tuple[bytes, ...] = ()  # the verified chain after the leaf, its trust anchor included

    def __attrs_post_init__(self) -> None:
        _check_admits(self.verdict)


@attrs.frozen(kw_only=True)
class Admitted:
    """A client whose requests or bytes may go to backends; made by `identify`.

    Raises:
        NotAdmittedError: the verdict of the proof does not admit.
    """

    connection: ClientConnection
    proof: CertificateProof
    revocation_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED
    revocation_source: DecidingSource = NoSource.NONE
    ocsp_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED  # as a `RevocationFinding` has it
    until: float = inf  # the end of a Trusted verdict, in seconds since 1970: then the client is revalidated
    remembered: dict[Any, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)
    """What was computed from this client once, each by its own key."""

    def __attrs_post_init__(self) -> None:
        _check_admits(self.proof.verdict)

    @property
    def verdict(self) -> Verdict:
        """The verdict that admits the client."""
        return self.proof.verdict

    @property
    def pending(self) -> PendingClient:
        """The client as its handshake left it, to be judged again."""
        return PendingClient(connection=self.connection, proof=self.proof)

    @property
    def finding(self) -> RevocationFinding:
        """What was found about its revocation."""
        return RevocationFinding(
            status=self.revocation_status, source=self.revocation_source, ocsp_status=self.ocsp_status
        )

    @property
    def certificate(self) -> CertificateVariables | None:
        """The certificate that backends and conditions may know: verified, or shown where none is verified."""
        proof = self.proof
        return proof.certificate if isinstance(proof.verdict, Trusted | Unchecked) else None

    @property
    def identity(self) -> Identity:
        """What backends may know about the certificate."""
        return self.proof._identity

    def anonymous(self) -> Admitted:
        """The client on a path that ignores certificates; made once."""
        known: Admitted | None = self.remembered.get(NO_PROOF)
        if known is None:
            known = self.remembered[NO_PROOF] = Admitted(
                connection=self.connection,
                proof=NO_PROOF,
                revocation_status=self.revocation_status,
                revocation_source=self.revocation_source,
                ocsp_status=self.ocsp_status,
            )
        return known


@attrs.frozen(kw_only=True)
class TurnedAway:
    """A client of which nothing reaches a backend; made by `identify`."""

    connection: ClientConnection
    proof: CertificateProof
    verdict: Refusing
    revocation_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED
    revocation_source: DecidingSource = NoSource.NONE
    ocsp_status: ClientRevocationStatus = ClientRevocationStatus.NOT_CHECKED  # as a `RevocationFinding` has it
    remembered: dict[Any, Any] = attrs.field(factory=dict, init=False, eq=False, repr=False)


Client: TypeAlias = Admitted | TurnedAway


def identify(pending: PendingClient, finding: RevocationFinding) -> Client:
    """The decision about a client, by what its handshake has shown and by what is known of the revocation.

    A refusal by either is final; only a Trusted client has an end to its verdict.
    """
    proof, verdict = pending.proof, pending.proof.verdict
    refusal = verdict if isinstance(verdict, Missing | Refused) else finding.refusal
    if refusal is not None:
        return TurnedAway(
            connection=pending.connection,
            proof=proof,
            verdict=refusal,
            revocation_status=finding.status,
            revocation_source=finding.source,
            ocsp_status=finding.ocsp_status,
        )
    return Admitted(
        connection=pending.connection,
        proof=proof,
        revocation_status=finding.status,
        revocation_source=finding.source,
        ocsp_status=finding.ocsp_status,
        until=min(proof.until, finding.until) if isinstance(verdict, Trusted) else inf,
    )


def unauthenticated(connection: ClientConnection) -> Admitted:
    """A client that was asked for no certificate, as on a listener without TLS."""
    return Admitted(connection=connection, proof=NO_PROOF)
