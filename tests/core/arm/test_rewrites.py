"""Rewrite rule sets as sections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.arm_gateways import child, converted, gateway, said, sections


def keys(*, action: Any = None, **rule: Any) -> dict[str, str]:
    """The keys of a rule."""
    return sections(with_rule(action=action, **rule))["rewrite_rule set/r"]


def with_rule(*, action: Any = None, **rule: Any) -> Any:
    """A gateway with a rewrite rule."""
    found = {"name": "r", "actionSet": action} | rule
    return converted(gateway(rewriteRuleSets=[child("set", rewriteRules=[found])]))


class SetTests(SynchronousTestCase):
    """Sets."""

    def test_empty_set(self) -> None:
        """A set without rules is one."""
        for rules in ([], None):
            self.assertEqual(
                sections(converted(gateway(rewriteRuleSets=[child("s", rewriteRules=rules)])))["rewrite_rule_set s"], {}
            )

    def test_names_with_blanks(self) -> None:
        """Names of rules are texts for people."""
        found = converted(gateway(rewriteRuleSets=[child("s", rewriteRules=[{"name": "Set X-Forwarded-For"}])]))
        self.assertIn("rewrite_rule s/Set X-Forwarded-For", sections(found))
        self.assertEqual(said(found), [])


class ConditionTests(SynchronousTestCase):
    """Conditions."""

    def condition(self, **condition: Any) -> str:
        """A condition as it is written."""
        return keys(conditions=[{"variable": "http_req_X"} | condition])["condition.1"]

    def test_operators(self) -> None:
        """A pattern is always a regular expression."""
        self.assertEqual(self.condition(pattern="^a b;c$"), "http_req_X ~ ^a b;c$")
        self.assertEqual(self.condition(pattern="a", ignoreCase=True), "http_req_X ~* a")
        self.assertEqual(self.condition(pattern="a", negate="true"), "http_req_X !~ a")
        self.assertEqual(self.condition(pattern="a", negate=True, ignoreCase=True), "http_req_X !~* a")

    def test_without_pattern(self) -> None:
        """Without a pattern the variable has a value, or has none."""
        self.assertEqual(self.condition(), "http_req_X exists")
        self.assertEqual(self.condition(pattern="", negate=True), "http_req_X !exists")

    def test_wrong_types(self) -> None:
        """A value of a wrong type is refused: it would turn a condition round, widen it, or delete a header."""
        self.assertEqual(self.condition(pattern=5), "http_req_X ~ 5")
        for wrong in ({"pattern": ["a"]}, {"pattern": True}, {"pattern": "a", "negate": 1}, {"ignoreCase": "yes"}):
            self.assertEqual(len(said(with_rule(conditions=[{"variable": "http_req_X"} | wrong]))), 1, wrong)
        for value in (True, {}, ["a"]):
            action = {"responseHeaderConfigurations": [{"headerName": "X", "headerValue": value}]}
            self.assertEqual(len(said(with_rule(action=action))), 1, value)

    def test_blanks(self) -> None:
        """Blanks at the ends of a pattern stay."""
        self.assertEqual(self.condition(pattern=" a\t"), "http_req_X ~ \\x20a\\x09")

    def test_order(self) -> None:
        """Conditions are numbered in their order; one without a variable is refused."""
        found = keys(conditions=[{"variable": "http_req_A"}, {"variable": "http_req_B"}])
        self.assertEqual([*found], ["condition.1", "condition.2"])
        self.assertTrue(said(with_rule(conditions=[{"pattern": "a"}])))


class ActionTests(SynchronousTestCase):
    """Actions."""

    def test_headers(self) -> None:
        """Headers are set; without a value, or with an empty one, they are deleted."""
        action = {
            "requestHeaderConfigurations": [
                {"headerName": "X-A", "headerValue": "{var_host}; b"},
                {"headerName": "X-B", "headerValue": ""},
            ],
            "responseHeaderConfigurations": [{"headerName": "Server"}],
        }
        self.assertEqual(
            keys(action=action),
            {"request_header.X-A": "{var_host}; b", "request_header.X-B": "", "response_header.Server": ""},
        )

    def test_two_actions_on_one_header(self) -> None:
        """The second one on a header has a number."""
        headers = [{"headerName": "Csp", "headerValue": "a"}, {"headerName": "CSP", "headerValue": "{http_resp_Csp} b"}]
        self.assertEqual(
            keys(action={"responseHeaderConfigurations": headers}),
            {"response_header.Csp": "a", "response_header.CSP.2": "{http_resp_Csp} b"},
        )

    def test_names_with_numbers(self) -> None:
        """A name that ends as the key of a second action does has a number of its own behind it."""
        headers = [{"headerName": "X.2", "headerValue": "a"}, {"headerName": "X.2", "headerValue": "b"}]
        found = keys(action={"requestHeaderConfigurations": headers})
        self.assertEqual(found, {"request_header.X.2.1": "a", "request_header.X.2.2": "b"})

    def test_matcher(self) -> None:
        """Lines of Set-Cookie are distinguished by their values; those of requests are not."""
        header = {
            "headerName": "Set-Cookie",
            "headerValue": "{http_resp_Set-Cookie_0}; Secure",
            "headerValueMatcher": {"pattern": "(.*)", "ignoreCase": True, "negate": False},
        }
        found = keys(action={"responseHeaderConfigurations": [header]})
        self.assertEqual(found["response_header_matcher.Set-Cookie"], "~* (.*)")
        self.assertTrue(said(with_rule(action={"requestHeaderConfigurations": [header]})))

    def test_names(self) -> None:
        """A header needs a name that one can have."""
        for name in ("", None, "X A", "X\n"):
            self.assertTrue(said(with_rule(action={"requestHeaderConfigurations": [{"headerName": name}]})), name)

    def test_url(self) -> None:
        """A new path and a new query; an empty query is none."""
        url = {"modifiedPath": "/a{var_uri_path}", "modifiedQueryString": "", "reroute": False}
        self.assertEqual(
            keys(action={"urlConfiguration": url}, ruleSequence=50),
            {"rule_sequence": "50", "url_path": "/a{var_uri_path}", "reroute": "false"},
        )
