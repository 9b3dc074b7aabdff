"""WebSocket over HTTP/2 (RFC 8441): to backends, which speak HTTP/1.1, an extended CONNECT is a request to upgrade."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Final

from agwtwisted.core.http.header_lines import Header, value_of
from agwtwisted.core.http.messages import RequestHead, ResponseHead
from agwtwisted.core.http2.header_codec import Fields
from agwtwisted.core.http2.responses import informational_fields

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


def tunnel_fields(request: RequestHead, headers: Sequence[Header]) -> Fields | None:
    """The header list that opens the tunnel, of the headers of a backend's 101 (RFC 8441 section 5.1).

    None: the backend has not proven that it has read the request to upgrade (RFC 6455 section 4.1), which in HTTP/1.1
    its client would look for.
    """
    key = value_of(request.headers, _KEY)
    proof = b64encode(sha1(key + _GUID, usedforsecurity=False).digest())
    if not key or [value for name, value in headers if name.lower() == _ACCEPT] != [proof]:
        return None
    return informational_fields(200, [line for line in headers if line[0].lower() != _ACCEPT])


def looks_open(request: RequestHead, head: ResponseHead) -> bool:
    """Whether a client would take a response for the opening of a tunnel that there is not.

    To an extended CONNECT any 2xx is; of a backend that has not switched protocols it is an answer like others, which
    cannot be passed on.
    """
    return bool(request.upgrade) and 200 <= head.status < 300
