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
    young: dict[K, Any] = {}
    old: dict[K, Any] = {}
    taken, half = 0, room // 2

    def recall(octets: K) -> T:
        found: T
        found = young.get(octets, _MISSING)
        return ask(octets) if found is _MISSING else found

    def ask(octets: K) -> T:
        nonlocal young, old, taken
        remembered: Any = old.get(octets, _MISSING)
        result: T = function(octets) if remembered is _MISSING else remembered
        takes = weight(octets, result)
        if len(octets) <= LONGEST and takes <= half:
            if taken + takes > half:
                young, old, taken = {}, young, 0
            young[octets] = result
            taken += takes
        return result

    return recall
