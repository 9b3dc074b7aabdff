"""The section about how a running gateway is asked: `control`. And what a command reads of a file to find it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem, UnacceptableError, shown
from agwtwisted.core.http.host_names import is_loopback, listener_address
from agwtwisted.core.resources.gateway import Control
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.settings import Key, Kind, Row, beside, boolean, path, whole


def loopback_address(text: str) -> str:
    """An IPv4 or IPv6 address that no other machine can reach, in its canonical form."""
    address = listener_address(text)
    if not is_loopback(address):
        message = f"is {shown(text)}, but must be an address that only this machine reaches: 127.0.0.1 or ::1"
        raise UnacceptableError(f"{message}; other machines ask by a tunnel, for example of ssh")
    return address


def subscription_id(text: str) -> str:
    """The id of a subscription: a UUID, in small letters."""
    if _SUBSCRIPTION.fullmatch(text.lower()) is None:
        raise UnacceptableError(f"is {shown(text)}, but must be a UUID: 00000000-0000-0000-0000-000000000000")
    return text.lower()


def _problems(row: Row) -> Iterator[Problem]:
    """Keys that have no effect without a port, or without `arm`."""
    for key in ("address", "token_file"):
        if not row.unset(key) and row.unset("port") and not (key == "address" and row.get("arm")):
            yield row.problem(f"{key} has no effect without port", key=key)
    for key in ("arm_port", "arm_subscription"):
        if not row.unset(key) and not row.get("arm"):
            yield row.problem(f"{key} has no effect without arm = true", key=key)


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
        "port": Key(
            whole(limits.PORT),
            "The TCP port on which the control API and the console are served, too, to those that have the token. "
            "Unset: on none.",
        ),
        "address": Key(loopback_address, "The address of these ports: one that only this machine reaches."),
        "token_file": Key(
            path,
            "The file with the token, which only the gateway's user and root may be able to read; made at the first "
            "start. Unset: `control.token` in `state_directory`.",
        ),
        "arm": Key(
            boolean,
            "Serve clients of Azure Resource Manager, too: what they PUT takes the place of listeners, rules and "
            "backends, and is kept in `state_directory` ([how](../control-plane.md)).",
        ),
        "arm_port": Key(whole(limits.PORT), "The port on `address` on which they are served, by https."),
        "arm_subscription": Key(subscription_id, "The id of the subscription that they find."),
    },
    check=_problems,
)

_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

OFF = "off"
"""In place of a path: there is no socket."""

NAME = "control.sock"
"""The name of the socket where the configuration says none."""

TOKEN_NAME = "control.token"  # noqa: S105 - of the file
"""The same of the file with the token."""


def token_path(token_file: str | None, state_directory: str | None) -> str | None:
    """Where the token is; None: the configuration does not say.

    Args:
        token_file: as the section has it.
        state_directory: as `[gateway]` has it.
    """
    if token_file is not None:
        return token_file
    return None if state_directory is None else f"{state_directory}/{TOKEN_NAME}"


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


def located_port(data: bytes, file: str) -> tuple[str, int, str | None] | None:
    """Address, port and file of the token, by the bytes of a configuration file; None: it has no such port."""
    found = dict(_values(data))
    port = found.get(("control", "port"), "")
    if not (port.isascii() and port.isdigit() and len(port) < 6):
        return None
    token, state = found.get(("control", "token_file")), found.get(("gateway", "state_directory"))
    placed = token_path(token and beside(file, token), state and beside(file, state))
    return found.get(("control", "address"), Control().address), int(port), placed


def asks_for_arm(data: bytes) -> bool:
    """Whether a configuration file has `arm = true` in [control], whatever else is wrong with it."""
    found = dict(_values(data)).get(("control", "arm"), "")
    try:
        return boolean(found)
    except UnacceptableError:
        return False


def located_log(data: bytes, file: str) -> str | None:
    """The path of the access log by the bytes of a configuration file, `-` for standard output; None: it has none."""
    named = dict(_values(data)).get(("gateway", "access_log"))
    return named if named in (None, "-") else beside(file, named)


def _values(data: bytes) -> Iterator[tuple[tuple[str, str], str]]:
    for section in ini.parse(data, "").sections:
        for entry in section.entries:
            if entry.value:
                yield (section.title, entry.key), entry.value
