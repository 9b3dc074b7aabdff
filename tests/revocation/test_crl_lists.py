"""CRLs as a source: what is asked of whom, what a list changes, and what a failure does not."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import attrs
from twisted.internet.defer import CancelledError
from twisted.logger import capturedLogs, formatEvent

from agwtwisted.core.resources.certificates import CrlFile
from agwtwisted.core.revocation.status import CouldNotAsk, Good, Revoked, Unreachable, Unusable
from agwtwisted.core.revocation.status_facts import StatusFacts
from agwtwisted.revocation import shared_lists
from agwtwisted.revocation.crl_download import NotModified
from agwtwisted.revocation.crl_files import read_crl_files
from agwtwisted.revocation.crl_renewals import FIRST_RETRY, LAST_RETRY, LOOKED_FOR_EVERY
from agwtwisted.revocation.crl_store import FileListStore, StoredList
from agwtwisted.revocation.held_lists import HeldList
from agwtwisted.revocation.shared_lists import SharedLists
from tests import hubs, pki
from tests.crls import ONLY_AUTHORITIES, issuing_point
from tests.revocation_lists import (
    DAY,
    DEVICE,
    ISSUER,
    NOW,
    OTHER,
    PROFILE,
    ROOT,
    URL,
    CrlCase,
    Downloads,
    at_once,
    crl,
    device,
    profile,
)
from tests.shared_stores import StoreInHand

SECONDS = DAY.total_seconds()
UNREACHABLE = Unreachable("no response in time")
UNAVAILABLE = Unreachable("the server of the CRL answers with HTTP status 503")


class DownloadedListsTests(CrlCase):
    """Lists of distribution points."""

    def test_cold_and_warm(self) -> None:
        """The first client waits for the list, and the next ones for nothing, whichever certificate they have."""
        self.assertIsNone(self.known())
        status = self.status()
        self.assertNoResult(status)
        self.assertEqual([each.url for each in self.downloads.asked], [URL])
        self.answer(crl(OTHER))
        found = self.successResultOf(status)
        self.assertEqual(found, Good(NOW + SECONDS, source=self.lists.kind))
        self.assertIsInstance(self.known(OTHER), Revoked)
        self.assertEqual(self.known(), found)
        self.assertEqual(len(self.downloads.asked), 1)
        self.assertEqual(dict(self.counters.outcomes), {"new": 1})

    def test_one_for_all(self) -> None:
        """All who wait for a list share one download, which goes on when the last of them leaves."""
        one, two = self.status(), self.status(OTHER)
        self.assertEqual(len(self.downloads.asked), 1)
        one.cancel()
        self.failureResultOf(one, CancelledError)
        two.cancel()
        self.failureResultOf(two, CancelledError)
        self.assertEqual(self.downloads.cancelled, 0)
        three = self.status(OTHER)
        self.answer(crl(OTHER))
        self.assertIsInstance(self.successResultOf(three), Revoked)
        self.assertIsInstance(self.known(), Good)
        self.assertEqual(len(self.downloads.asked), 1)

    def test_rules(self) -> None:
        """A list is downloaded within the bounds of the profile."""
        self.status(by=profile(crl_max_bytes=5, crl_timeout=7.0)).addErrback(lambda _: None)
        [asked] = self.downloads.asked
        self.assertEqual((asked.rules.most, asked.rules.seconds), (5, 7.0))
        self.assertEqual(asked.rules.ports, PROFILE.ocsp_allowed_ports)

    def test_several_points(self) -> None:
        """Points are asked one after the other, three at most; those of LDAP, and closed ones, are passed over."""
        urls = ["ldap://pki.example/", "http://169.254.169.254/", *(f"http://{letter}.example/" for letter in "abcd")]
        status = self.status(device(*urls))
        for _ in range(3):
            self.answer(UNREACHABLE)
        self.assertEqual(self.successResultOf(status), UNREACHABLE)
        self.assertEqual([each.url for each in self.downloads.asked], urls[2:5])

    def test_no_point(self) -> None:
        """Without a point that may be asked there is no answer, and it is found at once why."""
        found = self.known(device())
        assert isinstance(found, Unreachable)
        self.assertIn("no distribution point", found.reason)
        found = self.known(device("http://127.0.0.1:8080/"))
        assert isinstance(found, Unreachable)
        self.assertIn("ocsp_allowed_networks = 127.0.0.1 and ocsp_allowed_ports = 8080 would allow it", found.reason)
        self.assertEqual(self.downloads.asked, [])

    def test_bad_lists(self) -> None:
        """What is no list of the issuer that counts now is no answer, and no certificate is good by it."""
        impostor = pki.Authority.root("Issuer")
        impostor = attrs.evolve(impostor, subject=ISSUER.subject)
        bad = {
            "cannot be read": b"<html>",
            "truncated": crl().der()[:-1],
            "of another issuer": crl(signer=ROOT).der(),
            "signature": crl(key_identifier=None).der()[:-4] + b"1234",
            "has expired": crl(days=-0.5).der(),
            "is not valid yet": crl(this_update=pki.NOW + DAY, days=2).der(),
            "version": crl(version=b"", number=None, key_identifier=None).der(),
            "nextUpdate": crl(next_update=None).der(),
            "another key": crl(signer=impostor).der(),
        }
        for reason, data in bad.items():
            self.lists = self.started()
            status = self.status()
            self.answer(data)
            found = self.successResultOf(status)
            self.assertIsInstance(found, Unusable, reason)
            self.assertIsInstance(self.known(), Unusable, reason)

    def test_other_scope(self) -> None:
        """A list that is about other certificates clears none, and downloading it again would not help now."""
        about_others = crl(extensions=[issuing_point(ONLY_AUTHORITIES)])
        found = self.learn(about_others)
        self.assertIsInstance(found, Unusable)
        self.assertEqual((self.known(), len(self.downloads.asked)), (found, 1))
        self.clock.advance(FIRST_RETRY)
        self.answer(about_others)
        self.assertEqual((self.known(OTHER), len(self.downloads.asked)), (found, 2))
        self.clock.advance(2 * FIRST_RETRY - 1)
        self.assertEqual(len(self.downloads.asked), 2)
        self.clock.advance(1)
        self.answer(crl(number=2))
        self.assertIsInstance(self.known(), Good)
        self.clock.advance(2 * LAST_RETRY)
        self.assertEqual(len(self.downloads.asked), 3)

    def test_expired_revocation(self) -> None:
        """What an expired list has revoked stays so; nothing else is clear by it."""
        self.assertIsInstance(self.learn(crl(DEVICE, days=-0.5)), Revoked)
        self.assertIsInstance(self.lists.revoked((DEVICE.der, ISSUER.der)), Revoked)
        self.assertIsInstance(self.known(OTHER), Unusable)

    def test_own_shortage(self) -> None:
        """What the gateway could not ask is no failure of the server: it is asked by the next client."""
        status = self.status()
        self.answer(CouldNotAsk("no descriptors"))
        self.assertEqual(self.successResultOf(status), CouldNotAsk("no descriptors"))
        self.assertIsNone(self.known())

    def test_older(self) -> None:
        """A list with a lower number than one in force changes nothing."""
        self.learn(crl(DEVICE, number=5, days=0.1))
        self.clock.advance(0.2 * SECONDS)
        status = self.status()
        self.answer(crl(number=4, days=3, this_update=pki.NOW))
        self.assertIsInstance(self.successResultOf(status), Revoked)
        self.assertIsInstance(self.known(OTHER), Unusable)

    def test_early(self) -> None:
        """A list that is not valid yet does not take the place of one that is."""
        self.learn(crl())
        self.clock.advance(0.8 * SECONDS)
        self.answer(crl(DEVICE, number=2, this_update=pki.NOW + 2 * DAY, days=5))
        self.assertIsInstance(self.known(), Good)

    def test_hold(self) -> None:
        """Only a newer list ends a revocation."""
        self.learn(crl(DEVICE, days=0.1))
        self.clock.advance(0.2 * SECONDS)
        status = self.status()
        self.answer(crl(number=2, this_update=pki.NOW))
        self.assertIsInstance(self.successResultOf(status), Good)
        self.assertIsNone(self.lists.revoked((DEVICE.der, ISSUER.der)))

    def test_unreadable_certificate(self) -> None:
        """About what is no certificate nothing is known or asked."""
        self.assertIsInstance(self.lists.known((b"", b""), PROFILE), Unusable)
        self.assertIsNone(self.lists.revoked((b"", b"")))
        self.lists.watch([(b"", b"")], PROFILE, self.fail)()


class FailureTests(CrlCase):
    """Servers that do not answer."""

    def fail_once(self) -> None:
        """A client waits for a list that does not come."""
        status = self.status()
        self.answer(UNREACHABLE)
        self.assertEqual(self.successResultOf(status), UNREACHABLE)

    def test_no_further_client_waits(self) -> None:
        """While a server does not answer the first client waits alone; the server is asked beside the others."""
        self.fail_once()
        self.assertEqual(self.known(), UNREACHABLE)
        self.clock.advance(FIRST_RETRY)
        self.assertEqual(len(self.downloads.asked), 2)
        self.assertEqual(self.known(), UNREACHABLE)  # while it is asked
        self.answer(UNAVAILABLE)
        self.assertEqual(self.known(OTHER), UNAVAILABLE)
        self.clock.advance(2 * FIRST_RETRY - 1)
        self.assertEqual(len(self.downloads.asked), 2)
        self.clock.advance(1)
        self.answer(crl())
        self.assertIsInstance(self.known(), Good)
        self.assertEqual(dict(self.counters.outcomes), {"unreachable": 2, "new": 1})

    def test_seldom(self) -> None:
        """It is asked ever less often, once a minute in the end."""
        self.fail_once()
        for _ in range(5):
            self.known()
            self.clock.advance(LAST_RETRY)
            self.answer(UNREACHABLE)
        count = len(self.downloads.asked)
        self.known()
        self.clock.advance(LAST_RETRY - 1)
        self.assertEqual(len(self.downloads.asked), count)
        self.clock.advance(1)
        self.assertEqual(len(self.downloads.asked), count + 1)

    def test_forgotten(self) -> None:
        """What no client wants is not asked for, and the next client waits again."""
        self.fail_once()
        self.clock.advance(FIRST_RETRY)
        self.assertEqual(len(self.downloads.asked), 1)
        self.assertIsNone(self.known())
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)  # the looks at the wall clock and at files

    def test_defect(self) -> None:
        """A defect of a retry is logged, and no failure of the server: the next client asks."""
        self.fail_once()
        self.known()
        self.patch(self.lists._retrieval, "newest", lambda *_, **__: 1 / 0)
        self.clock.advance(FIRST_RETRY)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNone(self.known())

    def test_logged(self) -> None:
        """The log has the URL and the reason."""
        with capturedLogs() as logs:
            self.fail_once()
        self.assertEqual([formatEvent(each) for each in logs], [f"No CRL from {URL}: {UNREACHABLE.reason}"])


class RenewalTests(CrlCase):
    """Lists are renewed ahead of their end."""

    def test_ahead(self) -> None:
        """A list that is used is downloaded again after half to four fifths of its life, and no client waits."""
        self.learn(crl())
        self.clock.advance(0.5 * SECONDS - 1)
        self.known()
        self.assertEqual(len(self.downloads.asked), 1)
        self.clock.advance(0.3 * SECONDS + 1)
        self.assertEqual(len(self.downloads.asked), 2)
        self.answer(crl(DEVICE, number=2, days=2))
        self.assertIsInstance(self.known(), Revoked)

    def test_conditional(self) -> None:
        """A server that gives validators is asked within the hour, and says that there is nothing new."""
        self.learn(crl(days=30), etag='"1"')
        for count in (2, 3):
            self.clock.advance(LOOKED_FOR_EVERY)
            self.assertEqual(len(self.downloads.asked), count)
            self.assertEqual(self.downloads.asked[-1].known.etag, '"1"')
            self.answer(NotModified())
            self.assertIsInstance(self.known(), Good)
        self.assertEqual(self.counters.outcomes["not_modified"], 2)

    def test_unconditional(self) -> None:
        """Once a list has expired a server is to send one whatever it takes for the newest."""
        self.learn(crl(days=4 / SECONDS), etag='"1"')
        self.clock.advance(5)
        self.assertIsNone(self.known())
        self.status().addErrback(lambda _: None)
        self.assertFalse(self.downloads.asked[-1].known)

    def test_not_modified_and_expired(self) -> None:
        """A server that takes an expired list for the newest has none, and sends one at the next try."""
        self.learn(crl(), etag='"1"')
        self.clock.advance(LOOKED_FOR_EVERY)
        self.clock.advance(SECONDS)
        status = self.status()
        self.answer(NotModified())
        self.assertEqual(self.successResultOf(status), Unusable("the CRL has expired"))
        self.known()
        self.clock.advance(FIRST_RETRY)
        self.assertEqual([bool(each.known) for each in self.downloads.asked], [False, True, False])

    def test_same_list(self) -> None:
        """A server that sends the same list again has no newer one."""
        self.learn(crl())
        self.clock.advance(0.8 * SECONDS)
        self.answer(self.lists.knowledge.lists.of_issuer(self.issuer_key())[0].stored.data)
        self.assertIsInstance(self.known(), Good)

    def test_failed(self) -> None:
        """A renewal that fails is tried again, and the list counts to its end."""
        self.learn(crl())
        self.clock.advance(0.8 * SECONDS)
        self.answer(UNREACHABLE)
        self.assertIsInstance(self.known(), Good)
        self.clock.advance(0.19 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 3)

    def test_unused(self) -> None:
        """A list that no client has used since it was renewed is not renewed again, unless one is connected by it."""
        self.learn(crl())
        self.clock.advance(0.8 * SECONDS)
        self.answer(crl(number=2, days=10))
        self.clock.advance(8 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 2)
        self.assertIsInstance(self.known(), Good)  # and used again
        self.lists.watch([(DEVICE.der, ISSUER.der)], PROFILE, lambda: None)
        self.clock.advance(1.9 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 3)

    def test_profile_gone(self) -> None:
        """By the rules of a profile that is gone nothing is renewed; another one that uses the list takes its place."""
        self.learn(crl())
        other = profile(name="other", crl_timeout=7.0)
        self.lists.use([other])
        self.clock.advance(0.8 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 1)
        self.known(by=other)
        self.clock.advance(0.17 * SECONDS)
        self.assertEqual([each.rules.seconds for each in self.downloads.asked], [30.0, 7.0])

    def test_clock(self) -> None:
        """Once the clock was set lists are renewed by what is left of them then."""
        self.learn(crl(days=10))
        self.wall.step(9 * SECONDS)
        self.clock.advance(0.8 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 2)

    def test_stopped(self) -> None:
        """What stops downloads nothing more, and leaves no timer."""
        self.learn(crl())
        waiting = self.status(device("http://other.example/", name="third", issuer=ROOT.intermediate("Other")))
        self.lists.stop()
        self.failureResultOf(waiting, CancelledError)
        self.wall.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def issuer_key(self) -> bytes:
        """Of the devices' issuer."""
        [held] = self.lists.knowledge.lists
        return held.crl.issuer_key


class WatchTests(CrlCase):
    """Clients that are connected."""

    def test_revoked(self) -> None:
        """Whose certificate a new list has is called, and no other client; not while the list has what it had."""
        called: list[str] = []
        self.learn(crl(days=0.5))
        for certificate in (DEVICE, OTHER):
            name = certificate.subject.decode("latin-1")[-5:]
            self.lists.watch([(certificate.der, ISSUER.der)], PROFILE, lambda name=name: called.append(name))
        self.clock.advance(0.4 * SECONDS)
        self.assertEqual(called, [])
        self.answer(crl(OTHER, number=2))
        self.assertEqual(called, ["other"])


class FilesTests(CrlCase):
    """Lists of an operator."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.path = Path(temporary.name) / "ca.pem"
        self.profile = profile(crl_files=(CrlFile(path=str(self.path)),))

    def adopt(self, *lists: bytes) -> None:
        """The file has these, and is read as at a reload."""
        self.path.write_bytes(b"".join(lists))
        self.lists.use([self.profile])
        self.lists.adopt(read_crl_files([self.profile], self.lists.files))

    def test_issuer_comes(self) -> None:
        """A list is proven once a client comes with its issuer; then it counts, and nothing is downloaded."""
        self.adopt(crl(OTHER).pem(), crl(signer=ROOT).pem())
        self.assertIsNone(self.known(by=self.profile))
        self.assertIsInstance(self.successResultOf(self.status(by=self.profile)), Good)
        self.assertIsInstance(self.known(OTHER, by=self.profile), Revoked)
        self.assertEqual(self.downloads.asked, [])
        self.assertEqual(self.lists.knowledge.waiting, 2)

    def test_issuer_is_at_hand(self) -> None:
        """A new list of the issuer of a client that is connected is proven at once, and the client called."""
        called: list[bool] = []
        self.lists.watch([(DEVICE.der, ISSUER.der)], PROFILE, lambda: called.append(True))
        self.adopt(crl(DEVICE).pem())
        self.assertEqual(called, [True])

    def test_wrong_signature(self) -> None:
        """A list of that name which its issuer has not signed is not used, and tried once."""
        impostor = attrs.evolve(pki.Authority.root("Issuer"), subject=ISSUER.subject)
        self.adopt(crl(DEVICE, signer=impostor, key_identifier=None).pem())
        without_points = device()
        with capturedLogs() as logs:
            self.assertIsInstance(self.successResultOf(self.status(without_points, by=self.profile)), Unreachable)
        self.assertIn("signature", formatEvent(logs[0]))
        self.assertIsInstance(self.known(without_points, by=self.profile), Unreachable)

    def test_download_after_files(self) -> None:
        """Where the list of a file has ended its issuer's point is asked."""
        self.adopt(crl(days=0.5).pem())
        self.assertIsInstance(self.successResultOf(self.status(by=self.profile)), Good)
        self.clock.advance(0.6 * SECONDS)
        status = self.status(by=self.profile)
        self.answer(crl(number=2))
        self.assertIsInstance(self.successResultOf(status), Good)

    def test_newer_stays(self) -> None:
        """A file with an older list than one in force takes nothing back, and neither does one that is gone."""
        self.learn(crl(DEVICE, number=5))
        with capturedLogs() as logs:
            self.adopt(crl(number=4).pem())
            self.successResultOf(self.status(by=self.profile))
        self.assertIsInstance(self.known(by=self.profile), Revoked)
        self.lists.use([PROFILE])
        self.lists.adopt(read_crl_files([PROFILE], self.lists.files))
        self.assertIsInstance(self.known(), Revoked)
        self.assertIn("older than one that is in force", formatEvent(logs[0]))

    def test_followed(self) -> None:
        """With watch_files a file that was replaced counts without a reload; one that is no list changes nothing."""
        self.adopt(crl().pem())
        self.successResultOf(self.status(by=self.profile))
        self.lists.follow(True)
        self.clock.pump([1.0, 1.0])
        self.replace(crl(DEVICE, number=2).pem())
        self.clock.pump([1.0] * 4)
        self.assertIsInstance(self.successResultOf(self.status(by=self.profile)), Revoked)
        with capturedLogs() as logs:
            self.replace(b"nothing")
            self.clock.pump([1.0] * 4)
        self.assertIn("stay in force", formatEvent(logs[-1]))
        self.assertIsInstance(self.known(by=self.profile), Revoked)

    def replace(self, data: bytes) -> None:
        """Another file takes the name."""
        other = self.path.with_name("other")
        other.write_bytes(data)
        os.replace(other, self.path)


class OperatorTests(CrlCase):
    """What an operator asks and brings."""

    def facts(self) -> StatusFacts:
        """What is known about the device."""
        return self.lists.facts((DEVICE.der, ISSUER.der), PROFILE)

    def test_facts(self) -> None:
        """What is known has its list with number and URL, times, and when it is renewed."""
        self.assertEqual(self.facts(), StatusFacts())
        self.learn(crl(OTHER, number=7))
        found = self.facts()
        self.assertEqual((found.status, found.origin), (self.known(), f"CRL 7 ({URL})"))
        self.assertEqual((found.this_update, found.next_update), (NOW - SECONDS, NOW + SECONDS))
        self.assertTrue(0.5 * SECONDS <= (found.renewal or 0) - NOW <= 0.8 * SECONDS)
        self.assertEqual(found.notes, ("1 certificates are in it",))
        [state] = self.lists.states(5)
        self.assertEqual((state.number, state.entries, state.origin, state.renewal), (7, 1, URL, found.renewal))
        self.assertIsInstance(self.lists.facts((b"", b""), PROFILE).status, Unusable)

    def test_ask(self) -> None:
        """What is asked now is downloaded whatever is known, with a line for each point."""
        self.learn(crl())
        lines: list[str] = []
        asked = self.lists.ask((DEVICE.der, ISSUER.der), PROFILE, lines.append)
        self.answer(UNREACHABLE)
        self.assertIsInstance(self.successResultOf(asked), Good)
        self.assertIn("no response in time", self.lists.states(1)[0].problem)
        asked = self.lists.ask((DEVICE.der, ISSUER.der), PROFILE, lines.append)
        self.answer(crl(DEVICE, number=2))
        self.assertIsInstance(self.successResultOf(asked), Revoked)
        self.assertEqual(lines, [f"{URL}: no response in time", f"{URL}: the newest list is in force"])
        asked = self.lists.ask((device("http://127.0.0.1/").der, ISSUER.der), PROFILE, lines.append)
        self.assertIsInstance(self.successResultOf(asked), Revoked | Good)
        self.assertIn("ocsp_allowed_networks", lines[-1])
        self.assertIsInstance(self.successResultOf(self.lists.ask((b"", b""), PROFILE, lines.append)), Unusable)

    def test_brought(self) -> None:
        """Lists that are brought count where a known issuer has signed them, and go on to be renewed."""
        stranger = pki.Authority.root("Stranger")
        self.learn(crl())
        data = b"".join(each.pem() for each in (crl(DEVICE, number=2), crl(signer=stranger), crl(number=1)))
        found = self.successResultOf(self.lists.take(data))
        self.assertEqual([each.taken for each in found], [True, False, False])
        self.assertEqual(found[0].what, "CRL 2 of CN=Issuer")
        self.assertIsInstance(self.known(), Revoked)
        self.assertTrue(self.successResultOf(self.lists.take(crl(signer=stranger).der(), [stranger.der]))[0].taken)
        self.clock.advance(0.8 * SECONDS)
        self.assertEqual(len(self.downloads.asked), 2)

    def test_brought_again(self) -> None:
        """A list that is in force stays what it was, wherever it came from."""
        self.learn(crl())
        [held] = self.lists.knowledge.lists
        self.assertTrue(self.successResultOf(self.lists.take(held.stored.data))[0].taken)
        self.assertEqual([each.origin for each in self.lists.knowledge.lists], [URL])


class SharedStoreTests(CrlCase):
    """Lists that outlive the process, or that another one has downloaded."""

    def setUp(self) -> None:
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "crls"
        self.store = FileListStore(self.directory)
        self.lists = self.started(self.store)

    def test_restart(self) -> None:
        """What was downloaded counts after a restart: revocations at any age, and all else until the list ends."""
        self.learn(crl(OTHER), etag='"1"')
        self.lists.stop()
        self.lists = self.started(FileListStore(self.directory), Downloads())
        self.assertIsInstance(self.known(), Good)
        self.assertIsInstance(self.lists.revoked((OTHER.der, ISSUER.der)), Revoked)
        [held] = self.lists.knowledge.lists
        self.assertEqual((held.stored.validators.etag, held.stored.url), ('"1"', URL))

    def test_forged(self) -> None:
        """A stored list that its issuer has not signed does not count."""
        impostor = attrs.evolve(pki.Authority.root("Issuer"), subject=ISSUER.subject)
        self.store.put(StoredList(data=crl(signer=impostor).der(), issuer=ISSUER.der, url=URL))
        self.lists = self.started(self.store)
        self.assertIsNone(self.known())
        self.assertEqual(len(self.lists.knowledge.lists), 0)

    def test_another_process(self) -> None:
        """While another process downloads a list this one waits for it, and takes what the other one has stored."""
        other = Downloads()
        lists = self.started(FileListStore(self.directory), other)
        first, second = self.status(), self.status(lists=lists)
        self.assertEqual((len(self.downloads.asked), len(other.asked)), (1, 0))
        self.answer(crl())
        self.assertIsInstance(self.successResultOf(first), Good)
        self.assertNoResult(second)
        self.clock.advance(1)
        self.assertIsInstance(self.successResultOf(second), Good)
        self.assertEqual(other.asked, [])

    def test_another_process_fails(self) -> None:
        """Where the other process gets none this one asks itself; it does not wait for ever for another one."""
        other = Downloads()
        lists = self.started(FileListStore(self.directory), other)
        self.status().addErrback(lambda _: None)
        second = self.status(lists=lists)
        self.answer(UNREACHABLE)
        self.clock.advance(1)
        self.assertEqual(len(other.asked), 1)
        third = self.status(OTHER)  # the first process waits now
        self.clock.pump([1.0] * 31)
        self.assertIsInstance(self.successResultOf(third), Unreachable)
        self.assertNoResult(second)
        second.addErrback(lambda _: None)

    def test_workers(self) -> None:
        """What one worker has downloaded counts in all of them at once, and ends what is connected there."""
        hub = hubs.Hub()
        one, two = (self.started(FileListStore(self.directory), siblings=hub.member()) for _ in range(2))
        called: list[bool] = []
        two.watch([(DEVICE.der, ISSUER.der)], PROFILE, lambda: called.append(True))
        status = self.status(lists=one)
        self.answer(crl(DEVICE))
        self.assertIsInstance(self.successResultOf(status), Revoked)
        hub.deliver()
        self.assertEqual(called, [True])
        self.assertIsInstance(two.known((DEVICE.der, ISSUER.der), PROFILE), Revoked)

    def test_full_disk(self) -> None:
        """A list that cannot be stored counts all the same."""

        def refuse(_: StoredList) -> None:
            raise OSError(28, "No space left on device")

        self.patch(self.store, "put", refuse)
        with capturedLogs() as logs:
            self.assertIsInstance(self.learn(crl()), Good)
        self.assertIn("cannot be stored", formatEvent(logs[-1]))

    def test_gateways(self) -> None:
        """What another gateway has stored counts at once where a list of its kind is in force, and nowhere else."""
        knowledge = StoreInHand()
        shared = SharedLists(self.clock, knowledge, lambda: NOW)  # type: ignore[arg-type]
        self.patch(shared_lists, "in_thread", at_once)
        one, two, three = (self.started(shared=shared) for _ in range(3))
        called: list[bool] = []
        two.watch([(DEVICE.der, ISSUER.der)], PROFILE, lambda: called.append(True))
        status = self.status(lists=one)
        self.answer(crl())
        self.assertIsInstance(self.successResultOf(status), Good)
        self.assertIsInstance(self.successResultOf(self.status(lists=two)), Good)
        newer = crl(DEVICE, number=2).der()
        [name] = [each.stored.name for each in two.knowledge.lists]
        self.successResultOf(shared.store(name, newer))
        for lists, expected in ((two, True), (three, False), (two, True)):
            waiting = lists.shared(name)
            self.assertEqual(waiting is not None, expected)
            if waiting is not None:
                self.successResultOf(waiting)
        self.assertEqual((called, len(self.downloads.asked)), ([True], 1))
        self.assertIsNone(two.shared("another"))

    def test_gateways_and_files(self) -> None:
        """What another gateway has stored takes the place of a file's list, too, that has come after a download."""
        knowledge = StoreInHand()
        shared = SharedLists(self.clock, knowledge, lambda: NOW)  # type: ignore[arg-type]
        self.patch(shared_lists, "in_thread", at_once)
        self.lists = self.started(shared=shared)
        self.learn(crl())
        [before] = self.lists.knowledge.lists
        of_file = crl(number=2)
        self.lists.knowledge.take(
            HeldList(crl=of_file.proven(), stored=StoredList(data=of_file.der(), issuer=ISSUER.der), file="/etc/ca.crl")
        )
        self.successResultOf(shared.store(before.stored.name, crl(DEVICE, number=3).der()))
        waiting = self.lists.shared(before.stored.name)
        assert waiting is not None
        self.successResultOf(waiting)
        self.assertIsInstance(self.known(), Revoked)
