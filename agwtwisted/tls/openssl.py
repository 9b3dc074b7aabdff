"""What pyOpenSSL lacks, or does too slowly: verify callbacks, key exchange groups, chains of given certificates.

The functions beneath its methods are no public interface. They are used, here and in `records`, only if a look at the
library, when this module is imported, finds them as they are known here. Its own verify callback makes three objects of
a certificate.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final, TypeAlias

import attrs
from OpenSSL import SSL, crypto

from agwtwisted.core.certificates.der import SEQUENCE, elements, first_of

lib: Final[Any] = SSL._lib  # type: ignore[attr-defined]
ffi: Final[Any] = SSL._ffi  # type: ignore[attr-defined]
"""OpenSSL's functions and C's types, as pyOpenSSL calls them; for this module and `records` alone."""

_SCRATCH_SIZE: Final = 65536
_SCRATCH: Final = ffi.new("unsigned char[]", _SCRATCH_SIZE)
"""For what is copied out before the function that wrote it returns; one thread alone runs the connections."""


class _CertificateScratch(threading.local):
    """A thread's own room for a certificate that a verify callback copies out.

    Handshakes run in the reactor's thread, rehearsals of them (`explain`) in others, and OpenSSL's functions let other
    threads run: with one room for all, a handshake could be shown the certificate of another one.
    """

    def __init__(self) -> None:
        self.bio = ffi.gc(lib.BIO_new(lib.BIO_s_mem()), lib.BIO_free)
        self.room = ffi.new("unsigned char[]", _SCRATCH_SIZE)


Presented: TypeAlias = Callable[[], tuple[bytes, ...]]
"""The certificates that the peer has sent, in DER, its own first; none where they are not to be had.

It may be called while the verify callback runs.
"""


class KnownCertificates:
    """Certificates whose DER is here already, for OpenSSL's objects that stores hold: verify callbacks get these as
    they are, without a copy for each connection.

    An object is known by its address, which no other one can have while this lives: it holds them.
    """

    _by_pointer: ClassVar[dict[Any, bytes]] = {}

    def __init__(self, certificates: Mapping[bytes, crypto.X509]) -> None:
        """`certificates` are by their DER."""
        self._held = tuple(certificates.values())
        known: dict[Any, bytes] = {each._x509: der for der, each in certificates.items()}
        self._by_pointer.update(known)
        weakref.finalize(self, _forget, tuple(known), self._held).atexit = False


def _forget(pointers: tuple[Any, ...], held: tuple[crypto.X509, ...]) -> None:
    """Ends what is known of objects, while they are `held`."""
    for pointer in pointers:
        del KnownCertificates._by_pointer[pointer]


VerifyListener: TypeAlias = Callable[[SSL.Connection, bytes, int, int, bool, Presented], int]
"""Called with one certificate (DER) of a chain: error, depth, whether OpenSSL is content, and how to get what was sent.

Returns `GO_ON`, or else the ``X509_V_ERR_*`` of a refusal, by which OpenSSL chooses its alert. It must not raise.
"""

GO_ON: Final = 0

Verifying: TypeAlias = Callable[[SSL.Context | SSL.Connection, int], None]
"""Sets how the peer of a context or of a connection is verified (``SSL.VERIFY_*``); `verifying` knows the listener that
is called.
"""


def public_verifying(listener: VerifyListener) -> Verifying:
    """By the methods.

    A refusal where OpenSSL is content goes out as the alert internal_error, and the certificates that the peer sent are
    not available.
    """

    def wrapped(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        return listener(connection, der, error, depth, bool(ok), tuple) == GO_ON

    return lambda target, mode: target.set_verify(mode, wrapped)


def direct_verifying(listener: VerifyListener) -> Verifying:
    """By the functions. What this returns has to live as long as the contexts and connections that it was given."""
    scratch = _CertificateScratch()
    index = lib.SSL_get_ex_data_X509_STORE_CTX_idx()
    inside: Any = SSL.Connection
    connections = inside._reverse_mapping.data  # weak references
    known = KnownCertificates._by_pointer

    def der(certificate: Any) -> bytes:
        bio, room = scratch.bio, scratch.room
        done = lib.i2d_X509_bio(bio, certificate)
        octets = b""
        while (size := lib.BIO_read(bio, room, _SCRATCH_SIZE)) > 0:
            octets += ffi.buffer(room, size)[:]
        return octets if done == 1 else b""  # which cannot be parsed

    def presented(store: Any) -> tuple[bytes, ...]:
        sent = _sent(store)
        return tuple([der(lib.sk_X509_value(sent, index)) for index in range(lib.sk_X509_num(sent))])

    def verify(ok: int, store: Any) -> int:  # what it raises is printed, and refuses
        connection = connections[lib.X509_STORE_CTX_get_ex_data(store, index)]()
        certificate = lib.X509_STORE_CTX_get_current_cert(store)
        refusal = listener(
            connection,
            known.get(certificate) or der(certificate),
            lib.X509_STORE_CTX_get_error(store),
            lib.X509_STORE_CTX_get_error_depth(store),
            bool(ok),
            partial(presented, store),
        )
        lib.X509_STORE_CTX_set_error(store, refusal)
        return 1 if refusal == GO_ON else 0

    callback = ffi.callback("int (*)(int, X509_STORE_CTX *)", verify, error=0)

    def set_verify(target: SSL.Context | SSL.Connection, mode: int) -> None:
        inside: Any = target
        if isinstance(target, SSL.Connection):
            lib.SSL_set_verify(inside._ssl, mode, callback)
        else:
            lib.SSL_CTX_set_verify(inside._context, mode, callback)

    return set_verify


def set_groups(context: SSL.Context, groups: bytes) -> bool:
    """Sets the groups for key exchange, which pyOpenSSL has no method for; whether OpenSSL knows them all.

    Args:
        context: not used yet.
        groups: in the form of SSL_CTX_set1_groups_list.
    """
    inside: Any = context
    function = getattr(lib, "SSL_CTX_set1_curves_list", None)  # the same by its old name
    if function is None:
        return False
    done = function(inside._context, groups) == 1
    lib.ERR_clear_error()  # what the next call of this thread would be blamed for
    return bool(done)


def own_callbacks(context: SSL.Context) -> None:
    """Has the callbacks of a context, for ALPN, OCSP and to verify with, go with it; to be called once they are set.

    What pyOpenSSL makes of one holds itself, and would stay until the garbage collector comes by. The context holds all
    of it as well.
    """
    for name in ("alpn_select", "ocsp", "verify"):
        helper: Any = getattr(context, f"_{name}_helper", None)
        callback: Any = getattr(context, f"_{name}_callback", None)
        if callback is not None and getattr(helper, "callback", None) is callback:
            del helper.callback


def session_reused(connection: SSL.Connection) -> bool:
    """Whether a handshake resumed a session; False where that cannot be known: there none may be with certificates."""
    inside: Any = connection
    return KNOWN and lib.SSL_session_reused(inside._ssl) == 1


def session_id(connection: SSL.Connection) -> bytes:
    """The id by which OpenSSL keeps the session of a connection in TLS 1.2; empty where a ticket holds it.

    Only where `KNOWN`; else empty.
    """
    inside: Any = connection
    session = lib.SSL_get_session(inside._ssl) if KNOWN else ffi.NULL
    size = lib.i2d_SSL_SESSION(session, ffi.NULL) if session != ffi.NULL else 0
    if not 0 < size <= _SCRATCH_SIZE:
        return b"" if size <= 0 else bytes(32)  # a long one: it has an id, or may have
    lib.i2d_SSL_SESSION(session, ffi.new("unsigned char **", _SCRATCH))
    parts = elements(first_of(ffi.buffer(_SCRATCH, size)[:], SEQUENCE))
    return parts[_ID].content


_ID: Final = 3
"""Its place in a session's ASN.1 form: behind two versions and the cipher suite."""


def store_sessions(context: SSL.Context, stores: bool) -> None:
    """Whether sessions with ids of handshakes that end from now on are stored; those stored already are found.

    pyOpenSSL has no method for a context that was used. Only where `KNOWN`.
    """
    inside: Any = context
    not_stored = SSL.SESS_CACHE_SERVER | SSL.SESS_CACHE_NO_INTERNAL_STORE
    lib.SSL_CTX_set_session_cache_mode(inside._context, SSL.SESS_CACHE_SERVER if stores else not_stored)


def peer_certificate(connection: SSL.Connection) -> bytes | None:
    """The peer's own certificate (DER), None where it has shown none; after a resumed handshake, too."""
    certificate = connection.get_peer_certificate()
    return None if certificate is None else crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


_CERTIFICATE_WORD: Final = 1
_SENT_WORD: Final = 2
"""Where a store context keeps the certificate that is verified, and all that came with it.

No function returns the latter. `_has_words` looks whether they are there.
"""


def _sent(store: Any) -> Any:
    """The stack of what the peer sent, NULL (a stack of none) where the words are not as they are known."""
    words = ffi.cast("void **", store)
    is_known = words[_CERTIFICATE_WORD] == lib.X509_STORE_CTX_get0_cert(store)
    return ffi.cast("Cryptography_STACK_OF_X509 *", words[_SENT_WORD] if is_known else ffi.NULL)


def _has_words() -> bool:
    """Whether a store context has its first words where they are known to be."""
    store = ffi.gc(lib.X509_STORE_new(), lib.X509_STORE_free)
    certificate = crypto.X509()
    inside: Any = certificate
    sent = ffi.gc(lib.sk_X509_new_null(), lib.sk_X509_free)
    context = ffi.gc(lib.X509_STORE_CTX_new(), lib.X509_STORE_CTX_free)
    done = lib.X509_STORE_CTX_init(context, store, inside._x509, sent)
    return bool(done == 1 and _sent(context) == sent)


PARTIAL_CHAIN: Final = 0x80000
NO_CHECK_TIME: Final = 0x200000
"""X509_V_FLAG_*: what is in the store is trusted although it is no root; dates do not count."""


@attrs.frozen
class ChainFault:
    """The error (X509_V_ERR_*) for which a chain is refused, and where."""

    error: int
    depth: int


def verified_chain(
    leaf: crypto.X509,
    between: Sequence[crypto.X509],
    anchor: crypto.X509,
    *,
    now: datetime | None = None,
    flags: int = 0,
    for_clients: bool = False,
) -> tuple[bytes, ...] | ChainFault:
    """The chain (DER) that OpenSSL builds and verifies from these certificates and no others.

    It does so at `now` (aware, UTC), or else by the machine's clock. With `for_clients` the leaf and its CAs must be
    for TLS clients, as in a server's handshake. Only where `KNOWN`.
    """
    store = crypto.X509Store()
    store.add_cert(anchor)
    store.set_flags(flags)
    if now is not None:
        store.set_time(now)
    inside: Any = store
    if for_clients and lib.X509_STORE_set_purpose(inside._store, lib.X509_PURPOSE_SSL_CLIENT) != 1:
        raise AssertionError("OpenSSL knows the purpose of TLS clients")
    try:
        chain = crypto.X509StoreContext(store, leaf, list(between)).get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth, _ = error.errors
        return ChainFault(code, depth)
    finally:
        lib.ERR_clear_error()  # what the handshake, in the midst of which this may run, would be blamed for
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in chain)


_TYPES: Final = {
    "BIO_free": "int(*)(BIO *)",
    "BIO_get_mem_data": "long(*)(BIO *, char * *)",
    "BIO_new": "BIO *(*)(BIO_METHOD *)",
    "BIO_s_mem": "BIO_METHOD *(*)()",
    "SSL_CTX_set_session_cache_mode": "long(*)(SSL_CTX *, long)",
    "SSL_CTX_set_verify": "void(*)(SSL_CTX *, int, int(*)(int, X509_STORE_CTX *))",
    "SSL_do_handshake": "int(*)(SSL *)",
    "SSL_set_bio": "void(*)(SSL *, BIO *, BIO *)",
    "SSL_get_session": "SSL_SESSION *(*)(SSL *)",
    "SSL_session_reused": "int(*)(SSL *)",
    "SSL_get_ex_data_X509_STORE_CTX_idx": "int(*)()",
    "SSL_set_verify": "void(*)(SSL *, int, int(*)(int, X509_STORE_CTX *))",
    "SSL_write": "int(*)(SSL *, void *, int)",
    "X509_STORE_CTX_get0_cert": "X509 *(*)(X509_STORE_CTX *)",
    "X509_STORE_CTX_get_current_cert": "X509 *(*)(X509_STORE_CTX *)",
    "X509_STORE_CTX_get_error": "int(*)(X509_STORE_CTX *)",
    "X509_STORE_CTX_get_error_depth": "int(*)(X509_STORE_CTX *)",
    "X509_STORE_CTX_get_ex_data": "void *(*)(X509_STORE_CTX *, int)",
    "X509_STORE_CTX_set_error": "void(*)(X509_STORE_CTX *, int)",
    "X509_STORE_CTX_init": "int(*)(X509_STORE_CTX *, X509_STORE *, X509 *, Cryptography_STACK_OF_X509 *)",
    "X509_STORE_set_purpose": "int(*)(X509_STORE *, int)",
    "i2d_SSL_SESSION": "int(*)(SSL_SESSION *, unsigned char * *)",
    "i2d_X509_bio": "int(*)(BIO *, X509 *)",
    "sk_X509_num": "int(*)(Cryptography_STACK_OF_X509 *)",
    "sk_X509_value": "X509 *(*)(Cryptography_STACK_OF_X509 *, int)",
}
"""The functions that no look at the library calls, as C declares them."""


def _is_known() -> bool:
    """Whether a connection has the parts that are used here, and they do what they should."""
    try:
        connection: Any = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        connection.bio_write(b"\x16in")
        connection.set_connect_state()
        held = lib.BIO_get_mem_data(connection._into_ssl, ffi.new("char **"))
        came = ffi.buffer(_SCRATCH, lib.BIO_read(connection._into_ssl, _SCRATCH, _SCRATCH_SIZE))[:]
        size = lib.BIO_write(connection._from_ssl, b"out", 3)
        result = lib.SSL_read(connection._ssl, _SCRATCH, _SCRATCH_SIZE)  # begins a handshake
        waits = lib.SSL_get_error(connection._ssl, result) == lib.SSL_ERROR_WANT_READ
        left = connection.bio_read(_SCRATCH_SIZE)
        raises = callable(connection._raise_ssl_error)
        found = connection._reverse_mapping.data[ffi.cast("void *", connection._ssl)]() is connection
        typed = all(ffi.typeof(getattr(lib, name)).cname == each for name, each in _TYPES.items())
        words = lib.X509_V_OK == GO_ON and lib.SSL_ERROR_ZERO_RETURN > 0 and _has_words()
    except Exception:
        return False
    does = held == 3 and came == b"\x16in" and size == 3 and waits and left.startswith(b"out\x16")
    return bool(does and raises and found and typed and words)


KNOWN: Final = _is_known()
"""Whether the functions are used."""

verifying: Final[Callable[[VerifyListener], Verifying]] = direct_verifying if KNOWN else public_verifying
"""The same of verification."""

FALLBACK: Final = (
    ""
    if KNOWN
    else (
        "the installed version of pyOpenSSL or cryptography is unknown to the gateway: it uses their public interface,"
        " which is slower, sends the alert internal_error for refusals by the gateway's own rules, and tries no other"
        " path if OpenSSL's first one fails"
    )
)
"""The warning if the functions are not used; else empty."""
