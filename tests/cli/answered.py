"""Answers of a gateway as commands get them, one for each route; their texts try to have a terminal obey them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from unittest import mock

from agwtwisted.cli import asking
from agwtwisted.cli.control import ControlAnswer
from agwtwisted.cli.output import Output
from tests.cli.calls import Called, call
from tests.cli.terminals import Terminal

HOSTILE = "CN=\x1b[31mred\u202e"
SHOWN = "CN=\\x1b[31mred\\u202e"

STATUS: Mapping[str, Any] = {
    "version": "1",
    "pid": 9,
    "phase": "running",
    "started": "2026-01-01T00:00:00Z",
    "uptime": 93784.5,
    "generation": 4,
    "fingerprint": "0123456789abcdef",
    "connections": 7,
    "listeners": [{"address": "::", "port": 443, "connections": 7}],
    "last_reload": None,
    "workers": [{"index": 0, "pid": 10, "connections": 7, "restarts": 1}],
}

LISTENERS: Mapping[str, Any] = {
    "listeners": [
        {
            "name": "public",
            "kind": "http_listener",
            "protocol": "Https",
            "http2": True,
            "address": "0.0.0.0",
            "port": 443,
            "host_names": ["a.example", "*.b.example"],
            "ssl_profile": "devices",
            "verify_client_auth_mode": "Strict",
            "refusal": "Handshake",
            "verify_client_revocation": "OCSP",
            "ssl_policy": "AppGwSslPolicy20220101",
            "ssl_certificate": "site",
            "rules": ["main"],
            "paths_that_require_certificates": [],
            "connections": 7,
        },
        {
            "name": "plain",
            "kind": "http_listener",
            "protocol": "Http",
            "address": "::",
            "port": 80,
            "host_names": [],
            "ssl_profile": None,
            "verify_client_auth_mode": None,
            "refusal": None,
            "verify_client_revocation": None,
            "ssl_policy": None,
            "ssl_certificate": None,
            "rules": ["plain"],
            "paths_that_require_certificates": [],
            "connections": 0,
        },
    ]
}


def server(port: int, health: str, **members: Any) -> dict[str, Any]:
    """One server of an answer about backends."""
    return {
        "address": "10.0.0.4",
        "port": port,
        "health": health,
        "health_probe_log": "Success. Received 200 status code.",
        "last_probe": "2026-01-01T00:00:05Z",
        "since": "2026-01-01T00:00:00Z",
        "draining": False,
        "connections": 3,
        "idle_connections": 2,
        "requests": 1000,
        **members,
    }


BACKENDS: Mapping[str, Any] = {
    "backend_pools": [
        {
            "name": "app",
            "backend_settings": [
                {
                    "name": "plain",
                    "kind": "backend_http_settings",
                    "protocol": "Http",
                    "probe": None,
                    "servers": [
                        server(8080, "Up"),
                        server(8081, "Down", health_probe_log=HOSTILE),
                        server(8082, "Unknown", last_probe=None, since=None, health_probe_log=None),
                    ],
                }
            ],
        }
    ],
    "load_distribution_policies": [],
}


def certificate(name: str, days_left: int) -> dict[str, Any]:
    """One of an answer about certificates."""
    return {
        "kind": "ssl_certificate",
        "name": name,
        "subject": HOSTILE,
        "issuer": "CN=CA",
        "serial": "0a",
        "not_before": "2026-01-01T00:00:00Z",
        "not_after": "2026-02-01T00:00:00Z",
        "days_left": days_left,
        "fingerprint_sha256": "ab" * 32,
        "dns_names": ["a.example"],
        "used_by": ["http_listener public"],
        "ocsp_staple": "good",
    }


CERTIFICATES: Mapping[str, Any] = {
    "certificates": [certificate("old", -1), certificate("soon", 30), certificate("later", 31)]
}

CLIENTS: Mapping[str, Any] = {
    "clients": [
        {
            "id": "1-4711",
            "listener": "public",
            "protocol": "http/1.1",
            "address": "192.0.2.7",
            "port": 50000,
            "since": "2026-01-01T00:00:00Z",
            "verify": "SUCCESS",
            "subject": HOSTILE,
            "issuer": "CN=CA",
            "serial": "0a",
            "fingerprint_sha256": "ab" * 32,
            "revocation": "good",
            "tls": "TLSv1.3",
            "cipher": "TLS_AES_256_GCM_SHA384",
            "resumed": False,
            "host": "a.example",
            "state": "idle",
            "requests": 12,
            "under_way": 0,
            "bytes_received": 2048,
            "bytes_sent": 512,
            "backend": None,
        }
    ],
    "total": 2,
    "next": "1-4711",
}

REVOCATION: Mapping[str, Any] = {
    "profiles": [{"name": "devices", "verify_client_revocation": "OCSP", "ocsp_unavailable": "Refuse"}],
    "answers": {"good": 3, "revoked": 1, "unknown": 0},
    "questions": {"good": 5, "timeout": 2},
    "cache_hits": 40,
    "let_in_without_status": 6,
    "responders": [
        {
            "url": "http://ocsp.example/",
            "circuit": "open",
            "failures": 3,
            "last_failure": "2026-01-01T00:00:00Z",
            "last_error": HOSTILE,
            "waiting": 1,
        }
    ],
    "next_renewals": [
        {
            "serial": "0a",
            "issuer": "CN=CA",
            "status": "revoked",
            "next_update": "2026-01-02T00:00:00Z",
            "renewal": "2026-01-01T12:00:00Z",
        }
    ],
}

REFUSALS: Mapping[str, Any] = {
    "refusals": [
        {
            "id": "1-7",
            "at": "2026-01-01T00:00:00Z",
            "listener": "public",
            "address": "2001:db8::7",
            "port": 50001,
            "reason": "certificate has expired",
            "verify": "FAILED:certificate has expired",
            "subject": HOSTILE,
            "issuer": None,
            "serial": None,
            "fingerprint_sha256": None,
            "revocation": "not-checked",
            "has_certificate": True,
        }
    ]
}

CONFIGURATION: Mapping[str, Any] = {
    "file": "/etc/gw.ini",
    "generation": 2,
    "fingerprint": "0123456789abcdef",
    "since": "2026-01-01T00:00:00Z",
    "text": "[gateway]\n\tx = \x1b[31m\n",
    "warnings": ["WARNING \x1b[31mw"],
    "files": [{"path": "/etc/gw.ini", "sha256": "ab"}],
    "report": "Listeners\n  a\n",
    "resources": [{"path": "httpListeners/public", "properties": {"protocol": "Https"}}],
}

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "status": STATUS,
    "listeners": LISTENERS,
    "backends": BACKENDS,
    "certificates": CERTIFICATES,
    "clients": CLIENTS,
    "revocation": REVOCATION,
    "refusals": REFUSALS,
    "configuration": CONFIGURATION,
}
"""The answers by the command that asks for them."""


def answered(members: Mapping[str, Any], *words: str, status: int = 200) -> tuple[Called, mock.Mock]:
    """What `agw` does where it is answered so, and how it asked."""
    with mock.patch.object(asking, "ask", return_value=ControlAnswer(status, members)) as asked:
        return call(*words), asked


def on_terminal(width: int, *, color: bool = False) -> Output:
    """The output of a terminal that is so wide."""
    return Output(stream=Terminal(), width=width, color=color)


PIPE = Output(stream=Terminal())
"""An output without width and color."""
