"""``agw reload`` and ``agw status``: ask a running gateway by its control socket.

Exit status: 0, it is as asked for; 1, the gateway refused, and serves on as before; 2, no gateway was reached.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import treq
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.posixbase import PosixReactorBase
from twisted.web.client import URI, Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from agwtwisted.core.base.errors import AgwError, printable
from agwtwisted.core.sections.control_keys import located

RUNTIME_DIRECTORY: Final = "/run/agwtwisted"
"""The runtime directory of the unit in deploy/systemd."""

TIMEOUT: Final = 300.0
"""Seconds for an answer: a reload reads, judges and prepares all before."""

LONGEST: Final = 4 << 20
"""Bytes of an answer."""


class NoGatewayError(AgwError):
    """No gateway was reached: the message says where, and why."""


@attrs.frozen
class ControlAnswer:
    """What a gateway answered."""

    status: int  # of HTTP
    members: Mapping[str, Any]


def socket_of(control: str | None, config: str) -> str:
    """The path of the control socket.

    Args:
        control: as it was given; None: it is found by the configuration.
        config: the path of the gateway's configuration, which may have errors.

    Raises:
        NoGatewayError: the configuration cannot be read, or has none.
    """
    if control is not None:
        return control
    try:
        data = Path(config).read_bytes()
    except OSError as error:
        raise NoGatewayError(
            f"{config} cannot be read: {error.strerror}; --config names another file, --control the socket"
        ) from error
    path = located(data, config, os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or RUNTIME_DIRECTORY)
    if path is None:
        raise NoGatewayError(f"{config}: [control] socket = off, so the gateway has no control socket")
    return path


async def ask(reactor: PosixReactorBase, path: str, method: str, target: str) -> ControlAnswer:
    """Asks the gateway; raises `NoGatewayError`."""
    client = treq.client.HTTPClient(Agent.usingEndpointFactory(reactor, _Endpoint(reactor, path)))
    try:
        once = Headers({"Connection": ["close"]})
        url = f"http://gateway{target}"
        response = await client.request(method, url, allow_redirects=False, timeout=TIMEOUT, headers=once)
        received = bytearray()
        collecting: Deferred[None] = treq.collect(response, lambda data: _collect(received, data))
        await collecting.addTimeout(TIMEOUT, reactor)
        members = json.loads(received)
    except ConnectError as error:
        reason = os.strerror(error.osError) if isinstance(error.osError, int) else str(error)
        hint = "the log of a gateway names its control socket, which --control takes"
        raise NoGatewayError(f"no gateway answers on {path}: {reason}; {hint}") from error
    except (ResponseFailed, TimeoutError, CancelledError, ValueError) as error:
        raise NoGatewayError(f"no answer on {path}: {type(error).__name__}") from error
    if not isinstance(members, dict):
        raise NoGatewayError(f"no gateway's answer on {path}")
    return ControlAnswer(response.code, members)


def reload_text(answer: ControlAnswer) -> tuple[int, str]:
    """Exit status and text for people, of the answer to a reload."""
    members = answer.members
    if answer.status != 200:
        problems = members.get("problems") or [members.get("error", f"status {answer.status}")]
        end = f"rejected: generation {members.get('generation', '?')} stays in force"
        return 1, "\n".join((*map(_line, problems), end))
    lines = [f"generation {members['generation']} ({members['fingerprint'][:12]}) is in force"]
    for kind in ("added", "changed", "removed"):
        lines += [f"  {kind}: {_line(title)}" for title in members[kind]]
    if len(lines) == 1:
        lines.append("  nothing changed")
    return 0, "\n".join((*map(_line, members["warnings"]), *lines))


def status_text(answer: ControlAnswer) -> tuple[int, str]:
    """The same of the status."""
    members = answer.members
    if answer.status != 200:
        return 1, _line(members.get("error", f"status {answer.status}"))
    rows = [
        ("gateway", f"{members['phase']}, agwtwisted {members['version']}, process {members['pid']}"),
        ("configuration", f"generation {members['generation']} ({members['fingerprint'][:12]})"),
        ("last reload", _last_reload(members["last_reload"])),
        ("connections", str(members["connections"])),
    ]
    for each in members["listeners"]:
        host = f"[{each['address']}]" if ":" in each["address"] else each["address"]
        rows.append((f"  {host}:{each['port']}", _count(each["connections"], "connection")))
    for each in members["workers"]:
        counts = _count(each["connections"], "connection"), _count(each["restarts"], "restart")
        rows.append((f"  worker {each['index']}", ", ".join((f"process {each['pid']}", *counts))))
    width = max(len(name) for name, _ in rows)
    return 0, "\n".join(f"{name:{width}}  {_line(value)}" for name, value in rows)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _last_reload(last: Mapping[str, Any] | None) -> str:
    if last is None:
        return "none"
    problems: Sequence[str] = last["problems"]
    return f"{last['outcome'].replace('_', ' ')} at {last['at']}" + "".join(f"; {problem}" for problem in problems)


def _line(text: object) -> str:
    return printable(str(text))


def _collect(received: bytearray, data: bytes) -> None:
    if len(received) + len(data) > LONGEST:
        raise ValueError("too long an answer")
    received.extend(data)


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Endpoint:
    """Leads every request to one Unix socket."""

    reactor: PosixReactorBase
    path: str

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """The socket."""
        return UNIXClientEndpoint(self.reactor, self.path, timeout=10)
