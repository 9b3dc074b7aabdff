"""What a gateway says about itself."""

from __future__ import annotations

import json

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.status import GatewayPhase, GatewayStatus, LastReload, ListenerStatus, WorkerStatus

PLAIN = GatewayStatus(generation=3, fingerprint="f" * 64, connections=20)
FULL = GatewayStatus(
    generation=4,
    fingerprint="0" * 64,
    connections=7,
    phase=GatewayPhase.STOPPING,
    listeners=(ListenerStatus(address="::", port=443, connections=7),),
    workers=(WorkerStatus(index=0, pid=12, connections=4), WorkerStatus(index=1, pid=13, connections=3, restarts=2)),
    last_reload=LastReload(at=1e9, problems=("ERROR gw.ini:3 one", "ERROR gw.ini:4 two")),
)


class StatusTests(SynchronousTestCase):
    """Lines and members."""

    def test_line(self) -> None:
        """The line has connections, generation, the last reload and how it ended, and a phase that is not the usual."""
        self.assertEqual(PLAIN.line(), "20 connections, generation 3")
        reloaded = attrs.evolve(PLAIN, last_reload=LastReload(at=1e9))
        self.assertEqual(reloaded.line(), "20 connections, generation 3, last reload at 2001-09-09T01:46:40Z")
        rejected = "last reload rejected at 2001-09-09T01:46:40Z (2 problems, see the log)"
        self.assertEqual(FULL.line(), f"stopping, 7 connections, generation 4, 2 workers, {rejected}")

    def test_one_problem(self) -> None:
        """One problem is not several, and warnings are none."""
        last = LastReload(at=0, problems=("WARNING gw.ini:1 two", "ERROR gw.ini:2 one"))
        self.assertIn("(1 problem, ", attrs.evolve(PLAIN, last_reload=last).line())

    def test_members(self) -> None:
        """The members have their documented names, and are what JSON can say."""
        self.assertEqual(
            json.loads(json.dumps(FULL.members())),
            {
                "started": "1970-01-01T00:00:00Z",
                "uptime": 0.0,
                "phase": "stopping",
                "generation": 4,
                "fingerprint": "0" * 64,
                "connections": 7,
                "listeners": [{"address": "::", "port": 443, "connections": 7}],
                "workers": [
                    {"index": 0, "pid": 12, "connections": 4, "restarts": 0},
                    {"index": 1, "pid": 13, "connections": 3, "restarts": 2},
                ],
                "last_reload": {
                    "at": "2001-09-09T01:46:40Z",
                    "outcome": "rejected",
                    "problems": ["ERROR gw.ini:3 one", "ERROR gw.ini:4 two"],
                },
            },
        )
        self.assertIsNone(PLAIN.members()["last_reload"])
