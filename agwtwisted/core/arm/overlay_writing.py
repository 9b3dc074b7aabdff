"""What an ARM body does not say of the configuration that it was written from: as the sections of an overlay.

The body is read again, as a run would read it, and compared with the sections: whatever has another value is set by the
overlay. So nothing is lost that this table or the product has no place for, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

import attrs

from agwtwisted.core.arm.import_text import names_file, relative_to
from agwtwisted.core.arm.table import BY_KIND
from agwtwisted.core.arm.writing import Frontends
from agwtwisted.core.base.errors import Place, Problem, Severity, shown
from agwtwisted.core.operations.masking import masked
from agwtwisted.core.resources.resources import ClientAuth
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.sections.backend_keys import backend_port
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.rewrite_rules import Matcher
from agwtwisted.core.sections.settings import Row, SectionReference
from agwtwisted.core.sections.tls_keys import client_auth

_FILES: Final[Mapping[str, tuple[str, ...]]] = {
    "ssl_certificate": ("certificate_file", "key_file", "password_file"),
    "trusted_client_certificate": ("file",),
    "trusted_root_certificate": ("file",),
}
"""Keys that name what the body holds itself."""

_PLACES: Final = ("address",)
"""Keys that `[arm]` gives for all listeners together."""

_IMPLIED: Final[Mapping[str, frozenset[str]]] = {"policy_type": frozenset({"", "Predefined"})}
"""Values that say the same as others, by key."""

_DEFAULT_ADDRESS: Final = "127.0.0.1"

PROTECTING: Final = frozenset(
    {
        *("accept_proxy_protocol", "client_certificate", "default_deny_unless", "deny_unless", "header_names"),
        *(
            "max_connections_per_address",
            "ocsp_scope",
            "crl_scope",
            "verify_client_cert_issuer_dn",
            "verify_client_revocation",
        ),
    }
)
"""Keys, and beginnings of keys, by which something is refused that Azure would let through."""

_ELSEWHERE: Final[Mapping[str, str]] = {
    "backend_addresses": (
        "in Azure servers have no port of their own, but that of the backend settings: the overlay has theirs"
    ),
    "client_ssl_certificate": "Azure sends servers no certificate, and they may refuse it: it stays in the overlay",
}
"""Keys without which requests do not arrive in Azure where they arrive here, with what is said of them."""

_PATTERNS: Final = ("condition.", "response_header_matcher.")
"""Keys that say the same as a pattern."""


def overlay_of(
    rows: Sequence[Row], reading: Sequence[Row], frontends: Frontends, *, beside: str, with_keys: bool
) -> Document:
    """The overlay.

    Args:
        rows: the sections of the configuration.
        reading: those that the body is read as.
        frontends: that the body has.
        beside: the directory of the overlay, as the places of the rows have theirs.
        with_keys: whether the body has the certificates with their keys.
    """
    read = {(row.kind.name, row.name.casefold()): row for row in reading}
    sections = list(_arm_section(frontends))
    for row in rows:
        entries = list(_entries(row, read.get((row.kind.name, row.name.casefold())), with_keys=with_keys))
        if entries or (row.kind.name, row.name.casefold()) not in read:
            placed = tuple(_beside(row, entry, beside) for entry in entries)
            if placed:
                sections.append(attrs.evolve(row.section, entries=placed))
    return Document(sections=tuple(sections), problems=())


def _arm_section(frontends: Frontends) -> Iterator[Section]:
    """The addresses, unless they are the one that is taken anyway."""
    if tuple(frontends.addresses) in ((), (_DEFAULT_ADDRESS,)):
        return
    place = Place(file="")
    entries = tuple(_entry(f"address.{name}", address, place) for address, name in frontends.addresses.items())
    yield Section(kind="arm", place=place, entries=entries)


def _entry(key: str, text: str, place: Place) -> Entry:
    return Entry(key=key, value=text, uncut=text, place=place)


def _entries(row: Row, read: Row | None, *, with_keys: bool) -> Iterator[Entry]:
    """The keys of a section that are read with another value; all of one that is not read at all."""
    held = () if row.kind.name == "ssl_certificate" and not with_keys else _FILES.get(row.kind.name, ())
    known = {entry.key: entry for entry in row.section.entries}
    for key in dict.fromkeys((*row.values, *(() if read is None else read.values))):
        if key in held or (key in _PLACES and row.kind.name in ("http_listener", "listener")):
            continue
        ours, theirs = value_of(row, key), _default(row, key) if read is None else value_of(read, key)
        if ours != theirs and {_plain(ours), _plain(theirs)} - _IMPLIED.get(key, frozenset()):
            yield _written(row, known[key]) if key in known else _entry(key, text_of(ours), row.section.place)


def _written(row: Row, entry: Entry) -> Entry:
    """A key as it is read, without a comment behind it."""
    return _entry(entry.key, entry.uncut if row.kind.is_literal(entry.key) else entry.value, entry.place)


def _plain(value: Any) -> str:
    return "" if value is None else str(value)


def _default(row: Row, key: str) -> Any:
    return comparable(row.kind.default(key))


def value_of(row: Row, key: str) -> Any:
    """The value that a section comes to have for a key, defaults and what follows from other keys included."""
    if row.kind.name == "backend_http_settings" and key == "port":
        return backend_port(row)
    if key == "verify_client_auth_mode":
        mode = client_auth(row)
        return None if mode is ClientAuth.NONE else mode
    return comparable(row.get(key))


def comparable(value: Any) -> Any:
    """A value that equals another one where both say the same."""
    match value:
        case Condition() | Matcher():
            return value.text
        case SectionReference():
            return value.kind, value.name.casefold()
        case tuple():
            return tuple(map(comparable, value))
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def text_of(value: Any) -> str:
    """A default, as it is written in a file."""
    match value:
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case None:
            return ""
        case tuple() | frozenset():
            return ", ".join(map(text_of, value))
        case _:
            return str(value)


def _beside(row: Row, entry: Entry, directory: str) -> Entry:
    """A key whose path is relative to the directory of the overlay."""
    if not names_file(row.kind.name, entry.key) or entry.value in ("-", "off"):
        return entry
    return relative_to(entry, directory)


def findings(overlay: Document) -> Iterator[Problem]:
    """What Azure will not know: a warning where it would let through what is refused here, or go elsewhere."""
    for section in overlay.sections:
        if section.kind not in ("arm", "control", *_FILES):  # of keys of certificates, something else is said
            for entry in section.entries:
                severity, message = _finding(section, entry)
                place, key = entry.place, entry.key
                yield Problem(place=place, section=section.title, key=key, severity=severity, message=message)


def _line(entry: Entry) -> str:
    return f"{entry.key} = {entry.value}"


def _finding(section: Section, entry: Entry) -> tuple[Severity, str]:
    if entry.key in _ELSEWHERE:
        return Severity.WARNING, _ELSEWHERE[entry.key]
    if section.kind == "custom_error" and entry.key == "file":
        return Severity.NOTE, "Azure takes an error page by its URL alone: the file stays in the overlay"
    if entry.key.startswith(_PATTERNS):
        return Severity.NOTE, f"Azure compares with patterns alone, and gets one for {entry.key}: the overlay keeps it"
    if (section.kind, entry.key) == ("http_listener", "enable_http2"):
        return Severity.NOTE, "Azure has HTTP/2 for the whole gateway alone: enable_http2 stays in the overlay"
    collection = BY_KIND.get(section.kind)
    known = collection is not None and collection.keyed(entry.key) is not None
    what = f"Azure cannot have {shown(masked(_line(entry)))}" if known else f"Azure does not know {entry.key}"
    if entry.key.partition(".")[0] in PROTECTING:
        return Severity.WARNING, f"{what}: it stays in the overlay, and what it refuses is let through there"
    return Severity.NOTE, f"{what}: it stays in the overlay"
