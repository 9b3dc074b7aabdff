"""The windows of HTTP/2's flow control: how much DATA may be sent, and how much may come (RFC 9113 section 5.2).

A connection has one of each kind, and so has each of its streams; padding counts as data does.
"""

from __future__ import annotations

from typing import Final

from agwtwisted.core.http2.codes import DEFAULT_WINDOW, LARGEST_WINDOW

STREAM_WINDOW: Final = 256 * 1024
"""Octets of a request's body that a client may send before the gateway has passed any of them on."""

CONNECTION_WINDOW: Final = 512 * 1024
"""The same of all streams of a connection together: what a slow backend makes the gateway keep for one client."""


class SendWindow:
    """How many octets the peer still takes: `size`, which may be negative after a change of settings.

    Args:
        size: that it begins with.
    """

    __slots__ = ("size",)

    def __init__(self, size: int = DEFAULT_WINDOW) -> None:
        self.size = size

    def change(self, octets: int) -> bool:
        """Adds what the peer allows with WINDOW_UPDATE, or by a change of SETTINGS_INITIAL_WINDOW_SIZE (negative, too).

        Returns whether the window stays within bounds; where it does not it is left as it is.
        """
        size = self.size + octets
        if size > LARGEST_WINDOW:
            return False
        self.size = size
        return True


class ReceiveWindow:
    """How many octets the peer may still send, and what is to be said of those that were consumed.

    Credit is given back in halves of the window: a WINDOW_UPDATE for every frame would cost more than the data.

    Args:
        size: that the peer knows of, and that it is brought back to.
    """

    __slots__ = ("_consumed", "_left", "_threshold")

    def __init__(self, size: int) -> None:
        self._left = size
        self._consumed = 0  # and not given back yet
        self._threshold = size // 2

    def take(self, octets: int) -> bool:
        """Octets came, padding included; whether they were allowed: if not, it is a FLOW_CONTROL_ERROR."""
        self._left -= octets
        return self._left >= 0

    def consumed(self, octets: int) -> int:
        """Octets that came are kept no longer; returns the increment to send in a WINDOW_UPDATE, 0 for none yet."""
        back = self._consumed + octets
        if back < self._threshold:
            self._consumed = back
            return 0
        self._consumed = 0
        self._left += back
        return back
