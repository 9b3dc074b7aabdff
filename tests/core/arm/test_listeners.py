"""Listeners and error pages as sections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import GATEWAY_TYPE
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import (
    child,
    converted,
    gateway,
    https,
    listener,
    plan_of,
    reference,
    refusals,
    rule,
    said,
    sections,
)

PAGES = [{"statusCode": "httpstatus502", "customErrorPageUrl": "https://a.example/502.html"}]


def with_listener(**properties: Any) -> Any:
    """A gateway with a listener of these properties."""
    return converted(gateway(httpListeners=[listener("web", **properties)]))


class ListenerTests(SynchronousTestCase):
    """Listeners."""

    def test_host_names(self) -> None:
        """Names stand in one of two properties, or in both if they say the same."""
        for properties in (
            {"hostName": "a.example"},
            {"hostNames": ["a.example"]},
            {"hostName": "a.example", "hostNames": []},
            {"hostName": "a.example", "hostNames": ["a.example"]},
        ):
            found = with_listener(**properties)
            self.assertEqual(sections(found)["http_listener web"]["host_names"], "a.example")
            self.assertEqual(said(found), [])
        both = with_listener(hostName="a.example", hostNames=["b.example"])
        self.assertIn("exclude each other", said(both)[0])

    def test_several_names(self) -> None:
        """A list of names is one, in its order; one text is one name."""
        found = with_listener(hostNames=["b.example", "*.a.example"])
        self.assertEqual(sections(found)["http_listener web"]["host_names"], "b.example, *.a.example")
        self.assertTrue(said(with_listener(hostName="a.example,b.example")))

    def test_names_that_are_none(self) -> None:
        """A list whose items say nothing is refused, as one of another type is: without names a listener has all."""
        for names in ([""], [None], [" "], "a.example", {"a": 1}):
            self.assertEqual(len(said(with_listener(hostNames=names))), 1, names)
        self.assertEqual(len(said(with_listener(hostName="a.example", hostNames="b.example"))), 1)

    def test_unknown_names(self) -> None:
        """Names that only a deployment has are one error each: such listeners are not called basic ones."""
        listeners = [listener("a", hostName="[parameters('a')]"), listener("b", hostNames=["[parameters('b')]"])]
        body = gateway(httpListeners=listeners) | {"type": GATEWAY_TYPE}
        del body["id"]
        body["properties"]["requestRoutingRules"] = [rule("a", "a", 1), rule("b", "b", 2)]
        self.assertEqual(len(refusals(converted(body))), 2)

    def test_server_name_indication(self) -> None:
        """Without host names, or without TLS, there is nothing to require."""
        name = "requireServerNameIndication"
        for properties in ({name: True}, {name: True, "hostName": "a.example"}):
            found = with_listener(**properties)
            self.assertEqual((said(found), refusals(found)), ([], []))
            self.assertTrue(any(name in each for each in said(found, Severity.NOTE)))
        body = https()
        body["properties"]["httpListeners"][0]["properties"] |= {name: True, "hostName": "a.example"}
        self.assertEqual(sections(converted(body))["http_listener web"]["require_server_name_indication"], "true")

    def test_l4(self) -> None:
        """An L4 listener with its rule and its settings."""
        body = gateway(
            listeners=[listener("mqtt", "p443", protocol="tcp")],
            backendSettingsCollection=[child("mqtt", port=1883, protocol="Tcp", timeout=60)],
            routingRules=[
                child(
                    "mqtt",
                    priority=200,
                    ruleType="Basic",
                    listener=reference("listeners", "mqtt"),
                    backendAddressPool=reference("backendAddressPools", "app"),
                    backendSettings=reference("backendSettingsCollection", "mqtt"),
                )
            ],
        )
        found = sections(converted(body))
        self.assertEqual(found["listener mqtt"], {"address": "127.0.0.1", "port": "443", "protocol": "Tcp"})
        self.assertEqual(
            found["routing_rule mqtt"],
            {
                "rule_type": "Basic",
                "priority": "200",
                "listener": "mqtt",
                "backend_address_pool": "app",
                "backend_settings": "mqtt",
            },
        )
        self.assertEqual(refusals(converted(body)), [])


class ErrorPageTests(SynchronousTestCase):
    """Error pages."""

    def test_by_option(self) -> None:
        """A page whose file is given is one, of the gateway and of a listener."""
        body = gateway(
            customErrorConfigurations=PAGES,
            httpListeners=[listener("web", customErrorConfigurations=PAGES)],
        )
        options = ImportOptions(pages={"https://a.example/502.html": b"<h1>Sorry</h1>"})
        conversion = converted(body, options)
        found = sections(conversion)
        self.assertEqual(found["custom_error gateway/502"]["file"], "pages/gateway-502.html")
        self.assertEqual(found["custom_error web/502"]["file"], "pages/web-502.html")
        self.assertEqual(refusals(conversion), [])
        self.assertEqual(conversion.files["pages/web-502.html"].data, b"<h1>Sorry</h1>")

    def test_never_fetched(self) -> None:
        """A page without a file is a warning."""
        conversion = converted(gateway(customErrorConfigurations=PAGES))
        self.assertEqual(
            sections(conversion)["custom_error gateway/502"],
            {"custom_error_page_url": "https://a.example/502.html"},
        )
        self.assertEqual(refusals(conversion), [])
        self.assertIn("error-page-without-file", [each.name for each in plan_of(conversion).config.warnings])

    def test_wrong_pages(self) -> None:
        """A page needs a status and a URL, and is one of its status."""
        for pages in (
            [{"statusCode": "HttpStatus502"}],
            [{"customErrorPageUrl": "https://a.example/"}],
            [{"statusCode": "Teapot", "customErrorPageUrl": "https://a.example/"}],
            PAGES * 2,
        ):
            self.assertEqual(len(said(converted(gateway(customErrorConfigurations=pages)))), 1, pages)

    def test_listener_named_gateway(self) -> None:
        """Pages of a listener that is called gateway would be those of the whole gateway."""
        body = gateway(httpListeners=[listener("gateway", customErrorConfigurations=PAGES)])
        self.assertTrue(any("rename it" in each for each in said(converted(body))))

    def test_option_for_nothing(self) -> None:
        """A file for a URL that the document does not have is an error."""
        found = said(converted(gateway(), ImportOptions(pages={"https://a.example/": b""})))
        self.assertIn("names no URL of an error page", found[0])
