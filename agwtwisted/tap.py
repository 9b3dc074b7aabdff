"""What ``twistd agwgateway`` does: options, and a service from them, or the reason why there is none.

A start that fails ends here, before twistd becomes a daemon: everything that may be wrong (the file, a certificate, a
busy port, the access log) is tried first, and told on stderr with exit status 1.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from twisted.application.service import IService
from twisted.python import usage

from agwtwisted._version import VERSION
from agwtwisted.core import report
from agwtwisted.core.config import parse
from agwtwisted.core.errors import AgwError, ConfigError
from agwtwisted.core.resources import Config
from agwtwisted.core.routing import addresses_of
from agwtwisted.core.sources import SourceFile


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
    config = load(options["config"])
    if options["check"]:
        print(report.table(config, datetime.now(UTC)))
        print(f"{options['config']}: the configuration is valid")
        sys.exit(0)
    is_daemon = options.parent is not None and not options.parent.get("nodaemon", True)
    if config.gateway.access_log == "-" and is_daemon:
        sys.exit("access_log = - writes to standard output, which a daemon has not: give it a path, or run twistd -n")
    return _start(config)


def load(file: str) -> Config:
    """The configuration of a file; ends the process with every problem of it when it is not taken."""
    try:
        source = read(file)
    except OSError as error:
        sys.exit(f"ERROR {file} cannot be read: {error.strerror}")
    try:
        config = parse(source.data, file, read, mode=source.mode, now=datetime.now(UTC))
    except ConfigError as error:
        sys.exit(str(error))
    for warning in config.warnings:
        print(warning, file=sys.stderr)
    return config


def _start(config: Config) -> IService:
    # Not before the options are read: importing the reactor installs one, and twistd's --reactor chooses it.
    if "twisted.internet.reactor" not in sys.modules:
        _install_reactor()
    from twisted.internet import reactor

    from agwtwisted.listener import bind
    from agwtwisted.service import build, end_at_once_on_signal, reopen_on_signal

    sockets: dict[tuple[str, int], socket.socket] = {}
    try:
        for address in addresses_of(config):
            sockets[address] = bind(*address)
        service = build(config, reactor, sockets)
    except (AgwError, OSError) as error:
        for bound in sockets.values():
            bound.close()
        sys.exit(f"ERROR {error}")
    _spare_the_collector()
    reactor.callWhenRunning(reopen_on_signal, reactor, service.access_log.reopen)
    reactor.addSystemEventTrigger("before", "shutdown", end_at_once_on_signal)
    return service


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
        from agwtwisted.reactor import install
    except ImportError:  # no epoll here: Twisted's default does
        return
    install()


def read(path: str) -> SourceFile:
    """A file that the configuration is or names; raises OSError where there is none."""
    with Path(path).open("rb") as file:
        return SourceFile(data=file.read(), mode=os.fstat(file.fileno()).st_mode)
