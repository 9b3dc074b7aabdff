"""What `agw control` begins with."""

from __future__ import annotations

import stat
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import AgwError
from agwtwisted.resource_manager.first_start import PlaneSetup, begin
from agwtwisted.resource_manager.tokens import CLIENT, TENANT

NOTHING: Mapping[str, str] = {}


class BeginTests(SynchronousTestCase):
    """In a directory of its own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "an odd 'name"

    def begun(self, control: Mapping[str, str] = NOTHING, arm: Mapping[str, str] = NOTHING) -> PlaneSetup:
        """What a start has."""
        return begin(self.directory, control, arm, partial(datetime.now, UTC))

    def test_first(self) -> None:
        """The first start makes all of it, its owner's alone but for the CA's certificate."""
        setup = self.begun({"arm_port": "8999"}, {"ports": "443=8443"})
        self.assertEqual(setup.url, "https://localhost:8999")
        text = setup.file.read_text()
        self.assertIn("[control]\narm = true\narm_port = 8999\n", text)
        self.assertIn("[arm]\nports = 443=8443\n", text)
        self.assertEqual(stat.S_IMODE(self.directory.stat().st_mode), 0o700)
        open_to_others = [each.name for each in self.directory.iterdir() if each.stat().st_mode & 0o077]
        self.assertEqual(open_to_others, ["ca.pem"])

    def test_next(self) -> None:
        """The next start has the same, also where the file was changed; keys that would not count are refused."""
        first = self.begun()
        first.file.write_text(first.file.read_text().replace("arm = true", "arm = true\naddress = 127.0.0.7"))
        second = self.begun()
        self.assertEqual((second.secret, second.url), (first.secret, "https://127.0.0.7:8902"))
        error = self.assertRaises(AgwError, self.begun, {"arm_port": "1"}, {"port_offset": "2"})
        self.assertIn("set arm_port, port_offset in it, or name another --directory", str(error))

    def test_wrong_keys(self) -> None:
        """A value that is not taken leaves no configuration behind."""
        self.assertRaises(AgwError, self.begun, {"arm_subscription": "x"})
        self.assertRaises(AgwError, self.begun, {}, {"ports": "443"})
        self.assertEqual([each.name for each in self.directory.iterdir()], [])

    def test_other_configuration(self) -> None:
        """A file that asks for no control plane is not run as one."""
        self.begun().file.write_text("[gateway]\nstate_directory = .\n")
        self.assertIn("has no arm = true", str(self.assertRaises(AgwError, self.begun)))

    def test_summary(self) -> None:
        """What is printed at the start says where the secret is, and not what it is."""
        setup = self.begun()
        for each in (setup.summary(), repr(setup)):
            self.assertNotIn(setup.secret, each)
        for each in ("https://localhost:8902", TENANT, CLIENT, "arm.secret", "ca.pem"):
            self.assertIn(each, setup.summary())

    def test_lines(self) -> None:
        """The lines set up a shell, whatever the directory is called; `az login` has the secret's file in its place."""
        setup = self.begun()
        script = f'az() {{ echo az "$@"; }}\n{setup.lines()}\nenv'
        printed = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, check=True).stdout
        self.assertIn(f"REQUESTS_CA_BUNDLE={setup.ca_file}\n", printed)
        self.assertIn(f"ARM_CLIENT_SECRET={setup.secret}\n", printed)
        self.assertIn(f"-p @{setup.secret_file} --tenant {TENANT}", printed)
        self.assertTrue(setup.secret[0].isalpha())
