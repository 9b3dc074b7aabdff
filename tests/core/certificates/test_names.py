"""Names in certificates as text."""

from __future__ import annotations

import re
import shutil
import subprocess
import unittest

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import elements
from agwtwisted.core.certificates.names import SHORT_NAMES, relative_names, with_marked_values
from agwtwisted.core.certificates.names import common_name as only_common_name
from tests.pki import tlv
from tests.strategies import (
    BMP,
    CHARSETS,
    COMMON_NAME,
    IA5,
    PRINTABLE,
    T61,
    UNIVERSAL,
    UNKNOWN,
    UTF8,
    damaged,
    identifier,
    name,
    names,
    relative_name,
    simple_name,
    string,
    texts,
)

PRINTABLE_ASCII = re.compile(rb"[ -~]*")


def distinguished_name(der: bytes) -> bytes:
    """The text of a whole name, from its DER."""
    (whole,) = elements(der)
    return relative_names(whole.content)


def common_name(text: str, tag: int = UTF8) -> bytes:
    """The text of a name that is this common name alone, without its type."""
    return distinguished_name(simple_name((COMMON_NAME, string(tag, text)))).removeprefix(b"CN=")


def spoken(text: bytes) -> list[list[tuple[str, str]]]:
    """RFC 2253 text read back: relative names in the order of the text, each a list of types and UTF-8 values."""
    token = re.compile(rb"\\([0-9A-F]{2})|\\(.)|([,+=])|(.)")
    relative: list[list[tuple[str, str]]] = [[]]
    words = [b""]
    for found in (*token.finditer(text), None):
        if found and not (found[3] in (b",", b"+") or (found[3] == b"=" and len(words) == 1)):
            words[-1] += bytes.fromhex(found[1].decode()) if found[1] else found[2] or found[3] or found[4]
        elif found and found[3] == b"=":
            words.append(b"")
        else:
            relative[-1].append((words[0].decode(), words[1].decode()))
            words = [b""]
            if found and found[3] == b",":
                relative.append([])
    return relative


class DistinguishedNameTests(SynchronousTestCase):
    """The text of a whole name."""

    def test_most_specific_first(self) -> None:
        """The order is that of RFC 2253, the reverse of the certificate's, with commas and no spaces."""
        types = ("2.5.4.6", "2.5.4.8", "2.5.4.7", "2.5.4.10", "2.5.4.11", COMMON_NAME)
        values = ("US", "NY", "Take", "Contoso", "IoT", "FOO_987654321087654321")
        subject = simple_name(*((kind, string(PRINTABLE, value)) for kind, value in zip(types, values, strict=True)))
        self.assertEqual(distinguished_name(subject), b"CN=FOO_987654321087654321,OU=IoT,O=Contoso,L=Take,ST=NY,C=US")

    def test_several_values_in_one_relative_name(self) -> None:
        """A plus sign joins them, in reverse order as well; a relative name without any leaves no trace."""
        one, two, three = ((COMMON_NAME, string(UTF8, text)) for text in ("1", "2", "3"))
        subject = name(relative_name(one, two), relative_name(), relative_name(three))
        self.assertEqual(distinguished_name(subject), b"CN=3,CN=2+CN=1")

    def test_empty(self) -> None:
        """A name of nothing is the empty text."""
        self.assertEqual(distinguished_name(name()), b"")

    def test_unknown_type(self) -> None:
        """A type without short name is dotted, and its value is the hexadecimal DER even of a readable string."""
        self.assertEqual(distinguished_name(simple_name((UNKNOWN, string(UTF8, "a")))), b"1.3.6.1.4.1.99999.1=#0C0161")

    def test_no_string(self) -> None:
        """A value that is no character string is its DER, under the short name of its type."""
        self.assertEqual(
            distinguished_name(simple_name(("2.5.4.45", tlv(0x03, b"\0\xab")))), b"x500UniqueIdentifier=#030200AB"
        )

    def test_what_cannot_be_taken_apart(self) -> None:
        """Contents that are no relative names at all are dumped whole."""
        self.assertEqual(relative_names(b"\x31"), b"#31")
        self.assertEqual(relative_names(name() + name()), b"#30003000")
        self.assertEqual(distinguished_name(name(tlv(0x30))), b"#3000")
        self.assertEqual(distinguished_name(name(tlv(0x30, b"\5\0"))), b"#30020500")
        self.assertEqual(relative_names(tlv(0x31, tlv(0x30, b"\5\0"))), b"#310430020500")

    def test_attributes_that_are_none(self) -> None:
        """A wrong type of element, or too few or too many of them, make no attribute: the name is dumped."""
        kind, value = identifier(COMMON_NAME), string(UTF8, "a")
        for attribute in (
            tlv(0x31, kind, value),
            tlv(0x30, kind),
            tlv(0x30, kind, value, value),
            tlv(0x30),
            tlv(0x30, value, kind),
        ):
            relative = tlv(0x31, attribute)
            self.assertEqual(distinguished_name(name(relative)), b"#" + relative.hex().upper().encode())
        relative = tlv(0x31, tlv(0x30, tlv(0x0D, kind[2:]), value))
        self.assertEqual(distinguished_name(name(relative)), b"#" + relative.hex().upper().encode())

    def test_long_type(self) -> None:
        """A type longer than any in use makes no attribute: the name is dumped, not cut."""
        subject = simple_name((f"1.2.{2**500}", string(UTF8, "a")))
        self.assertEqual(distinguished_name(subject), b"#" + subject[2:].hex().upper().encode())

    @given(st.one_of(st.binary(max_size=64), names(), damaged(names())))
    def test_always_printable(self, der: bytes) -> None:
        """Whatever the bytes are, the text is printable ASCII: fit for a header and for a log."""
        self.assertTrue(PRINTABLE_ASCII.fullmatch(relative_names(der) + relative_names(der[2:])))

    def test_every_beginning(self) -> None:
        """A name that is cut off anywhere is dumped."""
        relative = (relative_name((COMMON_NAME, string(UTF8, "a,b"))), relative_name((UNKNOWN, string(BMP, "c"))))
        whole = b"".join(relative)
        for end in {*range(1, len(whole))} - {len(relative[0])}:
            self.assertEqual(relative_names(whole[:end]), b"#" + whole[:end].hex().upper().encode())

    @given(st.lists(st.lists(st.tuples(st.sampled_from(["CN", "O"]), texts()), min_size=1, max_size=3), min_size=1))
    def test_text_can_be_read_back(self, relative: list[list[tuple[str, str]]]) -> None:
        """No value can pretend to be another attribute, whatever separators and escapes it holds."""
        types = {"CN": COMMON_NAME, "O": "2.5.4.10"}
        subject = name(
            *(relative_name(*((types[kind], string(UTF8, text)) for kind, text in these)) for these in relative)
        )
        self.assertEqual(spoken(distinguished_name(subject)), [these[::-1] for these in relative[::-1]])


class ValueTests(SynchronousTestCase):
    """The characters of a value."""

    def test_separators_and_quotes(self) -> None:
        """A backslash goes before each character that RFC 2253 gives a meaning, but not before an equals sign."""
        self.assertEqual(common_name('Test, Inc. + "a" <b> c;d\\e=f'), rb"Test\, Inc. \+ \"a\" \<b\> c\;d\\e=f")

    def test_first_and_last_character(self) -> None:
        """A number sign is escaped in front, a space in front and at the end; alone, the space is, the sign is not."""
        self.assertEqual(common_name(" a b "), rb"\ a b\ ")
        self.assertEqual(common_name("#a#"), rb"\#a#")
        self.assertEqual(common_name("##"), rb"\##")
        self.assertEqual(common_name("  "), rb"\ \ ")
        self.assertEqual(common_name("#"), b"#")
        self.assertEqual(common_name(" "), rb"\ ")
        self.assertEqual(common_name(" \n"), rb"\ \0A")

    def test_control_characters(self) -> None:
        """Line ends, escapes of terminals and DEL are hexadecimal."""
        self.assertEqual(common_name("a\r\n\x1b[0m\x7f"), rb"a\0D\0A\1B[0m\7F")

    def test_nul_does_not_end_a_name(self) -> None:
        """A NUL is escaped in every kind of string, and what follows it is there."""
        for tag in CHARSETS:
            self.assertEqual(common_name("victim\0evil", tag), rb"victim\00evil")

    def test_beyond_ascii(self) -> None:
        """The octets of the UTF-8 are hexadecimal in upper case, whatever the string's own encoding."""
        for tag in CHARSETS:
            self.assertEqual(common_name("M\u00fcller", tag), rb"M\C3\BCller")
        for tag in (UTF8, BMP, UNIVERSAL):
            self.assertEqual(common_name("mul\u021bi", tag), rb"mul\C8\9Bi")
        self.assertEqual(common_name("\U0001f511", UNIVERSAL), rb"\F0\9F\94\91")

    def test_single_octet_strings_are_latin_1(self) -> None:
        """As OpenSSL has it, for T61String and for strings that should be ASCII."""
        for tag in (T61, IA5, PRINTABLE):
            subject = simple_name((COMMON_NAME, tlv(tag, b"\xe9")))
            self.assertEqual(distinguished_name(subject), rb"CN=\C3\A9")

    def test_undecodable(self) -> None:
        """Half a surrogate, half a character and what is beyond Unicode are dumped, not dropped."""
        for tag, octets in (
            (BMP, b"\0a\xd8\0\0b"),
            (BMP, b"\0a\0"),
            (UNIVERSAL, b"\0\x11\0\0"),
            (UNIVERSAL, b"\0\0\xd8\0"),
        ):
            value = tlv(tag, octets)
            self.assertEqual(
                distinguished_name(simple_name((COMMON_NAME, value))), b"CN=#" + value.hex().upper().encode()
            )

    def test_octets_that_are_no_utf8(self) -> None:
        """They keep their value: a UTF8String is taken octet by octet."""
        self.assertEqual(distinguished_name(simple_name((COMMON_NAME, tlv(UTF8, b"\xffa")))), rb"CN=\FFa")


class ShortNameTests(SynchronousTestCase):
    """The names of attribute types."""

    def test_those_in_daily_use(self) -> None:
        """The words that rewrite rules look for."""
        expected = {
            COMMON_NAME: b"CN", "2.5.4.6": b"C", "2.5.4.8": b"ST", "2.5.4.7": b"L", "2.5.4.10": b"O", "2.5.4.11": b"OU",
            "1.2.840.113549.1.9.1": b"emailAddress", "2.5.4.5": b"serialNumber", "0.9.2342.19200300.100.1.25": b"DC",
            "0.9.2342.19200300.100.1.1": b"UID", "2.5.4.12": b"title", "2.5.4.42": b"GN", "2.5.4.4": b"SN",
            "2.5.4.9": b"street", "2.5.4.97": b"organizationIdentifier", "1.3.6.1.4.1.311.60.2.1.3": b"jurisdictionC",
        }  # fmt: skip
        for dotted, short_name in expected.items():
            self.assertEqual(SHORT_NAMES[identifier(dotted)[2:]], short_name)

    @unittest.skipUnless(shutil.which("openssl"), "openssl not found")
    def test_they_are_openssl_s(self) -> None:
        """Each one is the name by which the openssl program lists the type."""
        listing = subprocess.run(["openssl", "list", "-objects"], capture_output=True, check=True, text=True).stdout
        known = re.findall(r"^(\S+) = (?:.*, )?(\d+(?:\.\d+)+)$", listing, re.MULTILINE)
        theirs = {identifier(dotted)[2:]: short_name.encode() for short_name, dotted in known}
        self.assertEqual({octets: theirs.get(octets) for octets in SHORT_NAMES}, SHORT_NAMES)


class CommonNameTests(SynchronousTestCase):
    """The one common name of a subject, unescaped."""

    def found(self, *texts: str, tag: int = UTF8) -> bytes:
        """What is found in a name with these common names, among others."""
        attributes = [(COMMON_NAME, string(tag, text)) for text in texts]
        return only_common_name(simple_name(("2.5.4.10", string(UTF8, "Contoso")), *attributes)[2:])

    def test_every_string(self) -> None:
        """Whatever string it is in the certificate, it is UTF-8 here, and nothing is escaped."""
        for tag in CHARSETS:
            self.assertEqual(self.found("a+b, c", tag=tag), b"a+b, c")
        for tag in (UTF8, BMP, UNIVERSAL, T61):
            self.assertEqual(self.found("\xe9", tag=tag), "\xe9".encode())

    def test_none(self) -> None:
        """There is none, several of them, an empty one, or one that is not of printable characters: nothing."""
        for given_names in ((), ("a", "b"), ("a", "a"), ("",), ("a\0b",), ("a\n",), ("\x7f",)):
            self.assertEqual(self.found(*given_names), b"")
        wrong = simple_name((COMMON_NAME, tlv(UTF8, b"\xff")))[2:]
        number = simple_name((COMMON_NAME, tlv(2, b"\1")))[2:]
        self.assertEqual([only_common_name(each) for each in (wrong, number, b"\x31", b"")], [b""] * 4)

    @given(damaged(names()))
    def test_anything(self, der: bytes) -> None:
        """It never raises, and what it finds is printable."""
        self.assertTrue(only_common_name(der[2:]).decode().isprintable())


class MarkedValueTests(SynchronousTestCase):
    """The text of a name for patterns."""

    def test_values(self) -> None:
        """What is special in a value is in hexadecimal, what is special between values stays."""
        for text, marked, kept in (
            (b"CN=a,OU=b+O=c", b"CN=a,OU=b+O=c", b"CN=a,OU=b+O=c"),
            (rb"CN=a\,OU=b,O=c", rb"CN=a\2COU\3Db,O=c", rb"CN=a\,OU\3Db,O=c"),
            (b"OU=CN=a,CN=b", rb"OU=CN\3Da,CN=b", rb"OU=CN\3Da,CN=b"),
            (rb"CN=a\\\,b", rb"CN=a\5C\2Cb", rb"CN=a\\\,b"),
            (rb"CN=\ a\20\C3\A9\+", rb"CN=\20a\20\C3\A9\2B", rb"CN=\ a\20\C3\A9\+"),
            (b"", b"", b""),
            (b"#3003", b"#3003", b"#3003"),
        ):
            self.assertEqual(with_marked_values(text), marked)
            self.assertEqual(with_marked_values(text, escapes=False), kept)

    @given(st.lists(st.lists(st.tuples(st.sampled_from(["CN", "O"]), texts()), min_size=1, max_size=3), min_size=1))
    def test_every_separator_separates(self, relative: list[list[tuple[str, str]]]) -> None:
        """Whatever the values are: an equals sign for each attribute, a comma or a plus between them, nothing lost."""
        types = {"CN": COMMON_NAME, "O": "2.5.4.10"}
        der = name(*(relative_name(*((types[kind], string(UTF8, text)) for kind, text in each)) for each in relative))
        text = distinguished_name(der)
        for marked in (with_marked_values(text), with_marked_values(text, escapes=False)):
            self.assertEqual(marked.count(b"="), sum(map(len, relative)))
            self.assertEqual(spoken(marked), spoken(text))
        pieces = re.split(rb"[,+]", with_marked_values(text))
        self.assertEqual(len(pieces), sum(map(len, relative)))
        self.assertTrue(all(re.match(rb"(CN|O)=", piece) for piece in pieces))
