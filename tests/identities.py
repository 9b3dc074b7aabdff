"""Clients as a handshake leaves them, and as they are decided about."""

from __future__ import annotations

from typing import Any

import attrs

from agwtwisted.core.identity.clients import (
    NOT_CHECKED,
    Admitted,
    CertificateProof,
    Client,
    ClientConnection,
    PendingClient,
    RevocationFinding,
    TurnedAway,
    identify,
)
from agwtwisted.core.verification.verdicts import NotAsked, Verdict

_PROOF = {each.name for each in attrs.fields(CertificateProof)}


def pending(verdict: Verdict | None = None, **fields: Any) -> PendingClient:
    """A client of a listener without a profile, or with this verdict; `fields` are of its connection or its proof."""
    proof = {name: value for name, value in fields.items() if name in _PROOF}
    connection = {"address": "192.0.2.7", "port": 50000} | {
        name: value for name, value in fields.items() if name not in _PROOF
    }
    return PendingClient(
        connection=ClientConnection(**connection), proof=CertificateProof(verdict=verdict or NotAsked(), **proof)
    )


def client(verdict: Verdict | None = None, *, finding: RevocationFinding = NOT_CHECKED, **fields: Any) -> Client:
    """The same once it is decided about."""
    return identify(pending(verdict, **fields), finding)


def admitted(verdict: Verdict | None = None, **fields: Any) -> Admitted:
    """One that is admitted."""
    made = client(verdict, **fields)
    if not isinstance(made, Admitted):
        raise AssertionError(f"{made} is turned away")
    return made


def turned_away(verdict: Verdict | None = None, **fields: Any) -> TurnedAway:
    """One that is not."""
    made = client(verdict, **fields)
    if not isinstance(made, TurnedAway):
        raise AssertionError(f"{made} is admitted")
    return made
