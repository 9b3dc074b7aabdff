"""`agwtwisted.core.reports.access_explanation`."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.reports.access_explanation import attribute_lines, findings
from agwtwisted.core.resources.resources import PathCertificate, PathRule
from agwtwisted.core.rules.conditions import access_condition
from agwtwisted.core.verification.verdicts import NotAsked, Trusted, Unchecked, Verdict
from tests import pki
from tests.gateways import mapped, site
from tests.rewrites import device
from tests.strategies import COMMON_NAME, UTF8, certificate, simple_name, string

IOT = access_condition("var_client_certificate_subject_ou == IoT")
STAFF = access_condition("var_client_certificate_subject_ou == Staff")
VERIFIED = access_condition("var_client_certificate_verification == SUCCESS")
METHOD = access_condition("var_http_method == GET")


class FindingTests(SynchronousTestCase):
    """What conditions say of a certificate."""

    def said(self, verdict: Verdict, **changes: object) -> list[str]:
        """What is said about a rule with a map for the device."""
        paths = [
            PathRule(
                name="a", paths=("/a", "/a/*"), deny_unless=(VERIFIED,), client_certificate=PathCertificate.REQUIRE
            ),
            PathRule(name="b", paths=("/b",), deny_unless=(IOT,), client_certificate=PathCertificate.IGNORE),
        ]
        rule = mapped(site(), *paths).rule
        assert rule.url_path_map
        rule = attrs.evolve(
            rule, deny_unless=(IOT, METHOD), url_path_map=attrs.evolve(rule.url_path_map, default_deny_unless=(STAFF,))
        )
        return [str(each) for each in findings(attrs.evolve(rule, **changes), verdict, device().der)]

    def test_each_condition(self) -> None:
        """Those of the rule, of each path as it sees the client, and of all other paths."""
        name = mapped(site()).rule.name
        expected = [
            f"holds: {IOT.text} (rule {name})",
            f"depends on the request: {METHOD.text} (rule {name})",
            f"holds: {VERIFIED.text} (paths /a, /a/*)",
            f"does not hold, 403: {IOT.text} (paths /b)",
            f"does not hold, 403: {STAFF.text} (any other path)",
        ]
        for verdict in (Trusted(), Unchecked()):
            self.assertEqual(self.said(verdict), expected)

    def test_nobody_asks(self) -> None:
        """Where no certificate is asked for, its conditions do not hold."""
        self.assertTrue(self.said(NotAsked())[0].startswith("does not hold, 403"))

    def test_what_refuses_all(self) -> None:
        """Only a condition of the rule that does not hold refuses every request."""
        basic = attrs.evolve(site().rule, deny_unless=(IOT, STAFF, METHOD))
        found = findings(basic, Trusted(), device().der)
        self.assertEqual([each.refuses_all for each in found], [False, True, False])
        rule = mapped(site(), PathRule(name="a", paths=("/a",), deny_unless=(STAFF,))).rule
        self.assertEqual([each.refuses_all for each in findings(rule, Trusted(), device().der)], [False])
        self.assertEqual(findings(site().rule, Trusted(), b""), ())


class AttributeTests(SynchronousTestCase):
    """What rules can ask for."""

    def test_lines(self) -> None:
        """Each value in quotes under the name of its variable; what is not there is left out."""
        lines = list(attribute_lines(device().der))
        self.assertIn("var_client_certificate_subject_cn: 'device-7'", lines)
        self.assertIn("var_client_certificate_subject_dns: 'one.example', 'two.example'", lines)
        self.assertFalse([line for line in lines if "_email" in line])
        der = certificate(subject=simple_name((COMMON_NAME, string(UTF8, "a', 'b\n"))))
        self.assertEqual(list(attribute_lines(der)), ["var_client_certificate_subject_cn: \"a', 'b\ufffd\""])
        self.assertEqual(list(attribute_lines(pki.tlv(0x30))), [])
