"""When a list may be downloaded: some at once, and neither one server nor the clients of one profile have all turns.

A server that sends a byte a second keeps a turn for the whole of `crl_timeout`, and a CA may name another server in
each certificate. Caller: the retrieval of lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Final

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.core.plan.descriptors import LIST_DOWNLOADS

AT_ONCE: Final = LIST_DOWNLOADS
"""Lists that are downloaded at the same time; further ones wait, as long as `crl_timeout` says."""

AT_ONCE_OF_PROFILE: Final = 6
"""Of those by the rules of one SSL profile: the CAs that it trusts may all be one stranger's."""

AT_ONCE_OF_SERVER: Final = 4
"""Of those from one server."""

MAX_WAITING: Final = 256
"""Lists that wait by the rules of one SSL profile; what comes then is not asked for."""


@attrs.define(eq=False)
class _Waiting:
    """A list whose turn comes; `turn` fires with whether it has."""

    profile: str
    server: Hashable
    turn: Deferred[bool]
    timer: IDelayedCall


class DownloadTurns:
    """Turns of downloads."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._of_profile: Counter[str] = Counter()  # that are under way
        self._of_server: Counter[Hashable] = Counter()
        self._waiting: dict[_Waiting, None] = {}  # in the order in which they came

    def take(self, profile: str, server: Hashable, seconds: float) -> Deferred[bool]:
        """Fires with True once it is the turn of a list, which `give_back` ends; with False if that is too late.

        May be cancelled until then.
        """
        if self._is_free(profile, server):
            self._begin(profile, server)
            return succeed(True)
        if sum(each.profile == profile for each in self._waiting) >= MAX_WAITING:
            return succeed(False)

        def leave(_: object) -> None:
            del self._waiting[waiting]
            waiting.timer.cancel()

        def late() -> None:
            del self._waiting[waiting]
            waiting.turn.callback(False)

        waiting = _Waiting(profile, server, Deferred(leave), self._clock.callLater(seconds, late))
        self._waiting[waiting] = None
        return waiting.turn

    def give_back(self, profile: str, server: Hashable) -> None:
        """A download has ended."""
        self._of_profile = self._of_profile - Counter((profile,))  # without those that have none left
        self._of_server = self._of_server - Counter((server,))
        free = [each for each in self._waiting if self._is_free(each.profile, each.server)]
        if free:  # the profile that has the fewest is next
            following = min(free, key=lambda each: self._of_profile[each.profile])
            del self._waiting[following]
            following.timer.cancel()
            self._begin(following.profile, following.server)
            following.turn.callback(True)

    def _is_free(self, profile: str, server: Hashable) -> bool:
        return (
            self._of_profile.total() < AT_ONCE
            and self._of_profile[profile] < AT_ONCE_OF_PROFILE
            and self._of_server[server] < AT_ONCE_OF_SERVER
        )

    def _begin(self, profile: str, server: Hashable) -> None:
        self._of_profile[profile] += 1
        self._of_server[server] += 1
