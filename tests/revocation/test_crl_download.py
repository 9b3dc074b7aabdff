"""One download of a list: what is sent, what is taken, and what each outcome means."""

from __future__ import annotations

import errno
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.revocation.status import CouldNotAsk, Unreachable
from agwtwisted.outbound.fetching import AddressRules, Fetched, FetchProblem, NotFetched, OutboundRequest, Sink
from agwtwisted.revocation import crl_download
from agwtwisted.revocation.crl_download import (
    CrlDownload,
    Downloaded,
    DownloadOutcome,
    DownloadRules,
    NotModified,
    StreamedFile,
)
from agwtwisted.revocation.crl_store import Validators
from tests.clocks import ThreadedReactor

URL = destination("http://pki.example/ca.crl")
RULES = DownloadRules(networks=(), ports=(), most=1000, seconds=30.0)
KNOWN = Validators(etag='"1"', last_modified="Mon, 01 Jun 2026 12:00:00 GMT")


class Fetches:
    """A fetcher that is answered by the test."""

    def __init__(self) -> None:
        self.requests: list[tuple[OutboundRequest, AddressRules, float, int]] = []
        self.sinks: list[Sink] = []
        self.answers: list[Deferred[Fetched | NotFetched]] = []

    def fetch(
        self, request: OutboundRequest, rules: AddressRules, seconds: float, *, most: int, into: Sink | None = None
    ) -> Deferred[Fetched | NotFetched]:
        """Notes it."""
        assert into is not None
        self.requests.append((request, rules, seconds, most))
        self.sinks.append(into)
        self.answers.append(Deferred())
        return self.answers[-1]


class DeferredThread:
    """Threads whose work is done once the test says so."""

    def __init__(self) -> None:
        self.work: list[Callable[[], None]] = []

    def __call__(self, _: object, call: Callable[[], Any], name: str, undo: object = None) -> Deferred[Any]:
        """As `in_thread`."""
        result: Deferred[Any] = Deferred()

        def run() -> None:
            try:
                value = call()
            except Exception:
                result.errback()
            else:
                result.callback(value)

        self.work.append(run)
        return result

    def run(self) -> None:
        """Does all of it."""
        while self.work:
            self.work.pop(0)()


class CrlDownloadTests(SynchronousTestCase):
    """Downloads whose threads and servers are the test's."""

    def setUp(self) -> None:
        self.reactor, self.fetches, self.threads = ThreadedReactor(), Fetches(), DeferredThread()
        self.patch(crl_download, "in_thread", self.threads)
        self.download = CrlDownload(self.reactor, self.fetches, own_ports={443})

    def begin(self, known: Validators = Validators()) -> Deferred[DownloadOutcome]:  # noqa: B008 - frozen
        """One download."""
        return self.download.fetch(URL, RULES, known)

    def answered(self, answer: Fetched | NotFetched, known: Validators = Validators()) -> DownloadOutcome:  # noqa: B008
        """What a download comes to with this answer."""
        outcome = self.begin(known)
        self.fetches.answers[-1].callback(answer)
        self.threads.run()
        return self.successResultOf(outcome)

    def test_downloaded(self) -> None:
        """The list is all that came, in whatever pieces and under whatever type, with the server's validators."""
        outcome = self.begin()
        for piece in (b"a ", b"li", b"st"):
            self.fetches.sinks[0].write(piece)
        headers = [(b"Content-Type", b"text/plain"), (b"ETag", b'"2"'), (b"Last-Modified", b"yesterday")]
        self.fetches.answers[0].callback(Fetched(status=200, headers=headers))
        self.assertNoResult(outcome)
        self.threads.run()
        found = self.successResultOf(outcome)
        self.assertEqual(
            found, Downloaded(data=b"a list", validators=Validators(etag='"2"', last_modified="yesterday"))
        )

    def test_request(self) -> None:
        """A download is a GET by the rules of the profile, within its bound and deadline, at no port of our own."""
        self.begin()
        [(request, rules, seconds, most)] = self.fetches.requests
        self.assertEqual((request.method, request.destination, request.body), (b"GET", URL, b""))
        self.assertEqual(dict(request.headers), {b"Accept": b"application/pkix-crl, */*;q=0.5"})
        self.assertEqual((rules, seconds, most), (AddressRules(networks=(), ports=(), own_ports={443}), 30.0, 1000))

    def test_conditional(self) -> None:
        """A server is asked whether the list that is known has changed, and 304 says that it has not."""
        self.assertEqual(self.answered(Fetched(status=304, headers=()), KNOWN), NotModified())
        [(request, *_)] = self.fetches.requests
        sent = dict(request.headers)
        self.assertEqual(sent[b"If-None-Match"], b'"1"')
        self.assertEqual(sent[b"If-Modified-Since"], b"Mon, 01 Jun 2026 12:00:00 GMT")

    def test_other_statuses(self) -> None:
        """Any other status is no list, 304 where nothing was known included."""
        for status in (204, 304, 404, 503):
            reason = f"the server of the CRL answers with HTTP status {status}"
            self.assertEqual(self.answered(Fetched(status=status, headers=())), Unreachable(reason))

    def test_long_validators(self) -> None:
        """Validators that are too long to be kept count as none."""
        headers = [(b"ETag", b"x" * 513), (b"Last-Modified", b"x" * 513)]
        found = self.answered(Fetched(status=200, headers=headers))
        self.assertEqual(found, Downloaded(data=b"", validators=Validators()))

    def test_failures(self) -> None:
        """What the server does wrong is a failure of the server, and a shortage is one of the gateway."""
        for problem in FetchProblem:
            found = self.answered(NotFetched(problem=problem, reason="this"))
            is_ours = problem in (FetchProblem.SHORTAGE, FetchProblem.QUEUED, FetchProblem.SINK)
            self.assertIsInstance(found, CouldNotAsk if is_ours else Unreachable)
        found = self.answered(NotFetched(problem=FetchProblem.TOO_LARGE, reason="this"))
        self.assertEqual(found, Unreachable("the CRL is longer than crl_max_bytes (1000)"))

    def test_full_disk(self) -> None:
        """A disk that takes nothing is a shortage of the gateway, whenever it shows."""
        self.patch(crl_download, "_temporary", lambda _: _FullDisk())
        outcome = self.begin()
        self.fetches.sinks[0].write(b"a list")
        self.fetches.answers[0].callback(Fetched(status=200, headers=()))
        self.threads.run()
        self.assertIsInstance(self.successResultOf(outcome), CouldNotAsk)
        outcome = self.begin()
        self.fetches.sinks[1].write(b"a list")
        self.threads.run()
        self.assertRaises(OSError, self.fetches.sinks[1].write, b"more")
        self.fetches.answers[1].callback(NotFetched(problem=FetchProblem.SINK, reason="full"))
        self.assertEqual(self.successResultOf(outcome), CouldNotAsk("full"))

    def test_cancelled(self) -> None:
        """A download that is cancelled leaves no thread waiting, and its place to the next one."""
        outcome = self.begin()
        outcome.addErrback(lambda failure: failure.trap(CancelledError))
        outcome.cancel()
        self.threads.run()  # it ends
        self.assertIs(self.successResultOf(outcome), CancelledError)
        self.assertIsInstance(self.answered(Fetched(status=200, headers=())), Downloaded)


class StreamedFileTests(SynchronousTestCase):
    """The thread's side of a download."""

    def test_kept(self) -> None:
        """All that was written is there at the end, and nothing where it is not wanted any more."""
        stream = StreamedFile(io.BytesIO)
        stream.write(b"a ")
        stream.write(b"list")
        stream.end()
        self.assertEqual(stream.written(), b"a list")
        stream = StreamedFile(io.BytesIO)
        stream.write(b"a list")
        stream.give_up()
        self.assertEqual(stream.written(), b"")

    def test_full_place(self) -> None:
        """Where one place cannot be written to, or is full at some point, the list goes on in the next one."""

        def missing() -> io.BytesIO:
            raise OSError(errno.ENOENT, "No such file or directory")

        for room in range(8):
            stream = StreamedFile(missing, lambda room=room: _SmallDisk(room), lambda: _SmallDisk(2), io.BytesIO)
            for piece in (b"a ", b"li", b"st"):
                stream.write(piece)
            stream.end()
            self.assertEqual(stream.written(), b"a list", room)
        stream = StreamedFile(lambda: _SmallDisk(3), lambda: _SmallDisk(5))
        stream.write(b"a list")
        self.assertRaises(OSError, stream.written)

    def test_real_file(self) -> None:
        """The file has no name, so that nothing is left of it."""
        path = Path(self.mktemp())
        path.mkdir()
        stream = StreamedFile(lambda: crl_download._temporary(path))
        stream.write(b"a list")
        stream.end()
        self.assertEqual((stream.written(), list(path.iterdir())), (b"a list", []))


class _SmallDisk(io.BytesIO):
    """A file that takes so many bytes, the last of them of a longer piece."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: Any) -> int:
        """Takes what there is room for."""
        left = self._room - self.tell()
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:left])


class _FullDisk(io.BytesIO):
    """A file that takes nothing."""

    def write(self, _: Any) -> int:
        """Refuses."""
        raise OSError(errno.ENOSPC, "No space left on device")
