"""Where the state of the control plane is kept: one file with all resources, and each secret in a file of its own.

A state takes the place of the one before by the renaming of one file. Secrets have names by their content, so those of
both states are there until it is done: whenever the process ends, the next one finds the one or the other, whole.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import attrs

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.resource_manager.messages import ArmState, Secret, Stored
from agwtwisted.sharing.private_files import (
    PrivateFileError,
    make_directory,
    read_private,
    sync_directory,
    write_beside,
    write_whole,
)

DIRECTORY: Final = "arm"
"""In the state directory."""

STATE: Final = "state.json"
SECRETS: Final = "secrets"
LOCK: Final = "lock"

VERSION: Final = 1

_READINGS: Final = 5

_ODD: Final = re.compile(r"[^A-Za-z0-9._-]")

LARGEST: Final = 64 << 20
"""Bytes of the file; a state that has more is not kept, and its request is refused."""


def store_problem(file: Path, message: str) -> ConfigError:
    """What is wrong with the store, as what is wrong with a configuration."""
    return ConfigError([Problem(place=Place(file=str(file)), message=message)])


class Store:
    """The store in a state directory.

    Args:
        directory: of the gateway's state.
        step: called with the name of each step of a write, before it; tests end the process there.
    """

    def __init__(self, directory: Path, step: Callable[[str], object] = lambda _: None) -> None:
        self.directory: Final = directory / DIRECTORY
        self._file = self.directory / STATE
        self._secrets = self.directory / SECRETS
        self._step = step
        self._lock = -1
        self._kept: frozenset[str] = frozenset()  # the files of the secrets of the state that is kept

    # -- one gateway at a time

    def lock(self) -> bool:
        """Takes the store for this process; False: another one has it. The system lets go of it with the process.

        Raises OSError.
        """
        if self._lock >= 0:
            return True
        make_directory(self.directory)
        lock = os.open(self.directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        return True

    def unlock(self) -> None:
        """Lets go of it."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # -- reading

    def read(self, empty: ArmState) -> ArmState:
        """What is kept; `empty`, where nothing was kept yet. May run in any thread.

        Raises:
            ConfigError: what is there is not what was written: nothing of it is taken.
        """
        for _ in range(_READINGS):
            data = self._data()
            try:
                return empty if data is None else self._parsed(data, empty)
            except ConfigError:
                if data == self._data():  # else the gateway whose place this one takes has written meanwhile
                    raise
        raise store_problem(self._file, "changes again and again while it is read: start again")

    def _data(self) -> bytes | None:
        """The file; None: nothing was kept yet."""
        try:
            return read_private(self._file)
        except FileNotFoundError:
            return None
        except (OSError, PrivateFileError) as error:
            raise store_problem(self._file, f"cannot be read: {_reason(error)}") from error

    def _parsed(self, data: bytes, empty: ArmState) -> ArmState:
        try:
            return self._state(json.loads(data), empty)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            message = "is damaged: nothing of it is served; restore it, or remove it to begin with no gateway"
            raise store_problem(self._file, message) from error

    def _state(self, members: Mapping[str, Any], empty: ArmState) -> ArmState:
        if members["version"] != VERSION:
            message = f"is of version {members['version']}, of which this program knows nothing: it writes {VERSION}"
            raise store_problem(self._file, message)
        if _digest(members["state"]) != members["sha256"]:
            raise ValueError("its digest is another one")
        state = members["state"]
        records = {
            key: Stored(id=str(each["id"]), body=dict(each["body"]), etag=str(each["etag"]))
            for key, each in state["records"].items()
        }
        secrets = {name: self._secret(name, file) for name, file in state["secrets"].items()}
        self._kept = frozenset(state["secrets"].values())
        return ArmState(
            tenant=empty.tenant,
            subscription=empty.subscription,
            location=empty.location,
            records=records,
            secrets=secrets,
            running=bool(state["running"]),
        )

    def _secret(self, name: str, file: str) -> Secret:
        path = self._secrets / file
        try:
            data = read_private(path)
        except (OSError, PrivateFileError) as error:
            raise store_problem(path, f"of the certificate {name} cannot be read: {_reason(error)}") from error
        if os.path.basename(file) != file or file != _secret_file(name, data):
            raise store_problem(path, f"of the certificate {name} is damaged: nothing is served; restore it")
        members = json.loads(data)
        return Secret(data=members["data"], password=members["password"])

    # -- writing

    def stage(self, state: ArmState) -> StagedState:
        """Writes a state beside the one that is kept, which stays; in a thread.

        Raises:
            OSError: it cannot be written.
            ConfigError: it is too large.
        """
        secrets = {name: _secret_bytes(secret) for name, secret in state.secrets.items()}
        files = {name: _secret_file(name, data) for name, data in secrets.items()}
        data = _state_bytes(state, files)
        if len(data) > LARGEST:
            raise store_problem(self._file, f"would have {len(data)} bytes, of at most {LARGEST}")
        self._step("begin")
        try:
            make_directory(self._secrets)
        except PrivateFileError as error:
            raise store_problem(self._secrets, str(error)) from error
        for name, file in files.items():
            if not _holds(self._secrets / file, secrets[name]):
                self._step(f"secret {name}")
                write_whole(self._secrets / file, secrets[name])
        self._step("state")
        return StagedState(self, write_beside(self._file, data), frozenset(files.values()))

    def put(self, staged: StagedState) -> None:
        """Puts a staged state in the place of the one before; in a thread. Raises OSError."""
        self._step("rename")
        staged.beside.replace(self._file)
        self._step("sync")
        sync_directory(self.directory)
        self._kept = staged.secrets
        self._step("clean")
        self._clean()
        self._step("end")

    def drop(self, staged: StagedState) -> None:
        """Removes a staged state: the one before stays."""
        with suppress(OSError):
            staged.beside.unlink()
        self._clean()

    def _clean(self) -> None:
        """Removes the secrets that the state does not need any more."""
        with suppress(OSError):  # what is too much is found again by the next one
            for path in list(self._secrets.iterdir()):
                if path.name not in self._kept:
                    path.unlink()


@attrs.frozen
class StagedState:
    """A state that is on the disk, and not in force."""

    store: Store
    beside: Path
    secrets: frozenset[str]

    def commit(self) -> None:
        """Puts it in the place of the one before; in a thread. Raises OSError."""
        self.store.put(self)

    def discard(self) -> None:
        """Removes it; in a thread."""
        self.store.drop(self)


def _state_bytes(state: ArmState, secrets: Mapping[str, str]) -> bytes:
    members = {
        "records": {key: {"id": each.id, "body": each.body, "etag": each.etag} for key, each in state.records.items()},
        "secrets": secrets,
        "running": state.running,
    }
    return (
        json.dumps({"version": VERSION, "sha256": _digest(members), "state": members}, indent=1, default=dict).encode()
        + b"\n"
    )


def _digest(members: Any) -> str:
    """Of one spelling of members. In pieces: a long text at once would hold up the threads that serve."""
    digest = sha256()
    for piece in json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=dict).iterencode(members):
        digest.update(piece.encode())
    return digest.hexdigest()


def _secret_bytes(secret: Secret) -> bytes:
    return json.dumps({"data": secret.data, "password": secret.password}).encode()


def _secret_file(name: str, data: bytes) -> str:
    """By its content: a secret that changes has another file, and the one before stays until it is not needed."""
    digest = sha256(name.encode() + b"\0" + data).hexdigest()[:32]
    return f"{_ODD.sub('_', name)[:80]}.{digest}.json"


def _holds(path: Path, data: bytes) -> bool:
    try:
        return read_private(path) == data
    except (OSError, PrivateFileError):
        return False


def _reason(error: OSError | PrivateFileError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
