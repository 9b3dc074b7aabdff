"""Rules, URL path maps and redirects as sections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import Body, child, converted, gateway, listener, reference, refusals, rule, said, sections

DEFAULTS = {
    "defaultBackendAddressPool": reference("backendAddressPools", "app"),
    "defaultBackendHttpSettings": reference("backendHttpSettingsCollection", "plain"),
}
TARGET = {
    "backendAddressPool": reference("backendAddressPools", "app"),
    "backendHttpSettings": reference("backendHttpSettingsCollection", "plain"),
}


def path_based(**properties: Any) -> Body:
    """A rule with a URL path map."""
    found = {"ruleType": "PathBasedRouting", "urlPathMap": reference("urlPathMaps", "paths")}
    return rule("web", "web", **found | properties)


def with_map(*path_rules: Body, **properties: Any) -> Body:
    """A gateway with a URL path map."""
    maps = [child("paths", **DEFAULTS, pathRules=list(path_rules))]
    return gateway(urlPathMaps=maps, requestRoutingRules=[path_based(**properties)])


class PriorityTests(SynchronousTestCase):
    """Priorities of rules."""

    def two_rules(self, *priorities: Any, **properties: Any) -> Body:
        """A gateway with two rules of these priorities."""
        return gateway(
            httpListeners=[listener("a", hostName="a"), listener("b", hostName="b")],
            requestRoutingRules=[
                rule(name, name, priority) for name, priority in zip(("a", "b"), priorities, strict=True)
            ],
            **properties,
        )

    def priorities(self, *priorities: Any, api_version: str = "", **properties: Any) -> list[str | None]:
        """The priorities that the rules get."""
        found = sections(converted(self.two_rules(*priorities, **properties), api_version=api_version))
        return [found[f"request_routing_rule {name}"].get("priority") for name in ("a", "b")]

    def test_old_documents(self) -> None:
        """Rules from before there were priorities get some in their order, with a note."""
        for version in ("", "2019-11-01", "2021-05-01"):
            self.assertEqual(self.priorities(None, None, api_version=version), ["10", "20"])
        notes = said(converted(self.two_rules(None, None)), Severity.NOTE)
        self.assertEqual(len([each for each in notes if "it gets" in each]), 2)

    def test_v1(self) -> None:
        """Gateways of v1 need none in whatever version."""
        for sku in ({"name": "Standard_Medium", "tier": "standard"}, {"name": "WAF_Large"}):
            self.assertEqual(self.priorities(None, None, api_version="2025-03-01", sku=sku), ["10", "20"])
        v2 = {"name": "Standard_v2", "tier": "Standard_v2"}
        self.assertEqual(self.priorities(None, None, api_version="2025-03-01", sku=v2), [None, None])

    def test_needed(self) -> None:
        """In newer versions a rule without priority is refused in the product's words."""
        found = refusals(converted(self.two_rules(None, None), api_version="2021-08-01"))
        self.assertEqual(len(found), 2)
        self.assertTrue(found[0].endswith("(ApplicationGatewayRequestRoutingRulePriorityCannotBeEmpty)"))

    def test_some(self) -> None:
        """Some rules with and some without are refused in every version."""
        (only,) = refusals(converted(self.two_rules(10, None)))
        self.assertTrue(only.endswith("(ApplicationGatewayRequestRoutingRulePartialPriorityDefined)"), only)

    def test_given(self) -> None:
        """Priorities that are there stay as they are."""
        self.assertEqual(self.priorities(7, "5"), ["7", "5"])


class RuleTests(SynchronousTestCase):
    """Rules."""

    def test_type(self) -> None:
        """A rule without a type is a basic one."""
        body = gateway(requestRoutingRules=[rule("web", "web", ruleType=None)])
        self.assertEqual(refusals(converted(body)), [])

    def test_advanced_routing(self) -> None:
        """A type that is not supported is refused."""
        body = gateway(requestRoutingRules=[rule("web", "web", ruleType="AdvancedRouting")])
        self.assertTrue(refusals(converted(body)))

    def test_beside_a_map(self) -> None:
        """Beside a URL path map nothing else counts: a note, and a warning where headers would have been rewritten."""
        redirects = [child("r", redirectType="Permanent", targetUrl="https://a.example")]
        body = with_map(redirectConfiguration=reference("redirectConfigurations", "r"))
        body["properties"]["redirectConfigurations"] = redirects
        conversion = converted(body)
        self.assertEqual(refusals(conversion), [])
        notes = [each for each in said(conversion, Severity.NOTE) if "beside PathBasedRouting" in each]
        self.assertEqual(len(notes), 3)
        body = with_map(rewriteRuleSet=reference("rewriteRuleSets", "s"))
        self.assertTrue(any("rewriteRuleSet" in each for each in said(converted(body), Severity.WARNING)))


class MapTests(SynchronousTestCase):
    """URL path maps."""

    def test_path_rules(self) -> None:
        """Path rules stand in their order, in sections of their map."""
        rules = (child("b", paths=["/b/*", "/c"], **TARGET), child("a", paths=["/a"], **TARGET))
        conversion = converted(with_map(*rules))
        titles = [each for each in sections(conversion) if each.startswith("path_rule")]
        self.assertEqual(titles, ["path_rule paths/b", "path_rule paths/a"])
        self.assertEqual(sections(conversion)["path_rule paths/b"]["paths"], "/b/*, /c")
        self.assertEqual(refusals(conversion), [])

    def test_names(self) -> None:
        """Names of path rules are unique in their map."""
        rules = (child("a", paths=["/a"], **TARGET), child("A", paths=["/b"], **TARGET))
        self.assertTrue(any("DuplicateResourceName" in each for each in refusals(converted(with_map(*rules)))))

    def test_commas(self) -> None:
        """A path with a comma cannot be said in a list, and is refused rather than cut in two."""
        self.assertTrue(
            any("comma" in each for each in said(converted(with_map(child("a", paths=["/a,b"], **TARGET)))))
        )


class LoadDistributionTests(SynchronousTestCase):
    """Load distribution policies."""

    def test_policy(self) -> None:
        """A policy with its targets, in the place of a pool."""
        targets = [child("t", weightPerServer=3, backendAddressPool=reference("backendAddressPools", "app"))]
        policy = child("shares", loadDistributionAlgorithm="roundrobin", loadDistributionTargets=targets)
        body = gateway(
            loadDistributionPolicies=[policy],
            requestRoutingRules=[
                rule(
                    "web",
                    "web",
                    backendAddressPool=None,
                    loadDistributionPolicy=reference("loadDistributionPolicies", "shares"),
                )
            ],
        )
        conversion = converted(body)
        found = sections(conversion)
        self.assertEqual(found["load_distribution_policy shares"], {"load_distribution_algorithm": "RoundRobin"})
        self.assertEqual(
            found["load_distribution_target shares/t"], {"weight_per_server": "3", "backend_address_pool": "app"}
        )
        self.assertEqual(found["request_routing_rule web"]["load_distribution_policy"], "shares")
        self.assertEqual(refusals(conversion), [])


class RedirectTests(SynchronousTestCase):
    """Redirects."""

    def test_redirect(self) -> None:
        """A redirect to a listener; who refers to it is not read."""
        redirect = child(
            "r",
            redirectType="permanent",
            targetListener=reference("httpListeners", "other"),
            includePath=True,
            requestRoutingRules=[reference("requestRoutingRules", "gone")],
        )
        body = gateway(
            httpListeners=[listener("web"), listener("other", "p443")],
            redirectConfigurations=[redirect],
            requestRoutingRules=[
                child(
                    "web",
                    priority=1,
                    httpListener=reference("httpListeners", "web"),
                    redirectConfiguration=reference("redirectConfigurations", "r"),
                ),
                rule("other", "other"),
            ],
        )
        conversion = converted(body)
        self.assertEqual(
            sections(conversion)["redirect_configuration r"],
            {"redirect_type": "Permanent", "target_listener": "other", "include_path": "true"},
        )
        self.assertEqual(refusals(conversion), [])
