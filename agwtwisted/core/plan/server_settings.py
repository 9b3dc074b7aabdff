"""What backend settings say about servers: how they are connected to. The rest is about requests, pools and probes.

A server whose settings differ in nothing else than the rest is the same server: connections to it and its health
outlive a change of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import attrs

from agwtwisted.core.resources.resources import BackendHttpSettings, BackendSettings

B = TypeVar("B", BackendHttpSettings, BackendSettings)

REST: Final[Mapping[type, tuple[str, ...]]] = {
    BackendHttpSettings: (
        "request_timeout",
        "path",
        "client_certificate_headers",
        "probe",
        "load_distribution_algorithm",
        "cookie_based_affinity",
        "affinity_cookie_name",
    ),
    BackendSettings: ("timeout", "probe"),
}
"""The fields of settings that say nothing about servers; one that is not named here does."""


def of_server(settings: B) -> B:
    """The settings, with the default value of everything that is not about servers."""
    rest = REST[type(settings)]
    defaults: dict[str, Any] = {each.name: each.default for each in attrs.fields(type(settings)) if each.name in rest}
    return attrs.evolve(settings, **defaults)
