"""Which sources of revocation status are asked about a certificate, in which order, and what they say together.

The order of `verify_client_revocation` is one of preference: *good* and *revoked* of a source end the search, anything
else goes on to the next one. That a source has proven *revoked* binds whatever the order: the service sees to that.
Callers: the revocation service, and the check of a connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable, SslProfile
from agwtwisted.core.revocation.finding import severity
from agwtwisted.core.revocation.status import Good, RevocationStatus, Revoked, Unusable

_ENDING: Final = (Good, Revoked)  # made once: it is looked at for every handshake


def sources_of(profile: SslProfile, *, is_leaf: bool) -> tuple[RevocationSource, ...]:
    """The sources that are asked about the client's own certificate, or about an intermediate of its chain.

    Each source has a scope of its own (`ocsp_scope`, `crl_scope`).
    """
    scopes = {RevocationSource.OCSP: profile.ocsp_scope, RevocationSource.CRL: profile.crl_scope}
    listed = profile.verify_client_revocation
    return listed if is_leaf else tuple(each for each in listed if scopes[each] is RevocationScope.CHAIN)


def allows_unavailable(profile: SslProfile) -> bool:
    """Whether a client is let in whose status is unavailable: every source of the profile has to allow it."""
    allow = RevocationUnavailable.ALLOW
    unavailable = {RevocationSource.OCSP: profile.ocsp_unavailable, RevocationSource.CRL: profile.crl_unavailable}
    listed = profile.verify_client_revocation
    return bool(listed) and all(unavailable[each] is allow for each in listed)


def ends(status: RevocationStatus) -> bool:
    """Whether a source's word ends the search.

    *Unknown* does not: another source may know the certificate (RFC 6960 section 2.2).
    """
    return isinstance(status, _ENDING)


def undecided(statuses: Iterable[RevocationStatus]) -> RevocationStatus:
    """What follows where no source has said *good* or *revoked*: *unknown* weighs most, then that one was not asked."""
    return max(statuses, key=severity, default=Unusable("no source of revocation status is asked about it"))
