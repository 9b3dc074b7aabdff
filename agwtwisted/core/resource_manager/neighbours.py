"""Resources beside the gateway, such as virtual networks and public IP addresses: modules and scripts need their ids.

What a PUT sends is kept and given back with ids, types, etags and `provisioningState`; nothing else comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.catalogue import known_namespace, unknown_namespace
from agwtwisted.core.resource_manager.ids import ResourceId, parsed
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmState,
    Change,
    JsonObject,
    JsonValue,
    NoTask,
    Stored,
    Work,
)
from agwtwisted.core.resource_manager.plain_json import object_in
from agwtwisted.core.resource_manager.service_errors import ServiceError, resource_not_found
from agwtwisted.core.resource_manager.write_only import without_secrets
from agwtwisted.core.resource_manager.writing import json_answer, new_etag, unique_id

MAX_BYTES: Final = 1 << 20
"""Of the body of one neighbour."""

INSIDE: Final[Mapping[str, frozenset[str]]] = {
    "virtualnetworks": frozenset({"subnets", "virtualnetworkpeerings"}),
    "networksecuritygroups": frozenset({"securityrules"}),
    "routetables": frozenset({"routes"}),
}
"""Children that are members of their parents: a PUT of either changes the other."""

_ADDRESS: Final = "127.0.0.1"
"""That of every public IP address: what is public in the product stays on this machine."""


def get_neighbour(call: Call) -> Reply:
    """One neighbour, or a list of them."""
    identity = identity_of(call)
    if isinstance(identity, ServiceError):
        return identity
    if len(identity.names) < len(identity.kinds):
        return _list(call, identity)
    found = stored_neighbour(call.state, identity)
    if found is None:
        return call.group_problem() or _not_found(identity)
    return ArmAnswer(status=304) if call.is_unchanged(found) else _answer(200, found)


def head_neighbour(call: Call) -> Reply:
    """Whether there is one: 204, or 404 without a body."""
    identity = identity_of(call)
    known = not isinstance(identity, ServiceError) and stored_neighbour(call.state, identity) is not None
    return ArmAnswer(status=204 if known else 404)


def list_in_subscription(call: Call) -> Reply:
    """All neighbours of a kind."""
    namespace = known_namespace(call.arguments["namespace"])
    if not namespace:
        return unknown_namespace(call.arguments["namespace"])
    kind = f"{namespace}/{call.arguments['kind']}".lower()
    identities = ((parsed(each.id), each) for each in call.state.records.values())
    found = [each for identity, each in identities if identity and identity.kind.lower() == kind]
    return json_answer(200, {"value": [shown(each) for each in found]})


def put_neighbour(call: Call) -> Reply:
    """Keep a neighbour."""
    identity, body = identity_of(call), object_in(call.request.body)
    if isinstance(identity, ServiceError):
        return identity
    if isinstance(body, ServiceError):
        return body
    before = stored_neighbour(call.state, identity)
    problem = call.group_problem() or _put_problem(call, identity) or call.condition_problem(before)
    if problem is None and before is None:
        problem = call.room_problem()
    if problem is not None:
        return problem
    changes = changes_of(call.state, identity, body, call.request.request_id)
    kept = _kept_in(changes, identity)
    return Work(
        task=NoTask(),
        answer=_answer(200 if before else 201, kept),
        changes=changes,
        summary=f"PUT {identity.kind} {identity.name}",
    )


def patch_neighbour(call: Call) -> Reply:
    """Replace the tags of a neighbour, or other members at the top of it."""
    identity, body = identity_of(call), object_in(call.request.body)
    if isinstance(identity, ServiceError):
        return identity
    if isinstance(body, ServiceError):
        return body
    before = stored_neighbour(call.state, identity)
    if before is None:
        return _not_found(identity)
    merged = {**before.body, **body}
    changes = changes_of(call.state, identity, merged, call.request.request_id)
    return Work(
        task=NoTask(),
        answer=_answer(200, _kept_in(changes, identity)),
        changes=changes,
        summary=f"PATCH {identity.kind} {identity.name}",
    )


def delete_neighbour(call: Call) -> Reply:
    """Forget a neighbour and its children."""
    identity = identity_of(call)
    if isinstance(identity, ServiceError):
        return identity
    found = stored_neighbour(call.state, identity)
    if found is None:
        return ArmAnswer(status=204)
    return Work(
        task=NoTask(),
        answer=ArmAnswer(status=200),
        changes=_removal(call, identity),
        summary=f"DELETE {identity.kind} {identity.name}",
    )


def identity_of(call: Call) -> ResourceId | ServiceError:
    """The id in the path of a request about a neighbour."""
    namespace = known_namespace(call.arguments["namespace"])
    return call.resource(namespace, *call.rest) if namespace else unknown_namespace(call.arguments["namespace"])


def stored_neighbour(state: ArmState, identity: ResourceId) -> Stored | None:
    """A neighbour, also one that is a member of its parent."""
    if not _is_inside(identity):
        return state.records.get(identity.key)
    parent = state.records.get(identity.parent.key)
    member = _member(parent, identity) if parent else None
    return (
        Stored(id=f"{parent.id}/{identity.kinds[-1]}/{member['name']}", body=member, etag=parent.etag)
        if (parent and member)
        else None
    )


def changes_of(state: ArmState, identity: ResourceId, body: JsonObject, request_id: str) -> tuple[Change, ...]:
    """What a PUT of a neighbour changes in the state."""
    body = without_secrets(identity.kind, body)
    if _is_inside(identity):
        return _changes_of_member(state, identity, body, request_id)
    before = state.records.get(identity.key)
    stored = Stored(
        id=before.id if before else str(identity),
        body=_kept(identity, body, before),
        etag=new_etag(request_id, str(identity)),
    )
    return (Change(id=stored.id, stored=stored),)


def shown(stored: Stored) -> dict[str, JsonValue]:
    """A neighbour as it is answered."""
    identity = parsed(stored.id)
    assert identity is not None, "only ids of resources are kept"
    members: dict[str, JsonValue] = {"id": stored.id, "name": identity.name, "type": identity.kind}
    with_state = {**members, "etag": stored.etag, **{k: v for k, v in stored.body.items() if k.lower() not in _MADE}}
    with_state["properties"] = _shown_properties(stored, identity)
    return with_state


_MADE: Final = frozenset({"id", "name", "type", "etag", "apiversion", "properties"})


def _shown_properties(stored: Stored, identity: ResourceId) -> dict[str, JsonValue]:
    properties = stored.body.get("properties")
    held = dict(properties) if isinstance(properties, dict) else {}
    lists = {name: _shown_members(value, name, stored, identity) for name, value in held.items()}
    return {"provisioningState": "Succeeded", **held, **lists}


def _shown_members(value: JsonValue, name: str, stored: Stored, identity: ResourceId) -> JsonValue:
    """A list of named members with their ids; any other value as it is."""
    if not isinstance(value, list) or not all(isinstance(each, dict) and "name" in each for each in value):
        return value
    return [_shown_member(each, name, stored, identity) for each in value if isinstance(each, dict)]


def _shown_member(member: Mapping[str, JsonValue], name: str, stored: Stored, identity: ResourceId) -> JsonValue:
    properties = member.get("properties")
    held = properties if isinstance(properties, dict) else {}
    return {
        **member,
        "id": f"{stored.id}/{name}/{member['name']}",
        "type": f"{identity.kind}/{name}",
        "etag": stored.etag,
        "properties": {"provisioningState": "Succeeded", **held},
    }


def _kept(identity: ResourceId, body: JsonObject, before: Stored | None) -> dict[str, JsonValue]:
    """What is kept of a body: all of it, with what the service would add, and children that it does not mention."""
    properties = body.get("properties")
    sent = dict(properties) if isinstance(properties, dict) else {}
    earlier = before.body.get("properties") if before else None
    held = earlier if isinstance(earlier, dict) else {}
    named = {name.lower() for name, value in sent.items() if value is not None}
    inside = INSIDE.get(identity.kinds[-1].lower(), frozenset()) - named
    unmentioned = {name: value for name, value in held.items() if name.lower() in inside}
    present = {name: value for name, value in sent.items() if name.lower() not in inside}
    guid = held.get("resourceGuid") or unique_id(identity.key)
    kept = {**_added(identity), **present, **unmentioned, "resourceGuid": guid, "provisioningState": "Succeeded"}
    return {**{k: v for k, v in body.items() if k.lower() not in _MADE}, "properties": kept}


def _added(identity: ResourceId) -> dict[str, JsonValue]:
    if identity.kind.lower() == "microsoft.network/publicipaddresses":
        return {"ipAddress": _ADDRESS, "publicIPAddressVersion": "IPv4", "idleTimeoutInMinutes": 4}
    return {}


def _is_inside(identity: ResourceId) -> bool:
    kinds = [kind.lower() for kind in identity.kinds]
    return len(kinds) == 2 and len(identity.names) == 2 and kinds[1] in INSIDE.get(kinds[0], ())


def _members(parent: Stored, kind: str) -> tuple[str, Sequence[Mapping[str, JsonValue]]]:
    """The list of children of a kind in their parent, with the name that it has there."""
    properties = parent.body.get("properties")
    held = properties if isinstance(properties, dict) else {}
    name = next((each for each in held if each.lower() == kind.lower()), kind)
    value = held.get(name)
    return name, [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _member(parent: Stored, identity: ResourceId) -> Mapping[str, JsonValue] | None:
    _, members = _members(parent, identity.kinds[-1])
    return next((each for each in members if str(each.get("name", "")).lower() == identity.name.lower()), None)


def _with_members(parent: Stored, name: str, members: Sequence[JsonObject], etag: str) -> Change:
    properties = parent.body.get("properties")
    held = properties if isinstance(properties, dict) else {}
    changed: dict[str, JsonValue] = {**held, name: [dict(each) for each in members]}
    return Change(id=parent.id, stored=attrs.evolve(parent, body={**parent.body, "properties": changed}, etag=etag))


def _changes_of_member(state: ArmState, identity: ResourceId, body: JsonObject, request_id: str) -> tuple[Change, ...]:
    parent = state.records.get(identity.parent.key)
    assert parent is not None, "the parent was looked for before"
    name, members = _members(parent, identity.kinds[-1])
    kept = {**{k: v for k, v in body.items() if k.lower() not in _MADE}, "name": identity.name}
    kept["properties"] = body.get("properties") or {}
    position = next((i for i, each in enumerate(members) if _is_named(each, identity.name)), len(members))
    changed = [*members[:position], kept, *members[position + 1 :]]
    return (_with_members(parent, name, changed, new_etag(request_id, parent.id)),)


def _is_named(member: Mapping[str, JsonValue], name: str) -> bool:
    return str(member.get("name", "")).lower() == name.lower()


def _removal(call: Call, identity: ResourceId) -> tuple[Change, ...]:
    if not _is_inside(identity):
        below = f"{identity.key}/"
        inside = [each.id for key, each in call.state.records.items() if key.startswith(below)]
        return tuple(Change(id=each, stored=None) for each in (str(identity), *inside))
    parent = call.state.records[identity.parent.key]
    name, members = _members(parent, identity.kinds[-1])
    left = [dict(each) for each in members if not _is_named(each, identity.name)]
    return (_with_members(parent, name, left, new_etag(call.request.request_id, parent.id)),)


def _kept_in(changes: Sequence[Change], identity: ResourceId) -> Stored:
    stored = changes[0].stored
    assert stored is not None, "a PUT keeps something"
    member = _member(stored, identity) if _is_inside(identity) else None
    if member is None:
        return stored
    return Stored(id=f"{stored.id}/{identity.kinds[-1]}/{member['name']}", body=member, etag=stored.etag)


def _put_problem(call: Call, identity: ResourceId) -> ServiceError | None:
    if len(identity.names) < len(identity.kinds):
        return ServiceError(code="InvalidResourceId", message="A PUT names a resource, not a list of them.")
    if len(call.request.body) > MAX_BYTES:
        return ServiceError(
            code="RequestEntityTooLarge", message=f"At most {MAX_BYTES} bytes are kept of a resource.", status=413
        )
    return parent_problem(call.state, identity)


def parent_problem(state: ArmState, identity: ResourceId) -> ServiceError | None:
    """There is no parent that a child could become a member of."""
    if not _is_inside(identity) or identity.parent.key in state.records:
        return None
    message = (
        f"Can not perform requested operation on nested resource. Parent resource '{identity.parent.name}' not found."
    )
    return ServiceError(code="ParentResourceNotFound", message=message, status=404)


def _not_found(identity: ResourceId) -> ServiceError:
    return resource_not_found(identity.kind, "/".join(identity.names), identity.group)


def _list(call: Call, identity: ResourceId) -> Reply:
    problem = call.group_problem()
    if problem is not None:
        return problem
    if len(identity.kinds) == 2 and identity.kinds[1].lower() in INSIDE.get(identity.kinds[0].lower(), ()):
        return _list_of_members(call, identity)
    below = f"{identity.key}/"
    own = (
        each for key, each in call.state.records.items() if key.startswith(below) and key.count("/") == below.count("/")
    )
    return json_answer(200, {"value": [shown(each) for each in own]})


def _list_of_members(call: Call, identity: ResourceId) -> Reply:
    parent = call.state.records.get(identity.parent.key)
    if parent is None:
        return _not_found(identity.parent)
    properties = shown(parent)["properties"]
    assert isinstance(properties, dict), "they are made as an object"
    name, _ = _members(parent, identity.kinds[1])
    return json_answer(200, {"value": properties.get(name) or []})


def _answer(status: int, stored: Stored) -> ArmAnswer:
    return json_answer(status, shown(stored), {"ETag": stored.etag})
