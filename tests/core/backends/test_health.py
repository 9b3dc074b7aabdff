"""What makes a server healthy or unhealthy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import (
    LOOKED_AT,
    Health,
    HealthState,
    ProbeMatch,
    StatusRange,
    match_body,
    status_range,
)
from agwtwisted.core.base.errors import UnacceptableError

THRESHOLD = 3


def after(seen: str, threshold: int = THRESHOLD) -> Health:
    """The health after what was seen, a letter a second: ``+`` a success, ``-`` a failure."""
    health = Health()
    for now, each in enumerate(seen):
        health = health.succeeded(now) if each == "+" else health.failed(now, threshold)
    return health


class HealthTests(SynchronousTestCase):
    """The state of a server."""

    def test_states(self) -> None:
        """Down until the first success, up after one, down again after so many failures in a row."""
        for seen, state in {
            "": HealthState.UNKNOWN,
            "-": HealthState.DOWN,
            "--": HealthState.DOWN,
            "+": HealthState.UP,
            "--+": HealthState.UP,
            "+--": HealthState.UP,
            "+---": HealthState.DOWN,
            "+--+--": HealthState.UP,
            "+--+---": HealthState.DOWN,
            "+----+": HealthState.UP,
        }.items():
            self.assertIs(after(seen).state, state, seen)

    def test_refusing(self) -> None:
        """Down by a refusal is known for as long as refusals are the last that is known; up, it means nothing."""
        health = Health().succeeded(0).failed(1, 2, refused=True)
        self.assertFalse(health.refusing)
        down = health.failed(2, 2, refused=True)
        self.assertTrue(down.refusing)
        self.assertTrue(down.failed(3, 2, refused=True).refusing)
        self.assertFalse(down.failed(3, 2).refusing)
        self.assertTrue(down.failed(3, 2).failed(4, 2, refused=True).refusing)
        self.assertFalse(down.succeeded(3).refusing)

    def test_threshold_of_one(self) -> None:
        """With a threshold of 1 every failure makes it unhealthy."""
        self.assertIs(after("+-", 1).state, HealthState.DOWN)

    def test_since(self) -> None:
        """It is known when a state began, whatever confirmed it since."""
        self.assertEqual([after(seen).since for seen in ("+++-", "+---", "+-----", "+---+++")], [0, 3, 3, 4])

    @given(st.text("+-", max_size=30), st.integers(1, 20))
    def test_like_the_rule(self, seen: str, threshold: int) -> None:
        """The last success decides, and how many failures came after it."""
        failures = len(seen) - len(seen.rstrip("-"))
        if not seen:
            expected = HealthState.UNKNOWN
        elif "+" in seen and failures < threshold:
            expected = HealthState.UP
        else:
            expected = HealthState.DOWN
        health = after(seen, threshold)
        self.assertEqual((health.state, health.failures), (expected, failures))


class MatchTests(SynchronousTestCase):
    """What an answer must look like."""

    def test_statuses(self) -> None:
        """By default those from 200 to 399; else the ones of the probe."""
        default = ProbeMatch()
        self.assertEqual(
            [bool(default.problem(each, b"")) for each in (199, 200, 399, 400)], [True, False, False, True]
        )
        own = ProbeMatch(statuses=(StatusRange(200, 200), StatusRange(401, 403)))
        self.assertEqual([bool(own.problem(each, b"")) for each in (200, 201, 401, 403)], [False, True, False, False])
        self.assertEqual(own.problem(503, b""), "status 503 is not one of 200, 401-403")

    def test_body(self) -> None:
        """The text stands somewhere in the first bytes, and the status must be right all the same."""
        match = ProbeMatch(body=b"well")
        self.assertEqual([match.problem(200, each) for each in (b"well", b"is well.")], ["", ""])
        self.assertIn("match_body is not in the first 4090 bytes", match.problem(200, b"is bad"))
        self.assertTrue(match.problem(500, b"well"))

    def test_looked_at(self) -> None:
        """What comes after the first bytes does not count."""
        match = ProbeMatch(body=b"well")
        self.assertEqual(match.problem(200, bytes(LOOKED_AT - 4) + b"well"), "")
        self.assertTrue(match.problem(200, bytes(LOOKED_AT - 3) + b"well"))


class ConverterTests(SynchronousTestCase):
    """As they stand in a configuration."""

    def test_status_range(self) -> None:
        """One status, or two with a hyphen between them."""
        for text, shown in {"200": "200", "200-399": "200-399", "200 - 399": "200-399", "404-404": "404"}.items():
            self.assertEqual(str(status_range(text)), shown)

    def test_no_status_range(self) -> None:
        """Anything else is refused, with the text that was found."""
        for text in ("", "-", "200-", "-399", "20", "2000", "99", "600", "399-200", "200-399-500", "2xx", "²00", "+20"):
            with self.assertRaises(UnacceptableError, msg=text) as caught:
                status_range(text)
            self.assertIn(repr(text), str(caught.exception))

    def test_match_body(self) -> None:
        """A text as long as what is looked at; bytes count, not letters."""
        self.assertEqual(match_body("a" * LOOKED_AT), "a" * LOOKED_AT)
        for text in ("a" * (LOOKED_AT + 1), "ä" * LOOKED_AT):
            with self.assertRaises(UnacceptableError):
                match_body(text)
