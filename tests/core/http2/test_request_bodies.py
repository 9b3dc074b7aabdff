"""Bodies of requests as DATA brings them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.request_bodies import ANY_LENGTH, NO_BODY, BodyFault, RequestBody
from agwtwisted.core.http2.windows import ReceiveWindow


def body(length: int = ANY_LENGTH, most: int = 100, window: int = 100) -> RequestBody:
    """One of which the head is read."""
    made = RequestBody(ReceiveWindow(window))
    assert made.expect(length, most) is None
    return made


class RequestBodyTests(SynchronousTestCase):
    """What may come, and what is kept."""

    def test_length(self) -> None:
        """A body is as long as its head says: not shorter, not longer."""
        exact, long, short = body(4), body(3), body(5)
        self.assertIsNone(exact.add(b"ab", 2, end=False))
        self.assertIsNone(exact.add(b"cd", 2, end=True))
        self.assertTrue(exact.whole)
        self.assertIs(long.add(b"abcd", 4, end=False), BodyFault.NOT_AS_LONG)
        self.assertIsNone(short.add(b"abcd", 4, end=False))
        self.assertIs(short.add(b"", 0, end=True), BodyFault.NOT_AS_LONG)

    def test_most(self) -> None:
        """One whose length is not said has a bound all the same."""
        large = body(most=4)
        self.assertIsNone(large.add(b"abcd", 4, end=False))
        self.assertIs(large.add(b"e", 1, end=False), BodyFault.TOO_LONG)

    def test_window(self) -> None:
        """Padding uses the window up, too; no more than it comes."""
        padded = body(window=10)
        self.assertIsNone(padded.add(b"a", 10, end=False))
        self.assertIs(padded.add(b"", 1, end=False), BodyFault.OVERDRAWN)

    def test_before_the_head_is_read(self) -> None:
        """What is wrong with what has come before is found once the length is known."""
        early = RequestBody(ReceiveWindow(100))
        self.assertIsNone(early.add(b"abcd", 4, end=True))
        self.assertIs(early.expect(3, 100), BodyFault.NOT_AS_LONG)
        self.assertIs(early.expect(5, 100), BodyFault.NOT_AS_LONG)
        self.assertIs(early.expect(ANY_LENGTH, 3), BodyFault.TOO_LONG)
        self.assertIsNone(early.expect(4, 100))

    def test_kept(self) -> None:
        """What is kept is taken in its order, once."""
        kept = body()
        for piece in (b"ab", b"c"):
            kept.hold(piece)
        self.assertEqual((kept.held, kept.take(), kept.held, kept.take()), (3, b"abc", 0, b""))

    def test_none(self) -> None:
        """A request without a body waits for nothing."""
        self.assertTrue(NO_BODY.whole)
        self.assertFalse(NO_BODY.paused or NO_BODY.held)
