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
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs

from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments, ArmFiles, arm_files
from agwtwisted.core.base.errors import AgwError, ConfigError, Place, Problem, SectionError
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.configuration.certificate_warnings import certificate_warnings
from agwtwisted.core.configuration.parsing import parse, parse_document
from agwtwisted.core.configuration.trust_coherence import key_of
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.sections.document_kinds import is_json
from agwtwisted.core.sections.settings import beside
from agwtwisted.core.sections.sources import ReadFile, Signature, SourceFile
from agwtwisted.listening.listener import BindError
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.revocation.crl_files import ReadCrlFiles, read_crl_files
from agwtwisted.shared import checking_profiles, list_profiles
from agwtwisted.tls import openssl, system_roots
from agwtwisted.tls.backend_contexts import BackendContexts
from agwtwisted.tls.contexts import trusted_variables
from agwtwisted.tls.plan_contexts import make_contexts
from agwtwisted.transport.process import reactor_fallback

if TYPE_CHECKING:  # forty modules, for documents alone
    from agwtwisted.core.arm.configuration import ArmConfiguration


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
    arm: ArmFiles | None = None
    """Where the main file is an ARM document, what belongs to it; it may be empty then: there is no gateway yet."""

    def read(self, path: str) -> SourceFile:
        """The file of this path that was read; raises OSError where it could not be."""
        found = self.named.get(path)
        if found is None:
            raise _error(self.unreadable.get(path, errno.ENOENT), path)
        return found

    def reread(self) -> Files:
        """The same main text and overlay, and the files that they name as they are now, all of them at one moment.

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
        return attrs.evolve(self, named=named, unreadable=unreadable)


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
    lists: Mapping[str, Signature | None] = attrs.Factory(dict)
    """The files of `crl_files` by their paths, whose bytes are no part of a plan: a reload takes them where they are
    others. Empty: they are not compared."""


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

    def beside(self, files: Files) -> Files:
        """These files, with all of those that were read."""
        return attrs.evolve(files, named=self._read, unreadable=self._unreadable)


def load(file: str, now: datetime | None, arm: ArmArguments = NO_ARGUMENTS) -> Plan:
    """The plan of a configuration file, as `load_files` has it."""
    return load_files(file, now, arm=arm).plan


def load_files(
    file: str, now: datetime | None, *, may_be_empty: bool = False, arm: ArmArguments = NO_ARGUMENTS
) -> Loaded:
    """The plan of a configuration file, and all that was read for it. Takes its time; may run in any thread.

    The file is INI or an ARM document: what is in it says so.

    Args:
        file: its path; paths in it are relative to its directory.
        now: the time (aware) at which certificates have expired; None: dates do not count.
        may_be_empty: as `parse` has it.
        arm: what the command says about a document.

    Raises:
        ConfigError: with every problem, warnings included.
        UnreadableError: the file cannot be read.
    """
    return _loaded(files_of(file, arm), now, may_be_empty=may_be_empty)


def load_arm(body: bytes | None, overlay: str, now: datetime | None, *, file: str = "") -> Loaded:
    """The same of an ARM document that is in memory, and an overlay whose names may wait for their resources.

    Args:
        body: the document; None: there is no gateway yet, and nothing is served.
        overlay: the path of the overlay.
        now: as `load_files` has it.
        file: the path that messages name the document by; empty: ``gateway.json`` beside the overlay.

    Raises:
        ConfigError: as `load_files`; problems of the document have their JSON paths.
    """
    path = file or beside(overlay, "gateway.json")
    arm = attrs.evolve(_arm_files(path, ArmArguments(overlay=overlay)), names_may_wait=True)
    main = SourceFile(data=body or b"", mode=0o600)
    return _loaded(Files(file=path, main=main, arm=arm), now, may_be_empty=True)


def files_of(file: str, arm: ArmArguments = NO_ARGUMENTS) -> Files:
    """A configuration's main file, and what belongs to it where that is an ARM document; arguments as `load_files`.

    Raises:
        UnreadableError: it, or the overlay, cannot be read.
        ConfigError: options for an ARM document are given with an INI file.
    """
    main = _read_main(file)
    if is_json(main.data):
        return Files(file=file, main=main, arm=_arm_files(file, arm))
    if arm:
        message = "is an INI file: options about ARM documents have no effect on it"
        raise ConfigError([Problem(place=Place(file=file), message=message)])
    return Files(file=file, main=main)


def is_arm(file: str) -> bool:
    """Whether a configuration file is an ARM document; one that cannot be read is none."""
    try:
        return is_json(read(file).data)
    except (OSError, ValueError):
        return False


def _arm_files(file: str, arm: ArmArguments) -> ArmFiles:
    return arm_files(file, arm, _read_main)


def _read_main(file: str) -> SourceFile:
    try:
        return read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UnreadableError([Problem(place=Place(file=file), message=f"cannot be read: {reason}")]) from error


def _loaded(files: Files, now: datetime | None, *, may_be_empty: bool) -> Loaded:
    reader = _Reader()
    plan = _parsed(files, reader.read, now, may_be_empty=may_be_empty)
    return loaded_of(plan, reader.beside(files))


def loaded_of(plan: Plan, files: Files) -> Loaded:
    """A plan that was made of these files now."""
    paths = {os.path.abspath(each.path) for profile in list_profiles(plan) for each in profile.crl_files}
    return Loaded(plan=plan, files=files, lists={path: signature_of(path) for path in sorted(paths)})


def changed_lists(before: Loaded, after: Loaded) -> tuple[str, ...]:
    """The titles of the profiles in the second plan with a file of `crl_files` that was written since the first."""
    written = {path for path, signature in after.lists.items() if before.lists.get(path) != signature}
    return tuple(
        f"ssl_profile {profile.name}"
        for profile in list_profiles(after.plan)
        if any(os.path.abspath(each.path) in written for each in profile.crl_files)
    )


def plan_of(files: Files, now: datetime | None) -> Plan:
    """The plan that the bytes of a configuration make, whatever stands in its files now; the rest as `load_files`.

    It may serve nothing: whether that is taken was decided when the bytes were read.
    """
    return _parsed(files, files.read, now, may_be_empty=True)


def _parsed(files: Files, read_file: ReadFile, now: datetime | None, *, may_be_empty: bool) -> Plan:
    how: dict[str, Any] = {"mode": files.main.mode, "now": now, "may_be_empty": may_be_empty}
    how["system_roots"] = _system_roots
    if files.arm is None:
        plan = parse(files.main.data, files.file, read_file, **how)
    else:
        configuration = files.arm.configuration(files.file, files.main.data, read_file)
        read_any = partial(_read_any, configuration, files.main.mode, read_file)
        file = files.file if files.main.data else files.arm.overlay  # without a gateway there is no document to name
        plan = parse_document(configuration.document, file, read_any, **how)
    _import_for(plan)
    return plan if now is None else plan.warned_of(certificate_warnings(plan, now))


def _import_for(plan: Plan) -> None:
    """Imports what serves this plan, and not every other.

    Here that is before the first client, in the thread of a reload, and before workers are forked, who share it then.
    """
    if plan.relay_ports:
        from agwtwisted.relay import port  # noqa: F401
    if any(site.listener.http2 for each in plan.http_ports.values() for site in each.sites.all()):
        from agwtwisted.core.http2 import requests, responses  # noqa: F401
        from agwtwisted.http2 import client_protocol  # noqa: F401
    if plan.gateway.revocation_store is not None:
        from agwtwisted.revocation import redis_knowledge, redis_server  # noqa: F401
    if plan.gateway.state_directory is not None and checking_profiles(plan):
        from agwtwisted.revocation import sqlite_store  # noqa: F401


def _read_any(made: ArmConfiguration, mode: int, read_file: ReadFile, path: str) -> SourceFile:
    """A file that stands in a document, which others can read where they can read the document, or one of the disk."""
    found = made.files.get(path)
    if found is None:
        return read_file(path)
    return SourceFile(data=found.data, mode=0o600 | (made.modes.get(path, mode) & 0o044))


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


def try_crl_files(plan: Plan) -> ReadCrlFiles:
    """The files of `crl_files`, read as when the gateway starts.

    Raises:
        SectionError: one cannot be read, or is none.
    """
    return read_crl_files(list_profiles(plan))


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
            section, key = plan.listener_at(error.where), "port"
            in_document = plan.origins.place(section, key).path
            message = f"{error}{OTHER_PORT if in_document else ''}"
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


OTHER_PORT: Final = (
    "; --port 443=8443 or --port-offset 8000 (in the overlay: [arm] ports, port_offset) has another port here in place"
    " of the document's"
)
"""What to do where a port of an ARM document cannot be bound."""


def _system_roots() -> frozenset[bytes]:
    """The keys of the authorities that this machine trusts for servers; none where they stand at no usual place."""
    for path in system_roots.files():
        with suppress(OSError):
            found = read_certificates(read(path).data, "").certificates
            return frozenset(key_of(block.certificate) for block in found)
    return frozenset()


def fallbacks() -> tuple[str, ...]:
    """What of the installed libraries is unknown to the gateway, and what that means."""
    return tuple(filter(None, (openssl.FALLBACK, reactor_fallback())))
