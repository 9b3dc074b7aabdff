"""The lists that an operator gives in files (`crl_files`): read at a start and a reload, and followed between them.

A file may hold several lists, and is no part of the configuration's bytes: lists are large, signed, and change daily. A
list whose issuer is among the trusted CAs is proven when it is read; another one waits until a client comes whose chain
has its issuer. Caller: the CRL source.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import attrs

from agwtwisted.core.base.errors import SectionError
from agwtwisted.core.certificates.reading import Certificate, certificate_of
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.revocation.crl import CrlHead, ProvenCrl, read_head
from agwtwisted.core.revocation.crl_encodings import CrlFileError, encoded_lists_in_steps
from agwtwisted.core.revocation.status import Unusable
from agwtwisted.core.sections.sources import Signature, SourceFile
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.revocation.crl_proving import proven
from agwtwisted.revocation.crl_store import StoredList
from agwtwisted.revocation.held_lists import HeldList

MAX_FILE_BYTES: Final = 1 << 30
"""Of a file with several lists."""


@attrs.frozen(kw_only=True, eq=False)
class UnprovenList:
    """A list whose issuer is not at hand."""

    data: bytes = attrs.field(repr=False)
    head: CrlHead
    file: str
    is_of_other_key: bool = False  # a trusted CA has the name of its issuer, and another key


@attrs.frozen(kw_only=True, eq=False)
class ReadCrlFile:
    """A file with its lists as it was when it was read."""

    path: str
    signature: Signature | None
    proven: tuple[HeldList, ...]
    unproven: tuple[UnprovenList, ...]


@attrs.frozen(kw_only=True, eq=False)
class ReadCrlFiles:
    """All files of the profiles in force."""

    files: Mapping[str, ReadCrlFile] = attrs.Factory(dict)
    sections: Mapping[str, str] = attrs.Factory(dict)  # the title of the section that names each
    most: Mapping[str, int] = attrs.Factory(dict)  # bytes of a list in each
    issuers: tuple[bytes, ...] = ()  # the CAs that the profiles trust, in DER

    @property
    def signatures(self) -> dict[str, Signature | None]:
        """Of each file, as it was before it was read."""
        return {path: each.signature for path, each in self.files.items()}

    @property
    def followed(self) -> dict[str, SourceFile]:
        """The same as files that are followed."""
        return {each.path: SourceFile(data=b"", mode=0, signature=each.signature) for each in self.files.values()}


NO_CRL_FILES: Final = ReadCrlFiles()


def read_crl_files(
    profiles: Iterable[SslProfile], before: ReadCrlFiles = NO_CRL_FILES, pause: Callable[[], object] = lambda: None
) -> ReadCrlFiles:
    """The lists of these profiles' files; those that have not changed since `before` are not read again.

    It may wait for the disk, and takes seconds for a list of a million entries.

    Raises:
        SectionError: a file cannot be read, has no list, or one that can never count.
    """
    asking = tuple(profiles)
    sections, most = dict[str, str](), dict[str, int]()
    for profile in asking:
        for path in (os.path.abspath(each.path) for each in profile.crl_files):  # a daemon changes its directory
            sections.setdefault(path, f"ssl_profile {profile.name}")
            most[path] = max(most.get(path, 0), profile.crl_max_bytes)
    issuers = tuple(dict.fromkeys(_trusted(asking)))
    known = before.files if before.issuers == issuers else {}
    wanted = ReadCrlFiles(sections=sections, most=most, issuers=issuers)
    files = {path: _unchanged(known, path) or read_crl_file(path, wanted, pause) for path in sections}
    return attrs.evolve(wanted, files=files)


def read_crl_file(path: str, among: ReadCrlFiles, pause: Callable[[], object] = lambda: None) -> ReadCrlFile:
    """The lists of one of these files as it is now; raises SectionError."""
    signature = signature_of(path)
    found, waiting = list[HeldList](), list[UnprovenList]()
    issuers = [issuer for der in among.issuers if (issuer := certificate_of(der)) is not None]
    try:
        data = bytes_of(path)
        for encoded in lists_in(data, pause):
            if len(encoded) > among.most[path]:
                raise CrlFileError(f"a CRL has {len(encoded)} bytes, of at most crl_max_bytes ({among.most[path]})")
            match _proven(encoded, path, issuers, pause):
                case HeldList() as held:
                    found.append(held)
                case UnprovenList() as unproven:
                    waiting.append(unproven)
    except OSError as error:
        raise SectionError(among.sections[path], f"crl_files: cannot read {path}: {error.strerror}") from error
    except CrlFileError as error:
        raise SectionError(among.sections[path], f"crl_files: {path}: {error}") from error
    return ReadCrlFile(path=path, signature=signature, proven=tuple(found), unproven=tuple(waiting))


def _unchanged(known: Mapping[str, ReadCrlFile], path: str) -> ReadCrlFile | None:
    found = known.get(path)
    return found if found is not None and found.signature == signature_of(path) else None


def _trusted(profiles: Iterable[SslProfile]) -> Iterator[bytes]:
    for profile in profiles:
        for trusted in profile.trusted_client_certificates:
            yield from (each.der for each in trusted.chain.authorities)


def bytes_of(path: str) -> bytes:
    """A regular file's bytes: a pipe would hold up the reload, and a device may have no end. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_FILE_BYTES:
            raise OSError(0, "it is too large" if stat.S_ISREG(found.st_mode) else "it is no regular file", path)
        return file.read(MAX_FILE_BYTES)


def lists_in(data: bytes, pause: Callable[[], object]) -> tuple[bytes, ...]:
    """The lists of a file in DER, read in portions between which `pause` is called; raises CrlFileError."""
    steps = encoded_lists_in_steps(data)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: tuple[bytes, ...] = end.value
            return found
        pause()


def _proven(
    encoded: bytes, path: str, issuers: Iterable[Certificate], pause: Callable[[], object]
) -> HeldList | UnprovenList:
    """A list with its issuer, if that is at hand. Raises CrlFileError."""
    head = read_head(encoded)
    if isinstance(head, Unusable):
        raise CrlFileError(head.reason)
    reason, those = "", tuple(issuers)
    for issuer in those:
        if head.may_be_of(issuer):
            found = proven(encoded, issuer.der, pause)
            if isinstance(found, ProvenCrl):
                return HeldList(crl=found, stored=StoredList(data=encoded, issuer=issuer.der), file=path)
            reason = found.reason
    if reason:
        raise CrlFileError(reason)
    is_of_other_key = any(map(head.names_other_key_of, those))
    return UnprovenList(data=encoded, head=head, file=path, is_of_other_key=is_of_other_key)
