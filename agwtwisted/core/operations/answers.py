"""The members of every answer of the control API: what each means, and an example, from which the reference is made.

A test compares them with the answers of a running gateway, both ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agwtwisted.core.operations.answer_members import AnswerMember, AnswerTree
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.operations.revocation_answers import CERTIFICATE_STATUSES, FORGET, IMPORTED, REVOCATION
from agwtwisted.core.operations.routes import Asked, Operation

_M = AnswerMember

OUTCOME: Final[AnswerTree] = {"outcome": _M("what has been done", "drained")}

_FINGERPRINT: Final = "9b74c9897bac770ffc029102a200c5de43d9f28c2e8b1a3f6c7d5e4f30211a0b"
_TIME: Final = "2026-11-30T10:12:24Z"

_CERTIFICATE: Final[AnswerTree] = {
    "subject": _M("of the client's certificate; null without one", "CN=device 7,O=Example"),
    "issuer": _M("the same of its issuer", "CN=Devices,O=Example"),
    "serial": _M("its serial number, in hexadecimal", "2DE0E84BD1594806840F05C850E8B2FD18466FBB"),
    "fingerprint_sha256": _M("its SHA-256, in hexadecimal", _FINGERPRINT),
}

_CERTIFICATE_STATUS: Final[AnswerTree] = {
    "revocation": _M(
        "the status of the certificate, as `revocationStatus` of the [access log](access-log.md) has it", "good"
    ),
    "revocation_source": _M("what has said so: `OCSP` or `CRL`; null if nothing has", "OCSP"),
}

STATUS: Final[AnswerTree] = {
    "version": _M("of the gateway", "26.11.0"),
    "pid": _M("the process, with workers their parent's", 4711),
    "started": _M("when it began", _TIME),
    "uptime": _M("the seconds since then", 86400.25),
    "phase": _M("`starting`, `running`, `reloading` or `stopping`", "running"),
    "generation": _M("how many configurations have been in force", 2),
    "fingerprint": _M("of the configuration in force", _FINGERPRINT),
    "connections": _M("of clients, now", 812),
    "listeners": [
        {
            "address": _M("that is listened on", "0.0.0.0"),  # noqa: S104
            "port": _M("the same", 443),
            "connections": _M("that came by it", 812),
        }
    ],
    "workers": [
        {
            "index": _M("of the worker, from 1; the list is empty where there is one process", 1),
            "pid": _M("its process", 4713),
            "connections": _M("that it has", 401),
            "restarts": _M("how many of this index ended before it", 0),
        }
    ],
    "last_reload": {
        "at": _M("when it ended; `last_reload` is null before the first one", _TIME),
        "outcome": _M("`in_force` or `rejected`", "in_force"),
        "problems": _M("of a rejected one, one line each", []),
    },
}

LISTENERS: Final[AnswerTree] = {
    "listeners": [
        {
            "name": _M("of the section", "public"),
            "kind": _M("`http_listener`, or `listener` (L4)", "http_listener"),
            "protocol": _M("`Http`, `Https`, `Tcp` or `Tls`", "Https"),
            "http2": _M("whether its clients may speak HTTP/2", False),
            "address": _M("that it listens on", "0.0.0.0"),  # noqa: S104
            "port": _M("the same", 443),
            "host_names": _M("that it serves; empty: all", ["shop.example"]),
            "ssl_profile": _M("the profile, or null", "clients"),
            "verify_client_auth_mode": _M("`Strict` or `Passthrough`; null without a profile that verifies", "Strict"),
            "refusal": _M("how it refuses: `Handshake` or `Http400`", "Handshake"),
            "verify_client_revocation": _M("`None`, or sources: `OCSP`, `CRL` or both; null without a profile", "OCSP"),
            "ssl_policy": _M("the TLS policy; null without TLS", "AppGwSslPolicy20220101"),
            "ssl_certificate": _M("that it shows; null without TLS", "shop"),
            "rules": _M("the rules that lead from it", ["main"]),
            "paths_that_require_certificates": _M("on a listener that does not itself", ["/admin/*"]),
            "connections": _M("of clients, now", 812),
        }
    ]
}

BACKENDS: Final[AnswerTree] = {
    "backend_pools": [
        {
            "name": _M("of the pool", "app"),
            "backend_settings": [
                {
                    "name": _M("of the settings by which the pool is used", "app"),
                    "kind": _M("`backend_http_settings`, or `backend_settings` (L4)", "backend_http_settings"),
                    "protocol": _M("`Http`, `Https`, `Tcp` or `Tls`", "Http"),
                    "probe": _M("the probe; null: the default one", "app"),
                    "servers": [
                        {
                            "address": _M("of the server", "10.0.0.5"),
                            "port": _M("of it", 8080),
                            "health": _M("`Up`, `Down`, `Unknown`, `Draining` or `Partial` (in some workers)", "Up"),
                            "health_probe_log": _M("what the last probe found", "Success. Received 200 status code"),
                            "last_probe": _M("when that was; null: there was none", _TIME),
                            "since": _M("since when its health is so; null: not known", _TIME),
                            "draining": _M("whether an operator has drained it", False),
                            "counts_as_healthy": _M(
                                "whether it gets requests though its probes find it down (`min_servers`)", False
                            ),
                            "connections": _M("that are in use", 12),
                            "idle_connections": _M("that are kept for requests", 4),
                            "requests": _M("that were given to it since the start", 90210),
                        }
                    ],
                }
            ],
        }
    ],
    "load_distribution_policies": [
        {
            "name": _M("of a policy that rules lead to", "canary"),
            "load_distribution_algorithm": _M("`RoundRobin`, `LeastConnections` or `IpHash`", "RoundRobin"),
            "backend_http_settings": _M("the settings by which it is used", ["app"]),
            "targets": [
                {
                    "name": _M("of the target", "new"),
                    "backend_address_pool": _M("its pool, one of those above", "app"),
                    "weight_per_server": _M("1 to 100", 10),
                }
            ],
        }
    ],
}

CERTIFICATES: Final[AnswerTree] = {
    "certificates": [
        {
            "kind": _M("of the section that names its file", "ssl_certificate"),
            "name": _M("of that section", "shop"),
            "role": _M("`end_entity`, or `authority`", "end_entity"),
            "subject": _M("its subject", "CN=shop.example"),
            "issuer": _M("its issuer", "CN=Servers,O=Example"),
            "serial": _M("its serial number, in hexadecimal", "579393266F381F07B8BB0BBE6B4197B80464B028"),
            "not_before": _M("the begin of its validity", "2026-11-01T00:00:00Z"),
            "not_after": _M("and the end", "2027-01-30T00:00:00Z"),
            "days_left": _M("whole days until then, negative after it", 60),
            "fingerprint_sha256": _M("its SHA-256, in hexadecimal", _FINGERPRINT),
            "dns_names": _M("names that it is valid for", ["shop.example"]),
            "used_by": _M("titles of the sections that use it", ["http_listener public"]),
            "ocsp_staple": _M(
                "what clients get with it: `good`, `revoked`, `none`; null: no listener shows it", "good"
            ),
            "ocsp_staple_next_update": _M("until when; null: nothing is stapled", "2026-12-02T09:00:00Z"),
            "ocsp_staple_renewal": _M("when the responder is asked again; null: not at all, or now", _TIME),
            "ocsp_staple_problem": _M("why the last request failed, or nothing is asked; null: nothing is wrong", None),
        }
    ]
}

CLIENTS: Final[AnswerTree] = {
    "clients": [
        {
            "id": _M("the worker and a number that no later client gets; for `/connections/{id}/close`", "1-4711"),
            "listener": _M("by which it came", "public"),
            "protocol": _M("`http/1.1`, `h2`, `tcp` or `tls`", "http/1.1"),
            "address": _M("of the client", "192.0.2.7"),
            "port": _M("of it", 51762),
            "since": _M("when it connected", _TIME),
            "verify": _M("`SUCCESS`, `PASSTHROUGH`, `NONE` or `FAILED:` and the reason", "SUCCESS"),
            **_CERTIFICATE,
            **_CERTIFICATE_STATUS,
            "tls": _M("the version; null without TLS", "TLSv1.3"),
            "cipher": _M("the cipher suite; null without TLS", "TLS_AES_128_GCM_SHA256"),
            "resumed": _M("whether it resumed a TLS session", False),
            "host": _M("of the last request, or the name in the handshake", "shop.example"),
            "state": _M("what it does: `handshake`, `idle`, `active`, `relay` and others", "idle"),
            "requests": _M("that it has made", 17),
            "under_way": _M("of these, those that are not answered yet: with HTTP/2 there may be several", 0),
            "bytes_received": _M("from it", 35017),
            "bytes_sent": _M("to it", 181834),
            "backend": _M("the server that answers it now, or null; several with commas between them", None),
        }
    ],
    "total": _M("how many clients there are that `listener` and `search` select", 812),
    "next": _M("`after` of the next page; null: this is the last", "1-4711"),
}

REFUSALS: Final[AnswerTree] = {
    "refusals": [
        {
            "id": _M("the worker and a number that no later one gets; for POST /explain", "2-17"),
            "at": _M("when it was refused", _TIME),
            "stage": _M("where: `handshake`, `verdict`, `path` or `revalidation`", "handshake"),
            "listener": _M("that refused it", "public"),
            "address": _M("of the client", "192.0.2.7"),
            "port": _M("of it", 51748),
            "reason": _M("the reason", "unable to get local issuer certificate"),
            "verify": _M("as `sslClientVerify` of the access log", "FAILED:unable to get local issuer certificate"),
            **_CERTIFICATE,
            **_CERTIFICATE_STATUS,
            "has_certificate": _M("whether its certificates are kept", True),
        }
    ]
}

CONFIGURATION: Final[AnswerTree] = {
    "file": _M("its path", "/etc/agwtwisted/gw.ini"),
    "generation": _M("how many configurations have been in force", 2),
    "fingerprint": _M("by which two configurations are compared", _FINGERPRINT),
    "since": _M("when it came into force", _TIME),
    "text": _M("the file as it was read, INI or JSON, secrets masked", "[gateway]\nworkers = 4\n"),
    "overlay": _M("the same of the overlay of a gateway in ARM JSON; null where there is none", None),
    "warnings": _M("one line each", []),
    "files": [
        {
            "path": _M("of the file, and of each that it names", "/etc/agwtwisted/gw.ini"),
            "sha256": _M("of its content; null of a `password_file`, which could be guessed by it", _FINGERPRINT),
        }
    ],
    "report": _M("what `agw check` prints of it, secrets masked", "Listeners\n  …"),
    "resources": [
        {
            "path": _M("of each resource in use, in the product's words", "httpListeners/public"),
            "properties": _M("its properties with their values, defaults too, secrets masked", {"protocol": "Https"}),
        }
    ],
}

EXPLAIN: Final[AnswerTree] = {
    "accepted": _M("whether the listener accepts the certificate", False),
    "verdict": _M("in one line", "Refused: unable to get local issuer certificate"),
    "steps": [
        {
            "name": _M("of the step", "chain"),
            "outcome": _M("`passed`, `failed`, `skipped` or `note`", "failed"),
            "text": _M("what was found", "Chain: it ends in no trusted root"),
        }
    ],
    "text": _M("all of it, as `agw explain` prints it", "the certificate on the listener public …"),
}

RELOAD: Final[AnswerTree] = {
    "outcome": _M("`in_force`", "in_force"),
    "generation": _M("how many configurations have been in force", 3),
    "fingerprint": _M("of the one in force", _FINGERPRINT),
    "added": _M("titles of sections that are new", ["http_listener other"]),
    "changed": _M("titles of those that are others now", ["gateway"]),
    "removed": _M("titles of those that are gone", []),
    "warnings": _M("one line each", []),
    "seconds": _M("that it took", 0.069),
}

ANSWERS: Final[Mapping[Asked, AnswerTree]] = {
    Operation.STATUS: STATUS,
    Question.LISTENERS: LISTENERS,
    Question.BACKENDS: BACKENDS,
    Question.CERTIFICATES: CERTIFICATES,
    Question.CLIENTS: CLIENTS,
    Question.CONFIGURATION: CONFIGURATION,
    Question.REFUSALS: REFUSALS,
    Question.REVOCATION: REVOCATION,
    Operation.EXPLAIN: EXPLAIN,
    Operation.CHECK: {**EXPLAIN, **CERTIFICATE_STATUSES},
    Question.IMPORT: IMPORTED,
    Operation.RELOAD: RELOAD,
    Operation.REOPEN: OUTCOME,
    Question.DRAIN: OUTCOME,
    Question.UNDRAIN: OUTCOME,
    Question.CLOSE: OUTCOME,
    Question.FORGET: FORGET,
}
"""Of each route whose answer is JSON."""


EVENTS: Final[Mapping[str, AnswerTree]] = {
    "refusal": REFUSALS["refusals"][0],
    "health": {
        "server": _M("the server, with its pool and settings", "127.0.0.1:8080 (app)"),
        "before": _M("its health until now, as GET /backends has it", "Up"),
        "after": _M("its health from now on", "Down"),
        "reason": _M("why", "connection refused"),
    },
    "reload": {
        "outcome": _M("`in_force` or `rejected`", "in_force"),
        "generation": _M("of the configuration in force", 3),
        "fingerprint": _M("of the same", _FINGERPRINT),
        "problems": _M("one line each; of one in force its warnings", []),
        "added": _M("titles of sections, as in the answer to POST /reload", []),
        "changed": _M("the same", ["gateway"]),
        "removed": _M("the same", []),
    },
    "worker": {
        "worker": _M("its index", 1),
        "outcome": _M("`started` or `ended`", "ended"),
        "how": _M("how it has ended, or null", "signal SIGKILL"),
    },
    "certificate": CERTIFICATES["certificates"][0],
}
"""The members of each kind of event."""
