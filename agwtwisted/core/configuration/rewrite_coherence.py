"""Checks across sections for rewrite rule sets and access control.

As in `core.configuration.coherence`, each check takes the whole Draft.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, shown
from agwtwisted.core.configuration.coherence import Built, Draft
from agwtwisted.core.http.managed import MANAGED_NAMES
from agwtwisted.core.http.paths import normalised
from agwtwisted.core.resources.resources import ClientAuth, PathCertificate, RequestRoutingRule
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.patterns import has_class_with, tied_to_end, tied_to_start
from agwtwisted.core.rules.rewriting import HOST, identifying_headers
from agwtwisted.core.rules.server_variables import Comparison, server_variable
from agwtwisted.core.sections.rewrite_rules import actions, header_targets, set_name
from agwtwisted.core.sections.settings import Row, SectionReference, in_file_order

_EVERYDAY_HEADERS: Final = frozenset(
    b"accept accept-encoding accept-language authorization cache-control content-encoding content-type cookie if-match"
    b" if-modified-since if-none-match if-range if-unmodified-since origin range referer user-agent"
    b" x-forwarded-for".split()
)
"""Headers that clients of every kind send: a rule that identifies the client by one of them deserves a warning."""


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _crowds(draft: Draft) -> Iterator[Problem]:
    """What is wrong with how many there are of them: sets in all, and conditions and actions in one set."""
    every = _sets(draft)
    for first in list(every.values())[limits.REWRITE_RULE_SETS.highest :]:
        message = f"belongs to one of {len(every)} sets: a gateway has at most {limits.REWRITE_RULE_SETS.highest}"
        yield first.problem(message, code=limits.REWRITE_RULE_SETS.code)
    sets: dict[str, list[Row]] = {}
    for row in draft.of("rewrite_rule"):
        sets.setdefault(set_name(row), []).append(row)
    for members in sets.values():
        yield from _crowded(
            members, "conditions", limits.CONDITIONS_PER_SET.highest, lambda row: row.family("condition")
        )
        yield from _crowded(members, "actions", limits.ACTIONS_PER_SET.highest, actions)


def _crowded(rows: Sequence[Row], what: str, most: int, count: Callable[[Row], Any]) -> Iterator[Problem]:
    total = 0
    for row in rows:
        before, total = total, total + len(count(row))
        if before <= most < total:
            yield row.problem(f"brings the set {set_name(row)} to {total} {what}: it may have at most {most}")


def _unused_sets(draft: Draft) -> Iterator[Problem]:
    used = {
        value.name
        for kind in draft.rows.values()
        for row in kind
        for value in row.values.values()
        if isinstance(value, SectionReference) and value.kind == "rewrite_rule_set"
    }
    for name, row in _sets(draft).items():
        if name not in used:
            yield row.warning(f"the rewrite rule set {name} is not used by any rule")


def _sets(draft: Draft) -> dict[str, Row]:
    """Each set, by its own section or else by the first of its rules, in the order of the file."""
    own = {row.name: row for row in draft.of("rewrite_rule_set")}
    by_rules = {set_name(row): row for row in reversed(draft.of("rewrite_rule"))}
    rows = in_file_order((by_rules | own).values())
    return {row.name if row.name in own else set_name(row): row for row in rows}


def _reroutes(draft: Draft) -> Iterator[Problem]:
    first = {set_name(row): row for row in reversed(draft.of("rewrite_rule"))}
    for rule_set in draft.rewrite_rule_sets:
        if rule_set.always_reroutes:
            yield first[rule_set.name].problem(
                f"the rewrite rule set {rule_set.name} always reroutes, which never ends: at least one rule needs a"
                " condition, or no reroute",
                key="reroute",
            )
    for rule in draft.rules:
        used = rule.value.rewrite_rule_set
        if used is not None and used.reroutes and rule.row.unset("url_path_map"):
            yield rule.row.problem(
                f"the rewrite rule set {used.name} has reroute, but a basic rule has no URL path map to search again",
                key="rewrite_rule_set",
            )


def _everyday_headers(draft: Draft) -> Iterator[Problem]:
    """Everyday request headers that the gateway deletes from every request."""
    identifying = identifying_headers(draft.rewrite_rule_sets)
    for row in draft.of("rewrite_rule"):
        for key, target in header_targets(row, "request_header"):
            if target.canonical in identifying & _EVERYDAY_HEADERS:
                message = "the gateway deletes this header from requests of clients, on every listener"
                yield row.warning(f"{key} identifies the client: {message}", key=key)


def _words_of_clients(draft: Draft) -> Iterator[Problem]:
    """Headers that backends trust, set from values that clients choose, entirely or partly."""
    identifying = identifying_headers(draft.rewrite_rule_sets)
    rows = {row.name: row for row in draft.of("rewrite_rule")}
    for rule in (rule for rule_set in draft.rewrite_rule_sets for rule in rule_set.rules):
        for action in rule.request_headers:
            key = f"request_header.{action.key}"
            if action.canonical == HOST and HOST in identifying:
                message = f"{key} identifies the client, but any client can send that Host itself"
                yield rows[rule.name].warning(message, key=key)
                continue
            references = () if action.value is None else action.value.references
            said = [each for each in references if each.of_client]
            said = [each for each in said if each.request_header not in MANAGED_NAMES | identifying]
            if action.canonical in MANAGED_NAMES - {_ORIGINAL_URL}:
                word = "is a header of the gateway to backends"
            elif any(each.of_certificate for each in references):
                word = "identifies the client"
            else:
                continue
            for each in dict.fromkeys(each.written for each in said):
                yield rows[rule.name].warning(f"{key} {word}, and {each} can be chosen by any client", key=key)


_ORIGINAL_URL: Final = b"x-original-url"
"""A managed header that says what clients say."""


def _access_conditions(draft: Draft) -> Iterator[tuple[Row, str, Condition]]:
    """Every condition of access control, with its section and its key."""
    families = (
        ("request_routing_rule", "deny_unless"),
        ("url_path_map", "default_deny_unless"),
        ("path_rule", "deny_unless"),
    )
    for kind, family in families:
        for row in draft.of(kind):
            for number, condition in row.family(family).items():
                yield row, f"{family}.{number}", condition


def _paths_in_conditions(draft: Draft) -> Iterator[Problem]:
    """Conditions use normalized paths: a comparison with another form never matches."""
    for row, key, condition in _access_conditions(draft):
        if not condition.reference.of_path:
            continue
        operator, text = condition.operator.removesuffix("*"), condition.operand
        if operator in ("==", "!=") and normalised(text.encode()) != text.encode():
            yield row.problem(
                f"{key} compares with {shown(text)}, which is not a normalized path: paths that decide access are"
                " normalized (//a, /./a and /%61 become /a, and encoded octets have upper-case digits)",
                key=key,
            )
        elif operator in ("~", "!~") and (odd := _of_other_form(text)):
            yield row.warning(
                f"{key} looks for {shown(odd)}, which no normalized path contains: paths that decide access are"
                " normalized (//a, /./a and /%61 become /a, and encoded octets have upper-case digits)",
                key=key,
            )
        elif (operator == "!=" and _PLUS.search(text)) or (operator == "!~" and _PLUS_IN_PATTERN.search(text)):
            yield row.warning(f"{key} excludes a path with +, which can also be encoded as %2B: exclude both", key=key)
        if operator == "~" and not tied_to_start(text):
            yield row.warning(
                f"{key} matches its pattern anywhere in {condition.reference.written}: begin it with ^",
                key=key,
            )


def _names_in_patterns(draft: Draft) -> Iterator[Problem]:
    """Patterns over a whole distinguished name, in which other attributes than the one that is meant may fit."""
    for row, key, condition in (*_access_conditions(draft), *_rewrite_conditions(draft)):
        reference, text = condition.reference, condition.operand
        if reference.comparison is not Comparison.DISTINGUISHED_NAME or condition.operator.rstrip("*") not in _PATTERNS:
            continue
        loose = "" if tied_to_start(text) and tied_to_end(text) else "it is not anchored at both ends with ^ and $"
        if not loose and has_class_with(text, b",\\"):
            loose = "it has a part that matches the comma or the backslash between attributes"
        if loose:
            instead = [f"{reference.written}_{each}" for word, each in _ATTRIBUTES.items() if f"{word}=" in text]
            of_subject = reference.written.endswith("_subject")
            better = (
                f"use {' and '.join(instead)} instead" if instead and of_subject else "compare the whole name with =="
            )
            yield row.warning(
                f"{key} matches its pattern against a whole distinguished name, and {loose}: {better}", key=key
            )


def _values_in_patterns(draft: Draft) -> Iterator[Problem]:
    """Access control by a part of an attribute of the certificate, or by a part of a host name other than its end."""
    for row, key, condition in _access_conditions(draft):
        reference, text = condition.reference, condition.operand
        if reference.read_all is None or condition.operator.rstrip("*") != "~" or tied_to_end(text):
            continue
        if reference.comparison is Comparison.HOST_NAME:
            yield row.warning(f"{key}: a name of any other domain may begin like this; end the pattern with $", key=key)
        elif not tied_to_start(text):
            yield row.warning(f"{key} matches its pattern anywhere in a value: anchor it with ^ and $", key=key)


_PATTERNS: Final = ("~", "!~")
_ATTRIBUTES: Final = {"CN": "cn", "OU": "ou", "O": "o", "emailAddress": "email"}


def _rewrite_conditions(draft: Draft) -> Iterator[tuple[Row, str, Condition]]:
    """Every condition of a rewrite rule, with its section and its key."""
    for row in draft.of("rewrite_rule"):
        for number, condition in row.family("condition").items():
            yield row, f"condition.{number}", condition


def _impossible_texts(draft: Draft) -> Iterator[Problem]:
    """Comparisons with a value that a variable never has: ``==`` never holds there, and ``!=`` always."""
    for row, key, condition in (*_access_conditions(draft), *_rewrite_conditions(draft)):
        form, operator = condition.reference.form, condition.operator
        flags = re.IGNORECASE if operator.endswith("*") else re.NOFLAG
        if form and operator.rstrip("*") in ("==", "!=") and not re.fullmatch(form, condition.operand, flags):
            written = condition.reference.written
            variable = server_variable(written.removeprefix("var_"))
            meaning = f" ({variable.meaning})" if variable else ""
            message = f"{key} compares with {shown(condition.operand)}, which {written} never is{meaning}"
            yield row.warning(message, key=key)


_ANYBODY_SAYS: Final = frozenset(
    b"x-forwarded-for forwarded x-real-ip x-client-ip x-originating-ip true-client-ip cf-connecting-ip".split()
)
"""Request headers that identify the client, and that any client may send."""


def _words_of_anybody(draft: Draft) -> Iterator[Problem]:
    """Conditions that clients can satisfy by values of their own choice, although these look trustworthy."""
    for row, key, condition in _access_conditions(draft):
        written, header = condition.reference.written, condition.reference.request_header
        if header in MANAGED_NAMES:
            message = "is deleted from every request before, so the condition gets an empty value"
        elif header in _ANYBODY_SAYS or written in ("var_add_x_forwarded_for_proxy", "var_client_user"):
            message = "can be chosen by any client, and is not verified"
        else:
            continue
        yield row.warning(f"{key}: {written} {message}", key=key)


_PLUS: Final = re.compile(r"\+|%2B")
_PLUS_IN_PATTERN: Final = re.compile(r"\\\+|\[[^]]*\+|%2B")
_ODD_PARTS: Final = re.compile(r"//|;|\\\\|%[0-9A-Fa-f]{2}")


def _of_other_form(pattern: str) -> str:
    """A part of a pattern that matches no normalized path, if that is evident; else empty."""
    for match in _ODD_PARTS.finditer(pattern.partition(r"\?")[0]):
        part = match[0]
        path = f"/a{part}a".encode()
        of_a_letter = re.fullmatch("%[89A-F][0-9A-F]", part)  # beyond ASCII: alone it is no UTF-8
        if not of_a_letter and normalised(path) != path:
            return part
    return ""


def _unproven_access(draft: Draft) -> Iterator[Problem]:
    """Conditions on certificates where the listener does not verify them, or does not ask for one."""
    for rule in draft.rules:
        listener = rule.value.http_listener.name
        for row, family, asks in _ways_in(draft, rule):
            conditions: dict[int, Condition] = row.family(family)
            said = [each.reference.written for each in conditions.values() if each.reference.of_certificate]
            key = f"{family}.{next(iter(conditions), '')}"
            if said and asks is ClientAuth.NONE:
                yield row.warning(f"{said[0]} is always empty: {listener} asks for no certificate here", key=key)
            elif said and asks is ClientAuth.PASSTHROUGH and not _PROVEN & {*said}:
                yield row.warning(
                    f"{said[0]} is not verified: {listener} is Passthrough (use a fingerprint, or Strict)",
                    key=key,
                )


def _ways_in(draft: Draft, rule: Built[RequestRoutingRule]) -> Iterator[tuple[Row, str, ClientAuth]]:
    """The sections with access control for a rule, their keys, and how clients are verified there."""
    listener, url_path_map = rule.value.http_listener, rule.value.url_path_map
    asks = listener.ssl_profile.client_auth if listener.ssl_profile else ClientAuth.NONE
    yield rule.row, "deny_unless", asks
    if url_path_map is None:
        return
    for row in draft.of("url_path_map"):
        if row.name == url_path_map.name:
            yield row, "default_deny_unless", asks
    of_paths = {PathCertificate.REQUIRE: ClientAuth.STRICT, PathCertificate.IGNORE: ClientAuth.NONE}
    for row in draft.of("path_rule", "client_certificate"):
        if row.name.partition("/")[0] == url_path_map.name:
            yield row, "deny_unless", of_paths.get(row.get("client_certificate"), asks)


_PROVEN = frozenset(
    {
        "var_client_certificate",
        "var_client_certificate_fingerprint",
        "var_client_certificate_fingerprint_sha256",
        "var_client_certificate_verification",
    }
)
"""The values of a certificate that cannot be forged, verified or not: the client has proven that it has the key."""


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _crowds,
    _unused_sets,
    _reroutes,
    _everyday_headers,
    _words_of_clients,
    _paths_in_conditions,
    _names_in_patterns,
    _values_in_patterns,
    _impossible_texts,
    _words_of_anybody,
    _unproven_access,
)
