"""A bounded cache whose entries expire."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

import attrs

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@attrs.frozen
class _Kept(Generic[V]):
    value: V
    until: float


class Expiring(Generic[K, V]):
    """Values by key, each until a time; at most `size` of them, so the least recently used one goes first.

    Times are arguments, seconds of whatever clock; a clock that jumps makes values last longer or shorter, so what must
    not outlive its time has to be judged again when it is used.
    """

    def __init__(self, size: int, dropped: Callable[[K, V], None] | None = None) -> None:
        """`dropped` is called with each entry that is removed: because of its age, of the limit, or of a newer
        value.
        """
        self._size = size
        self._dropped = dropped
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, key: K) -> bool:
        """Whether there is a value, were its time over."""
        return key in self._kept

    def get(self, key: K, now: float) -> V | None:
        """The value, if its time has not come; it counts as used."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now >= kept.until:
            self.discard(key)
            return None
        self._kept.move_to_end(key)
        return kept.value

    def put(self, key: K, value: V, until: float) -> None:
        """Keeps a value, in place of an earlier one."""
        self.discard(key)
        while len(self._kept) >= self._size:
            self.discard(next(iter(self._kept)))
        self._kept[key] = _Kept(value, until)

    def discard(self, key: K) -> None:
        """Lets a value go, if there is one."""
        kept = self._kept.pop(key, None)
        if kept is not None and self._dropped is not None:
            self._dropped(key, kept.value)

    def values(self) -> Iterator[V]:
        """All of them, those whose time has come included; none counts as used."""
        return (kept.value for kept in self._kept.values())

    def items(self) -> Iterator[tuple[K, V]]:
        """The same with their keys."""
        return ((key, kept.value) for key, kept in self._kept.items())

    def clear(self) -> None:
        """Lets all go."""
        for key in tuple(self._kept):
            self.discard(key)
