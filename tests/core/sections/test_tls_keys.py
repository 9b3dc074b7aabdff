"""The sections about certificates and TLS."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import PortRange
from agwtwisted.core.resources.resources import ClientAuth, RevocationScope, RevocationUnavailable, WithoutNocheck
from tests.configurations import (
    STRICT,
    changed,
    load,
    said,
)

NEEDS = "needs Strict, or a path rule with client_certificate = Require"


def profile(text: str) -> list[str]:
    """What is said where the profile's keys are these, less the place."""
    return [line.partition("[ssl_profile strict] ")[2] or line for line in said(changed((STRICT, text)))]


class SslProfileTests(SynchronousTestCase):
    """Profiles that ask, and those that do not."""

    def mode(self, text: str) -> ClientAuth:
        """What the listener asks of its clients with these keys in its profile."""
        [listener] = load(changed((STRICT, text))).http_listeners
        assert listener.ssl_profile is not None
        return listener.ssl_profile.client_auth

    def test_modes(self) -> None:
        """Trusted client certificates make a profile Strict unless it says Passthrough; a policy alone asks for no
        certificate.
        """
        self.assertEqual(self.mode("trusted_client_certificates = devices\n"), ClientAuth.STRICT)
        self.assertEqual(self.mode("verify_client_auth_mode = Passthrough\n"), ClientAuth.PASSTHROUGH)
        both = "verify_client_auth_mode = Passthrough\ntrusted_client_certificates = devices\n"
        self.assertEqual(self.mode(both), ClientAuth.PASSTHROUGH)
        self.assertEqual(self.mode("ssl_policy = AppGwSslPolicy20220101S\n"), ClientAuth.NONE)

    def test_strict_needs_authorities(self) -> None:
        """Strict without a trusted CA is an error, not an open door or a closed one."""
        for text in ("verify_client_auth_mode = Strict\n", "verify_client_auth_mode = Strict\nrefusal = Http400\n"):
            self.assertEqual(profile(text), ["Strict needs trusted_client_certificates"])

    def test_empty_keys(self) -> None:
        """A key that is there but empty is an error, however the profile would be read without it."""
        modes = "verify_client_auth_mode =\ntrusted_client_certificates = devices\n"
        self.assertIn("verify_client_auth_mode is empty", profile(modes)[0])
        authorities = "verify_client_auth_mode = Passthrough\ntrusted_client_certificates =\n"
        self.assertIn("trusted_client_certificates is empty", profile(authorities)[0])
        for key in ("verify_client_cert_issuer_dn", "allow_weak", "refusal", "ssl_policy", "verify_client_revocation"):
            self.assertIn(f"{key} is empty", profile(f"{STRICT}{key} =\n")[0])
        self.assertIn("must have 1 to 100", profile("trusted_client_certificates = ,\n")[0])

    def test_refused_list_is_not_an_absent_one(self) -> None:
        """Where the list of authorities is wrong, nothing else is made of its absence."""
        self.assertEqual(len(profile("trusted_client_certificates = devices, devices\n")), 1)

    def test_wrong_mode(self) -> None:
        """Where the mode is not known, no conclusion is drawn from it."""
        for rest in ("", "verify_client_cert_issuer_dn = true\n", "refusal = Http400\n"):
            [line] = profile(f"verify_client_auth_mode = strict\n{rest}")
            self.assertIn("did you mean 'Strict'?", line)

    def test_issuer_dn(self) -> None:
        """Comparing the issuer's name needs a verified issuer."""
        key = "verify_client_cert_issuer_dn = true\n"
        self.assertEqual(profile(STRICT + key), [])
        self.assertEqual(
            profile(f"verify_client_auth_mode = Passthrough\n{key}"), [f"verify_client_cert_issuer_dn {NEEDS}"]
        )
        self.assertEqual(profile("verify_client_auth_mode = Passthrough\nverify_client_cert_issuer_dn = false\n"), [])

    def test_missing_client_auth_eku(self) -> None:
        """To let in certificates that are for others is possible where certificates are verified, and not wise."""
        [line] = profile(f"{STRICT}missing_client_auth_eku = Allow\n")
        self.assertIn("missing_client_auth_eku = Allow accepts certificates that are not for clients", line)
        self.assertEqual(profile(f"{STRICT}missing_client_auth_eku = Refuse\n"), [])
        passthrough = "verify_client_auth_mode = Passthrough\nmissing_client_auth_eku = "
        self.assertEqual(profile(f"{passthrough}Allow\n"), [f"missing_client_auth_eku {NEEDS}"])
        self.assertEqual(profile(f"{passthrough}Refuse\n"), [])

    def test_allow_weak(self) -> None:
        """To take weak keys is legal, and a warning; without a verification there is nothing to take."""
        [line] = profile(f"{STRICT}allow_weak = true\n")
        self.assertIn("allow_weak accepts keys that can be broken", line)
        self.assertEqual(profile(f"{STRICT}allow_weak = false\n"), [])
        self.assertEqual(profile("verify_client_auth_mode = Passthrough\nallow_weak = true\n"), [f"allow_weak {NEEDS}"])

    def test_refusal_without_strict(self) -> None:
        """The kind of refusal without a refusal is a warning."""
        [line] = profile("verify_client_auth_mode = Passthrough\nrefusal = Http400\n")
        self.assertIn("refusal has no effect without Strict", line)

    def test_empty_profile(self) -> None:
        """A profile that says nothing is an error, in the product's sense."""
        self.assertIn("must specify a TLS policy or trusted_client_certificates", profile("")[0])

    def test_revocation(self) -> None:
        """Asking whether a certificate was revoked needs a verified one; saying that it is not checked does not."""
        self.assertEqual(profile(f"{STRICT}verify_client_revocation = OCSP\n"), [])
        for rest, expected in (("None", []), ("OCSP", [f"verify_client_revocation = OCSP {NEEDS}"])):
            lines = profile(f"verify_client_auth_mode = Passthrough\nverify_client_revocation = {rest}\n")
            self.assertEqual(lines, expected)

    def test_ocsp_without_revocation(self) -> None:
        """OCSP keys without OCSP are a warning. Where the mode was not taken nothing is said."""
        [line] = profile(f"{STRICT}ocsp_timeout = 5\nocsp_scope = Chain\n")
        self.assertIn("ocsp_timeout has no effect without verify_client_revocation = OCSP", line)
        [line] = profile(f"{STRICT}verify_client_revocation = ocsp\nocsp_timeout = 5\n")
        self.assertIn("did you mean 'OCSP'?", line)

    def test_without_nocheck(self) -> None:
        """To believe a responder that may have been revoked itself is possible, and a warning."""
        [line] = profile(f"{STRICT}verify_client_revocation = OCSP\nocsp_responder_without_nocheck = Allow\n")
        self.assertIn("let its CA issue it with id-pkix-ocsp-nocheck", line)

    def test_ocsp_keys(self) -> None:
        """Every key of revocation is read, and out of range, or not what it should be, an error."""
        good = {
            "ocsp_responder_url": ("http://ocsp.internal/", "http://ocsp.internal/"),
            "ocsp_scope": ("Chain", RevocationScope.CHAIN),
            "ocsp_unavailable": ("Allow", RevocationUnavailable.ALLOW),
            "ocsp_responder_without_nocheck": ("Refuse", WithoutNocheck.REFUSE),
            "ocsp_timeout": ("2.5", 2.5),
            "ocsp_clock_skew": ("0", 0.0),
            "ocsp_max_age": ("86400", 86400.0),
            "ocsp_default_age": ("60", 60.0),
            "ocsp_allowed_networks": ("127.0.0.0/8, fd00::/8", (ip_network("127.0.0.0/8"), ip_network("fd00::/8"))),
            "ocsp_allowed_ports": ("80", (PortRange(lowest=80, highest=80),)),
        }
        text = "".join(f"{key} = {value}\n" for key, (value, _) in good.items())
        [listener] = load(changed((STRICT, f"{STRICT}verify_client_revocation = OCSP\n{text}"))).http_listeners
        for key, (_, expected) in good.items():
            self.assertEqual(getattr(listener.ssl_profile, key), expected, key)
        wrong = {
            "ocsp_responder_url": "ldap://x/",
            "ocsp_scope": "leaf",
            "ocsp_unavailable": "Maybe",
            "ocsp_timeout": "61",
            "ocsp_clock_skew": "-1",
            "ocsp_max_age": "0",
            "ocsp_default_age": "0",
            "ocsp_allowed_networks": "127.0.0.1/8",
            "ocsp_allowed_ports": "99999",
            "ocsp_responder_without_nocheck": "Maybe",
        }
        for key, value in wrong.items():
            [line] = profile(f"{STRICT}verify_client_revocation = OCSP\n{key} = {value}\n")
            self.assertTrue(line.startswith(key), line)


class TlsPolicyTests(SynchronousTestCase):
    """A policy by its name, or spelt out."""

    def policy(self, text: str) -> str:
        """The name of the policy that a profile with these keys has."""
        [listener] = load(changed((STRICT, STRICT + text))).http_listeners
        assert listener.ssl_policy is not None
        return listener.ssl_policy.name

    def test_sources(self) -> None:
        """The profile's own, else the gateway's, else the product's default."""
        self.assertEqual(self.policy(""), "AppGwSslPolicy20220101")
        self.assertEqual(self.policy("ssl_policy = AppGwSslPolicy20220101S\n"), "AppGwSslPolicy20220101S")
        self.assertEqual(
            self.policy("policy_type = Predefined\nssl_policy = AppGwSslPolicy20220101S\n"), "AppGwSslPolicy20220101S"
        )
        suites = "cipher_suites = TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\n"
        custom = f"policy_type = CustomV2\nmin_protocol_version = TLSv1_2\n{suites}"
        self.assertEqual(self.policy(custom), "CustomV2")
        [listener] = load(changed(("[gateway]", "[gateway]\nssl_policy = AppGwSslPolicy20220101S"))).http_listeners
        assert listener.ssl_policy is not None
        self.assertEqual(listener.ssl_policy.name, "AppGwSslPolicy20220101S")

    def test_contradictions(self) -> None:
        """Names and spelt-out keys exclude each other, and half a policy is none."""
        for text, reason in (
            ("min_protocol_version = TLSv1_2\n", "need policy_type"),
            ("ssl_policy = AppGwSslPolicy20220101\ncipher_suites = A\n", "need policy_type"),
            ("policy_type = Predefined\n", "needs ssl_policy"),
            ("policy_type = Custom\nssl_policy = AppGwSslPolicy20220101\n", "names a predefined policy"),
            ("policy_type = Custom\ncipher_suites = A\n", "needs min_protocol_version"),
            ("policy_type = CustomV3\n", "unknown policy type"),
            ("policy_type = CustomV2\nmin_protocol_version = TLSv1_2\ncipher_suites =\n", "is empty"),
            ("ssl_policy = AppGwSslPolicy20150501\n", "was retired"),
            ("ssl_policy = AppGwSslPolicy2022010\n", "did you mean AppGwSslPolicy20220101"),
        ):
            [line] = profile(STRICT + text)
            self.assertIn(reason, line)

    def test_wrong_policy_of_the_gateway(self) -> None:
        """It is reported once, at its line, and the sections that would have taken it are not."""
        [line] = said(changed(("access_log = -", "ssl_policy = Other")))
        self.assertTrue(line.startswith("ERROR conf/gw.ini:2 [gateway] unknown TLS policy"), line)
        self.assertEqual(
            said(changed(("access_log = -", "ssl_policy = Other"), ("ssl_profile = strict\n", "")))[0], line
        )


class SslCertificateTests(SynchronousTestCase):
    """Which files go together."""

    def said(self, *changes: tuple[str, str]) -> list[str]:
        """What is said about the section alone."""
        lines = [line for line in said(changed(*changes)) if "cannot read" not in line]
        return [line.partition("[ssl_certificate site] ")[2] for line in lines]

    def test_pem_needs_its_key(self) -> None:
        """A certificate without key_file, or with an empty one, is half a section."""
        self.assertEqual(self.said(("key_file = pki/site.key\n", "")), ["key_file is missing"])
        self.assertEqual(self.said(("key_file = pki/site.key\n", "key_file =\n")), ["key_file is missing"])

    def test_password_is_for_pfx(self) -> None:
        """A PEM key has no password here."""
        [line] = self.said(("key_file = pki/site.key", "key_file = pki/site.key\npassword_file = x"))
        self.assertIn("password_file is for a .pfx only", line)

    def test_pfx_has_its_key(self) -> None:
        """A .pfx holds the key already."""
        self.assertEqual(self.said(("pki/site.pem", "pki/site.pfx"), ("key_file = pki/site.key\n", "")), [])
        [line] = self.said(("pki/site.pem", "pki/site.pfx"))
        self.assertIn("key_file cannot be used with a .pfx", line)

    def test_no_certificate(self) -> None:
        """Without certificate_file that is all that is said."""
        self.assertEqual(self.said(("certificate_file = pki/site.pem\n", "")), ["certificate_file is missing"])
