"""Resources of templates: loops, conditions, children, nested deployments; and templates that ask for too much."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import values
from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.json_text import UnknownValue
from agwtwisted.core.arm.scopes import root_scope
from agwtwisted.core.arm.templates import detached, is_template, outputs, outputs_of_deployment, resources, text_of
from agwtwisted.core.arm.values import plain
from agwtwisted.core.base.errors import ConfigError
from tests.core.arm.evaluations import GATEWAY, found_in, listed, node_of, stopped

DEPLOYMENT = "Microsoft.Resources/deployments"


def resource(**members: object) -> dict[str, object]:
    """A gateway of a template."""
    return {"type": GATEWAY, "apiVersion": "2025-03-01", "name": "edge", **members}


def nested(template: object, **properties: object) -> dict[str, object]:
    """A deployment within a template."""
    return {"type": DEPLOYMENT, "name": "inner", "properties": {"template": template, **properties}}


INNER = {"expressionEvaluationOptions": {"scope": "Inner"}}


def names(template: object, context: TemplateContext | None = None) -> list[str]:
    """The names of a template's resources."""
    return [each.name for each in found_in(template, context)]


class DocumentTests(SynchronousTestCase):
    """What is a template."""

    def test_is_template(self) -> None:
        """A template says so, or has resources."""
        for document, expected in (
            ({"resources": {}}, True),
            ({"$schema": "x/deploymentTemplate.json#"}, True),
            ({}, False),
        ):
            self.assertEqual(is_template(node_of(document)), expected)

    def test_texts(self) -> None:
        """A text is taken, of anything else nothing."""
        self.assertEqual((text_of(node_of("a")), text_of(node_of(1))), ("a", ""))


class ResourceTests(SynchronousTestCase):
    """Resources of one template."""

    def test_evaluated(self) -> None:
        """Name, version and body are evaluated."""
        (found,) = found_in(
            {
                "variables": {"v": "2024-05-01"},
                "resources": [
                    resource(name="[concat('a', 'b')]", apiVersion="[variables('v')]", tags={"t": "[true()]"})
                ],
            }
        )
        self.assertEqual(
            (found.name, found.api_version, found.body.member("tags").member("t").value), ("ab", "2024-05-01", True)
        )
        self.assertEqual(str(found.body.member("tags").member("t").place), "a.json:1 resources[0].tags.t")

    def test_properties_may_be_one_expression(self) -> None:
        """An object that is made by functions has paths as if it stood there."""
        (found,) = found_in(
            {"resources": [resource(properties="[union(createObject('a', createArray(1)), createObject('b', 2))]")]}
        )
        self.assertEqual(listed(plain(found.body.member("properties"))), {"a": [1], "b": 2})
        self.assertEqual(
            found.body.member("properties").member("a").items()[0].place.path, "resources[0].properties.a[0]"
        )

    def test_loops(self) -> None:
        """A loop makes a resource of each turn."""
        loop = {"name": "gateways", "count": "[add(1, 1)]"}
        self.assertEqual(names({"resources": [resource(name="[concat('g', copyIndex(1))]", copy=loop)]}), ["g1", "g2"])
        self.assertEqual(names({"resources": [resource(copy={**loop, "count": 0})]}), [])

    def test_loops_of_unknown_length(self) -> None:
        """How many gateways there are must be known; how many other resources need not."""
        loop = {"name": "gateways", "count": "[reference('x')]"}
        said = stopped({"resources": [resource(copy=loop)]})
        self.assertIn("resources[0].copy how many gateways this makes is not known: reference('x')", said)
        self.assertEqual(names({"resources": [{"type": "Microsoft.A/b", "name": "x", "copy": loop}]}), [])
        self.assertIn("is a loop of 801 turns", stopped({"resources": [resource(copy={**loop, "count": 801})]}))

    def test_conditions(self) -> None:
        """A resource with a false condition is not there; one whose condition is unknown may be."""
        for condition, count in (
            ("[equals(1, 2)]", 0),
            (False, 0),
            ("[reference('x')]", 1),
            ("[createArray()]", 1),
            (True, 1),
        ):
            found = found_in({"resources": [resource(condition=condition)]})
            self.assertEqual(len(found), count, condition)

    def test_symbolic_names(self) -> None:
        """Resources under symbolic names are deployed, unless they exist already."""
        template = {
            "languageVersion": "2.0",
            "resources": {"vnet": resource(existing=True), "gateway": resource(properties={})},
        }
        (found,) = found_in(template)
        self.assertEqual(found.place.path, "resources.gateway")

    def test_children(self) -> None:
        """A resource within another one has the type and name of both."""
        child = {"type": "subnets", "name": "s", "resources": [{"type": "things", "name": "t"}]}
        listed_children = found_in(
            {"resources": [{"type": "Microsoft.Network/virtualNetworks", "name": "v", "resources": [child]}]}
        )
        self.assertEqual(
            [(each.type.rpartition("virtualNetworks")[2], each.name) for each in listed_children],
            [("", "v"), ("/subnets", "v/s"), ("/subnets/things", "v/s/t")],
        )

    def test_unknown_name(self) -> None:
        """A gateway whose name only a deployment knows finds its own parts all the same."""
        identity = "[concat(resourceId('Microsoft.Network/applicationGateways', parameters('n')), '/httpListeners/x')]"
        (found,) = found_in(
            {
                "parameters": {"n": {"type": "string"}},
                "resources": [resource(name="[parameters('n')]", properties={"listener": {"id": identity}})],
            }
        )
        self.assertEqual(found.name, "")
        self.assertIsInstance(found.body.member("name").value, UnknownValue)
        self.assertEqual(
            found.body.member("properties").member("listener").member("id").value, "{parameters('n')}/httpListeners/x"
        )

    def test_only_gateways(self) -> None:
        """Where gateways alone are asked for, others are left as they are written."""
        template = node_of({"resources": [{"type": "Microsoft.A/b", "name": "x", "tags": "[add(1, 1)]"}]})
        for only, expected in ((True, "[add(1, 1)]"), (False, 2)):
            (found,) = resources(template, TemplateContext(), only_gateways=only)
            self.assertEqual(found.body.member("tags").value, expected)


class NestedTests(SynchronousTestCase):
    """Deployments within a template."""

    def test_outer_scope(self) -> None:
        """Expressions of a nested template have the names of the outer one, unless it says otherwise."""
        inner = {"variables": {"v": "inner"}, "resources": [resource(name="[variables('v')]")]}
        self.assertEqual(names({"variables": {"v": "outer"}, "resources": [nested(inner)]}), ["inner", "outer"])

    def test_scope_of_language_version_2(self) -> None:
        """From language version 2.0 on a nested template has its own names unless it says otherwise."""
        inner = {"variables": {"v": "inner"}, "resources": [resource(name="[variables('v')]")]}
        template = {"languageVersion": "2.0", "variables": {"v": "outer"}, "resources": {"d": nested(inner)}}
        self.assertEqual(names(template), ["inner", "inner"])

    def test_inner_scope(self) -> None:
        """In the inner scope it has its own, and the parameters that the deployment gives it."""
        inner = {
            "parameters": {"p": {"type": "string"}, "q": {"type": "string", "defaultValue": "d"}},
            "variables": {"v": "[concat(parameters('P'), parameters('q'), deployment().name, resourceGroup().name)]"},
            "resources": [resource(name="[variables('v')]")],
        }
        deployment = {
            **nested(inner, parameters={"p": {"value": "[variables('v')]"}}, **INNER),
            "resourceGroup": "[concat('g', '2')]",
        }
        self.assertEqual(names({"variables": {"v": "outer"}, "resources": [deployment]}), ["inner", "outerdinnerg2"])

    def test_unknown_parameters(self) -> None:
        """A parameter that is unknown outside is unknown inside; typed ones are for the outer template alone."""
        inner = {"parameters": {"p": {"type": "string"}}, "resources": [resource(name="[parameters('p')]")]}
        outer = {
            "parameters": {"p": {"type": "string"}},
            "resources": [nested(inner, parameters={"p": {"value": "[reference('x').y]"}}, **INNER)],
        }
        found = found_in(outer, TemplateContext(texts={"p": "typed"}))[1].body.member("name").value
        assert isinstance(found, UnknownValue)
        self.assertEqual(found.expression, "reference('x').y")

    def test_parameters_without_value(self) -> None:
        """A parameter to which the deployment gives no value is not one of the outer template."""
        inner = {"parameters": {"p": {"type": "string"}}, "resources": [resource(name="[parameters('p')]")]}
        found = found_in({"resources": [nested(inner, **INNER)]})[1].body.member("name").value
        assert isinstance(found, UnknownValue)
        hint = "the parameter has no value; give it by --value \"parameters('p')=VALUE\""
        self.assertEqual((found.expression, found.hint), ("parameters('p')", hint))

    def test_unknown_names_of_parameters(self) -> None:
        """Parameters of unknown names may be any: their template cannot be evaluated with its defaults."""
        deployment = nested({"resources": []}, parameters={"[reference('x')]": {"value": 1}}, **INNER)
        said = stopped({"resources": [deployment]})
        self.assertIn("resources[0].properties.parameters the parameters are not known: reference('x'): only", said)

    def test_loops_and_conditions(self) -> None:
        """A deployment is repeated, or left out, with all that is in it."""
        inner = {"resources": [resource(name="[concat('g', copyIndex())]")]}
        loop = {**nested(inner), "copy": {"name": "l", "count": 2}}
        self.assertEqual(names({"resources": [loop]}), ["inner", "g0", "inner", "g1"])
        self.assertEqual(names({"resources": [{**nested(inner), "condition": False}]}), [])

    def test_template_of_a_variable(self) -> None:
        """A template may be the value of an expression."""
        inner = {"resources": [resource()]}
        self.assertEqual(
            names({"variables": {"t": inner}, "resources": [nested("[variables('t')]")]}), ["inner", "edge"]
        )

    def test_linked(self) -> None:
        """Of a linked template the deployment is found, and what is not known of it does no harm."""
        link = {"type": DEPLOYMENT, "name": "l", "properties": {"templateLink": {"uri": "https://x/a.json"}}}
        deployment, gateway = found_in({"resources": [link, resource()]})
        self.assertEqual((deployment.name, gateway.name), ("l", "edge"))
        linked = deployment.body.member("properties").member("templateLink")
        self.assertEqual(linked.member("uri").value, "https://x/a.json")


class OutputTests(SynchronousTestCase):
    """Outputs of templates, and of those within them."""

    def outputs(self, template: object) -> object:
        """The outputs of a template."""
        found = outputs(node_of(template), TemplateContext())
        return {name: listed(plain(node)) for name, node in found.items()}

    def test_outputs(self) -> None:
        """Each has its type and its value; one with a false condition is not there, one in a loop has an array."""
        found = self.outputs(
            {
                "outputs": {
                    "a": {"type": "int", "value": "[add(1, 1)]"},
                    "b": {"type": "int", "condition": "[false()]", "value": 1},
                    "c": {"type": "array", "copy": {"count": 2, "input": "[copyIndex()]"}},
                }
            }
        )
        self.assertEqual(found, {"a": {"type": "int", "value": 2}, "c": {"type": "array", "value": [0, 1]}})
        (unknown,) = outputs(node_of({"outputs": {"a": {"value": "[reference('x')]"}}}), TemplateContext()).values()
        self.assertIsInstance(unknown.member("value").value, UnknownValue)

    def host(self, resources: object, reference: str) -> object:
        """What an expression refers to in a template."""
        template = {"resources": resources, "outputs": {"o": {"value": f"[{reference}.outputs.host.value]"}}}
        found = outputs(node_of(template), TemplateContext())["o"].member("value").value
        return found.expression if isinstance(found, UnknownValue) else found

    def test_of_nested_deployments(self) -> None:
        """An output of a nested deployment is known as far as what it is made of is."""
        inner = {
            "parameters": {"p": {"type": "string"}},
            "outputs": {"host": {"value": "[concat(parameters('p'), '.test')]"}},
        }
        deployment = nested(inner, parameters={"p": {"value": "backend"}}, **INNER)
        by_id = "reference(resourceId('Microsoft.Resources/deployments', 'inner'), '2022-09-01')"
        self.assertEqual(self.host([deployment], by_id), "backend.test")
        self.assertEqual(self.host([deployment], "reference('inner')"), "backend.test")
        self.assertEqual(self.host({"symbol": deployment}, "reference('Symbol')"), "backend.test")
        other_group = "reference(resourceId(reference('x').group, 'Microsoft.Resources/deployments', 'inner'))"
        self.assertEqual(self.host([deployment], other_group), "backend.test")

    def test_in_loops(self) -> None:
        """Of a deployment in a loop, each turn has its outputs."""
        inner = {"outputs": {"host": {"value": "[concat('h', copyIndex())]"}}}
        loop = {**nested(inner), "name": "[concat('d', copyIndex())]", "copy": {"name": "l", "count": 2}}
        self.assertEqual(self.host({"symbol": loop}, "reference('symbol[1]')"), "h1")
        self.assertEqual(self.host({"symbol": loop}, "reference('d0')"), "h0")

    def test_no_such_deployment(self) -> None:
        """Of one that there is not, or that exists already, only a deployment knows the outputs."""
        existing = {**nested({"outputs": {}}), "existing": True}
        expected = "reference('inner').outputs.host.value"
        self.assertEqual(self.host({"inner": existing}, "reference('inner')"), expected)
        self.assertEqual(self.host([resource(name="inner")], "reference('inner')"), expected)
        link = {"type": DEPLOYMENT, "name": "inner", "properties": {"templateLink": {"uri": "https://x/a.json"}}}
        self.assertEqual(self.host([link], "reference('inner')"), expected)
        scope = root_scope(node_of({"resources": []}), TemplateContext())
        self.assertEqual(outputs_of_deployment(scope, "x"), None)

    def test_of_themselves(self) -> None:
        """Deployments whose outputs need each other are an error."""
        inner = {"outputs": {"host": {"value": "[reference('inner').outputs.host.value]"}}}
        error = self.assertRaises(ConfigError, self.host, [nested(inner)], "reference('inner')")
        self.assertIn("needs itself: 'deployment inner → deployment inner'", str(error))


class DetachedTests(SynchronousTestCase):
    """A resource that was cut out of its template."""

    def test_what_is_known(self) -> None:
        """What its names stand for is unknown, with the reason; the rest is evaluated."""
        node = detached(
            node_of(
                {
                    "id": "[concat(variables('gw'), '/httpListeners/x')]",
                    "name": "[parameters('n')]",
                    "port": "[add(79, 1)]",
                    "pattern": "[a-z]",
                    "call": "[f(]",
                    "other": "[nofunction()]",
                    "[b]": 1,
                }
            ),
            TemplateContext(),
        )
        name = node.member("name").value
        assert isinstance(name, UnknownValue)
        self.assertIn("give the whole template", name.hint)
        self.assertEqual(node.member("id").value, "{variables('gw')}/httpListeners/x")
        found = [node.member(each).value for each in ("port", "pattern", "call", "other", "[b]")]
        self.assertEqual(found, [80, "[a-z]", "[f(]", "[nofunction()]", 1])


class HostileTests(SynchronousTestCase):
    """Templates that ask for more than any gateway: each ends with one clear error."""

    def gateway(self, properties: object, **template: object) -> dict[str, object]:
        """A template with one gateway."""
        return {**template, "resources": [resource(properties=properties)]}

    def bomb(self, expression: str, first: object, levels: int = 24) -> dict[str, object]:
        """A template in which each variable is made of the one before it."""
        variables = {
            f"v{at}": f"[{expression.replace('@', f'variables(`v{at - 1}`)')}]".replace("`", "'")
            for at in range(1, levels)
        }
        return self.gateway(f"[variables('v{levels - 1}')]", variables={"v0": first, **variables})

    def test_steps(self) -> None:
        """Doubling arrays and objects, loops within loops, and long loops are stopped by their cost."""
        self.patch(values, "MOST_STEPS", 50_000)
        loop = {"name": "a", "count": 800, "input": 1}
        for _ in range(5):
            loop = {"name": "a", "count": 800, "input": {"copy": [loop]}}
        for template in (
            self.bomb("createArray(@, @)", ["x"]),
            self.bomb("createObject('a', @, 'b', @)", {}),
            self.bomb("concat(@, @)", ["x"]),
            self.bomb("union(createObject('a', @), createObject('b', @))", {}),
            self.gateway({"copy": [loop]}),
            self.gateway("[map(range(0, 10000), lambda('x', range(0, 10000)))]"),
            self.gateway("[map(range(0, 10000), lambda('x', map(range(0, 10000), lambda('y', 1))))]"),
            self.gateway("[sort(range(0, 10000), lambda('x', 'y', less(length(string(range(0, 9999))), 1)))]"),
            self.gateway("[filter(range(0, 10000), lambda('x', contains(range(0, 10000), -1)))]"),
        ):
            said = stopped(template)
            self.assertIn("makes the evaluation of the template longer than any gateway's: it is stopped", said)
            self.assertTrue(said.startswith("a.json:1 "), said)

    def test_texts(self) -> None:
        """A text that grows without end is not made: what is made of it is unknown, and says why."""
        for expression in (
            "concat(@, @)",
            "format('{0}{0}', @)",
            "replace(@, 'a', 'aa')",
            "join(createArray(@, @), @)",
        ):
            (found,) = found_in(self.bomb(expression, "aa"))
            value = found.body.member("properties").value
            assert isinstance(value, UnknownValue)
            self.assertEqual(value.hint, f"the expression makes a text of more than {values.LONGEST_TEXT} characters")
        for expression in ("padLeft('a', 999999999999)", "string(variables('v'))", "base64(variables('t'))"):
            self.assertIn("a.json", str(self.bounded(expression)))

    def bounded(self, expression: str) -> object:
        """The outcome of one expression over large values."""
        template = self.gateway(f"[{expression}]", variables={"v": ["x" * 60_000] * 200, "t": "x" * 100_000})
        try:
            return found_in(template)[0].body.member("properties").place
        except ConfigError as error:
            return error

    def test_depth(self) -> None:
        """Chains of variables, calls within calls and deep values are stopped by their depth."""
        for template in (
            self.bomb("@", "x", 200),
            self.bomb("createArray(@)", [], 40 * 10),
            self.gateway(
                "[reduce(range(0, 10000), createArray(), lambda('c', 'n', createArray(lambdaVariables('c'))))]"
            ),
            self.gateway(f"[{'toLower(' * 49}'a'{')' * 49}]{'x' * 0}", variables={}),
        )[:3]:
            said = stopped(template)
            self.assertRegex(said, "more than 100 deep|nested more than 64 deep")

    def test_the_deepest_that_are_taken(self) -> None:
        """What stands within the bounds needs no more stack than there is, at its deepest everywhere."""
        calls = "toLower(" * 48 + "variables('v')" + ")" * 48
        deep: object = f"[{calls}]"
        for _ in range(40):
            deep = {"a": deep}
        (found,) = found_in(self.gateway(deep, variables={"v": "[toUpper('x')]"}))
        node = found.body.member("properties")
        while node.members():
            node = node.member("a")
        self.assertEqual(node.value, "x")

    def test_endless_nesting(self) -> None:
        """A template that holds itself as a text is stopped."""
        text = "[json(parameters('t'))]"
        inner = (
            '{"parameters": {"t": {"type": "string"}}, "resources": [{"type": "Microsoft.Resources/deployments",'
            ' "name": "n", "properties": {"expressionEvaluationOptions": {"scope": "inner"},'
            ' "parameters": {"t": {"value": "[parameters(\'t\')]"}}, "template": "[json(parameters(\'t\'))]"}}]}'
        )
        outer = {
            "parameters": {"t": {"type": "string", "defaultValue": inner}},
            "resources": [nested(text, parameters={"t": {"value": "[parameters('t')]"}}, **INNER)],
        }
        self.assertIn("more than 100 deep", stopped(outer))

    def test_cycles(self) -> None:
        """Variables that need each other end the evaluation; resources that depend on each other do no harm."""
        said = stopped(self.gateway("[variables('a')]", variables={"a": "[variables('b')]", "b": "[variables('a')]"}))
        self.assertIn("needs itself: 'variable a → variable b → variable a'", said)
        template = {"resources": [resource(dependsOn=["edge"])]}
        self.assertEqual(names(template), ["edge"])
