"""From a section ``[rewrite_rule SET/NAME]`` to a rule: what its keys may say, and what must fit together in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

import attrs

from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.http.managed import canonical
from agwtwisted.core.http.messages import host_of
from agwtwisted.core.rules.conditions import Condition, Test, matcher
from agwtwisted.core.rules.rewriting import HOST, PATH, QUERY, HeaderAction, RewriteRule
from agwtwisted.core.rules.templates import Scope, Template
from agwtwisted.core.rules.variable_references import request_header_name, response_header_name
from agwtwisted.core.sections.settings import Row

SET_COOKIE: Final = b"set-cookie"

UNTOUCHABLE: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"http2-settings",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers of the connection (hop-by-hop, framing): no rule may set or delete them."""

_WORDED_MATCHER: Final = re.compile(r"(\S+)(?:[ \t]+(.*))?")
_ACTION_FAMILIES: Final = ("request_header", "response_header")


@attrs.frozen(kw_only=True)
class Matcher:
    """A header value matcher: what a line's value is put to, and how many groups it captures."""

    test: Test
    groups: int
    text: str = ""


_ANY_MATCHER: Final = Matcher(test=lambda value: None, groups=1_000_000_000)
"""In place of one that was refused: its captures are not reported as missing."""


def request_target(text: str) -> bytes:
    """The name of a request header that rules may set; the product does not allow X-Original-Host."""
    name = _target(request_header_name(text))
    if canonical(name) == b"x-original-host":
        raise UnacceptableError(f"{text} cannot be rewritten: it contains what the client asked for")
    return name


def response_target(text: str) -> bytes:
    """The name of a response header that rules may set."""
    return _target(response_header_name(text))


def matched_target(text: str) -> bytes:
    """The name of a response header whose lines are distinguished by their values: the product does so with one."""
    name = response_target(text)
    if canonical(name) != SET_COOKIE:
        raise UnacceptableError(f"only Set-Cookie can have a matcher, {text} cannot")
    return name


def _target(text: str) -> bytes:
    name = text.encode()
    if canonical(name) in UNTOUCHABLE:
        raise UnacceptableError(f"{text} cannot be rewritten: it belongs to the connection")
    return name


def value_matcher(text: str) -> Matcher:
    """``<operator> <rest of the line>``, as in a condition, of the values of one header's lines."""
    match = _WORDED_MATCHER.fullmatch(text)
    if match is None:
        raise UnacceptableError(f"is {shown(text)}, but must be an operator and an operand")
    test, groups = matcher(match[1], match[2] or "", rest_at=max(match.start(2), 0))
    return Matcher(test=test, groups=groups, text=text)


def problems(row: Row) -> Iterator[Problem]:
    """Every problem about keys that contradict each other."""
    reading = _Reading(row)
    reading.rule()
    yield from reading.problems
    if not reading.problems and not row.refused and not actions(row):
        yield row.warning("does nothing: it sets no header and no URL")


def rewrite_rule(row: Row) -> RewriteRule | None:
    """The rule of a section; None where `problems` has some about it."""
    reading = _Reading(row)
    rule = reading.rule()
    return None if reading.problems else rule


def set_name(row: Row) -> str:
    """The set that a rule belongs to."""
    return row.name.partition("/")[0]


def actions(row: Row) -> list[str]:
    """The keys of a section that do something; the URL is one thing, with its path and its query."""
    keys = [key for key in row.values if key.partition(".")[0] in _ACTION_FAMILIES]
    return keys + [key for key in ("url_path", "url_query_string") if key in row.values][:1]


@attrs.define
class _Reading:
    """A section as it is made a rule."""

    row: Row
    problems: list[Problem] = attrs.Factory(list)

    def rule(self) -> RewriteRule:
        """The rule, as far as it can be read; where it cannot, there are problems."""
        row = self.row
        self.check_order()
        return RewriteRule(
            name=row.name,
            conditions=tuple(self.conditions().values()),
            request_headers=tuple(self.request_headers()),
            response_headers=tuple(self.response_headers()),
            url_path=self.template("url_path", self.scope(of_response=False), self.check_path),
            url_query_string=self.template("url_query_string", self.scope(of_response=False), self.check_query),
            **{key: row.values[key] for key in ("rule_sequence", "reroute") if key in row.values},
        )

    def conditions(self) -> dict[int, Condition]:
        return self.row.family("condition")

    def scope(self, *, of_response: bool, groups: int | None = None) -> Scope:
        """What templates may name; where a condition was refused, its captures are unknown."""
        captures = {
            condition.reference.written: condition.groups
            for condition in self.conditions().values()
            if condition.groups and (of_response or not condition.reference.of_response)
        }
        known = None if self.lost("condition") else captures
        return Scope(captures=known, of_response=of_response, matcher=groups)

    def lost(self, family: str) -> bool:
        """Whether a member of a family was refused."""
        return any(key.partition(".")[0] == family for key in self.row.refused)

    def check_order(self) -> None:
        """Conditions on the response come too late for what is done to the request."""
        row = self.row
        early = next((key for key in actions(row) if not key.startswith("response_header.")), "")
        for number, condition in self.conditions().items():
            if early and condition.reference.of_response:
                self.complain(
                    f"condition.{number}", f"is about the response, so the rule cannot set {early}: write two rules"
                )
        if row.get("reroute") and row.unset("url_path"):
            self.complain("reroute", "needs url_path: the URL path map is searched by the path")
        if not any(canonical(name) == SET_COOKIE for name in row.family("response_header")):
            for name in row.family("response_header_matcher"):
                self.complain(f"response_header_matcher.{name.decode()}", "needs response_header.Set-Cookie")

    def request_headers(self) -> Iterator[HeaderAction]:
        for name, text in self.row.family("request_header").items():
            key = f"request_header.{name.decode()}"
            if canonical(name) == HOST and not text:
                self.complain(key, "cannot be empty: a request must have a Host")
            value = self.template(
                key, self.scope(of_response=False), self.check_host if canonical(name) == HOST else None
            )
            yield HeaderAction(name=name, canonical=canonical(name), value=value)

    def response_headers(self) -> Iterator[HeaderAction]:
        seen: dict[bytes, bytes] = {}
        matchers: dict[bytes, Matcher] = self.row.family("response_header_matcher")
        found = next(iter(matchers.values()), _ANY_MATCHER if self.lost("response_header_matcher") else None)
        for name in self.row.family("response_header"):
            key = f"response_header.{name.decode()}"
            earlier = seen.setdefault(canonical(name), name)
            if earlier is not name:
                self.complain(key, f"is the same header to the gateway as {earlier.decode()}")
            applies = found if canonical(name) == SET_COOKIE else None
            scope = self.scope(of_response=True, groups=None if applies is None else applies.groups)
            yield HeaderAction(
                name=name,
                canonical=canonical(name),
                value=self.template(key, scope),
                matcher=None if applies is None else applies.test,
                matcher_text="" if applies is None else applies.text,
            )

    def template(self, key: str, scope: Scope, check: Callable[[Template], None] | None = None) -> Template | None:
        """The value of a key; None where there is none, or an empty one that deletes."""
        text = self.row.values.get(key)
        if text is None or (not text and key != "url_query_string"):
            return None
        try:
            template = Template.of(text, scope)
            if check is not None:
                check(template)
        except UnacceptableError as error:
            self.complain(key, error.message)
            return None
        return template

    def check_path(self, template: Template) -> None:
        if not PATH.fullmatch(template.beginning or b"/"):
            _refuse(template, "a path begins with / and is printable ASCII without ? and # (see url_query_string)")
        self.check_literal(template, PATH, b"/")

    def check_query(self, template: Template) -> None:
        if template.beginning.startswith(b"?"):
            _refuse(template, "remove the ?: the gateway adds it")
        self.check_literal(template, QUERY, b"")

    def check_literal(self, template: Template, form: re.Pattern[bytes], before: bytes) -> None:
        if not form.fullmatch(before + template.literal):
            _refuse(template, "a URL is printable ASCII without space and #, and its path without ?")

    def check_host(self, template: Template) -> None:
        if template.constant is not None and not host_of(template.constant):
            _refuse(template, "no host name")

    def complain(self, key: str, message: str) -> None:
        self.problems.append(self.row.problem(f"{key} {message}", key=key))


def _refuse(template: Template, message: str) -> NoReturn:
    raise UnacceptableError(f"is {shown(template.text)}: {message}")
