"""Application data in and out of TLS records: by pyOpenSSL's methods, or by the functions beneath them.

The methods make a buffer for every call, and an exception for every "no more": a request and its answer cost twelve
microseconds that way, and six the other. Those functions are no public interface. `records_of` takes them only if a
look at the library, when this module is imported, finds them as they are known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from OpenSSL import SSL

RECORD: Final = 16384
"""Bytes of one record's content at most (RFC 8446 section 5.1)."""

PIECE: Final = 16 * RECORD
"""Bytes that are encrypted at once at most."""

_SEALED: Final = PIECE + (PIECE >> 7) + 2 * RECORD
"""Room for a piece in records, their headers and tags, and for what OpenSSL had to say by itself."""

Octets: TypeAlias = bytes | memoryview


class Records(Protocol):
    """The records of one connection over memory BIOs, after its handshake."""

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """The data of these records, and what ended the connection if anything did: ZeroReturnError for a farewell."""

    def encrypt(self, data: bytes) -> Octets:
        """The records for at most a `PIECE` of data, and whatever else was to be sent; good until the next call.

        Raises:
            SSL.Error: the connection is broken.
        """


class PublicRecords:
    """By the methods."""

    def __init__(self, connection: SSL.Connection) -> None:
        self._connection = connection

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

    def encrypt(self, data: bytes) -> Octets:
        """As `Records` says."""
        if not data:
            return b""
        self._connection.sendall(data)
        return self._connection.bio_read(_SEALED)


_lib: Any = SSL._lib  # type: ignore[attr-defined]
_ffi: Any = SSL._ffi  # type: ignore[attr-defined]

# Nothing is in them between two calls that anybody needs, and one thread alone runs the connections.
_OPENED: Final = _ffi.new("unsigned char[]", PIECE + RECORD)
_CLOSED: Final = _ffi.new("unsigned char[]", _SEALED)
_CLOSED_VIEW: Final = memoryview(_ffi.buffer(_CLOSED))


class DirectRecords:
    """By the functions."""

    __slots__ = ("_connection", "_from_ssl", "_into_ssl", "_ssl")

    def __init__(self, connection: SSL.Connection) -> None:
        inside: Any = connection
        self._connection = inside
        self._ssl = inside._ssl
        self._into_ssl = inside._into_ssl
        self._from_ssl = inside._from_ssl

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """As `Records` says."""
        if records and _lib.BIO_write(self._into_ssl, records, len(records)) != len(records):
            return b"", SSL.Error("no memory for a record")
        ssl, read = self._ssl, _lib.SSL_read
        before = b""
        count = 0
        while (size := read(ssl, _OPENED + count, RECORD)) > 0:
            count += size
            if count > PIECE:
                before, count = before + _ffi.buffer(_OPENED, count)[:], 0
        data = _ffi.buffer(_OPENED, count)[:]
        error = None if _lib.SSL_get_error(ssl, size) == _lib.SSL_ERROR_WANT_READ else self._error(size)
        return before + data if before else data, error

    def encrypt(self, data: bytes) -> Octets:
        """As `Records` says."""
        size = len(data)
        if not size:
            return b""
        sealed = _lib.SSL_write(self._ssl, data, size)
        while 0 < sealed < size:  # a call takes one record
            more = _lib.SSL_write(self._ssl, _ffi.from_buffer(data) + sealed, size - sealed)
            sealed = more if more <= 0 else sealed + more
        if sealed < size:
            raise self._error(sealed)
        return _CLOSED_VIEW[: max(_lib.BIO_read(self._from_ssl, _CLOSED, _SEALED), 0)]

    def _error(self, result: int) -> SSL.Error:
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            return error
        return SSL.Error("OpenSSL told no error")


def _is_known() -> bool:
    """Whether a connection has the parts that `DirectRecords` uses, and they do what they should."""
    try:
        connection: Any = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        connection.bio_write(b"\x16in")
        connection.set_connect_state()
        came = _ffi.buffer(_OPENED, _lib.BIO_read(connection._into_ssl, _OPENED, RECORD))[:]
        size = _lib.BIO_write(connection._from_ssl, b"out", 3)
        result = _lib.SSL_read(connection._ssl, _OPENED, RECORD)  # begins a handshake
        waits = _lib.SSL_get_error(connection._ssl, result) == _lib.SSL_ERROR_WANT_READ
        left = connection.bio_read(RECORD)
        raises = callable(connection._raise_ssl_error) and callable(_lib.SSL_write)
    except Exception:
        return False
    return bool(came == b"\x16in" and size == 3 and waits and left.startswith(b"out\x16") and raises)


records_of: Final[Callable[[SSL.Connection], Records]] = DirectRecords if _is_known() else PublicRecords
"""The records of a connection, in the way that is at hand."""
