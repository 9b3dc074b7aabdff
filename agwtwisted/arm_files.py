"""What the configuration of a gateway that comes as ARM JSON is made of, besides its document: overlay and options.

It is kept with the document, as bytes, so that workers and reloads of certificates make the same configuration of it.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from agwtwisted.core.sections import ini
from agwtwisted.core.sections.sources import ReadFile, SourceFile, own_mode_problems

if TYPE_CHECKING:  # forty modules, which a gateway of an INI file runs without
    from agwtwisted.core.arm.configuration import ArmConfiguration, ArmSource
    from agwtwisted.core.arm.inputs import ArmKeys


@attrs.frozen(kw_only=True)
class ArmArguments:
    """What a command says about a document."""

    overlay: str | None = None  # a path; None: beside the document, if there is one
    keys: ArmKeys = attrs.field(default=(), repr=False)  # of [arm]
    names_may_wait: bool = False  # whether the overlay may name what the document does not have

    def __bool__(self) -> bool:
        return self.overlay is not None or bool(self.keys)


NO_ARGUMENTS: Final = ArmArguments()
"""Of a command that says nothing about one."""


@attrs.frozen(kw_only=True)
class ArmFiles:
    """Everything but the document and the files that are named."""

    overlay: str
    """The path of the overlay."""
    text: SourceFile | None
    """The overlay; None: there is none."""
    keys: ArmKeys = attrs.field(default=(), repr=False)
    local_addresses: frozenset[str] = frozenset()
    names_may_wait: bool = False

    @property
    def sections(self) -> ini.Document:
        """The sections of the overlay, with the options of the command line."""
        from agwtwisted.core.arm.configuration import NO_OVERLAY
        from agwtwisted.core.arm.inputs import with_arm

        overlay = NO_OVERLAY if self.text is None else ini.parse(self.text.data, self.overlay)
        return with_arm(overlay, self.overlay, self.keys)

    def source(self, file: str, data: bytes) -> ArmSource:
        """What the configuration of a document is made of; no data means that there is no gateway yet."""
        overlay = self.sections
        if self.text is not None:
            problems = (*own_mode_problems(self.overlay, self.text.mode), *overlay.problems)
            overlay = attrs.evolve(overlay, problems=problems)
        from agwtwisted.core.arm.configuration import ArmSource

        return ArmSource(
            data=data or None,
            file=file,
            overlay=overlay,
            overlay_file=self.overlay,
            local_addresses=self.local_addresses,
            names_may_wait=self.names_may_wait,
        )

    def configuration(self, file: str, data: bytes, read: ReadFile) -> ArmConfiguration:
        """The sections of a document, as `arm_configuration` has them; raises ConfigError."""
        from agwtwisted.core.arm.configuration import arm_configuration

        return arm_configuration(self.source(file, data), read)


def arm_files(file: str, arguments: ArmArguments, read: ReadFile) -> ArmFiles:
    """What belongs to a document on this machine now.

    Args:
        file: the path of the document.
        read: gives the overlay by its path; what it raises is raised.
    """
    from agwtwisted.core.arm.overlay import overlay_path

    path = overlay_path(file) if arguments.overlay is None else arguments.overlay
    has_overlay = arguments.overlay is not None or os.path.lexists(path)
    text = read(path) if has_overlay else None
    return ArmFiles(
        overlay=path,
        text=text,
        keys=arguments.keys,
        local_addresses=local_addresses(),
        names_may_wait=arguments.names_may_wait,
    )


_ROUTES: Final = "/proc/net/fib_trie"
_INTERFACES: Final = "/proc/net/if_inet6"
_LOCAL: Final = re.compile(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL")


def local_addresses() -> frozenset[str]:
    """The addresses that this machine has, as far as the system says; a private one of a document may be among them."""
    return frozenset((*_ipv4(), *_ipv6()))


def _ipv4() -> Iterator[str]:
    with suppress(OSError):
        yield from _LOCAL.findall(Path(_ROUTES).read_text("ascii", "replace"))


def _ipv6() -> Iterator[str]:
    with suppress(OSError):
        for line in Path(_INTERFACES).read_text("ascii", "replace").splitlines():
            with suppress(ValueError):
                yield socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.partition(" ")[0]))
