"""Streams of a connection that are not open."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.stream_states import ENDED, GAPS, IDLE, LEFT, PASSED, REMEMBERED, RESET, StreamStates


class StreamStateTests(SynchronousTestCase):
    """RFC 9113 section 5.1, from the server's end."""

    def test_numbers(self) -> None:
        """Clients open streams with odd numbers, each higher than the one before."""
        states = StreamStates()
        self.assertEqual(
            [states.open(stream) for stream in (1, 1, 2, 7, 5, 9)], [True, False, False, True, False, True]
        )
        self.assertEqual(states.last, 9)

    def test_states(self) -> None:
        """What is known of a stream is how it was closed, and whether it was ever open."""
        states = StreamStates()
        for stream in (1, 3, 7, 9):
            states.open(stream)
        states.reset(3)
        states.left(7)
        self.assertEqual(
            [states.of(stream) for stream in (1, 2, 3, 5, 7, 9, 11)], [ENDED, IDLE, RESET, PASSED, LEFT, ENDED, IDLE]
        )
        states.reset(7)
        self.assertIs(states.of(7), RESET)

    def test_memory_is_bounded(self) -> None:
        """Of many streams that were reset the first ones are forgotten: what is still on its way is dropped, too."""
        states = StreamStates()
        for stream in range(1, 2 * REMEMBERED + 20, 2):
            states.open(stream)
            states.left(stream)
        self.assertIs(states.of(1), RESET)
        self.assertIs(states.of(states.last), LEFT)
        self.assertEqual(len(states._reset), REMEMBERED)

    def test_gaps_are_bounded(self) -> None:
        """Of many gaps the later ones count as streams that have ended."""
        states = StreamStates()
        for stream in range(3, 4 * GAPS + 40, 4):
            states.open(stream)
        self.assertIs(states.of(1), PASSED)
        self.assertIs(states.of(states.last - 2), ENDED)
