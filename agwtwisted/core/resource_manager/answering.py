"""From a request and the state to an answer, or to the work that comes before it.

Every answer has the headers that clients of Azure Resource Manager look for.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.resource_manager import health, operations
from agwtwisted.core.resource_manager.calls import Call, Reply
from agwtwisted.core.resource_manager.deployments import deployment_in, invalid_deployment
from agwtwisted.core.resource_manager.gateways import stored_gateway
from agwtwisted.core.resource_manager.ids import segments
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmRequest,
    ArmState,
    AskHealth,
    JsonObject,
    ProbeOnce,
    Serve,
    Work,
)
from agwtwisted.core.resource_manager.refusals import refused
from agwtwisted.core.resource_manager.routes import RouteFound, found_routes
from agwtwisted.core.resource_manager.service_errors import (
    ServiceError,
    method_not_allowed,
    no_route,
    subscription_not_found,
)

__all__ = ["accepted", "answer", "health_answer", "refusal", "stored_gateway"]


def answer(request: ArmRequest, state: ArmState) -> ArmAnswer | Work:
    """The answer to a request, or what has to be done before it."""
    outcome = _outcome(request, state)
    if isinstance(outcome, Work):
        return attrs.evolve(outcome, answer=_complete(request, outcome.answer))
    return _complete(request, outcome.answer() if isinstance(outcome, ServiceError) else outcome)


def refusal(request: ArmRequest, work: Work, problems: Iterable[Problem]) -> ArmAnswer:
    """The answer where the gateway could not be made, and nothing was changed."""
    gateway_id = str(work.task.body.get("id", "")) if isinstance(work.task, Serve) else ""
    error = refused(problems, gateway_id)
    deployment = deployment_in(segments(request.path) or ())
    if deployment:
        error = invalid_deployment(deployment, request.request_id, error)
    return _complete(request, error.answer())


def accepted(request: ArmRequest, state: ArmState, work: Work) -> ArmAnswer:
    """The answer to a request whose work goes on; `ArmState.operations` has it under the id of the request."""
    return _complete(request, operations.accepted(request, state, work))


def health_answer(request: ArmRequest, state: ArmState, task: AskHealth | ProbeOnce, found: JsonObject) -> ArmAnswer:
    """The answer with the servers that were found, see `health.health_answer`."""
    return _complete(request, health.health_answer(request, state, task, found))


def _outcome(request: ArmRequest, state: ArmState) -> Reply:
    path = segments(request.path)
    found = [] if path is None else list(found_routes(path))
    if not found:
        return no_route(request.method, request.path)
    route = next((each for each in found if each.route.method == request.method), None)
    if route is None:
        return method_not_allowed(request.method, [each.route.method for each in found])
    return _problem(request, state, route) or route.route.handler(
        Call(request=request, state=state, arguments=route.arguments, rest=route.rest)
    )


def _problem(request: ArmRequest, state: ArmState, route: RouteFound) -> ServiceError | None:
    subscription = route.arguments.get("subscription", state.subscription)
    if subscription.lower() != state.subscription.lower():
        return subscription_not_found(subscription)
    return route.route.versions(request)


def _complete(request: ArmRequest, given: ArmAnswer) -> ArmAnswer:
    correlation = request.headers.get("x-ms-correlation-request-id", request.request_id)
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "x-ms-request-id": request.request_id,
        "x-ms-correlation-request-id": correlation[:100],
        **_client_request_id(request),
        **given.headers,
    }
    body = b"" if request.method == "HEAD" else given.body
    return attrs.evolve(given, headers=headers, body=body)


def _client_request_id(request: ArmRequest) -> dict[str, str]:
    asked = request.headers.get("x-ms-return-client-request-id", "").lower() == "true"
    identity = request.headers.get("x-ms-client-request-id", "")
    return {"x-ms-client-request-id": identity[:100]} if asked and identity.isprintable() else {}
