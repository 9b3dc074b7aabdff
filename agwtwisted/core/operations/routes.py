"""The routes of the control API as one table: the site answers by it, and docs/reference/control-api.md is made of it.

To add a route is to add a row, and to document the members of its answer in `answers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.operations.questions import Question

PREFIX_CONSOLE: Final = "/console/"
"""Where the files of the console are; they need no token."""


class Operation(Enum):
    """What the process that is operated answers itself, beside the questions to what serves."""

    STATUS = "status"
    RELOAD = "reload"
    REOPEN = "reopen"
    EXPLAIN = "explain"
    CHECK = "check"
    EVENTS = "events"


Asked: TypeAlias = Question | Operation


class Form(Enum):
    """How an answer is written."""

    JSON = "a JSON object"
    METRICS = "metrics as text"
    EVENTS = "Server-Sent Events"


@attrs.frozen(kw_only=True)
class ControlRoute:
    """One path and method.

    Args:
        method: of HTTP; GET answers HEAD as well.
        path: its segments; one in braces stands for an argument of that name.
        asks: what is asked then.
        meaning: what it does, a sentence for the reference page.
        query: the arguments that may be in the query, with their meanings.
        body: the members that the JSON object in the body may have, the same.
        form: of the answer.
    """

    method: str
    path: str
    asks: Asked
    meaning: str
    query: Mapping[str, str] = attrs.Factory(dict)
    body: Mapping[str, str] = attrs.Factory(dict)
    form: Form = Form.JSON

    @property
    def segments(self) -> tuple[str, ...]:
        """The pattern of the path."""
        return tuple(self.path[1:].split("/"))


_LIMIT: Final = "how many at most, from 1 to 1000; 100 unless given"

_JUDGED: Final = {
    "listener": "the name of a listener",
    "certificate": "the certificate and its intermediates, as PEM",
    "refusal": "in its place: the `id` of a refusal, whose listener is taken unless one is given",
}

_SERVER: Final = "/backends/{pool}/{settings}/{server}"


ROUTES: Final[tuple[ControlRoute, ...]] = (
    ControlRoute(
        method="GET",
        path="/status",
        asks=Operation.STATUS,
        meaning="What the gateway is at the moment: its phase, what is in force, connections, the last reload.",
    ),
    ControlRoute(
        method="GET",
        path="/listeners",
        asks=Question.LISTENERS,
        meaning="Every listener, and what it asks of clients.",
    ),
    ControlRoute(
        method="GET",
        path="/backends",
        asks=Question.BACKENDS,
        meaning="Every server by pool and settings, with its health and its last probe.",
    ),
    ControlRoute(
        method="GET",
        path="/certificates",
        asks=Question.CERTIFICATES,
        meaning="Every certificate of the configuration, those that end first before the others.",
    ),
    ControlRoute(
        method="GET",
        path="/clients",
        asks=Question.CLIENTS,
        meaning="The connections of clients, by pages: `next` of one is `after` of the following one.",
        query={
            "limit": _LIMIT,
            "after": "an `id`: those that come after it",
            "listener": "the name of a listener: its clients alone",
            "search": "a text that occurs in the address, the subject or another text of a client",
        },
    ),
    ControlRoute(
        method="GET",
        path="/revocation",
        asks=Question.REVOCATION,
        meaning="What is known of revocation, and how the responders do.",
    ),
    ControlRoute(
        method="GET",
        path="/configuration",
        asks=Question.CONFIGURATION,
        meaning="The configuration in force, as its file was read, with its warnings. Passwords are masked.",
    ),
    ControlRoute(
        method="GET",
        path="/refusals",
        asks=Question.REFUSALS,
        meaning="The last clients that were refused, the newest first.",
        query={"limit": _LIMIT, "id": "an `id`: that one alone, with its certificates"},
    ),
    ControlRoute(
        method="GET",
        path="/metrics",
        asks=Question.METRICS,
        meaning=(
            "Metrics for Prometheus: its text format or, where `Accept` asks for `application/openmetrics-text`,"
            " OpenMetrics."
        ),
        form=Form.METRICS,
    ),
    ControlRoute(
        method="GET",
        path="/events",
        asks=Operation.EVENTS,
        meaning="What happens, as it happens.",
        query={"kinds": "names of kinds, separated by commas; all unless given"},
        form=Form.EVENTS,
    ),
    ControlRoute(
        method="POST",
        path="/explain",
        asks=Operation.EXPLAIN,
        meaning="Whether a listener accepts a client's certificate, and why, as `agw explain` does.",
        body={**_JUDGED, "at": "the time at which the certificate is judged; now unless given"},
    ),
    ControlRoute(
        method="POST",
        path="/reload",
        asks=Operation.RELOAD,
        meaning="Takes the configuration as its files have it now, whole or not at all, as `agw reload` does.",
    ),
    ControlRoute(
        method="POST",
        path="/log/reopen",
        asks=Operation.REOPEN,
        meaning="Opens the logs again by their names, as SIGUSR1 does.",
    ),
    ControlRoute(
        method="POST",
        path=f"{_SERVER}/drain",
        asks=Question.DRAIN,
        meaning=(
            "Drains a server: it gets no new requests, and those in progress go on. This lasts over reloads, until a"
            " restart."
        ),
    ),
    ControlRoute(
        method="POST",
        path=f"{_SERVER}/undrain",
        asks=Question.UNDRAIN,
        meaning="Ends the draining: the server gets requests again.",
    ),
    ControlRoute(
        method="POST",
        path="/connections/{id}/close",
        asks=Question.CLOSE,
        meaning=(
            "Ends the connection of a client, whose `id` GET /clients says: a request in progress has `drain_timeout`"
            " to finish; WebSockets, server-sent events and L4 sessions are cut off at once."
        ),
    ),
    ControlRoute(
        method="POST",
        path="/revocation/forget",
        asks=Question.FORGET,
        meaning=(
            "Forgets what responders have answered, of one certificate or of all, so that they are asked again. A"
            " proven *revoked* is never forgotten."
        ),
        body={"serial": "of one certificate, hexadecimal", "issuer": "its issuer's DN"},
    ),
    ControlRoute(
        method="POST",
        path="/revocation/check",
        asks=Operation.CHECK,
        meaning=(
            "Asks every source of the listener's profile about a client's certificate now, whatever is known, as `agw"
            " revocation check` does. What is learnt counts from then on."
        ),
        body=_JUDGED,
    ),
    ControlRoute(
        method="POST",
        path="/revocation/import",
        asks=Question.IMPORT,
        meaning=(
            "Takes an OCSP response or certificate revocation lists that were brought here, as `agw revocation import`"
            " does. Each is verified as if it came from its source."
        ),
        body={
            "ocsp_response": "an OCSP response in DER, as base64",
            "issuers": "PEM of issuers beside those of the trusted client certificates",
            "crl_file": "the absolute path of a file with lists, PEM or DER, which the gateway reads",
        },
    ),
)
