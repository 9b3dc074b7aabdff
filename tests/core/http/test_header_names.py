"""Header names of requests: which are forwarded, which only the gateway may say, and which are counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.http.managed import MANAGED_NAMES, canonical
from tests.requests import head_of, managed_names


class HeaderNameTests(SynchronousTestCase):
    """What becomes of a line, by its name."""

    @given(managed_names(), st.booleans())
    def test_managed_headers(self, name: bytes, reject: bool) -> None:
        """No spelling of a managed name goes on, nor makes a request bad."""
        self.assertEqual(head_of((name, b"a"), names=HeaderNames(reject_odd=reject)).headers, ())

    @given(st.text("xX-_.oO", min_size=1, max_size=5).map(str.encode))
    def test_more_managed_headers(self, name: bytes) -> None:
        """Names that a configuration adds are managed in every spelling too."""
        names = HeaderNames(frozenset({canonical(name)}))
        self.assertTrue(names.is_managed(name))
        self.assertEqual(head_of((name, b"a"), names=names).headers, ())

    def test_managed_special_headers(self) -> None:
        """What is looked at and goes on is managed too where a rule identifies the client by it."""
        for name in (b"Authorization", b"User-Agent", b"X-Forwarded-For"):
            for names, kept in ((HeaderNames(), True), (HeaderNames(frozenset({canonical(name)})), False)):
                head = head_of((name, b"a"), names=names)
                self.assertEqual(b"a" in (head.forwarded_for, *dict(head.headers).values()), kept, name)

    def test_names_are_remembered_within_bounds(self) -> None:
        """However many names clients invent, few are remembered, long ones never; the answer stays the same."""
        names = HeaderNames()
        for number in range(5000):
            names.kind(b"X-%d" % number)
        names.kind(b"X" * 1000)
        self.assertLessEqual(len(names.known), 1024)
        self.assertNotIn(b"X" * 1000, names.known)
        self.assertEqual(head_of((b"X-4999", b"a"), names=names).headers, ((b"X-4999", b"a"),))
        self.assertEqual(head_of((b"x_client_certificate", b"a"), names=names).headers, ())

    def test_dropped_names_are_told(self) -> None:
        """Each odd name is logged the first time, the tenth and the hundredth, and there is an end to names."""
        told: list[tuple[bytes, int]] = []
        names = HeaderNames(tell_dropped=lambda name, count: told.append((name, count)))
        for _ in range(101):
            head_of((b"X_A", b"1"), (b"X-B", b"2"), names=names)
        self.assertEqual(told, [(b"X_A", 1), (b"X_A", 10), (b"X_A", 100)])
        for number in range(2000):
            head_of((b"_%d" % number, b""), names=names)
        self.assertEqual(len(told), 3 + 1023)

    def test_long_dropped_names(self) -> None:
        """Of a long odd name the beginning is kept and logged."""
        told: list[tuple[bytes, int]] = []
        names = HeaderNames(tell_dropped=lambda name, count: told.append((name, count)))
        for end in (b"a", b"b"):
            head_of((b"_" * 30_000 + end, b""), names=names)
        self.assertEqual(told, [(b"_" * 64, 1)])


class ManagedNameTests(SynchronousTestCase):
    """Names that clients may not set."""

    def test_managed_names_are_dropped_first(self) -> None:
        """A name is managed before it is anything else: none of them means something to this module."""
        self.assertEqual({HeaderNames().kind(name) for name in MANAGED_NAMES}, {b"-"})
