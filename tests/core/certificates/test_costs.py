"""What strangers' certificates may cost."""

from __future__ import annotations

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.costs import Costs
from tests import odd, pki
from tests.strategies import identifier, integer

ROOT = pki.Authority.root("Root")
RSA = identifier("1.2.840.113549.1.1.1") + odd.NULL


def with_key(bits: int, exponent: int = 65537) -> bytes:
    """A certificate with an RSA key of this length."""
    numbers = odd.sequence(integer((1 << bits) - 1), integer(exponent))
    info = odd.sequence(odd.sequence(RSA), pki.tlv(0x03, b"\0" + numbers))
    return odd.odd_certificate(public_key=info)


class CostsTests(SynchronousTestCase):
    """`Costs`."""

    def test_honest_certificates(self) -> None:
        """A chain as people have them, with constraints too, is far from the bounds."""
        constrained = ROOT.intermediate("CA", permitted=[x509.DNSName(f"{each}.example") for each in range(40)])
        costs = Costs()
        for each in (ROOT, constrained, constrained.issue(san=["a.0.example"] * 20)):
            self.assertFalse(costs.exceeded_by(each.der))
        for der in (with_key(4096), with_key(8192), b"", b"\x30\0"):
            self.assertFalse(costs.exceeded_by(der))

    def test_keys(self) -> None:
        """An exponent of more than 64 bits, and a modulus of more than 8192, cost too much."""
        self.assertTrue(Costs().exceeded_by(with_key(2048, 1 << 64)))
        self.assertTrue(Costs().exceeded_by(with_key(8200)))

    def test_whatever_else_is_odd(self) -> None:
        """A date that is none does not hide a key."""
        numbers = odd.sequence(integer(1 << 2047), integer(1 << 64))
        info = odd.sequence(odd.sequence(RSA), pki.tlv(0x03, b"\0" + numbers))
        der = odd.odd_certificate(public_key=info, not_before=pki.utc_time(b"251301000000Z"))
        self.assertTrue(Costs().exceeded_by(der))

    def test_names_against_constraints(self) -> None:
        """Many names cost nothing without constraints, and too much where many constraints do."""
        names = ROOT.issue(san=[f"{each}.example" for each in range(1500)])
        constraints = ROOT.intermediate("CA", excluded=[x509.DNSName(f"{each}.example") for each in range(500)])
        self.assertFalse(Costs().exceeded_by(names.der))
        costs = Costs()
        self.assertFalse(costs.exceeded_by(ROOT.intermediate("Short", excluded=[x509.DNSName("a")]).der))
        self.assertFalse(costs.exceeded_by(names.der))
        costs.exceeded_by(constraints.der)
        self.assertTrue(costs.exceeded_by(names.der))
