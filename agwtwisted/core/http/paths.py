"""Paths of requests: one form for all that a backend may take for the same, and what an override path makes of one.

Where a path decides access, the gateway and the backend must read it alike, whatever the backend is: one that decodes
once more or ignores case, that cuts parameters off or knows file names by another rule. So such a path is put into one
form, which is what is matched and what is forwarded; what could still be read in two ways is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

import attrs

from agwtwisted.core.http.messages import MAX_TARGET


@attrs.frozen
class UnclearPath:
    """A path that is not forwarded, for backends may understand it in several ways; `reason` says what is odd."""

    reason: str


def normalised(target: bytes) -> bytes | UnclearPath:
    """A request's target with its path in one form, the query as it came; normalising it again changes nothing.

    Characters that may stand in a path stand for themselves, all others are encoded (RFC 3986 section 6.2.2), slashes
    are single, there are no segments ``.`` and ``..``. ``*`` stays.
    """
    path, mark, query = target.partition(b"?")
    if _SIMPLE.fullmatch(path) or target == b"*":
        return target
    if not path.startswith(b"/"):
        return UnclearPath("no path")
    if _MALFORMED.search(path):
        return UnclearPath("% without two hexadecimal digits in a path")
    path = _encoded(path)
    if len(path) > MAX_TARGET:
        return UnclearPath("too long after encoding")
    path = _decoded(path)
    refused = _REFUSED.search(path)
    if refused is not None:
        return UnclearPath(f"{refused[0].decode('ascii')} in a path")
    if _ODD_SEGMENT.search(path):
        return UnclearPath("a name in a path that servers interpret differently")
    resolved = _without_dots(path) if _TO_RESOLVE.search(path) else path
    if isinstance(resolved, UnclearPath):
        return resolved
    if _NOT_ASCII.search(resolved) and (reason := _ambiguity(unquote_to_bytes(resolved))):
        return UnclearPath(reason)
    return resolved + mark + query


_SIMPLE = re.compile(rb"(?:/[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*)+/?|/")
"""Most paths: in that form already."""

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_DECODED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*,=:@")
"""The pchar of RFC 3986 without what is refused, and without +, which is a space to some."""

# Of what is encoded in the one form: what is encoded twice, in the notation of IIS too; controls; / and \; a semicolon,
# from which on some cut off parameters; ? and #, at which a path ends where it is decoded before it is taken apart.
_REFUSED = re.compile(rb"%25(?:[0-9A-Fa-f]{2}|[Uu])|%(?:[01][0-9A-F]|7F|2F|5C|3B|3F|23)")

# In file names of Windows dots and blanks at the end do not count, : begins a stream, and ~1 is part of a short name.
# A blank at either end is trimmed by others too.
_ODD_SEGMENT = re.compile(rb"/%20|(?:%20|:|(?<!/)(?<!/\.)\.)(?=/|\Z)|:\$|[^/]~[0-9]")

_TO_RESOLVE = re.compile(rb"//|/\.{1,2}(?=/|\Z)")

_NOT_ASCII = re.compile(rb"%[89A-F]")


_AS_THEY_STAND = _DECODED | frozenset(b"+/%")

_DIGITS = "0123456789ABCDEFabcdef"
_WRITTEN = {
    (high + low).encode(): bytes((byte,)) if byte in _DECODED else b"%%%02X" % byte
    for high, low, byte in ((high, low, int(high + low, 16)) for high in _DIGITS for low in _DIGITS)
}
"""What each two digits behind a % stand for, as it is written in the one form."""


def _encoded(path: bytes) -> bytes:
    """What may not stand in a path, encoded."""
    for byte in set(path) - _AS_THEY_STAND:
        path = path.replace(bytes((byte,)), b"%%%02X" % byte)
    return path


def _decoded(path: bytes) -> bytes:
    """What is encoded, as it is written in the one form."""
    first, *encoded = path.split(b"%")
    if not encoded:
        return path
    return first + b"".join([_WRITTEN[each[:2]] + each[2:] for each in encoded])


def _without_dots(path: bytes) -> bytes | UnclearPath:
    """The path without empty segments and those of dots."""
    segments = path.split(b"/")[1:]
    kept: list[bytes] = []
    for segment in segments:
        if segment == b"..":
            if not kept:
                return UnclearPath("a path that leads above the root")
            kept.pop()
        elif segment not in (b"", b"."):
            kept.append(segment)
    if kept and segments[-1] in (b"", b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


# Default_Ignorable_Code_Point of Unicode, except those of the general category Cf.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)

_UNUSABLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


def _ambiguity(path: bytes) -> str:
    """Why a decoded path may be taken for another one that has more of ASCII in it; empty if it may not.

    Servers and file systems that ignore case do so by rules that make ASCII of some other letters (U+212A is a k to
    them), others ignore what is not seen, compose, or decode UTF-8 that is longer than it need be.
    """
    try:
        text = path.decode("utf-8")
    except UnicodeDecodeError:
        return "invalid UTF-8 in a path"
    if not unicodedata.is_normalized("NFC", text):
        return "letters in a path that are not composed"
    letters = [each for each in set(text) if not each.isascii()]
    unseen = [each for each in letters if unicodedata.category(each) in _UNUSABLE_CATEGORIES]
    unseen += _IGNORABLE.findall("".join(letters))
    if unseen:
        return f"U+{ord(unseen[0]):04X}, which is invisible, in a path"
    while letters and _may_be_ascii(letters):
        half = letters[: len(letters) // 2]
        if not half:
            return f"U+{ord(letters[0]):04X}, which some servers map to ASCII, in a path"
        letters = half if _may_be_ascii(half) else letters[len(half) :]
    return ""


_ASCII = re.compile(r"[\0-\x7f]")


def _may_be_ascii(letters: Sequence[str]) -> bool:
    """Whether some take one of these letters for ASCII: all of them are looked at together, which is soon done."""
    joined = _APART.join(letters)  # so that none is composed with the next one
    both = joined + _APART + unicodedata.normalize("NFKC", joined)
    return any(_ASCII.search(form) for form in (both, both.lower(), both.upper(), both.casefold()))


_APART = "\u4e00"
"""A letter that is composed with none, and has no other form."""


_DOTS = re.compile(rb"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:;[^/]*)?(?:[/\\]|%2f|%5c|$)", re.IGNORECASE)


def override_path(path: str, matched_prefix: bytes, target: bytes) -> bytes | UnclearPath:
    """The target for the backend where its settings have a path of their own (product page "HTTP settings").

    It takes the place of what the path rule matched; where there is none, of the first slash. With dots behind it, a
    request could leave it: such a one is not forwarded.

    Args:
        path: of the settings; empty leaves the target as it is.
        matched_prefix: as in `Action`; one that the target (after a rewrite, say) does not begin with takes nothing.
        target: in origin-form or ``*``.
    """
    if not path or target == b"*":
        return target
    old, mark, query = target.partition(b"?")
    rest = old[len(matched_prefix) :] if old.lower().startswith(matched_prefix) else old
    if _DOTS.search(rest):
        return UnclearPath("dot segments in a path after the backend's own")
    new = path.encode("ascii")
    if rest:
        new = new.removesuffix(b"/") + b"/" + rest.removeprefix(b"/")
    return new + mark + query
