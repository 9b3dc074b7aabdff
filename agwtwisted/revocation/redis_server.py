"""The Redis server of a configuration: how it is connected to, over TLS or not, and what it is shown.

Its files are read at each connection, so that a new password, certificate or CA is taken without a restart. Caller:
what puts the gateway together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.backends.connecting import Dialer, Encryption
from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.http.service_urls import StoreAddress
from agwtwisted.core.plan.server_identity import IdentityRule
from agwtwisted.core.resources.gateway import Gateway
from agwtwisted.revocation.redis_link import Login
from agwtwisted.sharing.private_files import PrivateFileError, read_private
from agwtwisted.tls.backend_contexts import BackendTls
from agwtwisted.tls.codec import error_text
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.outbox import Outbox

MAX_PASSWORD_BYTES: Final = 4096


class StoreFileError(ValueError):
    """A file of the server's that is not what it has to be; `str` names it."""


@attrs.frozen(kw_only=True)
class RedisServerFiles:
    """A server, and the files that it takes to connect to it; absolute paths, since a daemon changes its directory."""

    address: StoreAddress
    password_file: Path | None
    trusted_file: Path | None
    certificate_file: Path | None
    key_file: Path | None
    reactor: PosixReactorBase
    resolver: Resolver
    outbox: Outbox

    @classmethod
    def of(
        cls, gateway: Gateway, address: StoreAddress, reactor: PosixReactorBase, resolver: Resolver, outbox: Outbox
    ) -> RedisServerFiles:
        """The one that a configuration names."""
        return cls(
            address=address,
            password_file=_absolute(gateway.revocation_store_password_file),
            trusted_file=_absolute(gateway.revocation_store_trusted_file),
            certificate_file=_absolute(gateway.revocation_store_certificate_file),
            key_file=_absolute(gateway.revocation_store_key_file),
            reactor=reactor,
            resolver=resolver,
            outbox=outbox,
        )

    @property
    def name(self) -> str:
        """As `redis_link.RedisServer` says."""
        return str(self.address)

    def login(self) -> Login:
        """As `redis_link.RedisServer` says."""
        return Login(user=self.address.user, password=self._password(), database=self.address.database)

    def dial(self, timeout: float) -> Deferred[Connection]:
        """As `redis_link.RedisServer` says."""
        host, port = self.address.host, self.address.port
        return Dialer(self.reactor, host, port, self.resolver, self.encryption(), outbox=self.outbox).dial(timeout)

    def encryption(self) -> Encryption | None:
        """How TLS is spoken; None where it is not. Raises StoreFileError."""
        if not self.address.is_encrypted:
            return None
        try:
            tls = BackendTls.of_files(self.trusted_file, self.certificate_file, self.key_file)
        except SSL.Error as error:
            files = ", ".join(str(each) for each in (self.trusted_file, self.certificate_file, self.key_file) if each)
            raise StoreFileError(f"OpenSSL does not take the files {files}: {error_text(error)}") from error
        return Encryption(tls=tls, rule=IdentityRule.chosen("", self.address.host))

    def _password(self) -> bytes:
        """Empty where there is none. Raises OSError, ValueError."""
        if self.password_file is None:
            return b""
        try:
            password = read_private(self.password_file, most=MAX_PASSWORD_BYTES, may_be_link=True).rstrip(b"\r\n")
        except PrivateFileError as error:
            raise StoreFileError(str(error)) from error
        if not password:
            raise StoreFileError(f"{self.password_file} has no password")
        return password


def _absolute(path: str | None) -> Path | None:
    return None if path is None else Path(path).absolute()
