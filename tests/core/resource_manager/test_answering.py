"""From a request to an answer."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.control_planes import GATEWAY, GROUP, StandIn, gateway_body


class AnswerTests(SynchronousTestCase):
    """What all answers have in common."""

    def test_headers(self) -> None:
        """Ids of the request, the type of the body, and that no cache keeps it; a client's id only where it asks."""
        plane = StandIn().with_group()
        given = plane.ask(
            "GET", GROUP, headers={"x-ms-client-request-id": "mine", "x-ms-correlation-request-id": "all"}
        )
        self.assertEqual(given.headers["Content-Type"], "application/json; charset=utf-8")
        self.assertEqual(given.headers["Cache-Control"], "no-cache")
        self.assertEqual(given.headers["x-ms-correlation-request-id"], "all")
        self.assertNotIn("x-ms-client-request-id", given.headers)
        asked = {"x-ms-client-request-id": "mine", "x-ms-return-client-request-id": "true"}
        self.assertEqual(plane.ask("GET", GROUP, headers=asked).headers["x-ms-client-request-id"], "mine")
        split = {"x-ms-client-request-id": "a\r\nb", "x-ms-return-client-request-id": "true"}
        self.assertNotIn("x-ms-client-request-id", plane.ask("GET", GROUP, headers=split).headers)

    def test_headers_of_work(self) -> None:
        """What is answered once the work is done has them, too, and the etag."""
        plane = StandIn().with_group()
        given = plane.ask("PUT", GATEWAY, gateway_body())
        self.assertIn("x-ms-request-id", given.headers)
        self.assertTrue(given.headers["ETag"].startswith('W/"'))

    def test_unknown_paths(self) -> None:
        """No such path is 404; a known one with another method 405, with those it has."""
        plane = StandIn()
        for path in ("/metadata", "/subscriptions/../x", "/a" * 100):
            self.assertEqual(plane.error("GET", path, status=404)["code"], "NotFound")
        given = plane.ask("DELETE", "/subscriptions")
        self.assertEqual((given.status, given.headers["Allow"]), (405, "GET"))

    def test_head_has_no_body(self) -> None:
        """Also where there is an error."""
        given = StandIn().ask("HEAD", GATEWAY, version="")
        self.assertEqual((given.status, given.body), (400, b""))
