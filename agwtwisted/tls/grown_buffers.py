"""Gives back the memory that large data has left behind in connections: a connection that rests takes little.

OpenSSL's memory BIOs stay as large as they once were. After a megabyte in one direction a connection would take 90 to
160 kB more until it ends, however long it is idle.

Caller: the service of one process.
"""

from __future__ import annotations

from collections.abc import MutableSet
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.tls.records import GROWN, DirectRecords

INTERVAL: Final = 5.0
"""Seconds between two looks. What has passed nothing large in one is released: its next data costs the memory anew."""

AT_ONCE: Final = 500
"""Connections that a look has release their memory: each takes two microseconds. One that cannot does not count, or
some that never can would keep all others from it."""


class GrownBuffers(Service):
    """Looks at the connections of this process as long as it runs.

    Args:
        clock: runs the timer.
        grown: those that something large has passed; what is released is taken out.
    """

    def __init__(self, clock: IReactorTime, grown: MutableSet[DirectRecords] = GROWN) -> None:
        self.setName("grown buffers")
        self._clock = clock
        self._grown = grown
        self._timer: IDelayedCall | None = None

    def startService(self) -> None:
        """Looks from now on."""
        super().startService()
        self._wait()

    def stopService(self) -> None:
        """Looks no more."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._timer = self._clock.callLater(INTERVAL, self._look)

    def _look(self) -> None:
        left = AT_ONCE
        for each in tuple(self._grown):
            if left and each.rests() and each.release():
                left -= 1
                self._grown.discard(each)
        self._wait()
