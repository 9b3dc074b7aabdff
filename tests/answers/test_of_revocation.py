"""Answers about revocation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from agwtwisted.answers.of_revocation import forget, revocation_of
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.revocation.ocsp_client import OcspClient
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from tests.revocations import DEVICE, PROFILE, RevocationCase


class RevocationAnswersTests(RevocationCase):
    """Of one process."""

    def setUp(self) -> None:
        super().setUp()
        fetcher: Any = None  # nothing is asked
        client: Any = OcspClient(self.clock, fetcher)
        self.shared: Any = SimpleNamespace(
            revocation=self.revocation,
            ocsp_answers=self.answers,
            knowledge=NOTHING_SHARED,
            crl_lists=SimpleNamespace(states=lambda most: []),
            wall=self.wall,
            reactor=self.clock,
            ocsp_client=client,
        )

    def test_state(self) -> None:
        """An answer, its profile and its renewal are seen."""
        self.learn()
        state = revocation_of(self.shared)
        self.assertEqual((state["answers"]["good"], state["profiles"][0]["name"]), (1, PROFILE.name))
        self.assertEqual(len(state["next_renewals"]), 1)

    def test_forget(self) -> None:
        """By the serial number that is shown, whatever its spelling, or all."""
        self.learn()
        [renewal] = revocation_of(self.shared)["next_renewals"]
        pairs = ":".join(renewal["serial"][at : at + 2] for at in range(0, len(renewal["serial"]), 2))
        for arguments, count in (
            ({"serial": "01"}, 0),
            ({"serial": renewal["serial"].lower(), "issuer": renewal["issuer"]}, 1),
            ({"serial": pairs}, 1),
            ({}, 1),
        ):
            self.assertEqual(forget(self.shared, arguments), {"outcome": "forgotten", "forgotten": count})
            if count:
                self.learn()
        self.assertEqual(int(renewal["serial"], 16), DEVICE.certificate.serial_number)

    def test_wrong_arguments(self) -> None:
        """What is no serial number is refused, and an issuer goes with one."""
        for arguments in (
            {"serial": "x"},
            {"serial": ""},
            {"serial": "1" * 999},
            {"serial": "-"},
            {"issuer": "CN=a"},
            {"serial": 7},
        ):
            with self.assertRaises(QuestionError) as caught:
                forget(self.shared, arguments)
            self.assertEqual(caught.exception.status, 400)
