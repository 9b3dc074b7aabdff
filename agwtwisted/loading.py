"""From the path of a configuration file to a plan, or to every reason why it is not taken: as a value, and no exit.

`tap`, `explain` and the demo load with it. What was read is kept with the plan: bytes travel to other processes, where
they make the same plan, and a reload of certificates alone keeps the text of the configuration in force. `placed` is
around whatever is made of a plan, for what only OpenSSL or the system can say: that is a problem of the configuration
as well, with the line that asks for it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Final

import attrs

from agwtwisted.core.base.errors import AgwError, ConfigError, Place, Problem, SectionError
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.configuration.certificate_warnings import certificate_warnings
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.configuration.trust_coherence import key_of
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.sections.sources import ReadFile, SourceFile
from agwtwisted.listening.listener import BindError
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.tls import system_roots
from agwtwisted.tls.backend_contexts import BackendContexts
from agwtwisted.tls.contexts import trusted_variables
from agwtwisted.tls.plan_contexts import make_contexts


@attrs.frozen(kw_only=True)
class Files:
    """What a configuration was read from."""

    file: str
    """The path of its main file, as messages name it; paths in it are relative to its directory."""
    main: SourceFile
    named: Mapping[str, SourceFile] = attrs.field(factory=dict, repr=False)
    """Every file that the main file names, by its path."""
    unreadable: Mapping[str, int] = attrs.Factory(dict)
    """Of those that cannot be read, the error of the system (errno), by their paths."""

    def read(self, path: str) -> SourceFile:
        """The file of this path that was read; raises OSError where it could not be."""
        found = self.named.get(path)
        if found is None:
            raise _error(self.unreadable.get(path, errno.ENOENT), path)
        return found

    def reread(self) -> Files:
        """The same main text, and the files that it names as they are now, all of them at one moment.

        One that is not there any more stays as it was read.

        Raises:
            ConfigError: they change again and again while they are read.
        """
        for _ in range(READINGS):
            files = self._reread()
            if all(signature_of(path) == found.signature for path, found in files.named.items()):
                return files
        raise ConfigError([Problem(place=Place(file=self.file), message=CHANGING)])

    def _reread(self) -> Files:
        named, unreadable = dict(self.named), dict[str, int]()
        for path in (*self.named, *self.unreadable):
            try:
                named[path] = read(path)
            except OSError as error:
                if path in named and error.errno in _GONE:
                    named[path] = attrs.evolve(named[path], signature=None)
                else:
                    named.pop(path, None)
                    unreadable[path] = error.errno or errno.EIO
        return Files(file=self.file, main=self.main, named=named, unreadable=unreadable)


READINGS: Final = 5
"""How often files are read that change meanwhile, before that is given up."""

CHANGING: Final = "the files that it names change while they are read: once they are complete, reload again"

LARGEST: Final = 16 << 20
"""Bytes of a file that the configuration is or names; a configuration of 400 sites has 200 KB."""

_REASONS: Final = {errno.EINVAL: "it is not a regular file", errno.EFBIG: f"it is larger than {LARGEST >> 20} MiB"}

_GONE: Final = (errno.ENOENT, errno.ENOTDIR)


NO_FILES: Final = Files(file="", main=SourceFile(data=b"", mode=0o600))
"""Of a configuration that was made by other means."""


class UnreadableError(ConfigError):
    """The configuration file itself cannot be read."""


@attrs.frozen(kw_only=True)
class Loaded:
    """A configuration that is taken, and what it was read from."""

    plan: Plan
    files: Files


class _Reader:
    """Reads files, and keeps what it has read."""

    def __init__(self) -> None:
        self._read: dict[str, SourceFile] = {}
        self._unreadable: dict[str, int] = {}

    def read(self, path: str) -> SourceFile:
        """The file at a path, the same each time; raises OSError where there is none."""
        found = self._read.get(path)
        if found is None:
            try:
                found = self._read[path] = read(path)
            except OSError as error:
                self._unreadable[path] = error.errno or errno.EIO
                raise
        return found

    def files(self, file: str, main: SourceFile) -> Files:
        """All of them."""
        return Files(file=file, main=main, named=self._read, unreadable=self._unreadable)


def load(file: str, now: datetime | None) -> Plan:
    """The plan of a configuration file, as `load_files` has it."""
    return load_files(file, now).plan


def load_files(file: str, now: datetime | None, *, may_be_empty: bool = False) -> Loaded:
    """The plan of a configuration file, and all that was read for it. Takes its time; may run in any thread.

    Args:
        file: its path; paths in it are relative to its directory.
        now: the time (aware) at which certificates have expired; None: dates do not count.
        may_be_empty: as `parse` has it.

    Raises:
        ConfigError: with every problem, warnings included.
        UnreadableError: the file cannot be read.
    """
    try:
        main = read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableError([Problem(place=Place(file=file), message=f"cannot be read: {reason}")]) from error
    reader = _Reader()
    plan = _parsed(file, main, reader.read, now, may_be_empty=may_be_empty)
    return Loaded(plan=plan, files=reader.files(file, main))


def plan_of(files: Files, now: datetime | None) -> Plan:
    """The plan that the bytes of a configuration make, whatever stands in its files now; the rest as `load_files`.

    It may serve nothing: whether that is taken was decided when the bytes were read.
    """
    return _parsed(files.file, files.main, files.read, now, may_be_empty=True)


def _parsed(file: str, main: SourceFile, read_file: ReadFile, now: datetime | None, *, may_be_empty: bool) -> Plan:
    plan = parse(
        *(main.data, file, read_file), mode=main.mode, now=now, system_roots=_system_roots, may_be_empty=may_be_empty
    )
    return plan if now is None else plan.warned_of(certificate_warnings(plan, now))


def read(path: str) -> SourceFile:
    """A file that the configuration is or names; raises OSError where there is none, or it is not a regular one.

    A pipe without a writer would hold up this reload, and so all that follow; a device may have no end.
    """
    signature = signature_of(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _error(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(data) > LARGEST:
        raise _error(errno.EFBIG, path)
    return SourceFile(data=data, mode=mode, signature=signature)


def _error(number: int, path: str) -> OSError:
    return OSError(number, _REASONS.get(number) or os.strerror(number), path)


def try_contexts(plan: Plan) -> None:
    """OpenSSL has the last word about certificates and groups: it is heard as when the ports are made.

    Raises:
        AgwError: it does not take one.
    """
    make_contexts(plan, trusted_variables())
    backends = BackendContexts()
    for _, settings in plan.routes:
        if settings.protocol is Protocol.HTTPS:
            backends.of(settings)


@contextmanager
def placed(plan: Plan) -> Iterator[None]:
    """Has what goes wrong inside raised as a ConfigError, with the line of the file that asks for it."""
    try:
        yield
    except ConfigError:
        raise  # it has its lines
    except (AgwError, OSError) as error:
        raise ConfigError([_problem(error, plan)]) from error


def _problem(error: AgwError | OSError, plan: Plan) -> Problem:
    match error:
        case BindError():
            section, key, message = plan.listener_at(error.where), "port", str(error)
        case SectionError():
            section, key, message = error.section, "", error.reason
        case OSError(filename=None):  # a shortage: of descriptors, memory or threads
            section, key, message = "", "", error.strerror or str(error)
        case OSError():
            log = plan.gateway.access_log
            section, key = "gateway", "state_directory"
            if log is not None and os.path.abspath(log) == error.filename:
                key = "access_log"
            message = f"{key} {error.filename} cannot be opened: {error.strerror}"
        case _:
            section, key, message = "", "", str(error)
    return Problem(place=plan.origins.place(section, key), section=section, message=message)


def _system_roots() -> frozenset[bytes]:
    """The keys of the authorities that this machine trusts for servers; none where they stand at no usual place."""
    for path in system_roots.files():
        with suppress(OSError):
            found = read_certificates(read(path).data, "").certificates
            return frozenset(key_of(block.certificate) for block in found)
    return frozenset()
