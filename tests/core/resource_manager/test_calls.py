"""What answers begin with: bodies, and conditions on etags."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.calls import object_in
from agwtwisted.core.resource_manager.service_errors import ServiceError
from tests.control_planes import GATEWAY, StandIn, gateway_body


class BodyTests(SynchronousTestCase):
    """JSON objects."""

    def test_reads(self) -> None:
        """An object is a dictionary."""
        self.assertEqual(object_in(b'{"a": [1, null, true]}'), {"a": [1, None, True]})

    def test_refuses(self) -> None:
        """What is no JSON, no object, has a name twice in whatever case, or numbers that are none, with the reason."""
        bad = {
            b"": "Expecting value",
            b"[]": "not a JSON object",
            b'{"a": 1, "A": 2}': "'A' is there twice",
            b'{"a": NaN}': "NaN",
            b'{"a": 1e999}': "too large",
            b"\xff": "not UTF-8",
            b'{"a":' * 100_000: "too deep",
        }
        for body, reason in bad.items():
            found = object_in(body)
            assert isinstance(found, ServiceError)
            self.assertEqual(found.code, "InvalidRequestFormat")
            self.assertIn(reason, found.details[0].message)


class ConditionTests(SynchronousTestCase):
    """If-Match and If-None-Match."""

    def test_if_match(self) -> None:
        """A PUT with the etag that is there goes on; with another one it fails, and nothing is changed."""
        plane = StandIn().with_gateway()
        etag = plane.json("GET", GATEWAY)["etag"]
        plane.json("PUT", GATEWAY, gateway_body(), headers={"if-match": etag})
        error = plane.error("PUT", GATEWAY, gateway_body(), 412, headers={"if-match": etag})
        self.assertEqual(error["code"], "PreconditionFailed")
        for method in ("PATCH", "DELETE"):
            self.assertEqual(plane.ask(method, GATEWAY, {"tags": {}}, headers={"if-match": etag}).status, 412)

    def test_if_none_match(self) -> None:
        """`*` makes a PUT one that only creates; a GET with the etag that is there gets 304 without a body."""
        plane = StandIn().with_group()
        only_new = {"if-none-match": "*"}
        plane.json("PUT", GATEWAY, gateway_body(), 201, headers=only_new)
        plane.error("PUT", GATEWAY, gateway_body(), 412, headers=only_new)
        etag = plane.json("GET", GATEWAY)["etag"]
        unchanged = plane.ask("GET", GATEWAY, headers={"if-none-match": f'"x", {etag}'})
        self.assertEqual((unchanged.status, unchanged.body), (304, b""))

    def test_if_match_of_nothing(self) -> None:
        """What does not exist matches nothing."""
        plane = StandIn().with_group()
        plane.error("PUT", GATEWAY, gateway_body(), 412, headers={"if-match": "*"})
