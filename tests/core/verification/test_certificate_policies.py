"""`agwtwisted.core.verification.certificate_policies`: paths by their policies alone."""

from __future__ import annotations

from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.certificate_policies import ANY, PolicyRules, policy_fault
from tests import pki
from tests.differential import demands_policy, issued_under, maps_policy

A, B, C = "1.2.3.1", "1.2.3.2", "1.2.3.3"
LACKING, ODD = reasons.NO_EXPLICIT_POLICY, reasons.POLICY_EXTENSION
ROOT = pki.Authority.root()


def rules(*policies: str, **others: object) -> PolicyRules:
    """A certificate issued under these."""
    return PolicyRules(policies=frozenset(policies), **others)  # type: ignore[arg-type]


def demanding(*policies: str, after: int = 0, **others: object) -> PolicyRules:
    """The same, of a CA that demands a policy."""
    return rules(*policies, require_explicit=after, **others)


class FaultTests(SynchronousTestCase):
    """`policy_fault`: RFC 5280 section 6.1, step by step."""

    def assert_faults(self, *cases: tuple[list[PolicyRules], str]) -> None:
        """Each path has the fault beside it, or none."""
        for path, wanted in cases:
            self.assertEqual(policy_fault(path), wanted, path)

    def test_nothing_demanded(self) -> None:
        """Without a demand, policies do not matter, and neither does their lack."""
        self.assert_faults(([], ""), ([rules()], ""), ([rules(A), rules(B)], ""), ([rules(), rules(A), rules()], ""))

    def test_demanded(self) -> None:
        """From the demand on there has to be a policy on which every certificate of the path agrees."""
        self.assert_faults(
            ([demanding(A), rules(A)], ""),
            ([demanding(A, B), rules(B, C)], ""),
            ([demanding(A), rules()], LACKING),
            ([demanding(A), rules(B)], LACKING),
            ([demanding(), rules(A)], LACKING),
            ([demanding(A), rules(A), rules(A)], ""),
            ([demanding(A), rules(B), rules(A)], LACKING),
            ([rules(), demanding(A), rules(A)], LACKING),
            ([rules(A), demanding(A), rules(A)], ""),
        )

    def test_demanded_by_the_leaf(self) -> None:
        """A leaf that demands a policy has to have one; one that demands it for later does not (section 6.1.5 b)."""
        self.assert_faults(([demanding()], LACKING), ([demanding(A)], ""), ([demanding(after=1)], ""))

    def test_demanded_later(self) -> None:
        """A demand may leave out certificates below it; those that issued themselves are not counted."""
        renewed = rules(is_self_issued=True)
        self.assert_faults(
            ([demanding(after=1), rules()], LACKING),
            ([demanding(after=2), rules()], ""),
            ([demanding(after=2), rules(), rules()], LACKING),
            ([demanding(after=2), renewed, rules()], ""),
            ([demanding(after=1), demanding(after=5), rules()], LACKING),  # nobody below lessens a demand
        )

    def test_any_policy(self) -> None:
        """anyPolicy agrees with every policy, until a CA inhibits it."""
        inhibiting = demanding(A, inhibit_any=0)
        self.assert_faults(
            ([demanding(ANY), rules(A)], ""),
            ([demanding(A), rules(ANY)], ""),
            ([demanding(ANY), rules(ANY)], ""),
            ([inhibiting, rules(ANY)], LACKING),
            ([inhibiting, rules(A)], ""),
            ([demanding(A, inhibit_any=1), rules(ANY), rules(ANY)], LACKING),
            ([inhibiting, rules(ANY, is_self_issued=True), rules(A)], ""),
            ([inhibiting, rules(ANY, is_self_issued=True)], LACKING),  # the leaf is no CA that renewed itself
        )

    def test_mappings(self) -> None:
        """A CA may say that its policy is called something else below it, until one above forbids that."""
        mapping = {"mappings": ((A, B),)}
        self.assert_faults(
            ([demanding(A, **mapping), rules(B)], ""),
            ([demanding(A, **mapping), rules(A)], LACKING),
            ([demanding(ANY, **mapping), rules(B)], ""),
            ([demanding(A, mappings=((A, B), (A, C))), rules(C)], ""),
            ([demanding(A, inhibit_mapping=0), rules(A, **mapping), rules(B)], LACKING),
            ([demanding(A, C, inhibit_mapping=0), rules(A, C, **mapping), rules(C)], ""),
            ([demanding(A, mappings=((A, ANY),)), rules(A)], ODD),
            ([demanding(A, mappings=((ANY, A),)), rules(A)], ODD),
        )

    @given(
        st.lists(
            st.builds(
                PolicyRules,
                policies=st.frozensets(st.sampled_from([A, B, C, ANY])),
                mappings=st.lists(st.tuples(st.sampled_from([A, B]), st.sampled_from([B, C]))).map(tuple),
                require_explicit=st.none() | st.integers(0, 3),
                inhibit_mapping=st.none() | st.integers(0, 3),
                inhibit_any=st.none() | st.integers(0, 3),
                is_self_issued=st.booleans(),
            ),
            max_size=6,
        )
    )
    def test_more_demands_never_admit(self, path: list[PolicyRules]) -> None:
        """A refused client stays refused when the first CA demands a policy at once, and a fault is a known one."""
        fault = policy_fault(path)
        self.assertIn(fault, ("", LACKING))
        if path and fault:
            stricter = [PolicyRules(**{**{name: getattr(path[0], name) for name in FIELDS}, "require_explicit": 0})]
            self.assertEqual(policy_fault([*stricter, *path[1:]]), LACKING)


FIELDS = ("policies", "mappings", "inhibit_mapping", "inhibit_any", "is_self_issued")


class ReadingTests(SynchronousTestCase):
    """`PolicyRules.of`."""

    def test_everything(self) -> None:
        """All four extensions are read, policyMappings too, for which cryptography has no class."""
        a, b = x509.ObjectIdentifier(A), x509.ObjectIdentifier(B)
        inhibit = pki.extension(x509.InhibitAnyPolicy(4), critical=True)
        constraints = pki.extension(x509.PolicyConstraints(2, 3), critical=True)
        extra = [issued_under(a, b), maps_policy(a, b), inhibit, constraints]
        found = PolicyRules.of(ROOT.intermediate(extra=extra).parsed)
        wanted = rules(A, B, mappings=((A, B),), require_explicit=2, inhibit_mapping=3, inhibit_any=4)
        self.assertEqual(found, wanted)
        self.assertEqual(PolicyRules.of(ROOT.issue(extra=[demands_policy(7)]).parsed), demanding(after=7))

    def test_nothing(self) -> None:
        """A certificate that says nothing of policies was issued under none; a root issued itself."""
        self.assertEqual(PolicyRules.of(ROOT.issue().parsed), PolicyRules())
        self.assertEqual(PolicyRules.of(ROOT.parsed), PolicyRules(is_self_issued=True))

    def test_odd_mappings(self) -> None:
        """Mappings that are no pairs of policies are noted, and where they are critical an error of the DER's kind."""
        pair = pki.tlv(0x30, b"\x06\x01\x2a")
        for value in (b"", b"\x05\x00", b"\x30\x01", pki.tlv(0x30, pair), pki.tlv(0x30, b"\x05\x00"), pki.tlv(0x31)):
            mappings = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), value)
            found = PolicyRules.of(ROOT.intermediate(extra=[pki.extension(mappings)]).parsed)
            self.assertEqual((found.is_readable, found.require_explicit), (False, None))
            critical = pki.extension(mappings, critical=True)
            self.assertRaises(DerError, PolicyRules.of, ROOT.intermediate(extra=[critical]).parsed)
