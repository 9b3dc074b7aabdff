"""What clients ask before they have a token, in the forms in which they ask."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest
from agwtwisted.resource_manager.sign_in import SignIn
from agwtwisted.resource_manager.tokens import CLIENT, TENANT, Tokens
from tests.resource_manager.test_tokens import SECRET

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BASE = "https://localhost:8902"
FORM = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}


class SignInCase(SynchronousTestCase):
    """The answers."""

    def setUp(self) -> None:
        self.tokens = Tokens(ec.generate_private_key(ec.SECP256R1()), SECRET, lambda: NOW)
        self.wrong = 0
        self.sign_in = SignIn(self.tokens, self.noted)

    def noted(self) -> bool:
        """A wrong secret; the third one is one too many."""
        self.wrong += 1
        return self.wrong < 3

    def asked(self, path: str, method: str = "GET", body: bytes = b"", **query: str) -> ArmAnswer | None:
        """The answer to a request."""
        headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"} if body else {}
        request = ArmRequest(
            method=method,
            path=path,
            query={name.replace("_", "-"): value for name, value in query.items()},
            headers=headers,
            body=body,
            base_url=BASE,
            request_id="1",
            moment=NOW,
        )
        return self.sign_in.answer(request)

    def members(self, path: str, status: int = 200, **arguments: Any) -> Any:
        """The members of an answer with this status."""
        answer = self.asked(path, **arguments)
        assert answer is not None
        self.assertEqual(answer.status, status, answer.body)
        return json.loads(answer.body)

    def token(self, status: int = 200, path: str = f"/{TENANT}/oauth2/v2.0/token", **form: str) -> Any:
        """The answer to a form."""
        return self.members(path, status, method="POST", body=urlencode({**FORM, **form}).encode())


class MetadataTests(SignInCase):
    """What `az cloud register`, SDKs and Terraform read."""

    def test_object(self) -> None:
        """From 2022 on it is an object, whose addresses are the control plane's own, without a slash at the end."""
        found = self.members("/metadata/endpoints", api_version="2022-09-01")
        self.assertEqual((found["resourceManager"], found["authentication"]["loginEndpoint"]), (BASE, BASE))
        self.assertEqual(found["authentication"]["tenant"], TENANT)
        self.assertEqual(found["suffixes"]["keyVaultDns"], "localhost:8902")

    def test_list(self) -> None:
        """Before that it is a list of one."""
        for version in ("2018-05-01", "2019-05-01", "2021-01-01"):
            (found,) = self.members("/metadata/endpoints", api_version=version)
            self.assertEqual(found["resourceManager"], BASE)

    def test_flat(self) -> None:
        """In 2015 it was flat."""
        found = self.members("/metadata/endpoints", api_version="2015-01-01")
        self.assertEqual((found["galleryEndpoint"], found["authentication"]["loginEndpoint"]), (BASE, BASE))

    def test_openid(self) -> None:
        """The configuration of OpenID Connect names the endpoints that are here, for both versions and a trailing /."""
        for version in ("v2.0/", ""):
            found = self.members(f"/{TENANT}/{version}.well-known/openid-configuration{'' if version else '/'}")
            self.assertEqual(found["token_endpoint"], f"{BASE}/{TENANT}/oauth2/v2.0/token")
            keys = self.members(found["jwks_uri"].removeprefix(BASE))
            self.assertEqual(keys, self.tokens.keys())

    def test_nothing_else(self) -> None:
        """Whatever else is asked needs a token; and what is here takes its own method alone."""
        for path in ("/", "/subscriptions", "/metadata", "/metadata/endpoints/x", f"/{TENANT}", "/x/oauth2/tokens"):
            self.assertIsNone(self.asked(path))
        self.assertIn("error", self.members("/metadata/endpoints", 405, method="POST"))
        self.assertIn("error", self.members(f"/{TENANT}/oauth2/token", 405))


class TokenTests(SignInCase):
    """A token for the secret."""

    def test_second_version(self) -> None:
        """The form of MSAL: a scope."""
        found = self.token(scope="https://management.azure.com/.default")
        self.assertEqual((found["token_type"], found["expires_in"]), ("Bearer", 3599))
        self.assertEqual(self.tokens.client(found["access_token"]), CLIENT)

    def test_first_version(self) -> None:
        """The older form: a resource, and numbers that are texts."""
        found = self.token(path=f"/{TENANT}/oauth2/token", resource="https://management.core.windows.net/")
        self.assertEqual((found["expires_in"], found["resource"]), ("3599", "https://management.core.windows.net/"))
        self.assertEqual(found["expires_on"], str(int(NOW.timestamp()) + 3599))
        self.assertEqual(self.tokens.client(found["access_token"]), CLIENT)

    def test_other_client(self) -> None:
        """Any client id does, which the log names; one that no log should have does not."""
        self.assertEqual(self.tokens.client(self.token(client_id="ci-runner")["access_token"]), "ci-runner")
        for odd in ("", "a b", "a\nb", "x" * 129):
            self.assertEqual(self.token(400, client_id=odd)["error"], "invalid_request")

    def test_wrong_secret(self) -> None:
        """A wrong secret gets the error that MSAL knows, and after too many of them 429."""
        for wrong in ("", SECRET[:-1]):
            found = self.token(401, client_secret=wrong)
            self.assertEqual((found["error"], found["error_codes"]), ("invalid_client", [7000215]))
            self.assertIn("AADSTS7000215", found["error_description"])
        self.token(429, client_secret="x")
        self.token()

    def test_other_forms(self) -> None:
        """Another grant, another tenant, no form, too large a form: each has its error, and no token."""
        self.assertEqual(self.token(400, grant_type="password")["error"], "unsupported_grant_type")
        self.assertIn("AADSTS90002", self.token(400, path="/other/oauth2/v2.0/token")["error_description"])
        path = f"/{TENANT}/oauth2/v2.0/token"
        for body in (b"", b"\xff=1", b"&".join(b"a=1" for _ in range(50))):
            self.members(path, 400, method="POST", body=body)
