"""`agwtwisted.core.verification.proving_keys`: which keys a client can use; real handshakes are the judges."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.tls.policies import TLS_1_2, TLS_1_3
from agwtwisted.core.verification.proving_keys import ProvingKey, proving_key
from tests import configurations, handshakes, pki
from tests.clients import Gateway, files, text

VERSIONS = {TLS_1_2: SSL.TLS1_2_VERSION, TLS_1_3: SSL.TLS1_3_VERSION}


def found(key: Any, *groups: str) -> ProvingKey | None:
    """What is said of a key."""
    return proving_key(configurations.clients_root().issue(key=key).parsed.public_key, groups)


def versions(key: Any, *groups: str) -> set[str]:
    """The versions in which it can be used."""
    proving = found(key, *groups)
    assert proving
    return set(proving.versions)


class ProvingKeyTests(SynchronousTestCase):
    """Kinds of keys, by version."""

    def test_as_in_handshakes(self) -> None:
        """Exactly the versions in which a client with such a key is accepted by a gateway."""
        for key in (
            pki.ec_key(),
            pki.ec_key(ec.SECP384R1()),
            pki.ec_key(ec.SECP521R1()),
            pki.ec_key(ec.SECP224R1()),
            pki.ec_key(ec.SECP256K1()),
            pki.rsa_key(),
            dsa.generate_private_key(2048),
        ):
            leaf = configurations.clients_root().issue(key=key)
            for version, number in VERSIONS.items():
                gateway = Gateway(text("basic strict"), files())
                context = handshakes.client_context(leaf, ())
                context.set_min_proto_version(number)
                context.set_max_proto_version(number)
                client = gateway.shake_hands(context)
                self.assertEqual(client.connection.is_secure, version in versions(key), (found(key), version))

    def test_groups(self) -> None:
        """Over TLS 1.2 the curve must be one of the profile's groups, where it names some."""
        self.assertEqual(versions(pki.ec_key(), "x25519"), {TLS_1_3})
        self.assertEqual(versions(pki.ec_key(), "x25519", "secp256r1"), {TLS_1_2, TLS_1_3})
        self.assertEqual(versions(pki.rsa_key(), "x25519"), {TLS_1_2, TLS_1_3})
        self.assertEqual(versions(pki.ec_key(ec.BrainpoolP256R1())), {TLS_1_2, TLS_1_3})

    def test_not_known(self) -> None:
        """Nothing is said of other keys, and of what is none."""
        self.assertIsNone(found(ed448.Ed448PrivateKey.generate()))
        self.assertIsNone(found(pki.ed25519_key()))
        for content in (b"", b"\x30\x00", b"\x30\x00\x03\x00"):
            self.assertIsNone(proving_key(content, ()))
