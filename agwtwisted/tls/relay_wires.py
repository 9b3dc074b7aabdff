"""Wires whose two directions end one by one: what a relay joins, and what clients of HTTP are answered on.

A peer that has finished sending (FIN, or close_notify over TLS) may still be sent to. On TLS a FIN alone ends the
connection: without close_notify nobody knows whether something is missing (RFC 8446 section 6.1).
"""

from __future__ import annotations

from typing import Protocol as TypingProtocol
from typing import cast

from agwtwisted.tls.client import TlsClientWire
from agwtwisted.tls.handshake import TlsWire
from agwtwisted.tls.records import EncryptedWire
from agwtwisted.transport.streaming import Receiver, TcpWire


class RelayReceiver(Receiver, TypingProtocol):
    """Who is told what such a wire brings."""

    def finished(self) -> None:
        """The peer sends no more, and may be sent to; told once at most, and not after `ended`."""


class RelayWire(TcpWire):
    """Such a wire without TLS.

    `input_ended` says whether the peer has finished; whoever becomes receiver later looks at it.
    """

    output_ended = False
    preamble = b""  # what is sent ahead of everything, TLS included

    # -- what Twisted tells

    def readConnectionLost(self) -> None:
        """FIN."""
        if self.closing and self._queued:  # the peer may still read, and gets what is queued first
            self.input_ended = True
        elif self.closing or not self._may_stay_half_open():
            self.transport.close_now()
        elif not self.input_ended:
            self._finished()

    def opened(self) -> None:
        """The transport is there."""
        if self.preamble:
            self.bytes_out += len(self.preamble)
            self._send(self.preamble)
        super().opened()

    # -- what a receiver may ask

    def finish(self) -> None:
        """Sends no more, once everything written has left; goes on reading."""
        if self.closing or self.output_ended:
            return
        self._farewell()
        self.send_held()
        self.output_ended = True
        if not self._queued:
            self._end_output()

    def end(self) -> None:
        """Closes, since both directions have ended. Not for a receiver that is just being told of bytes."""
        if not self.closing:
            self._farewell()
            self.output_ended = True
            self.close()

    def close(self, *, linger: bool = False) -> None:
        """Closes once everything written has left: at once, where that is so and our own end was sent."""
        self.send_held()
        if self.output_ended and not (self._queued or self.closing or linger):
            self._close_now()
        else:
            super().close(linger=linger)

    def break_off(self) -> None:
        """Closes once everything written has left, so that a peer that can tell sees the stream cut."""
        self.output_ended = True
        self.close()

    def resume(self) -> None:
        """Reads on, if there can be more."""
        if not self.input_ended:
            super().resume()

    def pause(self) -> None:
        """Stops reading."""
        if not self.input_ended:
            super().pause()

    def all_sent(self) -> None:
        """Nothing is queued any more."""
        super().all_sent()
        if self.output_ended and not self.closing:
            self._end_output()

    # -- how

    def _half_close(self) -> None:
        if self.input_ended:
            self.transport.close_later()
        else:
            super()._half_close()

    def _may_stay_half_open(self) -> bool:
        return True

    def _end_output(self) -> None:
        self.transport.shut_down_output()

    def _finished(self) -> None:
        self.input_ended = True
        cast(RelayReceiver, self.receiver).finished()


class EncryptedRelayWire(RelayWire, EncryptedWire):
    """The same with TLS, in either role. Its output ends with close_notify; the socket stays open for the input."""

    def farewell_came(self) -> None:
        """close_notify."""
        if not self.closing and not self.input_ended:
            self._finished()

    def _may_stay_half_open(self) -> bool:
        return self.input_ended

    def _end_output(self) -> None:
        """close_notify was all."""

    def _farewell(self) -> None:
        if not self.output_ended:
            super()._farewell()


class RelayTlsWire(EncryptedRelayWire, TlsWire):
    """A client's."""


class RelayTlsClientWire(EncryptedRelayWire, TlsClientWire):
    """A backend's."""
