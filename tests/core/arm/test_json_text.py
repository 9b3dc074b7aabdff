"""JSON with comments, places and bounds, next to the standard library's reader."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import json_text
from agwtwisted.core.arm.json_text import JsonNode, UnknownValue, read_deployment, read_json, within
from agwtwisted.core.base.errors import ConfigError, Place

DOCUMENT = b"""\xef\xbb\xbf// a gateway
{
  "name": "edge", /* its
  name */ "properties": {
    "frontendPorts": [{"name": "p", "properties": {"Port": 443}}], // tls
    "a.b": 1.5,
    "note": "two
lines",
    "nothing": null, "yes": true, "no": false, "empty": {}, "none": [],
  },
}
"""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


def plain(node: JsonNode) -> object:
    """The value of a node as the standard library gives it."""
    if isinstance(node.value, Mapping):
        return {name: plain(member) for name, member in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, tuple) else node.value


def read(text: str) -> JsonNode:
    """A document of this text."""
    return read_json(text.encode(), "a.json")


def problem(data: str | bytes) -> str:
    """What is said about a document that is refused."""
    try:
        read_json(data if isinstance(data, bytes) else data.encode(), "a.json")
    except ConfigError as error:
        (only,) = error.problems
        return str(only).removeprefix("ERROR ")
    raise AssertionError("it was taken")


def names_once(value: object) -> bool:
    """Whether in no object two names differ in case alone."""
    if isinstance(value, dict):
        return len({name.lower() for name in value}) == len(value) and all(map(names_once, value.values()))
    return all(map(names_once, value)) if isinstance(value, list) else True


class ReadingTests(SynchronousTestCase):
    """What is taken."""

    def test_comments_and_lines(self) -> None:
        """Comments, line ends within texts, a byte order mark and a last comma are taken."""
        node = read_json(DOCUMENT, "a.json")
        self.assertEqual(plain(node.member("name")), "edge")
        self.assertEqual(node.member("properties").member("note").value, "two\nlines")
        self.assertEqual(plain(node.member("properties").member("empty")), {})

    def test_places(self) -> None:
        """Each value has its line and its JSON path."""
        node = read_json(DOCUMENT, "a.json").member("properties")
        (port,) = node.member("frontendPorts").items()
        self.assertEqual(
            str(port.member("properties").member("port").place),
            "a.json:5 properties.frontendPorts[0].properties.Port",
        )
        self.assertEqual(str(node.member("a.b").place), "a.json:6 properties['a.b']")
        self.assertEqual(str(node.member("nothing").place), "a.json:9 properties.nothing")

    def test_utf_16(self) -> None:
        """Windows PowerShell writes files in UTF-16: they are taken, too."""
        self.assertEqual(plain(read_json('{"a": "é"}'.encode("utf-16"), "a.json")), {"a": "é"})

    @given(VALUES.filter(names_once))
    def test_as_the_standard_library(self, value: object) -> None:
        """What the standard library writes is read as it reads it."""
        for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
            try:
                expected = json.loads(text.encode())
            except UnicodeEncodeError:  # half of a surrogate pair cannot be written at all
                continue
            if any("\ud800" <= each <= "\udfff" for each in str(expected)):
                continue
            self.assertEqual(plain(read(text)), expected)

    @given(st.integers(0, len(DOCUMENT)), st.binary(max_size=4), st.integers(0, 9))
    def test_changed_bytes(self, at: int, inserted: bytes, lost: int) -> None:
        """Whatever bytes are changed, the answer is a tree or one problem on a printable line."""
        data = DOCUMENT[:at] + inserted + DOCUMENT[at + lost :]
        for reader in (read_json, read_deployment):
            try:
                reader(data, "a.json")
            except ConfigError as error:
                (only,) = error.problems
                self.assertTrue(str(only).isprintable())

    @given(st.text(alphabet='{}[]",:/*\\n0-e.tru\n ', max_size=30))
    def test_what_is_taken_has_a_value(self, text: str) -> None:
        """What the standard library takes is taken: nothing is refused for its form alone."""
        try:
            expected = json.loads(text)
        except ValueError:
            expected = None
        if expected is None or not names_once(expected):
            return
        self.assertEqual(plain(read(text)), expected)


class DeploymentTests(SynchronousTestCase):
    """The body of azure-cli's deployments."""

    BODY = b'{"properties": {"mode": "Incremental", template:{ // mine\n "resources": []}}}'

    def test_template_as_it_is(self) -> None:
        """The user's file stands in it as it is, behind a name without quotes."""
        properties = read_deployment(self.BODY, "request").member("properties")
        self.assertEqual(plain(properties), {"mode": "Incremental", "template": {"resources": []}})
        self.assertEqual(properties.member("template").member("resources").place.line, 2)

    def test_nowhere_else(self) -> None:
        """In every other document such a name is an error."""
        self.assertEqual(problem(self.BODY), "a.json:1 properties expected a name in double quotes, found 't'")


class RefusalTests(SynchronousTestCase):
    """What is refused, with one clear problem."""

    def test_duplicates(self) -> None:
        """A name that stands twice is an error with both lines, in another case, too."""
        text = '{"a": {"port": 1,\n"x": 2,\n"Port": 3}}'
        self.assertEqual(problem(text), "a.json:3 a.Port is set on line 1 and again on line 3")

    def test_no_json(self) -> None:
        """A document that is cut, or is something else, has one problem at the place where it ends to be JSON."""
        for text, message in {
            "": "a.json:1 is empty: expected a JSON document",
            " // x": "a.json:1 is empty: expected a JSON document",
            '{"a": [1,\n2': "a.json:2 a expected ',' or ']', found the end of the document",
            '{"a"': "a.json:1 expected ':' behind 'a', found the end of the document",
            '{"a": ': "a.json:1 a expected a value, found the end of the document",
            '{"a": hunter2}': "a.json:1 a expected a value, found 'h'",
            '{"a": "x': "a.json:1 a is a text that cannot be read: Unterminated string starting at",
            "{} {}": "a.json:1 has more behind its end: '{'",
            "[1 2]": "a.json:1 expected ',' or ']', found '2'",
            "[,]": "a.json:1 [0] expected a value, found ','",
            "{,}": "a.json:1 expected a name in double quotes, found ','",
            "[01]": "a.json:1 [0] is not a number",
            "[1e999]": "a.json:1 [0] is too large a number",
            "[NaN]": "a.json:1 [0] expected a value, found 'N'",
            '["\\ud800"]': "a.json:1 [0] is a text with half of a surrogate pair (\\ud800 to \\udfff)",
            "{/* }": "a.json:1 has a comment /* without its end */",
        }.items():
            self.assertEqual(problem(text), message)
        self.assertEqual(problem(b'{\n"\xff"}'), "a.json:2 is not UTF-8 text")

    def test_bounds(self) -> None:
        """Depth, values, digits and bytes are bounded, each with an error that says so."""
        self.assertIn("is nested more than 64 deep", problem("[" * 10_000 + "]" * 10_000))
        self.assertIn("is nested more than 64 deep", problem('{"a":' * 10_000 + "1" + "}" * 10_000))
        self.assertEqual(plain(read("[" * 64 + "]" * 64)), json.loads("[" * 64 + "]" * 64))
        for text in ("1" * 100_000, "9" * 400, "-" + "9" * 301):
            self.assertIn("is too large a number", problem(text))
        self.assertEqual(problem(b" " * (16 * 1024 * 1024 + 1)), "a.json is larger than 16777216 bytes")
        self.patch(json_text, "MOST_NODES", 3)
        self.assertEqual(plain(read("[1, 2]")), [1, 2])
        self.assertIn("a.json:1 [2] is value number 4", problem("[1, 2, 3]"))

    def test_paths_are_bounded(self) -> None:
        """A name of any length makes no long path, however much stands within it."""
        name = "n" * 10_000
        text = f'{{"{name}": ' * 60 + "1" + "}" * 60
        node = read(text)
        while isinstance(node.value, Mapping):
            (node,) = node.value.values()
        self.assertLess(len(node.place.path), json_text.LONGEST_PATH + 100)


class NodeTests(SynchronousTestCase):
    """Using the tree."""

    def test_members(self) -> None:
        """A member is found in whatever case; one that is not there is null, with the place it would have."""
        node = read('{"Name": "x", "list": [1]}')
        self.assertEqual(node.member("name").value, "x")
        self.assertEqual(node.member("name"), node.member("Name"))
        absent = node.member("other")
        self.assertEqual((absent.value, str(absent.place)), (None, "a.json:1 other"))
        self.assertEqual(node.member("name").member("other").value, None)
        self.assertEqual((set(node.members()), node.members()["list"].members()), ({"Name", "list"}, {}))
        self.assertEqual((node.items(), len(node.member("list").items())), ((), 1))

    def test_absent(self) -> None:
        """null, an empty text and an empty array are absent; 0, false and an empty object are not."""
        node = read('[null, "", [], 0, false, {}]')
        self.assertEqual([each.is_absent for each in node.items()], [True, True, True, False, False, False])

    def test_secrets(self) -> None:
        """The repr of a node has no value."""
        self.assertNotIn("hunter2", repr(read('{"password": "hunter2"}')))
        unknown = JsonNode(
            value=UnknownValue(expression="parameters('x')", hint=""), place=within(Place(file="a"), "b")
        )
        self.assertFalse(unknown.is_absent)
