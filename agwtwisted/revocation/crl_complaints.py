"""What the log says where lists give no answer: why one was not downloaded, does not count, or says nothing.

Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from twisted.logger import Logger

from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.certificates.names import relative_names
from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.memory import Subject
from agwtwisted.core.revocation.status import CouldNotAsk, NoAnswer, RevocationStatus, Unreachable, Unusable
from agwtwisted.revocation.crl_files import UnprovenList

_Status = TypeVar("_Status", bound=RevocationStatus)


class CrlComplaints:
    """Warnings, a few times a minute for each reason.

    Args:
        seconds: a monotonic time.
    """

    log = Logger()

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._limiter = LogRateLimiter(seconds)
        self._aliens: frozenset[UnprovenList] = frozenset()

    def not_fetched(self, url: str, failure: NoAnswer) -> None:
        """A list was not downloaded, or is none that counts."""
        omitted = self._omitted(failure.reason)
        if omitted is not None:
            self.log.warn("No CRL from {url}: {reason}{omitted}", url=url[:200], reason=failure.reason, omitted=omitted)

    def about(self, subject: Subject, found: _Status, failures: Iterable[NoAnswer]) -> _Status:
        """What lists say about a certificate; if that is nothing, and no download has said why, it is logged."""
        if isinstance(found, Unusable | Unreachable | CouldNotAsk) and found not in failures:
            omitted = self._omitted(found.reason)
            if omitted is not None:
                message = "No CRL says anything about the certificate {certificate}: {reason}{omitted}"
                self.log.warn(message, certificate=ocsp.fingerprint(subject[0]), reason=found.reason, omitted=omitted)
        return found

    def wait_for_issuers(self, unproven: Iterable[UnprovenList]) -> None:
        """No trusted CA has signed these lists of files; one with the name of a trusted CA is said once."""
        aliens = frozenset(each for each in unproven if each.is_of_other_key)
        for each in aliens - self._aliens:
            self.log.warn(
                "{file}: the CRL of {issuer} says nothing about the certificates of the trusted CA of this name:"
                " another key than that CA's has signed it",
                file=each.file,
                issuer=relative_names(each.head.issuer).decode("utf-8", "replace"),
            )
        self._aliens = aliens

    def _omitted(self, reason: str) -> str | None:
        """None: it is not said again now; otherwise how many were not said."""
        omitted = self._limiter.admit(reason)
        return None if omitted is None else (f" ({omitted} more like it since)" if omitted else "")
