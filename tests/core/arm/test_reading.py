"""Children by their names, and references to them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.arm.reading import MOST_CHILDREN, last_segments
from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import ID, child, converted, gateway, reference, refusals, rule, said, sections


class NameTests(SynchronousTestCase):
    """Names of children."""

    def test_two_of_one_name(self) -> None:
        """Names are compared without case."""
        for collection, properties in (("probes", {"protocol": "Http"}), ("frontendPorts", {"port": 80})):
            children = [child("p80", **properties), child("P80", **properties)]
            (only,) = refusals(converted(gateway(**{collection: children})))
            self.assertTrue(only.endswith("(DuplicateResourceName)"), only)

    def test_wrong_names(self) -> None:
        """A child needs a name of the product's characters."""
        for name in ("", "a b", "a/b", "ä", "x" * 81, None, 7):
            for collection in ("probes", "privateLinkConfigurations", "frontendPorts"):
                odd = [{"name": name, "properties": {"port": 80}}]
                body = gateway()
                body["properties"][collection] = body["properties"].get(collection, []) + odd
                ignored = collection == "privateLinkConfigurations"
                self.assertEqual(not refusals(converted(body)), ignored, (name, collection))


class BoundTests(SynchronousTestCase):
    """Lists that are far too long."""

    def test_items(self) -> None:
        """A list has at most as many items as any of the product's, and some."""
        pools = [child(f"p{number}") for number in range(MOST_CHILDREN + 1)]
        conversion = converted(gateway(backendAddressPools=pools))
        self.assertIn(f"has {MOST_CHILDREN + 1} items, of at most {MOST_CHILDREN}", said(conversion)[0])
        self.assertNotIn(f"backend_address_pool p{MOST_CHILDREN}", sections(conversion))


class ReferenceTests(SynchronousTestCase):
    """What a child refers to."""

    def of_listener(self, value: object) -> list[str]:
        """What is said of a rule with that reference to its listener."""
        return said(converted(gateway(requestRoutingRules=[rule("web", "web", httpListener=value)])))

    def test_forms(self) -> None:
        """The last two segments count, whatever stands before them."""
        for prefix in (ID, "", "/subscriptions/other/x/applicationGateways/copy", "x"):
            self.assertEqual(self.of_listener({"id": f"{prefix}/httpListeners/Web"}), [])
            found = converted(
                gateway(requestRoutingRules=[rule("w", "web", httpListener={"id": f"{prefix}/httpListeners/WEB"})])
            )
            self.assertEqual(sections(found)["request_routing_rule w"]["http_listener"], "web")

    def test_missing_target(self) -> None:
        """A reference to nothing is refused in the product's words."""
        (only,) = self.of_listener(reference("httpListeners", "api"))
        self.assertEqual(
            only,
            "properties.requestRoutingRules[0].properties.httpListener [request_routing_rule web] Resource"
            f" {ID}/httpListeners/api referenced by resource {ID}/requestRoutingRules/web was not found. Please make"
            " sure that the referenced resource exists, and that both resources are in the same region."
            " (InvalidResourceReference)",
        )

    def test_wrong_collection(self) -> None:
        """A reference to a child of another collection is refused."""
        (only,) = self.of_listener(reference("frontendPorts", "p80"))
        self.assertIn("must name one of httpListeners (InvalidResourceReference)", only)

    def test_own_ids(self) -> None:
        """A reference may be the id that a child says it has, whatever form that has."""
        body = gateway()
        body["properties"]["frontendIPConfigurations"][0]["id"] = "--front-end--"
        body["properties"]["httpListeners"][0]["properties"]["frontendIPConfiguration"] = {"id": "--FRONT-END--"}
        self.assertEqual(said(converted(body)), [])

    def test_own_ids_of_other_names(self) -> None:
        """An id of a child that ends as another one's name does not make it that: names decide."""
        body = gateway()
        body["properties"]["httpListeners"][0]["id"] = f"{ID}/httpListeners/other"
        body["properties"]["requestRoutingRules"][0]["properties"]["httpListener"] = reference("httpListeners", "other")
        (only,) = said(converted(body))
        self.assertIn("was not found", only)

    def test_only_nulls(self) -> None:
        """A list of references that has nothing but null is refused: as none, it would mean the system's roots."""
        body = gateway()
        settings = body["properties"]["backendHttpSettingsCollection"][0]["properties"]
        settings |= {"protocol": "Https", "trustedRootCertificates": [None]}
        (only,) = said(converted(body))
        self.assertIn("MissingJsonReferenceId", only)

    def test_without_id(self) -> None:
        """An object without an id is refused: it does not mean that there is no reference."""
        for value in ({}, {"id": None}, {"id": ""}, "web", 7, ["web"]):
            (only,) = self.of_listener(value)
            self.assertIn("Value for reference id is missing.", only)

    def test_long_ids(self) -> None:
        """Of a very long id a message repeats only a part."""
        (only,) = self.of_listener({"id": f"/httpListeners/{'x' * 100_000}"})
        self.assertLess(len(only), 1500)

    def test_last_segments(self) -> None:
        """Path rules have four segments, of which the last two count."""
        self.assertEqual(last_segments(f"{ID}/urlPathMaps/m/pathRules/r"), ("pathRules", "r"))
        self.assertEqual([last_segments(each) for each in ("x", "", "/")], [("", "")] * 3)


class OptionTests(SynchronousTestCase):
    """Options that name children."""

    def test_names_of_nothing(self) -> None:
        """An option that names nothing is an error with the nearest name, or a warning where that may come later."""
        options = {"backends": {"ap": ("127.0.0.1:1",)}, "addresses": {"publik": "127.0.0.1"}}
        found = said(converted(gateway(), ImportOptions(**options)))
        self.assertEqual(
            [each.partition("] ")[2] for each in found],
            [
                "address.publik names no frontend IP configuration of the document; did you mean 'public'?",
                "backend.ap names no backend pool of the document; did you mean 'app'?",
            ],
        )
        [other] = said(converted(gateway(), ImportOptions(backends={"servers": ("127.0.0.1:1",)})))
        self.assertTrue(other.endswith("backend.servers names no backend pool of the document: it has 'app'"), other)
        later = converted(gateway(), ImportOptions(**options, names_may_wait=True))
        self.assertEqual((len(said(later)), len(said(later, Severity.WARNING))), (0, 2))
