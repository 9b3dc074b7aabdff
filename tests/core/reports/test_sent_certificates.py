"""`agwtwisted.core.reports.sent_certificates`: what is remarked about a file of certificates."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import EncodedBlock
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.sent_certificates import MOST_SHOWN, sent_step
from agwtwisted.core.reports.steps import ExplanationStep, StepOutcome
from agwtwisted.core.resources.resources import HttpListener, Protocol
from agwtwisted.core.verification.verdicts import NotAsked
from tests import clients, pki

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
SECOND = FIRST.intermediate("Second")
LEAF = SECOND.issue("leaf")


def step(*sent: bytes, key_lines: tuple[int, ...] = ()) -> ExplanationStep:
    """The step about these certificates, which stand on lines of their own."""
    blocks = tuple(EncodedBlock(der=der, line=line) for line, der in enumerate(sent, start=1))
    listener = HttpListener(name="plain", port=80, protocol=Protocol.HTTP)
    return sent_step(
        Examination(source="f", sent=blocks, key_lines=key_lines, listener=listener, now=pki.NOW, verdict=NotAsked())
    )


def text(*sent: bytes, key_lines: tuple[int, ...] = ()) -> str:
    """Its text, with single spaces."""
    return " ".join(step(*sent, key_lines=key_lines).text.split())


class OrderTests(SynchronousTestCase):
    """Remarks about the order: none of them decides."""

    def test_in_order(self) -> None:
        """The own one first, each followed by its issuer: nothing is remarked."""
        for sent in ((LEAF.der,), (LEAF.der, SECOND.der), (LEAF.der, SECOND.der, FIRST.der)):
            self.assertIs(step(*sent).outcome, StepOutcome.PASSED)

    def test_wrong_order(self) -> None:
        """Intermediates in another order, with the right one."""
        self.assertIs(step(LEAF.der, FIRST.der, SECOND.der).outcome, StepOutcome.NOTE)
        found = text(LEAF.der, FIRST.der, SECOND.der)
        order = "line 1: 'CN=leaf', line 3: 'CN=Second', line 2: 'CN=First'."
        self.assertIn("in the wrong order, which other servers refuse", found)
        self.assertIn(f"each is to follow the one that it issued: {order}", found)

    def test_an_authority_first(self) -> None:
        """The verdict is about the first one: which one may be meant is said."""
        found = text(SECOND.der, LEAF.der)
        self.assertIn("The first certificate is a CA's, and another is not: put the client's own first", found)
        self.assertIn("(line 2: 'CN=leaf' may be it)", found)
        self.assertNotIn("wrong order", found)
        self.assertIn("The client's own certificate is a CA's.", text(SECOND.der))

    def test_not_needed(self) -> None:
        """Duplicates, certificates of other chains, and the root."""
        found = text(LEAF.der, SECOND.der, SECOND.der, clients.partners().der, FIRST.der, ROOT.der)
        self.assertIn("line 3: CN=Second is there more than once", found)
        self.assertIn("line 4: 'CN=Partners' is not needed", found)
        self.assertIn("line 6: 'CN=Root' is a root, and need not be sent", found)
        self.assertNotIn("wrong order", found)

    def test_keys(self) -> None:
        """A private key is remarked on, by its line, and nothing of it is shown."""
        self.assertIn("There is a private key, too (line 9)", text(LEAF.der, key_lines=(9,)))
        self.assertIn("There is a private key, too (in the file)", text(LEAF.der, key_lines=(0,)))

    def test_a_thousand(self) -> None:
        """Of very many the first are shown, and the others counted."""
        found = step(LEAF.der, *[SECOND.der] * 999)
        self.assertIn("   and 980 more", found.lines)
        self.assertIn("978 more are there more than once.", " ".join(found.text.split()))
        self.assertLess(len(found.lines), 12 * MOST_SHOWN)

    def test_circles(self) -> None:
        """CAs that certified each other, and one that issued itself under its own name, come to an end."""
        again = SECOND.intermediate("First", key=FIRST.key)
        self.assertTrue(step(LEAF.der, SECOND.der, again.der, FIRST.der).lines)

    def test_rubbish(self) -> None:
        """What cannot be read has no place in an order."""
        self.assertIs(step(b"\x30\x00", b"").outcome, StepOutcome.PASSED)
        self.assertIn("violates RFC 5280", text(b"\x30\x00"))
