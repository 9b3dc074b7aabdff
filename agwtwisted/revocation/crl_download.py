"""Downloads a CRL from a distribution point: to disk, within a bound and a deadline, and only where it has changed.

What comes is bytes; what they prove is decided elsewhere. The content type is not looked at: servers send lists under
many (RFC 2585 section 4.2 has one of them), and what is no list is found out by reading it. Caller: the retrieval of
lists.
"""

from __future__ import annotations

import errno
import io
import tempfile
from collections.abc import Callable, Container, Iterable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Final, TypeAlias

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.posixbase import PosixReactorBase
from twisted.python.failure import Failure

from agwtwisted.core.http.destinations import Destination, Network, PortRange
from agwtwisted.core.http.header_lines import Header
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, Unreachable
from agwtwisted.outbound.fetching import AddressRules, Fetched, Fetcher, FetchProblem, NotFetched, OutboundRequest
from agwtwisted.revocation.crl_store import Validators
from agwtwisted.transport.threads import in_thread

COPIED: Final = 1 << 20
"""Bytes of a file that are copied at a time to another one."""

MAX_VALIDATOR: Final = 512
"""Characters of an ETag, or of a Last-Modified, that are kept."""

_ACCEPT: Final = b"application/pkix-crl, */*;q=0.5"


@attrs.frozen(kw_only=True)
class DownloadRules:
    """What an SSL profile says about downloads."""

    networks: tuple[Network, ...]
    ports: tuple[PortRange, ...]
    most: int  # bytes
    seconds: float  # for a whole download


@attrs.frozen(kw_only=True)
class Downloaded:
    """What a server has sent as a list."""

    data: bytes = attrs.field(repr=False)
    validators: Validators


@attrs.frozen
class NotModified:
    """The server says that the list which these validators are of is the newest (status 304)."""


DownloadOutcome: TypeAlias = Downloaded | NotModified | NoAnswer


class CrlDownload:
    """Downloads lists.

    Args:
        reactor: runs the timers, and is reached from threads.
        fetcher: sends the requests.
        own_ports: those that the gateway listens on, which it does not ask.
        directory: where a list is while it comes; None, or where that is full: where the system has temporary files.
    """

    def __init__(
        self,
        reactor: PosixReactorBase,
        fetcher: Fetcher,
        *,
        own_ports: Container[int] = (),
        directory: Path | None = None,
    ) -> None:
        self._reactor = reactor
        self._fetcher = fetcher
        self._own_ports = own_ports
        self._directory = directory

    def fetch(self, destination: Destination, rules: DownloadRules, known: Validators) -> Deferred[DownloadOutcome]:
        """The list of a distribution point; may be cancelled, and fails with nothing else.

        Args:
            destination: where it is.
            rules: of the profile that needs it.
            known: of the list that is there already; a server may say then that it is still the newest.
        """
        return Deferred.fromCoroutine(self._streamed(destination, rules, known))

    async def _streamed(self, destination: Destination, rules: DownloadRules, known: Validators) -> DownloadOutcome:
        places = dict.fromkeys((self._directory, None))  # where the first is full, the list counts all the same
        stream = StreamedFile(*(partial(_temporary, each) for each in places))
        whole = in_thread(self._reactor, stream.written, "CRL download")
        try:
            found = await self._fetcher.fetch(
                OutboundRequest(method=b"GET", destination=destination, headers=_headers(known)),
                AddressRules(networks=rules.networks, ports=rules.ports, own_ports=self._own_ports),
                rules.seconds,
                most=rules.most,
                into=stream,
            )
        except BaseException:
            stream.give_up()
            whole.addErrback(_unwanted)  # type: ignore[unused-awaitable]  # always succeeds
            raise
        if not isinstance(found, Fetched) or found.status != 200:
            stream.give_up()
            whole.addErrback(_unwanted)  # type: ignore[unused-awaitable]
            return _without_list(found, rules, known)
        stream.end()
        try:
            data = await whole
        except (OSError, MemoryError) as error:
            return CouldNotAsk(f"the CRL could not be kept: {error}")
        return Downloaded(data=data, validators=_validators(found))


def _temporary(directory: Path | None) -> IO[bytes]:
    """A file without a name, which is gone with the process; raises OSError."""
    return tempfile.TemporaryFile(dir=directory, buffering=0)


class StreamedFile:
    """A sink that writes to a file in a thread: a disk that hangs stops no client.

    Args:
        opened: make a file, in the thread; may raise OSError. The next one is tried where one fails, or is full.
    """

    def __init__(self, *opened: Callable[[], IO[bytes]]) -> None:
        self._opened = opened
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._is_wanted = True
        self._error: OSError | None = None

    def write(self, data: bytes) -> None:
        """Takes a piece; raises the OSError of an earlier one."""
        if self._error is not None:
            raise self._error
        self._queue.put(data)

    def end(self) -> None:
        """All has come."""
        self._queue.put(None)

    def give_up(self) -> None:
        """Nothing more comes, and what has come is not wanted."""
        self._is_wanted = False
        self._queue.put(None)

    def written(self) -> bytes:
        """All that has come, once it has ended; for a thread. Raises OSError; empty where it is not wanted."""
        try:
            with closing(_MovableFile(self._opened)) as file:
                while (data := self._queue.get()) is not None:
                    file.write(data)
                return file.read() if self._is_wanted else b""
        except OSError as error:
            self._error = error
            raise


class _MovableFile:
    """A file that goes on in another place where it cannot be made or written; raises the OSError of the last one."""

    def __init__(self, opened: Iterable[Callable[[], IO[bytes]]]) -> None:
        self._places = iter(opened)
        self._file: IO[bytes] = io.BytesIO()  # until there is one
        self._size = 0
        self._move(OSError(errno.ENOENT, "there is no place for it"))

    def write(self, data: bytes) -> None:
        while True:
            try:
                _write(self._file, data)
            except OSError as error:
                self._move(error)
            else:
                self._size += len(data)
                return

    def read(self) -> bytes:
        self._file.seek(0)
        return self._file.read(self._size)

    def close(self) -> None:
        self._file.close()

    def _move(self, error: OSError) -> None:
        for opened in self._places:
            try:
                moved = _copied(self._file, self._size, opened)
            except OSError as failure:
                error = failure
                continue
            self._file.close()
            self._file = moved
            return
        raise error


def _copied(file: IO[bytes], size: int, opened: Callable[[], IO[bytes]]) -> IO[bytes]:
    """A new file with so many bytes of another one; raises OSError."""
    with ExitStack() as stack:
        made = stack.enter_context(closing(opened()))
        file.seek(0)
        for at in range(0, size, COPIED):
            _write(made, file.read(min(COPIED, size - at)))
        stack.pop_all()
    return made


def _write(file: IO[bytes], data: bytes) -> None:
    """The whole of it: a disk that is nearly full takes a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]


def _unwanted(_: Failure) -> None:
    """The disk failed, and what was to be written is not wanted any more."""


def _headers(known: Validators) -> tuple[Header, ...]:
    found = [(b"Accept", _ACCEPT)]
    if known.etag:
        found.append((b"If-None-Match", known.etag.encode("latin-1")))
    if known.last_modified:
        found.append((b"If-Modified-Since", known.last_modified.encode("latin-1")))
    return tuple(found)


def _validators(found: Fetched) -> Validators:
    etag, last_modified = (found.header(name).decode("latin-1") for name in (b"etag", b"last-modified"))
    return Validators(
        etag=etag if len(etag) <= MAX_VALIDATOR else "",
        last_modified=last_modified if len(last_modified) <= MAX_VALIDATOR else "",
    )


def _without_list(found: Fetched | NotFetched, rules: DownloadRules, known: Validators) -> DownloadOutcome:
    if isinstance(found, Fetched):
        if found.status == 304 and known:
            return NotModified()
        return Unreachable(f"the server of the CRL answers with HTTP status {found.status}")
    if found.is_ours:
        return CouldNotAsk(found.reason)
    if found.problem is FetchProblem.TOO_LARGE:
        return Unreachable(f"the CRL is longer than crl_max_bytes ({rules.most})")
    return Unreachable(found.reason)
