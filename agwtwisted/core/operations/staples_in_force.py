"""What is stapled to the gateway's own certificates, as `/certificates` and the metrics show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.revocation.stapling import NotStapled, StapleSubject, subject_of, subjects_of


@attrs.frozen(kw_only=True)
class StapleState:
    """What is known of one certificate now; times are seconds since 1970, None where there is none."""

    names: tuple[str, ...] = ()
    """Of the sections `[ssl_certificate]` that have it."""
    status: str = "none"
    """What clients get: `good`, `revoked`, or `none`."""
    next_update: float | None = None
    """Until when they do."""
    renewal: float | None = None
    """When the responder is asked again."""
    problem: str = ""
    """Why the last request had no answer, or why nothing is asked."""

    def members(self) -> Mapping[str, Any]:
        """It as members of a JSON object."""
        return {
            "ocsp_staple": self.status,
            "ocsp_staple_next_update": None if self.next_update is None else utc_text(self.next_update),
            "ocsp_staple_renewal": None if self.renewal is None else utc_text(self.renewal),
            "ocsp_staple_problem": self.problem or None,
        }


NOT_SHOWN: Final[Mapping[str, Any]] = dict.fromkeys(StapleState().members())
"""The members of a certificate that no listener shows."""


def shown_certificates(plan: Plan) -> tuple[SslCertificate, ...]:
    """The certificates that clients get of the listeners in use, each once."""
    found = (each.ssl_certificate for each in plan.config.served)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def staple_subjects(plan: Plan) -> tuple[StapleSubject, ...]:
    """Those of them whose status can be stapled."""
    return subjects_of(shown_certificates(plan))


def staples_in_force(plan: Plan, states: Iterable[StapleState]) -> Mapping[str, StapleState]:
    """The state of every certificate that a listener shows, by the name of its section.

    Args:
        plan: in force.
        states: what is known of those that are asked about.
    """
    known = {name: state for state in states for name in state.names}
    return {each.name: _state(each, known) for each in shown_certificates(plan)}


def _state(certificate: SslCertificate, known: Mapping[str, StapleState]) -> StapleState:
    subject = subject_of(certificate)
    if isinstance(subject, NotStapled):
        return StapleState(names=(certificate.name,), problem=subject.reason)
    return known.get(certificate.name, StapleState(names=(certificate.name,)))
