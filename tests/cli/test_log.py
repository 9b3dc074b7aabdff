"""`agw log`: a file, standard input, and a log that goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import log
from agwtwisted.cli.log_files import FollowedLog
from tests.cli.calls import Called, call
from tests.cli.test_log_lines import HANDSHAKE, SESSION, line


class LogTests(SynchronousTestCase):
    """A log of four lines, one of them broken, beside a configuration."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.file = self.directory / "access.log"
        self.file.write_bytes(b"\n".join([line(), b'{"broken\x1b', HANDSHAKE, SESSION]) + b"\n")
        self.configuration = self.directory / "gw.ini"
        self.configuration.write_text("[gateway]\naccess_log = access.log\nnonsense\n")

    def log(self, *words: str) -> list[str]:
        """What is printed of the file."""
        done = call("log", str(self.file), *words)
        self.assertEqual((done.status, done.err), (0, ""))
        return done.out.splitlines()

    def test_all(self) -> None:
        """A line for each entry; a broken one is shown with the others."""
        lines = self.log()
        self.assertEqual(len(lines), 4)
        self.assertEqual(lines[1], '? {"broken\\x1b')

    def test_by_configuration(self) -> None:
        """The configuration says where the log is, whatever else is wrong with it."""
        done = call("log", "--config", str(self.configuration))
        self.assertEqual((done.status, done.out.splitlines()), (0, self.log()))

    def test_filters(self) -> None:
        """Filters leave out entries, and never a broken line."""
        whole = self.log()
        self.assertEqual(self.log("--refused"), whole[1:])
        self.assertEqual(self.log("--status", "2xx"), whole[:2])
        self.assertEqual(self.log("--listener", "mqtt", "--client", "192.0.2.0/24"), [whole[1], whole[3]])
        self.assertEqual(self.log("--since", "2026-06-01T11:00:02"), [whole[1], whole[3]])

    def test_last(self) -> None:
        """The last ones, of those that are wanted."""
        whole = self.log()
        self.assertEqual(self.log("-n", "1"), whole[3:])
        self.assertEqual(self.log("-n", "1", "--status", "2xx"), whole[1:2])
        self.assertEqual(self.log("-n", "2", "--status", "2xx"), whole[:2])
        self.assertEqual(self.log("-n", "0"), [])

    def test_json(self) -> None:
        """Entries as JSON for programs; broken lines are on standard error."""
        done = call("log", str(self.file), "--json")
        self.assertEqual((done.status, done.err), (0, '? {"broken\\x1b\n'))
        self.assertEqual(
            [json.loads(each) for each in done.out.splitlines()], [json.loads(x) for x in (line(), HANDSHAKE, SESSION)]
        )

    def test_standard_input(self) -> None:
        """Standard input is read to its end, the last line with or without its own."""
        stdin = mock.Mock(buffer=io.BufferedReader(io.BytesIO(self.file.read_bytes()[:-1])))
        with mock.patch("sys.stdin", stdin):
            done = call("log", "-")
        self.assertEqual((done.status, done.out.splitlines()), (0, self.log()))

    def test_unfinished_line(self) -> None:
        """A last line without end is shown."""
        self.file.write_bytes(line())
        self.assertEqual(len(self.log()), 1)

    def test_errors(self) -> None:
        """What cannot be read or understood is one line, and exit status 2."""
        off, out = self.directory / "off.ini", self.directory / "out.ini"
        off.write_text("[gateway]\n")
        out.write_text("[gateway]\naccess_log = -\n")
        for words, expected in (
            (["none.log"], "none.log cannot be read: No such file"),
            ([str(self.directory)], "cannot be read: Is a directory"),
            (["-c", "none.ini"], "none.ini cannot be read: No such file"),
            (["-c", str(off)], "has no access_log in [gateway]"),
            (["-c", str(out)], "agw run --config … | agw log -"),
            (["--status", "6xx"], "--status '6xx' is no status"),
            (["--client", "x"], "--client 'x' is no address"),
            (["--since", "x"], "--since 'x' is no time"),
            (["-n", "100001"], "is no number up to 100000"),
        ):
            done = call("log", *words)
            self.assertEqual((done.status, done.out), (2, ""), words)
            self.assertIn(expected, done.err)

    def follow(self, act: Callable[[int], None], *words: str) -> Called:
        """What is shown where `act` is called at each look, until it raises KeyboardInterrupt."""
        looks = iter(range(100))

        def follow(followed: FollowedLog, show_all: Callable[..., object], wait: object) -> None:
            original(followed, show_all, lambda: act(next(looks)))

        original = log.follow
        with mock.patch.object(log, "follow", follow):
            return call("log", str(self.file), "--follow", *words)

    def test_follow(self) -> None:
        """The last lines first, then those that come, across a rotation; Ctrl-C is its end."""

        def act(look: int) -> None:
            """Appends a line, renames the log, and makes another one."""
            if look == 0:
                with self.file.open("ab") as file:
                    file.write(line(requestUri="/appended") + b"\n")
            elif look == 1:
                self.file.rename(self.directory / "access.log.1")
                self.file.write_bytes(line(requestUri="/anew") + b"\n" + HANDSHAKE + b"\n")
            else:
                raise KeyboardInterrupt

        done = self.follow(act, "-n", "1", "--status", "200,403")
        self.assertEqual((done.status, done.err), (130, ""))
        lines = done.out.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertIn("L4 session", lines[0])
        self.assertIn("/appended", lines[1])
        self.assertIn("/anew", lines[2])

    def test_follow_shows_few(self) -> None:
        """Ten lines are shown before those that come, unless another number is asked for."""
        self.file.write_bytes(b"".join(line(requestUri=f"/{at}") + b"\n" for at in range(30)))

        def end(look: int) -> None:
            """Ends at once."""
            raise KeyboardInterrupt

        self.assertEqual(len(self.follow(end).out.splitlines()), 10)
        self.assertEqual(len(self.follow(end, "-n", "30").out.splitlines()), 30)
