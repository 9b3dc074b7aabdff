"""TLS policies: the predefined ones of the product and those a configuration spells out."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class TlsPolicy:
    """Versions and cipher suites, in order of preference, by their IANA names."""

    name: str
    min_version: str  # TLSv1_2 | TLSv1_3
    max_version: str  # TLSv1_2 | TLSv1_3
    tls12_cipher_suites: tuple[str, ...]
    tls13_cipher_suites: tuple[str, ...]
