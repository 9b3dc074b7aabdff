"""Backend connections that belong to one client connection (`dedicated_backend_connection`).

A login of NTLM or Negotiate belongs to a connection: were it shared, one client's requests would be another's. Such a
connection has the requests of its client alone, and ends with the client's connection.
"""

from __future__ import annotations

from agwtwisted.backends.upstream import Server, UpstreamConnection
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.plan.descriptors import DEDICATED


class DedicatedConnections:
    """Those of one client connection: one to each server under its settings, while no request uses it.

    At most `DEDICATED` are kept, those that were used last.
    """

    def __init__(self) -> None:
        self._kept: dict[Server, UpstreamConnection] = {}
        self._closed = False

    def server(self, pool: Pool[Server]) -> Server | None:
        """The server of a pool to which there is a connection, and which was asked last of such."""
        return next((server for server in reversed(self._kept) if server in pool.servers), None)

    def take(self, server: Server, requested: str) -> UpstreamConnection | None:
        """The connection to a server for a request to the host `requested`; None: a new one is needed."""
        connection = self._kept.get(server)
        if connection is None:
            return None
        self.forget(connection)
        if connection.transport.closing or not server.proves(connection, requested):
            connection.transport.close()
            return None
        return connection

    def give_back(self, connection: UpstreamConnection) -> None:
        """A connection is idle again: it is kept for this client, unless that is gone, or the server is."""
        server = connection.server
        earlier = self._kept.pop(server, None)
        if earlier is not None:
            self._close(earlier)
        if self._closed or not server.keep_for_client(connection):
            connection.transport.close()
            return
        self._kept[server] = connection
        if len(self._kept) > DEDICATED:
            self._close(next(iter(self._kept.values())))

    def forget(self, connection: UpstreamConnection) -> None:
        """A connection is gone, or in use."""
        server = connection.server
        server.forget(connection)
        if self._kept.get(server) is connection:
            del self._kept[server]

    def close(self) -> None:
        """The client is gone: closes them."""
        self._closed = True
        for connection in tuple(self._kept.values()):
            self._close(connection)

    def _close(self, connection: UpstreamConnection) -> None:
        self.forget(connection)
        connection.transport.close()
