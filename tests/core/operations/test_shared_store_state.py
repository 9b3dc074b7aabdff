"""The store that gateways share, as the control API shows it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import example
from agwtwisted.core.operations.revocation_answers import REVOCATION
from agwtwisted.core.operations.shared_store_state import SharedStoreState


class SharedStoreStateTests(SynchronousTestCase):
    """Its members."""

    def test_members(self) -> None:
        """Hits are answers of others, at once or waited for; errors are commands without a proper reply."""
        state = SharedStoreState(
            url="redis://redis.example:6379/0",
            is_connected=True,
            answers={"hit": 3, "waited": 1, "asked": 2},
            commands={("get", "done"): 5, ("get", "none"): 4, ("put", "error"): 2, ("get", "not_connected"): 1},
            last_error="OOM no memory",
        )
        members = state.members()
        expected = {
            "url": "redis://redis.example:6379/0",
            "connected": True,
            "hits": 4,
            "misses": 2,
            "commands": 12,
            "errors": 3,
            "last_error": "OOM no memory",
        }
        self.assertEqual(members, expected)
        self.assertEqual(json.loads(json.dumps(members)), members)
        self.assertEqual(set(members), set(example(REVOCATION)["shared_store"]))

    def test_nothing_yet(self) -> None:
        """Before anything was asked there is no error."""
        state = SharedStoreState(url="redis://a:1/0", is_connected=False, answers={}, commands={})
        self.assertEqual([state.members()[name] for name in ("hits", "last_error", "connected")], [0, None, False])
