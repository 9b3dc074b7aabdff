"""Kinds of failed handshakes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification import handshake_failures as failures
from agwtwisted.core.verification.handshake_failures import HandshakeFailure, failure_of
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused

FAILED = "certificate verify failed"


class KindTests(SynchronousTestCase):
    """The kind of a failure."""

    def test_own_texts(self) -> None:
        """Each text of the gateway has its kind, whatever was known of the client until then."""
        texts = [each for name, each in vars(failures).items() if name.isupper() and isinstance(each, str)]
        self.assertEqual(len(texts), 9)
        for text in texts:
            kinds = {failure_of(text, verdict) for verdict in (UNJUDGED, Missing(), NotAsked())}
            self.assertEqual(len(kinds), 1)
            self.assertNotEqual(kinds, {HandshakeFailure.PROTOCOL})

    def test_certificates(self) -> None:
        """A verdict that refuses is the cause, and that none came is another."""
        self.assertIs(failure_of(FAILED, Refused("certificate has expired")), HandshakeFailure.CERTIFICATE)
        self.assertIs(failure_of(FAILED, Missing()), HandshakeFailure.NO_CERTIFICATE)
        self.assertIs(failure_of(FAILED, UNJUDGED), HandshakeFailure.PROTOCOL)

    def test_openssl(self) -> None:
        """An alert of the client is one kind, and all other texts of OpenSSL are another."""
        self.assertIs(failure_of("tlsv1 alert unknown ca", NotAsked()), HandshakeFailure.CLIENT_ALERT)
        self.assertIs(failure_of("no shared cipher", NotAsked()), HandshakeFailure.PROTOCOL)
