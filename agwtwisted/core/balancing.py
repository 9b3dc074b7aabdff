"""Which server of a pool is asked next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class RoundRobin(Generic[T]):
    """Takes turns among the servers of one pool, in the order of the configuration."""

    def __init__(self, servers: Sequence[T]) -> None:
        self._servers = tuple(servers)
        self._next = 0

    def order(self) -> tuple[T, ...]:
        """Every server once, beginning with the one whose turn it is; empty for an empty pool."""
        servers = self._servers
        if len(servers) < 2:
            return servers
        turn = self._next
        self._next = (turn + 1) % len(servers)
        return servers[turn:] + servers[:turn]
