"""Masks what may be a secret in the text of a configuration, and in what is said of it.

Keys and passwords are in files of their own, whose contents are never shown. But a value in the main file may be a
secret all the same: a request header that is set for backends, the user in a URL, or a key in a comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from agwtwisted.core.rules.conditions import Condition

MASK: Final = "********"
"""In place of what may be a secret."""

_NAMES: Final = (
    "pass_?word|passphrase|passwd|secret|token|authorization|cookie|credential|api[-_.]?key|auth[-_.]?key"
    r"|[-_.](?:key|auth|jwt|signature)\b"
)
"""Parts of the names of keys and headers whose values may be secrets."""

_SECRET_KEY: Final = re.compile(rf"(?i)[^=;#]*(?:{_NAMES})[^=]*=")
_PARAMETER: Final = re.compile(r"(?i)[ \t]*(?:parameter|value)\.[^=]*=")
"""Of `[arm]`: what a template is given may be a secret, whatever it is called."""
_NO_SECRET: Final = re.compile(r"(?i)[ \t]*(?:\w+_file|cookie_based_affinity|affinity_cookie_name)[ \t]*=")
_SECRET_VARIABLE: Final = re.compile(rf"(?i)http_(?:req|resp)_[\w-]*(?:{_NAMES})[\w-]*|var_cookie_")
_SECRET_VALUE: Final = re.compile(r"(?i)=[ \t]*(?:apikey|basic|bearer|sharedaccesssignature)[ \t]+[^\s;#]")
_SECRET_COMMENT: Final = re.compile(rf"(?i)((?:^|[ \t])[;#].*(?:{_NAMES})[^=:]*[=:]).*")
_NAMED_SECRET: Final = re.compile(rf"(?i)(?:{_NAMES})")
_AFFINITY: Final = re.compile(r"(?i)cookie_?based_?affinity|affinity_?cookie_?name")
_AUTHENTICATES: Final = re.compile(r"(?i)[ \t]*(?:apikey|basic|bearer|sharedaccesssignature)[ \t]+\S")
_SECRET_REMARK: Final = re.compile(rf"(?i)((?:{_NAMES})[^=:\n]*[=:])(?:(?!\*/)[^\n])*")
_URL_USER: Final = re.compile(r"(://)[^/\s@]*@")
_KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_KEY_END: Final = re.compile(r"-----END [A-Z ]*PRIVATE KEY-----")


def masked(text: str) -> str:
    """The text of a configuration file, with a mask for each value that may be a secret.

    That is the value of a key, in force or in a comment, whose name says so; a condition or template of a header whose
    name does, or of a cookie; the user of a URL; a private key; what follows the scheme of an Authorization header.
    Lines keep their numbers.
    """
    return "\n".join(_masked_lines(text.split("\n")))


def _masked_lines(lines: list[str]) -> Iterator[str]:
    continued = in_key = False
    for line in lines:
        in_key = in_key or _KEY_BEGIN.search(line) is not None
        if in_key:
            in_key = _KEY_END.search(line) is None
            yield MASK
        elif continued and line[:1] in (" ", "\t"):
            yield MASK
        else:
            continued = _holds_secret(line)
            yield f"{line.partition('=')[0]}= {MASK}" if continued else _commented(line)


def _holds_secret(line: str) -> bool:
    """Whether the value of a key, and what continues it, is not to be shown."""
    by_key = _SECRET_KEY.match(line) is not None and _NO_SECRET.match(line) is None
    compared = "=" in line and _SECRET_VARIABLE.search(line) is not None
    return by_key or compared or _PARAMETER.match(line) is not None or _SECRET_VALUE.search(line) is not None


def _commented(line: str) -> str:
    return _URL_USER.sub(rf"\1{MASK}@", _SECRET_COMMENT.sub(rf"\1 {MASK}", line))


def is_secret_name(name: str) -> bool:
    """Whether the value of a key, a member or a header of this name may be a secret."""
    return _NAMED_SECRET.search(name) is not None and _AFFINITY.fullmatch(name) is None


def is_secret_variable(written: str) -> bool:
    """Whether a server variable has what may be a secret."""
    return _SECRET_VARIABLE.search(written) is not None


def masked_value(value: str) -> str:
    """A value of no secret key, without the user of a URL; masked whole where it is a key or has credentials."""
    if _KEY_BEGIN.search(value) or _AUTHENTICATES.match(value):
        return MASK
    return _URL_USER.sub(rf"\1{MASK}@", value)


def masked_comment(comment: str) -> str:
    """A comment of an ARM document, without what follows a name of secrets on its line."""
    return _URL_USER.sub(rf"\1{MASK}@", _SECRET_REMARK.sub(rf"\1 {MASK}", comment))


def masked_condition(condition: Condition) -> str:
    """The text of a condition, without what the value of a secret header or of a cookie is compared with."""
    written = condition.reference.written
    if _SECRET_VARIABLE.search(written) is None:
        return condition.text
    return f"{written} {condition.operator} {MASK}"
