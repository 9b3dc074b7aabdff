"""Messages as values: host names, and what is asked of a head."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.messages import asks_for, host_of
from tests.requests import head_of


class HostTests(SynchronousTestCase):
    """Host names of Host headers."""

    def test_names(self) -> None:
        """Lower case, without port and trailing dot; IPv6 addresses keep their brackets."""
        for authority, host in (
            (b"a", "a"),
            (b"A.Example.", "a.example"),
            (b"a.example:8443", "a.example"),
            (b"a.example.:8443", "a.example"),
            (b"192.0.2.1:80", "192.0.2.1"),
            (b"[2001:DB8::1]:443", "[2001:db8::1]"),
            (b"under_score", "under_score"),
        ):
            self.assertEqual(host_of(authority), host)

    def test_no_names(self) -> None:
        """Anything else is none."""
        for authority in (
            b"",
            b".",
            b".a",
            b"a..",
            b"a..b",
            b"a:",
            b":80",
            b"a:b",
            b"a:123456",
            b"a:1:2",
            b"a b",
            b"a/b",
        ):
            self.assertEqual(host_of(authority), "", authority)
        for authority in (
            b"u@a",
            b"a,b",
            b"[::1",
            b"::1",
            b"[a]b",
            b"[g]",
            b"a\0",
            b"a\n",
            b"*",
            b"\xe9",
            b"a%2e",
            b"a\\b",
        ):
            self.assertEqual(host_of(authority), "", authority)

    def test_long_nonsense_is_quick(self) -> None:
        """No spelling makes the pattern try again and again."""
        for authority in (b"a" * 30_000 + b"!", b"a." * 15_000 + b"!", b"[" + b":" * 30_000):
            self.assertEqual(host_of(authority), "")

    def test_long_hosts(self) -> None:
        """A host name of more than 255 octets is none, whatever port follows it."""
        label = b"a" * 63 + b"."
        for host, length in ((label * 3 + b"a" * 63, 255), (label * 3 + b"a" * 64, 256), (b"a" * 30_000, 30_000)):
            self.assertEqual(len(host), length)
            for port in (b"", b":65535"):
                self.assertEqual(host_of(host + port), host.decode() if length <= 255 else "")
        self.assertEqual(host_of(b"[" + b":" * 253 + b"]"), "[" + ":" * 253 + "]")
        self.assertEqual(host_of(b"[" + b":" * 254 + b"]"), "")


class UpgradeTests(SynchronousTestCase):
    """What a request asks to be upgraded to."""

    def test_asks_for(self) -> None:
        """A request asks for each protocol of its list, and for no other, nor for nothing."""
        head = head_of((b"Connection", b"Upgrade"), (b"Upgrade", b"WebSocket, tcp"))
        asked = [asks_for(head, name) for name in (b"websocket", b"TCP", b"h2c", b"websocket, tcp", b"", b"web")]
        self.assertEqual(asked, [True, True, False, False, False, False])
        self.assertFalse(asks_for(head_of(), b""))
