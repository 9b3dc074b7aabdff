"""Responses about certificates that are not at hand: of an earlier process, or of another worker of the gateway.

Each is proven when its certificate is seen, and means nothing before. What one worker has learnt it publishes; every
other proves it itself. Caller: the revocation service.
"""

from __future__ import annotations

import struct
from typing import Final

from agwtwisted.core.base.expiring import Expiring
from agwtwisted.core.revocation.memory import MAX_REVOKED
from agwtwisted.revocation.ocsp_store import StoredResponse

ANSWER: Final = "OCSP response"
"""The topic: a response that one worker has proven, as `payload_of` has it."""

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

    def pop(self, key: bytes) -> list[StoredResponse]:
        """Those about a certificate, which is at hand now; which of them is newer is seen when they are proven."""
        found = [each for kept in (self._revoked, self._others) if (each := kept.get(key, 0.0)) is not None]
        self._revoked.discard(key)
        self._others.discard(key)
        return found


_FOR_EVER: Final = float("inf")
