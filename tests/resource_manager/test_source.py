"""Where configurations of a gateway with a control plane come from."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.resource_manager.messages import ArmState, Stored
from agwtwisted.loading import Loaded
from agwtwisted.reload import FileSource
from agwtwisted.resource_manager.source import AnySource, PlaneSource, source_of
from agwtwisted.resource_manager.store import Store

NOW = datetime(2026, 11, 30, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-0000-0000-00000000abcd"
GATEWAY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/applicationGateways/gw"


class SourceTests(SynchronousTestCase):
    """Of a file in a directory of its own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.file = self.directory / "gateway.ini"
        self.write(f"[gateway]\nstate_directory = .\n[control]\narm = yes\narm_subscription = {SUBSCRIPTION}\n")

    def write(self, text: str) -> None:
        """The file."""
        self.file.touch(0o600)
        self.file.write_text(text)

    def source(self, check: Any = lambda _: None) -> AnySource:
        """That of a start."""
        return source_of(str(self.file), lambda: NOW, check)

    def keep(self, *, running: bool = True) -> None:
        """A gateway has been put."""
        body = {"name": "gw", "location": "local", "properties": {}}
        records = {GATEWAY.lower(): Stored(id=GATEWAY, body=dict(body), etag="1")}
        state = ArmState(tenant="t", subscription=SUBSCRIPTION, records=records, running=running)
        Store(self.directory).stage(state).commit()

    def arm(self) -> PlaneSource:
        """One with a control plane."""
        found = self.source()
        assert isinstance(found, PlaneSource)
        return found

    def test_without_a_control_plane(self) -> None:
        """A file that does not ask for one is what it was; one that cannot be read is so, too."""
        for text in ("[gateway]\n", "[control]\narm = false\n", "[control]\narm = perhaps\n", "\0"):
            self.write(text)
            self.assertIsInstance(self.source(), FileSource)
        self.file.unlink()
        self.assertIsInstance(self.source(), FileSource)

    def test_nothing_put(self) -> None:
        """While nothing is put, the file alone is the configuration, and serves nothing."""
        source = self.arm()
        self.assertEqual((source.body, source.state.subscription), (None, SUBSCRIPTION))
        self.assertEqual(source.load().plan.addresses, ())
        self.assertEqual(source.load().plan.gateway.state_directory, f"{self.directory}/.")

    def test_put(self) -> None:
        """A gateway that was put is what serves; one that was stopped is known, and serves nothing."""
        self.keep()
        body = self.arm().body
        assert body is not None
        self.assertEqual(json.loads(json.dumps(body, default=dict))["name"], "gw")
        self.keep(running=False)
        source = self.arm()
        self.assertEqual((source.body, list(source.state.records)), (None, [GATEWAY.lower()]))

    def test_damaged(self) -> None:
        """A store that is damaged stops the start."""
        self.keep()
        (self.directory / "arm" / "state.json").write_text("{")
        self.assertIn("is damaged", str(self.assertRaises(ConfigError, self.source)))

    def test_without_state_directory(self) -> None:
        """A control plane needs a place for its state."""
        self.write("[control]\narm = true\n")
        self.assertIn("arm needs state_directory", str(self.assertRaises(ConfigError, self.source)))

    def test_check(self) -> None:
        """What this process cannot have is refused from wherever it comes."""

        def check(_: Loaded) -> None:
            raise ConfigError([Problem(place=Place(file="x"), message="not here")])

        source = self.source(check)
        for call in (source.load, lambda: source.reread(self.arm().load().files)):
            self.assertIn("not here", str(self.assertRaises(ConfigError, call)))

    def test_reread(self) -> None:
        """What it names is read anew, with the text that is in force."""
        source = self.arm()
        loaded = source.load()
        self.file.write_text("nothing")
        self.assertEqual(source.reread(loaded.files).plan, loaded.plan)
