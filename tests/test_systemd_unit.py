"""deploy/systemd: what the unit promises, that systemd takes it, and that the files beside it fit to it."""

from __future__ import annotations

import getpass
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.deploy import _files
from agwtwisted.core.resources.gateway import Gateway
from tests.programs import needs

FILES = Path(__file__).parent.parent / "deploy" / "systemd"
UNIT = FILES / "agwgateway.service"
TWISTD = "/opt/agwtwisted/bin/twistd"
AGW = "/opt/agwtwisted/bin/agw"


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

    def test_reload(self) -> None:
        """`systemctl reload` fails where a reload is rejected: `agw` asks for it, and systemd's signal does nothing."""
        file = self.service["ExecStart"].partition("--config ")[2]
        self.assertEqual(self.service["ExecReload"], f"{AGW} reload --config {file}")
        self.assertEqual((self.service["Type"], self.service["ReloadSignal"]), ("notify-reload", "SIGCONT"))
        self.assertEqual(self.service["NotifyAccess"], "main")

    def test_has_a_place_for_the_control_socket(self) -> None:
        """The runtime directory is the gateway's alone."""
        self.assertEqual(
            (self.service["RuntimeDirectory"], self.service["RuntimeDirectoryMode"]), ("agwtwisted", "0700")
        )

    @needs("systemd-analyze")
    def test_systemd_takes_it(self) -> None:
        """systemd finds no unknown key and no bad value in the units; an earlier one, after the changes it names."""
        directory = Path(self.mktemp())
        directory.mkdir()
        text = UNIT.read_text().replace(TWISTD, sys.executable).replace(AGW, sys.executable)
        if version() < 253:
            text = text.replace("Type=notify-reload", "Type=notify").replace("ReloadSignal=SIGCONT\n", "")
        (directory / UNIT.name).write_text(text)
        (directory / "agwgateway.socket").write_text((FILES / "agwgateway.socket").read_text())
        paths = [str((directory / name).absolute()) for name in (UNIT.name, "agwgateway.socket")]
        done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class BesideTests(SynchronousTestCase):
    """The files beside the unit."""

    def test_socket(self) -> None:
        """Its sockets are such as the gateway takes: of one address family each, and not one for each connection."""
        lines = (FILES / "agwgateway.socket").read_text().splitlines()
        for line in ("ListenStream=0.0.0.0:443", "BindIPv6Only=ipv6-only", "Accept=no"):
            self.assertIn(line, lines)

    def test_logrotate(self) -> None:
        """The log of the unit's directory is rotated, and the main process of the unit gets the signal."""
        text = (FILES / "agwgateway.logrotate").read_text()
        self.assertIn("/var/log/agwtwisted/access.log {", text)
        self.assertIn("systemctl kill --kill-who=main --signal=USR1 agwgateway.service", text)

    @needs("systemd-tmpfiles")
    def test_tmpfiles(self) -> None:
        """The directories are those of the unit, with its permissions."""
        user = getpass.getuser()
        file = Path(self.mktemp()).absolute()
        file.write_text((FILES / "agwgateway.tmpfiles").read_text().replace("agwgateway agwgateway", f"{user} {user}"))
        root = file.with_suffix(".root")
        root.mkdir()
        create = ["systemd-tmpfiles", "--create", f"--root={root}", str(file)]
        done = subprocess.run(create, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for path, mode in (("run", 0o700), ("var/lib", 0o700), ("var/log", 0o750)):
            self.assertEqual((root / path / "agwtwisted").stat().st_mode & 0o777, mode)

    def test_installed(self) -> None:
        """`agw deploy` has each of them."""
        self.assertEqual(sorted(path.name for path in FILES.iterdir()), sorted(_files("systemd")))


def version() -> int:
    """Systemd's."""
    done = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])
