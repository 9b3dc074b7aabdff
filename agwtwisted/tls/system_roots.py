"""The roots that the system trusts for servers: where they are, and whether they may be others than before."""

from __future__ import annotations

import os
import ssl
from typing import Final

FILES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems keep all of them in one file, besides OpenSSL's own place, which it is asked for."""

DIRECTORIES: Final = ("/etc/ssl/certs",)
"""Where systems keep each in a file of its own."""


def files() -> tuple[str, ...]:
    """The files that may have all of them, OpenSSL's own first."""
    paths = ssl.get_default_verify_paths()
    return (paths.cafile or paths.openssl_cafile, *FILES)


def state() -> tuple[str, ...]:
    """The state of every place: other where the roots may be others."""
    paths = ssl.get_default_verify_paths()
    return tuple(map(_state_of, (*files(), paths.capath or paths.openssl_capath, *DIRECTORIES)))


def _state_of(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
