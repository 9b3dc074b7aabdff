"""The certificates of the configuration in force as `/certificates` shows them: how long each lasts, and what uses it.

Private keys are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import attrs
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.moments import text_of
from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.certificates.variables import CertificateVariables, alternative_names
from agwtwisted.core.operations.record_texts import cut, decoded
from agwtwisted.core.plan.plan import Plan, in_use, title_of
from agwtwisted.core.resources.certificates import SslCertificate, TrustedClientCertificate, TrustedRootCertificate
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    BackendSettings,
    HttpListener,
    Listener,
    SslProfile,
)

CertificateResource: TypeAlias = SslCertificate | TrustedClientCertificate | TrustedRootCertificate

ENDS_SOON: int = 30
"""Days before its end from which on a certificate is reported."""


@attrs.frozen(kw_only=True)
class CertificateInForce:
    """One certificate of a section; `used_by` are the titles of the sections that name it."""

    kind: str  # that of its section
    name: str
    role: str  # end_entity | authority
    subject: str
    issuer: str
    serial: str  # hexadecimal, in upper case
    not_before: datetime
    not_after: datetime
    fingerprint_sha256: str
    dns_names: tuple[str, ...]
    used_by: tuple[str, ...]

    @property
    def is_own(self) -> bool:
        """Whether the gateway has its key, and shows it to clients or servers."""
        return self.kind == "ssl_certificate" and self.role == "end_entity"

    def days_left(self, now: datetime) -> int:
        """Whole days to its end; 0 on its last day, fewer once it has expired."""
        return (self.not_after - now) // timedelta(days=1)

    def members(self, now: datetime) -> Mapping[str, Any]:
        """It as the members of a JSON object, at an aware time."""
        return {
            "kind": self.kind,
            "name": self.name,
            "role": self.role,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "not_before": text_of(self.not_before),
            "not_after": text_of(self.not_after),
            "days_left": self.days_left(now),
            "fingerprint_sha256": self.fingerprint_sha256,
            "dns_names": list(self.dns_names),
            "used_by": list(self.used_by),
        }


def certificates_in_force(plan: Plan) -> tuple[CertificateInForce, ...]:
    """Every certificate in use, those first that end first."""
    users = _Users()
    for title, value in in_use(plan.config).items():
        for resource in _named(value):
            users.add(resource, title)
    found = [each for resource, titles in users.all() for each in _of(resource, tuple(sorted(titles)))]
    return tuple(sorted(found, key=lambda each: (each.not_after, each.kind, each.name, each.fingerprint_sha256)))


class _Users:
    """The titles of the sections that name each resource."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[CertificateResource, list[str]]] = {}  # by identity

    def add(self, resource: CertificateResource, title: str) -> None:
        self._found.setdefault(id(resource), (resource, []))[1].append(title)

    def all(self) -> Iterator[tuple[CertificateResource, list[str]]]:
        yield from self._found.values()


def _named(value: Any) -> Iterator[CertificateResource]:
    """The resources with certificates that a section names."""
    match value:
        case HttpListener() | Listener():
            named: tuple[CertificateResource | None, ...] = (value.ssl_certificate,)
        case SslProfile():
            named = value.trusted_client_certificates
        case BackendHttpSettings():
            named = (*value.trusted_root_certificates, value.client_ssl_certificate)
        case BackendSettings():
            named = value.trusted_root_certificates
        case _:
            named = ()
    yield from (each for each in named if each is not None)


def _of(resource: CertificateResource, used_by: tuple[str, ...]) -> Iterator[CertificateInForce]:
    for index, certificate in enumerate(_certificates(resource)):
        is_leaf = isinstance(resource, SslCertificate) and not index
        yield _row(resource, certificate, "end_entity" if is_leaf else "authority", used_by)


def _certificates(resource: CertificateResource) -> Iterator[Certificate]:
    """The certificates of a resource, each once."""
    match resource:
        case SslCertificate():
            octets = (each.public_bytes(Encoding.DER) for each in resource.certificates)
            yield from (read for read in map(certificate_of, dict.fromkeys(octets)) if read is not None)
        case TrustedClientCertificate():
            chain = resource.chain
            yield from {each.der: each for each in (chain.root, *chain.authorities)}.values()
        case TrustedRootCertificate():
            yield from {each.der: each for each in resource.certificates}.values()


def _row(
    resource: CertificateResource, certificate: Certificate, role: str, used_by: tuple[str, ...]
) -> CertificateInForce:
    variables = CertificateVariables(certificate.der)
    _, dns_names = alternative_names(certificate.der)
    return CertificateInForce(
        kind=title_of(resource).partition(" ")[0],
        name=resource.name,
        role=role,
        subject=cut(decoded(variables.logged_subject)),
        issuer=cut(decoded(variables.logged_issuer)),
        serial=cut(decoded(variables.serial)),
        not_before=certificate.not_before,
        not_after=certificate.not_after,
        fingerprint_sha256=fingerprint_sha256(certificate.der).decode(),
        dns_names=tuple(cut(decoded(name)) for name in dns_names[:MOST_NAMES]),
        used_by=used_by,
    )


MOST_NAMES: int = 100
"""DNS names of one certificate that are shown."""
