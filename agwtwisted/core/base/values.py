"""Values that are made for every request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from attrs import frozen as value
else:
    # To make a frozen object costs twice as much: each field goes by object.__setattr__. Nothing changes these, and
    # mypy sees to that.
    value = partial(attrs.define, unsafe_hash=True)

__all__ = ["value"]
