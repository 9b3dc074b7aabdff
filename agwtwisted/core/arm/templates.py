"""Templates: from their resources, with those of nested deployments, to found resources.

https://learn.microsoft.com/azure/azure-resource-manager/templates/linked-templates describes nested deployments and
whose names their expressions use: those of the outer template, unless the inner scope is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from agwtwisted.core.arm.context import DEPLOYMENT_TYPE, GATEWAY_TYPE, FoundResource, TemplateContext
from agwtwisted.core.arm.frames import ArmFrame
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, refusal
from agwtwisted.core.arm.parameters import parameters_of
from agwtwisted.core.arm.scopes import TemplateScope, detached_scope, root_scope
from agwtwisted.core.arm.trees import copied, evaluated, evaluated_value, turns, with_own_ids
from agwtwisted.core.arm.values import ArmValue, EvaluationError, boolean, plain
from agwtwisted.core.base.errors import Place


def is_template(node: JsonNode) -> bool:
    """Whether a document is a template: it says so, or has resources and is none itself, as those have a type."""
    schema = node.member("$schema").value
    resources = node.member("resources").value
    says_so = isinstance(schema, str) and "deploymenttemplate" in schema.lower()
    return says_so or (isinstance(resources, (tuple, Mapping)) and not text_of(node.member("type")))


def resources(
    template: JsonNode, context: TemplateContext, *, only_gateways: bool = False
) -> tuple[FoundResource, ...]:
    """All resources of a template, each with those within it behind it: child resources, nested deployments.

    With `only_gateways` the bodies of others are left as they are written.

    Raises:
        ConfigError: a value is given for a parameter that there is none of, or is none that it takes; or the template
            asks for more than an evaluation may cost.
    """
    frame = ArmFrame(names=root_scope(template, context, outputs_of_deployment))
    return tuple(_Finding(only_gateways=only_gateways).of_template(template, frame))


def outputs(template: JsonNode, context: TemplateContext) -> Mapping[str, JsonNode]:
    """The outputs of a template by name: objects with `type` and `value`, without those whose condition is false.

    Raises:
        ConfigError: as `resources`.
    """
    return _outputs(template, ArmFrame(names=root_scope(template, context, outputs_of_deployment)))


def _outputs(template: JsonNode, frame: ArmFrame) -> Mapping[str, JsonNode]:
    listed = template.member("outputs").members()
    return {name: _output(node, frame) for name, node in listed.items() if _is_deployed(node, frame)}


def _output(node: JsonNode, frame: ArmFrame) -> JsonNode:
    """An output; one in a copy loop has an array."""
    loop = node.member("copy")
    if not isinstance(loop.value, Mapping):
        return evaluated(_without(node, "condition"), frame)
    named = attrs.evolve(loop, value={**loop.members(), "name": JsonNode(value="value", place=loop.place)})
    _, value = copied(named, frame, node.place)
    return attrs.evolve(node, value={"type": evaluated(node.member("type"), frame), "value": value})


def outputs_of_deployment(scope: TemplateScope, name: str) -> ArmValue:
    """What `reference` gives of a nested deployment that a template has: `{"outputs": …}`; null where it has none.

    Under symbolic names a deployment in a copy loop is `name[0]`, `name[1]` and so on.
    """
    section = scope.template.member("resources")
    for symbol, node in section.members().items() or [("", each) for each in section.items()]:
        if text_of(node.member("type")).lower() != DEPLOYMENT_TYPE.lower() or node.member("existing").value is True:
            continue
        for each, frame in _loop_frames(symbol, node, ArmFrame(names=scope)):
            own = text_of(evaluated(node.member("name"), frame))
            if name.lower() in (each.lower(), own.lower()):
                template = node.member("properties").member("template")
                if not isinstance(template.value, Mapping):
                    return None
                found = _outputs(template, _inner_frame(node, template, own, frame))
                return {"outputs": {output: plain(value) for output, value in found.items()}}
    return None


def _loop_frames(symbol: str, node: JsonNode, frame: ArmFrame) -> Iterator[tuple[str, ArmFrame]]:
    """The symbolic name and the frame of a resource, or of each one that its copy loop makes."""
    loop = node.member("copy")
    if not isinstance(loop.value, Mapping):
        yield symbol, frame
        return
    count = evaluated_value(loop.member("count"), frame)
    name = str(evaluated_value(loop.member("name"), frame))
    for at in range(0 if isinstance(count, UnknownValue) else _turns(count, loop.place)):
        yield f"{symbol}[{at}]", frame.in_loop(name, at)


def detached(node: JsonNode, context: TemplateContext) -> JsonNode:
    """A resource that stands without its template: what is to be known of its expressions is evaluated."""
    return with_own_ids(evaluated(node, ArmFrame(names=detached_scope(node, context))))


def text_of(node: JsonNode) -> str:
    """A text; empty where the value is another one, or unknown."""
    return node.value if isinstance(node.value, str) else ""


@attrs.frozen(kw_only=True)
class _Parent:
    """The resource within which others stand."""

    type: str = ""
    name: str = ""


@attrs.frozen(kw_only=True)
class _Finding:
    """A pass over the resources of templates."""

    only_gateways: bool

    def of_template(self, template: JsonNode, frame: ArmFrame) -> Iterator[FoundResource]:
        """The resources of a template, in an array or under symbolic names."""
        listed = template.member("resources")
        for node in listed.items() or tuple(listed.members().values()):
            yield from self.of_loop(node, frame, _Parent())

    def of_loop(self, node: JsonNode, frame: ArmFrame, parent: _Parent) -> Iterator[FoundResource]:
        """A resource, or as many as its copy loop makes."""
        count = evaluated_value(node.member("copy").member("count"), frame)
        if isinstance(count, UnknownValue) and _is_gateway(_type(node, frame, parent)):
            place = node.member("copy").place
            raise refusal(place, f"how many gateways this makes is not known: {count.expression}: {count.hint}")
        for _, each in _loop_frames("", node, frame):
            yield from self.of_resource(node, each, parent)

    def of_resource(self, node: JsonNode, frame: ArmFrame, parent: _Parent) -> Iterator[FoundResource]:
        """A resource that is deployed, and those within it."""
        if node.member("existing").value is True or not _is_deployed(node, frame):
            return
        found = self.found(node, frame, parent)
        yield found
        if found.type.lower() == DEPLOYMENT_TYPE.lower():
            yield from self.of_deployment(node, found, frame)
        for child in node.member("resources").items():
            yield from self.of_loop(child, frame, _Parent(type=found.type, name=found.name))

    def found(self, node: JsonNode, frame: ArmFrame, parent: _Parent) -> FoundResource:
        kind = _type(node, frame, parent)
        name = text_of(evaluated(node.member("name"), frame))
        body = _without(node, "copy", "resources")
        if kind.lower() == DEPLOYMENT_TYPE.lower():
            # A nested template's expressions may have other names than ours.
            properties = _without(node.member("properties"), "template", "parameters")
            body = attrs.evolve(body, value={**_without(body, "properties").members(), "properties": properties})
        if not self.only_gateways or _is_gateway(kind):
            body = with_own_ids(evaluated(body, frame))
        return FoundResource(
            type=kind,
            name=f"{parent.name}/{name}" if parent.name and name else name,
            api_version=text_of(evaluated(node.member("apiVersion"), frame)),
            body=body,
            place=node.place,
        )

    def of_deployment(self, node: JsonNode, found: FoundResource, frame: ArmFrame) -> Iterator[FoundResource]:
        """The resources of a nested template; of one that is linked there are none here."""
        template = node.member("properties").member("template")
        if isinstance(template.value, str):
            template = evaluated(template, frame)
        frame.names.expense.enter()
        yield from self.of_template(template, _inner_frame(node, template, found.name, frame))
        frame.names.expense.depth -= 1


def _inner_frame(node: JsonNode, template: JsonNode, name: str, frame: ArmFrame) -> ArmFrame:
    """In what the expressions of a nested template are evaluated."""
    options = node.member("properties").member("expressionEvaluationOptions")
    scope = evaluated_value(options.member("scope"), frame) or _usual_scope(frame.names.template)
    if not isinstance(scope, str) or scope.lower() != "inner":
        return frame
    group = text_of(evaluated(node.member("resourceGroup"), frame))
    subscription = text_of(evaluated(node.member("subscriptionId"), frame))
    outer = frame.names.context
    context = attrs.evolve(
        outer,
        deployment=name or outer.deployment,
        resource_group=group or outer.resource_group,
        subscription=subscription or outer.subscription,
    )
    names = TemplateScope(
        template=template,
        context=context,
        expense=frame.names.expense,
        given=frame.names.given,
        outputs_of=outputs_of_deployment,
        supplied=_supplied(node.member("properties").member("parameters"), frame),
    )
    return ArmFrame(names=names)


def _usual_scope(template: JsonNode) -> str:
    """Whose names a nested template has that does not say it: its own ones from language version 2.0 on."""
    return "inner" if text_of(template.member("languageVersion")).startswith("2.") else "outer"


def _supplied(parameters: JsonNode, frame: ArmFrame) -> Mapping[str, ArmValue]:
    """The values that a deployment has for the parameters of its template."""
    found = evaluated(parameters, frame)
    if isinstance(found.value, UnknownValue):
        raise refusal(found.place, f"the parameters are not known: {found.value.expression}: {found.value.hint}")
    return {name.lower(): plain(node) for name, node in parameters_of(found).items()}


def _is_deployed(node: JsonNode, frame: ArmFrame) -> bool:
    """Whether the condition of a resource is not false; one that is unknown, or is none, may be true."""
    condition = evaluated_value(node.member("condition"), frame)
    try:
        return condition is None or isinstance(condition, UnknownValue) or boolean(condition)
    except EvaluationError:
        return True


def _turns(count: ArmValue, place: Place) -> int:
    try:
        return turns(count)
    except EvaluationError as error:
        raise refusal(place, f"the loop {error.message}") from None


def _type(node: JsonNode, frame: ArmFrame, parent: _Parent) -> str:
    kind = text_of(evaluated(node.member("type"), frame))
    return f"{parent.type}/{kind}" if parent.type and "/" not in kind else kind


def _is_gateway(kind: str) -> bool:
    return kind.lower() == GATEWAY_TYPE.lower()


def _without(node: JsonNode, *names: str) -> JsonNode:
    members = {name: member for name, member in node.members().items() if name.lower() not in names}
    return attrs.evolve(node, value=members)
