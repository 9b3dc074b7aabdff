"""The configuration in force as values of JSON: every section in use with every key, defaults included.

Programs compare it. A resource that another one names is its name; of certificates it is what they say, of private keys
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any, Final

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from agwtwisted.core.base.moments import text_of
from agwtwisted.core.certificates.attributes import fingerprint_sha256
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.plan.plan import Plan, in_use, title_of
from agwtwisted.core.reports.route_report import rewrite_actions
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import RewriteRule, RewriteRuleSet
from agwtwisted.core.verification.chains import TrustedChain

_LEFT_OUT: Final = frozenset({"name", "key", "source", "page"})


def effective_configuration(plan: Plan) -> Mapping[str, Any]:
    """Every section in use by its title, ``ssl_profile devices``, with its keys; in the order of titles."""
    found = {title: _members(value) for title, value in in_use(plan.config).items()}
    for page in plan.config.custom_errors:
        found[f"custom_error {page.listener or 'gateway'}/{page.status}"] = {"bytes": len(page.page)}
    return {title: found[title] for title in sorted(found)}


def _members(value: Any) -> dict[str, Any]:
    if isinstance(value, RewriteRuleSet):
        return {"rules": [_rewrite_rule(rule) for rule in value.rules]}
    fields = [field.name for field in attrs.fields(type(value)) if field.name not in _LEFT_OUT]
    return {name: _json(getattr(value, name)) for name in fields}


def _rewrite_rule(rule: RewriteRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "rule_sequence": rule.rule_sequence,
        "conditions": [condition.text for condition in rule.conditions],
        "actions": list(rewrite_actions(rule)),
    }


def _json(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Enum():
            return value.value
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime():
            return text_of(value)
        case x509.Certificate():
            return _certificate(value.public_bytes(Encoding.DER), value.not_valid_before_utc, value.not_valid_after_utc)
        case Certificate():
            return _certificate(value.der, value.not_before, value.not_after)
        case TrustedChain():
            return {"file": value.file, "certificates": _json(value.authorities)}
        case Condition():
            return value.text
        case tuple() | list():
            return [_json(each) for each in value]
        case set() | frozenset():
            return sorted(_json(each) for each in value)
        case _:
            return _other(value)


def _other(value: Any) -> Any:
    """A resource by its name, a part of one by its members, and anything else as it is written in a file."""
    if not attrs.has(type(value)) or "__str__" in vars(type(value)):
        return str(value)
    if title_of(value):
        return value.name
    return ({"name": value.name} if hasattr(value, "name") else {}) | _members(value)


def _certificate(der: bytes, not_before: datetime, not_after: datetime) -> dict[str, str]:
    variables = certificate_variables(der)
    return {
        "subject": variables.subject.decode(),
        "issuer": variables.issuer.decode(),
        "serial": variables.serial.decode(),
        "not_before": text_of(not_before),
        "not_after": text_of(not_after),
        "fingerprint_sha256": fingerprint_sha256(der).decode(),
    }
