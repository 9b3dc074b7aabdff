"""Requests about application gateways: of all that a control plane keeps, the one that serves.

A control plane has one gateway; a second one is refused with a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from agwtwisted.core.resource_manager.api_versions import version_of
from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.catalogue import NETWORK
from agwtwisted.core.resource_manager.certificates import divided, united
from agwtwisted.core.resource_manager.children import TOP_LEVEL
from agwtwisted.core.resource_manager.gateway_bodies import GatewayBody, children, gateway_body
from agwtwisted.core.resource_manager.gateway_checks import name_problem, problems_of
from agwtwisted.core.resource_manager.gateway_shown import TYPE, shown_children, shown_gateway
from agwtwisted.core.resource_manager.groups import is_gateway
from agwtwisted.core.resource_manager.ids import ResourceId, group_id
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmState,
    Change,
    JsonObject,
    JsonValue,
    NoTask,
    Secret,
    Serve,
    ServeNothing,
    Stored,
    Work,
)
from agwtwisted.core.resource_manager.plain_json import object_in
from agwtwisted.core.resource_manager.service_errors import (
    ServiceError,
    all_of,
    invalid_format,
    resource_not_found,
)
from agwtwisted.core.resource_manager.writing import json_answer, new_etag, unique_id

_KIND = "applicationGateways"


@attrs.frozen(kw_only=True)
class Wanted:
    """A gateway that a PUT or a deployment asks for, judged as far as the service would."""

    stored: Stored
    secrets: Mapping[str, Secret] = attrs.field(repr=False)
    is_new: bool
    removed: tuple[str, ...]  # collections that were not empty, and are now

    def served(self) -> JsonObject:
        """The body that the gateway is made of."""
        return _with_secrets(self.stored, self.secrets)


def get_gateway(call: Call) -> Reply:
    """The gateway of that name."""
    stored = _found(call)
    if isinstance(stored, ServiceError):
        return stored
    if call.is_unchanged(stored):
        return ArmAnswer(status=304, headers={"ETag": stored.etag})
    return _answer(200, stored, running=call.state.running)


def head_gateway(call: Call) -> Reply:
    """Whether there is one: 204, or 404 without a body."""
    return ArmAnswer(status=404 if isinstance(_found(call), ServiceError) else 204)


def list_gateways(call: Call) -> Reply:
    """Those of a group, or of the subscription."""
    if "group" in call.arguments and (problem := call.group_problem()) is not None:
        return problem
    scope = f"{group_id(call.subscription, call.group)}/".lower() if "group" in call.arguments else ""
    found = [each for each in _gateways(call.state) if each.id.lower().startswith(scope)]
    return json_answer(200, {"value": [shown_gateway(each, running=call.state.running) for each in found]})


def get_child(call: Call) -> Reply:
    """A child of the gateway, or a list of children."""
    stored = _found(call)
    if isinstance(stored, ServiceError):
        return stored
    value = shown_children(stored, call.rest)
    if isinstance(value, dict):
        return json_answer(200, value)
    kind = "/".join((TYPE, *call.rest[::2]))
    return resource_not_found(kind, "/".join((call.arguments["gateway"], *call.rest[1::2])), call.group)


def no_private_links(call: Call) -> Reply:
    """Private endpoint connections and private link resources: there are none."""
    stored = _found(call)
    return stored if isinstance(stored, ServiceError) else json_answer(200, {"value": []})


def put_gateway(call: Call) -> Reply:
    """Make the gateway, or change it."""
    body = object_in(call.request.body)
    if isinstance(body, ServiceError):
        return body
    identity = call.resource(NETWORK, _KIND, call.arguments["gateway"])
    problem = call.group_problem() or call.condition_problem(call.found(identity))
    if problem is not None:
        return problem
    wanted = wanted_gateway(call.state, identity, body, version_of(call.request), call.request.request_id)
    if isinstance(wanted, ServiceError):
        return wanted
    running = call.state.running or wanted.is_new
    return Work(
        task=Serve(body=wanted.served(), only_judged=not running),
        answer=_answer(201 if wanted.is_new else 200, wanted.stored, running=running),
        changes=(Change(id=wanted.stored.id, stored=wanted.stored),),
        secrets=wanted.secrets,
        running=running,
        summary=f"PUT {_KIND}/{identity.name}",
        removed=wanted.removed,
    )


def patch_gateway(call: Call) -> Reply:
    """Replace the tags of the gateway; the service takes nothing else, and ignores it."""
    body, stored = object_in(call.request.body), _found(call)
    if isinstance(stored, ServiceError):
        return stored
    if isinstance(body, ServiceError):
        return body
    problem = call.condition_problem(stored)
    tags = next((value for name, value in body.items() if name.lower() == "tags"), None)
    if problem is not None or not isinstance(tags, dict | None):
        return problem or invalid_format(ServiceError(code="InvalidJson", message="The tags are no object. Path tags."))
    if tags is None:
        return _answer(200, stored, running=call.state.running)
    etag = new_etag(call.request.request_id, stored.id)
    changed = attrs.evolve(stored, body={**stored.body, "tags": tags}, etag=etag)
    return Work(
        task=NoTask(),
        answer=_answer(200, changed, running=call.state.running),
        changes=(Change(id=stored.id, stored=changed),),
        summary=f"PATCH {_KIND}/{call.arguments['gateway']}",
    )


def delete_gateway(call: Call) -> Reply:
    """Delete the gateway: nothing serves any more."""
    stored = _found(call)
    if isinstance(stored, ServiceError):
        return ArmAnswer(status=204)
    problem = call.condition_problem(stored)
    if problem is not None:
        return problem
    return Work(
        task=ServeNothing(),
        answer=ArmAnswer(status=200),
        changes=(Change(id=stored.id, stored=None),),
        secrets={},
        running=True,
        summary=f"DELETE {_KIND}/{call.arguments['gateway']}",
    )


def start_gateway(call: Call) -> Reply:
    """Have a stopped gateway serve again."""
    stored = _found(call)
    if isinstance(stored, ServiceError):
        return stored
    if call.state.running:
        return ArmAnswer(status=200)
    return Work(
        task=Serve(body=_with_secrets(stored, call.state.secrets)),
        answer=ArmAnswer(status=200),
        running=True,
        summary=f"start {_KIND}/{call.arguments['gateway']}",
    )


def stop_gateway(call: Call) -> Reply:
    """Close all listeners; the configuration stays."""
    stored = _found(call)
    if isinstance(stored, ServiceError):
        return stored
    if not call.state.running:
        return ArmAnswer(status=200)
    return Work(
        task=ServeNothing(),
        answer=ArmAnswer(status=200),
        running=False,
        summary=f"stop {_KIND}/{call.arguments['gateway']}",
    )


def stored_gateway(state: ArmState) -> JsonObject | None:
    """The body that what serves is made of, stopped or not; None: there is no gateway."""
    found = next(_gateways(state), None)
    return None if found is None else _with_secrets(found, state.secrets)


def wanted_gateway(
    state: ArmState, identity: ResourceId, body: JsonObject, version: str, request_id: str
) -> Wanted | ServiceError:
    """What a body asks for, or everything that is wrong with it."""
    before = state.records.get(identity.key)
    other = next((each for each in _gateways(state) if each.id.lower() != identity.key), None)
    if other is not None:
        return _second(other, identity)
    read = gateway_body(body)
    if read.errors:
        return invalid_format(*read.errors)
    gateway_id = before.id if before else str(identity)
    earlier = _earlier(before)
    parts = divided(read.properties, gateway_id, state.secrets, earlier)
    own = name_problem(identity.name)
    problems = [*([own] if own else []), *_place(read, before), *problems_of(read, gateway_id, version), *parts.errors]
    if problems:
        return all_of(problems)
    guid = earlier.get("resourceGuid") or unique_id(request_id, identity.key, "guid")
    location = before.body["location"] if before and "location" not in read.members else read.members["location"]
    kept: JsonObject = {
        "location": location,
        **read.members,
        "apiVersion": version,
        "properties": {**parts.properties, "resourceGuid": guid},
    }
    stored = Stored(id=gateway_id, body=kept, etag=new_etag(request_id, gateway_id))
    return Wanted(
        stored=stored,
        secrets=parts.secrets,
        is_new=before is None,
        removed=tuple(_emptied(earlier, parts.properties)),
    )


def _second(other: Stored, identity: ResourceId) -> ServiceError:
    message = (
        f"This control plane serves one application gateway, '{other.id}', and '{identity.name}' is a second one."
        " Delete that one first, or start another `agw control` with a port and a directory of its own."
    )
    return ServiceError(code="AnotherGatewayIsServed", message=message, status=409)


def _place(read: GatewayBody, before: Stored | None) -> Iterator[ServiceError]:
    if "location" not in read.members and before is None:
        yield ServiceError(code="LocationRequired", message="The location property is required for this definition.")


def _emptied(before: JsonObject, after: JsonObject) -> Iterator[str]:
    for collection in TOP_LEVEL:
        if children(before, collection) and not children(after, collection):
            yield collection


def _earlier(before: Stored | None) -> JsonObject:
    properties = before.body.get("properties") if before else None
    return properties if isinstance(properties, dict) else {}


def _gateways(state: ArmState) -> Iterator[Stored]:
    return (each for each in state.records.values() if is_gateway(each))


def _found(call: Call) -> Stored | ServiceError:
    identity = call.resource(NETWORK, _KIND, call.arguments["gateway"])
    stored = call.found(identity)
    return stored or call.group_problem() or resource_not_found(TYPE, identity.name, call.group)


def _answer(status: int, stored: Stored, *, running: bool) -> ArmAnswer:
    return json_answer(status, shown_gateway(stored, running=running), {"ETag": stored.etag})


def _with_secrets(stored: Stored, secrets: Mapping[str, Secret]) -> dict[str, JsonValue]:
    name = stored.id.rsplit("/", 1)[1]
    properties = united(_earlier(stored), secrets)
    return {"id": stored.id, "name": name, "type": TYPE, **stored.body, "properties": properties}
