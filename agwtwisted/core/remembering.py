"""What was found out about bytes, remembered: clients come back, and their certificates say the same each time."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

T = TypeVar("T")

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
