"""Paths of requests and ids of resources: case does not count in them, and names keep theirs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import attrs

MAX_SEGMENTS: Final = 30
MAX_SEGMENT_LENGTH: Final = 260

LONGEST: Final = 4096
"""Characters of a reference that leads anywhere: none of a gateway comes near."""


def segments(path: str) -> tuple[str, ...] | None:
    """The decoded segments of a path; None: it is none that a resource could have."""
    parts = [unquote(part) for part in path.split("/") if part]
    fit = len(parts) <= MAX_SEGMENTS and all(_is_fit(part) for part in parts)
    return tuple(parts) if fit and path.startswith("/") else None


def _is_fit(segment: str) -> bool:
    return (
        len(segment) <= MAX_SEGMENT_LENGTH
        and segment.isprintable()
        and "/" not in segment
        and segment not in (".", "..")
    )


@attrs.frozen(kw_only=True)
class ResourceId:
    """The id of a resource of a provider in a resource group."""

    subscription: str
    group: str
    namespace: str  # Microsoft.Network
    kinds: tuple[str, ...]  # virtualNetworks, subnets
    names: tuple[str, ...]  # as many, or for a list one less

    @property
    def kind(self) -> str:
        """With its namespace, as the member `type` says it."""
        return "/".join((self.namespace, *self.kinds))

    @property
    def name(self) -> str:
        """Its own, without those of its parents."""
        return self.names[-1]

    @property
    def group_id(self) -> str:
        """The id of the group that it is in."""
        return group_id(self.subscription, self.group)

    @property
    def parent(self) -> ResourceId:
        """The resource that this one is a child of."""
        return attrs.evolve(self, kinds=self.kinds[:-1], names=self.names[: len(self.kinds) - 1])

    def __str__(self) -> str:
        pairs = [part for pair in zip(self.kinds, self.names, strict=False) for part in pair]
        tail = (*pairs, *self.kinds[len(self.names) :])
        return "/".join((self.group_id, "providers", self.namespace, *tail))

    @property
    def key(self) -> str:
        """By which the state has it."""
        return str(self).lower()


def group_id(subscription: str, group: str) -> str:
    """The id of a resource group."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def resource_id(subscription: str, group: str, namespace: str, tail: Sequence[str]) -> ResourceId:
    """The id of what comes after `/providers/NAMESPACE`: kinds and names in turn."""
    return ResourceId(
        subscription=subscription, group=group, namespace=namespace, kinds=tuple(tail[::2]), names=tuple(tail[1::2])
    )


def parsed(text: str) -> ResourceId | None:
    """The id in a text; None: it is not one of a resource of a provider in a group."""
    parts = segments(text)
    if parts is None or len(parts) < 8 or len(parts) % 2:
        return None
    if (parts[0].lower(), parts[2].lower(), parts[4].lower()) != ("subscriptions", "resourcegroups", "providers"):
        return None
    return resource_id(parts[1], parts[3], parts[5], parts[6:])


def gateway_child(text: str) -> tuple[str, ...]:
    """The part of a reference that counts within one gateway: collections and names in turn, as they are written.

    ``…/applicationGateways/gw/urlPathMaps/m/pathRules/r`` gives urlPathMaps, m, pathRules, r; so does the relative
    ``/urlPathMaps/m/pathRules/r``. Empty: it leads to something else.
    """
    return _gateway_child(text) if len(text) <= LONGEST else ()


@lru_cache(maxsize=4096)  # a gateway has few different ones, and each of its answers asks for all of them several times
def _gateway_child(text: str) -> tuple[str, ...]:
    parts = segments(text if text.startswith("/") else f"/{text}") or ()
    lowered = [part.lower() for part in parts]
    if "applicationgateways" in lowered:
        return parts[lowered.index("applicationgateways") + 2 :]
    return parts if parts and lowered[0] != "subscriptions" and len(parts) % 2 == 0 else ()
