"""The peers that are written in Python, each in an environment of its own."""

from __future__ import annotations

import json
import os

from benchmarks.environments import environment
from benchmarks.peers import TEMPLATES, Peer, Settings, output_of

_VERSIONS = """\
import platform, ssl, importlib.metadata
print(platform.python_version(), importlib.metadata.version({name!r}), sep="|", end="|")
try:
    from cryptography.hazmat.backends.openssl import backend
    print(backend.openssl_version_text())
except ImportError:
    print(ssl.OPENSSL_VERSION)
"""


def _versions(python: str, name: str) -> dict[str, str]:
    found = output_of(python, "-c", _VERSIONS.format(name=name)).strip().split("|")
    return dict(zip(("python", name, "openssl"), found, strict=False))


def aiohttp() -> Peer:
    """A reverse proxy on aiohttp: ``templates/aiohttp_proxy.py``."""
    python = str(environment("aiohttp", "aiohttp >= 3.11"))

    def command(settings: Settings) -> list[str]:
        chosen = settings.directory / "settings.json"
        fields = {
            "chain": str(settings.pki.server.chain),
            "key": str(settings.pki.server.key),
            "trusted": str(settings.pki.trusted),
            "port": settings.port,
            "backend_port": settings.backend_port,
            "access_log": str(settings.access_log),
        }
        chosen.write_text(json.dumps(fields))
        return [python, str(TEMPLATES / "aiohttp_proxy.py"), str(chosen)]

    return Peer(name="aiohttp", versions=_versions(python, "aiohttp"), command=command, share=0.5)


def mitmproxy() -> Peer:
    """mitmproxy as a reverse proxy. It asks for certificates and verifies none: it does less than the others."""
    python = environment("mitmproxy", "mitmproxy >= 11")

    def command(settings: Settings) -> list[str]:
        combined = settings.directory / "combined.pem"
        combined.touch(mode=0o600)
        combined.write_bytes(settings.pki.server.key.read_bytes() + settings.pki.server.chain.read_bytes())
        chosen = {
            "confdir": settings.directory,
            "request_client_cert": "true",
            "keep_host_header": "true",
            "http2": "false",
            "connection_strategy": "lazy",
            "flow_detail": "0",
        }
        return [
            *("env", f"ACCESS_LOG={settings.access_log}", str(python.with_name("mitmdump")), "--quiet"),
            *("--mode", f"reverse:http://127.0.0.1:{settings.backend_port}"),
            *("--listen-host", "127.0.0.1", "--listen-port", str(settings.port)),
            *("--certs", f"*={combined}", "--scripts", str(TEMPLATES / "mitmproxy_addon.py")),
            *(word for name, value in chosen.items() for word in ("--set", f"{name}={value}")),
        ]

    return Peer(
        name="mitmproxy",
        versions=_versions(str(python), "mitmproxy"),
        command=command,
        environment={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        verifies=False,
        leaves_out=frozenset({"download-100m", "upload-100m", "paced", "upload-1k"}),
        measures_memory=False,
        share=0.05,
    )
