"""`agwtwisted.core.arm.rewrite_bodies`: rewrite rules as the product has them."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.rewrite_bodies import condition
from agwtwisted.core.rules.conditions import Condition
from tests.core.arm.written import child

RULE = """
[rewrite_rule headers/one]
rule_sequence = 90
condition.3 = http_req_X-Canary ~* ^yes$
condition.1 = var_host == a.example
request_header.X-Host = {var_host}
request_header.X-Old =
response_header.Set-Cookie = a=b; Secure
response_header_matcher.Set-Cookie = !~ Secure
url_path = /new{var_uri_path}
url_query_string = a=b
reroute = true
"""


class RewriteBodiesTests(SynchronousTestCase):
    """Conditions and actions."""

    def test_rule(self) -> None:
        """A rule has its sequence, its conditions in their order, and its actions; a value that is empty deletes."""
        [rule] = child(RULE, "rewriteRuleSets", "headers")["rewriteRules"]
        self.assertEqual(
            rule,
            {
                "name": "one",
                "ruleSequence": 90,
                "conditions": [
                    {"variable": "var_host", "pattern": r"^a\.example$", "ignoreCase": False, "negate": False},
                    {"variable": "http_req_X-Canary", "pattern": "^yes$", "ignoreCase": True, "negate": False},
                ],
                "actionSet": {
                    "requestHeaderConfigurations": [
                        {"headerName": "X-Host", "headerValue": "{var_host}"},
                        {"headerName": "X-Old", "headerValue": ""},
                    ],
                    "responseHeaderConfigurations": [
                        {
                            "headerName": "Set-Cookie",
                            "headerValue": "a=b; Secure",
                            "headerValueMatcher": {"pattern": "Secure", "ignoreCase": False, "negate": True},
                        }
                    ],
                    "urlConfiguration": {
                        "modifiedPath": "/new{var_uri_path}",
                        "modifiedQueryString": "a=b",
                        "reroute": True,
                    },
                },
            },
        )

    def test_several_actions(self) -> None:
        """A further action on the same header has its name, without the number of the key."""
        text = "[rewrite_rule a/b]\nresponse_header.X-A = one\nresponse_header.X-A.2 = {http_resp_X-A}, two\n"
        [rule] = child(text, "rewriteRuleSets")["rewriteRules"]
        actions = rule["actionSet"]["responseHeaderConfigurations"]
        self.assertEqual([each["headerName"] for each in actions], ["X-A", "X-A"])

    def test_operators(self) -> None:
        """Each operator is a pattern with or without case, negated or not; what has to exist has no pattern."""

        def said(text: str) -> dict[str, Any]:
            return condition(Condition.of(f"var_request_uri {text}"))

        cases = {
            "~ a.b": ("a.b", False, False),
            "!~* a": ("a", True, True),
            "== a.b": (r"^a\.b$", False, False),
            "!= a": ("^a$", False, True),
            "!=* a": ("^a$", True, True),
        }
        for text, (pattern, ignore_case, negate) in cases.items():
            found = said(text)
            self.assertEqual((found["pattern"], found["ignoreCase"], found["negate"]), (pattern, ignore_case, negate))
        self.assertEqual(said("exists"), {"variable": "var_request_uri", "ignoreCase": False, "negate": False})
        self.assertEqual(said("!exists"), {"variable": "var_request_uri", "ignoreCase": False, "negate": True})
