"""The store of the control plane: what the next start finds, whenever this process has ended."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.resource_manager.messages import ArmState, Secret, Stored
from agwtwisted.resource_manager import store as stores
from agwtwisted.resource_manager.store import Store

EMPTY = ArmState(tenant="t", subscription="s")
ID = "/subscriptions/s/resourceGroups/RG/providers/Microsoft.Network/applicationGateways/gw"


def state(name: str, **secrets: str) -> ArmState:
    """One whose gateway has this tag, with secrets."""
    stored = Stored(id=ID, body={"tags": {"name": name}, "properties": {"list": [1, None, True]}}, etag=name)
    kept = {each: Secret(data=data, password=f"password of {each}") for each, data in secrets.items()}
    return ArmState(tenant="t", subscription="s", records={ID.lower(): stored}, secrets=kept)


BEFORE, AFTER = state("before", site="QUFB", other="QkJC"), state("after", site="Q0ND", third="RERE")


class StoreCase(SynchronousTestCase):
    """A store in a directory of its own."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name) / "state"
        self.directory.mkdir()

    def read(self) -> ArmState:
        """What the next start finds."""
        return Store(self.directory).read(EMPTY)

    def put(self, kept: ArmState) -> None:
        """Keeps a state."""
        Store(self.directory).stage(kept).commit()

    @property
    def secrets(self) -> list[str]:
        """The names of the files of secrets, by their certificates."""
        return sorted(path.name.partition(".")[0] for path in (self.directory / "arm" / "secrets").iterdir())


class StoreTests(StoreCase):
    """What is kept."""

    def test_nothing_yet(self) -> None:
        """Without a file the state is the one that was given."""
        self.assertEqual(self.read(), EMPTY)

    def test_comes_back(self) -> None:
        """A state comes back whole, with its secrets, and with whether the gateway was stopped."""
        for kept in (BEFORE, AFTER, ArmState(tenant="t", subscription="s", running=False)):
            self.put(kept)
            self.assertEqual(self.read(), kept)

    def test_of_the_start(self) -> None:
        """Subscription and tenant are those of the start."""
        self.put(BEFORE)
        found = Store(self.directory).read(ArmState(tenant="u", subscription="v"))
        self.assertEqual((found.tenant, found.subscription, found.records), ("u", "v", BEFORE.records))

    def test_secrets_stand_apart(self) -> None:
        """The file with the resources holds no secret; files and directories are their owner's alone."""
        self.put(BEFORE)
        self.assertNotIn("QUFB", (self.directory / "arm" / "state.json").read_text())
        for path in (self.directory / "arm").rglob("*"):
            mode = stat.S_IMODE(path.stat().st_mode)
            self.assertEqual(mode, 0o700 if path.is_dir() else 0o600, path)

    def test_old_secrets_go(self) -> None:
        """A secret that is replaced or removed is on the disk no more, nor one of a state that was discarded."""
        self.put(BEFORE)
        self.put(AFTER)
        self.assertEqual(self.secrets, ["site", "third"])
        store = Store(self.directory)
        store.read(EMPTY)
        store.stage(BEFORE).discard()
        self.assertEqual((self.secrets, self.read()), (["site", "third"], AFTER))

    def test_synced(self) -> None:
        """The new name is on the disk before the secrets of the state before go."""
        order: list[str] = []
        self.patch(stores, "sync_directory", lambda path: order.append(path.name))
        store = Store(self.directory, order.append)
        store.stage(BEFORE).commit()
        self.assertEqual(order[-5:], ["rename", "sync", "arm", "clean", "end"])

    def test_odd_names(self) -> None:
        """No name of a certificate leads out of the directory."""
        odd = state("odd", **{"../../x": "QUFB", "..": "QkJC"})
        self.put(odd)
        self.assertEqual(self.read(), odd)
        self.assertEqual([each.name for each in self.directory.iterdir()], ["arm"])

    def test_too_large(self) -> None:
        """A state that is too large is refused, and the one before stays."""
        self.put(BEFORE)
        self.patch(stores, "LARGEST", 100)
        self.assertIn("would have", str(self.assertRaises(ConfigError, Store(self.directory).stage, AFTER)))
        self.assertEqual(self.read(), BEFORE)

    def test_one_process(self) -> None:
        """A second one gets the store once the first one has let go of it."""
        first, second = Store(self.directory), Store(self.directory)
        self.assertEqual((first.lock(), first.lock(), second.lock()), (True, True, False))
        first.unlock()
        self.assertTrue(second.lock())
        second.unlock()


class EndTests(StoreCase):
    """The process ends while it writes, without a word, as by SIGKILL."""

    def ended_at(self, number: int) -> str:
        """Writes in a child that ends at this step; returns its name, empty where it came to the end."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            self._write(number, writer)
        os.close(writer)
        with open(reader, "rb") as pipe:
            name = pipe.read().decode()
        os.waitpid(child, 0)
        return name

    def _write(self, number: int, writer: int) -> None:
        steps = iter(range(1000))

        def step(name: str) -> None:
            if next(steps) == number:
                os.write(writer, name.encode())
                os.kill(os.getpid(), 9)

        try:
            store = Store(self.directory, step)
            store.read(EMPTY)
            store.stage(AFTER).commit()
        finally:
            os._exit(0)

    def test_at_every_step(self) -> None:
        """The next start finds the state before until the rename, then the one after: never another, never none."""
        seen = []
        for number in range(100):
            self.put(BEFORE)
            name = self.ended_at(number)
            if not name:
                break
            seen.append(name)
            expected = AFTER if name in ("sync", "clean", "end") else BEFORE
            self.assertEqual(self.read(), expected, name)
            self.put(AFTER)  # what was left there is in no way of the next one
            self.assertEqual((self.read(), self.secrets), (AFTER, ["site", "third"]))
        self.assertEqual(seen, ["begin", "secret site", "secret third", "state", "rename", "sync", "clean", "end"])


class DamageTests(StoreCase):
    """A store that is not what was written."""

    def problem(self) -> str:
        """What the next start says."""
        return str(self.assertRaises(ConfigError, self.read))

    def test_every_cut(self) -> None:
        """A file that was cut anywhere is refused, and named."""
        self.put(BEFORE)
        file = self.directory / "arm" / "state.json"
        data = file.read_bytes()
        for end in range(0, len(data.rstrip()), 7):
            file.write_bytes(data[:end])
            self.assertIn("state.json is damaged: nothing of it is served", self.problem())

    def test_changed(self) -> None:
        """A value that was changed by hand or by the disk is refused; white space is not."""
        self.put(BEFORE)
        file = self.directory / "arm" / "state.json"
        members: dict[str, Any] = json.loads(file.read_bytes())
        file.write_text(json.dumps(members))
        self.assertEqual(self.read(), BEFORE)
        members["state"]["running"] = False
        file.write_text(json.dumps(members))
        self.assertIn("is damaged", self.problem())

    def test_other_forms(self) -> None:
        """Neither another form of JSON nor a later version is taken for a state."""
        self.put(BEFORE)
        file = self.directory / "arm" / "state.json"
        for text in ("[]", "null", "{}", '{"version": 1}', '{"version": 1, "state": [], "sha256": 1}', "[" * 100_000):
            file.write_text(text)
            self.assertIn("is damaged", self.problem())
        file.write_text('{"version": 2}')
        self.assertIn("is of version 2", self.problem())

    def test_secrets(self) -> None:
        """A secret that is missing, was changed, or that others can read stops the start, by its certificate."""
        self.put(BEFORE)
        (path,) = (self.directory / "arm" / "secrets").glob("site.*")
        data = path.read_bytes()
        path.chmod(0o644)
        self.assertIn("of the certificate site cannot be read", self.problem())
        path.chmod(0o600)
        path.write_bytes(data.replace(b"QUFB", b"QUFC"))
        self.assertIn("of the certificate site is damaged", self.problem())
        path.unlink()
        self.assertIn("of the certificate site cannot be read: No such file", self.problem())
