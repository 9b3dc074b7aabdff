"""Where a server redirects a request to, which must be a URL of one of our own kind (RFC 9110 section 15.4)."""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.http.destinations import Destination, destination
from agwtwisted.outbound.fetching import Fetched

_REDIRECTS: Final = (301, 302, 307, 308)
"""The same request is sent again, by the same method; 303 would make a GET of it."""


def is_redirect(response: Fetched) -> bool:
    """Whether a response is to be had elsewhere."""
    return response.status in _REDIRECTS


def redirected(response: Fetched, asked: Destination) -> Destination | str:
    """Where a redirect leads, or why it is not followed: it leads from https to http, or nowhere."""
    locations = [value for name, value in response.headers if name.lower() == b"location"]
    try:
        [location] = locations
        found = destination(urljoin(asked.url, location.decode("ascii")))
    except (UnacceptableError, ValueError):
        return "the server redirects to an invalid URL"
    if asked.scheme == "https" and found.scheme != "https":
        return "the server redirects from https to http"
    return found
