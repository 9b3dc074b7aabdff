"""The server side of a TLS handshake: the receiver of a connection until it is through, or has come to nothing."""

from __future__ import annotations

from typing import Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.tls.client_hello import has_begun, offered_suites
from agwtwisted.core.tls.ja4 import ClientHelloReader, ja4, whole_hello
from agwtwisted.core.verification.handshake_failures import CLIENT_LEFT, NO_SITE, TOO_LONG, TOO_SLOW
from agwtwisted.tls.codec import TlsCodec, error_text
from agwtwisted.tls.records import records_of
from agwtwisted.transport.connection import Connection

HANDSHAKE_RECORD = 22

HANDSHAKE_ROOM = 16384
"""Bytes of a client's handshake beside its certificates: hello, key exchange, signature, the headers of all records."""

UNRECOGNIZED_NAME = 112
"""Alert: no site for the name that the client asked for (RFC 6066 section 3)."""

_FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02"  # a plaintext record of two bytes: level fatal, then the description


class HandshakeOwner(Protocol):
    """Who begins a handshake, and takes the connection after it."""

    tls: SSL.Connection
    fingerprints: bool  # whether the fingerprint of the client is asked for: `core.tls.ja4`

    @property
    def name_refused(self) -> bool:
        """Whether the client asked for a name that no site answers to."""

    def begins(self, hello: bytes) -> bool:
        """Whether the handshake, whose ClientHello has come in these records, may begin; else `ServerHandshake.go_on`
        is called.
        """

    def completed(self) -> None:
        """The handshake is through; the connection's receiver must be set when this returns."""

    def failed(self, reason: str, received: int) -> None:
        """It came to nothing; `received` bytes had come. The connection is being closed."""

    def plain_text(self) -> None:
        """The client does not speak TLS: the connection carries plain bytes from now on; set its receiver."""


class ServerHandshake:
    """One TLS handshake, in the server's role.

    Args:
        clock: time.
        connection: not open yet; its receiver is this from now on.
        owner: of the handshake.
        timeout: seconds for all of it, from `opened` on.
        max_chain_bytes: of the client's certificates.
        silent_timeout: seconds for its first byte.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connection: Connection,
        owner: HandshakeOwner,
        timeout: float,
        max_chain_bytes: int,
        silent_timeout: float | None = None,
    ) -> None:
        self._clock = clock
        self._connection = connection
        self._owner: HandshakeOwner | None = owner  # None once it is over, well or badly
        self._tls = owner.tls
        self._records = records_of(owner.tls)
        self._timeout = timeout
        self._silent_timeout = timeout if silent_timeout is None else min(silent_timeout, timeout)
        self._until = 0.0
        self._max_bytes = max_chain_bytes + HANDSHAKE_ROOM
        self._hello: bytearray | None = None  # the beginning of a ClientHello, or one that waits for its turn
        self._taken = 0  # bytes that OpenSSL has got
        self._reader: ClientHelloReader | None = None  # None: the ClientHello is whole, or not looked at
        connection.receiver = self
        connection.expect_tls()

    def opened(self) -> None:
        """The connection is there: starts the clock; the client speaks first."""
        self._until = self._clock.seconds() + self._timeout
        self._set_deadline(self._silent_timeout)

    # -- from the connection

    def received(self, data: bytes) -> None:
        """A part of the handshake, or what is none."""
        owner = self._owner
        if owner is None:
            return
        if self._taken:
            if self._reader is not None:
                self._read_hello(self._reader, data)
            self._go_on(owner, data)
        elif self._hello is not None:
            self._hello += data
            self._greet(owner)
        elif data[0] != HANDSHAKE_RECORD:
            self._speak_plainly(owner, data)
        else:
            self._hello = bytearray(data)
            self._set_deadline(max(self._until - self._clock.seconds(), 0.0))
            self._greet(owner)

    def drained(self) -> None:
        """The client takes bytes again; it is waited for in any case."""

    def finished(self) -> None:
        """A FIN ends the handshake, and the connection with it."""
        self._connection.close_now()

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        if self._owner is not None:
            self._fail(self._owner, self._connection.end_reason or CLIENT_LEFT)

    # -- from the owner

    @property
    def bytes_taken(self) -> int:
        """Bytes that OpenSSL has read."""
        return self._taken

    def go_on(self) -> None:
        """It is the turn of this handshake."""
        hello, self._hello = self._hello, None
        if self._owner is not None and hello is not None:
            connection = self._connection
            if connection.paused:
                connection.resume()
            data = bytes(hello)
            connection.offered_suites = offered_suites(data)
            if self._owner.fingerprints:
                whole = whole_hello(data)
                if whole is None:
                    self._read_hello(ClientHelloReader(), data)
                else:
                    connection.ja4 = ja4(whole)
            self._go_on(self._owner, data)

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the handshake."""
        return Awaited.HEAD, self._until - self._timeout

    def drain(self, quiet: float) -> None:
        """The gateway stops: a handshake that has begun has `silent_timeout`, one that has not closes after `quiet`."""
        now = self._clock.seconds()
        if self._connection.has_spoken() or self._connection.has_arrived():
            left = min(self._until - now, self._silent_timeout)
        else:
            left = self._until - self._timeout + quiet - now
        if left > 0:
            self._set_deadline(left)
        else:
            self._too_slow()

    # -- how

    def _greet(self, owner: HandshakeOwner) -> None:
        """Begins the handshake once it is due: half a ClientHello is no work for OpenSSL, and takes no slot."""
        if self._connection.paused or self._hello is None or not has_begun(self._hello):
            return
        if owner.begins(bytes(self._hello)):
            self.go_on()
        else:
            self._connection.pause()

    def _read_hello(self, reader: ClientHelloReader, data: bytes) -> None:
        """Has the fingerprint made, once the ClientHello is whole: mostly at once."""
        hello = reader.feed(data)
        self._reader = reader if hello is None else None
        if hello:
            self._connection.ja4 = ja4(hello)

    def _go_on(self, owner: HandshakeOwner, data: bytes) -> None:
        connection = self._connection
        room = self._max_bytes - self._taken
        self._taken += len(data)
        try:
            through = self._records.shake_hands(data[:room])
        except SSL.Error as error:
            self._records.flush(connection.send)  # the alert
            self._fail(owner, error_text(error))
            connection.close(linger=True)
            return
        if through:
            self._complete(owner, data[room:])
        elif owner.name_refused:
            self._refuse_name(owner)
        elif len(data) >= room:
            self._fail(owner, TOO_LONG)
            connection.abort()
        else:
            self._records.flush(connection.send)

    def _complete(self, owner: HandshakeOwner, rest: bytes) -> None:
        self._end()
        connection = self._connection
        connection.secure(TlsCodec(self._records))
        if self._tls.get_protocol_version() != SSL.TLS1_3_VERSION:
            self._records.flush(connection.send)
        # Else the client waits for nothing: session tickets are all there is. Where it has asked something already they
        # go with the answer, which saves a system call, and it wakes up once; `decrypt` sends them where it has not.
        owner.completed()
        connection.decrypt(rest)
        self._records.release()  # what the handshake took: a tenth of what an idle connection takes

    def _refuse_name(self, owner: HandshakeOwner) -> None:
        # The server's flight lies in the BIO: it is left there. What the client gets instead may be plain text, because
        # nothing has been agreed yet.
        self._connection.send(_FATAL_ALERT + bytes((UNRECOGNIZED_NAME,)))
        self._fail(owner, NO_SITE)
        self._connection.close(linger=True)

    def _speak_plainly(self, owner: HandshakeOwner, data: bytes) -> None:
        self._end()
        self._connection.stay_plain()
        owner.plain_text()
        if not self._connection.closing:
            self._connection.receiver.received(data)

    def _too_slow(self) -> None:
        if self._owner is not None:
            self._fail(self._owner, TOO_SLOW)
            self._connection.abort()

    def _fail(self, owner: HandshakeOwner, reason: str) -> None:
        self._end()
        owner.failed(reason, self._taken + len(self._hello or b""))

    def _set_deadline(self, seconds: float) -> None:
        self._connection.deadline(self._too_slow).set(seconds)

    def _end(self) -> None:
        self._owner = None
        if not self._connection.closing:
            self._connection.deadline(self._too_slow).clear()
