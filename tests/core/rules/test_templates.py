"""Values with variables in them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.rules.templates import MATCHER, Captures, Scope, Template
from tests.rewrites import HEAD, RESPONSE, lookup

RESPONSE_SCOPE = Scope(of_response=True)
CAPTURES = {
    "var_client_certificate_subject": (b"whole", b"device-7"),
    "http_req_user-agent": (b"whole", b"1", b"2"),
    "var_cookie_session": (b"whole", b"x"),
}
SCOPE = Scope(captures={name: len(groups) - 1 for name, groups in CAPTURES.items()})

WORDS = (
    *("{", "}", "{{", "}}", "_1", "{var_host}", "{var_host_1}", "{http_req_X}", "{http_resp_X}"),
    "{capt_header_value_matcher_1}",
)
TEXTS = st.lists(st.one_of(st.text(max_size=4), st.sampled_from(WORDS)), max_size=6).map("".join)


def rendered(text: str, scope: Scope | None = None, captures: Captures | None = None) -> bytes:
    """What a template gives, over the request with its response."""
    template = Template.of(text, scope or Scope())
    return template.render(lookup(HEAD, RESPONSE), captures or {})


class ValueTests(SynchronousTestCase):
    """What a template gives."""

    def test_text(self) -> None:
        """Text without variables is what it is, in UTF-8, and known to be constant."""
        for text, expected in {"": b"", "max-age=31536000; x": b"max-age=31536000; x", "ü": b"\xc3\xbc"}.items():
            self.assertEqual(rendered(text), expected)
            template = Template.of(text, Scope())
            self.assertEqual((template.constant, template.beginning), (expected, expected))

    def test_variables(self) -> None:
        """One alone, and several between texts."""
        self.assertEqual(rendered("{var_client_ip}"), b"192.0.2.1")
        self.assertEqual(
            rendered("/v2{var_uri_path}?{http_req_User-Agent}{var_client_port}."), b"/v2/a/b%20c?curl/84711."
        )
        self.assertEqual(rendered("{http_resp_Location}", RESPONSE_SCOPE), b"https://app.azurewebsites.net/path2")
        self.assertIsNone(Template.of("{var_client_ip}", Scope()).constant)

    def test_empty_variables(self) -> None:
        """What is not there leaves nothing behind."""
        self.assertEqual(rendered("a{http_req_Absent}b{var_client_user}c"), b"abc")

    def test_doubled_braces(self) -> None:
        """They are braces: JSON can be written."""
        self.assertEqual(rendered('{{"a":{{"b":1}}}}'), b'{"a":{"b":1}}')
        self.assertEqual(rendered("{{{var_client_port}}}"), b"{4711}")
        self.assertEqual(rendered("{{var_client_port}}"), b"{var_client_port}")
        self.assertEqual(Template.of("a{{b", Scope()).constant, b"a{b")

    def test_beginning(self) -> None:
        """The text before the first variable is in every value."""
        for text, beginning in {"/a{var_host}": b"/a", "{var_host}/a": b"", "{{{var_host}": b"{"}.items():
            self.assertEqual(Template.of(text, Scope()).beginning, beginning)

    def test_literal(self) -> None:
        """So is the text between the others."""
        self.assertEqual(Template.of("a{var_host}b{{{var_host}c", Scope()).literal, b"ab{c")


class CaptureTests(SynchronousTestCase):
    """What patterns of conditions took."""

    def test_groups(self) -> None:
        """They are named by the variable and their number."""
        for text, expected in {
            "{var_client_certificate_subject_1}": b"device-7",
            "{http_req_user-agent_2}-{http_req_user-agent_1}": b"2-1",
            "{var_cookie_session_1}": b"x",
            "{var_cookie_session}": b"1",
            "{http_req_user-agent_01}": b"1",
        }.items():
            self.assertEqual(rendered(text, SCOPE, CAPTURES), expected)

    def test_depends_on_what_it_captures_from(self) -> None:
        """The template's references name the captured variables too."""
        template = Template.of("{var_client_certificate_subject_1}{var_host}", SCOPE)
        self.assertEqual([each.written for each in template.references], ["var_client_certificate_subject", "var_host"])

    def test_cookies_whose_name_ends_in_a_number(self) -> None:
        """They are cookies, unless a condition captures from the shorter name."""
        self.assertEqual(rendered("{var_cookie_other_1}", SCOPE, CAPTURES), b"")
        template = Template.of("{var_cookie_other_1}", SCOPE)
        self.assertEqual([each.written for each in template.references], ["var_cookie_other_1"])

    def refused(self, text: str, scope: Scope | None = None) -> str:
        """Why a template is refused."""
        return self.assertRaises(UnacceptableError, Template.of, text, scope or SCOPE).message

    def test_no_such_capture(self) -> None:
        """Without a condition on the variable nothing is captured; its case counts, and the right one is offered."""
        self.assertIn(
            "at character 1: no condition has a pattern with groups on var_host", self.refused("{var_host_1}")
        )
        message = self.refused("x{http_req_User-Agent_1}")
        self.assertIn("at character 2", message)
        self.assertIn("did you mean 'http_req_user-agent'?", message)
        for name in ("var_client_certificate_subject_2", "http_req_user-agent_0", "var_cookie_session_2"):
            self.assertIn("the pattern has no group", self.refused(f"{{{name}}}"))
        self.assertIn("there is no server variable 'var_hots_1'; did you mean", self.refused("{var_hots_1}"))

    def test_captures_not_known(self) -> None:
        """Where conditions are wrong themselves, what they would have captured is not missed."""
        unknown = Scope(captures=None)
        Template.of("{var_host_9}{http_req_X_1}", unknown)
        self.assertIn("there is no server variable 'var_hots'", self.refused("{var_hots_1}", unknown))


class MatcherTests(SynchronousTestCase):
    """What a header value matcher found."""

    def test_values(self) -> None:
        """The whole value and its groups."""
        scope = Scope(of_response=True, matcher=2)
        found = {MATCHER: (b"a=b; c", b"a", b"b")}
        text = "{capt_header_value_matcher}|{capt_header_value_matcher_1}|{capt_header_value_matcher_2}"
        self.assertEqual(rendered(text, scope, found), b"a=b; c|a|b")

    def test_only_beside_a_matcher(self) -> None:
        """Without a matcher, or without so many groups, there is nothing."""
        for scope, text in (
            (RESPONSE_SCOPE, "{capt_header_value_matcher}"),
            (RESPONSE_SCOPE, "{capt_header_value_matcher_1}"),
            (Scope(of_response=True, matcher=1), "{capt_header_value_matcher_2}"),
        ):
            self.assertRaises(UnacceptableError, Template.of, text, scope)
        error = self.assertRaises(
            UnacceptableError, Template.of, "{capt_header_value_matcher_1}", Scope(of_response=True, matcher=0)
        )
        self.assertIn("no group 1", error.message)


class RefusalTests(SynchronousTestCase):
    """What is no template."""

    def refused(self, text: str, scope: Scope | None = None) -> str:
        """Why it is not."""
        return self.assertRaises(UnacceptableError, Template.of, text, scope or Scope()).message

    def test_places(self) -> None:
        """The character at which it goes wrong, counted from 1."""
        for text, place in {"{": 1, "ab}c": 3, "{{{": 3, "{var_host": 1, "a{var_host}}": 12, "{a{var_host}": 1}.items():
            self.assertIn(f"at character {place}: ", self.refused(text), text)
            self.assertIn("is unbalanced", self.refused(text), text)

    def test_unknown(self) -> None:
        """A variable that is none, with the nearest that is one."""
        message = self.refused("ü{var_client_i}")
        self.assertEqual(
            message, "at character 2: there is no server variable 'var_client_i'; did you mean 'var_client_ip'?"
        )
        for text in ("{}", "{ var_host }", "{x}", "{http_req_}", "{http_req_X_Own}", "{var_}", "{_1}"):
            self.assertIn("at character 1: ", self.refused(text))

    def test_response_in_a_request(self) -> None:
        """What only a response has is not there when the request goes on."""
        for name in ("http_resp_Location", "var_http_status"):
            self.assertIn(f"at character 2: {name} is not available before", self.refused(f"x{{{name}}}"))
            Template.of(f"{{{name}}}", RESPONSE_SCOPE)
        message = self.refused("{http_resp_X_1}", Scope(captures={"http_resp_X": 1}))
        self.assertIn("http_resp_X is not available before", message)

    @given(TEXTS, st.booleans(), st.sampled_from([None, 1]))
    def test_any_text(self, text: str, of_response: bool, matcher: int | None) -> None:
        """A template that can be rendered, or a message with a place."""
        scope = Scope(captures={"var_host": 1}, of_response=of_response, matcher=matcher)
        try:
            template = Template.of(text, scope)
        except UnacceptableError as error:
            self.assertTrue(error.message.startswith("at character "))
        else:
            captures = {"var_host": (b"whole", b"group"), MATCHER: (b"whole", b"group")}
            value = template.render(lookup(HEAD, RESPONSE), captures)
            self.assertTrue(value.startswith(template.beginning))
            self.assertIn(template.constant, (None, value))
            self.assertLessEqual({*template.literal}, {*value})
