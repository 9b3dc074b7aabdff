"""The template language's functions on texts: https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions-string."""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from urllib.parse import quote, unquote, unquote_to_bytes, urljoin

from agwtwisted.core.arm.function_table import ArmFunction, FunctionTable, UnknownArguments
from agwtwisted.core.arm.json_text import UnknownValue, read_json
from agwtwisted.core.arm.values import (
    ArmValue,
    EvaluationError,
    array,
    as_json,
    as_text,
    bounded,
    integer,
    joined,
    kind_of,
    plain,
    text,
)
from agwtwisted.core.base.errors import ConfigError, shown

_GUID_SPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
"""The name space of the product's `guid`, which is a UUID of version 5 (RFC 9562)."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{(\d{1,3})(?:,(-?\d{1,3}))?(?::([^{}]*))?\}|[{}]")
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def concat(*values: ArmValue) -> ArmValue:
    """One text of all, or one array."""
    if not any(isinstance(value, tuple) for value in values):
        for value in values:
            if isinstance(value, dict):
                raise EvaluationError("takes texts or arrays, not an object")
        return joined([value if isinstance(value, UnknownValue) else as_text(value) for value in values])
    for value in values:
        if isinstance(value, UnknownValue):
            return value
    bounded(sum(len(array(value)) for value in values))
    return tuple([item for value in values for item in array(value)])


def format_text(pattern: ArmValue, *values: ArmValue) -> ArmValue:
    """A text with values in place of `{0}`, as .NET's `String.Format`."""
    if isinstance(pattern, UnknownValue):
        return pattern
    pieces: list[ArmValue] = []
    end = 0
    for match in _PLACEHOLDER.finditer(text(pattern)):
        pieces += [text(pattern)[end : match.start()], _placeholder(match, values)]
        end = match.end()
    return joined([*pieces, text(pattern)[end:]])


def _placeholder(match: re.Match[str], values: tuple[ArmValue, ...]) -> ArmValue:
    number, width, form = match.groups()
    if match[0] in ("{{", "}}"):
        return match[0][0]
    if number is None:
        raise EvaluationError(f"has a {shown(match[0])} that is neither doubled nor a placeholder")
    if int(number) >= len(values):
        raise EvaluationError(f"has the placeholder {match[0]}, but {len(values)} values")
    value = values[int(number)]
    if isinstance(value, UnknownValue):
        return value
    written = _formatted(value, form) if form else as_text(value)
    aligned = int(width or 0)
    return written.rjust(aligned) if aligned > 0 else written.ljust(-aligned)


def _formatted(value: ArmValue, form: str) -> str:
    """A number as .NET's D, X, N, F and zeros; other values have no forms."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return as_text(value)
    kind, digits = form[0].upper(), form[1:]
    if set(form) == {"0"}:
        return f"{integer(value):0{len(form)}d}"
    if digits and not re.fullmatch(r"[0-9]{1,2}", digits):
        raise EvaluationError(f"has a form of numbers that is not known here: {shown(form)}")
    count = int(digits) if digits else 0
    match kind:
        case "D":
            return f"{'-' if integer(value) < 0 else ''}{abs(integer(value)):0{count}d}"
        case "X":
            return f"{integer(value):0{count}{'X' if form[0] == 'X' else 'x'}}"
        case "N":
            return f"{value:,.{count if digits else 2}f}"
        case "F":
            return f"{value:.{count if digits else 2}f}"
        case "G":
            return as_text(value)
        case _:
            raise EvaluationError(f"has a form of numbers that is not known here: {shown(form)}")


def replace(whole: ArmValue, old: ArmValue, new: ArmValue) -> ArmValue:
    """A text with another one in place of each occurrence of a third."""
    if not text(old):
        raise EvaluationError("replaces an empty text")
    bounded(text(whole).count(text(old)) * len(text(new)))
    return text(whole).replace(text(old), text(new))


def substring(whole: ArmValue, start: ArmValue, length: ArmValue = None) -> ArmValue:
    """A part of a text: from a character on, so many or all."""
    begin = integer(start)
    end = len(text(whole)) if length is None else begin + integer(length)
    if not 0 <= begin <= end <= len(text(whole)):
        raise EvaluationError("takes a part that ends beyond the text")
    return text(whole)[begin:end]


def split(whole: ArmValue, delimiters: ArmValue) -> ArmValue:
    """The parts of a text between delimiters: one, or any of several."""
    given = [text(each) for each in delimiters] if isinstance(delimiters, tuple) else [text(delimiters)]
    wanted = [re.escape(each) for each in given if each]
    return tuple(re.split("|".join(wanted), text(whole))) if wanted else (text(whole),)


def join(values: ArmValue, delimiter: ArmValue) -> ArmValue:
    """The texts of an array with a delimiter between them."""
    pieces = [as_text(each) for each in array(values)]
    bounded(sum(map(len, pieces)) + len(text(delimiter)) * len(pieces))
    return text(delimiter).join(pieces)


def pad_left(value: ArmValue, width: ArmValue, character: ArmValue = " ") -> ArmValue:
    """A text or integer with characters before it, up to a width."""
    bounded(integer(width))
    if len(text(character)) != 1:
        raise EvaluationError("pads with one character")
    return as_text(value).rjust(max(0, integer(width)), text(character))


def index_of(whole: ArmValue, wanted: ArmValue) -> ArmValue:
    """Where a text, or an item, is first found, texts without case; -1 for nowhere."""
    if isinstance(whole, tuple):
        return whole.index(wanted) if wanted in whole else -1
    return text(whole).lower().find(text(wanted).lower())


def last_index_of(whole: ArmValue, wanted: ArmValue) -> ArmValue:
    """Where a text, or an item, is last found, texts without case; -1 for nowhere."""
    if isinstance(whole, tuple):
        return len(whole) - 1 - whole[::-1].index(wanted) if wanted in whole else -1
    return text(whole).lower().rfind(text(wanted).lower())


def to_base64(whole: ArmValue) -> ArmValue:
    """A text's UTF-8 in Base64."""
    return base64.b64encode(text(whole).encode()).decode()


def from_base64(whole: ArmValue) -> ArmValue:
    """The text whose UTF-8 stands in Base64."""
    try:
        return base64.b64decode(text(whole), validate=True).decode()
    except ValueError:
        raise EvaluationError("needs a text in Base64") from None


def json_value(whole: ArmValue) -> ArmValue:
    """The value that a text of JSON says."""
    try:
        return plain(read_json(text(whole).encode(), "json"))
    except ConfigError:
        raise EvaluationError("needs a text of JSON") from None


def base64_json(whole: ArmValue) -> ArmValue:
    """The value that JSON in Base64 says."""
    return json_value(from_base64(whole))


def data_uri(whole: ArmValue) -> ArmValue:
    """A text as a data URI (RFC 2397)."""
    return f"data:text/plain;charset=utf8;base64,{to_base64(whole)}"


def from_data_uri(whole: ArmValue) -> ArmValue:
    """The text of a data URI."""
    head, comma, data = text(whole).partition(",")
    if not head.lower().startswith("data:") or not comma:
        raise EvaluationError("needs a data URI")
    return from_base64(data) if head.lower().endswith(";base64") else unquote(data)


def uri(base: ArmValue, relative: ArmValue) -> ArmValue:
    """A URI relative to another one (RFC 3986)."""
    try:
        return urljoin(text(base), text(relative))
    except ValueError:
        raise EvaluationError("needs a URI") from None


def uri_component(whole: ArmValue) -> ArmValue:
    """A text in which only unreserved characters (RFC 3986) are as they were."""
    return quote(text(whole), safe="")


def from_uri_component(whole: ArmValue) -> ArmValue:
    """The text of a component of a URI."""
    return unquote_to_bytes(text(whole)).decode("utf-8", "replace")


def guid(*values: ArmValue) -> ArmValue:
    """The product's GUID of texts: always the same for the same ones."""
    return str(uuid.uuid5(_GUID_SPACE, "-".join(as_text(value) for value in values)))


def unique_string(*values: ArmValue) -> ArmValue:
    """13 characters made of texts: always the same, but others than the product's, which it does not document."""
    digest = hashlib.sha256("-".join(as_text(value) for value in values).encode()).digest()
    return "".join(_ALPHABET[byte % 32] for byte in digest[:13])


def string(value: ArmValue) -> ArmValue:
    """A value as a text: objects and arrays as JSON."""
    return as_json(value) if isinstance(value, (tuple, dict)) else as_text(value)


def to_number(value: ArmValue) -> ArmValue:
    """A text of digits as a number; `float` of a template."""
    try:
        return float(text(value)) if isinstance(value, str) else integer(value)
    except ValueError:
        raise EvaluationError("needs a text that is a number") from None


def _lower(whole: ArmValue) -> ArmValue:
    return text(whole).lower()


def _upper(whole: ArmValue) -> ArmValue:
    return text(whole).upper()


def _trim(whole: ArmValue) -> ArmValue:
    return text(whole).strip()


def _starts_with(whole: ArmValue, start: ArmValue) -> ArmValue:
    return text(whole).lower().startswith(text(start).lower())


def _ends_with(whole: ArmValue, end: ArmValue) -> ArmValue:
    return text(whole).lower().endswith(text(end).lower())


def _fail(message: ArmValue) -> ArmValue:
    raise EvaluationError(f"fails, as the template says: {shown(as_text(message)) if message else kind_of(message)}")


TEXT_FUNCTIONS: FunctionTable = {
    "base64": ArmFunction(to_base64, 1, 1),
    "base64tojson": ArmFunction(base64_json, 1, 1),
    "base64tostring": ArmFunction(from_base64, 1, 1),
    "concat": ArmFunction(concat, 1, None, UnknownArguments.TAKEN),
    "datauri": ArmFunction(data_uri, 1, 1),
    "datauritostring": ArmFunction(from_data_uri, 1, 1),
    "endswith": ArmFunction(_ends_with, 2, 2),
    "fail": ArmFunction(_fail, 1, 1),
    "float": ArmFunction(to_number, 1, 1),
    "format": ArmFunction(format_text, 1, None, UnknownArguments.TAKEN),
    "guid": ArmFunction(guid, 1, None, UnknownArguments.ANYWHERE),
    "indexof": ArmFunction(index_of, 2, 2, UnknownArguments.ANYWHERE),
    "join": ArmFunction(join, 2, 2, UnknownArguments.ANYWHERE),
    "json": ArmFunction(json_value, 1, 1),
    "lastindexof": ArmFunction(last_index_of, 2, 2, UnknownArguments.ANYWHERE),
    "padleft": ArmFunction(pad_left, 2, 3),
    "replace": ArmFunction(replace, 3, 3),
    "split": ArmFunction(split, 2, 2, UnknownArguments.ANYWHERE),
    "startswith": ArmFunction(_starts_with, 2, 2),
    "string": ArmFunction(string, 1, 1, UnknownArguments.ANYWHERE),
    "substring": ArmFunction(substring, 2, 3),
    "tolower": ArmFunction(_lower, 1, 1),
    "toupper": ArmFunction(_upper, 1, 1),
    "trim": ArmFunction(_trim, 1, 1),
    "uniquestring": ArmFunction(unique_string, 1, None, UnknownArguments.ANYWHERE),
    "uri": ArmFunction(uri, 2, 2),
    "uricomponent": ArmFunction(uri_component, 1, 1),
    "uricomponenttostring": ArmFunction(from_uri_component, 1, 1),
}
"""By their names in lower case."""
