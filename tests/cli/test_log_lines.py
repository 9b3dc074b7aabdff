"""Lines of the access log: what they are read as, filtered by and shown as."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.log_lines import (
    LogEntry,
    LogFilter,
    LogFilterError,
    broken_text,
    entry_text,
    moment,
    network,
    read_line,
    statuses,
)
from agwtwisted.core.operations.records import render
from tests.cli.answered import PIPE, on_terminal
from tests.core.operations.test_records import RECORD

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def line(**properties: Any) -> bytes:
    """A line with these properties, as the gateway writes one of a request."""
    members = {
        "timeStamp": "2026-06-01T11:00:00+00:00",
        "listenerName": "public",
        "properties": {
            "clientIP": "192.0.2.7",
            "clientPort": 50000,
            "httpMethod": "GET",
            "originalRequestUriWithArgs": "",
            "requestUri": "/a",
            "requestQuery": "b=c",
            "httpStatus": 200,
            "timeTaken": 0.0123,
            "sslClientVerify": "SUCCESS",
            "serverRouted": "10.0.0.4:8080",
            "originalHost": "a.example",
            "error_info": "ERRORINFO_NO_ERROR",
            **properties,
        },
    }
    return json.dumps(members).encode()


HANDSHAKE = json.dumps(
    {
        "timeStamp": "2026-06-01T11:00:01+00:00",
        "listenerName": "public",
        "properties": {
            "clientIP": "2001:db8::7",
            "clientPort": 50001,
            "httpStatus": 0,
            "sslClientVerify": "FAILED:certificate has expired",
            "sslClientCertificateSubjectName": "CN=dev\u001b",
            "serverName": "a.example",
            "error_info": "ERRORINFO_HTTPS_NO_CERT",
            "handshakeError": "certificate has expired",
            "omitted": 3,
        },
    }
).encode()
SESSION = json.dumps(
    {
        "timeStamp": "2026-06-01T11:00:02+00:00",
        "listenerName": "mqtt",
        "properties": {
            "clientIP": "192.0.2.9",
            "clientPort": 50002,
            "sslClientVerify": "SUCCESS",
            "protocol": "TCP",
            "receivedBytes": 2048,
            "sentBytes": 10,
            "sessionTime": 61.5,
            "serverRouted": "10.0.0.5:1883",
            "serverStatus": "403",
            "sessionEnd": "client closed",
        },
    }
).encode()


def entry(data: bytes) -> LogEntry:
    """A line that is whole."""
    found = read_line(data)
    assert found
    return found


class ReadTests(SynchronousTestCase):
    """What a line is."""

    def test_whole(self) -> None:
        """A line that the gateway wrote is read with its listener, time and status."""
        found = entry(render(RECORD, True))
        self.assertEqual((found.listener, found.status, found.refused), ("HTTP-Listener", 200, False))
        self.assertEqual(found.time, datetime(2021, 10, 14, 22, 17, 11, tzinfo=UTC))

    def test_broken(self) -> None:
        """Anything else is none."""
        for data in (b"", b"{", b"[]", b"1", b"{}", b'{"properties": 1}', b"\xff", b"[" * 100_000):
            self.assertIsNone(read_line(data), data[:10])

    @given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
    def test_anything(self, data: bytes) -> None:
        """Whatever a line is, it is shown as one printable line."""
        found = read_line(data)
        text = broken_text(data, PIPE) if found is None else entry_text(found, PIPE)
        self.assertTrue(text.isprintable())

    @given(
        st.dictionaries(st.sampled_from(["clientIP", "httpStatus", "timeTaken", "sessionEnd", "omitted"]), st.none())
    )
    def test_other_types(self, properties: dict[str, Any]) -> None:
        """Members of other types than the gateway's are shown all the same."""
        for value in (None, [1], {"a": "\x1b"}, 1e400, True):
            found = LogEntry({"properties": {}}, dict.fromkeys(properties, value))
            self.assertTrue(entry_text(found, PIPE).isprintable())
            self.assertFalse(found.refused)


class FilterTests(SynchronousTestCase):
    """Which entries are wanted."""

    def takes(self, data: bytes, **wanted: Any) -> bool:
        """Whether a filter takes the line."""
        return LogFilter(**wanted).takes(entry(data))

    def test_status(self) -> None:
        """Numbers, classes and ranges."""
        for text, taken in (("200", True), ("4xx", False), ("2XX", True), ("404, 100-299", True), ("0", False)):
            self.assertEqual(self.takes(line(), statuses=statuses(text)), taken, text)
        self.assertTrue(self.takes(HANDSHAKE, statuses=statuses("0")))
        self.assertTrue(self.takes(SESSION, statuses=statuses("403")))
        for text in ("", "6xx", "x", "1000", "200-", "٢٠٠"):
            with self.assertRaises(LogFilterError):
                statuses(text)

    def test_listener(self) -> None:
        """The listener of that name."""
        self.assertTrue(self.takes(line(), listener="public"))
        self.assertFalse(self.takes(line(), listener="mqtt"))

    def test_client(self) -> None:
        """An address or a network of either family."""
        for text, taken in (("192.0.2.7", True), ("192.0.2.0/24", True), ("192.0.2.8", False), ("::/0", False)):
            self.assertEqual(self.takes(line(), client=network(text)), taken)
        self.assertTrue(self.takes(HANDSHAKE, client=network("2001:db8::/32")))
        self.assertFalse(self.takes(line(clientIP="unix"), client=network("::/0")))
        with self.assertRaises(LogFilterError):
            network("192.0.2")

    def test_refused(self) -> None:
        """Handshakes that failed for a certificate, pages for one, and L4 sessions of refused clients."""
        self.assertFalse(self.takes(line(), refused=True))
        self.assertTrue(self.takes(line(sslClientVerify="FAILED:revoked"), refused=True))
        self.assertTrue(self.takes(line(error_info="ERRORINFO_HTTPS_NO_CERT"), refused=True))
        self.assertTrue(self.takes(HANDSHAKE, refused=True))
        self.assertTrue(self.takes(SESSION, refused=True))

    def test_since(self) -> None:
        """From a time on; an entry whose time cannot be read is taken."""
        self.assertTrue(self.takes(line(), since=NOW - timedelta(hours=1)))
        self.assertFalse(self.takes(line(), since=NOW))
        broken = LogEntry({"timeStamp": "x"}, {})
        self.assertTrue(LogFilter(since=NOW).takes(broken))

    def test_moment(self) -> None:
        """A time, of UTC unless it says another zone, or how long ago it was."""
        self.assertEqual(moment("15m", NOW), NOW - timedelta(minutes=15))
        self.assertEqual(moment("2d", NOW), NOW - timedelta(days=2))
        self.assertEqual(moment("2026-06-01T12:00", NOW), NOW)
        self.assertEqual(moment("2026-06-01T14:00+02:00", NOW), NOW)
        for text in ("", "yesterday", "15", "999999999d"):
            with self.assertRaises(LogFilterError):
                moment(text, NOW)

    def test_all(self) -> None:
        """Everything that is given must hold."""
        self.assertFalse(self.takes(line(), listener="public", statuses=statuses("4xx")))
        self.assertTrue(self.takes(line()))


class TextTests(SynchronousTestCase):
    """One line each."""

    def test_request(self) -> None:
        """What was asked for, what came of it, how long it took, and where it went."""
        self.assertEqual(
            entry_text(entry(line()), PIPE),
            "2026-06-01T11:00:00+00:00 192.0.2.7:50000       SUCCESS public GET a.example /a?b=c 200 0.012s "
            "-> 10.0.0.4:8080",
        )

    def test_request_that_failed(self) -> None:
        """The URL as it came, and the error."""
        failed = line(
            originalRequestUriWithArgs="/old", httpStatus=502, serverRouted="", error_info="ERRORINFO_UPSTREAM_NO_LIVE"
        )
        self.assertTrue(
            entry_text(entry(failed), PIPE).endswith("GET a.example /old 502 0.012s ERRORINFO_UPSTREAM_NO_LIVE")
        )

    def test_handshake(self) -> None:
        """Why it failed, and whose certificate it was, escaped."""
        self.assertEqual(
            entry_text(entry(HANDSHAKE), PIPE),
            "2026-06-01T11:00:01+00:00 [2001:db8::7]:50001   FAILED:certificate has expired public TLS handshake "
            "failed: certificate has expired (a.example, CN=dev\\x1b, 3 more omitted)",
        )

    def test_session(self) -> None:
        """How long it was, how much went both ways, and why it ended."""
        self.assertEqual(
            entry_text(entry(SESSION), PIPE),
            "2026-06-01T11:00:02+00:00 192.0.2.9:50002       SUCCESS mqtt L4 session 403 61.500s -> 10.0.0.5:1883 in "
            "2.0 KiB out 10 B, client closed",
        )

    def test_color(self) -> None:
        """On a terminal verdict and status have their colors."""
        text = entry_text(entry(line(httpStatus=404)), on_terminal(80, color=True))
        self.assertIn("\x1b[32mSUCCESS\x1b[0m", text)
        self.assertIn("\x1b[33m404\x1b[0m", text)

    def test_broken(self) -> None:
        """A line that is broken is shown as it is, escaped."""
        self.assertEqual(broken_text(b'{"a\x1b\xff', PIPE), '? {"a\\x1b\\xff')
