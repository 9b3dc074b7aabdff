"""Configurations and problems on their way between processes: the bytes of files, private keys included.

They go through a socket of this gateway's processes alone: not by arguments, the environment, or a disk.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs

from agwtwisted._version import VERSION
from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.base.errors import Place, Problem, Severity
from agwtwisted.core.plan.plan import Address
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.listening.listener import InheritedSocket
from agwtwisted.loading import Files
from agwtwisted.workers.messages import Message, MessageKind


def prepare(
    serial: int, files: Files, now: datetime | None, sockets: Mapping[Address, socket.socket] | None = None
) -> Message:
    """A configuration to be made ready.

    Args:
        serial: its number, which is in every answer.
        files: what it is made from.
        now: the time (aware) at which its certificates have expired, the same in every process.
        sockets: listening sockets for addresses that are new.
    """
    sent = [("", files.main), *_overlay(files.arm), *files.named.items()]
    index = [[path, file.mode, len(file.data)] for path, file in sent]
    fields = {
        "serial": serial,
        "version": VERSION,
        "file": files.file,
        "index": index,
        "unreadable": dict(files.unreadable),
        "arm": files.arm and _fields(files.arm),
        "now": None if now is None else now.isoformat(),
        "addresses": described(sockets or {}),
    }
    descriptors = [each.fileno() for each in (sockets or {}).values()]
    data = b"".join(file.data for _, file in sent)
    return Message(kind=MessageKind.PREPARE, fields=fields, data=data, descriptors=descriptors)


def files_of(message: Message) -> Files:
    """The files that a message of `prepare` has."""
    fields = message.fields
    (_, main), *named = _files(fields["index"], message.data)
    arm = None
    if fields["arm"] is not None:
        overlay = named.pop(0)[1] if fields["arm"]["has_overlay"] else None
        arm = _arm_files(fields["arm"], overlay)
    return Files(file=fields["file"], main=main, named=dict(named), unreadable=fields["unreadable"], arm=arm)


def _overlay(arm: ArmFiles | None) -> Iterator[tuple[str, SourceFile]]:
    if arm is not None and arm.text is not None:
        yield arm.overlay, arm.text


def _fields(arm: ArmFiles) -> Mapping[str, Any]:
    return {
        "overlay": arm.overlay,
        "has_overlay": arm.text is not None,
        "keys": arm.keys,
        "local_addresses": sorted(arm.local_addresses),
        "names_may_wait": arm.names_may_wait,
    }


def _arm_files(fields: Mapping[str, Any], overlay: SourceFile | None) -> ArmFiles:
    return ArmFiles(
        overlay=fields["overlay"],
        text=overlay,
        keys=tuple((key, value) for key, value in fields["keys"]),
        local_addresses=frozenset(fields["local_addresses"]),
        names_may_wait=fields["names_may_wait"],
    )


def now_of(message: Message) -> datetime | None:
    """The time that a message of `prepare` has."""
    now = message.fields["now"]
    return None if now is None else datetime.fromisoformat(now)


def described(sockets: Mapping[Address, socket.socket]) -> list[Sequence[Any]]:
    """Listening sockets whose descriptors go with a message, in their order: address, port, whether from systemd."""
    return [(*address, isinstance(each, InheritedSocket)) for address, each in sockets.items()]


def sockets_of(message: Message, descriptors: Iterable[int]) -> dict[Address, socket.socket]:
    """The listening sockets that a message brings, by these of its descriptors."""
    found: dict[Address, socket.socket] = {}
    for (address, port, is_inherited), descriptor in zip(message.fields["addresses"], descriptors, strict=True):
        found[address, port] = (InheritedSocket if is_inherited else socket.socket)(fileno=descriptor)
    return found


def _files(index: Iterable[Sequence[Any]], data: bytes) -> Iterator[tuple[str, SourceFile]]:
    at = 0
    for path, mode, length in index:
        yield path, SourceFile(data=data[at : at + length], mode=mode)
        at += length


def refused(serial: int, problems: Iterable[Problem]) -> Message:
    """The answer that a configuration cannot be taken."""
    fields = [
        [*attrs.astuple(each.place), each.message, each.section, each.code, each.severity.value] for each in problems
    ]
    return Message(kind=MessageKind.REFUSED, fields={"serial": serial, "problems": fields})


def problems_of(message: Message) -> tuple[Problem, ...]:
    """The reasons that a message of `refused` has."""
    return tuple(
        Problem(
            place=Place(file=file, line=line, path=path),
            message=text,
            section=section,
            code=code,
            severity=Severity(severity),
        )
        for file, line, path, text, section, code, severity in message.fields["problems"]
    )
