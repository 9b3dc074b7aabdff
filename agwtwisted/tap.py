"""What ``twistd agwgateway`` does: options, and a service from them, or the reason why there is none.

A start that fails ends here, before twistd becomes a daemon: everything that may be wrong (the file, a certificate, a
busy port, the access log) is tried first, and told on stderr with exit status 1.
"""

from __future__ import annotations

import gc
import os
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from twisted.application.service import IService
from twisted.python import usage

from agwtwisted._version import VERSION
from agwtwisted.core.base.errors import AgwError, ConfigError, Problem
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.configuration.sources import SourceFile
from agwtwisted.core.configuration.trust_coherence import key_of
from agwtwisted.core.plan.descriptors import budget_of
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports import report
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.listening.listener import BindError, bind
from agwtwisted.tls import openssl
from agwtwisted.tls.backend_contexts import BackendContexts, ClientCertificateError
from agwtwisted.tls.contexts import CertificateError, GroupsError, PortContexts
from agwtwisted.transport.descriptors import raise_limit


class Options(usage.Options):
    """The options of ``twistd agwgateway``."""

    synopsis = "[--config FILE] [--check]"
    optParameters = (("config", "c", "conf/gw.ini", "The configuration file."),)
    optFlags = (("check", None, "Say what is wrong with the configuration, or show what it comes to; start nothing."),)

    def opt_version(self) -> NoReturn:
        """Print the version and exit."""
        print(f"agwtwisted {VERSION}")
        sys.exit(0)


def makeService(options: Options) -> IService:
    """The gateway, with its ports bound; ends the process with a message when it cannot be started."""
    plan = load(options["config"])
    if options["check"]:
        try:
            _try_certificates(plan)
        except AgwError as error:
            sys.exit(_told(error, plan))
        _room(plan)
        _show(f"{report.table(plan, datetime.now(UTC))}\n{options['config']}: the configuration is valid")
        sys.exit(0)
    is_daemon = options.parent is not None and not options.parent.get("nodaemon", True)
    if plan.gateway.access_log == "-" and is_daemon:
        sys.exit("access_log = - writes to standard output, which a daemon has not: give it a path, or run twistd -n")
    return _start(plan, options["config"])


def _show(text: str) -> None:
    """Prints, as far as it is read: the other end of a pipe (`head`, `less`) may close it early."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the exit


def load(file: str) -> Plan:
    """The plan of a file; ends the process with every problem of it when it is not taken."""
    try:
        source = read(file)
    except OSError as error:
        sys.exit(f"ERROR {file} cannot be read: {error.strerror}")
    try:
        plan = parse(source.data, file, read, mode=source.mode, now=datetime.now(UTC), system_roots=_system_roots)
    except ConfigError as error:
        sys.exit(str(error))
    for warning in plan.config.warnings:
        print(warning, file=sys.stderr)
    if openssl.FALLBACK:
        print(f"WARNING {openssl.FALLBACK}", file=sys.stderr)
    return plan


def _try_certificates(plan: Plan) -> None:
    """OpenSSL has the last word about the gateway's own certificates: a check hears it as a start does."""
    depth = plan.gateway.max_client_chain_depth
    for port in plan.http_ports.values():
        if port.encrypted:
            PortContexts.of(port.sites, max_depth=depth)
    for relay_port in plan.relay_ports.values():
        if relay_port.encrypted:
            PortContexts.of(relay_port.sites, max_depth=depth)
    shown = BackendContexts()
    for _, settings in plan.routes:
        if settings.protocol is Protocol.HTTPS:
            shown.of(settings)


def _told(error: AgwError | OSError, plan: Plan) -> str:
    """What stops a start, with the line of the file that asks for it."""
    match error:
        case BindError():
            section, key, message = plan.listener_at(error.where), "port", str(error)
        case CertificateError() | ClientCertificateError() | GroupsError():
            section, key, message = error.section, "", error.reason
        case OSError():
            log = plan.gateway.access_log
            section, key = "gateway", "state_directory"
            if log is not None and os.path.abspath(log) == error.filename:
                key = "access_log"
            message = f"{key} {error.filename} cannot be opened: {error.strerror}"
        case _:
            section, key, message = "", "", str(error)
    return str(Problem(place=plan.origins.place(section, key), section=section, message=message))


def _start(plan: Plan, file: str) -> IService:
    _hide_files_from_others()
    # Not before the options are read: importing the reactor installs one, and twistd's --reactor chooses it.
    if "twisted.internet.reactor" not in sys.modules:
        _install_reactor()
    from twisted.internet import reactor

    from agwtwisted.service import build, end_at_once_on_signal, reopen_on_signal, stop_on_hangup
    from agwtwisted.transport.clocks import count_monotonically

    if not count_monotonically(reactor):
        print(f"WARNING {file}: {_NOT_MONOTONIC.format(type(reactor).__name__)}", file=sys.stderr)
    room = _room(plan)
    sockets: dict[tuple[str, int], socket.socket] = {}
    try:
        for address in plan.addresses:
            sockets[address] = bind(*address)
        service = build(plan, reactor, sockets, room=room)
    except (AgwError, OSError) as error:
        for bound in sockets.values():
            bound.close()
        sys.exit(_told(error, plan))
    _spare_the_collector()
    reactor.callWhenRunning(reopen_on_signal, reactor, service.access_log.reopen)
    reactor.callWhenRunning(stop_on_hangup, reactor)
    reactor.addSystemEventTrigger("before", "shutdown", end_at_once_on_signal)
    return service


def _room(plan: Plan) -> int:
    """How many connections the descriptors of this process allow for; says so where that is fewer than it should."""
    found = budget_of(plan, raise_limit())
    warning = found.warning(plan.gateway.max_connections)
    if warning:
        place = plan.origins.place("gateway", "max_connections")
        print(f"WARNING {place} [gateway] {warning}", file=sys.stderr)
    return found.room


def _hide_files_from_others() -> None:
    """What is made from here on is not for everybody, not even twistd's own log, which it opens after this.

    twistd's --umask, and the one that it gives a daemon, come later and count.
    """
    os.umask(os.umask(0o077) | _UMASK)


_UMASK = 0o027

_NOT_MONOTONIC = (
    "this reactor ({}) has a time of its own, or something is scheduled on it already: where it is the system's time,"
    " deadlines come too late or too early when that is set; run twistd without --reactor, or with one of Twisted's"
)


def _spare_the_collector() -> None:
    """Modules and configuration live for ever, and little of a connection waits for it: it need not look so often.

    Measured: some five per cent of a keep-alive request.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _install_reactor() -> None:
    """Our reactor, where nobody chose one and the system has epoll."""
    try:
        from agwtwisted.transport.reactor import install
    except ImportError:  # no epoll here: Twisted's default does
        return
    install()


def _system_roots() -> frozenset[bytes]:
    """The keys of the authorities that this machine trusts for servers; none where they stand at no usual place."""
    for path in (ssl.get_default_verify_paths().cafile or "", *_SYSTEM_ROOTS):
        with suppress(OSError):
            return frozenset(_keys(read(path).data))
    return frozenset()


def _keys(bundle: bytes) -> Iterator[bytes]:
    for block in read_certificates(bundle, "").certificates:
        yield key_of(block.certificate)


_SYSTEM_ROOTS = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem")


def read(path: str) -> SourceFile:
    """A file that the configuration is or names; raises OSError where there is none."""
    with Path(path).open("rb") as file:
        return SourceFile(data=file.read(), mode=os.fstat(file.fileno()).st_mode)
