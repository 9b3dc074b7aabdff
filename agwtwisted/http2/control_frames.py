"""What a client's frames do that are neither HEADERS nor DATA: settings, windows, resets, priorities, round trips."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from agwtwisted.core.http2 import budgets, frames
from agwtwisted.core.http2.codes import FLOW_CONTROL_ERROR, PRIORITY, PROTOCOL_ERROR
from agwtwisted.core.http2.frame_values import (
    ConnectionFault,
    GoAwayFrame,
    IgnoredFrame,
    PingAck,
    PingFrame,
    PriorityUpdateFrame,
    ResetFrame,
    SettingsAck,
    SettingsFrame,
    StreamFault,
    WindowUpdateFrame,
)
from agwtwisted.http2.deadlines import StreamDeadlines
from agwtwisted.http2.draining import Leave
from agwtwisted.http2.sending import Http2Sender
from agwtwisted.http2.spending import Spending
from agwtwisted.http2.stream_table import StreamTable
from agwtwisted.http2.streams import OVER, Http2Stream


class ControlFrames:
    """Takes them, for one connection.

    Args:
        sender: of what is sent.
        streams: of the connection.
        leave: the end of it in good order.
        deadlines: of what is due from the client.
        spending: what it has spent of its budget.
    """

    __slots__ = ("_deadlines", "_greeted", "_leave", "_sender", "_spending", "_streams")

    def __init__(
        self,
        sender: Http2Sender,
        streams: StreamTable,
        leave: Leave,
        deadlines: StreamDeadlines[Http2Stream],
        spending: Spending,
    ) -> None:
        self._sender = sender
        self._streams = streams
        self._leave = leave
        self._deadlines = deadlines
        self._spending = spending
        self._greeted = False  # by the first SETTINGS

    def take(self, frame: object) -> ConnectionFault | None:
        """Does what a frame says; returns the error of the connection that it is."""
        return _TAKE[type(frame)](self, frame)

    def _reset(self, frame: ResetFrame) -> ConnectionFault | None:
        self._spending.spend(budgets.RESET)
        return self._streams.left(frame.stream)

    def _settings(self, frame: SettingsFrame) -> ConnectionFault | None:
        if not self._greeted:
            self._greeted = True
            self._deadlines.preface_came()
        self._spending.spend(budgets.SETTINGS, max(1, len(frame.values) // 8))
        if not self._sender.settings(frame.values):
            return ConnectionFault(FLOW_CONTROL_ERROR, "SETTINGS make a window larger than one may be")
        self._sender.control(frames.SETTINGS_ACK)
        return None

    def _ping(self, frame: PingFrame) -> None:
        self._spending.spend(budgets.PING)
        self._sender.control(frames.ping_ack(frame.data))

    def _ping_ack(self, frame: PingAck) -> None:
        self._spending.spend(budgets.PING)
        self._leave.answered(frame.data)

    def _window_update(self, frame: WindowUpdateFrame) -> ConnectionFault | None:
        number, sender = frame.stream, self._sender
        self._spending.window_update(sender.frames, sender.sent)
        if number:
            stream = self._streams.open.get(number)
            if stream is None:
                return self._off_stream(number, "WINDOW_UPDATE")
            is_sent = stream.phase is OVER and not stream.queue.queued
            if not is_sent and not sender.window_update(number, frame.increment):
                self._streams.fault(stream, FLOW_CONTROL_ERROR)
        elif not sender.window_update(0, frame.increment):
            return ConnectionFault(FLOW_CONTROL_ERROR, "a window larger than one may be")
        return None

    def _priority_update(self, frame: PriorityUpdateFrame) -> None:
        self._spending.spend(budgets.PRIORITY)
        number, streams = frame.stream, self._streams
        if number in streams.open or streams.is_idle(number):
            self._sender.prioritize(number, frame.value, is_open=number in streams.open)

    def _ignored(self, frame: IgnoredFrame) -> None:
        self._spending.spend(budgets.PRIORITY if frame.kind == PRIORITY else budgets.UNKNOWN)

    def _stream_fault(self, frame: StreamFault) -> ConnectionFault | None:
        stream = self._streams.open.get(frame.stream)
        if stream is None:
            self._spending.spend(budgets.STREAM_ERROR)
            return self._off_stream(frame.stream, frame.reason)
        self._streams.fault(stream, frame.code)
        return None

    def _off_stream(self, number: int, what: str) -> ConnectionFault | None:
        """A frame on a stream that is not open: where it was, frames may have been on their way when it ended."""
        if self._streams.is_idle(number):
            return ConnectionFault(PROTOCOL_ERROR, f"{what} on an idle stream")
        return None

    def _meaningless(self, frame: object) -> None:
        """It changes nothing here."""
        self._spending.spend(budgets.UNKNOWN)


def _fault(_: ControlFrames, fault: ConnectionFault) -> ConnectionFault:
    """What the reader has found ends the connection."""
    return fault


_TAKE: Final[Mapping[type, Callable[[ControlFrames, Any], ConnectionFault | None]]] = {
    WindowUpdateFrame: ControlFrames._window_update,
    ResetFrame: ControlFrames._reset,
    SettingsFrame: ControlFrames._settings,
    SettingsAck: ControlFrames._meaningless,
    PingFrame: ControlFrames._ping,
    PingAck: ControlFrames._ping_ack,
    GoAwayFrame: ControlFrames._meaningless,
    PriorityUpdateFrame: ControlFrames._priority_update,
    IgnoredFrame: ControlFrames._ignored,
    StreamFault: ControlFrames._stream_fault,
    ConnectionFault: _fault,
}
