"""`agwtwisted.core.revocation.responders`: which responders are asked, and why others are not."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import network
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.ocsp import OcspRequest
from agwtwisted.core.revocation.responders import MAX_DESTINATIONS, MAX_URLS, Responder, responders_of
from agwtwisted.core.tls.policies import TlsPolicy, predefined
from tests import pki
from tests.configurations import clients_root


def responders(*urls: str) -> x509.Extension[x509.AuthorityInformationAccess]:
    """The extension that names responders."""
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    ocsp = x509.AuthorityInformationAccessOID.OCSP
    return pki.extension(x509.AuthorityInformationAccess([x509.AccessDescription(ocsp, name) for name in names]))


def found(*urls: str, own_ports: tuple[int, ...] = (), **keys: Any) -> tuple[Responder, ...]:
    """The responders of a certificate with these URLs."""
    policy = predefined("AppGwSslPolicy20220101")
    assert isinstance(policy, TlsPolicy)
    leaf = clients_root().issue(extra=[responders(*urls)] if urls else [])
    request = OcspRequest.of(leaf.der, clients_root().der)
    assert isinstance(request, OcspRequest)
    return responders_of(request, SslProfile(name="p", ssl_policy=policy, **keys), own_ports)


class RespondersTests(SynchronousTestCase):
    """The order in which they are asked, and the hindrances that are known before any lookup."""

    def test_asked_in_turn(self) -> None:
        """Each once, in the order of the certificate."""
        urls = ("http://one.example/", "https://two.example/", "http://one.example/")
        each = found(*urls)
        self.assertEqual([(one.url, one.hindrance) for one in each], [(url, "") for url in urls[:2]])
        self.assertEqual(found(), ())

    def test_the_operators(self) -> None:
        """The profile's own is asked instead of all, at any address and port."""
        [one] = found("http://one.example/", ocsp_responder_url="http://127.0.0.1:8888/", own_ports=(8888,))
        self.assertEqual((one.url, one.hindrance), ("http://127.0.0.1:8888/", ""))
        self.assertIsNotNone(one.destination)

    def test_too_many(self) -> None:
        """Those behind the first ones are not asked, even where an earlier one is hindered; what is none is passed
        over.
        """
        urls = ["ldap://none.example/", "http://0.example:8080/", *(f"http://{n}.example/" for n in range(1, 20))]
        each = found(*urls)
        self.assertIn("must begin with http:// or https://", each[0].hindrance)
        self.assertIn("ocsp_allowed_ports = 8080", each[1].hindrance)
        asked = [one.url for one in each if one.destination is not None]
        self.assertEqual(asked, urls[1 : 1 + MAX_DESTINATIONS])
        self.assertIn(f"only the first {MAX_DESTINATIONS} are asked", each[4].hindrance)
        self.assertIn(f"not among the first {MAX_URLS}", each[-1].hindrance)

    def test_ourselves(self) -> None:
        """A port of the gateway on this machine is hindered; of one elsewhere, or of a name, that is not known."""
        networks = (network("127.0.0.0/8"), network("192.0.2.0/24"), network("::1"))
        for host, hindered in (("127.0.0.1", True), ("[::1]", True), ("192.0.2.7", False), ("localhost", False)):
            [one] = found(f"http://{host}/", own_ports=(80,), ocsp_allowed_networks=networks)
            self.assertEqual("one of the gateway's own listeners" in one.hindrance, hindered, host)
