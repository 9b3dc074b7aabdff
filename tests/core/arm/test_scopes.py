"""Parameters, variables and own functions of templates."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue
from agwtwisted.core.arm.scopes import detached_scope, root_scope
from agwtwisted.core.base.errors import ConfigError, Place
from tests.core.arm.evaluations import evaluated_in, node_of, refusal_of, unknown, value

PARAMETERS = {
    "text": {"type": "string", "defaultValue": "[concat('a', variables('v'))]"},
    "secret": {"type": "secureString"},
    "port": {"type": "int", "defaultValue": 80, "allowedValues": [80, 443]},
    "sku": {"type": "string", "defaultValue": "S", "allowedValues": ["S", "Basic"]},
    "flag": {"type": "bool"},
    "list": {"type": "array"},
    "tags": {"type": "object", "nullable": True},
    "lock": {"$ref": "#/definitions/lockType"},
}
TEMPLATE = {
    "definitions": {"lockType": {"type": "object", "nullable": True}, "loop": {"$ref": "#/definitions/loop"}},
    "parameters": PARAMETERS,
    "variables": {"v": "b"},
}


OWN = {
    "functions": [
        {
            "namespace": "Contoso",
            "members": {
                "name": {
                    "parameters": [{"name": "prefix", "type": "string"}],
                    "output": {"type": "string", "value": "[concat(toLower(parameters('prefix')), '-x')]"},
                },
                "forever": {"output": {"type": "string", "value": "[contoso.forever()]"}},
            },
        }
    ]
}


def parameter(name: str, context: TemplateContext | None = None) -> object:
    """The value of a parameter."""
    return evaluated_in(TEMPLATE, f"[parameters('{name}')]", context)


def supplied(**values: object) -> TemplateContext:
    """Values as a file of parameters has them."""
    return TemplateContext(parameters={name: node_of(each, "p.json") for name, each in values.items()})


def problem(name: str, context: TemplateContext) -> str:
    """Why a value is not taken."""
    try:
        parameter(name, context)
    except ConfigError as error:
        return str(error).removeprefix("ERROR a.json:1 ")
    raise AssertionError("it was taken")


class ParameterTests(SynchronousTestCase):
    """Values of parameters."""

    def test_defaults(self) -> None:
        """A default may be an expression; a parameter that may be null is null, also by its type."""
        found = [parameter(name) for name in ("TEXT", "port", "tags", "lock")]
        self.assertEqual(found, ["ab", 80, None, None])

    def test_no_value(self) -> None:
        """One without value is unknown, and says how to give it: no secret on a command line."""
        found = parameter("secret")
        assert isinstance(found, UnknownValue)
        self.assertEqual(found.expression, "parameters('secret')")
        self.assertEqual(found.hint, "the parameter has no value; give it by --parameters FILE")
        self.assertEqual(
            evaluated_in(TEMPLATE, "[parameters('list')[0]]"), unknown_part("parameters('list')[0]", "list")
        )

    def test_files(self) -> None:
        """A value of a file is taken as it is: a text in brackets is no expression there."""
        self.assertEqual(parameter("text", supplied(Text="[add(1, 2)]")), "[add(1, 2)]")
        self.assertEqual(parameter("list", supplied(list=[1, {"a": None}])), [1, {"a": None}])

    def test_typed(self) -> None:
        """A value that is typed is read as the type of its parameter says, and comes before that of a file."""
        texts = {"text": "5", "port": "443", "flag": "true", "LIST": "[1]"}
        context = TemplateContext(texts=texts, parameters={"port": node_of(80)})
        found = [parameter(name, context) for name in ("text", "port", "flag", "list")]
        self.assertEqual(found, ["5", 443, True, [1]])

    def test_refusals(self) -> None:
        """A value of another type, one that is not allowed, and one for no parameter are errors."""
        for name, context, message in (
            ("port", supplied(port="x"), "parameters.port the parameter is of the type int, its value is a text"),
            ("port", supplied(port=True), "parameters.port the parameter is of the type int, its value is a boolean"),
            (
                "port",
                supplied(port=81),
                "parameters.port the value of the parameter is none of those allowed: '80', '443'",
            ),
            (
                "flag",
                TemplateContext(texts={"flag": "x"}),
                "parameters.flag the value of the parameter is not JSON of the type bool",
            ),
            (
                "port",
                TemplateContext(texts={"prt": "80"}),
                "a value is given for the parameter 'prt', which there is none of: port?",
            ),
        ):
            self.assertEqual(problem(name, context), message)
        self.assertEqual(parameter("sku", supplied(sku="basic")), "basic")

    def test_secrets_are_not_shown(self) -> None:
        """No message and no repr has a value that was given."""
        for context in (supplied(secret=["hunter2"]), TemplateContext(texts={"flag": "hunter2"})):
            error = self.assertRaises(ConfigError, lambda context=context: [parameter(n, context) for n in PARAMETERS])
            self.assertNotIn("hunter2", str(error))
        self.assertNotIn("hunter2", repr(root_scope(node_of(TEMPLATE), supplied(secret="hunter2"))))

    def test_secrets_in_expressions_that_fail(self) -> None:
        """Why an expression has no value is said without the texts of secure parameters, those of objects as well."""
        template = {
            "parameters": {
                "secret": {"type": "secureString", "defaultValue": "hunter2"},
                "login": {"type": "secureObject", "defaultValue": {"key": "hunter2"}},
            }
        }
        for secret in ("parameters('secret')", "parameters('login').key"):
            for expression in (
                f"createObject('a', 1)[{secret}]",
                f"variables({secret})",
                f"dateTimeAdd({secret}, 'P1D')",
            ):
                found = evaluated_in(template, f"[{expression}]")
                assert isinstance(found, UnknownValue)
                self.assertNotIn("hunter2", found.hint)
                self.assertIn("a secret", found.hint)

    def test_no_such_parameter(self) -> None:
        """An expression that names no parameter would be refused."""
        found = parameter("x")
        assert isinstance(found, UnknownValue)
        self.assertEqual(found.hint, "the expression names the parameter 'x', which the template does not declare")


def unknown_part(expression: str, name: str) -> UnknownValue:
    """What a part of a parameter without value is."""
    hint = f"the parameter has no value; give it by --parameter {name}=VALUE or --parameters FILE"
    return UnknownValue(expression=expression, hint=f'{hint}, or this part of it by --value "{expression}=VALUE"')


class VariableTests(SynchronousTestCase):
    """Values of variables."""

    def test_of_each_other(self) -> None:
        """A variable may be made of others; those that are not used are not evaluated."""
        found = value("variables('A')", a="[concat(variables('b'), '!')]", b={"x": 1}, unused="[fail('x')]")
        self.assertIsInstance(found, UnknownValue)
        self.assertEqual(value("variables('A').x", a="[variables('b')]", b={"x": "[add(1, 1)]"}), 2)

    def test_loops(self) -> None:
        """A loop makes a variable that is an array."""
        loop = {"name": "Names", "count": 3, "input": "[concat('n', copyIndex('names', 1))]"}
        self.assertEqual(value("variables('names')", copy=[loop], other=1), ["n1", "n2", "n3"])
        inner = {"disks": {"copy": [{"name": "list", "count": 2, "input": "[copyIndex('list')]"}]}}
        self.assertEqual(value("variables('disks').list", **inner), [0, 1])

    def test_no_such_variable(self) -> None:
        """An expression that names no variable would be refused."""
        message = "names the variable 'x', which the template does not declare"
        self.assertEqual(refusal_of("variables('x')"), message)

    def test_parts_stay_known(self) -> None:
        """A part that is unknown leaves the others known."""
        parts = {"a": "[reference('x')]", "b": 1}
        self.assertEqual(value("variables('v').b", v=parts), 1)
        self.assertEqual(unknown("variables('v').a", v=parts).expression, "reference('x')")

    def test_cycles(self) -> None:
        """Variables and parameters that need each other are an error that names them."""
        error = self.assertRaises(ConfigError, value, "variables('a')", a="[variables('b')]", b="[variables('A')]")
        self.assertIn("needs itself: 'variable a → variable b → variable a'", str(error))


class OwnFunctionTests(SynchronousTestCase):
    """Functions that a template declares."""

    def test_called(self) -> None:
        """Its body knows its parameters alone."""
        self.assertEqual(evaluated_in(OWN, "[contoso.NAME('A')]"), "a-x")

    def test_refusals(self) -> None:
        """One that is not declared, and a wrong number of arguments, would be refused."""
        for expression, message in {
            "contoso.other()": "calls 'contoso.other', which the template does not declare",
            "contoso.name()": "has 0 arguments for 1 parameters",
        }.items():
            found = evaluated_in(OWN, f"[{expression}]")
            assert isinstance(found, UnknownValue)
            self.assertEqual(found.hint, f"the expression {message}")

    def test_endless(self) -> None:
        """One that calls itself is stopped."""
        error = self.assertRaises(ConfigError, evaluated_in, OWN, "[contoso.forever()]")
        self.assertIn("more than 100 deep", str(error))


class ScopeTests(SynchronousTestCase):
    """The names of a document."""

    def test_given_for_no_expression(self) -> None:
        """A value that is given for a text that is no expression is an error."""
        context = TemplateContext(values={"#": JsonNode(value="x", place=Place(file="--value"))})
        error = self.assertRaises(ConfigError, root_scope, node_of({}), context)
        self.assertEqual(
            str(error), "ERROR --value a value is given for '#', which has '#', which begins nothing of an expression"
        )

    def test_without_template(self) -> None:
        """In a resource that stands alone every name is unknown, and says why."""
        scope = detached_scope(node_of({}), TemplateContext())
        for found in (scope.parameter("x"), scope.variable("x")):
            assert isinstance(found, UnknownValue)
            self.assertIn("give the whole template", found.hint)
