"""Elements as positions."""

from __future__ import annotations

import mmap
import tempfile

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError, elements
from agwtwisted.core.certificates.der_spans import Span, child_spans, header_at, span_at
from tests import pki
from tests.pki import tlv


class SpanTests(SynchronousTestCase):
    """`span_at` and `child_spans`."""

    @given(st.lists(st.tuples(st.sampled_from((0x02, 0x04, 0x30, 0x17)), st.binary(max_size=300)), max_size=5))
    def test_the_same_elements(self, parts: list[tuple[int, bytes]]) -> None:
        """The children of an element are those that `der` hands out, at their positions."""
        data = tlv(0x30, *(tlv(tag, content) for tag, content in parts))
        whole = span_at(data, 0, len(data))
        children = child_spans(data, whole, 5)
        self.assertEqual([(each.tag, data[each.start : each.end]) for each in children], parts)
        self.assertEqual(b"".join(data[each.at : each.end] for each in children), data[whole.start : whole.end])

    def test_certificates(self) -> None:
        """A certificate has the same parts in both readers."""
        data = pki.self_signed().der
        children = child_spans(data, span_at(data, 0, len(data)), 3)
        expected = [(each.tag, each.content) for each in elements(elements(data)[0].content)]
        self.assertEqual([(each.tag, data[each.start : each.end]) for each in children], expected)

    def test_mapped_files(self) -> None:
        """Bytes of a mapped file are read in the same way."""
        with tempfile.TemporaryFile() as file:
            file.write(tlv(0x30, tlv(0x02, b"\1")))
            file.flush()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                self.assertEqual(child_spans(data, span_at(data, 0, len(data)), 1), (Span(0x02, 2, 4, 5),))

    def test_only_der(self) -> None:
        """Lengths that are indefinite, longer than needed or beyond the data are refused, as are large tag numbers."""
        for data in ("3080020101" + "0000", "308103020101", "30820003020101", "3003", "30", "", "3082", "3f03020101"):
            octets = bytes.fromhex(data)
            with self.assertRaises(DerError, msg=data):
                span_at(octets, 0, len(octets))

    def test_limits(self) -> None:
        """An element ends within the one that it is in, and has as many children as were asked for."""
        data = tlv(0x30, tlv(0x02, b"\1"), tlv(0x02, b"\2")) + b"\0" * 9
        with self.assertRaises(DerError):
            span_at(data, 0, 7)
        with self.assertRaises(DerError):
            child_spans(data, span_at(data, 0, 8), 1)
        self.assertEqual(header_at(bytes.fromhex("3084ffffffff"), 0, 6), (6, 2**32 - 1))
