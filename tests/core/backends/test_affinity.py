"""Cookies that stand for servers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.affinity import DEFAULT_NAME, Affinity, cookie_name, cookie_value
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.header_lines import Header

KEY = bytes(range(32))
ONE, OTHER = cookie_value(KEY, "s", "one", "80"), cookie_value(KEY, "s", "other", "80")
NAME = b"ApplicationGatewayAffinity"


def affinity(name: str = DEFAULT_NAME) -> Affinity[str]:
    """The cookies of two servers."""
    return Affinity(name, {"one": ONE, "other": OTHER})


def cookies(*values: bytes) -> list[Header]:
    """The header lines of a request with these Cookie headers, among others."""
    return [(b"Accept", b"*/*"), *((b"Cookie", value) for value in values), (b"Cookies", NAME + b"=" + ONE)]


class ValueTests(SynchronousTestCase):
    """What stands for a server."""

    def test_form(self) -> None:
        """32 hex digits, in which no address can be read."""
        self.assertRegex(ONE.decode(), r"\A[0-9a-f]{32}\Z")

    def test_known(self) -> None:
        """It is the beginning of an HMAC-SHA256, made elsewhere."""
        # printf 's\0one\00080' | openssl mac -digest SHA256 -macopt hexkey:000102...1f HMAC
        self.assertEqual(ONE, b"0419d7d9bf031f2fb867d17c11119a69")

    def test_differs(self) -> None:
        """Another key, server, port or settings, and however these are put together: another value."""
        values = {
            cookie_value(KEY, "s", "one", "80"),
            cookie_value(bytes(32), "s", "one", "80"),
            cookie_value(KEY, "t", "one", "80"),
            cookie_value(KEY, "s", "two", "80"),
            cookie_value(KEY, "s", "one", "81"),
            cookie_value(KEY, "so", "ne", "80"),
        }
        self.assertEqual(len(values), 6)


class NewServerTests(SynchronousTestCase):
    """A server that the pool got while a request was under way."""

    def test_no_cookie(self) -> None:
        """It has no value yet, so that its clients are not bound to it by this response."""
        self.assertEqual(affinity().lines("new", (), secure=True), ())


class RequestTests(SynchronousTestCase):
    """What a client sends."""

    def servers(self, *values: bytes, name: str = DEFAULT_NAME) -> list[str]:
        """The servers that these Cookie headers stand for."""
        return [*affinity(name).servers(cookies(*values))]

    def test_found(self) -> None:
        """Both cookies count, wherever they stand."""
        for value in (
            b"%b=%b",
            b"%bCORS=%b",
            b"a=b; %b=%b",
            b"%b=%b; a=b",
            b"a;%b=%b;b",
            b"a=1;\t %b=%b ;",
        ):
            self.assertEqual(self.servers(value % (NAME, ONE)), ["one"], value)

    def test_not_found(self) -> None:
        """Other names and values stand for no server."""
        for value in (
            b"",
            b"%b=%b" % (NAME, cookie_value(KEY, "s", "nobody", "80")),
            b"%b=%b" % (NAME, ONE.upper()),
            b"%b=%b0" % (NAME, ONE),
            b"%b=%b" % (NAME, ONE[:-1]),
            b'%b="%b"' % (NAME, ONE),
            b"x%b=%b" % (NAME, ONE),
            b"a=%b=%b" % (NAME, ONE),
            b"a %b=%b" % (NAME, ONE),
            b"%b=%b" % (NAME.lower(), ONE),
            b"%bCors=%b" % (NAME, ONE),
            b"%b =%b" % (NAME, ONE),
            b"%b=%b\n" % (NAME, ONE),
        ):
            self.assertEqual(self.servers(value), [], value)

    def test_several(self) -> None:
        """In their order, those of several headers as well."""
        first = b"%b=%b; %bCORS=%b" % (NAME, OTHER, NAME, ONE)
        self.assertEqual(self.servers(first, b"a=b", b"%b=%b" % (NAME, OTHER)), ["other", "one", "other"])

    def test_header_name(self) -> None:
        """In whatever spelling."""
        self.assertEqual(affinity().servers([(b"cOOKIE", NAME + b"=" + ONE)]), ("one",))

    def test_own_name(self) -> None:
        """A name of one's own is no pattern."""
        self.assertEqual(self.servers(b"a.b=" + ONE, name="a.b"), ["one"])
        self.assertEqual(self.servers(b"axb=" + ONE, name="a.b"), [])
        self.assertEqual(self.servers(NAME + b"=" + ONE, name="a.b"), [])

    @given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([NAME + b"=" + ONE, b";", b" ", NAME]))))
    def test_any_bytes(self, pieces: list[bytes]) -> None:
        """Whatever comes, it is read, and a cookie that stands for itself between others is found."""
        value = b"".join(pieces)
        self.servers(value)
        self.assertIn("one", self.servers(b"%b;%b=%b;%b" % (value, NAME, ONE, value)))

    def test_large(self) -> None:
        """A header as large as may be is read, whatever it is filled with."""
        for piece in (b";", b" ", b"; ", NAME, NAME + b"=", NAME + b"=" + ONE + b"x;", b";" + NAME + b"=00"):
            value = piece * (32768 // len(piece))
            self.assertEqual(self.servers(value), [])
        self.assertEqual(len(self.servers(b"%b=%b;" % (NAME, ONE) * 500)), 500)


class ResponseTests(SynchronousTestCase):
    """The bytes that a client sends."""

    def lines(self, *sent: bytes, server: str = "one", secure: bool = True, name: str = DEFAULT_NAME) -> list[bytes]:
        """The values of Set-Cookie after these Cookie headers."""
        lines = affinity(name).lines(server, cookies(*sent), secure=secure)
        self.assertEqual({name for name, _ in lines} - {b"Set-Cookie"}, set())
        return [value for _, value in lines]

    def test_new_client(self) -> None:
        """Both cookies, the second for cross-site requests."""
        self.assertEqual(
            self.lines(),
            [
                b"ApplicationGatewayAffinity=%b; Path=/" % ONE,
                b"ApplicationGatewayAffinityCORS=%b; Path=/; SameSite=None; Secure" % ONE,
            ],
        )

    def test_without_tls(self) -> None:
        """The first alone, where a secure cookie would not be taken."""
        self.assertEqual(self.lines(secure=False), [b"ApplicationGatewayAffinity=%b; Path=/" % ONE])

    def test_own_name(self) -> None:
        """Both have the name of the settings."""
        self.assertEqual([line.partition(b"=")[0] for line in self.lines(name="own")], [b"own", b"ownCORS"])

    def test_right_ones(self) -> None:
        """Nothing is said to a client that sent them, or one of them."""
        both = b"%b=%b; %bCORS=%b" % (NAME, ONE, NAME, ONE)
        for sent in (both, b"%b=%b" % (NAME, ONE), b"%bCORS=%b" % (NAME, ONE)):
            for secure in (True, False):
                self.assertEqual(self.lines(sent, secure=secure), [])

    def test_wrong_ones(self) -> None:
        """Both are set anew where one of them stands for another server, or for none."""
        unknown = cookie_value(KEY, "s", "nobody", "80")
        for sent in (
            b"%b=%b" % (NAME, OTHER),
            b"%b=%b" % (NAME, unknown),
            b"%b=%b; %bCORS=%b" % (NAME, ONE, NAME, OTHER),
            b"%b=junk" % NAME,
        ):
            self.assertEqual(len(self.lines(sent)), 2, sent)


class NameTests(SynchronousTestCase):
    """`affinity_cookie_name`."""

    def test_names(self) -> None:
        """Tokens are names."""
        for text in ("a", "ApplicationGatewayAffinity", "__Host-x", "a.b|c~d", "a" * 128):
            self.assertEqual(cookie_name(text), text)

    def test_no_names(self) -> None:
        """Nothing that would end the name, or the header."""
        for text in ("", "a b", "a=b", "a;b", "a,b", "a\nb", "ä", '"a"', "a" * 129):
            with self.assertRaises(UnacceptableError, msg=text):
                cookie_name(text)
