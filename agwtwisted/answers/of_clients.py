"""Answers about the clients that are connected, and the action that ends one.

A page of ten thousand clients is made in slices: between two of them the reactor does what else there is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.logger import Logger

from agwtwisted.core.operations.live_clients import (
    MOST_CLIENTS,
    USUAL_CLIENTS,
    ClientBytes,
    ClientPage,
    NumberedClient,
    client_id,
    parsed_id,
)
from agwtwisted.core.operations.questions import (
    MOST_NUMBER,
    QuestionError,
    number_argument,
    required_text,
    text_argument,
)
from agwtwisted.generation import Generation
from agwtwisted.listening.retired import RetiredPorts
from agwtwisted.listening.tracking import LiveConnections

SLICE: Final = 0.002
"""Seconds for which a page holds the reactor at once."""

LOOK: Final = 16
"""Clients between two looks at the clock."""


class ConnectedGateway(Protocol):
    """Whose clients they are: `service.GatewayService`."""

    generation: Generation
    retired: RetiredPorts


class ClientAnswers:
    """Asks the ports in force, and those of removed listeners.

    Args:
        gateway: has them.
        worker: the index of this process.
        reactor: does what else there is, between two slices.
        wall: seconds since 1970.
    """

    _log = Logger()

    def __init__(
        self, gateway: ConnectedGateway, worker: int, reactor: PosixReactorBase, wall: Callable[[], float]
    ) -> None:
        self._gateway = gateway
        self._worker = worker
        self._reactor: Any = reactor
        self._wall = wall

    async def clients(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The members of `/clients`: a page, in the order in which the clients came.

        Args:
            arguments: `limit`; `after`, the id behind which the page begins; `listener` and `search`, which choose.

        Raises:
            QuestionError: one of these is not what it has to be.
        """
        limit = number_argument(arguments, "limit", USUAL_CLIENTS, least=1, most=MOST_CLIENTS)
        listener, search = text_argument(arguments, "listener"), text_argument(arguments, "search")
        page = ClientPage(limit, self._first_after(text_argument(arguments, "after")), search)
        end = self._reactor.seconds() + SLICE
        for count, (number, live) in enumerate(self._numbers()):
            if count % LOOK == 0 and self._reactor.seconds() >= end:
                await deferLater(self._reactor, 0)
                end = self._reactor.seconds() + SLICE
            session = live.sessions.get(live.numbered[number]) if number in live.numbered else None
            if session is not None and (not listener or session.listener == listener):
                page.take(number, partial(self._members, number, live))
        return page.members()

    def close(self, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Ends a client: after the answer under way, where there is one.

        Args:
            arguments: `id`, of the client.

        Raises:
            QuestionError: there is no such client.
        """
        text = required_text(arguments, "id")
        worker, number = parsed_id(text)
        for live in self._live() if worker == self._worker else ():
            shown = live.shown(number)
            if shown is not None:
                connection, client = shown
                facts = client.connection
                self._log.info(
                    "Client {address}:{port} of {listener} is closed by an operator ({id})",
                    address=facts.address,
                    port=facts.port,
                    listener=client.listener,
                    id=client_id(worker, number),
                )
                live.sessions[connection].dismiss()
                return {"outcome": "closed"}
        raise QuestionError(404, f"there is no client {client_id(worker, number)}; it may have gone")

    def _first_after(self, after: str) -> int:
        """The number behind which the page begins in this process; ids of other processes are before or behind all."""
        worker, number = parsed_id(after, "after") if after else (self._worker, 0)
        if worker == self._worker:
            return number
        return 0 if worker < self._worker else MOST_NUMBER

    def _members(self, number: int, live: LiveConnections) -> Mapping[str, Any]:
        connection = live.numbered[number]
        return NumberedClient(
            client=live.sessions[connection].shown(),
            worker=self._worker,
            number=number,
            since=self._wall() - (self._reactor.seconds() - connection.since),
            octets=ClientBytes(received=connection.bytes_in, sent=connection.bytes_out),
            names_refused=self._gateway.generation.plan.gateway.log_refused_certificates,
        ).members()

    def _live(self) -> Iterator[LiveConnections]:
        for port in (*self._gateway.generation.ports.values(), *self._gateway.retired.ports):
            yield port.live

    def _numbers(self) -> list[tuple[int, LiveConnections]]:
        """Those of all clients of this moment, in their order."""
        found = [(number, live) for live in self._live() for number in live.numbered]
        return sorted(found, key=_number)  # a few ascending runs: each port's are in order


def _number(found: tuple[int, LiveConnections]) -> int:
    return found[0]
