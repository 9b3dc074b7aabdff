"""One answer of several processes' answers to the same question: that of the gateway as a whole.

Each question has a pure function here. What each process counts for itself is added up; what one alone knows is taken
from there; lists are merged in their order, and cut where the question limits them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeAlias

from agwtwisted.core.operations.backend_servers import PARTIAL
from agwtwisted.core.operations.list_states import MOST_LISTS
from agwtwisted.core.operations.live_clients import MOST_CLIENTS, USUAL_CLIENTS
from agwtwisted.core.operations.measurements import Measurements
from agwtwisted.core.operations.measurements import merged as merged_measurements
from agwtwisted.core.operations.questions import Question, number_argument
from agwtwisted.core.operations.refused_clients import MOST as MOST_REFUSALS
from agwtwisted.core.operations.refused_clients import USUAL as USUAL_REFUSALS
from agwtwisted.core.operations.revocation_state import MOST_RENEWALS, MOST_RESPONDERS

Members: TypeAlias = Mapping[str, Any]
Answers: TypeAlias = Mapping[int, Members]
"""By the index of the worker that has given it."""

PARENT: Final = 0
"""The index of the parent's own answer, where it knows something of the question."""


def merged(question: Question, arguments: Mapping[str, Any], answers: Answers, missing: Sequence[int]) -> Members:
    """The answer of the gateway.

    Args:
        question: that was asked.
        arguments: with which it was.
        answers: of the processes, one at least.
        missing: the indexes of workers that did not answer in time.
    """
    ordered = dict(sorted(answers.items()))
    return {**_MERGING[question](arguments, ordered), "missing_workers": sorted(missing)}


def _any_of(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """Where one knows as much as any other."""
    return next(iter(answers.values()))


def _listeners(arguments: Mapping[str, Any], answers: Answers) -> Members:
    found: dict[object, dict[str, Any]] = {}
    for answer in answers.values():
        for listener in answer["listeners"]:
            _summed(found, (listener["kind"], listener["name"]), listener, ("connections",))
    return {"listeners": list(found.values())}


def _summed(found: dict[object, dict[str, Any]], key: object, members: Members, counts: Iterable[str]) -> None:
    """Adds the counts of an entry to those of the same one of other processes."""
    known = found.get(key)
    if known is None:
        found[key] = dict(members)
    else:
        for name in counts:
            known[name] += members[name]


_SERVER_COUNTS: Final = ("connections", "idle_connections", "requests")


def _backends(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """The health is the parent's, which probes; connections and requests are the workers'."""
    servers: dict[object, dict[str, Any]] = {}
    drained: dict[object, set[bool]] = {}
    for answer in answers.values():
        for key, server in _servers(answer):
            _summed(servers, key, server, _SERVER_COUNTS)
            drained.setdefault(key, set()).add(server["draining"])
    for key, found in drained.items():
        if len(found) > 1:
            servers[key] |= {"draining": True, "health": PARTIAL}
    one = _any_of(arguments, answers)
    return {**one, "backend_pools": _with_servers(one["backend_pools"], servers)}


def _servers(answer: Members) -> Iterable[tuple[object, Members]]:
    for pool in answer["backend_pools"]:
        for settings in pool["backend_settings"]:
            for server in settings["servers"]:
                yield _server_key(pool, settings, server), server


def _server_key(pool: Members, settings: Members, server: Members) -> object:
    return pool["name"], settings["kind"], settings["name"], server["address"], server["port"]


def _with_servers(pools: Iterable[Members], servers: Mapping[object, Members]) -> list[Members]:
    return [
        {
            **pool,
            "backend_settings": [
                {
                    **settings,
                    "servers": [servers[_server_key(pool, settings, server)] for server in settings["servers"]],
                }
                for settings in pool["backend_settings"]
            ],
        }
        for pool in pools
    ]


def _clients(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """Those of the first worker come first; each has answered from where the page begins."""
    limit = number_argument(arguments, "limit", USUAL_CLIENTS, least=1, most=MOST_CLIENTS)
    found = [client for answer in answers.values() for client in answer["clients"]]
    more = len(found) > limit or any(answer["next"] is not None for answer in answers.values())
    return {
        "clients": found[:limit],
        "total": sum(answer["total"] for answer in answers.values()),
        "next": found[:limit][-1]["id"] if more else None,
    }


def _refusals(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """The newest first."""
    limit = number_argument(arguments, "limit", USUAL_REFUSALS, least=1, most=MOST_REFUSALS)
    found = [refusal for answer in answers.values() for refusal in answer["refusals"]]
    return {"refusals": sorted(found, key=itemgetter("at"), reverse=True)[:limit]}


def _revocation(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """Questions are those of all processes. Of answers each has proven its own of the same ones: the most count."""
    every = [*answers.values()]
    due = sorted((each for answer in every for each in answer["next_renewals"]), key=itemgetter("renewal"))
    renewals = {(each["serial"], each["issuer"]): each for each in reversed(due)}  # of one certificate the first
    return {
        **_any_of(arguments, answers),
        "answers": {name: max(answer["answers"][name] for answer in every) for name in every[0]["answers"]},
        "questions": _added(answer["questions"] for answer in every),
        "cache_hits": sum(answer["cache_hits"] for answer in every),
        "let_in_without_status": sum(answer["let_in_without_status"] for answer in every),
        "responders": _responders(each for answer in every for each in answer["responders"]),
        "shared_store": _store([each for answer in every if (each := answer["shared_store"]) is not None]),
        "lists": _lists(each for answer in every for each in answer["lists"]),
        "next_renewals": sorted(renewals.values(), key=itemgetter("renewal"))[:MOST_RENEWALS],
    }


def _added(counts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    found: Counter[str] = Counter()
    for each in counts:
        found.update(each)
    return dict(sorted(found.items()))


_WORST: Final = ("closed", "half-open", "open")


def _responders(every: Iterable[Members]) -> Sequence[Members]:
    """Each once: with the worst circuit of all processes, and the last failure."""
    found: dict[object, dict[str, Any]] = {}
    for each in every:
        known = found.get(each["address"])
        _summed(found, each["address"], each, ("failures", "waiting", "under_way"))
        if known is not None:
            known["circuit"] = max(known["circuit"], each["circuit"], key=_WORST.index)
            if (each["last_failure"] or "") > (known["last_failure"] or ""):
                known |= {name: each[name] for name in ("last_failure", "last_error")}
    return list(found.values())[:MOST_RESPONDERS]


def _lists(every: Iterable[Members]) -> Sequence[Members]:
    """Each once, of the processes that have it in the newest form; the first renewal is that of all."""
    found: dict[object, dict[str, Any]] = {}
    for each in every:
        known = found.get((each["issuer"], each["origin"], each["limited"]))
        if known is None or each["this_update"] > known["this_update"]:
            found[each["issuer"], each["origin"], each["limited"]] = dict(each)
        elif each["this_update"] == known["this_update"] and each["renewal"] is not None:
            known["renewal"] = min(each["renewal"], known["renewal"] or each["renewal"])
    return list(found.values())[:MOST_LISTS]


def _store(every: Sequence[Members]) -> Members | None:
    """As all processes see it."""
    if not every:
        return None
    counted = {name: sum(each[name] for each in every) for name in ("hits", "misses", "commands", "errors")}
    error = next((each["last_error"] for each in every if each["last_error"] is not None), None)
    return {**every[0], **counted, "connected": all(each["connected"] for each in every), "last_error": error}


def _forgotten(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """Each process has forgotten its own of the same answers."""
    return {**_any_of(arguments, answers), "forgotten": max(answer["forgotten"] for answer in answers.values())}


UNCHANGED: Final = "unchanged"
"""The outcome of an action where all was so already."""


def _outcome(arguments: Mapping[str, Any], answers: Answers) -> Members:
    """The first process by which something was changed says what."""
    changed = (answer for answer in answers.values() if answer["outcome"] != UNCHANGED)
    return next(changed, _any_of(arguments, answers))


def _metrics(arguments: Mapping[str, Any], answers: Answers) -> Members:
    return merged_measurements(map(Measurements.of_members, answers.values())).members()


_MERGING: Final[Mapping[Question, Callable[[Mapping[str, Any], Answers], Members]]] = {
    Question.LISTENERS: _listeners,
    Question.BACKENDS: _backends,
    Question.CLIENTS: _clients,
    Question.CLOSE: _any_of,
    Question.REFUSALS: _refusals,
    Question.REVOCATION: _revocation,
    Question.FORGET: _forgotten,
    Question.STATUSES: _any_of,
    Question.IMPORT: _any_of,
    Question.CERTIFICATES: _any_of,
    Question.CONFIGURATION: _any_of,
    Question.DRAIN: _outcome,
    Question.UNDRAIN: _outcome,
    Question.METRICS: _metrics,
}
