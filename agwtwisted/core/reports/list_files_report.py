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

CRL_OTHER_KEY: Final = WarningKind(
    name="crl-other-key",
    meaning=(
        "A list in crl_files has the name of a trusted CA, and is signed with another key: it says nothing about the"
        " certificates of that CA, whose clients are refused if no other source answers."
    ),
    remedy="Replace the file by the list of the CA that is trusted, or trust the CA that has signed it.",
)

_OTHER_KEY: Final = "not proven: another key than that of the trusted CA of this name has signed it"

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
    is_of_other_key: bool = False  # a trusted CA has the name of its issuer, and another key


def list_files_table(lists: Iterable[ListInFile]) -> str:
    """What each list is, how old, and until when it counts; empty where there is none."""
    heads = ("FILE", "LIST OF", "NUMBER", "ENTRIES", "AS OF", "UNTIL")
    return table_if_any("Lists of revoked certificates (crl_files)", heads, [_row(each) for each in lists])


def list_files_warnings(lists: Iterable[ListInFile], now: float) -> Iterator[Problem]:
    """A warning about each list that is over at `now`, and each that a trusted CA has not signed though it is named."""
    for each in lists:
        what = f"crl_files: {each.path}: the CRL of {each.issuer}"
        if each.next_update <= now:
            ended = f"{what} has ended on {utc_text(each.next_update)}: no certificate is good by it"
            yield _warning(each, CRL_OVER, ended)
        if each.is_of_other_key:
            other = (
                f"{what} is signed with another key than that of the trusted CA of this name:"
                " it says nothing about the certificates of that CA"
            )
            yield _warning(each, CRL_OTHER_KEY, other)


def _warning(each: ListInFile, kind: WarningKind, message: str) -> Problem:
    return Problem(
        place=each.place,
        section=each.section,
        key="crl_files",
        name=kind.name,
        severity=Severity.WARNING,
        message=message,
    )


def _row(each: ListInFile) -> tuple[str, ...]:
    number = "-" if each.number is None else f"{each.number:X}"
    unproven = _OTHER_KEY if each.is_of_other_key else _WAITS
    entries = unproven if each.entries is None else str(each.entries)
    times = (utc_text(each.this_update), utc_text(each.next_update))
    return printable(each.path), printable(each.issuer), number, entries, *times
