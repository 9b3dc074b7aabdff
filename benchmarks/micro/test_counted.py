"""The operations that `benchmarks.instructions` counts are answered as they should be."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from benchmarks.micro.counted import OPERATIONS


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(benchmark: Any, name: str) -> None:
    """A few of each, with what prepares and checks them."""
    operation, _ = OPERATIONS[name]
    benchmark.pedantic(operation, args=(2, contextlib.nullcontext), rounds=1)
