"""Who may ask: on the Unix socket its owner and root, on TCP who has the token, and no page of another site."""

from __future__ import annotations

import os
import re
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from hmac import compare_digest
from typing import Final, Protocol

import attrs
from twisted.logger import Logger

from agwtwisted.control.channel import ControlRequest
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter

WRONG_TOKENS: Final = 10
"""Requests with a wrong token in `PERIOD` that get the answer 401; further ones get 429. The right one counts not."""

PERIOD: Final = 10.0
"""Seconds."""

_BEARER: Final = re.compile(r"(?i:bearer) +([!-~]+)")


@attrs.frozen(kw_only=True)
class AccessRefusal:
    """Why a request is not answered: the status of HTTP, a text, further headers."""

    status: int
    message: str
    headers: Mapping[str, str] = attrs.Factory(dict)


class Access(Protocol):
    """The rules of one socket."""

    def foreign(self, request: ControlRequest) -> AccessRefusal | None:
        """Why a request is answered nothing at all, not even a file of the console; None: it may be."""

    def unproven(self, request: ControlRequest) -> AccessRefusal | None:
        """Why a request is answered nothing about the gateway; None: it may be."""


class OwnersAccess:
    """Of the Unix socket: the process at the other end runs as the gateway's user, or as root.

    The mode of the socket says the same.
    """

    def foreign(self, request: ControlRequest) -> AccessRefusal | None:
        """As `Access` has it."""
        if _user(request) in (0, os.geteuid()):
            return None
        return AccessRefusal(status=403, message="the control socket is its owner's alone")

    def unproven(self, request: ControlRequest) -> AccessRefusal | None:
        """As `Access` has it: the system has proven it."""
        return None


class TokenAccess:
    """Of TCP on loopback: a bearer token (RFC 6750, section 2.1), in the header alone.

    A page of another site that a browser shows, or a name that another site has pointed to this address (DNS
    rebinding), is known by `Host` and `Origin`.

    Args:
        token: the right one.
        hosts: what `Host` may be: the address and its names, each with the port.
        seconds: returns the time.
    """

    _log = Logger()

    def __init__(self, token: str, hosts: Iterable[str], seconds: Callable[[], float]) -> None:
        self._token = token.encode()
        self._hosts = frozenset(hosts)
        self._wrong = LogRateLimiter(seconds, lines=WRONG_TOKENS, period=PERIOD)
        self._said = LogRateLimiter(seconds, lines=1)

    def foreign(self, request: ControlRequest) -> AccessRefusal | None:
        """As `Access` has it."""
        host, origin = request.header("Host"), request.header("Origin")
        if host is None or host.lower() not in self._hosts:
            expected = " or ".join(sorted(self._hosts))
            return AccessRefusal(status=421, message=f"Host has to be {expected}")
        if origin is not None and origin.lower() not in {f"http://{each}" for each in self._hosts}:
            return AccessRefusal(status=403, message="a page of another origin may not ask")
        return None

    def unproven(self, request: ControlRequest) -> AccessRefusal | None:
        """As `Access` has it."""
        given = request.header("Authorization")
        if given is None:
            return _unauthorized("this needs the header Authorization: Bearer TOKEN, with the token of token_file")
        found = _BEARER.fullmatch(given)
        if found is not None and compare_digest(found[1].encode(), self._token):
            return None
        return self._refused_token()

    def _refused_token(self) -> AccessRefusal:
        left_out = self._said.admit("")
        if left_out is not None:
            more = f" ({left_out} more before)" if left_out else ""
            self._log.warn("A request to the control API had a wrong token{more}", more=more)
        if self._wrong.admit("") is None:
            retry = {"Retry-After": f"{PERIOD:.0f}"}
            return AccessRefusal(status=429, message="too many wrong tokens", headers=retry)
        return _unauthorized("this is not the token of token_file")


def _unauthorized(message: str) -> AccessRefusal:
    return AccessRefusal(status=401, message=message, headers={"WWW-Authenticate": 'Bearer realm="agwtwisted"'})


def _user(request: ControlRequest) -> int:
    """The user that the process at the other end of a Unix socket runs as (unix(7), SO_PEERCRED)."""
    transport = request.channel.transport
    handle: socket.socket = transport.getHandle()  # type: ignore[union-attr]
    credentials = handle.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    user: int = struct.unpack("3i", credentials)[1]
    return user
