"""An operator's lists whose issuers come later: proven once, for all, and before older lists clear anything."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs, formatEvent

from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.revocation.status import CouldNotAsk, Good, Revoked
from agwtwisted.revocation import crl_proving
from agwtwisted.revocation.crl_files import read_crl_files
from agwtwisted.revocation.crl_lists import CrlLists
from agwtwisted.revocation.crl_store import FileListStore, StoredList
from tests import hubs
from tests.crls import Crl
from tests.revocation_lists import DEVICE, ISSUER, OTHER, URL, CrlCase, crl, device, profile


class WaitingListsTests(CrlCase):
    """Lists of an intermediate in a file."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "crls"
        self.path = Path(temporary.name) / "ca.pem"
        self.profile = profile(crl_files=(CrlFile(path=str(self.path)),))
        self.proofs: list[tuple[Deferred[Any], Callable[[], Any]]] = []

    def adopt(self, *found: Crl, lists: CrlLists | None = None) -> CrlLists:
        """The file has these, and is read as at a reload."""
        self.path.write_bytes(b"".join(each.pem() for each in found))
        taking = lists or self.lists
        taking.use([self.profile])
        taking.adopt(read_crl_files([self.profile], taking.files))
        return taking

    def begin_proofs(self) -> None:
        """Proofs take until `prove` from now on."""

        def begin(_: object, call: Callable[[], Any], name: str) -> Deferred[Any]:
            self.proofs.append((Deferred(), call))
            return self.proofs[-1][0]

        self.patch(crl_proving, "in_thread", begin)

    def prove(self, number: int) -> None:
        """One of them ends."""
        proof, call = self.proofs[number]
        proof.callback(call())

    def test_newer_than_stored(self) -> None:
        """After a restart a certificate is not good by a stored list where the file has a newer one that has it."""
        store = FileListStore(self.directory)
        store.put(StoredList(data=crl().der(), issuer=ISSUER.der, url=URL))
        self.lists = self.unstarted(store)
        self.adopt(crl(DEVICE, number=2))
        self.lists.start()
        self.assertIsInstance(self.known(by=self.profile), Revoked)
        self.assertIsInstance(self.known(OTHER, by=self.profile), Good)
        self.assertIsInstance(self.lists.revoked((DEVICE.der, ISSUER.der)), Revoked)

    def test_newer_than_siblings(self) -> None:
        """A list that another worker has stored does not come in force before the file's newer one of its issuer."""
        hub = hubs.Hub()
        one, two = (self.started(FileListStore(self.directory), siblings=hub.member()) for _ in range(2))
        self.lists = self.adopt(crl(DEVICE, number=2), lists=two)
        status = self.status(lists=one)
        self.answer(crl())
        self.assertIsInstance(self.successResultOf(status), Good)
        hub.deliver()
        self.assertIsInstance(self.known(by=self.profile), Revoked)

    def test_reload(self) -> None:
        """The list before counts while a new one is proven, which begins with the reload."""
        self.learn(crl())
        self.begin_proofs()
        self.adopt(crl(DEVICE, number=2))
        self.assertIsInstance(self.known(by=self.profile), Good)  # the one before counts until the new one is proven
        self.prove(0)
        self.assertIsInstance(self.known(by=self.profile), Revoked)

    def test_one_proof(self) -> None:
        """All who wait for a list share one proof, which goes on when the last of them leaves."""
        self.adopt(crl(OTHER))
        self.begin_proofs()
        waiting = [self.status(by=self.profile) for _ in range(3)]
        for each in waiting:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        last = self.status(OTHER, by=self.profile)
        self.assertEqual(len(self.proofs), 1)
        self.prove(0)
        self.assertIsInstance(self.successResultOf(last), Revoked)
        self.assertIsInstance(self.known(by=self.profile), Good)
        self.assertEqual(len(self.proofs), 1)

    def test_replaced_meanwhile(self) -> None:
        """A file that is replaced while its list is proven is proven as well."""
        self.adopt(crl())
        self.begin_proofs()
        status = self.status(by=self.profile)
        self.adopt(crl(DEVICE, number=2))
        self.prove(0)
        self.prove(1)
        self.assertIsInstance(self.successResultOf(status), Revoked)
        self.assertIsInstance(self.known(by=self.profile), Revoked)

    def test_shortage(self) -> None:
        """Without the memory for a proof nothing was found out, and the next client has it tried again."""
        self.adopt(crl(DEVICE))
        self.begin_proofs()
        unpublished = device()
        status = self.status(unpublished, by=self.profile)
        with capturedLogs() as logs:
            self.proofs[0][0].errback(MemoryError())
        self.assertIsInstance(self.successResultOf(status), CouldNotAsk)
        self.assertIn("not enough memory", formatEvent(logs[-1]))
        self.assertIsNone(self.known(unpublished, by=self.profile))
        again = self.status(by=self.profile)
        self.prove(1)
        self.assertIsInstance(self.successResultOf(again), Revoked)

    def test_stopped(self) -> None:
        """What is being proven when the gateway stops is not waited for."""
        self.adopt(crl(DEVICE))
        self.begin_proofs()
        status = self.status(by=self.profile)
        self.lists.stop()
        self.failureResultOf(status, CancelledError)
