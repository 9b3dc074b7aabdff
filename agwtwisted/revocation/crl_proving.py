"""Proves lists in a thread that leaves the interpreter to the reactor between its steps, one list at a time.

A list of a million entries takes seconds, and memory beside what stays of it. Caller: the CRL source.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Event
from typing import Final

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.posixbase import PosixReactorBase

from agwtwisted.core.certificates.reading import certificate_of
from agwtwisted.core.revocation.crl import ProvenCrl, proving
from agwtwisted.core.revocation.status import CouldNotAsk, Unusable
from agwtwisted.transport.threads import considerate, in_thread

PAUSE: Final = 0.0002
"""Seconds between two steps, in which the reactor gets the interpreter if it wants it."""


def proven(data: bytes, issuer: bytes, pause: Callable[[], object] = lambda: None) -> ProvenCrl | Unusable:
    """What a list in DER proves about the certificates of an issuer (in DER), with a `pause` after each step."""
    certificate = certificate_of(issuer)
    if certificate is None:
        return Unusable("the issuer of the CRL cannot be read")
    steps = proving(data, certificate)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: ProvenCrl | Unusable = end.value
            return found
        pause()


class ListProver:
    """Proves lists beside a reactor."""

    def __init__(self, reactor: PosixReactorBase) -> None:
        self._reactor = reactor
        self._turn = DeferredLock()

    def prove(self, data: bytes, issuer: bytes) -> Deferred[ProvenCrl | Unusable | CouldNotAsk]:
        """As `proven`, once all that were asked for before are, or what the gateway lacked; may be cancelled."""
        return Deferred.fromCoroutine(self._prove(data, issuer))

    async def _prove(self, data: bytes, issuer: bytes) -> ProvenCrl | Unusable | CouldNotAsk:
        await self._turn.acquire()
        try:
            with considerate():
                return await in_thread(self._reactor, partial(proven, data, issuer, pause), "CRL")
        except MemoryError:
            return CouldNotAsk("there is not enough memory for the CRL")
        finally:
            self._turn.release()


def pause() -> None:
    """Lets other threads go on."""
    Event().wait(PAUSE)
