"""Certificates as ARM has them: the bytes of a file, in whatever encoding they were written into the document.

No message contains any of the data.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

import attrs

from agwtwisted.core.base.errors import UnacceptableError
from agwtwisted.core.certificates.pem import is_pkcs12

LARGEST: Final = 1_048_576
"""Characters of a certificate's data; the files that are made of them have smaller limits of their own."""

_BEGIN: Final = "-----BEGIN "
_PLACEHOLDER: Final = re.compile(r"\*+|<[^<>]*>|\[.*\]|\{\{?.*\}?\}|\.\.\.|x+", re.DOTALL | re.IGNORECASE)
_FROM_URL_SAFE: Final = str.maketrans("-_", "+/")


@attrs.frozen(kw_only=True)
class VirtualFile:
    """A file that a converted document names: its bytes, and whether only its owner may read it."""

    data: bytes = attrs.field(repr=False)
    is_secret: bool = False


def certificate_bytes(text: str) -> bytes:
    """The file that the data of a certificate stand for.

    They are the text of a PEM file, or base64 (RFC 4648 sections 4 and 5, with white space and without padding, too) of
    a file of whatever form. Base64 of base64 is undone, too.

    Raises:
        UnacceptableError: neither, or a placeholder of documentation and exports.
    """
    if len(text) > LARGEST:
        raise UnacceptableError(f"has {len(text)} characters, of at most {LARGEST}")
    text = text.strip().removeprefix("\ufeff")
    if _BEGIN in text:
        return _pem(text)
    if _PLACEHOLDER.fullmatch(text):
        raise UnacceptableError("holds a placeholder instead of a certificate")
    data = _decoded(text)
    if data is None:
        raise UnacceptableError("holds no certificate: neither the text of a PEM file nor base64")
    again = _decoded_text(data)
    return data if again is None else again


def suffix_of(data: bytes) -> str:
    """The end of the name of a file with these bytes: ``.pfx``, ``.pem`` or ``.cer``."""
    if is_pkcs12(data):
        return ".pfx"
    return ".pem" if _BEGIN.encode() in data else ".cer"


def _pem(text: str) -> bytes:
    """The text of a PEM file; where it has no line ends, what was written for them becomes some."""
    if "\n" not in text and "\\n" in text:
        text = text.replace("\\r", "").replace("\\n", "\n")
    return text.encode("utf-8", "replace") + b"\n"


def _decoded(text: str) -> bytes | None:
    """What base64 stands for; None where it is none."""
    packed = "".join(text.split()).rstrip("=").translate(_FROM_URL_SAFE)
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _decoded_text(data: bytes) -> bytes | None:
    """What bytes stand for that are base64 themselves; None where they are a file."""
    if _BEGIN.encode() in data or not data.isascii() or data[:1] == b"\x30":
        return None
    return _decoded(data.decode("ascii"))
