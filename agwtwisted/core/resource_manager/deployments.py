"""Deployments of templates to a resource group: their resources become what single PUTs of them would be.

A deployment is one piece of work: the gateway is made of it, and neighbours are kept with it, or nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.json_text import JsonNode
from agwtwisted.core.resource_manager.api_versions import OF_GATEWAYS
from agwtwisted.core.resource_manager.calls import MAX_RECORDS, Call, Reply
from agwtwisted.core.resource_manager.catalogue import RESOURCES, known_namespace
from agwtwisted.core.resource_manager.deployed import DeployedResources
from agwtwisted.core.resource_manager.deployment_bodies import (
    DeploymentBody,
    WantedResource,
    deployment_body,
    evaluated_with,
    invalid_template,
    outputs_of,
    with_deployed,
)
from agwtwisted.core.resource_manager.gateways import Wanted, wanted_gateway
from agwtwisted.core.resource_manager.ids import ResourceId, resource_id
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmState,
    Change,
    JsonValue,
    NoTask,
    Serve,
    Stored,
    Work,
)
from agwtwisted.core.resource_manager.neighbours import changes_of, parent_problem
from agwtwisted.core.resource_manager.service_errors import (
    ServiceError,
    all_of,
    resource_not_found,
    too_many_resources,
)
from agwtwisted.core.resource_manager.writing import json_answer, new_etag, unique_id

_KIND: Final = "deployments"
_TYPE: Final = f"{RESOURCES}/{_KIND}"

MAX_KEPT: Final = 50
"""Deployments of a group that are remembered; older ones are forgotten."""


@attrs.frozen(kw_only=True)
class _Outcome:
    """What a deployment comes to: the state after it, and all that leads there."""

    body: DeploymentBody
    changes: tuple[Change, ...]
    made: tuple[ResourceId, ...]
    skipped: tuple[WantedResource, ...]
    gateway: Wanted | None
    state: ArmState
    errors: tuple[ServiceError, ...] = ()


def put_deployment(call: Call) -> Reply:
    """Deploy a template."""
    outcome = _judged(call)
    if isinstance(outcome, ServiceError):
        return outcome
    outputs = outputs_of(outcome.body, _known(call, outcome.state))
    if isinstance(outputs, ServiceError):
        return outputs
    identity = _identity(call)
    before = call.found(identity)
    kept = Stored(
        id=before.id if before else str(identity),
        body={"properties": {**_properties(call, outcome), "outputs": outputs}},
        etag=new_etag(call.request.request_id, str(identity)),
    )
    return _work(
        call,
        outcome,
        answer=json_answer(200 if before else 201, _shown(kept)),
        changes=(*outcome.changes, Change(id=kept.id, stored=kept), *_forgotten(call, kept)),
    )


def validate_deployment(call: Call) -> Reply:
    """Judge a template as its deployment would, and change nothing."""
    outcome = _judged(call)
    if isinstance(outcome, ServiceError):
        return outcome
    properties = _properties(call, outcome)
    validated = properties.pop("outputResources")
    judged = Stored(
        id=str(_identity(call)), body={"properties": {**properties, "validatedResources": validated}}, etag=""
    )
    task = NoTask() if outcome.gateway is None else Serve(body=outcome.gateway.served(), only_judged=True)
    return Work(task=task, answer=json_answer(200, _shown(judged)), summary=f"validate {_KIND}/{_identity(call).name}")


def get_deployment(call: Call) -> Reply:
    """A deployment of before."""
    found = _found(call)
    return found if isinstance(found, ServiceError) else json_answer(200, _shown(found))


def head_deployment(call: Call) -> Reply:
    """Whether there is one: 204, or 404 without a body."""
    return ArmAnswer(status=404 if isinstance(_found(call), ServiceError) else 204)


def list_deployments(call: Call) -> Reply:
    """Those of the group."""
    return call.group_problem() or json_answer(200, {"value": [_shown(each) for each in _kept(call)]})


def delete_deployment(call: Call) -> Reply:
    """Forget a deployment; its resources stay."""
    found = _found(call)
    if isinstance(found, ServiceError):
        return ArmAnswer(status=204)
    change = Change(id=found.id, stored=None)
    return Work(
        task=NoTask(),
        answer=ArmAnswer(status=204),
        changes=(change,),
        summary=f"DELETE {_KIND}/{call.arguments['deployment']}",
    )


def get_status(call: Call) -> Reply:
    """The state of a deployment: it is done when its request is answered."""
    found = _found(call)
    return found if isinstance(found, ServiceError) else json_answer(200, {"status": "Succeeded"})


def list_steps(call: Call) -> Reply:
    """What a deployment did, a step for each of its resources."""
    found = _found(call)
    if isinstance(found, ServiceError):
        return found
    properties = found.body["properties"]
    made = properties.get("outputResources") if isinstance(properties, dict) else None
    ids = [str(each["id"]) for each in made if isinstance(each, dict)] if isinstance(made, list) else []
    return json_answer(200, {"value": [_step(found, each) for each in ids]})


def refuse_what_if(call: Call) -> Reply:
    """What would change is not foretold; `validate` says whether a template is taken."""
    message = (
        "This control plane does not foretell changes (what-if); `validate` judges a template as its deployment would."
    )
    return ServiceError(code="WhatIfNotSupported", message=message)


def deployment_in(path: Sequence[str]) -> str:
    """The name of the deployment that a path leads to; empty: it leads to something else."""
    lowered = [part.lower() for part in path]
    return path[7] if len(path) > 7 and lowered[5:7] == [RESOURCES.lower(), _KIND] else ""


def invalid_deployment(name: str, tracking_id: str, error: ServiceError) -> ServiceError:
    """What a client gets for a deployment that is refused: the error in it is a detail."""
    message = (
        f"The template deployment '{name}' is not valid according to the validation procedure. The tracking id is"
        f" '{tracking_id}'. See inner errors for details."
    )
    inner = error.details or (error,)
    return ServiceError(code="InvalidTemplateDeployment", message=message, details=inner, status=error.status)


def _work(call: Call, outcome: _Outcome, *, answer: ArmAnswer, changes: Sequence[Change]) -> Work:
    gateway = outcome.gateway
    summary = f"PUT {_KIND}/{_identity(call).name} with {len(outcome.made)} resources"
    if gateway is None:
        return Work(task=NoTask(), answer=answer, changes=tuple(changes), summary=summary)
    running = call.state.running or gateway.is_new
    return Work(
        task=Serve(body=gateway.served(), only_judged=not running),
        answer=answer,
        changes=tuple(changes),
        secrets=gateway.secrets,
        running=running,
        summary=summary,
        removed=gateway.removed,
    )


def _judged(call: Call) -> _Outcome | ServiceError:
    problem = call.group_problem()
    if problem is not None:
        return problem
    identity = _identity(call)
    body = deployment_body(call.request.body, with_deployed(_context(call), _known(call, call.state)))
    outcome = body if isinstance(body, ServiceError) else _deployed(call, body)
    if not isinstance(outcome, ServiceError):
        return outcome
    if outcome.code == "InvalidTemplate":
        return outcome
    return invalid_deployment(identity.name, call.request.request_id, outcome)


def _context(call: Call) -> TemplateContext:
    return TemplateContext(
        subscription=call.subscription,
        tenant=call.state.tenant,
        values=call.state.values,
        resource_group=call.group,
        location=_location(call),
        deployment=_identity(call).name,
        moment=call.request.moment.strftime("%Y%m%dT%H%M%SZ"),
    )


def _location(call: Call) -> str:
    group = call.state.records.get(_identity(call).group_id.lower())
    return str(group.body.get("location", call.state.location)) if group else call.state.location


def _deployed(call: Call, body: DeploymentBody) -> _Outcome | ServiceError:
    """Every resource of a template in turn, on the state that those before it lead to; the gateway comes last."""
    if body.mode.lower() != "incremental":
        return _only_incremental(body.mode)
    start = _Outcome(body=body, changes=(), made=(), skipped=(), gateway=None, state=call.state)
    outcome = _all(call, start, [each for each in _parents_first(body.resources) if not each.is_gateway])
    gateways = [each for each in body.resources if each.is_gateway]
    if gateways and outcome.made:  # what is referred to in them is known by now
        again = evaluated_with(body, _known(call, outcome.state))
        if isinstance(again, ServiceError):
            return again
        gateways = [each for each in again if each.is_gateway]
    outcome = _all(call, outcome, gateways)
    if outcome.errors:
        return attrs.evolve(all_of(outcome.errors), status=outcome.errors[0].status)
    return too_many_resources(MAX_RECORDS) if len(outcome.state.records) > MAX_RECORDS else outcome


def _all(call: Call, outcome: _Outcome, resources: Sequence[WantedResource]) -> _Outcome:
    for resource in resources:
        after = _with(call, outcome, resource)
        if isinstance(after, ServiceError):
            outcome = attrs.evolve(outcome, errors=(*outcome.errors, *(after.details or (after,))))
        else:
            outcome = after
    return outcome


def _known(call: Call, state: ArmState) -> Mapping[str, JsonNode]:
    return DeployedResources(state, _identity(call).group_id)


def _only_incremental(mode: str) -> ServiceError:
    message = (
        f"The mode '{mode[:40]}' is not supported: Complete would delete every other resource of the group, the gateway"
        " too. Deploy with the mode Incremental, and delete what is not needed."
    )
    return ServiceError(code="DeploymentModeNotSupported", message=message)


def _parents_first(resources: Sequence[WantedResource]) -> list[WantedResource]:
    return sorted(resources, key=lambda each: each.type.count("/"))


def _with(call: Call, outcome: _Outcome, resource: WantedResource) -> _Outcome | ServiceError:
    namespace = known_namespace(resource.namespace)
    if not namespace:
        return attrs.evolve(outcome, skipped=(*outcome.skipped, resource))
    if not resource.is_named:
        return invalid_template(
            f"the name of a resource of type {resource.type} is not known, or does not fit its type"
        )
    identity = resource_id(call.subscription, call.group, namespace, resource.tail)
    if resource.is_gateway:
        return _with_gateway(call, outcome, resource, identity)
    problem = parent_problem(outcome.state, identity)
    if problem is not None:
        return problem
    return _after(outcome, identity, changes_of(outcome.state, identity, resource.body, call.request.request_id))


def _with_gateway(
    call: Call, outcome: _Outcome, resource: WantedResource, identity: ResourceId
) -> _Outcome | ServiceError:
    if resource.version not in OF_GATEWAYS:
        return _unregistered(resource, str(resource.body.get("location", "")))
    wanted = wanted_gateway(outcome.state, identity, resource.body, resource.version, call.request.request_id)
    if isinstance(wanted, ServiceError):
        return wanted
    after = _after(outcome, identity, (Change(id=wanted.stored.id, stored=wanted.stored),))
    return attrs.evolve(after, gateway=wanted)


def _unregistered(resource: WantedResource, location: str) -> ServiceError:
    message = (
        f"No registered resource provider found for location '{location}' and API version '{resource.version}' for type"
        f" 'applicationGateways'. The supported api-versions are '{', '.join(OF_GATEWAYS)}'."
    )
    return ServiceError(code="NoRegisteredProviderFound", message=message)


def _after(outcome: _Outcome, identity: ResourceId, changes: tuple[Change, ...]) -> _Outcome:
    records = {**outcome.state.records, **{each.id.lower(): each.stored for each in changes if each.stored}}
    return attrs.evolve(
        outcome,
        changes=(*outcome.changes, *changes),
        made=(*outcome.made, identity),
        state=attrs.evolve(outcome.state, records=records),
    )


def _properties(call: Call, outcome: _Outcome) -> dict[str, JsonValue]:
    made: list[JsonValue] = [{"id": str(each)} for each in outcome.made]
    found: dict[str, JsonValue] = {
        "provisioningState": "Succeeded",
        "timestamp": call.request.moment.isoformat().replace("+00:00", "Z"),
        "duration": "PT0S",
        "correlationId": call.request.request_id,
        "mode": "Incremental",
        "parameters": outcome.body.parameters,
        "providers": _providers(outcome.made),
        "dependencies": [],
        "outputResources": made,
    }
    diagnostics: list[JsonValue] = [_diagnostic(each) for each in outcome.skipped]
    return {**found, **({"diagnostics": diagnostics} if diagnostics else {})}


def _providers(made: Sequence[ResourceId]) -> list[JsonValue]:
    kinds: Mapping[str, set[str]] = {each.namespace: set() for each in made}
    for each in made:
        kinds[each.namespace].add("/".join(each.kinds))
    return [
        {"namespace": namespace, "resourceTypes": [{"resourceType": kind} for kind in sorted(found)]}
        for namespace, found in kinds.items()
    ]


def _diagnostic(resource: WantedResource) -> JsonValue:
    message = f"{resource.type} '{resource.name}' was skipped: this control plane keeps no resources of its namespace."
    return {"level": "Warning", "code": "ResourceSkipped", "message": message}


def _shown(stored: Stored) -> dict[str, JsonValue]:
    name = stored.id.rsplit("/", 1)[1]
    return {"id": stored.id, "name": name, "type": _TYPE, **stored.body}


def _step(stored: Stored, made: str) -> JsonValue:
    parts = made.split("/providers/", 1)[1].split("/")
    identity = unique_id(stored.etag, made).replace("-", "")[:16].upper()
    target: JsonValue = {
        "id": made,
        "resourceType": "/".join((parts[0], *parts[1::2])),
        "resourceName": "/".join(parts[2::2]),
    }
    properties: JsonValue = {"provisioningState": "Succeeded", "statusCode": "OK", "targetResource": target}
    return {"id": f"{stored.id}/operations/{identity}", "operationId": identity, "properties": properties}


def _identity(call: Call) -> ResourceId:
    return call.resource(RESOURCES, _KIND, call.arguments["deployment"])


def _found(call: Call) -> Stored | ServiceError:
    identity = _identity(call)
    return call.found(identity) or call.group_problem() or _not_found(identity)


def _not_found(identity: ResourceId) -> ServiceError:
    error = resource_not_found(_TYPE, identity.name, identity.group)
    return attrs.evolve(error, code="DeploymentNotFound", message=f"Deployment '{identity.name}' could not be found.")


def _kept(call: Call) -> list[Stored]:
    scope = str(call.resource(RESOURCES, _KIND)).lower()
    return [each for key, each in call.state.records.items() if key.startswith(f"{scope}/")]


def _forgotten(call: Call, kept: Stored) -> tuple[Change, ...]:
    """The oldest deployments, where there are too many with this one."""
    others = [each for each in _kept(call) if each.id.lower() != kept.id.lower()]
    return tuple(Change(id=each.id, stored=None) for each in others[: max(0, len(others) - MAX_KEPT + 1)])
