"""Patterns of path rules, as the product's page "URL path based routing overview" has them.

A pattern begins with ``/``. With ``*`` at its end, and only there, it fits every path that begins with what stands
before it: ``/images/*`` fits ``/images/`` and ``/images/a``, not ``/images``; ``/images*`` fits all of them, and
``/images2`` too. Without it, it fits one path. Upper and lower case are one; a query is no part of a path.
"""

from __future__ import annotations

import re

from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.base.texts import one_line

# RFC 3986 section 3.3.
_PATH = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*")


def url_path(text: str) -> str:
    """A path that may stand in a URL."""
    if not one_line(text).startswith("/"):
        raise UnacceptableError(f"has {shown(text)}, but a path begins with /")
    for each, what in (("?", "a query"), ("#", "a fragment")):
        if each in text:
            raise UnacceptableError(f"has {shown(text)}: {what} is not part of a path")
    if not _PATH.fullmatch(text):
        raise UnacceptableError(f"has {shown(text)}: write characters that a URL cannot contain as %XX")
    return text


def path_pattern(text: str) -> str:
    """A pattern, as it is written."""
    if "*" in text[:-1]:
        raise UnacceptableError(f"has {shown(text)}: * is allowed only at the end of a path")
    return url_path(text)


def is_prefix(pattern: str) -> bool:
    """Whether a pattern fits every path that begins with its text."""
    return pattern.endswith("*")


def text_of(pattern: str) -> bytes:
    """What paths must begin with, or be, in lower case."""
    return pattern.removesuffix("*").lower().encode("ascii")
