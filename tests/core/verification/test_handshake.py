"""The verdict of a handshake, in every combination of what it depends on."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.handshake import NO_CERTIFICATE, ClientRules, handshake_verdict, strict_verdict
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    StrictVerdict,
    Trusted,
    Unchecked,
    Verdict,
)
from tests import pki

ROOT = pki.Authority.root("Devices")
OTHERS = pki.Authority.root("Others")


def anchors() -> Anchors:
    """Who is trusted: ROOT."""
    chain = read_chain(ROOT.pem, "ca.pem")
    assert isinstance(chain, TrustedChain), chain
    return Anchors.of([chain], False)


ANCHORS = anchors()
NOTHING = Evidence(chain=(), error=0)
GOOD = Evidence(chain=ROOT.issue("device").chain_der, error=0)
STRANGE = Evidence(chain=OTHERS.issue("stranger").chain_der, error=0)
BROKEN = Evidence(chain=GOOD.chain, error=7)  # a signature
EVIDENCE = {"nothing": NOTHING, "good": GOOD, "strange": STRANGE, "broken": BROKEN}

BY_ALERT, BY_PAGE, PASSTHROUGH, OPEN, NO_SITE = "by alert", "by page", "passthrough", "open", "no site"
SITES = (NO_SITE, OPEN, PASSTHROUGH, BY_PAGE, BY_ALERT)
REVOKED = Refused("noted")
NOTED: tuple[StrictVerdict, ...] = (UNJUDGED, REVOKED, Trusted())
FAILURES = ("", NO_CERTIFICATE, "bad record mac")
JUDGED: dict[str, Verdict] = {
    "nothing": Missing(),
    "good": Trusted(),
    "strange": Refused(reasons.NO_LOCAL_ISSUER),
    "broken": Refused("certificate signature failure"),
}


def rules(site: str, *, trusts: bool) -> ClientRules | None:
    """How clients of a site are judged."""
    if site == NO_SITE:
        return None
    return ClientRules(
        asks=site != OPEN,
        strict=site in (BY_PAGE, BY_ALERT),
        refuses_in_handshake=site == BY_ALERT,
        anchors=ANCHORS if trusts else None,
        max_depth=8,
    )


def expected(site: str, trusts: bool, seen: str, noted: StrictVerdict, failure: str) -> Verdict:
    """The table, row by row."""
    refusal = noted if isinstance(noted, Refused) else UNJUDGED
    match (site, failure, seen):
        case ("no site", _, _):
            return refusal
        case ("open", _, _):
            return NotAsked()
        case (_, "peer did not return a certificate", _):
            return Missing()
        case (_, "bad record mac", _):
            return refusal
        case ("passthrough", _, "nothing"):
            return Absent()
        case ("passthrough", _, _):
            return Unchecked()
        case ("by alert", _, "good" | "strange" | "broken"):
            return noted
        case _:
            return JUDGED[seen] if trusts else UNJUDGED


def verdict_of(site: ClientRules | None, evidence: Evidence, noted: StrictVerdict, failure: str) -> Verdict:
    """The verdict on what OpenSSL has said until the handshake was over."""
    return handshake_verdict(
        site, bool(evidence.chain), noted, failure, lambda: strict_verdict(site, evidence, pki.NOW)
    )


class HandshakeTests(SynchronousTestCase):
    """The verdict once the handshake is over."""

    def test_every_combination(self) -> None:
        """It is what the table says, for every site, chain, note and failure."""
        for site, trusts, seen, noted, failure in product(SITES, (True, False), EVIDENCE, NOTED, FAILURES):
            with self.subTest(site=site, trusts=trusts, seen=seen, noted=noted, failure=failure):
                found = verdict_of(rules(site, trusts=trusts), EVIDENCE[seen], noted, failure)
                self.assertEqual(found, expected(site, trusts, seen, noted, failure))

    def test_trust_needs_success(self) -> None:
        """No client is trusted after a failed handshake, without a known site, or without evidence."""
        for site, trusts, seen, noted, failure in product(SITES, (True, False), EVIDENCE, NOTED, FAILURES):
            found = verdict_of(rules(site, trusts=trusts), EVIDENCE[seen], noted, failure)
            if failure or site == NO_SITE or seen == "nothing":
                self.assertNotEqual(found, Trusted(), (site, trusts, seen, noted, failure))

    def test_strict(self) -> None:
        """The verdict of a Strict profile is that of the certificates alone; without a site or CAs it refuses."""
        for site, trusts, seen in product(SITES, (True, False), EVIDENCE):
            found = strict_verdict(rules(site, trusts=trusts), EVIDENCE[seen], pki.NOW)
            self.assertEqual(found, JUDGED[seen] if trusts and site != NO_SITE else UNJUDGED)

    def test_depth(self) -> None:
        """The chain is not longer than the site allows."""
        long = Evidence(chain=ROOT.intermediate("Between").issue("device").chain_der, error=0)
        for depth, verdict in ((2, Trusted()), (1, Refused(reasons.CHAIN_TOO_LONG))):
            allowed = ClientRules(asks=True, strict=True, anchors=ANCHORS, max_depth=depth)
            self.assertEqual(verdict_of(allowed, long, UNJUDGED, ""), verdict)
