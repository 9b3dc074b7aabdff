"""Who may ask over TCP."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.access import PERIOD, WRONG_TOKENS, TokenAccess

TOKEN = "t" * 43


class FakeRequest:
    """One with these headers."""

    def __init__(self, **headers: str) -> None:
        self._headers = headers

    def header(self, name: str) -> str | None:
        """A header."""
        return self._headers.get(name)


class TokenTests(SynchronousTestCase):
    """Tokens, hosts and origins."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.access = TokenAccess(TOKEN, ("127.0.0.1:90", "localhost:90"), self.clock.seconds)

    def foreign(self, **headers: str) -> int:
        """The status with which a request is not looked at; 0: it is."""
        request: Any = FakeRequest(**headers)
        refusal = self.access.foreign(request)
        return 0 if refusal is None else refusal.status

    def unproven(self, **headers: str) -> int:
        """The status with which a request without the right token is refused; 0: it has it."""
        request: Any = FakeRequest(**headers)
        refusal = self.access.unproven(request)
        return 0 if refusal is None else refusal.status

    def test_hosts(self) -> None:
        """Only the own address and its names are hosts, with the port: a name that was pointed here is none."""
        self.assertEqual(self.foreign(Host="127.0.0.1:90"), 0)
        self.assertEqual(self.foreign(Host="LOCALHOST:90"), 0)
        for host in ("127.0.0.1", "127.0.0.1:91", "evil.example:90", "127.0.0.1:90 ", "", "127.0.0.1:90.evil"):
            self.assertEqual(self.foreign(Host=host), 421, host)
        self.assertEqual(self.foreign(), 421)

    def test_origins(self) -> None:
        """A page of another origin may not ask, one of the own may."""
        self.assertEqual(self.foreign(Host="localhost:90", Origin="http://localhost:90"), 0)
        for origin in (
            "http://evil.example",
            "null",
            "https://localhost:90",
            "http://localhost:91",
            "http://localhost",
        ):
            self.assertEqual(self.foreign(Host="localhost:90", Origin=origin), 403, origin)

    def test_tokens(self) -> None:
        """The right token alone, as a bearer token."""
        self.assertEqual(self.unproven(Authorization=f"Bearer {TOKEN}"), 0)
        self.assertEqual(self.unproven(Authorization=f"bearer  {TOKEN}"), 0)
        for value in ("", TOKEN, f"Basic {TOKEN}", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN} x", "Bearer \u00fc"):
            self.assertEqual(self.unproven(Authorization=value), 401, value)
        self.assertEqual(self.unproven(), 401)

    def test_many_wrong_ones(self) -> None:
        """Many wrong tokens get another answer, and one line in the log; the right one is let in meanwhile."""
        with capturedLogs() as events:
            statuses = [self.unproven(Authorization="Bearer wrong") for _ in range(WRONG_TOKENS + 5)]
        self.assertEqual(statuses, [401] * WRONG_TOKENS + [429] * 5)
        self.assertEqual(len(events), 1)
        self.assertNotIn(TOKEN, formatEvent(events[0]))
        self.assertEqual(self.unproven(Authorization=f"Bearer {TOKEN}"), 0)
        self.assertEqual(self.unproven(), 401)
        self.clock.advance(PERIOD)
        self.assertEqual(self.unproven(Authorization="Bearer wrong"), 401)

    def test_no_secret_in_repr(self) -> None:
        """Neither the rules nor a refusal show the token."""
        self.assertNotIn(TOKEN, repr(self.access))
