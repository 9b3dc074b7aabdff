"""What is shown of lists to people: of all in force, and of those that say something about one certificate.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice

from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.operations.list_states import ListState
from agwtwisted.core.revocation.crl_status import CrlSubject
from agwtwisted.core.revocation.distribution_points import CrlScope
from agwtwisted.core.revocation.status import Good, NoAnswer, Revoked, Unusable
from agwtwisted.core.revocation.status_facts import NOTHING_KNOWN, StatusFacts
from agwtwisted.revocation.held_lists import HeldList

Left = Callable[[HeldList], float | None]
"""Seconds until a list is downloaded again; None: that is not planned."""


def list_states(lists: Iterable[HeldList], left: Left, now: float, most: int) -> list[ListState]:
    """The lists in force, at most so many."""
    return [_state(each, left(each), now) for each in islice(lists, most)]


def list_facts(
    lists: Iterable[HeldList], about: CrlSubject, status: Good | Revoked | Unusable, left: Left, now: float
) -> StatusFacts:
    """What is known about a certificate.

    Args:
        lists: of its issuer.
        about: the certificate.
        status: what all of them together say.
        left: when each is downloaded again.
        now: in seconds since 1970.
    """
    found = sorted(lists, key=lambda held: held.crl.this_update, reverse=True)
    if not found:
        return NOTHING_KNOWN
    saying = next((each for each in found if each.crl.table.find(about.serial) is not None), found[0])
    deciding = saying if isinstance(status, Revoked) else found[0]
    seconds = left(deciding)
    others = [_named(each) for each in found if each is not deciding]
    return StatusFacts(
        status=None if isinstance(status, Unusable) else status,
        origin=_named(deciding),
        this_update=deciding.crl.this_update,
        next_update=deciding.crl.next_update,
        renewal=None if seconds is None else now + seconds,
        notes=(
            f"{len(deciding.crl.table)} certificates are in it",
            *((status.reason,) if isinstance(status, Unusable) else ()),
            *((f"its last download: {deciding.problem}",) if deciding.problem else ()),
            *(f"there is {each}, too" for each in others[:3]),
        ),
    )


def taken_text(held: HeldList, fault: NoAnswer | None) -> str:
    """What a list that was brought says, on one line, and why it clears no certificate now."""
    text = f"{len(held.crl.table)} certificates, until {utc_text(held.crl.next_update)}"
    return text if fault is None else f"{text}; {fault.reason}"


def _named(held: HeldList) -> str:
    number = "" if held.crl.number is None else f" {held.crl.number}"
    return f"CRL{number} ({held.origin})"


def _state(held: HeldList, left: float | None, now: float) -> ListState:
    crl = held.crl
    return ListState(
        issuer=relative_names(crl.issuer).decode("utf-8", "replace"),
        origin=held.origin,
        number=crl.number,
        this_update=crl.this_update,
        next_update=crl.next_update,
        entries=len(crl.table),
        size=crl.size,
        is_limited=crl.scope != CrlScope(),
        renewal=None if left is None else now + left,
        problem=held.problem,
    )
