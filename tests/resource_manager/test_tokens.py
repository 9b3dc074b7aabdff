"""Tokens of the control plane: which are taken."""

from __future__ import annotations

import stat
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.resource_manager.tokens import KEY, LIFETIME, TENANT, TokenKeyError, Tokens, key_of

SECRET = "t" + "0123456789abcdef" * 2


class TokensTests(SynchronousTestCase):
    """Giving out and knowing again."""

    def setUp(self) -> None:
        self.now = datetime(2026, 11, 30, 12, tzinfo=UTC)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.tokens = self.made()

    def made(self, secret: str = SECRET) -> Tokens:
        """Those of a start."""
        return Tokens(self.key, secret, lambda: self.now)

    def issued(self) -> str:
        """A token for the client ci."""
        return self.tokens.issue("ci", "https://management.azure.com", "https://localhost:8902/t/")

    def test_secret(self) -> None:
        """Only the secret itself is the secret."""
        self.assertTrue(self.tokens.is_secret(SECRET))
        for wrong in ("", SECRET[:-1], SECRET + "x", SECRET.upper(), "ü", "\udcff"):
            self.assertFalse(self.tokens.is_secret(wrong))

    def test_claims(self) -> None:
        """A token says what clients read: tenant, object, audience, issuer and end."""
        claims = jwt.decode(self.issued(), options={"verify_signature": False})
        self.assertEqual(
            (claims["tid"], claims["oid"], claims["aud"], claims["iss"]),
            (TENANT, "ci", "https://management.azure.com", "https://localhost:8902/t/"),
        )
        self.assertEqual(claims["exp"], (self.now + LIFETIME).timestamp())
        self.assertNotIn(SECRET, str(claims))

    def test_known_again(self) -> None:
        """A token is that of its client until its end, after a restart too."""
        token = self.issued()
        self.assertEqual((self.tokens.client(token), self.made().client(token)), ("ci", "ci"))
        self.now += LIFETIME - timedelta(seconds=1)
        self.assertEqual(self.tokens.client(token), "ci")
        self.now += timedelta(seconds=1)
        self.assertIsNone(self.tokens.client(token))

    def test_ends_with_its_secret(self) -> None:
        """Once there is another secret, tokens of the one before are worth nothing."""
        self.assertIsNone(self.made("another secret, that is long enough").client(self.issued()))

    def test_forged(self) -> None:
        """Neither another key, nor another algorithm, nor none, nor a changed token is taken."""
        claims = jwt.decode(self.issued(), options={"verify_signature": False})
        other = ec.generate_private_key(ec.SECP256R1())
        public = self.tokens.keys()["keys"][0]["x"]
        forged = [
            jwt.encode(claims, other, algorithm="ES256"),
            jwt.encode(claims, None, algorithm="none"),
            jwt.encode(claims, public * 2, algorithm="HS256"),
            jwt.encode({**claims, "exp": None}, self.key, algorithm="ES256"),
            jwt.encode({k: v for k, v in claims.items() if k != "secret"}, self.key, algorithm="ES256"),
            self.issued()[:-2],
            "",
            "a.b.c",
            "x" * 100_000,
        ]
        for token in forged:
            self.assertIsNone(self.tokens.client(token), token[:80])

    def test_not_before(self) -> None:
        """A clock that was set back takes no token of the future."""
        token = self.issued()
        self.now -= timedelta(days=1)
        self.assertIsNone(self.tokens.client(token))

    def test_public_keys(self) -> None:
        """The set of keys verifies a token, and has no private part."""
        (key,) = self.tokens.keys()["keys"]
        self.assertNotIn("d", key)
        token = self.issued()
        self.assertEqual(jwt.get_unverified_header(token)["kid"], key["kid"])
        options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        jwt.decode(token, jwt.PyJWK(key).key, algorithms=["ES256"], options=options)


class KeyTests(SynchronousTestCase):
    """The key in its file."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "state"

    def test_made_once(self) -> None:
        """It is made at the first start, its owner's alone, and is the same afterwards."""
        first = key_of(self.directory)
        self.assertEqual(key_of(self.directory).private_numbers(), first.private_numbers())
        self.assertEqual(stat.S_IMODE((self.directory / KEY).stat().st_mode), 0o600)

    def test_damaged(self) -> None:
        """What is no key on P-256 is named, and not replaced."""
        key_of(self.directory)
        (self.directory / KEY).write_text("nothing")
        self.assertIn("is damaged", str(self.assertRaises(TokenKeyError, key_of, self.directory)))
