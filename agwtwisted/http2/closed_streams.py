"""The streams of one connection that are not open: what a frame on one of them means, and how one is closed."""

from __future__ import annotations

from agwtwisted.core.http2 import frames
from agwtwisted.core.http2.budgets import REFUSED, STREAM_ERROR
from agwtwisted.core.http2.codes import PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, ErrorCode
from agwtwisted.core.http2.frame_values import ConnectionFault
from agwtwisted.core.http2.stream_states import IDLE, LEFT, PASSED, RESET, StreamStates
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.spending import Spending


class ClosedStreams:
    """Those of one connection.

    Args:
        sender: of RST_STREAM.
        spending: what the client has spent of its budget.
    """

    __slots__ = ("_sender", "_spending", "states")

    def __init__(self, sender: Http2Sender, spending: Spending) -> None:
        self.states = StreamStates()
        self._sender = sender
        self._spending = spending

    def reset(self, number: int, code: ErrorCode) -> None:
        """Closes one with RST_STREAM."""
        self.states.reset(number)
        self._sender.control(frames.rst_stream(number, code))

    def refuse(self, number: int) -> None:
        """Nothing was done for it, and the client may ask again, elsewhere or later (RFC 9113 section 8.7)."""
        self._spending.spend(REFUSED)
        self.reset(number, REFUSED_STREAM)

    def headers(self, number: int) -> ConnectionFault | None:
        """HEADERS came that open no stream."""
        self._spending.spend(STREAM_ERROR)
        return self._late(number, "HEADERS")

    def data(self, number: int) -> ConnectionFault | None:
        """DATA came; that of a stream which the gateway has reset was on its way, and its window bounds it."""
        if self.states.of(number) is RESET:
            return None
        self._spending.spend(STREAM_ERROR)
        return self._late(number, "DATA")

    def _late(self, number: int, kind: str) -> ConnectionFault | None:
        """What RFC 9113 section 5.1 says of it."""
        state = self.states.of(number)
        if state is RESET:
            return None
        if state is LEFT:
            self.reset(number, STREAM_CLOSED)
            return None
        code = PROTOCOL_ERROR if state in (IDLE, PASSED) else STREAM_CLOSED
        return ConnectionFault(code, f"{kind} on a stream that cannot have it: {state.value}")
