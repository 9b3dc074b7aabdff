"""OCSP over HTTP: a request by GET or POST, and which responses may have an answer in them (RFC 6960 appendix A)."""

from __future__ import annotations

from base64 import b64encode
from typing import Final

import attrs

from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.http.header_lines import Header
from agwtwisted.outbound.fetching import OutboundRequest

MAX_GET_URL: Final = 255
"""Octets of a URL with a request in it (RFC 5019 section 5): longer ones caches need not keep."""

_CONTENT_TYPE: Final = b"application/ocsp-response"
_ACCEPT: Final[Header] = (b"Accept", _CONTENT_TYPE)
_SENT: Final[Header] = (b"Content-Type", b"application/ocsp-request")


def by_post(destination: Destination, request: bytes) -> OutboundRequest:
    """A request that no cache keeps."""
    return OutboundRequest(method=b"POST", destination=destination, headers=(_SENT, _ACCEPT), body=request)


def by_get(destination: Destination, request: bytes) -> OutboundRequest | None:
    """A request that caches may answer; None where the URL would be too long, or has a query already."""
    separator = "" if destination.url.endswith("/") else "/"
    url = f"{destination.url}{separator}{_quoted(request)}"
    if len(url) > MAX_GET_URL or "?" in destination.url:
        return None
    return OutboundRequest(method=b"GET", destination=attrs.evolve(destination, url=url), headers=(_ACCEPT,))


def _quoted(request: bytes) -> str:
    """In base64, of whose characters three are none of a path's segment (RFC 6960 appendix A.1)."""
    text = b64encode(request).decode("ascii")
    return text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")


def fault_of(status: int, content_type: bytes) -> str:
    """Why an HTTP response has no answer in it; empty where it may have one."""
    if status != 200:
        return f"the responder answers with HTTP status {status}"
    if content_type.partition(b";")[0].strip().lower() != _CONTENT_TYPE:
        return "the response has another content type"
    return ""
