"""Work that takes longer than its request, by the rules of Azure Resource Manager's asynchronous operations."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.resource_manager.api_versions import version_of
from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.messages import ArmAnswer, ArmRequest, ArmState, JsonValue, Work
from agwtwisted.core.resource_manager.plain_json import object_in
from agwtwisted.core.resource_manager.service_errors import ServiceError
from agwtwisted.core.resource_manager.writing import json_answer

RETRY_AFTER: Final = "1"
"""Seconds. 0 counts as absent in the SDKs, which then wait for 30."""


def accepted(request: ArmRequest, state: ArmState, work: Work) -> ArmAnswer:
    """The response to a request whose work goes on, under the id of the request.

    A PUT is answered with the resource as it will be; all else with 202 and no body.
    """
    base = f"{request.base_url}/subscriptions/{state.subscription}/providers/Microsoft.Network/locations"
    tail = f"{request.request_id}?api-version={version_of(request)}"
    headers = {
        "Azure-AsyncOperation": f"{base}/{state.location}/operations/{tail}",
        "Azure-AsyncNotification": "Enabled",
        "Retry-After": RETRY_AFTER,
    }
    if request.method == "PUT":
        known = work.answer.status == 200
        body = work.answer.body.replace(b'"provisioningState":"Succeeded"', b'"provisioningState":"Updating"')
        return ArmAnswer(status=200 if known else 201, headers={**work.answer.headers, **headers}, body=body)
    location = {"Location": f"{base}/{state.location}/operationResults/{tail}"}
    return ArmAnswer(status=202, headers={**headers, **location})


def get_operation(call: Call) -> Reply:
    """How far an operation is."""
    operation = call.state.operations.get(call.arguments["operation"].lower())
    if operation is None:
        return _unknown(call)
    if operation.answer is None:
        return json_answer(200, {"status": "InProgress"}, {"Retry-After": RETRY_AFTER})
    return json_answer(200, _outcome(operation.answer))


def get_operation_result(call: Call) -> Reply:
    """What an operation led to: its answer once it is done."""
    operation = call.state.operations.get(call.arguments["operation"].lower())
    if operation is None:
        return _unknown(call)
    if operation.answer is None:
        return ArmAnswer(status=202, headers={"Location": _here(call), "Retry-After": RETRY_AFTER})
    return operation.answer


def _outcome(answer: ArmAnswer) -> dict[str, JsonValue]:
    if answer.status < 400:
        return {"status": "Succeeded"}
    body = object_in(answer.body)
    error = None if isinstance(body, ServiceError) else body.get("error")
    return {"status": "Failed", "error": error}


def _here(call: Call) -> str:
    return f"{call.request.base_url}{call.request.path}?api-version={version_of(call.request)}"


def _unknown(call: Call) -> ServiceError:
    identity = call.arguments["operation"]
    return ServiceError(code="OperationNotFound", message=f"Operation {identity} was not found.", status=404)
