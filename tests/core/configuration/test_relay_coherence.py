"""Sections of L4 listeners: what they hold, and what must fit together about them."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.report import table
from agwtwisted.core.resources.resources import Config, Probe, StreamProtocol
from tests import clients, configurations, pki
from tests.configurations import GOOD
from tests.core.reports.test_report import cells
from tests.relays import text

HTTP = "[http_listener public]" + GOOD.partition("[http_listener public]")[2].replace("= app\n", "= http\n").replace(
    " app]", " http]"
)
"""An Https listener, and where it leads."""

ROOTS = "[trusted_root_certificate roots]\nfile = pki/roots.pem\n"


def files() -> configurations.Files:
    """Those of every configuration here."""
    return clients.files(roots_pem=pki.Authority.root("Servers").pem)


def load(configuration: str) -> Config:
    """The configuration; ConfigError where it is wrong."""
    return configurations.load(configuration, files())


def said(configuration: str) -> list[str]:
    """Every problem, less the place, and less what is said of the profiles that are there to choose from."""
    lines = configurations.said(configuration, files())
    return [line.partition("] ")[2] for line in lines if "[ssl_profile " not in line]


def errors(configuration: str) -> list[str]:
    """What stops the start."""
    lines = configurations.said(configuration, files())
    return [line.partition("] ")[2] for line in lines if line.startswith("ERROR")]


class SectionTests(SynchronousTestCase):
    """Keys and their values."""

    def test_everything(self) -> None:
        """Every key of every section comes through, references resolved."""
        settings = """host_name = broker.internal
trusted_root_certificates = roots
enable_l4_client_ip_preservation = Enabled
proxy_protocol_tls = true
""".replace("settings", "")
        listener = "mqtt strict mqtt.example *.b.example; address = 127.0.0.1\naccept_proxy_protocol = 10.0.0.0/8, ::1"
        configuration = text(listener, settings=settings).replace("timeout = 60", "protocol = Tls\ntimeout = 7.5")
        config = load(configuration + ROOTS)
        [rule] = config.routing_rules
        [listener_of_it] = config.listeners
        self.assertIs(rule.listener, listener_of_it)
        self.assertEqual((rule.name, rule.priority, rule.backend_address_pool.name), ("mqtt", 1, "brokers"))
        found = rule.listener
        self.assertEqual((found.address, found.port, found.protocol), ("127.0.0.1", 8883, StreamProtocol.TLS))
        self.assertEqual(found.host_names, ("mqtt.example", "*.b.example"))
        self.assertEqual(found.accept_proxy_protocol, (ip_network("10.0.0.0/8"), ip_network("::1/128")))
        assert found.ssl_profile
        assert found.ssl_policy
        self.assertEqual((found.ssl_profile.name, found.ssl_policy.name), ("strict", "AppGwSslPolicy20220101"))
        used = rule.backend_settings
        self.assertEqual((used.port, used.protocol, used.timeout), (1883, StreamProtocol.TLS, 7.5))
        self.assertEqual(
            (used.host_name, [each.name for each in used.trusted_root_certificates]), ("broker.internal", ["roots"])
        )
        self.assertTrue(used.enable_l4_client_ip_preservation and used.proxy_protocol_tls)

    def test_defaults(self) -> None:
        """What is left out has the product's defaults."""
        [rule] = load(text("tcp tcp")).routing_rules
        used = rule.backend_settings
        self.assertEqual((used.protocol, used.timeout), (StreamProtocol.TCP, 60.0))
        self.assertFalse(used.enable_l4_client_ip_preservation or used.proxy_protocol_tls)
        self.assertEqual((rule.listener.ssl_policy, rule.listener.accept_proxy_protocol), (None, ()))

    def test_tcp_listener(self) -> None:
        """Names, certificates and profiles are TLS's."""
        extra = "ssl_certificate = site\nssl_profile = strict\nhost_names = a.example\nalpn_protocols = h2"
        self.assertEqual(
            errors(text(f"tcp tcp; {extra}")),
            [
                "ssl_certificate is not allowed on a Tcp listener",
                "ssl_profile is not allowed on a Tcp listener",
                "host_names is not allowed on a Tcp listener",
                "alpn_protocols is not allowed on a Tcp listener",
            ],
        )

    def test_tls_listener(self) -> None:
        """A Tls listener needs a certificate."""
        configuration = text("tls -").replace("protocol = Tls\nssl_certificate = site\n", "protocol = Tls\n")
        self.assertEqual(errors(configuration), ["a Tls listener needs ssl_certificate"])

    def test_backend_settings(self) -> None:
        """What is about TLS towards servers needs it, and names exclude each other."""
        keys = "host_name = a.example\ntrusted_root_certificates = roots\n"
        self.assertEqual(
            errors(text("tcp tcp", settings=keys) + ROOTS),
            ["host_name needs protocol = Tls", "trusted_root_certificates needs protocol = Tls"],
        )
        keys = "protocol = Tls\nhost_name = a.example\npick_host_name_from_backend_address = true"
        self.assertEqual(
            errors(text("tcp tcp", settings=keys)),
            ["host_name and pick_host_name_from_backend_address exclude each other"],
        )

    def test_proxy_protocol_tls(self) -> None:
        """Without the header TLS cannot be described."""
        self.assertEqual(
            errors(text("tcp tcp", settings="proxy_protocol_tls = true")),
            [
                "proxy_protocol_tls needs enable_l4_client_ip_preservation = true: that header has the TLS values",
            ],
        )

    def test_values(self) -> None:
        """Values out of range, of the wrong kind, or empty where that would open something, are errors."""
        for keys, message in {
            "timeout = 0": "timeout is '0', but must be a number of seconds from 1 to 86400",
            "protocol = Http": "protocol is 'Http', but must be Tcp or Tls",
            "host_name = 127.0.0.1": "host_name is '127.0.0.1', but must be a host name",
            "accept_proxy_protocol = here": "accept_proxy_protocol has 'here', which is not a network",
            "accept_proxy_protocol =": "accept_proxy_protocol is empty",
            "rule_type = PathBasedRouting": "rule_type = 'PathBasedRouting' is not supported by this version",
            "backend_settings = other": "there is no backend_settings 'other'",
        }.items():
            key = keys.partition(" ")[0]
            configuration = text("mqtt strict")
            if key == "timeout":
                configuration = configuration.replace("timeout = 60", keys)
            elif key in ("protocol", "host_name"):
                configuration = configuration.replace("timeout = 60", f"timeout = 60\n{keys}")
            elif key == "accept_proxy_protocol":
                configuration = configuration.replace("port = 8883", f"port = 8883\n{keys}")
            else:
                configuration = configuration.replace("backend_settings = mqtt\n", f"{keys}\n")
                configuration += "" if key == "backend_settings" else "backend_settings = mqtt\n"
            found = errors(configuration)
            self.assertTrue(found and found[0].startswith(message), (keys, found))

    def test_anybody_as_a_proxy(self) -> None:
        """A network with all addresses is a warning, on listeners of both kinds."""
        extra = "accept_proxy_protocol = 0.0.0.0/0, ::/0"
        for configuration in (text(f"tcp tcp; {extra}"), clients.text(f"public strict; {extra}")):
            self.assertEqual(
                said(configuration),
                [
                    "accept_proxy_protocol has 0.0.0.0/0: any client could forge its address",
                    "accept_proxy_protocol has ::/0: any client could forge its address",
                ],
            )


class PortTests(SynchronousTestCase):
    """Who may share a port."""

    def test_sites_by_name(self) -> None:
        """Tls listeners share a port by their names, as those of HTTP do, one basic listener among them."""
        self.assertEqual(said(text("basic -", "a - a.example", "b - *.b.example")), [])
        [line] = errors(text("one -", "two -"))
        self.assertIn("are both basic listeners (no host_names) of one port", line)
        [line] = errors(text("a - a.example", "b - a.example"))
        self.assertIn("host name 'a.example' is also one of listener a", line)

    def test_tcp_alone(self) -> None:
        """A Tcp listener has no names, so two of them cannot share a port."""
        [line] = errors(text("one tcp", "two tcp"))
        self.assertIn("are both basic listeners", line)

    def test_mixed_protocols(self) -> None:
        """Tcp and Tls, and HTTP beside either, exclude each other on one port; nothing else is said of it."""
        [line] = errors(text("one tcp", "two - a.example"))
        self.assertEqual(line, "and listener one speak Tcp and Tls on one port")
        both = text("mqtt strict") + HTTP.replace("address = 127.0.0.1\nport = 8443", "port = 8883")
        self.assertEqual(errors(both), ["and listener mqtt speak Https and Tls on one port"])

    def test_overlapping_addresses(self) -> None:
        """An address and all addresses are one port, whatever is spoken."""
        [line] = errors(text("mqtt strict") + HTTP.replace("8443", "8883"))
        self.assertIn("one port cannot be bound to both", line)

    def test_beside_http(self) -> None:
        """Both kinds live in one gateway, each on ports of its own."""
        plan = Plan.of(load(text("mqtt strict") + HTTP.replace("priority = 100", "priority = 1")))
        self.assertEqual(plan.addresses, (("127.0.0.1", 8443), ("0.0.0.0", 8883)))
        self.assertEqual([*plan.relay_ports], [("0.0.0.0", 8883)])

    def test_proxies_are_the_ports(self) -> None:
        """Whether a header comes first is known before a name is: listeners of one port must agree, in any order."""
        one, other = "accept_proxy_protocol = 10.0.0.0/8, ::1", "accept_proxy_protocol = ::1, 10.0.0.0/8"
        self.assertEqual(said(text(f"a - a.example; {one}", f"b - b.example; {other}")), [])
        for second in ("", "accept_proxy_protocol = 10.0.0.0/8"):
            expected = [
                "and listener a differ in accept_proxy_protocol, which must be the same for all listeners of a port"
            ]
            self.assertEqual(errors(text(f"a - a.example; {one}", f"b - b.example; {second}")), expected)
            http = clients.text(f"a - a.example; {one}", f"b - b.example; {second}")
            self.assertEqual(errors(http), [expected[0].replace("listener", "http_listener", 1)])

    def test_policies(self) -> None:
        """Tls listeners of one port agree on versions, as OpenSSL takes them from the port's first context."""
        profile = "[ssl_profile modern]\npolicy_type = CustomV2\nmin_protocol_version = TLSv1_3\n"
        [line] = errors(text("a - a.example", "b modern b.example") + profile)
        self.assertIn("listeners of one port must agree on TLS versions", line)


class RuleTests(SynchronousTestCase):
    """Rules of L4 listeners."""

    def test_one_rule_for_each_listener(self) -> None:
        """A listener has one rule."""
        rules = text("a - a.example").partition("[routing_rule")[2]
        configuration = text("a - a.example") + "[routing_rule" + rules.replace(" a]", " b]").replace("= 1\n", "= 2\n")
        [line] = errors(configuration)
        self.assertEqual(line, "the listener a already has the rule routing_rule a: a listener has one rule")

    def test_priorities(self) -> None:
        """Priorities are unique among rules of one kind; the other kind has its own."""
        configuration = text("a - a.example", "b - b.example").replace("priority = 2", "priority = 1")
        self.assertEqual(errors(configuration), ["priority 1 is also that of routing_rule a"])


class WisdomTests(SynchronousTestCase):
    """What is legal but unwise."""

    def test_refusal_without_meaning(self) -> None:
        """Http400 is about HTTP."""
        [line] = said(text("mqtt http400"))
        self.assertIn("the profile http400 has refusal = Http400, which has no effect on an L4 listener", line)

    def test_refusal_of_a_shared_profile(self) -> None:
        """Where an HTTP listener has the profile, too, its refusal has a meaning: there it is a note."""
        shared = text("mqtt http400") + HTTP.replace("ssl_profile = strict", "ssl_profile = http400")
        self.assertFalse(any("refusal = Http400" in each for each in said(shared)))
        self.assertTrue(any("refusal = Http400" in each for each in configurations.noted(shared, files())))

    def test_tls_of_nobody(self) -> None:
        """Clients of a Tcp listener have no TLS to describe."""
        keys = "enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true"
        [line] = said(text("tcp tcp", settings=keys))
        self.assertIn("mqtt has proxy_protocol_tls, but clients of the Tcp listener tcp use no TLS", line)

    def test_plain_way_in(self) -> None:
        """A Tcp listener that reaches servers which a Strict one keeps for its clients, of whichever kind."""
        strict = text("mqtt strict")
        plain = (
            "[listener open]\nport = 1883\nprotocol = Tcp\n[routing_rule open]\npriority = 9\nlistener = open\n"
            "backend_address_pool = brokers\nbackend_settings = mqtt\n"
        )
        [line] = said(strict + plain)
        self.assertEqual(
            line,
            "the plain Tcp listener open reaches servers that the Strict listener mqtt protects with client"
            " certificates",
        )

    def test_shadows(self) -> None:
        """A name that goes to a laxer listener than the wildcard that stands for it as well."""
        [line] = said(text("lax - a.example", "strict strict *.example"))
        self.assertIn("is answered here, with verify_client_auth_mode None, before listener strict", line)


class ProbeTests(SynchronousTestCase):
    """Probes of L4."""

    def said(self, probe: str, settings: str = "") -> list[str]:
        """What is said where settings have this probe."""
        configuration = text("tcp tcp", settings=f"probe = p\n{settings}") + f"[probe p]\n{probe}\n"
        return said(configuration)

    def test_values(self) -> None:
        """The keys of a probe come through."""
        keys = "protocol = Tls\nhost = a.example\nport = 7\ninterval = 5\nenable_probe_proxy_protocol_header = true\n"
        configuration = text("tcp tcp", settings="probe = p\nprotocol = Tls") + f"[probe p]\n{keys}"
        [rule] = load(configuration).routing_rules
        probe = rule.backend_settings.probe
        assert probe
        self.assertEqual(
            (probe.protocol, probe.host, probe.port, probe.interval), (StreamProtocol.TLS, "a.example", 7, 5)
        )
        self.assertTrue(probe.enable_probe_proxy_protocol_header)
        self.assertIsNone(load(text("tcp tcp")).routing_rules[0].backend_settings.probe)

    def test_same_protocol(self) -> None:
        """A probe asks by what the settings speak."""
        self.assertEqual(self.said("protocol = Tcp"), [])
        self.assertEqual(self.said("protocol = Tls", "protocol = Tls"), [])
        for asked in ("Tls", "Http"):
            expected = f"probe p has the protocol {asked}, these settings Tcp: they must be the same"
            self.assertEqual(self.said(f"protocol = {asked}"), [expected])

    def test_keys_of_their_own(self) -> None:
        """What is about HTTP has no effect here, what is about names only with TLS, and what is about L4 needs it."""
        keys = "protocol = Tcp\npath = /x\nhost = a.example\nmatch_status_codes = 200\nmatch_body = a"
        self.assertEqual(self.said(keys), [])
        made = load(text("tcp tcp", settings="probe = p\n") + f"[probe p]\n{keys}\n")
        self.assertEqual(
            [f"{note.key}: {note.severity.value}" for note in made.notes],
            ["path: NOTE", "host: NOTE", "match_status_codes: NOTE", "match_body: NOTE"],
        )
        self.assertEqual(made.routing_rules[0].backend_settings.probe, Probe(name="p", protocol=StreamProtocol.TCP))
        keys = "protocol = Tls\nhost = a.example\npick_host_name_from_backend_settings = true"
        self.assertEqual(
            self.said(keys, "protocol = Tls"), ["host and pick_host_name_from_backend_settings exclude each other"]
        )
        http = "protocol = Http\nenable_probe_proxy_protocol_header = true"
        self.assertIn("enable_probe_proxy_protocol_header is not allowed in a probe with HTTP", self.said(http))

    def test_header(self) -> None:
        """Over TLS a server that waits for a header does not answer a probe without."""
        settings = "protocol = Tls\nenable_l4_client_ip_preservation = true"
        [line] = self.said("protocol = Tls", settings)
        self.assertIn("probe p has no enable_probe_proxy_protocol_header", line)
        self.assertEqual(self.said("protocol = Tls\nenable_probe_proxy_protocol_header = true", settings), [])


class ReportTests(SynchronousTestCase):
    """What `--check` says."""

    def test_tables(self) -> None:
        """Listeners of both kinds, how L4 refuses whatever the profile says, rules, settings and their headers."""
        keys = "enable_l4_client_ip_preservation = true\nproxy_protocol_tls = true"
        config = load(text("mqtt http400 m.example", addresses="127.0.0.1, [::1]:9", settings=keys))
        told = table(Plan.of(config), datetime.fromtimestamp(pki.NOW.timestamp(), UTC))
        listener = ["mqtt", "0.0.0.0:8883", "Tls", "m.example", "http400", "Strict, Handshake", "any"]
        self.assertEqual(cells(told, "Listeners")[1:], [listener])
        self.assertEqual(
            cells(told, "Routing rules (L4)")[1:],
            [["1", "mqtt", "mqtt", "brokers", "127.0.0.1:1883", "mqtt"], ["[::1]:9"]],
        )
        self.assertEqual(
            cells(told, "Backend settings (L4)")[1:], [["mqtt", "Tcp", "1883", "60 s", "v2, with TLS", "(default)"]]
        )

    def test_headers(self) -> None:
        """No header, one with addresses; an empty pool."""
        for keys, word in (("", "-"), ("enable_l4_client_ip_preservation = true", "v2")):
            told = table(Plan.of(load(text("tcp tcp", addresses="", settings=keys))), pki.NOW)
            self.assertEqual(cells(told, "Backend settings (L4)")[1][-2:], [word, "(default)"])
            self.assertEqual(cells(told, "Routing rules (L4)")[1][-2:], ["(none: closed)", "mqtt"])

    def test_without_l4(self) -> None:
        """Where there are no such rules, nothing is said of them."""
        self.assertNotIn("L4", table(configurations.plan(), pki.NOW))
