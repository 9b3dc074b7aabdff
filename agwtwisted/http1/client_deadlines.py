"""By when a client has to send what is due: the first byte of a request, the rest of its head, the next of its body.

Called by the frontend, which says what is due; what the client has to read is bounded by its connection.
"""

from __future__ import annotations

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.transport.deadlines import Deadline


class ClientDeadlines:
    """The one deadline of a client's connection, and what it is for.

    Args:
        deadline: of the connection; calls the frontend when it is missed.
        gateway: how long each may take.
        first_byte: how long the first byte may take, in seconds; None: `header_timeout`, with all of the head.
    """

    __slots__ = ("_deadline", "_first_byte", "_gateway", "_has_asked", "_of_head")

    def __init__(self, deadline: Deadline, gateway: Gateway, first_byte: float | None) -> None:
        self._deadline = deadline
        self._gateway = gateway
        self._of_head = first_byte is None  # whether the deadline is that of a head
        self._first_byte = gateway.header_timeout if first_byte is None else first_byte  # of the next request
        self._has_asked = False  # the client, and was answered
        deadline.set(self._first_byte)

    # -- what is due

    def next_request(self, *, draining: bool) -> None:
        """A request was answered: the first byte of another one is due."""
        self._has_asked = True
        if not draining:
            self._first_byte = self._gateway.idle_timeout
        self._deadline.set(self._first_byte)

    def head_begun(self) -> None:
        """A head has begun, and its rest is due."""
        if not self._of_head:
            self.head()

    def head(self) -> None:
        """A head is due, whether it has begun or not."""
        self._of_head = True
        self._deadline.set(self._gateway.header_timeout)

    def head_whole(self) -> None:
        """A head is whole; if a body follows, that is due by another time."""
        self._of_head = False
        self._deadline.clear()

    def body(self, came: int) -> None:
        """A body is due; so many bytes of it `came`, which earn time."""
        rate, most = self._gateway.min_body_rate, self._gateway.body_timeout
        self._deadline.postpone(came / rate if rate else came * most, most)

    def nothing(self) -> None:
        """Nothing is due from the client."""
        self._deadline.clear()

    def again_in(self, seconds: float) -> None:
        """Nothing is due, but the frontend looks again after so many seconds."""
        self._deadline.set(seconds)

    def count_by(self, gateway: Gateway) -> None:
        """What is due from now on is due by these times; what is due already keeps its own."""
        self._gateway = gateway

    def stop(self) -> None:
        """The connection ends."""
        self._deadline.stop()

    # -- what follows from it

    @property
    def is_due(self) -> bool:
        """Whether anything is due from the client: nothing is between an answer and the wait for the next request."""
        return self._deadline.at is not None

    @property
    def is_of_head(self) -> bool:
        """Whether a head is due."""
        return self._of_head

    def awaited(self, now: float, *, head_open: bool, input_ended: bool) -> tuple[Awaited, float]:
        """What a client without a request keeps the gateway waiting for, and since when."""
        at = self._deadline.at
        if head_open or self._of_head:  # the latter before the first request, too
            return Awaited.HEAD, now if at is None else at - self._gateway.header_timeout
        kind = Awaited.REQUEST if self._has_asked or input_ended else Awaited.HEAD
        return kind, now if at is None else at - self._first_byte

    def drain(self, quiet: float) -> float:
        """The gateway stops: the first byte of a request may take `quiet` seconds; returns what it might before."""
        before, self._first_byte = self._first_byte, quiet
        return before

    def shorten_head(self, now: float) -> None:
        """The head that has begun has the time of a silent client at most."""
        left, at = self._gateway.silent_timeout, self._deadline.at
        if at is None or at > now + left:
            self._deadline.set(left)

    def shorten_silence(self, now: float, before: float) -> bool:
        """A client that was silent has `quiet` seconds in all, not those `before`; returns whether they are over."""
        at, quiet = self._deadline.at, self._first_byte
        left = quiet if at is None else at - before + quiet - now
        if left > 0:
            self._deadline.set(left)
        return left <= 0
