"""The line of a kind of record as one table: which members it has, how each is read and written, and what it means.

To add a member is to add a row; `Line` compiles the table to one format string and one expression. Only the modules of
records call it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs

from agwtwisted.core.operations.record_texts import LONGEST_FIELD, MARKED, cut, field


@attrs.frozen
class LineMember:
    """One member of a line, or several that were rendered before.

    Args:
        form: how it stands in the line, as ``%`` of bytes has it.
        read: the attribute of the record that has its value, dotted if it is one of an attribute's; empty: none has.
        meanings: what each means, by its name.
        write: makes of the value what `form` takes, where it is another.
        if_any: how a value stands in `form` that may be None, in whose place nothing stands.
        outside: bytes from outside, which are escaped and cut. Without `read` they are given to `Line.render`.
    """

    form: bytes
    read: str
    meanings: Mapping[str, str]
    write: Callable[[Any], object] | None = None
    if_any: bytes = b""
    outside: bool = False


def rendered(read: str, meanings: Mapping[str, str]) -> LineMember:
    """Members that were rendered before, as bytes."""
    return LineMember(b"%b", read, meanings)


def number(name: str, read: str, meaning: str) -> LineMember:
    """A whole number."""
    return LineMember(b'"%b":%%d' % name.encode(), read, {name: meaning})


def seconds(name: str, read: str, meaning: str) -> LineMember:
    """A duration, to the millisecond."""
    return LineMember(b'"%b":%%.3f' % name.encode(), read, {name: meaning})


def word(name: str, read: str, meaning: str, form: bytes = b"%b") -> LineMember:
    """Bytes of our own, in quotes."""
    return LineMember(b'"%b":"%b"' % (name.encode(), form), read, {name: meaning})


def constant(name: str, value: str, meaning: str) -> LineMember:
    """The same of every record."""
    return LineMember(b'"%b":"%b"' % (name.encode(), value.encode()), "", {name: meaning})


def quoted_number(name: str, read: str, meaning: str, form: bytes = b"%d") -> LineMember:
    """A number in quotes, which are empty where there is none."""
    return attrs.evolve(word(name, read, meaning), if_any=form)


def outside(name: str, read: str, meaning: str, form: bytes = b"%b") -> LineMember:
    """Bytes from outside, in quotes."""
    return attrs.evolve(word(name, read, meaning, form), outside=True)


def text(name: str, read: str, meaning: str) -> LineMember:
    """Text from outside."""
    return LineMember(b'"%b":%%b' % name.encode(), read, {name: meaning}, lambda value: json.dumps(cut(value)).encode())


def flag(name: str, read: str, meaning: str) -> LineMember:
    """A boolean."""
    return LineMember(b'"%b":%%b' % name.encode(), read, {name: meaning}, lambda value: b"true" if value else b"false")


class Line:
    """A kind of line: the time and the frame that all kinds begin with, and these members among its properties.

    The record has a ``timestamp`` and, as ``frame``, a `records.RecordFrame`. `meanings` has the members by name.

    `render` takes a record and the bytes from outside that are no attribute of it, in the order of the line; it returns
    the line, in ASCII.
    """

    def __init__(self, *members: LineMember) -> None:
        self.meanings: Final = {name: meaning for each in members for name, meaning in each.meanings.items()}
        self.render: Final = _compiled((word("timeStamp", "timestamp", ""), rendered("frame.text", {}), *members))


def _compiled(members: Sequence[LineMember]) -> Callable[..., bytes]:
    """The function that makes the line of a record.

    As in `collections.namedtuple` and attrs, the source is made of names that stand in tables of this package. Getters
    and loops over the table would take 2.8 microseconds of every request instead of 1.5.
    """
    given = [each for each in members if each.outside and not each.read]
    read = [each for each in members if each.outside and each.read]
    outside = {id(each): f"_{at}" for at, each in enumerate([*given, *read])}
    values = [_source(at, each, outside) for at, each in enumerate(members) if each.read or each.outside]
    source = [f"def render({', '.join(['record', *[outside[id(each)] for each in given]])}):"]
    source += [f"  {outside[id(each)]} = record.{each.read}" for each in read]
    if outside:
        # One look at all of them: nearly every record has nothing to escape or to cut.
        every = f"({', '.join(outside.values())},)"
        source += [
            f"  joined = join({every})",
            "  if len(joined) > longest or joined.translate(marked) != joined:",
            f"    {every} = map(field, {every})",
        ]
    source.append(f"  return form % ({', '.join(values)},)")
    names: dict[str, Any] = {
        "form": b"{%b}}\n" % b",".join(each.form for each in members),
        "write": [each.write for each in members],
        "field": field,
        "join": b"".join,
        "longest": LONGEST_FIELD,
        "marked": MARKED,
    }
    exec("\n".join(source), names)  # noqa: S102
    render: Callable[..., bytes] = names["render"]
    return render


def _source(at: int, member: LineMember, outside: Mapping[int, str]) -> str:
    """The expression of a member's value."""
    value = f"record.{member.read}"
    if member.outside:
        return outside[id(member)]
    if member.if_any:
        return f"b'' if {value} is None else {member.if_any!r} % {value}"
    return f"write[{at}]({value})" if member.write else value
