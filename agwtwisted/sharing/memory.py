"""Memory that all processes of one gateway see: how many connections each worker has, and a table of their addresses.

No lock guards it. Each value has one process that writes it, and is 8 bytes at a multiple of 8, which a processor
writes and reads as a whole. A limit holds for the sum nevertheless: a process that takes a place counts it first, then
reads the counts of the others (`Fence` is between the two), and gives it back where they are too many. Of two that take
the last place at once one or both are refused; both never get it.

A process that dies leaves its counts behind: they are cleared before another one has its index.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from hashlib import blake2b
from secrets import token_bytes
from threading import Lock
from typing import Final

from agwtwisted.sharing.address_table import ENTRY_BYTES, AddressTable

MAX_WORKERS: Final = 127
"""Workers for whose counts there is room."""

MAX_ADDRESSES: Final = 1 << 20
"""Addresses that the table of one worker holds at most."""

MIN_ADDRESSES: Final = 1 << 9
"""And at least: as many entries as fill pages."""

_KEY_BYTES: Final = 32
_ENTRIES_AT: Final = 64
_UNFINISHED_AT: Final = 72
_LOCK_AT: Final = 80
_COUNTS_AT: Final = 4096
_COUNTS_BYTES: Final = 8 * (MAX_WORKERS + 1)
_TABLES_AT: Final = 2 * 4096


def entries_for(max_connections: int) -> int:
    """Entries of a table of addresses: a power of two, twice to four times as many as there may be addresses."""
    return min(max(1 << (2 * max_connections - 1).bit_length(), MIN_ADDRESSES), MAX_ADDRESSES)


class SharedMemory:
    """The memory, in one process. It is made once, and inherited through its descriptor.

    The descriptor is also what `BatchLock` locks. Locks of fcntl(2) belong to a process, and all of them end when it
    closes any descriptor of the file: so it is closed by nothing while the process lives.

    Args:
        descriptor: of the memory, as `create` has made it.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, 0)
        self._view = memoryview(self._memory)
        self.hash_key = bytes(self._view[:_KEY_BYTES])
        self.connections: memoryview[int] = self._view[_COUNTS_AT : _COUNTS_AT + _COUNTS_BYTES].cast("q")
        """How many each worker has, by its index; the parent, which has index 0, has none."""
        [self.entries] = self._view[_ENTRIES_AT : _ENTRIES_AT + 8].cast("q")

    @classmethod
    def create(cls, max_connections: int, workers: int) -> SharedMemory:
        """For so many workers; pages that are not used take no memory. Raises OSError."""
        entries = entries_for(max_connections)
        descriptor = os.memfd_create("agwtwisted")
        os.ftruncate(descriptor, _TABLES_AT + (workers + 1) * entries * ENTRY_BYTES)
        os.pwrite(descriptor, token_bytes(_KEY_BYTES), 0)
        os.pwrite(descriptor, entries.to_bytes(8, "little"), _ENTRIES_AT)
        return cls(descriptor)

    def addresses(self, index: int) -> AddressTable:
        """The addresses of the clients of one worker."""
        start = self._table_at(index)
        return AddressTable(self._view[start : start + self.entries * ENTRY_BYTES].cast("q"))

    def clear(self, index: int) -> None:
        """Forgets the connections of a worker that is gone, before another one has its index."""
        self.connections[index] = 0
        start, size = self._table_at(index), self.entries * ENTRY_BYTES
        try:
            self._memory.madvise(mmap.MADV_REMOVE, start, size)
        except OSError:  # a kernel that does not give pages back (gVisor)
            self._view[start : start + size] = bytes(size)

    def key_of(self, address: str) -> int:
        """The number that stands for an address, never 0: no client can choose addresses that have the same."""
        digest = blake2b(address.encode(), key=self.hash_key, digest_size=8).digest()
        return int.from_bytes(digest, "little", signed=True) or 1

    def batch_lock(self) -> BatchLock:
        """The lock around a batch of the access log."""
        return BatchLock(self.descriptor, self._view[_UNFINISHED_AT : _UNFINISHED_AT + 8].cast("q"))

    def _table_at(self, index: int) -> int:
        return _TABLES_AT + index * self.entries * ENTRY_BYTES


class BatchLock:
    """Held by the one process that writes to the access log now; the kernel frees it when that process ends.

    For a thread that may wait, and for one thread of each process alone: within a process it excludes nothing.
    """

    def __init__(self, descriptor: int, unfinished: memoryview[int]) -> None:
        self._descriptor = descriptor
        self._unfinished = unfinished

    def __enter__(self) -> None:
        """Waits for the lock. Raises OSError."""
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 8, _LOCK_AT)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 8, _LOCK_AT)

    @property
    def unfinished(self) -> int:
        """The process that writes, or whose last write may have ended within a line; 0: none. For who has the lock."""
        return self._unfinished[0]

    @unfinished.setter
    def unfinished(self, process: int) -> None:
        self._unfinished[0] = process


class Fence:
    """Has what this process wrote before be seen by others before it reads what they wrote.

    A processor may read ahead of its own writes. It does not across a lock that is released and taken again, which
    Python does by atomic instructions: on x86 each of them is a full barrier, on ARM a read that acquires comes after a
    write that has released before it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._lock.acquire()

    def __call__(self) -> None:
        self._lock.release()
        self._lock.acquire()
