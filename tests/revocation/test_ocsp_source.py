"""Which responders are asked, and what is logged when they do not answer."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.revocation.ocsp import OcspRequest
from agwtwisted.core.revocation.responders import MAX_DESTINATIONS
from agwtwisted.revocation.ocsp_source import route_of
from tests.revocations import (
    ISSUER,
    PROFILE,
    SUBJECT,
    RevocationCase,
    profile,
)


class ComplaintTests(RevocationCase):
    """What the log says where there is no answer."""

    def test_complaints_name_the_responder(self) -> None:
        """If no responder answers, the line names it, and shows no more of a URL than fits."""
        for keys, told in (
            ({"ocsp_responder_url": "http://own.example/a"}, " (http://own.example/a): dead"),
            ({"ocsp_responder_url": f"http://own.example/{'a' * 500}"}, "aa): dead"),
        ):
            with capturedLogs() as events:
                self.status(ISSUER.issue("device"), profile(**keys))
                self.give_up("dead")
            [line] = [formatEvent(event) for event in events if event["log_format"].startswith("No OCSP response")]
            self.assertTrue(line.endswith(told), line)
            self.assertLess(len(line), 400)

    def test_complaints_are_few(self) -> None:
        """Why there is no answer is said a few times a minute, not once a client."""
        with capturedLogs() as events:
            for number in range(50):
                self.status(ISSUER.issue(f"device {number}"))
                self.give_up("dead")
        self.assertLess(len(events), 10)


class RouteTests(SynchronousTestCase):
    """The responders to ask."""

    def way(self, *urls: str, **keys: Any) -> tuple[Destination, ...]:
        """The destinations of a certificate with these responders."""
        request = OcspRequest.of(*SUBJECT)
        assert isinstance(request, OcspRequest)

        class Named(OcspRequest):
            """The same with other responders."""

            responders = urls

        named = Named(**{field.name: getattr(request, field.name) for field in attrs.fields(OcspRequest)})
        return route_of(named, profile(**keys)).destinations

    def test_junk_is_passed_over(self) -> None:
        """Of a hundred URLs the first good ones count, each once; junk does not stop the search."""
        junk = ["ldap://ldap.example/", "http://user@a.example/", "x", "http://[::1", "http://a.example/"]
        many = [f"http://{number}.example/" for number in range(100)]
        hosts = [each.host for each in self.way(*junk, *junk, *many)]
        self.assertEqual(hosts[0], "a.example")
        self.assertEqual(len(hosts), MAX_DESTINATIONS)
        self.assertEqual(self.way(*["ldap://ldap.example/"] * 100, "http://a.example/"), self.way("http://a.example/"))
        self.assertEqual(self.way(*[f"x{number}" for number in range(100)], "http://a.example/"), ())

    def test_operators_choice(self) -> None:
        """The operator's responder is asked instead, wherever it is; the certificate's within the rules."""
        request = OcspRequest.of(*SUBJECT)
        assert isinstance(request, OcspRequest)
        way = route_of(request, profile(ocsp_responder_url="http://127.0.0.1:9/"))
        self.assertEqual([each.url for each in way.destinations], ["http://127.0.0.1:9/"])
        self.assertTrue(way.is_operators)
        way = route_of(request, PROFILE)
        self.assertFalse(way.is_operators)
        self.assertEqual([each.url for each in way.destinations], ["http://ocsp.example/"])
        self.assertEqual((way.open_networks, way.open_ports), ((), PROFILE.ocsp_allowed_ports))
