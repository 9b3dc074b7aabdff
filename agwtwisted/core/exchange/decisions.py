"""The decision about a request of a site: it is forwarded, redirected, or refused.

`decide` depends on its arguments only. If it needs more about the client than the handshake showed, it returns that,
and the caller calls it again with the result.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import attrs

from agwtwisted.core.base.values import value
from agwtwisted.core.http.messages import RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.http.paths import UnclearPath, normalised, override_path
from agwtwisted.core.identity.clients import Admitted, Client, TurnedAway
from agwtwisted.core.plan.actions import Action
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.resources import PathCertificate
from agwtwisted.core.rules.conditions import hold
from agwtwisted.core.rules.rewriting import Bad, RewriteRuleSet, RewrittenRequest, rewrite_request
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_references import Lookup

MAX_ROUNDS: Final = 10
"""How often rules may send a request to another path before that counts as a loop: as often as in nginx."""


@value
class Forwarded:
    """The request goes to the pool of its action."""

    action: Action
    client: Admitted  # as this path sees it
    request: RewrittenRequest | None  # as the backend gets it; None: as it came, by site and head alone


@attrs.frozen
class Redirected:
    """The client is sent elsewhere."""

    action: Action
    client: Admitted
    status: int
    location: bytes


@attrs.frozen
class RequestRefused:
    """The gateway answers with an error status."""

    action: Action | None
    client: Admitted
    status: int
    error_info: ErrorInfo


@attrs.frozen
class Unauthenticated:
    """The path requires a certificate, and this client has none that is accepted."""

    action: Action
    client: TurnedAway


@attrs.frozen
class CertificateRequired:
    """The path requires a certificate: how does a Strict profile take this client?"""


Decision: TypeAlias = Forwarded | Redirected | RequestRefused | Unauthenticated | CertificateRequired

CERTIFICATE_REQUIRED = CertificateRequired()


def decide(site: Site, head: RequestHead, client: Admitted, strict: Client | None = None) -> Decision:
    """What becomes of a request.

    Args:
        site: that was selected by the request's host.
        head: of the request.
        client: who sent it.
        strict: the same client as a path that requires a certificate takes it; None: not judged yet.
    """
    actions = site.actions
    action = actions.only or actions.for_path(head.target.partition(b"?")[0])
    if action.is_plain and not site.normalises:
        return Forwarded(action, client, None)
    return _Deciding(site, head, client, strict).decision()


_Answer: TypeAlias = Admitted | RequestRefused | Unauthenticated | CertificateRequired
"""The client as an action sees it, or why it is not let in."""


@attrs.frozen
class _Deciding:
    """One request on its way through the rules of its site."""

    site: Site
    head: RequestHead
    client: Admitted
    strict: Client | None

    def decision(self) -> Decision:
        target = self.clear(self.head.target)
        if isinstance(target, UnclearPath):
            return RequestRefused(None, self.client, 400, ErrorInfo.REQUEST_URI_INVALID)
        request = RewrittenRequest.of(self.head, target)
        for _ in range(MAX_ROUNDS):
            action = self.site.actions.for_path(request.path)
            client = self.admitted(action, request)
            if not isinstance(client, Admitted):
                return client
            if action.redirect is not None:
                if action.redirect.needs_host and not self.head.host:
                    return RequestRefused(action, client, 400, ErrorInfo.HTTP_NO_HOST_HEADER)
                location = action.redirect.location(self.head.host, self.head.target)
                return Redirected(action, client, action.redirect.status, location)
            if action.rewrite_rule_set is None:
                return self.forwarded(action, client, request)
            rewritten = self.rewritten(action.rewrite_rule_set, request, client)
            if isinstance(rewritten, Bad):
                return RequestRefused(action, client, rewritten.status, rewritten.error_info)
            if not rewritten.reroute:
                return self.where_it_leads(action, client, rewritten)
            request = rewritten
        return RequestRefused(None, self.client, 500, ErrorInfo.INVALID_REQUEST)

    def clear(self, target: bytes) -> bytes | UnclearPath:
        """The target in the one form that paths have where they decide access."""
        return normalised(target) if self.site.normalises else target

    def admitted(self, action: Action, request: RewrittenRequest) -> _Answer:
        """The client as the action sees it, or why it is not let in."""
        client = self.client
        if action.client_certificate is PathCertificate.REQUIRE:
            if self.strict is None:
                return CERTIFICATE_REQUIRED
            if isinstance(self.strict, TurnedAway):
                return Unauthenticated(action, self.strict)
            client = self.strict
        elif action.client_certificate is PathCertificate.IGNORE:
            client = client.anonymous()
        if not self.holds(action, request, client):
            return RequestRefused(action, client, 403, ErrorInfo.NO_ERROR)
        return client

    def holds(self, action: Action, request: RewrittenRequest, client: Admitted) -> bool:
        """Whether all conditions of the action hold.

        Those of the rule are about the path that the client asked for. Those of a path rule are about the path that
        led to it, which a rewrite or an override path may have made.
        """
        if action.deny_unless and not hold(action.deny_unless, self.lookup(request, client, request.asked)):
            return False
        return not action.path_deny_unless or hold(
            action.path_deny_unless, self.lookup(request, client, request.target)
        )

    def lookup(self, request: RewrittenRequest, client: Admitted, target: bytes) -> Lookup:
        """What conditions are asked of, with this path and query."""
        context = Context(self.head, client, normalised_target=target)
        return Lookup(context, request.headers, request.host, request.decided)

    def rewritten(self, rules: RewriteRuleSet, request: RewrittenRequest, client: Admitted) -> RewrittenRequest | Bad:
        """The request after the rules of one action."""
        context = Context(self.head, client, normalised_target=request.asked)
        rewritten = rewrite_request(rules, request, context)
        if isinstance(rewritten, Bad):
            return rewritten
        target = self.clear(rewritten.target)
        if isinstance(target, UnclearPath):
            return Bad(400, ErrorInfo.REQUEST_URI_INVALID)
        return attrs.evolve(rewritten, target=target)

    def where_it_leads(self, action: Action, client: Admitted, request: RewrittenRequest) -> Decision:
        """The request goes on with its action; the requirements of the new path are checked first."""
        there = self.site.actions.for_path(request.path)
        if self.site.normalises and there is not action:
            admitted = self.admitted_there(there, client, request)
            if not isinstance(admitted, Admitted):
                return admitted
            client = admitted
        return self.forwarded(action, client, request)

    def admitted_there(self, there: Action, client: Admitted, request: RewrittenRequest) -> _Answer:
        """The client of another path's request, which now leads to this one: as it goes on, or why it does not."""
        admitted = self.admitted(there, request)
        requires = there.client_certificate is PathCertificate.REQUIRE
        return admitted if requires or not isinstance(admitted, Admitted) else client

    def forwarded(self, action: Action, client: Admitted, request: RewrittenRequest) -> Decision:
        """The request with the target that the backend gets."""
        if action.settings is None or not action.settings.path:
            return Forwarded(action, client, request)
        target = override_path(action.settings.path, action.matched_prefix, request.target)
        if isinstance(target, UnclearPath):
            return RequestRefused(action, client, 400, ErrorInfo.REQUEST_URI_INVALID)
        target = self.clear(target)
        if isinstance(target, UnclearPath):
            return RequestRefused(action, client, 400, ErrorInfo.REQUEST_URI_INVALID)
        request = attrs.evolve(request, target=target)
        there = self.site.actions.for_path(request.path)
        if self.site.normalises and there is not action and there.path_rule and share_servers(there, action):
            admitted = self.admitted_there(there, client, request)
            if not isinstance(admitted, Admitted):
                return admitted
            client = admitted
        return Forwarded(action, client, request)


def share_servers(one: Action, other: Action) -> bool:
    """Whether requests of both may come to the same host: then a path there is one and the same."""
    if not one.pools or not other.pools:
        return False
    hosts, others = ({host.host for pool in each.pools for host in pool.backend_addresses} for each in (one, other))
    return not {*one.pools}.isdisjoint(other.pools) or not hosts.isdisjoint(others)
