"""Backend servers, as the control API shows them."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.operations.backend_servers import BackendServer, backend_members
from tests import configurations
from tests.core.configuration import test_distribution_coherence
from tests.core.operations.test_listeners_in_force import RELAY


class BackendServerTests(SynchronousTestCase):
    """One server."""

    def test_health(self) -> None:
        """Draining is shown of a server that is drained by an operator, unless it is down."""
        for state, shown in (
            (HealthState.UP, "Draining"),
            (HealthState.UNKNOWN, "Draining"),
            (HealthState.DOWN, "Down"),
        ):
            server = BackendServer(address="a", port=80, state=state, draining=True)
            self.assertEqual((server.health, server.members()["draining"]), (shown, True))
            self.assertEqual(BackendServer(address="a", port=80, state=state).health, state.value)

    def test_members(self) -> None:
        """What is not known is null."""
        members = BackendServer(address="a", port=80, state=HealthState.UNKNOWN).members()
        self.assertEqual((members["last_probe"], members["since"], members["health_probe_log"]), (None, None, ""))
        known = BackendServer(address="a", port=80, state=HealthState.UP, log="x" * 9999, last_probe=0.0, since=1.0)
        self.assertEqual(
            (known.members()["last_probe"], known.members()["since"]), ("1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z")
        )
        self.assertLess(len(known.members()["health_probe_log"]), 2200)


class BackendMembersTests(SynchronousTestCase):
    """All of them."""

    def test_pools(self) -> None:
        """A pool has every settings that rules lead to it with, of HTTP and of L4, and under each its servers."""
        server = BackendServer(address="127.0.0.1", port=9000, state=HealthState.UP)
        plan = configurations.plan(configurations.GOOD + RELAY)
        members = backend_members(plan, {("backend_http_settings", "app", "app"): [server]})
        [pool] = members["backend_pools"]
        self.assertEqual(pool["name"], "app")
        self.assertEqual(
            [
                (each["name"], each["kind"], each["protocol"], each["probe"], len(each["servers"]))
                for each in pool["backend_settings"]
            ],
            [("app", "backend_http_settings", "Http", None, 1), ("raw", "backend_settings", "Tcp", None, 0)],
        )
        self.assertEqual(json.loads(json.dumps(members)), members)

    def test_policies(self) -> None:
        """A policy that a rule leads to has its settings and its targets; its pools are among the others."""
        members = backend_members(configurations.plan(test_distribution_coherence.distributed()), {})
        self.assertEqual([pool["name"] for pool in members["backend_pools"]], ["app", "new"])
        [policy] = members["load_distribution_policies"]
        self.assertEqual(
            policy,
            {
                "name": "canary",
                "load_distribution_algorithm": "RoundRobin",
                "backend_http_settings": ["app"],
                "targets": [
                    {"name": "old", "backend_address_pool": "app", "weight_per_server": 9},
                    {"name": "new", "backend_address_pool": "new", "weight_per_server": 1},
                ],
            },
        )
