"""The members of answers about revocation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.answer_members import example, undocumented, unseen
from agwtwisted.core.operations.revocation_answers import REVOCATION
from agwtwisted.core.operations.revocation_state import KnownAnswers, revocation_members
from tests.revocations import PROFILE


class RevocationAnswerTests(SynchronousTestCase):
    """The answer to `GET /revocation`."""

    def test_as_it_is(self) -> None:
        """Every member of the state is documented; what it shows of responders and renewals is in the example."""
        members = revocation_members(
            profiles=[PROFILE],
            answers=KnownAnswers(),
            questions={"good": 1},
            cache_hits=0,
            let_in=0,
            responders=(),
            lists=(),
            store=None,
            renewals=(),
        )
        self.assertEqual(list(undocumented(REVOCATION, members)), [])
        kept = {name: example(REVOCATION)[name] for name in ("responders", "shared_store")}
        shown = {**example(REVOCATION), **members, **kept}
        self.assertEqual(list(unseen(REVOCATION, shown)), ["lists", "next_renewals"])
