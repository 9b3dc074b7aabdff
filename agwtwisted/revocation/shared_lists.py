"""CRLs that gateways share: a head says what there is, and the list is in pieces, so that nothing waits for it long.

What comes is bytes. Only the list itself is taken, and its reader proves it: validators (ETag) of a store that need not
be trusted could have a server say that an old list is the newest. Caller: the retrieval of lists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.revocation.crl import read_head
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.revocation.shared_knowledge import MAX_VALUE, NOTHING_SHARED, SharedKnowledge
from agwtwisted.transport.threads import in_thread

LISTS: Final = "list"
"""The topic: the name of a list that a gateway has stored."""

PIECE: Final = MAX_VALUE
"""Bytes of a piece."""

MAX_TTL: Final = 30 * 86400.0
"""Seconds for which a list is stored at most."""

SHARE_SECONDS: Final = 60.0
"""For storing all pieces of a list; it is not stored where that takes longer."""

_NAME_CHARACTERS: Final = 64


@attrs.frozen
class _Head:
    """What is stored under the name of a list."""

    digest: str  # SHA-256 of the list, in hex: what its pieces are called by
    size: int

    def encoded(self) -> bytes:
        return json.dumps({"sha256": self.digest, "size": self.size}).encode()

    @property
    def pieces(self) -> int:
        return -(-self.size // PIECE)


class SharedLists:
    """Lists in a store.

    Args:
        reactor: runs the timers, and is reached from threads.
        knowledge: the store.
        wall: the time in seconds since 1970.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        knowledge: SharedKnowledge = NOTHING_SHARED,
        wall: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._reactor = reactor
        self._knowledge = knowledge
        self._wall = wall

    @property
    def is_usable(self) -> bool:
        """As SharedKnowledge says."""
        return self._knowledge.is_usable

    def load(self, name: str, known: bytes, most: int) -> Deferred[bytes | None]:
        """The list of this name, unless it is the known one, or has more than `most` bytes; None: there is none."""
        return Deferred.fromCoroutine(self._load(name, known, most))

    def store(self, name: str, data: bytes) -> Deferred[None]:
        """Stores a list until its nextUpdate, and lets the other gateways know."""
        return Deferred.fromCoroutine(self._store(name, data))

    def lease(self, name: str, seconds: float) -> Deferred[bool]:
        """Whether it is the caller who is to download this list."""
        return self._knowledge.lease(_key(name), seconds)

    def release(self, name: str) -> Deferred[None]:
        """Ends a lease of the caller's."""
        return self._knowledge.release(_key(name))

    def subscribe(self, heard: Callable[[str], Deferred[None] | None]) -> None:
        """Has `heard` called with the name of each list that a gateway has stored."""

        def called(news: bytes) -> Deferred[None] | None:
            return heard(news.decode("ascii", "replace")) if len(news) == _NAME_CHARACTERS else None

        self._knowledge.subscribe(LISTS, called)

    async def _load(self, name: str, known: bytes, most: int) -> bytes | None:
        head = _head(await self._knowledge.get(_key(name)))
        if head is None or head.size > most or (head.size == len(known) and head.digest == await self._digest(known)):
            return None
        pieces, digest = list[bytes](), sha256()
        for number in range(head.pieces):
            piece = await self._knowledge.get(_piece(head.digest, number))
            if piece is None or len(piece) != min(PIECE, head.size - number * PIECE):
                return None
            digest.update(piece)
            pieces.append(piece)
        return await self._joined(pieces) if digest.hexdigest() == head.digest else None

    async def _store(self, name: str, data: bytes) -> None:
        now, end = self._wall(), self._reactor.seconds() + SHARE_SECONDS
        found = read_head(data) if self._knowledge.is_usable else None
        ttl = 0.0 if found is None or isinstance(found, Unusable) else min(found.next_update - now, MAX_TTL)
        if ttl <= 0:
            return
        head = _Head(await self._digest(data), len(data))
        for number, piece in enumerate(_pieces(data)):
            is_late = self._reactor.seconds() > end
            if is_late or not await self._knowledge.put(_piece(head.digest, number), piece, ttl):
                return
        if await self._knowledge.put(_key(name), head.encoded(), ttl):
            self._knowledge.publish(LISTS, name.encode())

    def _digest(self, data: bytes) -> Deferred[str]:
        """In a thread: a list of fifty megabytes takes some hundredths of a second."""
        return in_thread(self._reactor, lambda: sha256(data).hexdigest(), "CRL digest")

    def _joined(self, pieces: list[bytes]) -> Deferred[bytes]:
        return in_thread(self._reactor, partial(b"".join, pieces), "CRL pieces")


def _key(name: str) -> str:
    return f"crl:{name}"


def _piece(digest: str, number: int) -> str:
    return f"crl:{digest}:{number}"


def _pieces(data: bytes) -> Iterator[bytes]:
    return (data[at : at + PIECE] for at in range(0, len(data), PIECE))


def _head(value: bytes | None) -> _Head | None:
    """What a value says of a list; None where it is none."""
    try:
        members: Any = json.loads(value or b"")
        digest, size = members["sha256"], members["size"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_head = isinstance(digest, str) and len(digest) == _NAME_CHARACTERS and digest.isalnum() and digest.isascii()
    return _Head(digest, size) if is_head and type(size) is int and size > 0 else None
