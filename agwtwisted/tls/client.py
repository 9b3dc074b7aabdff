"""The client side of a TLS handshake: the gateway towards its backends.

`when_open` is called once the handshake is through and the server is the one that was wanted, `when_failed` when that
does not come: until then the connection carries nothing, and its later receiver gets no event except the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from OpenSSL import SSL
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.tls.codec import TlsCodec, error_text
from agwtwisted.tls.records import records_of
from agwtwisted.transport.connection import Connection
from agwtwisted.transport.receiver import NO_RECEIVER, Receiver

MAX_HANDSHAKE_BYTES: Final = 160 * 1024
"""Of a server: OpenSSL takes 100 KiB of certificates; hello, tickets and the headers of all records come on top."""

TOO_SLOW: Final = "the TLS handshake took too long"


class ServerCheck(Protocol):
    """Which server is wanted, and whether it is the one."""

    tls: SSL.Connection  # in the client's role, with the name that is to be sent

    @property
    def reason(self) -> str:
        """Why the server's certificates were refused while the handshake went on; empty when they were not."""

    def refusal(self) -> str:
        """Why the server is not the one that was wanted, once the handshake is through; empty when it is."""


class ClientHandshake:
    """One TLS handshake, in the client's role.

    Args:
        clock: time.
        connection: not open yet; its receiver is this until the handshake is through.
        check: of the server.
        until: when the handshake must be through, on the clock.
        receiver: of what comes after it.
    """

    def __init__(
        self,
        clock: IReactorTime,
        connection: Connection,
        check: ServerCheck,
        until: float,
        receiver: Receiver = NO_RECEIVER,
    ) -> None:
        self.when_open: Callable[[], None] | None = None
        self.when_failed: Callable[[str], None] | None = None
        self._clock = clock
        self._connection = connection
        self._check: ServerCheck | None = check  # None once it is over, well or badly
        self._records = records_of(check.tls)
        self._until = until
        self._receiver = receiver
        self._timer: IDelayedCall | None = None
        self._taken = 0
        connection.receiver = self
        connection.expect_tls()
        connection.when_open = self.begin

    # -- from the connection

    def begin(self) -> None:
        """The way to the server is there: says hello, and starts the clock. Called by a connection that is opened."""
        self._connection.when_open = None  # it leads back here
        self._timer = self._clock.callLater(max(self._until - self._clock.seconds(), 0.0), self._too_slow)
        self.received(b"")

    def received(self, data: bytes) -> None:
        """A part of the handshake."""
        if self._check is not None:
            self._shake_hands(self._check, data)

    def drained(self) -> None:
        """The server takes bytes again."""

    def finished(self) -> None:
        """A FIN ends the handshake, and the connection with it."""
        self._connection.close_now()

    def ended(self, reason: str) -> None:
        """The connection is gone."""
        if self._check is not None:
            self._fail(self._connection.end_reason or "the server closed the connection in the TLS handshake")
        self._receiver.ended(reason)

    # -- how

    def _shake_hands(self, check: ServerCheck, data: bytes) -> None:
        connection = self._connection
        self._taken += len(data)
        try:
            through = self._records.shake_hands(data)
        except SSL.Error as error:
            self._records.flush(connection.send)  # the alert
            self._fail(check.reason or f"TLS handshake: {error_text(error)}")
            connection.close()
            return
        if through:
            self._complete(check)
            return
        self._records.flush(connection.send)
        if self._taken > MAX_HANDSHAKE_BYTES:
            self._fail("the TLS handshake is too long")
            connection.abort()

    def _complete(self, check: ServerCheck) -> None:
        """OpenSSL is content. In TLS 1.3 our own certificate has not left yet, and does not if the name is wrong."""
        connection = self._connection
        refusal = check.refusal()
        if refusal:
            self._fail(refusal)
            connection.abort()
            return
        self._end()
        connection.secure(TlsCodec(self._records))
        self._records.flush(connection.send)
        connection.receiver = self._receiver
        opened, self.when_open, self.when_failed = self.when_open, None, None
        if opened is not None:
            opened()
        connection.decrypt(b"")

    def _too_slow(self) -> None:
        self._timer = None
        if self._check is not None:
            self._fail(TOO_SLOW)
            self._connection.abort()

    def _fail(self, reason: str) -> None:
        self._end()
        failed, self.when_failed, self.when_open = self.when_failed, None, None
        if failed is not None:
            failed(reason)

    def _end(self) -> None:
        self._check = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
