"""Where the lists about a certificate may be fetched by the rules of a profile, before any lookup of names.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.destinations import destination, hindrance
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.crl_status import NO_LIST, CrlSubject
from agwtwisted.core.revocation.status import (
    CouldNotAsk,
    Good,
    NoAnswer,
    RevocationStatus,
    Revoked,
    Unreachable,
    Unusable,
)
from agwtwisted.revocation.crl_download import DownloadRules
from agwtwisted.revocation.crl_retrieval import ListPlace

MAX_PLACES: Final = 3
"""Distribution points of one certificate that are asked in turn."""

MAX_URLS: Final = 16
"""URLs of one certificate that are considered."""

NO_POINT: Final = Unreachable("the certificate names no distribution point that can be asked, and no CRL is held")


@attrs.frozen(kw_only=True)
class Places:
    """Where a list is asked for, and why not elsewhere."""

    open: tuple[ListPlace, ...]
    hindrances: tuple[str, ...]  # of those that are not asked


def rules_of(profile: SslProfile) -> DownloadRules:
    """Within which bounds a profile has lists downloaded."""
    return DownloadRules(
        networks=profile.ocsp_allowed_networks,
        ports=profile.ocsp_allowed_ports,
        most=profile.crl_max_bytes,
        seconds=profile.crl_timeout,
    )


def places_of(about: CrlSubject, issuer: bytes, profile: SslProfile) -> Places:
    """The distribution points of a certificate in their order, each once; those of LDAP are passed over."""
    hindrances: list[str] = []
    return Places(open=tuple(_places(about, issuer, profile, hindrances)), hindrances=tuple(hindrances))


def _places(about: CrlSubject, issuer: bytes, profile: SslProfile, hindrances: list[str]) -> Iterator[ListPlace]:
    count, rules = 0, rules_of(profile)
    for url in about.urls[:MAX_URLS]:
        try:
            where = destination(url)
        except UnacceptableError:
            continue
        if reason := hindrance(url, profile.ocsp_allowed_networks, profile.ocsp_allowed_ports):
            hindrances.append(f"the distribution point {url[:200]} {reason}")
            continue
        count += 1
        if count <= MAX_PLACES:
            yield ListPlace(destination=where, issuer=issuer, rules=rules, profile=profile.name)


def answer_of(status: Good | Revoked | Unusable, failures: list[NoAnswer], places: Places) -> RevocationStatus:
    """What is known where nothing more can be asked now: of several failures one of our own counts first."""
    if not isinstance(status, Unusable):
        return status
    for failure in failures:
        if isinstance(failure, CouldNotAsk):
            return failure
    if failures:
        return failures[-1]
    if places.hindrances:
        return Unreachable(places.hindrances[0])
    return status if status.reason != NO_LIST.reason else NO_POINT
