"""What server variables and conditions are read from: a request, the client that sent it, and the response.

Whoever decides about a request makes a `Context` of it; the table of `server_variables` reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property
from typing import Any

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates.attributes import CertificateAttributes, certificate_attributes
from agwtwisted.core.certificates.variables import CertificateVariables, alternative_names
from agwtwisted.core.http.messages import RequestHead, ResponseHead
from agwtwisted.core.identity.peer import Peer
from agwtwisted.core.rules.variable_values import listed
from agwtwisted.core.verification.verdicts import Trusted, Unchecked


def nothing() -> bytes:
    """Of what the gateway does not know."""
    return b""


@attrs.frozen(kw_only=True, eq=False)
class Client:
    """What server variables tell of a connection; one for all of its requests."""

    peer: Peer
    port: int  # the gateway's, that accepted the connection
    offered_suites: bytes = b""  # of its ClientHello: `core.tls.client_hello`
    tcp_rtt: Callable[[], bytes] = nothing  # in microseconds, as it is now
    remembered: dict[Any, Any] = attrs.field(factory=dict, init=False, repr=False)
    """What conditions and variables have found in the names of the certificate, each by its own key."""

    def judged_as(self, peer: Peer) -> Client:
        """The same client as a path takes it that judges it in another way; made once, for what it remembers."""
        known: Client | None = self.remembered.get("judged as")
        if known is None or known.peer != peer:
            known = self.remembered["judged as"] = attrs.evolve(self, peer=peer)
        return known

    @cached_property
    def certificate(self) -> CertificateVariables | None:
        """The client's certificate, if it was verified, or nobody is asked to verify it."""
        return self.peer.certificate if isinstance(self.peer.verdict, Trusted | Unchecked) else None

    @cached_property
    def attributes(self) -> CertificateAttributes:
        """The certificate's single attributes; none without a certificate."""
        return CertificateAttributes() if self.certificate is None else certificate_attributes(self.certificate.der)

    @cached_property
    def uris(self) -> bytes:
        """The URIs of the certificate's subjectAltName."""
        return b"" if self.certificate is None else listed(alternative_names(self.certificate.der)[0])

    @cached_property
    def dns_names(self) -> bytes:
        """Its DNS names."""
        return b"" if self.certificate is None else listed(alternative_names(self.certificate.der)[1])

    @cached_property
    def fingerprint_sha256(self) -> bytes:
        """SHA-256 of the certificate, in lower-case hexadecimal."""
        return b"" if self.certificate is None else hashlib.sha256(self.certificate.der).hexdigest().encode()


@value
class Context:
    """What server variables are read from: a request, who sent it, and the response once there is one."""

    head: RequestHead
    client: Client
    response: ResponseHead | None = None
    received_bytes: int = 0  # of the request, its body included; 0: the head alone is there
    sent_bytes: int = 0
    normalised_target: bytes | None = (
        None  # path and query, where the site brings paths into one form (`core.http.paths`)
    )

    @property
    def target(self) -> bytes:
        """Path and query, the path in the form that the site matches and forwards."""
        return self.head.target if self.normalised_target is None else self.normalised_target
