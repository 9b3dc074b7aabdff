"""One answer of several processes' answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.live_clients import client_id, parsed_id
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

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 3)), max_size=30), st.integers(1, 10))
    def test_refusals(self, found: list[tuple[int, int]], limit: int) -> None:
        """The last refusals of all processes are those of one that had them all, the newest first."""
        refusals = [{"id": f"{worker}-{number}", "at": f"{at}"} for number, (at, worker) in enumerate(found)]
        answers = {
            worker: {"refusals": [each for each in refusals if each["id"].startswith(f"{worker}-")]}
            for worker in (1, 2, 3)
        }
        merged_ones = merged(Question.REFUSALS, {"limit": str(limit)}, answers, [])["refusals"]
        times = sorted((each["at"] for each in refusals), reverse=True)
        self.assertEqual([each["at"] for each in merged_ones], times[:limit])

    @given(st.lists(st.integers(1, 3), max_size=30), st.integers(1, 10))
    def test_clients(self, workers: list[int], limit: int) -> None:
        """Page by page the clients of all processes come once each, in order, and all pages know how many there are."""
        ids = sorted((worker, number) for number, worker in enumerate(workers, start=1))
        found: list[tuple[int, int]] = []
        after = (0, 0)
        while True:
            answers = {
                worker: self.page([each for each in ids if each[0] == worker], after, limit) for worker in (1, 2, 3)
            }
            page = merged(Question.CLIENTS, {"limit": limit}, answers, [])
            self.assertEqual(page["total"], len(ids))
            found += [parsed_id(each["id"]) for each in page["clients"]]
            if page["next"] is None:
                break
            after = parsed_id(page["next"])
        self.assertEqual(found, ids)

    @staticmethod
    def page(ids: list[tuple[int, int]], after: tuple[int, int], limit: int) -> dict[str, Any]:
        """The page of one worker."""
        behind = [each for each in ids if each > after]
        clients = [{"id": client_id(*each)} for each in behind[:limit]]
        last = clients[-1]["id"] if len(behind) > limit else None
        return {"clients": clients, "total": len(ids), "next": last}

    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["closed", "open"])), min_size=1, max_size=4))
    def test_revocation(self, found: list[tuple[int, str]]) -> None:
        """Questions and failures are those of all; the most answers count, the worst circuit, and the first renewal."""
        answers = {}
        for index, (number, circuit) in enumerate(found, start=1):
            renewal = {"serial": "01", "issuer": "CN=a", "renewal": f"{number}"}
            responder = {
                "address": "a:80",
                "circuit": circuit,
                "failures": number,
                "last_failure": f"{number}",
                "last_error": f"error {number}",
                "waiting": 1,
                "under_way": 0,
            }
            answers[index] = {
                "profiles": [],
                "answers": {"good": number},
                "questions": {"good": number},
                "cache_hits": number,
                "let_in_without_status": 0,
                "responders": [responder],
                "lists": [],
                "shared_store": None,
                "next_renewals": [renewal],
            }
        numbers = [number for number, _ in found]
        answer = merged(Question.REVOCATION, {}, answers, [])
        self.assertEqual((answer["answers"], answer["questions"]), ({"good": max(numbers)}, {"good": sum(numbers)}))
        [responder] = answer["responders"]
        self.assertEqual((responder["failures"], responder["waiting"]), (sum(numbers), len(found)))
        self.assertEqual(responder["last_error"], f"error {max(numbers)}")
        self.assertEqual(responder["circuit"], "open" if any(circuit == "open" for _, circuit in found) else "closed")
        self.assertEqual([each["renewal"] for each in answer["next_renewals"]], [f"{min(numbers)}"])

    def test_lists(self) -> None:
        """Of a list that several processes have the newest counts, and its first renewal."""

        def answer(*lists: tuple[str, str, str | None]) -> dict[str, Any]:
            made = [
                {"issuer": "CN=a", "origin": origin, "limited": False, "this_update": this_update, "renewal": renewal}
                for origin, this_update, renewal in lists
            ]
            counts: dict[str, Any] = {"answers": {}, "questions": {}, "responders": [], "next_renewals": []}
            return {**counts, "cache_hits": 0, "let_in_without_status": 0, "lists": made, "shared_store": None}

        answers = {1: answer(("x", "1", "9")), 2: answer(("x", "2", "8"), ("y", "1", None)), 3: answer(("x", "2", "7"))}
        found = merged(Question.REVOCATION, {}, answers, [])["lists"]
        shown = [(each["origin"], each["this_update"], each["renewal"]) for each in found]
        self.assertEqual(shown, [("x", "2", "7"), ("y", "1", None)])

    def test_store(self) -> None:
        """Of the shared store what processes count is added up; it is connected where all of them are."""

        def answer(store: dict[str, Any] | None) -> dict[str, Any]:
            counts: dict[str, Any] = {"answers": {}, "questions": {}, "responders": [], "next_renewals": []}
            return {**counts, "cache_hits": 0, "let_in_without_status": 0, "lists": [], "shared_store": store}

        first = {"url": "a", "connected": True, "hits": 1, "misses": 2, "commands": 3, "errors": 0, "last_error": None}
        second = {**first, "connected": False, "errors": 4, "last_error": "gone"}
        found = merged(Question.REVOCATION, {}, {1: answer(first), 2: answer(second)}, [])["shared_store"]
        self.assertEqual((found["hits"], found["errors"], found["connected"]), (2, 4, False))
        self.assertEqual(found["last_error"], "gone")
        self.assertIsNone(merged(Question.REVOCATION, {}, {1: answer(None)}, [])["shared_store"])

    def test_forgotten(self) -> None:
        """Each process forgets its own of the same answers."""
        answers = {1: {"outcome": "forgotten", "forgotten": 3}, 2: {"outcome": "forgotten", "forgotten": 5}}
        self.assertEqual(merged(Question.FORGET, {}, answers, [])["forgotten"], 5)

    def test_known_by_each(self) -> None:
        """What each process knows is taken from the first."""
        answers = {2: {"certificates": ["b"]}, 1: {"certificates": ["a"]}}
        self.assertEqual(merged(Question.CERTIFICATES, {}, answers, [])["certificates"], ["a"])

    def test_metrics(self) -> None:
        """What processes have counted is added up."""
        one, other = ({"measurements": {"agw_connections_evicted": [[[], number]]}} for number in (2, 3))
        answer = merged(Question.METRICS, {}, {0: one, 1: other}, [])
        self.assertEqual(answer["measurements"], {"agw_connections_evicted": [[(), 5]]})
