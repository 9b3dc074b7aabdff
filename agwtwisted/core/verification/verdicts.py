"""What is decided about a client's certificate, and the words for it.

A connection starts as refused; only an explicit success changes that.
"""

from __future__ import annotations

from typing import Final, TypeAlias, assert_never

import attrs


@attrs.frozen
class NotAsked:
    """The listener's SSL profile asks for no certificate, or there is no TLS."""


@attrs.frozen
class Absent:
    """A certificate was asked for, none was sent, and none is required (Passthrough)."""


@attrs.frozen
class Unchecked:
    """A certificate was sent and not judged (Passthrough): the client only proved that it has the key."""


@attrs.frozen
class Trusted:
    """The certificate was verified (Strict)."""


TRUSTED: Final = Trusted()


@attrs.frozen
class Missing:
    """A certificate is required (Strict) and none was sent."""


@attrs.frozen
class Refused:
    """The certificate is not accepted (Strict); `reason` is one line, in OpenSSL's words where it has some."""

    reason: str


Refusing: TypeAlias = Missing | Refused
"""The verdicts that turn a client away."""

StrictVerdict: TypeAlias = Trusted | Refusing
"""The verdicts of a Strict profile."""

Verdict: TypeAlias = NotAsked | Absent | Unchecked | StrictVerdict

UNJUDGED: Final = Refused(reason="the certificate was not verified")
"""The verdict of every connection until an explicit one replaces it."""


def admits(verdict: Verdict) -> bool:
    """Whether requests or bytes of this peer may go to a backend."""
    match verdict:
        case Trusted() | NotAsked() | Absent() | Unchecked():
            return True
        case Missing() | Refused():
            return False
        case _:
            assert_never(verdict)


def verification_variable(verdict: Verdict) -> str:
    """The server variable ``client_certificate_verification``.

    Empty when no certificate was asked for and for a refused one, whose requests go nowhere (product page
    "Rewrite HTTP headers and URL", table of the mutual authentication variables).
    """
    match verdict:
        case Trusted():
            return "SUCCESS"
        case Unchecked():
            return "PASSTHROUGH"
        case Absent():
            return "NONE"
        case NotAsked() | Missing() | Refused():
            return ""
        case _:
            assert_never(verdict)


def log_word(verdict: Verdict) -> str:
    """The access log's ``sslClientVerify``: NONE, PASSTHROUGH, SUCCESS or ``FAILED:<reason>``."""
    match verdict:
        case Trusted():
            return "SUCCESS"
        case Unchecked():
            return "PASSTHROUGH"
        case Refused(reason):
            return f"FAILED:{reason}"
        case NotAsked() | Absent() | Missing():
            return "NONE"
        case _:
            assert_never(verdict)
