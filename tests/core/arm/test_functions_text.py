"""Functions on texts, mostly by the examples of the product's pages."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.functions_text import TEXT_FUNCTIONS
from tests.core.arm.evaluations import refusal_of, unknown, value

EXAMPLES: dict[str, object] = {
    "base64('one, two, three')": "b25lLCB0d28sIHRocmVl",
    "base64ToString('b25lLCB0d28sIHRocmVl')": "one, two, three",
    'base64ToJson(base64(\'{"one": "a"}\'))': {"one": "a"},
    "concat('storage', 'abc', 1, true())": "storageabc1True",
    "concat(createArray('1-1', '1-2'), createArray('2-1'))": ["1-1", "1-2", "2-1"],
    "dataUri('Hello')": "data:text/plain;charset=utf8;base64,SGVsbG8=",
    "dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')": "Hello, World!",
    "dataUriToString('data:,a%20b')": "a b",
    "endsWith('abcdef', 'EF')": True,
    "startsWith('abcdef', 'AB')": True,
    "startsWith('abcdef', 'e')": False,
    "float('1.5')": 1.5,
    "float(3)": 3,
    "format('{0}, {1}. Formatted: {2:N0}', 'Hello', 'User', 8175133)": "Hello, User. Formatted: 8,175,133",
    "format('{{{0}}} {0,4}|{0,-4}|', 'a')": "{a}    a|a   |",
    "format('{0:D3} {0:000} {0:X2} {0:x} {0:F1} {0:N} {0:G}', 12)": "012 012 0C c 12.0 12.00 12",
    "format('{0:D3}', 'text')": "text",
    "indexOf('test', 't')": 0,
    "indexOf('abcdef', 'CD')": 2,
    "indexOf(createArray('a', 'b'), 'b')": 1,
    "indexOf(createArray('a'), 'c')": -1,
    "lastIndexOf('test', 't')": 3,
    "lastIndexOf('abcdef', 'z')": -1,
    "lastIndexOf(createArray('a', 'a'), 'a')": 1,
    "join(createArray('one', 'two', 3), ';')": "one;two;3",
    "json('{\"a\": [1, null]}')": {"a": [1, None]},
    "json('null')": None,
    "padLeft('123', 10, '0')": "0000000123",
    "padLeft(5, 3)": "  5",
    "replace('123-123-1234', '-', '')": "1231231234",
    "split('one,two,three', ',')": ["one", "two", "three"],
    "split('one;two,three', createArray(',', ';'))": ["one", "two", "three"],
    "split('one', '')": ["one"],
    "string(createObject('valueA', 10, 'valueB', 'Example Text'))": '{"valueA":10,"valueB":"Example Text"}',
    "string(createArray('a', 'b'))": '["a","b"]',
    "string(5)": "5",
    "substring('one two three', 4, 3)": "two",
    "substring('abc', 1)": "bc",
    "toLower('One')": "one",
    "toUpper('One')": "ONE",
    "trim('    one two three   ')": "one two three",
    "uri('http://contoso.org/firstpath', 'myscript.sh')": "http://contoso.org/myscript.sh",
    "uri('http://contoso.com/resources/', 'nested/azuredeploy.json')": "http://contoso.com/resources/nested/azuredeploy.json",
    "uriComponent('http://contoso.com/a b')": "http%3A%2F%2Fcontoso.com%2Fa%20b",
    "uriComponentToString('http%3A%2F%2Fcontoso.com')": "http://contoso.com",
}

REFUSED = {
    "base64ToString('*')": "needs a text in Base64",
    "concat(createObject())": "takes texts or arrays, not an object",
    "concat('a', createArray())": "needs an array, not a text",
    "dataUriToString('x')": "needs a data URI",
    "fail('no certificate')": "fails, as the template says: 'no certificate'",
    "float('x')": "needs a text that is a number",
    "format('{1}', 'a')": "has the placeholder {1}, but 1 values",
    "format('{', 'a')": "has a '{' that is neither doubled nor a placeholder",
    "format('{0:Q}', 1)": "has a form of numbers that is not known here: 'Q'",
    "format('{0:D1x}', 1)": "has a form of numbers that is not known here: 'D1x'",
    "json('{')": "needs a text of JSON",
    "padLeft('a', 2, '00')": "pads with one character",
    "replace('a', '', 'b')": "replaces an empty text",
    "substring('abc', 2, 5)": "takes a part that ends beyond the text",
    "toLower(1)": "needs a text, not an integer",
    "uri('http://[', 'a')": "needs a URI",
}


class ExampleTests(SynchronousTestCase):
    """Each function."""

    def test_examples(self) -> None:
        """Each has the value that the product's page says."""
        for expression, expected in EXAMPLES.items():
            self.assertEqual(value(expression), expected, expression)

    def test_refusals(self) -> None:
        """What the product refuses is unknown, and says why."""
        for expression, expected in REFUSED.items():
            self.assertEqual(refusal_of(expression), expected, expression)

    def test_all_are_tried(self) -> None:
        """No function is without an example."""
        text = " ".join([*EXAMPLES, *REFUSED, "uniqueString( guid("]).lower()
        self.assertEqual([name for name in TEXT_FUNCTIONS if f"{name}(" not in text], [])

    def test_stable_texts(self) -> None:
        """A GUID and a unique text are the same for the same texts: the former is the product's own."""
        self.assertRegex(
            str(value("guid('a', 'b')")), r"^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
        )
        self.assertRegex(str(value("uniqueString('a')")), "^[a-z2-7]{13}$")
        self.assertEqual(value("uniqueString('a')"), value("uniqueString('a')"))
        self.assertNotEqual(value("uniqueString('a')"), value("uniqueString('b')"))


class UnknownTests(SynchronousTestCase):
    """Texts with something unknown."""

    def test_end(self) -> None:
        """Of a text that is put together, the end is known where it is."""
        self.assertEqual(unknown("concat('a', reference('x').id, '/b')").end, "/b")
        self.assertEqual(unknown("format('{0}/b/{1}', reference('x').id, 'c')").end, "/b/c")
        self.assertEqual(unknown("format(reference('x').id, 'c')").end, "")
        self.assertEqual(unknown("concat(createArray(), reference('x').ids)").expression, "reference('x').ids")

    def test_within(self) -> None:
        """A text of an array in which something is unknown is unknown."""
        for call in ("join({0}, ',')", "string({0})", "guid(reference('x'))", "indexOf({0}, 'a')"):
            unknown(call.replace("{0}", "createArray('a', reference('x'))"))
