"""The chains of clients that were verified in full handshakes: of a resumed session nothing is left but the leaf.

What is known of a chain is that it holds but for time: OpenSSL has verified it under the same profile with the same
CAs, and the gateway's own rules hold from its `begin` to its `end`. That is compared again at each use. Nothing here
opens a gate by itself: what is forgotten is verified in full again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.certificates.reading import certificate_of

ROOM: Final = 1 << 24
"""Bytes that all chains may take in memory."""

TAKEN: Final = 640
"""Bytes that a chain takes whose issuers are here already: keys, a tuple, and times."""

INTERMEDIATES: Final = 256
"""Intermediates that clients have sent and that stand in verified chains, those of the latest ones."""

LONGEST: Final = 4096
"""Octets of an intermediate that is remembered."""

ABOVE: Final = 16
"""Intermediates at most that are proposed for one leaf."""


@value
class VerifiedChain:
    """A chain above its leaf, and when it is trusted, in seconds since 1970, both ends included."""

    issuers: tuple[bytes, ...]  # DER, as in a `CertificateProof`
    begin: float
    until: float
    takes: int = TAKEN  # bytes


@value
class _Kept:
    chain: VerifiedChain
    until: float  # when no session can need it any more


class VerifiedChains:
    """Chains by profile and leaf, those used last, as far as there is room.

    Args:
        life: seconds for which a session can be resumed after its last use.
        room: bytes.
    """

    def __init__(self, life: float, room: int = ROOM) -> None:
        self._life = life
        self._room = room
        self._taken = 0
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()  # in the order of their last use

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, profile: str, leaf: bytes, now: float) -> VerifiedChain | None:
        """The chain of a leaf (DER) that a client of this profile shows at `now`, and is trusted then; it counts as
        used.

        Args:
            profile: the fingerprint of all that a verdict depends on.
            leaf: in DER.
            now: in seconds since 1970.
        """
        key = _key(profile, leaf)
        kept = self._kept.get(key)
        if kept is None:
            return None
        chain = kept.chain
        if not chain.begin <= now <= chain.until or now >= kept.until:
            return None
        self._keep(key, chain, now)
        return chain

    def put(self, profile: str, leaf: bytes, chain: VerifiedChain, now: float) -> bool:
        """Keeps a chain that was verified at `now`; whether it was not known, or known as another."""
        key = _key(profile, leaf)
        known = self._kept.get(key)
        self._keep(key, chain, now)
        return known is None or known.chain.issuers != chain.issuers

    def _keep(self, key: _Key, chain: VerifiedChain, now: float) -> None:
        kept = self._kept
        self._forget(key)
        while kept and (next(iter(kept.values())).until <= now or self._taken + chain.takes > self._room):
            self._forget(next(iter(kept)))
        kept[key] = _Kept(chain, min(now + self._life, chain.until))
        self._taken += chain.takes

    def _forget(self, key: _Key) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._taken -= kept.chain.takes


_Key: TypeAlias = tuple[str, bytes]
"""A profile, and the SHA-256 of a leaf."""


def _key(profile: str, leaf: bytes) -> _Key:
    return profile, sha256(leaf).digest()


class Intermediates:
    """Intermediates that clients have sent, for those whose chain is forgotten.

    That one is here proves nothing: a chain with it is verified in full.
    """

    def __init__(self, most: int = INTERMEDIATES) -> None:
        self._most = most
        self._known: OrderedDict[bytes, _Intermediate] = OrderedDict()  # in the order of their last use

    def __len__(self) -> int:
        return len(self._known)

    def own(self, der: bytes) -> bytes:
        """The same bytes, as the object that is here already where they are known."""
        known = self._known.get(der)
        return der if known is None else known.der

    def add(self, der: bytes) -> bool:
        """Remembers one; whether it was not known. One that cannot be read, or is long, is not remembered."""
        if der in self._known:
            self._known.move_to_end(der)
            return False
        certificate = certificate_of(der) if len(der) <= LONGEST else None
        if certificate is None:
            return False
        if len(self._known) >= self._most:
            self._known.popitem(last=False)
        self._known[der] = _Intermediate(der, certificate.subject, certificate.issuer)
        return True

    def above(self, leaf: bytes) -> tuple[bytes, ...]:
        """Those that may stand above a leaf (DER), by the names of issuers, the nearest first."""
        certificate = certificate_of(leaf)
        return () if certificate is None else tuple(islice(self._above(certificate.issuer), ABOVE))

    def _above(self, issuer: bytes) -> Iterator[bytes]:
        names = [issuer]
        for name in names:  # which grows
            for each in [each for each in self._known.values() if each.subject == name]:
                yield each.der
                if each.issuer not in names:
                    names.append(each.issuer)


@attrs.frozen
class _Intermediate:
    der: bytes
    subject: bytes
    issuer: bytes
