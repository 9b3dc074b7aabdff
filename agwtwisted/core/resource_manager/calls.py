"""What answers a request gets to work with, and the questions that most of them begin with."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.core.resource_manager.ids import ResourceId, group_id, resource_id
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest, ArmState, JsonValue, Stored, Work
from agwtwisted.core.resource_manager.service_errors import (
    ServiceError,
    group_not_found,
    invalid_format,
    precondition_failed,
    too_many_resources,
)

Reply: TypeAlias = ArmAnswer | Work | ServiceError

MAX_RECORDS: Final = 2000
"""Resources of all kinds that are kept."""


@attrs.frozen(kw_only=True)
class Call:
    """A request, with what its path says."""

    request: ArmRequest
    state: ArmState
    arguments: Mapping[str, str]  # of the path, by the names in its pattern
    rest: tuple[str, ...] = ()  # the segments that a pattern leaves open

    @property
    def subscription(self) -> str:
        """As the state spells it: there is one."""
        return self.state.subscription

    @property
    def group(self) -> str:
        """The name of the resource group, as its first PUT spelled it, or as the path does."""
        name = self.arguments.get("group", "")
        stored = self.state.records.get(group_id(self.subscription, name).lower())
        return stored.id.rsplit("/", 1)[1] if stored else name

    def resource(self, namespace: str, *tail: str) -> ResourceId:
        """The id of a resource in the group of the path."""
        return resource_id(self.subscription, self.group, namespace, tail)

    def found(self, identity: ResourceId) -> Stored | None:
        """The resource, if it is kept."""
        return self.state.records.get(identity.key)

    def group_problem(self) -> ServiceError | None:
        """There is no such group."""
        known = group_id(self.subscription, self.group).lower() in self.state.records
        return None if known else group_not_found(self.group)

    def room_problem(self) -> ServiceError | None:
        """No further resource can be kept."""
        return too_many_resources(MAX_RECORDS) if len(self.state.records) >= MAX_RECORDS else None

    def condition_problem(self, stored: Stored | None) -> ServiceError | None:
        """If-Match or If-None-Match (RFC 9110 section 13.1) ask for another state of the resource."""
        match, none_match = (self.request.headers.get(name) for name in ("if-match", "if-none-match"))
        etag = stored.etag if stored else ""
        failed = (match is not None and not _holds(match, etag)) or (
            none_match is not None and _holds(none_match, etag)
        )
        return precondition_failed() if failed else None

    def is_unchanged(self, stored: Stored) -> bool:
        """A GET with If-None-Match whose client has this state already."""
        none_match = self.request.headers.get("if-none-match")
        return none_match is not None and _holds(none_match, stored.etag)


def _holds(condition: str, etag: str) -> bool:
    """Whether a list of etags has this one; the empty one is that of a resource that does not exist.

    The service's etags are weak, and its clients send them in If-Match all the same: they are compared as text.
    """
    named = [each.strip() for each in condition.split(",")]
    return bool(etag) and ("*" in named or etag in named or etag.removeprefix("W/") in named)


Handler: TypeAlias = Callable[[Call], Reply]


def object_in(body: bytes) -> dict[str, JsonValue] | ServiceError:
    """The JSON object of a body, or why there is none."""
    try:
        value = json.loads(body, object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        return invalid_format(ServiceError(code="InvalidJson", message=_reason(error)))
    if not isinstance(value, dict):
        return invalid_format(ServiceError(code="InvalidJson", message="The body is not a JSON object."))
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}: line {error.lineno}, column {error.colno}."
    if isinstance(error, RecursionError):
        return "The body is nested too deep."
    return "The body is not UTF-8." if isinstance(error, UnicodeDecodeError) else f"{error}."


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {name.lower(): name for name, _ in pairs}
    if len(found) < len(pairs):
        twice = next(name for index, (name, _) in enumerate(pairs) if name.lower() in _names(pairs[:index]))
        raise ValueError(f"The property {twice[:80]!r} is there twice")
    return dict(pairs)


def _names(pairs: list[tuple[str, Any]]) -> set[str]:
    return {name.lower() for name, _ in pairs}


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no value of JSON")


def _float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"The number {text[:40]} is too large")
    return number
