"""Rules, URL path maps, redirects and load distribution policies of a gateway, as sections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agwtwisted.core.arm.findings import IGNORED, PRIORITY_MADE
from agwtwisted.core.arm.members import ObjectMembers
from agwtwisted.core.arm.reading import ChildResource, Reading, entry, named_children, section
from agwtwisted.core.arm.routing_properties import (
    LOAD_DISTRIBUTION_POLICIES,
    LOAD_DISTRIBUTION_TARGETS,
    PATH_RULES,
    REDIRECT_CONFIGURATIONS,
    REQUEST_ROUTING_RULES,
    ROUTING_RULES,
    URL_PATH_MAPS,
)
from agwtwisted.core.sections.ini import Entry, Section

PRIORITY_NEEDED_FROM: Final = "2021-08-01"
"""The first API version in which every rule needs a priority."""
NO_PRIORITY: Final = "ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty"
SOME_PRIORITIES: Final = "ApplicationGatewayRequestRoutingRulePartialPriorityDefined"

_STEP: Final = 10
_V1_TIERS: Final = ("standard", "waf")
_V1_SIZES: Final = ("_small", "_medium", "_large")
_OF_THE_MAP: Final = ("backendAddressPool", "backendHttpSettings", "redirectConfiguration", "loadDistributionPolicy")
_REWRITES: Final = "rewriteRuleSet"


def routing_sections(reading: Reading) -> Iterator[Section]:
    """The sections of all of them, those that are referred to first."""
    for child in reading.of(REDIRECT_CONFIGURATIONS):
        yield section(child, reading.entries(child))
    for child in reading.of(LOAD_DISTRIBUTION_POLICIES):
        yield section(child, reading.entries(child))
        for target in _within(reading, child, "loadDistributionTargets"):
            yield section(target, reading.entries(target))
    for child in reading.of(URL_PATH_MAPS):
        yield section(child, reading.entries(child))
        for path_rule in _within(reading, child, "pathRules"):
            yield section(path_rule, reading.entries(path_rule))
    yield from _rules(reading)
    for child in reading.of(ROUTING_RULES):
        yield section(child, reading.entries(child))


def _within(reading: Reading, child: ChildResource, name: str) -> Iterator[ChildResource]:
    collection = PATH_RULES if name == PATH_RULES.name else LOAD_DISTRIBUTION_TARGETS
    return named_children(reading, child.members, name, collection, child.name)


def _rules(reading: Reading) -> Iterator[Section]:
    rules = reading.of(REQUEST_ROUTING_RULES)
    made = _made_priorities(reading, rules)
    for child in rules:
        yield section(child, [*_rule(reading, child), *made.get(child.name, ())])


def _rule(reading: Reading, child: ChildResource) -> Iterator[Entry]:
    """A rule; beside a URL path map nothing else counts, as in the product."""
    if child.members.text("ruleType") != "PathBasedRouting":
        yield from reading.entries(child)
        return
    for name in (*_OF_THE_MAP, _REWRITES):
        node = child.members.values.get(name)
        if node is None:
            continue
        message = f"{name} has no effect beside PathBasedRouting: that of the URL path map counts"
        if name == _REWRITES:
            reading.findings.warning(node.place, message, section=child.title, name=IGNORED.name)
        else:
            reading.findings.note(node.place, message, section=child.title, name=IGNORED.name)
    yield from reading.entries(child, without=frozenset({*_OF_THE_MAP, _REWRITES}))


def _made_priorities(reading: Reading, rules: Sequence[ChildResource]) -> dict[str, tuple[Entry, ...]]:
    """The priorities of rules that come from before there were any, by their names; errors where they are missing."""
    lacking = [child for child in rules if child.members.body.member("priority").is_absent]
    if not lacking:
        return {}
    findings = reading.findings
    if len(lacking) < len(rules):
        for child in lacking:
            message = "Either all or no rule should have the priority specified."
            findings.error(child.place, message, section=child.title, key="priority", code=SOME_PRIORITIES)
        return {}
    if _needs_priorities(reading):
        for child in lacking:
            message = (
                f"Priority for the request routing rule {reading.id_of(child.members, child.name)} cannot be empty. All"
                " request routing rules should have a priority defined starting from api-version"
                f" {PRIORITY_NEEDED_FROM}"
            )
            findings.error(child.place, message, section=child.title, key="priority", code=NO_PRIORITY)
        return {}
    return _in_their_order(reading, lacking)


def _in_their_order(reading: Reading, rules: Sequence[ChildResource]) -> dict[str, tuple[Entry, ...]]:
    taken = {child.members.text("priority") for child in reading.of(ROUTING_RULES)}
    numbers = (str(number) for number in range(_STEP, 20_001, 1 if len(rules) > 1_000 else _STEP))
    free = (number for number in numbers if number not in taken)
    made: dict[str, tuple[Entry, ...]] = {}
    for child, number in zip(rules, free, strict=False):
        message = f"has no priority, as rules had none before API version {PRIORITY_NEEDED_FROM}: it gets {number}"
        reading.findings.note(child.place, message, section=child.title, key="priority", name=PRIORITY_MADE.name)
        made[child.name] = (entry("priority", number, child.place),)
    return made


def _needs_priorities(reading: Reading) -> bool:
    """Whether the document is of a time, and of a kind of gateway, in which rules need a priority."""
    return reading.resource.api_version >= PRIORITY_NEEDED_FROM and not _is_v1(reading.gateway)


def _is_v1(gateway: ObjectMembers) -> bool:
    """Whether the SKU is one of v1: `Standard_Medium`, `WAF_Large`, of the tiers `Standard` and `WAF`."""
    sku = gateway.body.member("sku")
    tier, name = sku.member("tier").value, sku.member("name").value
    if isinstance(tier, str) and tier:
        return tier.casefold() in _V1_TIERS
    return isinstance(name, str) and name.casefold().endswith(_V1_SIZES)
