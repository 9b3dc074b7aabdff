"""The browser that is opened, and what of the token can be seen meanwhile."""

from __future__ import annotations

import os
import signal
import stat
import threading
from pathlib import Path
from unittest import mock

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.console_page import MOMENT, console_url, opened, shown_for_a_moment

URL = console_url("127.0.0.1:9", "se-cret")


class OpenedTests(SynchronousTestCase):
    """The file that leads to the page."""

    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        patched = mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": os.path.abspath(self.directory)})
        patched.start()
        self.addCleanup(patched.stop)

    def test_token_is_in_no_argument(self) -> None:
        """The browser gets the path of a file that only its owner can read, and that goes with the block."""
        arguments: list[str] = []
        done = threading.Event()

        def open_page(url: str) -> None:
            arguments.append(url)
            done.set()

        with opened(URL, open_page) as page:
            done.wait()
            self.assertEqual(arguments, [page.as_uri()])
            self.assertIn(f'content="0; url={URL}"', page.read_text())
            self.assertEqual(stat.S_IMODE(page.stat().st_mode), 0o600)
            self.assertEqual(stat.S_IMODE(page.parent.stat().st_mode), 0o700)
        self.assertEqual(list(Path(self.directory).iterdir()), [])

    def test_hangup(self) -> None:
        """A terminal that closes ends the program as SIGTERM does, by which the file goes, unless nohup has it stay."""
        heard: list[int] = []
        for number, handler in (
            (signal.SIGTERM, lambda number, _: heard.append(number)),
            (signal.SIGHUP, signal.SIG_DFL),
        ):
            self.addCleanup(signal.signal, number, signal.signal(number, handler))
        with opened(URL, lambda _: None):
            signal.raise_signal(signal.SIGHUP)
        self.assertEqual((heard, signal.getsignal(signal.SIGHUP)), ([signal.SIGTERM], signal.SIG_DFL))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with opened(URL, lambda _: None):
            signal.raise_signal(signal.SIGHUP)
        self.assertEqual(heard, [signal.SIGTERM])

    def test_shown_for_a_moment(self) -> None:
        """The console of a gateway that serves it itself is opened, and the file is there for a moment."""
        clock = Clock()
        said: list[tuple[str, str, bool]] = []

        def say(url: str, hint: str, *, secret: bool) -> None:
            said.append((url, hint, secret))

        with mock.patch("webbrowser.open"):
            shown = Deferred.fromCoroutine(shown_for_a_moment(clock, "127.0.0.1:9", "se-cret", say, browser=True))
            self.assertNoResult(shown)
            self.assertEqual(len(list(Path(self.directory).iterdir())), 1)
            clock.advance(MOMENT)
        self.successResultOf(shown)
        self.assertEqual(list(Path(self.directory).iterdir()), [])
        self.assertEqual(said, [(URL, "", False)])

    def test_without_a_browser(self) -> None:
        """Where no browser is wanted, none is opened, and the URL is printed with its token."""
        said: list[bool] = []

        def say(url: str, hint: str, *, secret: bool) -> None:
            said.append(secret)

        shown = shown_for_a_moment(Clock(), "127.0.0.1:9", "se-cret", say, browser=False)
        self.successResultOf(Deferred.fromCoroutine(shown))
        self.assertEqual(said, [True])
