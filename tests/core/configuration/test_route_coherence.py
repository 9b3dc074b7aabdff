"""What must fit together on the way of a request."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.resources import PathCertificate
from tests.configurations import (
    GOOD,
    MAP,
    PASSTHROUGH,
    RULE,
    STRICT,
    changed,
    load,
    mapped,
    path_rule,
    redirect,
    said,
    with_listener,
)

REQUIRE = "client_certificate = Require\n"


class MapTests(SynchronousTestCase):
    """Maps and their path rules."""

    def test_map(self) -> None:
        """A rule leads to its map, and the map to its path rules in the order of the file."""
        [rule] = load(mapped(path_rule("b", "/b/*, /c"), path_rule("a", "/a"))).request_routing_rules
        assert rule.url_path_map
        self.assertEqual(
            [(each.name, each.paths) for each in rule.url_path_map.path_rules], [("b", ("/b/*", "/c")), ("a", ("/a",))]
        )
        self.assertEqual(
            rule.url_path_map.default_backend_http_settings, rule.url_path_map.path_rules[0].backend_http_settings
        )

    def test_unused_map(self) -> None:
        """A map that no rule names does nothing: a warning."""
        [line] = said(mapped() + MAP.replace("map]", "other]"))
        self.assertTrue(line.startswith("WARNING"), line)
        self.assertIn("[url_path_map other] no request_routing_rule uses this map", line)

    def test_too_many_path_rules(self) -> None:
        """A map has at most a hundred path rules; two maps have two hundred."""
        rules = [path_rule(f"r{number}", f"/{number}") for number in range(100)]
        self.assertEqual(said(mapped(*rules)), [])
        [line] = said(mapped(*rules, path_rule("last", "/last")))
        self.assertIn("[path_rule map/last] is one of 101: url_path_map map has at most 100 path rules", line)

    def test_same_path(self) -> None:
        """A path that an earlier rule has is an error, whatever its case; a prefix and one path are not the same."""
        [line] = said(mapped(path_rule("a", "/a/*, /b"), path_rule("b", "/c, /A/*")))
        self.assertTrue(line.startswith("ERROR"), line)
        self.assertIn("[path_rule map/b] /A/* is also one of path_rule map/a", line)
        self.assertEqual(said(mapped(path_rule("a", "/a"), path_rule("b", "/a*"))), [])

    def test_covered_path(self) -> None:
        """A path that an earlier prefix takes whole never counts: a warning. Within one rule it does no harm."""
        for path in ("/a", "/ab", "/a/b*", "/A/*"):
            [line] = said(mapped(path_rule("a", "/a*"), path_rule("b", path)))
            self.assertTrue(line.startswith("WARNING"), line)
            self.assertIn(f"[path_rule map/b] {path} never matches: path_rule map/a matches every such path", line)
        for path in ("/", "/b", "/*"):
            self.assertEqual(said(mapped(path_rule("a", "/a*"), path_rule("b", path))), [])
        self.assertEqual(said(mapped(path_rule("a", "/a*, /a/b"))), [])
        self.assertEqual(said(mapped(path_rule("a", "/a"), path_rule("b", "/a/*"))), [])


class RedirectTests(SynchronousTestCase):
    """Redirects that lead nowhere."""

    def rule(self, *sections: str, name: str = "away") -> list[str]:
        """What is said where GOOD's rule redirects."""
        return said(changed((RULE, f"redirect_configuration = {name}\n")) + "".join(sections))

    def plain(self, name: str = "away") -> str:
        """A plain listener on another port that redirects."""
        section = with_listener("plain", port=8080).replace("Https", "Http").replace("ssl_certificate = site\n", "")
        return section.replace(RULE, f"redirect_configuration = {name}\n")

    def test_to_another_listener(self) -> None:
        """The common case: from Http to Https."""
        text = GOOD + self.plain() + redirect("away", "target_listener = public", "include_path = true")
        self.assertEqual(said(text), [])

    def test_to_itself(self) -> None:
        """A rule that redirects to its own listener never ends, with the path and without."""
        for keep in ("", "include_path = true"):
            [line] = self.rule(redirect("away", "target_listener = public", keep))
            self.assertTrue(line.startswith("ERROR"), line)
            self.assertIn("[redirect_configuration away] never ends: http_listener public redirects /", line)

    def test_to_and_fro(self) -> None:
        """Two listeners that redirect to each other do not end either; each is reported."""
        there = redirect("away", "target_listener = plain", "include_path = true")
        back = redirect("back", "target_listener = public", "include_path = true")
        lines = self.rule(self.plain("back"), there, back)
        self.assertEqual(len(lines), 2, lines)
        self.assertTrue(all("never ends" in line for line in lines))

    def test_own_url(self) -> None:
        """A URL leads back where a listener alone has its host name, with its scheme and port."""
        own = "https://www.example.com:8443/"
        text = changed(
            (RULE, "redirect_configuration = away\n"), ("port = 8443\n", "port = 8443\nhost_names = www.example.com\n")
        )
        for url in (own, f"{own}a?b", own.replace("www", "WWW")):
            for keep in ("", "include_path = true"):
                [line] = said(text + redirect("away", f"target_url = {url}", keep))
                self.assertIn("never ends", line)
        for url in ("https://www.example.com/", "http://www.example.com:8443/", "https://example.com:8443/"):
            self.assertEqual(said(text + redirect("away", f"target_url = {url}")), [])

    def test_paths(self) -> None:
        """A path rule that redirects within its listener ends where another path takes over."""
        end = "redirect_configuration = away\n"
        kept = redirect("away", "target_listener = public", "include_path = true")
        home = redirect("away", "target_listener = public")
        for paths, section, endless in (
            ("/old/*", kept, True),
            ("/old", kept, True),
            ("/old/*", home, False),
            ("/*", home, True),
            ("/", home, True),
            ("/old/*", redirect("away", "target_url = https://example.org/"), False),
        ):
            lines = said(mapped(path_rule("old", paths, end=end)) + section)
            self.assertEqual([bool("never ends" in line) for line in lines], [True] * endless, (paths, lines))

    def test_defaults(self) -> None:
        """The same for the defaults of a map: those paths count that no rule is for."""
        text = mapped(path_rule("new", "/new/*, /")).replace(
            "default_backend_address_pool = app\ndefault_backend_http_settings = app",
            "default_redirect_configuration = away",
        )
        self.assertEqual(said(text + redirect("away", "target_listener = public")), [])
        [line] = said(text + redirect("away", "target_listener = public", "include_path = true"))
        self.assertIn("never ends", line)

    def test_never_reached(self) -> None:
        """A redirect that no request comes to does not count."""
        end = "redirect_configuration = away\n"
        lines = said(
            mapped(path_rule("all", "/*"), path_rule("old", "/old", end=end))
            + redirect("away", "target_listener = public", "include_path = true")
        )
        self.assertEqual(["never matches" in line for line in lines], [True])


class CertificateTests(SynchronousTestCase):
    """Paths that decide about client certificates."""

    def test_passthrough(self) -> None:
        """Behind a Passthrough listener with trusted client certificates a path may require one, or ignore it."""
        text = mapped(
            path_rule("a", "/a*", extra=REQUIRE),
            path_rule("b", "/b*", extra="client_certificate = Ignore\n"),
            profile=PASSTHROUGH,
        )
        self.assertEqual(said(text), [])
        [rule] = load(text).request_routing_rules
        assert rule.url_path_map
        self.assertEqual(
            [each.client_certificate for each in rule.url_path_map.path_rules],
            [PathCertificate.REQUIRE, PathCertificate.IGNORE],
        )

    def test_other_listeners(self) -> None:
        """Nowhere else: the words have no meaning there, or promise what is not done."""
        for profile, reason in {
            STRICT: "http_listener public is Strict",
            "verify_client_auth_mode = Passthrough\n": "has ssl_profile strict, which names none",
            "ssl_policy = AppGwSslPolicy20220101\n": "asks for no certificate",
        }.items():
            for word in ("Require", "Ignore"):
                extra = f"client_certificate = {word}\n"
                [line] = said(mapped(path_rule("a", "/a*", extra=extra), profile=profile))
                self.assertIn("[path_rule map/a] client_certificate needs a Passthrough listener", line)
                self.assertIn(reason, line)
        text = mapped(path_rule("a", "/a*", extra=REQUIRE)).replace("ssl_profile = strict\n", "")
        self.assertTrue(any("http_listener public has no ssl_profile" in line for line in said(text)))

    def test_every_listener_of_the_map(self) -> None:
        """A map may serve several listeners, and has to fit each."""
        other = with_listener("other", port=8444).replace(RULE, "rule_type = PathBasedRouting\nurl_path_map = map\n")
        [line] = said(mapped(path_rule("a", "/a*", extra=REQUIRE), profile=PASSTHROUGH) + other)
        self.assertIn("http_listener other has no ssl_profile", line)

    def test_words(self) -> None:
        """An unknown word, and none, are errors; nothing else is concluded from them."""
        for word, reason in (("require", "did you mean 'Require'?"), ("", "is empty")):
            extra = f"client_certificate = {word}\n"
            profile = f"{PASSTHROUGH}verify_client_cert_issuer_dn = true\n"
            [line] = said(mapped(path_rule("a", "/a*", extra=extra), profile=profile))
            self.assertIn(reason, line)

    def test_verifying_profiles(self) -> None:
        """What a verification looks at may be said of a Passthrough profile where a path requires one."""
        keys = "verify_client_cert_issuer_dn = true\nverify_client_revocation = OCSP\nocsp_timeout = 2\n"
        profile = PASSTHROUGH + keys
        self.assertEqual(said(mapped(path_rule("a", "/a*", extra=REQUIRE), profile=profile)), [])
        [warning] = said(mapped(path_rule("a", "/a*", extra=REQUIRE), profile=f"{PASSTHROUGH}allow_weak = true\n"))
        self.assertTrue(warning.startswith("WARNING"), warning)
        self.assertIn("allow_weak accepts keys that can be broken", warning)

    def test_profiles_that_verify_nobody(self) -> None:
        """Where none does, or on another listener, or in a map without a rule, they stay errors."""
        profile = (
            f"{PASSTHROUGH}verify_client_cert_issuer_dn = true\nverify_client_revocation = OCSP\nallow_weak = on\n"
        )
        for rule in (path_rule("a", "/a*"), path_rule("a", "/a*", extra="client_certificate = Ignore\n")):
            lines = said(mapped(rule, profile=profile))
            self.assertEqual(len(lines), 3, lines)
            self.assertTrue(all("needs Strict, or a path rule" in line and line.startswith("ERROR") for line in lines))
        lax = "\n[ssl_profile lax]\nverify_client_auth_mode = Passthrough\nverify_client_cert_issuer_dn = true\n"
        text = mapped(path_rule("a", "/a*", extra=REQUIRE), profile=PASSTHROUGH)
        [line] = said(text + lax + with_listener("lax", port=8444, profile="lax"))
        self.assertIn("[ssl_profile lax] verify_client_cert_issuer_dn needs Strict, or a path rule", line)
        lines = said(changed((STRICT, profile)) + MAP + path_rule("a", "/a*", extra=REQUIRE))
        self.assertEqual(["needs Strict" in line for line in lines].count(True), 3, lines)

    def test_faults_elsewhere(self) -> None:
        """A profile is not blamed for a rule or a listener that could not be read."""
        profile = f"{PASSTHROUGH}verify_client_cert_issuer_dn = true\n"
        text = mapped(path_rule("a", "/a*", extra=REQUIRE), profile=profile)
        for old, new in (
            ("http_listener = public", "http_listener = pubic"),
            ("http_listener = public\n", ""),
            ("ssl_profile = strict\n", "ssl_profile =\n"),
        ):
            lines = said(text.replace(old, new))
            self.assertFalse(any("needs Strict" in line for line in lines), lines)

    def test_required_too_late(self) -> None:
        """A path that requires a certificate behind one that takes its requests and does not is an error."""
        late = path_rule("admin", "/admin/*", extra=REQUIRE)
        lines = said(mapped(path_rule("all", "/*"), late, profile=PASSTHROUGH))
        self.assertIn(
            "/admin/* never matches: path_rule map/all matches every such path before it, and requires no", lines[0]
        )
        self.assertTrue(lines[0].startswith("ERROR"))
        lines = said(mapped(path_rule("all", "/*", extra=REQUIRE), late, profile=PASSTHROUGH))
        self.assertEqual([line.split()[0] for line in lines], ["WARNING"])

    def test_neighbours(self) -> None:
        """A slash more or less is another path here and the same to many servers: a warning where it is open."""
        for paths, near in {"/admin/*": "/admin", "/admin": "/admin/", "/admin/": "/admin"}.items():
            [line] = said(mapped(path_rule("a", paths, extra=REQUIRE), profile=PASSTHROUGH))
            self.assertTrue(line.startswith("WARNING"), line)
            path = paths.removesuffix("*")
            self.assertIn(f"{path} has client_certificate = Require, which {near} has: many servers", line)
        other = with_listener("other", port=8444, profile="strict")
        other = other.replace(RULE, "rule_type = PathBasedRouting\nurl_path_map = map\n")
        text = mapped(path_rule("a", "/admin", extra=REQUIRE), profile=PASSTHROUGH)
        self.assertEqual(len(said(text + other)), 1)  # once, though two rules use the map
        for paths in ("/admin*", "/admin, /admin/*", "/*", "/"):
            self.assertEqual(said(mapped(path_rule("a", paths, extra=REQUIRE), profile=PASSTHROUGH)), [], paths)

    def test_conditions(self) -> None:
        """The same where conditions decide who comes in: they must not come too late, nor be half of it."""
        deny = "deny_unless.1 = var_http_method == GET\n"
        late = path_rule("admin", "/admin*", extra=deny)
        [line] = said(mapped(path_rule("all", "/*"), late))
        self.assertTrue(line.startswith("ERROR"), line)
        self.assertIn(
            ("/admin* never matches: path_rule map/all matches every such path before it, and has no conditions"), line
        )
        [line] = said(mapped(path_rule("all", "/*", extra=deny), late))
        self.assertTrue(line.startswith("WARNING"), line)
        [line] = said(mapped(path_rule("admin", "/admin/*", extra=deny)))
        self.assertIn("/admin/ has deny_unless, which /admin has", line)
        rule = ("http_listener = public\n", f"http_listener = public\n{deny}")
        self.assertEqual(said(mapped(path_rule("admin", "/admin/*")).replace(*rule)), [])
        self.assertEqual(len(said(mapped(path_rule("admin", "/admin/*", extra=deny)).replace(*rule))), 1)

    def test_paths_that_conditions_look_at(self) -> None:
        """Paths have one form also where a path rule has conditions, or the defaults have; where the rule has, not."""
        deny = "deny_unless.1 = var_http_method == GET\n"
        odd = path_rule("odd", "/a%62*")
        [line] = said(mapped(odd, path_rule("b", "/x*", extra=deny)))
        self.assertIn("path_rule map/b decides access", line)
        [line] = said(mapped(odd).replace(MAP, f"{MAP}default_{deny}"))
        self.assertIn("url_path_map map decides access", line)
        text = mapped(odd).replace("http_listener = public\n", f"http_listener = public\n{deny}")
        self.assertEqual(said(text), [])
        text = text.replace(deny, "deny_unless.1 = var_uri_path ~ ^/x\n")
        [line] = said(text)
        self.assertIn("/a%62* never matches here: request_routing_rule public decides", line)

    def test_override_paths_of_one_form(self) -> None:
        """Where the path decides, an override path has one form, too: an error at its key, reported once."""
        deny = "deny_unless.1 = var_uri_path ~ ^/x\n"
        for path, wrong in (("/v2/", False), ("/", False), ("/a%62/", True), ("/a//b", True), ("/a;b/", True)):
            text = changed(("port = 9000\n", f"port = 9000\npath = {path}\n"))
            self.assertEqual(said(text), [])
            lines = said(text + deny)
            self.assertEqual([f"path = {path} is not normalized" in line for line in lines], [True] * wrong, path)

    def test_paths_of_one_form(self) -> None:
        """Where paths are brought into one form, a pattern in another would never fit: an error in each rule."""
        for paths in ("/a%62*", "/a%20b", "/a+b", "/a//b*", "/a/../b", "/a;b", "/a./*", "/a/./*", "/admin~1*"):
            text = mapped(path_rule("odd", paths), path_rule("b", "/x*", extra=REQUIRE), profile=PASSTHROUGH)
            [line] = said(text)
            self.assertIn(f"[path_rule map/odd] {paths} never matches here: path_rule map/b", line)
            self.assertEqual(said(text.replace(REQUIRE, "")), [])
        for paths in ("/A.b/*", "/.well-known/*", "/a.*", "/~user/*", "/a:b@c(d)!$&'=_-*", "/*"):
            text = mapped(path_rule("b", "/x*", extra=REQUIRE), path_rule("odd", paths), profile=PASSTHROUGH)
            self.assertEqual(said(text), [], paths)

    def test_plain_ways_in(self) -> None:
        """A plain listener to the servers of a path that requires a certificate is a warning; to others it is none."""
        plain = with_listener("plain", port=8080).replace("Https", "Http").replace("ssl_certificate = site\n", "")
        kept = "\n[backend_address_pool kept]\nbackend_addresses = 127.0.0.1:9100\n"
        text = mapped(
            path_rule("a", "/a*", extra=REQUIRE, end=RULE.replace("pool = app", "pool = kept")), profile=PASSTHROUGH
        )
        self.assertEqual(said(text + kept + plain), [])
        [line] = said(text + kept + plain.replace("pool = app", "pool = kept"))
        self.assertTrue(line.startswith("WARNING"), line)
        self.assertIn("reaches servers that the listener public protects with client certificates", line)
