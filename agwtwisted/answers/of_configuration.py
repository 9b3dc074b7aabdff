"""Answers that the configuration in force gives: its listeners, certificates, text and report.

One process and the parent of workers give the same, each by the reloads that it has made.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.operations.certificates_in_force import CertificateInForce, certificates_in_force
from agwtwisted.core.operations.configuration_in_force import ConfigurationInForce, NamedFile
from agwtwisted.core.operations.json_masking import masked_json
from agwtwisted.core.operations.masking import masked
from agwtwisted.core.operations.staples_in_force import NOT_SHOWN, StapleState, staples_in_force
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.settings import beside
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import Files
from agwtwisted.reload import Reloads
from agwtwisted.transport.threads import in_thread

if TYPE_CHECKING:
    from agwtwisted.core.reports.facts import Facts


class ConfigurationAnswers:
    """Asks the configuration in force.

    Args:
        reactor: runs the threads in which long texts are made.
        reloads: has it.
        wall: the time in seconds since 1970.
        staples: returns what is known of those that this process asks about.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        reloads: Reloads,
        wall: Callable[[], float],
        staples: Callable[[], Iterable[StapleState]] = tuple,
    ) -> None:
        self._staples = staples
        self._reactor = reactor
        self._reloads = reloads
        self._wall = wall
        self._certificates: tuple[str, tuple[CertificateInForce, ...]] = "", ()  # with the fingerprint of their plan

    @property
    def certificates_in_force(self) -> tuple[CertificateInForce, ...]:
        """Those in use, read once for each configuration."""
        plan = self._reloads.in_force.plan
        fingerprint, certificates = self._certificates
        if fingerprint != plan.fingerprint:
            certificates = certificates_in_force(plan)
            self._certificates = plan.fingerprint, certificates
        return certificates

    def certificates(self) -> Mapping[str, Any]:
        """The members of `/certificates`."""
        now = datetime.fromtimestamp(self._wall(), UTC)
        staples = staples_in_force(self._reloads.in_force.plan, self._staples())
        found = [(each.members(now), each.is_own, staples.get(each.name)) for each in self.certificates_in_force]
        return {
            "certificates": [
                {**members, **(NOT_SHOWN if state is None or not is_own else state.members())}
                for members, is_own, state in found
            ]
        }

    def configuration(self) -> Deferred[Mapping[str, Any]]:
        """The members of `/configuration`; the report takes its time, and is made in a thread."""
        reloads, now = self._reloads, datetime.fromtimestamp(self._wall(), UTC)
        plan, files = reloads.in_force.plan, reloads.in_force.files
        generation, since = reloads.generation, reloads.since
        texts = in_thread(self._reactor, partial(_texts, plan, files, now), "configuration")
        return texts.addCallback(partial(_configuration, plan, files, generation, since))


@attrs.frozen(kw_only=True)
class _Texts:
    """What is made in a thread: masked texts, the report, the files and the masked facts of a configuration."""

    text: str
    overlay: str | None
    table: str
    named: tuple[NamedFile, ...]
    facts: Facts


def _texts(plan: Plan, files: Files, now: datetime) -> _Texts:
    # In the thread, and not before the first question.
    from agwtwisted.core.reports import report
    from agwtwisted.core.reports.facts import facts_of, masked_facts

    text, overlay = files.main.data.decode("utf-8", "replace"), _overlay(files)
    named = [(files.file, files.main), *overlay.items(), *sorted(files.named.items())] if files.file else []
    guessable = frozenset(_guessable_files(files))
    return _Texts(
        text=masked(text) if files.arm is None else masked_json(text),
        overlay=next((masked(each.data.decode("utf-8", "replace")) for each in overlay.values()), None),
        table=report.table(plan, now),
        named=tuple(
            NamedFile(path=path, sha256=None if path in guessable else file.digest.hex()) for path, file in named
        ),
        facts=masked_facts(facts_of(plan)),
    )


def _overlay(files: Files) -> Mapping[str, SourceFile]:
    """The overlay of an ARM document by its path, where there is one."""
    return {} if files.arm is None or files.arm.text is None else {files.arm.overlay: files.arm.text}


def _guessable_files(files: Files) -> Iterator[str]:
    """The paths of those that hold passwords and little else, which could be guessed by their digests."""
    document = ini.parse(files.main.data, files.file) if files.arm is None else files.arm.sections
    for section in document.sections:
        for entry in section.entries:
            if entry.key.endswith("password_file") or (section.kind == "arm" and entry.key.startswith("password.")):
                yield beside(entry.place.file, entry.value)
            elif section.kind == "arm" and entry.key == "parameters":
                yield from (beside(entry.place.file, each.strip()) for each in re.split("[,\n]", entry.value))


def _configuration(plan: Plan, files: Files, generation: int, since: float, texts: _Texts) -> Mapping[str, Any]:
    return ConfigurationInForce(
        file=files.file,
        generation=generation,
        fingerprint=plan.fingerprint,
        since=since,
        text=texts.text,
        overlay=texts.overlay,
        warnings=tuple(map(str, plan.config.warnings)),
        files=texts.named,
        report=texts.table,
        resources=texts.facts,
    ).members()
