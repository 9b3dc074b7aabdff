"""`agw run`: the gateway in the foreground, in this process, as `twistd --nodaemon agwgateway` runs it."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from agwtwisted.cli import check
from agwtwisted.cli.arm_options import add_arm_options, arm_arguments
from agwtwisted.cli.command import Command, Example, Group, Statuses
from agwtwisted.cli.options import add_config, config_of

if TYPE_CHECKING:
    from agwtwisted.arm_files import ArmArguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw run` takes."""
    add_config(parser)
    parser.add_argument("--check", action="store_true", help="start nothing: the same as `agw check`")
    add_arm_options(parser)


def run(options: argparse.Namespace) -> int:
    """Runs the gateway until a signal ends it."""
    return check.run(options) if options.check else serve(config_of(options), arm_arguments(options))


def serve(config: str, arm: ArmArguments | None = None) -> int:
    """Runs the gateway of a configuration file, with options for an ARM document, until a signal ends it."""
    from twisted.application.app import _exitWithSignal

    from agwtwisted.tap import ARM

    twistd_options = _twistd_options(config)
    if arm is not None:
        twistd_options.subOptions[ARM] = arm
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until the reactor takes it over, at the end of the start
    runner = _runner(twistd_options)
    runner.run()
    if runner._exitSignal is not None:
        _exitWithSignal(runner._exitSignal)  # as twistd ends
    return 0


def _runner(options: Any) -> Any:
    """What runs the gateway as twistd does. The reactor takes over SIGINT where that has Python's handler."""
    from twisted.scripts._twistd_unix import UnixApplicationRunner

    class Runner(UnixApplicationRunner):
        def startReactor(self, *arguments: Any) -> None:  # noqa: N802
            signal.signal(signal.SIGINT, signal.default_int_handler)
            super().startReactor(*arguments)

    return Runner(options)


def _twistd_options(config: str) -> Any:
    """Options of twistd as if its command line had `agwgateway`, without its search for plugins."""
    from twisted.application.service import ServiceMaker
    from twisted.logger import textFileLogObserver
    from twisted.scripts._twistd_unix import ServerOptions

    gateway = ServiceMaker("agwgateway", "agwtwisted.tap", "", "agwgateway")

    class GatewayOptions(ServerOptions):
        _getPlugins = staticmethod(lambda *_: [gateway])  # type: ignore[assignment]  # noqa: N815

    options = GatewayOptions()
    options.parseOptions(["--nodaemon", "--pidfile=", "agwgateway", "--config", config])
    output = sys.stderr  # not standard output, which an access log may have
    options["logger"] = lambda: textFileLogObserver(output)
    return options


COMMAND: Final = Command(
    name="run",
    group=Group.RUN,
    help="run the gateway in the foreground",
    description=(
        "Everything is tried first, as by `agw check`; then addresses are bound, and the log goes to standard error."
        " SIGTERM and Ctrl-C drain connections, a second one ends them; SIGHUP reloads, SIGUSR1 reopens logs."
        " `twistd agwgateway` runs the same gateway, as a daemon, too."
    ),
    examples=(
        Example("agw run --config /etc/agwtwisted/gw.ini", "run this configuration until Ctrl-C"),
        Example("agw run", "run conf/gw.ini"),
        Example("agw run --config gateway.json --port 443=8443,80=8080", "run a gateway in ARM JSON as it is"),
    ),
    statuses=Statuses(
        ok="ended by SIGQUIT; by SIGTERM and SIGINT it ends as these signals end a program (143 and 130 in a shell)",
        no="not started: the configuration is not valid, an address cannot be bound, or a file cannot be written",
        failed="wrong usage",
    ),
    arguments=add_arguments,
    run=run,
    failure=1,
)
