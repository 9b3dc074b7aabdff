"""ObjectMembers of objects: which count, and what is said of the others."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.backend_properties import PROBES
from agwtwisted.core.arm.findings import Findings
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json
from agwtwisted.core.arm.listener_properties import HTTP_LISTENERS
from agwtwisted.core.arm.members import MemberReader, as_text
from agwtwisted.core.arm.tls_properties import SSL_PROFILES
from agwtwisted.core.base.errors import Place, Severity, UnacceptableError
from tests.arm_gateways import converted, gateway, reference, said


def node(value: Any) -> JsonNode:
    """A value of a document."""
    return read_json(json.dumps(value).encode(), "a.json")


def unknown() -> JsonNode:
    """A value that only a deployment has."""
    return JsonNode(value=UnknownValue(expression="reference('x')", hint="give it"), place=Place(file="a.json"))


class ValueTests(SynchronousTestCase):
    """Values as keys have them."""

    def value(self, name: str, value: Any) -> str:
        """A member of a probe as text."""
        row = PROBES.property(name)
        assert row
        return as_text(row, node(value))

    def test_numbers(self) -> None:
        """Whole numbers come as such, as floats and as texts."""
        self.assertEqual({self.value("port", each) for each in (80, 80.0, "80", " 080 ")}, {"80"})
        for wrong in (True, 1.5, "8o", "-1", "1_0", None, [], {}):
            self.assertRaises(UnacceptableError, self.value, "port", wrong)

    def test_booleans(self) -> None:
        """Booleans come as such and as texts."""
        name = "pickHostNameFromBackendHttpSettings"
        self.assertEqual([self.value(name, each) for each in (True, "False", "true")], ["true", "false", "true"])
        for wrong in (1, "yes", [], None):
            self.assertRaises(UnacceptableError, self.value, name, wrong)

    def test_enumerations(self) -> None:
        """A text is written in the spelling of its enumeration."""
        self.assertEqual(self.value("protocol", "HTTPS"), "Https")
        self.assertEqual(self.value("protocol", "Http\u017f"), "Http\u017f")  # a long s, which folds to s

    def test_lists(self) -> None:
        """Items are separated by commas, and cannot have any."""
        self.assertEqual(self.value("match.statusCodes", ["200-399", "", 401]), "200-399, 401")
        for wrong in (["200,300"], ["200\n"], "200", [None, {}]):
            self.assertRaises(UnacceptableError, self.value, "match.statusCodes", wrong)


class MemberTests(SynchronousTestCase):
    """ObjectMembers of children."""

    def read(self, value: Any, collection: Any = PROBES) -> tuple[Any, list[str]]:
        """The members of a child, and what is said of them."""
        findings = Findings()
        members = MemberReader(findings).child(collection, node(value), "probe p")
        return members, [f"{each.severity.value} {each.place.path} {each.message}" for each in findings.problems]

    def test_objects_are_flattened(self) -> None:
        """ObjectMembers of an object in an object have its name and a dot before theirs."""
        members, findings = self.read({"properties": {"Match": {"Body": "ok", "statuscodes": []}}})
        self.assertEqual((members.text("match.body"), "match.statusCodes" in members), ("ok", False))
        self.assertEqual([*members.emptied], ["match.statusCodes"])
        self.assertEqual(findings, [])

    def test_unknown_property(self) -> None:
        """A property that the table does not have is warned of, with the nearest one."""
        _, findings = self.read({"properties": {"intervall": 30, "match": {"bodi": "x"}}})
        self.assertEqual(
            findings,
            [
                "WARNING properties.intervall 'intervall' is no property that the gateway knows, and has no effect;"
                " did you mean 'interval'?",
                "WARNING properties.match.bodi 'bodi' is no property that the gateway knows, and has no effect; did you"
                " mean 'body'?",
            ],
        )

    def test_misspelt_protection(self) -> None:
        """A property that decides who may come in is refused where its name is almost right, or it is in no place."""
        findings = Findings()
        reader = MemberReader(findings)
        reader.child(HTTP_LISTENERS, node({"properties": {"sslProfil": {"id": "/sslProfiles/p"}}}), "http_listener l")
        reader.child(
            HTTP_LISTENERS, node({"sslProfile": {"id": "/sslProfiles/p"}, "properties": {}}), "http_listener l"
        )
        reader.child(HTTP_LISTENERS, node({"properties": {"sslSession": 1}}), "http_listener l")
        self.assertEqual(
            [f"{each.severity.value} {each.message}" for each in findings.problems],
            [
                "ERROR 'sslProfil' is no property; did you mean 'sslProfile'? What that protects would be open",
                "ERROR 'sslProfile' stands beside properties, where it has no effect",
                "WARNING 'sslSession' is no property that the gateway knows, and has no effect",
            ],
        )

    def test_all_of_a_profile_protects(self) -> None:
        """Whatever an SSL profile has that is not known is refused, however little it looks like what is."""
        for profile in (
            {"clientAuthConfig": {}},
            {"verifyClientRevocation": "OCSP"},
            {"clientAuthConfiguration": {"x": 1}},
        ):
            profile = {"trustedClientCertificates": [reference("trustedClientCertificates", "ca")]} | profile
            _, findings = self.read({"properties": profile}, SSL_PROFILES)
            self.assertEqual([each.partition(" ")[0] for each in findings], ["ERROR"])
            self.assertIn("What that protects would be open", findings[0])

    def test_protection_in_a_wrong_place(self) -> None:
        """What protects is refused where it does not belong, and so is a name that speaks of it."""
        names = (
            "trustedClientCertificates",
            "sslPolicy",
            "authConfigs",
            "sslProfiles",
            "jwtConfig",
            "clientSslProfile",
        )
        for name in names:
            _, findings = self.read({"properties": {name: [{"id": "x"}]}}, HTTP_LISTENERS)
            self.assertEqual([each.partition(" ")[0] for each in findings], ["ERROR"], name)

    def test_protection_beside_the_properties_of_the_gateway(self) -> None:
        """Beside the properties of the gateway nothing has an effect: what protects is refused there."""
        body = gateway() | {"entraJWTValidationConfigs": [{"name": "j"}], "sslPolicy": {"policyType": "Predefined"}}
        self.assertEqual(
            [each.partition(" ")[0] for each in said(converted(body))], [*("entraJWTValidationConfigs", "sslPolicy")]
        )

    def test_properties_within_properties(self) -> None:
        """Properties within properties, and of what has none, are refused: nothing of them would count."""
        body = gateway()
        body["properties"]["httpListeners"][0]["properties"]["properties"] = {"sslProfile": {"id": "x"}}
        body["properties"]["properties"] = {"entraJWTValidationConfigs": [{"name": "j"}]}
        body["properties"]["backendAddressPools"][0]["properties"]["backendAddresses"].append({"properties": {}})
        self.assertEqual(
            [each.partition(" ")[0].rpartition(".")[2] for each in said(converted(body))], ["properties"] * 3
        )

    def test_empty_for_an_object(self) -> None:
        """An empty list in place of what protects is none, which is said; an empty text for a list is an empty list."""
        _, findings = self.read({"properties": {"sslProfile": []}}, HTTP_LISTENERS)
        self.assertEqual(findings, ["WARNING properties.sslProfile sslProfile is an empty list, and has no effect"])
        members, _ = self.read({"properties": {"trustedClientCertificates": ""}}, SSL_PROFILES)
        self.assertIn("trustedClientCertificates", members.emptied)

    def test_beside_properties(self) -> None:
        """A property beside `properties`, where nothing reads it, is warned of."""
        members, findings = self.read({"name": "p", "id": "x", "port": 80, "properties": {}})
        self.assertEqual(members.text("port"), "")
        self.assertEqual(findings, ["WARNING port 'port' stands beside properties, where it has no effect"])

    def test_two_spellings(self) -> None:
        """Two spellings of one property are refused."""
        body = JsonNode(value={"port": node(1), "Port": node(2)}, place=Place(file="a.json"))
        findings = Findings()
        MemberReader(findings).child(PROBES, body, "probe p")
        self.assertIn("stands twice", findings.problems[0].message)

    def test_unknown_value(self) -> None:
        """A value that only a deployment has is an error where it matters, and none where it does not."""
        findings = Findings()
        body = JsonNode(
            value={"protocol": unknown(), "firewallPolicy": unknown(), "etag": unknown()}, place=Place(file="a.json")
        )
        MemberReader(findings).child(HTTP_LISTENERS, body, "http_listener l")
        self.assertEqual(
            [(each.severity, each.name or each.key) for each in findings.problems],
            [(Severity.ERROR, "protocol"), (Severity.WARNING, "waf-ignored")],
        )

    def test_wrong_type(self) -> None:
        """A text in the place of an object is refused, of all properties, too; null is none."""
        _, findings = self.read({"match": "ok"})
        self.assertEqual(findings, ["ERROR match match must be an object"])
        for value in ("Strict", [], 7, True):
            self.assertEqual(self.read({"properties": value})[1], ["ERROR properties properties must be an object"])
        self.assertEqual(self.read({"properties": None})[1], [])


class MeaningTests(SynchronousTestCase):
    """What the table says of properties that do not work."""

    def test_silence(self) -> None:
        """What asks for nothing is not spoken of."""
        body = gateway(
            enableHttp2=False,
            enableFips="false",
            globalConfiguration={"enableRequestBuffering": False},
            provisioningState="Succeeded",
            firewallPolicy=None,
        )
        self.assertEqual(said(converted(body), Severity.WARNING), [])

    def test_warnings(self) -> None:
        """What did something and does not here is warned of by name."""
        body = gateway(enableFips=True, firewallPolicy={"id": "/x/policies/p"})
        names = [each.name for each in converted(body).findings if each.severity is Severity.WARNING]
        self.assertEqual(names, ["arm-ignored", "waf-ignored"])

    def test_firewall(self) -> None:
        """A firewall that is on is warned of; one that is off is a note."""
        for enabled, severity in ((True, Severity.WARNING), (False, Severity.NOTE), ("false", Severity.NOTE)):
            body = gateway(webApplicationFirewallConfiguration={"enabled": enabled, "firewallMode": "Detection"})
            self.assertEqual(len([each for each in said(converted(body), severity) if "Firewall" in each]), 1)

    def test_errors(self) -> None:
        """What would open a door if it were ignored is refused."""
        body = gateway(advancedRoutingMaps=[{"name": "m"}])
        rule = body["properties"]["requestRoutingRules"][0]["properties"]
        rule |= {"entraJWTValidationConfig": {"id": "/x/entraJWTValidationConfigs/t"}, "authConfigs": [{"name": "a"}]}
        self.assertEqual(
            [each.partition(" ")[0].rpartition(".")[2] for each in said(converted(body))],
            ["advancedRoutingMaps", "entraJWTValidationConfig", "authConfigs"],
        )
