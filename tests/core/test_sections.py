"""What must fit together within one section."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.destinations import PortRange
from agwtwisted.core.resources import ClientAuth, OcspScope, OcspUnavailable, WithoutNocheck
from tests.configurations import (
    GOOD,
    MAP,
    RULE,
    STRICT,
    changed,
    files,
    load,
    mapped,
    path_rule,
    redirect,
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
        """Trusted client certificates make a profile Strict unless it says Passthrough; a policy alone asks nobody."""
        self.assertEqual(self.mode("trusted_client_certificates = devices\n"), ClientAuth.STRICT)
        self.assertEqual(self.mode("verify_client_auth_mode = Passthrough\n"), ClientAuth.PASSTHROUGH)
        both = "verify_client_auth_mode = Passthrough\ntrusted_client_certificates = devices\n"
        self.assertEqual(self.mode(both), ClientAuth.PASSTHROUGH)
        self.assertEqual(self.mode("ssl_policy = AppGwSslPolicy20220101S\n"), ClientAuth.NONE)

    def test_strict_needs_authorities(self) -> None:
        """Strict without anybody to trust is an error, not an open door or a closed one."""
        for text in ("verify_client_auth_mode = Strict\n", "verify_client_auth_mode = Strict\nrefusal = Http400\n"):
            self.assertEqual(profile(text), ["Strict needs trusted_client_certificates"])

    def test_empty_keys(self) -> None:
        """A key that is there but empty is an error, however the profile would be read without it."""
        modes = "verify_client_auth_mode =\ntrusted_client_certificates = devices\n"
        self.assertIn("verify_client_auth_mode is there but empty", profile(modes)[0])
        authorities = "verify_client_auth_mode = Passthrough\ntrusted_client_certificates =\n"
        self.assertIn("trusted_client_certificates is there but empty", profile(authorities)[0])
        for key in ("verify_client_cert_issuer_dn", "allow_weak", "refusal", "ssl_policy", "verify_client_revocation"):
            self.assertIn(f"{key} is there but empty", profile(f"{STRICT}{key} =\n")[0])
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
        self.assertIn("missing_client_auth_eku = Allow lets in certificates that are not for clients", line)
        self.assertEqual(profile(f"{STRICT}missing_client_auth_eku = Refuse\n"), [])
        passthrough = "verify_client_auth_mode = Passthrough\nmissing_client_auth_eku = "
        self.assertEqual(profile(f"{passthrough}Allow\n"), [f"missing_client_auth_eku {NEEDS}"])
        self.assertEqual(profile(f"{passthrough}Refuse\n"), [])

    def test_allow_weak(self) -> None:
        """To take weak keys is legal, and a warning; without a verification there is nothing to take."""
        [line] = profile(f"{STRICT}allow_weak = true\n")
        self.assertIn("allow_weak takes keys that can be broken", line)
        self.assertEqual(profile(f"{STRICT}allow_weak = false\n"), [])
        self.assertEqual(profile("verify_client_auth_mode = Passthrough\nallow_weak = true\n"), [f"allow_weak {NEEDS}"])

    def test_refusal_without_strict(self) -> None:
        """How to refuse is nothing to say where nobody is refused: a warning."""
        [line] = profile("verify_client_auth_mode = Passthrough\nrefusal = Http400\n")
        self.assertIn("refusal has no effect without Strict", line)

    def test_empty_profile(self) -> None:
        """A profile that says nothing is an error, in the product's sense."""
        self.assertIn("must specify either a TLS policy or trusted_client_certificates", profile("")[0])

    def test_revocation(self) -> None:
        """Asking whether a certificate was revoked needs a verified one; saying that nobody asks does not."""
        self.assertEqual(profile(f"{STRICT}verify_client_revocation = OCSP\n"), [])
        for rest, expected in (("None", []), ("OCSP", [f"verify_client_revocation = OCSP {NEEDS}"])):
            lines = profile(f"verify_client_auth_mode = Passthrough\nverify_client_revocation = {rest}\n")
            self.assertEqual(lines, expected)

    def test_ocsp_without_revocation(self) -> None:
        """How to ask is nothing to say where nobody asks: a warning. Where the mode was not taken nothing is said."""
        [line] = profile(f"{STRICT}ocsp_timeout = 5\nocsp_scope = Chain\n")
        self.assertIn("ocsp_timeout has no effect without verify_client_revocation = OCSP", line)
        [line] = profile(f"{STRICT}verify_client_revocation = ocsp\nocsp_timeout = 5\n")
        self.assertIn("did you mean 'OCSP'?", line)

    def test_without_nocheck(self) -> None:
        """To believe a responder that may have been revoked itself is possible, and a warning."""
        [line] = profile(f"{STRICT}verify_client_revocation = OCSP\nocsp_responder_without_nocheck = Allow\n")
        self.assertIn("better have it issued with id-pkix-ocsp-nocheck", line)

    def test_ocsp_keys(self) -> None:
        """Every key of revocation is read, and out of range, or not what it should be, an error."""
        good = {
            "ocsp_responder_url": ("http://ocsp.internal/", "http://ocsp.internal/"),
            "ocsp_scope": ("Chain", OcspScope.CHAIN),
            "ocsp_unavailable": ("Allow", OcspUnavailable.ALLOW),
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
            ("policy_type = CustomV2\nmin_protocol_version = TLSv1_2\ncipher_suites =\n", "is there but empty"),
            ("ssl_policy = AppGwSslPolicy20150501\n", "was retired"),
            ("ssl_policy = AppGwSslPolicy2022010\n", "did you mean AppGwSslPolicy20220101"),
        ):
            [line] = profile(STRICT + text)
            self.assertIn(reason, line)

    def test_wrong_policy_of_the_gateway(self) -> None:
        """It is told once, at its line, and the sections that would have taken it are not."""
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
        self.assertIn("password_file goes with a .pfx only", line)

    def test_pfx_has_its_key(self) -> None:
        """A .pfx holds the key already."""
        self.assertEqual(self.said(("pki/site.pem", "pki/site.pfx"), ("key_file = pki/site.key\n", "")), [])
        [line] = self.said(("pki/site.pem", "pki/site.pfx"))
        self.assertIn("key_file does not go with a .pfx", line)

    def test_no_certificate(self) -> None:
        """Without certificate_file that is all that is said."""
        self.assertEqual(self.said(("certificate_file = pki/site.pem\n", "")), ["certificate_file is missing"])


class HttpListenerTests(SynchronousTestCase):
    """What goes with which protocol."""

    def said(self, *changes: tuple[str, str]) -> list[str]:
        """What is said about the section alone."""
        return [
            line.partition("[http_listener public] ")[2] for line in said(changed(*changes)) if "[http_listener" in line
        ]

    def test_https_needs_a_certificate(self) -> None:
        """TLS without a certificate is nothing."""
        self.assertEqual(self.said(("ssl_certificate = site\n", "")), ["an Https listener needs ssl_certificate"])

    def test_http_has_none(self) -> None:
        """A certificate or profile on a plain listener would promise what it does not keep."""
        self.assertEqual(
            self.said(("protocol = Https", "protocol = Http")),
            ["ssl_certificate has no place on an Http listener", "ssl_profile has no place on an Http listener"],
        )

    def test_plain_listener(self) -> None:
        """Without them it is fine."""
        tls = "ssl_certificate = site\nssl_profile = strict\n"
        self.assertEqual(self.said(("protocol = Https", "protocol = Http"), (tls, "")), [])

    def test_empty_profile_name(self) -> None:
        """`ssl_profile =` is an error: the listener would ask nobody for a certificate."""
        [line] = self.said(("ssl_profile = strict", "ssl_profile ="))
        self.assertIn("ssl_profile is there but empty", line)

    def test_server_name_indication(self) -> None:
        """It can be required where there are names, and TLS."""
        key = "require_server_name_indication = true\n"
        [line] = self.said(("ssl_profile = strict\n", f"ssl_profile = strict\n{key}"))
        self.assertIn("needs host_names", line)
        self.assertEqual(self.said(("ssl_profile = strict\n", f"ssl_profile = strict\n{key}host_names = a.b\n")), [])
        self.assertIn(
            "require_server_name_indication has no place on an Http listener",
            self.said(("protocol = Https", f"protocol = Http\nhost_names = a.b\n{key}")),
        )


class BackendTests(SynchronousTestCase):
    """Pools and settings."""

    def test_empty_pool(self) -> None:
        """A pool without servers is legal, as in the product, but a warning."""
        [line] = said(changed(("backend_addresses = 127.0.0.1:9000", "")))
        self.assertTrue(line.startswith("WARNING") and "answered 502" in line, line)

    def test_one_host(self) -> None:
        """The Host sent to servers has one source."""
        keys = "host_name = a.b\npick_host_name_from_backend_address = true\n"
        [line] = said(changed(("port = 9000\n", keys)))
        self.assertIn("host_name and pick_host_name_from_backend_address exclude each other", line)
        for key in keys.splitlines(True):
            self.assertEqual(said(changed(("port = 9000\n", key))), [])


AWAY = redirect("away", "target_url = https://example.org/")


class RuleTests(SynchronousTestCase):
    """Where rules, path rules and maps lead."""

    def rule(self, *keys: str) -> list[str]:
        """What is said about the rule with these keys, without warnings."""
        lines = said(changed((RULE, "".join(f"{key}\n" for key in keys))) + AWAY + MAP)
        return [line.partition("[request_routing_rule public] ")[2] for line in lines if line.startswith("ERROR")]

    def test_basic(self) -> None:
        """A basic rule has pool and settings, or a redirect, and not both."""
        pool, settings = RULE.splitlines()
        away = "redirect_configuration = away"
        for keys in (
            (pool, settings),
            (away,),
            (pool, settings, "rule_type = Basic"),
            ("redirect_configuration =", *RULE.splitlines()),
        ):
            self.assertEqual(self.rule(*keys), [], keys)
        self.assertEqual(self.rule(), ["backend_address_pool is missing", "backend_http_settings is missing"])
        self.assertEqual(self.rule(pool), ["backend_http_settings is missing"])
        self.assertEqual(self.rule(settings), ["backend_address_pool is missing"])
        for keys in ((pool, settings), (pool,), (settings,)):
            lines = self.rule(*keys, away)
            self.assertEqual(len(lines), len(keys))
            for line, key in zip(lines, keys, strict=True):
                self.assertEqual(
                    line,
                    f"{key.split()[0]} does not go with redirect_configuration: requests are forwarded or redirected",
                )

    def test_path_based(self) -> None:
        """A path-based rule has a map, and nothing that stands in it."""
        kind, named = "rule_type = PathBasedRouting", "url_path_map = map"
        self.assertEqual(self.rule(kind, named), [])
        self.assertEqual(self.rule(kind), ["PathBasedRouting needs url_path_map"])
        for key in (*RULE.splitlines(), "redirect_configuration = away"):
            [line] = self.rule(kind, named, key)
            self.assertIn(f"{key.split()[0]} has no place in a rule with PathBasedRouting", line)
        for keys in ((named,), (named, *RULE.splitlines())):
            self.assertEqual(self.rule(*keys), ["url_path_map needs rule_type = PathBasedRouting"])

    def test_types(self) -> None:
        """Of an unknown type, or one that is not carried, nothing more is said."""
        [line] = self.rule("rule_type = AdvancedRouting")
        self.assertEqual(line, "rule_type = AdvancedRouting is not supported by this version")
        [line] = self.rule("rule_type = PathBased")
        self.assertIn("did you mean 'PathBasedRouting'?", line)

    def test_path_rules(self) -> None:
        """The same for a path rule."""
        for end in (RULE, "redirect_configuration = away\n"):
            self.assertEqual(said(mapped(path_rule("a", "/a", end=end)) + AWAY), [])
        [line] = said(mapped(path_rule("a", "/a", end="backend_address_pool = app\n")))
        self.assertTrue(line.endswith("[path_rule map/a] backend_http_settings is missing"), line)
        lines = said(mapped(path_rule("a", "/a", end=f"{RULE}redirect_configuration = away\n")) + AWAY)
        self.assertEqual(["does not go with redirect_configuration" in line for line in lines], [True, True])
        [line] = said(mapped("\n[path_rule map/a]\n" + RULE))
        self.assertTrue(line.endswith("[path_rule map/a] paths is missing"), line)

    def test_rewrites(self) -> None:
        """Path rules and maps have rewrite rule sets, the rule above them has none; for redirects they do nothing."""
        rewrite = "\n[rewrite_rule set/one]\nrequest_header.X-A = a\n"
        text = mapped(path_rule("a", "/a", extra="rewrite_rule_set = set\n")).replace(
            MAP, f"{MAP}default_rewrite_rule_set = set\n"
        )
        self.assertEqual(said(text + rewrite), [])
        [line] = said(
            mapped().replace("url_path_map = map\n", "url_path_map = map\nrewrite_rule_set = set\n") + rewrite
        )
        self.assertIn("rewrite_rule_set has no place in a rule with PathBasedRouting", line)
        end = "redirect_configuration = away\nrewrite_rule_set = set\n"
        [line] = said(mapped(path_rule("a", "/a", end=end)) + rewrite + AWAY)
        self.assertTrue(line.startswith("WARNING") and "rewrite_rule_set has no effect" in line, line)

    def test_paths(self) -> None:
        """What is no path, or one twice, is told with the key."""
        for paths, reason in {
            "/a/*.jpg": "paths has '/a/*.jpg': * stands at the end of a path only",
            "/a, b": "paths has 'b', but a path begins with /",
            "/a\n  /a": "paths names '/a' twice",
            ",": "paths has 0 values, but must have 1 to 100",
        }.items():
            [line] = said(mapped(path_rule("a", paths)))
            self.assertTrue(line.endswith(f"[path_rule map/a] {reason}"), line)

    def test_maps(self) -> None:
        """A map has defaults: without them some requests would lead nowhere."""
        pool, settings = ("default_backend_address_pool = app\n", "default_backend_http_settings = app\n")
        for wrong, reasons in {
            settings: ["default_backend_address_pool is missing"],
            "": ["default_backend_address_pool is missing", "default_backend_http_settings is missing"],
            f"{pool}default_redirect_configuration = away\n": [
                "default_backend_address_pool does not go with default_redirect_configuration: requests are forwarded"
                " or redirected"
            ],
        }.items():
            lines = said(mapped().replace(pool + settings, wrong) + AWAY)
            self.assertEqual([line.partition("[url_path_map map] ")[2] for line in lines], reasons)
        text = mapped().replace(pool + settings, "default_redirect_configuration = away\n") + AWAY
        self.assertEqual(said(text), [])


class RedirectTests(SynchronousTestCase):
    """Redirects."""

    def said(self, *keys: str) -> list[str]:
        """What is said about a redirect with these keys."""
        lines = said(changed((RULE, "redirect_configuration = away\n")) + redirect("away", *keys))
        return [line.partition("[redirect_configuration away] ")[2] for line in lines]

    def test_targets(self) -> None:
        """There is one target."""
        self.assertEqual(self.said(), ["needs target_listener or target_url"])
        self.assertEqual(
            self.said("target_listener = public", "target_url = https://example.org/"),
            ["target_listener and target_url exclude each other"],
        )
        [line] = self.said("target_url =")
        self.assertIn("target_url is there but empty", line)

    def test_types(self) -> None:
        """The product's four."""
        for kind, status in {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}.items():
            text = changed((RULE, "redirect_configuration = away\n")) + AWAY.replace("Found", kind)
            [rule] = load(text).request_routing_rules
            assert rule.redirect_configuration
            self.assertEqual(rule.redirect_configuration.redirect_type.status, status)
            self.assertFalse(
                rule.redirect_configuration.include_path or rule.redirect_configuration.include_query_string
            )
        [line] = said(GOOD + AWAY.replace("Found", "found"))
        self.assertIn("did you mean 'Found'?", line)


class CustomErrorTests(SynchronousTestCase):
    """Pages of the operator's own."""

    def said(self, name: str, file: str = "pki/page.html") -> list[str]:
        """What is said about such a section."""
        text = f"{GOOD}\n[custom_error {name}]\nfile = {file}\n"
        source = files(page_html=b"<p>", page_txt=b"<p>", page_HTM=b"<p>")
        return [line.partition(f"[custom_error {name}] ")[2] for line in said(text, source)]

    def test_statuses(self) -> None:
        """Those of the product's enumeration."""
        for status in (400, 403, 404, 405, 408, 500, 502, 503, 504):
            self.assertEqual(self.said(f"gateway/{status}"), [])
        for status in ("401", "413", "421", "499", "200", "0502", "HttpStatus502"):
            [line] = self.said(f"public/{status}")
            self.assertEqual(
                line, f"'{status}' has no page of one's own: 400, 403, 404, 405, 408, 500, 502, 503 and 504 may have"
            )

    def test_names_of_files(self) -> None:
        """.htm or .html, in any case."""
        self.assertEqual(self.said("gateway/502", "pki/page.HTM"), [])
        self.assertEqual(
            self.said("gateway/502", "pki/page.txt"), ["file is 'pki/page.txt', but must end in .htm or .html"]
        )


class BackendTlsTests(SynchronousTestCase):
    """Settings for servers that speak TLS."""

    def said(self, *keys: str, protocol: str = "Https") -> list[str]:
        """What is said of settings with these keys, less the place."""
        roots = "[trusted_root_certificate r]\nfile = pki/clients-ca.pem\n\n"
        changes = (
            ("port = 9000\n", "\n".join([f"protocol = {protocol}", *keys, ""])),
            ("[backend_http_settings app]", f"{roots}[backend_http_settings app]"),
        )
        lines = said(changed(*changes))
        return [line.partition("[backend_http_settings app] ")[2] or line for line in lines]

    def test_fine(self) -> None:
        """Everything together, and nothing at all."""
        every = ("trusted_root_certificates = r", "sni_name = App.example", "client_ssl_certificate = site")
        self.assertEqual((self.said(*every), self.said()), ([], []))

    def test_port(self) -> None:
        """Without a port it is the one of the protocol."""
        for protocol, port in (("Http", 80), ("Https", 443)):
            [rule] = load(changed(("port = 9000\n", f"protocol = {protocol}\n"))).request_routing_rules
            assert rule.backend_http_settings is not None
            self.assertEqual(rule.backend_http_settings.port, port)
        [rule] = load(changed(("port = 9000\n", "port = 80\nprotocol = Https\n"))).request_routing_rules
        assert rule.backend_http_settings is not None
        self.assertEqual(rule.backend_http_settings.port, 80)

    def test_needs_https(self) -> None:
        """A key about TLS where none is spoken is a mistake; one that changes nothing is not."""
        for key in (
            "trusted_root_certificates = r",
            "validate_cert_chain_and_expiry = false",
            "validate_sni = Disabled",
            "sni_name = app.example",
            "client_ssl_certificate = site",
        ):
            self.assertEqual(self.said(key, protocol="Http"), [f"{key.split()[0]} needs protocol = Https"])
        self.assertEqual(self.said("validate_sni = true", "sni_name =", protocol="Http"), [])
        self.assertEqual(len(self.said("sni_name = app.example", protocol="Htps")), 1)

    def test_unwise(self) -> None:
        """What is not checked is told, each once."""
        [line] = self.said("validate_cert_chain_and_expiry = false")
        self.assertIn("whoever is between here and the servers can pass for them", line)
        [line] = self.said("validate_sni = false")
        self.assertIn("any certificate of a trusted CA passes for theirs", line)
        chain = "validate_cert_chain_and_expiry = false"
        both = self.said("validate_sni = false", chain, "trusted_root_certificates = r")
        self.assertEqual(len(both), 2)
        self.assertIn("trusted_root_certificates have no effect with validate_cert_chain_and_expiry = false", both[1])

    def test_values(self) -> None:
        """Names that are none, and references to what is not there, with the nearest that is."""
        [line] = self.said("sni_name = 192.0.2.1")
        self.assertIn("sni_name is '192.0.2.1', but must be a host name: IP addresses are never sent as such", line)
        [line] = self.said("sni_name = a..b")
        self.assertIn("is no host name", line)
        [line] = self.said("trusted_root_certificates = rr")
        self.assertIn("there is no trusted_root_certificate 'rr'; did you mean 'r'? (InvalidResourceReference)", line)
        [line] = self.said("client_ssl_certificate = sites")
        self.assertIn("there is no ssl_certificate 'sites'; did you mean 'site'?", line)
        certificates = ("trusted_root_certificates", "client_ssl_certificate")
        for key in (*certificates, "validate_sni", "validate_cert_chain_and_expiry"):
            self.assertIn("is there but empty", self.said(f"{key} =")[0])


class HealthTests(SynchronousTestCase):
    """Probes, and settings about affinity."""

    def probe(self, keys: str) -> list[str]:
        """What is said about a probe with these keys, but that nobody uses it."""
        lines = said(f"{changed()}\n[probe deep]\n{keys}\n")
        return [line.partition("[probe deep] ")[2] or line for line in lines if "nobody is asked because" not in line]

    def test_hosts(self) -> None:
        """A host of its own and the settings' exclude each other."""
        picks = "pick_host_name_from_backend_http_settings = "
        self.assertEqual(
            self.probe(f"protocol = Http\nhost = a\n{picks}true"),
            ["host and pick_host_name_from_backend_http_settings exclude each other"],
        )
        for keys in (f"host = a\n{picks}false", f"{picks}true", "host = a"):
            self.assertEqual(self.probe(f"protocol = Https\n{keys}"), [])

    def test_without_http(self) -> None:
        """What is of HTTP has no place in a probe that speaks none."""
        for protocol in ("Tcp", "Tls"):
            keys = f"protocol = {protocol}\nport = 80\ninterval = 5"
            self.assertEqual(self.probe(keys), [])
            for extra in ("path = /", "match_status_codes = 200", "match_body = a"):
                expected = f"{extra.split()[0]} has no place in a probe that speaks no HTTP"
                self.assertEqual(self.probe(f"{keys}\n{extra}"), [expected])

    def test_cookie_name(self) -> None:
        """A name for cookies that nobody sets."""
        name = "affinity_cookie_name = own\n"
        for extra, expected in (
            (name, ["affinity_cookie_name has no effect without cookie_based_affinity"]),
            (f"{name}cookie_based_affinity = Enabled\n", []),
            (f"{name}cookie_based_affinity = x\n", ["cookie_based_affinity is 'x'"]),
        ):
            lines = said(changed(("port = 9000\n", f"port = 9000\n{extra}")))
            self.assertEqual(len(lines), len(expected))
            self.assertTrue(all(text in line for text, line in zip(expected, lines, strict=True)), lines)
