"""A handshake as far as the client's certificates, without the client: what a context says to certificates.

A server judges the certificates as soon as it has read them, before the client proves that it has the key. So no key is
needed to hear the verdict: the client here sends its hello, and then the certificates without having chosen a key.
Callers: `anew`, and `explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from agwtwisted.core.tls.policies import TLS_1_2, TlsPolicy
from agwtwisted.tls.codec import error_text
from agwtwisted.tls.handshake import HANDSHAKE_RECORD
from agwtwisted.tls.records import RECORD

_CERTIFICATE_MESSAGE = b"\x0b"  # RFC 5246 section 7.4

HEARING_POLICY: Final = TlsPolicy(
    name="hearing", min_version=TLS_1_2, max_version=TLS_1_2, tls12_cipher_suites=(), tls13_cipher_suites=()
)
"""TLS 1.2, where certificates are not encrypted, and every suite, so that the server's key always has one.

What is said of a client's certificates does not depend on either.
"""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@cache
def own_certificate() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """A key and certificate for handshakes without a client: the site's own key may need a millisecond to sign."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, _EPOCH, _EPOCH + timedelta(days=1))
    return key, builder.sign(key, hashes.SHA256())


def hear_hello(server: SSL.Connection) -> str:
    """Has a connection under `HEARING_POLICY` read a ClientHello without a server name; returns why it ends the
    handshake, empty while it waits for more.
    """
    return _hear(server, _hello())


def hear_certificates(server: SSL.Connection, sent: Sequence[bytes]) -> str:
    """Has it read these certificates (DER, the client's own first) after that; returns the same."""
    return _hear(server, b"".join(_certificate_records(sent)))


@cache
def _hello() -> bytes:
    """A ClientHello without a server name."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    client = SSL.Connection(context, None)
    client.set_connect_state()
    with suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(RECORD)


def _hear(server: SSL.Connection, records: bytes) -> str:
    """Has the server read; returns why it ends the handshake, empty while it waits for more."""
    server.bio_write(records)
    try:
        server.do_handshake()
    except SSL.WantReadError:
        return ""
    except SSL.Error as error:
        return error_text(error)
    raise AssertionError("a handshake that ends without a Finished message")


def _certificate_records(sent: Sequence[bytes]) -> Iterator[bytes]:
    """The Certificate message (RFC 5246 section 7.4.2) in plain records."""
    chain = b"".join(_vector(der) for der in sent)
    message = _CERTIFICATE_MESSAGE + _vector(_vector(chain))
    for start in range(0, len(message), RECORD):
        part = message[start : start + RECORD]
        yield bytes((HANDSHAKE_RECORD, 3, 3)) + len(part).to_bytes(2, "big") + part


def _vector(content: bytes) -> bytes:
    """Content behind its length in three octets."""
    return len(content).to_bytes(3, "big") + content
