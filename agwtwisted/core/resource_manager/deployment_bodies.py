"""The body of a deployment: its template, evaluated, as resources in plain JSON, and what could not be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.arm import documents
from agwtwisted.core.arm.context import DEPLOYMENT_TYPE, GATEWAY_TYPE, FoundResource, TemplateContext
from agwtwisted.core.arm.frames import with_key
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_deployment
from agwtwisted.core.arm.parameters import parameters_of
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.resource_manager.messages import JsonValue
from agwtwisted.core.resource_manager.plain_json import plain
from agwtwisted.core.resource_manager.service_errors import ServiceError, all_of

_FILE: Final = "template"
"""By which problems call the body of the request."""

SECURE: Final = frozenset({"securestring", "secureobject"})
"""Types of parameters whose values no answer has."""


@attrs.frozen(kw_only=True)
class WantedResource:
    """A resource of a template."""

    type: str
    name: str
    version: str
    body: dict[str, JsonValue] = attrs.field(repr=False)

    @property
    def tail(self) -> tuple[str, ...]:
        """What comes in its id after `/providers/NAMESPACE`: kinds and names in turn."""
        kinds, names = self.type.split("/")[1:], self.name.split("/")
        return tuple(part for pair in zip(kinds, names, strict=False) for part in pair)

    @property
    def namespace(self) -> str:
        """Of its type."""
        return self.type.partition("/")[0]

    @property
    def is_gateway(self) -> bool:
        """Whether it is an application gateway."""
        return self.type.lower() == GATEWAY_TYPE.lower()

    @property
    def is_named(self) -> bool:
        """Whether there is a name for each kind of its type, so that it has an id."""
        return bool(self.name) and self.name.count("/") == self.type.count("/") - 1 and all(self.name.split("/"))


@attrs.frozen(kw_only=True)
class DeploymentBody:
    """What a deployment asks for."""

    mode: str
    template: JsonNode = attrs.field(repr=False)
    context: TemplateContext = attrs.field(repr=False)
    resources: tuple[WantedResource, ...]
    parameters: dict[str, JsonValue]  # as answers show them


def deployment_body(body: bytes, context: TemplateContext) -> DeploymentBody | ServiceError:
    """Read and evaluate the body of a deployment; `context` is that of its place, without its parameters."""
    try:
        return _read(body, context)
    except ConfigError as error:
        return all_of([invalid_template(each.message, each.place.path) for each in error.problems])


def evaluated_with(body: DeploymentBody, deployed: Mapping[str, JsonNode]) -> tuple[WantedResource, ...] | ServiceError:
    """The resources once more, with what is deployed by now, by id in small letters."""
    try:
        return _resources(body.template, with_deployed(body.context, deployed))
    except ConfigError as error:
        return all_of([invalid_template(each.message, each.place.path) for each in error.problems])


def outputs_of(body: DeploymentBody, deployed: Mapping[str, JsonNode]) -> dict[str, JsonValue] | ServiceError:
    """The outputs by name; of secure types, and where it is not known, without a value."""
    try:
        found = documents.outputs(body.template, with_deployed(body.context, deployed))
    except ConfigError as error:
        return all_of([invalid_template(each.message, each.place.path) for each in error.problems])
    return {name: _shown_output(each) for name, each in found.items()}


def _shown_output(output: JsonNode) -> JsonValue:
    kind, value = str(output.member("type").value), output.member("value")
    shown: dict[str, JsonValue] = {"type": _type_name(kind)}
    is_hidden = kind.lower() in SECURE or isinstance(value.value, UnknownValue)
    return shown if is_hidden else {**shown, "value": plain(value)}


def with_deployed(context: TemplateContext, deployed: Mapping[str, JsonNode]) -> TemplateContext:
    """The context in which expressions can refer to these resources, by id in small letters."""
    return attrs.evolve(context, resources=deployed)


def invalid_template(message: str, path: str = "") -> ServiceError:
    """A template that cannot be evaluated."""
    text = f"Deployment template validation failed: '{with_key(message)}'."
    return ServiceError(code="InvalidTemplate", message=text, target=path)


def _read(body: bytes, context: TemplateContext) -> DeploymentBody | ServiceError:
    properties = read_deployment(body, _FILE).member("properties")
    template = properties.member("template")
    linked = next((name for name in ("templateLink", "parametersLink") if properties.member(name).value), "")
    if linked:
        return invalid_template(f"a {linked} leads to another place, which is never asked: send what stands there")
    if not isinstance(template.value, Mapping):
        return invalid_template("there is no template")
    given = parameters_of(properties.member("parameters"))
    lacking = list(_lacking(template, given))
    if lacking:
        return all_of(lacking)
    full = attrs.evolve(context, parameters=given)
    mode = properties.member("mode").value
    return DeploymentBody(
        mode=mode if isinstance(mode, str) else "Incremental",
        template=template,
        context=full,
        resources=_resources(template, full),
        parameters=_shown_parameters(template, given),
    )


def _lacking(template: JsonNode, given: Mapping[str, JsonNode]) -> Iterator[ServiceError]:
    """Parameters that have neither a value nor a default."""
    known = {name.lower() for name in given}
    for name, declared in template.member("parameters").members().items():
        has_default = "defaultvalue" in {member.lower() for member in declared.members()}
        if not (has_default or name.lower() in known or declared.member("nullable").value is True):
            yield invalid_template(
                f"The value for the template parameter '{name}' is not provided", f"template.parameters.{name}"
            )


def _resources(template: JsonNode, context: TemplateContext) -> tuple[WantedResource, ...]:
    found = documents.resources(template, context)
    return tuple(_wanted(each) for each in found if each.type.lower() != DEPLOYMENT_TYPE.lower())


def _wanted(resource: FoundResource) -> WantedResource:
    body = plain(resource.body)
    return WantedResource(
        type=resource.type,
        name=resource.name,
        version=resource.api_version,
        body=body if isinstance(body, dict) else {},
    )


def _shown_parameters(template: JsonNode, given: Mapping[str, JsonNode]) -> dict[str, JsonValue]:
    """The parameters with their types and values; those of secure types without values."""
    shown: dict[str, JsonValue] = {}
    by_name = {name.lower(): node for name, node in given.items()}
    for name, declared in template.member("parameters").members().items():
        kind = declared.member("type").value
        value = by_name.get(name.lower(), declared.member("defaultValue"))
        secret = str(kind).lower() in SECURE
        shown[name] = {"type": _type_name(str(kind)), **({} if secret else {"value": plain(value)})}
    return shown


def _type_name(kind: str) -> str:
    names = {"securestring": "SecureString", "secureobject": "SecureObject"}
    return names.get(kind.lower(), kind[:1].upper() + kind[1:])
