"""WebSocket over HTTP/2 (RFC 8441): to backends, which speak HTTP/1.1, an extended CONNECT is a request to upgrade."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Final

from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.messages import RequestHead

WEBSOCKET: Final = b"websocket"

_KEY: Final = b"sec-websocket-key"
_ACCEPT: Final = b"sec-websocket-accept"
_VERSION: Final = b"sec-websocket-version"
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def upgrade_lines(headers: Sequence[Header], key: bytes) -> list[Header]:
    """The headers of the request to upgrade, of those of an extended CONNECT.

    The key is the gateway's: RFC 8441 section 5 has none. Its value is that of 16 random octets in Base64.
    """
    lines = [line for line in headers if line[0] not in (_KEY, _ACCEPT)]
    if not value_of(lines, _VERSION):
        lines.append((_VERSION, b"13"))
    return [*lines, (_KEY, key)]


def accepts(request: RequestHead, headers: Sequence[Header]) -> bool:
    """Whether a backend's 101 proves that it has read the request to upgrade (RFC 6455 section 4.1)."""
    key = value_of(request.headers, _KEY)
    proof = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    return bool(key) and [value for name, value in headers if name.lower() == _ACCEPT] == [proof]


def tunnel_headers(headers: Sequence[Header]) -> list[Header]:
    """The headers of the 200 that opens the tunnel, of those of the 101."""
    return [line for line in headers if line[0].lower() not in (_KEY, _ACCEPT)]
