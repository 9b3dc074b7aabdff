"""A TLS gateway on Twisted that checks client certificates, in the terms of Azure Application Gateway.

As a program it runs under `twistd agwgateway`. As a library it offers the names of `__all__`, and nothing else: all
modules are internal and change without notice. docs/library.md shows how the names are used, and what a version keeps.

A name is imported when it is first used. Thus `agwtwisted.core` and a backend that reads identity headers need no
Twisted, and a program can install its reactor after this import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from agwtwisted._version import VERSION

if TYPE_CHECKING:
    from agwtwisted.core.base.errors import AgwError
    from agwtwisted.core.exchange.identity_headers import (
        ClientIdentity,
        IdentityHeadersError,
        Verification,
        client_identity,
    )
    from agwtwisted.core.identity.clients import PendingClient
    from agwtwisted.core.resources.resources import CertificateHeaders
    from agwtwisted.exchange.proxy_resource import ProxyResource, web_client
    from agwtwisted.operations.access_log import AccessLog
    from agwtwisted.transport.clocks import count_monotonically

__all__ = [
    "AccessLog",
    "AgwError",
    "CertificateHeaders",
    "ClientIdentity",
    "IdentityHeadersError",
    "PendingClient",
    "ProxyResource",
    "Verification",
    "__version__",
    "client_identity",
    "count_monotonically",
    "web_client",
]

_MODULES: Final = {
    "AccessLog": "operations.access_log",
    "AgwError": "core.base.errors",
    "CertificateHeaders": "core.resources.resources",
    "ClientIdentity": "core.exchange.identity_headers",
    "IdentityHeadersError": "core.exchange.identity_headers",
    "PendingClient": "core.identity.clients",
    "ProxyResource": "exchange.proxy_resource",
    "Verification": "core.exchange.identity_headers",
    "client_identity": "core.exchange.identity_headers",
    "count_monotonically": "transport.clocks",
    "web_client": "exchange.proxy_resource",
}


__version__: Final = VERSION


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
