"""One answer of several processes' answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.merging import PARENT, merged
from agwtwisted.core.operations.questions import Question

COUNTS = st.lists(st.integers(0, 1 << 40), min_size=1, max_size=5)


def server(port: int, **others: Any) -> dict[str, Any]:
    """A server's members."""
    return {
        "address": "a",
        "port": port,
        "health": "Up",
        "health_probe_log": "",
        "last_probe": None,
        "since": None,
        "draining": False,
        "connections": 0,
        "idle_connections": 0,
        "requests": 0,
    } | others


def backends(*servers: Mapping[str, Any]) -> dict[str, Any]:
    """An answer about one pool under one settings."""
    settings = {
        "name": "s",
        "kind": "backend_http_settings",
        "protocol": "Http",
        "probe": None,
        "servers": list(servers),
    }
    return {"backend_pools": [{"name": "p", "backend_settings": [settings]}]}


def servers_of(answer: Mapping[str, Any]) -> Any:
    """The servers of such an answer."""
    return answer["backend_pools"][0]["backend_settings"][0]["servers"]


class MergedTests(SynchronousTestCase):
    """What becomes of the answers."""

    def test_missing(self) -> None:
        """Workers that did not answer are named."""
        answer = merged(Question.LISTENERS, {}, {1: {"listeners": []}}, [3, 2])
        self.assertEqual(answer, {"listeners": [], "missing_workers": [2, 3]})

    @given(COUNTS)
    def test_listeners(self, numbers: list[int]) -> None:
        """Connections of a listener are those of all processes, and all else is said once."""
        answers = {
            index: {
                "listeners": [{"kind": "listener", "name": name, "port": 1, "connections": number} for name in "ab"]
            }
            for index, number in enumerate(numbers, start=1)
        }
        found = merged(Question.LISTENERS, {}, answers, [])["listeners"]
        expected = [{"kind": "listener", "name": name, "port": 1, "connections": sum(numbers)} for name in "ab"]
        self.assertEqual(found, expected)

    @given(COUNTS)
    def test_backends(self, numbers: list[int]) -> None:
        """Connections and requests are those of all processes; the health is that of the parent, which probes."""
        own = backends(server(1, health="Down", health_probe_log="no", last_probe="t"), server(2))
        answers = {
            index: backends(server(1, connections=number, idle_connections=1, requests=2 * number), server(2))
            for index, number in enumerate(numbers, start=1)
        }
        found, other = servers_of(merged(Question.BACKENDS, {}, {**answers, PARENT: own}, []))
        counts = {"connections": sum(numbers), "idle_connections": len(numbers), "requests": 2 * sum(numbers)}
        self.assertEqual(found, server(1, health="Down", health_probe_log="no", last_probe="t", **counts))
        self.assertEqual(other, server(2))

    def test_partly_drained(self) -> None:
        """A server that some processes drain, and others not yet, is so in part."""
        own, worker = backends(server(1, draining=True, health="Draining")), backends(server(1))
        [found] = servers_of(merged(Question.BACKENDS, {}, {PARENT: own, 1: worker}, []))
        self.assertEqual((found["health"], found["draining"]), ("Partial", True))

    def test_answers_are_not_changed(self) -> None:
        """What a process has answered stays as it was."""
        own, worker = backends(server(1)), backends(server(1, connections=3))
        merged(Question.BACKENDS, {}, {PARENT: own, 1: worker}, [])
        self.assertEqual((own, worker), (backends(server(1)), backends(server(1, connections=3))))

    def test_outcomes(self) -> None:
        """An action has changed something where it has in any process."""
        unchanged, drained = {"outcome": "unchanged"}, {"outcome": "drained"}
        for answers, expected in (({0: unchanged, 1: drained}, "drained"), ({0: unchanged}, "unchanged")):
            self.assertEqual(merged(Question.DRAIN, {}, answers, [])["outcome"], expected)

    def test_known_by_each(self) -> None:
        """What each process knows is taken from the first."""
        answers = {2: {"certificates": ["b"]}, 1: {"certificates": ["a"]}}
        self.assertEqual(merged(Question.CERTIFICATES, {}, answers, [])["certificates"], ["a"])

    def test_metrics(self) -> None:
        """What processes have counted is added up."""
        one, other = ({"measurements": {"agw_connections_evicted": [[[], number]]}} for number in (2, 3))
        answer = merged(Question.METRICS, {}, {0: one, 1: other}, [])
        self.assertEqual(answer["measurements"], {"agw_connections_evicted": [[(), 5]]})
