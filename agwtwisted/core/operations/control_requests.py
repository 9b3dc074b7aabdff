"""From the target and the body of a request to the control API to a route and its arguments, or to what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import shown
from agwtwisted.core.operations.questions import LONGEST_TEXT, QuestionError
from agwtwisted.core.operations.routes import ROUTES, ControlRoute

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


class MethodError(QuestionError):
    """The path has other methods than the one asked for.

    Args:
        allowed: those that it has.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(405, f"the method of this path is {' or '.join(self.allowed)}")


@attrs.frozen(kw_only=True)
class RouteMatch:
    """A route, and the arguments that its path and query have."""

    route: ControlRoute
    arguments: Mapping[str, str]


def matched(method: str, target: bytes, routes: Sequence[ControlRoute] = ROUTES) -> RouteMatch:
    """The route that a request is for.

    Args:
        method: of the request.
        target: its path and query, as they came.
        routes: those that there are.

    Raises:
        QuestionError: there is no such path (404), or an argument is wrong (400).
        MethodError: the path has another method.
    """
    path, mark, query = target.partition(b"?")
    if not path.startswith(b"/"):
        raise QuestionError(404, "no such path")
    segments = [_unescaped(each) for each in path[1:].split(b"/")]
    found = {route.method: arguments for route in routes if (arguments := _fitting(route, segments)) is not None}
    if not found:
        raise QuestionError(404, f"no such path; there are: {', '.join(dict.fromkeys(each.path for each in routes))}")
    asked = "GET" if method == "HEAD" else method
    if method not in _METHODS or asked not in found:
        raise MethodError(found.keys())
    route = next(each for each in routes if each.method == asked and _fitting(each, segments) is not None)
    arguments = dict(found[asked])
    if mark:
        arguments |= _query(route, query)
    return RouteMatch(route=route, arguments=arguments)


def body_arguments(route: ControlRoute, body: bytes) -> Mapping[str, Any]:
    """The members of the JSON object in a body; none where it is empty.

    Raises:
        QuestionError: it is no JSON object (RFC 8259), or has a member twice, or one that the route does not take.
    """
    if not body:
        return {}
    try:
        members = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise QuestionError(400, f"the body is no JSON object: {error}") from error
    if not isinstance(members, dict):
        raise QuestionError(400, "the body is no JSON object")
    for name in members:
        if name not in route.body:
            raise QuestionError(400, f"{shown(name)} is no member of this body; {_known(route.body)}")
    return members


def _fitting(route: ControlRoute, segments: Sequence[str]) -> Mapping[str, str] | None:
    """The arguments in a path of this route; None where the path is another."""
    pattern = route.segments
    if len(pattern) != len(segments):
        return None
    arguments: dict[str, str] = {}
    for expected, segment in zip(pattern, segments, strict=True):
        if expected.startswith("{"):
            arguments[expected[1:-1]] = segment
        elif expected != segment:
            return None
    return arguments if all(arguments.values()) else None


def _query(route: ControlRoute, query: bytes) -> dict[str, str]:
    arguments: dict[str, str] = {}
    for pair in query.split(b"&") if query else ():
        name, _, value = (_unescaped(each.replace(b"+", b" ")) for each in pair.partition(b"="))
        if name not in route.query:
            raise QuestionError(400, f"{shown(name)} is no argument of this path; {_known(route.query)}")
        if name in arguments:
            raise QuestionError(400, f"{name} is given twice")
        arguments[name] = value
    return arguments


def _known(names: Iterable[str]) -> str:
    return f"there are: {', '.join(names)}" if names else "it takes none"


def _unescaped(raw: bytes) -> str:
    """Percent-encoded bytes as text (RFC 3986, section 2.1); raises QuestionError."""
    try:
        text = _ESCAPE.sub(_octet, raw).decode()
    except (ValueError, UnicodeDecodeError) as error:
        raise QuestionError(400, "the path or query has wrong percent-encoding, or is not UTF-8") from error
    if len(text) > LONGEST_TEXT or not text.isprintable():
        raise QuestionError(400, f"an argument has control characters, or more than {LONGEST_TEXT} characters")
    return text


def _octet(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        raise ValueError("a percent sign without two digits")
    return bytes.fromhex(escape[1].decode())


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands there twice")
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
