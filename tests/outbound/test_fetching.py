"""The values that pass between the client and those who ask by it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.http.header_lines import HeaderBlock
from agwtwisted.outbound.fetching import Fetched, FetchProblem, NotFetched


class FetchedTests(SynchronousTestCase):
    """A response."""

    def test_header(self) -> None:
        """Headers are found by their names in lower case, however they were written; one that is not there is empty."""
        for headers in (HeaderBlock(b'ETag: "1"\r\nDate: now\r\n'), ((b"ETag", b'"1"'), (b"Date", b"now"))):
            response = Fetched(status=200, headers=headers)
            self.assertEqual((response.header(b"etag"), response.header(b"age")), (b'"1"', b""))


class NotFetchedTests(SynchronousTestCase):
    """Why there is no response."""

    def test_whose_fault(self) -> None:
        """What the gateway lacks is no news of the server; what the server did, or did not do, is."""
        ours = {each for each in FetchProblem if NotFetched(problem=each, reason="").is_ours}
        self.assertEqual(ours, {FetchProblem.SHORTAGE, FetchProblem.QUEUED, FetchProblem.SINK})
