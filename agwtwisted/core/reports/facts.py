"""What a configuration says, as facts that can be compared: resources by their paths in the product's words.

A fact is a property of a resource and its value, ``httpListeners/public``, ``protocol``, ``Https``, whatever form the
configuration has and wherever its files are: what is not written counts with its default, a path below the directory of
the configuration is relative to it, of certificates count their fingerprints, and of pages their SHA-256. Private keys
are no part of it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from hashlib import sha256
from typing import Any, Final, TypeAlias

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.operations.masking import masked
from agwtwisted.core.plan.plan import Plan, in_use, title_of
from agwtwisted.core.reports import product_names
from agwtwisted.core.resources.backend_pools import BackendAddress, LoadDistributionPolicy
from agwtwisted.core.resources.resources import UrlPathMap
from agwtwisted.core.rules.rewriting import HeaderAction, RewriteRule, RewriteRuleSet
from agwtwisted.core.tls.policies import TlsPolicy

Fact: TypeAlias = bool | int | float | str | list[str] | None
"""Of a property; the lists are those of texts."""

Facts: TypeAlias = Mapping[str, Mapping[str, Fact]]
"""The properties of each resource by its path; in the order of the configuration."""

_DERIVED: Final = frozenset({("http_listener", "ssl_policy"), ("http_listener", "http2"), ("listener", "ssl_policy")})
"""What follows from other resources, by kind and field."""

_LEFT_OUT: Final = frozenset({"name", "key", "source", "path_rules", "targets"})
"""Fields that say nothing of their own."""

_PATHS: Final = frozenset(
    {("gateway", "access_log"), ("gateway", "state_directory"), ("control", "socket"), ("control", "token_file")}
)
"""Fields that are paths, by kind."""

_NO_PATHS: Final = ("-", "off", "")
"""Their values that are none."""

_CONDITIONS: Final = frozenset({"deny_unless", "default_deny_unless"})
"""Fields that are conditions."""


def facts_of(plan: Plan, *, whole_paths: bool = False) -> Facts:
    """The facts of everything that is in use.

    Args:
        plan: the configuration.
        whole_paths: whether a path below the directory of the configuration is whole, rather than relative to it.
    """
    directory = "" if whole_paths else posixpath.dirname(plan.origins.file)
    found: dict[str, Mapping[str, Fact]] = {}
    resources = in_use(plan.config)
    for title in sorted(resources, key=lambda title: (plan.origins.place(title).line, title)):
        found |= _resource(title.partition(" ")[0], resources[title], directory)
    for page in plan.config.custom_errors:
        path = product_names.path_of("custom_error", f"{page.listener or 'gateway'}/{page.status}")
        found[path] = {"page": f"SHA-256 {sha256(page.page).hexdigest()}"}
    return found


def with_whole_paths(facts: Facts, directory: str) -> Facts:
    """The same with whole paths, of facts whose paths are relative to a directory."""

    def whole(path: str, name: str, value: Fact) -> Fact:
        is_path = (path, name) in _PATHS and isinstance(value, str) and value not in _NO_PATHS
        return posixpath.normpath(posixpath.join(directory, value)) if is_path and isinstance(value, str) else value

    return {path: {name: whole(path, name, value) for name, value in facts[path].items()} for path in facts}


def masked_facts(facts: Facts) -> Facts:
    """The same without what may be a secret: the values of headers, for example."""
    return {path: {name: _masked(name, value) for name, value in facts[path].items()} for path in facts}


def _masked(name: str, value: Fact) -> Fact:
    if isinstance(value, list):
        return [str(_masked(name, each)) for each in value]
    if not isinstance(value, str):
        return value
    return masked(f"{name} = {value}").partition("= ")[2]


def _resource(kind: str, value: Any, directory: str) -> dict[str, Mapping[str, Fact]]:
    """The facts of a resource, and of those in it."""
    path = product_names.path_of(kind, getattr(value, "name", ""))
    if isinstance(value, RewriteRuleSet):
        rules = {product_names.path_of("rewrite_rule", each.name): dict(_rewrite_rule(each)) for each in value.rules}
        return {path: {"order of rewriteRules": [each.name.partition("/")[2] for each in value.rules]}, **rules}
    found: dict[str, Mapping[str, Fact]] = {path: _properties(kind, value, directory)}
    if isinstance(value, UrlPathMap):
        found[path] = {**found[path], "order of pathRules": [rule.name for rule in value.path_rules]}
        for rule in value.path_rules:
            at = product_names.path_of("path_rule", f"{value.name}/{rule.name}")
            found[at] = _properties("path_rule", rule, directory)
    if isinstance(value, LoadDistributionPolicy):
        for target in value.targets:
            at = product_names.path_of("load_distribution_target", f"{value.name}/{target.name}")
            found[at] = _properties("load_distribution_target", target, directory)
    return found


def _properties(kind: str, value: Any, directory: str) -> dict[str, Fact]:
    found: dict[str, Fact] = {}
    for field in attrs.fields(type(value)):
        if field.name not in _LEFT_OUT and (kind, field.name) not in _DERIVED:
            found |= _property(kind, field.name, getattr(value, field.name), directory)
    return found


def _property(kind: str, field: str, value: Any, directory: str) -> dict[str, Fact]:
    """A field as properties: some of its values have parts."""
    name = product_names.property_of(kind, field)
    match value:
        case TlsPolicy():
            suites = [*value.tls12_cipher_suites, *value.tls13_cipher_suites]
            said: dict[str, Fact] = {"minProtocolVersion": value.min_version, "cipherSuites": suites}
            return {name: value.name} | {f"{name}.{part}": each for part, each in said.items()}
        case tuple() if field in _CONDITIONS:
            return {f"{name}.{number}": each.text for number, each in enumerate(value, start=1)}
        case None | bool() | int() | float():
            return {name: value}
        case tuple() | frozenset():
            texts = [_text(each) for each in value]
            return {name: texts if product_names.is_ordered(field) else sorted(texts)}
        case _ if hasattr(value, "authorities"):
            return {name: [_text(each) for each in value.authorities]}
        case str() if (kind, field) in _PATHS:
            return {name: _path(value, directory)}
        case _:
            return {} if kind == "trusted_root_certificate" and field == "file" else {name: _text(value)}


def _path(path: str, directory: str) -> str:
    """A path below a directory relative to it."""
    if path in _NO_PATHS:
        return path
    below = directory and path.startswith(f"{directory}/")
    return posixpath.relpath(path, directory) if below else posixpath.normpath(path)


def _text(value: Any) -> str:
    match value:
        case Enum():
            return str(value.value)
        case bytes():
            return value.decode("utf-8", "replace")
        case x509.Certificate():
            return _certificate(value.public_bytes(Encoding.DER))
        case Certificate():
            return _certificate(value.der)
        case BackendAddress():
            host = f"[{value.host}]" if ":" in value.host and value.port else value.host
            return f"{host}:{value.port}" if value.port else host
        case str():
            return value
        case _:
            return str(value.name) if title_of(value) else str(value)


def _certificate(der: bytes) -> str:
    return f"{certificate_variables(der).subject.decode()} (SHA-256 {fingerprint_sha256(der).decode()})"


def _rewrite_rule(rule: RewriteRule) -> Iterator[tuple[str, Fact]]:
    yield "ruleSequence", rule.rule_sequence
    for number, condition in enumerate(rule.conditions, start=1):
        yield f"condition.{number}", condition.text
    for family, actions in (("request_header", rule.request_headers), ("response_header", rule.response_headers)):
        yield from _headers(family, actions)
    for name, template in (("url_path", rule.url_path), ("url_query_string", rule.url_query_string)):
        if template is not None:
            yield name, template.text
    yield "reroute", rule.reroute


def _headers(family: str, actions: Iterable[HeaderAction]) -> Iterator[tuple[str, Fact]]:
    for action in actions:
        name = f"{family}.{action.key}"
        yield name, action.value.text if action.value else "(deleted)"
        if action.matcher:
            yield f"{name} where", action.matcher_text


class DifferenceKind(Enum):
    """What became of a resource or a property."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@attrs.frozen
class Difference:
    """One thing that is different; a resource that is added or removed has no property of its own here."""

    path: str  # of the resource
    change: DifferenceKind
    name: str = ""  # of the property
    before: Fact = None
    after: Fact = None

    @property
    def place(self) -> str:
        """The resource, and the property in it."""
        return f"{self.path}.{self.name}" if self.name else self.path

    def members(self) -> dict[str, Any]:
        """The members of a JSON object; what there is none of is null."""
        return {
            "path": self.path,
            "property": self.name or None,
            "change": self.change.value,
            "before": self.before,
            "after": self.after,
        }


def differences(before: Facts, after: Facts) -> tuple[Difference, ...]:
    """What is different in the second of two configurations: in its order, then what it does not have.

    Values that may be secrets are compared, and masked in the answer.
    """
    return tuple(_differences(before, after))


def _differences(before: Facts, after: Facts) -> Iterator[Difference]:
    for path in after:
        if path not in before:
            yield Difference(path, DifferenceKind.ADDED)
        elif before[path] != after[path]:
            yield from _changes(path, before[path], after[path])
    for path in before:
        if path not in after:
            yield Difference(path, DifferenceKind.REMOVED)


def _changes(path: str, before: Mapping[str, Fact], after: Mapping[str, Fact]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            before_and_after = _masked(name, old), _masked(name, new)
            yield Difference(path, DifferenceKind.CHANGED, name, *before_and_after)
