"""Who may use the control plane."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.control.access import PERIOD, WRONG_TOKENS
from agwtwisted.core.resource_manager.messages import ArmAnswer
from agwtwisted.resource_manager.access import SECRET_ITSELF, ArmAccess
from agwtwisted.resource_manager.tokens import TENANT, Tokens
from tests.resource_manager.test_tokens import SECRET

BASE = "https://localhost:8902"


class FakeRequest:
    """Its headers alone."""

    def __init__(self, **headers: str) -> None:
        self.headers = {"Host": "localhost:8902", **headers}

    def header(self, name: str) -> str | None:
        """As `ControlRequest` has it."""
        return self.headers.get(name)


class AccessTests(SynchronousTestCase):
    """The rules."""

    def setUp(self) -> None:
        now = datetime(2026, 11, 30, 12, tzinfo=UTC)
        self.clock = Clock()
        self.tokens = Tokens(ec.generate_private_key(ec.SECP256R1()), SECRET, lambda: now)
        self.access = ArmAccess(self.tokens, ("localhost:8902", "127.0.0.1:8902"), self.clock.seconds)

    def foreign(self, **headers: str) -> ArmAnswer | None:
        """Why a request is answered nothing."""
        request: Any = FakeRequest(**headers)
        return self.access.foreign(request)

    def client(self, authorization: str) -> str | None:
        """The client of a request."""
        request: Any = FakeRequest(Authorization=authorization)
        return self.access.client(request)

    def test_host(self) -> None:
        """Only names and addresses of the control plane itself are taken."""
        for host in ("localhost:8902", "LOCALHOST:8902", "127.0.0.1:8902"):
            self.assertIsNone(self.foreign(Host=host))
        for host in ("", "localhost", "localhost:8903", "example.com:8902", "localhost:8902.example.com"):
            found = self.foreign(Host=host)
            assert found is not None
            self.assertEqual(found.status, 421)

    def test_origin(self) -> None:
        """No page may ask, not even one of the same address."""
        for origin in (BASE, "null", "https://example.com", ""):
            found = self.foreign(Origin=origin)
            assert found is not None
            self.assertEqual(found.status, 403)

    def test_bearers(self) -> None:
        """The secret itself and tokens for it do, nothing else."""
        token = self.tokens.issue("ci", "a", "i")
        self.assertEqual(self.client(f"Bearer {token}"), "ci")
        self.assertEqual(self.client(f"bearer  {SECRET}"), SECRET_ITSELF)
        for wrong in ("", "Bearer", "Bearer ", f"Basic {SECRET}", SECRET, f"Bearer {SECRET} x", "Bearer a.b.c"):
            self.assertIsNone(self.client(wrong))

    def test_challenge(self) -> None:
        """A request without a token hears where to get one, as SDKs read it."""
        request: Any = FakeRequest()
        found = self.access.unproven(request, BASE)
        self.assertEqual((found.status, json.loads(found.body)["error"]["code"]), (401, "AuthenticationFailed"))
        challenge = found.headers["WWW-Authenticate"]
        self.assertIn(f'Bearer authorization_uri="{BASE}/{TENANT}", error="invalid_token"', challenge)

    def test_too_many(self) -> None:
        """Wrong tokens get 429 after some, for a while; a request without one, which is how many begin, never."""
        wrong: Any = FakeRequest(Authorization="Bearer x")
        none: Any = FakeRequest()
        statuses = [self.access.unproven(wrong, BASE).status for _ in range(WRONG_TOKENS + 1)]
        self.assertEqual(statuses, [401] * WRONG_TOKENS + [429])
        self.assertEqual(self.access.unproven(none, BASE).status, 401)
        self.clock.advance(PERIOD)
        self.assertEqual(self.access.unproven(wrong, BASE).status, 401)
