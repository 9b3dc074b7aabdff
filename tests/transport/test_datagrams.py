"""Datagram ports without lines in the log."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import capturedLogs
from twisted.trial.unittest import TestCase

from agwtwisted.transport.datagrams import listen_quietly


class QuietTests(TestCase):
    """What the log has of them."""

    async def test_says_nothing(self) -> None:
        """A port that is opened and closed has no line."""
        used: Any = reactor
        with capturedLogs() as events:
            port: Any = listen_quietly(used, 0, DatagramProtocol(), interface="127.0.0.1")
            await port.stopListening()
        self.assertEqual(events, [])
