"""Stores of signed OCSP responses: what each does, and the one that is in memory alone.

A store is not trusted: the responses are signed, and are verified like those that come from a responder. Caller: the
revocation service.
"""

from __future__ import annotations

from typing import Final, Protocol

import attrs
from twisted.internet.defer import Deferred, succeed

from agwtwisted.core.base.expiring import Expiring

FILE: Final = "ocsp.sqlite3"

MAX_PENDING: Final = 10_000
"""Responses that wait to be written; further ones are not, and are requested again after a restart."""


@attrs.frozen(kw_only=True)
class StoredResponse:
    """A response, its key, and until when it is worth keeping (seconds since 1970)."""

    key: bytes
    response: bytes = attrs.field(repr=False)
    is_revoked: bool
    until: float
    is_newer_than_revocation: bool = attrs.field(default=False, eq=False)
    """Whether a revocation that is known is older than this: only then it takes the place of one in a file."""


class ResponseStore(Protocol):
    """Where responses are stored: for each key the last one that was put."""

    outlives_process: bool

    def load(self, now: float, most: int) -> list[StoredResponse]:
        """What is stored, before anything is put: revocations, and `most` of the others that are not over at `now`."""

    def start(self) -> None:
        """Accepts responses from now on."""

    def put(self, stored: StoredResponse) -> None:
        """Stores a response, some time later."""

    def forget(self, needle: bytes) -> None:
        """Deletes responses with this in them, but no revocation, some time later; what is put after it stays."""

    def stop(self) -> Deferred[None]:
        """Fires once all that was put is stored."""


@attrs.frozen
class OpenedStore:
    """A store, and what it held when it was opened."""

    store: ResponseStore
    responses: tuple[StoredResponse, ...]


class MemoryStore:
    """A store in memory, which ends with the process. At most `most` responses that are no revocations are kept."""

    outlives_process = False

    def __init__(self, most: int = MAX_PENDING) -> None:
        self._good: Expiring[bytes, StoredResponse] = Expiring(most)
        self._revoked: dict[bytes, StoredResponse] = {}

    def load(self, now: float, most: int) -> list[StoredResponse]:
        """As ResponseStore says."""
        return chosen([*self._revoked.values(), *self._good.values()], now, most)

    def start(self) -> None:
        """As ResponseStore says."""

    def put(self, stored: StoredResponse) -> None:
        """As ResponseStore says."""
        self._good.discard(stored.key)
        self._revoked.pop(stored.key, None)
        if stored.is_revoked:
            self._revoked[stored.key] = stored
        else:
            self._good.put(stored.key, stored, stored.until)

    def forget(self, needle: bytes) -> None:
        """As ResponseStore says."""
        for key in [key for key, stored in self._good.items() if needle in stored.response]:
            self._good.discard(key)

    def stop(self) -> Deferred[None]:
        """As ResponseStore says."""
        return succeed(None)


def chosen(kept: list[StoredResponse], now: float, most: int) -> list[StoredResponse]:
    """All revocations, and of the others those that are not over and last longest.

    That a revoked certificate has ended is no reason to drop it: the clock may be wrong, and set right again.
    """
    others = sorted((each for each in kept if not each.is_revoked and each.until > now), key=lambda each: -each.until)
    return [each for each in kept if each.is_revoked] + others[:most]
