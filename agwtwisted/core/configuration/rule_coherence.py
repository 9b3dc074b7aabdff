"""Checks of rules and the listeners that they name, and whether there is anything to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.base.warning_kinds import WarningKind
from agwtwisted.core.configuration.coherence import LISTENERS, Draft
from agwtwisted.core.sections.rule_keys import PAGE_WITHOUT_FILE
from agwtwisted.core.sections.settings import Row, equal_pairs

UNSERVED: Final = WarningKind(
    name="listener-without-rule",
    meaning="No rule names a listener: its port is not bound for it, and its host names are not answered.",
    remedy="Write a request_routing_rule, for a listener of L4 a routing_rule; or remove the listener.",
)
NOT_BOUND: Final = WarningKind(
    name="redirect-to-listener-without-rule",
    meaning="The target_listener of a redirect is named by no rule: clients are sent to a port where nothing listens.",
    remedy="As above; or redirect to a target_url.",
)
NOTHING_SERVED: Final = WarningKind(
    name="serves-nothing",
    meaning=(
        "There is no listener, or none with a rule, so no port is bound. A warning where a control plane may bring"
        " listeners later; an error in a file of sections, with which the gateway does not start."
    ),
    remedy="Write a listener and a rule that names it.",
)

NO_PAGE: Final = WarningKind(
    name=PAGE_WITHOUT_FILE,
    meaning="A custom error page has no file, so the gateway's own page is shown: no page is ever fetched from a URL.",
    remedy="Save the page, and name it by the key file.",
)

LOGINS_OVER_HTTP2: Final = WarningKind(
    name="dedicated-over-http2",
    meaning=(
        "A listener with HTTP/2 leads to settings with dedicated_backend_connection. Requests of one connection that"
        " are under way at once have a connection to the server each, so a login of NTLM or Negotiate gets lost."
    ),
    remedy="Write enable_http2 = false in the listener: its hosts are then served by HTTP/1.1 alone.",
)

KINDS: Final = (UNSERVED, NOT_BOUND, NOTHING_SERVED, NO_PAGE, LOGINS_OVER_HTTP2)
"""All of them, for the reference page."""

_RULES: Final = {"http_listener": "request_routing_rule", "listener": "routing_rule"}
"""The kind of rule that names each kind of listener, by the key of the same name."""


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def nothing_served(draft: Draft) -> str:
    """Why not a single listener is served, in a few words; empty where one is, or would be without other faults."""
    if any(draft.rows.get(kind) for kind in _RULES.values()):
        return ""
    if any(draft.rows.get(kind) for kind in LISTENERS):
        return "serves nothing: no listener has a rule"
    return "serves nothing: it has no http_listener and no listener"


def _rules(draft: Draft) -> Iterator[Problem]:
    """Rules of both kinds, each kind for itself: ports are of one kind, so their priorities never meet."""
    for listener, kind in _RULES.items():
        yield from _shared(draft, kind, "priority", "priority {0} is also that of {1}")
        yield from _shared(draft, kind, listener, "the listener {0} already has the rule {1}: a listener has one rule")


def _shared(draft: Draft, kind: str, key: str, message: str) -> Iterator[Problem]:
    for earlier, row in equal_pairs(draft.of(kind, key), key):
        value = row.get(key)
        yield row.problem(message.format(getattr(value, "name", value), earlier.section.title), key=key)


def _unserved_listeners(draft: Draft) -> Iterator[Problem]:
    for row in _unserved(draft, "http_listener", "listener"):
        kind = _RULES[row.section.kind]
        yield row.warning(f"no {kind} names this listener, so it is not bound", name=UNSERVED.name)


def _unserved_targets(draft: Draft) -> Iterator[Problem]:
    unserved = {row.name for row in _unserved(draft, "http_listener")}
    for row in draft.of("redirect_configuration", "target_listener"):
        name = getattr(row.get("target_listener"), "name", "")
        if name in unserved:
            message = f"no request_routing_rule names the listener {name}: clients are redirected to where none listens"
            yield row.warning(message, key="target_listener", name=NOT_BOUND.name)


def _unserved(draft: Draft, *listeners: str) -> Iterator[Row]:
    """The listeners of these kinds that no rule names, as far as rules can be relied on."""
    for listener in listeners:
        kind = _RULES[listener]
        rules = draft.of(kind, listener)
        if len(rules) < len(draft.rows.get(kind, ())):
            continue
        routed = {rule.get(listener).name for rule in rules}
        yield from (row for row in draft.of(listener) if row.name not in routed)


def _logins_over_http2(draft: Draft) -> Iterator[Problem]:
    for rule in draft.rules:
        listener = rule.value.http_listener
        settings = [action.settings for action in draft.actions[rule.value].all() if action.settings is not None]
        dedicated = next((each.name for each in settings if each.dedicated_backend_connection), "")
        if listener.http2 and dedicated:
            yield rule.row.warning(
                f"the listener {listener.name} speaks HTTP/2, whose requests at once cannot share the dedicated"
                f" connection of backend_http_settings {dedicated}: logins of NTLM or Negotiate get lost",
                key="http_listener",
                name=LOGINS_OVER_HTTP2.name,
            )


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _rules,
    _unserved_listeners,
    _unserved_targets,
    _logins_over_http2,
)
