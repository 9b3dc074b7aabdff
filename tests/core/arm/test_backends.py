"""Pools, settings and probes as sections."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import GATEWAY_TYPE
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import child, converted, gateway, reference, refusals, said, sections


def with_settings(**properties: Any) -> Any:
    """A gateway with backend settings of these properties."""
    return converted(gateway(backendHttpSettingsCollection=[child("plain", **{"port": 9000} | properties)]))


def settings(**properties: Any) -> dict[str, str]:
    """Their keys."""
    return sections(with_settings(**properties))["backend_http_settings plain"]


class PoolTests(SynchronousTestCase):
    """Pools."""

    def servers(self, addresses: Any, options: ImportOptions | None = None) -> str:
        """The servers of a pool with these members."""
        body = gateway(backendAddressPools=[child("app", backendAddresses=addresses)])
        return sections(converted(body, options))["backend_address_pool app"].get("backend_addresses", "")

    def test_servers(self) -> None:
        """Names and addresses are servers, each once."""
        addresses = [{"fqdn": "a.example"}, {"IpAddress": "10.0.0.4"}, {"fqdn": "", "ipAddress": "b.example"}]
        self.assertEqual(self.servers([*addresses, addresses[0], {}, None]), "a.example, 10.0.0.4, b.example")

    def test_empty_pools(self) -> None:
        """A pool without servers is one, which is warned of."""
        for addresses in (None, [], [{}]):
            self.assertEqual(self.servers(addresses), "")
        body = gateway(backendAddressPools=[{"name": "app"}])
        self.assertEqual(refusals(converted(body)), [])

    def test_option(self) -> None:
        """The option replaces the servers, whatever they are in the document."""
        options = ImportOptions(backends={"APP": ("127.0.0.1:9000", "[::1]:9001")})
        self.assertEqual(self.servers([{"fqdn": "a.example"}], options), "127.0.0.1:9000, [::1]:9001")

    def test_unknown_servers(self) -> None:
        """Servers that only a deployment knows are refused, with the option that replaces them."""
        for addresses in ("[parameters('a')]", [{"fqdn": "[reference('site').host]"}]):
            body = gateway(backendAddressPools=[child("app", backendAddresses=addresses)]) | {"type": GATEWAY_TYPE}
            del body["id"]
            self.assertEqual(len(refusals(converted(body))), 1)
            options = ImportOptions(backends={"app": ("127.0.0.1:9000",)})
            self.assertEqual(refusals(converted(body, options)), [])

    def test_two_in_one(self) -> None:
        """A member with a name and an address is refused: one of both would be lost."""
        body = gateway(backendAddressPools=[child("app", backendAddresses=[{"fqdn": "a", "ipAddress": "10.0.0.4"}])])
        self.assertEqual(len(said(converted(body))), 1)

    def test_network_interfaces(self) -> None:
        """ObjectMembers that are network interfaces are a note with the name of the pool."""
        body = gateway(backendAddressPools=[child("app", backendIPConfigurations=[{"id": "/x/networkInterfaces/n"}])])
        self.assertTrue(any("[backend_address_pool app]" in each for each in said(converted(body), Severity.NOTE)))


class SettingsTests(SynchronousTestCase):
    """Backend settings."""

    def test_draining(self) -> None:
        """The time counts where draining is on."""
        on, off = ({"enabled": each, "drainTimeoutInSec": 60} for each in (True, False))
        self.assertEqual(settings(connectionDraining=on)["connection_draining_timeout"], "60")
        for draining in (off, {"enabled": False, "drainTimeoutInSec": 1}, {}, None):
            self.assertNotIn("connection_draining_timeout", settings(connectionDraining=draining))
        self.assertIn("drainTimeoutInSec is missing", said(with_settings(connectionDraining={"enabled": True}))[0])

    def test_affinity(self) -> None:
        """The name of a cookie that there is not is left out."""
        name = {"affinityCookieName": "Sticky"}
        self.assertEqual(settings(cookieBasedAffinity="enabled", **name)["affinity_cookie_name"], "Sticky")
        self.assertNotIn("affinity_cookie_name", settings(cookieBasedAffinity="Disabled", **name))

    def test_checks_of_servers(self) -> None:
        """What is verified of servers counts with TLS alone."""
        checks = {"validateCertChainAndExpiry": False, "validateSNI": False}
        self.assertEqual(settings(protocol="Https", **checks)["validate_sni"], "false")
        self.assertNotIn("validate_sni", settings(protocol="Http", **checks))
        self.assertEqual(refusals(with_settings(protocol="Http", **checks)), [])

    def test_ignored(self) -> None:
        """Whether there is a probe is said by the reference alone."""
        self.assertTrue(any("probeEnabled" in each for each in said(with_settings(probeEnabled=True), Severity.NOTE)))


class ProbeTests(SynchronousTestCase):
    """Probes."""

    def probe(self, **properties: Any) -> dict[str, str]:
        """The keys of a probe."""
        return sections(converted(gateway(probes=[child("p", **properties)])))["probe p"]

    def test_http(self) -> None:
        """What a healthy server answers, and an empty rule about it."""
        found = self.probe(protocol="Http", host="a", path="/", match={"statusCodes": ["200-299"], "body": "ok"})
        self.assertEqual((found["match_status_codes"], found["match_body"]), ("200-299", "ok"))
        self.assertEqual(
            self.probe(protocol="Http", host="a", match={"body": "", "statusCodes": []}).get("match_body"), None
        )

    def test_without_http(self) -> None:
        """A Tcp probe has no use for what scripts send along, and says so where it asks for something."""
        body = gateway(
            probes=[child("p", protocol="Tcp", path="/", match={"statusCodes": ["200"]}, interval=30, timeout=30)],
            backendSettingsCollection=[child("s", port=1, protocol="Tcp", probe=reference("probes", "p"))],
        )
        conversion = converted(body)
        self.assertEqual(sections(conversion)["probe p"], {"protocol": "Tcp", "interval": "30", "timeout": "30"})
        self.assertEqual(len([each for each in said(conversion, Severity.NOTE) if "without HTTP" in each]), 1)
        self.assertEqual(refusals(conversion), [])
