"""Sections of a configuration file as rows, and the bodies that are written of them."""

from __future__ import annotations

from typing import Any

from agwtwisted.core.arm import forms
from agwtwisted.core.arm.forms import GatewayIdentity
from agwtwisted.core.arm.writing import gateway_properties, rows_by_kind
from agwtwisted.core.sections import ini, settings
from agwtwisted.core.sections.schema import KINDS
from agwtwisted.core.sections.settings import Row

ID = GatewayIdentity().id


def rows(text: str, file: str = "conf/gw.ini") -> list[Row]:
    """The sections of a file."""
    document = ini.parse(text.encode(), file)
    assert not document.problems, document.problems
    return [settings.read(each, KINDS[each.kind], index)[0] for index, each in enumerate(document.sections)]


def properties(text: str) -> dict[str, Any]:
    """The `properties` of the body that is written of a file; trusted certificates have the data `TITLE`."""
    found = rows(text)
    certificates = {row.section.title: row.section.title for row in found}
    written: dict[str, Any] = forms.resource(
        GatewayIdentity(), gateway_properties(rows_by_kind(found), certificates), {}
    )["properties"]
    return written


def child(text: str, collection: str, name: str = "") -> dict[str, Any]:
    """The properties of one child of the body; by default of the first one."""
    found: list[dict[str, Any]] = properties(text)[collection]
    chosen = next(each for each in found if not name or each["name"] == name)
    inner: dict[str, Any] = chosen["properties"]
    return inner


def reference(collection: str, name: str) -> dict[str, str]:
    """A reference as it is written."""
    return {"id": f"{ID}/{collection}/{name}"}
