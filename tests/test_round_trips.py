"""A configuration keeps its meaning from ARM to a file, and from a file to ARM and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from azure.mgmt.network.models import ApplicationGateway
from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.conversion import Conversion, convert
from agwtwisted.core.arm.documents import gateways
from agwtwisted.core.arm.exporting import ExportOptions, exported
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.arm.overlay import overlaid
from agwtwisted.core.arm.parameters import read_parameters
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.configuration.parsing import parse_document
from agwtwisted.core.reports.facts import Facts, facts_of
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini import Document
from agwtwisted.core.sections.ini_text import written
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.sources import ReadFile, SourceFile
from agwtwisted.demo import certificates
from agwtwisted.starter.configuration import Starter, StarterMode
from tests import EXAMPLES, configurations, pki
from tests.control_planes import GATEWAY, StandIn
from tests.core.arm import generated
from tests.core.arm.everything import EVERYTHING

ROOT = Path(__file__).parent.parent
IMPLIED = ("arm", "gateway", "rewrite_rule_set")
"""Kinds of sections that need not be there."""
OCSP = "http://127.0.0.1:9001/"
UNSAID = {"arm", "rewrite_rule_set"}
"""Kinds of sections that it does without."""
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_BLOCK = re.compile(r"```ini\n(.*?)```", re.DOTALL)
CONFIGURATIONS = sorted((ROOT / "conf").glob("*.ini"))


def reader(files: Mapping[str, bytes]) -> ReadFile:
    """Reads files by their paths."""

    def read(path: str) -> SourceFile:
        """A file."""
        return SourceFile(data=files[path.removeprefix("./")], mode=0o600)

    return read


def converted(document: bytes, overlay: Document | None = None) -> Conversion:
    """The configuration of a document; an overlay gives addresses."""
    [gateway] = gateways(document, "gateway.json", TemplateContext())
    arm = [
        each for section in (overlay.sections if overlay else ()) if section.kind == "arm" for each in section.entries
    ]
    addresses = {each.key.partition(".")[2]: each.value for each in arm}
    return convert(gateway, ImportOptions(addresses=addresses))


def facts(document: Document, read: ReadFile, file: str = "gateway.json") -> tuple[Facts, frozenset[str]]:
    """The facts of a configuration, which has to be valid, and the titles of all its sections, in use or not."""
    plan = parse_document(document, file, read, now=pki.NOW)
    return facts_of(plan), frozenset(
        title.casefold() for title in plan.origins.places if title.partition(" ")[0] not in IMPLIED
    )


def again(document: Document, read: ReadFile) -> tuple[Any, Any]:
    """The facts of a configuration that was written as ARM with its overlay, run as it is and imported."""
    options = ExportOptions(password="a new one")
    export = exported(document, read, lambda data: converted(data).document, options)
    overlay = ini.parse(written(export.overlay).encode(), "gateway.overlay.ini")
    found = converted(json.dumps(export.body).encode(), overlay)
    whole = overlaid(found.document, overlay)
    files = {path: file.data for path, file in found.files.items()}

    def read_both(path: str) -> SourceFile:
        """A file of the document, or one that the overlay names."""
        return reader(files)(path) if path in files else read(path)

    imported = ini.parse(written(whole).encode(), "gw.ini")
    return facts(whole, read_both), facts(imported, read_both)


def _demo(path: str) -> SourceFile:
    """A file that the demo makes."""
    return SourceFile(data=_demo_files()[Path(path).name], mode=0o600)


@cache
def _demo_files() -> Mapping[str, bytes]:
    return certificates.make(pki.NOW)


def _body(text: bytes) -> Any:
    """The body that is written of a configuration, with its keys."""
    options = ExportOptions(password="a new one")
    return exported(ini.parse(text, "gw.ini"), _demo, lambda data: converted(data).document, options).body


def _unknown(model: Any, value: Any, path: str = "") -> Iterator[str]:
    """The members of a body that its model does not know."""
    if isinstance(value, list):
        for each, inner in zip(model, value, strict=True):
            yield from _unknown(each, inner, path)
    elif isinstance(value, dict):
        fields = {each._rest_name: name for name, each in getattr(model, "_attr_to_rest_field", {}).items()}
        for name, inner in value.items():
            at = f"{path}.{name}".lstrip(".")
            if name in fields:
                yield from _unknown(getattr(model, fields[name]), inner, at)
            else:
                yield at


class RoundTripTests(SynchronousTestCase):
    """Facts before and after."""

    maxDiff = None

    @given(generated.gateways())
    @settings(max_examples=EXAMPLES or 30)
    def test_documents(self, document: bytes) -> None:
        """A document that is imported says the same as itself, and so do its export and what is imported of that."""
        first = converted(document)
        read = reader({path: file.data for path, file in first.files.items()})
        said = facts(first.document, read)
        self.assertEqual(facts(ini.parse(written(first.document).encode(), "gw.ini"), read), said)
        run, imported = again(first.document, read)
        self.assertEqual(run, said)
        self.assertEqual(imported, said)

    def test_examples(self) -> None:
        """Each example configuration says the same as ARM with an overlay."""
        for file in (*CONFIGURATIONS, ROOT / "agwtwisted" / "demo" / "gw.ini"):
            document = ini.parse(file.read_bytes(), "gw.ini")
            self.assertEqual(again(document, _demo), (facts(document, _demo, "gw.ini"),) * 2, file)

    def test_everything(self) -> None:
        """So does a configuration with every kind of section, and with keys and values that ARM has no place for."""
        document = ini.parse(EVERYTHING.encode(), "gw.ini")
        self.assertEqual({each.kind for each in document.sections} | UNSAID, {*KINDS})
        self.assertEqual(again(document, _first), (facts(document, _first, "gw.ini"),) * 2)

    def test_models(self) -> None:
        """The models of the SDK know every member of a body that is written of an example."""
        unknown = {
            (file.name, path)
            for file in CONFIGURATIONS
            for path in _unknown(ApplicationGateway(_body(file.read_bytes())), _body(file.read_bytes()))
        }
        self.assertEqual(unknown, set())
        body = _body(CONFIGURATIONS[0].read_bytes())
        body["properties"]["httpListeners"][0]["properties"]["protocoll"] = "Http"
        self.assertEqual(
            list(_unknown(ApplicationGateway(body), body)), ["properties.httpListeners.properties.protocoll"]
        )

    def test_templates(self) -> None:
        """A template with the values of its parameters says the same as the body of a request."""
        for file in CONFIGURATIONS:
            document = ini.parse(file.read_bytes(), "gw.ini")
            options = ExportOptions(password="a new one", template=True)
            export = exported(document, _demo, lambda data: converted(data).document, options)
            values = read_parameters(json.dumps(export.parameters).encode(), "gateway.parameters.json")
            [gateway] = gateways(json.dumps(export.body).encode(), "gateway.json", TemplateContext(parameters=values))
            [other] = gateways(json.dumps(_body(file.read_bytes())).encode(), "gateway.json", TemplateContext())
            found, expected = (convert(each, ImportOptions()) for each in (gateway, other))
            read, read_other = (
                reader({path: each.data for path, each in of.files.items()}) for of in (found, expected)
            )
            self.assertEqual(facts(found.document, read), facts(expected.document, read_other), file)

    def test_control_plane(self) -> None:
        """A control plane takes the body of every example."""
        for file in CONFIGURATIONS:
            plane = StandIn().with_group()
            plane.json("PUT", GATEWAY, _body(file.read_bytes()), 201)
            self.assertEqual(plane.json("GET", GATEWAY)["properties"]["provisioningState"], "Succeeded")

    def test_first_configurations(self) -> None:
        """So does each form of a first configuration, and every configuration that a page shows as a whole."""
        common = {"address": "0.0.0.0", "port": 8443, "backend": "10.0.0.5:80", "state": "/var/lib/agw"}
        starters = [
            Starter(mode=mode, names=("localhost",), ocsp=OCSP if mode is StarterMode.STRICT else "", **common)  # type: ignore[arg-type]
            for mode in StarterMode
        ]
        shown = [text for page in PAGES for text in _BLOCK.findall(page.read_text()) if _is_whole(text)]
        self.assertTrue(shown)
        for text in (*(starter.text() for starter in starters), *shown):
            document = ini.parse(text.encode(), "gw.ini")
            self.assertEqual(again(document, _first), (facts(document, _first, "gw.ini"),) * 2, text)


def _first(path: str) -> SourceFile:
    """Certificates by what their names end in."""
    site, name = configurations.site(), Path(path).name
    server = site.chain_pem if name.startswith(("server", "site")) else configurations.clients_root().pem
    return SourceFile(data=site.key_pem if name.endswith(".key") else server, mode=0o600)


def _is_whole(text: str) -> bool:
    """Whether a text is a configuration rather than a part of one."""
    try:
        parse_document(ini.parse(text.encode(), "gw.ini"), "gw.ini", _first, now=pki.NOW)
    except ConfigError:
        return False
    return True
