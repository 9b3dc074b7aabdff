"""The configuration in force, as the control API shows it."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.configuration_in_force import ConfigurationInForce, NamedFile


class ConfigurationInForceTests(SynchronousTestCase):
    """Its members."""

    def test_members(self) -> None:
        """The members are those of the file, of its generation, and of the files that it names."""
        found = ConfigurationInForce(
            file="gw.ini",
            generation=2,
            fingerprint="ab",
            since=0.0,
            text="[gateway]",
            warnings=("WARNING a",),
            files=(NamedFile(path="gw.ini", sha256="00"),),
            report="Listeners",
            resources={"gateway": {"idle_timeout": 75.0}},
        ).members()
        expected = {
            "file": "gw.ini",
            "generation": 2,
            "fingerprint": "ab",
            "since": "1970-01-01T00:00:00Z",
            "text": "[gateway]",
            "overlay": None,
            "warnings": ["WARNING a"],
            "files": [{"path": "gw.ini", "sha256": "00"}],
            "report": "Listeners",
            "resources": [{"path": "gateway", "properties": {"idle_timeout": 75.0}}],
        }
        self.assertEqual(json.loads(json.dumps(found)), expected)
