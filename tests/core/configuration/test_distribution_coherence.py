"""What must fit together about load distribution policies."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.backend_pools import LoadDistributionAlgorithm
from tests.configurations import GOOD, MAP, changed, load, mapped, path_rule, plan, said

POOL = "backend_address_pool = app\nbackend_http_settings"
POLICY = "load_distribution_policy = canary\nbackend_http_settings"


def target(name: str, pool: str = "app", weight: str = "") -> str:
    """A target of the policy."""
    return f"\n[load_distribution_target canary/{name}]\nbackend_address_pool = {pool}\n{weight}"


def pool(name: str, addresses: str) -> str:
    """A further pool."""
    return f"\n[backend_address_pool {name}]\nbackend_addresses = {addresses}\n"


SECTIONS = (
    "\n[load_distribution_policy canary]\n"
    + target("old", weight="weight_per_server = 9\n")
    + target("new", "new")
    + pool("new", "127.0.0.1:9001")
)


def distributed(*changes: tuple[str, str], sections: str = SECTIONS) -> str:
    """GOOD, whose rule leads to a policy of two pools."""
    return changed((POOL, POLICY), *changes) + sections


class PolicyTests(SynchronousTestCase):
    """Policies with their targets."""

    def test_policy(self) -> None:
        """A rule leads to the pools of its policy, in the order of the file; what is not said has its default."""
        [rule] = load(distributed()).request_routing_rules
        policy = rule.load_distribution_policy
        assert policy
        self.assertEqual(said(distributed()), [])
        self.assertIs(policy.load_distribution_algorithm, LoadDistributionAlgorithm.ROUND_ROBIN)
        found = [(each.name, each.backend_address_pool.name, each.weight_per_server) for each in policy.targets]
        self.assertEqual(found, [("old", "app", 9), ("new", "new", 1)])
        self.assertEqual([route.pool.name for route in plan(distributed()).routes], ["app", "new"])

    def test_wherever_a_pool_stands(self) -> None:
        """Path rules and the defaults of maps may have one."""
        text = mapped(path_rule("a", "/a", end="load_distribution_policy = canary\nbackend_http_settings = app\n"))
        default = MAP.replace("default_backend_address_pool = app", "default_load_distribution_policy = canary")
        found = plan(text.replace(MAP, default) + SECTIONS)
        self.assertEqual([route.policy.name for route in found.policy_routes], ["canary"])
        [site] = found.http_ports["127.0.0.1", 8443].sites.all()
        self.assertEqual([action.pool for action in site.actions.all()], [None, None])
        self.assertEqual({each.name for action in site.actions.all() for each in action.pools}, {"app", "new"})

    def test_beside_a_pool(self) -> None:
        """A policy beside a pool takes its place, as in the product, whose documents often have both: a note."""
        text = changed((POOL, f"backend_address_pool = app\n{POLICY}")) + SECTIONS
        [note] = load(text).notes
        self.assertIn("backend_address_pool has no effect: load_distribution_policy decides", note.message)
        [site] = plan(text).http_ports["127.0.0.1", 8443].sites.all()
        self.assertEqual((site.actions.default.pool, len(site.actions.default.pools)), (None, 2))

    def test_beside_a_redirect(self) -> None:
        """A redirect goes to no servers."""
        text = distributed((POLICY, f"redirect_configuration = away\n{POLICY}"))
        text += "\n[redirect_configuration away]\nredirect_type = Found\ntarget_url = https://example.org/\n"
        self.assertIn("load_distribution_policy cannot be used with redirect_configuration", "\n".join(said(text)))

    def test_wrong(self) -> None:
        """A policy that is not there, a target without a pool, of no policy, or with a weight out of range."""
        for text, words in (
            (changed((POOL, POLICY)), "there is no load_distribution_policy 'canary'"),
            (distributed(sections=SECTIONS + target("x", "x")), "there is no backend_address_pool 'x'"),
            (distributed(sections=SECTIONS + target("x", "")), "[load_distribution_target canary/x] backend_address"),
            (distributed() + target("x").replace("canary", "others"), "there is no load_distribution_policy 'others'"),
            (distributed() + target("x", weight="weight_per_server = 0\n"), "from 1 to 100"),
            (distributed() + target("x", weight="weight_per_server = 101\n"), "from 1 to 100"),
            (
                distributed().replace("policy canary]\n", "policy canary]\nload_distribution_algorithm = X\n"),
                "RoundR",
            ),
        ):
            lines = said(text)
            self.assertTrue(any(line.startswith("ERROR") and words in line for line in lines), lines)

    def test_unused(self) -> None:
        """A policy that no rule names does nothing."""
        [line] = said(GOOD + SECTIONS)
        self.assertIn("[load_distribution_policy canary] no rule uses this policy, so it has no effect", line)

    def test_without_targets(self) -> None:
        """A policy without a target has no server."""
        [line] = said(distributed(sections="\n[load_distribution_policy canary]\n"))
        self.assertTrue(line.startswith("WARNING"), line)
        self.assertIn("has no load_distribution_target: its requests get 502", line)

    def test_server_of_two_pools(self) -> None:
        """A server that two targets have counts for the first pool."""
        for sections in (target("again"), target("again", "again") + pool("again", "127.0.0.1:9001, 127.0.0.1:9000")):
            [line] = said(distributed(sections=SECTIONS + sections))
            self.assertTrue(line.startswith("WARNING"), line)
            self.assertIn("[load_distribution_target canary/again] the server 127.0.0.1 is also one of", line)

    def test_other_algorithm(self) -> None:
        """The algorithm of backend settings has no effect on a policy: a warning where they contradict each other."""
        for algorithm, count in (("LeastConnections", 1), ("RoundRobin", 0)):
            lines = said(distributed(("port = 9000\n", f"port = 9000\nload_distribution_algorithm = {algorithm}\n")))
            self.assertEqual(len(lines), count, lines)
            if lines:
                self.assertIn(
                    "load_distribution_algorithm = LeastConnections has no effect on requests by"
                    " load_distribution_policy canary, which has RoundRobin",
                    lines[0],
                )

    def test_plain_way_in(self) -> None:
        """Servers of a policy are as protected as those of a pool: a plain listener to one of them is warned of."""
        plain = "\n[http_listener plain]\naddress = 127.0.0.1\nport = 8080\nprotocol = Http\n"
        plain += "\n[request_routing_rule plain]\npriority = 7\nhttp_listener = plain\nbackend_address_pool = new\n"
        [line] = said(distributed(sections=SECTIONS + plain + "backend_http_settings = app\n"))
        self.assertIn("reaches servers that the Strict listener public protects", line)
