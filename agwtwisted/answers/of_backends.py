"""Answers about backend servers, and the actions that take one out and in again.

Both a process by which clients are served and the parent of workers have servers: the one their connections, the other
their health.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from agwtwisted.backends.operator_drains import KINDS, DrainKey, OperatorDrains, PlacedPools
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.http.host_names import host_and_port
from agwtwisted.core.operations.backend_servers import BackendServer, backend_members
from agwtwisted.core.operations.questions import QuestionError, required_text
from agwtwisted.core.plan.plan import Plan


class BackendAnswers:
    """Asks the servers in force.

    Args:
        in_force: the plan in force, and its pools by the kind of their settings.
        drains: the servers that an operator has taken out.
        clock: monotonic, by which states and probes are dated.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        in_force: Callable[[], tuple[Plan, Mapping[str, PlacedPools]]],
        drains: OperatorDrains,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._in_force = in_force
        self._drains = drains
        self._clock = clock
        self._wall = wall

    def backends(self) -> Mapping[str, Any]:
        """The members of `/backends`."""
        plan, pools = self._in_force()
        offset = self._wall() - self._clock()
        servers = {
            (kind, *names): [_server(each, offset) for each in pool.servers]
            for kind, placed in pools.items()
            for names, pool in placed.placed()
        }
        return backend_members(plan, servers)

    def drain(self, arguments: Mapping[str, Any], *, drained: bool) -> Mapping[str, Any]:
        """Takes a server out, or in again.

        Args:
            arguments: `pool`, `settings` and `server` (``host:port``), by their names.
            drained: whether it is out from now on.

        Raises:
            QuestionError: there is no such server.
        """
        pool, settings = required_text(arguments, "pool"), required_text(arguments, "settings")
        server = required_text(arguments, "server")
        keys = list(self._found(pool, settings, server))
        if not keys:
            raise QuestionError(
                404, f"pool {shown(pool)} has no server {shown(server)} with settings {shown(settings)}"
            )
        changed = [self._drains.drain(key) if drained else self._drains.undrain(key) for key in keys]
        return {"outcome": ("drained" if drained else "undrained") if any(changed) else "unchanged"}

    def _found(self, pool: str, settings: str, server: str) -> Iterator[DrainKey]:
        """What the server is known by; of HTTP and of L4, where settings of both have the name."""
        try:
            host, port = host_and_port(server)
        except UnacceptableError as error:
            raise QuestionError(400, f"server {error.message}: write host:port") from error
        _, pools = self._in_force()
        for kind in KINDS:
            for names, placed in pools[kind].placed():
                if names == (pool, settings):
                    addresses = [(each.host, each.port) for each in placed.servers]
                    yield from (
                        (kind, settings, *each) for each in addresses if each[0] == host and port in (None, each[1])
                    )


def _server(server: Any, offset: float) -> BackendServer:
    """A server of a pool; `offset` leads from the monotonic clock to seconds since 1970."""
    target: Target = server
    health, probe = target.health, target.last_probe
    return BackendServer(
        address=server.host,
        port=server.port,
        state=health.state,
        log="" if probe is None else probe.log,
        last_probe=None if probe is None else probe.at + offset,
        since=None if health.state is HealthState.UNKNOWN else health.since + offset,
        draining=target.drained_by_operator,
        kept=target.kept,
        connections=target.connections,
        idle_connections=target.idle_connections,
        requests=target.requests,
    )
