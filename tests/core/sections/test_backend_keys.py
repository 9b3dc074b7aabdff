"""The sections about servers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import StatusRange
from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.resources.backend_pools import LoadDistributionAlgorithm
from agwtwisted.core.resources.resources import CertificateHeaders, Probe
from agwtwisted.core.sections.backend_keys import BACKEND_HTTP_SETTINGS, certificate_headers
from tests.configurations import (
    changed,
    load,
    noted,
    said,
)


class BackendTests(SynchronousTestCase):
    """Pools and settings."""

    def test_empty_pool(self) -> None:
        """A pool without servers is legal, as in the product, but a warning."""
        [line] = said(changed(("backend_addresses = 127.0.0.1:9000", "")))
        self.assertTrue(line.startswith("WARNING") and "get 502" in line, line)

    def test_one_host(self) -> None:
        """The Host sent to servers has one source."""
        keys = "host_name = a.b\npick_host_name_from_backend_address = true\n"
        [line] = said(changed(("port = 9000\n", keys)))
        self.assertIn("host_name and pick_host_name_from_backend_address exclude each other", line)
        for key in keys.splitlines(True):
            self.assertEqual(said(changed(("port = 9000\n", key))), [])


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
        """What is not checked is reported, each once."""
        [line] = self.said("validate_cert_chain_and_expiry = false")
        self.assertIn("an attacker on the network can impersonate the servers", line)
        [line] = self.said("validate_sni = false")
        self.assertIn("any certificate of a trusted CA is accepted", line)
        chain = "validate_cert_chain_and_expiry = false"
        both = self.said("validate_sni = false", chain, "trusted_root_certificates = r")
        self.assertEqual(len(both), 2)
        self.assertIn("trusted_root_certificates have no effect with validate_cert_chain_and_expiry = false", both[1])

    def test_values(self) -> None:
        """Names that are none, and references to what is not there, with the nearest that is."""
        [line] = self.said("sni_name = 192.0.2.1")
        self.assertIn("sni_name is '192.0.2.1', but must be a host name: IP addresses are never sent in SNI", line)
        [line] = self.said("sni_name = a..b")
        self.assertIn("is not a host name", line)
        [line] = self.said("trusted_root_certificates = rr")
        self.assertIn("there is no trusted_root_certificate 'rr'; did you mean 'r'? (InvalidResourceReference)", line)
        [line] = self.said("client_ssl_certificate = sites")
        self.assertIn("there is no ssl_certificate 'sites'; did you mean 'site'?", line)
        certificates = ("trusted_root_certificates", "client_ssl_certificate")
        for key in (*certificates, "validate_sni", "validate_cert_chain_and_expiry"):
            self.assertIn("is empty", self.said(f"{key} =")[0])


class HealthTests(SynchronousTestCase):
    """Probes, and settings about affinity."""

    def probe(self, keys: str) -> list[str]:
        """What is said about a probe with these keys, except that it is unused."""
        lines = said(f"{changed()}\n[probe deep]\n{keys}\n")
        return [line.partition("[probe deep] ")[2] or line for line in lines if "so it has no effect" not in line]

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
        """What is of HTTP has no effect in a probe that speaks none; the product's portal sends it all the same."""
        for protocol in ("Tcp", "Tls"):
            keys = f"protocol = {protocol}\nport = 80\ninterval = 5"
            self.assertEqual(self.probe(keys), [])
            for extra in ("path = /", "match_status_codes = 200", "match_body = a"):
                self.assertEqual(self.probe(f"{keys}\n{extra}"), [])
                expected = f"{extra.split()[0]} has no effect in a probe without HTTP"
                self.assertEqual(noted(f"{changed()}\n[probe deep]\n{keys}\n{extra}\n"), [expected])

    def test_cookie_name(self) -> None:
        """A name for cookies that are not set."""
        name = "affinity_cookie_name = own\n"
        for extra, expected in (
            (name, ["affinity_cookie_name has no effect without cookie_based_affinity"]),
            (f"{name}cookie_based_affinity = Enabled\n", []),
            (f"{name}cookie_based_affinity = x\n", ["cookie_based_affinity is 'x'"]),
        ):
            lines = said(changed(("port = 9000\n", f"port = 9000\n{extra}")))
            self.assertEqual(len(lines), len(expected))
            self.assertTrue(all(text in line for text, line in zip(expected, lines, strict=True)), lines)


class ProbeTests(SynchronousTestCase):
    """The keys of a probe, and of settings about the health of their servers."""

    def probe(self, keys: str) -> Probe | None:
        """The probe with these keys."""
        text = changed(("port = 9000\n", "port = 9000\nprobe = deep\n"))
        [rule] = load(f"{text}\n[probe deep]\nprotocol = Http\n{keys}\n").request_routing_rules
        return rule.backend_http_settings.probe

    def test_defaults(self) -> None:
        """A probe that says nothing else asks as the default probe does."""
        self.assertEqual(self.probe(""), Probe(name="deep"))

    def test_keys(self) -> None:
        """Each key, in the product's words."""
        keys = (
            "host = Probed.example\npath = /healthz?a=b\nport = 81\ninterval = 5\ntimeout = 2.5"
            "\nunhealthy_threshold = 20\nmatch_status_codes = 200, 204-206\nmatch_body = is well\nmin_servers = 0"
        )
        self.assertEqual(
            self.probe(keys),
            Probe(
                name="deep",
                host="probed.example",
                path="/healthz?a=b",
                port=81,
                interval=5,
                timeout=2.5,
                unhealthy_threshold=20,
                match_status_codes=(StatusRange(200, 200), StatusRange(204, 206)),
                match_body="is well",
            ),
        )

    def test_wrong_values(self) -> None:
        """Values out of the product's range, and those that are no status, path or host."""
        for key in (
            "protocol = Ftp",
            "host = a:80",
            "path = healthz",
            "path = /a b",
            "path = /ä",
            "path = /a#b",
            "port = 0",
            "interval = 0",
            "timeout = 86401",
            "unhealthy_threshold = 21",
            "match_status_codes = 200-999",
            "match_status_codes = 200, 200",
            f"match_body = {'a' * 4091}",
            "match_body = a\n  b",
            "min_servers = -1",
            "min_servers = 1201",
            "prot = Http",
        ):
            text = f"{changed()}\n[probe deep]\n{'' if key.startswith('protocol') else 'protocol = Http'}\n{key}\n"
            errors = [line for line in said(text) if line.startswith("ERROR")]
            self.assertEqual(len(errors), 1, key)
            self.assertIn(f"[probe deep] {'unknown key' if key.startswith('prot ') else key.split()[0]}", errors[0])

    def test_settings(self) -> None:
        """How servers take turns, how clients are led back, how long a server is drained."""
        keys = (
            "load_distribution_algorithm = LeastConnections\ncookie_based_affinity = Enabled"
            "\naffinity_cookie_name = own\nconnection_draining_timeout = 3600"
        )
        [rule] = load(changed(("port = 9000\n", f"port = 9000\n{keys}\n"))).request_routing_rules
        settings = rule.backend_http_settings
        self.assertIs(settings.load_distribution_algorithm, LoadDistributionAlgorithm.LEAST_CONNECTIONS)
        self.assertEqual((settings.cookie_based_affinity, settings.affinity_cookie_name), (True, "own"))
        self.assertEqual(settings.connection_draining_timeout, 3600)
        for wrong in (
            "load_distribution_algorithm = Random",
            "affinity_cookie_name = a b",
            "connection_draining_timeout = 3601",
            "connection_draining_timeout = 0",
        ):
            [line] = said(changed(("port = 9000\n", f"port = 9000\n{wrong}\n")))
            self.assertIn(f"ERROR conf/gw.ini:27 [backend_http_settings app] {wrong.split()[0]}", line)


class CertificateHeadersTests(SynchronousTestCase):
    """client_certificate_headers."""

    def test_values(self) -> None:
        """One of on, off and all, and the two of other people; off is the empty set."""
        on, every, rfc9440, xfcc = CertificateHeaders
        for text, words in {
            "off": set(),
            "on": {on},
            "all": {every},
            "rfc9440": {rfc9440},
            "all, xfcc": {every, xfcc},
            "on\nrfc9440\nxfcc": {on, rfc9440, xfcc},
        }.items():
            self.assertEqual(certificate_headers(text), words)

    def test_contradictions(self) -> None:
        """Words that exclude each other, unknown ones and repetitions are refused."""
        for text in ("on, off", "on, all", "off, xfcc", "On", "true", "x", ",", "on, on"):
            self.assertRaises(UnacceptableError, certificate_headers, text)

    def test_named(self) -> None:
        """The meaning of the key and the message about an unknown word name every word."""
        meaning = BACKEND_HTTP_SETTINGS.keys["client_certificate_headers"].meaning
        message = str(self.assertRaises(UnacceptableError, certificate_headers, "x"))
        for word in ("off", *(each.value for each in CertificateHeaders)):
            self.assertIn(f"`{word}`", meaning)
            self.assertIn(word, message)

    def test_absent(self) -> None:
        """Left out, it is not off: the exchange looks at what the listener asks."""
        [rule] = load().request_routing_rules
        assert rule.backend_http_settings
        self.assertIsNone(rule.backend_http_settings.client_certificate_headers)
        [rule] = load(changed(("port = 9000\n", "client_certificate_headers = off\n"))).request_routing_rules
        self.assertEqual(rule.backend_http_settings.client_certificate_headers, frozenset())


class OverridePathTests(SynchronousTestCase):
    """path of backend settings."""

    def test_values(self) -> None:
        """A path as it may stand in a URL; left out or empty, there is none."""
        for text, path in (("path = /override/", "/override/"), ("path =", ""), ("", "")):
            [rule] = load(changed(("port = 9000\n", f"port = 9000\n{text}\n"))).request_routing_rules
            assert rule.backend_http_settings
            self.assertEqual(rule.backend_http_settings.path, path)
        for text in ("override/", "/a b", "/a?b", "/a#b", "/é", "/a%2", "/a\x0b"):
            [line] = said(changed(("port = 9000\n", f"port = 9000\npath = {text}\n")))[:1]
            self.assertTrue(line.startswith("ERROR conf/gw.ini:2"), line)
