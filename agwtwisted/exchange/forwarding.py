"""One request that goes to a backend: the heads that are made of it and of its response.

Called by `exchange.actions`; what the heads look like is `core.exchange.forwarding`'s business.
"""

from __future__ import annotations

from typing import Final

import attrs

from agwtwisted.backends.dedicated import DedicatedConnections
from agwtwisted.backends.upstream import Server
from agwtwisted.core.backends.affinity import Affinity
from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.exchange.decisions import Forwarded
from agwtwisted.core.exchange.forwarding import host_for, request_bytes, rewritten_request_bytes
from agwtwisted.core.http.messages import RequestHead, ResponseHead
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.rules.rewriting import Bad, rewrite_response
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.exchange.attempts import Attempts
from agwtwisted.exchange.context import ExchangeContext
from agwtwisted.exchange.record import ExchangeRecord
from agwtwisted.interfaces import AttemptsUser, Session


class ForwardedRequest(Attempts):
    """A request and the decision where it goes, and the attempts to get it there, to be started.

    Args:
        context: what all exchanges of a configuration share.
        request: as it came.
        body: all of its body; None: that comes.
        session: of its client.
        record: of its exchange.
        decision: where it goes, and as whose request.
        user: of the attempts.

    Raises:
        AssertionError: the decision's action leads to no backend.
    """

    affinity: Affinity[Server] | None = None
    asks_upgrade = False  # the client has asked for another protocol
    rules_saw_it = False  # and see its response, too

    def __init__(
        self,
        context: ExchangeContext,
        request: RequestHead,
        body: bytes | None,
        session: Session,
        record: ExchangeRecord,
        decision: Forwarded,
        user: AttemptsUser,
    ) -> None:
        settings, route = decision.action.settings, record.route
        if settings is None or route is None or route.servers is None:
            raise AssertionError("an action without a redirect has a pool")
        self._record = record
        self._session = session
        self._decision = decision
        self._settings = settings
        servers = route.servers
        if servers.affinity is not None:
            self.affinity = servers.affinity
            self.stays = True
        kept = self._kept(servers) if settings.dedicated_backend_connection else None
        if decision.request is not None:
            self.rules_saw_it = True
            record.forwarded_target = decision.request.target
        if request.upgrade:
            self.asks_upgrade = True
        order = servers.order(decision.client, request.headers, kept)
        super().__init__(request, body, order, context.responses, settings.request_timeout, user, record)

    def _kept(self, servers: Pool[Server]) -> Server | None:
        """The server to which the client has a connection of its own; the request uses such connections alone."""
        session = self._session
        found = session.dedicated
        if not isinstance(found, DedicatedConnections):
            found = session.dedicated = DedicatedConnections()
        self.dedicated = found
        self.stays = True
        return found.server(servers)

    def head_for(self, server: Server) -> bytes:
        """The head that a server gets."""
        request, decision, record, session = self._request, self._decision, self._record, self._session
        host = record.host = host_for(self._settings, request, server.host)
        identity, address = session.identity(decision.action, decision.client), session.address
        rewritten = decision.request
        if rewritten is None:
            return request_bytes(request, host, identity, address, record.trace_id)
        record.host = rewritten.host or host
        return rewritten_request_bytes(request, rewritten, host, identity, address, record.trace_id)

    def bound(self, head: ResponseHead, affinity: Affinity[Server], server: Server | None) -> ResponseHead:
        """The head of a response, with the cookies that lead its client back to the server, if it lacks them."""
        site = self._record.site
        if site is None or server is None:
            return head
        secure = site.listener.protocol is Protocol.HTTPS
        lines = affinity.lines(server, self._request.headers, secure=secure)
        return attrs.evolve(head, headers=(*head.headers, *lines)) if lines else head

    def rewritten(self, head: ResponseHead, bytes_sent: int) -> ResponseHead | Bad:
        """The head of the response as the rules make it that have seen the request; `bytes_sent` went ahead of it."""
        request, decision = self._request, self._decision
        if decision.request is None:
            return head
        received = request.size + self._record.body_size
        context = Context(request, decision.client, received_bytes=received, sent_bytes=bytes_sent)
        return rewrite_response(decision.request, head, context)


class _NotForwarded(ForwardedRequest):
    """Of a request that goes to no backend, or no longer does."""

    def __init__(self) -> None:
        """Nothing is asked."""

    def cancel(self) -> None:
        """There is nothing to cancel."""


NOT_FORWARDED: Final[ForwardedRequest] = _NotForwarded()
