"""Which name a backend must prove, and which certificate proves it."""

from __future__ import annotations

import ipaddress
from typing import Any

import attrs
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.server_identity import IdentityRule, ServerIdentity, is_server_name, mismatch, server_identity
from agwtwisted.core.resources.resources import BackendHttpSettings
from tests import pki


def certificate(*names: str | x509.GeneralName, **options: Any) -> bytes:
    """A server's certificate with these alternative names; without any it has no such extension."""
    options = {"subject": "app.example", "san": names or None, **options}
    return pki.self_signed(**options).der


class IdentityRuleTests(SynchronousTestCase):
    """The name that is sent and looked for."""

    def identity(self, host: str, requested: str = "client.example", **settings: Any) -> ServerIdentity:
        """That of a server under settings, for a request to a host."""
        return IdentityRule.of(BackendHttpSettings(name="s", **settings), host).identity(requested)

    def test_order(self) -> None:
        """sni_name, then the settings' host name, then the pool's, then the request's."""
        every = {"sni_name": "sni.example", "host_name": "host.example:8443"}
        self.assertEqual(self.identity("app.example", **every), ServerIdentity(name="sni.example"))
        del every["sni_name"]
        self.assertEqual(self.identity("app.example", **every), ServerIdentity(name="host.example"))
        self.assertEqual(self.identity("app.example"), ServerIdentity(name="app.example"))
        self.assertEqual(self.identity("192.0.2.1"), ServerIdentity(name="client.example", of_client=True))

    def test_never_an_address(self) -> None:
        """An address is no server name: where the settings or the request have one, the addresses count."""
        for host_name, address in (("192.0.2.7:443", "192.0.2.7"), ("[2001:db8::7]:443", "2001:db8::7")):
            self.assertEqual(self.identity("app.example", host_name=host_name), ServerIdentity(address=address))
        for requested in ("192.0.2.9", "[::1]", "", "1", "a..b", "-a.example", "a_b.example.", "x" * 64, "a%20b"):
            self.assertEqual(self.identity("192.0.2.1", requested), ServerIdentity(address="192.0.2.1"), requested)

    def test_picked_from_the_pool(self) -> None:
        """With pick_host_name_from_backend_address the client's host does not count, and an address is one."""
        for host, expected in (
            ("app.example", ServerIdentity(name="app.example")),
            ("::1", ServerIdentity(address="::1")),
        ):
            self.assertEqual(self.identity(host, pick_host_name_from_backend_address=True), expected)

    def test_probe(self) -> None:
        """A probe's own name comes first, then the settings' and the pool's; else the server needs no name."""
        fixed = ServerIdentity(name="host.example")
        for pool, settings, host, expected in (
            ("app.example", {"host_name": "host.example"}, "probed.example", ServerIdentity(name="probed.example")),
            ("app.example", {"host_name": "host.example"}, "", fixed),
            ("192.0.2.1", {"host_name": "host.example"}, "127.0.0.1", fixed),
            ("app.example", {}, "127.0.0.1", ServerIdentity(name="app.example")),
            ("192.0.2.1", {"pick_host_name_from_backend_address": True}, "", ServerIdentity(address="192.0.2.1")),
            ("192.0.2.1", {}, "", ServerIdentity(any_name=True)),
            ("192.0.2.1", {}, "192.0.2.1", ServerIdentity(any_name=True)),
        ):
            rule = IdentityRule.of(BackendHttpSettings(name="s", **settings), pool)  # type: ignore[arg-type]
            self.assertEqual(rule.identity_for_probe(host), expected)

    def test_in_words(self) -> None:
        """As a log shows it."""
        self.assertEqual(str(server_identity("app.example")), "app.example")
        self.assertEqual(str(server_identity("::1")), "::1")

    @given(st.text(alphabet="ab01.-_*:[]% \n\0ü", max_size=80))
    def test_server_names(self, text: str) -> None:
        """What may be sent can always be compared: any text ends in an answer, never in an exception."""
        if is_server_name(text):
            self.assertNotIn(".", (text[0], text[-1]))
            self.assertIn("not for", mismatch(certificate("other.example"), server_identity(text)))


class MismatchTests(SynchronousTestCase):
    """Whether a certificate is a server's."""

    def says(self, wanted: str, *names: str | x509.GeneralName, **options: Any) -> str:
        """What is said of a certificate with these names."""
        return mismatch(certificate(*names, **options), server_identity(wanted))

    def test_names(self) -> None:
        """A name among others, in whatever case; wildcards stand for one label on the left."""
        for wanted, names in (
            ("app.example", ("other.example", "APP.example")),
            ("app.example.org", ("*.example.org",)),
            ("a_b.internal", ("a_b.internal",)),
            ("localhost", ("localhost",)),
        ):
            self.assertEqual(self.says(wanted, *names), "")
        for wanted, names in (
            ("app.example", ("app.example.org", "xapp.example", "example")),
            ("a.app.example.org", ("*.example.org",)),
            ("example.org", ("*.example.org",)),
            ("xn--bcher-kva.example.org", ("*.example.org",)),
            ("app.example", ("*.example",)),
            ("app.example", ("a*.example",)),
        ):
            self.assertEqual(self.says(wanted, *names).partition(":")[0], f"the certificate is not for {wanted}")

    def test_no_alternative_names(self) -> None:
        """A certificate without subjectAltName is refused for every name, that in its subject included.

        The libraries disagree about it: one raises another exception than for a mismatch, and is easily misunderstood.
        """
        for wanted in ("app.example", "192.0.2.1"):
            said = self.says(wanted)
            self.assertIn(f"the certificate is not for {wanted}: it has no", said)
        self.assertIn("it has no host name in subjectAltName", self.says("app.example", san=()))

    def test_addresses(self) -> None:
        """Addresses are compared with addresses alone, however they are written."""
        self.assertEqual(self.says("192.0.2.1", "192.0.2.1"), "")
        self.assertEqual(self.says("2001:db8:0::1", "2001:db8::1"), "")
        self.assertNotEqual(self.says("192.0.2.1", "192.0.2.2"), "")
        self.assertIn("no IP address", self.says("192.0.2.1", x509.DNSName("192.0.2.1")))
        self.assertIn("no host name", self.says("app.example", "192.0.2.1"))

    def test_other_names(self) -> None:
        """Names of other kinds, and empty ones, do not hide the right one."""
        others = (
            x509.UniformResourceIdentifier("urn:uuid:1"),
            x509.UniformResourceIdentifier("https://app.example:8443/"),
            x509.RFC822Name("root@app.example"),
            x509.DNSName("192.0.2.9"),
            x509.DNSName("*.com"),
            x509.DNSName("*"),
        )
        self.assertEqual(self.says("app.example", *others, "app.example"), "")
        self.assertIn("no host name", self.says("app.example", *others))

    def test_unreadable(self) -> None:
        """Names that cannot be read are no names, and neither is what is no certificate."""
        self.assertIn("cannot be read", mismatch(b"\x30\x00", server_identity("app.example")))
        for names in (b"\x30\x03\x82\x01\xff", b"\x30\x84", b"", b"\x30\x06\x87\x04\xc0"):
            broken = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, names)
            for wanted in ("app.example", "192.0.2.1"):
                said = self.says(wanted, san=None, extra=[pki.extension(broken)])
                self.assertIn(f"the certificate is not for {wanted}", said)
        twice = [pki.alternative_names(["app.example"])] * 2
        self.assertIn("cannot be read", self.says("app.example", san=None, extra=twice))

    def test_network(self) -> None:
        """A network in the place of an address is none."""
        network = x509.IPAddress(ipaddress.ip_network("192.0.2.1/32"))
        self.assertNotEqual(self.says("192.0.2.1", network), "")

    def test_nobody(self) -> None:
        """Where nothing is wanted nothing is right."""
        self.assertNotEqual(mismatch(certificate("app.example"), ServerIdentity()), "")

    def test_any_name(self) -> None:
        """Where no name is looked for, any will do."""
        for each in (certificate("other.example"), certificate()):
            self.assertEqual(mismatch(each, ServerIdentity(any_name=True)), "")

    def test_is_a_value(self) -> None:
        """Identities can be compared, and are keys."""
        identity = server_identity("a")
        self.assertEqual({identity: 1}[ServerIdentity(name="a")], 1)
        self.assertRaises(attrs.exceptions.FrozenInstanceError, setattr, identity, "name", "b")
