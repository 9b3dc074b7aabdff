"""Rewrite rule sets at work: what they make of a request's head, its URL, and the head of its response.

Rules run in the order of their sequence numbers, and each sees what those before it made of the headers. A rule acts
where all of its conditions hold. What it takes of the request with its patterns is at the hand of its response headers,
too; conditions on the response are looked at once the response is there. Within one rule there is no order: all of its
values are of the moment at which the rule began. Only several actions on one header follow each other: each sees that
header as the one before it left it.

Nothing a variable holds can add a line to a head or break its first one: such a value ends the request, with 400, or
with 502 where the response has it. A value that turns out empty leaves no header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from agwtwisted.core.http.messages import MAX_TARGET, RequestHead, ResponseHead, host_of
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.rules.conditions import Condition, Test, captured
from agwtwisted.core.rules.templates import MATCHER, Captures, Template
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_references import Lookup, VariableReference

MAX_VALUE: Final = 65536
"""Bytes that the value of one header may have: a template can name a large one many times."""

HOST: Final = b"host"

NUMBERED: Final = re.compile(r"(.+)\.([1-9][0-9]{0,8})", re.DOTALL)
"""A name with the number of an action: ``NAME.2``."""

PATH: Final = re.compile(rb"/[!\"$->@-~]*")
"""The path of a request-target: printable ASCII without ``?`` and ``#``."""

QUERY: Final = re.compile(rb"[!\"$-~]*")

_OWN: Final = MANAGED_NAMES | {b"x-forwarded-for", HOST}
"""Headers that the gateway sends by itself unless rules decide about them."""

_CONTROL: Final = bytes({*range(0x20), 0x7F} - {0x09})
"""What no header value may hold (RFC 9110 section 5.5); tabs are allowed there."""


@attrs.frozen
class Bad:
    """What rules made cannot be sent: the status of the page and the access log's `error_info`."""

    status: int
    error_info: ErrorInfo


_BAD_VALUE: Final = Bad(400, ErrorInfo.INVALID_REQUEST)
_BAD_HOST: Final = Bad(400, ErrorInfo.INVALID_HOST)
_BAD_TARGET: Final = Bad(400, ErrorInfo.REQUEST_URI_INVALID)
_BAD_RESPONSE: Final = Bad(502, ErrorInfo.UPSTREAM_CLOSED_CONNECTION)


@attrs.frozen(kw_only=True, eq=False)
class HeaderAction:
    """One header that is set, all of its lines giving way to one, or deleted."""

    name: bytes  # as written
    canonical: bytes
    value: Template | None = None  # None: deleted
    matcher: Test | None = None  # which lines give way; the others stay (Set-Cookie alone has this)
    matcher_text: str = ""  # that it was compiled from
    number: int = 1  # among the actions of its rule on this header

    @property
    def key(self) -> str:
        """What follows ``request_header.``: the name, and the number where it is not clear without."""
        name = self.name.decode()
        return name if self.number == 1 and not NUMBERED.fullmatch(name) else f"{name}.{self.number}"


@attrs.frozen(kw_only=True, eq=False)
class RewriteRule:
    """One rule of a set."""

    name: str  # set/rule
    rule_sequence: int = 100
    conditions: tuple[Condition, ...] = ()
    request_headers: tuple[HeaderAction, ...] = ()
    response_headers: tuple[HeaderAction, ...] = ()
    url_path: Template | None = None
    url_query_string: Template | None = None
    reroute: bool = False  # the path map is to be looked at again, with the new path
    repeats: bool = attrs.field(init=False)  # whether several actions are on one request header
    request_conditions: tuple[Condition, ...] = attrs.field(init=False)
    response_conditions: tuple[Condition, ...] = attrs.field(init=False)

    @repeats.default
    def _repeats(self) -> bool:
        return len({action.canonical for action in self.request_headers}) < len(self.request_headers)

    @request_conditions.default
    def _request_conditions(self) -> tuple[Condition, ...]:
        return tuple(each for each in self.conditions if not each.reference.of_response)

    @response_conditions.default
    def _response_conditions(self) -> tuple[Condition, ...]:
        return tuple(each for each in self.conditions if each.reference.of_response)


@attrs.frozen(eq=False)
class RewriteRuleSet:
    """Rules that are applied together, in their order."""

    name: str
    rules: tuple[RewriteRule, ...]

    @classmethod
    def of(cls, name: str, rules: Iterable[RewriteRule]) -> RewriteRuleSet:
        """Puts rules in the order of their sequence numbers; those of one number stay in the order of the file."""
        return cls(name, tuple(sorted(rules, key=lambda rule: rule.rule_sequence)))

    @property
    def reroutes(self) -> bool:
        """Whether it may ask for another look at the path map: then no basic rule can have it, which has no map."""
        return any(rule.reroute for rule in self.rules)

    @property
    def always_reroutes(self) -> bool:
        """Whether it asks for that whatever the request is, which would not end: the product refuses such a set."""
        return bool(self.rules) and all(rule.reroute and not rule.conditions for rule in self.rules)


@value(kw_only=True)
class RewrittenRequest:
    """A request on its way: what differs from the head that the client sent, and what is to be done about the response.

    Header lines that the gateway adds are not among `headers`, but where rules set them. `decided` are the canonical
    names of those that the gateway must not add because rules have set or deleted them.
    """

    headers: Sequence[Header]
    target: bytes  # path and query
    asked: bytes  # the same before any rule, in the form in which the site looks at it: what variables describe
    host: bytes | None = None  # the Host header, where rules have set it
    decided: frozenset[bytes] = frozenset()
    reroute: bool = False  # whether the rules that ran last want the path map looked at again
    pending: tuple[tuple[RewriteRule, Captures], ...] = ()  # rules with response headers whose request conditions held

    @classmethod
    def of(cls, head: RequestHead, target: bytes | None = None) -> RewrittenRequest:
        """A request that no rule has seen yet; `target` is how it would be forwarded, where that is not as it came."""
        target = head.target if target is None else target
        return cls(headers=head.headers, target=target, asked=target)

    @property
    def path(self) -> bytes:
        """The path that a path map is asked about."""
        return self.target.partition(b"?")[0]


def rewrite_request(rules: RewriteRuleSet, request: RewrittenRequest, context: Context) -> RewrittenRequest | Bad:
    """Applies a set to a request.

    Another set may follow, where `reroute` led elsewhere: what the earlier one did stays, and so do the actions on the
    response that it left. Server variables are always those of the request as it came.
    """
    lookup = Lookup(context, request.headers, request.host, request.decided)
    target, reroute, pending = request.target, False, request.pending
    for rule in rules.rules:
        captures = captured(rule.request_conditions, lookup)
        if captures is None:
            continue
        if rule.repeats:
            contents = list(_in_order(rule.request_headers, lookup, captures))
        else:
            contents = [_rendered(action.value, lookup, captures) for action in rule.request_headers]
        if rule.url_path is not None or rule.url_query_string is not None:
            target = _target(rule, target, lookup, captures)
            if not target:
                return _BAD_TARGET
        for action, content in zip(rule.request_headers, contents, strict=True):
            if content is None:
                return _BAD_VALUE
            if action.canonical == HOST and not host_of(content):
                return _BAD_HOST
            _set_in_request(lookup, action, content)
        reroute = reroute or rule.reroute
        if rule.response_headers:
            pending = (*pending, (rule, captures))
    return RewrittenRequest(
        headers=tuple(lookup.headers),
        target=target,
        asked=request.asked,
        host=lookup.host if HOST in lookup.decided else None,
        decided=lookup.decided,
        reroute=reroute,
        pending=pending,
    )


def rewrite_response(request: RewrittenRequest, response: ResponseHead, context: Context) -> ResponseHead | Bad:
    """Applies to a backend's response what the rules that saw its request have left to do.

    Pages of the gateway's own and redirects are none of this function's business: the product does not rewrite them.
    """
    if not request.pending:
        return response
    context = Context(context.head, context.client, response, context.received_bytes, context.sent_bytes, request.asked)
    lookup = Lookup(context, request.headers, request.host, request.decided, response.headers)
    for rule, captures in request.pending:
        if rule.response_conditions:
            found = captured(rule.response_conditions, lookup)
            if found is None:
                continue
            captures = {**captures, **found}
        before = lookup.response
        made: dict[bytes, Sequence[Header]] = {}
        for action in rule.response_headers:
            name = action.canonical
            lookup.response = (*_without(before, name), *made[name]) if name in made else before
            lines = _lines(action, lookup, captures)
            if lines is None:
                return _BAD_RESPONSE
            made[name] = lines
        lookup.response = before
        for name, lines in made.items():
            lookup.response = (*_without(lookup.response, name), *lines)
    return attrs.evolve(response, headers=tuple(lookup.response))


def identifying_headers(rule_sets: Iterable[RewriteRuleSet]) -> frozenset[bytes]:
    """The canonical names of all request headers by which rules identify the client to backends.

    That is what is set from a variable of the client's certificate or from a group captured out of one, and what is set
    where a condition on such a variable holds: a constant then says as much. So it goes on from header to header. No
    client may send these names, on any listener: they join the managed ones (`messages.HeaderNames`).
    """
    sources = [
        (action.canonical, (*action.value.references, *(each.reference for each in rule.request_conditions)))
        for rule_set in rule_sets
        for rule in rule_set.rules
        for action in rule.request_headers
        if action.value is not None
    ]
    names: set[bytes] = set()
    while more := {name for name, references in sources if _identifies(references, names)} - names:
        names |= more
    return frozenset(names)


def _identifies(references: Iterable[VariableReference], names: set[bytes]) -> bool:
    return any(each.of_certificate or each.request_header in names for each in references)


def _rendered(template: Template | None, lookup: Lookup, captures: Captures) -> bytes | None:
    """The value of a header, empty where there is to be none; None where it cannot be sent."""
    if template is None:
        return b""
    if template.constant is not None:
        return template.constant
    value = template.render(lookup, captures)
    if len(value) > MAX_VALUE or len(value.translate(None, _CONTROL)) != len(value):  # faster than a pattern
        return None
    return value.strip(b" \t")


def _in_order(actions: Iterable[HeaderAction], lookup: Lookup, captures: Captures) -> Iterator[bytes | None]:
    """The values of actions of which some are on the same header: such a one sees what the one before it made of it."""
    seen: dict[bytes, Lookup] = {}
    for action in actions:
        own = seen.setdefault(action.canonical, lookup.copy())
        content = _rendered(action.value, own, captures)
        yield content
        if content is not None:
            _set_in_request(own, action, content)


def _target(rule: RewriteRule, target: bytes, lookup: Lookup, captures: Captures) -> bytes:
    """The new path and query; empty where they make no request-target."""
    path, _, query = target.partition(b"?")
    if rule.url_path is not None:
        path = rule.url_path.render(lookup, captures)
    if rule.url_query_string is not None:
        query = rule.url_query_string.render(lookup, captures)
    if len(path) + len(query) >= MAX_TARGET or not PATH.fullmatch(path) or not QUERY.fullmatch(query):
        return b""
    return path + b"?" + query if query else path


def _set_in_request(lookup: Lookup, action: HeaderAction, value: bytes) -> None:
    name = action.canonical
    if name in _OWN:
        lookup.decided |= {name}
        if name == HOST:
            lookup.host = value
            return
    lines = _without(lookup.headers, name)
    lookup.headers = [*lines, (action.name, value)] if value else lines


def _lines(action: HeaderAction, lookup: Lookup, captures: Captures) -> Sequence[Header] | None:
    """The lines that a response has of a header in the end; None where one cannot be sent."""
    if action.matcher is None:
        value = _rendered(action.value, lookup, captures)
        return None if value is None else [(action.name, value)] if value else []
    lines: list[Header] = []
    for line in lookup.response:
        if not _is(line[0], action.canonical):
            continue
        groups = action.matcher(line[1])
        if groups is None:
            lines.append(line)
            continue
        value = _rendered(action.value, lookup, {**captures, MATCHER: groups or (line[1],)})
        if value is None:
            return None
        if value:
            lines.append((action.name, value))
    return lines


def _is(name: bytes, other: bytes) -> bool:
    """Whether a name is that of this canonical one."""
    return len(name) == len(other) and canonical(name) == other


def _without(headers: Iterable[Header], name: bytes) -> Sequence[Header]:
    size = len(name)
    return [line for line in headers if len(line[0]) != size or canonical(line[0]) != name]
