"""The body of a PUT, read by the table of ARM properties."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.gateway_bodies import gateway_body
from tests.control_planes import child


def read(**properties: Any) -> dict[str, Any]:
    """The properties that were read without an error."""
    body = gateway_body({"properties": properties})
    assert not body.errors, body.errors
    return body.properties


def errors(**properties: Any) -> list[tuple[str, str]]:
    """Codes and paths of the errors."""
    return [(each.code, each.target) for each in gateway_body({"properties": properties}).errors]


class TopTests(SynchronousTestCase):
    """Members beside the properties."""

    def test_without_properties(self) -> None:
        """A gateway as azure-cli shows it is refused: with nothing in properties nothing would serve any more."""
        flat = {"location": "local", "sslCertificates": [{"name": "web", "data": "MII", "password": "secret"}]}
        found = [(each.code, each.target) for each in gateway_body(flat).errors]
        self.assertEqual(found, [("InvalidJson", "properties"), ("InvalidRequestContent", "sslCertificates")])
        self.assertEqual(len(gateway_body({"location": "local"}).errors), 1)

    def test_beside_properties(self) -> None:
        """What belongs in the properties is refused beside them: it would be shown, with keys, and do nothing."""
        [error] = gateway_body({"properties": {}, "SSLCertificates": [], "kind": "x"}).errors
        self.assertEqual((error.code, error.target), ("InvalidRequestContent", "SSLCertificates"))

    def test_tags_are_texts(self) -> None:
        """A tag with members of its own is refused: clients read texts."""
        body = gateway_body({"properties": {}, "tags": {"a": "b", "c": {"d": "e"}}})
        self.assertEqual([each.target for each in body.errors], ["tags.c"])


class ReadTests(SynchronousTestCase):
    """What is kept, and how it is spelled."""

    def test_names_and_values_without_case(self) -> None:
        """Names and values of enumerations get their canonical spelling, whoever wrote them."""
        listener = {"Name": "L", "Properties": {"PROTOCOL": "https", "FrontendPort": {"ID": "/x"}, "hostname": "a"}}
        expected = {"name": "L", "properties": {"protocol": "Https", "frontendPort": {"id": "/x"}, "hostName": "a"}}
        self.assertEqual(read(HttpListeners=[listener]), {"httpListeners": [expected]})

    def test_answers_are_dropped(self) -> None:
        """What only the service says comes with every GET-change-PUT, and is not kept."""
        port: dict[str, Any] = {
            "name": "p",
            "id": "/x",
            "etag": "1",
            "type": "T",
            "properties": {"port": 80, "provisioningState": "Succeeded", "httpListeners": [{"id": "/y"}]},
        }
        kept = {"frontendPorts": [{"name": "p", "properties": {"port": 80}}]}
        self.assertEqual(read(frontendPorts=[port], operationalState="Running", provisioningState="Updating"), kept)

    def test_null_is_absent(self) -> None:
        """Null is what is not there, in lists too."""
        self.assertEqual(
            read(sslPolicy=None, probes=[None, {"name": "p", "properties": None}]),
            {"probes": [{"name": "p", "properties": {}}]},
        )

    def test_what_means_nothing_here_stays(self) -> None:
        """Notes and names that are not known come back to the client as they were sent."""
        sent = {"sku": {"name": "Standard_v2"}, "fromTheFuture": {"a": [1]}, "enableHttp2": True}
        self.assertEqual(read(**sent), sent)

    def test_children_without_properties(self) -> None:
        """A child may have none, or have them beside its name, as azure-cli shows them."""
        pools = [{"name": "a"}, {"name": "b", "backendAddresses": [{"fqdn": "x"}], "resourceGroup": "rg"}]
        read_pools = read(backendAddressPools=pools)["backendAddressPools"]
        self.assertEqual(read_pools[0], {"name": "a", "properties": {}})
        self.assertEqual(read_pools[1], {"name": "b", "properties": {"backendAddresses": [{"fqdn": "x"}]}})

    def test_numbers_and_booleans_as_texts(self) -> None:
        """Parameters of templates are often texts."""
        settings = {
            "name": "s",
            "properties": {"port": "80", "requestTimeout": 30.0, "pickHostNameFromBackendAddress": "True"},
        }
        expected = {"port": 80, "requestTimeout": 30, "pickHostNameFromBackendAddress": True}
        self.assertEqual(
            read(backendHttpSettingsCollection=[settings])["backendHttpSettingsCollection"][0]["properties"], expected
        )

    def test_rewrite_rules(self) -> None:
        """Plain values in lists are read as deep as the table goes."""
        rule = {
            "Name": "a b",
            "ruleSequence": 1,
            "actionSet": {"RequestHeaderConfigurations": [{"HeaderName": "X", "headerValue": ""}]},
        }
        [found] = read(rewriteRuleSets=[{"name": "s", "properties": {"rewriteRules": [rule]}}])["rewriteRuleSets"]
        [kept] = found["properties"]["rewriteRules"]
        self.assertEqual(kept["actionSet"], {"requestHeaderConfigurations": [{"headerName": "X", "headerValue": ""}]})

    def test_invented_ids(self) -> None:
        """A reference by the id that a child says of itself leads to it, also where that is none of Azure's."""
        port = {**child("p", port=80), "id": "--port-1--"}
        found = read(frontendPorts=[port], httpListeners=[child("l", frontendPort={"id": "--PORT-1--"})])
        [listener] = found["httpListeners"]
        self.assertEqual(listener["properties"]["frontendPort"], {"id": "/frontendPorts/p"})

    def test_members_beside_the_properties(self) -> None:
        """Tags and zones are kept; id, name and etag are those of the path."""
        body = gateway_body(
            {"id": "/x", "name": "n", "etag": "1", "tags": {"A": "b"}, "Zones": ["1"], "properties": {}}
        )
        self.assertEqual(body.members, {"tags": {"A": "b"}, "zones": ["1"]})


class ErrorTests(SynchronousTestCase):
    """What cannot be read, with its path."""

    def test_wrong_types(self) -> None:
        """Each wrong type is an error of its own, at the path of the value."""
        found = errors(
            frontendPorts=[{"name": "p", "properties": {"port": "x"}}, 5],
            httpListeners={},
            probes=[{"name": "p", "properties": {"pickHostNameFromBackendHttpSettings": 1, "host": {}, "match": []}}],
        )
        paths = [
            "properties.frontendPorts[0].properties.port",
            "properties.frontendPorts[1]",
            "properties.httpListeners",
            "properties.probes[0].properties.pickHostNameFromBackendHttpSettings",
            "properties.probes[0].properties.host",
            "properties.probes[0].properties.match",
        ]
        self.assertEqual(found, [("InvalidJson", path) for path in paths])

    def test_references(self) -> None:
        """A reference has an id that is a text, in the service's words."""
        for bad in ({}, {"id": 5}, {"id": ""}):
            [error] = gateway_body(
                {"properties": {"httpListeners": [{"name": "l", "properties": {"frontendPort": bad}}]}}
            ).errors
            path = "properties.httpListeners[0].properties.frontendPort"
            self.assertEqual((error.code, error.target), ("MissingJsonReferenceId", path))
            self.assertEqual(error.message, f"Value for reference id is missing. Path {path}.")

    def test_names(self) -> None:
        """A child without a name is nothing that could be referred to."""
        self.assertEqual(errors(probes=[{}]), [("MissingName", "properties.probes[0]")])

    def test_properties(self) -> None:
        """They are an object, as tags are."""
        [first, second] = gateway_body({"properties": [], "tags": []}).errors
        self.assertEqual((first.target, second.target), ("properties", "tags"))
