"""A connection of HTTP/2 in memory, with exchanges that do what the test says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http2.requests import RequestTranslator
from agwtwisted.core.http2.responses import ResponseBlocks
from agwtwisted.core.identity.clients import Client
from agwtwisted.core.listening.stream_places import ENOUGH_PLACES, StreamPlaces
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.tls.policies import TlsPolicy, predefined
from agwtwisted.http2.client_protocol import Http2ClientProtocol
from agwtwisted.interfaces import RequestHandling, ResponseWriter
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import NO_OUTBOX
from tests.http1.test_frontend import Asked
from tests.http2_clients import FrameClient, Http2Client, MemoryWire, begun
from tests.identities import admitted
from tests.wires import Line, Network

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
"""The Sec-WebSocket-Key that the gateway makes here (RFC 6455 section 1.3)."""

ACCEPT = (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
"""What proves that a server has read it."""


def limits(**others: Any) -> Gateway:
    """Limits that can be distinguished."""
    policy = predefined("AppGwSslPolicy20220101")
    assert isinstance(policy, TlsPolicy)
    values: dict[str, Any] = {"body_timeout": 61.0, "min_body_rate": 100, "max_body_bytes": 1 << 20}
    return Gateway(ssl_policy=policy, **(values | others))


@attrs.define
class Http2FakeSession:
    """All that a connection of HTTP/2 asks of its session."""

    client: Client = attrs.Factory(admitted)
    draining: bool = False
    expelled: bool = False
    is_settled: bool = False
    on_settled: Callable[[], None] = lambda: None
    misuses: list[tuple[str, str]] = attrs.Factory(list)

    def settled(self) -> bool:
        """Whether a hold is over."""
        self.on_settled()
        return self.is_settled

    def misused(self, kind: str, reason: str) -> None:
        """Notes it."""
        self.misuses.append((kind, reason))


class Http2Case(SynchronousTestCase):
    """One connection; `begun` says what each exchange does at once."""

    client_is: Client | None = None
    gateway = limits()
    room = ENOUGH_PLACES

    def setUp(self) -> None:
        self.places = StreamPlaces(self.room)
        self.network = Network()
        self.asked: list[Asked] = []
        self.session = Http2FakeSession(self.client_is or admitted())
        self.begun: Callable[[Asked], None] = lambda asked: None
        self.connection = Connection(self.network, NO_OUTBOX)
        self.line: Line = self.network.dial(self.connection)
        self.protocol = Http2ClientProtocol(
            self.connection,
            self.session,  # type: ignore[arg-type]
            self.handling(self.gateway),
            self.network,
        )
        self.connection.receiver = self.protocol

    def handling(self, gateway: Gateway) -> RequestHandling:
        """Has the test be asked."""
        names = HeaderNames()
        translator = RequestTranslator(names, lambda: KEY, max_body_bytes=gateway.max_body_bytes)
        return RequestHandling(self, gateway, None, lambda: translator, cache(ResponseBlocks), self.places)  # type: ignore[arg-type]

    def exchange(self, request: RequestHead | UnfitRequest, reply: ResponseWriter, session: Any) -> Asked:
        """As interfaces.Exchanges says."""
        asked = Asked(request, reply, lambda asked: self.begun(asked))
        self.asked.append(asked)
        return asked

    def answers_at_once(self, body: bytes = b"ok") -> None:
        """Has every exchange answer before `begin` returns."""
        self.begun = lambda asked: asked.answer(body)

    @property
    def last(self) -> Asked:
        """The newest exchange."""
        return self.asked[-1]

    def wire(self) -> MemoryWire:
        """The client's end."""
        return MemoryWire(self.line.send, self._taken, lambda: self.line.eof and not self.line.received)

    def _taken(self) -> bytes:
        """What was sent by the end of the next turn."""
        self.turn()
        return self.line.take()

    def browser(self) -> Http2Client:
        """A client by h2."""
        return Http2Client(self.wire())

    def frames(self, **settings: int) -> FrameClient:
        """A client that says what it likes."""
        return begun(FrameClient(self.wire()), **settings)

    def turn(self) -> None:
        """What is due happens."""
        self.network.advance(0)

    def targets(self) -> list[bytes]:
        """What was asked for so far."""
        return [asked.request.target for asked in self.asked]
