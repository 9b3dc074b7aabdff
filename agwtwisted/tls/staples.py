"""OCSP responses that go to clients with a certificate of the gateway's own: OpenSSL's callback for them.

OpenSSL asks the context of the site that was chosen by name, once a client has asked for a response (RFC 6066 section
8), in a full handshake alone: a resumed one shows no certificate. After a HelloRetryRequest it asks twice. The context
knows its certificate's key, the connection where responses are: contexts outlive configurations, and are made before
processes are forked. Callers: the contexts, and what notes a handshake.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from OpenSSL import SSL
from twisted.logger import Logger

from agwtwisted.core.resources.certificates import SslCertificate
from agwtwisted.core.revocation.stapling import StapleSubject, subject_of
from agwtwisted.tls.openssl import own_callbacks

_log = Logger()

StapleOf: TypeAlias = Callable[[bytes], bytes]
"""The response to staple now, by the key of a certificate; empty where there is none. It must not wait."""


def no_staple(key: bytes) -> bytes:
    """Nothing is stapled to any certificate."""
    return b""


class HandshakeNotes(Protocol):
    """What goes with a connection, as its application data."""

    staple_of: StapleOf


def staple_to(context: SSL.Context, certificate: SslCertificate) -> None:
    """Has clients of a new context, which presents this certificate, get its OCSP response, where it can have one."""
    subject = subject_of(certificate)
    if isinstance(subject, StapleSubject):
        context.set_ocsp_server_callback(ocsp_callback, subject.key)
        own_callbacks(context)


def ocsp_callback(connection: SSL.Connection, key: bytes | None) -> bytes:
    """OpenSSL's callback for every context; what goes wrong in it is logged, and nothing is stapled."""
    notes: HandshakeNotes = connection.get_app_data()
    try:
        return notes.staple_of(key or b"")
    except Exception:  # which would end the handshake
        _log.failure("Unexpected error while an OCSP response is stapled")
        return b""
