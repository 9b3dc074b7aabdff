"""What answers a request gets to work with, and the questions that most of them begin with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.resource_manager.ids import ResourceId, group_id, resource_id
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest, ArmState, Stored, Work
from agwtwisted.core.resource_manager.service_errors import (
    ServiceError,
    group_not_found,
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
