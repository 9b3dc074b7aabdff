"""What answers begin with: conditions on etags."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.control_planes import GATEWAY, StandIn, gateway_body


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
