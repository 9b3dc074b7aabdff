"""A context hears certificates without a client that has their keys."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.tls.anew import _judging_context
from agwtwisted.tls.client_certificates import ClientCertificates
from agwtwisted.tls.hearing import hear_certificates, hear_hello
from agwtwisted.tls.port_contexts import PortContexts
from tests import configurations, pki
from tests.clients import device, files, stranger, text


class HearingTests(SynchronousTestCase):
    """What OpenSSL says on the way."""

    def setUp(self) -> None:
        """A server of a strict site, whose key need not be known."""
        [port] = configurations.plan(text("basic strict"), files()).http_ports.values()
        chosen = PortContexts.of(port.sites, max_depth=8).first
        self.notes = ClientCertificates(pki.NOW.timestamp)
        self.notes.site_context = chosen
        self.server = SSL.Connection(_judging_context(chosen), None)
        self.server.set_app_data(self.notes)
        self.server.set_accept_state()

    def test_goes_on(self) -> None:
        """Where the handshake would go on nothing is said, and the callbacks have noted the chain."""
        self.assertEqual(hear_hello(self.server), "")
        self.assertEqual(hear_certificates(self.server, (device().der,)), "")
        self.assertEqual(self.notes.evidence().chain, (device().der, configurations.clients_root().der))

    def test_ends(self) -> None:
        """Where it would end, the words are OpenSSL's."""
        self.assertEqual(hear_hello(self.server), "")
        self.assertEqual(hear_certificates(self.server, (stranger().der,)), "certificate verify failed")

    def test_many(self) -> None:
        """Certificates of several records are heard whole."""
        self.assertEqual(hear_hello(self.server), "")
        sent = (device().der, *[stranger().der] * 100)
        self.assertGreater(sum(map(len, sent)), 2 * 16384)
        self.assertEqual(hear_certificates(self.server, sent), "")
