"""Values that are made for every request are values."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.values import value


@value(kw_only=True)
class Pair:
    """Some value."""

    left: int
    right: int = 2


class ValueTests(SynchronousTestCase):
    """What frozen attrs classes do, but for the guard."""

    def test_equality(self) -> None:
        """Equal fields make equal values, which can be keys."""
        self.assertEqual(Pair(left=1), Pair(left=1, right=2))
        self.assertNotEqual(Pair(left=1), Pair(left=2))
        self.assertEqual(len({Pair(left=1), Pair(left=1), Pair(left=2)}), 2)

    def test_no_more_fields(self) -> None:
        """Nothing can be added to one."""
        with self.assertRaises(AttributeError):
            Pair(left=1).other = 3  # type: ignore[attr-defined]
