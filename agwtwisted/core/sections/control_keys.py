"""The section about how a running gateway is asked: `control`. And what a command reads of a file to find it."""

from __future__ import annotations

from collections.abc import Iterator

from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.settings import Key, Kind, path
from agwtwisted.core.sections.sources import beside

CONTROL = Kind(
    name="control",
    meaning="How `agw` reaches the running gateway; optional.",
    resource=Control,
    named=False,
    keys={
        "socket": Key(
            path,
            "The path of the control socket, or `off`. Unset: `control.sock` in `state_directory`, else in the runtime "
            "directory that systemd gives (`RuntimeDirectory=`), else there is none.",
        ),
    },
)

OFF = "off"
"""In place of a path: there is no socket."""

NAME = "control.sock"
"""The name of the socket where the configuration says none."""


def socket_path(socket: str | None, state_directory: str | None, runtime_directory: str) -> str | None:
    """Where the control socket is; None: there is none.

    Args:
        socket: as the section has it.
        state_directory: as `[gateway]` has it.
        runtime_directory: the one that the service manager gives; empty: none.
    """
    if socket is not None:
        return None if socket == OFF else socket
    directory = state_directory or runtime_directory
    return f"{directory}/{NAME}" if directory else None


def located(data: bytes, file: str, runtime_directory: str) -> str | None:
    """The same for the bytes of a configuration file, whatever else is wrong with it."""
    found = dict(_values(data))
    state, socket = found.get(("gateway", "state_directory")), found.get(("control", "socket"))
    placed = socket if socket in (None, OFF) else beside(file, socket)
    return socket_path(placed, state and beside(file, state), runtime_directory)


def located_log(data: bytes, file: str) -> str | None:
    """The path of the access log by the bytes of a configuration file, `-` for standard output; None: it has none."""
    named = dict(_values(data)).get(("gateway", "access_log"))
    return named if named in (None, "-") else beside(file, named)


def _values(data: bytes) -> Iterator[tuple[tuple[str, str], str]]:
    for section in ini.parse(data, "").sections:
        for entry in section.entries:
            if entry.value:
                yield (section.title, entry.key), entry.value
