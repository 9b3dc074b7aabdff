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
from agwtwisted.core.rules.rewriting import HOST, NUMBERED, PATH, QUERY, HeaderAction, RewriteRule
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


@attrs.frozen(kw_only=True)
class HeaderTarget:
    """What an action is about: ``NAME``, or ``NAME.N`` for the N-th action on one header, counted from 1.

    A name that ends in a dot and a whole number itself needs a number behind it: ``X.2.1`` is the first on ``X.2``.
    """

    name: bytes  # as written
    number: int
    canonical: bytes

    @classmethod
    def of(cls, text: str, name_of: Callable[[str], str]) -> HeaderTarget:
        """Reads it; `name_of` refuses what is no name."""
        numbered = NUMBERED.fullmatch(text)
        name = name_of(numbered[1] if numbered else text)
        folded = canonical(name.encode())
        if folded in UNTOUCHABLE:
            raise UnacceptableError(f"{name} cannot be rewritten: it belongs to the connection")
        return cls(name=name.encode(), number=int(numbered[2]) if numbered else 1, canonical=folded)


def request_target(text: str) -> HeaderTarget:
    """A request header that rules may set; the product does not allow X-Original-Host."""
    target = HeaderTarget.of(text, request_header_name)
    if target.canonical == b"x-original-host":
        raise UnacceptableError(f"{target.name.decode()} cannot be rewritten: it contains what the client asked for")
    return target


def response_target(text: str) -> HeaderTarget:
    """A response header that rules may set."""
    return HeaderTarget.of(text, response_header_name)


def matched_target(text: str) -> HeaderTarget:
    """A response header whose lines are distinguished by their values: the product does so with one."""
    target = response_target(text)
    if target.canonical != SET_COOKIE:
        raise UnacceptableError(f"only Set-Cookie can have a matcher, {target.name.decode()} cannot")
    return target


def header_targets(row: Row, family: str) -> list[tuple[str, HeaderTarget]]:
    """The keys of a family of headers, by header in the order of the file, and those of one header by number."""
    suffix = row.kind.families[family].suffix
    found = [(key, suffix(key.partition(".")[2])) for key in row.values if key.startswith(f"{family}.")]
    first: dict[bytes, int] = {}
    for index, (_, target) in enumerate(found):
        first.setdefault(target.canonical, index)
    return sorted(found, key=lambda each: (first[each[1].canonical], each[1].number))


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
        self.check_matchers()

    def check_matchers(self) -> None:
        targets = header_targets(self.row, "response_header")
        cookies = {target.number for _, target in targets if target.canonical == SET_COOKIE}
        for key, target in self.targets("response_header_matcher"):
            if target.number not in cookies:
                number = "" if target.number == 1 else f".{target.number}"
                self.complain(key, f"needs response_header.Set-Cookie{number}")

    def targets(self, family: str) -> Iterator[tuple[str, HeaderTarget]]:
        """The keys of a family of headers, each action of each header once."""
        names: dict[bytes, str] = {}
        numbers: dict[tuple[bytes, int], str] = {}
        for key, target in header_targets(self.row, family):
            name = names.setdefault(target.canonical, target.name.decode())
            earlier = numbers.setdefault((target.canonical, target.number), key)
            if name.lower() != target.name.decode().lower():
                self.complain(key, f"is the same header to the gateway as {name}")
            elif earlier != key:
                self.complain(key, f"is set by {earlier}, too: number the actions on one header .1, .2 and so on")
            yield key, target

    def request_headers(self) -> Iterator[HeaderAction]:
        for key, target in self.targets("request_header"):
            is_host = target.canonical == HOST
            if is_host and not self.row.values[key]:
                self.complain(key, "cannot be empty: a request must have a Host")
            value = self.template(key, self.scope(of_response=False), self.check_host if is_host else None)
            yield HeaderAction(name=target.name, canonical=target.canonical, value=value, number=target.number)

    def response_headers(self) -> Iterator[HeaderAction]:
        for key, target in self.targets("response_header"):
            applies = self.matcher(target)
            scope = self.scope(of_response=True, groups=None if applies is None else applies.groups)
            yield HeaderAction(
                name=target.name,
                canonical=target.canonical,
                value=self.template(key, scope),
                matcher=None if applies is None else applies.test,
                matcher_text="" if applies is None else applies.text,
                number=target.number,
            )

    def matcher(self, action: HeaderTarget) -> Matcher | None:
        """That of an action, which has its number."""
        if action.canonical != SET_COOKIE:
            return None
        for key, target in header_targets(self.row, "response_header_matcher"):
            if target.number == action.number:
                found: Matcher = self.row.values[key]
                return found
        return _ANY_MATCHER if self.lost("response_header_matcher") else None

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
