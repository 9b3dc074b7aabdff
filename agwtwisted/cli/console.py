"""`agw console`: the console in a browser.

The token reaches the browser by a file that only its owner can read, whose path is the browser's argument: arguments
of processes can be read by all users of a machine. A code in the argument that is good for one use would be a race,
which another user may win.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from agwtwisted.cli.asking import reached
from agwtwisted.cli.command import NO, OK, Command, Example, Statuses
from agwtwisted.cli.options import add_control, config_of
from agwtwisted.cli.output import complain
from agwtwisted.cli.own_sections import own_sections

if TYPE_CHECKING:  # they take their time
    from twisted.internet.posixbase import PosixReactorBase

    from agwtwisted.cli.control import ControlAnswer, ControlPlace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `agw console` takes."""
    parser.add_argument("--no-browser", action="store_true", help="print the URL, with its token, and open nothing")
    parser.add_argument(
        "--port",
        type=port,
        default=0,
        metavar="PORT",
        help="serve the console on this port of 127.0.0.1; default: where the gateway serves it, else any free one",
    )
    add_control(parser)


def port(text: str) -> int:
    """A number of a port; raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> int:
    """Serves or opens the console."""
    browser: bool = not options.no_browser

    async def show(reactor: PosixReactorBase, place: ControlPlace) -> ControlAnswer | None:
        from agwtwisted.cli import console_page, control, passing

        answer = await control.ask(reactor, place, "GET", "/status")
        if answer.status != control.OK:
            return answer
        if not place.path:
            await console_page.shown_for_a_moment(reactor, place.authority, place.token, _said, browser=browser)
            return None
        with passing.serving(reactor, place.path, options.port) as served:
            await console_page.shown_until_ended(reactor, served, _said, browser=browser)
        return None

    if options.control is None and not options.port:
        options.control = own_port(config_of(options))
    refused = reached(options, show)
    if refused is None:
        return OK  # Ctrl-C is how it ends
    complain(str(refused.members.get("error", f"the gateway answers with status {refused.status}")))
    return NO


def own_port(file: str) -> str | None:
    """The URL at which the gateway with this configuration serves the console itself; None: it does not.

    A configuration that cannot be read is an error where its control socket is looked for.
    """
    from agwtwisted.core.http.host_names import bracketed
    from agwtwisted.core.sections.control_keys import located_port

    try:
        found = located_port(*own_sections(file))
    except OSError:
        return None
    return None if found is None else f"http://{bracketed(found[0])}:{found[1]}"


def _said(url: str, hint: str, *, secret: bool) -> None:
    """Prints where the console is; with its token only where no file or log takes it, unless that was asked for."""
    shown = url if secret or sys.stdout.isatty() else url.partition("#")[0]
    print(shown, flush=True)
    if hint:
        print(hint, file=sys.stderr, flush=True)


COMMAND: Final = Command(
    name="console",
    help="show the running gateway in a browser, and change it there",
    description=(
        "Traffic, listeners, backends, clients and refusals, live. A gateway with [control] port serves the console"
        " itself; for others this command does, on a port of 127.0.0.1, with a token of its own, until Ctrl-C."
    ),
    examples=(
        Example("agw console --config /etc/agwtwisted/gw.ini", "open the browser; Ctrl-C ends it"),
        Example(
            "agw console --no-browser --port 9000", "print the URL, to be opened behind ssh -L 9000:127.0.0.1:9000"
        ),
    ),
    statuses=Statuses(ok="it was shown", no="the gateway refused to answer"),
    arguments=add_arguments,
    run=run,
)
