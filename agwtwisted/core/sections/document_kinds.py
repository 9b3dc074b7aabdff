"""What the bytes of a configuration file are: JSON, whose readers are imported for it alone, or an INI file."""

from __future__ import annotations

import re

_BLANKS = re.compile(rb"[ \t\r\n]*")
_ARRAY = re.compile(rb"\[[ \t\r\n]*(?:[\[{\]\"/-]|$)")
_BICEP = re.compile(rb"(?:targetScope[ \t]*=|using[ \t]|(?:param|var|metadata|resource|module)[ \t]+\w|@\w+\()")
_BOM = b"\xef\xbb\xbf"


def is_json(data: bytes) -> bool:
    """Whether bytes are a document of JSON rather than an INI file: by what they begin with, never by a name.

    ``[`` begins a section of an INI file, too: what follows it decides. Bicep, which is no INI file, either, is left to
    the reader of documents, which says how JSON is made of it.
    """
    text = data.removeprefix(_BOM)
    blanks = _BLANKS.match(text)
    at = blanks.end() if blanks else 0
    return text[at : at + 1] in (b"{", b"/") or any(each.match(text, at) for each in (_ARRAY, _BICEP))
