"""`agwtwisted.core.verification.judging`: which clients are trusted, with the evidence of real handshakes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from unittest import mock

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification import judging, reasons
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.judging import LONGEST_CHAIN, REASONS, Anchors, Evidence, Period, judge, valid_until
from agwtwisted.core.verification.verdicts import Refused, Trusted
from tests import pki
from tests.handshakes import evidence_of

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
SECOND = FIRST.intermediate("Second")
SIBLING = ROOT.intermediate("Sibling")
STRANGER = pki.Authority.root("Root")  # the same name, another key
LEAF = SECOND.issue()
WEAK_KEY = pki.rsa_key(1024)
RSA_KEY = pki.rsa_key()
POLICY = x509.ObjectIdentifier("1.3.6.1.4.1.99999.2")


def chain_of(*credentials: pki.Credential) -> TrustedChain:
    """A trusted client CA file of these."""
    found = read_chain(pki.bundle(*credentials), "ca.pem")
    assert isinstance(found, TrustedChain), found
    return found


def anchors_of(*files: Sequence[pki.Credential], issuer_dn: bool = False, allow_weak: bool = False) -> Anchors:
    """The anchors of a profile with these files."""
    return Anchors.of([chain_of(*file) for file in files], issuer_dn, allow_weak=allow_weak)


TORN_NAME = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03")))
ONLY_ROOT = anchors_of([ROOT])


def evidence(leaf: pki.Credential, **changes: object) -> Evidence:
    """What OpenSSL reports about a chain without faults."""
    return attrs.evolve(Evidence(chain=leaf.chain_der, error=0), **changes)


def verdict(leaf: pki.Credential, anchors: Anchors = ONLY_ROOT, *, level: int = 0) -> str:
    """The reason for which this client is refused after a real handshake; empty when trusted."""
    told = evidence_of(leaf, leaf.chain_der[1:-1], list(anchors.issuers_by_root), level=level)
    found = judge(told, anchors, pki.NOW)
    return found.reason if isinstance(found, Refused) else ""


def _unknown(*, critical: bool = False) -> x509.Extension[x509.UnrecognizedExtension]:
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\0")
    return pki.extension(value, critical=critical)


def _under_rsa(**options: object) -> pki.Credential:
    return pki.Authority.root("RSA", key=RSA_KEY).issue(**options)


class HandshakeTests(SynchronousTestCase):
    """`judge` with what OpenSSL said in a handshake."""

    def test_trusted(self) -> None:
        """Leaves under the root, one and two intermediates down, of each kind of key and of each sufficient purpose."""
        for leaf in (
            LEAF,
            ROOT.issue(),
            FIRST.issue(key=RSA_KEY),
            FIRST.issue(key=pki.ed25519_key()),
            FIRST.issue(key=pki.ec_key(ec.SECP384R1()), hash=hashes.SHA384()),
            FIRST.issue(eku=None),
            FIRST.issue(eku=(pki.SERVER_AUTH, pki.CLIENT_AUTH), eku_critical=True),
            FIRST.issue(usage=None),
            FIRST.issue(ca=None),
            FIRST.issue(version=1),
            ROOT.intermediate("A CA that is a client"),
        ):
            self.assertEqual(verdict(leaf), "", leaf.certificate)

    def test_a_root_may_be_its_own_client(self) -> None:
        """A self-signed device certificate with CA bits, uploaded as it is, admits its owner and no namesake."""
        alone = pki.Authority.root("device", usage=None)
        self.assertEqual(verdict(alone, anchors_of([alone])), "")
        self.assertEqual(verdict(alone, anchors_of([alone], issuer_dn=True)), "")
        self.assertEqual(
            verdict(pki.Authority.root("device", usage=None), anchors_of([alone])), "self-signed certificate"
        )

    def test_refused_by_openssl(self) -> None:
        """The first error of the library is the reason, in its words."""
        short = ROOT.intermediate("Short", path_length=0)
        names = ROOT.intermediate("Names", permitted=[x509.DNSName("example.com")])
        past = pki.NOW - timedelta(days=400)
        for leaf, reason in [
            (STRANGER.issue(), "unable to get local issuer certificate"),
            (pki.self_signed(), "self-signed certificate"),
            (FIRST.issue(not_after=past), "certificate has expired"),
            (FIRST.issue(not_before=pki.NOT_AFTER), "certificate is not yet valid or the system clock is incorrect"),
            (ROOT.intermediate("Old", not_after=past).issue(), "certificate has expired"),
            (FIRST.issue(signature=b"0" * 70), "certificate signature failure"),
            (FIRST.issue(eku=(pki.SERVER_AUTH,)), "unsuitable certificate purpose"),
            (FIRST.issue(eku=(pki.ANY_USE,)), "unsuitable certificate purpose"),
            (FIRST.issue(usage=pki.key_usage("key_encipherment")), "unsuitable certificate purpose"),
            (ROOT.intermediate("Servers", eku=(pki.SERVER_AUTH,)).issue(), "unsuitable certificate purpose"),
            (short.intermediate("Deep").issue(), "path length constraint exceeded"),
            (names.issue(san=["example.org"]), "permitted subtree violation"),
            (ROOT.intermediate("Not a CA", ca=False).issue(), "invalid CA certificate"),
            (FIRST.issue(extra=[_unknown(critical=True)]), "unhandled critical extension"),
        ]:
            self.assertEqual(verdict(leaf), reason, leaf.certificate)

    def test_refused_by_us_where_openssl_says_nothing(self) -> None:
        """Each of these chains is fine for the library as it is set up here, and not for RFC 5280 or for us."""
        for leaf, reason in [
            (FIRST.issue(usage=pki.key_usage("key_agreement")), "key usage does not include digital signature"),
            (FIRST.issue(key=WEAK_KEY), "EE certificate key too weak"),
            (ROOT.intermediate("Weak", key=WEAK_KEY).issue(), "CA certificate key too weak"),
            (FIRST.issue(hash=hashes.SHA1()), "CA signature digest algorithm too weak"),
            (ROOT.intermediate("SHA-1", hash=hashes.SHA1()).issue(), "CA signature digest algorithm too weak"),
            (_under_rsa(hash=hashes.MD5()), "CA signature digest algorithm too weak"),
        ]:
            told = evidence_of(leaf, leaf.chain_der[1:-1], [leaf.chain_der[-1]])
            self.assertEqual(told.error, 0, (reason, REASONS.get(told.error)))
            anchors = anchors_of([leaf.issuers[-1]])
            self.assertEqual(judge(told, anchors, pki.NOW), Refused(reason), leaf.certificate)

    def test_refused_by_us_whatever_openssl_says(self) -> None:
        """Rules that OpenSSL, as it is today, holds too: our answer does not stand on its."""
        for leaf, reason in [
            (FIRST.issue(key=pki.ec_key(ec.SECP192R1())), "EE certificate key too weak"),
            (FIRST.issue(eku=(pki.SERVER_AUTH,)), "unsuitable certificate purpose"),
            (FIRST.issue(eku=(pki.ANY_USE,)), "unsuitable certificate purpose"),
            (FIRST.issue(extra=[_unknown(critical=True)]), "unhandled critical extension"),
            (ROOT.intermediate("Odd", extra=[_unknown(critical=True)]).issue(), "unhandled critical extension"),
            (ROOT.intermediate("Not a CA", ca=False).issue(), "invalid CA certificate"),
            (ROOT.intermediate("No constraints", ca=None).issue(), "invalid CA certificate"),
            (ROOT.intermediate("Version 1", version=1).issue(), "invalid CA certificate"),
            (
                ROOT.intermediate("No signing", usage=pki.key_usage("crl_sign")).issue(),
                "key usage does not include certificate signing",
            ),
        ]:
            self.assertEqual(judge(evidence(leaf), ONLY_ROOT, pki.NOW), Refused(reason), leaf.certificate)
            self.assertEqual(judge(evidence(leaf), anchors_of([ROOT, SIBLING]), pki.NOW), Refused(reason))

    def test_weak_ones_may_be_allowed(self) -> None:
        """With `allow_weak` keys and digests of leaf and CAs do not count, from the file or from the client."""
        weak, sha1 = ROOT.intermediate("Weak", key=WEAK_KEY), ROOT.intermediate("SHA-1", hash=hashes.SHA1())
        for leaf in (FIRST.issue(key=WEAK_KEY), FIRST.issue(hash=hashes.SHA1()), weak.issue(), sha1.issue()):
            for files in ([ROOT], [ROOT, leaf.issuers[0]]):
                self.assertNotEqual(verdict(leaf, anchors_of(files)), "")
                self.assertEqual(verdict(leaf, anchors_of(files, allow_weak=True)), "")
        expired = weak.issue(not_after=pki.NOW - timedelta(days=400))
        self.assertEqual(verdict(expired, anchors_of([ROOT], allow_weak=True)), "certificate has expired")

    def test_policies(self) -> None:
        """A CA that demands a policy is heeded: OpenSSL, as it is set up, says nothing of it."""
        demand = pki.extension(x509.PolicyConstraints(0, None), critical=True)
        policy = pki.extension(x509.CertificatePolicies([x509.PolicyInformation(POLICY, None)]))
        demanding = ROOT.intermediate("Demanding", extra=[demand, policy])
        for leaf, reason in [
            (demanding.issue(), "no explicit policy"),
            (demanding.issue(extra=[policy]), ""),
            (demanding.intermediate("Below").issue(extra=[policy]), "no explicit policy"),
            (demanding.intermediate("Below", extra=[policy]).issue(extra=[policy]), ""),
            (FIRST.issue(extra=[demand]), "no explicit policy"),
        ]:
            told = evidence_of(leaf, leaf.chain_der[1:-1], [ROOT.der])
            self.assertEqual(told.error, 0)
            for anchors in (ONLY_ROOT, anchors_of([ROOT, *leaf.issuers[:-1]])):
                found = judge(told, anchors, pki.NOW)
                self.assertEqual(found, Refused(reason) if reason else Trusted(), leaf.certificate)

    def test_what_a_root_says_of_policies_does_not_count(self) -> None:
        """A trust anchor is a name and a key (RFC 5280 section 6.1.1 d)."""
        root = pki.Authority.root(extra=[pki.extension(x509.PolicyConstraints(0, None), critical=True)])
        self.assertEqual(verdict(root.issue(), anchors_of([root])), "")
        self.assertEqual(verdict(root, anchors_of([root])), "")

    def test_policies_that_cannot_be_read(self) -> None:
        """Mappings that are none refuse where they are critical or a policy is demanded, on a CA as on a leaf."""
        mappings = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.33"), b"\x30\x01\x05")
        demands = pki.extension(x509.PolicyConstraints(0, None), critical=True)
        wrong = Refused("invalid or inconsistent certificate policy extension")
        for extra, wanted in (
            ([pki.extension(mappings)], Trusted()),
            ([pki.extension(mappings, critical=True)], wrong),
            ([pki.extension(mappings), demands], wrong),
        ):
            above = ROOT.intermediate("Odd", extra=extra)
            self.assertEqual(judge(evidence(FIRST.issue(extra=extra)), ONLY_ROOT, pki.NOW), wanted, extra)
            for anchors in (ONLY_ROOT, anchors_of([ROOT, above])):
                self.assertEqual(judge(evidence(above.issue()), anchors, pki.NOW), wanted, extra)

    def test_a_roots_own_signature_does_not_count(self) -> None:
        """A SHA-1 root is trusted for its key, not for its signature."""
        root = pki.Authority.root("Old", key=RSA_KEY, hash=hashes.SHA1())
        self.assertEqual(verdict(root.issue(), anchors_of([root])), "")

    def test_at_the_usual_security_level_openssl_refuses_weak_keys_in_the_same_words(self) -> None:
        """Whichever of the two is first, the log says the same."""
        weak = ROOT.intermediate("Weak", key=WEAK_KEY).issue()
        sha1 = ROOT.intermediate("SHA-1", hash=hashes.SHA1()).issue()
        for leaf, error in ((weak, 67), (sha1, 68)):
            told = evidence_of(leaf, leaf.chain_der[1:-1], [ROOT.der], level=2)
            self.assertEqual(told.error, error)
            self.assertEqual(verdict(leaf, level=2), verdict(leaf, level=0))


class AnchorsTests(SynchronousTestCase):
    """Which roots count, and whose issuer DN."""

    def test_without_files_nobody_is_trusted(self) -> None:
        """An empty profile fails closed."""
        self.assertIsInstance(judge(evidence(LEAF), Anchors.of([], False), pki.NOW), Refused)

    def test_the_chain_must_end_in_a_root_of_the_profile(self) -> None:
        """Not at an intermediate of its files, not at another root of the same name."""
        anchors = anchors_of([ROOT, FIRST, SECOND])
        self.assertEqual(judge(evidence(LEAF), anchors, pki.NOW), Trusted())
        for chain in ((), LEAF.chain_der[:-1], LEAF.chain_der[:1], (*LEAF.chain_der[:-1], STRANGER.der)):
            found = judge(evidence(LEAF, chain=chain), anchors, pki.NOW)
            self.assertEqual(found, Refused("unable to get local issuer certificate"))

    def test_intermediates_of_the_file_need_not_be_sent(self) -> None:
        """With the intermediates in the store, the leaf alone will do."""
        anchors = anchors_of([ROOT, FIRST, SECOND])
        told = evidence_of(LEAF, [], [c.der for c in (ROOT, FIRST, SECOND)])
        self.assertEqual(told.chain, LEAF.chain_der)
        self.assertEqual(judge(told, anchors, pki.NOW), Trusted())

    def test_issuer_dn(self) -> None:
        """Off, any CA under the root will do; on, the leaf's issuer must be the one the file stands for."""
        wrong = Refused("unable to verify the client certificate issuer")
        files = [ROOT, FIRST, SECOND]
        for leaf, wanted in [
            (SECOND.issue(), Trusted()),
            (FIRST.issue(), wrong),
            (ROOT.issue(), wrong),
            (SIBLING.issue(), wrong),
            (SIBLING.intermediate("Second").issue(), Trusted()),  # the DN is compared, not the key
        ]:
            self.assertEqual(judge(evidence(leaf), anchors_of(files, issuer_dn=True), pki.NOW), wanted)
            self.assertEqual(judge(evidence(leaf), anchors_of(files), pki.NOW), Trusted())

    def test_issuer_dn_of_several_files(self) -> None:
        """Each file of the same root adds its DN; a DN of another root's file does not help."""
        other = pki.Authority.root("Other")
        anchors = anchors_of([ROOT, FIRST], [SIBLING, ROOT], [other, other.intermediate("Second")], issuer_dn=True)
        wrong = Refused("unable to verify the client certificate issuer")
        for issuer, wanted in (
            (FIRST, Trusted()),
            (SIBLING, Trusted()),
            (SECOND, wrong),
            (ROOT, wrong),
            (other, wrong),
        ):
            self.assertEqual(judge(evidence(issuer.issue()), anchors, pki.NOW), wanted)

    def test_issuer_dn_is_compared_by_the_rules_for_names(self) -> None:
        """Another string type, case and spacing is the same DN; a NUL within makes another."""
        attribute = b"\x06\x03\x55\x04\x03"
        anchors = anchors_of([ROOT, FIRST], issuer_dn=True)
        wrong = Refused("unable to verify the client certificate issuer")
        for spelled, wanted in (
            (b"FIRST", Trusted()),
            (b" first ", Trusted()),
            (b"Fir\0st", wrong),
            (b"First.", wrong),
        ):
            name = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, attribute, pki.tlv(0x0C, spelled))))
            self.assertEqual(judge(evidence(FIRST.issue(issuer=name)), anchors, pki.NOW), wanted, spelled)

    def test_an_issuer_dn_that_cannot_be_read_refuses(self) -> None:
        """A name of which an attribute has no value is no name."""
        found = judge(evidence(FIRST.issue(issuer=TORN_NAME)), anchors_of([ROOT, FIRST], issuer_dn=True), pki.NOW)
        self.assertEqual(found, Refused("unable to read the certificate"))


class JudgeTests(SynchronousTestCase):
    """`judge` by itself."""

    def test_an_error_of_openssl_is_final(self) -> None:
        """However good the chain, any error code refuses, also one that no table knows."""
        for error in (*REASONS, 104, 9999, -1):
            found = judge(evidence(LEAF, error=error), ONLY_ROOT, pki.NOW)
            self.assertEqual(found, Refused(REASONS.get(error, "unknown certificate verification error")))

    def test_time_is_that_of_the_judgement(self) -> None:
        """A verdict judged again after the end of any certificate of the chain is another."""
        soon, second = pki.NOW + timedelta(hours=1), timedelta(seconds=1)
        early = pki.NOW - timedelta(hours=1)
        between = ROOT.intermediate("Short-lived", not_before=early, not_after=soon)
        root = pki.Authority.root("Short-lived root", not_before=early, not_after=soon)
        for leaf in (FIRST.issue(not_before=early, not_after=soon), between.issue(), root.issue()):
            anchors = anchors_of([leaf.issuers[-1]])
            for now, wanted in [
                (early - second, Refused("certificate is not yet valid or the system clock is incorrect")),
                (early, Trusted()),
                (soon, Trusted()),
                (soon + second, Refused("certificate has expired")),
            ]:
                self.assertEqual(judge(evidence(leaf), anchors, now), wanted)

    def test_depth(self) -> None:
        """The limit counts the certificates above the leaf."""
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW, max_depth=3), Trusted())
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW, max_depth=2), Refused("certificate chain too long"))

    def test_unreadable_certificates_refuse_wherever_they_stand(self) -> None:
        """Month 13 and rubbish are refused with a reason, as leaf and as intermediate."""
        for odd in (FIRST.issue(not_after=pki.utc_time(b"261301000000Z")).der, b"\0", b""):
            for chain in ((odd, ROOT.der), (LEAF.der, odd, ROOT.der)):
                found = judge(evidence(LEAF, chain=chain), ONLY_ROOT, pki.NOW)
                self.assertEqual(found, Refused("unable to read the certificate"))

    def test_faults_of_known_and_unknown_intermediates_are_the_same(self) -> None:
        """Whether an intermediate comes from the file or from the client, it is judged alike."""
        for authority, reason in [
            (ROOT.intermediate("Weak", key=WEAK_KEY), "CA certificate key too weak"),
            (ROOT.intermediate("SHA-1", hash=hashes.SHA1()), "CA signature digest algorithm too weak"),
        ]:
            for anchors in (ONLY_ROOT, anchors_of([ROOT, authority])):
                self.assertEqual(judge(evidence(authority.issue()), anchors, pki.NOW), Refused(reason))

    @given(st.data())
    def test_a_damaged_certificate_never_raises(self, data: st.DataObject) -> None:
        """One byte changed anywhere in a leaf or an intermediate: a verdict, with one line when refused."""
        which = data.draw(st.integers(0, 2))
        good = LEAF.chain_der[which]
        at = data.draw(st.integers(0, len(good) - 1))
        damaged = good[:at] + data.draw(st.binary(min_size=1, max_size=1)) + good[at + 1 :]
        chain = (*LEAF.chain_der[:which], damaged, *LEAF.chain_der[which + 1 :])
        found = judge(evidence(LEAF, chain=chain), anchors_of([ROOT, SECOND], issuer_dn=True), pki.NOW)
        if isinstance(found, Refused):
            self.assertTrue(found.reason.isprintable())


class RememberedTests(SynchronousTestCase):
    """A certificate is read once, and judged each time."""

    def test_time(self) -> None:
        """A leaf that was trusted is refused once its time is over, and before it has begun."""
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW), Trusted())
        late, early = pki.NOT_AFTER + timedelta(seconds=1), pki.NOT_BEFORE - timedelta(seconds=1)
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, late), Refused(reasons.EXPIRED))
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, early), Refused(reasons.NOT_YET_VALID))
        self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW), Trusted())

    def test_anchors(self) -> None:
        """What one profile found out about a leaf says nothing in another: weak keys, the issuer's name."""
        weak = ROOT.issue(key=WEAK_KEY)
        strict, lax = anchors_of([ROOT]), anchors_of([ROOT], allow_weak=True)
        for _ in range(2):
            self.assertEqual(judge(evidence(weak), strict, pki.NOW), Refused(reasons.LEAF_KEY_WEAK))
            self.assertEqual(judge(evidence(weak), lax, pki.NOW), Trusted())

    def test_errors(self) -> None:
        """What OpenSSL finds wrong in one handshake counts, however often it found nothing."""
        for _ in range(2):
            self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW), Trusted())
            self.assertEqual(judge(evidence(LEAF, error=7), ONLY_ROOT, pki.NOW), Refused(REASONS[7]))

    def test_depth(self) -> None:
        """So does the length of the chain that is allowed."""
        for _ in range(2):
            self.assertEqual(judge(evidence(LEAF), ONLY_ROOT, pki.NOW, max_depth=3), Trusted())
            found = judge(evidence(LEAF), ONLY_ROOT, pki.NOW, max_depth=2)
            self.assertEqual(found, Refused(reasons.CHAIN_TOO_LONG))

    def test_chains(self) -> None:
        """A chain is remembered whole: the same leaf under other certificates is judged anew, as is a part of it."""
        anchors = anchors_of([ROOT])
        self.assertEqual(judge(evidence(LEAF), anchors, pki.NOW), Trusted())
        broken = evidence(LEAF, chain=(LEAF.der, b"none", *LEAF.chain_der[2:]))
        self.assertEqual(judge(broken, anchors, pki.NOW), Refused(reasons.UNREADABLE))
        strange = evidence(LEAF, chain=(*LEAF.chain_der[:-1], STRANGER.der))
        self.assertEqual(judge(strange, anchors, pki.NOW), Refused(reasons.NO_LOCAL_ISSUER))
        self.assertEqual(judge(evidence(LEAF, chain=()), anchors, pki.NOW), Refused(reasons.NO_LOCAL_ISSUER))
        self.assertEqual(judge(evidence(LEAF), anchors_of([STRANGER]), pki.NOW), Refused(reasons.NO_LOCAL_ISSUER))

    def test_period(self) -> None:
        """It has a period from the last beginning to the first end; one that is never trusted has none."""
        begin, end = pki.NOW - timedelta(hours=1), pki.NOW + timedelta(hours=1)
        leaf = ROOT.intermediate("Late", not_before=begin).issue(not_after=end)
        self.assertEqual(ONLY_ROOT.period(leaf.chain_der), Period(begin, end, end.timestamp()))
        never = ROOT.intermediate("Over", not_after=begin).issue(not_before=end)
        for chain in (never.chain_der, ROOT.issue(key=WEAK_KEY).chain_der, (), (b"none", ROOT.der), LEAF.chain_der[:1]):
            self.assertIsNone(ONLY_ROOT.period(chain))

    def test_bounded(self) -> None:
        """As many chains are remembered as there is room for, and no long ones, which are judged all the same."""
        chains = [ROOT.issue().chain_der for _ in range(3)]
        with mock.patch.object(judging, "ROOM", 2 * (2048 + 7 * max(len(chain[0]) for chain in chains))):
            anchors = anchors_of([ROOT])
        first, second, third = map(anchors.period, chains)
        self.assertIs(anchors.period(chains[2]), third)
        self.assertIs(anchors.period(chains[1]), second)
        self.assertIsNot(anchors.period(chains[0]), first)
        filling = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), bytes(LONGEST_CHAIN))
        long = ROOT.issue(extra=[pki.extension(filling)])
        self.assertEqual(judge(evidence(long), anchors, pki.NOW), Trusted())
        self.assertEqual(anchors.valid_until(long.chain_der), valid_until(long.chain_der))
        self.assertIsNone(anchors.period(long.chain_der))
        self.assertEqual(judge(evidence(long), anchors, pki.NOT_AFTER + timedelta(seconds=1)), Refused(reasons.EXPIRED))

    def test_own(self) -> None:
        """A CA of the profile's files is one object, however often it comes; another one is what came."""
        root, other = bytes(bytearray(ROOT.der)), bytes(bytearray(STRANGER.der))
        self.assertEqual((ONLY_ROOT.own(root), ONLY_ROOT.own(other)), (root, other))
        self.assertIs(ONLY_ROOT.own(root), ONLY_ROOT.own(bytes(bytearray(root))))
        self.assertIs(ONLY_ROOT.own(other), other)

    def test_valid_until(self) -> None:
        """A chain that was judged is valid until the first of its certificates ends, as one that was not."""
        end = pki.NOW + timedelta(days=1)
        short = SECOND.issue(not_after=end)
        for chain in (short.chain_der, LEAF.chain_der):
            self.assertEqual(ONLY_ROOT.valid_until(chain), valid_until(chain))
        self.assertEqual(ONLY_ROOT.valid_until(short.chain_der), end.timestamp())
        self.assertEqual(ONLY_ROOT.valid_until((b"none", *LEAF.chain_der[1:])), 0)
