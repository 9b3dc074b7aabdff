"""Handshakes and data in and out of the TLS records of one connection: by pyOpenSSL's methods, or beneath them.

The methods make a buffer for every call, and an exception for every "no more": a request and its answer cost twelve
microseconds that way, and six by the functions, where `openssl` knows them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakSet

from OpenSSL import SSL, crypto

from agwtwisted.tls.openssl import KNOWN, ffi, lib

RECORD: Final = 16384
"""Bytes of one record's content at most (RFC 8446 section 5.1)."""

PIECE: Final = 4 * RECORD
"""Bytes that are encrypted or decrypted at once at most: a connection's BIOs stay as large as they once were."""

REST: Final = 1024
"""Bytes that go with the piece before them: heads of HTTP/2's frames between full reads leave so many over, and each
call to the kernel costs more than these."""

_COPIED: Final = RECORD - 1024
"""Bytes of data whose record is copied at once: it is as short as to wait for the end of the reactor's turn, and a copy
of it is made for that in any case. One costs less than a view, which has to be released."""

LARGE: Final = 4096
"""Bytes at once from which the memory that they leave behind is worth being given back: `grown_buffers`."""

_SEALED: Final = PIECE + (PIECE >> 7) + 2 * RECORD
"""Room for a piece in records, their headers and tags, and for what OpenSSL had to say by itself."""

Send: TypeAlias = Callable[[bytes | memoryview], None]
"""Takes bytes that are to be sent. A view is good until it returns, and no longer: it is released then."""


class Records(Protocol):
    """The records of one connection over memory BIOs."""

    def shake_hands(self, records: bytes) -> bool:
        """Takes the peer's part of the handshake; whether it is through, or else waits for more.

        Raises:
            SSL.Error: the handshake failed.
        """

    def flush(self, send: Send) -> None:
        """Gives what OpenSSL has to say by itself."""

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """The data of these records, and what ended the connection if anything did: ZeroReturnError: close_notify."""

    def encrypt(self, data: bytes, send: Send) -> bool:
        """Gives the records for data, in pieces, and whatever else was to be sent; False: the connection is broken."""

    def close_notify(self, send: Send) -> None:
        """Gives close_notify, and whatever else was to be sent; nothing where the connection is broken."""

    def release(self) -> bool:
        """Frees what records took that have passed, of which OpenSSL keeps as much as there once was: whether it did.

        It does not where some are not read yet.
        """

    def presented(self) -> tuple[bytes, ...]:
        """The certificates that the peer has sent in the handshake, in DER, its own first; none where it sent none."""


def presented_certificates(connection: SSL.Connection) -> tuple[bytes, ...]:
    """What `Records.presented` says, of an end in the server's role: OpenSSL keeps them as long as the connection."""
    leaf = connection.get_peer_certificate()
    if leaf is None:
        return ()
    others = connection.get_peer_cert_chain() or []
    return tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, each) for each in (leaf, *others))


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

    def flush(self, send: Send) -> None:
        """As `Records` says."""
        while True:
            try:
                records = self._connection.bio_read(RECORD)
            except SSL.WantReadError:  # the BIO is empty
                return
            send(records)

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

    def encrypt(self, data: bytes, send: Send) -> bool:
        """As `Records` says."""
        try:
            for start in range(0, len(data), PIECE):
                self._connection.sendall(data[start : start + PIECE])
                send(self._connection.bio_read(_SEALED))
        except SSL.Error:  # beyond a close_notify
            return False
        return True

    def close_notify(self, send: Send) -> None:
        """As `Records` says."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return
        self.flush(send)

    def release(self) -> bool:
        """No method does."""
        return False

    def presented(self) -> tuple[bytes, ...]:
        """As `Records` says."""
        return presented_certificates(self._connection)


# Shared by all connections, since one thread alone runs them. Data is copied out of the first before `decrypt` returns.
# Of the second, which holds nothing but records that are sent in any case, there is a view while `send` runs.
_OPENED: Final = ffi.new("unsigned char[]", PIECE + RECORD)
_OPENED_BYTES: Final = ffi.buffer(_OPENED)  # whose slices are bytes
_CLOSED: Final = ffi.new("unsigned char[]", _SEALED)
_CLOSED_BYTES: Final = ffi.buffer(_CLOSED)
_CLOSED_VIEW: Final = memoryview(_CLOSED_BYTES).toreadonly()
_UNREAD: Final = ffi.new("char **")
_WANT_READ: Final[int] = lib.SSL_ERROR_WANT_READ
_NO_MEMORY: Final = "no memory for a record"
_bio_read: Final = lib.BIO_read
_bio_write: Final = lib.BIO_write
_ssl_read: Final = lib.SSL_read
_ssl_write: Final = lib.SSL_write
_unread: Final = lib.BIO_get_mem_data  # bytes that lie in a BIO


class DirectRecords:
    """By the functions."""

    __slots__ = ("__weakref__", "_connection", "_from_ssl", "_into_ssl", "_is_grown", "_ssl")

    def __init__(self, connection: SSL.Connection) -> None:
        inside: Any = connection
        self._connection = inside
        self._ssl = inside._ssl
        self._into_ssl = inside._into_ssl
        self._from_ssl = inside._from_ssl
        self._is_grown = False  # since the last look

    def shake_hands(self, records: bytes) -> bool:
        """As `Records` says."""
        if records and lib.BIO_write(self._into_ssl, records, len(records)) != len(records):
            raise SSL.Error(_NO_MEMORY)
        result = lib.SSL_do_handshake(self._ssl)
        if result == 1:
            return True
        if lib.SSL_get_error(self._ssl, result) == _WANT_READ:
            return False
        raise self._error(result)

    def flush(self, send: Send) -> None:
        """As `Records` says."""
        while (size := lib.BIO_read(self._from_ssl, _CLOSED, _SEALED)) > 0:
            with _CLOSED_VIEW[:size] as records:
                send(records)

    def decrypt(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        """As `Records` says."""
        length = len(records)
        if length > LARGE and not self._is_grown:
            self._grow()
        unread = self._into_ssl
        if length > PIECE:
            return self._decrypt_in_pieces(records)
        if length and _bio_write(unread, records, length) != length:
            return b"", SSL.Error(_NO_MEMORY)
        size = _ssl_read(self._ssl, _OPENED, RECORD)
        if size > 0 and not _unread(unread, _UNREAD):  # it was one record: no call that says "no more" is needed
            return _OPENED_BYTES[:size], None
        return self._read_on(size)

    def _decrypt_in_pieces(self, records: bytes) -> tuple[bytes, SSL.Error | None]:
        octets = ffi.from_buffer(records)
        pieces: list[bytes] = []
        end: SSL.Error | None = None
        for start in range(0, len(records), PIECE):
            size = min(PIECE, len(records) - start)
            if _bio_write(self._into_ssl, octets + start, size) != size:
                end = SSL.Error(_NO_MEMORY)
                break
            data, end = self._read_on(_ssl_read(self._ssl, _OPENED, RECORD))
            pieces.append(data)
            if end is not None:
                break
        return b"".join(pieces), end

    def _read_on(self, size: int) -> tuple[bytes, SSL.Error | None]:
        """Reads what else there is; `size`: what the first call has returned, whose data lies in `_OPENED`."""
        ssl = self._ssl
        before = b""
        count = 0
        while size > 0:
            count += size
            if count > PIECE:  # the end of a handshake may have left more than a piece
                before, count = before + _OPENED_BYTES[:count], 0
            if not _unread(self._into_ssl, _UNREAD):
                return before + _OPENED_BYTES[:count], None
            size = _ssl_read(ssl, _OPENED + count, RECORD)
        data = _OPENED_BYTES[:count]
        error = lib.SSL_get_error(ssl, size)
        end = None if error == _WANT_READ else self._end(error, size)
        return before + data if before else data, end

    def _end(self, error: int, result: int) -> SSL.Error:
        return SSL.ZeroReturnError() if error == lib.SSL_ERROR_ZERO_RETURN else self._error(result)

    def encrypt(self, data: bytes, send: Send) -> bool:
        """As `Records` says."""
        start, size = 0, len(data)
        if size > LARGE and not self._is_grown:
            self._grow()
        while start < size:
            end = start + PIECE if size - start > PIECE + REST else size
            while start < end:  # a call takes one record
                sealed = _ssl_write(self._ssl, ffi.from_buffer(data) + start if start else data, end - start)
                if sealed <= 0:
                    self._error(sealed)  # takes it out of OpenSSL's queue
                    return False
                start += sealed
            length = max(_bio_read(self._from_ssl, _CLOSED, _SEALED), 0)
            if size <= _COPIED:
                send(_CLOSED_BYTES[:length])
                return True
            with _CLOSED_VIEW[:length] as records:
                send(records)
        return True

    def close_notify(self, send: Send) -> None:
        """As `Records` says."""
        try:
            self._connection.shutdown()
        except SSL.Error:
            return
        self.flush(send)

    def _grow(self) -> None:
        self._is_grown = True
        GROWN.add(self)

    def rests(self) -> bool:
        """Whether nothing large has passed since this was asked last."""
        has_grown, self._is_grown = self._is_grown, False
        return not has_grown

    def release(self) -> bool:
        """As `Records` says; not within a handshake, in which OpenSSL has one more BIO."""
        if _unread(self._into_ssl, _UNREAD) > 0:
            return False
        into_ssl, from_ssl = lib.BIO_new(lib.BIO_s_mem()), lib.BIO_new(lib.BIO_s_mem())
        size = _unread(self._from_ssl, _UNREAD)  # mostly session tickets, which go with the first answer
        if (
            into_ssl == ffi.NULL
            or from_ssl == ffi.NULL
            or (size > 0 and lib.BIO_write(from_ssl, _UNREAD[0], size) != size)
        ):
            lib.BIO_free(into_ssl)
            lib.BIO_free(from_ssl)
            return False
        lib.SSL_set_bio(self._ssl, into_ssl, from_ssl)  # frees those before
        self._into_ssl = self._connection._into_ssl = into_ssl
        self._from_ssl = self._connection._from_ssl = from_ssl
        return True

    def presented(self) -> tuple[bytes, ...]:
        """As `Records` says."""
        return presented_certificates(self._connection)

    def _error(self, result: int) -> SSL.Error:
        try:
            self._connection._raise_ssl_error(self._ssl, result)
        except SSL.Error as error:
            return error
        return SSL.Error("OpenSSL reported no error")


GROWN: Final[WeakSet[DirectRecords]] = WeakSet()
"""Those that something large has passed, until `grown_buffers` has had them release it."""

records_of: Final[Callable[[SSL.Connection], Records]] = DirectRecords if KNOWN else PublicRecords
"""The records of a connection, in the way that is at hand."""
