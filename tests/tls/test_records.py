"""What both roles share; how they carry bytes is tested with each: test_tls and test_tls_client."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.client import TlsClientWire
from agwtwisted.tls.handshake import TlsWire
from agwtwisted.tls.records import EncryptedWire, error_text


class EncryptedWireTests(SynchronousTestCase):
    """One way to carry bytes."""

    def test_is_shared(self) -> None:
        """Neither role has a way of its own to read records or to end a connection."""
        for role in (TlsWire, TlsClientWire):
            for name in ("_read", "_send_control", "_flush", "_farewell"):
                self.assertIs(getattr(role, name), getattr(EncryptedWire, name))


class ErrorTextTests(SynchronousTestCase):
    """OpenSSL's errors in words."""

    def test_texts(self) -> None:
        """The last error of the queue is the one that matters; without a queue the error speaks for itself."""
        queue = [("a", "", "first"), ("b", "", "last")]
        for error, words in (
            (SSL.Error(queue), "last"),
            (SSL.Error([]), "[]"),
            (SSL.Error(), "Error"),
            (SSL.SysCallError(-1, "Unexpected EOF"), "(-1, 'Unexpected EOF')"),
        ):
            self.assertEqual(error_text(error), words)
