"""`agwtwisted.core.operations.json_masking`: secrets in the text of an ARM document."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.json_masking import masked_json
from agwtwisted.core.operations.masking import MASK

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


def shown(value: Any) -> Any:
    """A document as it is shown."""
    return json.loads(masked_json(json.dumps(value)))


class MaskingTests(SynchronousTestCase):
    """What is shown, and what is not."""

    def test_certificates(self) -> None:
        """Neither a certificate with its key nor a password is shown, nor where a vault has them."""
        properties = {"data": "HIDDEN", "Password": "HIDDEN", "keyVaultSecretId": "https://v/HIDDEN", "n": 1}
        found = shown({"sslCertificates": [{"name": "site", "properties": properties}]})
        self.assertEqual(found["sslCertificates"][0]["name"], "site")
        expected = {"data": MASK, "Password": MASK, "keyVaultSecretId": MASK, "n": 1}
        self.assertEqual(found["sslCertificates"][0]["properties"], expected)

    def test_parameters(self) -> None:
        """The default of a secure parameter, and whatever a name says to be a secret, at any depth."""
        found = shown(
            {
                "parameters": {
                    "pfx": {"type": "secureString", "defaultValue": "HIDDEN"},
                    "size": {"type": "string", "defaultValue": "2"},
                    "certPassword": {"type": "string", "defaultValue": ["HIDDEN", {"a": "HIDDEN"}]},
                },
                "variables": {"apiKey": "HIDDEN", "cookieBasedAffinity": "Enabled"},
            }
        )
        self.assertEqual(found["parameters"]["pfx"], {"type": "secureString", "defaultValue": MASK})
        self.assertEqual(found["parameters"]["size"]["defaultValue"], "2")
        self.assertEqual(found["parameters"]["certPassword"], {"type": "string", "defaultValue": [MASK, {"a": MASK}]})
        self.assertEqual(found["variables"], {"apiKey": MASK, "cookieBasedAffinity": "Enabled"})

    def test_headers(self) -> None:
        """Values of secret headers, what these are compared with, and values that authenticate somebody."""
        for action, expected in (
            ({"headerName": "X-Api-Key", "headerValue": "HIDDEN"}, MASK),
            ({"headerValue": "HIDDEN", "headerName": "Cookie"}, MASK),
            ({"headerName": "X-Other", "headerValue": "Basic HIDDEN"}, MASK),
            ({"headerName": "X-Other", "headerValue": "shown"}, "shown"),
        ):
            self.assertEqual(shown(action)["headerValue"], expected, action)
        self.assertEqual(shown({"variable": "http_req_Authorization", "pattern": "HIDDEN"})["pattern"], MASK)
        self.assertEqual(shown({"variable": "var_uri_path", "pattern": "/a"})["pattern"], "/a")
        matcher = {"headerName": "Set-Cookie", "headerValueMatcher": {"pattern": "HIDDEN", "negate": True}}
        self.assertEqual(shown(matcher)["headerValueMatcher"], {"pattern": MASK, "negate": True})

    def test_texts(self) -> None:
        """The user of a URL and a private key, wherever they stand."""
        self.assertEqual(shown(["https://user:HIDDEN@host/"]), [f"https://{MASK}@host/"])
        self.assertEqual(shown(["-----BEGIN RSA PRIVATE KEY-----\nHIDDEN"]), [MASK])

    def test_comments_and_lines(self) -> None:
        """Comments stay, without secrets; every line keeps its number, where a text has several lines, too."""
        text = (
            '// password: HIDDEN\n{"a": 1, /* token = HIDDEN */ "data": "HIDDEN\nHIDDEN",\n'
            '"b": "// no comment { \\" [", "password": 7, "c": "shown" // shown\n}'
        )
        found = masked_json(text)
        self.assertNotIn("HIDDEN", found)
        self.assertEqual(found.count("\n"), text.count("\n"))
        self.assertIn('"c": "shown" // shown', found)
        self.assertIn("*/", found)
        self.assertIn('"b": "// no comment { \\" ["', found)

    @given(VALUES)
    def test_structure(self, value: Any) -> None:
        """The text stays a document of the same structure; what is no secret stays as it is."""
        found = shown({"x": value})["x"]
        self.assertTrue(_same(value, found), found)

    @given(st.text(alphabet='{}[]",:/*\\ a\n', max_size=30))
    def test_any_text(self, text: str) -> None:
        """Whatever text there is, something is shown."""
        masked_json(text)


def _same(value: Any, found: Any) -> bool:
    """Whether a value is shown as it is, or masked."""
    if isinstance(value, dict):
        return list(value) == list(found) and all(_same(value[name], found[name]) for name in value)
    if isinstance(value, list):
        return len(value) == len(found) and all(map(_same, value, found))
    return bool(found == value) or (isinstance(value, str) and MASK in found)
