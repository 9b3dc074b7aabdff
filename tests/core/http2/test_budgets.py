"""What a client may send that costs more than it asks for: floods end, and heavy use does not."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http2.budgets import (
    CAPACITY,
    CONTINUATION,
    KINDS,
    PING,
    PRIORITY,
    RATE,
    REFUSED,
    RESET,
    SETTINGS,
    STREAM_ERROR,
    UNKNOWN,
    AbuseBudget,
)


def until_overdrawn(step: Callable[[int], str | None], most: int = 20_000) -> tuple[int, str]:
    """How many steps pass before the budget says no, and what it says."""
    for passed in range(most):
        reason = step(passed)
        if reason is not None:
            return passed, reason
    return most, ""


class FloodTests(SynchronousTestCase):
    """Frames of one kind as fast as they come."""

    def test_kinds(self) -> None:
        """Of each kind a number passes at once, and not more."""
        passing = {
            RESET: 400,
            STREAM_ERROR: 400,
            REFUSED: 400,
            CONTINUATION: 400,
            SETTINGS: 100,
            PING: 1000,
            PRIORITY: 4000,
            UNKNOWN: 4000,
        }
        for kind, count in passing.items():
            budget = AbuseBudget(5.0)
            passed, reason = until_overdrawn(lambda _, kind=kind, budget=budget: budget.spend(kind, 5.0))
            self.assertEqual((passed, reason), (count, kind.name))

    def test_small_data(self) -> None:
        """20,000 DATA frames of a byte, or of none, are too many, and so are window updates that nothing explains."""
        for length, count in ((1, 4063), (0, 4000)):
            budget = AbuseBudget(0.0)
            passed, reason = until_overdrawn(lambda _, length=length, budget=budget: budget.data(length, 0.0))
            self.assertEqual((passed, reason), (count, "small_data"))
        budget = AbuseBudget(0.0)
        self.assertEqual(until_overdrawn(lambda _: budget.window_update(0, 0, 0.0)), (4000, "window_updates"))

    def test_stays_overdrawn(self) -> None:
        """A budget that is overdrawn says so to each further frame of that moment."""
        budget = AbuseBudget(0.0)
        budget.spend(RESET, 0.0, 400)
        self.assertIsNotNone(budget.spend(UNKNOWN, 0.0))
        self.assertIsNotNone(budget.spend(UNKNOWN, 0.0))

    def test_mixed(self) -> None:
        """All kinds share one budget, and the reason is the kind on which most was spent."""
        budget = AbuseBudget(0.0)
        budget.spend(RESET, 0.0, 399)
        for _ in range(10):
            self.assertIsNone(budget.spend(UNKNOWN, 0.0))
        self.assertEqual(budget.spend(UNKNOWN, 0.0), RESET.name)

    def test_sustained(self) -> None:
        """What comes back with time permits a rate, and nothing saved beyond the capacity."""
        budget = AbuseBudget(0.0)
        budget.spend(RESET, 0.0, 400)
        self.assertIsNone(budget.spend(RESET, 1.0, RATE / RESET.points))
        self.assertIsNotNone(budget.spend(RESET, 1.5, 3))
        budget = AbuseBudget(0.0)
        passed, _ = until_overdrawn(lambda _: budget.spend(RESET, 1e6))
        self.assertEqual(passed, 400)

    def test_faster_than_time(self) -> None:
        """Twice what comes back is too much, in the end."""
        budget = AbuseBudget(0.0)
        passed, _ = until_overdrawn(lambda count: budget.spend(UNKNOWN, count / (2 * RATE)))
        self.assertIn(passed, range(int(2 * CAPACITY) - 5, int(2 * CAPACITY) + 1))

    def test_names(self) -> None:
        """Names are labels of a metric: words of their own."""
        self.assertEqual(len({kind.name for kind in KINDS}), len(KINDS))
        for kind in KINDS:
            self.assertRegex(kind.name, r"\A[a-z_]+\Z")


class HeavyUseTests(SynchronousTestCase):
    """Much that is asked for, and the frames that come with it."""

    def setUp(self) -> None:
        """A budget of a new connection."""
        self.budget = AbuseBudget(0.0)

    def test_page_that_is_left(self) -> None:
        """A browser cancels 200 requests of a page at once, and of the next one too once the same number were
        answered.
        """
        for page in range(20):
            for _ in range(200):
                self.assertIsNone(self.budget.spend(RESET, float(page)))
            self.budget.answered += 200

    def test_download(self) -> None:
        """A download of 100 MB whose client sends two window updates for each DATA frame costs nothing."""
        for frame in range(1, 100_000_000 // 16384):
            for _ in range(2):
                self.assertIsNone(self.budget.window_update(frame, frame * 16384, 0.0))
        self.assertEqual(self.budget.left, CAPACITY)

    def test_small_pieces_down(self) -> None:
        """So does one whose client confirms each kilobyte that it reads, or each event of a stream twice."""
        for kilobytes in range(1, 20_000):
            self.assertIsNone(self.budget.window_update(kilobytes // 16, kilobytes * 1024, 0.0))
        for frame in range(20_000, 40_000):
            for _ in range(2):
                self.assertIsNone(self.budget.window_update(frame, 20_000_000 + frame * 30, 0.0))
        self.assertEqual(self.budget.left, CAPACITY)

    def test_explained_updates_are_not_saved(self) -> None:
        """A download does not permit a flood of window updates after it."""
        passed, reason = until_overdrawn(lambda _: self.budget.window_update(60_000, 10**9, 0.0))
        self.assertEqual((passed, reason), (6000, "window_updates"))

    def test_upload(self) -> None:
        """An upload in pieces of 1 KB with a small one between each two never runs out."""
        for _ in range(50_000):
            self.budget.received += 1024
            self.assertIsNone(self.budget.data(10, 0.0))

    def test_rows(self) -> None:
        """Rows of 64 octets cost nothing, however many they are, and some thousands of shorter ones pass."""
        for _ in range(20_000):
            self.assertIsNone(self.budget.data(64, 0.0))
        self.assertEqual(self.budget.left, CAPACITY)
        passed, _ = until_overdrawn(lambda _: self.budget.data(48, 0.0))
        self.assertEqual(passed, 16_000)

    def test_keep_alive(self) -> None:
        """PINGs each 10 seconds, or one with each of many answers, leave the budget full."""
        for count in range(10_000):
            self.assertIsNone(self.budget.spend(PING, 10.0 * count))
        self.assertGreater(self.budget.left, CAPACITY - 5)
        for _ in range(10_000):
            self.budget.answered += 1
            self.assertIsNone(self.budget.spend(PING, 100_000.0))

    def test_requests(self) -> None:
        """100,000 requests, each with a window update and every second one cancelled, never run out."""
        for count in range(100_000):
            self.assertIsNone(self.budget.window_update(count, count * 100, 0.0))
            if count % 2:
                self.budget.answered += 1
            else:
                self.assertIsNone(self.budget.spend(RESET, 0.0))
