"""A configuration as ARM: body or template, the overlay with what neither can say, and what Azure will not know."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import attrs
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from agwtwisted.core.arm import forms, overlay_writing
from agwtwisted.core.arm.child_bodies import Body
from agwtwisted.core.arm.forms import GatewayIdentity, PfxText
from agwtwisted.core.arm.writing import Frontends, Rows, gateway_properties, rows_by_kind
from agwtwisted.core.base.errors import ConfigError, Place, Problem, Severity
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.rules.server_variables import SERVER_VARIABLES
from agwtwisted.core.sections import settings
from agwtwisted.core.sections.ini import Document, Entry, Section
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import Row
from agwtwisted.core.sections.sources import ReadFile, Sources
from agwtwisted.core.verification.server_certificates import is_pfx

ReadBody: TypeAlias = Callable[[bytes], Document]
"""Gives the sections that a body is read as."""

MOST_PFX_BYTES: Final = 16384
"""The product's limit of `sslCertificates[].data`."""

_VARIABLE: Final = re.compile(r"\bvar_(\w+)", re.ASCII)

_TRUSTED: Final = ("trusted_client_certificate", "trusted_root_certificate")


@attrs.frozen(kw_only=True)
class Export:
    """What is written of a configuration."""

    body: Body = attrs.field(repr=False)
    parameters: Body | None = attrs.field(default=None, repr=False)
    """Of a template: the file with the values of its secret parameters; None: they are not wanted."""
    overlay: Document
    findings: tuple[Problem, ...]


@attrs.frozen(kw_only=True)
class ExportOptions:
    """How it is written."""

    identity: GatewayIdentity = attrs.Factory(GatewayIdentity)
    template: bool = False
    password: str = attrs.field(default="", repr=False)
    """For certificates whose key is in a file of its own, with keys; empty: neither keys nor passwords are written."""
    directory: str = ""
    """Where the overlay will be, as the places of the sections have theirs."""


def exported(document: Document, read: ReadFile, read_body: ReadBody, options: ExportOptions) -> Export:
    """A valid configuration in ARM's words.

    Args:
        document: its sections.
        read: gives the files that it names.
        read_body: reads a body, as a run of it would.
        options: how it is written.

    Raises:
        ConfigError: a certificate cannot be read, or the sections are not valid.
    """
    rows = _rows(document)
    by_kind = rows_by_kind(rows)
    properties = gateway_properties(by_kind, _trusted(by_kind, read))
    secrets = {row.name: pfx_of(row, read, options.password) for row in _certificates(by_kind, options)}
    body = forms.resource(options.identity, properties, secrets)
    template = forms.template(options.identity, properties, secrets) if options.template else None
    overlay = overlay_writing.overlay_of(
        rows,
        _rows(read_body(json.dumps(body).encode())),
        Frontends.of(by_kind),
        beside=options.directory,
        with_keys=bool(secrets),
    )
    return Export(
        body=body if template is None else template.body,
        parameters=forms.parameters_file(template.secrets) if template is not None and secrets else None,
        overlay=overlay,
        findings=(*_findings(by_kind, secrets, options), *overlay_writing.findings(overlay)),
    )


def _certificates(rows: Rows, options: ExportOptions) -> tuple[Row, ...]:
    """The sections whose keys are wanted."""
    return rows.get("ssl_certificate", ()) if options.password else ()


def _rows(document: Document) -> list[Row]:
    """The sections with their values, without what says how a document is read; `[arm]` has done its work."""
    known = [section for section in document.sections if section.kind in KINDS and section.kind != "arm"]
    return [settings.read(_in_order(each), KINDS[each.kind], index)[0] for index, each in enumerate(known)]


def _in_order(section: Section) -> Section:
    """Conditions by the numbers that they have in ARM, where they are a list."""
    if section.kind != "rewrite_rule":
        return section
    numbers = sorted(int(each.key[10:]) for each in section.entries if each.key.startswith("condition."))
    places = {f"condition.{number}": f"condition.{at}" for at, number in enumerate(numbers, start=1)}

    def renamed(entry: Entry) -> Entry:
        return attrs.evolve(entry, key=places.get(entry.key, entry.key))

    return attrs.evolve(section, entries=tuple(map(renamed, section.entries)))


def _trusted(rows: Rows, read: ReadFile) -> Mapping[str, str]:
    """The files of trusted certificates as base64, by the titles of their sections."""
    return {
        row.section.title: base64.b64encode(read(row.file_at("file")).data).decode()
        for kind in _TRUSTED
        for row in rows.get(kind, ())
    }


def pfx_of(row: Row, read: ReadFile, password: str) -> PfxText:
    """The certificate of a section with its key, as the product takes it: a .pfx as it is, of PEM files a new one.

    Args:
        row: the section [ssl_certificate].
        read: gives its files.
        password: for a new one.

    Raises:
        ConfigError: they cannot be read.
    """
    if is_pfx(row.values["certificate_file"]):
        data = read(row.file_at("certificate_file")).data
        known = read(row.file_at("password_file")).data.rstrip(b"\r\n") if "password_file" in row.values else b""
        return PfxText(data=base64.b64encode(data).decode(), password=known.decode("utf-8", "replace"))
    sources = Sources(read=read, now=None)
    found = sources.ssl_certificate(row)
    if found is None:
        raise ConfigError(sources.problems)
    leaf, *others = found.certificates
    encryption = BestAvailableEncryption(password.encode())
    made = pkcs12.serialize_key_and_certificates(row.name.encode(), found.key, leaf, others, encryption)  # type: ignore[arg-type]
    return PfxText(data=base64.b64encode(made).decode(), password=password)


def _findings(rows: Rows, secrets: Mapping[str, PfxText], options: ExportOptions) -> Iterator[Problem]:
    """What is to be known of the document beside what the overlay has."""
    for row in rows.get("ssl_certificate", ()):
        pfx = secrets.get(row.name)
        if pfx is None and not options.template:
            message = "the document has neither certificate nor key: --secrets writes both"
            yield _finding(row, Severity.NOTE, message)
        elif pfx is not None and len(base64.b64decode(pfx.data)) > MOST_PFX_BYTES:
            message = f"as PFX it has more than {MOST_PFX_BYTES} bytes, which Azure does not take"
            yield _finding(row, Severity.WARNING, message)
    for row in rows.get("probe", ()):
        if not _has_host(row):
            message = "Azure wants host, or the one of the backend settings: it refuses a probe with neither"
            yield _finding(row, Severity.WARNING, message)
    yield from _own_variables(rows)
    yield from _too_many_addresses(rows)


def _own_variables(rows: Rows) -> Iterator[Problem]:
    """Variables in rewrite rules that the product does not have."""
    for row in rows.get("rewrite_rule", ()):
        for entry in row.section.entries:
            for name in dict.fromkeys(_VARIABLE.findall(entry.uncut)):
                variable = SERVER_VARIABLES.get(name)
                if variable is not None and variable.ours:
                    message = f"{entry.key}: Azure has no variable var_{name}, and refuses the rule"
                    yield attrs.evolve(_finding(row, Severity.WARNING, message), place=entry.place, key=entry.key)


def _has_host(row: Row) -> bool:
    keys = ("host", "pick_host_name_from_backend_http_settings")
    return not isinstance(row.get("protocol"), Protocol) or any(row.get(key) for key in keys)


def _too_many_addresses(rows: Rows) -> Iterator[Problem]:
    addresses: Sequence[str] = tuple(Frontends.of(rows).addresses)
    for row in (*rows.get("http_listener", ()), *rows.get("listener", ())):
        if row.get("address") in addresses[2:]:
            message = f"address {row.get('address')}: Azure has one public and one private frontend, and no third one"
            yield _finding(row, Severity.WARNING, message)


def _finding(row: Row, severity: Severity, message: str) -> Problem:
    place: Place = row.place()
    return Problem(place=place, section=row.section.title, message=message, severity=severity)
