"""What a context presents of the gateway's own."""

from __future__ import annotations

import contextlib

import attrs
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import AgwError
from agwtwisted.tls.own_certificate import present
from tests import pki
from tests.servers import own

ROOT = pki.Authority.root("Root")


class UnfitError(AgwError):
    """What the caller raises."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")


def presented(credential: pki.Credential) -> list[bytes]:
    """The certificates (DER) that a peer gets in a handshake, the leaf first."""
    server, client = SSL.Context(SSL.TLS_METHOD), SSL.Context(SSL.TLS_METHOD)
    present(server, own(credential), UnfitError)
    ends = SSL.Connection(server), SSL.Connection(client)
    ends[0].set_accept_state()
    ends[1].set_connect_state()
    for _ in range(4):
        for one, other in (ends, ends[::-1]):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(65536))
    return [each.to_cryptography().public_bytes(Encoding.DER) for each in ends[1].get_peer_cert_chain() or ()]


class PresentTests(SynchronousTestCase):
    """Certificate, key and intermediates."""

    def test_chain(self) -> None:
        """A peer gets the leaf and the intermediates, in this order, and no root."""
        issuer = ROOT.intermediate("Issuer")
        leaf = issuer.issue("gateway")
        self.assertEqual(presented(leaf), [leaf.der, issuer.der])

    def test_unfit(self) -> None:
        """What OpenSSL does not take is the caller's error, with the certificate's name and OpenSSL's reason."""
        weak, other = ROOT.issue("weak", key=pki.rsa_key(1024)), attrs.evolve(ROOT.issue("x"), key=pki.ec_key())
        for credential, reason in ((weak, "own: ee key too small"), (other, "own: key values mismatch")):
            self.assertEqual(str(self.assertRaises(UnfitError, presented, credential)), reason)
