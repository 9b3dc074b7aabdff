"""Checks across sections for `control`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.coherence import AnyListener, Draft
from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.sections.control_keys import TOKEN_NAME, token_path
from agwtwisted.core.sections.settings import Row


def problems(draft: Draft) -> Iterator[Problem]:
    """A problem for every check that finds one."""
    for row in draft.rows["control"]:
        if "port" in row.values:
            yield from _without_token(draft, row)
            yield from _taken_port(draft, row, "port")
        if row.get("arm"):
            yield from _without_state(draft, row)
            yield from _taken_port(draft, row, "arm_port")
            if row.get("arm_port") == row.get("port"):
                yield row.problem(
                    f"arm_port is {row.get('arm_port')}, as port is: each needs one of its own", key="arm_port"
                )


def _without_token(draft: Draft, row: Row) -> Iterator[Problem]:
    state = None if draft.gateway is None else draft.gateway.state_directory
    if draft.gateway is not None and row.unset("token_file") and token_path(None, state) is None:
        message = f"port needs a token: set token_file, or state_directory in [gateway], where {TOKEN_NAME} is made"
        yield row.problem(message, key="port")


def _without_state(draft: Draft, row: Row) -> Iterator[Problem]:
    if draft.gateway is not None and draft.gateway.state_directory is None:
        yield row.problem("arm needs state_directory in [gateway]: what clients PUT is kept there", key="arm")


def _taken_port(draft: Draft, row: Row, key: str) -> Iterator[Problem]:
    control = Control(**row.fields())
    listeners: list[tuple[Row, AnyListener]] = [(each.row, each.value) for each in draft.listeners]
    listeners += [(each.row, each.value) for each in draft.relayed_listeners]
    port = getattr(control, key)
    for other, listener in listeners:
        if listener.port == port and _reaches(listener.address, control.address):
            yield row.problem(f"{other.section.title} listens on port {port} of {listener.address}, too", key=key)


def _reaches(listener: str, control: str) -> bool:
    """Whether a listener's address takes connections to that of the control port, too."""
    ours, theirs = ip_address(control), ip_address(listener)
    return ours == theirs or (theirs.is_unspecified and theirs.version == ours.version)
