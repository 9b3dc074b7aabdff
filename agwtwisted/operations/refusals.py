"""Notes refused clients: remembers the last ones, and publishes each as an event where anything listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from agwtwisted.core.identity.clients import PendingClient, TurnedAway
from agwtwisted.core.operations.refused_clients import RefusalMemory, RefusedClient
from agwtwisted.core.verification.verdicts import Missing, Refused, Refusing
from agwtwisted.operations.events import REFUSAL, Events

RefusedParty: TypeAlias = PendingClient | TurnedAway
"""A client whose verdict turns it away."""


class Refusals:
    """Those of one process.

    Args:
        events: where they are published; None: nowhere.
        worker: the index of the process.
        wall: seconds since 1970.
        first_number: of the refusals.
    """

    def __init__(
        self,
        events: Events | None = None,
        worker: int = 0,
        wall: Callable[[], float] = lambda: 0.0,
        first_number: int = 1,
    ) -> None:
        self.memory: Final = RefusalMemory(first_number=first_number)
        self.worker: Final = worker
        self._events = events
        self._wall = wall

    def note(
        self, stage: str, listener: str, client: RefusedParty, presented: Sequence[bytes] = (), *, keeps: bool
    ) -> None:
        """A client was refused.

        Args:
            stage: at which, as the metric has it.
            listener: its name.
            client: whose verdict turns it away.
            presented: the certificates that it has sent, in DER, where they are at hand.
            keeps: whether its certificate may be kept (`log_refused_certificates`).
        """
        facts, verdict = client.connection, _verdict(client)
        refused = RefusedClient(
            at=self._wall(),
            stage=stage,
            listener=listener,
            address=facts.address,
            port=facts.port,
            verdict=verdict,
            **_revocation(client),
            certificates=_certificates(client, presented) if keeps else (),
        )
        number = self.memory.add(refused)
        if self._events is not None and self._events.wanted:
            self._events.publish_made(REFUSAL, partial(refused.members, self.worker, number))


def _verdict(client: RefusedParty) -> Refusing:
    verdict = client.verdict if isinstance(client, TurnedAway) else client.proof.verdict
    return verdict if isinstance(verdict, Missing | Refused) else Missing()


def _revocation(client: RefusedParty) -> Mapping[str, Any]:
    """What was found out about its revocation, as far as that was asked."""
    if not isinstance(client, TurnedAway):
        return {}
    return {"revocation_status": client.revocation_status, "revocation_source": client.revocation_source}


def _certificates(client: RefusedParty, presented: Sequence[bytes]) -> tuple[bytes, ...]:
    """What it has sent, else what of it is known."""
    leaf = client.proof.certificate
    return tuple(presented) if presented or leaf is None else (leaf.der, *client.proof.chain_der)
