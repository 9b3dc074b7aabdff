"""Why TLS handshakes of clients fail: the texts of the access log, and the kinds that are counted.

The kinds are words of a closed set. OpenSSL's own texts, which a client can choose among, are all of one of two kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, Refused, Verdict

TOO_SLOW: Final = "the handshake took too long"
TOO_LONG: Final = "the handshake is too long"
NO_SITE: Final = "no site for the server name"
CLIENT_LEFT: Final = "the client closed the connection"
NO_SLOT: Final = "max_handshakes is reached, others waited, and this client was slow"
NO_PLACE: Final = "max_connections is reached, and a new connection waited"
GATEWAY_STOPS: Final = "the gateway is stopping"
LISTENER_REMOVED: Final = "the listener was removed from the configuration"
RESUMED_IN_VAIN: Final = "the certificate of the resumed session is not accepted now"


class HandshakeFailure(Enum):
    """A kind of failure."""

    CERTIFICATE = "certificate"
    NO_CERTIFICATE = "no_certificate"
    SERVER_NAME = "server_name"
    PLAIN_TEXT = "plain_text"
    TIMEOUT = "timeout"
    CLIENT_CLOSED = "client_closed"
    CAPACITY = "capacity"
    SIZE = "size"
    CLIENT_ALERT = "client_alert"
    PROTOCOL = "protocol"
    RELOAD = "reload"
    STOPPING = "stopping"


_KINDS: Final[Mapping[str, HandshakeFailure]] = {
    TOO_SLOW: HandshakeFailure.TIMEOUT,
    TOO_LONG: HandshakeFailure.SIZE,
    NO_SITE: HandshakeFailure.SERVER_NAME,
    CLIENT_LEFT: HandshakeFailure.CLIENT_CLOSED,
    NO_SLOT: HandshakeFailure.CAPACITY,
    NO_PLACE: HandshakeFailure.CAPACITY,
    GATEWAY_STOPS: HandshakeFailure.STOPPING,
    LISTENER_REMOVED: HandshakeFailure.RELOAD,
    RESUMED_IN_VAIN: HandshakeFailure.CERTIFICATE,
}


def failure_of(reason: str, verdict: Verdict) -> HandshakeFailure:
    """The kind of a failure: by the verdict on the client where that is its cause, else by the access log's text."""
    known = _KINDS.get(reason)
    if known is not None:
        return known
    if isinstance(verdict, Missing):
        return HandshakeFailure.NO_CERTIFICATE
    if isinstance(verdict, Refused) and verdict != UNJUDGED:
        return HandshakeFailure.CERTIFICATE
    return HandshakeFailure.CLIENT_ALERT if " alert " in reason else HandshakeFailure.PROTOCOL
