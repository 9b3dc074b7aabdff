"""Access tokens of the control plane: JSON Web Tokens that it signs itself (RFC 7519), for those that have its secret.

The key is kept: a client that has a token goes on with it after a restart, as azure-cli does for an hour. A token ends
with the secret that it was given for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from jwt.algorithms import ECAlgorithm

from agwtwisted.core.base.errors import AgwError
from agwtwisted.sharing.directory_lock import locked
from agwtwisted.sharing.private_files import make_directory, read_private, write_whole

KEY: Final = "arm.key"
"""The file of the key that signs tokens."""

LIFETIME: Final = timedelta(hours=1)

TENANT: Final = "00000000-0000-0000-0000-000000000001"
CLIENT: Final = "00000000-0000-0000-0000-000000000002"
"""The client id that documents name; any other one does with the secret as well, and the log names it."""

_ALGORITHM: Final = "ES256"
_LONGEST: Final = 4096


class TokenKeyError(AgwError):
    """A key that cannot be used; the message says what to do."""


def key_of(directory: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a directory, made where there is none; raises TokenKeyError, PrivateFileError, OSError."""
    make_directory(directory)
    path = directory / KEY
    with locked(directory):
        if not path.exists():
            made = ec.generate_private_key(ec.SECP256R1())
            write_whole(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        try:
            found = load_pem_private_key(read_private(path), None)
        except (ValueError, TypeError) as error:
            raise TokenKeyError(f"{path} is damaged: remove it, and start again") from error
    if not isinstance(found, ec.EllipticCurvePrivateKey) or not isinstance(found.curve, ec.SECP256R1):
        raise TokenKeyError(f"{path} is no key on P-256: remove it, and start again")
    return found


class Tokens:
    """Gives out tokens, and knows them again.

    Args:
        key: signs them.
        secret: that of the control plane.
        now: returns the time (aware).
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, secret: str, now: Callable[[], datetime]) -> None:
        self._key = key
        self._public = key.public_key()
        self._secret = secret.encode()
        self._now = now
        self._of_secret = sha256(b"agwtwisted:" + self._secret).hexdigest()[:32]
        self._kid = sha256(ECAlgorithm.to_jwk(self._public).encode()).hexdigest()[:16]

    def is_secret(self, given: str) -> bool:
        """Whether this is the secret."""
        return compare_digest(given.encode("utf-8", "surrogatepass"), self._secret)

    def issue(self, client: str, audience: str, issuer: str) -> str:
        """A token for a client that has proven to have the secret."""
        now = self._now()
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
            "appid": client,
            "azp": client,
            "oid": client,
            "sub": client,
            "tid": TENANT,
            "ver": "1.0",
            "secret": self._of_secret,
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM, headers={"kid": self._kid})

    def client(self, token: str) -> str | None:
        """The client that a token was given to; None: it is not ours, or its time is over.

        The audience (`aud`) does not count: SDKs ask for the public cloud's name, whatever address they have.
        """
        claims = self._claims(token)
        if claims is None or not compare_digest(str(claims.get("secret")), self._of_secret):
            return None
        try:
            is_current = float(claims["nbf"]) <= self._now().timestamp() < float(claims["exp"])
        except (KeyError, TypeError, ValueError):
            return None
        return str(claims.get("appid", "")) if is_current else None

    def _claims(self, token: str) -> Mapping[str, Any] | None:
        if len(token) > _LONGEST:
            return None
        with suppress(jwt.InvalidTokenError, ValueError):
            claims: Mapping[str, Any] = jwt.decode(
                token,
                self._public,
                algorithms=[_ALGORITHM],
                options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
            return claims
        return None

    def keys(self) -> Mapping[str, Any]:
        """The set of public keys (RFC 7517, section 5)."""
        public = ECAlgorithm.to_jwk(self._public, as_dict=True)
        return {"keys": [{**public, "use": "sig", "alg": _ALGORITHM, "kid": self._kid}]}
