"""Certificates, trust, policies, groups and protocols of a site, as a TLS client sees them."""

from __future__ import annotations

import os
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base import limits
from agwtwisted.core.tls.policies import TlsPolicy, custom, expected_suite, openssl_cipher_list, predefined
from agwtwisted.tls.contexts import HTTP2, AuthorityError
from tests import clients, configurations, pki
from tests.clients import FATAL, GET, TLS_1_2, TLS_1_3, VERSIONS, Gateway, client_context, device, text

_SUITES = (
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA",
    "AES256-GCM-SHA384",
    "AES128-GCM-SHA256",
    "AES256-SHA256",
    "AES128-SHA",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "DHE-RSA-AES256-GCM-SHA384",
)
_KEPT: list[pki.Credential] = []


def get(host: str) -> bytes:
    """A request for this host."""
    return GET.replace(b"localhost", host.encode())


def with_keys(keys: str) -> str:
    """A Strict listener whose profile has more keys."""
    return text("basic strict").replace("[ssl_profile strict]", f"[ssl_profile strict]\n{keys}".rstrip())


def _rsa_site() -> pki.Credential:
    """A server's certificate with an RSA key, one for the whole run."""
    if not _KEPT:
        usage = pki.key_usage("digital_signature", "key_encipherment")
        _KEPT.append(pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(), usage=usage))
    return _KEPT[0]


class ProtocolTests(SynchronousTestCase):
    """ALPN: HTTP/1.1 or nothing."""

    def test_chosen(self) -> None:
        """HTTP/1.1 is chosen wherever it is offered, else HTTP/1.0, and nothing where nothing is offered."""
        both = [b"h2", b"http/1.0", b"http/1.1"]
        for offered, chosen in ((both, b"http/1.1"), ([b"http/1.0"], b"http/1.0"), ([], b"")):
            for version in VERSIONS:
                gateway = Gateway(text("basic -", "o - o.example"))
                for name in ("", "o.example"):
                    client = gateway.shake_hands(client_context(version=version, protocols=offered), name)
                    self.assertEqual(client.tls.get_alpn_proto_negotiated(), chosen)
                    client.say(get(name or "localhost"))
                    self.assertEqual(gateway.forwarded, 1)
                    gateway.reactor.tcpClients.clear()

    def test_no_overlap(self) -> None:
        """A client that offers other protocols gets the alert no_application_protocol."""
        for version in VERSIONS:
            gateway = Gateway(text("basic strict", "o - o.example"))
            for name in ("", "o.example"):
                client = gateway.shake_hands(client_context(version=version, protocols=[b"h2", b"spdy/3"]), name)
                self.assertEqual(client.alerts, [(FATAL, 120)])
                self.assertEqual(len(gateway.limits.handshakes), 0)
                self.assertEqual(gateway.log.records[-1]["handshakeError"], "no application protocol")


class Http2Tests(SynchronousTestCase):
    """ALPN where HTTP/2 may be spoken."""

    def agreed(self, gateway: Gateway, name: str = "", *offered: bytes, **client: Any) -> bytes:
        """The protocol that a client gets; what is known of it says the same."""
        shaken = gateway.shake_hands(client_context(protocols=offered or (b"http/1.1", HTTP2), **client), name)
        agreed = shaken.tls.get_alpn_proto_negotiated()
        [session] = gateway.port.live.behind()
        shaken.lose()
        known = session.client.connection.protocol  # type: ignore[attr-defined]
        self.assertIn(known, (agreed, b""))
        self.assertEqual(known == HTTP2, agreed == HTTP2)
        return agreed

    def test_of_the_site(self) -> None:
        """The site of the name in the handshake decides; HTTP/2 comes first, and who does not offer it has HTTP/1.1."""
        for version in VERSIONS:
            gateway = Gateway(text("basic -", "o - o.example; enable_http2 = true"))
            self.assertEqual(self.agreed(gateway, "", version=version), b"http/1.1")
            self.assertEqual(self.agreed(gateway, "o.example", version=version), HTTP2)
            self.assertEqual(self.agreed(gateway, "o.example", b"http/1.1", version=version), b"http/1.1")
            whole = Gateway(text("basic -", "o - o.example; enable_http2 = false", gateway="enable_http2 = true"))
            self.assertEqual(self.agreed(whole, "", version=version), HTTP2)
            self.assertEqual(self.agreed(whole, "o.example", version=version), b"http/1.1")
            client = whole.shake_hands(client_context(version=version, protocols=[HTTP2]), "o.example")
            self.assertEqual(client.alerts, [(FATAL, 120)])

    def test_suites(self) -> None:
        """Over TLS 1.2 it is agreed on with suites that suit it alone, whatever else both sides have."""
        policy = "ssl_policy = AppGwSslPolicy20170401S"
        keys = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        offers = (
            (b"ECDHE+AESGCM", HTTP2),
            (b"ALL:@SECLEVEL=0", HTTP2),
            (b"AES128-GCM-SHA256:AES256-SHA", b"http/1.1"),
            (b"ECDHE+AES128:!AESGCM", b"http/1.1"),
        )
        for source in (None, keys):
            gateway = Gateway(text("basic -; enable_http2 = true", gateway=policy), source)
            for ciphers, protocol in offers if source else (offers[0], offers[1], offers[3]):
                agreed = self.agreed(gateway, version=SSL.TLS1_2_VERSION, ciphers=ciphers)
                self.assertEqual(agreed, protocol, (ciphers, source is None))
            only = client_context(version=SSL.TLS1_2_VERSION, ciphers=b"ECDHE+AES128:!AESGCM", protocols=[HTTP2])
            self.assertEqual(gateway.shake_hands(only).alerts, [(FATAL, 120)])

    def test_expected(self) -> None:
        """The suite that is expected is the one that OpenSSL chooses, whatever a client offers and whichever key."""
        policy = predefined("AppGwSslPolicy20170401S")
        assert isinstance(policy, TlsPolicy)
        configuration = text("basic -", gateway="ssl_policy = AppGwSslPolicy20170401S")
        chance, suites = Random(1), openssl_cipher_list(policy).decode().split(":")
        keys = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        for source, with_rsa_key in ((keys, True), (clients.files(), False)):
            gateway = Gateway(configuration, source)
            for _ in range(30):
                ciphers = ":".join(chance.sample(suites, 3)).encode()
                client = gateway.shake_hands(client_context(version=TLS_1_2, ciphers=ciphers))
                chosen = client.tls.get_cipher_name() if client.established else ""
                offered = client.connection.offered_suites
                self.assertEqual(expected_suite(policy, offered, with_rsa_key=with_rsa_key), chosen, ciphers)

    def test_reload(self) -> None:
        """A configuration that speaks it, or no more, has contexts of its own."""
        off, on = text("basic -"), text("basic -; enable_http2 = true")
        gateway = Gateway(off)
        self.assertEqual(self.agreed(gateway), b"http/1.1")
        gateway = gateway.reloaded(on)
        self.assertEqual(self.agreed(gateway), HTTP2)
        gateway = gateway.reloaded(off)
        self.assertEqual(self.agreed(gateway), b"http/1.1")


class TrustTests(SynchronousTestCase):
    """The names of CAs that a client gets."""

    def test_own_chain(self) -> None:
        """The server's certificate comes with its intermediates, whichever site is selected."""
        gateway = Gateway(text("basic -", "o - o.example"))
        for name in ("", "o.example"):
            chain = gateway.shake_hands(name=name).tls.get_peer_cert_chain(as_cryptography=True)
            self.assertEqual([entry.subject.rfc4514_string() for entry in chain or ()], ["CN=localhost", "CN=Servers"])

    def test_acceptable_authorities(self) -> None:
        """The request names roots and intermediates of the site's profile; a passthrough listener's names none."""
        files = ("Partners", "Partners Root")
        for version in VERSIONS:
            gateway = Gateway(text("basic -", "s strict s.example", "p partners p.example", "t passthrough t.example"))
            for name, expected in (("s.example", {"Clients Root"}), ("p.example", set(files)), ("t.example", set())):
                client = gateway.shake_hands(client_context(device(), version=version), name)
                told = {entry.commonName for entry in client.tls.get_client_ca_list()}
                self.assertEqual(told, expected)

    def test_as_many_names_as_may_be(self) -> None:
        """The most that a configuration may have fit into the handshake of either version; each goes out once."""
        names = configurations.names_of_size(limits.CA_NAMES_BYTES.highest)
        names += names[:1]
        key = pki.ec_key()
        roots = [pki.Authority.root(name, key=key) for name in names]
        wanted = ", ".join(f"c{number}" for number in range(len(roots)))
        sections = "".join(
            f"\n[trusted_client_certificate c{number}]\nfile = pki/c{number}.pem\n" for number in range(len(roots))
        )
        source = clients.files(**{f"c{number}_pem": root.pem for number, root in enumerate(roots)})
        written = text("basic strict") + sections
        told = f"trusted_client_certificates = {wanted}"
        silent = f"advertise_ca_names = false\n{told}"
        for keys, count in ((told, len(names) - 1), (silent, 0)):
            gateway = Gateway(written.replace("trusted_client_certificates = devices", keys, 1), source)
            for version in VERSIONS:
                client = gateway.shake_hands(client_context(roots[-1].issue(), version=version))
                self.assertEqual(client.alerts, [])
                self.assertTrue(client.connection.is_secure)
                self.assertEqual(len(client.tls.get_client_ca_list()), count)

    def test_only_the_profiles_files(self) -> None:
        """Neither SSL_CERT_FILE and SSL_CERT_DIR nor the system's roots make a client trusted."""
        directory = self.mktemp()
        os.mkdir(directory)
        path = pki.write(directory, "roots.pem", clients.stranger().issuers[0])
        for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            self.patch(os, "environ", {**os.environ, variable: path})
            os.putenv(variable, path)
            self.addCleanup(os.unsetenv, variable)
        for version in VERSIONS:
            client = Gateway(text("basic strict")).shake_hands(client_context(clients.stranger(), version=version))
            self.assertEqual(client.alerts, [(FATAL, 48)])

    def test_what_the_client_sends_is_no_anchor(self) -> None:
        """A root that the client sends along makes it no more trusted."""
        for version in VERSIONS:
            sent = [clients.stranger().issuers[0]]
            context = client_context(clients.stranger(), version=version, sent=sent)
            self.assertEqual(Gateway(text("basic strict")).shake_hands(context).alerts, [(FATAL, 48)])


class PolicyTests(SynchronousTestCase):
    """Which versions and suites a client gets."""

    def gateway(self, keys: str, *listeners: str) -> Gateway:
        """One whose policy is of these keys; it has an RSA certificate, which takes part in more suites."""
        source = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        configuration = text("basic policy", *listeners) + f"\n[ssl_profile policy]\n{keys}\n"
        base = "ssl_policy = AppGwSslPolicy20170401S\n" if "Custom\n" in keys or "2017" in keys else ""
        configuration = configuration.replace("access_log = -\n", "access_log = -\n" + base)
        return Gateway(configuration, source)

    def offered(self, gateway: Gateway, version: int, ciphers: bytes = b"") -> str:
        """The suite that a client of this version gets; empty when there is none."""
        client = gateway.shake_hands(client_context(version=version, ciphers=ciphers))
        return client.tls.get_cipher_name() or "" if client.established else ""

    def test_policies(self) -> None:
        """Each living policy speaks its versions, prefers its first suite, and takes every suite of its own alone."""
        custom_v2 = "policy_type = CustomV2\nmin_protocol_version = TLSv1_2\ncipher_suites = {}"
        cases: list[tuple[str, TlsPolicy | str]] = [
            (f"ssl_policy = {name}", predefined(name))
            for name in ("AppGwSslPolicy20170401S", "AppGwSslPolicy20220101", "AppGwSslPolicy20220101S")
        ]
        suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_AES_256_GCM_SHA384"
        listed = ", ".join(suites)
        cases += [
            (custom_v2.format(listed), custom("CustomV2", "TLSv1_2", suites)),
            (custom_v2.format(listed).replace("CustomV2", "Custom"), custom("Custom", "TLSv1_2", suites)),
            (
                "policy_type = CustomV2\nmin_protocol_version = TLSv1_3\ncipher_suites = TLS_AES_128_GCM_SHA256",
                custom("CustomV2", "TLSv1_3", ("TLS_AES_128_GCM_SHA256",)),
            ),
        ]
        for keys, policy in cases:
            assert isinstance(policy, TlsPolicy), policy
            with self.subTest(keys):
                self._check(self.gateway(keys), policy)

    def _check(self, gateway: Gateway, policy: TlsPolicy) -> None:
        expected_1_3 = "TLS_AES_128_GCM_SHA256" if policy.max_version == "TLSv1_3" else ""
        self.assertEqual(self.offered(gateway, TLS_1_3), expected_1_3)
        names = openssl_cipher_list(policy).decode().split(":") if policy.tls12_cipher_suites else []
        usable = [name for name in names if "ECDSA" not in name]
        backwards = ":".join(reversed(usable)) + ":@SECLEVEL=0"
        if usable:
            self.assertEqual(self.offered(gateway, TLS_1_2, backwards.encode()), usable[0])
        for suite in _SUITES:
            taken = self.offered(gateway, TLS_1_2, f"{suite}:@SECLEVEL=0".encode())
            self.assertEqual(taken, suite if suite in usable else "")
        for version in (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION):
            self.assertEqual(self.offered(gateway, version), "")

    def test_an_old_client_is_told(self) -> None:
        """A client of an older version gets the alert protocol_version, which is no matter of its certificate."""
        gateway = Gateway(text("basic strict"))
        client = gateway.shake_hands(client_context(version=SSL.TLS1_1_VERSION))
        self.assertEqual(client.alerts, [(FATAL, 70)])
        [record] = gateway.log.records
        self.assertEqual(record["error_info"], "ERRORINFO_INVALID_REQUEST")
        self.assertEqual(record["sslClientVerify"], "NONE")

    def test_no_common_suite(self) -> None:
        """A client with no suite in common gets the alert handshake_failure, which is no matter of its certificate."""
        gateway = Gateway(text("basic strict", "s strict s.example"))
        for name in ("", "s.example"):
            context = client_context(version=TLS_1_2, ciphers=b"AES128-SHA:@SECLEVEL=0")
            self.assertEqual(gateway.shake_hands(context, name).alerts, [(FATAL, 40)])
            self.assertEqual(gateway.log.records[-1]["error_info"], "ERRORINFO_INVALID_REQUEST")


class GroupTests(SynchronousTestCase):
    """The groups for key exchange."""

    def agreed(self, gateway: Gateway, groups: bytes, credential: pki.Credential | None = None) -> str | None:
        """The group that a client of TLS 1.2 with these groups has agreed on, None where the handshake failed."""
        client = gateway.shake_hands(client_context(credential or device(), version=TLS_1_2, groups=groups))
        return client.tls.get_group_name() if client.connection.is_secure else None

    def test_default(self) -> None:
        """OpenSSL's own are preferred, whatever the client does; brainpool curves are for those who have no others."""
        source = clients.files(site_pem=_rsa_site().chain_pem, site_key=_rsa_site().key_pem)
        gateway = Gateway(text("basic passthrough"), source)
        self.assertEqual(self.agreed(gateway, b"brainpoolP256r1:secp256r1:x25519"), "x25519")
        meter = device().issuers[0].issue("meter", key=pki.ec_key(ec.BrainpoolP256R1()))
        self.assertEqual(self.agreed(gateway, b"brainpoolP256r1", meter), "brainpoolP256r1")

    def test_client_certificate(self) -> None:
        """Certificates on brainpool curves are taken over TLS 1.2, by default and where the curve is named."""
        for curve, keys in ((ec.BrainpoolP256R1(), ""), (ec.BrainpoolP384R1(), "tls_groups = P-256, brainpoolP384r1")):
            credential = device().issuers[0].issue("meter", key=pki.ec_key(curve))
            gateway = Gateway(with_keys(keys))
            self.assertIsNotNone(self.agreed(gateway, b"brainpoolP256r1:brainpoolP384r1:secp256r1", credential))

    def test_chosen(self) -> None:
        """A profile's groups are the only ones, in its order."""
        gateway = Gateway(with_keys("tls_groups = secp384r1, x25519, P-256"))
        self.assertEqual(self.agreed(gateway, b"x25519:secp384r1:secp256r1"), "secp384r1")
        self.assertIsNone(self.agreed(gateway, b"secp521r1"))
        brainpool = device().issuers[0].issue("meter", key=pki.ec_key(ec.BrainpoolP256R1()))
        self.assertIsNone(self.agreed(gateway, b"brainpoolP256r1:secp256r1", brainpool))

    def test_of_the_future(self) -> None:
        """Hybrid groups of ML-KEM are agreed on over TLS 1.3 where both have them."""
        gateway = Gateway(with_keys("tls_groups = SecP256r1MLKEM768"))
        client = gateway.shake_hands(client_context(device(), version=TLS_1_3, groups=b"SecP256r1MLKEM768:x25519"))
        self.assertTrue(client.connection.is_secure)
        self.assertFalse(gateway.shake_hands(client_context(device(), groups=b"x25519")).connection.is_secure)


class AuthorityTests(SynchronousTestCase):
    """Trusted CAs."""

    def test_unreadable(self) -> None:
        """A CA that OpenSSL does not read stops the start with its section: a VisibleString is no part of a name."""
        name = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x1A, b"CA"))))
        source = clients.files(**{"clients-ca_pem": pki.Authority.root(name).pem})
        error = self.assertRaises(AuthorityError, Gateway, text("basic strict"), source)
        self.assertRegex(error.section, "^trusted_client_certificate ")
        self.assertIn("OpenSSL cannot read", error.reason)
