"""Checks across sections for routing: rules, URL path maps, path rules and redirects.

As in `core.configuration.coherence`, each check takes the whole Draft; those that need no more than keys look at rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import SplitResult, urlsplit

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import Draft
from agwtwisted.core.http.paths import normalised
from agwtwisted.core.plan.actions import Action, Actions
from agwtwisted.core.plan.redirects import DEFAULT_PORTS
from agwtwisted.core.plan.routing import decides_by_path
from agwtwisted.core.resources.resources import (
    ClientAuth,
    HttpListener,
    MissingClientAuthEku,
    PathCertificate,
    RedirectConfiguration,
    sources_text,
)
from agwtwisted.core.rules.path_patterns import is_prefix, text_of
from agwtwisted.core.sections.revocation_keys import SOURCES
from agwtwisted.core.sections.settings import Row
from agwtwisted.core.sections.tls_keys import VERIFYING_KEYS, client_auth, weak_key_warnings


def problems(draft: Draft) -> Iterator[Problem]:
    """Everything that does not fit together."""
    for check in _CHECKS:
        yield from check(draft)


def _rows_of_maps(draft: Draft, *keys: str) -> dict[str, list[Row]]:
    """The path rules of each map, in the order of the file."""
    maps: dict[str, list[Row]] = {}
    for row in draft.of("path_rule", *keys):
        maps.setdefault(row.name.partition("/")[0], []).append(row)
    return maps


def _too_many_path_rules(draft: Draft) -> Iterator[Problem]:
    most = limits.PATH_RULES_PER_MAP.highest
    for name, rows in _rows_of_maps(draft).items():
        if len(rows) > most:
            message = f"is one of {len(rows)}: url_path_map {name} has at most {most} path rules"
            yield rows[most].problem(message, code=limits.PATH_RULES_PER_MAP.code)


def _unused_maps(draft: Draft) -> Iterator[Problem]:
    used = {getattr(row.get("url_path_map"), "name", "") for row in draft.of("request_routing_rule", "url_path_map")}
    for row in draft.of("url_path_map"):
        if row.name not in used:
            yield row.warning("no request_routing_rule uses this map: its path rules have no effect")


def _paths_that_come_too_late(draft: Draft) -> Iterator[Problem]:
    for rows in _rows_of_maps(draft, "paths").values():
        exact: dict[bytes, Row] = {}
        prefixes: dict[bytes, Row] = {}
        for row in rows:
            for path in row.get("paths"):
                yield from _hidden(row, path, exact, prefixes)
            for path in row.get("paths"):
                (prefixes if is_prefix(path) else exact).setdefault(text_of(path), row)


def _hidden(row: Row, path: str, exact: dict[bytes, Row], prefixes: dict[bytes, Row]) -> Iterator[Problem]:
    """What is said about a path behind the paths of earlier rules."""
    text = text_of(path)
    same = (prefixes if is_prefix(path) else exact).get(text)
    if same is not None:
        yield row.problem(f"{path} is also one of {same.section.title}", key="paths")
        return
    earlier = next((prefixes[text[:end]] for end in range(len(text) + 1) if text[:end] in prefixes), None)
    if earlier is None:
        return
    message = f"{path} never matches: {earlier.section.title} matches every such path before it"
    if _certificate(row) is PathCertificate.REQUIRE and _certificate(earlier) is not PathCertificate.REQUIRE:
        yield row.problem(f"{message}, and requires no certificate", key="paths")
    elif row.family("deny_unless") and not earlier.family("deny_unless"):
        yield row.problem(f"{message}, and has no conditions", key="paths")
    else:
        yield row.warning(message, key="paths")


def _certificate(row: Row) -> PathCertificate:
    found = row.get("client_certificate")
    return found if isinstance(found, PathCertificate) else PathCertificate.NONE


# -- redirects


_FOLLOWED: Final = 20
"""Redirects after which a browser gives up."""


def _endless_redirects(draft: Draft) -> Iterator[Problem]:
    rows = {redirect.value.name: redirect.row for redirect in draft.redirects}
    routes = _Routes(draft)
    for listener, actions in routes.actions.items():
        for action, path in _samples(actions):
            if action.redirect is not None and action.redirect.name in rows and routes.is_endless(listener, path):
                row = rows.pop(action.redirect.name)  # reported once
                yield row.problem(
                    f"never ends: http_listener {listener.name} redirects {path.removesuffix(_REST).decode('ascii')}"
                    " and comes to it again",
                    key="target_url" if row.unset("target_listener") else "target_listener",
                )


_REST: Final = b"\xff"
"""Follows a prefix in a path that no exact pattern is for: patterns are ASCII."""


def _samples(actions: Actions) -> Iterator[tuple[Action, bytes]]:
    """A path for each action, if there is one that no earlier pattern matches."""
    for action in actions.all():
        candidates = (action.matched_prefix, action.matched_prefix + _REST, b"/", b"/" + _REST)
        path = next((path for path in candidates if path[:1] == b"/" and actions.for_path(path) is action), None)
        if path is not None:
            yield action, path


class _Routes:
    """Follows redirects as a browser would."""

    def __init__(self, draft: Draft) -> None:
        self.actions = {rule.http_listener: actions for rule, actions in draft.actions.items()}
        self._redirects = {redirect.value.name: redirect.value for redirect in draft.redirects}

    def is_endless(self, listener: HttpListener, path: bytes) -> bool:
        """Whether a request comes to no end."""
        for _ in range(_FOLLOWED):
            action = self.actions[listener].for_path(path)
            if action.redirect is None:
                return False
            place = self._target(self._redirects[action.redirect.name], path)
            if place is None:
                return False
            listener, path = place
        return True

    def _target(self, redirect: RedirectConfiguration, path: bytes) -> tuple[HttpListener, bytes] | None:
        """The target of a redirect, if it is a listener of this gateway."""
        listener, start = redirect.target_listener, b"/"
        if listener is None:
            url = urlsplit(redirect.target_url)
            start = url.path.encode("ascii") or b"/"
            listener = next((each for each in self.actions if _is_at(each, url)), None)
        if listener not in self.actions:
            return None
        return listener, start.removesuffix(b"/") + path if redirect.include_path else start


def _is_at(listener: HttpListener, url: SplitResult) -> bool:
    """Whether a URL names a listener, by a host name that it alone has."""
    host, port = (url.hostname or "").removesuffix("."), url.port or DEFAULT_PORTS[listener.protocol]
    return (listener.protocol.value.lower(), listener.port) == (url.scheme, port) and host in listener.host_names


# -- paths that decide about certificates


def _listeners_of_maps(draft: Draft) -> dict[str, list[Row]]:
    """The listeners whose requests each map is for, as far as they can be relied on."""
    listeners = {row.name: row for row in draft.of("http_listener", "ssl_profile")}
    maps: dict[str, list[Row]] = {}
    for rule in draft.of("request_routing_rule", "url_path_map", "http_listener"):
        listener = listeners.get(rule.get("http_listener").name)
        if rule.get("url_path_map") is not None and listener is not None:
            maps.setdefault(rule.get("url_path_map").name, []).append(listener)
    return maps


def _misplaced_certificates(draft: Draft) -> Iterator[Problem]:
    listeners = _listeners_of_maps(draft)
    profiles = {
        row.name: row for row in draft.of("ssl_profile", "verify_client_auth_mode", "trusted_client_certificates")
    }
    for name, rows in _rows_of_maps(draft, "client_certificate").items():
        for row in rows:
            for listener in listeners.get(name, ()) if _certificate(row) is not PathCertificate.NONE else ():
                reason = _unfit(listener, profiles)
                if reason:
                    yield row.problem(
                        "client_certificate needs a Passthrough listener whose profile names trusted client"
                        f" certificates: {listener.section.title} {reason}",
                        key="client_certificate",
                    )


def _unfit(listener: Row, profiles: Mapping[str, Row]) -> str:
    """Why a listener is none whose path rules may decide about certificates; empty if it is one."""
    if listener.get("ssl_profile") is None:
        return "has no ssl_profile"
    profile = profiles.get(listener.get("ssl_profile").name)
    if profile is None:  # as is reported elsewhere
        return ""
    mode = client_auth(profile)
    if mode is ClientAuth.PASSTHROUGH:
        named = not profile.unset("trusted_client_certificates")
        return "" if named else f"has {profile.section.title}, which names none"
    return "is Strict" if mode is ClientAuth.STRICT else "asks for no certificate"


def _keys_without_verification(draft: Draft) -> Iterator[Problem]:
    """What is verified of certificates can be said of a Passthrough profile only where a path requires one."""
    verifying = _verifying_profiles(draft)
    for row in draft.of("ssl_profile", "verify_client_auth_mode") if verifying is not None else ():
        if client_auth(row) is not ClientAuth.PASSTHROUGH:
            continue
        if row.name in (verifying or ()):
            yield from weak_key_warnings(row)
            continue
        for key in VERIFYING_KEYS:
            if row.get(key) not in (None, False, (), MissingClientAuthEku.REFUSE):
                said = f"{key} = {sources_text(row.get(key))}" if key == SOURCES else key
                yield row.problem(f"{said} needs Strict, or a path rule with client_certificate = Require", key=key)


def _verifying_profiles(draft: Draft) -> frozenset[str] | None:
    """The profiles of listeners on which some path requires a certificate.

    None where a fault in a rule or a listener leaves open what it would be without the fault.
    """
    listeners = {row.name for row in draft.of("http_listener", "ssl_profile")}
    rules = draft.of("request_routing_rule", "url_path_map", "http_listener")
    if len(rules) < len(draft.of("request_routing_rule")):
        return None
    if any(rule.get("http_listener").name not in listeners for rule in rules):
        return None
    requiring = {
        row.name.partition("/")[0]
        for row in draft.of("path_rule")
        if _certificate(row) is PathCertificate.REQUIRE or "client_certificate" in row.refused
    }
    return frozenset(
        listener.get("ssl_profile").name
        for name, listeners_of_map in _listeners_of_maps(draft).items()
        for listener in listeners_of_map
        if name in requiring and listener.get("ssl_profile") is not None
    )


def _paths_of_several_forms(draft: Draft) -> Iterator[Problem]:
    maps = {row.name: row for row in draft.of("url_path_map")}
    rules: dict[str, list[Row]] = {}
    for row in draft.of("request_routing_rule", "url_path_map"):
        rules.setdefault(getattr(row.get("url_path_map"), "name", ""), []).append(row)
    for name, rows in _rows_of_maps(draft, "paths").items():
        sections = [*rows, *([maps[name]] if name in maps else ()), *rules.get(name, ())]
        deciding = next((row.section.title for row in sections if _decides(row)), "")
        for row in rows if deciding else ():
            for path in row.get("paths"):
                if not _has_one_form(path):
                    yield row.problem(
                        f"{path} never matches here: {deciding} decides access, so paths are normalized: {_ONE_FORM}",
                        key="paths",
                    )


def _decides(row: Row) -> bool:
    """Whether a path rule, the defaults of a map, or a rule by the path, decide access.

    As `routing.decides_by_path` asks.
    """
    if row.section.kind == "request_routing_rule":
        return any(condition.reference.of_path for condition in row.family("deny_unless").values())
    if row.section.kind == "url_path_map":
        return bool(row.family("default_deny_unless"))
    return _certificate(row) is not PathCertificate.NONE or bool(row.family("deny_unless"))


def _override_paths(draft: Draft) -> Iterator[Problem]:
    """Override paths are brought into one form with what follows them, where paths decide access."""
    rows = {row.name: row for row in draft.of("backend_http_settings", "path")}
    for rule in draft.rules:
        for _, settings in draft.actions[rule.value].routes() if decides_by_path(rule.value) else ():
            row = rows.get(settings.name)
            if row is not None and settings.path and not _has_one_form(settings.path):
                del rows[settings.name]  # reported once
                yield row.problem(
                    f"path = {settings.path} is not normalized: {rule.row.section.title} decides access by the path,"
                    f" and forwards normalized paths only: {_ONE_FORM}",
                    key="path",
                )


_ONE_FORM: Final = "unencoded letters, digits and -._~!$&'()*=:@, without empty segments and segments that end in a dot"


def _has_one_form(pattern: str) -> bool:
    path = pattern.removesuffix("*").encode("ascii") + (b"a" if is_prefix(pattern) else b"")
    return not {"%", "+"} & {*pattern} and normalised(path) == path


def _open_neighbours(draft: Draft) -> Iterator[Problem]:
    """``/admin/*`` does not match ``/admin``, which many servers answer like ``/admin/``."""
    rows = {row.name: row for row in draft.of("path_rule")}
    reported = set()
    for rule in draft.rules:
        actions = draft.actions[rule.value]
        map_name = rule.value.url_path_map.name if rule.value.url_path_map else ""
        for action in actions.all():
            path, row = action.matched_prefix, rows.get(f"{map_name}/{action.path_rule}")
            near = path[:-1] if path.endswith(b"/") else path + b"/"
            if row is None or not near or (row.name, path) in reported or actions.for_path(path) is not action:
                continue
            lacking = _guards(action) - _guards(actions.for_path(near))
            if lacking:
                reported.add((row.name, path))
                yield row.warning(
                    f"{path.decode('ascii')} has {' and '.join(sorted(lacking))}, which {near.decode('ascii')} has:"
                    " many servers treat both alike",
                    key="paths",
                )


def _guards(action: Action) -> set[str]:
    """The requirements of a path that similar paths do not have."""
    guards = {"client_certificate = Require"} if action.client_certificate is PathCertificate.REQUIRE else set()
    return guards | ({"deny_unless"} if action.path_deny_unless else set())


_CHECKS: tuple[Callable[[Draft], Iterator[Problem]], ...] = (
    _too_many_path_rules,
    _unused_maps,
    _paths_that_come_too_late,
    _endless_redirects,
    _misplaced_certificates,
    _keys_without_verification,
    _paths_of_several_forms,
    _override_paths,
    _open_neighbours,
)
