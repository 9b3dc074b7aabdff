"""TLS servers in memory: a pyOpenSSL connection that holds the peer's end of a `Line`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto

from agwtwisted.core.resources.certificates import SslCertificate, TrustedRootCertificate
from agwtwisted.core.resources.resources import BackendHttpSettings, Protocol
from tests import pki
from tests.wires import Line, Network

NAME = "app.example"


@cache
def root() -> pki.Authority:
    """The root of the backends, one for the whole run."""
    return pki.Authority.root("Backends Root")


@cache
def credential() -> pki.Credential:
    """A backend's certificate, for NAME and 127.0.0.1."""
    return root().intermediate("Backends").issue_server(NAME, "127.0.0.1")


def https(*roots: pki.Authority, **settings: Any) -> BackendHttpSettings:
    """Https settings that trust these roots, one file each."""
    files = tuple(
        TrustedRootCertificate(name=str(number), file="", certificates=(each.parsed,))
        for number, each in enumerate(roots)
    )
    return BackendHttpSettings(name="s", protocol=Protocol.HTTPS, trusted_root_certificates=files, **settings)


def own(client: pki.Credential) -> SslCertificate:
    """A certificate of the gateway's."""
    chain = (client.certificate, *(issuer.certificate for issuer in client.issuers[:-1]))
    return SslCertificate(name="own", certificates=chain, key=client.key)


def server_context(
    shown: pki.Credential | None = None,
    *,
    version: int | None = None,
    clients: pki.Authority | None = None,
    protocols: Sequence[bytes] = (),
) -> SSL.Context:
    """A server's context.

    Args:
        shown: its certificate, sent with its intermediates; NAME's by default.
        version: the only one it speaks.
        clients: the root of the clients, of whom a certificate is then required.
        protocols: what it chooses by ALPN.
    """
    shown = shown or credential()
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    if version is not None:
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    context.use_certificate(shown.certificate)
    context.use_privatekey(shown.key)
    for authority in shown.issuers[:-1]:
        context.add_extra_chain_cert(x509.load_der_x509_certificate(authority.der))
    if clients is not None:
        store = context.get_cert_store()
        assert store is not None
        store.add_cert(crypto.X509.from_cryptography(clients.certificate))
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT)
    if protocols:
        context.set_alpn_select_callback(
            lambda _, offered: next((each for each in protocols if each in offered), SSL.NO_OVERLAPPING_PROTOCOLS)
        )
    return context


class Server:
    """A server at the other end of a connection; `talk` lets both speak until neither has more to say."""

    def __init__(self, network: Network, line: Line, context: SSL.Context | None = None) -> None:
        self.network = network
        self.line = line
        self.tls = SSL.Connection(context or server_context(), None)
        self.tls.set_accept_state()
        self.received = b""
        self.error: SSL.Error | None = None
        self.established = False
        self.closed = False  # whether a close_notify came

    def talk(self) -> None:
        """Both speak until neither has more to say."""
        self.network.advance(0)
        while self.hear() | self.speak():
            pass

    def hear(self) -> bool:
        """Reads what the connection has sent."""
        sent = self.line.take()
        if sent:
            self.tls.bio_write(sent)
        return bool(sent)

    def speak(self) -> bool:
        """Says what there is to say."""
        data = self.flight()
        if data and self.line.connected:
            self.line.send(data)
        return bool(data)

    def flight(self) -> bytes:
        """The same, not sent."""
        if self.error is None and not self.closed:
            try:
                if not self.established:
                    self.tls.do_handshake()
                    self.established = True
                while True:
                    self.received += self.tls.recv(1 << 16)
            except SSL.WantReadError:
                pass
            except SSL.ZeroReturnError:
                self.closed = True
            except SSL.Error as error:
                self.error = error
        data = b""
        try:
            while True:
                data += self.tls.bio_read(1 << 16)
        except SSL.WantReadError:
            return data

    def say(self, data: bytes) -> None:
        """Sends application data."""
        self.tls.sendall(data)
        self.talk()

    @property
    def names(self) -> tuple[str, str]:
        """The server name and the common name of the certificate that the client sent; empty where there is none."""
        certificate = self.tls.get_peer_certificate(as_cryptography=True)
        shown = "" if certificate is None else str(certificate.subject.rfc4514_string())
        return (self.tls.get_servername() or b"").decode(), shown
