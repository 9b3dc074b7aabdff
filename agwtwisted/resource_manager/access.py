"""Who may use the control plane: who has its secret, or a token that was given out for it; and no web page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from twisted.logger import Logger

from agwtwisted.control.access import PERIOD, WRONG_TOKENS
from agwtwisted.control.channel import ControlRequest
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.resource_manager.messages import ArmAnswer
from agwtwisted.resource_manager.tokens import TENANT, Tokens

_BEARER: Final = re.compile(r"(?i:bearer) +([!-~]+)")

_HEADERS: Final = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}

SECRET_ITSELF: Final = "secret"  # noqa: S105 - what the log says
"""The client, where a request has the secret in place of a token."""


class ArmAccess:
    """The rules.

    Args:
        tokens: knows them, and the secret.
        hosts: what the header Host may be, in small letters.
        seconds: returns the time.
    """

    _log = Logger()

    def __init__(self, tokens: Tokens, hosts: Iterable[str], seconds: Callable[[], float]) -> None:
        self._tokens = tokens
        self._hosts = frozenset(hosts)
        self._wrong = LogRateLimiter(seconds, lines=WRONG_TOKENS, period=PERIOD)
        self._said = LogRateLimiter(seconds, lines=1)

    def foreign(self, request: ControlRequest) -> ArmAnswer | None:
        """Why a request is answered nothing at all; None: it may be.

        A page that a browser shows sends `Origin`; a name that another site has pointed to this address (DNS
        rebinding) is in `Host`. No client of Azure Resource Manager sends the one, or has another Host.
        """
        host = request.header("Host")
        if host is None or host.lower() not in self._hosts:
            return refused(421, "MisdirectedRequest", f"Host has to be {' or '.join(sorted(self._hosts))}.")
        if request.header("Origin") is not None:
            return refused(403, "OriginNotAllowed", "No page in a browser may use the control plane.")
        return None

    def client(self, request: ControlRequest) -> str | None:
        """The client that a request has proven to be from; None: it has proven nothing."""
        found = _BEARER.fullmatch(request.header("Authorization") or "")
        if found is None:
            return None
        return SECRET_ITSELF if self._tokens.is_secret(found[1]) else self._tokens.client(found[1])

    def unproven(self, request: ControlRequest, base_url: str) -> ArmAnswer:
        """The answer to a request that has proven nothing.

        SDKs read the challenge (RFC 6750, section 3), to ask for another token.
        """
        given = request.header("Authorization")
        if given is not None and not self.wrong():
            return refused(429, "TooManyRequests", "Too many wrong tokens.", {"Retry-After": f"{PERIOD:.0f}"})
        error, text = ("invalid_token", "The access token is not valid, or its time is over.")
        if given is None:
            text = "The header Authorization is missing."
        challenge = f'Bearer authorization_uri="{base_url}/{TENANT}", error="{error}", error_description="{text}"'
        message = f"Authentication failed. {text}"
        return refused(401, "AuthenticationFailed", message, {"WWW-Authenticate": challenge})

    def wrong(self) -> bool:
        """Notes a wrong secret or token; false: there are too many at the moment."""
        left_out = self._said.admit("")
        if left_out is not None:
            more = f" ({left_out} more before)" if left_out else ""
            self._log.warn("A request to the control plane had a wrong secret or token{more}", more=more)
        return self._wrong.admit("") is not None


def refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> ArmAnswer:
    """An error in the shape that all of them have."""
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return ArmAnswer(status=status, headers={**_HEADERS, **(headers or {})}, body=body)
