"""Connections of the gateway's own that are kept for the next request to the same server: few, and not for long."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from agwtwisted.core.plan.descriptors import KEPT_CONNECTIONS
from agwtwisted.outbound.exchange import OutboundConnection

MAX_KEPT: Final = 8
"""Idle connections to one server."""

MAX_KEPT_IN_ALL: Final = KEPT_CONNECTIONS
"""Idle connections to all servers."""


class KeptConnections:
    """Those that no request uses, the last used first; the oldest make room for others."""

    def __init__(self) -> None:
        self._kept: OrderedDict[OutboundConnection, None] = OrderedDict()
        self._by_place: dict[tuple[str, str, int], list[OutboundConnection]] = {}
        self._closed = False

    def __len__(self) -> int:
        return len(self._kept)

    def take(
        self, place: tuple[str, str, int], fits: Callable[[OutboundConnection], bool]
    ) -> OutboundConnection | None:
        """One for a request to this place that `fits`; None: there is none."""
        for connection in reversed(self._by_place.get(place, ())):
            if not connection.transport.closing and fits(connection):
                self.forget(connection)
                return connection
        return None

    def keep(self, connection: OutboundConnection) -> None:
        """Keeps one, until it is taken, closed or has to make room."""
        if self._closed:
            connection.close()
            return
        of_place = self._by_place.setdefault(connection.place, [])
        of_place.append(connection)
        self._kept[connection] = None
        if len(of_place) > MAX_KEPT:
            of_place[0].close()
        elif len(self._kept) > MAX_KEPT_IN_ALL:
            next(iter(self._kept)).close()

    def forget(self, connection: OutboundConnection) -> None:
        """It is not idle any more, or gone."""
        if connection in self._kept:
            del self._kept[connection]
            of_place = self._by_place[connection.place]
            of_place.remove(connection)
            if not of_place:
                del self._by_place[connection.place]

    def close(self) -> None:
        """Closes all, and keeps no further ones."""
        self._closed = True
        while self._kept:
            next(iter(self._kept)).close()
