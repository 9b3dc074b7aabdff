"""Functions of the template language about the deployment and its resources: their ids, and what surrounds them.

https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-resource, …-scope and
…-deployment. What only a deployment has (`reference`, `list…`) is unknown.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.expressions import CallExpression
from agwtwisted.core.arm.frames import (
    ArmFrame,
    Evaluate,
    SpecialForm,
    evaluated_arguments,
    has_arguments,
    of_deployments,
)
from agwtwisted.core.arm.functions_dates import formatted, parsed
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.values import ArmValue, EvaluationError, joined, plain, text
from agwtwisted.core.base.errors import shown

_ENVIRONMENT: Mapping[str, ArmValue] = {
    "name": "AzureCloud",
    "gallery": "https://gallery.azure.com/",
    "graph": "https://graph.windows.net/",
    "portal": "https://portal.azure.com",
    "graphAudience": "https://graph.windows.net/",
    "activeDirectoryDataLake": "https://datalake.azure.net/",
    "batch": "https://batch.core.windows.net/",
    "media": "https://rest.media.azure.net",
    "sqlManagement": "https://management.core.windows.net:8443/",
    "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
    "resourceManager": "https://management.azure.com/",
    "authentication": {
        "loginEndpoint": "https://login.microsoftonline.com/",
        "audiences": ("https://management.core.windows.net/", "https://management.azure.com/"),
        "tenant": "common",
        "identityProvider": "AAD",
    },
    "suffixes": {
        "acrLoginServer": ".azurecr.io",
        "azureDatalakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
        "azureDatalakeStoreFileSystem": "azuredatalakestore.net",
        "azureFrontDoorEndpointSuffix": "azurefd.net",
        "keyvaultDns": ".vault.azure.net",
        "sqlServerHostname": ".database.windows.net",
        "storage": "core.windows.net",
    },
}
"""What the product's page about `environment()` gives for the public cloud."""


def resource_id(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`resourceId([subscription], [group], type, name…)`."""
    context = frame.names.context
    around, kind, names = _typed(evaluated_arguments(call, frame, evaluate), 2)
    group = around[-1] if around else context.resource_group
    subscription = around[0] if len(around) == 2 else context.subscription
    start = ["/subscriptions/", subscription, "/resourceGroups/", group]
    return _identity(start, kind, names)


def subscription_resource_id(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`subscriptionResourceId([subscription], type, name…)`."""
    around, kind, names = _typed(evaluated_arguments(call, frame, evaluate), 1)
    return _identity(["/subscriptions/", around[0] if around else frame.names.context.subscription], kind, names)


def tenant_resource_id(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`tenantResourceId(type, name…)`."""
    _, kind, names = _typed(evaluated_arguments(call, frame, evaluate), 0)
    return _identity([], kind, names)


def group_resource_id(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`managementGroupResourceId([group], type, name…)`."""
    around, kind, names = _typed(evaluated_arguments(call, frame, evaluate), 1)
    group = around[0] if around else frame.names.context.tenant
    return _identity(["/providers/Microsoft.Management/managementGroups/", group], kind, names)


def extension_resource_id(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`extensionResourceId(id, type, name…)`."""
    has_arguments(call, 3, None)
    values = evaluated_arguments(call, frame, evaluate)
    _, kind, names = _typed(values[1:], 0)
    return _identity([values[0]], kind, names)


def _typed(values: list[ArmValue], most: int) -> tuple[list[ArmValue], ArmValue, list[ArmValue]]:
    """What stands before the type of a resource, the type, and the names behind it."""
    for at, value in enumerate(values[: most + 1]):
        if isinstance(value, str) and "/" in value:
            return values[:at], value, values[at + 1 :]
    unknown = next((value for value in values if isinstance(value, UnknownValue)), None)
    if unknown is not None:
        return [], unknown, []
    raise EvaluationError("needs a resource type such as Microsoft.Network/applicationGateways")


def _identity(start: list[ArmValue], kind: ArmValue, names: list[ArmValue]) -> ArmValue:
    """An id; with an unknown name in it, its end is known: a gateway's own parts are found by that."""
    if isinstance(kind, UnknownValue):
        return kind
    provider, *types = text(kind).strip("/").split("/")
    if len(types) != len(names):
        raise EvaluationError(f"has {len(names)} names for the type {shown(text(kind))}")
    pieces = [*start, f"/providers/{provider}"]
    for each, name in zip(types, names, strict=True):
        pieces += [f"/{each}/", name if isinstance(name, UnknownValue) else text(name)]
    return joined(pieces)


def resource_group(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`resourceGroup()`."""
    has_arguments(call, 0, 0)
    context = frame.names.context
    return {
        "id": f"/subscriptions/{context.subscription}/resourceGroups/{context.resource_group}",
        "name": context.resource_group,
        "type": "Microsoft.Resources/resourceGroups",
        "location": context.location,
        "tags": {},
        "properties": {"provisioningState": "Succeeded"},
    }


def subscription(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`subscription()`."""
    has_arguments(call, 0, 0)
    context = frame.names.context
    return {
        "id": f"/subscriptions/{context.subscription}",
        "subscriptionId": context.subscription,
        "tenantId": context.tenant,
        "displayName": "local",
        "tags": {},
    }


def tenant(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`tenant()`."""
    tenant_id = frame.names.context.tenant
    return {"tenantId": tenant_id, "displayName": "local", "countryCode": "", "id": f"/tenants/{tenant_id}"}


def management_group(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`managementGroup()`: the root group, whose name is that of the tenant."""
    name = frame.names.context.tenant
    return {
        "id": f"/providers/Microsoft.Management/managementGroups/{name}",
        "name": name,
        "type": "/providers/Microsoft.Management/managementGroups",
        "properties": {"tenantId": name, "displayName": "Tenant Root Group"},
    }


def deployment(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`deployment()`: its name; of its properties a link to the template, which is unknown."""
    has_arguments(call, 0, 0)
    context: TemplateContext = frame.names.context
    link = of_deployments("deployment().properties.templateLink")
    return {
        "name": context.deployment,
        "location": context.location,
        "properties": {"mode": "Incremental", "templateLink": link},
    }


def deployer(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`deployer()`: only its tenant is known."""
    context = frame.names.context
    return {"tenantId": context.tenant, "objectId": of_deployments("deployer().objectId")}


def environment(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`environment()`: the public cloud."""
    return _ENVIRONMENT


def utc_now(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`utcNow([form])`: the time that the context gives."""
    has_arguments(call, 0, 1)
    moment = frame.names.context.moment
    if not moment:
        return of_deployments(call.source)
    form = evaluate(call.arguments[0], frame) if call.arguments else "yyyyMMddTHHmmssZ"
    return form if isinstance(form, UnknownValue) else formatted(parsed(moment), text(form))


def new_guid(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`newGuid()`: always the same one, so that two evaluations of a template are equal."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, frame.names.context.deployment))


def reference(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`reference(resource, [version], ['Full'])`: of what is deployed, or of outputs; else unknown."""
    has_arguments(call, 1, 3)
    values = evaluated_arguments(call, frame, evaluate)
    unknown = next((value for value in values if isinstance(value, UnknownValue)), None)
    if unknown is not None:
        found = None if unknown.end == "" else frame.names.deployment(_deployment_name(unknown.end))
        return found if found is not None else of_deployments(call.source)
    name = text(values[0])
    node = _deployed(name, frame.names.context)
    if node is not None:
        whole = len(values) == 3 and text(values[2]).lower() == "full"
        properties = node.member("properties")
        return frame.names.expense.make(plain(node if whole or properties.value is None else properties))
    outputs = frame.names.deployment(_deployment_name(name) if "/" in name else name)
    return outputs if outputs is not None else of_deployments(call.source)


def of_deployment(call: CallExpression, frame: ArmFrame, evaluate: Evaluate) -> ArmValue:
    """`list…(…)` and the like: what only a deployment has, which is unknown."""
    return of_deployments(call.source)


def _deployed(name: str, context: TemplateContext) -> JsonNode | None:
    """A resource that is deployed, by its id or, where one alone has it, by its name."""
    if "/" in name:
        return context.resources.get(name.lower())
    ids = [identity for identity in context.resources if identity.rpartition("/")[2] == name.lower()]
    named = [context.resources[identity] for identity in ids]
    return named[0] if len(named) == 1 else None


def _deployment_name(identity: str) -> str:
    """The name of a nested deployment in its id; empty for that of another resource."""
    start, _, name = identity.rpartition("/")
    return name if start.lower().endswith("/providers/microsoft.resources/deployments") else ""


DEPLOYMENT_FORMS: Mapping[str, SpecialForm] = {
    "deployer": deployer,
    "deployment": deployment,
    "environment": environment,
    "extensionresourceid": extension_resource_id,
    "externalinput": of_deployment,
    "getsecret": of_deployment,
    "managementgroup": management_group,
    "managementgroupresourceid": group_resource_id,
    "newguid": new_guid,
    "pickzones": of_deployment,
    "providers": of_deployment,
    "reference": reference,
    "references": of_deployment,
    "resourcegroup": resource_group,
    "resourceid": resource_id,
    "resourceinfo": of_deployment,
    "subscription": subscription,
    "subscriptionresourceid": subscription_resource_id,
    "tenant": tenant,
    "tenantresourceid": tenant_resource_id,
    "tologicalzone": of_deployment,
    "tologicalzones": of_deployment,
    "tophysicalzone": of_deployment,
    "tophysicalzones": of_deployment,
    "utcnow": utc_now,
}
"""By their names in lower case."""
