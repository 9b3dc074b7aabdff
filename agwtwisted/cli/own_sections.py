"""Where a configuration says how its gateway is reached: the file itself, or the overlay of an ARM document."""

from __future__ import annotations

from pathlib import Path


def own_sections(config: str) -> tuple[bytes, str]:
    """The INI text with the sections `[gateway]` and `[control]`, and its path.

    An ARM document without an overlay has neither: its text is empty.

    Raises:
        OSError: the configuration, or an overlay that is there, cannot be read.
    """
    data = Path(config).read_bytes()
    if not data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"[", b"/")):
        return data, config  # without what takes time to import
    from agwtwisted.core.arm.overlay import overlay_path
    from agwtwisted.core.sections.document_kinds import is_json

    if not is_json(data):
        return data, config
    overlay = Path(overlay_path(config))
    return (overlay.read_bytes() if overlay.exists() else b""), str(overlay)
