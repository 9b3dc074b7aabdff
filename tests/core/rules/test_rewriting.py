"""Rewrite rule sets at work."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.exchange.forwarding import client_framing, response_bytes, rewritten_request_bytes
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import canonical
from agwtwisted.core.http.messages import MAX_TARGET, RequestHead, ResponseHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.rules.conditions import Condition, matcher
from agwtwisted.core.rules.rewriting import (
    MAX_VALUE,
    Bad,
    HeaderAction,
    RewriteRule,
    RewriteRuleSet,
    RewrittenRequest,
    identifying_headers,
    rewrite_request,
    rewrite_response,
)
from agwtwisted.core.rules.templates import Scope, Template
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.verification.verdicts import Absent
from tests.requests import TOKEN, parsed
from tests.rewrites import HEAD, RESPONSE, context, request
from tests.strategies import variables

VALUES = st.one_of(st.from_regex(r"[!-~\t ]{0,12}", fullmatch=True).map(str.encode), st.binary(max_size=12))


def rule(
    *conditions: str,
    set_request: dict[str, str] | None = None,
    set_response: dict[str, str] | None = None,
    path: str | None = None,
    query: str | None = None,
    reroute: bool = False,
    sequence: int = 100,
    cookie: str = "",
) -> RewriteRule:
    """A rule; an empty value deletes its header, `cookie` is the matcher of Set-Cookie: operator and pattern."""
    read = tuple(map(Condition.of, conditions))
    test, groups = matcher(*cookie.split(" ", 1)) if cookie else (None, None)
    scope = Scope(
        captures={each.reference.written: each.groups for each in read if each.groups},
        of_response=True,
        matcher=groups,
    )

    def actions(values: dict[str, str] | None) -> tuple[HeaderAction, ...]:
        return tuple(
            HeaderAction(
                name=name.encode(),
                canonical=canonical(name.encode()),
                value=Template.of(text, scope) if text else None,
                matcher=test if name == "Set-Cookie" else None,
            )
            for name, text in (values or {}).items()
        )

    return RewriteRule(
        name="set/rule",
        rule_sequence=sequence,
        conditions=read,
        request_headers=actions(set_request),
        response_headers=actions(set_response),
        url_path=None if path is None else Template.of(path, scope),
        url_query_string=None if query is None else Template.of(query, scope),
        reroute=reroute,
    )


def rewritten(*rules: RewriteRule, head: RequestHead = HEAD, about: Context | None = None) -> RewrittenRequest:
    """What the rules make of a request; it must be good."""
    made = rewrite_request(RewriteRuleSet.of("set", rules), RewrittenRequest.of(head), about or context(head))
    assert isinstance(made, RewrittenRequest), made
    return made


def refused(*rules: RewriteRule, head: RequestHead = HEAD) -> Bad:
    """Why the rules' request cannot be sent."""
    made = rewrite_request(RewriteRuleSet.of("set", rules), RewrittenRequest.of(head), context(head))
    assert isinstance(made, Bad), made
    return made


def answered(*rules: RewriteRule, response: ResponseHead = RESPONSE, head: RequestHead = HEAD) -> tuple[Header, ...]:
    """The header lines of a response that the rules have seen."""
    made = rewrite_response(rewritten(*rules, head=head), response, context(head))
    assert isinstance(made, ResponseHead), made
    assert attrs.evolve(made, headers=response.headers) == response
    return made.headers


class RequestHeaderTests(SynchronousTestCase):
    """Request headers."""

    def test_set(self) -> None:
        """A header that is set has one line, whatever the client sent; the other lines stay as they are."""
        head = request((b"X-Own", b"1"), (b"x-oWN", b"2"), (b"X-Other", b"3"))
        made = rewritten(rule(set_request={"x-own": "new"}), head=head)
        self.assertEqual(made.headers, (*HEAD.headers, (b"X-Other", b"3"), (b"x-own", b"new")))
        self.assertEqual((made.target, made.host, made.decided, made.reroute), (HEAD.target, None, frozenset(), False))

    def test_add(self) -> None:
        """A header that was not there is added."""
        self.assertEqual(rewritten(rule(set_request={"X-New": "a"})).headers, (*HEAD.headers, (b"X-New", b"a")))

    def test_delete(self) -> None:
        """Every line of a deleted header is gone."""
        head = request((b"X-Own", b"1"), (b"X-OWN", b"2"))
        self.assertEqual(rewritten(rule(set_request={"X-Own": ""}), head=head).headers, HEAD.headers)
        self.assertEqual(rewritten(rule(set_request={"X-Absent": ""})).headers, HEAD.headers)

    def test_empty_variable(self) -> None:
        """A value that turns out empty leaves no header, and what the client sent does not stand in for it."""
        head = request((b"X-Subject", b"CN=admin"))
        made = rewritten(
            rule(set_request={"X-Subject": "{var_client_certificate_subject}"}),
            head=head,
            about=context(head, verdict=Absent(), certificate=None),
        )
        self.assertEqual(made.headers, HEAD.headers)

    def test_canonical_names(self) -> None:
        """Lines are found in the spelling by which backends would take them for the same."""
        head = request((b"X_Own", b"1"), (b"x.own", b"2"))
        self.assertEqual(rewritten(rule(set_request={"X-Own": ""}), head=head).headers, HEAD.headers)

    def test_white_space_at_the_ends(self) -> None:
        """It belongs to no value."""
        head = request((b"X-A", b"\t"))
        made = rewritten(
            rule(set_request={"X-B": "{http_req_X-A} b {http_req_X-A}", "X-C": " {http_req_X-A} "}), head=head
        )
        self.assertEqual(made.headers[len(head.headers) :], ((b"X-B", b"b"),))

    def test_what_the_gateway_adds(self) -> None:
        """Names that the gateway would send by itself are noted, set or deleted."""
        made = rewritten(
            rule(set_request={"X-Forwarded-For": "{var_client_ip}", "x-forwarded-proto": "", "X-Own": "1"})
        )
        self.assertEqual(made.decided, {b"x-forwarded-for", b"x-forwarded-proto"})
        self.assertEqual(made.headers, (*HEAD.headers, (b"X-Forwarded-For", b"192.0.2.1"), (b"X-Own", b"1")))

    def test_host(self) -> None:
        """Host is separate from the lines."""
        made = rewritten(rule(set_request={"Host": "{http_req_Host}.x"}), head=attrs.evolve(HEAD, authority=b"a"))
        self.assertEqual((made.host, made.headers), (b"a.x", HEAD.headers))
        self.assertIn(b"host", made.decided)

    def test_host_that_is_none(self) -> None:
        """What is no host ends the request, and so does an empty one."""
        for value in ("{http_req_Absent}", "{http_req_User-Agent} x", "a/b", "a:b", "a, b"):
            self.assertEqual(refused(rule(set_request={"Host": value})), Bad(400, ErrorInfo.INVALID_HOST))

    def test_certificate(self) -> None:
        """The common name of a verified client, as people write it for the product."""
        made = rewritten(
            rule(
                "var_client_certificate_verification == SUCCESS",
                "var_client_certificate_subject ~ CN=(.*?)[,|$]",
                set_request={"X-Device": "{var_client_certificate_subject_1}"},
            )
        )
        self.assertEqual(made.headers[-1], (b"X-Device", b"device-7"))

    def test_attributes_of_the_certificate(self) -> None:
        """A rule acts by a single attribute, and hands on what it captured and all the values."""
        made = rewritten(
            rule(
                "var_client_certificate_subject_dns ~ ^(two)\\.example$",
                set_request={
                    "X-Name": "{var_client_certificate_subject_dns_1}",
                    "X-All": "{var_client_certificate_subject_dns}",
                },
            ),
            rule("var_client_certificate_subject_cn == device", set_request={"X-Never": "1"}),
        )
        self.assertEqual(made.headers[-2:], ((b"X-Name", b"two"), (b"X-All", b"one.example;two.example")))
        sets = RewriteRuleSet.of("set", [rule(set_request={"X-Unit": "a{var_client_certificate_subject_ou}"})])
        self.assertEqual(identifying_headers([sets]), {b"x-unit"})


class OrderTests(SynchronousTestCase):
    """Rules after one another."""

    def test_by_sequence(self) -> None:
        """Rules run by their numbers, those of one number in the order of the file."""
        rules = [
            rule(set_request={"X-A": f"{{http_req_X-A}}{text}"}, sequence=number)
            for text, number in (("c", 7), ("a", 3), ("d", 7), ("b", 3))
        ]
        self.assertEqual(rewritten(*rules).headers[-1], (b"X-A", b"abcd"))

    def test_later_rules_see_what_earlier_ones_set(self) -> None:
        """In conditions and in values; variables stay those of the request as it came."""
        made = rewritten(
            rule(set_request={"Host": "other.example", "User-Agent": "mine"}, path="/new"),
            rule(
                "http_req_host == other.example",
                "http_req_User-Agent == mine",
                set_request={"X-A": "{http_req_Host} {var_host} {var_uri_path}"},
            ),
        )
        self.assertEqual(made.headers[-1], (b"X-A", b"other.example www.example.com /a/b%20c"))

    def test_no_order_within_a_rule(self) -> None:
        """All values of a rule are of the moment at which it begins: two headers can be exchanged."""
        head = request((b"X-A", b"1"), (b"X-B", b"2"))
        made = rewritten(rule(set_request={"X-A": "{http_req_X-B}", "X-B": "{http_req_X-A}"}), head=head)
        self.assertEqual({*made.headers} - {*HEAD.headers}, {(b"X-A", b"2"), (b"X-B", b"1")})

    def test_actions_on_one_header(self) -> None:
        """A second action on a header sees what the first made of it; other headers are those before the rule."""
        [first, second, other] = (
            *rule(set_request={"X-A": "1"}).request_headers,
            *rule(set_request={"x-a": "{http_req_X-A}2"}).request_headers,
            *rule(set_request={"X-B": "[{http_req_X-A}]"}).request_headers,
        )
        for headers in ((first, second, other), (other, first, second), (first, other, second)):
            made = attrs.evolve(rule(), request_headers=headers)
            lines = dict(rewritten(made, head=attrs.evolve(HEAD, headers=((b"X-A", b"old"),))).headers)
            self.assertEqual((lines[b"x-a"], lines[b"X-B"]), (b"12", b"[old]"))
        own = attrs.evolve(rule(set_request={"X-Forwarded-For": "a"}))
        more = rule(set_request={"X-Forwarded-For": "{http_req_X-Forwarded-For}, b"})
        made = attrs.evolve(own, request_headers=(*own.request_headers, *more.request_headers))
        self.assertIn((b"X-Forwarded-For", b"a, b"), rewritten(made).headers)

    def test_value_of_a_first_action(self) -> None:
        """One that cannot be sent ends the request, though another action replaces it."""
        first = rule(set_request={"X": "{http_req_User-Agent}" * (MAX_VALUE // 6 + 1)}).request_headers
        made = attrs.evolve(rule(), request_headers=(*first, *rule(set_request={"X": "2"}).request_headers))
        self.assertEqual(refused(made).status, 400)

    def test_all_conditions(self) -> None:
        """A rule acts where all of its conditions hold, and not at all where one does not."""
        for last, acted in (("GET", True), ("POST", False)):
            made = rewritten(
                rule(
                    "var_host exists", f"var_http_method == {last}", set_request={"X-A": "1"}, path="/new", reroute=True
                )
            )
            self.assertEqual((made.target.startswith(b"/new"), made.reroute), (acted, acted))
            self.assertEqual((b"X-A", b"1") in made.headers, acted)


class UrlTests(SynchronousTestCase):
    """Path and query."""

    def target(self, path: str | None, query: str | None, target: bytes = HEAD.target) -> bytes:
        """The new target."""
        return rewritten(rule(path=path, query=query), head=attrs.evolve(HEAD, target=target)).target

    def test_parts(self) -> None:
        """Each can be rewritten without the other; an empty query takes the question mark along."""
        self.assertEqual(self.target("/v2{var_uri_path}", None), b"/v2/a/b%20c?d=e&f")
        self.assertEqual(self.target(None, "{var_query_string}&g"), b"/a/b%20c?d=e&f&g")
        self.assertEqual(self.target("/x", "y=?"), b"/x?y=?")
        self.assertEqual(self.target(None, ""), b"/a/b%20c")
        self.assertEqual(self.target("/x", None, b"/a"), b"/x")

    def test_captures(self) -> None:
        """The product's example: fashion/shirts becomes a query."""
        made = rewritten(
            rule(
                "var_uri_path ~ /(.+)/(.+)",
                path="/buy.aspx",
                query="category={var_uri_path_1}&product={var_uri_path_2}",
            ),
            head=attrs.evolve(HEAD, target=b"/fashion/shirts"),
        )
        self.assertEqual(made.target, b"/buy.aspx?category=fashion&product=shirts")

    def test_no_target(self) -> None:
        """What would break the request line, or is no path, ends the request."""
        for value in (b"a b", b"a#b", b"a\r\nb", b"a\0", b"\xc3\xa9", b"a\tb", b"\x7f"):
            head = request((b"X-A", value))
            for changes in ({"path": "/{http_req_X-A}"}, {"query": "{http_req_X-A}"}):
                self.assertEqual(refused(rule(**changes), head=head), Bad(400, ErrorInfo.REQUEST_URI_INVALID))  # type: ignore[arg-type]
        for path in ("{http_req_Absent}", "{http_req_User-Agent}", "/a{http_req_X-A}"):
            self.assertEqual(refused(rule(path=path), head=request((b"X-A", b"?b"))).status, 400)
        self.assertEqual(refused(rule(query="x"), head=attrs.evolve(HEAD, method=b"OPTIONS", target=b"*")).status, 400)

    def test_length(self) -> None:
        """The product's limit counts for what rules make, too."""
        longest = b"/" + b"a" * (MAX_TARGET - 1)
        head = attrs.evolve(HEAD, target=longest)
        self.assertEqual(refused(rule(path="/b{var_uri_path}"), head=head).status, 400)
        self.assertEqual(refused(rule(query="b"), head=head).status, 400)
        shorter = attrs.evolve(HEAD, target=longest[:-3])
        self.assertEqual(len(rewritten(rule(query="b"), head=shorter).target), MAX_TARGET - 1)

    def test_reroute(self) -> None:
        """The path map is asked again where a rule that acted wants it, with the path that came out in the end."""
        made = rewritten(rule(path="/a", reroute=True), rule(path="/b"))
        self.assertEqual((made.reroute, made.path), (True, b"/b"))
        self.assertFalse(rewritten(rule("var_host == x", path="/a", reroute=True), rule(path="/b")).reroute)

    def test_another_set_follows(self) -> None:
        """What an earlier set did stays; whether the map is asked again is the later one's word alone."""
        first = rewritten(
            rule(path="/a", reroute=True, set_request={"Host": "h", "X-A": "1"}, set_response={"X-Set": "1"})
        )
        second = rewrite_request(
            RewriteRuleSet.of(
                "second",
                [rule("http_req_Host == h", set_request={"X-B": "2"}, set_response={"X-Set": "{http_resp_X-Set}2"})],
            ),
            first,
            context(),
        )
        assert isinstance(second, RewrittenRequest)
        self.assertEqual((second.path, second.host, second.reroute), (b"/a", b"h", False))
        self.assertEqual(second.headers[-2:], ((b"X-A", b"1"), (b"X-B", b"2")))
        made = rewrite_response(second, RESPONSE, context())
        assert isinstance(made, ResponseHead)
        self.assertEqual(made.headers[-1], (b"X-Set", b"12"))

    def test_where_it_begins(self) -> None:
        """A request may already be on another path than the one that came."""
        self.assertEqual(RewrittenRequest.of(HEAD, b"/normal?x").path, b"/normal")
        self.assertEqual(RewrittenRequest.of(HEAD).target, HEAD.target)


class ResponseHeaderTests(SynchronousTestCase):
    """Response headers."""

    def test_set_and_delete(self) -> None:
        """As in requests."""
        lines = answered(rule(set_response={"Strict-Transport-Security": "max-age=1", "LOCATION": ""}))
        self.assertEqual(
            lines, ((b"Set-Cookie", b"a=b"), (b"Set-Cookie", b"c=d"), (b"Strict-Transport-Security", b"max-age=1"))
        )

    def test_nothing_to_do(self) -> None:
        """A response without rules is the very same one."""
        made = rewritten(rule(set_request={"X-A": "1"}), rule("var_host == x", set_response={"X-B": "1"}))
        self.assertIs(rewrite_response(made, RESPONSE, context()), RESPONSE)

    def test_location(self) -> None:
        """The product's example: the host in a redirection of the backend's."""
        lines = answered(
            rule(
                r"http_resp_Location ~ (https?):\/\/.*azurewebsites\.net(.*)$",
                set_response={"Location": "{http_resp_Location_1}://contoso.com{http_resp_Location_2}"},
            )
        )
        self.assertIn((b"Location", b"https://contoso.com/path2"), lines)

    def test_request_conditions(self) -> None:
        """What was captured from the request is at hand, and what did not hold of it does not hold later."""
        lines = answered(
            rule("var_uri_path ~ ^/(.)", "var_http_status == 302", set_response={"X-A": "{var_uri_path_1}"}),
            rule("http_req_Absent exists", set_response={"X-B": "1"}),
            rule("var_http_status == 200", set_response={"X-C": "1"}),
        )
        self.assertEqual([line for line in lines if line[0].startswith(b"X-")], [(b"X-A", b"a")])

    def test_request_as_it_was_forwarded(self) -> None:
        """Values see the request headers as rules have made them."""
        lines = answered(rule(set_request={"X-A": "1"}), rule(set_response={"X-B": "{http_req_X-A}{var_http_status}"}))
        self.assertIn((b"X-B", b"1302"), lines)

    def test_later_rules_see_what_earlier_ones_set(self) -> None:
        """In conditions and values."""
        lines = answered(
            rule(set_response={"X-A": "1"}), rule("http_resp_X-A == 1", set_response={"X-B": "{http_resp_X-A}2"})
        )
        self.assertEqual(lines[-2:], ((b"X-A", b"1"), (b"X-B", b"12")))

    def test_actions_on_one_header(self) -> None:
        """A long value in pieces: a second action appends to what the first has set, as the product's users do it."""
        first = rule(set_response={"Content-Security-Policy": "default-src 'self';"}).response_headers
        second = rule(
            set_response={"Content-Security-Policy": "{http_resp_Content-Security-Policy} img-src *"}
        ).response_headers
        other = rule(set_response={"X-Was": "[{http_resp_Content-Security-Policy}]"}).response_headers
        made = attrs.evolve(rule(), response_headers=(*first, *other, *second))
        response = attrs.evolve(RESPONSE, headers=((b"Content-Security-Policy", b"old"),))
        self.assertEqual(
            dict(answered(made, response=response)),
            {b"Content-Security-Policy": b"default-src 'self'; img-src *", b"X-Was": b"[old]"},
        )

    def test_two_actions_on_cookies(self) -> None:
        """Each has its own matcher, and the second sees the lines as the first has left them."""
        first = rule(set_response={"Set-Cookie": "{capt_header_value_matcher}; Secure"}, cookie="!~* secure")
        second = rule(set_response={"Set-Cookie": ""}, cookie="~ ^b=.*Secure")
        made = attrs.evolve(rule(), response_headers=(*first.response_headers, *second.response_headers))
        response = attrs.evolve(RESPONSE, headers=((b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2")))
        self.assertEqual(answered(made, response=response), ((b"Set-Cookie", b"a=1; Secure"),))

    def test_set_cookie_without_matcher(self) -> None:
        """As at the product, all lines give way to the one that is set."""
        lines = answered(rule(set_response={"Set-Cookie": "e=f"}))
        self.assertEqual([value for name, value in lines if name == b"Set-Cookie"], [b"e=f"])

    def test_set_cookie_with_matcher(self) -> None:
        """Lines that match give way, each to its own; the others stay."""
        response = attrs.evolve(
            RESPONSE, headers=tuple((b"Set-Cookie", value) for value in (b"a=1", b"b=2", b"a=3; Path=/"))
        )
        for cookie, value, expected in (
            ("~ ^a=(.*)", "a={capt_header_value_matcher_1}; Secure", [b"a=1; Secure", b"b=2", b"a=3; Path=/; Secure"]),
            ("!~ ^a=", "{capt_header_value_matcher}; Secure", [b"a=1", b"b=2; Secure", b"a=3; Path=/"]),
            ("== b=2", "", [b"a=1", b"a=3; Path=/"]),
            ("~* ^A=(.)", "{http_req_Absent}", [b"b=2"]),
            ("~ z", "z", [b"a=1", b"b=2", b"a=3; Path=/"]),
        ):
            lines = answered(rule(set_response={"Set-Cookie": value}, cookie=cookie), response=response)
            self.assertEqual([content for _, content in lines], expected)

    def test_bad_values(self) -> None:
        """What cannot be sent makes a 502 of the response."""
        head = request((b"X-A", b"a\r\nX-B: c"))
        for cookie in ("", "~ a"):
            made = rewritten(rule(set_response={"Set-Cookie": "{http_req_X-A}"}, cookie=cookie), head=head)
            found = rewrite_response(made, RESPONSE, context(head))
            self.assertEqual(found, Bad(502, ErrorInfo.UPSTREAM_CLOSED_CONNECTION))


class SafetyTests(SynchronousTestCase):
    """Whatever variables hold."""

    def test_control_characters(self) -> None:
        """A value with one ends the request; a tab is allowed."""
        for octet in (*range(0x20), 0x7F):
            head = request((b"X-A", b"a" + bytes([octet]) + b"b"))
            made = rewrite_request(
                RewriteRuleSet.of("set", [rule(set_request={"X-B": "{http_req_X-A}"})]),
                RewrittenRequest.of(head),
                context(head),
            )
            self.assertEqual(made == Bad(400, ErrorInfo.INVALID_REQUEST), octet != 9, octet)

    def test_size(self) -> None:
        """No value grows without bound."""
        head = request((b"X-A", b"a" * 30000))
        self.assertEqual(
            len(rewritten(rule(set_request={"X-B": "{http_req_X-A}" * 2}), head=head).headers[-1][1]), 60000
        )
        self.assertEqual(refused(rule(set_request={"X-B": "{http_req_X-A}" * 3}), head=head).status, 400)
        self.assertGreater(90000, MAX_VALUE)

    @given(
        st.lists(VALUES, min_size=5, max_size=5),
        st.sampled_from([None, "{http_req_X-A}", "www.example.com"]),
        st.sampled_from(["", "x"]),
        st.sampled_from([None, "/{http_req_X-A}", "{http_req_X-A}", "/p"]),
        st.sampled_from([None, "", "{var_cookie_c}", "{var_client_user}"]),
    )
    def test_no_line_more(
        self, values: list[bytes], host: str | None, text: str, path: str | None, query: str | None
    ) -> None:
        """Whatever octets headers, cookies, certificates and responses hold, the heads have the lines they should."""
        header, cookie, subject, user_agent, location = values
        head = attrs.evolve(
            HEAD,
            headers=((b"X-A", header), (b"Cookie", b"c=" + cookie), (b"User-Agent", user_agent)),
            forwarded_for=b"",
        )
        names = ("certificate", "subject", "issuer", "serial", "fingerprint", "start_date", "end_date")
        about = context(head, certificate=variables(**dict.fromkeys(names, subject)))
        lines = {
            "X-B": f"{{http_req_X-A}}{text}",
            "X-C": "{var_client_certificate_subject}",
            "X-D": "{var_cookie_c}{http_req_User-Agent}",
            "X-Forwarded-Proto": "{http_req_User-Agent}",
            "X-Client-Certificate": "{var_client_certificate_san_dns}{http_req_X-A}",
        }
        rules = RewriteRuleSet.of(
            "set",
            [
                rule(set_request={"User-Agent": "", "Cookie": "", "X-A": ""}, sequence=200),
                rule(
                    set_request=lines | ({"Host": host} if host else {}),
                    set_response={"X-E": "{http_resp_Location}{http_req_X-B}{var_client_certificate}"},
                    path=path,
                    query=query,
                ),
            ],
        )
        made = rewrite_request(rules, RewrittenRequest.of(head), about)
        if isinstance(made, Bad):
            self.assertEqual(made.status, 400)
            return
        identity = b"X-Forwarded-Proto: https\r\nX-Client-Certificate: a\r\nX-Client-Certificate-Subject: b\r\n"
        sent = rewritten_request_bytes(head, made, b"default", identity, b"192.0.2.1:7", b"0" * 32)
        words, found = parsed(sent)
        self.assertEqual((words[0], words[2]), (b"GET", b"HTTP/1.1"))
        expected = {
            *(b"Host X-Forwarded-For X-Client-Certificate-Subject X-Original-Host X-Original-Url".split()),
            *(b"X-Appgw-Trace-Id Connection".split()),
        }
        self.assertEqual(len({name for name, _ in found}), len(found))
        self.assertLessEqual({name for name, _ in found}, expected | {name.encode() for name in lines})
        self.assertLessEqual(expected, {name for name, _ in found})
        self.check_response(made, about, location)

    def check_response(self, request: RewrittenRequest, about: Context, location: bytes) -> None:
        """The same of the response."""
        response = attrs.evolve(RESPONSE, headers=((b"Location", location),))
        made = rewrite_response(request, response, about)
        if isinstance(made, Bad):
            self.assertEqual(made.status, 502)
            return
        framing = client_framing(made, version=b"1.1", to_head_request=False)
        made = attrs.evolve(made, headers=tuple(line for line in made.headers if line[0] != b"Location"))
        _, found = parsed(response_bytes(made, framing, keep_alive=True, version=b"1.1"))
        self.assertLessEqual({name for name, _ in found}, {b"X-E", b"Content-Length"})

    @given(
        st.lists(
            st.tuples(st.text(TOKEN, min_size=1, max_size=3), st.sampled_from(["", "{http_req_A}", "x"])), max_size=5
        )
    )
    def test_names_appear_once(self, actions: list[tuple[str, str]]) -> None:
        """However often rules set a header, in whatever spelling, it has one line at most."""
        head = request((b"A", b"1"), (b"a", b"2"))
        made = rewritten(*(rule(set_request={name: text}) for name, text in actions), head=head)
        touched = {canonical(name.encode()) for name, _ in actions}
        found = [canonical(name) for name, _ in made.headers if canonical(name) in touched]
        self.assertEqual(len(found), len({*found}))


class SetTests(SynchronousTestCase):
    """What is known of a set."""

    def test_reroutes(self) -> None:
        """Whether it may ask for another look at the path map, and whether it always does."""
        for rules, may, always in (
            ([], False, False),
            ([rule(path="/a")], False, False),
            ([rule(path="/a", reroute=True)], True, True),
            ([rule(path="/a", reroute=True), rule(path="/a", reroute=True)], True, True),
            ([rule("var_host == a", path="/a", reroute=True)], True, False),
            ([rule(path="/a", reroute=True), rule(set_request={"X": "1"})], True, False),
        ):
            rule_set = RewriteRuleSet.of("set", rules)
            self.assertEqual((rule_set.reroutes, rule_set.always_reroutes), (may, always))


class IdentifyingTests(SynchronousTestCase):
    """Headers that identify the client."""

    def names(self, *rules: RewriteRule) -> set[bytes]:
        """Those of a set."""
        return {*identifying_headers([RewriteRuleSet.of("set", rules)])}

    def test_values(self) -> None:
        """What is set from a variable of the certificate, or from a group of it, in canonical spelling."""
        found = self.names(
            rule(set_request={"X-Device": "{var_client_certificate_subject}", "X-Other": "{var_client_ip}"}),
            rule(
                "var_client_certificate_subject ~ CN=(.)",
                set_request={"X-Captured": "{var_client_certificate_subject_1}"},
            ),
            rule(set_request={"X-San": "a{var_client_certificate_san_uri}"}),
            rule(set_request={"X-Client-Certificate": ""}),
            rule(set_response={"X-Response": "{var_client_certificate}"}),
        )
        self.assertEqual(found, {b"x-device", b"x-captured", b"x-san"})

    def test_conditions(self) -> None:
        """A constant that is set under a condition on the certificate identifies the client, too."""
        found = self.names(
            rule("var_client_certificate_verification == SUCCESS", set_request={"X-Verified": "yes", "X-Gone": ""}),
            rule("var_host exists", set_request={"X-Plain": "yes"}),
        )
        self.assertEqual(found, {b"x-verified"})

    def test_from_header_to_header(self) -> None:
        """What is made of such a header is such a header, in whatever order the rules stand."""
        found = self.names(
            rule(set_request={"X-C": "{http_req_x-b}"}),
            rule("http_req_X-A ~ (.)", set_request={"X-B": "{http_req_X-A_1}"}),
            rule("http_req_X-C exists", set_request={"X-D": "yes"}),
            rule(set_request={"X-A": "{var_client_certificate}", "X-E": "{http_req_X-F}"}),
        )
        self.assertEqual(found, {b"x-a", b"x-b", b"x-c", b"x-d"})
