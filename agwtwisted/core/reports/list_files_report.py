"""The lists of revoked certificates in `crl_files`, as a check of a configuration shows them, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import Place, Problem, Severity, printable
from agwtwisted.core.base.moments import utc_text
from agwtwisted.core.base.tables import table_if_any
from agwtwisted.core.base.warning_kinds import WarningKind

CRL_OVER: Final = WarningKind(
    name="crl-over",
    meaning="A list in crl_files is past its nextUpdate: no certificate is good by it, though those in it are revoked.",
    remedy="Replace the file by the newest list of its CA, before each nextUpdate; watch_files takes it.",
)

_WAITS: Final = "not proven: its issuer is not in a trusted client certificate file"


@attrs.frozen(kw_only=True)
class ListInFile:
    """One list. Times are seconds since 1970."""

    path: str
    place: Place  # of the key that names the file
    section: str  # its title
    issuer: str  # the name as text
    number: int | None
    this_update: float
    next_update: float
    entries: int | None  # None: it is not proven, since its issuer is not at hand


def list_files_table(lists: Iterable[ListInFile]) -> str:
    """What each list is, how old, and until when it counts; empty where there is none."""
    heads = ("FILE", "LIST OF", "NUMBER", "ENTRIES", "AS OF", "UNTIL")
    return table_if_any("Lists of revoked certificates (crl_files)", heads, [_row(each) for each in lists])


def list_files_warnings(lists: Iterable[ListInFile], now: float) -> Iterator[Problem]:
    """A warning about each list that is over at `now`."""
    for each in lists:
        if each.next_update <= now:
            yield Problem(
                place=each.place,
                section=each.section,
                key="crl_files",
                name=CRL_OVER.name,
                severity=Severity.WARNING,
                message=(
                    f"crl_files: {each.path}: the CRL of {each.issuer} has ended on {utc_text(each.next_update)}:"
                    " no certificate is good by it"
                ),
            )


def _row(each: ListInFile) -> tuple[str, ...]:
    number = "-" if each.number is None else f"{each.number:X}"
    entries = _WAITS if each.entries is None else str(each.entries)
    times = (utc_text(each.this_update), utc_text(each.next_update))
    return printable(each.path), printable(each.issuer), number, entries, *times
