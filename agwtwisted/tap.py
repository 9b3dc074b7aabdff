"""``twistd agwgateway``: its options, and the service that they make, or the reason why there is none.

A start that fails ends here, before twistd becomes a daemon: everything that may be wrong (the file, a certificate, a
busy port, the access log) is tried first, and said on stderr with exit status 1. Nothing below ends the process.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NoReturn, cast

from twisted.application.service import IService
from twisted.python import usage

from agwtwisted._version import VERSION
from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments
from agwtwisted.core.base.errors import ConfigError, Problem
from agwtwisted.core.plan.descriptors import budget_of, too_few
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.listening.activation import Binding, Inherited
from agwtwisted.loading import Loaded, fallbacks, placed
from agwtwisted.operations.late_imports import refuse_replaced
from agwtwisted.resource_manager.source import AnySource, PlaneSource, source_of
from agwtwisted.transport.clocks import monotonic_time
from agwtwisted.transport.descriptors import raise_limit
from agwtwisted.transport.process import (
    install_reactor,
    keep_freed_memory,
    number_of_workers,
    spare_the_collector,
)

if TYPE_CHECKING:  # they import the reactor's modules, which is to be chosen first
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.process import GatewayProcess, Operated


class Options(usage.Options):
    """The options of ``twistd agwgateway``."""

    synopsis = "[--config FILE] [--overlay FILE] [--check]"
    optParameters = (
        ("config", "c", "conf/gw.ini", "The configuration file: INI, or a gateway in ARM JSON."),
        ("overlay", None, None, "The INI file with further keys for ARM JSON; default: beside it."),
    )
    optFlags = (
        (
            "check",
            None,
            ("Report the errors of the configuration, or show the effective configuration; start nothing."),
        ),
    )

    def parseOptions(self, options: Sequence[str] | None = None) -> None:  # noqa: N802
        """Reads them; where they cannot be understood, ends the process with one line that says what was meant.

        What twistd prints of a `UsageError` is a page of its own options.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError:
            from agwtwisted.core.reports.command_line import command_line_hint

            hint = command_line_hint(sys.argv[1:] if options is None else options, _twistds_options())
            sys.exit(f"twistd agwgateway: {hint}")

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"agwtwisted {VERSION}")
        sys.exit(0)


def _twistds_options() -> frozenset[str]:
    """With their dashes."""
    from twisted.scripts._twistd_unix import ServerOptions

    known = ServerOptions()
    return frozenset((*(f"-{each}" for each in known.shortOpt), *(f"--{each.rstrip('=')}" for each in known.longOpt)))


def makeService(options: Options) -> IService:
    """The gateway, with its ports bound; ends the process with a message when it cannot be started."""
    file, begun = options["config"], monotonic_time()
    arm = options.get(ARM) or _arm_arguments(options)
    if options["check"]:
        _check(file, arm)
    try:
        # A reload finds it from a daemon's working directory, too, and so as the same configuration.
        source = source_of(os.path.abspath(file), partial(datetime.now, UTC), _refusal_of_output(options), arm=arm)
        loaded = source.load()
        _warn(loaded.plan)
        return _start(loaded, source, options, begun)
    except ConfigError as error:
        sys.exit(str(error))


ARM: Final = "arm"
"""Under this name among the options: what `agw run` says about an ARM document."""


def _arm_arguments(options: Options) -> ArmArguments:
    overlay = options["overlay"]
    return NO_ARGUMENTS if overlay is None else ArmArguments(overlay=os.path.abspath(overlay))


def _warn(plan: Plan) -> None:
    for warning in plan.config.warnings:
        print(warning, file=sys.stderr)
    for fallback in fallbacks():
        print(f"WARNING {fallback}", file=sys.stderr)


def _check(file: str, arm: ArmArguments) -> NoReturn:
    """Ends the process: 0, the configuration is valid; 1, it is not; 2, the file cannot be read."""
    from agwtwisted.checking import check  # with all that reports are made of: a gateway runs without

    report = check(file, datetime.now(UTC), arm)
    for line in report.lines():
        print(line, file=sys.stderr)
    if report.text:
        _show(report.text)
    sys.exit(report.status().value)


def _refusal_of_output(options: Options) -> Callable[[Loaded], None]:
    """What refuses an access log on standard output where this process is to be a daemon."""
    is_daemon = options.parent is not None and not options.parent.get("nodaemon", True)

    def check(loaded: Loaded) -> None:
        plan = loaded.plan
        if plan.gateway.access_log == "-" and is_daemon:
            place = plan.origins.place("gateway", "access_log")
            raise ConfigError([Problem(place=place, section="gateway", message=_NO_OUTPUT)])

    return check


_NO_OUTPUT: Final = (
    "access_log = - writes to standard output, which a daemon does not have: set a path, or run twistd -n"
)


def _show(text: str) -> None:
    """Prints, as far as it is read: the other end of a pipe (`head`, `less`) may close it early."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the exit


def _start(loaded: Loaded, source: AnySource, options: Options, begun: float) -> IService:
    plan = loaded.plan
    _hide_files_from_others()
    # Not before the options are read: importing the reactor installs one, and twistd's --reactor chooses it.
    if "twisted.internet.reactor" not in sys.modules:
        install_reactor()
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.process import GatewayProcess, control_path
    from agwtwisted.transport.clocks import count_monotonically

    counts = count_monotonically(reactor)
    if not counts:
        print(f"WARNING {source.file}: {_NOT_MONOTONIC.format(type(reactor).__name__)}", file=sys.stderr)
    descriptors = _descriptors(plan)
    refuse_replaced()
    keep_freed_memory()
    spare_the_collector()
    with placed(plan):
        binding = Binding(inherited=Inherited.of_process(), reuse_port=plan.gateway.reuse_port)
        binding.check(plan.addresses)
    make = _one_process if number_of_workers(plan.gateway.workers) == 1 else _parent
    service, bound = make(loaded, source, cast(PosixReactorBase, reactor), binding, descriptors)
    control = control_path(plan)
    process = GatewayProcess(
        cast(PosixReactorBase, reactor),
        service,
        options.parent or {},
        control=control,
        begun=begun if counts else None,
        arm=source if isinstance(source, PlaneSource) else None,
    )
    _take_control(process, plan, bound)
    gc.collect()  # whatever was made by now is looked through no more until much else is there
    return process


def _take_control(process: GatewayProcess, plan: Plan, bound: Iterable[socket.socket]) -> None:
    """Takes the control socket and port; raises ConfigError, with the gateway's sockets closed."""
    try:
        for warning in process.take_control(plan):
            print(warning, file=sys.stderr)
    except ConfigError:
        _close(bound)
        raise


def _one_process(
    loaded: Loaded, source: AnySource, reactor: PosixReactorBase, binding: Binding, descriptors: int
) -> tuple[Operated, Iterable[socket.socket]]:
    """The gateway as one process, and its sockets."""
    from agwtwisted.service import build

    plan = loaded.plan
    bound: dict[Address, socket.socket] = {}
    try:
        with placed(plan):
            for address in plan.addresses:
                bound[address] = binding.bind(address)
            service = build(
                plan, reactor, bound, source=source, files=loaded.files, descriptors=descriptors, binding=binding
            )
    except ConfigError:
        _close(bound.values())
        raise
    return service, bound.values()


def _parent(
    loaded: Loaded, source: AnySource, reactor: PosixReactorBase, binding: Binding, descriptors: int
) -> tuple[Operated, Iterable[socket.socket]]:
    """The parent of workers, and their sockets."""
    from agwtwisted.workers.parent import build_parent

    count = number_of_workers(loaded.plan.gateway.workers)
    parent = build_parent(loaded, reactor, count=count, source=source, binding=binding)
    return parent, parent.sockets


def _close(bound: Iterable[socket.socket]) -> None:
    for each in bound:
        each.close()


def _descriptors(plan: Plan) -> int:
    """How many descriptors this process may have; says so where they are for fewer connections than there may be."""
    limit = raise_limit()
    for warning in too_few(plan, budget_of(plan, limit)):
        print(warning, file=sys.stderr)
    return limit


def _hide_files_from_others() -> None:
    """Files made from here on are not readable by others, not even twistd's own log, which it opens after this.

    twistd's --umask, and the one that it gives a daemon, come later and count.
    """
    os.umask(os.umask(0o077) | _UMASK)


_UMASK = 0o027

_NOT_MONOTONIC = (
    "this reactor ({}) has a clock of its own, or has scheduled calls already: if it uses the system's clock, setting"
    " that clock shifts deadlines; run twistd without --reactor, or with one of Twisted's"
)
