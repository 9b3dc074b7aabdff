"""Lists as members of JSON."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.list_states import ListState


class ListStateTests(SynchronousTestCase):
    """One list."""

    def test_members(self) -> None:
        """Times are text, the number is hexadecimal, and what there is not is null."""
        state = ListState(
            issuer="CN=CA",
            origin="http://pki.example/",
            number=None,
            this_update=0.0,
            next_update=86400.0,
            entries=3,
            size=400,
            is_limited=True,
            renewal=None,
            problem="no response",
        )
        self.assertEqual(
            state.members(),
            {
                "issuer": "CN=CA",
                "origin": "http://pki.example/",
                "number": None,
                "this_update": "1970-01-01T00:00:00Z",
                "next_update": "1970-01-02T00:00:00Z",
                "entries": 3,
                "bytes": 400,
                "limited": True,
                "renewal": None,
                "problem": "no response",
            },
        )
