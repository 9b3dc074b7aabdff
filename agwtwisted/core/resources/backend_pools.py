"""Pools of backend servers, and policies that distribute requests over several of them, as the product names them."""

from __future__ import annotations

from enum import Enum

import attrs


class LoadDistributionAlgorithm(Enum):
    """Whose turn it is among the healthy servers of a pool, or of a policy (`load_distribution_algorithm`)."""

    ROUND_ROBIN = "RoundRobin"
    LEAST_CONNECTIONS = "LeastConnections"
    IP_HASH = "IpHash"


@attrs.frozen(kw_only=True)
class BackendAddress:
    """A backend server; a port of its own overrides the one of the backend settings."""

    host: str
    port: int | None = None


@attrs.frozen(kw_only=True)
class BackendAddressPool:
    """Servers that do the same work."""

    name: str
    backend_addresses: tuple[BackendAddress, ...] = ()


@attrs.frozen(kw_only=True)
class LoadDistributionTarget:
    """One pool of a policy, and the weight that each of its servers has there."""

    name: str  # within its policy
    backend_address_pool: BackendAddressPool
    weight_per_server: int = 1


@attrs.frozen(kw_only=True)
class LoadDistributionPolicy:
    """Several pools whose servers take turns together, by their weights; it stands where a pool may stand."""

    name: str
    load_distribution_algorithm: LoadDistributionAlgorithm = LoadDistributionAlgorithm.ROUND_ROBIN
    targets: tuple[LoadDistributionTarget, ...] = ()  # in the order of the file
