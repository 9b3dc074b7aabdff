"""CRLs in a store that gateways share: in pieces, whole or not at all."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.revocation import shared_lists
from agwtwisted.revocation.shared_lists import LISTS, PIECE, SHARE_SECONDS, SharedLists
from tests.clocks import ThreadedReactor
from tests.revocation_lists import DEVICE, NOW, at_once, crl
from tests.shared_stores import StoreInHand

NAME = sha256(b"a list").hexdigest()
LARGE = bytes(range(256)) * (PIECE // 256 * 2 + 1)


class ListsCase(SynchronousTestCase):
    """A store in the test's hand, and the lists in it."""

    def setUp(self) -> None:
        self.patch(shared_lists, "in_thread", at_once)
        self.clock, self.knowledge = ThreadedReactor(), StoreInHand()
        self.lists = SharedLists(self.clock, self.knowledge, lambda: NOW)  # type: ignore[arg-type]

    def put(self, data: bytes, **changes: Any) -> str:
        """A list is stored, whatever it is; returns what its pieces are called by."""
        digest = changes.get("digest", sha256(data).hexdigest())
        size = changes.get("size", len(data))
        self.knowledge.values[f"crl:{NAME}"] = b'{"sha256": "%s", "size": %d}' % (digest.encode(), size)
        for number, at in enumerate(range(0, len(data), PIECE)):
            self.knowledge.values[f"crl:{digest}:{number}"] = data[at : at + PIECE]
        return str(digest)

    def load(self, known: bytes = b"", most: int = 10_000_000) -> bytes | None:
        """What is loaded."""
        return self.successResultOf(self.lists.load(NAME, known, most))


class StoringTests(ListsCase):
    """What is stored."""

    def test_stored(self) -> None:
        """A list is stored until its nextUpdate, its head last, and the others hear of it."""
        data = crl(DEVICE).der()
        self.successResultOf(self.lists.store(NAME, data))
        self.assertEqual(list(self.knowledge.values)[-1], f"crl:{NAME}")
        self.assertEqual({*self.knowledge.ttls.values()}, {86400.0})
        self.assertEqual(self.knowledge.published, [(LISTS, NAME.encode())])
        self.assertEqual(self.load(), data)

    def test_not_stored(self) -> None:
        """A list that is over is not stored, nor what is none, nor anything where the store cannot be used."""
        for data in (crl(DEVICE, days=-1).der(), b"no list"):
            self.successResultOf(self.lists.store(NAME, data))
        self.knowledge.is_usable = False
        self.successResultOf(self.lists.store(NAME, crl(DEVICE).der()))
        self.assertEqual((self.knowledge.values, self.knowledge.published), ({}, []))

    def test_full(self) -> None:
        """Where a piece is not taken there is no head, and no news."""
        self.patch(self.knowledge, "put", lambda *_: succeed(False))
        self.successResultOf(self.lists.store(NAME, crl(DEVICE).der()))
        self.assertEqual(self.knowledge.published, [])

    def test_slow(self) -> None:
        """A store that takes pieces too slowly gets no more of them, and no head."""
        self.patch(shared_lists, "PIECE", 40)

        def put(key: str, value: bytes, ttl: float) -> Deferred[bool]:
            self.clock.advance(SHARE_SECONDS / 2)
            self.knowledge.values[key] = value
            return succeed(True)

        self.patch(self.knowledge, "put", put)
        self.successResultOf(self.lists.store(NAME, crl(DEVICE).der()))
        self.assertEqual((len(self.knowledge.values), self.knowledge.published), (3, []))

    def test_leases(self) -> None:
        """One gateway downloads a list."""
        leases = [self.successResultOf(self.lists.lease(NAME, 30.0)) for _ in range(2)]
        self.assertEqual(leases, [True, False])
        self.successResultOf(self.lists.release(NAME))
        self.assertTrue(self.successResultOf(self.lists.lease(NAME, 30.0)))


class LoadingTests(ListsCase):
    """What is loaded."""

    def test_pieces(self) -> None:
        """A list of several pieces comes whole."""
        self.put(LARGE)
        self.assertEqual(self.load(), LARGE)

    def test_known(self) -> None:
        """One that is known already is not loaded: the head says that it is the same."""
        self.put(LARGE)
        self.assertIsNone(self.load(known=LARGE))
        self.assertEqual(self.knowledge.reads, 1)
        self.assertEqual(self.load(known=bytes(len(LARGE))), LARGE)

    def test_too_long(self) -> None:
        """One that is longer than its reader takes is not loaded, whatever its pieces are."""
        self.put(LARGE)
        self.assertIsNone(self.load(most=len(LARGE) - 1))
        self.assertEqual(self.knowledge.reads, 1)

    def test_damaged(self) -> None:
        """Pieces that are missing, too long, too short or others make no list."""
        digest = sha256(LARGE).hexdigest()
        for piece in (None, b"", bytes(PIECE + 1), bytes(PIECE)):
            self.put(LARGE)
            if piece is None:
                del self.knowledge.values[f"crl:{digest}:1"]
            else:
                self.knowledge.values[f"crl:{digest}:1"] = piece
            self.assertIsNone(self.load())

    def test_long_piece(self) -> None:
        """A piece of another length is the last one that is read: no more comes than the head says."""
        digest = self.put(LARGE)
        for piece in (bytes(PIECE + 1), b""):
            self.knowledge.values[f"crl:{digest}:1"], self.knowledge.reads = piece, 0
            self.assertIsNone(self.load())
            self.assertEqual(self.knowledge.reads, 3)  # the head, and two of three pieces

    def test_heads(self) -> None:
        """What is no head leads to nothing."""
        digest = sha256(LARGE).hexdigest()
        for head in (
            b"",
            b"{",
            b"[]",
            b"1",
            b"[" * 100_000,
            b'{"sha256": "%s"}' % digest.encode(),
            b'{"sha256": "%s", "size": "9"}' % digest.encode(),
            b'{"sha256": "%s", "size": true}' % digest.encode(),
            b'{"sha256": "%s", "size": -1}' % digest.encode(),
            b'{"sha256": "../../x", "size": 9}',
            b'{"sha256": 1, "size": 9}',
        ):
            self.put(LARGE)
            self.knowledge.values[f"crl:{NAME}"] = head
            self.assertIsNone(self.load())


class NewsTests(ListsCase):
    """What others store."""

    def test_heard(self) -> None:
        """The name of a list is heard, and nothing that is none."""
        heard: list[str] = []

        def hear(name: str) -> Deferred[None] | None:
            heard.append(name)
            return None

        self.lists.subscribe(hear)
        for news in (NAME.encode(), b"", NAME.encode()[1:], bytes(64)):
            self.knowledge.heard(news)
        self.assertEqual(heard, [NAME, "\0" * 64])
