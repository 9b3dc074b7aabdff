"""Where listeners listen on this machine."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import Body, child, converted, gateway, listener, refusals, rule, said, sections

TWO = [child("public"), child("private", privateIPAddress="10.0.0.5", privateIPAllocationMethod="Static")]


def two_frontends() -> Body:
    """A gateway with a listener on port 80 of each of two frontends."""
    return gateway(
        frontendIPConfigurations=TWO,
        httpListeners=[listener("web"), listener("inside", frontend="private")],
        requestRoutingRules=[rule("web", "web"), rule("inside", "inside", 200)],
    )


def places(body: Body, options: ImportOptions | None = None) -> dict[str, str]:
    """Address and port of each listener."""
    found = sections(converted(body, options))
    return {
        title.partition(" ")[2]: f"{keys.get('address')}:{keys.get('port')}"
        for title, keys in found.items()
        if title.startswith(("http_listener", "listener"))
    }


class AddressTests(SynchronousTestCase):
    """The addresses of frontends."""

    def test_loopback(self) -> None:
        """Without an option a listener is reached from this machine alone."""
        self.assertEqual(places(gateway()), {"web": "127.0.0.1:80"})

    def test_two_frontends(self) -> None:
        """A second frontend on the same port gets the next address of this machine, and a note says so."""
        self.assertEqual(places(two_frontends()), {"web": "127.0.0.1:80", "inside": "127.0.0.2:80"})
        notes = said(converted(two_frontends()), Severity.NOTE)
        self.assertTrue(any("listens on 127.0.0.2: --address private=ADDRESS changes that" in each for each in notes))
        self.assertEqual(refusals(converted(two_frontends())), [])

    def test_two_frontends_on_two_ports(self) -> None:
        """FrontendPlaces that share no port share the address."""
        body = two_frontends()
        body["properties"]["httpListeners"][1] = listener("inside", "p443", "private")
        self.assertEqual(places(body), {"web": "127.0.0.1:80", "inside": "127.0.0.1:443"})

    def test_options(self) -> None:
        """An address for a frontend, whose name counts without case, comes before one for all."""
        options = ImportOptions(addresses={"": "127.0.0.9", "PRIVATE": "::1"})
        self.assertEqual(places(two_frontends(), options), {"web": "127.0.0.9:80", "inside": "::1:80"})

    def test_address_of_this_machine(self) -> None:
        """A private address that this machine has is used, unless an option says another for it."""
        options = ImportOptions(addresses={"": "127.0.0.9"}, local_addresses=frozenset({"10.0.0.5"}))
        self.assertEqual(places(two_frontends(), options)["inside"], "10.0.0.5:80")

    def test_one_address_for_both(self) -> None:
        """Two frontends on one port of one address are refused, with the option that helps."""
        for address in ("127.0.0.1", "0.0.0.0"):
            options = ImportOptions(addresses={"": address})
            (only,) = said(converted(two_frontends(), options))
            self.assertIn("--address private=ADDRESS gives another", only)
        options = ImportOptions(addresses={"public": "0.0.0.0", "private": "127.0.0.1"})
        self.assertEqual(len(said(converted(two_frontends(), options))), 1)

    def test_wrong_address(self) -> None:
        """An option that is no address is refused."""
        found = said(converted(gateway(), ImportOptions(addresses={"": "localhost"})))
        self.assertTrue(found[0].startswith(" [arm] address "), found)

    def test_unused_frontends(self) -> None:
        """A frontend that no listener uses is nowhere."""
        notes = said(converted(gateway(frontendIPConfigurations=TWO)), Severity.NOTE)
        self.assertFalse(any("listens on" in each and "private" in each for each in notes))

    def test_missing_frontend(self) -> None:
        """A listener needs a frontend and a port."""
        body = gateway()
        for name in ("frontendIPConfiguration", "frontendPort"):
            del body["properties"]["httpListeners"][0]["properties"][name]
        found = [each.rpartition("] ")[2] for each in refusals(converted(body))]
        self.assertEqual(found, ["frontendIPConfiguration is missing", "frontendPort is missing"])


class PortTests(SynchronousTestCase):
    """Ports."""

    def test_mapping(self) -> None:
        """A port is mapped, or moved, or as it is."""
        body = gateway(httpListeners=[listener("web"), listener("other", "p443")])
        options = ImportOptions(ports={443: 9443}, port_offset=8000)
        self.assertEqual(places(body, options), {"web": "127.0.0.1:8080", "other": "127.0.0.1:9443"})

    def test_two_ports_that_become_one(self) -> None:
        """Listeners that are apart in Azure are not mixed here."""
        body = gateway(httpListeners=[listener("web"), listener("other", "p443")])
        (only,) = said(converted(body, ImportOptions(ports={443: 8000, 80: 8000})))
        self.assertIn("ports 80 and 443 are both 8000 here", only)

    def test_two_listeners_of_one_port(self) -> None:
        """Listeners with host names share their port."""
        body = gateway(
            httpListeners=[listener("web", hostNames=["a.example"]), listener("other", hostName="b.example")]
        )
        self.assertEqual(said(converted(body)), [])

    def test_wrong_ports(self) -> None:
        """A port of no number is refused once, with the product's code."""
        for port in (0, 65_536, "http", None, -1):
            body = gateway(
                frontendPorts=[child("p80", port=port)], httpListeners=[listener("web"), listener("b", hostName="b")]
            )
            found = said(converted(body))
            self.assertEqual(len(found), 1, found)
            self.assertTrue(found[0].endswith("(ApplicationGatewayFrontendPortInvalidPortNumber)"), found)

    def test_moved_too_far(self) -> None:
        """A port that is moved out of range is refused."""
        (only,) = said(converted(gateway(), ImportOptions(port_offset=65_500)))
        self.assertIn("port 80 is 65580 here", only)

    def test_unused_ports(self) -> None:
        """A port that no listener uses is ignored, whatever it is; an option for one that is not there is a note."""
        body = gateway(frontendPorts=[child("p80", port=80), child("odd", port=99_999)])
        self.assertEqual(said(converted(body)), [])
        notes = said(converted(body, ImportOptions(ports={8: 9})), Severity.NOTE)
        self.assertTrue(any("ports has 8, which no listener" in each for each in notes))
