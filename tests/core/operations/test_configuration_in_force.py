"""The configuration in force, as the control API shows it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.configuration_in_force import MASK, ConfigurationInForce, NamedFile, masked
from tests.configurations import GOOD


class MaskedTests(SynchronousTestCase):
    """What is shown of a text."""

    def test_plain_configurations(self) -> None:
        """A configuration without secrets is shown as it stands, names of files included."""
        text = GOOD + "password_file = pki/site.password\ncookie_based_affinity = on\n; a comment; token-service\n"
        self.assertEqual(masked(text), text)

    def test_secrets(self) -> None:
        """The value of what is named as a secret is masked, wherever it stands."""
        for line in (
            "request_header.Authorization = Basic hunter2",
            "request_header.X-Api-Key = hunter2",
            "request_header.Cookie = session=hunter2",
            "deny_unless.1 = http_req_X-Token = hunter2",
            "deny_unless.1 = http_req_authorization ~ hunter2",
            "password = hunter2",
            "; password = hunter2",
            "# the password: hunter2",
            "port = 80 ; its password is: hunter2",
            "target_url = https://user:hunter2@example.com/",
            "request_header.Authorization = Basic\n  hunter2",
            "; -----BEGIN EC PRIVATE KEY-----\n; hunter2\n; -----END EC PRIVATE KEY-----",
        ):
            shown = masked(line)
            self.assertNotIn("hunter2", shown, line)
            self.assertIn(MASK, shown, line)

    def test_what_follows_is_shown(self) -> None:
        """A secret ends with its value: the keys behind it are shown."""
        self.assertEqual(masked("password = a\n b\nport = 80"), f"password = {MASK}\n{MASK}\nport = 80")
        key = "-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\nport = 80"
        self.assertEqual(masked(key).splitlines()[-1], "port = 80")

    @given(st.text(alphabet=" \t\n;#=:@/password_-BEGINPRIVATEKEYx", max_size=200))
    def test_lines_keep_their_numbers(self, text: str) -> None:
        """Whatever is masked, the text has as many lines as before."""
        self.assertEqual(masked(text).count("\n"), text.count("\n"))


class ConfigurationInForceTests(SynchronousTestCase):
    """Its members."""

    def test_members(self) -> None:
        """The members are those of the file, of its generation, and of the files that it names."""
        found = ConfigurationInForce(
            file="gw.ini",
            generation=2,
            fingerprint="ab",
            since=0.0,
            text="[gateway]",
            warnings=("WARNING a",),
            files=(NamedFile(path="gw.ini", sha256="00"),),
            report="Listeners",
        ).members()
        expected = {
            "file": "gw.ini",
            "generation": 2,
            "fingerprint": "ab",
            "since": "1970-01-01T00:00:00Z",
            "text": "[gateway]",
            "warnings": ["WARNING a"],
            "files": [{"path": "gw.ini", "sha256": "00"}],
            "report": "Listeners",
        }
        self.assertEqual(json.loads(json.dumps(found)), expected)
