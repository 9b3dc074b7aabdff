"""From the bytes of a file to a plan: a configuration, the frozen values of `resources`, compiled."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import attrs

from agwtwisted.core.base.errors import ConfigError, Place, Problem, Severity, has_error, in_order, shown
from agwtwisted.core.base.texts import did_you_mean
from agwtwisted.core.configuration import (
    coherence,
    control_coherence,
    distribution_coherence,
    product_limits,
    relay_coherence,
    revocation_coherence,
    rewrite_coherence,
    route_coherence,
    rule_coherence,
    trust_coherence,
)
from agwtwisted.core.configuration.building import Builder
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.plan.plan import Origins, Plan
from agwtwisted.core.resources.resources import Config
from agwtwisted.core.sections import hints, ini, names, settings
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import Row, beside
from agwtwisted.core.sections.sources import ReadFile, Sources, own_mode_problems

_CHECKS: Final = (
    coherence,
    rule_coherence,
    control_coherence,
    route_coherence,
    distribution_coherence,
    rewrite_coherence,
    relay_coherence,
    revocation_coherence,
    trust_coherence,
    product_limits,
)
_FILES: Final = ("certificate_file", "key_file", "file")  # keys of certificates


def parse(
    text: bytes,
    file: str,
    read: ReadFile,
    *,
    mode: int = 0o600,
    now: datetime.datetime | None = None,
    system_roots: Callable[[], frozenset[bytes]] = frozenset,
    may_be_empty: bool = False,
) -> Plan:
    """A configuration from the bytes of its file, whole and compiled.

    Args:
        file: the path of the file, as messages name it; paths in it are relative to its directory.
        read: gives a file that the configuration names, by its resolved path; may raise OSError.
        mode: the permission bits of the file.
        now: the time (aware) at which certificates have expired; None: it is not checked.
        system_roots: the keys of the authorities that the machine trusts for servers; asked where it matters.
        may_be_empty: whether a configuration is taken that serves nothing, with a warning: no listener has a rule.

    Raises:
        ConfigError: with every problem of the file, warnings included.
    """
    document = ini.parse(text, file)
    problems = (*document.problems, *_idle_arm_settings(document))
    return parse_document(
        *(ini.Document(sections=document.sections, problems=problems), file, read),
        mode=mode,
        now=now,
        system_roots=system_roots,
        may_be_empty=may_be_empty,
    )


def _idle_arm_settings(document: ini.Document) -> Iterator[Problem]:
    """A warning about [arm] in a file that is no overlay, and that no control plane of Azure belongs to."""
    has_plane = any(entry.key == "arm" for section in document.sections for entry in section.entries)
    for section in document.sections:
        if section.kind == "arm" and not has_plane:
            message = "has no effect here: it belongs to the overlay of a gateway that comes as ARM JSON"
            yield Problem(place=section.place, section=section.title, message=message, severity=Severity.WARNING)


def parse_document(
    document: ini.Document,
    file: str,
    read: ReadFile,
    *,
    mode: int = 0o600,
    now: datetime.datetime | None = None,
    system_roots: Callable[[], frozenset[bytes]] = frozenset,
    may_be_empty: bool = False,
) -> Plan:
    """A configuration from its sections, in whatever form they stood; arguments and errors as `parse` has them.

    Each section, and each key, has its place: a relative path is looked for beside the file in which its key stands.
    """
    found = [*own_mode_problems(file, mode), *document.problems, *names.duplicates(document)]
    document = names.declared(document)
    rows, problems = _rows(document)
    rows = names.resolved(rows)
    sources = Sources(read=read, now=now)
    builder = Builder(file=file, rows=rows, sources=sources)
    draft = builder.build(system_roots)
    found += [*problems, *sources.problems, *builder.problems]
    for check in _CHECKS:
        found += check.problems(draft)
    if not has_error(document.problems):
        found += _emptiness(draft, file, Severity.WARNING if may_be_empty else Severity.ERROR)
    if not has_error(found):
        # A configuration is taken whole or not at all: no section may be lost without a word.
        found += [row.problem("could not be built: this is a defect of the gateway") for row in builder.unbuilt()]
    ordered = in_order(_in_their_document(found, document), file)
    if draft.gateway is None or has_error(ordered):
        raise ConfigError(ordered)
    config = Config(
        gateway=draft.gateway,
        control=builder.control(),
        http_listeners=tuple(listener.value for listener in draft.listeners),
        request_routing_rules=tuple(rule.value for rule in draft.rules),
        custom_errors=tuple(each.value for each in draft.custom_errors if each.value.page),
        rewrite_rule_sets=draft.rewrite_rule_sets,
        listeners=tuple(listener.value for listener in draft.relayed_listeners),
        routing_rules=tuple(rule.value for rule in draft.relay_rules),
        warnings=tuple(each for each in ordered if each.severity is Severity.WARNING),
        notes=tuple(each for each in ordered if each.severity is Severity.NOTE),
    )
    return Plan.of(config, draft.actions, Origins(file=file, places=_places(document)))


def _in_their_document(problems: Iterable[Problem], document: ini.Document) -> Iterator[Problem]:
    """Problems of files that are in a JSON document themselves, at their places there: no other file has them."""
    entries = [entry for section in document.sections for entry in section.entries if entry.key in _FILES]
    places = {beside(each.place.file, each.value): each.place for each in entries if each.place.path}
    for problem in problems:
        place = None if problem.place.path else places.get(problem.place.file)
        yield problem if place is None else attrs.evolve(problem, place=place)


def _emptiness(draft: Draft, file: str, severity: Severity) -> Iterator[Problem]:
    """What is said of a configuration that serves nothing."""
    if message := rule_coherence.nothing_served(draft):
        name = rule_coherence.NOTHING_SERVED.name
        yield Problem(place=Place(file=file), message=message, severity=severity, name=name)


def _places(document: ini.Document) -> dict[str, dict[str, Place]]:
    """Where each section stands, under "", and its keys; of sections that share a name, the first counts."""
    places: dict[str, dict[str, Place]] = {}
    for section in document.sections:
        places.setdefault(section.title, {"": section.place} | {each.key: each.place for each in section.entries})
    return places


def _rows(document: ini.Document) -> tuple[dict[str, dict[str, Row]], list[Problem]]:
    """The sections of known kinds by kind and name, and every problem about kinds and keys."""
    rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
    problems: list[Problem] = []
    for index, section in enumerate(document.sections):
        if message := _kind_problem(section):
            problems.append(Problem(place=section.place, section=section.title, message=message))
        elif problem := names.name_problem(section):
            problems.append(problem)
        if section.kind in KINDS:
            row, found = settings.read(section, KINDS[section.kind], index)
            problems += found
            if not message:
                rows[section.kind].setdefault(section.name, row)
    return rows, problems


def _kind_problem(section: ini.Section) -> str:
    """What is wrong with a section's header; empty when nothing is."""
    if section.kind not in KINDS:
        hint = hints.of_kind(section.kind)
        end = f"; {hint}" if hint else did_you_mean(section.kind, KINDS)
        return f"unknown kind of section {shown(section.kind)}{end}"
    if KINDS[section.kind].named and not section.name:
        return f"has no name: write [{section.kind} NAME]"
    if not KINDS[section.kind].named and section.name:
        return f"has a name, but there is only one: write [{section.kind}]"
    return ""
