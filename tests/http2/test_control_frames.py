"""Frames that are neither HEADERS nor DATA."""

from __future__ import annotations

from hyperframe.frame import (
    GoAwayFrame,
    RstStreamFrame,
    WindowUpdateFrame,
)

from agwtwisted.core.http2.codes import (
    FLOW_CONTROL_ERROR,
)
from agwtwisted.core.http2.codes import LARGEST_STREAM as MOST
from tests.http2.connections import Http2Case
from tests.http2_clients import get


class ControlFrameTests(Http2Case):
    """Frames that are neither HEADERS nor DATA."""

    def test_windows_overflow(self) -> None:
        """A window larger than one may be ends its stream, or the connection."""
        client = self.frames()
        client.send(client.headers(1, get()), WindowUpdateFrame(1, MOST))
        self.assertEqual(client.next(RstStreamFrame).error_code, FLOW_CONTROL_ERROR)
        self.assertTrue(self.last.lost)
        client.send(WindowUpdateFrame(0, MOST))
        self.assertEqual(client.next(GoAwayFrame).error_code, FLOW_CONTROL_ERROR)
