"""What becomes of a request: the question that an exchange asks before anything else.

Two answers to it: `route` for clients that are admitted, and `turn_away` for all others, which knows no sites.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from agwtwisted.core.exchange.decisions import CertificateRequired, Forwarded, Redirected, Unauthenticated, decide
from agwtwisted.core.http.messages import RequestHead, UnfitRequest
from agwtwisted.core.http.pages import ErrorInfo, without_body
from agwtwisted.core.identity.clients import Admitted, Client, TurnedAway
from agwtwisted.core.plan.routing import Site, Sites
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.exchange.context import ExchangeContext, OwnAnswer
from agwtwisted.exchange.record import ExchangeRecord
from agwtwisted.interfaces import Session

RequestOutcome: TypeAlias = Forwarded | OwnAnswer | CertificateRequired
"""The request goes to a backend, or is answered; or the client is to be judged first as a Strict profile takes it."""

Decide: TypeAlias = Callable[[RequestHead | UnfitRequest, ExchangeRecord, Client | None], RequestOutcome]
"""Decides about a request and notes what was found in the record; the client is that of a Strict profile, if asked."""


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
    return partial(_route, context, session.sites, session.profile, client)


def _route(
    context: ExchangeContext,
    sites: Sites,
    profile: SslProfile | None,
    client: Admitted,
    request: RequestHead | UnfitRequest,
    record: ExchangeRecord,
    strict: Client | None,
) -> RequestOutcome:
    if isinstance(request, UnfitRequest):
        page = None if request.page else without_body(request.status)
        return OwnAnswer(request.status, request.error_info, page, headers=request.headers)
    site = sites.select(request.host)
    if site is None:
        if request.host:
            return OwnAnswer(404, ErrorInfo.INVALID_HOST)
        return OwnAnswer(400, ErrorInfo.HTTP_NO_HOST_HEADER)
    if site.profile is not profile:
        # The connection was judged by another profile than this host asks for (RFC 9110 section 15.5.20).
        return OwnAnswer(421, ErrorInfo.INVALID_HOST, last=True)
    listener = site.listener
    if listener.require_server_name_indication and not client.connection.server_name:
        return OwnAnswer(421, ErrorInfo.INVALID_HOST, last=True)
    if not listener.http2 and request.version == b"2.0" and listener.name != record.listener:
        # The host is not to be reached by HTTP/2, be the connection that of another one. One of its own listener, which
        # spoke it when that began, is on its end, and loses no request.
        return OwnAnswer(421, ErrorInfo.INVALID_HOST)
    record.site, record.listener = site, listener.name
    return _for_site(context, site, request, client, record, strict)


def _for_site(
    context: ExchangeContext,
    site: Site,
    request: RequestHead,
    client: Admitted,
    record: ExchangeRecord,
    strict: Client | None,
) -> RequestOutcome:
    decision = decide(site, request, client, strict)
    if isinstance(decision, CertificateRequired):
        return decision
    record.action, record.client = decision.action, decision.client
    if isinstance(decision, Forwarded):
        return decision
    if isinstance(decision, Redirected):
        location = [(b"Location", decision.location)]
        return OwnAnswer(decision.status, ErrorInfo.NO_ERROR, headers=location)
    if isinstance(decision, Unauthenticated):
        context.refused("path", site.listener.name, decision.client)
        return unauthenticated(context, decision.client)
    return OwnAnswer(decision.status, decision.error_info)
