"""Stores of signed responses: what each must do."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet import reactor as global_reactor
from twisted.trial.unittest import TestCase

from agwtwisted.revocation.ocsp_store import MemoryStore, ResponseStore, StoredResponse

reactor: Any = global_reactor


def stored(key: str, response: str = "response", *, until: float = 100.0, is_revoked: bool = False) -> StoredResponse:
    """A response to keep."""
    return StoredResponse(key=key.encode(), response=response.encode(), is_revoked=is_revoked, until=until)


class Contract:
    """What holds for every store; `again` is the store that comes after it, of another process where it can."""

    def again(self) -> ResponseStore:
        """The next one."""
        raise NotImplementedError

    async def kept(self, *responses: StoredResponse, now: float = 0.0, most: int = 10) -> list[StoredResponse]:
        """What the next store has of what was put into this one."""
        store = self.again()
        store.load(now, most)
        store.start()
        for each in responses:
            store.put(each)
        await store.stop()
        return self.again().load(now, most)

    async def test_nothing(self) -> None:
        """At first there is nothing."""
        assert await self.kept() == []

    async def test_kept(self) -> None:
        """What was put is there the next time, as it was."""
        responses = [stored("a"), stored("b", is_revoked=True, until=1e10)]
        found = await self.kept(*responses)
        assert sorted(found, key=lambda each: each.key) == responses

    async def test_last_one_counts(self) -> None:
        """Of several responses of one key the last one counts, revocation or not."""
        reinstated = attrs.evolve(stored("a", "newer"), is_newer_than_revocation=True)
        for last in (stored("a", "new"), stored("a", "new", is_revoked=True), reinstated):
            before = stored("a", "old", is_revoked=not last.is_revoked and last.is_newer_than_revocation)
            assert await self.kept(before, last) == [last]

    async def test_forgotten(self) -> None:
        """Responses are forgotten with a text in them, or all: no revocation, and none that comes after that."""
        for needle, left in ((b"one", {"b", "c"}), (b"", {"c"})):
            store = self.again()
            store.load(0.0, 10)
            store.start()
            for each in (stored("a", "has one in it"), stored("b"), stored("c", "one", is_revoked=True)):
                store.put(each)
            store.forget(needle)
            store.put(stored("d", "one"))
            await store.stop()
            found = {each.key.decode() for each in self.again().load(0.0, 10)}
            assert found == left | {"d"}, found

    async def test_over(self) -> None:
        """What is over is not given back."""
        assert await self.kept(stored("a", until=5.0), stored("b", until=5.1), now=5.0) == [stored("b", until=5.1)]

    async def test_revocations_stay(self) -> None:
        """By a clock that is years ahead every certificate has ended: a revocation is there when it is right again."""
        revoked = stored("a", is_revoked=True, until=5.0)
        assert await self.kept(revoked, stored("b", until=5.0), now=1e9) == [revoked]

    async def test_most(self) -> None:
        """Those that last longest are given back, as many as are wanted, and every revocation."""
        revoked = [stored(f"r{number}", is_revoked=True, until=200) for number in range(5)]
        others = [stored(f"g{number}", until=number + 1) for number in range(5)]
        found = await self.kept(*others, *revoked, most=2)
        assert sorted(found, key=lambda each: each.key) == [*others[3:], *revoked]

    async def test_stop_without_start(self) -> None:
        """A store that was never started stops at once."""
        await self.again().stop()


class MemoryTests(Contract, TestCase):
    """The store in memory."""

    def setUp(self) -> None:
        self.store = MemoryStore()

    def again(self) -> ResponseStore:
        """There is only one."""
        return self.store

    def test_bounded(self) -> None:
        """It is bounded, but for revocations, of which the CAs issue only so many."""
        store = MemoryStore(most=2)
        for number in range(5):
            store.put(stored(f"g{number}"))
            store.put(stored(f"r{number}", is_revoked=True))
        self.assertEqual(len(store.load(0, 10)), 7)
