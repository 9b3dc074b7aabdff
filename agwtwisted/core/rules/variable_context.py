"""What server variables and conditions are read from: a request, the client that sent it, and the response.

The module that decides about a request makes a `Context` of it; the table of `server_variables` reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TypeVar

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates.attributes import CertificateAttributes, certificate_attributes
from agwtwisted.core.certificates.variables import CertificateVariables, alternative_names
from agwtwisted.core.http.messages import RequestHead, ResponseHead
from agwtwisted.core.identity.clients import Admitted
from agwtwisted.core.rules.variable_values import listed

T = TypeVar("T")


@value
class Context:
    """What server variables are read from: a request, who sent it, and the response once there is one."""

    head: RequestHead
    client: Admitted
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

    @property
    def attributes(self) -> CertificateAttributes:
        """The single attributes of the client's certificate; none without a certificate."""
        return self._found(_attributes, CertificateAttributes())

    @property
    def uris(self) -> bytes:
        """The URIs of the certificate's subjectAltName."""
        return self._found(_uris, b"")

    @property
    def dns_names(self) -> bytes:
        """Its DNS names."""
        return self._found(_dns_names, b"")

    @property
    def fingerprint_sha256(self) -> bytes:
        """SHA-256 of the certificate, in lower-case hexadecimal."""
        return self._found(_sha256, b"")

    def _found(self, find: Callable[[CertificateVariables], T], nothing: T) -> T:
        """What is found in the client's certificate, looked for once for each client; `nothing` without one."""
        client = self.client
        if client.certificate is None:
            return nothing
        if find not in client.remembered:
            client.remembered[find] = find(client.certificate)
        found: T = client.remembered[find]
        return found


def _attributes(certificate: CertificateVariables) -> CertificateAttributes:
    return certificate_attributes(certificate.der)


def _uris(certificate: CertificateVariables) -> bytes:
    return listed(alternative_names(certificate.der)[0])


def _dns_names(certificate: CertificateVariables) -> bytes:
    return listed(alternative_names(certificate.der)[1])


def _sha256(certificate: CertificateVariables) -> bytes:
    return hashlib.sha256(certificate.der).hexdigest().encode()
