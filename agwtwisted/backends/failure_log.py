"""Logs why there is no connection to a server. Callers: the servers of HTTP and of L4 pools."""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger
from twisted.python.failure import Failure

from agwtwisted.backends.connecting import UntrustedError
from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter


class ConnectionFailureLog:
    """A few lines a minute for each server, with a count of those that were left out.

    Failures for the name of a client's choice are counted apart: they must not hide those of the server.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        """`seconds` is the time of a monotonic clock."""
        self._limiter = LogRateLimiter(seconds)

    def add(self, server: str, failure: Failure) -> None:
        """Logs one failure, unless there were many."""
        error = failure.value
        of_client = isinstance(error, UntrustedError) and not error.blames_server
        omitted = self._limiter.admit(f"{server} for a client's host" if of_client else server)
        if omitted is not None:
            self.log.warn(
                "No connection to {server}: {reason}{omitted}",
                server=server,
                reason=printable(failure.getErrorMessage()),
                omitted=f" ({omitted} times more before)" if omitted else "",
            )
