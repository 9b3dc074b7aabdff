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
    index: list[Sequence[Any]] = [["", files.main.mode, len(files.main.data)]]
    index += [[path, file.mode, len(file.data)] for path, file in files.named.items()]
    fields = {
        "serial": serial,
        "version": VERSION,
        "file": files.file,
        "index": index,
        "unreadable": dict(files.unreadable),
        "now": None if now is None else now.isoformat(),
        "addresses": described(sockets or {}),
    }
    descriptors = [each.fileno() for each in (sockets or {}).values()]
    data = b"".join([files.main.data, *(file.data for file in files.named.values())])
    return Message(kind=MessageKind.PREPARE, fields=fields, data=data, descriptors=descriptors)


def files_of(message: Message) -> Files:
    """The files that a message of `prepare` has."""
    fields = message.fields
    (_, main), *named = _files(fields["index"], message.data)
    return Files(file=fields["file"], main=main, named=dict(named), unreadable=fields["unreadable"])


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
