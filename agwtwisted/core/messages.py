"""HTTP messages as frozen values, and what makes a request unfit to forward."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import attrs

Header: TypeAlias = tuple[bytes, bytes]
"""Name and value of one header line, as they came."""


class Framing(Enum):
    """How the end of a body is told (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"


@attrs.frozen(kw_only=True)
class RequestHead:
    """A request's head, fit to forward."""

    method: bytes
    target: bytes  # origin-form, path and query as they came
    version: bytes  # b"1.0" or b"1.1"
    host: bytes  # without port, lower case
    authority: bytes  # the Host header as it came
    headers: tuple[Header, ...]
    framing: Framing
    content_length: int = 0  # with Framing.LENGTH
    upgrade: bytes = b""  # the protocol asked for, with Connection: upgrade
    expects_continue: bool = False


@attrs.frozen(kw_only=True)
class ResponseHead:
    """A response's head as a backend sent it."""

    status: int
    reason: bytes
    version: bytes
    headers: tuple[Header, ...]
    framing: Framing
    content_length: int = 0
