"""Proofs in a thread: one after the other, with room for the reactor between their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.crl import ProvenCrl
from agwtwisted.core.revocation.status import CouldNotAsk, Unusable
from agwtwisted.revocation import crl_proving
from agwtwisted.revocation.crl_proving import ListProver, pause, proven
from tests.crls import Listed
from tests.revocation_lists import ISSUER, ROOT, crl


class ProvingTests(SynchronousTestCase):
    """Lists with and without issuers."""

    def test_proven(self) -> None:
        """A list is proven by its issuer alone, and each step is followed by a pause."""
        pauses: list[int] = []
        data = crl(signer=ISSUER).der()
        self.assertIsInstance(proven(data, ISSUER.der, lambda: pauses.append(1)), ProvenCrl)
        self.assertGreater(len(pauses), 0)
        self.assertIsInstance(proven(data, ROOT.der), Unusable)
        self.assertIsInstance(proven(data, b"no certificate"), Unusable)
        entries = [Listed(serial=number + 1) for number in range(3000)]
        few = len(pauses)
        found = proven(_with(entries), ISSUER.der, lambda: pauses.append(1))
        assert isinstance(found, ProvenCrl)
        self.assertEqual(len(found.table), 3000)
        self.assertGreater(len(pauses), 2 * few + 3)
        pause()

    def test_one_at_a_time(self) -> None:
        """The next list is begun once the one before is done; without memory nothing was found out."""
        begun: list[Deferred[Any]] = []

        def threads(_: object, call: Callable[[], object], name: str) -> Deferred[Any]:
            begun.append(Deferred())
            return begun[-1]

        self.patch(crl_proving, "in_thread", threads)
        prover = ListProver(MemoryReactorClock())
        one, two, three = (prover.prove(b"", ISSUER.der) for _ in range(3))
        self.assertEqual(len(begun), 1)
        begun[0].errback(MemoryError())
        self.assertEqual(self.successResultOf(one), CouldNotAsk("there is not enough memory for the CRL"))
        two.cancel()
        two.addErrback(lambda _: None)
        self.assertEqual(len(begun), 3)
        begun[2].callback(Unusable("this"))
        self.assertEqual(self.successResultOf(three), Unusable("this"))


def _with(entries: list[Listed]) -> bytes:
    return attrs.evolve(crl(), entries=entries).der()
