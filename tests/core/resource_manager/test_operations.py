"""Work that takes longer than its request."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.answering import accepted, answer
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmOperation, Work
from agwtwisted.core.resource_manager.service_errors import ServiceError
from tests.control_planes import GATEWAY, StandIn, gateway_body


class OperationTests(SynchronousTestCase):
    """From 201 or 202 to the result."""

    def setUp(self) -> None:
        self.plane = StandIn().with_group()

    def begun(self, method: str, path: str, body: object = None) -> ArmAnswer:
        """The answer to a request that is still at work."""
        request = self.plane.request(method, path, body)
        work = answer(request, self.plane.state)
        assert isinstance(work, Work)
        self.identity = request.request_id
        self.done(None)
        return accepted(request, self.plane.state, work)

    def done(self, given: ArmAnswer | None) -> None:
        """The operation has this answer."""
        operation = ArmOperation(answer=given)
        self.plane.state = attrs.evolve(self.plane.state, operations={self.identity: operation})

    def path(self, url: str) -> str:
        """The path of a URL in a header."""
        beginning, _, query = url.partition("?")
        self.assertEqual(query, "api-version=2025-05-01")
        return beginning.removeprefix("https://localhost:8902")

    def test_put(self) -> None:
        """201 with the resource as it will be, in the state Updating; the operation succeeds."""
        given = self.begun("PUT", GATEWAY, gateway_body())
        self.assertEqual((given.status, given.headers["Retry-After"]), (201, "1"))
        self.assertEqual(json.loads(given.body)["properties"]["provisioningState"], "Updating")
        operation = self.path(given.headers["Azure-AsyncOperation"])
        self.assertEqual(self.plane.json("GET", operation), {"status": "InProgress"})
        self.done(ArmAnswer(status=201))
        self.assertEqual(self.plane.json("GET", operation), {"status": "Succeeded"})

    def test_put_that_fails(self) -> None:
        """The operation has the error that the request would have got."""
        given = self.begun("PUT", GATEWAY, gateway_body())
        self.done(ServiceError(code="C", message="m").answer())
        error = {"code": "C", "message": "m", "details": []}
        shown = self.plane.json("GET", self.path(given.headers["Azure-AsyncOperation"]))
        self.assertEqual(shown, {"status": "Failed", "error": error})

    def test_post(self) -> None:
        """202 without a body; the result is 202 until it is there, and then the answer itself."""
        self.plane = StandIn().with_gateway()
        given = self.begun("POST", f"{GATEWAY}/backendhealth")
        self.assertEqual((given.status, given.body), (202, b""))
        result = self.path(given.headers["Location"])
        waiting = self.plane.ask("GET", result)
        self.assertEqual((waiting.status, self.path(waiting.headers["Location"])), (202, result))
        self.done(ArmAnswer(status=200, body=b"{}"))
        self.assertEqual(self.plane.ask("GET", result).body, b"{}")

    def test_unknown(self) -> None:
        """An operation of before a restart is not found."""
        given = self.begun("PUT", GATEWAY, gateway_body())
        self.plane.state = attrs.evolve(self.plane.state, operations={})
        error = self.plane.error("GET", self.path(given.headers["Azure-AsyncOperation"]), status=404)
        self.assertEqual(error["code"], "OperationNotFound")
