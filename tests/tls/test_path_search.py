"""`agwtwisted.tls.path_search`: clients whose first path fails, and what must not be accepted all the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.routing import Site
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from agwtwisted.core.verification.judging import MAX_DEPTH, Anchors
from agwtwisted.core.verification.verdicts import Refused, Trusted, Unchecked
from agwtwisted.explaining.rehearsal import rehearse
from agwtwisted.tls import contexts, path_search
from agwtwisted.tls.path_search import PathSearch
from tests import configurations, pki
from tests.clients import FATAL, TLS_1_2, TLS_1_3, Client, Gateway, client_context, files, text
from tests.differential import SUBJECT, Presented, answers

PAST = pki.NOW - timedelta(days=300)
NO_IDS: dict[str, Any] = {"ski": False, "aki": False}
HOST = x509.DNSName("host.example")
OTHER = x509.DNSName("other.example")


@attrs.frozen(kw_only=True)
class Situation:
    """A client, what it sends, and what is trusted of it."""

    leaf: pki.Credential
    sent: Sequence[pki.Authority] = ()
    trusted: Sequence[Sequence[pki.Authority]]  # file by file, its root first
    path: Sequence[pki.Authority] | None = None  # what proves it, above the leaf; None: nothing does
    pinned: bool = False  # verify_client_cert_issuer_dn


def again(authority: pki.Authority, by: pki.Authority | None = None, **options: Any) -> pki.Authority:
    """Another certificate of the same name and key, by itself or by another CA."""
    options = {"key": authority.key, **options}
    return by.intermediate(authority.subject, **options) if by else pki.Authority.root(authority.subject, **options)


def names_serial(issuer: pki.Authority) -> dict[str, Any]:
    """An authority key identifier that names this one's issuer and serial number."""
    key_id = x509.SubjectKeyIdentifier.from_public_key(issuer.key.public_key()).digest
    named = [x509.DirectoryName(issuer.certificate.issuer)]
    return {
        "aki": False,
        "extra": [pki.extension(x509.AuthorityKeyIdentifier(key_id, named, issuer.certificate.serial_number))],
    }


def two_roots_of_a_name(*, good: bool) -> Situation:
    """Neither names nor key identifiers distinguish them."""
    first, second, third = (pki.Authority.root("Root", **NO_IDS) for _ in range(3))
    signer = second if good else third
    return Situation(leaf=signer.issue(**NO_IDS), trusted=[[first], [second]], path=[second] if good else None)


def renewed_root(*, good: bool) -> Situation:
    """Old and new have one key, both are uploaded, and the old one has expired."""
    new = pki.Authority.root("Root", **({} if good else {"not_after": PAST}))
    old = again(new, not_after=PAST)
    return Situation(leaf=new.issue(), trusted=[[old], [new]], path=[new] if good else None)


def old_serial_of_a_root(*, good: bool) -> Situation:
    """The leaf names the serial number of a root that has been renewed, and the new one is uploaded."""
    old = pki.Authority.root("Root")
    new = again(old) if good else pki.Authority.root("Root")
    leaf = old.issue(**names_serial(old))
    return Situation(leaf=leaf, trusted=[[new]], path=[new] if good else None)


def old_serial_beside_an_expired_root(*, good: bool) -> Situation:
    """The same with the old one uploaded, too."""
    old = pki.Authority.root("Root", not_after=PAST)
    new = again(old, **({} if good else {"not_after": PAST}))
    leaf = old.issue(**names_serial(old))
    return Situation(leaf=leaf, trusted=[[old], [new]], path=[new] if good else None)


def old_serial_of_an_intermediate(*, good: bool) -> Situation:
    """The same of a CA between, of whose two certificates the client sends the new one."""
    root = pki.Authority.root("Root")
    old = root.intermediate("CA")
    new = again(old, root if good else pki.Authority.root("Root"))
    leaf = old.issue(**names_serial(old))
    return Situation(leaf=leaf, sent=[new], trusted=[[root]], path=[new, root] if good else None)


def old_serials_twice(*, good: bool) -> Situation:
    """The same of two CAs, one above the other; the upper one's path length counts all the same."""
    root = pki.Authority.root("Root", **({} if good else {"path_length": 1}))
    upper = root.intermediate("Upper")
    lower = upper.intermediate("Lower", **names_serial(upper))
    leaf = lower.issue(**names_serial(lower))
    new_upper = again(upper, root)
    new_lower = again(lower, upper, **names_serial(upper))
    path = [new_lower, new_upper, root]
    return Situation(leaf=leaf, sent=path[:2], trusted=[[root]], path=path if good else None)


def old_serial_below_an_odd_length(*, good: bool) -> Situation:
    """A CA may have none below it, which is written with an element too many; the CA below is named as it was."""
    root = pki.Authority.root("Root")
    value = pki.tlv(0x30, b"\x01\x01\xff", b"" if good else b"\x02\x01\0") + b"\x05\0"
    constraints = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.19"), value)
    upper = root.intermediate("Upper", ca=None, extra=[pki.extension(constraints, critical=True)])
    lower = upper.intermediate("Lower")
    new = again(lower, upper)
    path = [new, upper, root]
    leaf = lower.issue(**names_serial(lower))
    return Situation(leaf=leaf, sent=path[:2], trusted=[[root]], path=path if good else None)


def old_serial_below_limits(*, good: bool) -> Situation:
    """A CA above one that is named by its old serial number limits names: refused, good or not."""
    root = pki.Authority.root("Root", permitted=[HOST if good else OTHER])
    old = root.intermediate("CA")
    leaf = old.issue(san=["host.example"], **names_serial(old))
    return Situation(leaf=leaf, sent=[again(old, root)], trusted=[[root]])


def old_serial_below_servers(*, good: bool) -> Situation:
    """A CA above one that is named by its old serial number must be for clients, too."""
    root = pki.Authority.root("Root")
    upper = root.intermediate("Upper", eku=None if good else (pki.SERVER_AUTH,))
    lower = upper.intermediate("Lower")
    new = again(lower, upper)
    path = [new, upper, root]
    leaf = lower.issue(**names_serial(lower))
    return Situation(leaf=leaf, sent=path[:2], trusted=[[root]], path=path if good else None)


def renewed_with_another_key(*, good: bool) -> Situation:
    """The old CA comes first, and without key identifiers both fit."""
    root = pki.Authority.root("Root")
    old, new = root.intermediate("CA", **NO_IDS), root.intermediate("CA", **NO_IDS)
    signer = new if good else pki.Authority.root("CA")
    leaf = signer.issue(**NO_IDS)
    return Situation(leaf=leaf, sent=[old, new], trusted=[[root]], path=[new, root] if good else None)


def expired_beside_renewed(*, good: bool) -> Situation:
    """A CA's expired certificate is sent before the renewed one."""
    root = pki.Authority.root("Root")
    new = root.intermediate("CA", **({} if good else {"not_after": PAST}))
    old = again(new, root, not_after=PAST)
    return Situation(leaf=new.issue(), sent=[old, new], trusted=[[root]], path=[new, root] if good else None)


def expired_in_the_file(*, good: bool) -> Situation:
    """The file has the expired one, the client sends the renewed one."""
    root = pki.Authority.root("Root")
    new = root.intermediate("CA", **({} if good else {"not_after": PAST}))
    old = again(new, root, not_after=PAST)
    return Situation(leaf=new.issue(), sent=[new], trusted=[[root, old]], path=[new, root] if good else None)


def cross_signed_root(*, good: bool) -> Situation:
    """A new root that an old one certified; only the old one is trusted, the self-signed new one is sent first."""
    old = pki.Authority.root("Old Root")
    new = pki.Authority.root("New Root")
    crossed = again(new, old if good else pki.Authority.root("Old Root"))
    issuing = new.intermediate("CA")
    path = [issuing, crossed, old]
    sent = [issuing, new, crossed]
    return Situation(leaf=issuing.issue(), sent=sent, trusted=[[old]], path=path if good else None)


def crossed_by_a_stranger(*, good: bool) -> Situation:
    """A CA that a stranger certified, too; the stranger's certificate comes first."""
    root, stranger = pki.Authority.root("Root"), pki.Authority.root("Stranger")
    true = (root if good else stranger).intermediate("CA")
    sent = [again(true, stranger), stranger, true]
    return Situation(leaf=true.issue(), sent=sent, trusted=[[root]], path=[true, root] if good else None)


def round_and_round(*, good: bool) -> Situation:
    """Three CAs certified each other in a circle, and one of them is below the root."""
    root = pki.Authority.root("Root" if good else "Stranger")
    trusted = root if good else pki.Authority.root("Root")
    first = root.intermediate("A", path_length=0)
    second, third = first.intermediate("B"), first.intermediate("C")
    circle = [again(first, second), again(second, third), again(third, first), again(first, third)]
    path = [first, root]
    return Situation(leaf=first.issue(), sent=[*circle, first], trusted=[[trusted]], path=path if good else None)


def names_of_one_branch(*, good: bool) -> Situation:
    """One certificate of the CA permits other names, another one those of the leaf."""
    root = pki.Authority.root("Root")
    wrong = root.intermediate("CA", permitted=[OTHER])
    right = again(wrong, root, permitted=[HOST if good else OTHER])
    leaf = wrong.issue(san=["host.example"])
    return Situation(leaf=leaf, sent=[wrong, right], trusted=[[root]], path=[right, root] if good else None)


def length_of_one_branch(*, good: bool) -> Situation:
    """One certificate of the upper CA allows none below it, another one does."""
    root = pki.Authority.root("Root")
    short = root.intermediate("Upper", path_length=0)
    long = again(short, root, path_length=1 if good else 0)
    lower = short.intermediate("Lower")
    path = [lower, long, root]
    return Situation(leaf=lower.issue(), sent=[lower, short, long], trusted=[[root]], path=path if good else None)


def purpose_of_one_branch(*, good: bool) -> Situation:
    """One certificate of the CA is for OCSP responders, another one for anything."""
    root = pki.Authority.root("Root")
    wrong = root.intermediate("CA", eku=(pki.OCSP_SIGNING,))
    right = again(wrong, root, eku=None if good else (pki.OCSP_SIGNING,))
    return Situation(leaf=wrong.issue(), sent=[wrong, right], trusted=[[root]], path=[right, root] if good else None)


def digest_of_one_branch(*, good: bool) -> Situation:
    """One certificate of the CA is signed over SHA-1, which only the gateway or its security level holds against it."""
    root = pki.Authority.root("Root")
    weak = root.intermediate("CA", hash=hashes.SHA1())
    strong = again(weak, root, **({} if good else {"hash": hashes.SHA1()}))
    return Situation(leaf=weak.issue(), sent=[weak, strong], trusted=[[root]], path=[strong, root] if good else None)


def unreadable_by_us(*, good: bool) -> Situation:
    """One certificate of the CA demands policies in a way that cannot be read, of which OpenSSL says nothing."""
    root = pki.Authority.root("Root")
    torn = pki.extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.36"), b"\x30\x01\x05"))
    odd = root.intermediate("CA", extra=[torn])
    whole = again(odd, root, extra=[] if good else [torn])
    path = [whole, root]
    return Situation(leaf=odd.issue(), sent=[odd, whole], trusted=[[root]], path=path if good else None)


def bad_signature_first(*, good: bool) -> Situation:
    """A certificate of the CA was damaged; another one was not."""
    root = pki.Authority.root("Root")
    damaged = root.intermediate("CA", signature=b"0" * 70)
    whole = again(damaged, root, **({} if good else {"signature": b"1" * 70}))
    path = [whole, root]
    return Situation(leaf=damaged.issue(), sent=[damaged, whole], trusted=[[root]], path=path if good else None)


def not_a_ca_first(*, good: bool) -> Situation:
    """A certificate of the issuer's name and key is no CA's; another one is."""
    root = pki.Authority.root("Root")
    wrong = root.intermediate("CA", ca=False)
    right = again(wrong, root, ca=good)
    return Situation(leaf=wrong.issue(), sent=[wrong, right], trusted=[[root]], path=[right, root] if good else None)


def any_order_and_useless_ones(*, good: bool) -> Situation:
    """The way is found among twenty certificates of no use, from the end to the beginning."""
    root = pki.Authority.root("Root")
    upper = root.intermediate("Upper")
    lower = upper.intermediate("Lower")
    old = again(lower, upper, not_after=PAST)
    others = [pki.Authority.root("Root").intermediate(f"Useless {number}") for number in range(20)]
    sent = [*others, old, *([upper] if good else []), lower]
    path = [lower, upper, root]
    return Situation(leaf=lower.issue(), sent=sent, trusted=[[root]], path=path if good else None)


def another_root_for_the_issuer(*, good: bool) -> Situation:
    """The CA is below two trusted roots, and the issuer that is compared is that of the second file."""
    first, second = pki.Authority.root("First"), pki.Authority.root("Second")
    issuing = second.intermediate("CA")
    crossed = again(issuing, first)
    leaf = issuing.issue() if good else second.issue()
    path = [issuing, second] if good else None
    trusted = [[first, first.intermediate("Other")], [second, issuing]]
    return Situation(leaf=leaf, sent=[crossed], trusted=trusted, path=path, pinned=True)


SITUATIONS: tuple[Callable[..., Situation], ...] = (
    two_roots_of_a_name,
    renewed_root,
    old_serial_of_a_root,
    old_serial_beside_an_expired_root,
    old_serial_of_an_intermediate,
    old_serials_twice,
    old_serial_below_an_odd_length,
    old_serial_below_limits,
    old_serial_below_servers,
    renewed_with_another_key,
    expired_beside_renewed,
    expired_in_the_file,
    cross_signed_root,
    crossed_by_a_stranger,
    round_and_round,
    names_of_one_branch,
    length_of_one_branch,
    purpose_of_one_branch,
    digest_of_one_branch,
    unreadable_by_us,
    bad_signature_first,
    not_a_ca_first,
    any_order_and_useless_ones,
    another_root_for_the_issuer,
)


def configuration(situation: Situation, profile: str = "strict") -> tuple[str, configurations.Files]:
    """Text and files of a gateway with a listener that trusts what the situation says."""
    names = [f"t{number}" for number in range(len(situation.trusted))]
    sections = "".join(f"\n[trusted_client_certificate {name}]\nfile = pki/{name}.pem\n" for name in names)
    pinned = "\nverify_client_cert_issuer_dn = true" if situation.pinned else ""
    written = text(f"basic {profile}").replace(
        "trusted_client_certificates = devices", f"trusted_client_certificates = {', '.join(names)}{pinned}"
    )
    named = {f"{name}_pem": pki.bundle(*file) for name, file in zip(names, situation.trusted, strict=True)}
    return written + sections, files(**named)


def met(situation: Situation, version: int, profile: str = "strict") -> Client:
    """The client after its handshake with the gateway."""
    gateway = Gateway(*configuration(situation, profile))
    return gateway.shake_hands(client_context(situation.leaf, sent=situation.sent, version=version))


class SituationTests(SynchronousTestCase):
    """Real handshakes, with each situation as it should be and with no path that holds."""

    def test_accepted(self) -> None:
        """A client is let in by the path that proves it, on a Strict listener of either kind."""
        for each in SITUATIONS:
            situation = each(good=True)
            if situation.path is None:
                continue
            for version in (TLS_1_2, TLS_1_3):
                for profile in ("strict", "http400"):
                    with self.subTest(each.__name__, version=version, profile=profile):
                        client = met(situation, version, profile)
                        self.assertEqual(client.alerts, [])
                        found = client.connection.receiver._session.client  # type: ignore[attr-defined]
                        self.assertEqual(found.verdict, Trusted())
                        self.assertEqual(found.proof.chain_der, tuple(authority.der for authority in situation.path))

    def test_byte_by_byte(self) -> None:
        """What OpenSSL found wrong with other paths is not taken for a fault of the records that follow."""
        for each in (bad_signature_first, two_roots_of_a_name, names_of_one_branch):
            for version in (TLS_1_2, TLS_1_3):
                situation = each(good=True)
                client = Gateway(*configuration(situation)).client(
                    client_context(situation.leaf, sent=situation.sent, version=version)
                )
                give = client.give

                def slowly(data: bytes, give: Callable[[bytes], None] = give) -> None:
                    for at in range(len(data)):
                        give(data[at : at + 1])

                client.give = slowly  # type: ignore[method-assign]
                client.talk()
                with self.subTest(each.__name__, version=version):
                    self.assertEqual(client.alerts, [])
                    self.assertTrue(client.connection.is_secure)

    def test_refused(self) -> None:
        """Where no path holds the client is refused, whatever it sends, with an alert or a page."""
        for each in SITUATIONS:
            for good in (True, False):
                situation = each(good=good)
                if situation.path is not None:
                    continue
                with self.subTest(each.__name__):
                    client = met(situation, TLS_1_3)
                    self.assertEqual([level for level, _ in client.alerts], [FATAL])
                    self.assertFalse(client.connection.is_secure)
                    paged = met(situation, TLS_1_3, "http400")
                    verdict = paged.connection.receiver._session.client.verdict  # type: ignore[attr-defined]
                    self.assertIsInstance(verdict, Refused)

    def test_rehearsed(self) -> None:
        """`explain` asks the same contexts, and so gets the same answers; it knows what OpenSSL said first."""
        for each in SITUATIONS:
            for good in (True, False):
                situation = each(good=good)
                plan = configurations.plan(*configuration(situation))
                [port] = plan.http_ports.values()
                [site] = port.sites.all()
                assert isinstance(site, Site)
                sent = [situation.leaf.der, *(authority.der for authority in situation.sent)]
                with self.subTest(each.__name__, good=good):
                    said = rehearse(site, sent, pki.NOW, plan.gateway)
                    self.assertEqual(said.verdict == Trusted(), situation.path is not None)
                    if situation.path is not None:
                        above = tuple(authority.der for authority in situation.path)
                        self.assertEqual(said.evidence.chain[1:], above)
                        self.assertEqual(said.evidence.error, 0)


class PurposeTests(SynchronousTestCase):
    """`missing_client_auth_eku = Allow`: a leaf may be for others than clients, and nothing else changes."""

    def test_leaf(self) -> None:
        """One for servers, or for anything, comes in where it is allowed, in either version, by alert or page."""
        root = pki.Authority.root("Root")
        between = root.intermediate("CA")
        for eku in ((pki.SERVER_AUTH,), (pki.ANY_USE,), (pki.OCSP_SIGNING,)):
            for critical in (False, True):
                leaf = between.issue(eku=eku, eku_critical=critical)
                situation = Situation(leaf=leaf, sent=[between], trusted=[[root]], path=[between, root])
                self.check(situation, allowed=True)

    def test_authority(self) -> None:
        """So does one below a CA for servers, as public CAs' issuing CAs are, whatever the leaf is for."""
        root = pki.Authority.root("Root")
        between = root.intermediate("CA", eku=(pki.SERVER_AUTH,))
        below = between.intermediate("Below", eku=(pki.SERVER_AUTH, pki.OCSP_SIGNING))
        for issuer, above in ((between, [between, root]), (below, [below, between, root])):
            for leaf in (issuer.issue(eku=(pki.SERVER_AUTH,)), issuer.issue()):
                situation = Situation(leaf=leaf, sent=above[:-1], trusted=[[root]], path=above)
                self.check(situation, allowed=True)

    def check(self, situation: Situation, *, allowed: bool) -> None:
        """It is let in or not where it is allowed, and never where it is not."""
        for keys, is_in in (("\nmissing_client_auth_eku = Allow", allowed), ("", False)):
            for profile, version in (("strict", TLS_1_3), ("http400", TLS_1_2)):
                written, source = configuration(situation, profile)
                written = written.replace(f"[ssl_profile {profile}]", f"[ssl_profile {profile}]{keys}")
                context = client_context(situation.leaf, sent=situation.sent, version=version)
                client = Gateway(written, source).shake_hands(context)
                verdict = None
                if client.connection.is_secure:
                    verdict = client.connection.receiver._session.client.verdict  # type: ignore[attr-defined]
                self.assertEqual(verdict == Trusted(), is_in)

    def test_all_else_stays(self) -> None:
        """Neither a CA for other purposes, nor any other fault of a leaf for servers, is let in."""
        root = pki.Authority.root("Root")
        for_servers = {"eku": (pki.SERVER_AUTH,)}
        typed = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.16.840.1.113730.1.1"), b"\3\2\6\x40")
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
        others = root.intermediate("Others", permitted=[OTHER])
        issuers = [
            root.intermediate("CA", eku=(pki.OCSP_SIGNING,)),
            root.intermediate("CA", extra=[pki.extension(typed)], **for_servers),
            root.intermediate("CA", usage=pki.key_usage("digital_signature"), **for_servers),
            root.intermediate("CA", ca=False),
            root.intermediate("CA", ca=False, **for_servers),
        ]
        leaves = [
            *(issuer.issue(**for_servers) for issuer in issuers),
            *(issuer.issue() for issuer in issuers),
            others.issue(san=["host.example"], **for_servers),
            pki.Authority.root("Root").issue(**for_servers),
            pki.self_signed(**for_servers),
            root.issue(not_after=PAST, **for_servers),
            root.issue(usage=pki.key_usage("key_encipherment"), **for_servers),
            root.issue(usage=pki.key_usage("key_agreement"), **for_servers),
            root.issue(usage=pki.key_usage("key_encipherment"), eku=None),
            root.issue(extra=[pki.extension(typed)], eku=None),
            root.issue(extra=[pki.extension(typed)], **for_servers),
            root.issue(extra=[pki.extension(unknown, critical=True)], **for_servers),
            root.issue(signature=b"0" * 70, **for_servers),
            root.issue(hash=hashes.SHA1(), **for_servers),
        ]
        for leaf in leaves:
            self.check(Situation(leaf=leaf, sent=leaf.issuers[:-1], trusted=[[root]]), allowed=False)

    def test_another_path(self) -> None:
        """Where the first path fails another is found for such a leaf, too, and for no CA for responders."""
        for each in (names_of_one_branch, old_serial_of_an_intermediate, purpose_of_one_branch, bad_signature_first):
            for good in (True, False):
                situation = each(good=good)
                issuer = situation.leaf.issuers[0]
                options = names_serial(issuer) if each is old_serial_of_an_intermediate else {}
                leaf = issuer.issue(san=["host.example"], eku=(pki.SERVER_AUTH,), **options)
                with self.subTest(each.__name__, good=good):
                    self.check(attrs.evolve(situation, leaf=leaf), allowed=good)

    def test_another_path_by_way_of_a_ca_for_servers(self) -> None:
        """A path that is found may have one for servers in it, whichever serial the leaf names."""
        root = pki.Authority.root("Root")
        old = root.intermediate("CA", eku=(pki.SERVER_AUTH,), not_after=PAST)
        new = again(old, root, eku=(pki.SERVER_AUTH,))
        for options in ({}, names_serial(old)):
            leaf = old.issue(eku=(pki.SERVER_AUTH,), **options)
            self.check(Situation(leaf=leaf, sent=[old, new], trusted=[[root]], path=[new, root]), allowed=True)


class WhenTests(SynchronousTestCase):
    """When it is searched, and how long."""

    def counted(self) -> list[Sequence[bytes]]:
        """What is asked of every search from now on."""
        asked: list[Sequence[bytes]] = []
        find = PathSearch.find

        def counting(search: PathSearch, presented: Sequence[bytes], now: datetime) -> tuple[bytes, ...] | None:
            asked.append(presented)
            return find(search, presented, now)

        self.patch(PathSearch, "find", counting)
        return asked

    def test_not_for_the_good(self) -> None:
        """A client whose first verification succeeds costs no search."""
        asked = self.counted()
        root = pki.Authority.root("Root")
        between = root.intermediate("CA")
        good = Situation(leaf=between.issue(), sent=[between], trusted=[[root]], path=[between, root])
        for version in (TLS_1_2, TLS_1_3):
            for profile in ("strict", "http400"):
                self.assertTrue(met(good, version, profile).connection.is_secure)
        self.assertEqual(asked, [])

    def test_not_for_a_fault_of_its_own(self) -> None:
        """Nor one that has expired itself, or is for servers."""
        asked = self.counted()
        root = pki.Authority.root("Root")
        for leaf in (root.issue(not_after=PAST), root.issue(eku=(pki.SERVER_AUTH,))):
            self.assertFalse(met(Situation(leaf=leaf, trusted=[[root]]), TLS_1_3).connection.is_secure)
        self.assertEqual(asked, [])

    def test_once(self) -> None:
        """However many faults OpenSSL goes on to report, there is one search, with all that was sent."""
        asked = self.counted()
        root = pki.Authority.root("Root")
        faulty = root.intermediate("CA", ca=False, not_after=PAST)
        several_faults = Situation(leaf=faulty.issue(), sent=[faulty], trusted=[[root]])
        for situation in (any_order_and_useless_ones(good=False), several_faults):
            for profile in ("strict", "http400"):
                met(situation, TLS_1_3, profile)
                presented = (situation.leaf.der, *(authority.der for authority in situation.sent))
                self.assertEqual(asked, [presented])
                asked.clear()

    def test_required_of_some_paths(self) -> None:
        """A Passthrough listener with trusted CAs knows of the other path, for the paths that require one."""
        situation = names_of_one_branch(good=True)
        assert situation.path
        written, source = configuration(situation)
        written = written.replace("verify_client_auth_mode = Strict\n", "verify_client_auth_mode = Passthrough\n", 1)
        gateway = Gateway(written, source)
        client = gateway.shake_hands(client_context(situation.leaf, sent=situation.sent))
        found = client.connection.receiver._session.client  # type: ignore[attr-defined]
        self.assertEqual((found.verdict, found.proof.strict_verdict), (Unchecked(), Trusted()))
        self.assertEqual(found.proof.chain_der, tuple(authority.der for authority in situation.path))

    def test_time(self) -> None:
        """It ends when it has taken too much of the processor, without a path."""
        situation = names_of_one_branch(good=True)
        ticks = iter(range(1000))
        presented = (situation.leaf.der, *(authority.der for authority in situation.sent))
        for seconds, is_found in ((lambda: 0.0, True), (lambda: next(ticks) * path_search.MAX_SECONDS * 2, False)):
            search = PathSearch(anchors(situation), [situation.trusted[0][0].der], MAX_DEPTH, cpu_seconds=seconds)
            self.assertEqual(search.find(presented, pki.NOW) is not None, is_found)

    def test_what_openssl_cannot_read(self) -> None:
        """A candidate that only we can read is passed over."""
        situation = names_of_one_branch(good=True)
        presented = (situation.leaf.der, *(authority.der for authority in situation.sent))
        search = PathSearch(anchors(situation), [situation.trusted[0][0].der], MAX_DEPTH, cpu_seconds=lambda: 0.0)
        self.patch(path_search, "loaded", lambda der: None)
        self.assertIsNone(search.find(presented, pki.NOW))

    def test_without_the_functions(self) -> None:
        """Where pyOpenSSL's public interface is used, OpenSSL's first path is the only one."""
        self.patch(contexts, "KNOWN", False)
        client = met(names_of_one_branch(good=True), TLS_1_3)
        self.assertEqual([level for level, _ in client.alerts], [FATAL])


GRAPH_FAULTS: Sequence[dict[str, Any]] = (
    *[{}] * 6,
    {"not_after": PAST},
    {"permitted": [x509.DNSName("example.org")]},
    {"permitted": [x509.DNSName("example.com")]},
    {"path_length": 0},
    {"path_length": 1},
    {"ca": False},
    {"eku": (pki.SERVER_AUTH,)},
    {"signature": b"0" * 70},
    {"hash": hashes.SHA1()},
    {"usage": pki.key_usage("digital_signature")},
)
GRAPHS = 100


class GraphTests(SynchronousTestCase):
    """CAs that certified each other at random, some of the certificates with a fault."""

    def test_like_another_builder(self) -> None:
        """Exactly those clients are accepted that cryptography's validator, which backtracks, accepts."""
        drawn = Random(1)
        keys = [pki.ec_key() for _ in range(7)]
        counted = Counter[str]()
        for number in range(GRAPHS):
            presented = _graph(drawn, keys)
            found = answers(presented)
            with self.subTest(number=number):
                self.assertEqual(not found.gateway, not found.cryptography, found)
            counted[str(found)] += 1
        self.assertGreater(counted["-++"], GRAPHS // 20)
        self.assertGreater(counted["---"], GRAPHS // 20)


def _graph(drawn: Random, keys: Sequence[pki.Key]) -> Presented:
    root, stranger = pki.Authority.root("Root", key=keys[0]), pki.Authority.root("Stranger", key=keys[1])
    itself = {name: pki.Authority.root(name, key=key) for name, key in zip("ABCDE", keys[2:], strict=True)}
    names = "ABCDE"[: drawn.randint(2, 5)]
    sent = []
    for _ in range(drawn.randint(2, 9)):
        name = drawn.choice(names)
        issuer = drawn.choice([root, root, stranger, *(itself[each] for each in names if each != name)])
        sent.append(issuer.intermediate(name, **{"key": itself[name].key, **drawn.choice(GRAPH_FAULTS)}))
    leaf = itself[drawn.choice(names)].issue(subject=SUBJECT, san=["host.example.com"])
    uploaded = drawn.randint(0, 2)
    return Presented(
        leaf=leaf, sent=tuple(each.der for each in sent[uploaded:]), root=root, file=tuple(sent[:uploaded])
    )


def anchors(situation: Situation) -> Anchors:
    """What the first file of the situation makes of a profile."""
    chain = read_chain(pki.bundle(*situation.trusted[0]), "ca.pem")
    assert isinstance(chain, TrustedChain)
    return Anchors.of([chain], False)
