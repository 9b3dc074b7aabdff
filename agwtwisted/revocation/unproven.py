"""Responses about certificates that are not at hand: of an earlier process, or of another worker of the gateway.

Each is proven when its certificate is seen, and means nothing before. What one worker has learnt it publishes; every
other proves it itself. Callers: the revocation service, and the parent of workers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.revocation.memory import MAX_REVOKED
from agwtwisted.interfaces import Siblings
from agwtwisted.revocation.ocsp_store import StoredResponse

ANSWER: Final = "OCSP response"
"""The topic: a response that one worker has proven, as `payload_of` has it."""

MOST_BYTES: Final = 2 * 1024 * 1024
"""Of the responses that are kept for workers to come."""

_HEAD: Final = struct.Struct("!?d32s")


def payload_of(stored: StoredResponse) -> bytes:
    """A response for other workers."""
    return _HEAD.pack(stored.is_revoked, stored.until, stored.key) + stored.response


def published(payload: bytes) -> StoredResponse:
    """A response of another worker. Raises struct.error where it is none."""
    is_revoked, until, key = _HEAD.unpack_from(payload)
    return StoredResponse(key=key, response=payload[_HEAD.size :], is_revoked=is_revoked, until=until)


class UnprovenResponses:
    """For each certificate the last response that is said to be a revocation, and the last one of the others.

    Args:
        most: others that are kept, the last ones.
    """

    def __init__(self, most: int) -> None:
        self._revoked: Expiring[bytes, StoredResponse] = Expiring(MAX_REVOKED)
        self._others: Expiring[bytes, StoredResponse] = Expiring(most)

    def __contains__(self, key: bytes) -> bool:
        return key in self._revoked or key in self._others

    def put(self, stored: StoredResponse) -> None:
        """Keeps a response until its certificate is seen."""
        (self._revoked if stored.is_revoked else self._others).put(stored.key, stored, _FOR_EVER)

    def __len__(self) -> int:
        return len(self._revoked) + len(self._others)

    def forget(self, needle: bytes) -> None:
        """Forgets those with this in them that are not said to be revocations."""
        for key in [key for key, stored in self._others.items() if needle in stored.response]:
            self._others.discard(key)

    def revocation(self, key: bytes) -> StoredResponse | None:
        """What is said to be a revocation of a certificate; None: nothing is."""
        return self._revoked.get(key, 0.0)

    def discard_good(self, key: bytes) -> None:
        """Forgets the one about a certificate that is not said to be a revocation."""
        self._others.discard(key)

    def pop(self, key: bytes) -> list[StoredResponse]:
        """Those about a certificate, which is at hand now; which of them is newer is seen when they are proven."""
        found = [each for kept in (self._revoked, self._others) if (each := kept.get(key, 0.0)) is not None]
        self._revoked.discard(key)
        self._others.discard(key)
        return found


class PublishedRevocations:
    """What workers have published of certificates that are revoked, for a worker that begins later: in their parent.

    It may have no state directory to know it from. Nothing is proven here; the worker does that.

    Args:
        siblings: the workers.
        most: bytes of responses that are kept, the last ones.
    """

    def __init__(self, siblings: Siblings, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._payloads: dict[bytes, list[bytes]] = {}  # a revocation and, where there is one, what came after it
        siblings.subscribe(ANSWER, self._heard)

    def present(self) -> Iterator[tuple[str, bytes]]:
        """The topic and payload of each, to be published."""
        return ((ANSWER, payload) for payloads in tuple(self._payloads.values()) for payload in payloads)

    def _heard(self, payload: bytes) -> None:
        stored = published(payload)
        known = self._payloads.pop(stored.key, [])
        self._bytes -= sum(map(len, known))
        if stored.is_revoked:
            known = [payload]
        elif known:
            known = [known[0], payload]  # which of the two is newer is seen when they are proven
        else:
            return
        self._payloads[stored.key] = known
        self._bytes += sum(map(len, known))
        while self._bytes > self._most:
            oldest = next(iter(self._payloads))
            self._bytes -= sum(map(len, self._payloads.pop(oldest)))


_FOR_EVER: Final = float("inf")
