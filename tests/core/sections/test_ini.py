"""The grammar of the configuration file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place, Problem
from agwtwisted.core.sections.ini import Document, Section, parse

PLACE = Place(file="gw.ini", line=1)


def read(text: str) -> Document:
    """A document from text."""
    return parse(text.encode(), "gw.ini")


def values(text: str) -> dict[str, str]:
    """The keys of the only section of a text that has nothing wrong."""
    document = read(text)
    assert not document.problems, document.problems
    [section] = document.sections
    return {entry.key: entry.value for entry in section.entries}


def uncut(text: str) -> dict[str, str]:
    """The same where `;` begins no comment behind a value."""
    return {entry.key: entry.uncut for section in read(text).sections for entry in section.entries}


def said(text: str | bytes) -> list[str]:
    """The problems of a text."""
    data = text if isinstance(text, bytes) else text.encode()
    return [str(problem) for problem in parse(data, "gw.ini").problems]


class SectionTests(SynchronousTestCase):
    """Lines that begin with a bracket."""

    def headers(self, text: str) -> list[tuple[str, str, int]]:
        """Kind, name and line of each section."""
        return [(section.kind, section.name, section.line) for section in read(text).sections]

    def test_kinds_and_names(self) -> None:
        """A section has a kind and may have a name; white space within the brackets does not matter."""
        text = "[gateway]\n[ssl_profile a.b_c-1]\n[ http_listener\tx ] ; a comment\n"
        expected = [("gateway", "", 1), ("ssl_profile", "a.b_c-1", 2), ("http_listener", "x", 3)]
        self.assertEqual(self.headers(text), expected)
        self.assertEqual(said(text), [])

    def test_title(self) -> None:
        """A section is called what stands between its brackets."""
        self.assertEqual(Section(kind="gateway", place=PLACE).title, "gateway")
        self.assertEqual(Section(kind="probe", name="deep", place=PLACE).title, "probe deep")

    def test_two_part_names(self) -> None:
        """Path rules, rewrite rules and error pages are named in their map, set or listener; others have no slash."""
        good = "[path_rule paths/images]\n[rewrite_rule set/1]\n[custom_error gateway/502]\n"
        self.assertEqual([name for _, name, _ in self.headers(good)], ["paths/images", "set/1", "gateway/502"])
        for bad in ("[path_rule images]", "[path_rule a/b/c]", "[path_rule /b]", "[path_rule a/]", "[probe a/b]"):
            [problem] = said(bad)
            self.assertIn("is not a section", problem)
        for kind, form in {"path_rule": "map/name", "custom_error": "listener/status"}.items():
            [problem] = said(f"[{kind} a]")
            self.assertIn(f"is not a section: write [{kind} {form}]", problem)

    def test_malformed_headers(self) -> None:
        """A header that cannot be read is a problem, and its keys belong to no other section."""
        for bad in ("[", "[]", "[a", "[a b c]", "[a b]x", "[é]", "[a ü]", "[a b\\c]", "[a=1]", "]a["):
            document = read(f"[gateway]\n{bad}\nkey = value\n")
            self.assertEqual([problem.place.line for problem in document.problems], [2], bad)
            self.assertEqual(document.sections[0].entries == (), not bad.startswith("]"), bad)

    def test_same_name_twice(self) -> None:
        """A section that stands twice is a problem which names both lines; one name under two kinds is none."""
        [problem] = said("[probe a]\n\n[probe b]\n[probe a]\n[listener a]\n")
        self.assertEqual(problem, "ERROR gw.ini:4 [probe a] the section is defined here and on line 1")

    def test_both_of_a_name_are_kept(self) -> None:
        """Errors in a duplicate section are reported all the same."""
        self.assertEqual(len(read("[probe a]\n[probe a]\n").sections), 2)


class KeyTests(SynchronousTestCase):
    """Lines with an equals sign."""

    def test_first_equals_sign_counts(self) -> None:
        """Keys end at the first `=`; `:`, `%` and further `=` are part of the value."""
        text = "[a]\nurl = http://x/?a=b%25\nt=1\nempty =\nCase = %(x)s\n"
        self.assertEqual(values(text), {"url": "http://x/?a=b%25", "t": "1", "empty": "", "Case": "%(x)s"})

    def test_line_of_each(self) -> None:
        """An entry knows the line of its key, whatever lines its value takes."""
        [section] = read("[a]\n\nk = 1\n  2\nl = 3\n").sections
        self.assertEqual([(entry.key, entry.line) for entry in section.entries], [("k", 3), ("l", 5)])

    def test_same_key_twice(self) -> None:
        """The problem names both lines, and the first value stands."""
        text = "[a]\nk = 1\nK = 2\nk = 3\n"
        self.assertEqual(said(text), ["ERROR gw.ini:4 [a] the key 'k' is set here and on line 2"])
        self.assertEqual([entry.value for entry in read(text).sections[0].entries], ["1", "2"])

    def test_header_actions_are_told_apart_without_case(self) -> None:
        """Header names have no case (RFC 9110), but keep the one they were written in."""
        [section] = read("[a]\nrequest_header.X-A = 1\nrequest_header.x-a = 2\nresponse_header.X-A = 3\n").sections
        self.assertEqual([entry.key for entry in section.entries], ["request_header.X-A", "response_header.X-A"])
        [problem] = said("[a]\nrequest_header.X-A = 1\nrequest_header.x-a = 2\n")
        self.assertIn("'request_header.x-a' is set here and on line 2", problem)
        [problem] = said("[a]\nresponse_header_matcher.X-A = 1\nresponse_header_matcher.x-a = 2\n")
        self.assertIn("'response_header_matcher.x-a' is set here and on line 2", problem)

    def test_neither_key_nor_section(self) -> None:
        """A line without `=`, or with nothing before it, is a problem."""
        for bad in ("word", "= value", "=", "key : value"):
            [problem] = said(f"[a]\n{bad}\n")
            self.assertIn("is not a section, a key = value or a comment", problem)

    def test_key_before_the_first_section(self) -> None:
        """It is a problem, reported once for all of them, and the keys are nowhere."""
        text = "a = 1\nb = 2\n[c]\n"
        self.assertEqual(said(text), ["ERROR gw.ini:1 a key before the first section"])
        self.assertEqual([section.entries for section in read(text).sections], [()])


class ValueTests(SynchronousTestCase):
    """Continuations and comments."""

    def test_continuation(self) -> None:
        """An indented line goes on with the value, with its newline; also when the key's own line is empty."""
        text = "[a]\nk = 1,\n  2\n\t3\nl =\n  x\n"
        self.assertEqual(values(text), {"k": "1,\n2\n3", "l": "x"})

    def test_blank_line_ends_a_value(self) -> None:
        """After a blank line an indented one continues nothing."""
        for blank in ("", "  ", "\t"):
            [problem] = said(f"[a]\nk = 1\n{blank}\n  2\n")
            self.assertEqual(problem, "ERROR gw.ini:4 [a] is indented, but there is no value above it to continue")
        [problem] = said("[a]\n  k = 1\n")
        self.assertIn("gw.ini:2 [a] is indented", problem)

    def test_comment_lines(self) -> None:
        """`;` and `#` begin a comment at the start of a line, `;` also indented; such a line does not end a value."""
        text = "# one\n;two\n[a]\nk = 1\n# three\n    ; four\n  2\n"
        self.assertEqual(values(text), {"k": "1\n2"})

    def test_comment_behind(self) -> None:
        """White space and a semicolon begin a comment; a `#` or a semicolon within a word does not."""
        text = "[a]\na = 1 ; one\nb = 2;3\nc = 4 # 5\nd = ; six\ne = 7\t;8\n  9 ; ten\nf =;g\n"
        self.assertEqual(values(text), {"a": "1", "b": "2;3", "c": "4 # 5", "d": "", "e": "7\n9", "f": ";g"})
        [problem] = said("[a]\nb ; c = 1\n")
        self.assertIn("'b' is not a section, a key = value or a comment", problem)

    def test_uncut(self) -> None:
        r"""The other reading has what is behind the semicolon, too, but no lines that are comments."""
        text = "[a]\na = 1 ; one\nd = ; six\ne = 7\t;8 \n  ; nine\n  9 ; \\;ten\nf = g;\n"
        self.assertEqual(uncut(text), {"a": "1 ; one", "d": "; six", "e": "7\t;8\n9 ; ;ten", "f": "g;"})

    def test_literal_semicolon(self) -> None:
        r"""`\;` is a semicolon, also behind white space; other backslashes stay."""
        text = "[a]\na = 1 \\; 2 ; three\nb = c\\d\\\\;\n  \\;e\n"
        self.assertEqual(values(text), {"a": "1 ; 2", "b": "c\\d\\;\n;e"})


class BytesTests(SynchronousTestCase):
    """What a file may be made of."""

    def test_wide_characters(self) -> None:
        """A file that an editor saved as UTF-16 is reported once, and not line by line."""
        for encoding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            data = "[gateway]\naccess_log = -\n".encode(encoding)
            self.assertEqual(parse(data, "gw.ini").sections, ())
            self.assertEqual(
                [str(each) for each in parse(data, "gw.ini").problems],
                ["ERROR gw.ini:1 is UTF-16 text: save it as UTF-8"],
            )

    def test_bom_and_crlf(self) -> None:
        """A byte order mark and CRLF are accepted, so that an editor of Windows does no harm."""
        document = parse(b"\xef\xbb\xbf[a]\r\nk = 1\r\n  2\r\n", "gw.ini")
        self.assertEqual(document.problems, ())
        self.assertEqual(document.sections[0].entries[0].value, "1\n2")

    def test_not_utf8(self) -> None:
        """A line that is not UTF-8 is a problem of that line; the others are read."""
        self.assertEqual(said(b"[a]\nk = \xff\nl = 1\nx\n")[0], "ERROR gw.ini:2 [a] is not UTF-8 (byte 5 of the line)")
        self.assertEqual(len(said(b"[a]\nk = \xff\nl = 1\nx\n")), 2)

    def test_control_characters(self) -> None:
        """A file with control characters is not a text file; a tab is white space."""
        for bad in ("\0", "\x1b", "\x7f", "\r", "\x0b"):
            self.assertIn("contains a control character", said(f"[a]\nk = 1{bad}2\n")[0])
        self.assertEqual(values("[a]\nk\t=\t1\n"), {"k": "1"})

    def test_other_line_separators_are_text(self) -> None:
        """Only LF ends a line: what Unicode holds for separators cannot smuggle a key in."""
        self.assertEqual(values("[a]\nk = 1\u2028l = 2\n"), {"k": "1\u2028l = 2"})

    def test_messages_are_printable_lines(self) -> None:
        """What a message repeats of the file is escaped."""
        [problem] = said("[a]\n\u202eevil\n")
        self.assertTrue(problem.isprintable())

    def test_long_lines(self) -> None:
        """White space without end is read in linear time."""
        self.assertEqual(values("[a]\nk = 1" + " " * 1_000_000), {"k": "1"})


LINES = st.lists(
    st.sampled_from(
        ["[a]", "[a b]", "[", "k = 1", "k = 2", "  more", "\t", "", "; c", "# c", "x", "k = 1 ; c", "\\;", "é"]
    )
    | st.text(max_size=20),
    max_size=30,
).map("\n".join)


class AnyInputTests(SynchronousTestCase):
    """Whatever stands in a file, the answer is a document."""

    def check(self, document: Document, lines: int) -> None:
        """Every line named exists, and each key stands once in its section."""
        for problem in document.problems:
            self.assertIsInstance(problem, Problem)
            self.assertTrue(1 <= problem.place.line <= lines)
            self.assertTrue(str(problem).isprintable())
        for section in document.sections:
            keys = [entry.key for entry in section.entries]
            self.assertEqual(len(keys), len(set(keys)))
            self.assertTrue(all(section.line < entry.line <= lines for entry in section.entries))

    @given(st.binary())
    def test_bytes(self, data: bytes) -> None:
        """Arbitrary bytes."""
        self.check(parse(data, "gw.ini"), data.count(b"\n") + 1)

    @given(LINES)
    def test_lines(self, text: str) -> None:
        """Lines that nearly are a configuration."""
        self.check(read(text), text.count("\n") + 1)

    @given(LINES, st.integers(min_value=0))
    def test_cut_short(self, text: str, length: int) -> None:
        """A file cut off anywhere, in the middle of a character too."""
        data = text.encode()[: length % (len(text.encode()) + 1)]
        self.check(parse(data, "gw.ini"), data.count(b"\n") + 1)

    @given(
        st.dictionaries(
            st.from_regex(r"[a-z_]{1,10}", fullmatch=True), st.from_regex(r"[!-:<-~]{0,20}", fullmatch=True)
        )
    )
    def test_what_is_written_is_read(self, entries: dict[str, str]) -> None:
        """Keys and values without semicolon and backslash come out as they went in."""
        entries = {key: value.replace("\\", "") for key, value in entries.items()}
        text = "[a]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        self.assertEqual(values(text), entries)
