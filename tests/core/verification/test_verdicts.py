"""Verdicts: who is admitted, and what each is called."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    Trusted,
    Unchecked,
    Verdict,
    admits,
    log_word,
    verification_variable,
)

# The table of client authentication: verdict, admitted, server variable, sslClientVerify.
TABLE: tuple[tuple[Verdict, bool, str, str], ...] = (
    (NotAsked(), True, "", "NONE"),
    (Absent(), True, "NONE", "NONE"),
    (Unchecked(), True, "PASSTHROUGH", "PASSTHROUGH"),
    (Trusted(), True, "SUCCESS", "SUCCESS"),
    (Missing(), False, "", "NONE"),
    (Refused("certificate has expired"), False, "", "FAILED:certificate has expired"),
)


class VerdictTests(SynchronousTestCase):
    """Each row of the table."""

    def test_admits(self) -> None:
        """Only the verdicts of Strict that refuse keep a client out."""
        for verdict, admitted, _, _ in TABLE:
            self.assertIs(admits(verdict), admitted, verdict)

    def test_variable(self) -> None:
        """The server variable is empty if no certificate was asked for and if nothing is forwarded."""
        for verdict, _, variable, _ in TABLE:
            self.assertEqual(verification_variable(verdict), variable)

    def test_log_word(self) -> None:
        """The log has a refused client's reason."""
        for verdict, _, _, word in TABLE:
            self.assertEqual(log_word(verdict), word)

    def test_starts_refused(self) -> None:
        """The verdict before any other keeps a client out."""
        self.assertFalse(admits(UNJUDGED))
