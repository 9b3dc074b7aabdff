"""Handshakes and data in and out of TLS records: by pyOpenSSL's methods, or by the functions beneath them.

The methods make a buffer for every call, and an exception for every "no more": a request and its answer cost twelve
microseconds that way, and six the other. To verify a chain they make three objects of a certificate. Those functions
are no public interface. They are taken only if a look at the library, when this module is imported, finds them as they
are known here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, Protocol, TypeAlias

import attrs
from OpenSSL import SSL, crypto

RECORD: Final = 16384
"""Bytes of one record's content at most (RFC 8446 section 5.1)."""

PIECE: Final = 4 * RECORD
"""Bytes that are encrypted or decrypted at once at most: a connection's BIOs stay as large as they once were."""

_SEALED: Final = PIECE + (PIECE >> 7) + 2 * RECORD
"""Room for a piece in records, their headers and tags, and for what OpenSSL had to say by itself."""

Octets: TypeAlias = bytes | memoryview


class Records(Protocol):
    """The records of one connection over memory BIOs."""

    def shake_hands(self, records: bytes) -> bool:
        """Takes the peer's part of the handshake; whether it is through, or else waits for more.

        Raises:
            SSL.Error: the handshake failed.
        """

    def outgoing(self) -> Octets:
        """What OpenSSL has to say by itself, or the first of it; empty once all is said. Good until the next call."""

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """The data of these records, and what ended the connection if anything did: ZeroReturnError for a farewell."""

    def encrypt(self, data: bytes, start: int = 0) -> Octets:
        """The records for a `PIECE` of data at most, from `start` on, and whatever else was to be sent.

        Good until the next call.

        Raises:
            SSL.Error: the connection is broken.
        """


class PublicRecords:
    """By the methods."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

    def shake_hands(self, records: bytes) -> bool:
        """As `Records` says."""
        if records:
            self._connection.bio_write(records)
        try:
            self._connection.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def outgoing(self) -> Octets:
        """As `Records` says."""
        try:
            return self._connection.bio_read(RECORD)
        except SSL.WantReadError:  # the BIO is empty
            return b""

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """As `Records` says."""
        connection = self._connection
        pieces: list[bytes] = []
        try:
            if records:
                connection.bio_write(records)
            while True:
                pieces.append(connection.recv(RECORD))
        except SSL.WantReadError:
            return b"".join(pieces), None
        except SSL.Error as error:
            return b"".join(pieces), error

    def encrypt(self, data: bytes, start: int = 0) -> Octets:
        """As `Records` says."""
        if not data:
            return b""
        self._connection.sendall(data[start : start + PIECE])
        return self._connection.bio_read(_SEALED)


_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]

# Nothing is in them between two calls that anybody needs, and one thread alone runs the connections.
_OPENED: Final = _ffi.new("unsigned char[]", PIECE + RECORD)
_CLOSED: Final = _ffi.new("unsigned char[]", _SEALED)
_CLOSED_VIEW: Final = memoryview(_ffi.buffer(_CLOSED))
_WANT_READ: Final[int] = _lib.SSL_ERROR_WANT_READ


class DirectRecords:
    """By the functions."""

    __slots__ = ("_connection", "_from_ssl", "_into_ssl", "_ssl")

    def __init__(self, connection: SSL.Connection) -> None:
        inside: Any = connection
        self._connection = inside
        self._ssl = inside._ssl
        self._into_ssl = inside._into_ssl
        self._from_ssl = inside._from_ssl

    def shake_hands(self, records: bytes) -> bool:
        """As `Records` says."""
        if records and _lib.BIO_write(self._into_ssl, records, len(records)) != len(records):
            raise SSL.Error("no memory for a record")
        result = _lib.SSL_do_handshake(self._ssl)
        if result == 1:
            return True
        if _lib.SSL_get_error(self._ssl, result) == _WANT_READ:
            return False
        raise self._error(result)

    def outgoing(self) -> Octets:
        """As `Records` says."""
        return _CLOSED_VIEW[: max(_lib.BIO_read(self._from_ssl, _CLOSED, _SEALED), 0)]

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """As `Records` says."""
        if len(records) <= PIECE:
            return self._decrypt(records, len(records))
        pieces: list[bytes] = []
        end = None
        for start in range(0, len(records), PIECE):
            size = min(PIECE, len(records) - start)
            data, end = self._decrypt(_ffi.from_buffer(records) + start, size)
            pieces.append(data)
            if end is not None:
                break
        return b"".join(pieces), end

    def _decrypt(self, records: Any, length: int) -> tuple[bytes, SSL.Error | None]:
        """A piece at most, of which there may be the beginning of a record from before."""
        if length and _lib.BIO_write(self._into_ssl, records, length) != length:
            return b"", SSL.Error("no memory for a record")
        ssl, read = self._ssl, _lib.SSL_read
        before = b""
        count = 0
        while (size := read(ssl, _OPENED + count, RECORD)) > 0:
            count += size
            if count > PIECE:  # the end of a handshake may have left more than a piece
                before, count = before + _ffi.buffer(_OPENED, count)[:], 0
        data = _ffi.buffer(_OPENED, count)[:]
        error = _lib.SSL_get_error(ssl, size)
        end = None if error == _WANT_READ else self._end(error, size)
        return before + data if before else data, end

    def _end(self, error: int, result: int) -> SSL.Error:
        return SSL.ZeroReturnError() if error == _lib.SSL_ERROR_ZERO_RETURN else self._error(result)

    def encrypt(self, data: bytes, start: int = 0) -> Octets:
        """As `Records` says."""
        end = min(len(data), start + PIECE)
        while start < end:  # a call takes one record
            sealed = _lib.SSL_write(self._ssl, _ffi.from_buffer(data) + start if start else data, end - start)
            if sealed <= 0:
                raise self._error(sealed)
            start += sealed
        return _CLOSED_VIEW[: max(_lib.BIO_read(self._from_ssl, _CLOSED, _SEALED), 0)]

    def _error(self, result: int) -> SSL.Error:
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            return error
        return SSL.Error("OpenSSL reported no error")


Presented: TypeAlias = Callable[[], tuple[bytes, ...]]
"""The certificates that the peer has sent, in DER, its own first; none where they are not to be had.

It may be called while the verify callback runs.
"""

Told: TypeAlias = Callable[[SSL.Connection, bytes, int, int, bool, Presented], int]
"""Is told of one certificate (DER) of a chain: error, depth, whether OpenSSL is content, and how to get what was sent.

Returns `GO_ON`, or else the ``X509_V_ERR_*`` of a refusal, by which OpenSSL chooses its alert. It must not raise.
"""

GO_ON: Final = 0

Verifying: TypeAlias = Callable[[SSL.Context | SSL.Connection, int], None]
"""Sets how the peer of a context or of a connection is verified (``SSL.VERIFY_*``); `verifying` knows who is told."""


def public_verifying(told: Told) -> Verifying:
    """By the methods.

    A refusal where OpenSSL is content goes out as the alert internal_error, and what was sent is not to be had.
    """

    def wrapped(connection: SSL.Connection, certificate: crypto.X509, error: int, depth: int, ok: int) -> bool:
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        return told(connection, der, error, depth, bool(ok), tuple) == GO_ON

    return lambda target, mode: target.set_verify(mode, wrapped)


def direct_verifying(told: Told) -> Verifying:
    """By the functions. What this returns has to live as long as the contexts and connections that it was given."""
    scratch = _ffi.gc(_lib.BIO_new(_lib.BIO_s_mem()), _lib.BIO_free)
    index = _lib.SSL_get_ex_data_X509_STORE_CTX_idx()
    connections = SSL.Connection._reverse_mapping

    def der(certificate: Any) -> bytes:
        done = _lib.i2d_X509_bio(scratch, certificate)
        octets = b""
        while (size := _lib.BIO_read(scratch, _OPENED, PIECE)) > 0:
            octets += _ffi.buffer(_OPENED, size)[:]
        return octets if done == 1 else b""  # which nobody can read

    def presented(store: Any) -> tuple[bytes, ...]:
        sent = _sent(store)
        return tuple([der(_lib.sk_X509_value(sent, index)) for index in range(_lib.sk_X509_num(sent))])

    def verify(ok: int, store: Any) -> int:  # what it raises is printed, and refuses
        refusal = told(
            connections[_lib.X509_STORE_CTX_get_ex_data(store, index)],
            der(_lib.X509_STORE_CTX_get_current_cert(store)),
            _lib.X509_STORE_CTX_get_error(store),
            _lib.X509_STORE_CTX_get_error_depth(store),
            bool(ok),
            partial(presented, store),
        )
        _lib.X509_STORE_CTX_set_error(store, refusal)
        return 1 if refusal == GO_ON else 0

    callback = _ffi.callback("int (*)(int, X509_STORE_CTX *)", verify, error=0)

    def set_verify(target: SSL.Context | SSL.Connection, mode: int) -> None:
        inside: Any = target
        if isinstance(target, SSL.Connection):
            _lib.SSL_set_verify(inside._ssl, mode, callback)
        else:
            _lib.SSL_CTX_set_verify(inside._context, mode, callback)

    return set_verify


def set_groups(context: SSL.Context, groups: bytes) -> bool:
    """Sets the groups for key exchange, which pyOpenSSL has no method for; whether OpenSSL knows them all.

    Args:
        context: not used yet.
        groups: in the form of SSL_CTX_set1_groups_list.
    """
    inside: Any = context
    function = getattr(_lib, "SSL_CTX_set1_curves_list", None)  # the same by its old name
    if function is None:
        return False
    done = function(inside._context, groups) == 1
    _lib.ERR_clear_error()  # what the next call of this thread would be blamed for
    return bool(done)


_CERTIFICATE_WORD: Final = 1
_SENT_WORD: Final = 2
"""Where a store context keeps the certificate that is verified, and all that came with it.

No function returns the latter. `_has_words` looks whether they are there.
"""


def _sent(store: Any) -> Any:
    """The stack of what the peer sent, NULL (a stack of none) where the words are not as they are known."""
    words = _ffi.cast("void **", store)
    is_known = words[_CERTIFICATE_WORD] == _lib.X509_STORE_CTX_get0_cert(store)
    return _ffi.cast("Cryptography_STACK_OF_X509 *", words[_SENT_WORD] if is_known else _ffi.NULL)


def _has_words() -> bool:
    """Whether a store context has its first words where they are known to be."""
    store = _ffi.gc(_lib.X509_STORE_new(), _lib.X509_STORE_free)
    certificate = crypto.X509()
    inside: Any = certificate
    sent = _ffi.gc(_lib.sk_X509_new_null(), _lib.sk_X509_free)
    context = _ffi.gc(_lib.X509_STORE_CTX_new(), _lib.X509_STORE_CTX_free)
    done = _lib.X509_STORE_CTX_init(context, store, inside._x509, sent)
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
    if for_clients and _lib.X509_STORE_set_purpose(inside._store, _lib.X509_PURPOSE_SSL_CLIENT) != 1:
        raise AssertionError("OpenSSL knows the purpose of TLS clients")
    try:
        chain = crypto.X509StoreContext(store, leaf, list(between)).get_verified_chain()
    except crypto.X509StoreContextError as error:
        code, depth, _ = error.errors
        return ChainFault(code, depth)
    finally:
        _lib.ERR_clear_error()  # what the handshake, in the midst of which this may run, would be blamed for
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in chain)


_TYPES: Final = {
    "BIO_free": "int(*)(BIO *)",
    "BIO_new": "BIO *(*)(BIO_METHOD *)",
    "BIO_s_mem": "BIO_METHOD *(*)()",
    "SSL_CTX_set_verify": "void(*)(SSL_CTX *, int, int(*)(int, X509_STORE_CTX *))",
    "SSL_do_handshake": "int(*)(SSL *)",
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
        came = _ffi.buffer(_OPENED, _lib.BIO_read(connection._into_ssl, _OPENED, RECORD))[:]
        size = _lib.BIO_write(connection._from_ssl, b"out", 3)
        result = _lib.SSL_read(connection._ssl, _OPENED, RECORD)  # begins a handshake
        waits = _lib.SSL_get_error(connection._ssl, result) == _lib.SSL_ERROR_WANT_READ
        left = connection.bio_read(RECORD)
        raises = callable(connection._raise_ssl_error)
        found = connection._reverse_mapping[_ffi.cast("void *", connection._ssl)] is connection
        typed = all(_ffi.typeof(getattr(_lib, name)).cname == each for name, each in _TYPES.items())
        words = _lib.X509_V_OK == GO_ON and _lib.SSL_ERROR_ZERO_RETURN > 0 and _has_words()
    except Exception:
        return False
    does = came == b"\x16in" and size == 3 and waits and left.startswith(b"out\x16")
    return bool(does and raises and found and typed and words)


KNOWN: Final = _is_known()
"""Whether the functions are used."""

records_of: Final[Callable[[SSL.Connection], Records]] = DirectRecords if KNOWN else PublicRecords
"""The records of a connection, in the way that is at hand."""

verifying: Final[Callable[[Told], Verifying]] = direct_verifying if KNOWN else public_verifying
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
"""What is to be said where the functions are not used; else empty."""
