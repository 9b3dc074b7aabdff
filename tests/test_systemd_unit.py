"""conf/agwgateway.service: what it promises, and that systemd takes it."""

from __future__ import annotations

import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.gateway import Gateway
from tests.programs import needs

UNIT = Path(__file__).parent.parent / "conf" / "agwgateway.service"
TWISTD = "/opt/agwtwisted/bin/twistd"


class UnitTests(SynchronousTestCase):
    """The unit as text."""

    def setUp(self) -> None:
        parser = RawConfigParser(delimiters=("=",))
        parser.optionxform = str  # type: ignore[method-assign, assignment]
        parser.read_string(UNIT.read_text())
        self.service = dict(parser["Service"])

    def test_runs_as_nobody_who_can_do_harm(self) -> None:
        """The service is not root, cannot become it, and may do one thing others may not: listen on low ports."""
        self.assertEqual(self.service["User"], "agwgateway")
        self.assertEqual(self.service["NoNewPrivileges"], "yes")
        self.assertEqual(self.service["CapabilityBoundingSet"], "CAP_NET_BIND_SERVICE")
        self.assertEqual(self.service["AmbientCapabilities"], "CAP_NET_BIND_SERVICE")

    def test_sees_little_and_leaves_no_core(self) -> None:
        """The file system is read-only, homes and temporary files are hidden, and no core holds the keys."""
        expected = {"ProtectSystem": "strict", "ProtectHome": "yes", "PrivateTmp": "yes", "LimitCORE": "0"}
        self.assertEqual({key: self.service[key] for key in expected}, expected)

    def test_has_what_the_gateway_needs(self) -> None:
        """It may hold more connections than are accepted, each with one to a server; logs and answers have a place."""
        most = attrs.fields_dict(Gateway)["max_connections"].default
        self.assertGreater(int(self.service["LimitNOFILE"]), 2 * most)
        self.assertEqual((self.service["LogsDirectory"], self.service["StateDirectory"]), ("agwtwisted", "agwtwisted"))
        self.assertEqual(self.service["StateDirectoryMode"], "0700")  # as the gateway itself would make it

    def test_lets_the_gateway_drain(self) -> None:
        """One SIGTERM to the main process, a longer timeout than drain_timeout, and its status is a good end."""
        drain_timeout = attrs.fields_dict(Gateway)["drain_timeout"].default
        self.assertEqual(self.service["KillMode"], "mixed")
        self.assertGreater(float(self.service["TimeoutStopSec"]), drain_timeout)
        self.assertEqual(self.service["SuccessExitStatus"], "143")

    def test_checks_what_it_starts(self) -> None:
        """The configuration is checked before the start, in the same words as the start itself."""
        start, check = self.service["ExecStart"], self.service["ExecStartPre"]
        self.assertEqual(start.replace("--nodaemon --pidfile= ", "") + " --check", check)
        self.assertTrue(start.startswith(TWISTD))

    @needs("systemd-analyze")
    def test_systemd_takes_it(self) -> None:
        """systemd finds no unknown key and no bad value in it."""
        copy = Path(self.mktemp()) / UNIT.name
        copy.parent.mkdir()
        copy.write_text(UNIT.read_text().replace(TWISTD, sys.executable))
        verify = ["systemd-analyze", "verify", str(copy.absolute())]
        done = subprocess.run(verify, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
