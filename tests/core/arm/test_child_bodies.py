"""`agwtwisted.core.arm.child_bodies`: from a section to the properties of an ARM resource."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.core.arm.written import child, properties, reference


class ChildBodiesTests(SynchronousTestCase):
    """The properties of single resources."""

    def test_settings(self) -> None:
        """Numbers are numbers, enumerations have the product's spelling, references are ids."""
        text = """
[backend_http_settings app]
protocol = Https
request_timeout = 30
cookie_based_affinity = true
connection_draining_timeout = 60
probe = deep
trusted_root_certificates = one, two
validate_sni = false
"""
        self.assertEqual(
            child(text, "backendHttpSettingsCollection"),
            {
                "port": 443,
                "protocol": "Https",
                "requestTimeout": 30,
                "cookieBasedAffinity": "Enabled",
                "probe": reference("probes", "deep"),
                "trustedRootCertificates": [reference("trustedRootCertificates", each) for each in ("one", "two")],
                "validateSNI": False,
                "connectionDraining": {"enabled": True, "drainTimeoutInSec": 60},
            },
        )

    def test_needed(self) -> None:
        """What the product needs is written although it is the default, and nothing else that is not set."""
        self.assertEqual(
            child("[backend_http_settings app]\n", "backendHttpSettingsCollection"),
            {"port": 80, "protocol": "Http", "cookieBasedAffinity": "Disabled", "requestTimeout": 20},
        )
        self.assertEqual(
            child("[probe deep]\nprotocol = Http\n", "probes"),
            {"protocol": "Http", "path": "/", "interval": 30, "timeout": 30, "unhealthyThreshold": 3},
        )
        self.assertNotIn("path", child("[probe deep]\nprotocol = Tcp\n", "probes"))

    def test_fractions(self) -> None:
        """Seconds are whole there: a part of one is rounded up, so that none becomes none."""
        self.assertEqual(child("[probe p]\nprotocol = Http\ntimeout = 1.5\n", "probes")["timeout"], 2)

    def test_servers(self) -> None:
        """Servers have a name or an address, and no port of their own."""
        text = "[backend_address_pool app]\nbackend_addresses = a.example:81, 10.0.0.5, [fd00::1]:8080\n"
        self.assertEqual(
            child(text, "backendAddressPools")["backendAddresses"],
            [{"fqdn": "a.example"}, {"ipAddress": "10.0.0.5"}, {"ipAddress": "fd00::1"}],
        )
        self.assertEqual(child("[backend_address_pool app]\n", "backendAddressPools"), {"backendAddresses": []})

    def test_profiles(self) -> None:
        """Client authentication is an object of its own, and a TLS policy has its type."""
        text = """
[ssl_profile devices]
verify_client_auth_mode = Strict
trusted_client_certificates = root
verify_client_cert_issuer_dn = true
verify_client_revocation = OCSP
ssl_policy = AppGwSslPolicy20220101S
refusal = Handshake
"""
        self.assertEqual(
            child(text, "sslProfiles"),
            {
                "trustedClientCertificates": [reference("trustedClientCertificates", "root")],
                "sslPolicy": {"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101S"},
                "clientAuthConfiguration": {
                    "verifyClientAuthMode": "Strict",
                    "verifyClientCertIssuerDN": True,
                    "verifyClientRevocation": "OCSP",
                },
            },
        )

    def test_passthrough(self) -> None:
        """What a Passthrough profile verifies on single paths is not written: the product has it with Strict alone."""
        text = "[ssl_profile p]\nverify_client_auth_mode = Passthrough\nverify_client_revocation = OCSP\n"
        found = child(f"{text}verify_client_cert_issuer_dn = true\n", "sslProfiles")
        self.assertEqual(found, {"clientAuthConfiguration": {"verifyClientAuthMode": "Passthrough"}})

    def test_custom_policy(self) -> None:
        """The suites of a custom policy keep their order."""
        suites = ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
        text = "[gateway]\npolicy_type = CustomV2\nmin_protocol_version = TLSv1_2\n"
        self.assertEqual(
            properties(f"{text}cipher_suites = {', '.join(suites)}\n")["sslPolicy"],
            {"policyType": "CustomV2", "minProtocolVersion": "TLSv1_2", "cipherSuites": suites},
        )

    def test_http2(self) -> None:
        """HTTP/2 is said as it is here."""
        self.assertIs(properties("[gateway]\nenable_http2 = true\n")["enableHttp2"], True)
        self.assertFalse(properties("[gateway]\n").get("enableHttp2", False))

    def test_server_header(self) -> None:
        """The Server header can be left out there, and have no other name."""
        name = "disableDefaultServerHeaderInResponse"
        self.assertEqual(properties("[gateway]\nserver_header =\n")["globalConfiguration"], {name: True})
        self.assertNotIn("globalConfiguration", properties("[gateway]\nserver_header = mine\n"))
