"""The configuration in force as `/configuration` shows it: its text without what may be a secret, and its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from agwtwisted.core.base.moments import utc_text


@attrs.frozen(kw_only=True)
class NamedFile:
    """A file that the configuration names, as it was read."""

    path: str
    sha256: str | None  # None: of a password, which could be guessed by it


@attrs.frozen(kw_only=True)
class ConfigurationInForce:
    """What is in force, and what it was read from."""

    file: str
    generation: int
    fingerprint: str
    since: float  # seconds since 1970
    text: str = attrs.field(repr=False)  # masked
    overlay: str | None = attrs.field(default=None, repr=False)  # masked; None: there is none
    warnings: tuple[str, ...]
    files: tuple[NamedFile, ...]
    report: str = attrs.field(repr=False)  # that of --check
    resources: Mapping[str, Mapping[str, Any]] = attrs.field(repr=False)  # by their paths, masked: core.reports.facts

    def members(self) -> Mapping[str, Any]:
        """It as the members of a JSON object."""
        return {
            "file": self.file,
            "generation": self.generation,
            "fingerprint": self.fingerprint,
            "since": utc_text(self.since),
            "text": self.text,
            "overlay": self.overlay,
            "warnings": list(self.warnings),
            "files": [attrs.asdict(each) for each in self.files],
            "report": self.report,
            "resources": [{"path": path, "properties": dict(each)} for path, each in self.resources.items()],
        }
