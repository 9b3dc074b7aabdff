"""CRLs as a source with clocks, servers and threads in the test's hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.status import RevocationStatus
from agwtwisted.interfaces import NO_SIBLINGS, Siblings
from agwtwisted.operations.counters import ListCounters
from agwtwisted.revocation import crl_following, crl_proving, crl_retrieval
from agwtwisted.revocation.crl_download import Downloaded, DownloadOutcome, DownloadRules
from agwtwisted.revocation.crl_lists import CrlLists
from agwtwisted.revocation.crl_retrieval import CrlRetrieval
from agwtwisted.revocation.crl_store import ListStore, MemoryListStore, Validators
from agwtwisted.revocation.shared_lists import SharedLists
from tests import pki, revocations
from tests.clocks import SettableClock, ThreadedReactor
from tests.crls import Crl, point_name, points_extension, revoked, uri

NOW = pki.NOW.timestamp()
DAY = timedelta(days=1)
URL = "http://pki.example/ca.crl"

ROOT = pki.Authority.root("Root")
ISSUER = ROOT.intermediate("Issuer")


def device(*urls: str, name: str = "device", issuer: pki.Authority = ISSUER) -> pki.Credential:
    """A certificate that names these distribution points."""
    points = [points_extension(*(point_name(uri(url)) for url in urls))] if urls else []
    return issuer.issue(name, extra=points)


DEVICE = device(URL)
OTHER = device(URL, name="other")


def profile(**keys: Any) -> SslProfile:
    """A profile that reads lists."""
    return revocations.profile(**{"verify_client_revocation": (RevocationSource.CRL,), **keys})


PROFILE = profile()


def crl(
    *entries: pki.Credential, number: int = 1, days: float = 1, signer: pki.Credential = ISSUER, **keys: Any
) -> Crl:
    """A list with these certificates, valid for so many days."""
    keys = {"next_update": pki.NOW + days * DAY, **keys}
    return Crl(signer=signer, entries=[revoked(each) for each in entries], number=number, **keys)


@attrs.define(eq=False)
class Asked:
    """One download."""

    url: str
    rules: DownloadRules
    known: Validators
    answered: Deferred[DownloadOutcome]


class Downloads:
    """Downloads that the test answers."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.cancelled = 0

    def fetch(self, destination: Destination, rules: DownloadRules, known: Validators) -> Deferred[DownloadOutcome]:
        """Notes it."""
        answered: Deferred[DownloadOutcome] = Deferred(self._cancel)
        self.asked.append(Asked(destination.url, rules, known, answered))
        return answered

    def _cancel(self, _: Deferred[DownloadOutcome]) -> None:
        self.cancelled += 1


def at_once(reactor: object, call: Callable[[], Any], name: str, undo: object = None) -> Deferred[Any]:
    """`in_thread` without a thread."""
    return execute(call)


class CrlCase(SynchronousTestCase):
    """A source of lists, and servers that the test answers for."""

    def setUp(self) -> None:
        for module in (crl_following, crl_proving, crl_retrieval):
            self.patch(module, "in_thread", at_once)
        self.patch(crl_proving, "pause", lambda: None)
        self.clock = ThreadedReactor()
        self.wall = SettableClock(self.clock)
        self.wall.ahead = NOW - self.clock.seconds()
        self.wall.startService()
        self.addCleanup(self.wall.stopService)
        self.counters = ListCounters()
        self.downloads = Downloads()
        self.lists = self.started()

    def started(
        self,
        store: ListStore | None = None,
        downloads: Downloads | None = None,
        siblings: Siblings = NO_SIBLINGS,
        shared: SharedLists | None = None,
    ) -> CrlLists:
        """One more source, of this process or another."""
        made = self.unstarted(store, downloads, siblings, shared)
        made.start()
        return made

    def unstarted(
        self,
        store: ListStore | None = None,
        downloads: Downloads | None = None,
        siblings: Siblings = NO_SIBLINGS,
        shared: SharedLists | None = None,
    ) -> CrlLists:
        """The same before it takes up what is stored."""
        kept = MemoryListStore() if store is None else store
        download: Any = self.downloads if downloads is None else downloads
        retrieval = CrlRetrieval(
            *(self.clock, download, kept, self.wall.seconds), siblings=siblings, counters=self.counters, shared=shared
        )
        made = CrlLists(self.clock, self.wall, retrieval, kept, Random(1), siblings=siblings)
        made.use([PROFILE])
        self.addCleanup(made.stop)
        return made

    def status(
        self, certificate: pki.Credential = DEVICE, by: SslProfile = PROFILE, lists: CrlLists | None = None
    ) -> Deferred[RevocationStatus]:
        """What is found about a certificate."""
        return (lists or self.lists).status((certificate.der, certificate.issuers[0].der), by)

    def known(self, certificate: pki.Credential = DEVICE, by: SslProfile = PROFILE) -> RevocationStatus | None:
        """What is known of it."""
        return self.lists.known((certificate.der, certificate.issuers[0].der), by)

    def answer(self, found: Crl | bytes | DownloadOutcome, number: int = -1, etag: str = "") -> None:
        """A server answers."""
        data = found.der() if isinstance(found, Crl) else found
        outcome = Downloaded(data=data, validators=Validators(etag=etag)) if isinstance(data, bytes) else data
        self.downloads.asked[number].answered.callback(outcome)

    def learn(self, found: Crl, certificate: pki.Credential = DEVICE, etag: str = "") -> RevocationStatus:
        """The status after a list has come."""
        status = self.status(certificate)
        self.answer(found, etag=etag)
        return self.successResultOf(status)
