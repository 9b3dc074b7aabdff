"""Certificates to try the gateway with: short-lived, named as what they are, their CA keys thrown away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from agwtwisted.core.base.errors import AgwError
from agwtwisted.core.configuration.coherence import DEMO_ORGANIZATION
from agwtwisted.starter.issuing import Issuing

LIFETIME = timedelta(days=90)
MARGIN = timedelta(days=30)
"""Certificates nearer to their end than this are made anew."""

MARK = "root.pem"
"""Written last: where it is, the set is complete and of one making."""

CLIENTS = ("client.pem", "expired.pem", "revoked.pem", "stranger.pem")
CERTIFICATES = ("server.pem", "clients-ca.pem", *CLIENTS, "responder.pem", MARK)
SECRETS = ("server.key", *CLIENTS, "responder.pem")
"""Files that hold a private key; a client's file is its key, its certificate and the intermediate."""

_ISSUING = Issuing(organization=DEMO_ORGANIZATION, lifetime=LIFETIME)


class DemoError(AgwError):
    """The demonstration cannot run here; the message says why."""


def ensure(directory: Path, now: datetime) -> bool:
    """Keep the directory's demo certificates if they serve for another month, else make all of them anew.

    Returns whether they were made. Raises DemoError rather than overwrite a file that is not of the demo.
    """
    found = dict(_found(directory))
    if _complete(directory, found) and all(_serves(name, leaf, now) for name, leaf in found.items()):
        return False
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MARK).unlink(missing_ok=True)
    for name, content in make(now).items():
        _write(directory / name, content, 0o600 if name in SECRETS else 0o644)
    return True


def make(now: datetime) -> dict[str, bytes]:
    """A new set: the content of each file by its name, in the order in which they are to be written."""
    root = _ISSUING.authority("Demo Root CA", now, path_length=1)
    intermediate = _ISSUING.authority("Demo Intermediate CA", now, path_length=0, issuer=root)
    elsewhere = _ISSUING.authority("Stranger Root CA", now, path_length=0)
    server = _ISSUING.server("localhost", intermediate, now, ("localhost", "127.0.0.1", "::1"))
    client = _ISSUING.client("demo client", intermediate, now)
    expired = _ISSUING.client("expired client", intermediate, now - LIFETIME - MARGIN)
    revoked = _ISSUING.client("revoked client", intermediate, now)
    stranger = _ISSUING.client("stranger", elsewhere, now)
    responder = _ISSUING.responder("demo OCSP responder", intermediate, now)
    return {
        "server.pem": server.pem() + intermediate.pem(),
        "server.key": server.key_pem(),
        "clients-ca.pem": intermediate.pem() + root.pem(),
        "client.pem": client.key_pem() + client.pem() + intermediate.pem(),
        "expired.pem": expired.key_pem() + expired.pem() + intermediate.pem(),
        "revoked.pem": revoked.key_pem() + revoked.pem() + intermediate.pem(),
        "stranger.pem": stranger.key_pem() + stranger.pem(),
        "responder.pem": responder.key_pem() + responder.pem(),
        MARK: root.pem(),
    }


def _found(directory: Path) -> Iterator[tuple[str, x509.Certificate]]:
    """The first certificate of each file that is there; every one of them has to be the demo's own."""
    for name in CERTIFICATES:
        path = directory / name
        if path.exists():
            yield name, _own(path)
    if (directory / "server.key").exists() and not (directory / "server.pem").exists():
        raise DemoError(f"{directory / 'server.key'} is not a demo file and stays unchanged; move it away first")


def _own(path: Path) -> x509.Certificate:
    try:
        leaf = x509.load_pem_x509_certificates(path.read_bytes())[0]
        organizations = {name.value for name in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)}
    except ValueError:
        organizations = set()
    if organizations != {DEMO_ORGANIZATION}:
        raise DemoError(f"{path} is not a demo certificate and stays unchanged; move it away first")
    return leaf


def _complete(directory: Path, found: dict[str, x509.Certificate]) -> bool:
    return len(found) == len(CERTIFICATES) and all((directory / name).exists() for name in SECRETS)


def _serves(name: str, leaf: x509.Certificate, now: datetime) -> bool:
    return name == "expired.pem" or now < leaf.not_valid_after_utc - MARGIN


def _write(path: Path, content: bytes, mode: int) -> None:
    """Put the whole file there, or nothing; it never has a laxer mode than this, not for a moment."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    unfinished.replace(path)
