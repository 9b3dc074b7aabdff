"""Errors as Azure Resource Manager and the product write them: code, message, target and details.

Sources: "Common errors" of the Azure Resource Manager documentation, and the bodies of the product's API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from agwtwisted.core.resource_manager.messages import ArmAnswer, JsonObject, JsonValue
from agwtwisted.core.resource_manager.writing import json_answer

MAX_DETAILS: Final = 100
"""More problems than these are not listed: a client prints them one by one."""


@attrs.frozen(kw_only=True)
class ServiceError:
    """One error, with those inside it."""

    code: str
    message: str
    target: str = ""  # the id of the resource, or the JSON path of the property
    details: tuple[ServiceError, ...] = ()
    status: int = 400
    headers: Mapping[str, str] = attrs.Factory(dict)

    def members(self) -> dict[str, JsonValue]:
        """It as the value of the member `error`."""
        details: list[JsonValue] = [each.members() for each in self.details[:MAX_DETAILS]]
        target: dict[str, JsonValue] = {"target": self.target} if self.target else {}
        return {"code": self.code, "message": self.message, **target, "details": details}

    def answer(self) -> ArmAnswer:
        """The response that says it."""
        body: JsonObject = {"error": self.members()}
        return json_answer(self.status, body, self.headers)


def all_of(errors: Sequence[ServiceError]) -> ServiceError:
    """One error of several: the first one, as the service reports it, with all of them as its details."""
    first = errors[0]
    return first if len(errors) == 1 else attrs.evolve(first, details=tuple(errors))


def invalid_format(*details: ServiceError) -> ServiceError:
    """A body that cannot be read as the resource it should be."""
    return ServiceError(code="InvalidRequestFormat", message="Cannot parse the request.", details=details)


def resource_not_found(kind: str, name: str, group: str) -> ServiceError:
    """There is no such resource.

    Args:
        kind: with its namespace, and the kinds of its parents.
        name: with those of its parents.
        group: of resources, that it should be in.
    """
    message = (
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return ServiceError(code="ResourceNotFound", message=message, status=404)


def group_not_found(group: str) -> ServiceError:
    """There is no such resource group."""
    return ServiceError(
        code="ResourceGroupNotFound", message=f"Resource group '{group}' could not be found.", status=404
    )


def subscription_not_found(subscription: str) -> ServiceError:
    """The control plane has one subscription, and it is another one."""
    return ServiceError(
        code="SubscriptionNotFound", message=f"The subscription '{subscription}' could not be found.", status=404
    )


def precondition_failed() -> ServiceError:
    """If-Match or If-None-Match asked for another state of the resource."""
    return ServiceError(
        code="PreconditionFailed",
        message="The precondition given in one of the request headers evaluated to false.",
        status=412,
    )


def no_route(method: str, path: str) -> ServiceError:
    """Nothing has this path."""
    return ServiceError(
        code="NotFound",
        message=f"This control plane answers no {method} of '{path[:200]}'.",
        status=404,
    )


def method_not_allowed(method: str, allowed: Sequence[str]) -> ServiceError:
    """The path is known, with other methods."""
    return ServiceError(
        code="MethodNotAllowed",
        message=f"The method {method} is not answered here; {', '.join(allowed)} are.",
        status=405,
        headers={"Allow": ", ".join(allowed)},
    )


def too_many_resources(most: int) -> ServiceError:
    """The store is bounded."""
    return ServiceError(
        code="QuotaExceeded",
        message=f"This control plane keeps at most {most} resources; delete some that are not needed.",
        status=409,
    )
