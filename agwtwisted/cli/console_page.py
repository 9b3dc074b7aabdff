"""Opens the console in a browser, without its token in an argument of any process."""

from __future__ import annotations

import html
import os
import signal
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

if TYPE_CHECKING:
    from agwtwisted.cli.passing import PassingSite

MOMENT: Final = 30.0
"""Seconds in which the browser reads the file, where nothing says that it has."""

_PAGE: Final = """<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={url}">
<title>agwtwisted console</title>
<p><a href="{url}">The console</a></p>
"""


class Said(Protocol):
    """Prints a URL, and what to do next."""

    def __call__(self, url: str, hint: str, *, secret: bool) -> None:
        """`secret`: the token in it was asked for."""


def console_url(authority: str, token: str) -> str:
    """The URL of the console with its token, which a browser sends to no server: it is in the fragment."""
    return f"http://{authority}/console/#token={token}"


async def shown_for_a_moment(reactor: IReactorTime, authority: str, token: str, said: Said, *, browser: bool) -> None:
    """Opens the console of a gateway that serves it itself."""
    url = console_url(authority, token)
    said(url, "", secret=not browser)
    if browser:
        with opened(url):
            waiting: Deferred[None] = Deferred()
            reactor.callLater(MOMENT, waiting.callback, None)
            await waiting


async def shown_until_ended(reactor: IReactorTime, site: PassingSite, said: Said, *, browser: bool) -> None:
    """Opens the console that this process serves, and waits for a signal, which ends the reactor."""
    url = console_url(site.authority, site.token)
    said(url, "Ctrl-C ends the console", secret=not browser)
    if browser:
        with opened(url):
            await site.used
    await Deferred[None]()


@contextmanager
def _hangup_ends() -> Iterator[None]:
    """A terminal that closes ends this process as SIGTERM does, so that the file with the token goes, too."""
    by_default = signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    if by_default:  # nohup has it ignored
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
    try:
        yield
    finally:
        if by_default:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def opened(url: str, open_page: Callable[[str], object] = webbrowser.open) -> Iterator[Path]:
    """Has a browser open a file that leads to the URL; the file goes with the block."""
    runtime = os.environ.get("XDG_RUNTIME_DIR") or None
    with _hangup_ends(), tempfile.TemporaryDirectory(prefix="agw-console-", dir=runtime) as directory:
        page = Path(directory, "console.html")
        with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(_PAGE.format(url=html.escape(url)))
        # A browser of the terminal returns only at its end, and must not hold up that of this process.
        threading.Thread(target=open_page, args=(page.as_uri(),), daemon=True).start()
        yield page
