"""From the bytes of a file to a configuration, or to everything that is wrong with it."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place, Problem, Severity
from agwtwisted.core.configuration.parsing import parse, parse_document
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Entry
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.verification import chains
from tests import pki
from tests.configurations import FILE, GOOD, changed, files, load, said

UNSERVED = "no request_routing_rule names this listener, so it is not bound"

WRONG = """\
[gatway]

[gateway]
max_connections = many
unknown = 1

[http_listener a]
port = 70000
protocol = Tls

[http_listener a]
port = 80
protocol = Http

[probe]
  x
[trusted_client_certificate c]
file = none.pem

[request_routing_rule r]
priority = 1
http_listener = b
"""


class ParseTests(SynchronousTestCase):
    """A whole file."""

    def test_good_file(self) -> None:
        """A right one gives a configuration without warnings."""
        config = load()
        self.assertEqual(len(config.http_listeners), 1)
        self.assertEqual(len(config.request_routing_rules), 1)
        self.assertEqual(config.warnings, ())

    def test_every_problem_in_one_run(self) -> None:
        """Grammar, keys, files and references are reported together, in the order of the file."""
        lines = said(WRONG)
        places = [line.split()[1] for line in lines]
        self.assertEqual(
            places,
            [f"{FILE}:{line}" for line in (1, 4, 5, 7, 8, 9, 11, 15, 15, 16, 18, 20, 20, 22)],
            lines,
        )
        warnings = [line for line in lines if not line.startswith("ERROR ")]
        self.assertEqual(warnings, [f"WARNING {FILE}:7 [http_listener a] {UNSERVED}"])

    def test_warnings(self) -> None:
        """What is unwise does not stop the start: the configuration carries it."""
        config = load(GOOD + "\n[ssl_profile unused]\nverify_client_auth_mode = Passthrough\n")
        self.assertEqual([str(warning).split()[0] for warning in config.warnings], ["WARNING"])

    def test_warnings_among_errors(self) -> None:
        """Where there are errors, the warnings are among them."""
        lines = said(
            changed(("port = 9000", "port = 0")) + "\n[ssl_profile unused]\nverify_client_auth_mode = Passthrough\n"
        )
        self.assertEqual([line.split()[0] for line in lines], ["ERROR", "WARNING"])

    def test_nothing_to_listen_to(self) -> None:
        """A gateway without a listener is no gateway."""
        for text in ("", "; nothing\n", "[gateway]\n"):
            self.assertEqual(said(text), [f"ERROR {FILE} serves nothing: it has no http_listener and no listener"])
        self.assertEqual(len(said("[http_listener a\n")), 1)

    def test_unknown_kinds(self) -> None:
        """The nearest kind is offered, among those of later versions too."""
        self.assertIn(
            "unknown kind of section 'ssl_profil'; did you mean 'ssl_profile'?", said(f"{GOOD}[ssl_profil a]\n")[0]
        )
        self.assertIn("did you mean 'url_path_map'?", said(f"{GOOD}[url_pathmap a]\n")[0])
        self.assertIn("unknown kind of section 'DEFAULT'", said(f"{GOOD}[DEFAULT]\n")[0])

    def test_names_of_sections(self) -> None:
        """Every section but [gateway], [control] and [arm] has a name."""
        for kind in KINDS:
            if kind in ("control", "arm"):
                lines = said(f"{GOOD}\n[{kind} main]\n")
                self.assertIn(f"has a name, but there is only one: write [{kind}]", lines[-1])
            elif kind == "gateway":
                lines = said(changed(("[gateway]", "[gateway main]")))
                self.assertIn("has a name, but there is only one: write [gateway]", lines[0])
            elif kind in TWO_PARTS:
                for header in (kind, f"{kind} x"):
                    [line] = said(f"{GOOD}\n[{header}]\n")
                    self.assertIn(f"'[{header}]' is not a section: write [{kind} {TWO_PARTS[kind]}]", line)
            else:
                lines = said(f"{GOOD}\n[{kind}]\n")
                self.assertIn(f"has no name: write [{kind} NAME]", lines[0])
                self.assertFalse(any("names this listener" in line for line in lines), lines)

    def test_whole_or_not_at_all(self) -> None:
        """A section that is lost without a reason stops the start, and so do those that depend on it."""
        self.patch(chains, "read_chain", lambda *_: ())
        lines = said(GOOD)
        sections = ["trusted_client_certificate devices", "ssl_profile strict", "http_listener public"]
        self.assertEqual(len(lines), 4, lines)
        for section, line in zip([*sections, "request_routing_rule public"], lines, strict=True):
            self.assertTrue(line.startswith("ERROR") and f"[{section}] could not be built" in line, line)

    def test_own_mode(self) -> None:
        """A configuration that others may write is refused; one that they may read is not."""
        for mode, refused in ((0o100600, False), (0o644, False), (0o664, False), (0o602, True), (0o100666, True)):
            try:
                parse(GOOD.encode(), FILE, files().read, mode=mode, now=pki.NOW)
                said_no = False
            except ConfigError as error:
                said_no = "can be written by other users" in str(error)
            self.assertEqual(said_no, refused, oct(mode))


class DocumentTests(SynchronousTestCase):
    """Sections that were not read of one INI file."""

    def document(self, **changes: Entry) -> ini.Document:
        """GOOD, with the entries of these keys replaced wherever they stand."""
        document = ini.parse(GOOD.encode(), FILE)
        sections = [
            attrs.evolve(section, entries=tuple(changes.get(entry.key, entry) for entry in section.entries))
            for section in document.sections
        ]
        return attrs.evolve(document, sections=tuple(sections))

    def entry(self, key: str, value: str) -> Entry:
        """A key that another file sets."""
        return Entry(key=key, value=value, uncut=value, place=Place(file="over/lay.ini", line=3, path="a[0].b"))

    def test_same_plan(self) -> None:
        """The sections of a file make the plan that its text makes."""
        self.assertEqual(
            parse_document(self.document(), FILE, files().read, now=pki.NOW),
            parse(GOOD.encode(), FILE, files().read, now=pki.NOW),
        )

    def test_files_beside_their_entry(self) -> None:
        """A relative path is looked for beside the file in which its key stands, whatever file has the section."""
        source = files()
        for name in ("site.pem", "site.key", "clients-ca.pem"):
            source.data[f"over/{name}"] = source.data.pop(f"conf/pki/{name}")
        changes = {
            "certificate_file": self.entry("certificate_file", "site.pem"),
            "key_file": self.entry("key_file", "site.key"),
            "file": self.entry("file", "clients-ca.pem"),
            "access_log": self.entry("access_log", "a.log"),
        }
        plan = parse_document(self.document(**changes), FILE, source.read, now=pki.NOW)
        self.assertEqual(plan.gateway.access_log, "over/a.log")
        self.assertEqual(sorted(source.asked), ["over/clients-ca.pem", "over/site.key", "over/site.pem"])
        self.assertEqual(str(plan.origins.place("ssl_certificate site", "key_file")), "over/lay.ini:3 a[0].b")
        self.assertEqual(plan.origins.place("ssl_certificate site").file, FILE)

    def test_problems_have_their_place(self) -> None:
        """A problem of a key stands where the key does, after those of the main file."""
        document = self.document(
            port=self.entry("port", "x"),
            protocol=Entry(key="protocol", value="Http", uncut="Http", place=Place(file=FILE, line=99)),
        )
        with self.assertRaises(ConfigError) as caught:
            parse_document(document, FILE, files().read, now=pki.NOW)
        self.assertIn(" over/lay.ini:3 a[0].b [http_listener public] port ", str(caught.exception.problems[-2]))

    def test_notes(self) -> None:
        """What has no effect here is no warning, and stops nothing."""
        note = Problem(place=Place(file=FILE), message="tags have no effect", severity=Severity.NOTE)
        document = attrs.evolve(self.document(), problems=(note,))
        config = parse_document(document, FILE, files().read, now=pki.NOW).config
        self.assertEqual((config.notes, config.warnings), ((note,), ()))

    def test_settings_of_an_overlay(self) -> None:
        """How an ARM document is run has no effect in a file that is no overlay, and that is said."""
        [line] = said(f"{GOOD}\n[arm]\nport_offset = 8000\n")
        self.assertIn("WARNING conf/gw.ini:34 [arm] has no effect here", line)


TWO_PARTS = {
    "path_rule": "map/name",
    "rewrite_rule": "set/name",
    "load_distribution_target": "policy/name",
    "custom_error": "listener/status",
}
"""The kinds of sections whose names have two parts."""

PIECES = st.sampled_from(GOOD.splitlines(keepends=True))


class AnyFileTests(SynchronousTestCase):
    """Whatever stands in the file, the answer is a configuration or a ConfigError."""

    def check(self, data: bytes) -> None:
        """Parse and look at what is said."""
        try:
            plan = parse(data, FILE, files().read, now=pki.NOW)
        except ConfigError as error:
            self.assertTrue(all(str(problem).isprintable() for problem in error.problems))
        else:
            self.assertTrue(plan.config.http_listeners)

    @given(st.binary())
    def test_bytes(self, data: bytes) -> None:
        """Arbitrary bytes."""
        self.check(data)

    @given(st.lists(PIECES | st.text(max_size=20), max_size=40))
    def test_shuffled_lines(self, lines: list[str]) -> None:
        """Lines of a right file in any order, some missing, some doubled, others between them."""
        self.check("".join(lines).encode())

    @given(st.integers(0, len(GOOD)), st.integers(0, 30), st.text(max_size=10))
    def test_one_edit(self, start: int, length: int, text: str) -> None:
        """A right file with one stretch of it replaced."""
        self.check((GOOD[:start] + text + GOOD[start + length :]).encode())

    @given(st.data())
    def test_any_value(self, data: st.DataObject) -> None:
        """Any text as the value of any key of any section."""
        kind = data.draw(st.sampled_from(sorted(KINDS)))
        key = data.draw(st.sampled_from(sorted(KINDS[kind].keys) or ["key"]))
        value = data.draw(
            st.text(max_size=30) | st.sampled_from(["a", "Custom", "true", "1", "Http", "Https", "Strict"])
        )
        name = "x/404" if kind in TWO_PARTS else "x"
        section = f"[{kind} {name}]" if KINDS[kind].named else f"[{kind}]"
        self.check(f"{GOOD}\n{section}\n{key} = {value}\n".encode())
        self.check(f"{section}\n{key} = {value}\n{GOOD.replace('[gateway]', '')}".encode())

    @given(st.binary(max_size=200), st.sampled_from(["site_pem", "site_key", "clients-ca_pem"]))
    def test_any_file(self, content: bytes, name: str) -> None:
        """Any content of a file that the configuration names."""
        lines = said(GOOD, files(**{name: content}))
        self.assertTrue(lines)
