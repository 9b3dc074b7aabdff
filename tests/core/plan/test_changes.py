"""What another configuration changes."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.plan import changes
from agwtwisted.core.plan.changes import Changes, changes_of, fixed_problems
from agwtwisted.core.plan.plan import Plan
from tests import clients, configurations

TEXT = clients.text("basic strict", "named passthrough a.example")


def plan(*replaced: tuple[str, str], more: str = "", files: dict[str, bytes] | None = None) -> Plan:
    """The plan of TEXT with replacements, each of which must be there, and more sections."""
    text = TEXT
    for old, new in replaced:
        assert old in text, old
        text = text.replace(old, new, 1)
    read = clients.files()
    return configurations.plan(text + more, attrs.evolve(read, data={**read.data, **(files or {})}))


class ChangesTests(SynchronousTestCase):
    """Titles of sections that say something else."""

    def test_nothing(self) -> None:
        """Comments, white space and the order of sections change nothing."""
        same = changes_of(plan(), plan(("[gateway]\n", "; a comment\n[gateway]\n\n")))
        self.assertEqual((same, bool(same), str(same)), (Changes(), False, "nothing changed"))

    def test_a_value(self) -> None:
        """The section whose text has changed is named, and none of those that name it."""
        found = changes_of(plan(), plan(("port = 9000", "port = 9001")))
        self.assertEqual(found, Changes(changed=("backend_http_settings app",)))

    def test_a_file(self) -> None:
        """So is one whose file has changed under its name."""
        other = clients.files().data["conf/pki/partners.pem"]
        found = changes_of(plan(), plan(files={"conf/pki/clients-ca.pem": other}))
        self.assertEqual(found, Changes(changed=("trusted_client_certificate devices",)))

    def test_added_and_removed(self) -> None:
        """Titles that are new or gone stand in the order of their file, beside the sections that name them."""
        before = plan(more="\n[custom_error gateway/502]\nfile = 502.html\n", files={"conf/502.html": b"<p>"})
        after = plan(("ssl_profile = strict", "ssl_profile = partners"))
        found = changes_of(before, after)
        self.assertEqual(found.added, ("trusted_client_certificate partners", "ssl_profile partners"))
        self.assertEqual(found.changed, ("http_listener basic",))
        gone = ("trusted_client_certificate devices", "ssl_profile strict", "custom_error gateway/502")
        self.assertEqual(found.removed, gone)

    def test_another_page(self) -> None:
        """A page of one's own is known by what it replaces."""
        more = "\n[custom_error gateway/502]\nfile = 502.html\n"
        before, after = (plan(more=more, files={"conf/502.html": page}) for page in (b"<p>", b"<b>"))
        self.assertEqual(changes_of(before, after), Changes(changed=("custom_error gateway/502",)))

    def test_text(self) -> None:
        """As text it is bounded, however much has changed."""
        many = Changes(added=tuple(f"probe {number}" for number in range(400)), removed=("probe a",))
        self.assertRegex(str(many), r"^added: probe 0, (probe \d+, ){10}probe 11 and 388 more; removed: probe a$")


class FixedTests(SynchronousTestCase):
    """What does not change in a running gateway."""

    def said(self, before: Plan, after: Plan) -> list[str]:
        """The problems, as lines."""
        return [str(problem) for problem in fixed_problems(before, after)]

    def test_nothing(self) -> None:
        """Whatever else changes is no problem."""
        self.assertEqual(self.said(plan(), plan(("access_log = -", "access_log = -\ndrain_timeout = 9"))), [])

    def test_key(self) -> None:
        """A key of [gateway] that would have to change is refused with its line and the value in force."""
        with_directory = plan(("access_log = -\n", "access_log = -\nstate_directory = s\n"))
        [line] = self.said(plan(), with_directory)
        reason = "[gateway] state_directory cannot change while the gateway runs: it is"
        self.assertEqual(line, f"ERROR conf/gw.ini:3 {reason} not set until a restart")
        [line] = self.said(with_directory, plan())
        self.assertEqual(line, f"ERROR conf/gw.ini:1 {reason} 'conf/s' until a restart")

    def test_section(self) -> None:
        """So is a section of which nothing can change."""
        self.patch(changes, "FIXED_SECTIONS", ("ssl_profile strict",))
        after = plan(("[ssl_profile strict]", "[ssl_profile strict]\nallow_weak = true"))
        [problem] = fixed_problems(plan(), after)
        self.assertEqual(
            problem,
            Problem(
                place=after.origins.place("ssl_profile strict"),
                section="ssl_profile strict",
                message="cannot change while the gateway runs: it stays as it is until a restart",
            ),
        )
