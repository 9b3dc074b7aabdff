"""A rate limit for log lines about one client."""

from __future__ import annotations

from collections.abc import Callable

import attrs


@attrs.define
class _Window:
    """What was admitted since `start`, and what was left out since the last admission."""

    start: float
    admitted: int = 0
    omitted: int = 0


class LogRateLimiter:
    """Admits a few lines about failed handshakes for each client address and period, and counts those left out.

    The table of addresses is bounded: while it is full of live ones, all other addresses share one place, so that
    neither memory nor the log grows with the number of addresses an attacker has.
    """

    def __init__(
        self, seconds: Callable[[], float], *, lines: int = 5, period: float = 60.0, max_addresses: int = 1024
    ) -> None:
        """`seconds` returns the time; `lines` are admitted in each `period`, in seconds, for each address."""
        self._seconds = seconds
        self._lines = lines
        self._period = period
        self._max_addresses = max_addresses
        # In the order of their windows' start, the oldest first.
        self._windows: dict[str, _Window] = {}
        self._shared = _Window(seconds())

    def admit(self, address: str) -> int | None:
        """None: leave this line out. A number: write it, and say that so many were left out before it.

        The numbers of an address that was forgotten go to the shared place: the numbers of all lines together miss
        nothing.
        """
        now = self._seconds()
        window = self._window(address, now)
        if window.admitted >= self._lines:
            window.omitted += 1
            return None
        window.admitted += 1
        omitted, window.omitted = window.omitted, 0
        return omitted

    def _window(self, address: str, now: float) -> _Window:
        """The window that counts for an address, begun anew if it was over."""
        window = self._windows.get(address)
        if window is not None and not self._over(window, now):
            return window
        if window is not None:
            del self._windows[address]
        elif len(self._windows) >= self._max_addresses and not self._forget_oldest(now):
            if self._over(self._shared, now):
                self._shared = _Window(now, omitted=self._shared.omitted)
            return self._shared
        renewed = _Window(now, omitted=window.omitted if window is not None else 0)
        self._windows[address] = renewed
        return renewed

    def _over(self, window: _Window, now: float) -> bool:
        """Whether a window has ended; a clock that was set back ends it too, or it could last for ever."""
        return not window.start <= now < window.start + self._period

    def _forget_oldest(self, now: float) -> bool:
        """Makes room for an address, if the oldest window is over."""
        address = next(iter(self._windows))
        if not self._over(self._windows[address], now):
            return False
        self._shared.omitted += self._windows.pop(address).omitted
        return True
