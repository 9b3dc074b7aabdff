"""Which sources are asked, and what they say together."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable
from agwtwisted.core.revocation.policy import allows_unavailable, ends, sources_of, undecided
from agwtwisted.core.revocation.status import CouldNotAsk, Good, Revoked, Unknown, Unreachable, Unusable
from tests.revocations import profile

OCSP, CRL = RevocationSource
ORDERS = ((OCSP,), (CRL,), (OCSP, CRL), (CRL, OCSP))


class SourcesTests(SynchronousTestCase):
    """Who is asked."""

    def test_order(self) -> None:
        """About a client's own certificate all sources are asked in the order of the profile."""
        for order in ORDERS:
            self.assertEqual(sources_of(profile(verify_client_revocation=order), is_leaf=True), order)

    def test_scopes(self) -> None:
        """About an intermediate only the sources are asked whose own scope is the chain, in the same order."""
        for order, scopes in product(ORDERS, product(RevocationScope, repeat=2)):
            by = profile(verify_client_revocation=order, ocsp_scope=scopes[0], crl_scope=scopes[1])
            chain = {kind for kind, scope in zip((OCSP, CRL), scopes, strict=True) if scope is RevocationScope.CHAIN}
            self.assertEqual(sources_of(by, is_leaf=False), tuple(each for each in order if each in chain))

    def test_unavailable(self) -> None:
        """Every source of the profile has to allow it; what others would say does not count."""
        allow = RevocationUnavailable.ALLOW
        for order, allowing in product(ORDERS, ((), (OCSP,), (CRL,), (OCSP, CRL))):
            keys: dict[str, Any] = {f"{each.value.lower()}_unavailable": allow for each in allowing}
            found = allows_unavailable(profile(verify_client_revocation=order, **keys))
            self.assertEqual(found, {*order} <= {*allowing})
        self.assertFalse(allows_unavailable(profile(verify_client_revocation=(), ocsp_unavailable=allow)))


class DecisionTests(SynchronousTestCase):
    """What follows."""

    def test_ends(self) -> None:
        """Good and revoked end the search, and nothing else."""
        for status, expected in (
            (Good(1.0), True),
            (Revoked(1.0, "", 2.0), True),
            (Unknown(), False),
            (CouldNotAsk("x"), False),
            (Unusable("x"), False),
            (Unreachable("x"), False),
        ):
            self.assertIs(ends(status), expected)

    def test_weights(self) -> None:
        """Without good and revoked, unknown weighs most, then that a source was not asked, in any order."""
        ranked = (Unusable("a"), CouldNotAsk("b"), Unknown(source=CRL))
        for count in (1, 2, 3):
            for each in permutations(ranked[:count]):
                self.assertEqual(undecided(each), ranked[count - 1])
        self.assertIsInstance(undecided(()), Unusable)
