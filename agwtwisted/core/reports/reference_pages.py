"""The reference pages, made from the tables that the gateway runs on: keys, variables, log fields, codes, states,
metrics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from agwtwisted.core.arm import findings as arm_findings
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.base.tables import markdown
from agwtwisted.core.base.warning_kinds import WarningKind
from agwtwisted.core.configuration import certificate_warnings, rule_coherence
from agwtwisted.core.exchange import states as exchange_states
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.kept_names import KEPT
from agwtwisted.core.operations.metric_kinds import FamilyKind, MetricFamily
from agwtwisted.core.operations.record_texts import LONGEST_FIELD
from agwtwisted.core.operations.records import ACCESS, ENVELOPE, HANDSHAKE
from agwtwisted.core.operations.session_records import SESSION
from agwtwisted.core.reports import check_report, product_codes
from agwtwisted.core.reports.arm_reference import arm_page
from agwtwisted.core.resources.resources import sources_text
from agwtwisted.core.rules.server_variables import COOKIE, SERVER_VARIABLES
from agwtwisted.core.sections.revocation_keys import SOURCES
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import Key, Kind
from agwtwisted.core.tls import policies

NOTICE: Final = "<!-- Made by `make reference` from the code: do not edit. -->"


def pages() -> Mapping[str, str]:
    """The Markdown of each page by its file name."""
    return {
        "configuration.md": _page("Configuration keys", _configuration()),
        "variables.md": _page("Server variables", _variables()),
        "access-log.md": _page("The access log", _access_log()),
        "error-codes.md": _page("Error codes", _error_codes()),
        "exchange-states.md": _page("The states of an exchange", _exchange_states()),
        "metrics.md": _page("Metrics", _metrics()),
        "arm.md": _page("ARM properties", arm_page()),
        "warnings.md": _page("Warnings of `agw check`", _warnings()),
    }


def _page(title: str, parts: Iterable[str]) -> str:
    return "\n\n".join([f"# {title}", NOTICE, *parts]) + "\n"


# Warnings


def _warnings() -> Iterator[str]:
    yield (
        "What `agw check` warns of besides single keys, by the name that `--json` gives (`name`). The gateway warns of"
        " certificates at its start, too, and at a reload of those that it has not warned of before."
    )
    yield "## Certificates"
    yield markdown(("name", "meaning", "what to do"), map(_warning_row, certificate_warnings.KINDS))
    yield "## Listeners, rules, pages"
    yield markdown(("name", "meaning", "what to do"), map(_warning_row, rule_coherence.KINDS))
    yield "## ARM documents"
    yield "Of a gateway that comes as [ARM JSON](arm.md). Those that are notes never stop anything."
    yield markdown(("name", "meaning", "what to do"), map(_warning_row, arm_findings.KINDS))
    yield "## Files and directories"
    yield "`agw check` tries them as the user that it runs as, and leaves nothing behind; the gateway itself uses them."
    yield markdown(("name", "meaning", "what to do"), map(_warning_row, check_report.TRIALS))


def _warning_row(kind: WarningKind) -> Sequence[str]:
    return f"`{kind.name}`", kind.meaning, kind.remedy


# Configuration


def _configuration() -> Iterator[str]:
    yield (
        "A section is `[kind]` or `[kind NAME]`, a key `key = value`; an indented line continues a value. "
        "Durations are in seconds, sizes in bytes; the values of a list are separated by commas or lines; booleans"
        " are `true`, `yes`, `on`, `Enabled` and their opposites, in any case. Paths are relative to the file. A NAME"
        " has at most 80 letters, digits, `.`, `-` and `_`, and does not begin with `.` or `-`; names are"
        " compared without case, so a reference may be spelled otherwise."
    )
    yield (
        "A comment begins with `;` or `#` at the start of a line, with `;` also on an indented line, and with `;` after"
        f" white space behind a section or a value; but **not behind the values of** {', '.join(_literal_keys())}:"
        " they go on to the end of the line, and a comment needs a line of its own. `\\;` is a semicolon everywhere."
    )
    for name, kind in KINDS.items():
        yield f"## [{name}{' NAME' if kind.named else ''}]"
        yield kind.meaning
        if kind.keys:
            yield markdown(("key", "default", "meaning"), _key_rows(name, kind))


def _literal_keys() -> Iterator[str]:
    """The keys whose values hold semicolons as they stand."""
    names = {key: None for kind in KINDS.values() for key, how in kind.keys.items() if how.literal}
    families = {
        f"{family}.{members.placeholder}": None
        for kind in KINDS.values()
        for family, members in kind.families.items()
        if members.key.literal
    }
    return (f"`{name}`" for name in {**names, **families})


def _key_rows(name: str, kind: Kind) -> Iterator[Sequence[str]]:
    for key, how in kind.keys.items():
        yield f"`{key}`", _default(name, key, kind, how), how.meaning
    for family, members in kind.families.items():
        yield f"`{family}.{members.placeholder}`", "", members.key.meaning


def _default(name: str, key: str, kind: Kind, how: Key) -> str:
    if name == "gateway" and key == "ssl_policy":
        return f"`{policies.DEFAULT}`"
    value = kind.default(key)
    if key == SOURCES:
        return f"`{sources_text(value)}`"
    if how.required:
        return "needed"
    if name == "backend_http_settings" and key == "port":
        return f"`{value}`, with `Https` `443`"
    words = ", ".join(map(_word, value)) if isinstance(value, tuple) else _word(value)
    return f"`{words}`" if words and _can_be_written(words, how) else ""


def _can_be_written(words: str, how: Key) -> bool:
    """Whether a default has a name in the file, and is not only what holds without the key."""
    try:
        how.convert(words)
    except UnacceptableError:
        return False
    return True


def _word(value: Any) -> str:
    """A value as it is written in the file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:g}" if isinstance(value, float) else str(value)


# Server variables


def _variables() -> Iterator[str]:
    yield (
        "In templates of rewrite rules a variable is `{var_NAME}`, in conditions `var_NAME`; `{var_NAME_1}` is the"
        " text that the first group of a condition's pattern matched. `http_req_HEADER` and `http_resp_HEADER` "
        "name headers. All variables describe the request as the client sent it. [How to write "
        "rules](../rewriting.md)."
    )
    rows = [(f"`{each.name}`", each.meaning, "ours" if each.ours else "") for each in SERVER_VARIABLES.values()]
    rows.append((f"`{COOKIE}NAME`", "the value of the cookie NAME", ""))
    yield markdown(("variable", "value", "beyond the product"), rows)


# The access log


def _access_log() -> Iterator[str]:
    yield "One JSON object in each line. All three kinds of lines have these members:"
    yield markdown(("member", "value"), _rows(ENVELOPE))
    yield (
        f"Of a value from outside at most {LONGEST_FIELD} bytes are written; behind them stands `\u2026(of N bytes)`,"
        " N being how long it was. The URL stands in a line once, in `requestUri` and `requestQuery`, and as it came"
        " beside them only where it was forwarded as another one."
    )
    yield "## Requests"
    yield markdown(("property", "value"), _rows(ACCESS.meanings))
    yield "## Failed handshakes"
    yield markdown(("property", "value"), _rows(HANDSHAKE))
    yield "## L4 sessions"
    yield markdown(("property", "value"), _rows(SESSION.meanings))


def _rows(fields: Mapping[str, str]) -> Iterator[Sequence[str]]:
    return ((f"`{name}`", meaning) for name, meaning in fields.items())


# Error codes

ERROR_MEANINGS: Final[Mapping[ErrorInfo, str]] = {
    ErrorInfo.NO_ERROR: "nothing, or a redirect or refusal that the configuration asks for",
    ErrorInfo.INVALID_METHOD: "a method that is not forwarded",
    ErrorInfo.INVALID_REQUEST: "a request that breaks a rule of HTTP, is too large or too slow",
    ErrorInfo.INVALID_VERSION: "another version than HTTP/1.0 and HTTP/1.1",
    ErrorInfo.INVALID_09_METHOD: "HTTP/0.9",
    ErrorInfo.INVALID_HOST: "no valid Host, a Host without listener (404), or a Host of another SSL profile (421)",
    ErrorInfo.INVALID_CONTENT_LENGTH: "no valid Content-Length, or a POST without one",
    ErrorInfo.INVALID_METHOD_TRACE: "TRACE",
    ErrorInfo.CLIENT_CLOSED_REQUEST: "the client disconnected before the response was complete (499)",
    ErrorInfo.REQUEST_URI_INVALID: "a URL that is invalid, too long, or ambiguous",
    ErrorInfo.HTTP_NO_HOST_HEADER: "no Host header; in HTTP/1.0 only if there is no basic listener",
    ErrorInfo.HTTP_TO_HTTPS_PORT: "HTTP on a port for TLS",
    ErrorInfo.HTTPS_NO_CERT: "no valid client certificate",
    ErrorInfo.UPSTREAM_NO_LIVE: "no server of the pool could be reached (502), or a request waited too long (503)",
    ErrorInfo.UPSTREAM_CLOSED_CONNECTION: "the server closed the connection, or sent an invalid response (502)",
    ErrorInfo.UPSTREAM_TIMED_OUT: "the server did not answer in time (504)",
    ErrorInfo.INTERNAL_ERROR: (
        "a defect of the gateway, whose traceback is in its log: 500, or an aborted connection if the response had"
        " begun (not in the product)"
    ),
}


def _error_codes() -> Iterator[str]:
    yield "## In the access log: `error_info`"
    yield markdown(
        ("code", "why the gateway answered"), ((f"`{each.value}`", ERROR_MEANINGS[each]) for each in ErrorInfo)
    )
    yield "## Of the configuration"
    yield "Errors of a configuration end with the product's code, if it has one:"
    yield markdown(("code", "what is wrong"), _rows(product_codes.OF_THE_CONFIGURATION))
    yield "## Of the control plane"
    yield "Answers of the control plane to requests that it refuses have these, and those of the configuration:"
    yield markdown(("code", "what is wrong"), _rows(product_codes.OF_THE_CONTROL_PLANE))


# The states of an exchange


def _exchange_states() -> Iterator[str]:
    yield (
        "An exchange is one request and its response. It is in one state at a time; an event runs actions, in"
        " order, and leads to the next state, or stays in the state if none is named. A pair that is not in the table"
        " is a defect of the gateway, which is handled as `DEFECT`, with 500 or an aborted connection."
    )
    states = ((f"`{state.name}`", state.meaning) for state in exchange_states.STATES)
    yield markdown(("state", "meaning"), states)
    yield "## Transitions"
    lines = exchange_states.drawing()
    yield markdown(
        ("state", "event", "actions", "next state"),
        ((f"`{state}`", f"`{event}`", actions, f"`{then}`" if then else "") for state, event, actions, then in lines),
    )
    yield "## Events"
    yield markdown(
        ("event", "what happened; what it brings"), ((f"`{e.name}`", e.meaning) for e in exchange_states.EVENTS)
    )
    yield "## Actions"
    actions = ((f"`{action.name}`", action.meaning) for action in exchange_states.ACTIONS)
    yield markdown(("action", "what is done"), actions)


# Metrics


def _metrics() -> Iterator[str]:
    yield (
        "What `GET /metrics` says, of all processes of the gateway together ([monitoring](../monitoring.md)). Values of"
        " labels are names of the configuration and words of closed sets, never what a client has sent."
        f" What is about names that a reload has removed stays for {KEPT / 60:.0f} minutes."
    )
    yield markdown(
        ("metric", "kind", "labels", "meaning", "product"), (_metric_row(family) for family in FAMILIES.values())
    )
    yield "## Buckets"
    yield "The upper bounds of histograms, in seconds; the last one is infinity:"
    histograms = [family for family in FAMILIES.values() if family.kind is FamilyKind.HISTOGRAM]
    yield markdown(
        ("metric", "bounds"),
        ((f"`{each.name}`", ", ".join(f"{bound:g}" for bound in each.bounds)) for each in histograms),
    )


def _metric_row(family: MetricFamily) -> Sequence[str]:
    labels = ", ".join(f"`{each}`" for each in family.labels)
    return f"`{family.shown_name}`", family.kind.value, labels, family.meaning, family.product
