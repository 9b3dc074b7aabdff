"""What is stapled, as the control API shows it."""

from __future__ import annotations

import json
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.staples_in_force import (
    NOT_SHOWN,
    StapleState,
    shown_certificates,
    staple_subjects,
    staples_in_force,
)
from agwtwisted.core.plan.plan import Plan
from tests import configurations, pki
from tests.core.revocation.test_stapling import SITE


@cache
def _plan(*, issuer: bool = True, stapling: str = "true") -> Plan:
    text = configurations.GOOD.replace(
        "key_file = pki/site.key", f"key_file = pki/site.key\nocsp_stapling = {stapling}"
    )
    chain = SITE.chain_pem if issuer else SITE.pem
    return configurations.plan(text, configurations.files(site_pem=chain, site_key=SITE.key_pem))


class StaplesInForceTests(SynchronousTestCase):
    """By the name of a section."""

    def test_shown(self) -> None:
        """What listeners show is asked about, unless its key ocsp_stapling says no."""
        plan = _plan()
        [shown] = shown_certificates(plan)
        [subject] = staple_subjects(plan)
        self.assertEqual(subject.names, (shown.name,))
        self.assertEqual(staple_subjects(_plan(stapling="false")), ())

    def test_states(self) -> None:
        """A certificate has the state that is known, none before there is one, or the reason why it has none."""
        [shown] = shown_certificates(_plan())
        known = StapleState(names=("x", shown.name), status="good", next_update=1.0)
        self.assertEqual(staples_in_force(_plan(), [known]), {shown.name: known})
        self.assertEqual(staples_in_force(_plan(), []), {shown.name: StapleState(names=(shown.name,))})
        [state] = staples_in_force(_plan(issuer=False), []).values()
        self.assertEqual((state.status, state.problem), ("none", "the certificate of its issuer is not in its file"))
        [state] = staples_in_force(_plan(stapling="false"), []).values()
        self.assertEqual(state.problem, "ocsp_stapling is false")

    def test_members(self) -> None:
        """Times are in UTC, and what is not there is null."""
        now = pki.NOW.timestamp()
        state = StapleState(names=("a",), status="good", next_update=now, renewal=now - 60, problem="down")
        self.assertEqual(
            json.loads(json.dumps(state.members())),
            {
                "ocsp_staple": "good",
                "ocsp_staple_next_update": "2026-06-01T12:00:00Z",
                "ocsp_staple_renewal": "2026-06-01T11:59:00Z",
                "ocsp_staple_problem": "down",
            },
        )
        self.assertEqual(set(StapleState().members().values()), {"none", None})
        self.assertEqual(set(NOT_SHOWN.values()), {None})
