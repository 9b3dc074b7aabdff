"""The contexts of a plan."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.contexts import trusted_variables
from agwtwisted.tls.plan_contexts import make_contexts
from tests import configurations
from tests.clients import files, plain, text


class MakeContextsTests(SynchronousTestCase):
    """Which contexts are made."""

    def test_ports_of_tls(self) -> None:
        """Every port of TLS has contexts for its sites, and no other port has."""
        variables_of = trusted_variables()
        plan = configurations.plan(text("basic strict", "o - o.example"), files())
        [(address, port)] = plan.http_ports.items()
        made = make_contexts(plan, variables_of)
        self.assertEqual(set(made), {address})
        self.assertEqual(set(made[address].by_site), set(port.sites.all()))
        self.assertIs(made[address].first.variables_of, variables_of)
        self.assertEqual(make_contexts(configurations.plan(plain(text("basic strict")), files()), variables_of), {})

    def test_profiles_are_read_once(self) -> None:
        """Sites of one profile share what is made of its CAs, on any port; those of another one do not."""
        plan = configurations.plan(text("a strict a.example", "b strict b.example", "p passthrough p.example"), files())
        [contexts] = make_contexts(plan, trusted_variables()).values()
        by_name = {site.listener.name: each for site, each in contexts.by_site.items()}
        a, b, p = (by_name[name] for name in "abp")
        self.assertIs(a.rules.anchors, b.rules.anchors)
        self.assertIs(a.search, b.search)
        self.assertIsNot(a.context, b.context)
        self.assertIsNotNone(a.rules.anchors)
        self.assertIsNot(a.rules.anchors, p.rules.anchors)
