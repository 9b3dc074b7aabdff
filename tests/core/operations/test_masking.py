"""What may be a secret in the text of a configuration."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.masking import MASK, masked, masked_condition
from agwtwisted.core.rules.conditions import Condition
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
            "deny_unless.1 = var_cookie_session == hunter2",
            "request_header.X-Functions-Key = hunter2",
            "request_header.X-Auth = hunter2",
            "request_header.X-Upstream = Bearer hunter2",
            "password = hunter2",
            "parameter.pfx = hunter2",
            "value.1 = listKeys('a').key=hunter2\n  hunter2",
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

    def test_conditions(self) -> None:
        """A condition on a header whose name says that it is a secret, or on a cookie, shows what it looks at."""
        for text, shown in (
            ("http_req_X-Token ~ hunter2", f"http_req_X-Token ~ {MASK}"),
            ("var_cookie_session == hunter2", f"cookie_session == {MASK}"),
            ("var_host == public", "var_host == public"),
        ):
            self.assertIn(shown, masked_condition(Condition.of(text)))
