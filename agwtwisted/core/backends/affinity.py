"""Cookies that send a client to the same server again (`cookie_based_affinity`).

The value is a keyed hash: a client can neither read a server's address in it nor make one up. As in the product there
are two cookies with the same value. The second bears ``CORS`` at the end of its name and goes along with cross-site
requests too, which browsers grant to secure cookies only. The client's cookies are forwarded unchanged.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final, Generic, TypeVar

from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.http.header_lines import Header

T = TypeVar("T")

DEFAULT_NAME: Final = "ApplicationGatewayAffinity"
"""The product's name of the cookie."""

KEY_BYTES: Final = 32
"""The length of a key; SHA-256 takes no profit of a longer one."""

_VALUE_LENGTH: Final = 32
_CROSS_SITE: Final = "CORS"


def cookie_value(key: bytes, *server: str) -> bytes:
    """What stands for a server, 32 hex digits; `server` distinguishes it from others."""
    return hmac.digest(key, "\0".join(server).encode(), "sha256").hex()[:_VALUE_LENGTH].encode()


class Affinity(Generic[T]):
    """The cookies of one pool of servers.

    Args:
        name: of the cookie.
        values: of each server, as `cookie_value` made it.
    """

    def __init__(self, name: str, values: Mapping[T, bytes]) -> None:
        self._servers = {value: server for server, value in values.items()}
        self._values = values
        self._name = name.encode()
        pattern = rb"(?:^|;)[ \t]*%b(?:%b)?=([0-9a-f]{%d})[ \t]*(?=;|\Z)"
        self._sent = re.compile(pattern % (re.escape(self._name), _CROSS_SITE.encode(), _VALUE_LENGTH))

    def servers(self, headers: Sequence[Header]) -> tuple[T, ...]:
        """The servers that a request's cookies stand for; values that the gateway did not set stand for none."""
        return tuple(self._servers[value] for value in self._of(headers) if value in self._servers)

    def lines(self, server: T, headers: Sequence[Header], *, secure: bool) -> tuple[Header, ...]:
        """The header lines of the response that make its client come back.

        None where the request had a cookie of ours and none that stands for another server. A client may well have but
        one of the two: cross-site requests bring the second alone.

        Args:
            server: that has answered.
            headers: of the request.
            secure: whether the request came over TLS.
        """
        value = self._values.get(server)
        if value is None:  # the pool got it while this request was under way
            return ()
        sent = self._of(headers)
        if sent and all(each == value for each in sent):
            return ()
        first = (b"Set-Cookie", b"%b=%b; Path=/" % (self._name, value))
        if not secure:
            return (first,)
        name = self._name + _CROSS_SITE.encode()
        return (first, (b"Set-Cookie", b"%b=%b; Path=/; SameSite=None; Secure" % (name, value)))

    def _of(self, headers: Sequence[Header]) -> list[bytes]:
        """The values of our cookies in a request."""
        found: list[bytes] = []
        for name, value in headers:
            if len(name) == 6 and name.lower() == b"cookie":
                found += self._sent.findall(value)
        return found


# -- as it stands in a configuration

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")


def cookie_name(text: str) -> str:
    """A cookie's name (RFC 6265 section 4.1.1)."""
    if not _TOKEN.fullmatch(text):
        raise UnacceptableError(f"is {shown(text)}, but must be a cookie's name: letters, digits and !#$%&'*+-.^_`|~")
    return text
