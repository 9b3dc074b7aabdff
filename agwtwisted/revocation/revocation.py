"""The revocation status of clients' certificates, from one source or several: the policy, whose rules are the core's.

Sources are asked in the order of the profile, until one says *good* or *revoked*. What any source has proven revoked is
revoked on every listener that checks revocation, whatever sources its profile lists: only the same source ends that, by
something newer. Callers: the revocation check of a connection; what puts the gateway together starts and stops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from twisted.application.service import Service
from twisted.internet.defer import Deferred, gatherResults

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.policy import ends, undecided
from agwtwisted.core.revocation.profiles import ProfilesInForce
from agwtwisted.core.revocation.status import RevocationStatus, Revoked
from agwtwisted.operations.counters import RevocationCounters
from agwtwisted.revocation.sources import StatusSource

Kinds: TypeAlias = tuple[RevocationSource, ...]
"""The sources that are asked about a certificate, in order, as `policy.sources_of` has them."""


class Revocation(Service):
    """The status of certificates.

    Args:
        sources: all that there are, each once, whether a profile lists them or not.
        seconds: the time by which verdicts end, since 1970.
        counters: count what is found; None: in vain.
    """

    name = "revocation"

    def __init__(
        self,
        sources: Sequence[StatusSource],
        seconds: Callable[[], float],
        counters: RevocationCounters | None = None,
    ) -> None:
        self.counters = RevocationCounters() if counters is None else counters
        self.seconds = seconds
        self.fail_open_count = 0  # clients let in without a status, by ocsp_unavailable and crl_unavailable = Allow
        self._each: Final = tuple(sources)
        self.sources: Final[Mapping[RevocationSource, StatusSource]] = {each.kind: each for each in sources}
        self._profiles = ProfilesInForce()

    def startService(self) -> None:
        """Takes up what an earlier process has learnt."""
        super().startService()
        for each in self.sources.values():
            each.start()

    def stopService(self) -> Deferred[None]:
        """Cancels every question; fires once everything that was learnt is stored."""
        self.running = 0
        stopped = gatherResults([each.stop() for each in self.sources.values()], consumeErrors=True)
        return stopped.addCallback(lambda _: None)

    def use(self, profiles: Iterable[SslProfile]) -> None:
        """These profiles are in force from now on, and check revocation."""
        in_force = tuple(profiles)
        self._profiles.use(in_force)
        for kind, source in self.sources.items():
            source.use([each for each in in_force if kind in each.verify_client_revocation])

    @property
    def profiles(self) -> tuple[SslProfile, ...]:
        """Those in force, without what they trust."""
        return self._profiles.all()

    def watch(self, subjects: Sequence[Subject], profile: SslProfile, call: Callable[[], None]) -> Callable[[], None]:
        """Has `call` called when one of these certificates becomes known as revoked; returns what ends that."""
        watched = [each.watch(subjects, profile, call) for each in self.sources.values()]

        def unwatch() -> None:
            for each in watched:
                each()

        return unwatch

    def known(self, subject: Subject, profile: SslProfile, kinds: Kinds) -> RevocationStatus | None:
        """The known status of a certificate; None where a source has to be asked."""
        for source in self._each:
            if source.revoked(subject) is not None:
                return self._bound(subject, profile, kinds)
        found: list[RevocationStatus] = []
        for kind in kinds:
            status = self.sources[kind].known(subject, profile)
            if status is None or ends(status):
                return status
            found.append(status)
        return undecided(found)

    def status(self, subject: Subject, profile: SslProfile, kinds: Kinds) -> Deferred[RevocationStatus]:
        """The status of a certificate, known or asked for; may be cancelled."""
        return Deferred.fromCoroutine(self._status(subject, profile, kinds))

    async def _status(self, subject: Subject, profile: SslProfile, kinds: Kinds) -> RevocationStatus:
        for kind, source in self.sources.items():
            revoked = source.revoked(subject)
            if revoked is not None:  # where it is listed it may have something newer to say
                status = await source.status(subject, profile) if kind in kinds else revoked
                if isinstance(status, Revoked):
                    return status
        status = await self._asked(subject, profile, kinds)
        return self._revoked(subject) or status  # while one source was asked another may have learnt it

    async def _asked(self, subject: Subject, profile: SslProfile, kinds: Kinds) -> RevocationStatus:
        found: list[RevocationStatus] = []
        for kind in kinds:
            status = await self.sources[kind].status(subject, profile)
            if ends(status):
                return status
            found.append(status)
        return undecided(found)

    def _bound(self, subject: Subject, profile: SslProfile, kinds: Kinds) -> RevocationStatus | None:
        """What follows where sources have proven *revoked*; None where all of them may have something newer to say."""
        for kind, source in self.sources.items():
            revoked = source.revoked(subject)
            if revoked is not None:
                status = source.known(subject, profile) if kind in kinds else revoked
                if isinstance(status, Revoked):
                    return status
        return None

    def _revoked(self, subject: Subject) -> Revoked | None:
        found = (source.revoked(subject) for source in self.sources.values())
        return next((each for each in found if each is not None), None)
