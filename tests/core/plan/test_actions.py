"""Which action the path of a request selects."""

from __future__ import annotations

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.actions import Action, Actions, actions_of
from agwtwisted.core.plan.routing import Site, redirects_of
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    PathCertificate,
    PathRule,
    RedirectConfiguration,
    RedirectType,
    RuleType,
    UrlPathMap,
)
from agwtwisted.core.rules.conditions import Condition
from agwtwisted.core.rules.rewriting import RewriteRuleSet
from tests import configurations
from tests.core.plan.test_routing import site


def actions(*patterns: str) -> Actions:
    """Actions named after their patterns, the default ``-``."""
    listed = [(pattern, Action(rule="rule", path_rule=pattern)) for pattern in patterns]
    return Actions(Action(rule="rule", path_rule="-"), listed)


def naively(patterns: list[str], path: bytes) -> str:
    """The first pattern that fits, each tried in turn."""
    text = path.decode("latin-1")
    folded = "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)
    for pattern in patterns:
        wanted = pattern.lower()
        if folded == wanted or (wanted[-1] == "*" and folded[: len(wanted) - 1] == wanted[:-1]):
            return pattern
    return "-"


_PATTERNS_OF_PATHS = st.builds("/{}{}".format, st.text("aB/", max_size=4), st.sampled_from(["", "*"]))
_PATHS = st.builds(lambda rest: b"/" + rest.encode(), st.text("abAB/", max_size=6))


class PathTests(SynchronousTestCase):
    """`Actions.for_path`."""

    def assert_fits(self, patterns: tuple[str, ...], expected: dict[bytes, str]) -> None:
        """For each path the pattern that counts."""
        table = actions(*patterns)
        self.assertEqual({path: table.for_path(path).path_rule for path in expected}, expected)

    def test_patterns(self) -> None:
        """The product's forms: a prefix with or without its slash, and one path."""
        self.assert_fits(
            ("/images/*",),
            {b"/images/": "/images/*", b"/images/a/b.png": "/images/*", b"/images": "-", b"/images2": "-", b"/": "-"},
        )
        self.assert_fits(("/images*",), {b"/images": "/images*", b"/images2": "/images*", b"/image": "-"})
        self.assert_fits(("/images",), {b"/images": "/images", b"/images/": "-", b"/images/a": "-"})
        self.assert_fits(("/*",), {b"/": "/*", b"/a": "/*"})

    def test_case(self) -> None:
        """Upper and lower case are one, in the pattern and in the path; only those of ASCII."""
        self.assert_fits(("/Images/*",), {b"/iMAGES/x": "/Images/*", b"/images/X": "/Images/*"})
        self.assert_fits(("/a%c3%a9",), {b"/A%C3%A9": "/a%c3%a9", b"/a%C3%89": "-"})

    def test_file_order(self) -> None:
        """The first of the file counts, however much better a later one fits."""
        general = ("/a*", "/a/b", "/a/*", "/a/b/*")
        self.assert_fits(general, dict.fromkeys([b"/a", b"/a/b", b"/a/", b"/a/b/c"], "/a*"))
        special = tuple(reversed(general))
        self.assert_fits(special, {b"/a/b/c": "/a/b/*", b"/a/c": "/a/*", b"/a/b": "/a/*", b"/ab": "/a*"})
        self.assert_fits(("/a/b", "/a/*"), {b"/a/b": "/a/b", b"/a/bc": "/a/*"})

    def test_wide_and_narrow(self) -> None:
        """A path that shares much with a pattern and does not fit it falls back to one that it fits."""
        self.assert_fits(
            ("/a/b/c/*", "/a/b/d/*", "/a/*"),
            {b"/a/b/c": "/a/*", b"/a/b/cc/": "/a/*", b"/a/b/d/e": "/a/b/d/*", b"/a": "-", b"/b": "-"},
        )

    def test_whole_server(self) -> None:
        """``OPTIONS *`` is treated as ``/``, not as a pattern."""
        self.assert_fits(("/*",), {b"*": "/*"})
        self.assert_fits(("/",), {b"*": "/"})
        self.assert_fits(("/a*",), {b"*": "-"})

    @given(st.lists(_PATTERNS_OF_PATHS, max_size=12), st.lists(_PATHS, min_size=1, max_size=5))
    def test_like_the_naive_one(self, patterns: list[str], paths: list[bytes]) -> None:
        """Any patterns and paths: both say the same, whatever paths were asked for before."""
        table = actions(*patterns)
        for path in paths:
            self.assertEqual(table.for_path(path).path_rule, naively(patterns, path))

    @given(st.lists(_PATTERNS_OF_PATHS, max_size=5), st.binary(max_size=10))
    def test_any_path(self, patterns: list[str], path: bytes) -> None:
        """Whatever bytes are asked for, there is an action."""
        self.assertEqual(actions(*patterns).for_path(path).path_rule, naively(patterns, b"/" if path == b"*" else path))

    def test_all(self) -> None:
        """Every action once, the default last."""
        self.assertEqual([each.path_rule for each in actions("/b", "/a*").all()], ["/b", "/a*", "-"])
        self.assertEqual([each.path_rule for each in actions().all()], ["-"])


APP, IMAGES = BackendAddressPool(name="app"), BackendAddressPool(name="images")
PLAIN, SLOW = BackendHttpSettings(name="plain"), BackendHttpSettings(name="slow")
AWAY = RedirectConfiguration(name="away", redirect_type=RedirectType.FOUND, target_url="https://example.org/")


def mapped(*path_rules: PathRule) -> Site:
    """A site whose rule names a map with these path rules; all else goes to `APP`."""
    url_path_map = UrlPathMap(
        name="map",
        path_rules=path_rules,
        default_backend_address_pool=APP,
        default_backend_http_settings=PLAIN,
    )
    rule = attrs.evolve(
        site().rule,
        rule_type=RuleType.PATH_BASED_ROUTING,
        url_path_map=url_path_map,
        backend_address_pool=None,
        backend_http_settings=None,
    )
    return Site(listener=rule.http_listener, rule=rule)


class FingerprintTests(SynchronousTestCase):
    """Whether servers get the fingerprint of a client's TLS."""

    def test_by_policy(self) -> None:
        """With TLS policies of 2022 and later and with CustomV2, as in the product; never without TLS."""
        for keys, expected in (
            ("", True),
            ("ssl_policy = AppGwSslPolicy20220101S\n", True),
            (
                "policy_type = CustomV2\nmin_protocol_version = TLSv1_2\n"
                "cipher_suites = TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n",
                True,
            ),
            ("ssl_policy = AppGwSslPolicy20170401S\n", False),
            (
                "policy_type = Custom\nmin_protocol_version = TLSv1_2\n"
                "cipher_suites = TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n",
                False,
            ),
        ):
            text = configurations.changed(("access_log = -\n", f"access_log = -\n{keys}"))
            [rule] = configurations.load(text).request_routing_rules
            self.assertEqual(actions_of(rule).default.fingerprinted, expected, keys)
        self.assertFalse(actions_of(site(port=80).rule).default.fingerprinted)


class ActionTests(SynchronousTestCase):
    """What the rules of a site amount to."""

    def setUp(self) -> None:
        self.site = mapped(
            PathRule(name="images", paths=("/Img*", "/pic"), backend_address_pool=IMAGES, backend_http_settings=SLOW),
            PathRule(name="gone", paths=("/gone/*",), redirect_configuration=AWAY),
        )

    def test_basic(self) -> None:
        """A basic rule has one action, which strips nothing."""
        basic = site()
        [action] = basic.actions.all()
        self.assertIs(basic.actions.for_path(b"/any"), action)
        rule = basic.rule
        self.assertEqual((action.pool, action.settings), (rule.backend_address_pool, rule.backend_http_settings))
        self.assertEqual((action.rule, action.path_rule, action.matched_prefix), ("basic", "", b""))
        self.assertIsNone(action.redirect)

    def test_basic_redirect(self) -> None:
        """A basic rule may redirect, and then has no pool."""
        rule = attrs.evolve(
            site().rule, redirect_configuration=AWAY, backend_address_pool=None, backend_http_settings=None
        )
        each = Site(listener=rule.http_listener, rule=rule)
        [action] = each.actions.all()
        assert action.redirect
        self.assertEqual((action.redirect.name, action.redirect.status), ("away", 302))
        self.assertEqual((action.pool, action.settings), (None, None))

    def test_path_rules(self) -> None:
        """Each pattern has its rule's pool and settings, and knows what an override path strips."""
        for path, expected in {
            b"/IMG/a": ("images", IMAGES, SLOW, b"/img"),
            b"/pic": ("images", IMAGES, SLOW, b"/pic"),
            b"/pics": ("", APP, PLAIN, b""),
        }.items():
            action = self.site.actions.for_path(path)
            self.assertEqual((action.path_rule, action.pool, action.settings, action.matched_prefix), expected)
            self.assertEqual(action.rule, "basic")

    def test_path_redirect(self) -> None:
        """A path rule may redirect."""
        action = self.site.actions.for_path(b"/gone/x")
        assert action.redirect
        self.assertEqual((action.redirect.name, action.pool, action.settings), ("away", None, None))

    def test_ends(self) -> None:
        """What requests of a rule can come to: every pair of pool and settings, and every redirect, once."""
        self.assertEqual(self.site.actions.routes(), ((IMAGES, SLOW), (APP, PLAIN)))
        self.assertEqual(redirects_of(self.site.rule), (AWAY,))
        self.assertEqual((len(site().actions.routes()), redirects_of(site().rule)), (1, ()))

    def test_conditions_and_rewrites(self) -> None:
        """An action has the conditions of the rule and its own besides, and the rewrite rule set of its path."""
        of_rule, of_path, of_rest = (Condition.of(f"var_http_method == {each}") for each in ("A", "B", "C"))
        first, second = RewriteRuleSet.of("first", ()), RewriteRuleSet.of("second", ())
        path_rule = PathRule(
            name="a",
            paths=("/a",),
            backend_address_pool=APP,
            backend_http_settings=PLAIN,
            deny_unless=(of_path,),
            rewrite_rule_set=first,
        )
        rule = mapped(path_rule).rule
        assert rule.url_path_map
        url_path_map = attrs.evolve(rule.url_path_map, default_deny_unless=(of_rest,), default_rewrite_rule_set=second)
        rule = attrs.evolve(rule, url_path_map=url_path_map, deny_unless=(of_rule,))
        actions = Site(listener=rule.http_listener, rule=rule).actions
        found = [(each.deny_unless, each.path_deny_unless, each.rewrite_rule_set) for each in actions.all()]
        self.assertEqual(found, [((of_rule,), (of_path,), first), ((of_rule,), (of_rest,), second)])
        [basic] = actions_of(attrs.evolve(site().rule, deny_unless=(of_rule,), rewrite_rule_set=first)).all()
        self.assertEqual((basic.deny_unless, basic.rewrite_rule_set), ((of_rule,), first))

    def test_normalises_for_conditions(self) -> None:
        """Paths are normalised where conditions of a path rule, or of the defaults, decide; the rule's own do not."""
        condition = (Condition.of("var_http_method == GET"),)
        [images, gone] = self.site.rule.url_path_map.path_rules if self.site.rule.url_path_map else ()
        self.assertTrue(mapped(attrs.evolve(images, deny_unless=condition), gone).normalises)
        rule = attrs.evolve(self.site.rule, deny_unless=condition)
        self.assertFalse(Site(listener=rule.http_listener, rule=rule).normalises)
        assert rule.url_path_map
        rule = attrs.evolve(rule, url_path_map=attrs.evolve(rule.url_path_map, default_deny_unless=condition))
        self.assertTrue(Site(listener=rule.http_listener, rule=rule).normalises)

    def test_normalises_for_conditions_on_the_path(self) -> None:
        """Where a rule's own condition is about the path, a basic rule's too, paths are normalised."""
        for written, expected in (("var_uri_path", True), ("var_request_uri", True), ("var_query_string", False)):
            condition = (Condition.of(f"{written} ~ ^/a"),)
            for each in (site(), self.site):
                rule = attrs.evolve(each.rule, deny_unless=condition)
                self.assertEqual(Site(listener=rule.http_listener, rule=rule).normalises, expected, written)

    def test_normalises(self) -> None:
        """Paths are normalised where a path rule decides about certificates, and nowhere else."""
        self.assertFalse(site().normalises)
        self.assertFalse(self.site.normalises)
        for what in (PathCertificate.REQUIRE, PathCertificate.IGNORE):
            rule = PathRule(
                name="a",
                paths=("/a",),
                backend_address_pool=APP,
                backend_http_settings=PLAIN,
                client_certificate=what,
            )
            each = mapped(rule)
            self.assertTrue(each.normalises)
            self.assertIs(each.actions.for_path(b"/A").client_certificate, what)
            self.assertIs(each.actions.for_path(b"/b").client_certificate, PathCertificate.NONE)
