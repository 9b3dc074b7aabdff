"""What is kept of clients' chains, for how long and how much of it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.verified_chains import (
    ABOVE,
    LONGEST,
    TAKEN,
    Intermediates,
    VerifiedChain,
    VerifiedChains,
)
from tests import pki

LIFE = 7200.0


def chain(begin: float = 0, until: float = 1e9, issuer: bytes = b"issuer", takes: int = TAKEN) -> VerifiedChain:
    """A chain that is trusted in this period."""
    return VerifiedChain((issuer,), begin, until, takes)


class VerifiedChainsTests(SynchronousTestCase):
    """Chains by profile and leaf."""

    def test_found(self) -> None:
        """A chain is found by its profile and its leaf, and by no other ones."""
        chains = VerifiedChains(LIFE)
        self.assertTrue(chains.put("one", b"leaf", chain(), 100))
        self.assertEqual(chains.find("one", b"leaf", 101), chain())
        self.assertIsNone(chains.find("other", b"leaf", 101))
        self.assertIsNone(chains.find("one", b"leaf2", 101))
        self.assertIsNone(chains.find("onel", b"eaf", 101))

    def test_news(self) -> None:
        """It is news where it was not known, or with other issuers."""
        chains = VerifiedChains(LIFE)
        self.assertEqual([chains.put("one", b"leaf", chain(issuer=each), 1) for each in (b"a", b"a", b"b")], [1, 0, 1])
        self.assertEqual(len(chains), 1)

    def test_period(self) -> None:
        """Before its period and after it, a chain is not found, whatever was true when it was put there."""
        chains = VerifiedChains(LIFE)
        chains.put("one", b"leaf", chain(100, 200), 150)
        found = [chains.find("one", b"leaf", now) is not None for now in (99, 100, 199.9, 200, 201)]
        self.assertEqual(found, [False, True, True, False, False])

    def test_life(self) -> None:
        """It is kept as long as a session from its last use can be resumed, and no longer."""
        chains = VerifiedChains(LIFE)
        chains.put("one", b"leaf", chain(), 0)
        self.assertIsNotNone(chains.find("one", b"leaf", LIFE - 1))
        self.assertIsNotNone(chains.find("one", b"leaf", 2 * LIFE - 2))
        self.assertIsNone(chains.find("one", b"leaf", 3 * LIFE))
        chains.put("one", b"other", chain(), 3 * LIFE)
        self.assertEqual(len(chains), 1)

    def test_room(self) -> None:
        """What was used least recently goes first, and what is kept never takes more than there is room for."""
        chains = VerifiedChains(LIFE, room=3 * TAKEN)
        for leaf in (b"1", b"2", b"3"):
            chains.put("one", leaf, chain(), 0)
        chains.find("one", b"1", 1)
        chains.put("one", b"4", chain(), 2)
        self.assertEqual([chains.find("one", leaf, 3) is not None for leaf in (b"1", b"2", b"3", b"4")], [1, 0, 1, 1])
        chains.put("one", b"5", chain(takes=3 * TAKEN), 4)
        self.assertEqual(len(chains), 1)
        chains.put("one", b"5", chain(), 5)
        chains.put("one", b"6", chain(takes=2 * TAKEN), 5)
        self.assertEqual(len(chains), 2)


class IntermediatesTests(SynchronousTestCase):
    """Intermediates that clients have sent."""

    def test_above(self) -> None:
        """Those that may stand above a leaf are found by the names of issuers, the nearest first; no others."""
        root = pki.Authority.root("R")
        upper = root.intermediate("Upper")
        lower = upper.intermediate("Lower")
        other = root.intermediate("Other")
        known = Intermediates()
        self.assertEqual([known.add(each.der) for each in (other, upper, lower, lower)], [True, True, True, False])
        self.assertEqual(known.above(lower.issue("x").der), (lower.der, upper.der))
        self.assertEqual(known.above(root.issue("x").der), ())
        self.assertEqual(known.above(b"no certificate"), ())

    def test_many_of_a_name(self) -> None:
        """CAs that certify each other, or have one name, are each proposed once, and not more than a few."""
        one = pki.Authority.root("R").intermediate("One")
        two = one.intermediate("Two")
        known = Intermediates()
        for each in (one, two, two.intermediate("One"), *[one.intermediate("Two") for _ in range(2 * ABOVE)]):
            known.add(each.der)
        found = known.above(two.issue("x").der)
        self.assertEqual((len(found), len(set(found))), (ABOVE, ABOVE))

    def test_bounds(self) -> None:
        """Long ones and what cannot be read are not remembered, and the oldest goes when there are too many."""
        root = pki.Authority.root("R")
        three = [root.intermediate(name).der for name in ("1", "2", "3")]
        known = Intermediates(most=2)
        self.assertEqual([known.add(each) for each in (b"", b"x" * 100, b"\x30" * (LONGEST + 1))], [False] * 3)
        known.add(three[0])
        known.add(three[1])
        known.add(three[0])
        known.add(three[2])
        self.assertEqual([known.own(bytes(bytearray(each))) is each for each in three], [True, False, True])
        self.assertEqual(len(known), 2)
