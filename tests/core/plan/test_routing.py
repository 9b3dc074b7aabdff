"""Which site answers to a name, and what becomes of a path: beside second, naive implementations."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.backend_pools import BackendAddressPool
from agwtwisted.core.resources.resources import (
    BackendHttpSettings,
    Config,
    HttpListener,
    Protocol,
    RequestRoutingRule,
)
from tests.configurations import GOOD, load, with_listener


def site(*host_names: str, port: int = 443, priority: int = 1, address: str = "0.0.0.0") -> Site:
    """A site with these host names; none: the basic one."""
    listener = HttpListener(
        name=",".join(host_names) or "basic", address=address, port=port, protocol=Protocol.HTTP, host_names=host_names
    )
    rule = RequestRoutingRule(
        name=listener.name,
        priority=priority,
        http_listener=listener,
        backend_address_pool=BackendAddressPool(name="pool"),
        backend_http_settings=BackendHttpSettings(name="settings"),
    )
    return Site(listener=listener, rule=rule)


def matches(pattern: str, name: str) -> bool:
    """Whether a name matches: ``*`` any characters, ``?`` one."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return matches(pattern[1:], name) or bool(name and matches(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and matches(pattern[1:], name[1:])


def naive(sites: list[Site], name: str) -> Site | None:
    """Exact name, then longest wildcard, of equal ones the first of the file, then the basic listener."""
    name = (name[:-1] if name.endswith(".") else name).lower()
    best: tuple[int, Site] | None = None
    for each in sites:
        for pattern in each.listener.host_names:
            wild = "*" in pattern or "?" in pattern
            rank = (len(pattern) if wild else 1000) if (matches(pattern, name) if wild else pattern == name) else 0
            if rank and (best is None or rank > best[0]):
                best = rank, each
    return best[1] if best else next((each for each in sites if not each.listener.host_names), None)


_LETTERS = st.text("ab.", min_size=1, max_size=4)
_PATTERNS = st.text("ab.*?", min_size=1, max_size=5)


class SelectTests(SynchronousTestCase):
    """`Sites.select`."""

    @given(
        st.lists(st.one_of(_LETTERS, _PATTERNS), unique=True, max_size=6), st.booleans(), st.text("abAB.", max_size=5)
    )
    def test_like_the_naive_one(self, patterns: list[str], basic: bool, name: str) -> None:
        """Any patterns and any name: both say the same."""
        sites = [site(pattern) for pattern in patterns] + ([site()] if basic else [])
        self.assertIs(Sites.of(sites).select(name), naive(sites, name))

    def test_order(self) -> None:
        """Exact before wildcard, longer before shorter, any before basic."""
        exact, long, short, basic = site("a.b.example"), site("*.b.example"), site("*.example"), site()
        sites = Sites.of([basic, short, long, exact])
        for name, expected in (
            ("a.b.example", exact),
            ("A.B.EXAMPLE.", exact),
            ("c.b.example", long),
            ("x.a.b.example", long),
            ("c.example", short),
            ("example", basic),
            ("", basic),
            ("a.b.example..", basic),
            ("a\n.b.example", basic),
        ):
            self.assertIs(sites.select(name), expected, name)

    def test_several_stars(self) -> None:
        """What stands between stars may stand in a name more than once, and its places may overlap."""
        for pattern, fitting, others in (
            ("*.aa.*.example", ("x.aa.y.example", "x.aa.aa.example", "x.aa..example.example"), ("x.aa.example", "aa.")),
            ("a*aba*a?", ("aabaab", "aababaac", "aababaa"), ("aabab", "aaba", "aabaa")),
        ):
            wild, basic = site(pattern), site()
            sites = Sites.of([wild, basic])
            self.assertEqual([sites.select(name) for name in fitting], [wild] * len(fitting), pattern)
            self.assertEqual([sites.select(name) for name in others], [basic] * len(others), pattern)

    def test_long_names(self) -> None:
        """A name that is longer than any host's fits no wildcard."""
        wild, basic = site("*.example"), site()
        sites = Sites.of([wild, basic])
        longest = "a" * 247 + ".example"
        self.assertEqual((sites.select(longest), sites.select("a" + longest)), (wild, basic))

    def test_no_basic(self) -> None:
        """Without a basic listener a strange name has no site, and no name neither."""
        sites = Sites.of([site("a")])
        self.assertEqual((sites.select("b"), sites.select("")), (None, None))

    def test_of_a_handshake(self) -> None:
        """A handshake without a server name has the site for those; one with a name that which the name selects."""
        wild, basic = site("*.example"), site()
        self.assertEqual([Sites.of([wild, basic]).of_handshake(name) for name in ("", "a.example")], [basic, wild])
        self.assertEqual([Sites.of([wild]).of_handshake(name) for name in ("", "a")], [wild, None])

    def test_patterns_are_no_regular_expressions(self) -> None:
        """A dot in a wildcard is a dot."""
        self.assertIsNone(Sites.of([site("*.a.b")]).select("c.axb"))

    def test_all(self) -> None:
        """Every site once, the basic one first."""
        basic, both, other = site(), site("a", "*.a"), site("b")
        self.assertEqual(Sites.of([both, other, basic]).all(), (basic, both, other))
        self.assertEqual(Sites.of([both]).all(), (both,))


class RouteTests(SynchronousTestCase):
    """`Plan.routes`."""

    def test_routes(self) -> None:
        """Each pool with the settings under which a rule leads there, once, however many rules do."""
        config = load(
            GOOD
            + with_listener("a", port=8444)
            + with_listener("b", port=8445).replace("settings = app", "settings = other")
            + "[backend_http_settings other]\n\n[backend_http_settings unused]\n"
        )
        self.assertEqual(
            [(pool.name, settings.name) for pool, settings in Plan.of(config).routes],
            [("app", "app"), ("app", "other")],
        )


class PortTests(SynchronousTestCase):
    """`Plan.http_ports`."""

    def test_ports(self) -> None:
        """Sites are sorted by address and port, in the order of their rules' priority."""
        late, early = site("*a", priority=2), site("?a", priority=1)
        there = site(port=80, priority=3)
        elsewhere = site(address="127.0.0.1", priority=4)
        rules = tuple(each.rule for each in (late, there, elsewhere, early))
        ports = Plan.of(Config(gateway=load().gateway, request_routing_rules=rules)).http_ports
        self.assertEqual(set(ports), {("0.0.0.0", 443), ("0.0.0.0", 80), ("127.0.0.1", 443)})
        chosen = ports["0.0.0.0", 443].sites.select("ba")
        assert chosen
        self.assertIs(chosen.rule, early.rule)

    def test_site_tells_its_parts(self) -> None:
        """The profile is that of the listener."""
        self.assertIsNone(site().profile)
