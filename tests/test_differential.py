"""Three verifiers of client certificates beside each other: every disagreement is known, judged and written down.

`AGW_DIFFERENTIAL` says how many chains are generated; ``make differential`` runs fifteen times as many as the suite.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import attrs
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.steps import StepOutcome
from agwtwisted.core.verification.chains import TrustedChain
from agwtwisted.core.verification.judging import Anchors, judge
from agwtwisted.core.verification.reasons import REASONS
from agwtwisted.core.verification.verdicts import Refused
from agwtwisted.explaining.explain import explain
from tests import handshakes, odd, pki
from tests.clients import Gateway, files, text
from tests.differential import (
    AUTHORITIES,
    LEAVES,
    Case,
    Presented,
    Shape,
    cases,
    cross_signed_first,
    cross_signed_in_file,
    cross_signed_last,
    in_order,
    leaf_alone,
    loop,
    namesake_first,
    namesake_last,
    other_root,
    self_issued,
)
from tests.handshakes import evidence_of
from tests.strategies import simple_name

COUNT = int(os.environ.get("AGW_DIFFERENTIAL", "2000"))
DEEPEST = 7
"""CAs between leaf and root, of 8 certificates above the leaf."""


def case(*authorities: str, leaf: str = "good", shape: Shape = in_order, seed: int = 0) -> Case:
    """One chain, by what is odd about it."""
    return Case(authorities=authorities, leaf=leaf, shape=shape, seed=seed)


@attrs.frozen
class Decision:
    """What is decided about one kind of certificate or chain: who accepts it, and why the gateway does or does not."""

    case: Case
    wanted: str  # of OpenSSL, the gateway, cryptography, as `Answers` are printed
    reason: str


def _ca(name: str, wanted: str, reason: str) -> tuple[str, Decision]:
    return f"CA: {name}", Decision(case(name), wanted, reason)


def _leaf(name: str, wanted: str, reason: str) -> tuple[str, Decision]:
    return f"leaf: {name}", Decision(case("good", leaf=name), wanted, reason)


_URIS = "cryptography knows no constraints of URIs; OpenSSL and RFC 5280 section 4.2.1.10 do"
_DIRECTORY = "cryptography knows no constraints of directory names; OpenSSL and RFC 5280 section 4.2.1.10 do"
_WEAK_KEY = "less than 112 bits of security; `allow_weak` lets it in"
_WEAK_DIGEST = "collisions are made; `allow_weak` lets it in"
_ALGORITHM = "a list of the Web PKI; 112 bits of security are enough"
_WEB_PKI = "a rule of the Web PKI for what may be issued; a verifier need not mind"
_SERIAL = "RFC 5280 section 4.1.2.2 forbids it to CAs; private ones do it, and nothing depends on it"
_KEY_ID = "OpenSSL takes no issuer whose key identifier is another; RFC 5280 calls it a help only. Refusing is safe"
_ORDER = "OpenSSL takes the first issuer that fits and does not come back; it accepts the path that the gateway finds"
_DEMANDED = (
    "RFC 5280 section 6.1: OpenSSL ignores it without a flag that crashes pyOpenSSL, cryptography does not know it"
)

DECISIONS: Mapping[str, Decision] = dict(
    [
        _ca("basicConstraints not critical", "++-", "RFC 5280 asks it of CAs; section 6.1.4 (k) looks at the value"),
        _ca("no keyUsage", "++-", "RFC 5280 asks it of CAs; section 6.1.4 (n) looks only at one that is there"),
        _ca(
            "for anything", "--+", "OpenSSL reads a CA's purposes like a leaf's: anyExtendedKeyUsage is not clientAuth"
        ),
        _ca("empty subject", "++-", "RFC 5280 section 4.1.2.6 asks CAs for a name; section 6.1 compares what is there"),
        _ca("permits the URI", "++-", _URIS),
        _ca("permits the directory name", "++-", _DIRECTORY),
        _ca("excludes another directory name", "++-", _DIRECTORY),
        _ca("weak key", "+--", _WEAK_KEY),
        _ca("Ed25519 key", "++-", _ALGORITHM),
        _ca("P-224 key", "++-", _ALGORITHM),
        _ca("SHA-1", "+--", _WEAK_DIGEST),
        _ca("negative serial", "++-", _SERIAL),
        _ca("wrong AKI", "--+", _KEY_ID),
        _ca("demands a policy", "+--", _DEMANDED),
        _ca("demands a policy, has one", "+--", _DEMANDED),
        _ca(
            "inhibits anyPolicy", "++-", "without a demand for a policy it says nothing; cryptography does not know it"
        ),
        _ca("maps policies", "++-", "without a demand for a policy it says nothing; cryptography does not know it"),
        _leaf("CA", "++-", "a CA may be a client: RFC 5280 has no rule against it, and self-signed devices often are"),
        _leaf("version 1", "++-", "nothing in it asks for version 3; OpenSSL, and so the product, take it"),
        _leaf(
            "version 1 with extensions",
            "++-",
            "what they say counts, whatever the version; OpenSSL, and so the product, take it",
        ),
        _leaf("encipherment only", "--+", "a TLS client signs: RFC 8446 section 4.4.2.2 wants digitalSignature"),
        _leaf(
            "agreement only", "+-+", "the same; OpenSSL remembers clients of TLS 1.2 with static keys, which are gone"
        ),
        _leaf("keyCertSign without CA", "++-", _WEB_PKI),
        _leaf("purposes are critical", "++-", _WEB_PKI),
        _leaf("names constrained", "++-", "name constraints of a leaf have no effect: no certificate is below it"),
        _leaf("weak key", "+-+", _WEAK_KEY),
        _leaf("SHA-1", "+--", _WEAK_DIGEST),
        _leaf("negative serial", "++-", _SERIAL),
        _leaf("no AKI", "++-", "RFC 5280 section 4.2.1.1 asks it of CAs; a chain can be built without"),
        _leaf("wrong AKI", "--+", _KEY_ID),
        _leaf("demands a policy", "+--", _DEMANDED),
        (
            "a demanded policy that all have",
            Decision(case("demands a policy, has one", leaf="has a policy"), "++-", "as demanded"),
        ),
        (
            "a directory name permitted, and a CA below of another name",
            Decision(
                case("permits the directory name", "good"), "---", "constraints hold for CAs too, in their subject"
            ),
        ),
        (
            "a name permitted, and a leaf without names of that kind",
            Decision(
                case("permits another URI", leaf="no names"), "+++", "RFC 5280 section 4.2.1.10: then all is well"
            ),
        ),
        ("path length 0, and a CA below", Decision(case("path length 0", "good"), "---", "RFC 5280 section 6.1.4 (m)")),
        (
            "path length 0, and the same CA with a new key below",
            Decision(case("path length 0", shape=self_issued), "++-", "RFC 5280 section 6.1.4 (l): it does not count"),
        ),
        ("7 CAs between", Decision(case(*["good"] * 7), "+++", "8 certificates above the leaf, the limit by default")),
        (
            "8 CAs between",
            Decision(case(*["good"] * 8), "+--", "one above the limit; OpenSSL does not count the root, we do"),
        ),
        ("9 CAs between", Decision(case(*["good"] * 9), "---", "two above the limit")),
        ("the CA between is nowhere", Decision(case("good", shape=leaf_alone), "---", "no chain to the root")),
        (
            "a root of the same name",
            Decision(case("good", shape=other_root), "---", "what counts is the key, not the name"),
        ),
        (
            "two CAs of one name, the wrong one first",
            Decision(case("good", shape=namesake_first), "+++", "the key identifiers tell them apart"),
        ),
        (
            "the same without key identifiers",
            Decision(case("no SKI", leaf="version 1", shape=namesake_first), "-+-", f"{_ORDER}; version 1"),
        ),
        (
            "the same, the right one first",
            Decision(
                case("no SKI", leaf="version 1", shape=namesake_last), "++-", "OpenSSL takes the first; version 1"
            ),
        ),
        (
            "a CA that a stranger certified too, the stranger's certificate first",
            Decision(case("good", shape=cross_signed_first), "-++", _ORDER),
        ),
        (
            "the same, last",
            Decision(case("good", shape=cross_signed_last), "+++", "the first issuer that fits leads to the root"),
        ),
        (
            "the same, first, with the CA's own certificate in the file",
            Decision(case("good", shape=cross_signed_in_file), "+++", "what is trusted comes before what was sent"),
        ),
        (
            "CAs that certified each other",
            Decision(case("good", shape=loop), "+++", "OpenSSL goes round once at most: no certificate comes twice"),
        ),
        (
            "the same, path length 0",
            Decision(case("path length 0", shape=loop, seed=1), "-++", f"{_ORDER}: here it goes round"),
        ),
    ]
)
"""Every disagreement, with its reason, and what deserves to be said though all agree."""

SURPRISES = {name for name, decision in DECISIONS.items() if len(set(decision.wanted)) > 1}

REFUSED_AUTHORITIES = {
    *("expired", "not yet valid", "valid until the last second", "valid from the next second", "ends before it begins"),
    *("no CA", "no basicConstraints", "version 1", "no keyCertSign", "for servers"),
    *("permits another DNS name", "excludes the DNS name", "permits another address", "excludes the address"),
    *("permits another email", "excludes the email", "permits another URI", "excludes the URI"),
    *("permits another directory name", "excludes the directory name"),
    *("unknown critical", "doubled", "bad signature"),
}
REFUSED_LEAVES = {
    *("expired", "not yet valid", "valid until the last second", "valid from the next second", "ends before it begins"),
    *("for servers", "for anything", "unknown critical", "doubled", "bad signature"),
}
"""What all three refuse; all else they accept, but for the decisions."""


@cache
def alone(case: Case) -> str:
    """What the three say where one thing only is odd."""
    return str(case.answers())


class DecisionTests(SynchronousTestCase):
    """One odd thing at a time, in an otherwise good chain of one CA."""

    def test_decisions(self) -> None:
        """Each of the table's rows is as it says."""
        for name, decision in DECISIONS.items():
            found = decision.case.answers()
            self.assertEqual(str(found), decision.wanted, (name, found))

    def test_all_else_is_undisputed(self) -> None:
        """What is not in the table, all three accept or all three refuse."""
        for name in AUTHORITIES:
            if f"CA: {name}" not in DECISIONS:
                wanted = "---" if name in REFUSED_AUTHORITIES else "+++"
                self.assertEqual(alone(case(name)), wanted, (name, case(name).answers()))
        for name in LEAVES:
            if f"leaf: {name}" not in DECISIONS:
                wanted = "---" if name in REFUSED_LEAVES else "+++"
                self.assertEqual(alone(case("good", leaf=name)), wanted, (name, case("good", leaf=name).answers()))

    def test_the_page_tells_them_all(self) -> None:
        """docs/verification.md has a row for each decision, and none besides."""
        page = (Path(__file__).parent.parent / "docs" / "verification.md").read_text()
        _, _, table = page.partition("| what is odd |")
        rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
        self.assertEqual(rows, list(page_rows()))


def page_rows() -> list[str]:
    """The rows of the page's table."""
    words = {"+": "yes", "-": "no"}
    return [
        f"| {name} | {' | '.join(words[each] for each in decision.wanted)} | {decision.reason} |"
        for name, decision in DECISIONS.items()
    ]


class OddTests(SynchronousTestCase):
    """Certificates that break RFC 5280, in handshakes: what is odd about each is in `tests.odd`."""

    def told_and_judged(self, leaf: pki.Credential, root: pki.Authority) -> tuple[int, str]:
        """OpenSSL's first error, and the reason of the gateway."""
        told = evidence_of(leaf, (), [root.der], at=pki.NOW.replace(tzinfo=None))
        chain = TrustedChain(file="", root=root.parsed, authorities=(root.parsed,), issuer=root.parsed)
        found = judge(told, Anchors.of([chain], False), pki.NOW)
        return told.error, found.reason if isinstance(found, Refused) else ""

    def test_served(self) -> None:
        """What OpenSSL verifies is served, where no decision needs the part that is odd."""
        for what, leaf in (*odd.leaves(odd.SERVED), *odd.key_forms()):
            self.assertEqual(self.told_and_judged(leaf, odd.ROOT), (0, ""), what)

    def test_in_authorities(self) -> None:
        """The same oddities in a CA: in its name and the rest, and in the signatures of what it issued."""
        for what, options in AUTHORITIES_SERVED.items():
            root = pki.Authority.root(**options)
            self.assertEqual(self.told_and_judged(root.issue(), root), (0, ""), what)

    def test_refused_by_the_gateway_alone(self) -> None:
        """Demands that cannot be read, and what is critical and not understood."""
        for what, leaf in odd.leaves(odd.OURS_ALONE):
            error, reason = self.told_and_judged(leaf, odd.ROOT)
            self.assertEqual((error, bool(reason)), (0, True), what)

    def test_refused_by_both(self) -> None:
        """What OpenSSL refuses is refused, with its reason."""
        for what, leaf in odd.leaves(odd.REFUSED):
            error, reason = self.told_and_judged(leaf, odd.ROOT)
            self.assertTrue(error, what)
            self.assertEqual(reason, REASONS[error], what)


def _extra(dotted: str, value: bytes) -> x509.Extension[x509.UnrecognizedExtension]:
    return pki.extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(dotted), value))


_QUALIFIED = bytes.fromhex("300e300c06032a03043005300306012a")
"""A policy with a qualifier of which RFC 5280 knows nothing."""

AUTHORITIES_SERVED: dict[str, dict[str, Any]] = {
    "PrintableString with _ @": {"subject": simple_name(("2.5.4.3", pki.tlv(0x13, b"Plant_CA@Works")))},
    "T61String": {"subject": simple_name(("2.5.4.3", pki.tlv(0x14, b"Beh\xf6rde")))},
    "BMPString": {"subject": simple_name(("2.5.4.3", pki.tlv(0x1E, "CA".encode("utf-16-be"))))},
    "version 1 with extensions": {"version": 1, "has_extensions": True},
    "version 5": {"version": 5},
    "serial 0": {"serial": 0},
    "unknown extension twice": {"extra": [_extra("1.2.3.4", b"")] * 2},
    "unreadable access descriptions": {"extra": [_extra("1.3.6.1.5.5.7.1.1", b"zz")]},
    "policy with an unknown qualifier": {"extra": [_extra("2.5.29.32", _QUALIFIED)]},
    "TRUE that is 1": {"ca": None, "extra": [_extra("2.5.29.19", b"\x30\x03\x01\x01\x01")]},
    "keyUsage with unused bits": {"usage": None, "extra": [_extra("2.5.29.15", b"\x03\x02\x02\x87")]},
}


class GeneratedTests(SynchronousTestCase):
    """Many chains with several odd things about them."""

    def test_disagreements_are_those_decided(self) -> None:
        """Each disagreement has a part that is in the table.

        The gateway accepts what OpenSSL refuses only where there are several candidates for an issuer.

        Where the parts of a chain have nothing to do with each other, the answers follow from the parts.
        """
        counted = Counter[str]()
        for each in cases(COUNT):
            found = each.answers()
            if str(found).startswith("-+"):
                self.assertIn(each.shape, SEVERAL_CANDIDATES, (str(each), found))
            if len(set(str(found))) > 1:
                self.assertTrue(is_disputed(each), (str(each), found))
            if not is_entangled(each):
                counted["predicted"] += 1
                self.assertEqual(str(found), predicted(each), (str(each), found))
            counted[str(found)] += 1
        self.assertGreater(counted["predicted"], COUNT * 0.7)
        self.assertGreater(min(counted["+++"], counted["---"]), COUNT * 0.1)

    def test_the_same_seed_makes_the_same_chains(self) -> None:
        """A failure can be looked at again; another seed makes other chains."""
        self.assertEqual([str(each) for each in cases(50)], [str(each) for each in cases(50)])
        self.assertNotEqual([str(each) for each in cases(50)], [str(each) for each in cases(50, seed=2)])

    def test_the_whole_gateway_says_the_same(self) -> None:
        """A sample through the contexts of a real configuration: exactly the clients of the gateway's column are
        accepted.

        What changes within seconds is left out: OpenSSL's clock is the machine's there. Weak keys and digests OpenSSL
        itself refuses there, at its usual security level. `explain`, which has no key, says the same.
        """
        sample = [
            each for each in cases(COUNT // 20, seed=3) if not any("second" in odd for odd in (each.leaf, *each.odd))
        ]
        admitted = 0
        for each in sample:
            presented = each.presented()
            if presented.file and "doubled" in each.odd:
                continue  # a file with such a CA stops the start
            gateway = _trusting(pki.bundle(presented.root, *presented.file))
            client = gateway.shake_hands(handshakes.client_context(presented.leaf, presented.sent))
            found = each.answers()
            self.assertEqual(client.connection.is_secure, not found.gateway, (str(each), found))
            self.assertEqual(explained(gateway, presented), client.connection.is_secure, (str(each), found))
            admitted += client.connection.is_secure
        self.assertGreater(min(admitted, len(sample) - admitted), len(sample) // 10)


@cache
def _trusting(authorities: bytes) -> Gateway:
    """A gateway that trusts these; most chains have the same root, and nothing of a client stays."""
    return Gateway(text("basic strict"), files(**{"clients-ca_pem": authorities}))


def explained(gateway: Gateway, presented: Presented) -> bool:
    """What `explain` says of a client; a step has failed exactly where it is refused."""
    sent = b"".join(pki.pem_block("CERTIFICATE", der) for der in (presented.leaf.der, *presented.sent))
    explanation = explain(Plan.of(gateway.config), "basic", sent, pki.NOW)
    failed = [step.name for step in explanation.steps if step.outcome is StepOutcome.FAILED]
    if explanation.accepted == bool(failed):
        raise AssertionError(explanation.text)
    return explanation.accepted


def is_disputed(each: Case) -> bool:
    """Whether the table knows of a part, or of a shape, about which the verifiers disagree."""
    parts = {f"CA: {name}" for name in each.odd} | {f"leaf: {each.leaf}"}
    shapes = (namesake_first, cross_signed_first, loop, self_issued)
    # Constraints of a kind that cryptography does not know: it refuses them even where a leaf has no such name.
    unknown = any("directory name" in name or "URI" in name for name in each.odd)
    return bool(parts & SURPRISES) or unknown or each.shape in shapes or len(each.authorities) > DEEPEST


SEVERAL_CANDIDATES = (namesake_first, cross_signed_first, loop)
"""Shapes in which OpenSSL's first path may be the wrong one."""

NAMELESS = ("no names", "empty subject", "empty subject and no names", "version 1")
"""Leaves that name constraints have less to say about."""


def is_entangled(each: Case) -> bool:
    """Whether the parts bear on each other, so that nothing follows from each alone."""
    names_count = any(name.startswith(("permits", "excludes")) for name in each.odd)
    policies_count = any(name.startswith("demands") for name in each.odd)
    lengths_count = any(name.startswith("path length") for name in each.odd)
    shifts_depth = each.shape in (loop, self_issued) and len(each.authorities) >= DEEPEST
    has_key_ids = "version 1" not in (each.leaf, *each.odd) and each.leaf != "no AKI" and "no SKI" not in each.odd
    return (
        (names_count and each.leaf in NAMELESS)
        or (
            "permits the directory name" in each.odd
            and (len(each.authorities) > 1 or each.shape in (loop, self_issued))
        )
        or (policies_count and each.leaf == "has a policy")
        or (lengths_count and (len(each.authorities) > 1 or each.shape in (loop, self_issued)))
        or shifts_depth
        or (each.shape is namesake_first and not has_key_ids)
        # Without a key identifier above there is nothing to compare; Ed25519 signs over no digest of one's choice.
        or ("no SKI" in each.odd and "wrong AKI" in (each.leaf, *each.odd))
        or ("Ed25519 key" in each.odd and "SHA-1" in (each.leaf, *each.odd))
    )


def predicted(each: Case) -> str:
    """The answers that follow from those about each part alone."""
    parts = [alone(case(name)) for name in each.odd]
    parts.append(alone(case("good", leaf=each.leaf)))
    parts.append(alone(case(*["good"] * min(1, len(each.authorities)), shape=each.shape)))
    parts.append(alone(case(*["good"] * len(each.authorities))))
    return "".join("+" if set(answers) == {"+"} else "-" for answers in zip(*parts, strict=True))
