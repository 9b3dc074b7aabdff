"""Application data in TLS records, in either role, and what records without data may cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from OpenSSL import SSL

from agwtwisted.tls.records import RECORD, Records, Send

MAX_CONTROL: Final = RECORD + 4096
"""Bytes of records that bring no application data before the connection ends: one data record may be under way, and
some 150 KeyUpdates, warning alerts or empty records beside it. Each costs OpenSSL as much as a kilobyte of data."""

_EARNED: Final = 128
"""Bytes of such records that a byte of data pays for: one-byte records, each after an empty one, as clients of TLS 1.0
send them against a known attack on its CBC suites, pay for themselves."""


class TlsCodec:
    """The records of a connection after its handshake, as transport.connection.Codec says."""

    __slots__ = (
        "_control",
        "_records",
        "_unearned",
        "answers_due",
        "close_notify_received",
        "encrypt",
        "failure",
        "over",
    )

    def __init__(self, records: Records) -> None:
        self.answers_due = False
        self.over = False
        self.failure = ""
        self.close_notify_received = False
        self.encrypt: Final[Callable[[bytes, Send], bool]] = records.encrypt
        """Gives a function the records for data, a view only until it returns; whether that could be done."""
        self._records = records
        self._control = 0  # bytes beside the data since answers were sent
        self._unearned = 0  # bytes of records that no data has paid for

    def decrypt(self, records: bytes) -> bytes:
        """The data in these records, and in the attributes what follows from them."""
        data, end = self._records.decrypt(records)
        came, size = len(records), len(data)
        control = self._control + came - size
        unearned = self._unearned + came - _EARNED * size
        self._unearned = unearned if unearned > 0 else 0
        if end is not None:
            self._end(end)
        elif unearned > MAX_CONTROL:
            self.over = True
            self.failure = "TLS: too many records without data"
        due = self.answers_due = not size or control > RECORD or self.failure != ""
        self._control = 0 if due else control
        return data

    def flush(self, send: Send) -> None:
        """Gives it what OpenSSL has to say by itself."""
        self._records.flush(send)

    def close_notify(self, send: Send) -> None:
        """Gives it the end of our data, unless TLS has failed."""
        self._records.close_notify(send)

    def presented(self) -> tuple[bytes, ...]:
        """The certificates that the peer has sent in the handshake, in DER, its own first; none where it sent none."""
        return self._records.presented()

    def _end(self, end: SSL.Error) -> None:
        self.over = True
        if isinstance(end, SSL.ZeroReturnError):
            self.close_notify_received = True
        else:  # an alert of the peer's, or a record that is not authentic: OpenSSL has written one
            self.failure = f"TLS: {error_text(end)}"


def error_text(error: SSL.Error) -> str:
    """OpenSSL's own words for what went wrong, the last of its queue."""
    queue = error.args[0] if error.args else None
    if isinstance(queue, list) and queue:
        return str(queue[-1][-1])
    return str(error) or type(error).__name__
