"""Clients that speak HTTP/2 to a gateway in memory."""

from __future__ import annotations

from typing import Any

from tests import pki
from tests.clients import Client, Gateway, client_context
from tests.http2_clients import Http2Client, MemoryWire

PROTOCOLS = (b"h2", b"http/1.1")


def browser(
    gateway: Gateway, credential: pki.Credential | None = None, name: str = "s.example", **options: Any
) -> tuple[Client, Http2Client]:
    """A client after its handshake, and what it says in HTTP/2."""
    client = gateway.shake_hands(client_context(credential, protocols=PROTOCOLS, **options), name)
    assert client.tls.get_alpn_proto_negotiated() == b"h2"
    return client, over(gateway, client)


def over(gateway: Gateway, client: Client) -> Http2Client:
    """HTTP/2 over a client's connection."""

    reactor = gateway.reactor

    def taken() -> bytes:
        reactor.advance(0)  # what is written between two turns leaves in the next one
        client.talk()
        data, client.received = client.received, b""
        return data

    return Http2Client(MemoryWire(client.say, taken, lambda: client.closed or client.lost))
