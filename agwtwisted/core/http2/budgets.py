"""How much a client may send that costs the gateway more than the client: HTTP/2 frames that ask for nothing.

RFC 9113 section 10.5 lists them, and leaves the bounds to the server. Every such frame costs points of its connection's
budget, a token bucket: what was spent comes back with time, and with useful work, so that a client with much to do may
cancel, ask again and confirm a lot. One budget for all kinds: a client that mixes them gains nothing.

The points of a kind follow what it costs here. At once and then each second there may be, beside what others permit:

* 400 and 4 resets (CVE-2023-44487). nghttp2, Node and Twisted have 1000 and 33; Envoy ends a connection of 500 requests
  of which half were reset within a second. Here 1000 requests of a connection are all that there are.
* 400 and 4 streams that the client has the gateway reset (CVE-2025-8671) or refuse; nginx takes 100 refused ones.
* 400 and 4 CONTINUATION, of which no client needs one: blocks of 16 KiB are in a single frame.
* 100 and 1 SETTINGS, which may change all windows; 1000 and 10 PING. Envoy bounds the answers that are not read: 1000.
* 4000 and 40 of the others: WINDOW_UPDATE beyond what was sent (Envoy: 10 for each DATA frame), DATA of an octet
  (Envoy: one empty in a row), PRIORITY (Envoy: 100 a stream), unknown types. nginx counts octets of all kinds: 8 MiB.
"""

from __future__ import annotations

from typing import Final

import attrs

CAPACITY: Final = 4000.0
"""Points that a connection has at first, and at most: some 20 ms of processor time, of resets 60."""

RATE: Final = 40.0
"""Points that come back each second."""

ANSWERED: Final = 10.0
"""Points earned by a request that was answered whole: for each of them another one may be cancelled, without end."""

BYTES_A_POINT: Final = 512.0
"""Bytes of request bodies that earn a point: a client may send a small piece between two that are not."""

TINY_DATA: Final = 64
"""Octets of a DATA frame from which on it costs nothing; with fewer it costs the part of a point that is missing."""

TINY_MESSAGE: Final = 6
"""The same in a tunnel: the shortest message that a client can send over WebSocket (RFC 6455 section 5.2)."""

UPDATES_A_FRAME: Final = 2
"""WINDOW_UPDATEs that a DATA frame of ours explains: clients answer it for the stream and for the connection."""

CUT_FRAME: Final = 256
"""Octets of a DATA frame of ours that a window has cut short, from which on it explains them: a client that allows one
octet at a time must not earn its next update by each (CVE-2019-9511).
"""

BYTES_AN_UPDATE: Final = 1024
"""Bytes of ours that explain one more: clients that read in small pieces."""

SAVED_UPDATES: Final = 2000
"""WINDOW_UPDATEs that what was sent still explains later, at most."""


@attrs.frozen(eq=False)
class CheapFrame:
    """A kind of what a client sends at little cost: its name, in the log and as a label of a metric, and its points."""

    name: str
    points: float


RESET: Final = CheapFrame("resets", 10.0)
STREAM_ERROR: Final = CheapFrame("stream_errors", 10.0)
REFUSED: Final = CheapFrame("refused_streams", 10.0)
CONTINUATION: Final = CheapFrame("continuations", 10.0)
SETTINGS: Final = CheapFrame("settings", 40.0)
PING: Final = CheapFrame("pings", 4.0)
PRIORITY: Final = CheapFrame("priorities", 1.0)
UNKNOWN: Final = CheapFrame("unknown_frames", 1.0)
WINDOW_UPDATE: Final = CheapFrame("window_updates", 1.0)
SMALL_DATA: Final = CheapFrame("small_data", 1.0)

KINDS: Final = (
    RESET,
    STREAM_ERROR,
    REFUSED,
    CONTINUATION,
    SETTINGS,
    PING,
    PRIORITY,
    UNKNOWN,
    WINDOW_UPDATE,
    SMALL_DATA,
)


class AbuseBudget:
    """What is left for one connection; its owner counts useful work in `answered` and `received`.

    Args:
        now: when the connection began, in seconds of a monotonic clock, as in all its methods.
    """

    __slots__ = ("_at", "_free_updates", "_left", "_seen_frames", "_seen_sent", "_spent", "answered", "received")

    def __init__(self, now: float) -> None:
        self.answered = 0  # requests, answered whole, since the budget looked last
        self.received = 0  # bytes of request bodies since then
        self._at = now
        self._left = CAPACITY
        self._spent: dict[CheapFrame, float] = {}
        self._free_updates = 0.0
        self._seen_frames = 0
        self._seen_sent = 0

    @property
    def left(self) -> float:
        """Points as of the last look; negative once it is overdrawn."""
        return self._left

    def spend(self, kind: CheapFrame, now: float, times: float = 1) -> str | None:
        """So many of a kind came. Returns why the connection is to end, if the budget is overdrawn: the name of the
        kind on which most was spent.
        """
        points = kind.points * times
        earned = (now - self._at) * RATE + self.answered * ANSWERED + self.received / BYTES_A_POINT
        self._at, self.answered, self.received = now, 0, 0
        self._left = min(self._left + earned, CAPACITY) - points
        self._spent[kind] = self._spent.get(kind, 0.0) + points
        return None if self._left >= 0 else max(self._spent, key=self._spent.__getitem__).name

    def data(self, length: int, now: float) -> str | None:
        """A DATA frame with few octets came, padding not counted, that did not end its stream."""
        return self.spend(SMALL_DATA, now, max(1 - length / TINY_DATA, 0.0))

    def window_update(self, frames: int, sent: int, now: float) -> str | None:
        """A WINDOW_UPDATE came, when so many DATA frames with so many octets had been sent on the connection.

        Frames that a window has cut short are counted from `CUT_FRAME` on.
        """
        explained = (frames - self._seen_frames) * UPDATES_A_FRAME + (sent - self._seen_sent) / BYTES_AN_UPDATE
        self._seen_frames, self._seen_sent = frames, sent
        free = min(self._free_updates + explained, SAVED_UPDATES)
        if free >= 1:
            self._free_updates = free - 1
            return None
        self._free_updates = free
        return self.spend(WINDOW_UPDATE, now)
