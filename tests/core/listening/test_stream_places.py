"""Places for several requests of one connection at once."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.stream_places import MOST_QUEUED, Backlog, BacklogShare, StreamPlaces


class StreamPlacesTests(SynchronousTestCase):
    """Who gets one, and who waits."""

    def setUp(self) -> None:
        self.woken: list[str] = []

    def waiter(self, name: str) -> Callable[[], None]:
        """Notes that it is woken."""
        return lambda: self.woken.append(name)

    def taken(self, places: StreamPlaces, block: str, most: int = 1000) -> int:
        """How many an address gets."""
        return next((count for count in range(most) if not places.take(block)), most)

    def test_enough(self) -> None:
        """Where descriptors are not counted there is one for each."""
        places = StreamPlaces()
        self.assertEqual(self.taken(places, "a"), 1000)
        self.assertFalse(places.short)

    def test_shares(self) -> None:
        """The last quarter is for addresses that have less than a quarter of all."""
        places = StreamPlaces(40)
        self.assertEqual(self.taken(places, "a"), 30)
        self.assertEqual(self.taken(places, "b"), 10)
        self.assertEqual(self.taken(places, "c"), 0)
        places.give_back("a", 5)
        self.assertEqual((self.taken(places, "b"), self.taken(places, "c"), places.taken), (0, 5, 40))

    def test_hardly_any(self) -> None:
        """A single place is for any address, and of none there is none."""
        self.assertEqual([self.taken(StreamPlaces(room), "a") for room in (0, 1, 2)], [0, 1, 1])

    def test_waiting(self) -> None:
        """Who waits is woken once, in turn, by as many places as are free, if one of them is for its address."""
        places = StreamPlaces(8)
        self.assertEqual(self.taken(places, "a") + self.taken(places, "b"), 8)
        waiters = {name: self.waiter(name) for name in ("a1", "c1", "c2", "c3")}
        for name, waiter in waiters.items():
            places.wait(name[0], waiter)
            places.wait(name[0], waiter)
        self.assertEqual((places.short, places.waiting), (True, 4))
        places.give_back("b", 2)
        self.assertEqual(self.woken, ["c1", "c2"])
        places.wait_no_more(waiters["a1"])
        places.wait_no_more(waiters["a1"])
        places.give_back("a", 1)
        self.assertEqual(self.woken, ["c1", "c2", "c3"])
        self.assertFalse(places.short)

    def test_waits_again(self) -> None:
        """Who is woken and finds none waits again, behind the others."""
        places = StreamPlaces(1)
        places.take("a")

        def again() -> None:
            self.woken.append("again")
            places.wait("b", again)

        places.wait("b", again)
        places.wait("c", self.waiter("c"))
        places.give_back("a", 1)
        places.take("d")
        places.give_back("d", 1)
        self.assertEqual(self.woken, ["again", "c"])

    def test_change(self) -> None:
        """More places wake who waits for one; with fewer those that are taken stay."""
        places = StreamPlaces(1)
        places.take("a")
        places.wait("b", self.waiter("b"))
        places.change(2)
        self.assertEqual(self.woken, ["b"])
        places.change(0)
        self.assertEqual((places.taken, places.take("b")), (1, False))
        places.give_back("a", 1)
        self.assertEqual((places.taken, places.take("b")), (0, False))


class BacklogTests(SynchronousTestCase):
    """What waits for clients of some addresses."""

    def test_shares(self) -> None:
        """One address alone may have three quarters; of the rest others have a quarter each, until all is used up."""
        backlog, quarter = Backlog(), MOST_QUEUED // 4
        backlog.add("a", 3 * quarter)
        self.assertFalse(backlog.crowds("a"))
        backlog.add("a", 1)
        self.assertEqual([backlog.crowds(block) for block in "ab"], [True, False])
        backlog.add("b", quarter)
        self.assertEqual([backlog.crowds(block) for block in "abc"], [True, True, True])
        backlog.add("a", -quarter - 1)
        self.assertEqual([backlog.crowds(block) for block in "abc"], [False, False, False])

    def test_one_connection(self) -> None:
        """What is a connection's counts once, wherever it is counted."""
        first, second, share = Backlog(), Backlog(), BacklogShare()
        share.count(5)
        share.join(first, "a")
        share.count(7)
        self.assertEqual((first.octets, share.octets), (7, 7))
        share.join(second, "a")
        self.assertEqual((first.octets, second.octets), (0, 7))
        share.count(0)
        self.assertEqual(second.octets, 0)
