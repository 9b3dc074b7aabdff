"""Resource groups, and lists of resources over kinds and groups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.ids import group_id, parsed
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    Change,
    JsonValue,
    NoTask,
    ServeNothing,
    Stored,
    Work,
)
from agwtwisted.core.resource_manager.plain_json import object_in
from agwtwisted.core.resource_manager.service_errors import ServiceError, group_not_found
from agwtwisted.core.resource_manager.writing import json_answer, new_etag

GROUPS: Final = "Microsoft.Resources/resourceGroups"
GATEWAYS: Final = "microsoft.network/applicationgateways"
DEPLOYMENTS: Final = "microsoft.resources/deployments"

_NAME: Final = re.compile(r"[\w().-]{1,90}")

_TERM: Final = re.compile(r"\s*(\w+)\s+eq\s+'((?:[^']|'')*)'\s*", re.IGNORECASE)


def put_group(call: Call) -> Reply:
    """Make a group, or change its tags; its location stays what it was."""
    body = object_in(call.request.body)
    if isinstance(body, ServiceError):
        return body
    stored = _stored(call)
    problem = _problem(call, body, stored)
    if problem is not None:
        return problem
    return _keep(call, _made(call, body, stored), 200 if stored else 201)


def patch_group(call: Call) -> Reply:
    """Change the tags of a group."""
    body = object_in(call.request.body)
    stored = _stored(call)
    if isinstance(body, ServiceError):
        return body
    if stored is None:
        return group_not_found(call.group)
    tags = body.get("tags", stored.body.get("tags"))
    changed = attrs.evolve(stored, body={**stored.body, "tags": tags}, etag=_etag(call, stored.id))
    return _keep(call, changed, 200)


def get_group(call: Call) -> Reply:
    """One group."""
    stored = _stored(call)
    return group_not_found(call.group) if stored is None else json_answer(200, shown_group(stored))


def head_group(call: Call) -> Reply:
    """Whether there is one: 204, or 404 without a body."""
    return ArmAnswer(status=404 if _stored(call) is None else 204)


def list_groups(call: Call) -> Reply:
    """All groups, or those with a tag."""
    wanted = _filter(call)
    if isinstance(wanted, ServiceError):
        return wanted
    found = (each for key, each in call.state.records.items() if _is_group(key))
    return json_answer(200, {"value": [shown_group(each) for each in found if _fits(shown_group(each), wanted)]})


def delete_group(call: Call) -> Reply:
    """Delete a group with all that is in it, the gateway included."""
    stored = _stored(call)
    if stored is None:
        return group_not_found(call.group)
    inside = [each for key, each in call.state.records.items() if key.startswith(f"{stored.id.lower()}/")]
    serves = any(is_gateway(each) for each in inside)
    return Work(
        task=ServeNothing() if serves else NoTask(),
        answer=ArmAnswer(status=200),
        changes=tuple(Change(id=each.id, stored=None) for each in (stored, *inside)),
        secrets={} if serves else None,
        running=True if serves else None,
        summary=f"DELETE resource group {call.group} with {len(inside)} resources",
    )


def list_resources(call: Call) -> Reply:
    """The resources of a group or of the subscription, with `$filter`; groups and deployments are none."""
    if "group" in call.arguments and (problem := call.group_problem()) is not None:
        return problem
    wanted = _filter(call)
    if isinstance(wanted, ServiceError):
        return wanted
    scope = group_id(call.subscription, call.group).lower() if "group" in call.arguments else ""
    found = (_brief(each) for key, each in call.state.records.items() if key.startswith(scope) and _is_listed(key))
    return json_answer(200, {"value": [each for each in found if _fits(each, wanted)]})


def shown_group(stored: Stored) -> dict[str, JsonValue]:
    """A group as it is answered."""
    name = stored.id.rsplit("/", 1)[1]
    return {"id": stored.id, "name": name, "type": GROUPS, **stored.body}


def is_gateway(stored: Stored) -> bool:
    """Whether a resource is an application gateway."""
    identity = parsed(stored.id)
    return identity is not None and identity.kind.lower() == GATEWAYS


def _is_group(key: str) -> bool:
    return key.count("/") == 4


def _is_listed(key: str) -> bool:
    identity = parsed(key)
    return identity is not None and identity.kind != DEPLOYMENTS


def _brief(stored: Stored) -> dict[str, JsonValue]:
    """A resource in a list over kinds: without its properties."""
    identity = parsed(stored.id)
    assert identity is not None, "only ids of resources are listed"
    members: dict[str, JsonValue] = {
        "id": stored.id,
        "name": "/".join(identity.names),
        "type": identity.kind,
        "resourceGroup": identity.group,
    }
    kept = ("location", "tags", "sku", "kind", "identity", "zones")
    return {**members, **{name: stored.body[name] for name in kept if name in stored.body}}


def _stored(call: Call) -> Stored | None:
    return call.state.records.get(group_id(call.subscription, call.group).lower())


def _etag(call: Call, identity: str) -> str:
    return new_etag(call.request.request_id, identity)


def _problem(call: Call, body: Mapping[str, JsonValue], stored: Stored | None) -> ServiceError | None:
    location = body.get("location")
    if not _NAME.fullmatch(call.group) or call.group.endswith("."):
        return ServiceError(
            code="InvalidResourceGroup", message=f"The resource group name '{call.group}' is not valid."
        )
    if not isinstance(location, str) or not location:
        return ServiceError(code="LocationRequired", message="The location property is required for this definition.")
    if stored is None:
        return call.room_problem()
    before = str(stored.body.get("location", ""))
    if _plain(location) == _plain(before):
        return None
    message = f"Invalid resource group location '{location}'. The Resource group already exists in location '{before}'."
    return ServiceError(code="InvalidResourceGroupLocation", message=message, status=409)


def _plain(location: str) -> str:
    return location.replace(" ", "").lower()


def _made(call: Call, body: Mapping[str, JsonValue], stored: Stored | None) -> Stored:
    identity = stored.id if stored else group_id(call.subscription, call.group)
    kept: dict[str, JsonValue] = {
        "location": stored.body["location"] if stored else body["location"],
        "tags": body.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }
    return Stored(id=identity, body=kept, etag=_etag(call, identity))


def _keep(call: Call, stored: Stored, status: int) -> Work:
    return Work(
        task=NoTask(),
        answer=json_answer(status, shown_group(stored)),
        changes=(Change(id=stored.id, stored=stored),),
        summary=f"{call.request.method} resource group {call.group}",
    )


def _filter(call: Call) -> Mapping[str, str] | ServiceError:
    """The terms of `$filter`: comparisons by `eq`, connected by `and`."""
    text = call.request.query.get("$filter", "")
    terms = re.split(r"\s+and\s+", text, flags=re.IGNORECASE) if text.strip() else []
    matches = [_TERM.fullmatch(term) for term in terms[:20]]
    if len(terms) > 20 or not all(matches):
        message = f"Invalid $filter '{text[:200]}' specified in the query string: terms are NAME eq 'VALUE' and …"
        return ServiceError(code="InvalidFilterInQueryString", message=message)
    return {match[1].lower(): match[2].replace("''", "'") for match in matches if match is not None}


def _fits(shown: Mapping[str, JsonValue], wanted: Mapping[str, str]) -> bool:
    return all(_fits_one(shown, name, value, wanted) for name, value in wanted.items())


def _fits_one(shown: Mapping[str, JsonValue], name: str, value: str, wanted: Mapping[str, str]) -> bool:
    tags = shown.get("tags")
    held = tags if isinstance(tags, dict) else {}
    if name == "tagname":
        return any(key.lower() == value.lower() for key in held)
    if name == "tagvalue":
        tag = wanted.get("tagname", "")
        return any(key.lower() == tag.lower() and text == value for key, text in held.items())
    member = {"resourcetype": "type", "resourcegroup": "resourceGroup"}.get(name, name)
    return str(shown.get(member, "")).lower() == value.lower()
