"""Judging a certificate anew says what a full handshake with it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import NO_PROOF, CertificateProof
from agwtwisted.core.verification.verdicts import UNJUDGED, Absent, Missing, Refused, Trusted, Unchecked
from agwtwisted.tls import anew, client_certificates, contexts, hearing, port_contexts
from agwtwisted.tls.anew import judged_anew, shown_anew
from agwtwisted.tls.client_certificates import ClientCertificates, proof_of, verify_callback
from agwtwisted.tls.codec import error_text
from agwtwisted.tls.openssl import public_verifying
from agwtwisted.tls.port_contexts import PortContexts
from tests import configurations, handshakes, odd, pki
from tests.clients import files, text
from tests.differential import AUTHORITIES, LEAVES, SHAPES, Case, Presented, cases, in_order

PROFILES = ("strict", "http400", "passthrough", "weak", "lenient")
LENIENT = """
[ssl_profile lenient]
verify_client_auth_mode = Passthrough
trusted_client_certificates = devices
"""


def every_kind() -> Iterator[Case]:
    """Each odd CA, each odd leaf, each shape, and some chains with several odd things about them."""
    for name in AUTHORITIES:
        yield Case(authorities=(name,), leaf="good", shape=in_order)
    for name in LEAVES:
        yield Case(authorities=("good",), leaf=name, shape=in_order)
    for shape in SHAPES:
        yield Case(authorities=("good", "good"), leaf="good", shape=shape)
    yield from cases(40, seed=14)


def contexts_of(profile: str, presented: Presented) -> PortContexts:
    """The contexts of a port whose one site has this profile."""
    return _contexts(profile, pki.bundle(presented.root, *presented.file), contexts.KNOWN)


@cache
def _contexts(profile: str, authorities: bytes, known: bool) -> PortContexts:
    """Those of one file, made once: most chains have the same. `known`: how OpenSSL was called when they were made."""
    source = files(**{"clients-ca_pem": authorities})
    [port] = configurations.plan(LENIENT + text(f"basic {profile}"), source).http_ports.values()
    return PortContexts.of(port.sites, max_depth=8)


def shown_in_full(made: PortContexts, leaf: pki.Credential, sent: Sequence[bytes], now: datetime) -> CertificateProof:
    """What a handshake shows in which the client proves that it has the key."""
    notes = ClientCertificates(now.timestamp)
    server = made.connection(notes)
    client = SSL.Connection(handshakes.client_context(leaf, sent), None)
    try:
        handshakes._shake_hands(server, client)
    except SSL.Error as error:
        return proof_of(notes, error_text(error))
    return proof_of(notes)


class AgreementTests(SynchronousTestCase):
    """The same proof, whichever way it comes."""

    def agree(self, profile: str, each: Case) -> bool:
        """Both ways agree about one chain; whether it is trusted."""
        presented = each.presented()
        if presented.file and "doubled" in each.odd:
            return False  # a file with such a CA stops the start
        made = contexts_of(profile, presented)
        now = datetime.now(UTC)
        in_full = shown_in_full(made, presented.leaf, presented.sent, now)
        found = judged_anew(made.first, presented.leaf.der, presented.sent, now)
        self.assertEqual(found, in_full, (profile, str(each)))
        return isinstance(found.strict_verdict, Trusted)

    def test_every_kind(self) -> None:
        """Verdicts with their reasons, variables, chain and end agree, for every kind of profile.

        Every kind of chain is judged by a Strict profile, a sample of them by the others.
        """
        for profile in PROFILES:
            kinds = list(every_kind())[:: 1 if profile == "strict" else 5]
            trusted = [self.agree(profile, each) for each in kinds]
            if profile != "passthrough":  # it trusts no CA
                self.assertGreater(min(trusted.count(True), trusted.count(False)), len(trusted) // 10)

    def test_without_the_functions_beneath(self) -> None:
        """They agree by pyOpenSSL's public interface, too."""
        public = public_verifying(verify_callback)
        self.patch(contexts, "KNOWN", False)
        for module in (client_certificates, port_contexts, anew):
            self.patch(module, "set_verify", public)
        for profile in ("strict", "lenient"):
            self.assertIn(True, [self.agree(profile, each) for each in list(every_kind())[::5]])

    def test_unreadable(self) -> None:
        """Certificates that break RFC 5280 are judged as in a handshake, and raise nothing."""
        now = datetime.now(UTC)
        for profile in ("strict", "lenient"):
            made = contexts_of(profile, Presented(leaf=configurations.clients_root().issue(), sent=(), root=odd.ROOT))
            for _, leaf in (*odd.leaves(odd.SERVED), *odd.leaves(odd.OURS_ALONE), *odd.leaves(odd.REFUSED)):
                found = judged_anew(made.first, leaf.der, (), now)
                self.assertEqual(found, shown_in_full(made, leaf, (), now))


class JudgedAnewTests(SynchronousTestCase):
    """What it is asked with."""

    def setUp(self) -> None:
        """A chain whose intermediate is in no file."""
        self.intermediate = configurations.clients_root().intermediate("Plant")
        self.leaf = self.intermediate.issue("device 7")
        self.presented = Presented(leaf=self.leaf, sent=(self.intermediate.der,), root=configurations.clients_root())

    def test_time(self) -> None:
        """The gateway's time counts: a certificate that has expired since is refused, one not valid yet, too."""
        leaf = self.intermediate.issue("x", not_before=pki.NOW, not_after=pki.NOW + timedelta(days=3650))
        made = contexts_of("strict", self.presented)
        for days, verdict in (
            (-1, Refused("certificate is not yet valid or the system clock is incorrect")),
            (1, Trusted()),
            (3651, Refused("certificate has expired")),
        ):
            found = judged_anew(made.first, leaf.der, self.presented.sent, pki.NOW + timedelta(days=days))
            self.assertEqual(found.verdict, verdict)

    def test_intermediates(self) -> None:
        """An intermediate that is neither uploaded nor among the others is missed."""
        made = contexts_of("strict", self.presented)
        now = datetime.now(UTC)
        found = judged_anew(made.first, self.leaf.der, (), now)
        self.assertEqual(found.verdict, Refused("unable to get local issuer certificate"))
        self.assertEqual(judged_anew(made.first, self.leaf.der, self.presented.sent, now).verdict, Trusted())

    def test_what_is_no_certificate(self) -> None:
        """Bytes that are no certificate are refused; a site that asks for none, or for any, judges none."""
        now = datetime.now(UTC)
        for rubbish in (b"", b"\x30\x03\x02\x01\x01", b"x" * 100, b"x" * (1 << 20)):
            found = judged_anew(contexts_of("strict", self.presented).first, rubbish, (), now)
            self.assertEqual(found.verdict, UNJUDGED)
        found = judged_anew(contexts_of("passthrough", self.presented).first, self.leaf.der, (), now)
        self.assertEqual((found.verdict, found.strict_verdict), (Unchecked(), UNJUDGED))
        self.assertEqual(judged_anew(contexts_of("-", self.presented).first, self.leaf.der, (), now), NO_PROOF)

    def test_shown(self) -> None:
        """A client that is connected is judged by what it has sent; by its verified chain where that was the leaf."""
        made, now = contexts_of("strict", self.presented), datetime.now(UTC).timestamp()
        leaf, others = self.leaf.der, self.presented.sent
        for presented, verified, verdict in (
            ((leaf, *others), (), Trusted()),
            ((leaf,), others, Trusted()),
            ((leaf,), (), Refused("unable to get local issuer certificate")),
            ((), (), Missing()),
        ):
            self.assertEqual(shown_anew(made.first, presented, verified, now).verdict, verdict)
        nothing = shown_anew(contexts_of("passthrough", self.presented).first, (), (), now)
        self.assertEqual((nothing.verdict, nothing.strict_verdict), (Absent(), UNJUDGED))
        nothing = shown_anew(contexts_of("lenient", self.presented).first, (), (), now)
        self.assertEqual((nothing.verdict, nothing.strict_verdict), (Absent(), Missing()))
        for presented in ((), (leaf,)):
            self.assertEqual(shown_anew(contexts_of("-", self.presented).first, presented, (), now), NO_PROOF)

    def test_public_certificates(self) -> None:
        """The key of the connection that OpenSSL hears the certificates on is no site's."""
        made = contexts_of("strict", self.presented)
        judged_anew(made.first, self.leaf.der, (), datetime.now(UTC))
        key, certificate = hearing.own_certificate()
        self.assertIs(hearing.own_certificate()[0], key)
        self.assertEqual(certificate.subject, x509.Name([]))
