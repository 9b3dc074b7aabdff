"""HTTP on the connections of a port: each gets a session, which all its requests share."""

from __future__ import annotations

from base64 import b64encode
from functools import cache, partial
from secrets import token_bytes
from typing import TYPE_CHECKING

import attrs
from twisted.logger import Logger

from agwtwisted.core.base.errors import printable
from agwtwisted.core.exchange.forwarding import IdentityBlocks
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.heads import RequestParser
from agwtwisted.core.identity.clients import NOT_CHECKED, Admitted, Client, PendingClient, TurnedAway, identify
from agwtwisted.core.operations.records import RecordFrame
from agwtwisted.core.plan.plan import PortPlan
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.core.tls.policies import suits_http2
from agwtwisted.exchange.exchange import HttpExchanges, PlainHttpExchanges
from agwtwisted.http.session import HttpSession
from agwtwisted.interfaces import RequestHandling
from agwtwisted.listening.ports import Port, PortEnvironment
from agwtwisted.tls.contexts import HTTP2
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.receiver import NO_RECEIVER

if TYPE_CHECKING:
    from agwtwisted.core.http2.requests import RequestTranslator
    from agwtwisted.core.http2.responses import ResponseBlocks


class HttpPort(Port[Site]):
    """A port whose clients speak HTTP.

    Args:
        exchanges: what requests become.
        names: which request headers go where.
        others: those of `ports.Port`.
    """

    log = Logger()

    protocol = "http/1.1"
    fingerprints = True

    def __init__(
        self,
        plan: PortPlan[Site],
        contexts: PortContexts | None,
        environment: PortEnvironment,
        *,
        exchanges: HttpExchanges,
        names: HeaderNames,
    ) -> None:
        super().__init__(plan, contexts, environment)
        self.exchanges = exchanges
        self.handling = RequestHandling(
            exchanges,
            self.gateway,
            _parser(self.gateway, names),
            cache(partial(_translator, self.gateway, names)),
            cache(_blocks),
            environment.places,
        )
        self.identities = IdentityBlocks()

    def begin(self, connection: Connection, client: Admitted, site: Site | None = None) -> None:
        """Reads the requests of an admitted client."""
        self._serve(connection, client, site)

    def turned_away(self, connection: Connection, client: TurnedAway, site: Site | None) -> None:
        """Answers the first request of a client that is turned away with the reason; no request of it is routed."""
        self._serve(connection, client, site)

    def plain_text(self, connection: Connection, client: PendingClient) -> None:
        """Answers the first request of a client that speaks HTTP where TLS is wanted with a page that says so."""
        handling = attrs.evolve(self.handling, exchanges=PlainHttpExchanges(self.exchanges))
        turned_away = identify(client, NOT_CHECKED)
        self.live.stand_behind(connection, HttpSession(self, connection, turned_away, None, handling=handling))

    def _serve(self, connection: Connection, client: Client, site: Site | None) -> None:
        facts = client.connection
        if facts.protocol == HTTP2 and not suits_http2(facts.cipher):
            _refuse_suite(connection)
            return
        session = HttpSession(self, connection, client, site, handling=self.handling, silent=self._contexts is None)
        self.live.stand_behind(connection, session)
        if self.draining:
            session.drain()

    def misused(self, listener: str, client: Client, kind: str, reason: str) -> None:
        """A client's connection is ended for what it did: counts it, and says so in the log."""
        self.metrics.listeners[(listener,)].misuses[kind] += 1
        address = client.connection.address
        omitted = self._limiter.admit(f"HTTP/2 of {address}")
        if omitted is not None:
            self.log.warn(
                "[http_listener {listener}] the HTTP/2 connection of {address} was ended: {reason} ({omitted} such"
                " lines left out before)",
                listener=printable(listener),
                address=printable(address),
                reason=printable(reason),
                omitted=omitted,
            )

    def frame(self, listener: str) -> RecordFrame:
        """What the records of failed handshakes of a listener have in common."""
        return self.exchanges.route(listener, None).frame


def _refuse_suite(connection: Connection) -> None:
    """HTTP/2 is not spoken over this cipher suite (RFC 9113 section 9.2.2).

    It was agreed on all the same where OpenSSL has chosen another suite than was expected: `tls.contexts`.
    """
    from agwtwisted.core.http2 import frames
    from agwtwisted.core.http2.codes import INADEQUATE_SECURITY

    connection.receiver = NO_RECEIVER
    connection.write(frames.settings(()) + frames.goaway(0, INADEQUATE_SECURITY))
    connection.close(linger=True)


def _parser(gateway: Gateway, names: HeaderNames) -> RequestParser:
    return RequestParser(names, max_header_bytes=gateway.max_header_bytes, max_header_lines=gateway.max_header_lines)


def _translator(gateway: Gateway, names: HeaderNames) -> RequestTranslator:
    from agwtwisted.core.http2.requests import RequestTranslator

    return RequestTranslator(
        names,
        _websocket_key,
        max_list=gateway.http2_max_header_list,
        max_field=gateway.http2_max_header_field,
        max_lines=gateway.max_header_lines,
        max_body_bytes=gateway.max_body_bytes,
    )


def _blocks() -> ResponseBlocks:
    from agwtwisted.core.http2.responses import ResponseBlocks

    return ResponseBlocks()


def _websocket_key() -> bytes:
    """A Sec-WebSocket-Key: 16 octets by chance, as base64 (RFC 6455 section 4.1)."""
    return b64encode(token_bytes(16))
