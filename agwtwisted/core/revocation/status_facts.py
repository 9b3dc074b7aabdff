"""What a source of revocation status knows about one certificate, and how old that is: for people who ask.

The verdict on a client is not made of these values; they show what it is made of. Callers: the sources, and what
reports on them.
"""

from __future__ import annotations

import attrs

from agwtwisted.core.revocation.status import RevocationStatus


@attrs.frozen(kw_only=True)
class StatusFacts:
    """What one source knows at a moment, without asking. Times are seconds since 1970; None: there is none."""

    status: RevocationStatus | None = None  # None: it would have to ask
    origin: str = ""  # where that is from: the number of a list, a file, a URL
    this_update: float | None = None  # when it was signed as true
    next_update: float | None = None  # when newer information will be there
    renewal: float | None = None  # when it is asked for again
    notes: tuple[str, ...] = ()  # what else is to be said, a line each


NOTHING_KNOWN = StatusFacts()
"""Of a certificate that a source has not been asked about."""


@attrs.frozen(kw_only=True)
class SourceReport:
    """What one source knew about a certificate, what it was asked, and what it knows then."""

    source: str  # "OCSP" or "CRL"
    known: StatusFacts = NOTHING_KNOWN  # before
    asked: RevocationStatus | None = None  # what came of asking; None: nothing was asked
    steps: tuple[str, ...] = ()  # of asking, a line each
    now: StatusFacts = NOTHING_KNOWN  # after it
