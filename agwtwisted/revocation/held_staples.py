"""The OCSP responses that a process can staple now; a worker has those of its parent.

Callers: what puts a process together, and the ports, by `staple`; stapling, which asks for them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed

from agwtwisted.core.operations.staples_in_force import StapleState
from agwtwisted.core.revocation.stapling import Staple, StapleSubject
from agwtwisted.interfaces import Siblings
from agwtwisted.transport.clocks import WallClock

STAPLE: Final = "staple"
"""Published by the parent of workers: a certificate's key, and the response to staple or none."""

_HEAD: Final = struct.Struct("!32s?dd")


class HeldStaples(Service):
    """What is stapled now, by the key of the certificate."""

    name = "stapling"

    def __init__(self, wall: WallClock) -> None:
        self._wall = wall
        self._held: dict[bytes, Staple] = {}

    def staple(self, key: bytes) -> bytes:
        """As `tls.staples.StapleOf` says: the response while it lasts."""
        held = self._held.get(key)
        return held.response if held is not None and self._wall.seconds() < held.until else b""

    def prepare(self, subjects: Iterable[StapleSubject]) -> Deferred[None]:
        """The certificates of these may be in force soon: fires when what can be known of them before is; it always
        succeeds.
        """
        return succeed(None)

    def use(self, subjects: Iterable[StapleSubject]) -> None:
        """The certificates of these are in force from now on."""

    def states(self) -> list[StapleState]:
        """What is known of every certificate that this process asks about."""
        return []

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many requests of this process had each outcome."""
        return {}


class FollowedStaples(HeldStaples):
    """Those of a worker: what its parent has learnt, and verified.

    Args:
        wall: the time at which they end.
        siblings: the way from the parent.
    """

    def __init__(self, wall: WallClock, siblings: Siblings) -> None:
        super().__init__(wall)
        siblings.subscribe(STAPLE, self._heard)

    def _heard(self, payload: bytes) -> None:
        key, is_revoked, this_update, until = _HEAD.unpack_from(payload)
        response = payload[_HEAD.size :]
        if response:
            self._held[key] = Staple(response=response, is_revoked=is_revoked, this_update=this_update, until=until)
        else:
            self._held.pop(key, None)


def payload_of(key: bytes, staple: Staple | None) -> bytes:
    """What workers hear about a certificate; None: nothing is known of it any more."""
    if staple is None:
        return _HEAD.pack(key, False, 0.0, 0.0)
    return _HEAD.pack(key, staple.is_revoked, staple.this_update, staple.until) + staple.response
