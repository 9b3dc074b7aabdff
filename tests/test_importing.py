"""`agwtwisted.importing`: a gateway in ARM JSON becomes an INI file with its certificates, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.arm_files import ArmArguments
from agwtwisted.core.base.errors import AgwError, ConfigError, Severity
from agwtwisted.importing import Imported, ImportRequest, import_gateway
from agwtwisted.loading import UnreadableError, load
from tests import arm_gateways, pki
from tests.arm_gateways import child, gateway

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/{}.json#"


class ImportTests(SynchronousTestCase):
    """Documents, and what becomes of them."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o700)
        self.output = self.directory / "edge"

    def write(self, name: str, document: Any) -> str:
        """A file of JSON, or of text; returns its path."""
        text = document if isinstance(document, str) else json.dumps(document, indent=1)
        (self.directory / name).write_text(text)
        return str(self.directory / name)

    def importing(self, *files: str, **options: Any) -> Imported:
        """What becomes of files."""
        keys = options.pop("keys", ())
        request = ImportRequest(files=files, directory=self.output, arguments=ArmArguments(keys=keys))
        return import_gateway(attrs.evolve(request, **options), pki.NOW)

    def test_written(self) -> None:
        """The INI file says what the document says, and where it came from."""
        file = self.write("edge.json", gateway())
        done = self.importing(file, keys=(("port_offset", "8000"),))
        self.assertEqual(done.written, (self.output / "gw.ini",))
        self.assertEqual(done.sections["http_listener"], 1)
        self.assertIn(f"# Imported from {file}", done.file.read_text())
        plan = load(str(done.file), pki.NOW)
        self.assertEqual(plan.addresses, (("127.0.0.1", 8080),))
        self.assertEqual((self.output.stat().st_mode & 0o777, done.file.stat().st_mode & 0o777), (0o700, 0o600))

    def test_secrets(self) -> None:
        """Certificates with their keys, and passwords, are in files for their owner alone, in a directory as well."""
        done = self.importing(self.write("edge.json", arm_gateways.https()))
        modes = {path.name: path.stat().st_mode & 0o777 for path in done.written if path.parent != self.output}
        self.assertEqual(set(modes.values()), {0o600}, modes)
        self.assertEqual((self.output / "certificates").stat().st_mode & 0o777, 0o700)
        self.assertNotIn("MII", done.file.read_text() + json.dumps(done.members()))
        load(str(done.file), pki.NOW)

    def test_order(self) -> None:
        """The INI file gets its name last: it never names files that are not there."""
        with mock.patch("agwtwisted.importing.write_all") as written:
            self.importing(self.write("edge.json", arm_gateways.https()))
        self.assertEqual([*written.call_args.args[0]][-1].name, "gw.ini")

    def test_refused(self) -> None:
        """Where anything is refused nothing is written, and each finding has its JSON path."""
        body = gateway(httpListeners=[arm_gateways.listener("web", port="none")])
        done = self.importing(self.write("edge.json", body))
        self.assertFalse(done.is_taken)
        self.assertFalse(self.output.exists())
        [found] = [each for each in done.findings if each.severity is Severity.ERROR][:1]
        self.assertIn("properties.httpListeners[0]", found.place.path)

    def test_judged(self) -> None:
        """The rules for any configuration are those for an imported one: what no gateway would serve is not written."""
        done = self.importing(self.write("edge.json", gateway(httpListeners=[], requestRoutingRules=[])))
        self.assertEqual((done.is_taken, self.output.exists()), (False, False))

    def test_strict(self) -> None:
        """With `strict` a warning is an error; the file has warnings beside what they are about."""
        file = self.write("edge.json", gateway(backendAddressPools=[child("app")]))
        self.assertFalse(self.importing(file, strict=True).is_taken)
        done = self.importing(file)
        self.assertTrue(done.is_taken)
        self.assertIn(Severity.WARNING, [each.severity for each in done.findings])

    def test_there_already(self) -> None:
        """A file that is there is not replaced, unless that is wanted, and then nothing else is written either."""
        file = self.write("edge.json", arm_gateways.https())
        self.output.mkdir()
        (self.output / "gw.ini").write_text("mine")
        self.assertRaises(AgwError, self.importing, file)
        self.assertEqual([each.name for each in self.output.iterdir()], ["gw.ini"])
        self.assertTrue(self.importing(file, force=True).is_taken)
        self.assertIn("[http_listener web]", (self.output / "gw.ini").read_text())

    def test_directory(self) -> None:
        """Without a directory a new one has the name of the gateway; it begins neither hidden nor as an option does."""
        file = self.write("edge.json", gateway(httpListeners=[]) | {"name": "../a b"})
        self.assertEqual(self.importing(file, directory=None).file, Path("a-b/gw.ini"))

    def test_parameters(self) -> None:
        """A file of parameters is told from the document by its content, in whatever order they are named."""
        body = gateway()
        body["properties"]["backendHttpSettingsCollection"] = [
            child("plain", port="[parameters('port')]", protocol="Http")
        ]
        template = {
            "$schema": SCHEMA.format("deploymentTemplate"),
            "parameters": {"port": {"type": "int"}},
            "resources": [{"type": "Microsoft.Network/applicationGateways", "apiVersion": "2025-03-01", **body}],
        }
        del template["resources"][0]["id"]  # type: ignore[index]
        document = self.write("main.json", template)
        self.assertFalse(self.importing(document).is_taken)
        values = {"$schema": SCHEMA.format("deploymentParameters"), "parameters": {"port": {"value": 9123}}}
        done = self.importing(self.write("a.json", values), document)
        self.assertTrue(done.is_taken, done.findings)
        self.assertIn("port = 9123\n", done.file.read_text())

    def test_wrong_files(self) -> None:
        """What is no document is an error that says what it is, as are two documents and a missing file."""
        document = self.write("edge.json", gateway())
        self.assertIn(
            "is an INI file", str(self.assertRaises(ConfigError, self.importing, self.write("a.ini", "[gateway]\n")))
        )
        bicep = self.write("main.bicep", "param a string\n")
        self.assertIn("bicep build", str(self.assertRaises(ConfigError, self.importing, bicep)))
        self.assertRaises(UnreadableError, self.importing, str(self.directory / "none.json"))
        other = self.write("other.json", gateway())
        self.assertIn("one document", str(self.assertRaises(AgwError, self.importing, document, other)))

    def test_several_gateways(self) -> None:
        """Of several gateways one has to be named."""
        file = self.write("list.json", [gateway(), gateway() | {"name": "other"}])
        self.assertIn("'edge', 'other'", str(self.assertRaises(ConfigError, self.importing, file)))
        self.assertEqual(self.importing(file, keys=(("name", "other"),)).gateway, "other")

    def test_overlay(self) -> None:
        """What the overlay beside the document sets is imported as well."""
        file = self.write("edge.json", gateway())
        self.write("edge.overlay.ini", "[gateway]\naccess_log = access.json\n")
        done = self.importing(file)
        self.assertIn("[gateway]\naccess_log = ../access.json\n", done.file.read_text())
