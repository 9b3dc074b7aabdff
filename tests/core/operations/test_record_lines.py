"""Lines that are compiled from tables."""

from __future__ import annotations

import json
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.record_lines import (
    Line,
    constant,
    flag,
    number,
    outside,
    quoted_number,
    rendered,
    seconds,
    text,
    word,
)
from agwtwisted.core.operations.record_texts import LONGEST_FIELD
from agwtwisted.core.operations.records import RecordFrame

FRAME = RecordFrame(b'"a":1,"properties":{"b":2')


@attrs.frozen(kw_only=True)
class Record:
    """One with a field of each form."""

    timestamp: bytes = b"now"
    frame: RecordFrame = FRAME
    before: bytes = b'"x":0,"y":0'
    method: bytes = b"GET"
    host: bytes = b"h"
    count: int = 3
    port: int | None = 4
    latency: float | None = 0.5
    time: float = 1.25
    name: str = "n"
    done: bool = True


LINE = Line(
    rendered("before", {"x": "one", "y": "two"}),
    outside("method", "method", "the method"),
    outside("target", "", "the target"),
    number("count", "count", "a number"),
    quoted_number("port", "port", "a number, if any"),
    word("frame", "frame.text.__class__.__name__", "a word", b"%a"),
    outside("host", "host", "the host", b"to %b"),
    quoted_number("latency", "latency", "seconds, if any", b"%.2f"),
    constant("protocol", "TCP", "always"),
    seconds("time", "time", "seconds"),
    text("name", "name", "a text"),
    flag("done", "done", "whether"),
)


def properties(record: Record, target: bytes = b"/") -> dict[str, Any]:
    """What the line of a record says."""
    line = LINE.render(record, target)
    assert line.endswith(b"\n")
    assert line.isascii()
    read = json.loads(line)
    assert read["timeStamp"] == "now"
    found: dict[str, Any] = read["properties"]
    return found


class LineTests(SynchronousTestCase):
    """A table, and what it makes of a record."""

    def test_forms(self) -> None:
        """Each member is written as its row says, in the order of the rows; what is given stands where its row does."""
        expected = {
            "b": 2,
            "x": 0,
            "y": 0,
            "method": "GET",
            "target": "/",
            "count": 3,
            "port": "4",
            "frame": "'bytes'",
            "host": "to h",
            "latency": "0.50",
            "protocol": "TCP",
            "time": 1.25,
            "name": "n",
            "done": True,
        }
        found = properties(Record())
        self.assertEqual(found, expected)
        self.assertEqual([*found], [*expected])

    def test_nothing(self) -> None:
        """Of numbers that are not there the quotes are left; one of them takes no other along."""
        found = properties(Record(port=None, done=False))
        self.assertEqual((found["port"], found["latency"], found["done"]), ("", "0.50", False))
        self.assertEqual(properties(Record(latency=None))["latency"], "")

    def test_meanings(self) -> None:
        """Every member has the meaning of its row, those too that were rendered before."""
        self.assertEqual({*LINE.meanings}, {*properties(Record())} - {"b"})
        self.assertEqual((LINE.meanings["y"], LINE.meanings["host"]), ("two", "the host"))

    @given(st.binary(), st.binary(), st.text())
    def test_anything_from_outside(self, host: bytes, target: bytes, name: str) -> None:
        """Whatever comes from outside, the line is one JSON object of the same members."""
        found = properties(Record(host=host, name=name), target)
        self.assertEqual({*found}, {"b", *LINE.meanings})

    def test_is_cut(self) -> None:
        """A field that is too long is cut where it stands, and no other."""
        found = properties(Record(host=b"h" * 3000), b"/long")
        self.assertEqual(found["host"], f"to {'h' * LONGEST_FIELD}\u2026(of 3000 bytes)")
        self.assertEqual(found["target"], "/long")
