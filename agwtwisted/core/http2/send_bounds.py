"""How much waits on one connection to be sent, so that a client that does not take it costs a bounded number of octets.

A stream is full with more than `STREAM_QUEUE` octets queued, and where all of its connection have more than
`CONNECTION_QUEUE`, with more than `STREAM_SHARE`: streams that the client has stopped do not stop others. One read of
each backend may come on top, and is the smaller the more streams there are. With 100 streams that is 5 MB at most.
"""

from __future__ import annotations

from typing import Final

STREAM_QUEUE: Final = 128 * 1024
"""Octets queued for one stream before its source is stopped, as of a connection of HTTP/1.1."""

CONNECTION_QUEUE: Final = 512 * 1024
"""Octets queued for all streams of a connection from which on each has no more than its share."""

STREAM_SHARE: Final = 16384
"""That share, in octets; a stream that was full takes more again once it has no more than this."""

MAX_CONTROL: Final = 16384
"""Octets of control frames that wait for a client that does not read."""

MAX_HEADS: Final = 65536
"""Octets of header blocks that wait for such a client before it may ask for more."""

UNSENT: Final = 128 * 1024
"""Octets that the kernel takes beyond those that are under way to the client: what it has taken, no urgent stream can
overtake any more. Without a bound that is megabytes, seconds of a slow client's time."""

_FEW: Final = 8
_FEW_READ: Final = 65536


def is_full(queued: int, queued_of_all: int) -> bool:
    """Whether the source of a stream is to stop, with so many octets queued for it and for all of its connection."""
    return queued > STREAM_QUEUE or (queued > STREAM_SHARE and queued_of_all > CONNECTION_QUEUE)


def read_size(streams: int) -> int:
    """Octets that one read of a backend may bring where so many streams are under way; 0: as many as is usual."""
    if streams <= 1:
        return 0
    return _FEW_READ if streams <= _FEW else STREAM_SHARE
