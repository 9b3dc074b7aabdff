"""The gateway's own answers: what a client reads when no backend answered, and the product's code for the reason.

The pages are the product's, and so nginx's, byte for byte. Nothing of a request is ever repeated in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from html import escape
from types import MappingProxyType

import attrs


class ErrorInfo(Enum):
    """Why the gateway itself answered: the access log's ``error_info`` (product page "Monitoring data reference")."""

    NO_ERROR = "ERRORINFO_NO_ERROR"
    INVALID_METHOD = "ERRORINFO_INVALID_METHOD"
    INVALID_REQUEST = "ERRORINFO_INVALID_REQUEST"
    INVALID_VERSION = "ERRORINFO_INVALID_VERSION"
    INVALID_09_METHOD = "ERRORINFO_INVALID_09_METHOD"
    INVALID_HOST = "ERRORINFO_INVALID_HOST"
    INVALID_CONTENT_LENGTH = "ERRORINFO_INVALID_CONTENT_LENGTH"
    INVALID_METHOD_TRACE = "ERRORINFO_INVALID_METHOD_TRACE"
    CLIENT_CLOSED_REQUEST = "ERRORINFO_CLIENT_CLOSED_REQUEST"
    REQUEST_URI_INVALID = "ERRORINFO_REQUEST_URI_INVALID"
    HTTP_NO_HOST_HEADER = "ERRORINFO_HTTP_NO_HOST_HEADER"
    HTTP_TO_HTTPS_PORT = "ERRORINFO_HTTP_TO_HTTPS_PORT"
    HTTPS_NO_CERT = "ERRORINFO_HTTPS_NO_CERT"
    UPSTREAM_NO_LIVE = "ERRORINFO_UPSTREAM_NO_LIVE"
    UPSTREAM_CLOSED_CONNECTION = "ERRORINFO_UPSTREAM_CLOSED_CONNECTION"
    UPSTREAM_TIMED_OUT = "ERRORINFO_UPSTREAM_TIMED_OUT"
    INTERNAL_ERROR = "ERRORINFO_INTERNAL_ERROR"  # ours

    def __init__(self, word: str) -> None:
        self.octets = word.encode()


# Some differ from RFC 9110: the product answers in nginx's words ("413 Request Entity Too Large" was seen from it).
# 499 stands in logs only; its client is gone.
PHRASES: Mapping[int, bytes] = MappingProxyType(
    {
        100: b"Continue",
        200: b"OK",
        301: b"Moved Permanently",
        302: b"Found",
        303: b"See Other",
        307: b"Temporary Redirect",
        308: b"Permanent Redirect",
        400: b"Bad Request",
        403: b"Forbidden",
        404: b"Not Found",
        405: b"Not Allowed",
        408: b"Request Time-out",
        413: b"Request Entity Too Large",
        414: b"Request-URI Too Large",
        415: b"Unsupported Media Type",
        421: b"Misdirected Request",
        431: b"Request Header Fields Too Large",
        499: b"Client Closed Request",
        500: b"Internal Server Error",
        501: b"Not Implemented",
        502: b"Bad Gateway",
        503: b"Service Temporarily Unavailable",
        504: b"Gateway Time-out",
    }
)
"""The reason phrase of each status the gateway itself answers with."""


@attrs.frozen(kw_only=True)
class Page:
    """A whole answer of our own: status, its phrase, and the HTML (ASCII) of the body."""

    status: int
    phrase: bytes
    body: bytes


def page(status: int, *, title: str = "", text: str = "", server: str) -> bytes:
    """The HTML of an answer: `title` replaces the phrase in the title, each line of `text` stands below the heading.

    An empty `server` leaves the footer out. Raises KeyError for a status without a phrase.
    """
    phrase = PHRASES[status].decode()
    lines = [
        "<html>",
        f"<head><title>{status} {_shown(title or phrase)}</title></head>",
        "<body>",
        f"<center><h1>{status} {phrase}</h1></center>",
        *(f"<center>{_shown(line)}</center>" for line in text.splitlines()),
        *([f"<hr><center>{_shown(server)}</center>"] if server else []),
        "</body>",
        "</html>",
        "",
    ]
    return "\r\n".join(lines).encode("ascii", "xmlcharrefreplace")


def standard(status: int, *, server: str) -> Page:
    """The plain page of a status; raises KeyError for one that has no phrase."""
    return _titled(status, "", "", server)


def without_body(status: int) -> Page:
    """An answer that is its head alone; raises KeyError for a status that has no phrase."""
    return Page(status=status, phrase=PHRASES[status], body=b"")


def no_certificate(*, server: str) -> Page:
    """A certificate is required and the client sent none."""
    text = "No required SSL certificate was sent"
    return _titled(400, text, text, server)


def certificate_error(reason: str, *, server: str) -> Page:
    """The client's certificate is not accepted; the reason stands in a line of its own, none when empty."""
    text = "The SSL certificate error"
    return _titled(400, text, f"{text}\n{' '.join(reason.split())}", server)


def plain_http(*, server: str) -> Page:
    """HTTP was spoken on a port that wants TLS."""
    text = "The plain HTTP request was sent to HTTPS port"
    return _titled(400, text, text, server)


def _titled(status: int, title: str, text: str, server: str) -> Page:
    body = page(status, title=title, text=text, server=server)
    return Page(status=status, phrase=PHRASES[status], body=body)


def _shown(text: str) -> str:
    """Text as HTML shows it: markup escaped, what no reader could see replaced."""
    return escape("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))
