"""A configuration in force, compiled."""

from __future__ import annotations

import pickle
from datetime import timedelta

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Place
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.plan.plan import _KINDS, Origins, Plan
from agwtwisted.core.sections.schema import KINDS
from tests import clients, configurations, pki, relays
from tests.configurations import FILE, GOOD, changed, files, plan, with_listener

TLS_BACKENDS = """
[trusted_root_certificate servers]
file = pki/servers.pem

[probe deep]
protocol = Https
path = /deep

[backend_http_settings secure]
port = 9443
protocol = Https
trusted_root_certificates = servers
client_ssl_certificate = own
probe = deep
"""

OWN = "\n[ssl_certificate own]\ncertificate_file = pki/own.pem\nkey_file = pki/own.key\n"

EVERYTHING = (
    changed(
        (
            "backend_address_pool = app\nbackend_http_settings = app\n",
            "rule_type = PathBasedRouting\nurl_path_map = map\n",
        )
    )
    + configurations.MAP
    + configurations.path_rule("api", "/api/*", end="backend_address_pool = app\nbackend_http_settings = secure\n")
    + configurations.path_rule("old", "/old/*", end="redirect_configuration = away\n")
    + configurations.redirect("away", "target_url = https://example.com/")
    + OWN
    + TLS_BACKENDS
    + with_listener("open", port=8444)
    + "\n[rewrite_rule tell/who]\nrequest_header.X-Who = {var_client_certificate_subject}\n"
    + "[custom_error public/502]\nfile = pki/sorry.html\n"
)
"""A configuration of HTTP with something of nearly everything."""


def sources() -> configurations.Files:
    """The files that EVERYTHING names."""
    own = _OWN
    return files(servers_pem=_SERVERS.pem, own_pem=own.chain_pem, own_key=own.key_pem, sorry_html=b"<p>Sorry</p>")


_SERVERS = pki.Authority.root("Backend Root")
_OWN = pki.Authority.root("Own Root").issue("gateway")


def everything(text: str = EVERYTHING, source: configurations.Files | None = None) -> Plan:
    """Its plan."""
    return plan(text, source or sources())


def differing(one: Plan, other: Plan) -> set[str]:
    """The titles whose fingerprints differ, those of ports among them."""
    ports = [
        {f"port {number}": each.fingerprint for (_, number), each in (*of.http_ports.items(), *of.relay_ports.items())}
        for of in (one, other)
    ]
    first, second = one.fingerprints | ports[0], other.fingerprints | ports[1]
    return {title for title in first.keys() | second.keys() if first.get(title) != second.get(title)}


class EqualityTests(SynchronousTestCase):
    """Plans are equal by what they say."""

    def test_parsed_twice(self) -> None:
        """The same bytes make equal plans, fingerprint by fingerprint, whenever they are read."""
        one = everything()
        later = parse(EVERYTHING.encode(), FILE, sources().read, now=pki.NOW + timedelta(days=3))
        self.assertEqual((one, one.fingerprints), (later, later.fingerprints))
        self.assertEqual(hash(one), hash(later))
        self.assertEqual(one.http_ports, later.http_ports)

    def test_what_does_not_count(self) -> None:
        """Comments, white space, the order of sections and keys, defaults spelled out, where files lie."""
        text = "; a comment\n" + EVERYTHING.replace(
            "port = 9443\nprotocol = Https\n", "protocol=Https\nport   = 9443\n"
        )
        text = text.replace("[probe deep]\nprotocol = Https\n", "[probe deep]\ninterval = 30\nprotocol = Https\n")
        first, _, rest = text.partition("[trusted_root_certificate servers]")
        section, _, rest = rest.partition("\n\n")
        text = f"{first}{rest}\n[trusted_root_certificate servers]{section}\n".replace(
            "pki/servers.pem", "pki/moved.pem"
        )
        source = sources()
        source.data["conf/pki/moved.pem"] = source.data.pop("conf/pki/servers.pem")
        self.assertEqual(differing(everything(), everything(text, source)), set())
        self.assertEqual(everything(), everything(text, source))

    def test_any_change_counts(self) -> None:
        """A key, a page or a section more makes another plan."""
        page = sources()
        page.data["conf/pki/sorry.html"] += b"!"
        for text, source in (
            (EVERYTHING.replace("path = /deep", "path = /deeper"), None),
            (EVERYTHING.replace("access_log = -\n", "access_log = -\nidle_timeout = 7\n"), None),
            (EVERYTHING, page),
            (EVERYTHING + with_listener("more", port=8445), None),
        ):
            other = everything(text, source)
            self.assertNotEqual(everything(), other)
            self.assertNotEqual(everything().fingerprint, other.fingerprint)

    def test_bytes_travel(self) -> None:
        """A plan is not sent to another process; the bytes of its files are, and make an equal one there."""
        self.assertRaises(TypeError, pickle.dumps, everything())
        text, data = pickle.loads(pickle.dumps((EVERYTHING.encode(), sources().data)))
        there = parse(text, FILE, configurations.Files(data).read, now=pki.NOW)
        self.assertEqual((there, there.fingerprints), (everything(), everything().fingerprints))


class FingerprintTests(SynchronousTestCase):
    """What is in force has fingerprints, each over all that it is made of."""

    def test_titles(self) -> None:
        """There is one of everything in use, by the title of its section; what nothing uses has none."""
        self.assertEqual(
            set(everything().fingerprints),
            {
                *("gateway", "ssl_certificate site", "ssl_certificate own", "trusted_client_certificate devices"),
                *("ssl_profile strict", "http_listener public", "http_listener open", "backend_address_pool app"),
                *(
                    "trusted_root_certificate servers",
                    "backend_http_settings app",
                    "backend_http_settings secure",
                    "probe deep",
                ),
                *("url_path_map map", "redirect_configuration away", "rewrite_rule_set tell"),
                *("request_routing_rule public", "request_routing_rule open"),
            },
        )

    def test_a_byte_of_a_file(self) -> None:
        """A byte more in a file changes the fingerprints of exactly what uses it."""
        strict = {"ssl_profile strict", "http_listener public", "request_routing_rule public", "port 8443"}
        site = {"ssl_certificate site", "http_listener public", "http_listener open"}
        rules = {"request_routing_rule public", "request_routing_rule open", "port 8443", "port 8444"}
        secure = {"backend_http_settings secure", "url_path_map map", "request_routing_rule public", "port 8443"}
        for name, expected in (
            ("clients-ca.pem", {"trusted_client_certificate devices", *strict}),
            ("site.pem", {*site, *rules}),
            ("site.key", {*site, *rules}),
            ("servers.pem", {"trusted_root_certificate servers", *secure}),
            ("own.key", {"ssl_certificate own", *secure}),
            ("sorry.html", {"port 8443"}),
        ):
            source = sources()
            source.data[f"conf/pki/{name}"] += b"\n"
            self.assertEqual(differing(everything(), everything(EVERYTHING, source)), expected, name)

    def test_a_key_of_a_section(self) -> None:
        """So does a key of a section; a limit of the gateway is one of every port."""
        public = {"request_routing_rule public", "port 8443"}
        both = {*public, "request_routing_rule open", "port 8444"}
        for old, new, expected in (
            ("127.0.0.1:9000", "127.0.0.1:9001", {"backend_address_pool app", "url_path_map map", *both}),
            ("paths = /old/*", "paths = /older/*", {"url_path_map map", *public}),
            ("path = /deep", "path = /d", {"probe deep", "backend_http_settings secure", "url_path_map map", *public}),
            ("example.com", "example.org", {"redirect_configuration away", "url_path_map map", *public}),
            (
                "port = 8444",
                "port = 8446",
                {"http_listener open", "request_routing_rule open", "port 8444", "port 8446"},
            ),
            ("access_log = -\n", "access_log = -\nidle_timeout = 7\n", {"gateway", "port 8443", "port 8444"}),
            ("request_header.X-Who", "request_header.X-Me", {"rewrite_rule_set tell", "port 8443", "port 8444"}),
        ):
            self.assertEqual(EVERYTHING.count(old), 1, old)
            self.assertEqual(differing(everything(), everything(EVERYTHING.replace(old, new))), expected, new)

    def test_inherited_policy(self) -> None:
        """The gateway's TLS policy is part of whatever inherits it."""
        text = GOOD.replace("access_log = -\n", "access_log = -\nssl_policy = AppGwSslPolicy20220101S\n")
        self.assertEqual(
            differing(plan(), plan(text)),
            {"gateway", "ssl_profile strict", "http_listener public", "request_routing_rule public", "port 8443"},
        )

    def test_handshake(self) -> None:
        """What TLS contexts are made of has a fingerprint of its own: routes and limits are not in it."""
        [port] = plan().http_ports.values()
        same = [
            changed(("port = 9000\n", "port = 9001\n")),
            changed(("access_log = -\n", "access_log = -\nidle_timeout = 7\n")),
        ]
        other = [
            changed(("access_log = -\n", "access_log = -\nmax_client_chain_depth = 3\n")),
            changed(("[ssl_profile strict]\n", "[ssl_profile strict]\nrefusal = Http400\n")),
            changed(("port = 8443\n", "port = 8443\nhost_names = localhost\n")),
        ]
        for texts, expected in ((same, True), (other, False)):
            for text in texts:
                [changed_port] = plan(text).http_ports.values()
                self.assertEqual(changed_port.handshake == port.handshake, expected, text)
                self.assertNotEqual(changed_port, port)

    def test_trust(self) -> None:
        """All by which a site's clients are judged has a fingerprint of its own: the profile, its CAs, the depth."""
        [port] = plan().http_ports.values()
        [before] = port.trust.values()
        authorities = configurations.files(**{"clients-ca_pem": pki.bundle(pki.Authority.root("Another Root"))})
        changes: list[tuple[str, configurations.Files | None, bool]] = [
            (changed(("port = 9000\n", "port = 9001\n")), None, True),
            (changed(("port = 8443\n", "port = 8443\nhost_names = localhost\n")), None, True),
            (changed(("access_log = -\n", "access_log = -\nmax_client_chain_depth = 3\n")), None, False),
            (
                changed(("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")),
                None,
                False,
            ),
            (changed(("ssl_profile = strict\n", "")), None, False),
            (changed(), authorities, False),
        ]
        for text, source, expected in changes:
            [other] = plan(text, source).http_ports.values()
            self.assertEqual([*other.trust.values()] == [before], expected, text)
        for depth in (3, 4):  # which counts where clients are judged
            keys = ("access_log = -\n", f"access_log = -\nmax_client_chain_depth = {depth}\n")
            [open_port] = plan(changed(keys, ("ssl_profile = strict\n", ""))).http_ports.values()
            self.assertEqual([*open_port.trust.values()], [""])

    def test_l4(self) -> None:
        """Ports of L4 have them, too, and distinguish settings."""
        one = plan(relays.text("mqtt strict"), clients.files())
        other = plan(
            relays.text("mqtt strict", settings="timeout = 7\n").replace("timeout = 60\n", ""), clients.files()
        )
        expected = {"backend_settings mqtt", "routing_rule mqtt", "port 8883"}
        self.assertEqual(differing(one, other), expected)

    def test_every_kind(self) -> None:
        """Every kind of section has a title here, but for those that are parts of others, or say how these are made."""
        parts = {"path_rule", "rewrite_rule", "load_distribution_target", "custom_error", "arm"}
        self.assertEqual({_KINDS.get(kind.resource, name) for name, kind in KINDS.items()}, {*KINDS})
        self.assertEqual({name for name, kind in KINDS.items() if kind.resource not in _KINDS}, parts)


class CompiledTests(SynchronousTestCase):
    """What a plan holds ready."""

    def test_compiled_once(self) -> None:
        """The sites of a port have the very actions that the checks of the configuration looked at."""
        found = everything()
        [public] = found.http_ports["127.0.0.1", 8443].sites.all()
        again = Plan.of(
            found.config, {site.rule: site.actions for port in found.http_ports.values() for site in port.sites.all()}
        )
        [same] = again.http_ports["127.0.0.1", 8443].sites.all()
        self.assertIs(same.actions, public.actions)
        self.assertEqual(found, again)

    def test_by_values_alone(self) -> None:
        """A configuration that comes from no file is compiled as well, and stands nowhere."""
        made = Plan.of(everything().config)
        self.assertEqual(made, everything())
        self.assertEqual(made.origins.place("gateway"), Place(file=""))

    def test_routes(self) -> None:
        """Each pool with the settings for it, once: those of HTTP, and those of L4."""
        names = [(pool.name, settings.name) for pool, settings in everything().routes]
        self.assertEqual(names, [("app", "secure"), ("app", "app")])
        found = plan(relays.text("a - a.example", "b - b.example"), clients.files())
        self.assertEqual([(pool.name, settings.name) for pool, settings in found.relay_routes], [("brokers", "mqtt")])

    def test_identifying_headers(self) -> None:
        """Headers that identify the client are known for the whole gateway."""
        self.assertEqual(everything().identifying_headers, {b"x-who"})

    def test_encrypted(self) -> None:
        """Whether TLS is spoken on a port, of HTTP and of L4."""
        plain = changed(("protocol = Https\nssl_certificate = site\nssl_profile = strict\n", "protocol = Http\n"))
        for text, encrypted in (
            (GOOD, True),
            (plain, False),
            (relays.text("mqtt -"), True),
            (relays.text("m tcp"), False),
        ):
            found = plan(text, clients.files())
            [port] = (*found.http_ports.values(), *found.relay_ports.values())
            self.assertEqual(port.encrypted, encrypted)


class OriginTests(SynchronousTestCase):
    """Where everything comes from."""

    def test_places(self) -> None:
        """A key has its line, a key that is absent that of its section, an unknown section the file."""
        origins = plan().origins
        lines = GOOD.splitlines()
        for section, key, expected in (
            ("gateway", "access_log", lines.index("access_log = -") + 1),
            ("http_listener public", "port", lines.index("port = 8443") + 1),
            ("http_listener public", "", lines.index("[http_listener public]") + 1),
            ("http_listener public", "host_names", lines.index("[http_listener public]") + 1),
            ("http_listener nowhere", "port", 0),
        ):
            self.assertEqual(origins.place(section, key), Place(file=FILE, line=expected))

    def test_every_fingerprint_has_one(self) -> None:
        """What has a fingerprint has a place; a rewrite rule set has no section of its own."""
        found = everything()
        lost = {title for title in found.fingerprints if not found.origins.place(title).line}
        self.assertEqual(lost, {"rewrite_rule_set tell"})

    def test_listeners(self) -> None:
        """An address and port lead to the first section that wants them."""
        found = everything()
        self.assertEqual(found.listener_at(("127.0.0.1", 8444)), "http_listener open")
        self.assertEqual(found.listener_at(("127.0.0.1", 1)), "")

    def test_no_file(self) -> None:
        """Nothing is known without a file."""
        self.assertEqual(str(Origins().place("gateway", "x")), "")
