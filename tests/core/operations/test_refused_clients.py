"""Clients that were refused, and the memory of them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.identity.clients import ClientRevocationStatus
from agwtwisted.core.operations.refused_clients import RefusalMemory, RefusedClient
from agwtwisted.core.verification.verdicts import Missing, Refused, Refusing
from tests import configurations

MISSING = Missing()


def refused(*certificates: bytes, verdict: Refusing = MISSING, at: float = 0.0) -> RefusedClient:
    """A refusal."""
    return RefusedClient(
        at=at,
        stage="handshake",
        listener="public",
        address="10.0.0.1",
        port=5,
        verdict=verdict,
        revocation_status=ClientRevocationStatus.NOT_CHECKED,
        certificates=certificates,
    )


class RefusedClientTests(SynchronousTestCase):
    """One refusal."""

    def test_members(self) -> None:
        """A refusal says when, where, of whom and why."""
        site = configurations.site()
        found = refused(site.der, *site.chain_der[1:], verdict=Refused("certificate has expired"))
        members = found.members(2, 17)
        self.assertEqual(
            (members["id"], members["at"], members["reason"]),
            ("2-17", "1970-01-01T00:00:00Z", "certificate has expired"),
        )
        self.assertEqual((members["verify"], members["subject"]), ("FAILED:certificate has expired", "CN=localhost"))
        self.assertTrue(members["has_certificate"])
        self.assertEqual(json.loads(json.dumps(members)), members)

    def test_without_certificate(self) -> None:
        """One without a certificate has no identity."""
        members = refused().members(0, 1)
        self.assertEqual((members["reason"], members["verify"]), ("no certificate", "NONE"))
        self.assertEqual((members["subject"], members["has_certificate"]), (None, False))

    def test_pem(self) -> None:
        """Its certificates are to be had as PEM, in the order in which they came."""
        site = configurations.site()
        blocks = read_certificates(refused(*site.chain_der).pem.encode(), "").certificates
        self.assertEqual([block.der for block in blocks], list(site.chain_der))
        self.assertEqual(refused().pem, "")

    def test_nonsense(self) -> None:
        """What is no certificate at all is shown as one that says nothing."""
        self.assertEqual(refused(b"\xff" * 99).members(0, 1)["subject"], "")


class MemoryTests(SynchronousTestCase):
    """The last ones."""

    @given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 20), st.integers(40, 200))
    def test_like_a_list(self, sizes: list[int], most: int, most_bytes: int) -> None:
        """The memory holds the last ones that fit in its bounds, the newest first, and finds each by its number."""
        memory = RefusalMemory(most, most_bytes)
        every = [refused(b"x" * size, at=float(number)) for number, size in enumerate(sizes, start=1)]
        kept: list[RefusedClient] = []
        for number, each in enumerate(every, start=1):
            self.assertEqual(memory.add(each), number)
            kept.append(each)
            while len(kept) > most or sum(one.size for one in kept) > most_bytes:
                kept.pop(0)
        self.assertEqual([each for _, each in memory.newest(1000)], kept[::-1])
        self.assertEqual(memory.newest(2), memory.newest(1000)[:2])
        for number, each in enumerate(every, start=1):
            self.assertIs(memory.of(number), each if number > len(every) - len(kept) else None)
        self.assertIsNone(memory.of(len(every) + 1))
        self.assertIsNone(memory.of(0))
