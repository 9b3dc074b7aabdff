"""The words of the reference page about keys."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.key_meanings import KEY_MEANINGS
from agwtwisted.core.schema import KINDS


class KeyMeaningTests(SynchronousTestCase):
    """A sentence for each key."""

    def test_none_is_missing(self) -> None:
        """Every kind, key and family of keys has its sentence, and no sentence is about nothing."""
        self.assertEqual(KEY_MEANINGS.keys(), KINDS.keys())
        for name, kind in KINDS.items():
            self.assertEqual({*KEY_MEANINGS[name]}, {"", *kind.keys, *kind.families}, name)

    def test_are_sentences(self) -> None:
        """Each is one paragraph that ends in a full stop."""
        for name, meanings in KEY_MEANINGS.items():
            for key, text in meanings.items():
                self.assertTrue(text.endswith(".") and "\n" not in text, (name, key))
