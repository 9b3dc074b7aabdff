"""What expressions of a template can refer to: the resources of its group, as they are answered."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from agwtwisted.core.arm.json_text import JsonNode, read_json
from agwtwisted.core.resource_manager.gateway_shown import shown_gateway
from agwtwisted.core.resource_manager.groups import DEPLOYMENTS, is_gateway
from agwtwisted.core.resource_manager.messages import ArmState
from agwtwisted.core.resource_manager.neighbours import shown


class DeployedResources(Mapping[str, JsonNode]):
    """Whole resources by id in small letters; each is made when it is referred to, since a group may have many.

    Args:
        state: has them.
        group_id: of the group that they are in.
    """

    def __init__(self, state: ArmState, group_id: str) -> None:
        self._state = state
        scope = f"{group_id.lower()}/providers/"
        hidden = f"{scope}{DEPLOYMENTS}/"
        own = {key: each for key, each in state.records.items() if key.startswith(scope)}
        self._stored = {key: each for key, each in own.items() if not key.startswith(hidden)}

    def __getitem__(self, key: str) -> JsonNode:
        stored = self._stored[key]
        members = shown_gateway(stored, running=self._state.running) if is_gateway(stored) else shown(stored)
        return read_json(json.dumps(members).encode(), "template")

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)
