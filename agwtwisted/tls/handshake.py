"""The server side of TLS on one connection.

Three phases: the handshake (owned by a `Handshake`, under a deadline), then bytes for the receiver, then the end.
"""

from __future__ import annotations

from typing import Protocol as TypingProtocol

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.core.tls.client_hello import has_begun, offered_suites
from agwtwisted.tls.records import EncryptedWire, error_text
from agwtwisted.transport.streaming import TcpWire

HANDSHAKE_RECORD = 22

HANDSHAKE_ROOM = 16384
"""Bytes of a client's handshake beside its certificates: hello, key exchange, signature, the headers of all records."""

UNRECOGNIZED_NAME = 112
"""Alert: no site for the name that the client asked for (RFC 6066 section 3)."""

_FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02"  # a plaintext record of two bytes: level fatal, then the description


class Handshake(TypingProtocol):
    """What a TLS wire needs to know of its handshake, and whom it tells the outcome."""

    connection: SSL.Connection

    @property
    def name_refused(self) -> bool:
        """Whether the client asked for a name that no site answers to."""

    def begins(self) -> bool:
        """Whether the handshake, whose ClientHello has come, may begin; else the wire is told later to `go_on`."""

    def completed(self) -> None:
        """The handshake is through; the wire's receiver must be set when this returns."""

    def failed(self, reason: str, received: int) -> None:
        """It came to nothing; `received` bytes had come. The connection is being closed."""

    def plain_text(self) -> None:
        """The client does not speak TLS: the wire carries plain bytes from now on; set its receiver."""


class TlsWire(EncryptedWire):
    """One TLS connection, in the server's role."""

    _plain = False
    _hello: bytearray | None = None  # the beginning of a ClientHello, or one that waits for its turn

    def __init__(
        self,
        clock: IReactorTime,
        handshake: Handshake,
        timeout: float,
        max_chain_bytes: int,
        silent_timeout: float | None = None,
    ) -> None:
        """The handshake has `timeout` seconds, its first byte `silent_timeout`; the certificates `max_chain_bytes`."""
        super().__init__(clock, handshake.connection)
        self._handshake: Handshake | None = handshake
        self._timeout = timeout
        self._silent_timeout = timeout if silent_timeout is None else min(silent_timeout, timeout)
        self._until = 0.0
        self._max_bytes = max_chain_bytes + HANDSHAKE_ROOM
        self._raw_in = 0

    # -- from the socket

    def opened(self) -> None:
        """Starts the clock for the handshake; the client speaks first."""
        self._until = self._clock.seconds() + self._timeout
        self.deadline(self._too_slow).set(self._silent_timeout)

    def dataReceived(self, data: bytes) -> None:
        """Records from the socket; after close_notify there are none."""
        if self.closing or self.input_ended:
            return
        if self._handshake is not None:
            self._shake_hands(self._handshake, data)
        elif self._plain:
            super().dataReceived(data)
        else:
            self._read(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever."""
        if self._handshake is not None:
            self._fail(
                self._handshake, "the gateway is stopping" if self.closing else "the client closed the connection"
            )
        super().connectionLost(reason)

    # -- the handshake

    def _shake_hands(self, handshake: Handshake, data: bytes) -> None:
        if self._raw_in:
            self._go_on(handshake, data)
        elif self._hello is not None:
            self._hello += data
            self._greet(handshake)
        elif data[0] != HANDSHAKE_RECORD:
            self._speak_plainly(handshake, data)
        else:
            self._hello = bytearray(data)
            self.deadline(self._too_slow).set(max(self._until - self._clock.seconds(), 0.0))
            self._greet(handshake)

    def _greet(self, handshake: Handshake) -> None:
        """Begins the handshake once it is due: half a ClientHello is no work for OpenSSL, and takes no slot."""
        if self.paused or self._hello is None or not has_begun(self._hello):
            return
        if handshake.begins():
            self.go_on()
        else:
            self.pause()

    def go_on(self) -> None:
        """It is the turn of this handshake."""
        hello, self._hello = self._hello, None
        if self._handshake is not None and hello is not None:
            self.resume()
            data = bytes(hello)
            self.offered_suites = offered_suites(data)
            self._go_on(self._handshake, data)

    def _go_on(self, handshake: Handshake, data: bytes) -> None:
        room = self._max_bytes - self._raw_in
        self._raw_in += len(data)
        try:
            through = self._records.shake_hands(data[:room])
        except SSL.Error as error:
            self._flush()  # the alert
            self._fail(handshake, error_text(error))
            self.close(linger=True)
            return
        if through:
            self._complete(handshake, data[room:])
        elif handshake.name_refused:
            self._refuse_name(handshake)
        elif len(data) >= room:
            self._fail(handshake, "the handshake is too long")
            self.abort()
        else:
            self._flush()

    def _complete(self, handshake: Handshake, rest: bytes) -> None:
        self._end_handshake()
        self._established = True
        if self._tls.get_protocol_version() != SSL.TLS1_3_VERSION:
            self._flush()
        # Else the client waits for nothing: session tickets are all there is. Where it has asked something already they
        # go with the answer, which saves a system call, and it wakes up once; `_read` sends them where it has not.
        handshake.completed()
        self._read(rest)

    def _refuse_name(self, handshake: Handshake) -> None:
        # The server's flight lies in the BIO: it is left there. What the client gets instead may be plain text, because
        # nothing has been agreed yet.
        self._send(_FATAL_ALERT + bytes((UNRECOGNIZED_NAME,)))
        self._fail(handshake, "no site for the server name")
        self.close(linger=True)

    def _speak_plainly(self, handshake: Handshake, data: bytes) -> None:
        self._plain = True
        self._end_handshake()
        handshake.plain_text()
        super().dataReceived(data)

    def _too_slow(self) -> None:
        if self._handshake is not None:
            self._fail(self._handshake, "the handshake took too long")
            self.abort()

    def _fail(self, handshake: Handshake, reason: str) -> None:
        self._end_handshake()
        handshake.failed(reason, self._raw_in + len(self._hello or b""))

    # -- where room is needed

    def has_spoken(self) -> bool:
        """Whether any byte of the client was read."""
        return self._handshake is None or self._hello is not None or self._raw_in > 0

    def awaited(self, now: float) -> tuple[Awaited, float]:
        """The rest of the handshake, if that is not through."""
        return (Awaited.NOTHING, now) if self._handshake is None else (Awaited.HEAD, self._until - self._timeout)

    def give_way(self, reason: str) -> None:
        """Closes before this returns."""
        if self._handshake is not None:
            self._fail(self._handshake, reason)
        super().give_way(reason)

    def drain(self, quiet: float) -> None:
        """The gateway stops: a handshake that has begun has `silent_timeout`, one that has not closes after `quiet`."""
        if self._handshake is None:
            return
        now = self._clock.seconds()
        if self.has_spoken() or self.has_arrived():
            left = min(self._until - now, self._silent_timeout)
        else:
            left = self._until - self._timeout + quiet - now
        if left > 0:
            self.deadline(self._too_slow).set(left)
        else:
            self._too_slow()

    # -- how a handshake ends

    def _end_handshake(self) -> None:
        self._handshake = None
        if self._deadline is not None:
            self._deadline.clear()

    # -- application data

    def write(self, data: bytes) -> None:
        """Sends bytes, in records unless the client does not speak TLS."""
        if self._plain:
            TcpWire.write(self, data)
        else:
            super().write(data)
