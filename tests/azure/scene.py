"""What the commands work on: a control plane, a backend behind its gateway, and files beside the shell."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import attrs

from agwtwisted.resource_manager.tokens import TENANT
from tests import pki, running
from tests.control_planes import base64_of, pfx
from tests.end_to_end.lines import wait_until

AGW = (running.PYTHON, "-m", "agwtwisted")
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GATEWAY = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/shop/providers/Microsoft.Network/applicationGateways/gw"


class Backend(BaseHTTPRequestHandler):
    """A server that greets, and that says which headers it got."""

    def do_GET(self) -> None:
        """The answer to every request."""
        text = f"{self.headers}" if self.path == "/headers" else "hello from the shop\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@attrs.frozen(kw_only=True)
class Ports:
    """Those of this run."""

    plane: int
    http: int
    https: int
    relay: int
    backend: int

    def spelled(self) -> Mapping[str, str]:
        """Each with the one that the page has in its place."""
        return {
            str(self.plane): "8902",
            str(self.http): "8080",
            str(self.https): "8443",
            str(self.relay): "8883",
            str(self.backend): "9000",
        }


@attrs.frozen(kw_only=True)
class AzureScene:
    """A directory in which commands run, their environment, and the ports of everything."""

    directory: Path
    environment: Mapping[str, str]
    ports: Ports

    def words(self, command: str) -> str:
        """A command of a step as it is entered in this run."""
        text = command.replace("TENANT-ID", TENANT).replace("GATEWAY-ID", GATEWAY)
        for found, written in self.ports.spelled().items():
            text = text.replace(written, found)
        return text

    def written(self, output: str) -> str:
        """What a command printed, as the page has it."""
        for found, written in self.ports.spelled().items():
            output = output.replace(found, written)
        return output

    def run(self, words: str) -> subprocess.CompletedProcess[str]:
        """What came of a command."""
        return subprocess.run(
            words,
            shell=True,
            cwd=self.directory,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@contextmanager
def scene(directory: Path, az: str) -> Iterator[AzureScene]:
    """A control plane without a gateway, and all that the commands name."""
    plane, http, https, relay, backend = running.free_ports(5)
    ports = Ports(plane=plane, http=http, https=https, relay=relay, backend=backend)
    _write_files(directory, ports)
    with _backend(backend), control_plane(directory / "plane", plane) as (ca_file, secret_file):
        (directory / "secret").write_text(secret_file.read_text().strip())
        beside = {
            "PATH": f"{Path(az).absolute().parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(directory),
            "AZURE_CONFIG_DIR": str(directory / "azure"),
            "REQUESTS_CA_BUNDLE": str(ca_file),
            "AZURE_CORE_INSTANCE_DISCOVERY": "false",
            "AZURE_CORE_COLLECT_TELEMETRY": "false",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "true",
            "AZURE_CORE_NO_COLOR": "true",
        }
        yield AzureScene(directory=directory, environment={**os.environ, **beside}, ports=ports)


@contextmanager
def control_plane(directory: Path, port: int) -> Iterator[tuple[Path, Path]]:
    """`agw control` in a process of its own: the files of its CA and its secret, once it answers."""
    words = (*AGW, "control", "--directory", str(directory), "--port", str(port))
    log = directory.with_name("plane.log")
    with log.open("wb") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env=running.environment())
    try:
        ca_file, secret_file = directory / "ca.pem", directory / "arm.secret"
        wait_until(lambda: process.poll() is not None or _answers(port, ca_file), "the control plane answers")
        assert process.poll() is None, log.read_text()
        yield ca_file, secret_file
    finally:
        process.terminate()
        process.wait(60)


def _answers(port: int, ca_file: Path) -> bool:
    if not ca_file.exists():
        return False
    context = ssl.create_default_context(cafile=str(ca_file))
    try:
        url = f"https://localhost:{port}/metadata/endpoints?api-version=2022-09-01"
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def _backend(port: int) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", port), Backend)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _write_files(directory: Path, ports: Ports) -> None:
    servers, devices = pki.Authority.root("Servers Root"), pki.Authority.root("Devices Root")
    web = servers.issue_server("localhost")
    files = {
        "servers.pem": servers.pem,
        "servers.cer": servers.pem,
        "devices-ca.pem": devices.pem,
        "web.pfx": base64.b64decode(pfx(web, "correct-horse")),
        "web.pfx.base64": pfx(web, "correct-horse").encode(),
        "gateway.template.json": template(ports, devices).encode(),
        "bad.template.json": bad_template().encode(),
    }
    for name, content in files.items():
        (directory / name).write_bytes(content)
    devices.issue("device").write(directory, "device")
    pki.Authority.root("Strangers").issue("stranger").write(directory, "stranger")


def template(ports: Ports, devices: pki.Credential) -> str:
    """A template of the gateway as people write them: with comments, parameters, variables, a loop and outputs."""
    head = """\
// A gateway for devices with client certificates.
"""
    own = "variables('id')"
    value: dict[str, Any] = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "clientPort": {"type": "int"},
            "certificate": {"type": "securestring"},
            "certificatePassword": {"type": "securestring"},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
            "pools": {"type": "array", "defaultValue": ["api", "images"]},
        },
        "variables": {"id": "[resourceId('Microsoft.Network/applicationGateways', 'gw')]"},
        "resources": [
            {
                "type": "Microsoft.Network/publicIPAddresses",
                "apiVersion": "2024-05-01",
                "name": "shop-ip",
                "location": "[parameters('location')]",
                "sku": {"name": "Standard"},
                "properties": {"publicIPAllocationMethod": "Static"},
            },
            {
                "type": "Microsoft.Network/applicationGateways",
                "apiVersion": "2025-03-01",
                "name": "gw",
                "location": "[parameters('location')]",
                "dependsOn": ["[resourceId('Microsoft.Network/publicIPAddresses', 'shop-ip')]"],
                "properties": _properties(own, ports, base64_of(devices.pem)),
            },
        ],
        "outputs": {"port": {"type": "int", "value": "[parameters('clientPort')]"}},
    }
    return head + json.dumps(value, indent=2)


def _properties(own: str, ports: Ports, devices: str) -> dict[str, Any]:
    def to(collection: str, name: str) -> dict[str, str]:
        """A reference within the gateway."""
        return {"id": f"[concat({own}, '/{collection}/{name}')]"}

    address = "[resourceId('Microsoft.Network/publicIPAddresses', 'shop-ip')]"
    return {
        "sku": {"name": "Standard_v2", "tier": "Standard_v2", "capacity": 1},
        "frontendIPConfigurations": [{"name": "public", "properties": {"publicIPAddress": {"id": address}}}],
        "frontendPorts": [{"name": "https", "properties": {"port": "[parameters('clientPort')]"}}],
        "sslCertificates": [
            {
                "name": "web",
                "properties": {
                    "data": "[parameters('certificate')]",
                    "password": "[parameters('certificatePassword')]",
                },
            }
        ],
        "trustedClientCertificates": [{"name": "devices-ca", "properties": {"data": devices}}],
        "sslProfiles": [
            {
                "name": "devices",
                "properties": {
                    "trustedClientCertificates": [to("trustedClientCertificates", "devices-ca")],
                    "clientAuthConfiguration": {"verifyClientCertIssuerDN": True, "verifyClientAuthMode": "Strict"},
                },
            }
        ],
        "copy": [
            {
                "name": "backendAddressPools",
                "count": "[length(parameters('pools'))]",
                "input": {
                    "name": "[parameters('pools')[copyIndex('backendAddressPools')]]",
                    "properties": {"backendAddresses": [{"ipAddress": "127.0.0.1"}]},
                },
            }
        ],
        "backendHttpSettingsCollection": [
            {"name": "api", "properties": {"port": ports.backend, "protocol": "Http", "requestTimeout": 20}}
        ],
        "httpListeners": [
            {
                "name": "devices",
                "properties": {
                    "frontendIPConfiguration": to("frontendIPConfigurations", "public"),
                    "frontendPort": to("frontendPorts", "https"),
                    "protocol": "Https",
                    "sslCertificate": to("sslCertificates", "web"),
                    "sslProfile": to("sslProfiles", "devices"),
                },
            }
        ],
        "requestRoutingRules": [
            {
                "name": "devices",
                "properties": {
                    "ruleType": "Basic",
                    "priority": 100,
                    "httpListener": to("httpListeners", "devices"),
                    "backendAddressPool": to("backendAddressPools", "api"),
                    "backendHttpSettings": to("backendHttpSettingsCollection", "api"),
                },
            }
        ],
    }


def bad_template() -> str:
    """A template whose rule leads to a listener that is not there."""
    rule = {
        "name": "all",
        "properties": {"ruleType": "Basic", "priority": 1, "httpListener": {"id": "/httpListeners/x"}},
    }
    gateway = {
        "type": "Microsoft.Network/applicationGateways",
        "apiVersion": "2025-03-01",
        "name": "gw",
        "location": "local",
        "properties": {"requestRoutingRules": [rule]},
    }
    return json.dumps({"contentVersion": "1.0.0.0", "resources": [gateway]})
