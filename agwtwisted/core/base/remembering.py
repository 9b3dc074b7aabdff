"""A cache of results by the bytes that they were computed from: clients connect again with the same certificates."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

K = TypeVar("K", bound="bytes | tuple[Any, ...]")
T = TypeVar("T")

_MISSING: Final = object()

CERTIFICATES: Final = 4096
"""Certificates that are remembered, those used last."""

LONGEST: Final = 4096
"""Octets of a certificate that is remembered: hostile ones are long, and would take much room."""


def remembering(function: Callable[[bytes], T], size: int = CERTIFICATES) -> Callable[[bytes], T]:
    """The same function, which must depend on nothing but its argument; it keeps its last `size` results.

    The memory is as old as what this returns: there is none that outlives a configuration.
    """
    remembered = lru_cache(maxsize=size)(function)

    def recall(octets: bytes) -> T:
        return remembered(octets) if len(octets) <= LONGEST else function(octets)

    return recall


def remembering_within(function: Callable[[K], T], room: int, weight: Callable[[K, T], int]) -> Callable[[K], T]:
    """The same function, with a memory that is bounded by what it holds: the last results, as far as there is room.

    There are two generations, each of which takes half of the room: where the younger one is full it becomes the elder
    one, and what was that is forgotten but for what was asked for since. So what is asked for often stays, and to find
    it takes one look.

    Args:
        function: depends on nothing but its argument.
        room: bytes that all that is remembered may take.
        weight: bytes that an argument and its result take. One that is longer than `LONGEST` is not remembered: octets,
            or a tuple of as many.
    """
    return _Memory(function, room // 2, weight).__getitem__


class _Memory(dict[K, T]):
    """The younger generation, by which an argument that is found costs no call."""

    def __init__(self, function: Callable[[K], T], half: int, weight: Callable[[K, T], int]) -> None:
        super().__init__()
        self._function = function
        self._half = half
        self._weight = weight
        self._taken = 0
        self._old: dict[K, T] = {}

    def __missing__(self, octets: K) -> T:
        remembered: Any = self._old.get(octets, _MISSING)
        result: T = self._function(octets) if remembered is _MISSING else remembered
        takes = self._weight(octets, result)
        if len(octets) <= LONGEST and takes <= self._half:
            if self._taken + takes > self._half:
                self._old, self._taken = dict(self), 0
                self.clear()
            self[octets] = result
            self._taken += takes
        return result
