"""The files that a configuration names: where they are, who else may touch them, and what they hold."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Final, TypeAlias, TypeVar

import attrs
from cryptography import x509

from agwtwisted.core.base.errors import Place, Problem, UnacceptableError
from agwtwisted.core.base.limits import ERROR_PAGE_BYTES, SSL_CERTIFICATE_BYTES, TRUSTED_ROOT_BYTES, Range
from agwtwisted.core.resources.certificates import SslCertificate, TrustedClientCertificate, TrustedRootCertificate
from agwtwisted.core.sections.revocation_keys import STORE_FILES
from agwtwisted.core.sections.settings import Row
from agwtwisted.core.verification import chains, server_certificates, trusted_roots
from agwtwisted.core.verification.server_certificates import ServerCertificate

T = TypeVar("T")

OUT_OF_DATE: Final = "certificate-out-of-date"
INCOMPLETE: Final = "chain-incomplete"
"""Names of warnings, as in docs/reference/warnings.md."""

_SECRET: Final = ("revocation_store_password_file", "revocation_store_key_file")
_READABLE_BY_OTHERS = 0o044
_WRITABLE_BY_OTHERS = 0o002


Signature: TypeAlias = tuple[int, int, int, int, int]
"""What changes when a file is replaced or written: device, inode, size, and the times of the last change of its
content and of the inode, in nanoseconds."""


@attrs.frozen(kw_only=True)
class SourceFile:
    """A file that a configuration names: its bytes and its permission bits (st_mode)."""

    data: bytes = attrs.field(repr=False)
    mode: int
    signature: Signature | None = attrs.field(default=None, eq=False)  # before it was read; None: it is not there

    @property
    def digest(self) -> bytes:
        """The SHA-256 of its bytes."""
        return sha256(self.data).digest()


ReadFile: TypeAlias = Callable[[str], SourceFile]
"""Gives the file at a path; raises OSError where it cannot."""


def own_mode_problems(file: str, mode: int) -> Iterator[Problem]:
    """What is wrong with the permissions of the configuration file itself."""
    if mode & _WRITABLE_BY_OTHERS:
        yield Problem(place=Place(file=file), message=f"can be written by other users (mode {mode & 0o7777:04o})")


@attrs.define(kw_only=True)
class Sources:
    """Reads what rows name, and collects a problem for each file that will not do."""

    read: ReadFile
    now: datetime.datetime | None
    problems: list[Problem] = attrs.Factory(list)
    _digests: dict[str, bytes] = attrs.Factory(dict)  # of the files that would do, by their paths

    def trusted_client_certificate(self, row: Row) -> TrustedClientCertificate | None:
        """The chain of a section [trusted_client_certificate]."""
        source = self._source(row, "file")
        if source is None:
            return None
        path = row.file_at("file")
        chain = chains.read_chain(source.data, path, self.now)
        if not isinstance(chain, chains.TrustedChain):
            self._adopt(row, chain)
            return None
        for warning in chain.warnings:
            name = OUT_OF_DATE if warning in chain.late else ""
            self.problems.append(row.warning(f"{path}: {warning}", key="file", name=name))
        return TrustedClientCertificate(name=row.name, chain=chain, source=source.digest)

    def custom_error(self, row: Row) -> bytes | None:
        """The page of a section [custom_error]."""
        source = self._source(row, "file", most=ERROR_PAGE_BYTES)
        if source is not None and not source.data:
            self.problems.append(row.problem(f"{row.file_at('file')} is empty", key="file"))
            return None
        return None if source is None else source.data

    def trusted_root_certificate(self, row: Row) -> TrustedRootCertificate | None:
        """The CA certificates of a section [trusted_root_certificate]."""
        source = self._source(row, "file", most=TRUSTED_ROOT_BYTES)
        if source is None:
            return None
        path = row.file_at("file")
        roots = trusted_roots.read_roots(source.data, path, self.now)
        if not isinstance(roots, trusted_roots.TrustedRoots):
            self._adopt(row, roots)
            return None
        for warning in roots.warnings:
            self.problems.append(row.warning(f"{path}: {warning}", key="file", name=OUT_OF_DATE))
        return TrustedRootCertificate(name=row.name, file=path, certificates=roots.certificates, source=source.digest)

    def ssl_certificate(self, row: Row) -> SslCertificate | None:
        """Certificate, chain and key of a section [ssl_certificate]."""
        pfx = server_certificates.is_pfx(row.get("certificate_file") or "")
        server = self._pfx(row) if pfx else self._certificate_and_key(row)
        if server is None:
            return None
        for message in self._dates(server.certificates):
            said = f"{row.file_at('certificate_file')}: {message}"
            self.problems.append(row.warning(said, key="certificate_file", name=OUT_OF_DATE))
        if alone := server_certificates.missing_intermediate(server.certificates):
            said = f"{row.file_at('certificate_file')} {alone}"
            self.problems.append(row.warning(said, key="certificate_file", name=INCOMPLETE))
        files = (row.file_at(key) for key in ("certificate_file", "key_file") if key in row.values)
        source = b"".join(self._digests[path] for path in files)
        return SslCertificate(
            name=row.name,
            certificates=server.certificates,
            key=server.key,
            source=source,
            ocsp_stapling=row.get("ocsp_stapling"),
        )

    def store_files(self, row: Row) -> bool:
        """Whether the files that the section [gateway] names for its store will do, as far as that can be seen."""
        files = [self._source(row, key, secret=key in _SECRET) for key in STORE_FILES if key in row.values]
        return None not in files

    def _dates(self, certificates: tuple[x509.Certificate, ...]) -> Iterator[str]:
        return iter(()) if self.now is None else server_certificates.wrong_dates(certificates, self.now)

    def _pfx(self, row: Row) -> ServerCertificate | None:
        source = self._source(row, "certificate_file", secret=True, most=SSL_CERTIFICATE_BYTES)
        password = self._source(row, "password_file", secret=True)
        if source is None or (password is None and not row.unset("password_file")):
            return None
        passphrase = None if password is None else password.data.rstrip(b"\r\n")
        return self._attempt(row, "certificate_file", lambda: server_certificates.read_pfx(source.data, passphrase))

    def _certificate_and_key(self, row: Row) -> ServerCertificate | None:
        certificates = self._certificates(row)
        source = self._source(row, "key_file", secret=True)
        if source is None:
            return None
        key = self._attempt(row, "key_file", lambda: server_certificates.read_key(source.data))
        if key is None or not certificates:
            return None
        return self._attempt(row, "key_file", lambda: server_certificates.matched(certificates, key))

    def _certificates(self, row: Row) -> tuple[x509.Certificate, ...]:
        source = self._source(row, "certificate_file", most=SSL_CERTIFICATE_BYTES)
        if source is None:
            return ()
        certificates, problems = server_certificates.read_certificates(source.data, row.file_at("certificate_file"))
        self._adopt(row, problems)
        return () if problems else certificates

    def _source(self, row: Row, key: str, *, secret: bool = False, most: Range | None = None) -> SourceFile | None:
        """The file that a key names; None where it names none or, with a problem, where the file will not do."""
        return None if key not in row.values else self.file(row, key, row.file_at(key), secret=secret, most=most)

    def file(
        self, row: Row, key: str, path: str, *, secret: bool = False, most: Range | None = None
    ) -> SourceFile | None:
        """The file at a path that a key names; None, with a problem, where it will not do.

        Args:
            secret: whether it must not be read by others.
            most: how many bytes it may have.
        """
        try:
            source = self.read(path)
        except OSError as error:
            self.problems.append(row.problem(f"cannot read {path}: {error.strerror or type(error).__name__}", key=key))
            return None
        secret = secret or b"PRIVATE KEY-----" in source.data
        self.problems += _mode_problems(row, key, path, source.mode, secret=secret)
        if most is not None and len(source.data) not in most:
            message = f"{path} has {len(source.data)} bytes, of at most {most.highest}"
            self.problems.append(row.problem(message, key=key, code=most.code))
            return None
        self._digests[path] = source.digest
        return source

    def _attempt(self, row: Row, key: str, make: Callable[[], T]) -> T | None:
        """What `make` returns; None, with a problem, where it finds the file unacceptable."""
        try:
            return make()
        except UnacceptableError as error:
            self.problems.append(row.problem(f"{row.file_at(key)} {error.message}", key=key, code=error.code))
            return None

    def _adopt(self, row: Row, problems: tuple[Problem, ...]) -> None:
        """Keep problems about a file's own lines, and say which section names the file."""
        self.problems += [attrs.evolve(problem, section=row.section.title) for problem in problems]


def _mode_problems(row: Row, key: str, path: str, mode: int, *, secret: bool) -> Iterator[Problem]:
    if mode & _WRITABLE_BY_OTHERS:
        yield row.problem(f"{path} can be written by other users (mode {mode & 0o7777:04o})", key=key)
    if secret and mode & _READABLE_BY_OTHERS:
        yield row.warning(f"{path} can be read by other users (mode {mode & 0o7777:04o})", key=key)
