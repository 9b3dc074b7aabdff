"""What becomes of a request that a site has taken."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.certificates.variables import certificate_variables
from agwtwisted.core.exchange.decisions import (
    CERTIFICATE_REQUIRED,
    Decision,
    Forwarded,
    Redirected,
    RequestRefused,
    Unauthenticated,
    decide,
)
from agwtwisted.core.http.messages import RequestHead
from agwtwisted.core.http.pages import ErrorInfo
from agwtwisted.core.identity.clients import Client
from agwtwisted.core.plan.routing import Site
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import PathCertificate, PathRule, RedirectConfiguration, RedirectType
from agwtwisted.core.rules.conditions import Condition, access_condition
from agwtwisted.core.rules.rewriting import HeaderAction, RewriteRule, RewriteRuleSet
from agwtwisted.core.rules.templates import Scope, Template
from agwtwisted.core.verification.verdicts import UNJUDGED, Missing, NotAsked, Refused, Trusted, Unchecked
from tests import pki
from tests.gateways import mapped, site
from tests.identities import admitted, turned_away

DEVICE = pki.Authority.root().issue("device")
FIELDS: dict[str, Any] = {
    "certificate": certificate_variables(DEVICE.der),
    "chain_der": (b"chain",),
    "tls_version": "TLSv1.3",
    "gateway_port": 443,
}
CLIENT = admitted(Unchecked(), **FIELDS)
TRUSTED = admitted(Trusted(), **FIELDS)
AWAY = RedirectConfiguration(
    name="away", redirect_type=RedirectType.FOUND, target_url="https://b.example/x", include_query_string=True
)
NOBODY = (Condition.of("var_host == nobody"),)
PLAIN_SPELLINGS = ("/public/x", "//public/x", "/x/../public/x", "/%70ublic/x", "/./public/./x", "/public/y/%2e%2E/x")
REQUIRE, IGNORE = PathCertificate.REQUIRE, PathCertificate.IGNORE


def head(target: str, **fields: Any) -> RequestHead:
    """A request."""
    words: dict[str, Any] = {"method": b"GET", "version": b"1.1", "host": "a.example", "authority": b"a.example"}
    return RequestHead(target=target.encode(), **{**words, "headers": (), **fields})


def rules(*, reroute: bool = False, conditions: tuple[str, ...] = (), path: str = "", **headers: str) -> RewriteRuleSet:
    """A set of one rule: ``X_A="b"`` sets the header X-A."""
    actions = tuple(
        HeaderAction(
            name=name.replace("_", "-").encode(),
            canonical=name.replace("_", "-").lower().encode(),
            value=Template.of(value, Scope()),
        )
        for name, value in headers.items()
    )
    rule = RewriteRule(
        name="set/rule",
        conditions=tuple(map(Condition.of, conditions)),
        request_headers=actions,
        url_path=Template.of(path, Scope()) if path else None,
        reroute=reroute,
    )
    return RewriteRuleSet.of("set", [rule])


def path_rule(paths: str, **fields: Any) -> PathRule:
    """A path rule that is named after its paths."""
    return PathRule(name=paths, paths=tuple(paths.split()), **fields)


def basic(*conditions: str) -> Site:
    """A site with a basic rule that asks for these conditions."""
    rule = attrs.evolve(site().rule, deny_unless=tuple(map(access_condition, conditions)))
    return Site(listener=rule.http_listener, rule=rule)


class _Case(SynchronousTestCase):
    """A site with some path rules."""

    site = mapped(
        site(),
        path_rule("/admin*", client_certificate=REQUIRE),
        path_rule("/open*", client_certificate=IGNORE),
        path_rule("/gone*", redirect_configuration=AWAY),
    )

    def decided(self, target: str, strict: Client | None = None, at: Site | None = None, **fields: Any) -> Decision:
        """What becomes of a request for this target."""
        return decide(at or self.site, head(target, **fields), CLIENT, strict)

    def forwarded(self, target: str, strict: Client | None = None, at: Site | None = None, **fields: Any) -> Forwarded:
        """The same of one that goes on."""
        decision = self.decided(target, strict, at, **fields)
        assert isinstance(decision, Forwarded), decision
        return decision

    def target(self, target: str, strict: Client | None = None, at: Site | None = None) -> bytes:
        """The target that the backend gets."""
        request = self.forwarded(target, strict, at).request
        assert request
        return request.target

    def refused(self, target: str, strict: Client | None = None, at: Site | None = None) -> tuple[int, ErrorInfo]:
        """The same of one that is refused."""
        decision = self.decided(target, strict, at)
        assert isinstance(decision, RequestRefused), decision
        return decision.status, decision.error_info


class ForwardTests(_Case):
    """Requests that go on, and those that are sent away."""

    def test_basic(self) -> None:
        """A basic rule sends every path on as it came, with the client as it is."""
        basic = site()
        decision = self.forwarded("/a/../admin?x", at=basic)
        self.assertEqual((decision.action, decision.client), (basic.actions.default, CLIENT))
        self.assertIsNone(decision.request)

    def test_path(self) -> None:
        """The path decides, its query does not."""
        for target, name in {"/?/open": "", "/open?x": "/open*", "/x/open": ""}.items():
            self.assertEqual(self.forwarded(target).action.path_rule, name)

    def test_redirect(self) -> None:
        """A redirect has its target."""
        decision = self.decided("/gone?a=b")
        assert isinstance(decision, Redirected)
        self.assertEqual((decision.status, decision.location), (302, b"https://b.example/x?a=b"))

    def test_override_path(self) -> None:
        """A path of the settings stands in the place of what the path rule matched, behind dots it does not."""
        overriding = site(path="/override/")
        self.assertEqual(self.target("/home/?q", at=overriding), b"/override/home/?q")
        mapping = mapped(overriding, path_rule("/a/*"))
        self.assertEqual(self.target("/a/home", at=mapping), b"/override/home")
        self.assertEqual(self.refused("/a/../x", at=mapping), (400, ErrorInfo.REQUEST_URI_INVALID))

    def test_override_path_into_a_path_that_requires(self) -> None:
        """An override path leads past no path rule of the same servers; the map's defaults are for other paths."""
        guarded = path_rule("/admin*", client_certificate=REQUIRE)
        at = mapped(site(path="/"), path_rule("/way*"), guarded, path_rule("/deny*", deny_unless=NOBODY))
        for target in ("/way/admin/x", "/way//%61DMIN"):
            self.assertIs(self.decided(target, at=at), CERTIFICATE_REQUIRED)
            self.assertIs(self.forwarded(target, TRUSTED, at=at).client, TRUSTED)
        self.assertEqual(self.refused("/way/deny", at=at), (403, ErrorInfo.NO_ERROR))
        self.assertEqual(self.target("/way/other", at=at), b"/other")
        elsewhere = BackendAddressPool(name="b", backend_addresses=(BackendAddress(host="127.0.0.2"),))
        at = mapped(site(path="/"), path_rule("/way*", backend_address_pool=elsewhere), guarded)
        self.assertEqual(self.target("/way/admin/x", at=at), b"/admin/x")


class CertificateTests(_Case):
    """Paths that require a certificate, and paths that know of none."""

    def test_asks_first(self) -> None:
        """Before the client is judged, a request for a path that requires a certificate is not forwarded."""
        self.assertIs(self.decided("/admin"), CERTIFICATE_REQUIRED)

    def test_accepted(self) -> None:
        """A client that a Strict profile takes is forwarded as such."""
        self.assertIs(self.forwarded("/admin/x", TRUSTED).client, TRUSTED)

    def test_unauthenticated(self) -> None:
        """Any other client is not."""
        for verdict in (Missing(), Refused("certificate has expired"), UNJUDGED):
            strict = turned_away(verdict, **FIELDS)
            decision = self.decided("/admin", strict)
            assert isinstance(decision, Unauthenticated)
            self.assertIs(decision.client, strict)

    def test_elsewhere(self) -> None:
        """What was found for one path is nothing on another."""
        self.assertIs(self.forwarded("/", TRUSTED).client, CLIENT)

    def test_ignored(self) -> None:
        """Where certificates are ignored, the client has no identity."""
        client = self.forwarded("/open").client
        self.assertEqual(client, CLIENT.anonymous())
        self.assertEqual((client.verdict, client.certificate), (NotAsked(), None))
        self.assertEqual((client.proof.certificate, client.proof.strict_verdict), (None, UNJUDGED))
        self.assertEqual((client.proof.chain_der, client.identity.chain_der), ((), ()))

    def test_spellings(self) -> None:
        """No spelling of the path gets round its certificate, and the backend gets the one that was looked at."""
        for target in ("/x/../admin", "//admin", "/%61dmin", "/ADMIN", "/./admin", "/%2e/admin", "/x/%2E%2e/admin"):
            self.assertIs(self.decided(target), CERTIFICATE_REQUIRED, target)
            self.assertEqual(self.target(target, TRUSTED).lower(), b"/admin", target)

    def test_unclear(self) -> None:
        """What servers read in different ways is not forwarded from such a site at all."""
        for target in ("/x%2fadmin", "/x%5cadmin", "/x%00", "/admin;x", "/%2561dmin", "/..\\admin"):
            self.assertEqual(self.refused(target, TRUSTED), (400, ErrorInfo.REQUEST_URI_INVALID), target)

    @given(st.text("/.%;\\aAdDmMiInN26125cfF", max_size=12))
    def test_no_way_round(self, text: str) -> None:
        """Whatever the spelling: what is forwarded without a certificate is no path that requires one."""
        decision = self.decided("/" + text)
        if isinstance(decision, Forwarded):
            assert decision.request
            self.assertFalse(decision.request.target.partition(b"?")[0].lower().startswith(b"/admin"))


class AccessTests(_Case):
    """Conditions of access."""

    def test_denied(self) -> None:
        """A client that does not meet all of the conditions gets 403."""
        subject = Condition.of("var_client_certificate_subject ~ CN=device$")
        method = Condition.of("var_http_method == GET")
        for conditions, denied in (((subject, method), False), ((subject, Condition.of("var_host == b")), True)):
            at = mapped(site(), path_rule("/a*", deny_unless=conditions))
            decision = self.decided("/a", at=at)
            self.assertEqual(isinstance(decision, RequestRefused), denied)
        self.assertEqual(self.refused("/a", at=at), (403, ErrorInfo.NO_ERROR))
        self.assertEqual(self.forwarded("/b", at=at).action.path_rule, "")

    def test_spellings(self) -> None:
        """No spelling of a path gets round its conditions."""
        at = mapped(site(), path_rule("/a*", deny_unless=(Condition.of("var_host == b"),)))
        for target in ("/A", "/x/../a", "//a", "/%61"):
            self.assertEqual(self.refused(target, at=at), (403, ErrorInfo.NO_ERROR))

    def test_path_of_a_basic_rule(self) -> None:
        """A condition on the path sees the form that is forwarded, and no other spelling gets round it."""
        for written in ("var_uri_path", "var_request_uri"):
            at = basic(f"{written} ~ ^/public/")
            for target in PLAIN_SPELLINGS:
                self.assertEqual(self.target(f"{target}?q", at=at), b"/public/x?q", target)
            for target in ("/public/../admin", "/public/%2e%2e/admin", "/public//../../admin", "/admin?/public/", "/"):
                self.assertIn(self.refused(target, at=at)[0], (400, 403), target)
            for target in ("/public/..;/admin", "/public/;/../admin", "/public/%5c..%5cadmin", "/public/..%2fadmin"):
                self.assertEqual(self.refused(target, at=at), (400, ErrorInfo.REQUEST_URI_INVALID), target)
            self.assertEqual(self.refused("*", at=at), (403, ErrorInfo.NO_ERROR))

    def test_excluded_path(self) -> None:
        """No spelling of a path that a condition excludes comes in, whatever its case."""
        for text in ("var_uri_path !~ ^/admin", "var_uri_path !~ ^/Admin", "var_uri_path !~ ^/[a]dmin"):
            at = basic(text)
            for target in ("/admin", "/ADMIN", "//admin", "/x/../admin", "/%61dmin/x", "/x/%2e%2e/aDMIN"):
                self.assertEqual(self.refused(target, at=at), (403, ErrorInfo.NO_ERROR), target)
            self.assertEqual(self.target("/x", at=at), b"/x")
        self.assertEqual(self.refused("/ADMIN", at=basic("var_uri_path != /admin")), (403, ErrorInfo.NO_ERROR))
        capitals = basic("var_uri_path !~ [A-Z]")
        self.assertEqual(self.target("/x", at=capitals), b"/x")
        self.assertEqual(self.refused("/X", at=capitals), (403, ErrorInfo.NO_ERROR))

    @given(st.text("/.%;\\pPuUbBlLiIcC2570126eEfF", max_size=16))
    def test_no_way_round_a_condition(self, text: str) -> None:
        """Whatever the spelling: what is forwarded is what the condition allows."""
        decision = self.decided("/pub/" + text, at=basic("var_uri_path ~ ^/pub/"))
        if isinstance(decision, Forwarded):
            assert decision.request
            self.assertTrue(decision.request.target.startswith(b"/pub/"))
            self.assertNotIn(b"..", decision.request.target.split(b"/"))

    def test_path_of_a_map(self) -> None:
        """So it is with the conditions of a rule with a map, of a path rule and of the map's defaults."""
        public = (access_condition("var_uri_path ~ ^/public/"),)
        plain = mapped(site())
        assert plain.rule.url_path_map
        of_rule = attrs.evolve(plain.rule, deny_unless=public)
        of_rest = attrs.evolve(
            plain.rule, url_path_map=attrs.evolve(plain.rule.url_path_map, default_deny_unless=public)
        )
        sites = [Site(listener=rule.http_listener, rule=rule) for rule in (of_rule, of_rest)]
        for at in (*sites, mapped(site(), path_rule("/*", deny_unless=public))):
            for target in PLAIN_SPELLINGS:
                self.assertEqual(self.target(target, at=at), b"/public/x", target)
            for target in ("/public/../admin", "/public/%2e%2e/admin"):
                self.assertEqual(self.refused(target, at=at), (403, ErrorInfo.NO_ERROR), target)

    def test_path_after_a_rewrite(self) -> None:
        """A rule's conditions are about the path that was asked for, a path rule's about the one that leads to it."""
        public = access_condition("var_uri_path ~ ^/public/")
        rewriting = attrs.evolve(basic(public.text).rule, rewrite_rule_set=rules(path="/v2{var_uri_path}"))
        at = Site(listener=rewriting.http_listener, rule=rewriting)
        self.assertEqual(self.target("/x/..//public/%61", at=at), b"/v2/public/a")
        for reroute in (False, True):
            at = mapped(
                site(),
                path_rule("/public*", rewrite_rule_set=rules(path="{var_query_string}", reroute=reroute)),
                path_rule("/admin*", deny_unless=(access_condition("var_uri_path ~ ^/(public|admin/health)"),)),
            )
            self.assertEqual(self.refused("/public?/admin/secret", at=at), (403, ErrorInfo.NO_ERROR))
            self.assertEqual(self.target("/public?/admin/health", at=at).partition(b"?")[0], b"/admin/health")

    def test_path_after_an_override(self) -> None:
        """So it is with an override path; what stands in two forms behind it is not forwarded."""
        health = (access_condition("var_uri_path ~ ^/(way|admin/health)"),)
        at = mapped(site(path="/"), path_rule("/way*"), path_rule("/admin*", deny_unless=health))
        self.assertEqual(self.refused("/way/admin/x", at=at), (403, ErrorInfo.NO_ERROR))
        self.assertEqual(self.target("/way/admin/health", at=at), b"/admin/health")
        self.assertEqual(self.refused("/way%20admin/x", at=at), (400, ErrorInfo.REQUEST_URI_INVALID))

    def test_variables_of_rewrite_rules(self) -> None:
        """Where the path decides, rules see it in the form that is forwarded, too, and so do those of the response."""
        rule = attrs.evolve(
            basic("var_uri_path ~ ^/").rule,
            rewrite_rule_set=rules(X_Path="{var_uri_path}", conditions=("var_request_uri == /public/x?q",)),
        )
        request = self.forwarded("/a/..//publi%63/x?q", at=Site(listener=rule.http_listener, rule=rule)).request
        assert request
        self.assertEqual((request.headers, request.asked), (((b"X-Path", b"/public/x"),), b"/public/x?q"))

    def test_of_a_required_certificate(self) -> None:
        """Conditions of a path that requires a certificate are asked of the client as that path sees it."""
        verified = (Condition.of("var_client_certificate_verification == SUCCESS"),)
        at = mapped(
            site(),
            path_rule("/a", client_certificate=REQUIRE, deny_unless=verified),
            path_rule("/b", deny_unless=verified),
        )
        self.assertIs(self.forwarded("/a", TRUSTED, at=at).client, TRUSTED)
        self.assertEqual(self.refused("/b", TRUSTED, at=at), (403, ErrorInfo.NO_ERROR))


class RewriteTests(_Case):
    """Rewrite rules on the way."""

    def test_headers(self) -> None:
        """Rules change header lines, with what is known of the client."""
        at = mapped(site(), path_rule("/a", rewrite_rule_set=rules(X_Who="{var_client_certificate_verification}")))
        request = self.forwarded("/a", at=at).request
        assert request
        self.assertEqual(request.headers, ((b"X-Who", b"PASSTHROUGH"),))

    def test_path(self) -> None:
        """A new path is forwarded, by the action of the old one."""
        at = mapped(site(), path_rule("/a*", rewrite_rule_set=rules(path="/b{var_uri_path}")), path_rule("/b*"))
        decision = self.forwarded("/a?q", at=at)
        self.assertEqual((self.target("/a?q", at=at), decision.action.path_rule), (b"/b/a?q", "/a*"))

    def test_reroute(self) -> None:
        """With reroute the action is that of the new path, and its rules are applied as well."""
        at = mapped(
            site(),
            path_rule("/a*", rewrite_rule_set=rules(path="/b", reroute=True, X_A="1")),
            path_rule("/b*", rewrite_rule_set=rules(X_B="2")),
        )
        decision = self.forwarded("/a", at=at)
        assert decision.request
        self.assertEqual((decision.request.target, decision.action.path_rule), (b"/b", "/b*"))
        self.assertEqual(decision.request.headers, ((b"X-A", b"1"), (b"X-B", b"2")))

    def test_loop(self) -> None:
        """Rules that send a request round and round end in 500."""
        at = mapped(
            site(),
            path_rule("/a", rewrite_rule_set=rules(path="/b", reroute=True)),
            path_rule("/b", rewrite_rule_set=rules(path="/a", reroute=True)),
        )
        self.assertEqual(self.refused("/a", at=at), (500, ErrorInfo.INVALID_REQUEST))

    def test_bad_value(self) -> None:
        """A value that cannot be sent is an error of the request."""
        at = mapped(site(), path_rule("/a", rewrite_rule_set=rules(path="{http_req_x}")))
        decision = self.decided("/a", at=at, headers=((b"X", b"no path"),))
        assert isinstance(decision, RequestRefused)
        self.assertEqual((decision.status, decision.error_info), (400, ErrorInfo.REQUEST_URI_INVALID))

    def test_into_a_path_that_requires(self) -> None:
        """A rewritten path that requires a certificate requires it, with a new look at the map or without."""
        for reroute in (False, True):
            at = mapped(
                site(),
                path_rule("/way*", rewrite_rule_set=rules(path="/x/..{var_query_string}", reroute=reroute)),
                path_rule("/admin*", client_certificate=REQUIRE),
            )
            for query in ("/admin", "/%61dmin", "//ADMIN"):
                self.assertIs(self.decided(f"/way?{query}", at=at), CERTIFICATE_REQUIRED)
                decision = self.forwarded(f"/way?{query}", TRUSTED, at=at)
                self.assertIs(decision.client, TRUSTED)
                self.assertEqual(decision.action.path_rule, "/admin*" if reroute else "/way*")
            self.assertEqual(self.refused("/way?/admin;x", at=at), (400, ErrorInfo.REQUEST_URI_INVALID))

    def test_out_of_a_path_that_requires(self) -> None:
        """The path that the client asked for counts, even where another one is forwarded."""
        at = mapped(site(), path_rule("/admin", client_certificate=REQUIRE, rewrite_rule_set=rules(path="/b")))
        self.assertIs(self.decided("/admin", at=at), CERTIFICATE_REQUIRED)

    def test_into_a_denied_path(self) -> None:
        """The conditions of a path count for those who are led there, too."""
        at = mapped(
            site(),
            path_rule("/way", rewrite_rule_set=rules(path="/a")),
            path_rule("/a", deny_unless=(Condition.of("var_host == b"),)),
        )
        self.assertEqual(self.refused("/way", at=at), (403, ErrorInfo.NO_ERROR))
