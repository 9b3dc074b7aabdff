"""Certificate policies of a path (RFC 5280 section 6.1, in the linear form of RFC 9618).

A CA may demand that every certificate below it be issued under a policy (policyConstraints, always critical). OpenSSL
leaves that alone unless X509_V_FLAG_POLICY_CHECK is set, and that flag cannot be: for a policy that is missing it calls
the verify callback without a certificate, which pyOpenSSL 26.4 answers with a crash of the process. So it is done here.

Every policy is acceptable to us (the initial set is anyPolicy): it counts whether there is one where one has to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs

from agwtwisted.core.certificates import der, extensions
from agwtwisted.core.certificates.der import DerError
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.verification import reasons

ANY: Final = "2.5.29.32.0"

_REQUIRE_EXPLICIT: Final = 0x80
_INHIBIT_MAPPING: Final = 0x81


@attrs.frozen(kw_only=True)
class PolicyRules:
    """What one certificate says of policies."""

    policies: frozenset[str] = frozenset()  # those it was issued under
    mappings: tuple[tuple[str, str], ...] = ()  # the issuer's policy, and the subject's that equals it
    require_explicit: int | None = None  # so many certificates later a policy is demanded
    inhibit_mapping: int | None = None
    inhibit_any: int | None = None
    is_self_issued: bool = False
    is_readable: bool = True  # without a demand nothing hangs on policies, and on whether they can be read

    @classmethod
    def of(cls, certificate: Certificate) -> PolicyRules:
        """Those of a certificate.

        Raises:
            DerError: whether it demands a policy cannot be read, or something critical.
        """
        if not any(map(_OF_POLICIES_OR_LIMITS.__contains__, [each.identifier for each in certificate.extensions])):
            return _SAYS_NOTHING[certificate.subject == certificate.issuer]
        require_explicit, inhibit_mapping = _constraints(certificate)
        try:
            return cls(
                policies=frozenset([der.object_identifier(each) for each in extensions.policies(certificate)]),
                mappings=_mappings(certificate),
                require_explicit=require_explicit,
                inhibit_mapping=inhibit_mapping,
                inhibit_any=_inhibited(certificate),
                is_self_issued=certificate.subject == certificate.issuer,
            )
        except DerError:
            if any(each.critical and each.identifier in _OF_POLICIES for each in certificate.extensions):
                raise
            return cls(require_explicit=require_explicit, is_readable=False)


_OF_POLICIES: Final = frozenset(
    {extensions.CERTIFICATE_POLICIES, extensions.POLICY_MAPPINGS, extensions.INHIBIT_ANY_POLICY}
)


_OF_POLICIES_OR_LIMITS: Final = _OF_POLICIES | {extensions.POLICY_CONSTRAINTS}

_SAYS_NOTHING: Final = (PolicyRules(), PolicyRules(is_self_issued=True))
"""Rules of a certificate without any of these, as nearly all are: where it is issued by another, and by itself."""


def policy_fault(path: Sequence[PolicyRules]) -> str:
    """Why the certificates below a root, its nearest first and the leaf last, lack a policy; else empty."""
    if not [rules for rules in path if rules.require_explicit is not None]:
        return ""  # no CA demands one
    if not all(rules.is_readable for rules in path):
        return reasons.POLICY_EXTENSION
    expected = frozenset({ANY})  # what the next certificate may be issued under; empty: nothing any more
    explicit = mapping = any_policy = len(path) + 1  # so many certificates later each begins to count
    for number, rules in enumerate(path, start=1):
        is_leaf = number == len(path)
        expected = _accepted(expected, rules, takes_any=any_policy > 0 or (rules.is_self_issued and not is_leaf))
        if not expected and not explicit:
            return reasons.NO_EXPLICIT_POLICY
        if not is_leaf:
            if any(ANY in pair for pair in rules.mappings):
                return reasons.POLICY_EXTENSION
            expected = _mapped(expected, rules.mappings, allowed=mapping > 0)
        step = 0 if rules.is_self_issued and not is_leaf else 1
        explicit = _lowered(explicit - step, rules.require_explicit)
        mapping = _lowered(mapping - step, rules.inhibit_mapping)
        any_policy = _lowered(any_policy - step, rules.inhibit_any)
    return reasons.NO_EXPLICIT_POLICY if not expected and not explicit else ""


def _accepted(expected: frozenset[str], rules: PolicyRules, *, takes_any: bool) -> frozenset[str]:
    """The policies of a certificate that those above it allow (section 6.1.3 d)."""
    named = rules.policies - {ANY}
    accepted = named if ANY in expected else named & expected
    return accepted | expected if ANY in rules.policies and takes_any else accepted


def _mapped(expected: frozenset[str], mappings: tuple[tuple[str, str], ...], *, allowed: bool) -> frozenset[str]:
    """The same policies in the words of those below (section 6.1.4 b)."""
    left = expected - {issuer for issuer, _ in mappings}
    if not allowed:
        return left
    return left | {subject for issuer, subject in mappings if issuer in expected or ANY in expected}


def _lowered(count: int, wanted: int | None) -> int:
    return max(count, 0) if wanted is None else min(max(count, 0), wanted)


def _constraints(certificate: Certificate) -> tuple[int | None, int | None]:
    """requireExplicitPolicy and inhibitPolicyMapping of policyConstraints (section 4.2.1.11)."""
    extension = certificate.extension(extensions.POLICY_CONSTRAINTS)
    if extension is None:
        return None, None
    parts = der.elements(der.first_of(extension.content, der.SEQUENCE))
    counts = {each.tag: _count(each.content) for each in parts}
    if len(counts) < len(parts) or not counts.keys() <= {_REQUIRE_EXPLICIT, _INHIBIT_MAPPING}:
        raise DerError("not policy constraints")
    return counts.get(_REQUIRE_EXPLICIT), counts.get(_INHIBIT_MAPPING)


def _inhibited(certificate: Certificate) -> int | None:
    """inhibitAnyPolicy (section 4.2.1.14)."""
    extension = certificate.extension(extensions.INHIBIT_ANY_POLICY)
    return None if extension is None else _count(der.first_of(extension.content, der.INTEGER))


def _count(content: bytes) -> int:
    number = int.from_bytes(content, "big", signed=True)
    if not content or number < 0:
        raise DerError("not a number of certificates")
    return number


def _mappings(certificate: Certificate) -> tuple[tuple[str, str], ...]:
    """policyMappings (section 4.2.1.5)."""
    extension = certificate.extension(extensions.POLICY_MAPPINGS)
    if extension is None:
        return ()
    return tuple([_pair(pair) for pair in der.elements(der.first_of(extension.content, der.SEQUENCE))])


def _pair(pair: der.Element) -> tuple[str, str]:
    match der.elements(pair.content):
        case (der.Element(tag=der.OBJECT_IDENTIFIER, content=issuer), der.Element(der.OBJECT_IDENTIFIER, subject)):
            return der.object_identifier(issuer), der.object_identifier(subject)
        case _:
            raise DerError("a policy mapping that is not two policies")
