"""What becomes of a request that a site has taken."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.decisions import (
    CERTIFICATE_REQUIRED,
    Decision,
    Forwarded,
    Redirected,
    Unwelcome,
    decide,
    unknown,
)
from agwtwisted.core.messages import RequestHead
from agwtwisted.core.peer import Peer
from agwtwisted.core.resources import PathCertificate, PathRule, RedirectConfiguration, RedirectType
from agwtwisted.core.routing import Site
from agwtwisted.core.variables import certificate_variables
from agwtwisted.core.verdicts import UNJUDGED, Missing, NotAsked, Trusted, Unchecked
from agwtwisted.core.verdicts import Refused as RefusedPeer
from tests import pki
from tests.gateways import PEER, mapped, site

DEVICE = pki.Authority.root().issue("device")
CLIENT = attrs.evolve(PEER, verdict=Unchecked(), certificate=certificate_variables(DEVICE.der), chain_der=(b"chain",))


def head(target: str, **fields: Any) -> RequestHead:
    """A request."""
    words: dict[str, Any] = {"method": b"GET", "version": b"1.1", "host": "a.example", "authority": b"a.example"}
    words["headers"] = ()
    return RequestHead(target=target.encode(), **words | fields)


class _Case(SynchronousTestCase):
    """A site with some path rules."""

    def setUp(self) -> None:
        away = RedirectConfiguration(
            name="away", redirect_type=RedirectType.FOUND, target_url="https://b.example/x", include_query_string=True
        )
        self.site = mapped(
            site(),
            PathRule(name="admin", paths=("/admin*",), client_certificate=PathCertificate.REQUIRE),
            PathRule(name="open", paths=("/open*",), client_certificate=PathCertificate.IGNORE),
            PathRule(name="gone", paths=("/gone*",), redirect_configuration=away),
        )

    def decided(self, target: str, required: Peer | None = None, at: Site | None = None) -> Decision:
        """What becomes of a request for this target."""
        return decide(at or self.site, head(target), CLIENT, required)


class ForwardTests(_Case):
    """Requests that go on, and those that are sent away."""

    def test_basic(self) -> None:
        """A basic rule sends every path on, with the client as it is."""
        basic = site()
        decision = self.decided("/admin", at=basic)
        assert isinstance(decision, Forwarded)
        self.assertEqual((decision.action, decision.peer), (basic.actions.default, CLIENT))

    def test_path(self) -> None:
        """The path decides, its query does not."""
        for target, path_rule in {"/?/open": "", "/open?x": "open", "/x/open": ""}.items():
            decision = self.decided(target)
            assert isinstance(decision, Forwarded)
            self.assertEqual(decision.action.path_rule, path_rule)

    def test_redirect(self) -> None:
        """A redirect tells where to."""
        decision = self.decided("/gone?a=b")
        assert isinstance(decision, Redirected)
        self.assertEqual((decision.status, decision.location), (302, b"https://b.example/x?a=b"))


class CertificateTests(_Case):
    """Paths that require a certificate, and paths that know of none."""

    def test_asks_first(self) -> None:
        """Before anybody has looked at the client, a path that requires a certificate does not go on."""
        self.assertIs(self.decided("/admin"), CERTIFICATE_REQUIRED)

    def test_accepted(self) -> None:
        """A client that a Strict profile takes is forwarded as such."""
        required = attrs.evolve(CLIENT, verdict=Trusted())
        decision = self.decided("/admin/x", required)
        assert isinstance(decision, Forwarded)
        self.assertIs(decision.peer, required)

    def test_unwelcome(self) -> None:
        """Any other client is not."""
        for verdict in (Missing(), RefusedPeer("certificate has expired"), UNJUDGED):
            required = attrs.evolve(CLIENT, verdict=verdict)
            decision = self.decided("/admin", required)
            assert isinstance(decision, Unwelcome)
            self.assertIs(decision.peer, required)

    def test_elsewhere(self) -> None:
        """What was found for one path is nothing on another."""
        decision = self.decided("/", attrs.evolve(CLIENT, verdict=Trusted()))
        assert isinstance(decision, Forwarded)
        self.assertIs(decision.peer, CLIENT)

    def test_ignored(self) -> None:
        """Where certificates are ignored, the client is nobody."""
        decision = self.decided("/open")
        assert isinstance(decision, Forwarded)
        self.assertEqual(decision.peer, unknown(CLIENT))
        self.assertEqual((decision.peer.verdict, decision.peer.certificate), (NotAsked(), None))
        self.assertEqual((decision.peer.required_verdict, decision.peer.chain_der), (UNJUDGED, ()))
