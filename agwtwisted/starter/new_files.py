"""Files that a command makes: all of them or none, and none in the place of another one unasked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from agwtwisted.core.base.errors import AgwError

_UNFINISHED = ".new"


@attrs.frozen(kw_only=True)
class NewFile:
    """The content of a file, and who may read it."""

    data: bytes = attrs.field(repr=False)
    secret: bool = False  # its owner alone

    @property
    def mode(self) -> int:
        """Its permission bits, from its first moment on, less the umask."""
        return 0o600 if self.secret else 0o644


OPEN: Final = 0o777
PRIVATE: Final = 0o700
"""Permission bits of new directories, less the umask."""


def write_all(files: Mapping[Path, NewFile], *, force: bool = False, directories: int = OPEN) -> None:
    """Writes files, and makes directories for them that are missing.

    Each is written whole under another name first; only then all get their own names, in the order of the mapping.

    Args:
        files: by their paths.
        force: whether files that are there are replaced.
        directories: the permission bits of those that are made, less the umask.

    Raises:
        AgwError: some are there already, or one cannot be written. Then nothing has changed.
    """
    there = [path for path in files if os.path.lexists(path)]
    if there and not (force and all(path.is_file() for path in there)):
        hint = "--force replaces what is there" if not force else "not all of it is a file"
        raise AgwError(f"{', '.join(map(str, there))}: there already; nothing was written ({hint})")
    made: list[Path] = []
    try:
        for directory in dict.fromkeys(path.parent for path in files):
            _make_directory(directory, directories, made)
        for path, file in files.items():
            _stage(path, file, made)
        _put(files, there, made)
    except OSError as error:
        _undo(made)
        raise AgwError(f"{_reason(error, made)}; nothing was written") from error
    except BaseException:
        _undo(made)
        raise


def _reason(error: OSError, made: list[Path]) -> str:
    """What could not be written, and why; an error while writing names no file, which is the last one then."""
    path = error.filename or (made[-1] if made else "a file")
    if isinstance(error, FileExistsError) and str(path).endswith(_UNFINISHED):
        return f"{path} is there, of a command that was stopped or is still at work: remove it"
    return f"{path} cannot be written: {error.strerror}"


def _make_directory(directory: Path, mode: int, made: list[Path]) -> None:
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode)
        made.append(each)


def _stage(path: Path, file: NewFile, made: list[Path]) -> None:
    unfinished = path.with_name(path.name + _UNFINISHED)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
    made.append(unfinished)
    with open(descriptor, "wb") as opened:
        opened.write(file.data)


def _put(files: Iterable[Path], there: Iterable[Path], made: list[Path]) -> None:
    """Gives all of them their names."""
    for path in files:
        path.with_name(path.name + _UNFINISHED).replace(path)
        if path not in there:
            made.append(path)


def _undo(made: Iterable[Path]) -> None:
    for path in reversed(list(made)):
        with suppress(OSError):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
