"""Problems of a configuration in the service's codes."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.resource_manager.answering import answer, refusal
from agwtwisted.core.resource_manager.messages import Work
from agwtwisted.core.resource_manager.refusals import OWN_CODE, refused
from tests.control_planes import GATEWAY, StandIn, gateway_body

PLACE = Place(file="gateway.json", line=3, path="properties.x")


class RefusedTests(SynchronousTestCase):
    """Codes, messages and paths."""

    def test_options_are_keys(self) -> None:
        """A way out that is an option of a command is said as the key of `[arm]` that does the same here."""
        given = {
            "--certificate web=FILE gives its file": "certificate.web = FILE in [arm] of gateway.ini gives its",
            "it is retired. --tls-policy names another one": "tls_policy in [arm] of gateway.ini names another one",
            "a sentence with an end.": "a sentence with an end. Path properties.x.",
        }
        for message, expected in given.items():
            found = refused([Problem(place=PLACE, message=message)], GATEWAY).message
            self.assertIn(expected, found)
            self.assertNotIn("--", found)

    def test_codes(self) -> None:
        """A problem has its own code, or that of what it is about, or ours."""
        expected = {
            "cannot be opened: it is not PKCS #12, or the password is wrong": (
                "ApplicationGatewaySslCertificatePasswordIncorrect"
            ),
            "the TLS policy X was retired on 2025-08-31 with TLS 1.0": (
                "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy"
            ),
            "something else": OWN_CODE,
        }
        for message, code in expected.items():
            self.assertEqual(refused([Problem(place=PLACE, message=message)], GATEWAY).code, code)
        self.assertEqual(refused([Problem(place=PLACE, message="x", code="Known")], GATEWAY).code, "Known")

    def test_errors_alone(self) -> None:
        """Warnings and notes are no reason; every error is in the details, with section and path."""
        problems = [
            Problem(place=PLACE, message="a", section="probe p"),
            Problem(place=PLACE, message="b", severity=Severity.WARNING),
            Problem(place=Place(file="x"), message="c"),
        ]
        details = refused(problems, GATEWAY).details
        self.assertEqual([each.message for each in details], ["[probe p] a. Path properties.x.", "c."])
        self.assertEqual(details[0].target, "properties.x")
        self.assertEqual(refused([], GATEWAY).code, OWN_CODE)

    def test_certificates(self) -> None:
        """A certificate that cannot be opened is named by its id, and files of this machine are not named at all."""
        section = "ssl_certificate web"
        problem = Problem(place=PLACE, section=section, message="gateway.json#certificates/web.pfx has a password")
        expected = f"Password specified for certificate {GATEWAY}/sslCertificates/web is incorrect. Path properties.x."
        self.assertEqual(refused([problem], GATEWAY).message, expected)
        other = Problem(place=Place(file="/d/g.json"), message="/d/g.json#certificates/web.pem is odd")
        self.assertEqual(refused([other], GATEWAY).message, "certificates/web.pem is odd.")

    def test_answer(self) -> None:
        """A refusal is a complete answer, and the state is as it was."""
        plane = StandIn().with_group()
        request = plane.request("PUT", GATEWAY, gateway_body())
        work = answer(request, plane.state)
        assert isinstance(work, Work)
        given = refusal(request, work, [Problem(place=PLACE, message="no")])
        self.assertEqual((given.status, given.headers["x-ms-request-id"]), (400, request.request_id))
        self.assertEqual(json.loads(given.body)["error"]["code"], OWN_CODE)
