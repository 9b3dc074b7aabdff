"""Modules that a running gateway imports late, whose files an upgrade in place may have replaced since.

What a configuration does not need is not imported at the start. Where the files are another version's by the time, a
process of two versions would come of it: then nothing is imported any more, and what has asked for it fails.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Final, TypeAlias

from agwtwisted import _version
from agwtwisted.core.base.errors import ConfigError, Place, Problem

_PACKAGE: Final = f"{__name__.partition('.')[0]}."

_State: TypeAlias = tuple[int, int] | None  # size, modification time in ns; None: there is no file

REPLACED: Final = "agwtwisted was replaced on disk since this process began: start the gateway anew to use {module}"


class ReplacedError(ConfigError):
    """A module is not the running version's: a configuration that needs it cannot be had."""

    def __init__(self, file: str, module: str) -> None:
        super().__init__([Problem(place=Place(file=file), message=REPLACED.format(module=module))])


class LateImports(MetaPathFinder):
    """Refuses modules of this package once another version's files are there.

    Args:
        file: one that every installation writes anew.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._state = _state(file)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        """Finds none, and so leaves modules to others; raises ReplacedError."""
        if name.startswith(_PACKAGE) and _state(self._file) != self._state:
            raise ReplacedError(self._file, name)


def refuse_replaced() -> None:
    """Has late imports refused from now on where what is installed is another version; once in a process."""
    if not any(isinstance(each, LateImports) for each in sys.meta_path):
        sys.meta_path.insert(0, LateImports(_version.__file__))


def _state(file: str) -> _State:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
