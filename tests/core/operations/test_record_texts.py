"""Texts from outside in a line of JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.record_texts import LONGEST_FIELD, cut, decoded, escaped, field, members


class TextTests(SynchronousTestCase):
    """Escaped, and cut."""

    def test_decoded(self) -> None:
        """UTF-8 is what it says; each other byte is the Latin-1 letter of its number."""
        self.assertEqual(decoded("ä\u20ac".encode() + b"\xe4\0"), "ä\u20acä\0")

    @given(st.binary(max_size=40))
    def test_escaped(self, raw: bytes) -> None:
        """Whatever the bytes are, they are ASCII within quotes, and are read back as they were taken."""
        inside = escaped(raw)
        self.assertTrue(inside.isascii())
        self.assertEqual(json.loads(b'"%b"' % inside), decoded(raw))
        self.assertEqual(field(raw), inside)

    @given(st.text(min_size=1), st.integers(LONGEST_FIELD // 2, LONGEST_FIELD * 2))
    def test_cut(self, piece: str, size: int) -> None:
        """What is left of a long text is its beginning and its size; no character of it is cut in two."""
        text = (piece * size)[:size]
        left = cut(text)
        begun, mark, _ = left.partition("\u2026(of ")
        if left != text:
            self.assertTrue(mark and text.startswith(begun))
            self.assertLessEqual(len(json.dumps(begun)) - 2, LONGEST_FIELD)

    def test_members(self) -> None:
        """The members of an object, texts cut and numbers as they are."""
        self.assertEqual(members({"a": "b", "c": 1}), b'"a":"b","c":1')
        read = json.loads(b"{%b}" % members({"a": "b" * 3000, "c": 1}))
        self.assertEqual(read, {"a": cut("b" * 3000), "c": 1})
