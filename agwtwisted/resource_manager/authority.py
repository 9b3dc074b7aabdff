"""The certificate of the control plane, and the local CA that issues it: made at the first start, and renewed in time.

Clients trust the CA. It is bound to names of this machine by name constraints (RFC 5280, section 4.2.1.10): its key,
stolen, makes no certificate of another server that they take.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.logger import Logger
from zope.interface import implementer

from agwtwisted.core.base.errors import AgwError
from agwtwisted.sharing.directory_lock import locked
from agwtwisted.sharing.private_files import PUBLIC, make_directory, read_private, write_whole
from agwtwisted.starter.issuing import IssuedCertificate, Issuing

CA: Final = "ca.pem"
CA_KEY: Final = "ca.key"
SERVER: Final = "arm.pem"
"""The server's certificate with its key."""

NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What the server's certificate stands for, besides its address."""

_CA: Final = Issuing(organization="agwtwisted", lifetime=timedelta(days=3650))
_SERVER: Final = Issuing(organization="agwtwisted", lifetime=timedelta(days=90))
RENEWED: Final = timedelta(days=30)
"""So long before its end the server's certificate is renewed."""

_BACKDATED: Final = timedelta(minutes=5)  # the clock of a container may be behind

_CONSTRAINTS: Final = x509.NameConstraints(
    permitted_subtrees=[
        x509.DNSName("localhost"),
        x509.IPAddress(ip_network("127.0.0.0/8")),
        x509.IPAddress(ip_network("::1/128")),
    ],
    excluded_subtrees=None,
)

_CIPHERS: Final = b"ECDHE+AESGCM:ECDHE+CHACHA20"


class LocalAuthorityError(AgwError):
    """Files of the CA that cannot be used; the message says what to do."""


class LocalAuthority:
    """The CA in a directory, and the certificate that it has issued to the control plane.

    Args:
        directory: for their files; made where it is missing.
        address: an IP address that the server's certificate stands for, too.
        now: returns the time (aware).
    """

    def __init__(self, directory: Path, address: str, now: Callable[[], datetime]) -> None:
        self._directory = directory
        self._names = tuple(dict.fromkeys((*NAMES, str(ip_address(address)))))
        self._now = now

    @property
    def ca_file(self) -> Path:
        """The certificate of the CA, for clients."""
        return self._directory / CA

    def server(self) -> IssuedCertificate:
        """The certificate of the server, with its key; made or renewed where that has to be.

        Raises:
            LocalAuthorityError: a file is not what it should be.
            PrivateFileError: others can read a key.
            OSError: a file can be neither read nor made.
        """
        make_directory(self._directory)
        with locked(self._directory):
            ca = self._ca()
            found = self._read(SERVER, SERVER)
            if found is None or not self._serves(found, ca):
                found = _SERVER.server("agwtwisted control plane", ca, self._now() - _BACKDATED, self._names)
                write_whole(self._directory / SERVER, found.pem() + found.key_pem())
        return found

    def renewal(self, server: IssuedCertificate) -> datetime:
        """When the certificate of the server is to be renewed."""
        return server.certificate.not_valid_after_utc - RENEWED

    def _ca(self) -> IssuedCertificate:
        found = self._read(CA, CA_KEY)
        if found is None:
            start = self._now() - _BACKDATED
            found = _CA.authority("agwtwisted local CA", start, path_length=0, constraints=_CONSTRAINTS)
            # The key first: a certificate without one would look as if its key was lost.
            write_whole(self._directory / CA_KEY, found.key_pem())
            write_whole(self._directory / CA, found.pem(), PUBLIC)
        return found

    def _read(self, certificate: str, key: str) -> IssuedCertificate | None:
        """What two files hold; None: the certificate is not there."""
        path = self._directory / certificate
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            read = load_pem_private_key(read_private(self._directory / key), None)
            found = x509.load_pem_x509_certificate(text)
        except (ValueError, TypeError) as error:
            raise LocalAuthorityError(f"{path}: is damaged: remove it and {key}, and start again") from error
        if not isinstance(read, ec.EllipticCurvePrivateKey) or found.public_key() != read.public_key():
            raise LocalAuthorityError(f"{path}: {key} is not its key: remove both, and start again")
        return IssuedCertificate(certificate=found, key=read)

    def _serves(self, server: IssuedCertificate, ca: IssuedCertificate) -> bool:
        """Whether the certificate is the CA's, for these names, and not to be renewed yet."""
        found = server.certificate
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        given = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
        try:
            found.verify_directly_issued_by(ca.certificate)
        except Exception:
            return False
        return given >= set(self._names) and found.not_valid_before_utc <= self._now() < self.renewal(server)


@attrs.define(eq=False)
class _Current:
    context: SSL.Context
    until: datetime


@implementer(IOpenSSLServerConnectionCreator)
class ServerConnections:
    """Makes the server's end of each TLS connection, with the certificate of that moment."""

    _log = Logger()

    def __init__(self, authority: LocalAuthority, now: Callable[[], datetime]) -> None:
        self._authority = authority
        self._now = now
        self._current = self._made()

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:  # noqa: N802, N803
        """As Twisted has it."""
        if self._now() >= self._current.until:
            self._renew()
        return SSL.Connection(self._current.context, None)

    def _renew(self) -> None:
        try:
            self._current = self._made()
        except (AgwError, OSError) as error:
            self._log.error("The control plane's certificate cannot be renewed: {reason}", reason=str(error))
            self._current.until = self._now() + timedelta(minutes=1)  # then again

    def _made(self) -> _Current:
        server = self._authority.server()
        return _Current(context=_context(server), until=self._authority.renewal(server))


def _context(server: IssuedCertificate) -> SSL.Context:
    """TLS 1.2 and 1.3 with forward secrecy; no sessions, no client certificates."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_CIPHERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate(server.certificate)
    context.use_privatekey(server.key)
    return context
