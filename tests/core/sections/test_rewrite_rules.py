"""Sections [rewrite_rule] and what they are made."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.configuration.parsing import Config
from agwtwisted.core.http.messages import ResponseHead
from agwtwisted.core.rules.rewriting import (
    HeaderAction,
    RewriteRule,
    RewrittenRequest,
    rewrite_request,
    rewrite_response,
)
from agwtwisted.core.sections.rewrite_rules import (
    SET_COOKIE,
    UNTOUCHABLE,
    HeaderTarget,
    matched_target,
    request_target,
    response_target,
    value_matcher,
)
from tests.configurations import GOOD, load, said
from tests.rewrites import HEAD, RESPONSE, context

PAGE = Path(__file__).parents[3] / "docs" / "rewriting.md"

USED = GOOD + "rewrite_rule_set = set\n"
EXAMPLE = """
[rewrite_rule set/identity]
rule_sequence = 7
condition.2 = var_client_certificate_subject ~ CN=(.*?)[,|$]
condition.1 = var_client_certificate_verification == SUCCESS
request_header.X-Device = {var_client_certificate_subject_1}
request_header.X-Debug =
response_header.Strict-Transport-Security = max-age=31536000
response_header.Set-Cookie = {capt_header_value_matcher_1}; Secure
response_header_matcher.set-cookie = ~* (a=.*)
url_path = /v2{var_uri_path}
url_query_string = {var_query_string}&device={var_client_certificate_subject_1}
"""


def section(lines: str) -> str:
    """A configuration whose one rewrite rule has these lines."""
    return f"{USED}\n[rewrite_rule set/rule]\n{lines}\n"


def complaints(lines: str) -> list[str]:
    """What is said about the rule with these lines, each without the place."""
    return [line.partition("] ")[2] for line in said(section(lines))]


def loaded(config: Config) -> RewriteRule:
    """The one rule of a configuration."""
    [rule_set] = config.rewrite_rule_sets
    [rule] = rule_set.rules
    return rule


class RuleTests(SynchronousTestCase):
    """A rule that is right."""

    def test_whole(self) -> None:
        """Every key finds its place, conditions in the order of their numbers."""
        [line] = said(USED + EXAMPLE)  # the product's pattern
        self.assertIn(
            ("WARNING conf/gw.ini:37 [rewrite_rule set/identity] condition.2 matches its pattern against a"), line
        )
        rule = loaded(load(USED + EXAMPLE))
        self.assertEqual((rule.name, rule.rule_sequence, rule.reroute), ("set/identity", 7, False))
        self.assertEqual(
            [condition.text for condition in rule.conditions],
            ["var_client_certificate_verification == SUCCESS", "var_client_certificate_subject ~ CN=(.*?)[,|$]"],
        )
        self.assertEqual(
            [(action.name, action.value is None) for action in rule.request_headers],
            [(b"X-Device", False), (b"X-Debug", True)],
        )
        self.assertEqual(
            [(action.name, action.matcher is None) for action in rule.response_headers],
            [(b"Strict-Transport-Security", True), (b"Set-Cookie", False)],
        )
        assert rule.url_path is not None
        assert rule.url_query_string is not None
        self.assertEqual(rule.url_path.text, "/v2{var_uri_path}")

    def test_works(self) -> None:
        """What is loaded does what was written."""
        [rule_set] = load(USED + EXAMPLE).rewrite_rule_sets
        made = rewrite_request(rule_set, RewrittenRequest.of(HEAD), context())
        assert isinstance(made, RewrittenRequest)
        self.assertEqual(made.headers[-1], (b"X-Device", b"device-7"))
        self.assertEqual(made.target, b"/v2/a/b%20c?d=e&f&device=device-7")

    def test_defaults(self) -> None:
        """A rule without a number has 100, one without conditions acts always."""
        rule = loaded(load(section("url_query_string =")))
        self.assertEqual((rule.rule_sequence, rule.conditions, rule.url_path), (100, (), None))
        assert rule.url_query_string is not None
        self.assertEqual(rule.url_query_string.constant, b"")

    def test_idle(self) -> None:
        """A rule that does nothing is a warning."""
        for lines in ("", "condition.1 = var_host exists"):
            [line] = said(section(lines))
            self.assertTrue(line.startswith("WARNING conf/gw.ini:35 [rewrite_rule set/rule] does nothing"), line)


class PageTests(SynchronousTestCase):
    """docs/rewriting.md."""

    def test_example(self) -> None:
        """The example is taken as it stands, without a warning, and does what the page says."""
        block = re.search(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)
        assert block
        text = GOOD.partition("[request_routing_rule")[0] + block[1]
        self.assertEqual(said(text), [])
        [rule_set] = load(text).rewrite_rule_sets
        made = rewrite_request(rule_set, RewrittenRequest.of(HEAD), context())
        assert isinstance(made, RewrittenRequest)
        response = attrs.evolve(RESPONSE, headers=((b"Set-Cookie", b"a=b;Secure"), (b"Set-Cookie", b"c=d")))
        answered = rewrite_response(made, response, context())
        assert isinstance(answered, ResponseHead)
        cookies = [value for name, value in answered.headers if name == b"Set-Cookie"]
        self.assertEqual(cookies, [b"a=b;Secure", b"c=d; Secure"])

    def test_headers_that_cannot_be_touched(self) -> None:
        """The page names all of them."""
        words = {word.lower().encode() for word in re.findall(r"[A-Za-z0-9-]+", PAGE.read_text())}
        self.assertEqual(UNTOUCHABLE - words, set())


class KeyTests(SynchronousTestCase):
    """What single keys may say."""

    def test_untouchable_headers(self) -> None:
        """Headers of the connection can be neither set nor deleted, in whatever spelling."""
        for name in (*(each.decode() for each in UNTOUCHABLE), "Content-LENGTH", "TE", "Transfer-Encoding"):
            for kind in ("request", "response"):
                for value in ("", "x"):
                    [line] = complaints(f"{kind}_header.{name} = {value}")
                    self.assertIn(f"{name} cannot be rewritten: it belongs to the connection", line)

    def test_original_host(self) -> None:
        """The product does not allow to rewrite it; the other headers of the gateway may be set."""
        [line] = complaints("request_header.X-original-HOST = x")
        self.assertIn("cannot be rewritten", line)
        others = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Original-Url", "X-Appgw-Trace-Id")
        self.assertEqual(complaints("\n".join(f"request_header.{name} = x" for name in others)), [])

    def test_names(self) -> None:
        """Letters, digits and hyphens in requests, tokens without underscore in responses."""
        self.assertEqual((request_target("X-A1").name, response_target("X.A~").name), (b"X-A1", b"X.A~"))
        for name in ("X_A", "X.A", "X A", "", "Ü"):
            self.assertRaises(UnacceptableError, request_target, name)
        for name in ("X_A", "X A", "", "Ü", "X(A"):
            self.assertRaises(UnacceptableError, response_target, name)
        [line] = complaints("request_header.X_A = x")
        self.assertEqual(
            line,
            "'request_header.X_A': 'X_A' is not the name of a request header: only letters, digits and hyphens are"
            " allowed",
        )

    def test_matchers(self) -> None:
        """Only Set-Cookie has one: an operator and what to compare with."""
        self.assertEqual(matched_target("set-COOKIE"), HeaderTarget(name=b"set-COOKIE", number=1, canonical=SET_COOKIE))
        self.assertRaises(UnacceptableError, matched_target, "Cookie")
        found = value_matcher("~  a(.)")
        self.assertEqual((found.test(b"xab"), found.groups), ((b"xab", b"b"), 1))
        for text in ("", "~", "a", "~ (", "== "):
            self.assertRaises(UnacceptableError, value_matcher, text)
        error = self.assertRaises(UnacceptableError, value_matcher, r"~ a\q")
        self.assertIn("at character 4", error.message)

    def test_unknown_keys(self) -> None:
        """The nearest is offered."""
        self.assertEqual(
            complaints("conditon.1 = x\nrequest_headers.X = y\nurl_path = /"),
            [
                "unknown key 'conditon.1'; did you mean 'condition.1'?",
                "unknown key 'request_headers.X'; did you mean 'request_header.X'?",
            ],
        )

    def test_every_problem_at_once(self) -> None:
        """What is wrong with conditions does not hide what is wrong with values."""
        lines = complaints(
            "condition.1 = var_hots ~ (a)\nrequest_header.X = {var_host_1}{var_clientip}\nresponse_header.Y = {var_x}\n"
            "response_header.Set-Cookie = {capt_header_value_matcher_3}\nresponse_header_matcher.Set-Cookie = ~ (\n"
        )
        self.assertEqual(
            lines,
            [
                "condition.1 at character 1: there is no server variable 'var_hots'; did you mean 'var_host'?",
                "request_header.X at character 13: there is no server variable 'var_clientip';"
                " did you mean 'var_client_ip'?",
                "response_header.Y at character 1: there is no server variable 'var_x'",
                "response_header_matcher.Set-Cookie has a pattern that RE2 refuses: missing ): (",
            ],
        )


class CoherenceTests(SynchronousTestCase):
    """What must fit together in one rule."""

    def test_captures(self) -> None:
        """A value has captures of its own rule's conditions, response headers those of both kinds."""
        conditions = "condition.1 = var_host ~ (w)\ncondition.2 = http_resp_X ~ (a)\n"
        self.assertEqual(complaints(f"{conditions}response_header.Y = {{var_host_1}}{{http_resp_X_1}}"), [])
        [line] = complaints("condition.1 = var_host !~ (w)\nrequest_header.Y = a{var_host_1}")
        self.assertIn("request_header.Y at character 2: no condition has a pattern with groups on var_host", line)
        [line] = complaints("condition.1 = var_host ~ (w)\nrequest_header.Y = {var_host_2}")
        self.assertIn("the pattern has no group 2: it has 1", line)

    def test_response_in_a_request(self) -> None:
        """What a response has is not for request headers and URLs, nor are they for conditions about it."""
        for key in ("request_header.X = ", "url_path = /", "url_query_string = "):
            [line] = complaints(f"{key}{{http_resp_Y}}")
            self.assertIn("http_resp_Y is not available before the response", line)
            [line] = complaints(f"{key}x\ncondition.1 = var_http_status == 200")
            self.assertIn("condition.1 is about the response, so the rule cannot set", line)
        self.assertEqual(complaints("response_header.X = x\ncondition.1 = var_http_status == 200"), [])

    def test_host(self) -> None:
        """It can be set to a host, and not be deleted."""
        self.assertEqual(complaints("request_header.Host = a.example:8080"), [])
        self.assertEqual(complaints("request_header.HOST = {http_req_X}"), [])
        [line] = complaints("request_header.host =")
        self.assertIn("cannot be empty: a request must have a Host", line)
        [line] = complaints("request_header.Host = a b")
        self.assertIn("no host name", line)

    def test_path(self) -> None:
        """It begins with a slash and has nothing that a path cannot have."""
        for path in ("/", "/a{var_uri_path}", "{var_uri_path}/b", "/a%20b"):
            self.assertEqual(complaints(f"url_path = {path}"), [])
        for path in ("buy.aspx", "a{var_uri_path}", "/a?b=c", "/{var_host}?b", "/a b", "/{var_host}#", "/ü"):
            [line] = complaints(f"url_path = {path}")
            self.assertTrue(line.startswith("url_path is "), line)
        [line] = complaints("url_path =")
        self.assertIn("url_path is empty", line)

    def test_query(self) -> None:
        """It is written without its question mark."""
        for query in ("", "a=b", "{var_query_string}&c?"):
            self.assertEqual(complaints(f"url_query_string = {query}"), [])
        for query in ("?a", "a b", "{var_host}#", "ü"):
            [line] = complaints(f"url_query_string = {query}")
            self.assertTrue(line.startswith("url_query_string is "), line)

    def test_reroute(self) -> None:
        """Without a new path there is nothing to look at again."""
        [line] = complaints("url_query_string = a\nreroute = true")
        self.assertIn("reroute needs url_path", line)

    def test_matcher_without_its_header(self) -> None:
        """A matcher alone does nothing."""
        for extra in ("", "response_header.X = y\n"):
            [line] = complaints(f"{extra}response_header_matcher.Set-Cookie = ~ a")
            self.assertIn("response_header_matcher.Set-Cookie needs response_header.Set-Cookie", line)

    def test_matcher_without_groups(self) -> None:
        """The value it found can be named, groups it has not cannot."""
        lines = "response_header_matcher.Set-Cookie = !~ (a)\nresponse_header.Set-Cookie = "
        self.assertEqual(complaints(lines + "{capt_header_value_matcher}; Secure"), [])
        [line] = complaints(lines + "{capt_header_value_matcher_1}; Secure")
        self.assertIn("no group 1", line)

    def test_names_that_are_one(self) -> None:
        """Two spellings of one header are not two headers."""
        [line] = complaints("response_header.X-A = 1\nresponse_header.x.a = 2")
        self.assertIn("response_header.x.a is the same header to the gateway as X-A", line)
        [line] = complaints("request_header.X-A = 1\nrequest_header.x-a = 2\n")
        self.assertIn("is set here and on line 36", line)
        [line] = complaints("request_header.X-A = 1\nrequest_header.x-a.1 = 2\n")
        self.assertIn(
            "request_header.x-a.1 is set by request_header.X-A, too: number the actions on one header .1, .2 and so on",
            line,
        )

    def test_several_actions_on_one_header(self) -> None:
        """Actions on one header are in the order of their numbers, wherever they stand; matchers go by number, too."""
        made = loaded(
            load(
                section(
                    "response_header.X-A.3 = c\nresponse_header.V = v\nresponse_header.x-a.2 = b\n"
                    "response_header.X-A = a\nrequest_header.X.1 = 1\n"
                    "response_header.Set-Cookie = one\nresponse_header.Set-Cookie.2 =\n"
                    "response_header_matcher.Set-Cookie.2 = ~ a"
                )
            )
        )
        keys = [(action.key, action.value.text if action.value else "") for action in made.response_headers]
        self.assertEqual(
            keys,
            [("X-A", "a"), ("x-a.2", "b"), ("X-A.3", "c"), ("V", "v"), ("Set-Cookie", "one"), ("Set-Cookie.2", "")],
        )
        self.assertEqual([action.matcher_text for action in made.response_headers][-2:], ["", "~ a"])
        self.assertEqual([action.key for action in made.request_headers], ["X"])
        [line] = complaints("response_header.Set-Cookie = a\nresponse_header_matcher.Set-Cookie.2 = ~ a\n")
        self.assertIn("response_header_matcher.Set-Cookie.2 needs response_header.Set-Cookie.2", line)

    def test_names_that_end_in_numbers(self) -> None:
        """A whole number behind the last dot is that of the action; a name that ends in one has another behind it."""
        for text, name, number, key in (
            ("X.2", b"X", 2, "X.2"),
            ("X.2.1", b"X.2", 1, "X.2.1"),
            ("X.2.3", b"X.2", 3, "X.2.3"),
            ("X.0", b"X.0", 1, "X.0"),
            ("X.02", b"X.02", 1, "X.02"),
            ("X.1", b"X", 1, "X"),
            ("X.2a", b"X.2a", 1, "X.2a"),
        ):
            target = response_target(text)
            self.assertEqual((target.name, target.number), (name, number), text)
            action = HeaderAction(name=target.name, canonical=target.canonical, number=target.number)
            self.assertEqual(action.key, key)
            self.assertEqual(response_target(action.key), target)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [
                        "condition.1",
                        "request_header.X",
                        "request_header.Host",
                        "response_header.Set-Cookie",
                        "response_header_matcher.Set-Cookie",
                        "url_path",
                        "url_query_string",
                        "reroute",
                    ]
                ),
                st.sampled_from(
                    [
                        "",
                        "{var_host_1}",
                        "{http_resp_X}",
                        "var_host ~ (a)",
                        "~ (a)",
                        "/",
                        "true",
                        "{",
                        "x",
                        "{capt_header_value_matcher_1}",
                        "http_resp_X ~ (a)",
                        "ü",
                    ]
                ),
            ),
            max_size=6,
            unique_by=lambda pair: pair[0],
        )
    )
    def test_any_keys(self, pairs: list[tuple[str, str]]) -> None:
        """A rule that can be applied, or errors about it: nothing is both, and nothing is neither."""
        text = section("\n".join(f"{key} = {value}" for key, value in pairs))
        if any(line.startswith("ERROR") for line in said(text)):
            return
        [rule_set] = load(text.replace("rewrite_rule_set = set\n", "")).rewrite_rule_sets
        rewrite_request(rule_set, RewrittenRequest.of(HEAD), context())
