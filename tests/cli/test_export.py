"""`agw export`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import configurations
from tests.cli.answered import answered
from tests.cli.calls import call


class ExportTests(SynchronousTestCase):
    """A configuration with its files, and what is written of it."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        (self.directory / "pki").mkdir(parents=True)
        for path, data in configurations.files().data.items():
            file = self.directory / Path(path).relative_to("conf")
            file.write_bytes(data)
            file.chmod(0o600)
        self.file = self.directory / "edge.ini"
        self.file.write_text(configurations.GOOD)
        self.addCleanup(os.umask, os.umask(0o022))
        self.output = self.directory / "out" / "gateway.json"

    def test_standard_output(self) -> None:
        """The body goes to standard output, without keys; what Azure will not know goes to standard error."""
        done = call("export", str(self.file))
        body = json.loads(done.out)
        self.assertEqual((done.status, body["name"]), (0, "edge"))
        self.assertEqual(body["properties"]["sslCertificates"], [{"name": "site", "properties": {}}])
        self.assertIn("NOTE", done.err)
        self.assertIn("Azure does not know access_log", done.err)
        self.assertIn("NOTE the overlay is not written to standard output", done.err)

    def test_files(self) -> None:
        """With --output there is an overlay beside the document, whose paths are relative to it."""
        done = call("export", str(self.file), "--output", str(self.output), "--gateway", "other")
        overlay = self.output.with_name("gateway.overlay.ini")
        self.assertEqual((done.status, done.out), (0, f"{self.output} written\n{overlay} written\n"))
        self.assertEqual(json.loads(self.output.read_text())["name"], "other")
        self.assertIn("certificate_file = ../pki/site.pem\n", overlay.read_text())

    def test_modes(self) -> None:
        """What is written of a file that its owner alone may read is not more open: headers may have secrets."""
        for mode, expected in ((0o600, 0o600), (0o644, 0o644)):
            self.file.chmod(mode)
            self.assertEqual(call("export", str(self.file), "--output", str(self.output), "--force").status, 0)
            for each in self.output.parent.iterdir():
                self.assertEqual(each.stat().st_mode & 0o777, expected, each)

    def test_there_already(self) -> None:
        """Nothing is overwritten without --force, and then nothing is written: exit status 2."""
        self.output.parent.mkdir()
        self.output.write_text("mine")
        done = call("export", str(self.file), "--output", str(self.output))
        self.assertEqual((done.status, self.output.read_text()), (2, "mine"))
        self.assertFalse(self.output.with_name("gateway.overlay.ini").exists())
        self.assertEqual(call("export", str(self.file), "--output", str(self.output), "--force").status, 0)
        self.assertIn("httpListeners", self.output.read_text())

    def test_secrets(self) -> None:
        """With --secrets the body has certificates with their keys, and is readable by its owner alone."""
        self.assertEqual(call("export", str(self.file), "--secrets").status, 2)
        done = call("export", str(self.file), "--output", str(self.output), "--secrets")
        self.assertEqual((done.status, self.output.stat().st_mode & 0o777), (0, 0o600))
        [certificate] = json.loads(self.output.read_text())["properties"]["sslCertificates"]
        self.assertTrue(certificate["properties"]["data"].startswith("MI"))
        self.assertNotIn(certificate["properties"]["password"], done.out + done.err)

    def test_template(self) -> None:
        """A template has no secrets; with --secrets they are in a file of parameters, for its owner alone."""
        done = call("export", str(self.file), "--template", "--secrets", "--output", str(self.output))
        self.assertEqual(done.status, 0, done.err)
        parameters = self.output.with_name("gateway.parameters.json")
        self.assertEqual(parameters.stat().st_mode & 0o777, 0o600)
        password = json.loads(parameters.read_text())["parameters"]["sslCertificate_site_password"]["value"]
        self.assertNotIn(password, self.output.read_text())
        self.assertIn("$schema", json.loads(call("export", str(self.file), "--template").out))

    def test_not_valid(self) -> None:
        """A configuration that is not valid, or not there, is exit status 2, with its problems."""
        self.file.write_text("[gateway]\nfoo = 1\n")
        done = call("export", str(self.file))
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("edge.ini:2 [gateway] unknown key 'foo'", done.err)

    def test_in_force(self) -> None:
        """Without a file it is the one that a running gateway has in force, unless that has changed since."""
        plan = configurations.plan(configurations.GOOD)
        done, asked = answered({"file": str(self.file), "fingerprint": plan.fingerprint}, "export")
        self.assertEqual((done.status, json.loads(done.out)["name"]), (0, "edge"))
        self.assertEqual(asked.call_args.args[1:], ("/configuration",))
        done, _ = answered({"file": str(self.file), "fingerprint": "0"}, "export")
        self.assertEqual((done.status, done.out), (2, ""))
        self.assertIn("it has changed since", done.err)
