"""What is known of revocation, and how responders do, as `/revocation` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.operations.list_states import ListState
from agwtwisted.core.operations.record_texts import cut, decoded
from agwtwisted.core.operations.shared_store_state import SharedStoreState
from agwtwisted.core.resources.resources import SslProfile, sources_text
from agwtwisted.core.revocation.memory import Subject

MOST_RENEWALS: Final = 100
"""Renewals that are shown, those that are due first."""

MOST_RESPONDERS: Final = 100
"""Responders that are shown, those asked last."""


@attrs.frozen(kw_only=True)
class KnownAnswers:
    """How many certificates something is known about, by what it is."""

    good: int = 0
    revoked: int = 0
    unknown: int = 0
    unproven: int = 0  # stored, or from another process, and proven once the certificate is seen


@attrs.frozen(kw_only=True)
class ResponderState:
    """One responder. Times are seconds since 1970; None: it never failed."""

    address: str  # host:port
    circuit: str  # closed | open | half-open
    waiting: int = 0  # requests that wait for their turn
    under_way: int = 0
    failures: int = 0  # of requests since it is known
    last_failure: float | None = None
    last_error: str = ""

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        last = self.last_failure
        return {
            "address": cut(self.address),
            "circuit": self.circuit,
            "failures": self.failures,
            "last_failure": None if last is None else utc_text(last),
            "last_error": cut(self.last_error) if self.last_error else None,
            "waiting": self.waiting,
            "under_way": self.under_way,
        }


@attrs.frozen(kw_only=True)
class NextRenewal:
    """A held answer that is asked for again; times are seconds since 1970."""

    subject: Subject = attrs.field(repr=False)
    next_update: float
    renewal: float

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        variables = certificate_variables(self.subject[0])
        return {
            "serial": cut(decoded(variables.serial)),
            "issuer": cut(decoded(variables.logged_issuer)),
            "status": "good",
            "next_update": utc_text(self.next_update),
            "renewal": utc_text(self.renewal),
        }


def revocation_members(
    *,
    profiles: Iterable[SslProfile],
    answers: KnownAnswers,
    questions: Mapping[str, int],
    cache_hits: int,
    let_in: int,
    responders: Iterable[ResponderState],
    lists: Iterable[ListState],
    store: SharedStoreState | None,
    renewals: Iterable[NextRenewal],
) -> Mapping[str, Any]:
    """The members of `/revocation`.

    Args:
        profiles: that ask.
        answers: in memory.
        questions: to responders so far, by their outcome.
        cache_hits: statuses that were known without a question.
        let_in: clients that were let in without a status (`ocsp_unavailable = Allow`).
        responders: that were asked.
        lists: of revoked certificates, in force.
        store: that gateways share; None: there is none.
        renewals: the next ones.
    """
    return {
        "profiles": [_profile(each) for each in profiles],
        "answers": attrs.asdict(answers),
        "questions": dict(sorted(questions.items())),
        "cache_hits": cache_hits,
        "let_in_without_status": let_in,
        "responders": [each.members() for each in responders],
        "lists": [each.members() for each in lists],
        "shared_store": None if store is None else store.members(),
        "next_renewals": [each.members() for each in renewals],
    }


def _profile(profile: SslProfile) -> Mapping[str, Any]:
    return {
        "name": profile.name,
        "verify_client_revocation": sources_text(profile.verify_client_revocation),
        "ocsp_unavailable": profile.ocsp_unavailable.value,
        "ocsp_scope": profile.ocsp_scope.value,
        "ocsp_responder_url": profile.ocsp_responder_url or None,
        "ocsp_timeout": profile.ocsp_timeout,
        "crl_unavailable": profile.crl_unavailable.value,
        "crl_scope": profile.crl_scope.value,
        "crl_files": [each.path for each in profile.crl_files],
        "crl_timeout": profile.crl_timeout,
    }
