"""Checks a configuration as a start would, and starts nothing: for `agw check` and ``twistd agwgateway --check``.

What depends on this machine is tried as the user who checks: log and state directory, control socket, descriptors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments
from agwtwisted.backends import affinity_key
from agwtwisted.control.listening import LONGEST_PATH
from agwtwisted.control.token_file import read_token
from agwtwisted.core.base.errors import AgwError, ConfigError, Place, Problem, Severity
from agwtwisted.core.base.warning_kinds import WarningKind
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.plan.descriptors import budget_of, too_few
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports import report
from agwtwisted.core.reports.check_report import ACCESS_LOG, CONTROL_SOCKET, CONTROL_TOKEN, STATE_DIRECTORY, CheckReport
from agwtwisted.core.reports.effective_configuration import effective_configuration
from agwtwisted.core.reports.list_files_report import ListInFile, list_files_table, list_files_warnings
from agwtwisted.core.sections.control_keys import TOKEN_NAME, token_path
from agwtwisted.loading import UnreadableError, fallbacks, placed, try_contexts, try_crl_files
from agwtwisted.operations.trials import try_access_log, try_directory, try_socket
from agwtwisted.process import control_path
from agwtwisted.resource_manager.source import source_of
from agwtwisted.revocation import ocsp_store
from agwtwisted.revocation.crl_files import ReadCrlFiles
from agwtwisted.transport.descriptors import raise_limit
from agwtwisted.transport.process import number_of_workers


def check(file: str, now: datetime, arm: ArmArguments = NO_ARGUMENTS) -> CheckReport:
    """Every problem and warning of a configuration file, and what it comes to.

    Args:
        file: its path.
        now: the time (aware) at which certificates have ended, or end soon.
        arm: what the command says about a file that is an ARM document.
    """
    try:
        plan = source_of(file, lambda: now, arm=arm).load().plan
        with placed(plan):
            try_contexts(plan)
            lists = tuple(_lists(plan, try_crl_files(plan)))
    except UnreadableError as error:
        return CheckReport.of(file, error.problems, is_read=False)
    except ConfigError as error:
        return CheckReport.of(file, error.problems)
    config, budget = plan.config, budget_of(plan, raise_limit())
    found = [*config.notes, *config.warnings, *_fallbacks(file), *too_few(plan, budget), *_tried(plan)]
    found += list_files_warnings(lists, now.timestamp())
    checked = CheckReport.of(file, found)
    if checked.problems:
        return checked
    tables = "\n".join(filter(None, (report.table(plan, now), list_files_table(lists))))
    text = f"{tables}\n{_processes(plan)}{file}: the configuration is valid"
    return CheckReport.of(file, found, configuration=effective_configuration(plan), text=text)


def _fallbacks(file: str) -> Iterator[Problem]:
    for fallback in fallbacks():
        yield Problem(place=Place(file=file), message=fallback, severity=Severity.WARNING)


def _lists(plan: Plan, read: ReadCrlFiles) -> Iterator[ListInFile]:
    """What is in the files with lists."""
    for path, file in read.files.items():
        section = read.sections[path]
        make = partial(ListInFile, path=path, place=plan.origins.place(section, "crl_files"), section=section)
        for held in file.proven:
            crl = held.crl
            yield make(
                issuer=_name(crl.issuer),
                number=crl.number,
                this_update=crl.this_update,
                next_update=crl.next_update,
                entries=len(crl.table),
            )
        for waiting in file.unproven:
            head = waiting.head
            yield make(
                issuer=_name(head.issuer),
                number=head.number,
                this_update=head.this_update,
                next_update=head.next_update,
                entries=None,
                is_of_other_key=waiting.is_of_other_key,
            )


def _name(name: bytes) -> str:
    """A name as text (RFC 2253)."""
    return relative_names(name).decode("utf-8", "replace")


def _processes(plan: Plan) -> str:
    """How many processes serve, where that is set."""
    workers = plan.gateway.workers
    if workers == 1:
        return ""
    count = number_of_workers(workers)
    return f"{count} workers{' (auto)' if workers == 'auto' else ''}\n"


def _tried(plan: Plan) -> Iterator[Problem]:
    gateway = plan.gateway
    if gateway.access_log is not None:
        attempt = partial(try_access_log, gateway.access_log)
        yield from _attempt(plan, ACCESS_LOG, "gateway", "access_log", f"access_log {gateway.access_log}", attempt)
    unusable: tuple[Problem, ...] = ()
    if gateway.state_directory is not None:
        directory = Path(gateway.state_directory).absolute()
        attempt = partial(try_directory, directory, affinity_key.FILE, ocsp_store.FILE)
        what = f"state_directory {gateway.state_directory}"
        unusable = tuple(_attempt(plan, STATE_DIRECTORY, "gateway", "state_directory", what, attempt))
        yield from unusable
    but_in = gateway.state_directory if unusable else None
    yield from _tried_socket(plan, but_in)
    yield from _tried_token(plan, but_in)


def _tried_socket(plan: Plan, but_in: str | None) -> Iterator[Problem]:
    """The control socket, unless it is in a directory of which it is known already that it cannot be used."""
    path = control_path(plan)
    if path is None or (but_in is not None and os.path.dirname(path) == but_in):
        return
    control = plan.config.control
    severity = Severity.ERROR if control is not None and control.socket is not None else Severity.WARNING
    attempt = partial(try_socket, path, LONGEST_PATH)
    yield from _attempt(plan, CONTROL_SOCKET, "control", "socket", f"the control socket {path}", attempt, severity)


def _tried_token(plan: Plan, but_in: str | None) -> Iterator[Problem]:
    """The file with the token of the control port, with the same exception."""
    control = plan.config.control
    if control is None or control.port is None:
        return
    path = token_path(control.token_file, plan.gateway.state_directory) or TOKEN_NAME
    if but_in is None or os.path.dirname(path) != but_in:
        attempt = partial(_try_token, os.path.abspath(path))
        yield from _attempt(plan, CONTROL_TOKEN, "control", "token_file", f"token_file {path}", attempt)


def _try_token(path: str) -> None:
    """Raises OSError, TokenFileError."""
    try:
        read_token(path)
    except FileNotFoundError:
        try_directory(Path(path).parent, parents=False)


def _attempt(
    plan: Plan,
    kind: WarningKind,
    section: str,
    key: str,
    what: str,
    attempt: Callable[[], None],
    severity: Severity = Severity.ERROR,
) -> Iterator[Problem]:
    """A problem if an attempt fails."""
    try:
        attempt()
    except (OSError, ValueError, AgwError) as error:
        reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
        yield Problem(
            place=plan.origins.place(section, key),
            section=section,
            key=key,
            name=kind.name,
            severity=severity,
            message=f"{what} cannot be used by this user (uid {os.geteuid()}): {reason}",
        )
