"""The values of all metrics at one moment, in the form in which processes send them and in which they are merged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import add
from typing import Any, Final, TypeAlias

import attrs

from agwtwisted.core.operations.families import FAMILIES
from agwtwisted.core.operations.metric_kinds import FamilyKind, Merging

Sample: TypeAlias = float | tuple[float, ...]
"""A value; of a histogram how many observations are in each bucket, infinity's included, and behind these their sum."""

Samples: TypeAlias = Mapping[tuple[str, ...], Sample]
"""Those of one family, by the values of its labels."""

MEMBER: Final = "measurements"
"""The member of an answer that they are."""


@attrs.frozen
class Measurements:
    """The samples of each family that has any."""

    samples: Mapping[str, Samples]

    def members(self) -> Mapping[str, Any]:
        """They as the members of a JSON object."""
        return {MEMBER: {name: [[*each] for each in samples.items()] for name, samples in self.samples.items()}}

    @classmethod
    def of_members(cls, members: Mapping[str, Any]) -> Measurements:
        """What `members` has made, from JSON. Raises KeyError, TypeError, ValueError for what is none."""
        read = {
            name: {tuple(labels): _sample(value) for labels, value in rows} for name, rows in members[MEMBER].items()
        }
        return cls(read)

    def counted(self) -> Measurements:
        """Only what goes up and never down: what counts on once its process has ended."""
        return Measurements(
            {name: each for name, each in self.samples.items() if FAMILIES[name].kind is not FamilyKind.GAUGE}
        )

    def of_names(self, keeps: Callable[[str, str], bool]) -> Measurements:
        """Only the samples all of whose labels, names with values, are kept."""
        return Measurements({name: _kept(name, each, keeps) for name, each in self.samples.items()})


class Collected(dict[str, dict[tuple[str, ...], Sample]]):
    """Samples as they are collected, by family and labels.

    Two of one family with the same labels are one: names of two kinds of sections may be equal.
    """

    def of(self, family: str) -> dict[tuple[str, ...], Sample]:
        """Those of one family."""
        return self.setdefault(family, {})

    def add(self, family: str, labels: tuple[str, ...], sample: Sample) -> None:
        """One more."""
        those = self.of(family)
        known = those.get(labels)
        those[labels] = sample if known is None else together(known, sample, FAMILIES[family].merging)


def merged(all_of_them: Iterable[Measurements]) -> Measurements:
    """What several processes have measured, as if they were one."""
    together: dict[str, dict[tuple[str, ...], Sample]] = {}
    for each in all_of_them:
        for name, samples in each.samples.items():
            _add(together.setdefault(name, {}), samples, FAMILIES[name].merging)
    return Measurements(together)


def _add(into: dict[tuple[str, ...], Sample], samples: Samples, merging: Merging) -> None:
    for labels, sample in samples.items():
        known = into.get(labels)
        into[labels] = sample if known is None else together(known, sample, merging)


def together(one: Sample, other: Sample, merging: Merging) -> Sample:
    """Two samples with the same labels as one. Raises ValueError for a number and a histogram."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return tuple(map(add, one, other))
    if isinstance(one, tuple) or isinstance(other, tuple):
        raise ValueError("a histogram and a number are no two samples of one family")
    return max(one, other) if merging is Merging.MAX else one + other


def _sample(value: Any) -> Sample:
    return tuple(value) if isinstance(value, list) else value


def _kept(name: str, samples: Samples, keeps: Callable[[str, str], bool]) -> Samples:
    labels = FAMILIES[name].labels
    return {key: each for key, each in samples.items() if all(map(keeps, labels, key))}
