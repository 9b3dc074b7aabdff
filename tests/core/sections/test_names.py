"""Names of sections: what they may be, which are the same, and references in other spellings."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place
from agwtwisted.core.configuration.parsing import parse_document
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document, Section
from agwtwisted.core.sections.names import declared
from tests.configurations import FILE, GOOD, MAP, changed, files, path_rule, plan, redirect, said

SETS = """
[rewrite_rule_set Empty]

[rewrite_rule Headers/Set X-Forwarded-For]
request_header.X-A = a

[rewrite_rule headers/set x-forwarded-for]
request_header.X-B = b
"""


def errors(text: str) -> list[str]:
    """What stops the start."""
    return [line for line in said(text) if line.startswith("ERROR")]


class ResourceNameTests(SynchronousTestCase):
    """Names of resources."""

    def test_allowed(self) -> None:
        """Letters, digits, dots, hyphens and _, at most 80; the first is no dot and no hyphen."""
        for name in ("a", "_", "1", "A.b-c_d", "a" * 80, "_a_", "a-", "a."):
            self.assertEqual(errors(f"{GOOD}\n[backend_address_pool {name}]\n"), [], name)

    def test_not_allowed(self) -> None:
        """Others have the product's code, and the line of their section."""
        for name in ("-a", ".a", "a" * 81):
            [line] = errors(f"{GOOD}\n[backend_address_pool {name}]\n")
            self.assertIn("is not allowed: a name has at most 80 letters", line)
            self.assertTrue(line.endswith("(InvalidResourceName)"), line)
            self.assertTrue(line.startswith(f"ERROR {FILE}:{GOOD.count(chr(10)) + 2} "), line)

    def test_path_rules(self) -> None:
        """A path rule is a resource, too."""
        text = changed(("backend_address_pool = app\nbackend_http_settings = app\n", PATHS)) + MAP
        self.assertEqual(errors(text + path_rule("a.b", "/a")), [])
        [line] = errors(text + path_rule("-a", "/a"))
        self.assertTrue(line.endswith("(InvalidResourceName)"), line)

    def test_of_other_documents(self) -> None:
        """Names that the grammar of a file could not say are refused all the same."""
        place = Place(file="gw.json", line=7, path="properties.probes[0]")
        good = ini.parse(GOOD.encode(), FILE)
        for name in ("a b", "a/b", "ä"):
            section = Section(kind="backend_address_pool", name=name, place=place)
            document = Document(sections=(*good.sections, section), problems=())
            with self.assertRaises(ConfigError) as caught:
                parse_document(document, FILE, files().read)
            self.assertIn("InvalidResourceName", [each.code for each in caught.exception.problems])


PATHS = "rule_type = PathBasedRouting\nurl_path_map = map\n"


class FreeNameTests(SynchronousTestCase):
    """Names of rewrite rules, which are free text."""

    def name_of(self, header: str) -> str:
        """What a section's line is read as."""
        document = ini.parse(header.encode(), "")
        self.assertEqual(document.problems, ())
        return document.sections[0].name

    def test_printable_text(self) -> None:
        """Spaces and other printable characters are part of the name; around it they are not."""
        for written, name in (
            ("[rewrite_rule s/Set X-Forwarded-For]", "s/Set X-Forwarded-For"),
            ("[rewrite_rule s/a b ] ; comment", "s/a b"),
            ('[rewrite_rule s/Größe (neu) [1], a=b/c: "x" #2]', 's/Größe (neu) [1], a=b/c: "x" #2'),
            ("[rewrite_rule s/a \\; b]", "s/a ; b"),
        ):
            self.assertEqual(self.name_of(written), name)

    def test_accepted(self) -> None:
        """Such a rule is in force, with its name as it was written."""
        rules = [rule.name for rule_set in plan(GOOD + SETS).config.rewrite_rule_sets for rule in rule_set.rules]
        self.assertEqual(rules, ["Headers/Set X-Forwarded-For", "Headers/set x-forwarded-for"])

    def test_refused(self) -> None:
        """A name that is too long or not printable is not."""
        for name in ("x" * 201, "a\u200bb"):
            [line] = errors(f"{GOOD}\n[rewrite_rule s/{name}]\nrequest_header.X-A = a\n")
            self.assertIn("is not allowed: a rule's name has at most 200 printable characters", line)
        for header in ("rewrite_rule s/", "rewrite_rule s/ ", "rewrite_rule s/ a", "probe s/a b", "rewrite_rule a b/c"):
            self.assertTrue(any("is not a section" in line for line in errors(f"{GOOD}\n[{header}]\n")), header)


class DuplicateTests(SynchronousTestCase):
    """Names that are the same."""

    def test_case(self) -> None:
        """Two names of one kind that differ by case alone are one name: an error, with both lines."""
        [line] = errors(f"{GOOD}\n[backend_address_pool APP]\n")
        first = GOOD.splitlines().index("[backend_address_pool app]") + 1
        self.assertIn(
            f"[backend_address_pool APP] is [backend_address_pool app], too, at line {first}: names are compared"
            " without case (DuplicateResourceName)",
            line,
        )
        self.assertEqual(errors(f"{GOOD}\n[probe APP]\nprotocol = Http\n"), [])

    def test_same(self) -> None:
        """The same name twice is said once; of a document that is no file, too."""
        [line] = errors(f"{GOOD}\n[backend_address_pool app]\n")
        self.assertIn("the section is defined here and on line", line)
        place = Place(file="gw.json", path="properties.backendAddressPools[1]")
        good = ini.parse(GOOD.encode(), FILE)
        section = Section(kind="backend_address_pool", name="app", place=place)
        with self.assertRaises(ConfigError) as caught:
            parse_document(Document(sections=(*good.sections, section), problems=()), FILE, files().read)
        problem = caught.exception.problems[0]
        self.assertEqual((problem.place, problem.code), (place, "DuplicateResourceName"))


class SpellingTests(SynchronousTestCase):
    """References are compared without case, and resources keep the names of their sections."""

    def test_keys(self) -> None:
        """A configuration whose references are spelled otherwise is the same configuration."""
        text = GOOD
        for reference in ("ssl_certificate = site", "ssl_profile = strict", "http_listener = public"):
            text = text.replace(reference, reference.partition("= ")[0] + "= " + reference.partition("= ")[2].upper())
        text = text.replace("trusted_client_certificates = devices", "trusted_client_certificates = Devices")
        self.assertNotEqual(text, GOOD)
        made = plan(text)
        self.assertEqual(made, plan())
        self.assertEqual((made.config.warnings, [*made.fingerprints]), ((), [*plan().fingerprints]))

    def test_twice(self) -> None:
        """A list that names one resource in two spellings names it twice."""
        text = changed(("trusted_client_certificates = devices", "trusted_client_certificates = devices, DEVICES"))
        self.assertTrue(any("names 'DEVICES' twice" in line for line in errors(text)))

    def test_first_parts(self) -> None:
        """What belongs to a map, a set or a listener by its own name may spell that otherwise."""
        text = changed(("backend_address_pool = app\nbackend_http_settings = app\n", PATHS))
        text += f"{MAP}{path_rule('a', '/a')}{redirect('r', 'target_url = https://a.example/')}"
        page = "\n[custom_error {}/502]\nfile = pki/page.html\n"
        sources = files(page_html=b"<p>gone</p>")
        made = plan(text + page.format("public") + page.format("gateway"), sources)
        other = (text + page.format("PUBLIC") + page.format("Gateway")).replace("[path_rule map/", "[path_rule MAP/")
        self.assertEqual(plan(other, sources), made)
        self.assertEqual({each.listener for each in plan(other, sources).config.custom_errors}, {"public", ""})

    def test_sets(self) -> None:
        """A set has the name of its own section, or else that of the first of its rules."""
        names = [each.name for each in plan(GOOD + SETS).config.rewrite_rule_sets]
        self.assertEqual(names, ["Empty", "Headers"])
        document = declared(ini.parse(f"{SETS}\n[rewrite_rule_set HEADERS]".encode(), ""))
        self.assertEqual(
            [each.name for each in document.sections],
            ["Empty", "HEADERS/Set X-Forwarded-For", "HEADERS/set x-forwarded-for", "HEADERS"],
        )

    def test_missing(self) -> None:
        """A name that no section has in any spelling is an error, with the product's code."""
        [line] = errors(changed(("backend_address_pool = app\n", "backend_address_pool = ap\n")))
        self.assertIn("there is no backend_address_pool 'ap'; did you mean 'app'?", line)
        self.assertTrue(line.endswith("(InvalidResourceReference)"), line)


class EmptySetTests(SynchronousTestCase):
    """Rewrite rule sets without rules."""

    def test_may_be_used(self) -> None:
        """A rule may name one; its requests go on as they came."""
        text = changed(("backend_http_settings = app\n", "backend_http_settings = app\nrewrite_rule_set = empty\n"))
        made = plan(text + "\n[rewrite_rule_set Empty]\n")
        [rule] = made.config.request_routing_rules
        assert rule.rewrite_rule_set is not None
        self.assertEqual((rule.rewrite_rule_set.name, rule.rewrite_rule_set.rules), ("Empty", ()))
        [port] = made.http_ports.values()
        [site] = port.sites.all()
        self.assertTrue(site.actions.default.is_plain)

    def test_unused(self) -> None:
        """One that no rule names is warned of like others, at its section."""
        [line] = said(GOOD + "\n[rewrite_rule_set Empty]\n")
        self.assertIn("[rewrite_rule_set Empty] the rewrite rule set Empty is not used by any rule", line)

    def test_keys(self) -> None:
        """Its rules are sections of their own."""
        [line] = errors(GOOD + "\n[rewrite_rule_set Empty]\nrewriteRules = a\n")
        self.assertIn("each is a separate section: [rewrite_rule SET/NAME]", line)
