"""The forms in which gateways come, found by content: templates, their resources, bodies, what azure-cli shows, lists.

A file's name says nothing: `az … show`, an export of the portal and the body of a request are all called gateway.json.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import attrs

from agwtwisted.core.arm import templates
from agwtwisted.core.arm.context import GATEWAY_TYPE, FoundResource, TemplateContext
from agwtwisted.core.arm.json_text import JsonNode, read_json, refusal
from agwtwisted.core.arm.parameters import parameters_of
from agwtwisted.core.arm.templates import is_template, text_of
from agwtwisted.core.base.errors import ConfigError, Place, shown

_COLLECTIONS = ("httpListeners", "listeners", "requestRoutingRules", "routingRules", "gatewayIPConfigurations")
"""A body with one of these is a gateway's."""
_BICEP = re.compile(rb"^(?:targetScope|using|param|metadata|resource|module|var|import)\s|^@\w+\(", re.MULTILINE)
_FORMS = "a template, a resource, a body of the REST API, or what az network application-gateway show or list prints"


def gateways(data: bytes, file: str, context: TemplateContext) -> tuple[FoundResource, ...]:
    """Read a document and find its application gateways: all, or those with the name of the context.

    Raises:
        ConfigError: the document is no JSON, exceeds a bound or has no gateway; what it is in place of that is said.
    """
    found = gateways_of(_read(data, file), context)
    named = tuple(each for each in found if not context.name or each.name.lower() == context.name.lower())
    if not named:
        names = ", ".join(shown(each.name) if each.name else "one whose name is not known" for each in found)
        raise refusal(Place(file=file), f"has no application gateway named {shown(context.name)}, but {names}")
    return named


def gateways_of(node: JsonNode, context: TemplateContext) -> tuple[FoundResource, ...]:
    """The application gateways of a document that was read, at least one.

    Raises:
        ConfigError: it has none.
    """
    listed = _listed(node)
    if listed is not None:
        found = [each for item in listed for each in _one(item, context) if each.is_gateway]
    else:
        found = [each for each in _one(node, context) if each.is_gateway]
    if not found:
        raise refusal(node.place, f"has no application gateway ({_kind(node, listed, context)}): expected {_FORMS}")
    return tuple(found)


def resources(node: JsonNode, context: TemplateContext) -> tuple[FoundResource, ...]:
    """Every resource of a template, each with those within it behind it: child resources, nested deployments.

    Raises:
        ConfigError: the template is none, or what it asks for exceeds a bound.
    """
    return templates.resources(node, context)


def outputs(node: JsonNode, context: TemplateContext) -> Mapping[str, JsonNode]:
    """The outputs of a template by name, each an object with `type` and `value`; what is not known stays unknown.

    Raises:
        ConfigError: as `resources`.
    """
    return templates.outputs(node, context)


def _read(data: bytes, file: str) -> JsonNode:
    try:
        return read_json(data, file)
    except ConfigError:
        if data.lstrip()[:1] not in (b"{", b"[") and (found := _BICEP.search(data)):
            line = data.count(b"\n", 0, found.start()) + 1
            hint = "is Bicep, not JSON: `bicep build` (or `bicep build-params`) makes JSON of it"
            raise refusal(Place(file=file, line=line), hint) from None
        raise


def _listed(node: JsonNode) -> Sequence[JsonNode] | None:
    """The documents of a list; None for what is no list."""
    if isinstance(node.value, tuple):
        return node.value
    value = node.member("value")
    return value.items() if isinstance(value.value, tuple) and not node.member("properties").members() else None


def _one(node: JsonNode, context: TemplateContext) -> Iterator[FoundResource]:
    """The resources of a document that is no list."""
    inner = node.member("properties").member("template")
    if is_template(node):
        yield from templates.resources(node, context, only_gateways=True)
    elif is_template(inner):
        sent = parameters_of(node.member("properties").member("parameters"))
        merged = attrs.evolve(context, parameters={**sent, **context.parameters})
        yield from templates.resources(inner, merged, only_gateways=True)
    elif _is_gateway(node):
        body = templates.detached(node, context) if _is_of_template(node) else node
        name = text_of(body.member("name")) or _last_segment(text_of(body.member("id")))
        version = text_of(body.member("apiVersion"))
        yield FoundResource(type=GATEWAY_TYPE, name=name, api_version=version, body=body, place=node.place)


def _is_gateway(node: JsonNode) -> bool:
    kind = text_of(node.member("type"))
    if kind:
        return kind.lower() == GATEWAY_TYPE.lower()
    names = {name.lower() for holder in (node, node.member("properties")) for name in holder.members()}
    return any(collection.lower() in names for collection in _COLLECTIONS)


def _is_of_template(node: JsonNode) -> bool:
    """Whether texts in brackets are expressions: in a resource that is cut out of a template, which has no id yet.

    In what the service answers they are texts: a pattern of a rewrite rule may begin and end with brackets.
    """
    return not text_of(node.member("id")) and not text_of(node.member("etag"))


def _last_segment(identity: str) -> str:
    return identity.rpartition("/")[2]


def _kind_of_template(node: JsonNode, found: Sequence[FoundResource]) -> str:
    left_out = next(_gateways_within(node), None)
    if left_out is not None:
        return f"with these parameters its conditions and loops leave out that of {left_out.place.path}"
    linked = [each for each in found if each.body.member("properties").member("templateLink").members()]
    if linked:
        return f"it links to the template of {linked[0].place.path}, which is not read: give that file"
    kinds = sorted({each.type for each in found})
    return f"it is a template of {', '.join(kinds) if kinds else 'no resources'}"


def _gateways_within(node: JsonNode) -> Iterator[JsonNode]:
    """The gateways of a template as they are written, whether they are deployed or not."""
    if text_of(node.member("type")).lower() == GATEWAY_TYPE.lower() and node.member("existing").value is not True:
        yield node
    for each in (*node.items(), *node.members().values()):
        yield from _gateways_within(each)


def _kind(node: JsonNode, listed: Sequence[JsonNode] | None, context: TemplateContext) -> str:
    """What a document without a gateway is."""
    schema = text_of(node.member("$schema")).lower()
    if listed is not None:
        return f"it is a list of {len(listed)} documents"
    if "deploymentparameters" in schema:
        return "it is a file of parameters: give the template, and this file by --parameters"
    if is_template(node):
        return _kind_of_template(node, templates.resources(node, context, only_gateways=True))
    kind = text_of(node.member("type"))
    if kind:
        return f"it is a {kind}"
    return "it is an object of other members" if isinstance(node.value, Mapping) else "it is no object"
