"""Host names and addresses as a configuration may spell them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http import host_names
from agwtwisted.core.http.host_names import intersect, is_address, listener_host_name, overlap, server_name


class Refusing(SynchronousTestCase):
    """A test case that knows what must not be taken."""

    def refused(self, convert: Callable[[str], Any], *texts: str) -> None:
        """None of the texts is taken."""
        for text in texts:
            try:
                self.fail(f"{text!r} was taken as {convert(text)!r}")
            except UnacceptableError as error:
                self.assertIn("has" if "has" in error.message else "is", error.message)


class ListenerHostNameTests(Refusing):
    """Names of listeners."""

    def test_one_form(self) -> None:
        """Names are compared in lower case, without trailing dot, in A-labels."""
        forms = {
            "API.Example.COM": "api.example.com",
            "api.example.com.": "api.example.com",
            "Bücher.example": "xn--bcher-kva.example",
            "BÜCHER.example": "xn--bcher-kva.example",
            "xn--bcher-kva.example": "xn--bcher-kva.example",
            "bücher。example": "xn--bcher-kva.example",
            "*.Bücher.example": "*.xn--bcher-kva.example",
            "localhost": "localhost",
            "a-1.b": "a-1.b",
            "127.0.0.1": "127.0.0.1",
        }
        self.assertEqual({text: listener_host_name(text) for text in forms}, forms)

    def test_no_host_names(self) -> None:
        """What DNS would not take is refused."""
        self.refused(
            listener_host_name, "", ".", "..", "a..b", ".a", "a.b..", "-a.b", "a-.b", "a_b.c", "a b", "a:80", "[::1]"
        )
        self.refused(
            listener_host_name,
            "a/b",
            "http://a",
            "a\nb",
            "a\0",
            "x" * 64,
            ".".join(["x" * 63] * 4),
            "\u200d.com",
            "-ü.de",
        )

    def test_longest_names(self) -> None:
        """Labels of 63 and names of 253 characters are the longest of DNS."""
        longest = ".".join(["x" * 63, "x" * 63, "x" * 63, "x" * 61])
        self.assertEqual(listener_host_name(longest), longest)
        self.refused(listener_host_name, f"{longest}x")

    def test_wildcards(self) -> None:
        """The product's rules: one star a label, two a name, four wildcards a name, none side by side with a star."""
        for good in ("*.contoso.com", "*", "a*b.com", "*.*.com", "??.com", "a?.b?.*.*", "*.a?b.com", "shop-*.eu"):
            self.assertEqual(listener_host_name(good), good)
        self.refused(
            listener_host_name, "**.com", "*?.com", "?*.com", "a*b*.com", "*.*.*.com", "?????.com", "*.*.???", "*ü.de"
        )

    @given(st.text(alphabet="aA0-.*?_ü: \n", max_size=12) | st.text())
    def test_any_text(self, text: str) -> None:
        """The form is ASCII, its own form, and the only other outcome is a refusal."""
        try:
            name = listener_host_name(text)
        except UnacceptableError:
            return
        self.assertTrue(name.isascii() and name == name.lower() and not name.endswith("."))
        self.assertEqual(listener_host_name(name), name)


class BackendTests(Refusing):
    """Servers of a pool."""

    def test_host_and_port(self) -> None:
        """Names and addresses with or without port; IPv6 in brackets where a port follows."""
        forms: dict[str, tuple[str, int | None]] = {
            "127.0.0.1": ("127.0.0.1", None),
            "app-2.Internal": ("app-2.internal", None),
            "app_1:8080": ("app_1", 8080),
            "10.0.0.7:9000": ("10.0.0.7", 9000),
            "::1": ("::1", None),
            "[0:0:0:0:0:0:0:1]": ("::1", None),
            "[::1]:9000": ("::1", 9000),
        }
        self.assertEqual({text: host_names.host_and_port(text) for text in forms}, forms)

    def test_refusals(self) -> None:
        """What is neither, or half an address, is refused rather than looked up."""
        bad = (
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a:80:90",
            "300.1.1.1",
            "127.1",
            "10.0.0.07",
            "*.a",
            "a b",
            "[::1",
            "::1]",
            "[a]:80",
        )
        self.refused(host_names.host_and_port, *bad)
        self.refused(
            host_names.host_and_port,
            "http://a",
            "a/b",
            "1.2.3.4.5",
            "fe80::1%eth0",
            "::1%a\nb",
            "[]",
            "[]:80",
            "::1:99999",
            "a@b",
            "a,b",
        )

    def test_host_header(self) -> None:
        """What is sent as Host has its port, and brackets around IPv6."""
        self.assertEqual(host_names.host_header("App.internal:8080"), "app.internal:8080")
        self.assertEqual(host_names.host_header("::1"), "[::1]")
        self.assertEqual(host_names.host_header("[::1]:80"), "[::1]:80")
        self.refused(host_names.host_header, "a\r\nX: y", "::1%a\r\nX: y", "a b", "*.example.com")

    @given(st.text(alphabet="a0.:[]-_ü%", max_size=12) | st.text())
    def test_any_text(self, text: str) -> None:
        """A host is never empty, nor anything that ends a header."""
        try:
            host, port = host_names.host_and_port(text)
        except UnacceptableError:
            return
        self.assertTrue(re.fullmatch(r"[!-~]+", host))
        self.assertTrue(port is None or 1 <= port <= 65535)


class ListenerAddressTests(Refusing):
    """Where a listener listens."""

    def test_one_form(self) -> None:
        """Addresses are compared in their canonical form."""
        forms = {"0.0.0.0": "0.0.0.0", "127.0.0.1": "127.0.0.1", "0:0::1": "::1", "FE80::1": "fe80::1", "::": "::"}
        self.assertEqual({text: host_names.listener_address(text) for text in forms}, forms)

    def test_refusals(self) -> None:
        """Names are looked up nowhere, and an IPv4 address has one form."""
        self.refused(
            host_names.listener_address,
            "",
            "localhost",
            "127.1",
            "[::1]",
            "127.0.0.1:80",
            "::ffff:127.0.0.1",
            "eth0",
            "*",
        )

    def test_loopback(self) -> None:
        """All of 127.0.0.0/8 and ::1 are this machine alone; the wildcard is not."""
        loopback = [
            host_names.is_loopback(each) for each in ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.0.0.1")
        ]
        self.assertEqual(loopback, [True, True, True, False, False, False])

    def test_overlap(self) -> None:
        """A wildcard takes in the addresses of its family; others keep apart."""
        for one, other in (("0.0.0.0", "127.0.0.1"), ("::", "::1")):
            self.assertTrue(overlap(one, other), (one, other))
            self.assertTrue(overlap(other, one), (one, other))
        for one, other in (
            ("127.0.0.1", "127.0.0.2"),
            ("0.0.0.0", "::1"),
            ("::1", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::", "127.0.0.1"),
            ("::", "0.0.0.0"),
        ):
            self.assertFalse(overlap(one, other), (one, other))


PATTERNS = st.text(alphabet="ab.*?", max_size=6)


def fits(pattern: str, name: str) -> bool:
    """What a pattern means, by way of regular expressions."""
    translated = "".join({"*": ".*", "?": "."}.get(each, re.escape(each)) for each in pattern)
    return re.fullmatch(translated, name) is not None


class IntersectTests(SynchronousTestCase):
    """Whether two patterns have a name in common."""

    def test_examples(self) -> None:
        """Wildcards meet in the middle, and a star may stand for nothing or for dots."""
        for one, other in (
            ("*", "a.b"),
            ("*.a.com", "x.y.a.com"),
            ("a*", "*b"),
            ("a?c", "*bc"),
            ("*.com", "a.*"),
            ("a", "a"),
        ):
            self.assertTrue(intersect(one, other), (one, other))
            self.assertTrue(intersect(other, one), (one, other))
        for one, other in (
            ("a", "b"),
            ("*.a.com", "a.com"),
            ("a*b", "a*c"),
            ("?", "ab"),
            ("*.com", "*.org"),
            ("??", "?"),
        ):
            self.assertFalse(intersect(one, other), (one, other))
            self.assertFalse(intersect(other, one), (one, other))

    @given(PATTERNS, st.text(alphabet="ab.", max_size=6))
    def test_name_against_pattern(self, pattern: str, name: str) -> None:
        """With a plain name it is the ordinary match."""
        self.assertEqual(intersect(pattern, name), fits(pattern, name))

    @given(PATTERNS, PATTERNS, st.text(alphabet="ab.", max_size=8))
    def test_common_name(self, one: str, other: str, name: str) -> None:
        """A name that fits both is proof that they intersect, and order does not matter."""
        if fits(one, name) and fits(other, name):
            self.assertTrue(intersect(one, other))
        self.assertEqual(intersect(one, other), intersect(other, one))


class ServerNameTests(SynchronousTestCase):
    """Names that are sent to servers."""

    def test_names(self) -> None:
        """In lower case, with underscores, without a dot at the end."""
        self.assertEqual(server_name("App_1.Example."), "app_1.example")

    def test_others(self) -> None:
        """No addresses, no ports, nothing that is no name."""
        for text in ("192.0.2.1", "::1", "a:1", "[::1]", "a..b", "1.2", ""):
            self.assertRaises(UnacceptableError, server_name, text)


class AddressTests(SynchronousTestCase):
    """What some clients send as a server name."""

    def test_addresses(self) -> None:
        """IPv4 and IPv6 literals, with and without brackets."""
        for name in ("192.0.2.1", "::1", "[::1]", "2001:db8::1"):
            self.assertTrue(is_address(name), name)

    def test_names(self) -> None:
        """A name is none, and neither is what looks a little like an address."""
        for name in ("", "a.example", "1.example", "1.2.3", "1", "a:1", "fe80::1%eth0", "...", "256.1.1.1"):
            self.assertFalse(is_address(name), name)
