"""What another configuration changes, by the titles of its sections, and what no configuration changes in a running
gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import Problem, shown
from agwtwisted.core.plan.fingerprints import Fingerprints, framed
from agwtwisted.core.plan.plan import Plan, in_use, title_of

FIXED_KEYS: Final = (
    "outbound_proxy",
    "reuse_port",
    "state_directory",
    "workers",
    "revocation_store",
    "revocation_store_password_file",
    "revocation_store_trusted_file",
    "revocation_store_certificate_file",
    "revocation_store_key_file",
    "revocation_store_prefix",
    "revocation_store_timeout",
)
"""Keys of [gateway] that stay as they were at the start."""

FIXED_SECTIONS: Final[tuple[str, ...]] = ("control",)
"""Titles of sections that stay as they were at the start."""

_SHOWN: Final = 12
"""Titles of each kind of change in a text: a log line has to stay one."""


@attrs.frozen(kw_only=True)
class Changes:
    """Titles of sections, in the order of their file: each stands where its own text, or a file of it, has changed."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        kinds = (("added", self.added), ("changed", self.changed), ("removed", self.removed))
        return "; ".join(f"{kind}: {_listed(titles)}" for kind, titles in kinds if titles) or "nothing changed"


def changes_of(before: Plan, after: Plan) -> Changes:
    """What is different in the second plan. A section that nothing in force names is in neither of them."""
    old, new = _own(before), _own(after)
    return Changes(
        added=after.origins.in_order(new.keys() - old.keys()),
        changed=after.origins.in_order(title for title in new.keys() & old.keys() if new[title] != old[title]),
        removed=before.origins.in_order(old.keys() - new.keys()),
    )


def with_changed(changes: Changes, titles: Iterable[str], after: Plan) -> Changes:
    """The same, and these sections have changed, too: unless they were added, and so are said already."""
    every = {*changes.changed, *titles} - {*changes.added}
    return attrs.evolve(changes, changed=after.origins.in_order(every))


def fixed_problems(before: Plan, after: Plan) -> tuple[Problem, ...]:
    """A problem for each thing that the second plan changes although it cannot change in a running gateway."""
    return (*_keys(before, after), *_sections(before, after))


def _keys(before: Plan, after: Plan) -> Iterator[Problem]:
    for key in FIXED_KEYS:
        old, new = getattr(before.gateway, key), getattr(after.gateway, key)
        if old != new:
            found = "is not set" if old is None else f"is {shown(str(old))}"
            yield Problem(
                place=after.origins.place("gateway", key),
                section="gateway",
                message=f"{key} cannot change while the gateway runs: it {found} until a restart",
            )


def _sections(before: Plan, after: Plan) -> Iterator[Problem]:
    for title in FIXED_SECTIONS:
        if before.fingerprints.get(title) != after.fingerprints.get(title):
            yield Problem(
                place=after.origins.place(title),
                section=title,
                message="cannot change while the gateway runs: it stays as it is until a restart",
            )


class _OwnFingerprints(Fingerprints):
    """Fingerprints of what a section says itself: another section that it names counts by its title alone."""

    def _text(self, value: Any) -> bytes:
        title = title_of(value)
        return framed(b"R", title.encode()) if title else super()._text(value)


def _own(plan: Plan) -> Mapping[str, str]:
    """The fingerprint of each section by its title."""
    fingerprints = _OwnFingerprints()
    own = {title: fingerprints.of(value) for title, value in in_use(plan.config).items()}
    pages = {f"custom_error {page.listener or 'gateway'}/{page.status}": page for page in plan.config.custom_errors}
    return own | {title: fingerprints.of(page) for title, page in pages.items()}


def _listed(titles: tuple[str, ...]) -> str:
    more = len(titles) - _SHOWN
    return ", ".join(titles[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
