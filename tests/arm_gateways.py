"""Gateways as bodies of the REST API, to be changed one thing at a time, and what becomes of them."""

from __future__ import annotations

import base64
import errno
import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from agwtwisted.core.arm.context import TemplateContext
from agwtwisted.core.arm.conversion import Conversion, convert
from agwtwisted.core.arm.documents import gateways
from agwtwisted.core.arm.import_options import ImportOptions
from agwtwisted.core.base.errors import ConfigError, Problem, Severity
from agwtwisted.core.configuration.parsing import parse, parse_document
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.sections.ini import Document
from agwtwisted.core.sections.ini_text import written
from agwtwisted.core.sections.sources import SourceFile
from tests.pki import Authority, Credential

Body: TypeAlias = dict[str, Any]

FILE = "conf/gateway.json"
ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/applicationGateways/edge"


def reference(collection: str, name: str) -> Body:
    """``{"id": ...}`` of a child."""
    return {"id": f"{ID}/{collection}/{name}"}


def child(name: str, **properties: Any) -> Body:
    """A child of a collection."""
    return {"name": name, "properties": properties}


def listener(name: str, port: str = "p80", frontend: str = "public", **properties: Any) -> Body:
    """An HTTP listener."""
    found = {
        "frontendIPConfiguration": reference("frontendIPConfigurations", frontend),
        "frontendPort": reference("frontendPorts", port),
        "protocol": "Http",
    }
    return child(name, **found | properties)


def rule(name: str, of: str, priority: Any = 100, **properties: Any) -> Body:
    """A basic rule to the pool and the settings of every gateway here."""
    found = {
        "ruleType": "Basic",
        "priority": priority,
        "httpListener": reference("httpListeners", of),
        "backendAddressPool": reference("backendAddressPools", "app"),
        "backendHttpSettings": reference("backendHttpSettingsCollection", "plain"),
    }
    return child(name, **found | properties)


def gateway(**properties: Any) -> Body:
    """A gateway with one listener, one rule, one pool and its settings; the arguments are put in their places."""
    found: Body = {
        "frontendIPConfigurations": [child("public", publicIPAddress={"id": "/x/publicIPAddresses/ip"})],
        "frontendPorts": [child("p80", port=80), child("p443", port=443)],
        "httpListeners": [listener("web")],
        "backendAddressPools": [child("app", backendAddresses=[{"ipAddress": "127.0.0.1"}])],
        "backendHttpSettingsCollection": [child("plain", port=9000, protocol="Http")],
        "requestRoutingRules": [rule("web", "web")],
    }
    return {"name": "edge", "id": ID, "properties": found | properties}


def converted(body: Body, options: ImportOptions | None = None, *, api_version: str = "") -> Conversion:
    """A gateway as sections."""
    data = json.dumps(body | ({"apiVersion": api_version} if api_version else {}), indent=1).encode()
    (found,) = gateways(data, FILE, TemplateContext())
    return convert(found, options or ImportOptions())


def sections(conversion: Conversion | Document) -> dict[str, dict[str, str]]:
    """The keys of each section by its title."""
    document = conversion.document if isinstance(conversion, Conversion) else conversion
    return {each.title: {entry.key: entry.value for entry in each.entries} for each in document.sections}


def said(conversion: Conversion, severity: Severity = Severity.ERROR) -> list[str]:
    """The findings of a severity, as text without file and line."""
    return [_said(each) for each in conversion.findings if each.severity is severity]


def _said(problem: Problem) -> str:
    code = f" ({problem.code})" if problem.code else ""
    return f"{problem.place.path} [{problem.section}] {problem.message}{code}"


def plan_of(conversion: Conversion) -> Plan:
    """The configuration of a converted gateway; raises ConfigError."""
    return parse_document(conversion.document, FILE, _reader(conversion))


def plan_of_ini(conversion: Conversion) -> Plan:
    """The configuration of the INI file that is written of it; raises ConfigError."""
    return parse(written(conversion.document).encode(), "conf/gw.ini", _reader(conversion))


def refusals(conversion: Conversion) -> list[str]:
    """Why a converted gateway is no configuration."""
    try:
        plan_of(conversion)
    except ConfigError as error:
        return [_said(each) for each in error.problems if each.severity is Severity.ERROR]
    return []


def _reader(conversion: Conversion) -> Any:
    files: Mapping[str, bytes] = {f"conf/{path}": file.data for path, file in conversion.files.items()}

    def read(path: str) -> SourceFile:
        if path not in files:
            raise FileNotFoundError(errno.ENOENT, "No such file", path)
        return SourceFile(data=files[path], mode=0o600)

    return read


@cache
def authority() -> Authority:
    """A root CA, made once."""
    return Authority.root("clients CA")


@cache
def server() -> Credential:
    """A certificate of a server, made once."""
    return authority().intermediate().issue_server("localhost")


def pfx(password: str = "", credential: Credential | None = None) -> bytes:
    """A certificate, its key and its chain as PKCS #12."""
    owner = credential or server()
    encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    chain = [each.certificate for each in owner.issuers[:-1]]
    return pkcs12.serialize_key_and_certificates(b"", owner.key, owner.certificate, chain, encryption)


def text_of(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


def https(*, profile: Body | None = None, trusted: Iterable[Body] = (), **properties: Any) -> Body:
    """A gateway with one Https listener, and the profile if there is one."""
    found: Body = {
        "sslCertificates": [child("site", data=text_of(pfx("secret")), password="secret")],
        "httpListeners": [
            listener("web", "p443", protocol="Https", sslCertificate=reference("sslCertificates", "site"))
        ],
    }
    if profile is not None:
        found["sslProfiles"] = [{"name": "devices", "properties": profile}]
        found["httpListeners"][0]["properties"]["sslProfile"] = reference("sslProfiles", "devices")
        found["trustedClientCertificates"] = list(trusted)
    return gateway(**found | properties)
