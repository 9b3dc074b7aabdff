"""The lists that count now, by what they are about: of two of the same kind the newer one, whatever its source.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from agwtwisted.core.revocation.crl import ProvenCrl
from agwtwisted.revocation.crl_store import StoredList

MAX_LISTS: Final = 256
"""Lists in memory; of more than that the one goes that was used longest ago, unless an operator has given it."""


@attrs.define(eq=False, kw_only=True)
class HeldList:
    """A list that counts, and what it takes to renew it."""

    crl: ProvenCrl
    stored: StoredList
    url: str = ""  # it is renewed from; empty: from nowhere
    file: str = ""  # of the operator's (`crl_files`); empty: it came from elsewhere
    profile: str = ""  # the name of the one by whose rules it is renewed; empty: none has used it
    used: bool = False  # since it was last renewed
    problem: str = ""  # of its last renewal; empty: there was none

    def __attrs_post_init__(self) -> None:
        self.url = self.url or self.stored.url

    @property
    def origin(self) -> str:
        """Where it came from, for people."""
        return self.file or self.stored.url or "import"


class HeldLists:
    """Lists by issuer.

    Args:
        most: that are kept.
    """

    def __init__(self, most: int = MAX_LISTS) -> None:
        self._most = most
        self._by_key: dict[bytes, HeldList] = {}  # those last used at the end
        self._by_issuer: dict[bytes, dict[bytes, HeldList]] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[HeldList]:
        return iter(tuple(self._by_key.values()))

    def get(self, key: bytes) -> HeldList | None:
        """The list with this key (`ProvenCrl.key`)."""
        return self._by_key.get(key)

    def of_issuer(self, issuer: bytes) -> tuple[HeldList, ...]:
        """All lists of an issuer, by its key."""
        return tuple(self._by_issuer.get(issuer, {}).values())

    def fetched_from(self, url: str, issuer: bytes) -> HeldList | None:
        """The list that is renewed from a URL, and was proven by this certificate (in DER)."""
        return next((each for each in self if (each.url, each.stored.issuer) == (url, issuer)), None)

    def same_as(self, stored: StoredList) -> HeldList | None:
        """The list with the same bytes that was proven by the same certificate."""
        return next(
            (each for each in self if (each.stored.data, each.stored.issuer) == (stored.data, stored.issuer)), None
        )

    def use(self, held: HeldList) -> None:
        """A client came with a certificate that it is about."""
        key = held.crl.key
        if self._by_key.get(key) is held:
            del self._by_key[key]
            self._by_key[key] = held

    def put(self, held: HeldList) -> HeldList | None:
        """Puts a list in force in place of the one of its kind; returns one that had to go for want of room."""
        self._drop(held.crl.key)
        self._by_key[held.crl.key] = held
        self._by_issuer.setdefault(held.crl.issuer_key, {})[held.crl.key] = held
        if len(self._by_key) <= self._most:
            return None
        oldest = next((each for each in self._by_key.values() if not each.file and each is not held), None)
        if oldest is not None:
            self._drop(oldest.crl.key)
        return oldest

    def _drop(self, key: bytes) -> None:
        dropped = self._by_key.pop(key, None)
        if dropped is not None:
            of_issuer = self._by_issuer[dropped.crl.issuer_key]
            del of_issuer[key]
            if not of_issuer:
                del self._by_issuer[dropped.crl.issuer_key]
