"""What becomes of a request that a site has taken: it goes on, is redirected, or is refused.

`decide` knows nothing but its arguments. Where it has to know more of the client than the handshake told, it says so,
and is asked again with the answer.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from agwtwisted.core.messages import RequestHead
from agwtwisted.core.pages import ErrorInfo
from agwtwisted.core.peer import Peer
from agwtwisted.core.resources import PathCertificate
from agwtwisted.core.routing import Action, Site
from agwtwisted.core.verdicts import UNJUDGED, NotAsked, admits


@attrs.frozen
class Forwarded:
    """The request goes to the pool of its action."""

    action: Action
    peer: Peer  # the client, as this path sees it


@attrs.frozen
class Redirected:
    """The client is sent elsewhere."""

    action: Action
    peer: Peer
    status: int
    location: bytes


@attrs.frozen
class Refused:
    """The gateway answers that it may not be."""

    action: Action
    peer: Peer
    status: int
    error_info: ErrorInfo


@attrs.frozen
class Unwelcome:
    """The path requires a certificate, and this client has none that is accepted."""

    action: Action
    peer: Peer


@attrs.frozen
class CertificateRequired:
    """The path requires a certificate: how does a Strict profile take this client?"""


Decision: TypeAlias = Forwarded | Redirected | Refused | Unwelcome | CertificateRequired

CERTIFICATE_REQUIRED = CertificateRequired()


def decide(site: Site, head: RequestHead, peer: Peer, required: Peer | None = None) -> Decision:
    """What becomes of a request.

    Args:
        site: that was selected by the request's host.
        head: of the request.
        peer: who sent it.
        required: the same client as a path that requires a certificate takes it; None: nobody has asked yet.
    """
    path = head.target.partition(b"?")[0]
    action = site.actions.for_path(path)
    if action.client_certificate is PathCertificate.REQUIRE:
        if required is None:
            return CERTIFICATE_REQUIRED
        if not admits(required.verdict):
            return Unwelcome(action, required)
        peer = required
    elif action.client_certificate is PathCertificate.IGNORE:
        peer = unknown(peer)
    if action.redirect is not None:
        return Redirected(action, peer, action.redirect.status, action.redirect.location(head.host, head.target))
    return Forwarded(action, peer)


def unknown(peer: Peer) -> Peer:
    """The client where nobody wants to know who it is."""
    return attrs.evolve(peer, verdict=NotAsked(), required_verdict=UNJUDGED, certificate=None, chain_der=())
