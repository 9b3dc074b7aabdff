"""Errors in the service's form."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.service_errors import MAX_DETAILS, ServiceError, all_of, invalid_format


class ServiceErrorTests(SynchronousTestCase):
    """Code, message, target and details."""

    def test_members(self) -> None:
        """An error has its details as errors; a target only where it has one."""
        inner = ServiceError(code="InvalidJson", message="No.", target="properties.x")
        answer = invalid_format(inner).answer()
        self.assertEqual(answer.status, 400)
        shown = {"code": "InvalidJson", "message": "No.", "target": "properties.x", "details": []}
        expected = {"code": "InvalidRequestFormat", "message": "Cannot parse the request.", "details": [shown]}
        self.assertEqual(json.loads(answer.body), {"error": expected})

    def test_all_of(self) -> None:
        """The first of several errors stands for all, which are its details; one alone is itself."""
        first, second = ServiceError(code="A", message="a"), ServiceError(code="B", message="b")
        self.assertEqual(all_of([first]), first)
        both = all_of([first, second])
        self.assertEqual((both.code, [each.code for each in both.details]), ("A", ["A", "B"]))

    def test_details_are_bounded(self) -> None:
        """However many problems there are, so many are listed."""
        many = all_of([ServiceError(code="A", message="a")] * (MAX_DETAILS + 5))
        self.assertEqual(len(json.loads(many.answer().body)["error"]["details"]), MAX_DETAILS)
