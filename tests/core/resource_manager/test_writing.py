"""Responses of JSON."""

from __future__ import annotations

import uuid

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.writing import json_answer, new_etag, unique_id


class WritingTests(SynchronousTestCase):
    """Bytes and made values."""

    def test_json(self) -> None:
        """Text is UTF-8; half of a surrogate pair, which JSON can escape, does not stop an answer."""
        answer = json_answer(201, {"a": "é\ud800"}, {"ETag": "x"})
        self.assertEqual((answer.status, answer.body), (201, '{"a":"é?"}'.encode()))
        self.assertEqual(answer.headers, {"Content-Type": "application/json; charset=utf-8", "ETag": "x"})

    def test_unique_ids(self) -> None:
        """They are UUIDs: the same of the same parts, others of others."""
        self.assertEqual(unique_id("a", "b"), unique_id("a", "b"))
        self.assertNotEqual(unique_id("a", "b"), unique_id("a", "c"))
        self.assertEqual(str(uuid.UUID(unique_id("a"))), unique_id("a"))

    def test_etags(self) -> None:
        """They are weak, as the service's are, and change with the request; case of the id does not count."""
        self.assertRegex(new_etag("1", "/a"), r'^W/"[0-9a-f-]{36}"$')
        self.assertEqual(new_etag("1", "/a"), new_etag("1", "/A"))
        self.assertNotEqual(new_etag("1", "/a"), new_etag("2", "/a"))
