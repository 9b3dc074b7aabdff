"""What becomes of a request: the question that an exchange asks before anything else.

Two answers to it: `route` for clients that are admitted, and `turn_away` for all others, which knows no sites.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from agwtwisted.core.exchange.decisions import (
    CertificateRequired,
    Forwarded,
    Redirected,
    RequestRefused,
    Unauthenticated,
    decide,
)
from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo, without_body
from agwtwisted.core.http.request_reader import LONGEST_REPEATED
from agwtwisted.core.identity.clients import Admitted, Client, TurnedAway
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.exchange.context import ActionRoute, ExchangeContext, OwnAnswer
from agwtwisted.exchange.record import ExchangeRecord
from agwtwisted.interfaces import Session

RequestOutcome: TypeAlias = Forwarded | OwnAnswer | CertificateRequired
"""The request goes to a backend, or is answered; or the client is to be judged first as a Strict profile takes it."""

Decide: TypeAlias = Callable[[RequestHead | UnfitRequest, ExchangeRecord, Client | None], RequestOutcome]
"""Decides about a request and notes what was found in the record; the client is that of a Strict profile, if asked."""

NotForwarded: TypeAlias = CertificateRequired | Redirected | RequestRefused | Unauthenticated


def unauthenticated(context: ExchangeContext, client: TurnedAway, *, last: bool = False) -> OwnAnswer:
    """The page for a client whose certificate is missing or not accepted."""
    page = context.refusal(client.verdict)
    return OwnAnswer(page.status, ErrorInfo.HTTPS_NO_CERT, page, last=last)


def plain_http(context: ExchangeContext) -> OwnAnswer:
    """The page for HTTP on a port that wants TLS."""
    page = context.plain_http()
    return OwnAnswer(page.status, ErrorInfo.HTTP_TO_HTTPS_PORT, page, last=True)


def turn_away(answer: OwnAnswer) -> Decide:
    """Whatever is asked gets this answer."""
    return lambda request, record, strict: answer


def route(context: ExchangeContext, session: Session, client: Admitted) -> Decide:
    """The request of an admitted client goes where its host and path lead, by what the session has as it begins."""
    found: Routing | None = client.remembered.get(context)
    if found is None or found.sites is not session.sites or found.profile is not session.profile:
        found = client.remembered[context] = Routing(context, session.sites, session.profile)
    return found.decide


class Routing:
    """Where the requests of a connection lead as long as it has these sites and this profile.

    It does not know its client, which remembers it: the record of a request has that.
    """

    __slots__ = ("_action", "_context", "_host", "_request", "_route", "_site", "profile", "sites")

    def __init__(self, context: ExchangeContext, sites: Sites, profile: SslProfile | None) -> None:
        self.sites = sites
        self.profile = profile
        self._context = context
        self._host: str | None = None  # of the last request whose host was fit for the connection
        self._site: Site | None = None  # of that
        self._request: RequestHead | None = None  # the last one that site and head alone decided about
        self._action: Action | None = None  # of that
        self._route: ActionRoute | None = None

    def decide(
        self, request: RequestHead | UnfitRequest, record: ExchangeRecord, strict: Client | None
    ) -> RequestOutcome:
        """As `Decide` says."""
        client = record.client
        if isinstance(request, UnfitRequest):
            page = None if request.page else without_body(request.status)
            return OwnAnswer(request.status, request.error_info, page, headers=request.headers)
        if not isinstance(client, Admitted):
            raise AssertionError("a client that is turned away has no routes")
        site, action = self._site, self._action
        if site is None or request.host != self._host:
            found = self._selected(request, client, record.listener)
            if isinstance(found, OwnAnswer):
                return found
            self._host, self._site = request.host, (site := found)
        record.site, record.listener = site, site.listener.name
        if request is self._request and action is not None:  # the reader says when a request is the same as before
            record.action, record.route = action, self._route
            return Forwarded(action, client, None)
        decision = decide(site, request, client, strict)
        if not isinstance(decision, Forwarded):
            return self._answered(decision, record)
        action = record.action = decision.action
        record.client = decision.client
        record.route = self._context.routes.get(action) or self._context.route(record.listener, action)
        if decision.request is None and request.size <= LONGEST_REPEATED:
            self._request, self._action, self._route = request, action, record.route
        return decision

    def _selected(self, request: RequestHead, client: Admitted, connected: str) -> Site | OwnAnswer:
        """The site of a request's host, if the connection, which selected this listener, may be used for it.

        It depends on the host, and on what is the same for all requests of a connection.
        """
        site = self.sites.select(request.host)
        if site is None:
            if request.host:
                return OwnAnswer(404, ErrorInfo.INVALID_HOST)
            return OwnAnswer(400, ErrorInfo.HTTP_NO_HOST_HEADER)
        if site.profile is not self.profile:
            # The connection was judged by another profile than this host asks for (RFC 9110 section 15.5.20).
            return OwnAnswer(421, ErrorInfo.INVALID_HOST, last=True)
        listener = site.listener
        if listener.require_server_name_indication and not client.connection.server_name:
            return OwnAnswer(421, ErrorInfo.INVALID_HOST, last=True)
        if not listener.http2 and request.version == b"2.0" and listener.name != connected:
            # The host is not to be reached by HTTP/2, be the connection that of another one. One of its own listener,
            # which spoke it when that began, is on its end, and loses no request.
            return OwnAnswer(421, ErrorInfo.INVALID_HOST)
        return site

    def _answered(self, decision: NotForwarded, record: ExchangeRecord) -> OwnAnswer | CertificateRequired:
        """What is done instead of forwarding."""
        if isinstance(decision, CertificateRequired):
            return decision
        record.action, record.client = decision.action, decision.client
        if isinstance(decision, Redirected):
            location = [(b"Location", decision.location)]
            return OwnAnswer(decision.status, ErrorInfo.NO_ERROR, headers=location)
        if isinstance(decision, Unauthenticated):
            self._context.refused("path", record.listener, decision.client)
            return unauthenticated(self._context, decision.client)
        return OwnAnswer(decision.status, decision.error_info)
