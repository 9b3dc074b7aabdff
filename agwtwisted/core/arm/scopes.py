"""What the names of a template stand for: its parameters, variables and functions, each evaluated where it is used.

https://learn.microsoft.com/azure/azure-resource-manager/templates/syntax describes the sections of a template.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.expressions import ExpressionError, normalized
from agwtwisted.core.arm.frames import ArmFrame
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_json, refusal
from agwtwisted.core.arm.trees import copied, evaluated_value
from agwtwisted.core.arm.values import ArmValue, EvaluationError, Expense, kind_of, plain, texts_in
from agwtwisted.core.base.errors import ConfigError, Place, shown

_DETACHED = "it stands in a resource without its template: give the whole template"
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "securestring": (str,),
    "int": (int, float),
    "bool": (bool,),
    "array": (tuple,),
    "object": (dict,),
    "secureobject": (dict,),
}
_LONGEST_REFERENCE = 10


@attrs.define(kw_only=True)
class TemplateScope:
    """The names of one template, and what the evaluation of it has cost.

    Attributes:
        supplied: values of parameters by their names in lower case.
        outputs_of: finds the outputs of a nested deployment by its name, symbolic or not; null for none.
        is_root: values of parameters that are typed are for this template, not for one within it.
    """

    template: JsonNode
    context: TemplateContext
    expense: Expense
    given: Mapping[str, ArmValue] = attrs.field(factory=dict, repr=False)
    supplied: Mapping[str, ArmValue] = attrs.field(factory=dict, repr=False)
    outputs_of: Callable[[TemplateScope, str], ArmValue] = attrs.field(default=lambda scope, name: None, repr=False)
    is_root: bool = False
    is_detached: bool = False
    _known: dict[str, ArmValue] = attrs.field(factory=dict, repr=False)
    _open: list[str] = attrs.field(factory=list)

    def parameter(self, name: str) -> ArmValue:
        """The value of a parameter: as given, else its default, else unknown."""
        if self.is_detached:
            return UnknownValue(expression=f"parameters('{name}')", hint=_DETACHED)
        declared = _declared(self.template.member("parameters").members(), name, "parameter")
        return self._once(f"parameter {declared.lower()}", lambda: self._noted(declared, self._parameter(declared)))

    def variable(self, name: str) -> ArmValue:
        """The value of a variable."""
        if self.is_detached:
            return UnknownValue(expression=f"variables('{name}')", hint=_DETACHED)
        return self._once(f"variable {name.lower()}", lambda: self._variable(name))

    def own_function(self, name: str, arguments: Sequence[ArmValue]) -> ArmValue:
        """The result of a function that the template declares in a name space."""
        space, _, own = name.partition(".")
        for each in self.template.member("functions").items():
            declared = each.member("members").member(own)
            if str(plain(each.member("namespace"))).lower() == space and declared.value is not None:
                return self._function(declared, arguments)
        raise EvaluationError(f"calls {shown(name)}, which the template does not declare")

    def deployment(self, name: str) -> ArmValue:
        """The outputs of a nested deployment; null for none."""
        return self._once(f"deployment {name.lower()}", lambda: self.outputs_of(self, name)) if name else None

    def _function(self, declared: JsonNode, arguments: Sequence[ArmValue]) -> ArmValue:
        listed = declared.member("parameters").items()
        if len(listed) != len(arguments):
            raise EvaluationError(f"has {len(arguments)} arguments for {len(listed)} parameters")
        names = [str(plain(each.member("name"))) for each in listed]
        section = attrs.evolve(declared, value=dict(zip(names, listed, strict=True)))
        inner = TemplateScope(
            template=attrs.evolve(
                declared, value={"parameters": section, "functions": self.template.member("functions")}
            ),
            context=self.context,
            expense=self.expense,
            given=self.given,
            supplied={name.lower(): value for name, value in zip(names, arguments, strict=True)},
        )
        return evaluated_value(declared.member("output").member("value"), ArmFrame(names=inner))

    def _once(self, key: str, evaluation: Callable[[], ArmValue]) -> ArmValue:
        """A value that is evaluated where it is first asked for."""
        if key in self._known:
            return self._known[key]
        if key in self._open:
            chain = " → ".join([*self._open[self._open.index(key) :], key])
            raise refusal(self.expense.place, f"needs itself: {shown(chain)}")
        self._open.append(key)
        try:
            value = self._known[key] = evaluation()
        finally:
            self._open.pop()
        return value

    def _variable(self, name: str) -> ArmValue:
        section, frame = self.template.member("variables"), ArmFrame(names=self)
        for loop in section.member("copy").items():
            if str(plain(loop.member("name"))).lower() == name.lower():
                return plain(copied(loop, frame, section.place)[1])
        return evaluated_value(section.members()[_declared(section.members(), name, "variable")], frame)

    def _noted(self, name: str, value: ArmValue) -> ArmValue:
        """A value of a parameter; the texts in a secure one are in no message from then on."""
        node = self.template.member("parameters").members()[name]
        if self._type(self._definitions(node)).startswith("secure"):
            self.expense.secrets.update(texts_in(value))
        return value

    def _parameter(self, name: str) -> ArmValue:
        node = self.template.member("parameters").members()[name]
        declared = self._definitions(node)
        if name.lower() in self.supplied:
            return self._allowed(name, self.supplied[name.lower()], declared)
        texts = {each.lower(): written for each, written in self.context.texts.items()} if self.is_root else {}
        if name.lower() in texts:
            return self._allowed(name, self._typed(name, texts[name.lower()], declared), declared)
        default = _first(declared, "defaultValue")
        if default is not None:
            return evaluated_value(default, ArmFrame(names=self))
        nullable = _first(declared, "nullable")
        if nullable is not None and nullable.value is True:
            return None
        hint = f"the parameter has no value; give it by {self._option(name, declared)}"
        return UnknownValue(expression=f"parameters('{name}')", hint=hint)

    def _option(self, name: str, declared: list[JsonNode]) -> str:
        """The option that gives a parameter its value: a secret is never on a command line."""
        if not self.is_root:
            return f"--value \"parameters('{name}')=VALUE\""
        is_secret = self._type(declared).startswith("secure")
        return "--parameters FILE" if is_secret else f"--parameter {name}=VALUE or --parameters FILE"

    def _definitions(self, node: JsonNode) -> list[JsonNode]:
        """What declares a parameter: its own members, then those of the types that it refers to."""
        found = [node]
        while len(found) < _LONGEST_REFERENCE and isinstance(reference := found[-1].member("$ref").value, str):
            found.append(self.template.member("definitions").member(reference.rpartition("/")[2]))
        return found

    def _type(self, declared: list[JsonNode]) -> str:
        node = _first(declared, "type")
        return node.value.lower() if node is not None and isinstance(node.value, str) else ""

    def _typed(self, name: str, written: str, declared: list[JsonNode]) -> ArmValue:
        """The value of a typed text, by the type of the parameter."""
        kind = self._type(declared)
        if kind in ("string", "securestring", ""):
            return written
        try:
            return plain(read_json(written.encode(), "parameter"))
        except ConfigError:
            raise refusal(declared[0].place, f"the value of the parameter is not JSON of the type {kind}") from None

    def _allowed(self, name: str, value: ArmValue, declared: list[JsonNode]) -> ArmValue:
        """A value that was given, if the template takes it; the messages do not show it, since it may be a secret."""
        kinds = _KINDS.get(self._type(declared))
        if value is None or isinstance(value, UnknownValue):
            return value
        if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            kind = self._type(declared)
            raise refusal(declared[0].place, f"the parameter is of the type {kind}, its value is {kind_of(value)}")
        allowed = _first(declared, "allowedValues")
        if allowed is not None and isinstance(value, (str, int)):
            choices = [str(each.value) for each in allowed.items()]
            if choices and str(value).lower() not in [each.lower() for each in choices]:
                listed = ", ".join(shown(each) for each in choices[:20])
                raise refusal(declared[0].place, f"the value of the parameter is none of those allowed: {listed}")
        return value


def root_scope(
    template: JsonNode,
    context: TemplateContext,
    outputs_of: Callable[[TemplateScope, str], ArmValue] = lambda scope, name: None,
) -> TemplateScope:
    """The names of a template that is no nested one, with the values that the user gives.

    Raises:
        ConfigError: a value is for a parameter that the template does not declare, or for no expression.
    """
    declared = template.member("parameters").members()
    supplied: dict[str, ArmValue] = {}
    for name, node in context.parameters.items():
        _is_declared(declared, name, node.place)
        supplied[name.lower()] = plain(node)
    for name in context.texts:
        _is_declared(declared, name, template.place)
        supplied.pop(name.lower(), None)
    expense = Expense(place=template.place)
    return TemplateScope(
        template=template,
        context=context,
        expense=expense,
        given=given_values(context.values),
        supplied=supplied,
        outputs_of=outputs_of,
        is_root=True,
    )


def detached_scope(node: JsonNode, context: TemplateContext) -> TemplateScope:
    """The names that a resource without its template uses: all unknown."""
    expense = Expense(place=node.place)
    return TemplateScope(
        template=node, context=context, expense=expense, given=given_values(context.values), is_detached=True
    )


def given_values(values: Mapping[str, JsonNode]) -> Mapping[str, ArmValue]:
    """Values for expressions by the normalized text of each."""
    found = {}
    for expression, node in values.items():
        try:
            found[normalized(expression)] = plain(node)
        except ExpressionError as error:
            raise refusal(node.place, f"a value is given for {shown(expression)}, which {error}") from None
    return found


def _is_declared(declared: Iterable[str], name: str, place: Place) -> None:
    if name.lower() not in {each.lower() for each in declared}:
        near = difflib.get_close_matches(name[:80], list(declared), 1)
        hint = f": {near[0]}?" if near else ""
        raise refusal(place, f"a value is given for the parameter {shown(name)}, which there is none of{hint}")


def _declared(section: Mapping[str, JsonNode], name: str, kind: str) -> str:
    """A name as the template spells it."""
    if name in section:
        return name
    for each in section:
        if each.lower() == name.lower():
            return each
    raise EvaluationError(f"names the {kind} {shown(name)}, which the template does not declare")


def _first(nodes: Iterable[JsonNode], name: str) -> JsonNode | None:
    """The member of the first node that has it; null counts, too."""
    for node in nodes:
        for each, member in node.members().items():
            if each.lower() == name.lower():
                return member
    return None
