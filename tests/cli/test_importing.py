"""`agw import`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.arm_gateways import child, gateway, https
from tests.cli.calls import Called, call


class ImportTests(SynchronousTestCase):
    """Its report and its exit statuses."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.output = self.directory / "edge dir"

    def run_import(self, document: Any, *options: str) -> Called:
        """Imports a document."""
        (self.directory / "edge.json").write_text(json.dumps(document, indent=1))
        return call("import", str(self.directory / "edge.json"), "--output", str(self.output), *options)

    def test_report(self) -> None:
        """Every finding in one table, what was written, and the next command."""
        done = self.run_import(https() | {"location": "westeurope"})
        self.assertEqual((done.status, done.err), (0, ""))
        self.assertTrue(done.out.startswith(f"{self.directory}/edge.json\n  level"), done.out)
        self.assertIn("location has no effect", " ".join(done.out.split()))
        lines = done.out.splitlines()
        self.assertIn(f"{self.output}/gw.ini written, with ", lines[-2])
        self.assertEqual(lines[-1], f"next: agw run --config '{self.output}/gw.ini'")
        self.assertEqual(call("check", "--config", f"{self.output}/gw.ini").status, 0)

    def test_order(self) -> None:
        """What is refused comes first, then warnings, then notes."""
        body = gateway(backendAddressPools=[child("app")], enableHttp2=True)
        words = [line.strip().partition(" ")[0] for line in self.run_import(body | {"location": "a"}).out.splitlines()]
        found = [each for each in words if each in ("ERROR", "WARNING", "NOTE")]
        self.assertEqual(found, sorted(found, key=["ERROR", "WARNING", "NOTE"].index))
        self.assertIn("WARNING", found)

    def test_refused(self) -> None:
        """What is refused is exit status 1, and nothing is written."""
        done = self.run_import(gateway(sslCertificates=[child("site", data="****")]))
        self.assertEqual(done.status, 1)
        self.assertTrue(done.out.endswith("edge.json: refused; nothing was written\n"), done.out)
        self.assertFalse(self.output.exists())
        done = self.run_import(gateway(backendAddressPools=[child("app")]), "--strict")
        self.assertEqual((done.status, self.output.exists()), (1, False))

    def test_json(self) -> None:
        """Programs get findings, files and what a check says of them; no secret is among it."""
        done = self.run_import(https(), "--json")
        answer = json.loads(done.out)
        self.assertEqual((done.status, answer["gateway"], answer["check"]["valid"]), (0, "edge", True))
        self.assertEqual(answer["file"], f"{self.output}/gw.ini")
        self.assertNotIn("MII", done.out)
        refused = json.loads(self.run_import(gateway(httpListeners=[]), "--json", "--force").out)
        self.assertEqual((refused["file"], refused["written"], refused["check"]), (None, [], None))

    def test_unreadable(self) -> None:
        """A file that cannot be read is exit status 2; one that is there already is 1."""
        done = call("import", str(self.directory / "none.json"))
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("cannot be read", done.err)
        self.assertEqual(self.run_import(gateway()).status, 0)
        done = self.run_import(gateway())
        self.assertEqual(done.status, 1)
        self.assertIn("there already", done.err)
