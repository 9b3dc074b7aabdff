"""TLS policies and SSL profiles as keys."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import Severity
from agwtwisted.core.resources.resources import ClientAuth, Refusal
from tests.arm_gateways import (
    Body,
    authority,
    child,
    converted,
    gateway,
    https,
    listener,
    plan_of,
    reference,
    refusals,
    said,
    sections,
    text_of,
)

CA = [reference("trustedClientCertificates", "ca")]


def with_profile(profile: Body, **properties: Any) -> Body:
    """A gateway with that profile, and a CA that it may name."""
    return https(profile=profile, trusted=[child("ca", data=text_of(authority().pem))], **properties)


class PolicyTests(SynchronousTestCase):
    """The TLS policy of the gateway."""

    def keys(self, policy: Any) -> dict[str, str]:
        """The section of a gateway with that policy."""
        return sections(converted(gateway(sslPolicy=policy))).get("gateway", {})

    def test_predefined(self) -> None:
        """A predefined policy is its name, with its type or without; no name is the default."""
        name = "AppGwSslPolicy20220101S"
        for policy in (
            {"policyType": "Predefined", "policyName": name},
            {"policyName": name.upper()},
            {"policyType": "predefined", "policyName": name, "cipherSuites": [], "minProtocolVersion": None},
        ):
            self.assertEqual(self.keys(policy), {"ssl_policy": name})
        for policy in (None, {}, {"policyType": "Predefined"}):
            self.assertEqual(self.keys(policy), {})

    def test_custom(self) -> None:
        """A custom policy is spelt out, its suites in their order and their spelling."""
        suites = ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "tls_ecdhe_rsa_with_aes_128_gcm_sha256"]
        policy = {"policyType": "CustomV2", "minProtocolVersion": "tlsv1_2", "cipherSuites": suites}
        self.assertEqual(
            self.keys(policy),
            {
                "policy_type": "CustomV2",
                "min_protocol_version": "TLSv1_2",
                "cipher_suites": f"{suites[0]}, {suites[1].upper().replace('WITH', 'WITH')}",
            },
        )

    def test_retired(self) -> None:
        """Policies with TLS 1.0 and 1.1 are refused with the product's code, unless another one replaces them."""
        for policy in (
            {"policyType": "Predefined", "policyName": "AppGwSslPolicy20150501"},
            {"policyName": "appgwsslpolicy20170401"},
            {"policyType": "Custom", "minProtocolVersion": "TLSv1_1", "cipherSuites": ["TLS_RSA_WITH_AES_128_CBC_SHA"]},
        ):
            (only,) = refusals(converted(gateway(sslPolicy=policy)))
            self.assertTrue(only.endswith("(ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy)"), only)
            options = ImportOptions(tls_policy="AppGwSslPolicy20220101")
            replaced = converted(gateway(sslPolicy=policy), options)
            self.assertEqual(sections(replaced)["gateway"], {"ssl_policy": "AppGwSslPolicy20220101"})
            self.assertTrue(any("replaces" in each for each in said(replaced, Severity.NOTE)))

    def test_option_leaves_others_alone(self) -> None:
        """A policy that was not retired stays, whatever the option says."""
        body = gateway(sslPolicy={"policyName": "AppGwSslPolicy20220101S"})
        found = sections(converted(body, ImportOptions(tls_policy="AppGwSslPolicy20220101")))
        self.assertEqual(found["gateway"], {"ssl_policy": "AppGwSslPolicy20220101S"})

    def test_disabled_protocols(self) -> None:
        """Old protocols are off anyway; others cannot be switched off so."""
        self.assertEqual(said(converted(gateway(sslPolicy={"disabledSslProtocols": ["TLSv1_0", "tlsv1_1"]}))), [])
        (only,) = said(converted(gateway(sslPolicy={"disabledSslProtocols": ["TLSv1_0", "TLSv1_2"]})))
        self.assertIn("switches off TLSv1_2", only)
        (only,) = said(converted(gateway(sslPolicy={"disabledSslProtocols": "TLSv1_2"})))
        self.assertIn("must be a list", only)


class ProfileTests(SynchronousTestCase):
    """SSL profiles."""

    def mode(self, profile: Body) -> ClientAuth:
        """What the listener asks of clients."""
        (found,) = plan_of(converted(with_profile(profile))).config.http_listeners
        assert found.ssl_profile
        return found.ssl_profile.client_auth

    def test_modes(self) -> None:
        """With certificates a profile is Strict; the mode may say so, or Passthrough."""
        strict = {"verifyClientAuthMode": "strict"}
        passthrough = {"VerifyClientAuthMode": "Passthrough", "verifyClientRevocation": "None"}
        self.assertIs(self.mode({"trustedClientCertificates": CA}), ClientAuth.STRICT)
        self.assertIs(
            self.mode({"trustedClientCertificates": CA, "clientAuthConfiguration": strict}), ClientAuth.STRICT
        )
        self.assertIs(self.mode({"clientAuthConfiguration": passthrough}), ClientAuth.PASSTHROUGH)
        self.assertIs(self.mode({"sslPolicy": {"policyName": "AppGwSslPolicy20220101S"}}), ClientAuth.NONE)

    def test_refusal(self) -> None:
        """A Strict profile refuses as the product does, with status 400; one for L4 alone in the handshake."""
        profile = {"trustedClientCertificates": CA}
        (found,) = plan_of(converted(with_profile(profile))).config.http_listeners
        assert found.ssl_profile
        self.assertIs(found.ssl_profile.refusal, Refusal.HTTP400)
        body = with_profile(profile)
        (http,) = body["properties"].pop("httpListeners")
        http["properties"]["protocol"] = "Tls"
        body["properties"] |= {"listeners": [http], "requestRoutingRules": []}
        self.assertNotIn("refusal", sections(converted(body))["ssl_profile devices"])

    def test_strict_without_certificates(self) -> None:
        """A profile that should verify and has nothing to verify against is refused, however its list became empty."""
        policy = {"policyName": "AppGwSslPolicy20220101S"}
        for profile in (
            {"clientAuthConfiguration": {"verifyClientAuthMode": "Strict"}},
            {"clientAuthConfiguration": {"verifyClientAuthMode": "Strict"}, "trustedClientCertificates": []},
            {"clientAuthConfiguration": {"verifyClientAuthMode": "Strict"}, "sslPolicy": policy},
            {"trustedClientCertificates": []},
            {"trustedClientCertificates": [], "sslPolicy": policy},
            {"trustedClientCertificates": [None], "sslPolicy": policy},
            {"trustedClientCertificates": [reference("trustedClientCertificates", "other")], "sslPolicy": policy},
            {"trustedClientCertificates": "ca", "sslPolicy": policy},
            {"clientAuthConfiguration": {"verifyClientAuthMode": "Optional"}, "sslPolicy": policy},
            {"clientAuthConfiguration": {"verifyClientCertIssuerDN": True}, "sslPolicy": policy},
            {"clientAuthConfiguration": {"verifyClientRevocation": "OCSP"}, "sslPolicy": policy},
            {"clientAuthConfiguration": "Strict", "sslPolicy": policy},
        ):
            self.assertTrue(refusals(converted(with_profile(profile))), profile)

    def test_passthrough_with_empty_list(self) -> None:
        """A Passthrough profile needs no certificates, so that an empty list of them is none."""
        profile = {"clientAuthConfiguration": {"verifyClientAuthMode": "Passthrough"}, "trustedClientCertificates": []}
        self.assertIs(self.mode(profile), ClientAuth.PASSTHROUGH)

    def test_settings(self) -> None:
        """What a profile says about verification is said in its section."""
        verification = {"verifyClientCertIssuerDN": "true", "verifyClientRevocation": "ocsp"}
        profile = {"trustedClientCertificates": CA, "clientAuthConfiguration": verification}
        self.assertEqual(
            sections(converted(with_profile(profile)))["ssl_profile devices"],
            {
                "trusted_client_certificates": "ca",
                "verify_client_cert_issuer_dn": "true",
                "verify_client_revocation": "OCSP",
                "refusal": "Http400",
            },
        )

    def test_profile_on_http(self) -> None:
        """A profile on a listener without TLS is refused, rather than without an effect."""
        body = with_profile({"trustedClientCertificates": CA})
        body["properties"]["httpListeners"] = [listener("web", sslProfile=reference("sslProfiles", "devices"))]
        self.assertTrue(any("ssl_profile is not allowed" in each for each in refusals(converted(body))))
