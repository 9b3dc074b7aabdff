"""From a request to an answer."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.control_planes import GATEWAY, GROUP, StandIn, child, gateway_body


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


ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "x",
    -1,
    1e3,
    True,
    [None],
    {"id": None},
    {"id": "//"},
    {"id": []},
    {"name": 5},
    {"properties": []},
    "\ud800",
    "x" * 300,
    {"": 1},
    10**30,
)


def changed(value: Any, chance: random.Random) -> Any:
    """A body in which some values are others, some members are gone or misspelt, and some items are there twice."""
    if chance.random() < 0.06:
        return copy.deepcopy(chance.choice(ODD))
    if isinstance(value, dict):
        kept = {name: each for name, each in value.items() if chance.random() > 0.03}
        return {
            (name.upper() if chance.random() < 0.03 else name): changed(each, chance) for name, each in kept.items()
        }
    if isinstance(value, list):
        items = [changed(each, chance) for each in value]
        return [*items, *items[:1]] if chance.random() < 0.1 else items
    return value


class HostileBodyTests(SynchronousTestCase):
    """Bodies that no client should send."""

    def test_all_are_answered(self) -> None:
        """Whatever a body says is answered, and what is taken can be read, and sent back as it was answered."""
        rule_set = child("s", rewriteRules=[{"name": "r", "ruleSequence": 1, "actionSet": {}}])
        certificate = child("c", data="eA==")
        good = gateway_body(
            rewriteRuleSets=[rule_set], sslCertificates=[certificate], trustedClientCertificates=[certificate]
        )
        taken = 0
        for seed in range(200):
            plane = StandIn().with_group()
            status = plane.ask("PUT", GATEWAY, json.dumps(changed(good, random.Random(seed))).encode()).status
            self.assertIn(status, (201, 400), seed)
            if status == 201:
                taken += 1
                plane.json("PUT", GATEWAY, plane.json("GET", GATEWAY))
        self.assertGreater(taken, 2)
