"""The tables of sections and keys."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core import schema
from agwtwisted.core.coherence import LISTENERS
from agwtwisted.core.errors import UnacceptableError
from agwtwisted.core.health import StatusRange
from agwtwisted.core.resources import CertificateHeaders, Gateway, LoadDistributionAlgorithm, Probe
from agwtwisted.core.schema import KINDS, certificate_headers
from tests.configurations import changed, load, said

DERIVED = {
    *("name", "client_auth", "certificates", "key", "chain", "path_rules", "listener", "status", "page"),
    *("conditions", "request_conditions", "response_conditions", "request_headers", "response_headers"),
}
"""Fields of resources that are no keys: they come from the section's name, other keys, or files."""

LATER = {
    "request_routing_rule": ("rule_type = AdvancedRouting"),
}
NEUTRAL = {
    "backend_http_settings": (
        "path =\nprobe =\nconnection_draining_timeout =\nsni_name =\ncookie_based_affinity = Disabled"
        "\naffinity_cookie_name ="
        "\nvalidate_cert_chain_and_expiry = true\nvalidate_sni = Enabled\nprotocol = Http\nhost_name ="
    ),
    "request_routing_rule": "rule_type = Basic\nrewrite_rule_set =\nurl_path_map =\nredirect_configuration =",
}
LAST_KEYS = {
    "backend_http_settings": "port = 9000\n",
    "request_routing_rule": "backend_http_settings = app\n",
}


class TableTests(SynchronousTestCase):
    """Tables and resources belong together."""

    def test_every_field_has_a_key(self) -> None:
        """What a resource holds can be said in the file, so that no default is the only value."""
        for name, kind in KINDS.items():
            fields = {*attrs.fields_dict(kind.resource)} - DERIVED - ({"ssl_policy"} if name in LISTENERS else set())
            self.assertEqual(fields - {*kind.keys, *kind.families}, set(), name)

    def test_families_do_not_hide_keys(self) -> None:
        """No key looks like a member of a family, and no two families have one name in one kind."""
        for name, kind in KINDS.items():
            self.assertFalse({key.partition(".")[0] for key in kind.keys} & {*kind.families}, name)

    def test_semicolons(self) -> None:
        """Values of headers, conditions, patterns and templates go on to the end of the line, no others do."""
        keys = {key for kind in KINDS.values() for key, how in kind.keys.items() if how.literal}
        self.assertEqual(keys, {"server_header", "match_body", "url_path", "url_query_string"})
        families = [(name, how.key.literal) for kind in KINDS.values() for name, how in kind.families.items()]
        self.assertTrue(families)
        self.assertTrue(all(literal for _, literal in families), families)

    def test_values_with_semicolons(self) -> None:
        """A header and a condition are taken whole, with a warning each, and a comment behind another value is none."""
        text = changed(("priority = 100\n", "priority = 100 ; the first\n"))
        text += "rewrite_rule_set = set ; all of it\ndeny_unless.1 = http_req_X ~ ^a ;b$\n"
        text += "\n[rewrite_rule set/rule]\nresponse_header.Content-Security-Policy = default-src 'self' ; sandbox\n"
        config = load(text)
        [rule] = config.request_routing_rules
        self.assertEqual(rule.deny_unless[0].operand, "^a ;b$")
        assert rule.rewrite_rule_set
        [header] = rule.rewrite_rule_set.rules[0].response_headers
        assert header.value
        self.assertEqual(header.value.constant, b"default-src 'self' ; sandbox")
        self.assertEqual(["goes on to the end of the line" in str(each) for each in config.warnings], [True, True])

    def test_defaults_are_in_range(self) -> None:
        """The defaults of the gateway pass their own converters."""
        for field in attrs.fields(Gateway):
            if isinstance(field.default, (int, float)) and not isinstance(field.default, bool):
                convert = schema.GATEWAY.keys[field.name].convert
                self.assertEqual(convert(f"{field.default:.15g}"), field.default, field.name)


class LaterTests(SynchronousTestCase):
    """What the configuration contract has and this version has not."""

    def test_keys(self) -> None:
        """Every key that is not carried is refused with its line, all of them at once."""
        for kind, keys in LATER.items():
            last = LAST_KEYS[kind]
            text = changed((last, f"{keys}\n" if "port" in last else f"{last}{keys}\n"))
            lines = said(text)
            self.assertEqual(len(lines), len(keys.splitlines()), lines)
            for line in lines:
                self.assertTrue(line.endswith("is not supported by this version"), line)

    def test_neutral_values(self) -> None:
        """What changes nothing may be said."""
        for kind, keys in NEUTRAL.items():
            last = LAST_KEYS[kind]
            self.assertEqual(said(changed((last, f"{last}{keys}\n"))), [])


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
            "min_servers = 1",
            "prot = Http",
        ):
            text = f"{changed()}\n[probe deep]\n{'' if key.startswith('protocol') else 'protocol = Http'}\n{key}\n"
            errors = [line for line in said(text) if line.startswith("ERROR")]
            self.assertEqual(len(errors), 1, key)
            self.assertIn(f"[probe deep] {'there is no key' if key.startswith('prot ') else key.split()[0]}", errors[0])

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
            "load_distribution_algorithm = IpHash",
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

    def test_absent(self) -> None:
        """Left out, it is not off: the exchange looks at what the listener asks."""
        [rule] = load().request_routing_rules
        assert rule.backend_http_settings
        self.assertIsNone(rule.backend_http_settings.client_certificate_headers)
        [rule] = load(changed(("port = 9000\n", "client_certificate_headers = off\n"))).request_routing_rules
        self.assertEqual(rule.backend_http_settings.client_certificate_headers, frozenset())


class ServerHeaderTests(SynchronousTestCase):
    """server_header."""

    def test_empty_is_a_value(self) -> None:
        """Empty, there is no such header; left out, there is the default."""
        self.assertEqual(load().gateway.server_header, "agwtwisted")
        self.assertEqual(load(changed(("access_log = -", "server_header ="))).gateway.server_header, "")

    def test_printable_ascii(self) -> None:
        """What could end the header or be read in two ways is refused."""
        for text in ("a\n  b", "ü", "a\u2028b"):
            [line] = said(changed(("access_log = -", f"server_header = {text}")))
            self.assertIn("must be printable ASCII", line)


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
