"""The fixture `agw_gateway`: gateways for the tests of other projects."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import pytest_plugin
from tests.arm_gateways import gateway, listener, rule
from tests.running import free_ports

REDIRECT = """
[http_listener public]
address = 127.0.0.1
port = {port}
protocol = Http

[redirect_configuration away]
redirect_type = Found
target_url = http://127.0.0.1:{port}/
include_path = false

[request_routing_rule main]
priority = 1
http_listener = public
redirect_configuration = away
"""

TEST = """
import urllib.error, urllib.request

class Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None

def test_redirect(agw_gateway):
    gateway = agw_gateway("gw.ini")
    assert list(gateway.listeners) == ["public"]
    try:
        urllib.request.build_opener(Stays).open(gateway.url("/some", listener="public"), timeout=60)
    except urllib.error.HTTPError as error:
        with error:
            assert (error.code, error.headers["Location"]) == (302, gateway.url("/"))
    else:
        assert False
"""


class FixtureTests(SynchronousTestCase):
    """A project that has the package installed."""

    def setUp(self) -> None:
        """Its directory, with a configuration."""
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        (self.port,) = free_ports(1)
        self.config = self.directory / "gw.ini"
        self.config.write_text(REDIRECT.format(port=self.port))

    def test_session(self) -> None:
        """Its tests get a gateway by the fixture alone, which pytest finds by itself."""
        (self.directory / "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "test_it.py"]
        run = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)  # 5: it has found no test

    def test_document(self) -> None:
        """Ports of an ARM document are replaced by free ones; when it has stopped, its log can still be read."""
        document = self.directory / "gateway.json"
        listeners = [listener("web", hostNames=["a.example"]), listener("other", hostName="b.example")]
        rules = [rule("web", "web", 1), rule("other", "other", 2)]
        document.write_text(json.dumps(gateway(httpListeners=listeners, requestRoutingRules=rules)))
        backends = {"app": [f"127.0.0.1:{self.port}"]}
        with pytest_plugin.start_gateway(document, self.directory, backends=backends) as running:
            self.assertEqual(running.listeners["other"].host_names, ("b.example",))
            self.assertEqual(running.url(listener="web"), running.url(listener="other"))
            request = Request(running.url("/x"), headers={"Host": "a.example"})
            with self.assertRaises(HTTPError) as raised:
                urlopen(request, timeout=60)
            raised.exception.close()
            self.assertEqual(raised.exception.code, 502)  # there is no server
        with self.assertRaises(OSError):
            urlopen(running.url(), timeout=60)
        self.assertIn("ready in", running.log)
        running.stop()

    def test_wrong_configuration(self) -> None:
        """A configuration that is not valid is refused with the reasons that `agw check` gives."""
        self.config.write_text(REDIRECT.format(port=self.port).replace("Found", "Lost"))
        with self.assertRaises(pytest_plugin.GatewayNotStartedError) as raised:
            pytest_plugin.start_gateway(self.config, self.directory)
        [line] = str(raised.exception).splitlines()
        self.assertRegex(line, r"gw\.ini:\d+ \[redirect_configuration \w+\] redirect_type is 'Lost'")

    def test_busy_port(self) -> None:
        """A gateway that ends before it is ready is no gateway: its log says why."""
        with (
            socket.create_server(("127.0.0.1", self.port)),
            self.assertRaises(pytest_plugin.GatewayNotStartedError) as raised,
        ):
            pytest_plugin.start_gateway(self.config, self.directory)
        self.assertIn("cannot listen on 127.0.0.1", str(raised.exception))
