"""From the text of keys to values."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Problem, Severity, UnacceptableError
from agwtwisted.core.base.limits import Range
from agwtwisted.core.base.texts import one_line
from agwtwisted.core.sections import ini, settings
from agwtwisted.core.sections.settings import Empty, Family, Key, Kind, Row, SectionReference


class Fruit(Enum):
    """Something to choose from."""

    APPLE = "Apple"
    PEAR = "Pear"


@attrs.frozen(kw_only=True)
class Basket:
    """A resource."""

    name: str = ""
    size: int = 7
    fruit: Fruit
    label: str = "none"


KIND = Kind(
    name="basket",
    meaning="",
    resource=Basket,
    keys={
        "size": Key(settings.whole(Range(1, 9, "TooMany")), ""),
        "fruit": Key(settings.choice(*Fruit), "", required=True),
        "label": Key(one_line, "", empty=Empty.CONVERTED),
        "friend": Key(settings.reference("basket"), "", empty=Empty.REFUSED),
        "handle": Key(settings.only("None"), ""),
        "motto": Key(one_line, "", literal=True),
    },
    families={
        "layer": settings.numbered(Key(settings.whole(Range(1, 9)), "", empty=Empty.REFUSED)),
        "sticker": Family(
            key=Key(one_line, "", empty=Empty.CONVERTED), suffix=settings.choice(*Fruit), placeholder="FRUIT"
        ),
    },
)


def read(text: str) -> tuple[Row, list[Problem]]:
    """A basket from the lines of its section."""
    [section] = ini.parse(f"[basket b]\n{text}".encode(), "f").sections
    return settings.read(section, KIND)


def said(text: str) -> list[str]:
    """The problems of a basket."""
    return [str(problem) for problem in read(text)[1]]


class ReadTests(SynchronousTestCase):
    """A whole section."""

    def test_values(self) -> None:
        """Each key goes through its converter; absent ones have the resource's default."""
        row, problems = read("fruit = Pear\nfriend = c\n")
        self.assertEqual(problems, [])
        self.assertEqual(row.values, {"fruit": Fruit.PEAR, "friend": SectionReference(kind="basket", name="c")})
        self.assertEqual((row.get("size"), row.get("label"), row.get("handle")), (7, "none", None))
        self.assertEqual(row.fields(), {"fruit": Fruit.PEAR})
        self.assertEqual(row.name, "b")

    def test_equal_pairs(self) -> None:
        """Rows are compared by the values of some keys, their defaults included; pairs are in the order of the file."""
        rows = [read(f"fruit = Pear\n{text}")[0] for text in ("size = 7", "label = none", "size = 8", "label = b")]
        found = [(rows.index(one), rows.index(other)) for one, other in settings.equal_pairs(rows, "size")]
        self.assertEqual(found, [(0, 1), (0, 3), (1, 3)])
        found = [(rows.index(one), rows.index(other)) for one, other in settings.equal_pairs(rows, "size", "label")]
        self.assertEqual(found, [(0, 1)])

    def test_semicolons(self) -> None:
        r"""Behind a value `;` begins a comment, but in literal ones, with a warning unless it is written `\;`."""
        row, problems = read("fruit = Pear ; a comment\nlabel = a ; b\nmotto = c \\; d\n")
        self.assertEqual((row.get("label"), row.values["motto"], problems), ("a", "c ; d", []))
        row, [problem] = read("fruit = Pear\nmotto = c ; d \\; e ; f\n")
        self.assertEqual(row.values["motto"], "c ; d ; e ; f")
        self.assertIn(
            "WARNING f:3 [basket b] motto goes on to the end of the line: '; d ; e ; f' is part", str(problem)
        )

    def test_only_a_comment(self) -> None:
        """A literal value that begins with a semicolon was meant as empty: an error, and not passed on."""
        row, [problem] = read("fruit = Pear\nmotto = ; empty\n")
        self.assertIn("ERROR f:3 [basket b] motto begins with ;, which does not begin a comment here", str(problem))
        self.assertEqual(row.refused, {"motto"})
        self.assertEqual(read("fruit = Pear\nmotto = \\; d\n")[0].values["motto"], "; d")

    def test_unknown_key(self) -> None:
        """The nearest key is offered, and none where nothing is near."""
        self.assertEqual(
            said("fruit = Pear\nSise = 3\nq = 1\n"),
            [
                "ERROR f:3 [basket b] unknown key 'Sise'; did you mean 'size'?",
                "ERROR f:4 [basket b] unknown key 'q'",
            ],
        )

    def test_every_problem_at_once(self) -> None:
        """A section's problems are reported together, each with its line and code."""
        self.assertEqual(
            said("size = 10\nfruit = Plum\nhandle = x\n"),
            [
                "ERROR f:2 [basket b] size is '10', but must be a whole number from 1 to 9 (TooMany)",
                "ERROR f:3 [basket b] fruit is 'Plum', but must be Apple or Pear",
                "ERROR f:4 [basket b] handle = 'x' is not supported by this version",
            ],
        )

    def test_missing_key(self) -> None:
        """A key that must be there is missed at the section's line; an empty one is as absent."""
        for text in ("size = 1\n", "fruit =\n"):
            self.assertEqual(said(text), ["ERROR f:1 [basket b] fruit is missing"])

    def test_empty_values(self) -> None:
        """An empty value is unset, a value or an error, as the table says."""
        row, problems = read("fruit = Pear\nsize =\nlabel =\nhandle =\nfriend =\n")
        self.assertEqual(row.values, {"fruit": Fruit.PEAR, "label": ""})
        self.assertEqual([problem.place.line for problem in problems], [6])
        self.assertIn("friend is empty", str(problems[0]))

    def test_refused_is_not_unset(self) -> None:
        """What was refused or is missing is distinguished from what was never there; unknown keys are neither."""
        row, _ = read("size = 0\nunknown = 1\n")
        self.assertEqual(row.refused, {"size", "fruit"})
        self.assertEqual([row.unset(key) for key in ("size", "fruit", "label")], [False, False, True])
        self.assertIsNone(row.get("fruit"))
        self.assertFalse(read("fruit = Pear\n")[0].unset("fruit"))

    def test_places(self) -> None:
        """A problem stands at its key's line, or at the section's where the key is absent."""
        row, _ = read("fruit = Pear\nsize = 3\n")
        self.assertEqual((row.place("size").line, row.place("label").line, row.place().line), (3, 1, 1))
        warning = row.warning("is small", key="size")
        self.assertEqual((str(warning), warning.severity), ("WARNING f:3 [basket b] is small", Severity.WARNING))


class FamilyTests(SynchronousTestCase):
    """Keys that share their beginning."""

    def test_members(self) -> None:
        """Numbered ones are in the order of their numbers, others in that of the file; none of them is a field."""
        row, problems = read(
            "layer.10 = 1\nfruit = Pear\nsticker.Pear = b\nlayer.9 = 2\nsticker.Apple =\nlayer.0 = 3\n"
        )
        self.assertEqual(problems, [])
        self.assertEqual(list(row.family("layer").items()), [(0, 3), (9, 2), (10, 1)])
        self.assertEqual(list(row.family("sticker").items()), [(Fruit.PEAR, "b"), (Fruit.APPLE, "")])
        self.assertEqual(row.fields(), {"fruit": Fruit.PEAR})
        self.assertEqual((row.get("layer.9"), row.get("layer.1"), row.place("layer.9").line), (2, None, 5))
        self.assertEqual(read("fruit = Pear\n")[0].family("layer"), {})

    def test_suffixes(self) -> None:
        """What follows the dot is read too: a number has one spelling, so that no two keys are the same one."""
        for key in (
            "layer.x",
            "layer.",
            "layer.01",
            "layer.-1",
            "layer.1.2",
            "layer.٣",
            "layer. 1",
            "layer.1234567890",
        ):
            [line] = said(f"fruit = Pear\n{key} = 1\n")
            self.assertIn("the part after the dot must be a whole number, without leading zeros", line)
        [line] = said("fruit = Pear\nsticker.Peer = 1\n")
        self.assertIn("'sticker.Peer': is 'Peer', but must be Apple or Pear; did you mean 'Pear'?", line)

    def test_values(self) -> None:
        """A member's value goes through the family's converter, and an empty one is what the family says."""
        row, problems = read("fruit = Pear\nlayer.1 = 10\nlayer.2 =\n")
        self.assertIn("layer.1 is '10', but must be", str(problems[0]))
        self.assertIn("layer.2 is empty", str(problems[1]))
        self.assertEqual((row.refused, row.family("layer")), ({"layer.1", "layer.2"}, {}))
        self.assertFalse(row.unset("layer.1"))

    def test_unknown(self) -> None:
        """A family's name that is misspelt or lacks its dot is met with the right one."""
        for key, near in {
            "layr.3": "layer.3",
            "layer": "layer.N",
            "Layer.1": "layer.1",
            "stickers.Pear": "sticker.Pear",
        }.items():
            [line] = said(f"fruit = Pear\n{key} = 1\n")
            self.assertTrue(line.endswith(f"unknown key {key!r}; did you mean {near!r}?"), line)


class ConverterTests(SynchronousTestCase):
    """From text to a value."""

    def refused(self, convert: Callable[[str], Any], *texts: str) -> None:
        """None of the texts is taken."""
        for text in texts:
            self.assertRaises(UnacceptableError, convert, text)

    def test_booleans(self) -> None:
        """The product's words and the usual ones, without case."""
        for word in ("Enabled", "true", "YES", "on"):
            self.assertIs(settings.boolean(word), True)
        for word in ("Disabled", "false", "No", "OFF"):
            self.assertIs(settings.boolean(word), False)
        self.refused(settings.boolean, "1", "", "enable", "true\nfalse", "ẏes")

    def test_whole_numbers(self) -> None:
        """Decimal digits in range, nothing else."""
        convert = settings.whole(Range(0, 10**17))
        self.assertEqual([convert(text) for text in ("0", "007", "12")], [0, 7, 12])
        self.refused(convert, "", "-1", "+1", "1.0", "1e3", "0x10", "1_0", " 1", "٣", "9" * 18, "9" * 5000)

    def test_seconds(self) -> None:
        """A duration may have decimals."""
        convert = settings.seconds(Range(1, 60))
        self.assertEqual([convert(text) for text in ("1", "2.5", "60")], [1.0, 2.5, 60.0])
        self.refused(convert, "0.9", "60.1", "-1", "1.", ".5", "nan", "inf", "1 s", "1m", "9" * 5000)

    def test_choice(self) -> None:
        """The product's spelling alone; another case is met with the right one."""
        convert = settings.choice(*Fruit, later=("Plum",))
        self.assertIs(convert("Pear"), Fruit.PEAR)
        error = self.assertRaises(UnacceptableError, convert, "PEAR")
        self.assertIn("did you mean 'Pear'?", str(error))
        error = self.assertRaises(UnacceptableError, convert, "Plum")
        self.assertIn("not supported by this version", str(error))
        self.refused(convert, "", "Pear\nApple")

    def test_only(self) -> None:
        """Of what later versions carry, the value that changes nothing passes."""
        self.assertEqual(settings.only("None")("None"), "None")
        error = self.assertRaises(UnacceptableError, settings.only("Cookie"), "Other")
        self.assertIn("not supported by this version", str(error))

    def test_lists(self) -> None:
        """Commas and newlines divide, empty pieces are nothing, and a list that divides nothing is no list."""
        convert = settings.listed(one_line, Range(1, 3))
        self.assertEqual(convert("a, b c\n d,"), ("a", "b c", "d"))
        error = self.assertRaises(UnacceptableError, convert, "a, b, c, d")
        self.assertIn("has 4 values, but must have 1 to 3", str(error))
        self.refused(convert, ",", "")
        error = self.assertRaises(UnacceptableError, convert, "a, , b, b")
        self.assertIn("names 'b' twice", str(error))

    def test_references(self) -> None:
        """A key that was indented by mistake does not vanish in the name above it."""
        self.refused(settings.reference("basket"), "a\nkey = b")

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Whatever the text, a converter gives a value or says why not."""
        some = Range(1, 3)
        converters: list[Callable[[str], Any]] = [
            settings.boolean,
            settings.whole(some),
            settings.seconds(some),
            settings.choice(*Fruit),
            settings.only("a"),
            settings.listed(one_line, some),
            settings.reference("basket"),
        ]
        for convert in converters:
            try:
                convert(text)
            except UnacceptableError as error:
                self.assertTrue(error.message)
