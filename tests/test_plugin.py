"""The plugin, as twistd finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

LOADS_NO_REACTOR = """
import sys
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
assert "agwgateway" in {maker.tapname for maker in getPlugins(IServiceMaker)}
print([name for name in ("twisted.internet.reactor", "agwtwisted.tap") if name in sys.modules])
"""


class PluginTests(SynchronousTestCase):
    """`twistd agwgateway` is there."""

    def test_is_found(self) -> None:
        """Among the services that twistd offers there is exactly one of our name, made by `agwtwisted.tap`."""
        ours = [maker for maker in getPlugins(IServiceMaker) if maker.tapname == "agwgateway"]
        self.assertEqual([maker.module for maker in ours], ["agwtwisted.tap"])

    def test_loads_nothing_until_chosen(self) -> None:
        """Finding the plugin imports neither the gateway nor the reactor, so `twistd --reactor` still has a choice."""
        done = subprocess.run([sys.executable, "-c", LOADS_NO_REACTOR], capture_output=True, text=True, check=False)
        self.assertEqual((done.stdout, done.returncode), ("[]\n", 0), done.stderr)

    def test_is_listed(self) -> None:
        """`twistd --help` names it, with its description, however wide the terminal is."""
        twistd = Path(sys.executable).with_name("twistd")
        done = subprocess.run([sys.executable, str(twistd), "--help"], capture_output=True, text=True, check=False)
        self.assertIn("agwgateway A TLS gateway with client certificate authentication.", " ".join(done.stdout.split()))
