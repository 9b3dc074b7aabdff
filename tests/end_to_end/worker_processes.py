"""The processes of a gateway with workers: which there are, and which of them serves a connection.

A gateway with workers is any other whose section [gateway] has the key: ``gateway.gateway_section(workers=2)``.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import Line, wait_until


def workers(gateway: Gateway, count: int = 2, besides: int = 0) -> dict[int, int]:
    """The process of each worker by its index, once so many serve; `besides`: none of them is this process."""

    def found() -> dict[int, int]:
        lines = re.findall(r"worker (\d+) \(process (\d+)\) serves", gateway.output)
        last = {int(index): int(process) for index, process in lines}
        return last if len(last) == count and besides not in last.values() else {}

    return wait_until(found, f"{count} workers serve")


def spawner(gateway: Gateway, besides: int = 0) -> int:
    """The process of the spawner, other than this one."""

    def found() -> int:
        processes = re.findall(r"The spawner \(process (\d+)\) has made", gateway.output)
        return 0 if not processes or int(processes[-1]) == besides else int(processes[-1])

    return wait_until(found, "there is a spawner")


def is_alive(process: int) -> bool:
    """Whether it runs: one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def worker_of(line: Line, processes: dict[int, int]) -> int:
    """The index of the worker that has accepted a connection; 0: none has yet."""
    client, server = line.socket.getsockname()[1], line.socket.getpeername()[1]
    inode = _inode(server, client)
    return next((index for index, process in processes.items() if inode in _sockets(process)), 0)


def _inode(local: int, remote: int) -> str:
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = row.split()
        ends = [int(field.rpartition(":")[2], 16) for field in fields[1:3]]
        if ends == [local, remote]:
            return fields[9]
    return ""


def _sockets(process: int) -> set[str]:
    found = set()
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{process}/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/{process}/fd/{descriptor}").removeprefix("socket:[").removesuffix("]"))
    return found
