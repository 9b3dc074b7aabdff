"""What is known of revocation, as the control API shows it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.list_states import ListState
from agwtwisted.core.operations.revocation_state import KnownAnswers, NextRenewal, ResponderState, revocation_members
from agwtwisted.core.operations.shared_store_state import SharedStoreState
from tests.revocations import DEVICE, ISSUER, PROFILE

LIST = ListState(
    issuer="CN=CA",
    origin="a.crl",
    number=1,
    this_update=0.0,
    next_update=9.0,
    entries=1,
    size=1,
    is_limited=False,
    renewal=None,
    problem="",
)


class RevocationMembersTests(SynchronousTestCase):
    """Its members."""

    def test_members(self) -> None:
        """Profiles, answers, questions, responders and renewals have their names, and times are UTC."""
        failing = ResponderState(address="a:80", circuit="open", failures=1, last_failure=0.0, last_error="no response")
        members = revocation_members(
            profiles=[PROFILE],
            answers=KnownAnswers(good=2),
            questions={"unusable": 1, "good": 2},
            cache_hits=3,
            let_in=4,
            responders=[failing, ResponderState(address="b:80", circuit="closed")],
            lists=[LIST],
            store=SharedStoreState(url="redis://a/", is_connected=True, answers={"hit": 2}, commands={}),
            renewals=[NextRenewal(subject=(DEVICE.der, ISSUER.der), next_update=60.0, renewal=30.0)],
        )
        self.assertEqual(members["profiles"][0]["name"], PROFILE.name)
        self.assertEqual(members["answers"], {"good": 2, "revoked": 0, "unknown": 0, "unproven": 0})
        self.assertEqual(list(members["questions"]), ["good", "unusable"])
        first, second = members["responders"]
        self.assertEqual((first["last_failure"], first["last_error"]), ("1970-01-01T00:00:00Z", "no response"))
        self.assertEqual((second["last_failure"], second["last_error"], second["circuit"]), (None, None, "closed"))
        self.assertEqual((members["lists"], members["shared_store"]["hits"]), ([LIST.members()], 2))
        [renewal] = members["next_renewals"]
        self.assertEqual((renewal["renewal"], renewal["next_update"]), ("1970-01-01T00:00:30Z", "1970-01-01T00:01:00Z"))
        self.assertEqual(int(renewal["serial"], 16), DEVICE.certificate.serial_number)
        self.assertEqual(json.loads(json.dumps(members)), members)
