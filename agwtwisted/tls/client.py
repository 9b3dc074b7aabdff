"""The client side of TLS on one connection: the gateway towards its backends.

`when_open` is called once the handshake is through and the server is the one that was wanted, `when_failed` when that
does not come: until then the wire carries nothing, and its receiver is told nothing but the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from typing import Protocol as TypingProtocol

from OpenSSL import SSL
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from agwtwisted.tls.records import EncryptedWire, error_text
from agwtwisted.transport.streaming import NOBODY, Receiver

MAX_HANDSHAKE_BYTES: Final = 160 * 1024
"""Of a server: OpenSSL takes 100 KiB of certificates; hello, tickets and the headers of all records come on top."""

TOO_SLOW: Final = "the TLS handshake took too long"


class ServerHandshake(TypingProtocol):
    """What a wire needs to know of its handshake."""

    connection: SSL.Connection  # in the client's role, with the name that is to be sent

    @property
    def reason(self) -> str:
        """Why the server's certificates were refused while the handshake went on; empty when they were not."""

    def refusal(self) -> str:
        """Why the server is not the one that was wanted, once the handshake is through; empty when it is."""


class TlsClientWire(EncryptedWire):
    """One TLS connection, in the client's role."""

    def __init__(
        self, clock: IReactorTime, handshake: ServerHandshake, until: float, receiver: Receiver = NOBODY
    ) -> None:
        """The handshake must be through at the time `until`, of the clock."""
        super().__init__(clock, handshake.connection, receiver)
        self.when_failed: Callable[[str], None] | None = None
        self._handshake: ServerHandshake | None = handshake
        self._until = until
        self._timer: IDelayedCall | None = None
        self._raw_in = 0

    # -- from the socket

    def opened(self) -> None:
        """TCP is there: says hello, and starts the clock."""
        self._timer = self._clock.callLater(max(self._until - self._clock.seconds(), 0.0), self._too_slow)
        self._shake_hands(b"")

    def dataReceived(self, data: bytes) -> None:
        """Records from the socket; after close_notify there are none."""
        if self.closing or self.input_ended:
            return
        if self._handshake is not None:
            self._shake_hands(data)
        else:
            self._read(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever."""
        if self._handshake is not None:
            self._fail("given up" if self.closing else "the server closed the connection in the TLS handshake")
        super().connectionLost(reason)

    # -- the handshake

    def _shake_hands(self, data: bytes) -> None:
        self._raw_in += len(data)
        try:
            through = self._records.shake_hands(data)
        except SSL.Error as error:
            self._flush()  # the alert
            self._fail(self._words(error))
            self.close()
            return
        if through:
            self._judge()
            return
        self._flush()
        if self._raw_in > MAX_HANDSHAKE_BYTES:
            self._fail("the TLS handshake is too long")
            self.abort()

    def _words(self, error: SSL.Error) -> str:
        noted = self._handshake.reason if self._handshake is not None else ""
        return noted or f"TLS handshake: {error_text(error)}"

    def _judge(self) -> None:
        """OpenSSL is content. In TLS 1.3 our own certificate has not left yet, and does not if the name is wrong."""
        refusal = "no handshake" if self._handshake is None else self._handshake.refusal()
        if refusal:
            self._fail(refusal)
            self.abort()
            return
        self._end_handshake()
        self._established = True
        self._flush()
        self.when_failed = None
        super().opened()
        self._read(b"")

    def _too_slow(self) -> None:
        self._timer = None
        if self._handshake is not None:
            self._fail(TOO_SLOW)
            self.abort()

    def _fail(self, reason: str) -> None:
        self._end_handshake()
        failed, self.when_failed, self.when_open = self.when_failed, None, None
        if failed is not None:
            failed(reason)

    def _end_handshake(self) -> None:
        self._handshake = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
