"""What stands behind the demo's gateway, alone."""

from __future__ import annotations

import json
import signal
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.demo import certificates, servers
from agwtwisted.demo.certificates import DemoError
from tests import running

PLAN = b"""
[gateway]
[ssl_certificate demo]
certificate_file = pki/server.pem
key_file = pki/server.key
[trusted_client_certificate demo]
file = pki/clients-ca.pem
[ssl_profile demo]
trusted_client_certificates = demo
verify_client_revocation = OCSP
ocsp_responder_url = http://127.0.0.1:9001/
[http_listener a]
address = 127.0.0.1
port = 8443
protocol = Https
ssl_certificate = demo
ssl_profile = demo
[listener b]
address = 127.0.0.1
port = 8444
protocol = Tcp
[backend_address_pool app]
backend_addresses = 127.0.0.1:9000, 127.0.0.2
[backend_http_settings app]
port = 9009
[backend_settings app]
port = 9010
[request_routing_rule a]
priority = 1
http_listener = a
backend_address_pool = app
backend_http_settings = app
[routing_rule b]
priority = 2
listener = b
backend_address_pool = app
backend_settings = app
"""


class StartedTests(SynchronousTestCase):
    """Where they listen."""

    def test_everywhere_in_a_configuration(self) -> None:
        """Every server that a rule of HTTP or L4 leads to is one, and every responder of a profile."""
        pki = Path(self.mktemp())
        certificates.ensure(pki, datetime.now(UTC))

        def read(path: str) -> SourceFile:
            return SourceFile(data=(pki / Path(path).name).read_bytes(), mode=0o600)

        reactor = MemoryReactor()
        servers.start_servers(parse(PLAN, "gw.ini", read), pki, reactor)  # type: ignore[arg-type]
        listening = {(host, port) for port, _, _, host in reactor.tcpServers}
        expected = {("127.0.0.1", 9000), ("127.0.0.2", 9009), ("127.0.0.2", 9010), ("127.0.0.1", 9001)}
        self.assertEqual(listening, expected)
        self.assertEqual({factory.noisy for _, factory, _, _ in reactor.tcpServers}, {False})

    def test_address(self) -> None:
        """An address is a host and a port, and what is none is an error."""
        self.assertEqual(servers.address("[::1]:9000"), ("::1", 9000))
        self.assertEqual(servers.address("127.0.0.1:1"), ("127.0.0.1", 1))
        self.assertIsNone(servers.address(None))
        for text in ("9000", ":9000", "a:b", "a:0", "a:65536"):
            with self.subTest(text), self.assertRaises(DemoError) as caught:
                servers.address(text)
            self.assertIn("HOST:PORT", str(caught.exception))

    def test_responder_needs_certificates(self) -> None:
        """Without the clients' certificates there is nothing to answer about."""
        with self.assertRaises(DemoError) as caught:
            servers.start_responder(("127.0.0.1", 9001), Path("nowhere"), MemoryReactor())  # type: ignore[arg-type]
        self.assertIn("responder.pem in nowhere", str(caught.exception))


class AloneTests(SynchronousTestCase):
    """`agw demo --backend`, `agw demo --responder`."""

    def test_without_a_gateway(self) -> None:
        """Both serve, in any directory, until they are interrupted; what they leave behind is nothing."""
        directory = Path(self.mktemp()).absolute()
        certificates.ensure(directory / "pki", datetime.now(UTC))
        before = sorted(directory.rglob("*"))
        backend, responder = running.free_ports(2)
        options = ("--backend", f"127.0.0.1:{backend}", "--responder", f"127.0.0.1:{responder}")
        with running.running(directory, running.PYTHON, "-m", "agwtwisted", "demo", *options) as demo:
            demo.read_until("Ctrl-C ends it")
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"http://127.0.0.1:{backend}/path", timeout=60) as answer:
                self.assertEqual(json.load(answer)["target"], "/path")
            with opener.open(f"http://127.0.0.1:{responder}/", b"x", timeout=60) as answer:
                self.assertEqual(answer.headers["Content-Type"], "application/ocsp-response")
            status, printed = demo.end(signal.SIGINT)
        self.assertEqual(status, 0, printed)
        self.assertNotIn("Traceback", printed)
        self.assertEqual(sorted(directory.rglob("*")), before)
