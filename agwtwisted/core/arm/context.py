"""What a template is evaluated with, and the resources that are found: the values around documents."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from agwtwisted.core.arm.json_text import JsonNode
from agwtwisted.core.base.errors import Place

GATEWAY_TYPE = "Microsoft.Network/applicationGateways"
DEPLOYMENT_TYPE = "Microsoft.Resources/deployments"

_NO_ID = "00000000-0000-0000-0000-000000000000"


@attrs.frozen(kw_only=True)
class TemplateContext:
    """What Azure would know when it deploys a template, and what the user gives in place of it.

    Attributes:
        parameters: values of parameter files and requests, by name; each is taken as it is.
        texts: values of parameters as typed, by name; a text is read as its parameter's type says.
        values: values of expressions that only a deployment has, by expression.
        resources: what is deployed already, by id in lower case: `reference` finds it there.
        name: of the gateway that is wanted, where a document has several; empty: all.
        deployment: the name of the deployment.
        moment: the time in ISO 8601 that ``utcNow()`` gives; empty: it has no value.
    """

    parameters: Mapping[str, JsonNode] = attrs.field(factory=dict, repr=False)
    texts: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    values: Mapping[str, JsonNode] = attrs.field(factory=dict, repr=False)
    resources: Mapping[str, JsonNode] = attrs.field(factory=dict, repr=False)
    subscription: str = _NO_ID
    tenant: str = _NO_ID
    resource_group: str = "local"
    location: str = "local"
    name: str = ""
    deployment: str = "local"
    moment: str = ""


@attrs.frozen(kw_only=True)
class FoundResource:
    """A resource of a document.

    Attributes:
        type: as written: ``Microsoft.Network/applicationGateways``.
        name: empty where it has none, or only a deployment knows it.
        api_version: empty where there is none.
        body: all of it, evaluated: for a gateway one of the product's two forms, with ``properties`` or flat.
    """

    type: str
    name: str = ""
    api_version: str = ""
    body: JsonNode
    place: Place

    @property
    def is_gateway(self) -> bool:
        """Whether it is an application gateway."""
        return self.type.lower() == GATEWAY_TYPE.lower()
