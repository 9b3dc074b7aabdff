"""Clients: admitted or turned away, and nothing in between."""

from __future__ import annotations

from itertools import product

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.identity.clients import (
    NO_PROOF,
    NOT_CHECKED,
    Admitted,
    CertificateProof,
    ClientConnection,
    ClientRevocationStatus,
    Identity,
    NoSource,
    NotAdmittedError,
    PendingClient,
    RevocationFinding,
    RevocationSource,
    TurnedAway,
    identify,
    unauthenticated,
)
from agwtwisted.core.verification.verdicts import (
    UNJUDGED,
    Absent,
    Missing,
    NotAsked,
    Refused,
    Trusted,
    Unchecked,
    admits,
)
from tests.identities import admitted, client, pending, turned_away
from tests.strategies import variables

CERTIFICATE = variables()
REVOKED = RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=Refused("certificate revoked"))
GOOD = RevocationFinding(status=ClientRevocationStatus.GOOD, source=RevocationSource.CRL, until=500.0)
VERDICTS = (NotAsked(), Absent(), Unchecked(), Trusted(), Missing(), Refused("x"), UNJUDGED)


class PendingTests(SynchronousTestCase):
    """A client before the decision about it."""

    def test_needs_a_verdict(self) -> None:
        """No client exists without a verdict: there is no default that could accept a client."""
        self.assertRaises(TypeError, CertificateProof)
        self.assertRaises(TypeError, PendingClient, connection=ClientConnection(address="192.0.2.1", port=1))

    def test_after_handshake(self) -> None:
        """A handshake adds what it has shown, and leaves the other facts as they were, each of them."""
        names = [field.name for field in attrs.fields(ClientConnection)]
        before = ClientConnection(**{name: f"{name} before" for name in names})  # type: ignore[arg-type]
        shown = ("tls_version", "cipher", "server_name", "protocol", "offered_suites", "ja4", "session_reused")
        after = before.after_handshake(**{name: f"{name} shown" for name in shown})  # type: ignore[arg-type]
        for name in names:
            self.assertEqual(getattr(after, name), f"{name} {'shown' if name in shown else 'before'}")

    def test_is_frozen(self) -> None:
        """A verdict is never changed, a new client takes the old one's place."""
        proof = CertificateProof(verdict=Missing())
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            proof.verdict = Trusted()  # type: ignore[misc]
        self.assertEqual(attrs.evolve(proof, verdict=Trusted()).verdict, Trusted())

    def test_strict(self) -> None:
        """A path that requires a certificate goes by the verdict of a Strict profile; without one it refuses."""
        for verdict, strict, expected in (
            (Unchecked(), Trusted(), Trusted()),
            (Unchecked(), Refused("x"), Refused("x")),
            (Unchecked(), UNJUDGED, UNJUDGED),
            (Trusted(), UNJUDGED, Trusted()),
        ):
            self.assertEqual(pending(verdict, strict_verdict=strict).strict().proof.verdict, expected)
        for verdict in (Unchecked(), Absent(), NotAsked()):
            self.assertEqual(pending(verdict).strict().proof.verdict, UNJUDGED)


class DecisionTests(SynchronousTestCase):
    """The one function that makes clients."""

    def test_every_combination(self) -> None:
        """A client is admitted where neither the handshake nor the check refuses, by the handshake's verdict."""
        for verdict, finding in product(VERDICTS, (NOT_CHECKED, GOOD, REVOKED)):
            found = identify(pending(verdict), finding)
            self.assertEqual((found.revocation_status, found.revocation_source), (finding.status, finding.source))
            self.assertEqual(found.ocsp_status, finding.ocsp_status)
            if admits(verdict) and finding.refusal is None:
                assert isinstance(found, Admitted)
                self.assertEqual(found.verdict, verdict)
            else:
                assert isinstance(found, TurnedAway)
                self.assertEqual(found.verdict, finding.refusal if admits(verdict) else verdict)

    def test_found_again(self) -> None:
        """What was found about an admitted client can be had of it, and goes along to paths without certificates."""
        found = admitted(Trusted(), finding=GOOD)
        for each in (found, found.anonymous()):
            self.assertEqual(attrs.evolve(each.finding, until=500.0), GOOD)

    def test_status_of_ocsp(self) -> None:
        """What a CRL has decided is no status of OCSP."""
        for source, expected in (
            (RevocationSource.OCSP, ClientRevocationStatus.GOOD),
            (RevocationSource.CRL, ClientRevocationStatus.NOT_CHECKED),
            (NoSource.NONE, ClientRevocationStatus.GOOD),
        ):
            found = RevocationFinding(status=ClientRevocationStatus.GOOD, source=source)
            self.assertEqual(found.ocsp_status, expected)

    def test_end(self) -> None:
        """A trusted client is admitted until the first of the ends; another one has none."""
        for until, finding, expected in (
            (1000.0, NOT_CHECKED, 1000.0),
            (1000.0, GOOD, 500.0),
            (100.0, GOOD, 100.0),
        ):
            self.assertEqual(admitted(Trusted(), until=until, finding=finding).until, expected)
        self.assertEqual(admitted(Unchecked(), until=1000.0).until, float("inf"))

    def test_nobody_else_is_admitted(self) -> None:
        """With a verdict that refuses there is no admitted client and no identity, however it is made."""
        away = turned_away(Refused("x"))
        for verdict in (Missing(), Refused("x"), UNJUDGED):
            proof = CertificateProof(verdict=verdict, certificate=CERTIFICATE)
            self.assertRaises(NotAdmittedError, Admitted, connection=away.connection, proof=proof)
            self.assertRaises(NotAdmittedError, attrs.evolve, admitted(), proof=proof)
            self.assertRaises(NotAdmittedError, Identity, verdict=verdict, certificate=CERTIFICATE)

    def test_without_a_question(self) -> None:
        """Where no certificate is asked for the client is admitted without one."""
        connection = ClientConnection(address="192.0.2.1", port=1)
        self.assertEqual(unauthenticated(connection), Admitted(connection=connection, proof=NO_PROOF))


class AdmittedTests(SynchronousTestCase):
    """What may be known of an admitted client."""

    def test_certificate(self) -> None:
        """It is there where it was verified, or shown where none is verified."""
        for verdict, expected in (
            (Trusted(), CERTIFICATE),
            (Unchecked(), CERTIFICATE),
            (Absent(), None),
            (NotAsked(), None),
        ):
            one = admitted(verdict, certificate=CERTIFICATE, chain_der=(b"chain",))
            self.assertEqual((one.certificate, one.identity.certificate), (expected, expected))
            self.assertEqual(one.identity.chain_der, (b"chain",) if verdict == Trusted() else ())

    def test_turned_away(self) -> None:
        """A client that is turned away has none of it."""
        away = turned_away(Refused("x"), certificate=CERTIFICATE)
        for name in ("certificate", "identity", "anonymous", "pending"):
            self.assertFalse(hasattr(away, name), name)

    def test_anonymous(self) -> None:
        """Where certificates are ignored nothing is left of one, and that is one client for all requests."""
        one = admitted(Trusted(), certificate=CERTIFICATE, finding=GOOD)
        self.assertEqual(one.anonymous().identity, Identity(verdict=NotAsked()))
        self.assertEqual(one.anonymous().revocation_status, ClientRevocationStatus.GOOD)
        self.assertIs(one.anonymous(), one.anonymous())

    def test_judged_again(self) -> None:
        """A client that is judged again remembers nothing of before, and is pending as its handshake left it."""
        one = admitted(Trusted(), certificate=CERTIFICATE, until=1000.0)
        one.remembered["key"] = "value"
        again = identify(one.pending, GOOD)
        self.assertEqual(
            (again.remembered, one.pending), ({}, pending(Trusted(), certificate=CERTIFICATE, until=1000.0))
        )
        self.assertEqual(client(Trusted(), certificate=CERTIFICATE, until=1000.0), one)
