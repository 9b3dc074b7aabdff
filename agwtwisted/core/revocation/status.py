"""What can be known about the revocation of one certificate: three answers, and three ways in which there is none.

These values pass between the sources of revocation status, the memory and the finding. They do not depend on OCSP:
CRLs give the same values, and those that say something name their source.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from agwtwisted.core.identity.clients import RevocationSource


@attrs.frozen
class Good:
    """The issuer says that the certificate is not revoked; believed until `until` (seconds since 1970)."""

    until: float
    source: RevocationSource = attrs.field(default=RevocationSource.OCSP, kw_only=True)


@attrs.frozen
class Revoked:
    """The issuer says that the certificate is revoked, since `at`; worth asking again after `until`.

    Believed without end, until a newer answer says otherwise.
    """

    at: float
    reason: str
    until: float
    source: RevocationSource = attrs.field(default=RevocationSource.OCSP, kw_only=True)
    invalidity_date: float | None = attrs.field(default=None, kw_only=True)
    """When the key is thought to have been compromised (RFC 5280 section 5.3.2); None: the issuer does not say."""


@attrs.frozen
class Unknown:
    """The issuer does not know the certificate: an answer, and no good one."""

    source: RevocationSource = attrs.field(default=RevocationSource.OCSP, kw_only=True)


CertStatus: TypeAlias = Good | Revoked | Unknown
"""What an issuer says about a certificate (RFC 6960 section 4.2.1, CertStatus)."""


@attrs.frozen
class Unusable:
    """There was a response, and it proves nothing."""

    reason: str


@attrs.frozen
class Unreachable:
    """There was no response; `was_asked`: to this very question, and not only to others a moment ago."""

    reason: str
    was_asked: bool = attrs.field(default=True, kw_only=True)


@attrs.frozen
class CouldNotAsk:
    """The question was not sent, because the gateway lacked something of its own: a descriptor, memory, a free slot.

    It says nothing about the certificate and nothing about its responder, so that neither `ocsp_unavailable` nor
    `crl_unavailable` applies.
    """

    reason: str


NoAnswer: TypeAlias = Unusable | Unreachable | CouldNotAsk
"""Why there is no answer."""

RevocationStatus: TypeAlias = CertStatus | NoAnswer
"""What is known about a certificate, or why nothing is."""
