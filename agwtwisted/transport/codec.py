"""What a connection in TLS asks of its records; `tls.codec` has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol


class Codec(Protocol):
    """The records of a TLS connection after its handshake."""

    answers_due: bool  # the records of the last `decrypt` may have had OpenSSL say something; always with a failure
    over: bool  # they were the last: by close_notify, or for `failure`
    failure: str  # why they cannot go on, in words; empty while they can
    close_notify_received: bool

    def decrypt(self, records: bytes) -> bytes:
        """The data in these records."""

    @property
    def encrypt(self) -> Callable[[bytes, Callable[[bytes | memoryview], None]], bool]:
        """Gives a function the records for data, a view only until it returns; whether that could be done."""

    def flush(self, send: Callable[[bytes | memoryview], None]) -> None:
        """Gives it what OpenSSL has to say by itself."""

    def close_notify(self, send: Callable[[bytes | memoryview], None]) -> None:
        """Gives it the end of our data, unless TLS has failed."""


class _TlsPending:
    """Until TLS is agreed on its handshake reads what comes, as it is, and nothing else may be written."""

    answers_due = over = close_notify_received = False
    failure = ""

    def decrypt(self, records: bytes) -> bytes:
        """A part of the handshake."""
        return records

    def encrypt(self, data: bytes, send: Callable[[bytes | memoryview], None]) -> bool:
        """Nothing leaves in the clear."""
        return False

    def flush(self, send: Callable[[bytes | memoryview], None]) -> None:
        """The handshake sends for itself."""

    def close_notify(self, send: Callable[[bytes | memoryview], None]) -> None:
        """There is nothing to end."""


TLS_PENDING: Final = _TlsPending()
