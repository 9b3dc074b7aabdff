"""Warnings about the certificates of a configuration: what clients or servers will refuse, now or soon.

Those made here are about a plan, which is valid, and a time; `loading` adds them to the other warnings. What single
files show (`sections.sources`) is warned of there. Each kind of them has a
name, by which programs know it, and a row in docs/reference/warnings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.errors import Problem, Severity, shown
from agwtwisted.core.base.warning_kinds import WarningKind
from agwtwisted.core.certificates import extensions
from agwtwisted.core.certificates.attributes import certificate_attributes
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.public_keys import public_key
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.certificates.signature_algorithms import has_weak_digest
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.operations.certificates_in_force import ENDS_SOON, certificates_in_force
from agwtwisted.core.plan.plan import Plan, in_use, title_of
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.resources.resources import BackendHttpSettings, HttpListener, Listener
from agwtwisted.core.revocation.stapling import NotStapled, is_demanded, subject_of
from agwtwisted.core.sections.sources import INCOMPLETE, OUT_OF_DATE

T = TypeVar("T")

MOST_NAMES: Final = 10
"""Names that a message lists."""


ENDING: Final = WarningKind(
    name="certificate-ends-soon",
    meaning=(
        f"A certificate in use ends within {ENDS_SOON} days: of a listener, a trusted CA, a root for backends, or the"
        " gateway's own for backends."
    ),
    remedy="Renew it, and reload, or let watch_files do so.",
)
LATE: Final = WarningKind(
    name=OUT_OF_DATE,
    meaning="A certificate of a file that the configuration names has expired, or is not valid yet.",
    remedy="Renew it, or set the clock.",
)
ALONE: Final = WarningKind(
    name=INCOMPLETE,
    meaning="A server certificate is alone in its file and was issued by another: clients may find no path to a root.",
    remedy="Append the certificate of its issuer.",
)
UNCOVERED: Final = WarningKind(
    name="host-name-not-covered",
    meaning=(
        "A listener has a host name that no DNS name in its certificate's subjectAltName covers (RFC 6125): clients"
        " ignore the common name, and * in a certificate stands for one label."
    ),
    remedy="Have the certificate issued for these names, or give the listener the certificate that has them.",
)
NOT_FOR_SERVERS: Final = WarningKind(
    name="certificate-not-for-servers",
    meaning="A listener's certificate has an extendedKeyUsage without serverAuth: clients refuse it.",
    remedy="Have it issued with extendedKeyUsage serverAuth.",
)
NOT_FOR_CLIENTS: Final = WarningKind(
    name="certificate-not-for-clients",
    meaning="A client_ssl_certificate has an extendedKeyUsage without clientAuth: servers refuse it.",
    remedy="Have it issued with extendedKeyUsage clientAuth.",
)
NO_SIGNATURES: Final = WarningKind(
    name="certificate-cannot-sign",
    meaning="A certificate of the gateway has a keyUsage without digitalSignature, which TLS 1.3 and ECDHE need.",
    remedy="Have it issued with keyUsage digitalSignature.",
)
WEAK_KEY: Final = WarningKind(
    name="weak-key",
    meaning=(
        "A certificate that the gateway sends has a key that is refused as too short: RSA below 2048 bits, EC below"
        " 224. OpenSSL takes such a certificate where the profile has allow_weak; elsewhere it stops the start."
    ),
    remedy="Make a new key, and have a certificate issued for it.",
)
WEAK_SIGNATURE: Final = WarningKind(
    name="weak-signature",
    meaning=(
        "A certificate that the gateway sends is signed over SHA-1 or MD5, which is refused. What a root has signed"
        " itself with does not count."
    ),
    remedy="Have it issued again over SHA-256.",
)

MUST_STAPLE: Final = WarningKind(
    name="must-staple",
    meaning=(
        "A listener's certificate demands a stapled OCSP response (RFC 7633), and has none at times, or never: clients"
        " that heed that refuse the handshake."
    ),
    remedy=(
        "Have its issuer's certificate in its file, ocsp_stapling on, and a state_directory, so that a restart begins"
        " with the last response."
    ),
)

KINDS: Final = (
    ENDING,
    LATE,
    ALONE,
    UNCOVERED,
    NOT_FOR_SERVERS,
    NOT_FOR_CLIENTS,
    NO_SIGNATURES,
    WEAK_KEY,
    WEAK_SIGNATURE,
    MUST_STAPLE,
)
"""All of them, for the reference page."""


def certificate_warnings(plan: Plan, now: datetime) -> tuple[Problem, ...]:
    """The warnings about the certificates in use at a time (aware), in the order of the file.

    Their texts do not change from day to day: a reload logs those that are new.
    """
    found = [*_ending(plan, now), *_of_listeners(plan), *_of_settings(plan)]
    return tuple(sorted(dict.fromkeys(found), key=lambda problem: problem.place))


def _warning(plan: Plan, kind: WarningKind, section: str, key: str, message: str) -> Problem:
    return Problem(
        place=plan.origins.place(section, key),
        section=section,
        key=key,
        name=kind.name,
        message=message,
        severity=Severity.WARNING,
    )


def _ending(plan: Plan, now: datetime) -> Iterator[Problem]:
    for each in certificates_in_force(plan):
        if now <= each.not_after < now + timedelta(days=ENDS_SOON):
            key = "certificate_file" if each.kind == "ssl_certificate" else "file"
            message = f"{shown(each.subject)} ends on {each.not_after:%Y-%m-%d}, in fewer than {ENDS_SOON} days"
            yield _warning(plan, ENDING, f"{each.kind} {each.name}", key, message)


def _of_listeners(plan: Plan) -> Iterator[Problem]:
    listeners: tuple[HttpListener | Listener, ...] = (*plan.config.http_listeners, *plan.config.listeners)
    for listener in listeners:
        certificate = listener.ssl_certificate
        if certificate is not None:
            yield from _uncovered(plan, listener, certificate)
            yield from _unfit(plan, certificate, NOT_FOR_SERVERS, extensions.SERVER_AUTH, "serverAuth")
            yield from _unstapled(plan, certificate)


def _unstapled(plan: Plan, certificate: SslCertificate) -> Iterator[Problem]:
    """What is wrong with a certificate that demands a staple."""
    if not is_demanded(certificate):
        return
    subject = subject_of(certificate)
    demands = "it demands an OCSP response in each handshake (must-staple)"
    if isinstance(subject, NotStapled):
        message = f"{demands}, and has none: {subject.reason}"
        yield _warning(plan, MUST_STAPLE, title_of(certificate), "certificate_file", message)
    elif plan.gateway.state_directory is None:
        message = f"{demands}: without state_directory in [gateway] each start begins without one"
        yield _warning(plan, MUST_STAPLE, title_of(certificate), "certificate_file", message)


def _of_settings(plan: Plan) -> Iterator[Problem]:
    for settings in in_use(plan.config).values():
        if isinstance(settings, BackendHttpSettings) and settings.client_ssl_certificate is not None:
            certificate = settings.client_ssl_certificate
            yield from _unfit(plan, certificate, NOT_FOR_CLIENTS, extensions.CLIENT_AUTH, "clientAuth")


def _uncovered(plan: Plan, listener: HttpListener | Listener, certificate: SslCertificate) -> Iterator[Problem]:
    names = tuple(each.decode() for each in certificate_attributes(_ders(certificate)[0]).dns_names)
    missing = [name for name in listener.host_names if not any(covers(each, name) for each in names)]
    if not missing:
        return
    has = f"has {_listed(names)}" if names else "has no DNS names in subjectAltName: clients ignore the common name"
    yield _warning(
        plan,
        UNCOVERED,
        title_of(listener),
        "host_names",
        f"{_listed(missing)} is not covered by the certificate {certificate.name}, which {has}",
    )


def covers(name: str, host_name: str) -> bool:
    """Whether a DNS name of a certificate is one of the host name of a listener, which may have wildcards.

    RFC 6125 section 6.4.3: ``*`` alone, as the first label, stands for one label. A listener's wildcard is covered as
    far as a certificate can: for names with as many labels. Both are A-labels; a name that is not ASCII covers nothing.
    """
    first, _, parent = name.lower().removesuffix(".").partition(".")
    host, _, host_parent = host_name.partition(".")
    return (first == "*" or first == host) and parent == host_parent and bool(parent or first != "*")


def _unfit(plan: Plan, certificate: SslCertificate, kind: WarningKind, purpose: bytes, word: str) -> Iterator[Problem]:
    """What is wrong with a certificate that the gateway sends, for this purpose."""
    read = [each for each in map(certificate_of, _ders(certificate)) if each is not None]
    if not read:
        return
    section, key = title_of(certificate), "certificate_file"
    purposes = _readable(extensions.purposes, read[0])
    if purposes is not None and purpose not in purposes:
        message = f"its extendedKeyUsage has no {word}: it is refused by its peers"
        yield _warning(plan, kind, section, key, message)
    usage = _readable(extensions.key_usage, read[0])
    if usage is not None and not usage & extensions.DIGITAL_SIGNATURE:
        message = "its keyUsage has no digitalSignature, which TLS 1.3 and ECDHE need"
        yield _warning(plan, NO_SIGNATURES, section, key, message)
    for each in read:
        yield from _weak(plan, each, section, key)


def _weak(plan: Plan, certificate: Certificate, section: str, key: str) -> Iterator[Problem]:
    name = shown(certificate_variables(certificate.der).subject.decode() or "(no subject)")
    found = _readable(public_key, certificate)
    if found is not None and found.is_weak:
        message = f"{name} has a key of {found.bits} bits: many peers refuse RSA below 2048 bits and EC below 224"
        yield _warning(plan, WEAK_KEY, section, key, message)
    if certificate.issuer != certificate.subject and _readable(has_weak_digest, certificate):
        yield _warning(plan, WEAK_SIGNATURE, section, key, f"{name} is signed over SHA-1 or MD5: peers refuse it")


def _readable(read: Callable[[Certificate], T], certificate: Certificate) -> T | None:
    try:
        return read(certificate)
    except DerError:
        return None


def _ders(certificate: SslCertificate) -> Sequence[bytes]:
    return [each.public_bytes(Encoding.DER) for each in certificate.certificates]


def _listed(names: Iterable[str]) -> str:
    every = tuple(names)
    more = f" and {len(every) - MOST_NAMES} more" if len(every) > MOST_NAMES else ""
    return ", ".join(every[:MOST_NAMES]) + more
