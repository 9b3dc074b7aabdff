"""What the process takes of the machine, as the names of Prometheus's client libraries have it (`process_…`)."""

from __future__ import annotations

import os
import resource
from typing import Final

import attrs

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


@attrs.frozen(kw_only=True)
class ProcessUsage:
    """At one moment."""

    cpu_seconds: float  # of user and system
    resident_bytes: int
    open_descriptors: int
    max_descriptors: int

    @classmethod
    def now(cls) -> ProcessUsage:
        """Of this process. What the system does not say is 0."""
        times = os.times()
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(
            cpu_seconds=times.user + times.system,
            resident_bytes=_resident_pages() * _PAGE,
            open_descriptors=_descriptors(),
            max_descriptors=most,
        )


def _resident_pages() -> int:
    """The second field of statm (proc(5))."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _descriptors() -> int:
    """Linux 6.2 and later says the number as the size of the directory; before, they have to be listed."""
    try:
        return os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0
