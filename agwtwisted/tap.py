"""``twistd agwgateway``: its options, and the service that they make, or the reason why there is none.

A start that fails ends here, before twistd becomes a daemon: everything that may be wrong (the file, a certificate, a
busy port, the access log) is tried first, and said on stderr with exit status 1. Nothing below ends the process.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final, NoReturn, cast

from twisted.application.service import IService
from twisted.python import usage

from agwtwisted._version import VERSION
from agwtwisted.core.base.errors import ConfigError, Problem
from agwtwisted.core.plan.descriptors import budget_of, too_few
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.core.reports import report
from agwtwisted.listening.activation import Binding, Inherited
from agwtwisted.loading import Loaded, load, placed, try_contexts
from agwtwisted.reload import FileSource
from agwtwisted.tls import openssl
from agwtwisted.transport.descriptors import raise_limit


class Options(usage.Options):
    """The options of ``twistd agwgateway``."""

    synopsis = "[--config FILE] [--check]"
    optParameters = (("config", "c", "conf/gw.ini", "The configuration file."),)
    optFlags = (
        (
            "check",
            None,
            ("Report the errors of the configuration, or show the effective configuration; start nothing."),
        ),
    )

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"agwtwisted {VERSION}")
        sys.exit(0)


def makeService(options: Options) -> IService:
    """The gateway, with its ports bound; ends the process with a message when it cannot be started."""
    file = options["config"]
    try:
        if options["check"]:
            plan = load(file, datetime.now(UTC))
            _warn(plan)
            _check(plan, file)
            sys.exit(0)
        # A reload finds it from a daemon's working directory, too, and so as the same configuration.
        source = FileSource(os.path.abspath(file), partial(datetime.now, UTC), _refusal_of_output(options))
        loaded = source.load()
        _warn(loaded.plan)
        _refuse_workers(loaded.plan)
        return _start(loaded, source, options)
    except ConfigError as error:
        sys.exit(str(error))


def _warn(plan: Plan) -> None:
    for warning in plan.config.warnings:
        print(warning, file=sys.stderr)
    for fallback in (openssl.FALLBACK, _reactor_fallback()):
        if fallback:
            print(f"WARNING {fallback}", file=sys.stderr)


def _check(plan: Plan, file: str) -> None:
    with placed(plan):
        try_contexts(plan)
    _descriptors(plan)
    _show(f"{report.table(plan, datetime.now(UTC))}\n{file}: the configuration is valid")


def _refuse_workers(plan: Plan) -> None:
    if plan.gateway.workers != 1:
        sys.exit(f"workers = {plan.gateway.workers} is not supported by this version: there is one process")


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


def _start(loaded: Loaded, source: FileSource, options: Options) -> IService:
    plan = loaded.plan
    _hide_files_from_others()
    # Not before the options are read: importing the reactor installs one, and twistd's --reactor chooses it.
    if "twisted.internet.reactor" not in sys.modules:
        _install_reactor()
    from twisted.internet import reactor
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.process import GatewayProcess, control_path
    from agwtwisted.service import build
    from agwtwisted.transport.clocks import count_monotonically

    if not count_monotonically(reactor):
        print(f"WARNING {source.file}: {_NOT_MONOTONIC.format(type(reactor).__name__)}", file=sys.stderr)
    descriptors = _descriptors(plan)
    _spare_the_collector()
    bound: dict[Address, socket.socket] = {}
    try:
        with placed(plan):
            binding = Binding(inherited=Inherited.of_process(), reuse_port=plan.gateway.reuse_port)
            binding.check(plan.addresses)
            for address in plan.addresses:
                bound[address] = binding.bind(address)
            service = build(
                plan,
                cast(PosixReactorBase, reactor),
                bound,
                source=source,
                files=loaded.files,
                descriptors=descriptors,
                binding=binding,
            )
            control = control_path(plan)
            process = GatewayProcess(cast(PosixReactorBase, reactor), service, options.parent or {}, control=control)
            for warning in process.take_control_socket(plan):
                print(warning, file=sys.stderr)
    except ConfigError:
        for each in bound.values():
            each.close()
        raise
    gc.collect()  # whatever was made by now is looked through no more until much else is there
    return process


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


def _spare_the_collector() -> None:
    """Modules and the plan live long, and little of a connection waits for it: it need not look so often.

    What is made of the plan is not frozen: it is to go with its configuration. Measured: some five per cent of a
    keep-alive request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _reactor_fallback() -> str:
    """What is to be said where our reactor does not work; nothing where the system has no epoll."""
    try:
        from agwtwisted.transport import reactor
    except ImportError:
        return ""
    return reactor.FALLBACK


def _install_reactor() -> None:
    """Our reactor, where no other was chosen and the system has epoll."""
    try:
        from agwtwisted.transport.reactor import install
    except ImportError:  # no epoll here: Twisted's default does
        return
    install()
