"""The files under conf/ are what users copy from: each loads as it stands once its certificates are made."""

from __future__ import annotations

import shutil
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.http.paths import override_path
from agwtwisted.core.plan.actions import actions_of
from agwtwisted.core.resources.resources import (
    ClientAuth,
    Config,
    HttpListener,
    PathCertificate,
    Protocol,
    Refusal,
    StreamProtocol,
)
from agwtwisted.core.sections.sources import SourceFile
from tests import pki

CONF = Path(__file__).parent.parent / "conf"
DEMO = {"organization_name": "agwtwisted DEMO"}

EXPECTED_WARNINGS: dict[str, list[str]] = {}
"""The sections each file is warned about; of the others none is."""


def read(path: str) -> SourceFile:
    """The reader that the gateway itself uses, in short."""
    file = Path(path)
    return SourceFile(data=file.read_bytes(), mode=file.stat().st_mode)


def make_demo_certificates(directory: Path) -> None:
    """The files that the demo makes: a server's certificate and key, and the CA of its clients."""
    directory.mkdir()
    authority = pki.Authority.root(pki.name("Demo Root", **DEMO)).intermediate(pki.name("Demo Servers", **DEMO))
    authority.issue_server("localhost", "127.0.0.1").write(directory, "server")
    clients = pki.Authority.root(pki.name("Demo Clients Root", **DEMO))
    pki.write(directory, "clients-ca.pem", clients.intermediate(pki.name("Demo Clients", **DEMO)), clients)


class ConfTests(SynchronousTestCase):
    """Every example, loaded from a copy beside which the certificates are made."""

    def setUp(self) -> None:
        """Copy conf/ and make pki/ in it."""
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        for file in CONF.glob("*.ini"):
            shutil.copyfile(file, self.directory / file.name)
        make_demo_certificates(self.directory / "pki")

    def load(self, name: str) -> Config:
        """One of the files."""
        file = self.directory / name
        mode = stat.S_IMODE(file.stat().st_mode) & ~0o002
        return parse(file.read_bytes(), str(file), read, mode=mode, now=datetime(2026, 6, 1, tzinfo=UTC)).config

    def test_every_example_loads(self) -> None:
        """No example has an error, and each is warned about what it says it is."""
        names = sorted(file.name for file in CONF.glob("*.ini"))
        self.assertIn("gw.ini", names)
        for name in names:
            warnings = [str(warning) for warning in self.load(name).warnings]
            sections = EXPECTED_WARNINGS.get(name, [])
            self.assertEqual(len(warnings), len(sections), warnings)
            for warning, section in zip(warnings, sections, strict=True):
                self.assertIn(section, warning)

    def test_demo(self) -> None:
        """The demo's doors are where README and demo expect them."""
        config = self.load("gw.ini")
        self.assertEqual(config.gateway.access_log, "-")
        doors = {listener.name: door(listener) for listener in config.http_listeners}
        self.assertEqual(
            doors,
            {
                "strict": ("127.0.0.1", 8443, Protocol.HTTPS, ClientAuth.STRICT, Refusal.HANDSHAKE),
                "passthrough": ("127.0.0.1", 8444, Protocol.HTTPS, ClientAuth.PASSTHROUGH, Refusal.HANDSHAKE),
                "strict-http400": ("127.0.0.1", 8445, Protocol.HTTPS, ClientAuth.STRICT, Refusal.HTTP400),
                "revocation": ("127.0.0.1", 8446, Protocol.HTTPS, ClientAuth.STRICT, Refusal.HANDSHAKE),
                "plain": ("127.0.0.1", 8080, Protocol.HTTP, None, None),
            },
        )
        for rule in config.request_routing_rules:
            [server] = rule.backend_address_pool.backend_addresses
            expected = ("127.0.0.1", 9002 if rule.http_listener.name == "plain" else 9000)
            self.assertEqual((server.host, server.port), expected)

    def test_defaults_shown_are_the_defaults(self) -> None:
        """What gw.ini shows behind a semicolon changes nothing when the semicolon goes."""
        file = self.directory / "gw.ini"
        plain = self.load("gw.ini").gateway
        head, gateway, rest = file.read_text().partition("[gateway]")
        shown, divider, rest = rest.partition("; ------")
        file.write_text(head + gateway + shown.replace("\n;", "\n") + divider + rest)
        self.assertEqual(self.load("gw.ini").gateway, plain)

    def test_multi_site(self) -> None:
        """Host names are as they will be compared, and two addresses may share a port."""
        listeners = {listener.name: listener for listener in self.load("multi-site.ini").http_listeners}
        self.assertEqual(listeners["www"].host_names, ("www.example.com", "xn--bcher-kva.example"))
        self.assertEqual(listeners["tenants"].host_names, ("*.devices.example.com", "eu-?.gateway.example.com"))
        self.assertEqual((listeners["api6"].address, listeners["api6"].port), ("::1", 9443))
        profile = listeners["api"].ssl_profile
        assert profile is not None
        self.assertEqual(profile.client_auth, ClientAuth.STRICT)
        self.assertTrue(profile.verify_client_cert_issuer_dn)

    def test_l4(self) -> None:
        """Two names on a port of TLS, and a Tcp listener behind a balancer."""
        config = self.load("l4.ini")
        listeners = {listener.name: listener for listener in config.listeners}
        self.assertEqual([*listeners], ["mqtt", "mqtt-open", "database"])
        self.assertEqual(listeners["mqtt"].port, listeners["mqtt-open"].port)
        self.assertEqual(listeners["database"].protocol, StreamProtocol.TCP)
        settings = config.routing_rules[0].backend_settings
        assert settings.probe
        told = settings.enable_l4_client_ip_preservation, settings.probe.enable_probe_proxy_protocol_header
        self.assertEqual(told, (False, False))  # most brokers close a connection that begins with a header

    def test_paths(self) -> None:
        """Each path leads where the file says, and the plain listener to the other one."""
        [www, plain] = self.load("paths.ini").request_routing_rules
        actions = actions_of(www)
        found = {path: actions.for_path(path) for path in (b"/", b"/api/devices", b"/api/devices/7", b"/help/a")}
        self.assertEqual(
            [(each.path_rule, each.client_certificate) for each in found.values()],
            [
                ("", PathCertificate.NONE),
                ("devices", PathCertificate.REQUIRE),
                ("devices", PathCertificate.REQUIRE),
                ("help", PathCertificate.NONE),
            ],
        )
        prefix = found[b"/api/devices/7"].matched_prefix
        self.assertEqual(override_path("/v2/", prefix, b"/api/devices/7"), b"/v2/7")
        self.assertEqual(actions.for_path(b"/api/devices/status").path_rule, "status")
        for action, location in (
            (found[b"/help/a"], b"https://docs.example.com/manual/help/a"),
            (actions_of(plain).default, b"https://localhost:9445/help/a?q"),
        ):
            assert action.redirect
            self.assertEqual(action.redirect.location("localhost", b"/help/a?q"), location)


def door(listener: HttpListener) -> tuple[str, int, Protocol, ClientAuth | None, Refusal | None]:
    """What a client meets at a listener."""
    profile = listener.ssl_profile
    auth, refusal = (profile.client_auth, profile.refusal) if profile else (None, None)
    return listener.address, listener.port, listener.protocol, auth, refusal
