"""Application data in TLS records, in either role: OpenSSL over memory BIOs, in as few calls a record as can be."""

from __future__ import annotations

from typing import Final

from OpenSSL import SSL
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from agwtwisted.tls.openssl import PIECE, RECORD, records_of
from agwtwisted.transport.streaming import NOBODY, Receiver, TcpWire

MAX_CONTROL: Final = RECORD + 4096
"""Bytes of records that bring no application data before the connection ends: one data record may be under way, and
some 150 KeyUpdates, warning alerts or empty records beside it. Each costs OpenSSL as much as a kilobyte of data."""

_EARNED: Final = 128
"""Bytes of such records that a byte of data pays for: one-byte records, each after an empty one, as clients of TLS 1.0
send them against a known attack on its CBC suites, pay for themselves."""


class EncryptedWire(TcpWire):
    """One TLS connection after its handshake, which is the business of the subclasses."""

    _established = False
    _farewell_came = False
    _unearned = 0  # bytes of records that no data has paid for

    def __init__(self, clock: IReactorTime, tls: SSL.Connection, receiver: Receiver = NOBODY) -> None:
        super().__init__(clock, receiver)
        self._tls = tls
        self._records = records_of(tls)
        self._control_in = 0

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The socket is closed, by whomever; without close_notify something may be missing (RFC 8446 section 6.1)."""
        if not self._farewell_came:
            self.cut = True
            self._end_reason = self._end_reason or "the connection ended without close_notify"
        super().connectionLost(reason)
        del self._tls, self._records  # OpenSSL's memory is free at once, whoever still knows this wire

    def _read(self, records: bytes) -> None:
        data, end = self._records.decrypt(records)
        if end is not None:
            if isinstance(end, SSL.ZeroReturnError):  # close_notify
                self._farewell_came = True
            else:  # an alert of the peer's, or a record that is not authentic: OpenSSL has written one
                self._end_reason = f"TLS: {error_text(end)}"
                self._flush()
        self._control_in += len(records) - len(data)
        unearned = self._unearned + len(records) - _EARNED * len(data)
        self._unearned = unearned if unearned > 0 else 0
        if not data or self._control_in > RECORD:
            self._send_control()
        if data and not self.closing:
            self.bytes_in += len(data)
            self.receiver.received(data)
        if self._farewell_came:
            self.farewell_came()
        elif end is not None:
            self.close()
        elif unearned > MAX_CONTROL:
            self._end_reason = "TLS: too many records without data"
            self.close()

    def farewell_came(self) -> None:
        """The peer sends no more; whoever can go on sending says so."""
        if self.closing:
            return
        self._farewell()
        self.send_held()
        if self._queued:
            self.close()
        else:
            self._close_now()

    def _send_control(self) -> None:
        """Sends what OpenSSL answers by itself, to a KeyUpdate for instance, before much of it has gathered.

        A peer that asks for such answers and does not read them is cut off.
        """
        self._control_in = 0
        queued = len(self._pending)
        self._flush()
        if self.full and len(self._pending) > queued:
            self.abort()

    def write(self, data: bytes) -> None:
        """Sends bytes in records, at once as far as the kernel takes them."""
        if self.closing:  # close_notify has been sent
            return
        self.bytes_out += len(data)
        try:
            if len(data) <= PIECE:
                self._send(self._records.encrypt(data))
            else:
                for start in range(0, len(data), PIECE):
                    self._send(self._records.encrypt(data, start))
        except SSL.Error:  # the connection is broken beyond a farewell
            self.abort()

    def _flush(self) -> None:
        while records := self._records.outgoing():
            self._send(records)

    def _farewell(self) -> None:
        if self._established:
            try:
                self._tls.shutdown()  # close_notify
            except SSL.Error:
                return  # the connection had failed: there is nobody to say farewell to
            self._flush()


def error_text(error: SSL.Error) -> str:
    """OpenSSL's own words for what went wrong, the last of its queue."""
    queue = error.args[0] if error.args else None
    if isinstance(queue, list) and queue:
        return str(queue[-1][-1])
    return str(error) or type(error).__name__
