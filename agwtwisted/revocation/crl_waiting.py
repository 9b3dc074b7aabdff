"""An operator's lists whose issuers are not among the trusted CAs: proven once a certificate of the issuer is at hand.

Each is proven once, for all clients that wait for it, and before any other list of its issuer comes in force: else
clients could be good by an older list, and the operator's newer one would not have been looked at. Caller: the CRL
source.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from agwtwisted.core.revocation.crl import ProvenCrl
from agwtwisted.core.revocation.status import CouldNotAsk, Unusable
from agwtwisted.revocation.crl_files import UnprovenList
from agwtwisted.revocation.crl_knowledge import CrlKnowledge
from agwtwisted.revocation.crl_proving import ListProver, proven
from agwtwisted.revocation.crl_store import StoredList
from agwtwisted.revocation.held_lists import HeldList
from agwtwisted.transport.deferreds import SingleFlight, log_failure

_Proven: TypeAlias = ProvenCrl | Unusable | CouldNotAsk


class WaitingLists:
    """Lists that wait for their issuers.

    Args:
        knowledge: has them, and the lists in force.
        prover: proves them in a thread.
        take: puts one in force.
    """

    log = Logger()

    def __init__(self, knowledge: CrlKnowledge, prover: ListProver, take: Callable[[HeldList], None]) -> None:
        self._knowledge = knowledge
        self._prover = prover
        self._take = take
        self._flights: SingleFlight[bytes, CouldNotAsk | None] = SingleFlight(goes_on=True)

    def use(self, unproven: Iterable[UnprovenList]) -> None:
        """These wait from now on, and no others.

        Those of issuers at hand are proven: whose clients are connected is not to wait for another client.
        """
        self._knowledge.wait_for_issuers(unproven)
        if self._knowledge.waiting:
            for issuer in self._knowledge.issuers():
                log_failure(self.prove(issuer), self.log, "proving CRLs of files")

    def prove_at_once(self) -> None:
        """Proves those of issuers at hand in this thread, as at a start, before there are clients."""
        for issuer in self._knowledge.issuers():
            generation = self._knowledge.unproven
            for each, stored in self._left(issuer):
                self._judge(each, stored, proven(each.data, issuer))
            self._knowledge.tried(issuer, generation)

    def is_new(self, issuer: bytes) -> bool:
        """Whether there may be lists of an issuer (its certificate in DER) of which none is being proven yet."""
        return issuer not in self._flights and bool(self._knowledge.unproven_of(issuer))

    def prove(self, issuer: bytes) -> Deferred[CouldNotAsk | None]:
        """Has all lists of an issuer proven; what the gateway lacked for that, or None. May be cancelled."""
        if issuer not in self._flights and not self._knowledge.unproven_of(issuer):
            return succeed(None)
        return self._flights.join(issuer, lambda: Deferred.fromCoroutine(self._prove(issuer)))

    def stop(self) -> None:
        """Waits for nothing more."""
        self._flights.cancel()

    async def _prove(self, issuer: bytes) -> CouldNotAsk | None:
        while self._knowledge.unproven_of(issuer):  # others may have come meanwhile
            generation = self._knowledge.unproven
            for each, stored in self._left(issuer):
                found = await self._prover.prove(each.data, issuer)
                self._judge(each, stored, found)
                if isinstance(found, CouldNotAsk):
                    return found
            self._knowledge.tried(issuer, generation)
        return None

    def _left(self, issuer: bytes) -> Generator[tuple[UnprovenList, StoredList], None, None]:
        """Those that may be of an issuer and are not in force."""
        for each in self._knowledge.unproven_of(issuer):
            stored = StoredList(data=each.data, issuer=issuer)
            if self._knowledge.lists.same_as(stored) is None:
                yield each, stored

    def _judge(self, waiting: UnprovenList, stored: StoredList, found: _Proven) -> None:
        if isinstance(found, ProvenCrl):
            self._take(HeldList(crl=found, stored=stored, file=waiting.file))
        else:
            self.log.warn("{file}: a CRL is not used: {reason}", file=waiting.file, reason=found.reason)
