"""Responses of JSON, and the values in them that are made: etags and unique ids."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from agwtwisted.core.resource_manager.messages import ArmAnswer, JsonObject, JsonValue

JSON_TYPE: Final = "application/json; charset=utf-8"

_NAMESPACE: Final = uuid.UUID("5f3c1f4e-8f0e-4b58-9d0a-3f4b8f6b2c11")


def json_answer(
    status: int, body: JsonObject | Sequence[JsonValue], headers: Mapping[str, str] | None = None
) -> ArmAnswer:
    """A response of JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return ArmAnswer(
        status=status, headers={"Content-Type": JSON_TYPE, **(headers or {})}, body=text.encode("utf-8", "replace")
    )


def unique_id(*parts: str) -> str:
    """A UUID made of these parts: the same ones give the same (RFC 9562 section 5.5)."""
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def new_etag(request_id: str, resource_id: str) -> str:
    """The etag of a resource that this request changes."""
    return f'W/"{unique_id(request_id, resource_id.lower())}"'
