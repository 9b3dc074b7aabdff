"""The contexts of a plan."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.contexts import trusted_variables
from agwtwisted.tls.plan_contexts import make_contexts
from agwtwisted.tls.sessions import SHARED_DAYS
from tests import configurations, pki
from tests.clients import files, plain, text

VARIABLES = trusted_variables()


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

    def test_kept(self) -> None:
        """What has the same content is the same object in the next configuration, and belongs to its sites."""
        before = make_contexts(
            configurations.plan(text("a strict a.example", "b strict b.example"), files()), VARIABLES
        )
        plan = configurations.plan(text("c strict c.example", "b http400 b.example", "a strict a.example"), files())
        after = make_contexts(plan, VARIABLES, before)
        [old], [new] = before.values(), after.values()
        olds = {site.listener.name: each.context for site, each in old.by_site.items()}
        news = {site.listener.name: each.context for site, each in new.by_site.items()}
        named = {site.listener.name: site for site in new.by_site}
        # The port resumes no sessions any more, since its profiles differ.
        self.assertEqual([name for name in "ab" if olds[name] is news[name]], [])
        self.assertIsNone(new.sessions)
        again = configurations.plan(text("c strict c.example", "b http400 b.example", "a strict a.example"), files())
        [kept] = make_contexts(again, VARIABLES, after).values()
        for site, each in kept.by_site.items():
            self.assertIn(each.context, news.values())
            self.assertEqual(each.content, new.by_site[named[site.listener.name]].content)
            self.assertIs(each.site, site)

    def test_sessions_are_kept(self) -> None:
        """Ticket keys stay where the profile stays; contexts of sites whose content changed are new."""
        before = make_contexts(
            configurations.plan(text("a strict a.example", "b strict b.example"), files()), VARIABLES
        )
        renewed = pki.Authority.root("Other Root").issue_server("localhost")
        source = files(site_pem=pki.bundle(renewed), site_key=renewed.key_pem)
        [old] = before.values()
        [new] = make_contexts(configurations.plan(text("a strict a.example"), source), VARIABLES, before).values()
        self.assertIs(new.sessions, old.sessions)
        self.assertFalse({id(each.context) for each in new.by_site.values()} & {id(old.first.context)})
        [other] = make_contexts(configurations.plan(text("a http400 a.example"), files()), VARIABLES, before).values()
        self.assertIsNot(other.sessions, old.sessions)

    def test_keys_of_workers(self) -> None:
        """Workers get keys for some days, since each would make its own afterwards."""
        for workers, coming in (("1", 0), ("2", SHARED_DAYS - 1), ("auto", SHARED_DAYS - 1)):
            plan = configurations.plan(text("a strict a.example", gateway=f"workers = {workers}\n"), files())
            [contexts] = make_contexts(plan, VARIABLES).values()
            assert contexts.sessions
            self.assertEqual(len(contexts.sessions._coming), coming)

    def test_old_keys(self) -> None:
        """Keys that are a day old are not taken over."""
        plan = configurations.plan(text("a strict a.example"), files())
        before = make_contexts(plan, VARIABLES)
        [old] = before.values()
        assert old.sessions
        old.sessions._until = 0.0
        [new] = make_contexts(plan, VARIABLES, before).values()
        self.assertIsNot(new.sessions, old.sessions)
        self.assertIs(new.first.context, old.first.context)

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
