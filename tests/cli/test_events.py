"""`agw events`: a line for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import events
from agwtwisted.cli.control import ControlAnswer
from agwtwisted.cli.event_stream import StreamEvent
from tests.cli.answered import HOSTILE, PIPE, on_terminal
from tests.cli.calls import Called, call

AT = {"at": "2026-01-01T00:00:00Z"}
HEALTH = StreamEvent("health", {**AT, "pool": "app", "health": "Down", "none": None}, "7")


class TextTests(SynchronousTestCase):
    """One line for an event."""

    def test_text(self) -> None:
        """Time, kind, and what there is of values; those with blanks are quoted, and all are escaped."""
        self.assertEqual(events._text(HEALTH, PIPE), "2026-01-01T00:00:00Z health pool=app health=Down")
        refusal = StreamEvent(
            "refusal", {**AT, "reason": "has expired", "subject": HOSTILE, "list": ["a", "b"], "n": 0}
        )
        expected = r'2026-01-01T00:00:00Z refusal reason="has expired" subject="CN=\u001b[31mred\u202e" list="a, b" n=0'
        self.assertEqual(events._text(refusal, PIPE), expected)

    def test_color(self) -> None:
        """Health has its color on a terminal."""
        self.assertIn("health=\x1b[31mDown\x1b[0m", events._text(HEALTH, on_terminal(80, color=True)))

    def test_json(self) -> None:
        """As JSON an event is one line."""
        self.assertEqual(
            events._json_text(HEALTH, PIPE),
            '{"id": "7", "event": "health", "data": {"at": "2026-01-01T00:00:00Z", "pool": "app", "health": "Down", '
            '"none": null}}',
        )


class EventsTests(SynchronousTestCase):
    """The command."""

    def events(self, end: ControlAnswer | str | None, *words: str) -> Called:
        """What it does where following ends so."""
        with mock.patch.object(events, "reached", return_value=end):
            return call("events", *words)

    def test_ends(self) -> None:
        """Ctrl-C is its usual end; else standard error says why, and the exit status is 1 or 2."""
        self.assertEqual(self.events(None), Called(0, "", ""))
        self.assertEqual(self.events("it ended"), Called(2, "", "it ended\n"))
        self.assertEqual(self.events(ControlAnswer(503, {"error": "no"})), Called(1, "", "no\n"))

    def test_kinds(self) -> None:
        """A kind that there is not is an error of usage."""
        done = self.events(None, "--kinds", "refusal,helth")
        self.assertEqual(done.status, 2)
        self.assertIn("no kind 'helth'; there are refusal, health", done.err)
        self.assertEqual(self.events(None, "--kinds", "refusal,health").status, 0)

    def test_prints(self) -> None:
        """What comes is printed as it comes."""

        async def following(reactor: object, place: object, target: str, heard: Callable[[bytes], None]) -> None:
            """Two events, in pieces."""
            self.assertEqual(target, "/events?kinds=health")
            heard(b'event: health\ndata: {"a": 1}\n\nevent: hea')
            heard(b"lth\ndata: {}\n\n")

        def reached(options: object, follow: Callable[[object, object], Any]) -> object:
            """Runs what the command does with a reactor."""
            with mock.patch("agwtwisted.cli.control.follow", following), self.assertRaises(StopIteration) as end:
                follow(None, None).send(None)
            return end.exception.value

        with mock.patch.object(events, "reached", reached):
            done = call("events", "--kinds", "health")
        self.assertEqual((done.status, done.err), (2, "the gateway has ended the events\n"))
        self.assertRegex(done.out, r"\A\d{4}-\d\d-\d\dT\S+Z health a=1\n\S+Z health\n\Z")
