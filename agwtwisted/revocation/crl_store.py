"""Keeps CRLs in files of the state directory, so that they outlive the process and all workers have them.

A file is a list in DER, then what goes with it as JSON, so that both are replaced at once. Files are not trusted: the
list is signed, and is proven again by every process that reads it. Every function waits for the
disk, and is for a thread or the start. Callers: the CRL source and its downloads.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import attrs
from twisted.logger import Logger

from agwtwisted.core.base.errors import AgwError
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.sharing.private_files import write_whole

DIRECTORY: Final = "crls"

MAX_STORED: Final = 256
"""Lists that are stored; of more than that those go that were fetched longest ago."""

MAX_TRAILER: Final = 65536
"""Bytes of what goes with a list; most of them are the certificate of its issuer."""

MAX_FILE: Final = 1 << 30
"""Bytes of a file that is read at all: a list is as long as `crl_max_bytes` allowed when it came."""

_TAIL: Final = struct.Struct("!I8s")  # the length of the JSON, and what such a file ends with
_MAGIC: Final = b"agw CRL1"
_SUFFIX: Final = ".crl"


class DamagedListError(AgwError):
    """A file of the store that is not what was written."""


@attrs.frozen(kw_only=True)
class Validators:
    """By which a server is asked whether a list has changed (RFC 9110 section 8.8); empty: it has given none."""

    etag: str = ""
    last_modified: str = ""

    def __bool__(self) -> bool:
        return bool(self.etag or self.last_modified)


@attrs.frozen(kw_only=True)
class StoredList:
    """A list as it came, and what it takes to prove and to renew it."""

    data: bytes = attrs.field(repr=False)  # in DER
    issuer: bytes = attrs.field(repr=False)  # the certificate by which it was proven, in DER
    url: str = ""  # it came from; empty: an operator has given it
    validators: Validators = Validators()
    fetched: float = 0.0  # or known to be the newest there is, in seconds since 1970

    @property
    def name(self) -> str:
        """Of its file: one list for each URL and issuer, and one for each list that an operator has given."""
        return name_of(self.url, self.issuer) if self.url else sha256(b"list " + self.data).hexdigest()


def name_of(url: str, issuer: bytes) -> str:
    """The name under which the list of a URL is stored that was proven by this certificate."""
    return sha256(b"url " + url.encode() + b" " + issuer).hexdigest()


class Lease(Protocol):
    """The right to download one list, which no other process has meanwhile."""

    def release(self) -> None:
        """Ends it; so does the end of the process."""


class ListStore(Protocol):
    """Where lists are stored."""

    outlives_process: bool

    def load(self) -> list[StoredList]:
        """All that are stored and can be read."""

    def read(self, name: str) -> StoredList | None:
        """The list of this name; None where there is none that can be read."""

    def put(self, stored: StoredList) -> None:
        """Stores a list, in place of the one of the same name; raises OSError."""

    def lease(self, name: str) -> Lease | None:
        """The right to download this list; None: another process has it. Does not wait for it."""


class NoLease:
    """Where no other process can download the same list, or none can be kept from it."""

    def release(self) -> None:
        """Nothing was taken."""


class MemoryListStore:
    """Of a gateway of one process without a state directory."""

    outlives_process = False

    def load(self) -> list[StoredList]:
        """As ListStore says."""
        return []

    def read(self, name: str) -> StoredList | None:
        """As ListStore says."""
        return None

    def put(self, stored: StoredList) -> None:
        """As ListStore says: the process has it in memory."""

    def lease(self, name: str) -> Lease:
        """As ListStore says."""
        return NoLease()


class FileListStore:
    """In a directory, which other processes may share.

    Args:
        directory: absolute; made for its owner alone, once there is a list.
        outlives_process: whether it is one that stays.
        most: lists that are kept.
    """

    log = Logger()

    def __init__(self, directory: Path, *, outlives_process: bool = True, most: int = MAX_STORED) -> None:
        self.outlives_process = outlives_process
        self._directory = directory
        self._most = most

    def load(self) -> list[StoredList]:
        """As ListStore says."""
        found = (self.read(path.stem) for path in sorted(self._files()))
        return [each for each in found if each is not None]

    def read(self, name: str) -> StoredList | None:
        """As ListStore says; one that is damaged is set aside, with a line in the log."""
        path = self._path(name)
        try:
            return _read(path)
        except FileNotFoundError:
            return None
        except DamagedListError as error:
            self._set_aside(path, error)
        except OSError as error:
            self.log.error("{path} cannot be read: {error}", path=str(path), error=str(error))
        return None

    def put(self, stored: StoredList) -> None:
        """As ListStore says."""
        trailer = json.dumps(_members(stored)).encode()
        tail = _TAIL.pack(len(trailer), _MAGIC)
        self._make()
        write_whole(self._path(stored.name), b"".join((stored.data, trailer, tail)))
        self._forget_oldest()

    def lease(self, name: str) -> Lease | None:
        """As ListStore says. On a file system that knows no locks every process downloads."""
        path = self._directory / f"{name}.lock"
        try:
            self._make()
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return NoLease()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            return NoLease()
        if not _is_at(descriptor, path):  # who had it has removed it meanwhile
            os.close(descriptor)
            return None
        return _FileLease(descriptor, path)

    def _make(self) -> None:
        """Raises OSError where there is no such directory, or another user owns it."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.geteuid()):
            raise PermissionError(1, "belongs to another user", str(self._directory))

    def _path(self, name: str) -> Path:
        return self._directory / (name + _SUFFIX)

    def _files(self) -> Iterator[Path]:
        return self._directory.glob("*" + _SUFFIX)

    def _forget_oldest(self) -> None:
        dated: list[tuple[float, Path]] = []
        for path in self._files():
            try:
                dated.append((path.stat().st_mtime, path))
            except OSError:  # another process has removed it
                continue
        for _, path in sorted(dated)[: -self._most]:
            path.unlink(missing_ok=True)

    def _set_aside(self, path: Path, error: DamagedListError) -> None:
        aside = path.with_suffix(".damaged")
        try:
            path.replace(aside)
        except OSError:
            return
        message = "{path} is damaged ({error}): set aside as {aside}"
        self.log.error(message, path=str(path), error=str(error), aside=str(aside))


@attrs.frozen
class _FileLease:
    """A lock on a file, which the kernel frees with the process; the file goes with the lock."""

    descriptor: int
    path: Path

    def release(self) -> None:
        """As Lease says."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self.descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is still the one of this path."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def temporary_directory(memory: SharedMemory) -> Path:
    """Where workers without a state directory keep lists: no other user can know the name."""
    return Path(tempfile.gettempdir()) / f"agwtwisted-{sha256(b'crls' + memory.hash_key).hexdigest()[:32]}"


def _members(stored: StoredList) -> dict[str, Any]:
    return {
        "issuer": base64.b64encode(stored.issuer).decode(),
        "url": stored.url,
        "etag": stored.validators.etag,
        "last_modified": stored.validators.last_modified,
        "fetched": stored.fetched,
        "sha256": sha256(stored.data).hexdigest(),
    }


def _read(path: Path) -> StoredList:
    """The list in a file; raises OSError and DamagedListError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not _TAIL.size < size <= MAX_FILE:
            raise DamagedListError(f"it has {size} bytes")
        length, magic = _TAIL.unpack(os.pread(file.fileno(), _TAIL.size, size - _TAIL.size))
        at = size - _TAIL.size - length
        if magic != _MAGIC or length > MAX_TRAILER or at < 0:
            raise DamagedListError("it does not end as such files do")
        trailer = os.pread(file.fileno(), length, at)
        return _stored(file.read(at), trailer)


def _stored(data: bytes, trailer: bytes) -> StoredList:
    try:
        members = json.loads(trailer)
        stored = StoredList(
            data=data,
            issuer=base64.b64decode(members["issuer"]),
            url=str(members["url"]),
            validators=Validators(etag=_header(members["etag"]), last_modified=_header(members["last_modified"])),
            fetched=float(members["fetched"]),
        )
        is_whole = members["sha256"] == sha256(data).hexdigest()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DamagedListError(f"what goes with the list cannot be read: {error}") from error
    if not is_whole:
        raise DamagedListError("the list is another one")
    return stored


def _header(text: str) -> str:
    """What is sent to the server again as the value of a header, and came as one. Raises ValueError and TypeError."""
    if any(octet < 0x20 or octet == 0x7F for octet in str.encode(text, "latin-1")):
        raise ValueError("not the value of a header")
    return text
