"""The reference page of the control API, made from its table of routes and the members of its answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from agwtwisted.core.base.tables import markdown
from agwtwisted.core.operations.answer_members import documented, example
from agwtwisted.core.operations.answers import ANSWERS, EVENTS
from agwtwisted.core.operations.routes import ROUTES, ControlRoute, Form, Operation
from agwtwisted.core.reports.reference_pages import NOTICE

_INTRODUCTION: Final = (
    "A running gateway answers HTTP on its control socket, a Unix socket that its own user and root can use, and with"
    " `port` in [`[control]`](configuration.md#control) on a port of this machine, too. `agw` asks it by that, and the"
    " console. Names of members and paths are stable; further ones may come.",
    "```sh\n"
    "curl --unix-socket /var/lib/agwtwisted/control.sock http://gateway/status\n"
    'curl -H "Authorization: Bearer $(cat /var/lib/agwtwisted/control.token)" http://127.0.0.1:9901/status\n'
    "curl --unix-socket /var/lib/agwtwisted/control.sock -X POST http://gateway/backends/app/app/10.0.0.5:8080/drain\n"
    "```",
    "- **Requests**: one for each connection, in 10 seconds; a body is a JSON object of at most 96 KB, with"
    " `Content-Type: application/json`. Segments of a path are percent-encoded, each by itself. Arguments that are"
    " unknown, twice there or wrong are errors.\n"
    "- **Answers** are JSON objects unless it is said otherwise below. Times are ISO 8601 in UTC, durations seconds;"
    " what is absent is null, a list is never absent. An error has the member `error`, a text, and the status 400 (an"
    " argument), 404 (no such thing), 405 (method), 409 (not now), 411 and 413 (body), 415 (no JSON), 500 (a defect,"
    " which is in the log), 503 (busy: ask again) or 504 (no answer in time).\n"
    "- **Workers**: the parent answers for all. An answer that needs the workers has `missing_workers`, the indexes of"
    " those that have not answered within 5 seconds, or start or end at that moment. One that has not answered is not"
    " asked again before it does. If none has, the status is 503. What one worker does for all (POST /revocation/check"
    " and /revocation/import) may take 28 seconds.\n"
    "- **Connections**: 32 at once for each of the two, of which 16 may carry events. Beyond that the oldest connection"
    " gives way that only waits for its client; so neither silent clients nor readers of events keep out a reload.\n"
    "- **On TCP** every request needs the header `Authorization: Bearer TOKEN`, except for the console's files below"
    " `/console/`; without it, or with a wrong one, the status is 401, and 429 after many wrong ones. `Host` has to be"
    " the address or `localhost`, with the port (else 421), and `Origin`, if there is one, the same (else 403). There"
    " is no CORS: no page of another site can ask. The token is never taken from the URL.",
)

_EVENTS: Final = (
    "Server-Sent Events (HTML Standard, 9.2): each has an `id`, a kind as `event`, and its members as JSON in `data`. A"
    " comment comes every 15 seconds. A reader that connects again with `Last-Event-ID` gets what happened since, of"
    " the last 1000 events. Where events are missing, because they are not kept any more or the reader was too slow, an"
    " event `lost` comes in their place, whose `count` says how many, or is null where that is not known. Of one kind"
    " at most 200 in a second are sent by each process; then an event has `omitted`, the number of the others. A reader"
    " that reads nothing for a minute is cut off. With workers, an event of one has its index as `worker`."
)

EVENT_KINDS: Final[Mapping[str, str]] = {
    "refusal": "A client was refused.",
    "health": "The health of a server has changed, or an operator has drained it.",
    "reload": "A reload has ended.",
    "worker": "A worker serves, or has ended.",
    "certificate": "A certificate ends within 30 days; once a day.",
}
"""Of events, with what each says."""

_SAME_AS: Final[Mapping[str, str]] = {"refusal": "/refusals", "certificate": "/certificates"}
"""Kinds of events whose members are those of an answer's objects."""


def control_page() -> str:
    """The page."""
    parts = ["# The control API", NOTICE, *_INTRODUCTION, "## Paths", _overview()]
    for route in ROUTES:
        parts += _route(route)
    return "\n\n".join(parts) + "\n"


def _overview() -> str:
    rows = [(f"[`{each.method} {each.path}`](#{_anchor(each)})", each.meaning) for each in ROUTES]
    return markdown(("request", ""), rows)


def _anchor(route: ControlRoute) -> str:
    return "".join(each for each in _title(route).lower().replace(" ", "-") if each.isalnum() or each in "-_")


def _title(route: ControlRoute) -> str:
    return f"{route.method} {route.path}"


def _route(route: ControlRoute) -> Iterator[str]:
    yield f"## {_title(route)}"
    yield route.meaning
    if route.query:
        yield markdown(("argument of the query", ""), _rows(route.query))
    if route.body:
        yield markdown(("member of the body", ""), _rows(route.body))
    match route.form:
        case Form.METRICS:
            yield "The metrics are listed in [metrics.md](metrics.md)."
        case Form.EVENTS:
            yield _EVENTS
            yield from _events()
        case _:
            yield from _answer(route)


def _events() -> Iterator[str]:
    for kind, meaning in EVENT_KINDS.items():
        yield f"### `{kind}`"
        if kind in _SAME_AS:
            yield f"{meaning} The members are those of an object of GET {_SAME_AS[kind]}."
        else:
            yield meaning
            yield markdown(("member", ""), _rows({path: each.meaning for path, each in documented(EVENTS[kind])}))


def _answer(route: ControlRoute) -> Iterator[str]:
    tree = ANSWERS[route.asks]
    rows = [(f"`{path}`", member.meaning) for path, member in documented(tree)]
    yield markdown(("member of the answer", ""), rows)
    if route.asks is Operation.RELOAD:
        yield (
            "A configuration that is not taken has the status 422, or 409 where the gateway stops: `outcome` is"
            " `rejected`, `generation` and `fingerprint` are those of the configuration that stays in force, and"
            " `problems` has one line for each."
        )
    yield f"```json\n{json.dumps(example(tree), indent=2, ensure_ascii=False)}\n```"


def _rows(meanings: Mapping[str, str]) -> Iterable[Sequence[str]]:
    return ((f"`{name}`", meaning) for name, meaning in meanings.items())
