"""Checks across sections for the CAs that profiles trust."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem
from agwtwisted.core.certificates.der import SEQUENCE, encoded
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.resources.resources import ClientAuth, SslProfile
from agwtwisted.core.sections.settings import in_file_order


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def key_of(certificate: Certificate) -> bytes:
    """The identity of a CA over renewals of its certificate: its public key, in DER."""
    return certificate.public_key


def _too_many_client_authorities(draft: Draft) -> Iterator[Problem]:
    """A file that several sections name counts once."""
    first_of_file = {row.get("file"): row for row in reversed(draft.of("trusted_client_certificate", "file"))}
    rows = in_file_order(first_of_file.values())
    most = limits.CLIENT_CAS_PER_GATEWAY.highest
    if len(rows) > most:
        message = f"is one of {len(rows)}: a gateway has at most {most} trusted client certificates"
        yield rows[most].problem(message, code=limits.CLIENT_CAS_PER_GATEWAY.code)


def _public_authorities(draft: Draft) -> Iterator[Problem]:
    """Public roots, where any certificate under them is accepted."""
    for profile in draft.profiles:
        if profile.value.client_auth is not ClientAuth.STRICT or profile.value.verify_client_cert_issuer_dn:
            continue
        for trusted in profile.value.trusted_client_certificates:
            if key_of(trusted.chain.root) in draft.system_roots():
                yield profile.row.warning(
                    f"the root of {trusted.name} is one that this machine trusts for servers, too: a client with any"
                    " certificate under it is accepted, unless verify_client_cert_issuer_dn = true",
                    key="trusted_client_certificates",
                )


def _no_root_in_its_time(draft: Draft) -> Iterator[Problem]:
    """Profiles that refuse every client until a root is replaced; the gateway starts nevertheless, for the other
    profiles.
    """
    now = draft.now
    if now is None:
        return
    for profile in draft.profiles:
        roots = [trusted.chain.root for trusted in profile.value.trusted_client_certificates]
        if roots and not any(root.not_before <= now <= root.not_after for root in roots):
            yield profile.row.warning(
                "every root that it trusts has expired or is not valid yet: every client's certificate is refused",
                key="trusted_client_certificates",
            )


def names_of(profile: SslProfile) -> Mapping[bytes, Certificate]:
    """The names (DER) that a listener of this profile sends for clients to choose a certificate by, each once."""
    if profile.client_auth is not ClientAuth.STRICT or not profile.advertise_ca_names:
        return {}
    chains = [trusted.chain for trusted in profile.trusted_client_certificates]
    return {encoded(SEQUENCE, each.subject): each for chain in chains for each in chain.authorities}


def _names_that_do_not_fit(draft: Draft) -> Iterator[Problem]:
    """Names of CAs that are too large for a handshake, or for some clients."""
    for profile in draft.profiles:
        names = names_of(profile.value)
        size = sum(len(name) + 2 for name in names)
        said = f"the {len(names)} names of its CAs, which are sent in every handshake, have {size} bytes"
        remedy = "advertise_ca_names = false sends none, or trust fewer CAs"
        if size > limits.CA_NAMES_BYTES.highest:
            fault = f"{limits.CA_NAMES_BYTES.highest} are the limit of TLS: every handshake would fail"
            yield profile.row.problem(f"{said}; {fault}; {remedy}", key="trusted_client_certificates")
        elif size > limits.CA_NAMES_IN_ONE_RECORD.highest:
            fault = "small clients, with room for one record of 16384 bytes, end the handshake"
            yield profile.row.warning(f"{said}; {fault}; {remedy}", key="trusted_client_certificates")


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _too_many_client_authorities,
    _public_authorities,
    _no_root_in_its_time,
    _names_that_do_not_fit,
)
