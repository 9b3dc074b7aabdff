"""Answers that the configuration in force gives: its listeners, certificates, text and report.

One process and the parent of workers give the same, each by the reloads that it has made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.operations.certificates_in_force import CertificateInForce, certificates_in_force
from agwtwisted.core.operations.configuration_in_force import ConfigurationInForce, NamedFile
from agwtwisted.core.operations.masking import masked
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports import report
from agwtwisted.core.reports.facts import Facts, facts_of, masked_facts
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.settings import beside
from agwtwisted.loading import Files
from agwtwisted.reload import Reloads
from agwtwisted.transport.threads import in_thread


class ConfigurationAnswers:
    """Asks the configuration in force.

    Args:
        reactor: runs the threads in which long texts are made.
        reloads: has it.
        wall: the time in seconds since 1970.
    """

    def __init__(self, reactor: PosixReactorBase, reloads: Reloads, wall: Callable[[], float]) -> None:
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
        return {"certificates": [each.members(now) for each in self.certificates_in_force]}

    def configuration(self) -> Deferred[Mapping[str, Any]]:
        """The members of `/configuration`; the report takes its time, and is made in a thread."""
        reloads, now = self._reloads, datetime.fromtimestamp(self._wall(), UTC)
        plan, files = reloads.in_force.plan, reloads.in_force.files
        generation, since = reloads.generation, reloads.since
        texts = in_thread(self._reactor, partial(_texts, plan, files, now), "configuration")
        return texts.addCallback(partial(_configuration, plan, files, generation, since))


_Texts: TypeAlias = tuple[str, str, tuple[NamedFile, ...], Facts]


def _texts(plan: Plan, files: Files, now: datetime) -> _Texts:
    """The masked text, the report, the files and the masked facts of a configuration."""
    text = files.main.data.decode("utf-8", "replace")
    named = [(files.file, files.main), *sorted(files.named.items())] if files.file else []
    passwords = frozenset(_password_files(files))
    found = tuple(NamedFile(path=path, sha256=None if path in passwords else file.digest.hex()) for path, file in named)
    return masked(text), report.table(plan, now), found, masked_facts(facts_of(plan))


def _password_files(files: Files) -> Iterator[str]:
    """The paths of those that hold a password alone, which could be guessed by its digest."""
    for section in ini.parse(files.main.data, "").sections:
        for entry in section.entries:
            if entry.key == "password_file":
                yield beside(files.file, entry.value)


def _configuration(plan: Plan, files: Files, generation: int, since: float, texts: _Texts) -> Mapping[str, Any]:
    text, table, named, facts = texts
    return ConfigurationInForce(
        file=files.file,
        generation=generation,
        fingerprint=plan.fingerprint,
        since=since,
        text=text,
        warnings=tuple(map(str, plan.config.warnings)),
        files=named,
        report=table,
        resources=facts,
    ).members()
