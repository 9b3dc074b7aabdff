"""What is asked of other servers on the gateway's own behalf, and what comes of it: values and the interface.

Callers: whatever asks about revocation. `cold_client` implements it.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from enum import Enum, auto
from typing import Protocol

import attrs
from twisted.internet.defer import Deferred

from agwtwisted.core.http.destinations import Destination, Network, PortRange
from agwtwisted.core.http.header_lines import Header, value_of


@attrs.frozen(kw_only=True)
class OutboundRequest:
    """A request. It must change nothing at the server: it may be sent twice, and again where it is redirected to."""

    method: bytes  # GET or POST
    destination: Destination
    headers: tuple[Header, ...] = ()  # beside Host and Content-Length, which the client adds
    body: bytes = b""


@attrs.frozen(kw_only=True)
class AddressRules:
    """Where connections may go beside what is always allowed: to these networks, on these ports, not to ourselves.

    `chosen_by_operator` says that the destination of the request was: it is connected to at any address and port, and
    the rules are for redirects to other servers alone.
    """

    networks: tuple[Network, ...]
    ports: tuple[PortRange, ...]
    own_ports: Container[int] = ()
    chosen_by_operator: bool = False


class Sink(Protocol):
    """Where the body of a response with status 200 goes while it comes."""

    def write(self, data: bytes) -> None:
        """Takes a piece. An OSError ends the request, whose outcome is `FetchProblem.SINK`."""


@attrs.frozen(kw_only=True)
class Fetched:
    """A response of a server, of whatever status.

    The body is there for status 200 alone, and empty where it went to a sink.
    """

    status: int
    headers: Sequence[Header]
    body: bytes = b""

    def header(self, name: bytes) -> bytes:
        """The value of the first header line of this name, given in lower case; empty where there is none."""
        return value_of(self.headers, name)


class FetchProblem(Enum):
    """Why there is no response."""

    REFUSED = auto()  # connections are refused, or the name has no address
    TIMED_OUT = auto()  # nothing came in time, or not all of it
    CLOSED = auto()  # the connection ended before the end of the response
    UNTRUSTED = auto()  # TLS failed: the server has not proven its name, for instance
    BAD_RESPONSE = auto()  # what came is not HTTP, has a Content-Encoding, or redirects to where no request goes
    TOO_LARGE = auto()  # the response is longer than it may be
    ADDRESS_REFUSED = auto()  # the address rules do not allow the connection
    SHORTAGE = auto()  # the gateway itself lacks descriptors, memory, local ports or time
    QUEUED = auto()  # the name waited to be looked up until the time was over
    SINK = auto()  # the body could not be kept
    PROXY = auto()  # `outbound_proxy` cannot be reached, or passes nothing on


@attrs.frozen(kw_only=True)
class NotFetched:
    """Why there is no response: nothing of it is used, and a sink has got a part of it at most."""

    problem: FetchProblem
    reason: str  # on one line, for the log
    was_answered: bool = False  # whether the server sent anything

    @property
    def is_ours(self) -> bool:
        """Whether it says nothing about the server: the request was not sent, for want of something of our own."""
        return self.problem in _OURS


_OURS = frozenset((FetchProblem.SHORTAGE, FetchProblem.QUEUED, FetchProblem.SINK))


class Fetcher(Protocol):
    """Sends requests: `cold_client.ColdClient`."""

    def fetch(
        self, request: OutboundRequest, rules: AddressRules, seconds: float, *, most: int, into: Sink | None = None
    ) -> Deferred[Fetched | NotFetched]:
        """The response to a request, which may come from where the server redirects to once; may be cancelled.

        Never fails, but with CancelledError. Connections are kept for further requests to the same server.

        Args:
            request: what is asked, and of which server.
            rules: which addresses and ports are connected to.
            seconds: for all of it together: name, connection, proxy, TLS, redirect, head and body. Time in which the
                reactor did not read is added.
            most: bytes of the body at most.
            into: takes the body; None: it is collected.
        """
