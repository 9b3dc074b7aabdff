"""URLs of services that the gateway uses by its operator's choice: the HTTP proxy for its own requests, and a store."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

import attrs

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.host_names import bracketed, host_and_port, is_address, is_loopback

_STORE: Final = re.compile(r"(rediss?)://(?:([^/?#@\s]*)@)?([^/?#@\s]+)(?:/([0-9]{1,4})?)?")
_PROXY: Final = re.compile(r"http://(?:([^/?#@:\s]*):([^/?#@:\s]*)@)?([^/?#@\s]+)/?")

DEFAULT_STORE_PORT: Final = 6379


@attrs.frozen(kw_only=True)
class StoreAddress:
    """Where a Redis server is."""

    host: str
    port: int = DEFAULT_STORE_PORT
    is_encrypted: bool = False  # rediss: by TLS
    user: str = ""  # of its access control list; empty: the default one
    database: int = 0

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine."""
        return self.host == "localhost" or (is_address(self.host) and is_loopback(self.host))

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        database = f"/{self.database}" if self.database else ""
        return f"redis{'s' if self.is_encrypted else ''}://{user}{bracketed(self.host)}:{self.port}{database}"


@attrs.frozen(kw_only=True)
class ProxyAddress:
    """An HTTP proxy, and the credentials that it wants."""

    host: str
    port: int
    user: str = attrs.field(default="", repr=False)  # empty: no credentials are sent
    password: str = attrs.field(default="", repr=False)

    def __str__(self) -> str:
        """Its URL, without credentials."""
        return f"http://{bracketed(self.host)}:{self.port}"


def store_address(text: str) -> StoreAddress:
    """``redis://[user@]host[:port][/database]``, or ``rediss://``.

    Raises:
        UnacceptableError: it is something else, or has a password in it.
    """
    match = _STORE.fullmatch(text)
    if match is None:
        raise UnacceptableError("must be redis://[user@]host[:port][/database], or rediss:// for TLS")
    scheme, user, host, database = match.groups()
    if ":" in (user or ""):
        raise UnacceptableError("has a password in it: name a file that has it, by revocation_store_password_file")
    name, port = host_and_port(host)
    return StoreAddress(
        host=name,
        port=port or DEFAULT_STORE_PORT,
        is_encrypted=scheme == "rediss",
        user=unquote(user or ""),
        database=int(database or 0),
    )


def proxy_address(text: str) -> ProxyAddress:
    """``http://[user:password@]host:port``; in user and password ``%`` and two digits are an octet.

    Raises:
        UnacceptableError: it is something else; the message does not repeat the text.
    """
    match = _PROXY.fullmatch(text)
    if match is None:
        raise UnacceptableError("must be http://host:port, or http://user:password@host:port")
    user, password, host = match.groups()
    name, port = host_and_port(host)
    if port is None:
        raise UnacceptableError("must name the proxy's port: http://host:port")
    return ProxyAddress(host=name, port=port, user=unquote(user or ""), password=unquote(password or ""))
