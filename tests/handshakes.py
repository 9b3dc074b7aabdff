"""TLS handshakes in memory: what OpenSSL says of a client's certificate."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from OpenSSL import SSL, crypto

from agwtwisted.core.verification.judging import Evidence
from tests.pki import Authority, Credential

_SERVER = Authority.root().issue_server("localhost")


def evidence_of(
    client: Credential,
    sent: Sequence[bytes],
    trusted: Sequence[bytes],
    *,
    level: int = 0,
    at: datetime | None = None,
    max_depth: int | None = None,
) -> Evidence:
    """What a server's verify callback gets when `client` connects and sends these certificates above its own.

    `sent` and `trusted` are in DER; the security level is the lowest by default, so that weak keys and digests are not
    refused before our own rules see them. `at` is the time for OpenSSL, instead of the machine's.
    """
    return evidence_from(client_context(client, sent), trusted, level=level, at=at, max_depth=max_depth)


def evidence_from(
    client: SSL.Context,
    trusted: Sequence[bytes],
    *,
    level: int = 0,
    at: datetime | None = None,
    max_depth: int | None = None,
) -> Evidence:
    """The same of a client with this context."""
    certificates: dict[int, bytes] = {}
    errors: list[tuple[int, int]] = []

    def note(_: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        certificates[depth] = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if not ok:
            errors.append((error, depth))
        return True

    server = SSL.Context(SSL.TLS_SERVER_METHOD)
    _lower(server, level)
    server.use_certificate(x509.load_der_x509_certificate(_SERVER.der))
    server.use_privatekey(_SERVER.key)
    server.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, note)
    if max_depth is not None:
        server.set_verify_depth(max_depth)
    store = server.get_cert_store()
    assert store is not None
    if at is not None:
        store.set_time(at)
    for der in trusted:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))
    _shake_hands(SSL.Connection(server, None), SSL.Connection(client, None))
    error, depth = errors[0] if errors else (0, 0)
    return Evidence(chain=tuple(certificates[at] for at in sorted(certificates)), error=error, error_depth=depth)


def client_context(client: Credential, sent: Sequence[bytes]) -> SSL.Context:
    """A client's context: its certificate, and those that it sends above, in DER."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    _lower(context, 0)
    show(context, client, sent)
    return context


def show(context: SSL.Context, client: Credential, sent: Sequence[bytes]) -> None:
    """Has a context show certificates as OpenSSL reads them: cryptography refuses many that it takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of pyOpenSSL's own kind of certificates
        context.use_certificate(crypto.load_certificate(crypto.FILETYPE_ASN1, client.der))
        context.use_privatekey(client.key)
        for der in sent:
            context.add_extra_chain_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, der))


def _lower(context: SSL.Context, level: int) -> None:
    context.set_cipher_list(f"DEFAULT:@SECLEVEL={level}".encode())


def _shake_hands(server: SSL.Connection, client: SSL.Connection) -> None:
    """Carry the bytes of both until neither has more to say."""
    server.set_accept_state()
    client.set_connect_state()
    open_ends = {server, client}
    while open_ends:
        moved = False
        for near, far in ((client, server), (server, client)):
            if near in open_ends:
                try:
                    near.do_handshake()
                    open_ends.discard(near)
                except SSL.WantReadError:
                    pass
            moved = _carry(near, far) or moved
        assert moved or not open_ends, "the handshake hangs"


def _carry(near: SSL.Connection, far: SSL.Connection) -> bool:
    try:
        return far.bio_write(near.bio_read(1 << 16)) > 0
    except SSL.WantReadError:
        return False
