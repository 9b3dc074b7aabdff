"""What rows of the table can say."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm import properties
from agwtwisted.core.arm.properties import BOOLEAN, OBJECT, TEXT, Collection, enum, works

COLLECTION = Collection(
    name="things",
    remark="Things.",
    properties=(
        works("isOpen", BOOLEAN, "is_open", "Whether."),
        works("inner", OBJECT, "", "An object."),
        works("inner.deep", TEXT, "deep", "A member."),
    ),
)


class FormTests(SynchronousTestCase):
    """How values are written."""

    def test_canonical(self) -> None:
        """An enumeration knows its spellings in any case, and leaves other texts as they are."""
        form = enum("Http", "Https")
        self.assertEqual([form.canonical(each) for each in ("https", "HTTP", "ftp")], ["Https", "Http", "ftp"])

    def test_text(self) -> None:
        """A form names its values, or what it refers to."""
        shown = [str(each) for each in (TEXT, enum("A", "B"), properties.reference("probes"), properties.children("x"))]
        self.assertEqual(shown, ["text", "A | B", "reference (probes)", "list"])


class CollectionTests(SynchronousTestCase):
    """A kind of child."""

    def test_property(self) -> None:
        """Names are compared without case."""
        found = COLLECTION.property("ISOPEN")
        self.assertEqual(found and found.key, "is_open")
        self.assertIsNone(COLLECTION.property("other"))

    def test_members(self) -> None:
        """The members of an object are those of its name and no deeper ones."""
        self.assertEqual([each.name for each in COLLECTION.members()], ["isOpen", "inner"])
        self.assertEqual([each.name for each in COLLECTION.members("inner")], ["inner.deep"])

    def test_keyed(self) -> None:
        """A key leads back to its property."""
        found = COLLECTION.keyed("deep")
        self.assertEqual(found and found.name, "inner.deep")
