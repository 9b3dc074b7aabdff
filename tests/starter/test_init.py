"""`agw init`: what it writes is what a gateway takes, and what it prints can be done."""

from __future__ import annotations

import shlex
import socket
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import ClientAuth
from agwtwisted.loading import load, try_contexts
from agwtwisted.starter.configuration import StarterMode
from agwtwisted.starter.init import InitRequest, init, program

NOW = datetime.now(UTC)
SECRETS = {"ca.key", "server.key", "client.pem", "stranger.pem", "revoked.pem", "responder.pem"}


class InitCase(SynchronousTestCase):
    """A directory of its own for each test."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute() / "first gateway"
        self.request = InitRequest(directory=self.directory)

    def init(self, **changes: object) -> str:
        """What is printed."""
        self.request = attrs.evolve(self.request, **changes)  # type: ignore[arg-type]
        return init(self.request, NOW, "agw")

    def plan(self) -> Plan:
        """What the gateway makes of the directory; it has no warnings."""
        plan = load(str(self.directory / "gw.ini"), NOW)
        try_contexts(plan)
        self.assertEqual(plan.config.warnings, ())
        return plan

    def names(self) -> set[str]:
        """The files of pki/."""
        return {path.name for path in (self.directory / "pki").iterdir()}


class WrittenTests(InitCase):
    """What is there afterwards."""

    def test_a_gateway_takes_it(self) -> None:
        """The configuration of each mode is valid, without a warning, now and a year later but for a month."""
        for mode in StarterMode:
            with self.subTest(mode=mode):
                self.init(mode=mode, directory=self.directory / mode.value)
                for now in (NOW, NOW + timedelta(days=365)):
                    plan = load(str(self.directory / mode.value / "gw.ini"), now)
                    self.assertEqual(plan.config.warnings, ())

    def test_strict(self) -> None:
        """By default clients have to have a certificate of the CA, on a port of this machine alone."""
        self.init()
        [listener] = self.plan().config.http_listeners
        assert listener.ssl_profile
        self.assertEqual((listener.address, listener.port), ("127.0.0.1", 8443))
        self.assertIs(listener.ssl_profile.client_auth, ClientAuth.STRICT)
        self.assertEqual(self.names(), {"ca.pem", "ca.key", "server.pem", "server.key", "client.pem", "stranger.pem"})

    def test_passthrough(self) -> None:
        """With passthrough no client is refused, so there is no client to be."""
        self.init(mode=StarterMode.PASSTHROUGH)
        [listener] = self.plan().config.http_listeners
        assert listener.ssl_profile
        self.assertIs(listener.ssl_profile.client_auth, ClientAuth.PASSTHROUGH)
        self.assertNotIn("stranger.pem", self.names())

    def test_l4(self) -> None:
        """With l4 bytes are relayed, of the same clients."""
        self.init(mode=StarterMode.L4)
        [listener] = self.plan().config.listeners
        assert listener.ssl_profile
        self.assertIs(listener.ssl_profile.client_auth, ClientAuth.STRICT)

    def test_options(self) -> None:
        """Address, port, servers, names, state directory and responder are what was asked for."""
        ocsp = "http://127.0.0.1:9001/"
        self.init(address="10.1.2.3", port=443, backend="[::1]:80", hosts=("gw.example",), state="../s", ocsp=ocsp)
        plan = self.plan()
        [listener] = plan.config.http_listeners
        [(pool, _)] = plan.routes
        assert listener.ssl_profile
        assert listener.ssl_certificate
        self.assertEqual((listener.address, listener.port), ("10.1.2.3", 443))
        self.assertEqual([(each.host, each.port) for each in pool.backend_addresses], [("::1", 80)])
        self.assertTrue(str(plan.gateway.state_directory).endswith("/../s"))
        self.assertEqual(listener.ssl_profile.verify_client_revocation, (RevocationSource.OCSP,))
        certificate = listener.ssl_certificate.certificates[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["localhost", "gw.example"])
        addresses = [str(each) for each in names.get_values_for_type(x509.IPAddress)]
        self.assertEqual(addresses, ["127.0.0.1", "::1", "10.1.2.3"])
        self.assertLessEqual({"revoked.pem", "responder.pem"}, self.names())

    def test_keys_are_their_owners_alone(self) -> None:
        """A file with a private key has mode 0600, and no other file holds one."""
        self.init(ocsp="http://127.0.0.1:9001/")
        for path in self.directory.rglob("*.*"):
            secret = b"PRIVATE KEY" in path.read_bytes()
            self.assertEqual((secret, path.stat().st_mode & 0o077 == 0), (path.name in SECRETS,) * 2, path.name)

    def test_overwrites_nothing(self) -> None:
        """A second time it names what is there and changes nothing, unless it is forced to."""
        self.init()
        before = {path: path.read_bytes() for path in self.directory.rglob("*.*")}
        with self.assertRaises(AgwError) as caught:
            self.init()
        for path in before:
            self.assertIn(str(path), str(caught.exception))
        self.assertEqual({path: path.read_bytes() for path in self.directory.rglob("*.*")}, before)
        self.init(force=True)
        self.assertNotEqual(before[self.directory / "pki" / "ca.pem"], (self.directory / "pki/ca.pem").read_bytes())
        self.plan()

    def test_values_that_are_not_accepted(self) -> None:
        """A value that the configuration cannot have is an error with its option, and nothing is written."""
        for option, changes in (
            ("--backend", {"backend": "nowhere"}),
            ("--backend", {"backend": "a:1\n[gateway]"}),
            ("backend_addresses", {"backend": "127.0.0.1:99999"}),
            ("--address", {"address": "localhost"}),
            ("--host", {"hosts": ("two words",)}),
            ("--host", {"hosts": (".",)}),
            ("--state", {"state": "a ; b"}),
            ("--ocsp", {"ocsp": "http://a/", "mode": StarterMode.PASSTHROUGH}),
            ("ocsp_responder_url", {"ocsp": "ftp://a/"}),
            ("port", {"port": 0}),
        ):
            with self.subTest(option, **changes), self.assertRaises(AgwError) as caught:
                init(attrs.evolve(self.request, **changes), NOW, "agw")  # type: ignore[arg-type]
            self.assertIn(option, str(caught.exception))
            self.assertFalse(self.directory.exists())


class PrintedTests(InitCase):
    """The next commands; `tests/end_to_end/test_installed.py` runs them."""

    def commands(self, printed: str) -> list[list[str]]:
        """The words of each."""
        return [shlex.split(line) for line in printed.splitlines() if line.startswith("   ")]

    def test_commands(self) -> None:
        """Start a server and the gateway, an accepted client, a refused one: with paths that hold in any directory."""
        pki = f"{self.directory}/pki"
        self.assertEqual(
            self.commands(self.init()),
            [
                ["agw", "demo", "--backend", "127.0.0.1:9000"],
                ["agw", "run", "--config", f"{self.directory}/gw.ini"],
                ["curl", "--cacert", f"{pki}/ca.pem", "--cert", f"{pki}/client.pem", "https://localhost:8443/"],
                ["curl", "--cacert", f"{pki}/ca.pem", "--cert", f"{pki}/stranger.pem", "https://localhost:8443/"],
            ],
        )

    def test_own_server(self) -> None:
        """Who has a server is offered no other one."""
        first, *_ = self.commands(self.init(backend="127.0.0.1:80"))
        self.assertEqual(first[:2], ["agw", "run"])

    def test_responder(self) -> None:
        """The demo's responder goes with the demo's server."""
        first, *_ = self.commands(self.init(ocsp="http://127.0.0.1:9001/"))
        self.assertEqual(first[-4:], ["--responder", "127.0.0.1:9001", "--pki", f"{self.directory}/pki"])

    def test_responder_of_own_server(self) -> None:
        """Who has a server is offered the responder alone; and a client that it calls revoked is shown."""
        first, second, *_, last = self.commands(self.init(backend="127.0.0.1:80", ocsp="http://127.0.0.1:9001/"))
        self.assertEqual(first, ["agw", "demo", "--responder", "127.0.0.1:9001", "--pki", f"{self.directory}/pki"])
        self.assertEqual(second[:2], ["agw", "run"])
        self.assertIn(f"{self.directory}/pki/revoked.pem", last)

    def test_busy_port(self) -> None:
        """A port that another program has is said at once, with what to do."""
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            printed = self.init(port=port)
        expected = f"WARNING the gateway cannot listen on 127.0.0.1:{port} now: Address already in use; change port in"
        self.assertIn(expected, printed)
        self.assertNotIn("WARNING", self.init(port=port, force=True))

    def test_url(self) -> None:
        """Clients are led to the address of the listener where that is one of a network."""
        for address, host in (("0.0.0.0", "localhost"), ("10.0.0.1", "10.0.0.1"), ("2001:db8::1", "[2001:db8::1]")):
            self.assertEqual(attrs.evolve(self.request, address=address).url, f"https://{host}:8443/")

    def test_program(self) -> None:
        """The program is `agw` where every shell finds it, else its path, or the interpreter with the package."""
        directory = self.directory / "bin"
        directory.mkdir(parents=True)
        agw = directory / "agw"
        agw.touch(mode=0o755)
        path = {"PATH": str(directory)}
        self.assertEqual(program(str(agw), path), "agw")
        self.assertEqual(program(str(agw), {**path, "VIRTUAL_ENV": "v"}), shlex.quote(str(agw)))
        self.assertEqual(program(str(agw), {"PATH": "/"}), shlex.quote(str(agw)))
        module = program("/anywhere/agwtwisted/__main__.py", path)
        self.assertEqual(shlex.split(module), [sys.executable, "-m", "agwtwisted"])
