"""Where a list comes from: another process's file, or a download; and that what is refused is not stored."""

from __future__ import annotations

import json
import tempfile
from hashlib import sha256
from pathlib import Path

import attrs
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.revocation.status import CouldNotAsk, Unreachable, Unusable
from agwtwisted.operations.counters import ListCounters
from agwtwisted.revocation import crl_retrieval, shared_lists
from agwtwisted.revocation.crl_download import Downloaded, NotModified
from agwtwisted.revocation.crl_places import rules_of
from agwtwisted.revocation.crl_retrieval import LIST, LOOK, CrlRetrieval, ListPlace
from agwtwisted.revocation.crl_store import FileListStore, StoredList, Validators
from agwtwisted.revocation.crl_turns import AT_ONCE_OF_SERVER
from agwtwisted.revocation.shared_lists import SharedLists
from tests import hubs
from tests.clocks import ThreadedReactor
from tests.revocation_lists import DEVICE, ISSUER, NOW, URL, Downloads, at_once, crl, profile
from tests.shared_stores import StoreInHand

PLACE = ListPlace(destination=destination(URL), issuer=ISSUER.der, rules=rules_of(profile()))
KNOWN = StoredList(data=b"known", issuer=ISSUER.der, url=URL, validators=Validators(etag='"1"'))


class RetrievalCase(SynchronousTestCase):
    """A store in a directory, and lists that are words."""

    def setUp(self) -> None:
        self.patch(crl_retrieval, "in_thread", at_once)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.store = FileListStore(Path(temporary.name) / "crls")
        self.clock, self.downloads, self.counters = ThreadedReactor(), Downloads(), ListCounters()
        self.sibling = hubs.Hub().member()
        self.retrieval = CrlRetrieval(
            *(self.clock, self.downloads, self.store, lambda: 7.0),  # type: ignore[arg-type]
            siblings=self.sibling,
            counters=self.counters,
        )
        self.offered: list[StoredList] = []

    def accept(self, stored: StoredList) -> Deferred[Unusable | None]:
        """Takes everything but what is called bad."""
        self.offered.append(stored)
        return succeed(Unusable("bad") if stored.data.startswith(b"bad") else None)

    def newest(self, known: StoredList | None = None, *, unconditionally: bool = False) -> Deferred[object]:
        """One retrieval."""
        asked: Deferred[object] = self.retrieval.newest(PLACE, known, self.accept, unconditionally=unconditionally)  # type: ignore[assignment]
        return asked


class CrlRetrievalTests(RetrievalCase):
    """One gateway."""

    def test_downloaded(self) -> None:
        """What is downloaded and counts is stored, with its validators, and other processes hear of it."""
        asked = self.newest(KNOWN)
        self.assertEqual(self.downloads.asked[0].known, KNOWN.validators)
        validators = Validators(etag='"2"')
        self.downloads.asked[0].answered.callback(Downloaded(data=b"new", validators=validators))
        self.assertIsNone(self.successResultOf(asked))
        stored = StoredList(data=b"new", issuer=ISSUER.der, url=URL, validators=validators, fetched=7.0)
        self.assertEqual((self.store.read(PLACE.name), self.offered), (stored, [stored]))
        self.assertEqual(self.sibling.published, [(LIST, PLACE.name.encode())])

    def test_refused(self) -> None:
        """What does not count is not stored, and nothing is said of it."""
        asked = self.newest()
        self.downloads.asked[0].answered.callback(Downloaded(data=b"bad", validators=Validators()))
        self.assertEqual(self.successResultOf(asked), Unusable("bad"))
        self.assertEqual((self.store.load(), self.sibling.published), ([], []))
        self.assertEqual(dict(self.counters.outcomes), {"unusable": 1})

    def test_not_modified(self) -> None:
        """Where the known list is the newest nothing is taken; validators are sent unless a list has to come."""
        asked = self.newest(KNOWN)
        self.downloads.asked[0].answered.callback(NotModified())
        self.assertIsNone(self.successResultOf(asked))
        self.newest(KNOWN, unconditionally=True)
        self.assertFalse(self.downloads.asked[1].known)
        self.assertEqual(self.offered, [])

    def test_stored(self) -> None:
        """A list that another process has stored is taken without a download, unless it is known or does not count."""
        self.store.put(KNOWN)
        self.assertIsNone(self.successResultOf(self.newest()))
        self.assertEqual((self.offered, self.downloads.asked), ([KNOWN], []))
        self.newest(KNOWN)
        self.assertEqual(len(self.downloads.asked), 1)

    def test_bad_stored(self) -> None:
        """A stored list that does not count is looked at once, and a list downloaded."""
        self.store.put(StoredList(data=b"bad", issuer=ISSUER.der, url=URL))
        asked = self.newest()
        self.assertEqual((len(self.offered), len(self.downloads.asked)), (1, 1))
        self.downloads.asked[0].answered.callback(Unreachable("no response"))
        self.assertEqual(self.successResultOf(asked), Unreachable("no response"))

    def test_waits(self) -> None:
        """While another process has the right to download this one looks now and then, and at once when it says so."""
        lease = self.store.lease(PLACE.name)
        assert lease is not None
        asked = self.newest()
        self.clock.advance(LOOK)
        self.assertNoResult(asked)
        self.store.put(KNOWN)
        self.retrieval.heard("another")
        self.assertNoResult(asked)
        self.retrieval.heard(PLACE.name)
        self.assertIsNone(self.successResultOf(asked))
        self.assertEqual((self.offered, self.downloads.asked), ([KNOWN], []))
        asked = self.newest(KNOWN)
        lease.release()
        self.clock.advance(LOOK)
        self.assertEqual(len(self.downloads.asked), 1)
        asked.cancel()
        asked.addErrback(lambda _: None)
        lease = self.store.lease(PLACE.name)
        self.assertIsNotNone(lease)  # what was cancelled has let go

    def test_waits_not_for_ever(self) -> None:
        """Once the time of a download is over, the other process has not got the list."""
        lease = self.store.lease(PLACE.name)
        asked = self.newest()
        self.clock.pump([LOOK] * 121)
        found = self.successResultOf(asked)
        assert isinstance(found, Unreachable)
        self.assertFalse(found.was_asked)
        self.assertIsNotNone(lease)

    def test_turns(self) -> None:
        """What waits for its turn has opened nothing, and is not asked for once that takes too long."""
        places = [attrs.evolve(PLACE, destination=destination(f"http://pki.example/{number}")) for number in range(6)]
        asked = [self.retrieval.newest(each, None, self.accept) for each in places]
        self.assertEqual(len(self.downloads.asked), AT_ONCE_OF_SERVER)
        self.assertEqual(len([*self.store._directory.glob("*.lock")]), AT_ONCE_OF_SERVER)
        self.downloads.asked[0].answered.callback(Unreachable("no response"))
        self.assertEqual(self.downloads.asked[-1].url, "http://pki.example/4")
        self.clock.advance(PLACE.rules.seconds)
        self.assertEqual(self.successResultOf(asked[5]), CouldNotAsk("too many CRLs are being downloaded"))
        for each in asked[1:5]:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.assertEqual(len([*self.store._directory.glob("*.lock")]), 0)


class GatewaysTests(RetrievalCase):
    """Two gateways, each with a directory of its own, which share a store."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(shared_lists, "in_thread", at_once)
        self.shared = StoreInHand()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.retrieval = self.gateway(self.store)
        self.other_store = FileListStore(Path(temporary.name) / "crls")
        self.other = self.gateway(self.other_store)

    def gateway(self, store: FileListStore) -> CrlRetrieval:
        """One of them."""
        return CrlRetrieval(
            *(self.clock, self.downloads, store, lambda: NOW),  # type: ignore[arg-type]
            siblings=self.sibling,
            counters=self.counters,
            shared=SharedLists(self.clock, self.shared, lambda: NOW),  # type: ignore[arg-type]
        )

    def newest_of_other(self, known: StoredList | None = None) -> Deferred[object]:
        """One retrieval of the other one."""
        asked: Deferred[object] = self.other.newest(PLACE, known, self.accept)  # type: ignore[assignment]
        return asked

    def test_downloaded(self) -> None:
        """What one gateway downloads the other has without a download, and stores it; it has no validators."""
        asked = self.newest()
        waiting = self.newest_of_other()
        self.assertEqual(len(self.downloads.asked), 1)
        data = crl(DEVICE).der()
        self.downloads.asked[0].answered.callback(Downloaded(data=data, validators=Validators(etag='"2"')))
        self.assertIsNone(self.successResultOf(asked))
        self.clock.advance(LOOK)
        self.assertIsNone(self.successResultOf(waiting))
        self.assertEqual((len(self.downloads.asked), self.shared.leases), (1, {}))
        stored = StoredList(data=data, issuer=ISSUER.der, url=URL, fetched=NOW)
        self.assertEqual(self.other_store.read(PLACE.name), stored)

    def test_does_not_count(self) -> None:
        """A shared list that does not count is looked at once, and a list is downloaded."""
        data = b"bad" + bytes(100)
        self.shared.values[f"crl:{PLACE.name}"] = json.dumps({"sha256": sha256(data).hexdigest(), "size": 103}).encode()
        self.shared.values[f"crl:{sha256(data).hexdigest()}:0"] = data
        self.newest()
        self.assertEqual(([each.data for each in self.offered], len(self.downloads.asked)), ([data], 1))

    def test_fails(self) -> None:
        """Where the one who downloads has no list the other one tries at once."""
        asked = self.newest()
        self.newest_of_other()
        self.downloads.asked[0].answered.callback(Unreachable("no response"))
        self.assertEqual(self.successResultOf(asked), Unreachable("no response"))
        self.clock.advance(LOOK)
        self.assertEqual(len(self.downloads.asked), 2)

    def test_slow(self) -> None:
        """Nor does it wait for longer than half of its own time."""
        self.newest()
        self.newest_of_other()
        self.clock.pump([LOOK] * int(PLACE.rules.seconds / 2 / LOOK + 2))
        self.assertEqual(len(self.downloads.asked), 2)

    def test_cancelled(self) -> None:
        """Who is cancelled while it downloads gives the lease back."""
        asked = self.newest()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual(self.shared.leases, {})

    def test_news(self) -> None:
        """News of a list have it taken at once, unless it is the known one, or another worker takes it."""
        asked = self.newest()
        data = crl(DEVICE).der()
        self.downloads.asked[0].answered.callback(Downloaded(data=data, validators=Validators()))
        self.successResultOf(asked)
        lease = self.other_store.lease(PLACE.name)
        assert lease is not None
        self.take_news(KNOWN)
        self.assertEqual(len(self.offered), 1)
        lease.release()
        self.take_news(KNOWN)
        self.take_news(StoredList(data=data, issuer=ISSUER.der, url=URL))
        self.assertEqual(len(self.offered), 2)
        self.assertEqual(len(self.downloads.asked), 1)

    def take_news(self, known: StoredList) -> None:
        """The other one hears of a list, and has this one."""
        self.successResultOf(Deferred.fromCoroutine(self.other.take_shared(known, self.accept)))
