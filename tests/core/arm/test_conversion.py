"""A gateway as a configuration: the whole of it."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.conversion import convert
from agwtwisted.core.arm.documents import gateways
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import ConfigError, Severity
from agwtwisted.core.reports.facts import facts_of
from tests.arm_gateways import (
    FILE,
    authority,
    child,
    converted,
    gateway,
    https,
    plan_of,
    plan_of_ini,
    reference,
    refusals,
    rule,
    said,
    sections,
    text_of,
)

FLAT = {
    "name": "edge",
    "resourceGroup": "g",
    "frontendIPConfigurations": [{"name": "public", "resourceGroup": "g"}],
    "frontendPorts": [{"name": "p80", "port": 80}],
    "httpListeners": [
        {
            "name": "web",
            "etag": "W/1",
            "frontendIPConfiguration": {**reference("frontendIPConfigurations", "public"), "resourceGroup": "g"},
            "frontendPort": reference("frontendPorts", "p80"),
            "protocol": "Http",
            "hostNames": [],
        }
    ],
    "backendAddressPools": [{"name": "app", "backendAddresses": [{"ipAddress": "127.0.0.1"}]}],
    "backendHttpSettingsCollection": [{"name": "plain", "port": 9000, "protocol": "Http"}],
    "requestRoutingRules": [
        {
            "name": "web",
            "ruleType": "Basic",
            "priority": 100,
            "httpListener": reference("httpListeners", "web"),
            "backendAddressPool": reference("backendAddressPools", "app"),
            "backendHttpSettings": reference("backendHttpSettingsCollection", "plain"),
        }
    ],
}


class ConvertTests(SynchronousTestCase):
    """From a body to sections."""

    def test_sections(self) -> None:
        """A gateway becomes the sections that somebody would have written."""
        self.assertEqual(
            sections(converted(gateway())),
            {
                "http_listener web": {"address": "127.0.0.1", "port": "80", "protocol": "Http"},
                "backend_address_pool app": {"backend_addresses": "127.0.0.1"},
                "backend_http_settings plain": {"port": "9000", "protocol": "Http"},
                "request_routing_rule web": {
                    "rule_type": "Basic",
                    "priority": "100",
                    "http_listener": "web",
                    "backend_address_pool": "app",
                    "backend_http_settings": "plain",
                },
            },
        )

    def test_forms(self) -> None:
        """With `properties` and without, a gateway is the same."""
        self.assertEqual(sections(converted(FLAT)), sections(converted(gateway())))
        self.assertEqual(said(converted(FLAT), Severity.WARNING), [])

    def test_spellings(self) -> None:
        """Properties, values of enumerations and references count without case, and are written canonically."""
        body = json.loads(
            json.dumps(gateway())
            .replace('"protocol": "Http"', '"Protocol": "hTTP"')
            .replace('"httpListener"', '"HttpListener"')
            .replace("/httpListeners/web", "/HTTPLISTENERS/WEB")
            .replace('"ruleType": "Basic"', '"RULETYPE": "basic"')
            .replace('"frontendPort"', '"FrontendPort"')
        )
        self.assertEqual(sections(converted(body)), sections(converted(gateway())))

    def test_absent_values(self) -> None:
        """Null, an empty text and an empty list are as if they were not there."""
        body = gateway(probes=None, urlPathMaps=[], sslPolicy=None)
        body["properties"]["httpListeners"][0]["properties"] |= {"hostName": "", "hostNames": [], "sslProfile": None}
        body["properties"]["backendHttpSettingsCollection"][0]["properties"] |= {"path": "", "probe": None}
        self.assertEqual(sections(converted(body)), sections(converted(gateway())))

    def test_places(self) -> None:
        """Every section and every key has its line and its path."""
        document = converted(gateway()).document
        section = next(each for each in document.sections if each.kind == "request_routing_rule")
        self.assertEqual((section.place.file, section.place.path), (FILE, "properties.requestRoutingRules[0]"))
        priority = next(entry for entry in section.entries if entry.key == "priority")
        self.assertEqual(priority.place.path, "properties.requestRoutingRules[0].properties.priority")
        self.assertGreater(priority.place.line, section.place.line)

    def test_document_and_ini_mean_the_same(self) -> None:
        """The INI that is written of the sections has the same facts as they have."""
        trusted = [child("ca", data=text_of(authority().pem))]
        profile = {"trustedClientCertificates": [reference("trustedClientCertificates", "ca")]}
        rewrites = [
            {
                "name": "Set X; Y",
                "ruleSequence": 7,
                "conditions": [{"variable": "http_req_X", "pattern": " a;b, c]", "negate": True}],
                "actionSet": {
                    "requestHeaderConfigurations": [
                        {"headerName": "X-A", "headerValue": "a; b"},
                        {"headerName": "X-A", "headerValue": "{http_req_X-A} c"},
                        {"headerName": "X-B"},
                    ]
                },
            }
        ]
        probe = child(
            "p", protocol="Http", host="a.example", path="/a?b", match={"body": "a; # b", "statusCodes": ["200"]}
        )
        body = https(profile=profile, trusted=trusted)
        body["properties"] |= {
            "rewriteRuleSets": [child("set", rewriteRules=rewrites)],
            "probes": [probe],
            "requestRoutingRules": [rule("web", "web", rewriteRuleSet=reference("rewriteRuleSets", "set"))],
            "backendHttpSettingsCollection": [
                child("plain", port=9000, protocol="Http", probe=reference("probes", "p"), requestTimeout=30)
            ],
        }
        for each in (gateway(), https(), body):
            conversion = converted(each)
            self.assertEqual(refusals(conversion), [])
            self.assertEqual(facts_of(plan_of(conversion)), facts_of(plan_of_ini(conversion)))

    def test_errors_are_of_the_document(self) -> None:
        """What the conversion refuses is among the problems of its document, so that no plan is made of it."""
        conversion = converted(gateway(entraJWTValidationConfigs=[child("tokens")]))
        self.assertEqual(conversion.findings, conversion.document.problems)
        error = self.assertRaises(ConfigError, plan_of, conversion)
        self.assertIn("entraJWTValidationConfigs is not supported", str(error))

    def test_keys_that_were_refused_are_not_missing(self) -> None:
        """One wrong reference is one error: no further one says that the key is missing."""
        body = gateway()
        body["properties"]["requestRoutingRules"][0]["properties"]["httpListener"] = reference("httpListeners", "wbe")
        (only,) = refusals(converted(body))
        self.assertIn("Did you mean 'web'?", only)

    def test_server_header(self) -> None:
        """A gateway that hides its Server header here, too, has an empty one."""
        found = sections(converted(gateway(globalConfiguration={"disableDefaultServerHeaderInResponse": "True"})))
        self.assertEqual(found["gateway"], {"server_header": ""})

    def test_http2(self) -> None:
        """What the product says of HTTP/2 holds here, in any case of the word; absent it is off."""
        for value, word in ((True, "true"), (False, "false"), ("True", "true")):
            self.assertEqual(sections(converted(gateway(enableHttp2=value)))["gateway"], {"enable_http2": word})
        self.assertNotIn("enable_http2", sections(converted(gateway())).get("gateway", {}))

    def test_firewall_of_the_tier(self) -> None:
        """A tier with a firewall is warned of, once: not where a policy is warned of anyway."""
        tier: dict[str, Any] = {"sku": {"name": "WAF_v2", "tier": "WAF_v2"}}
        others: list[dict[str, Any]] = [
            {},
            {"firewallPolicy": {"id": "x"}},
            {"webApplicationFirewallConfiguration": {"enabled": True}},
        ]
        for more in others:
            found = [each for each in converted(gateway(**tier, **more)).findings if each.name == "waf-ignored"]
            self.assertEqual([each.severity for each in found], [Severity.WARNING], more)

    def test_without_listeners(self) -> None:
        """Of a document without listeners it is said where they should be."""
        notes = said(converted(gateway(httpListeners=[], requestRoutingRules=[])), Severity.NOTE)
        self.assertTrue(any(each.startswith("properties.httpListeners [gateway] the gateway has no") for each in notes))

    def test_what_no_file_can_say(self) -> None:
        """A value that an INI file could not have is refused, too: both must mean the same."""
        probe = child("p", protocol="Http", host="a", path="/", match={"body": "a\u0001b"})
        (only,) = said(converted(gateway(probes=[probe])))
        self.assertIn("[probe p]", only)

    def test_nothing_is_raised(self) -> None:
        """Whatever stands in the place of objects and lists, the answer is a Conversion."""
        odd = (None, True, 7, 1.5, "text", [], [[]], [None], [7], {}, {"id": 7}, {"properties": []}, [{"name": 7}])
        for name in gateway()["properties"]:
            for value in odd:
                body = {"name": "edge", "id": "x", "properties": gateway()["properties"] | {name: value}}
                (found,) = gateways(json.dumps(body).encode(), FILE, TemplateContext())
                convert(found, ImportOptions())
            for value in odd:
                body = gateway()
                properties = body["properties"][name][0]["properties"]
                for key in list(properties):
                    properties[key] = value
                (found,) = gateways(json.dumps(body).encode(), FILE, TemplateContext())
                convert(found, ImportOptions())
