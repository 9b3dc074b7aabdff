"""The sections about what becomes of requests and connections."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.resources import RedirectType
from agwtwisted.core.sections.rule_keys import REDIRECT_CONFIGURATION
from tests.configurations import (
    GOOD,
    MAP,
    RULE,
    changed,
    files,
    load,
    mapped,
    noted,
    path_rule,
    redirect,
    said,
)

AWAY = redirect("away", "target_url = https://example.org/")


class RuleTests(SynchronousTestCase):
    """Where rules, path rules and maps lead."""

    def rule(self, *keys: str) -> list[str]:
        """What is said about the rule with these keys, without warnings."""
        lines = said(changed((RULE, "".join(f"{key}\n" for key in keys))) + AWAY + MAP)
        return [line.partition("[request_routing_rule public] ")[2] for line in lines if line.startswith("ERROR")]

    def test_basic(self) -> None:
        """A basic rule has pool and settings, or a redirect, and not both."""
        pool, settings = RULE.splitlines()
        away = "redirect_configuration = away"
        for keys in (
            (pool, settings),
            (away,),
            (pool, settings, "rule_type = Basic"),
            ("redirect_configuration =", *RULE.splitlines()),
        ):
            self.assertEqual(self.rule(*keys), [], keys)
        self.assertEqual(self.rule(), ["backend_address_pool is missing", "backend_http_settings is missing"])
        self.assertEqual(self.rule(pool), ["backend_http_settings is missing"])
        self.assertEqual(self.rule(settings), ["backend_address_pool is missing"])
        for keys in ((pool, settings), (pool,), (settings,)):
            lines = self.rule(*keys, away)
            self.assertEqual(len(lines), len(keys))
            for line, key in zip(lines, keys, strict=True):
                self.assertEqual(
                    line,
                    f"{key.split()[0]} cannot be used with redirect_configuration: requests are forwarded or"
                    " redirected",
                )

    def test_path_based(self) -> None:
        """A path-based rule has a map; what stands in it is none of the rule, though the product's clients send it."""
        kind, named = "rule_type = PathBasedRouting", "url_path_map = map"
        self.assertEqual(self.rule(kind, named), [])
        self.assertEqual(self.rule(kind), ["PathBasedRouting needs url_path_map"])
        for key in (*RULE.splitlines(), "redirect_configuration = away"):
            self.assertEqual(self.rule(kind, named, key), [])
        for keys in ((named,), (named, *RULE.splitlines())):
            self.assertEqual(self.rule(*keys), ["url_path_map needs rule_type = PathBasedRouting"])

    def test_beside_a_map(self) -> None:
        """A pool, settings or a redirect of a path-based rule is a note, and not in force."""
        text = mapped().replace("url_path_map = map\n", f"url_path_map = map\n{RULE}redirect_configuration = away\n")
        self.assertEqual(
            noted(text + AWAY),
            [
                f"{key} has no effect in a rule with PathBasedRouting: the url_path_map decides"
                for key in ("backend_address_pool", "backend_http_settings", "redirect_configuration")
            ],
        )
        [rule] = load(text + AWAY).request_routing_rules
        ends = (rule.backend_address_pool, rule.backend_http_settings, rule.redirect_configuration)
        self.assertEqual(ends, (None, None, None))

    def test_types(self) -> None:
        """Of an unknown type, or one that is not carried, nothing more is said."""
        [line] = self.rule("rule_type = AdvancedRouting")
        self.assertEqual(line, "rule_type = AdvancedRouting is not supported by this version")
        [line] = self.rule("rule_type = PathBased")
        self.assertIn("did you mean 'PathBasedRouting'?", line)

    def test_path_rules(self) -> None:
        """The same for a path rule."""
        for end in (RULE, "redirect_configuration = away\n"):
            self.assertEqual(said(mapped(path_rule("a", "/a", end=end)) + AWAY), [])
        [line] = said(mapped(path_rule("a", "/a", end="backend_address_pool = app\n")))
        self.assertTrue(line.endswith("[path_rule map/a] backend_http_settings is missing"), line)
        lines = said(mapped(path_rule("a", "/a", end=f"{RULE}redirect_configuration = away\n")) + AWAY)
        self.assertEqual(["cannot be used with redirect_configuration" in line for line in lines], [True, True])
        [line] = said(mapped("\n[path_rule map/a]\n" + RULE))
        self.assertTrue(line.endswith("[path_rule map/a] paths is missing"), line)

    def test_rewrites(self) -> None:
        """Path rules and maps have rewrite rule sets, the rule above them has none; for redirects they do nothing."""
        rewrite = "\n[rewrite_rule set/one]\nrequest_header.X-A = a\n"
        text = mapped(path_rule("a", "/a", extra="rewrite_rule_set = set\n")).replace(
            MAP, f"{MAP}default_rewrite_rule_set = set\n"
        )
        self.assertEqual(said(text + rewrite), [])
        [line] = said(
            mapped().replace("url_path_map = map\n", "url_path_map = map\nrewrite_rule_set = set\n") + rewrite
        )
        self.assertIn("rewrite_rule_set is not allowed in a rule with PathBasedRouting", line)
        end = "redirect_configuration = away\nrewrite_rule_set = set\n"
        [line] = said(mapped(path_rule("a", "/a", end=end)) + rewrite + AWAY)
        self.assertTrue(line.startswith("WARNING") and "rewrite_rule_set has no effect" in line, line)

    def test_paths(self) -> None:
        """What is no path, or one twice, is reported with the key."""
        for paths, reason in {
            "/a/*.jpg": "paths has '/a/*.jpg': * is allowed only at the end of a path",
            "/a, b": "paths has 'b', but a path begins with /",
            "/a\n  /a": "paths names '/a' twice",
            ",": "paths has 0 values, but must have 1 to 100",
        }.items():
            [line] = said(mapped(path_rule("a", paths)))
            self.assertTrue(line.endswith(f"[path_rule map/a] {reason}"), line)

    def test_maps(self) -> None:
        """A map has defaults: without them some requests would lead nowhere."""
        pool, settings = ("default_backend_address_pool = app\n", "default_backend_http_settings = app\n")
        for wrong, reasons in {
            settings: ["default_backend_address_pool is missing"],
            "": ["default_backend_address_pool is missing", "default_backend_http_settings is missing"],
            f"{pool}default_redirect_configuration = away\n": [
                "default_backend_address_pool cannot be used with default_redirect_configuration: requests are"
                " forwarded or redirected"
            ],
        }.items():
            lines = said(mapped().replace(pool + settings, wrong) + AWAY)
            self.assertEqual([line.partition("[url_path_map map] ")[2] for line in lines], reasons)
        text = mapped().replace(pool + settings, "default_redirect_configuration = away\n") + AWAY
        self.assertEqual(said(text), [])


class RedirectTests(SynchronousTestCase):
    """Redirects."""

    def said(self, *keys: str) -> list[str]:
        """What is said about a redirect with these keys."""
        lines = said(changed((RULE, "redirect_configuration = away\n")) + redirect("away", *keys))
        return [line.partition("[redirect_configuration away] ")[2] for line in lines]

    def test_targets(self) -> None:
        """There is one target."""
        self.assertEqual(self.said(), ["needs target_listener or target_url"])
        self.assertEqual(
            self.said("target_listener = public", "target_url = https://example.org/"),
            ["target_listener and target_url exclude each other"],
        )
        [line] = self.said("target_url =")
        self.assertIn("target_url is empty", line)

    def test_types(self) -> None:
        """The product's four."""
        for kind, status in {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}.items():
            text = changed((RULE, "redirect_configuration = away\n")) + AWAY.replace("Found", kind)
            [rule] = load(text).request_routing_rules
            assert rule.redirect_configuration
            self.assertEqual(rule.redirect_configuration.redirect_type.status, status)
            self.assertFalse(
                rule.redirect_configuration.include_path or rule.redirect_configuration.include_query_string
            )
        meaning = REDIRECT_CONFIGURATION.keys["redirect_type"].meaning
        for each in RedirectType:
            self.assertIn(f"`{each.value}` ({each.status})", meaning)
        [line] = said(GOOD + AWAY.replace("Found", "found"))
        self.assertIn("did you mean 'Found'?", line)


class CustomErrorTests(SynchronousTestCase):
    """Pages of the operator's own."""

    def said(self, name: str, file: str = "pki/page.html") -> list[str]:
        """What is said about such a section."""
        text = f"{GOOD}\n[custom_error {name}]\nfile = {file}\n"
        source = files(page_html=b"<p>", page_txt=b"<p>", page_HTM=b"<p>")
        return [line.partition(f"[custom_error {name}] ")[2] for line in said(text, source)]

    def test_statuses(self) -> None:
        """Those of the product's enumeration."""
        for status in (400, 403, 404, 405, 408, 500, 502, 503, 504):
            self.assertEqual(self.said(f"gateway/{status}"), [])
        for status in ("401", "413", "421", "499", "200", "0502", "HttpStatus502"):
            [line] = self.said(f"public/{status}")
            self.assertEqual(
                line, f"'{status}' cannot have a custom page: 400, 403, 404, 405, 408, 500, 502, 503 and 504 may have"
            )

    def test_names_of_files(self) -> None:
        """.htm or .html, in any case."""
        self.assertEqual(self.said("gateway/502", "pki/page.HTM"), [])
        self.assertEqual(
            self.said("gateway/502", "pki/page.txt"), ["file is 'pki/page.txt', but must end in .htm or .html"]
        )
