"""The console's files, as a site serves them: each with its media type, all with the same headers.

They hold no secret and are the same for every gateway; what they show, the page asks the control API for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

import attrs

INDEX: Final = "index.html"
"""The file that /console/ itself answers with."""

HEADERS: Final[Mapping[str, str]] = {
    # Nothing but these files is loaded, and nothing inline: text of a client can become neither a script nor a style.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""What every answer below /console/ has, errors too."""

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@attrs.frozen(kw_only=True)
class ConsoleFile:
    """A file of the page."""

    media_type: str
    content: bytes


@cache
def console_files() -> Mapping[str, ConsoleFile]:
    """Every file of the page by its name below /console/, read once; `INDEX` is one of them."""
    found = files("agwtwisted.console").joinpath("static").iterdir()
    return {
        each.name: ConsoleFile(media_type=media_type, content=each.read_bytes())
        for each in found
        if (media_type := _MEDIA_TYPES.get(PurePosixPath(each.name).suffix)) is not None
    }
