"""The token of the control API on TCP: in a file that its owner alone can read, made at the first start."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from secrets import token_urlsafe
from typing import Final

from agwtwisted.core.base.errors import AgwError
from agwtwisted.sharing.directory_lock import locked
from agwtwisted.sharing.private_files import PrivateFileError, read_private, write_whole

BYTES: Final = 32
"""Random bytes of a token that is made here."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{32,512}=*")
"""What a bearer token is made of (RFC 6750, section 2.1), and no less than cannot be guessed."""

_MOST: Final = 1024


class TokenFileError(AgwError):
    """A file that holds no token, or one that others can read; the message says what to do."""


def token_of(path: str) -> str:
    """The token in a file, which is made where there is none.

    Raises:
        TokenFileError: others can read the file or write it, or it has no token.
        OSError: it can be neither read nor made.
    """
    try:
        return read_token(path)
    except FileNotFoundError:
        return _made(path)


def read_token(path: str) -> str:
    """The token in a file that is there; raises as `token_of` does."""
    try:
        text = read_private(Path(path), most=_MOST, may_be_link=True).decode("latin-1").strip()
    except PrivateFileError as error:
        raise TokenFileError(str(error)) from error
    if _TOKEN.fullmatch(text) is None:
        raise TokenFileError(
            f"{path} has no token: one line of at least 32 letters, digits or ._~+/-; remove the file to have one made"
        )
    return text


def _made(path: str) -> str:
    """Whole, or not made; of several processes that begin at once the first one makes it."""
    place = Path(path)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with locked(place.parent):
        with suppress(FileNotFoundError):
            return read_token(path)
        # It begins with a letter: what begins with a dash, some programs take for an option.
        write_whole(place, f"t{token_urlsafe(BYTES)}\n".encode())
    return read_token(path)
