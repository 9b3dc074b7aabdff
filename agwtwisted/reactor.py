"""Twisted's epoll reactor with less around each event: ``twistd --reactor=agwepoll agwgateway …``.

The gateway takes it by itself where no other reactor was chosen. The stock one pushes a logging context for every
event, which nobody here reads and which costs a keep-alive request a tenth of its time.
"""

from __future__ import annotations

import sys
from select import EPOLLIN

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import installReactor
from twisted.python import log


class LeanEPollReactor(EPollReactor):
    """The same events in the same order; what an event raises is logged and ends its connection, as ever."""

    def doPoll(self, timeout: float | None) -> None:  # noqa: N802 - Twisted's name
        """Waits for events, `timeout` seconds at most, and handles them."""
        try:
            events = self._poller.poll(-1 if timeout is None else timeout, len(self._selectables))
        except InterruptedError:
            return
        selectable_of = self._selectables.get
        for descriptor, event in events:
            selectable = selectable_of(descriptor)
            if selectable is None:  # gone with an event before
                continue
            if event != EPOLLIN:
                self._doReadOrWrite(selectable, descriptor, event)
                continue
            try:
                why = selectable.doRead()
            except BaseException:  # as the stock reactor: the connection is lost, the reactor goes on
                why = sys.exc_info()[1]
                log.err()
            if why:
                self._disconnectSelectable(selectable, why, True)

    doIteration = doPoll  # noqa: N815 - Twisted's name


def install() -> None:
    """Makes it the reactor of the process; raises ReactorAlreadyInstalledError when there is one."""
    installReactor(LeanEPollReactor())
