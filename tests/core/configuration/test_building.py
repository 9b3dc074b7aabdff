"""From sections to resources that refer to each other."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resources.resources import Protocol
from tests.configurations import (
    GOOD,
    MAP,
    RULE,
    changed,
    clients_root,
    files,
    load,
    mapped,
    path_rule,
    redirect,
    said,
    with_listener,
)


class ReferenceTests(SynchronousTestCase):
    """Names of other sections."""

    def test_are_resolved(self) -> None:
        """A rule leads to its listener, pool and settings, a listener to its certificate and profile."""
        [rule] = load().request_routing_rules
        listener = rule.http_listener
        self.assertEqual((rule.name, rule.priority, listener.name), ("public", 100, "public"))
        self.assertEqual([server.host for server in rule.backend_address_pool.backend_addresses], ["127.0.0.1"])
        self.assertEqual(rule.backend_http_settings.port, 9000)
        assert listener.ssl_certificate is not None
        assert listener.ssl_profile is not None
        self.assertEqual((listener.ssl_certificate.name, listener.ssl_profile.name), ("site", "strict"))

    def test_are_shared(self) -> None:
        """What two sections name is one resource, and the configuration's listener is the rule's."""
        config = load()
        self.assertIs(config.http_listeners[0], config.request_routing_rules[0].http_listener)

    def test_order_does_not_matter(self) -> None:
        """A section may stand before what it refers to."""
        sections = GOOD.split("\n\n")
        self.assertEqual(len(load("\n\n".join(reversed(sections))).request_routing_rules), 1)

    def test_unknown_names(self) -> None:
        """Each is reported at its line, with the nearest name and the product's code; what depends on it is not."""
        text = changed(
            ("trusted_client_certificates = devices", "trusted_client_certificates = device, devices"),
            ("backend_http_settings = app", "backend_http_settings = ap"),
            ("ssl_certificate = site", "ssl_certificate = other"),
        )
        self.assertEqual(
            said(text),
            [
                "ERROR conf/gw.ini:13 [ssl_profile strict] there is no trusted_client_certificate 'device';"
                " did you mean 'devices'? (InvalidResourceReference)",
                "ERROR conf/gw.ini:19 [http_listener public] there is no ssl_certificate 'other'; there is only site"
                " (InvalidResourceReference)",
                "ERROR conf/gw.ini:32 [request_routing_rule public] there is no backend_http_settings 'ap';"
                " did you mean 'app'? (InvalidResourceReference)",
            ],
        )

    def test_names_that_there_are(self) -> None:
        """A name that none comes near to is answered with those that there are, some of them where they are many."""
        pool = "[backend_address_pool {}]\nbackend_addresses = 127.0.0.1:9000\n"
        for count, words in (
            (2, "'nowhere'; there are app, p0 (Inv"),
            (20, "; there are app, p0, p1, p2, p3, p4, p5, p6, p7, p8 and 10 more (Inv"),
        ):
            more = "".join(pool.format(f"p{number}") for number in range(count - 1))
            text = changed(("backend_address_pool = app", "backend_address_pool = nowhere")) + "\n" + more
            self.assertIn(words, "\n".join(said(text)))
        text = changed(("backend_http_settings = app", "backend_http_settings = app\nrewrite_rule_set = x"))
        self.assertIn("there is no rewrite_rule_set 'x': there are none", "\n".join(said(text)))
        two = changed(("backend_address_pool = app", "backend_address_pool = ap")) + "\n" + pool.format("other")
        self.assertIn("did you mean 'app'?; there are app, other", "\n".join(said(two)))

    def test_lost_authority(self) -> None:
        """A profile without one of its authorities is none: no later check looks into it."""
        text = changed(("= devices", "= devices, none"), ("address = 127.0.0.1", "address = 0.0.0.0"))
        [line] = said(text)
        self.assertIn("there is no trusted_client_certificate 'none'", line)

    def test_missing_keys(self) -> None:
        """A section without a required key is an error, and no resource is built from it."""
        for key in ("port = 8443\n", "protocol = Https\n", "priority = 100\n", "backend_address_pool = app\n"):
            [line] = said(changed((key, "")))
            self.assertTrue(line.endswith(f"] {key.partition(' ')[0]} is missing"), line)

    def test_unknown_name(self) -> None:
        """A similar name is offered, and what it would have used is unused."""
        [unused, line] = said(changed(("ssl_profile = strict", "ssl_profile = Strikt")))
        self.assertIn("there is no ssl_profile 'Strikt'; did you mean 'strict'?", line)
        self.assertIn("no listener uses this profile", unused)

    def test_broken_sections_are_not_missing(self) -> None:
        """What refers to a section with an error of its own is not blamed."""
        [line] = said(changed(("port = 9000", "port = 0")))
        self.assertIn("[backend_http_settings app] port", line)

    def test_path_rule_without_its_map(self) -> None:
        """A path rule belongs to a map that is there."""
        [line] = said(mapped(path_rule("a", "/a").replace("map/a", "mop/a")))
        self.assertTrue(
            line.endswith(
                "[path_rule mop/a] there is no url_path_map 'mop'; did you mean 'map'? (InvalidResourceReference)"
            ),
            line,
        )

    def test_ends(self) -> None:
        """What a path rule or a map leads to must be there too; the rule behind it is not blamed."""
        for wrong, key in (
            (mapped(path_rule("a", "/a", end=RULE.replace("pool = app", "pool = ap"))), "path_rule map/a"),
            (
                mapped().replace("default_backend_address_pool = app", "default_backend_address_pool = ap"),
                "url_path_map map",
            ),
        ):
            [line] = said(wrong)
            self.assertIn(f"[{key}] there is no backend_address_pool 'ap'; did you mean 'app'?", line)
        [line] = said(mapped(path_rule("a", "/a", end="redirect_configuration = away\n")))
        self.assertIn("there is no redirect_configuration 'away'", line)
        [line] = said(mapped().replace("url_path_map = map", "url_path_map = mop"))[:1]
        self.assertIn("there is no url_path_map 'mop'; did you mean 'map'?", line)

    def test_conditions_and_rewrites(self) -> None:
        """Path rules and the defaults of a map have conditions and rewrite rule sets of their own."""
        text = mapped(path_rule("a", "/a*", extra="rewrite_rule_set = set\ndeny_unless.1 = var_host exists\n"))
        default = "default_rewrite_rule_set = set\ndefault_deny_unless.1 = var_http_method == GET\n"
        text = text.replace(MAP, MAP + default)
        config = load(f"{text}\n[rewrite_rule set/one]\nrequest_header.X-A = a\n")
        url_path_map = config.request_routing_rules[0].url_path_map
        assert url_path_map
        [path_rule_] = url_path_map.path_rules
        self.assertEqual([each.text for each in path_rule_.deny_unless], ["var_host exists"])
        self.assertEqual([each.text for each in url_path_map.default_deny_unless], ["var_http_method == GET"])
        [rule_set] = config.rewrite_rule_sets
        self.assertIs(path_rule_.rewrite_rule_set, rule_set)
        self.assertIs(url_path_map.default_rewrite_rule_set, rule_set)
        for key in ("deny_unless.x = var_host exists", "deny_unless.1 = var_hots exists"):
            lines = said(text.replace("deny_unless.1 = var_host exists", key))
            self.assertTrue(any("ERROR" in line and "[path_rule map/a] " in line for line in lines), lines)

    def test_redirect_targets(self) -> None:
        """A redirect leads to a listener of one host or of the request's, not to one of several."""
        away = redirect("away", "target_listener = other")
        text = changed((RULE, "redirect_configuration = away\n")) + away
        for names in ("", "host_names = a.example\n"):
            self.assertEqual(said(text + with_listener("other", port=8444, profile="strict", extra=names)), [])
        for names in ("a.example, b.example", "*.example", "a?.example"):
            other = with_listener("other", port=8444, profile="strict", extra=f"host_names = {names}\n")
            [line] = said(text + other)
            self.assertIn(
                "[redirect_configuration away] http_listener other has several host names or a wildcard", line
            )
        [line] = said(text)
        self.assertIn("there is no http_listener 'other'", line)


class ResourceTests(SynchronousTestCase):
    """What becomes of the keys."""

    def test_gateway(self) -> None:
        """Its keys are its fields, paths are beside the file, and - is standard output."""
        keys = (
            "access_log = log/access\nstate_directory = var\nmax_connections = 5\nlog_query = no\ndrain_timeout = 0.5"
        )
        gateway = load(changed(("access_log = -", keys))).gateway
        self.assertEqual((gateway.access_log, gateway.state_directory), ("conf/log/access", "conf/var"))
        self.assertEqual((gateway.max_connections, gateway.log_query, gateway.drain_timeout), (5, False, 0.5))
        self.assertEqual(load().gateway.access_log, "-")

    def test_no_gateway(self) -> None:
        """A file without [gateway] has all its defaults: no access log, the product's TLS policy."""
        gateway = load(changed(("[gateway]\naccess_log = -\n", ""))).gateway
        self.assertEqual((gateway.access_log, gateway.ssl_policy.name), (None, "AppGwSslPolicy20220101"))

    def test_plain_listener(self) -> None:
        """A plain listener has no TLS policy."""
        text = changed(
            ("ssl_certificate = site\nssl_profile = strict\n", "host_names = A.b\n"),
            ("protocol = Https", "protocol = Http"),
        )
        [listener] = load(text).http_listeners
        self.assertEqual((listener.protocol, listener.ssl_policy, listener.host_names), (Protocol.HTTP, None, ("a.b",)))

    def test_listener_without_profile(self) -> None:
        """It has the gateway's TLS policy, and asks for no certificate."""
        [listener] = load(changed(("ssl_profile = strict\n", ""))).http_listeners
        assert listener.ssl_policy is not None
        self.assertEqual((listener.ssl_profile, listener.ssl_policy.name), (None, "AppGwSslPolicy20220101"))

    def test_custom_errors(self) -> None:
        """The pages of the gateway and of listeners that there are."""
        text = f"{GOOD}\n[custom_error gateway/502]\nfile = pki/down.html\n"
        text += "\n[custom_error public/404]\nfile = pki/none.htm\n"
        source = files(down_html=b"<p>down", none_htm=b"<p>none")
        found = [(each.listener, each.status, each.page) for each in load(text, source).custom_errors]
        self.assertEqual(found, [("", 502, b"<p>down"), ("public", 404, b"<p>none")])
        [line] = said(text.replace("custom_error public", "custom_error pubic"), source)
        self.assertIn("[custom_error pubic/404] there is no http_listener 'pubic'; did you mean 'public'?", line)

    def test_backend_tls(self) -> None:
        """Settings refer to the certificates themselves; one that several settings name is one resource."""
        roots = "[trusted_root_certificate r]\nfile = pki/clients-ca.pem\n\n"
        keys = "port = 9000\nprotocol = Https\ntrusted_root_certificates = r\nclient_ssl_certificate = site\n"
        config = load(
            changed(("port = 9000\n", keys), ("[backend_http_settings app]", f"{roots}[backend_http_settings app]"))
        )
        [rule] = config.request_routing_rules
        settings = rule.backend_http_settings
        assert settings is not None
        [trusted] = settings.trusted_root_certificates
        self.assertEqual((trusted.name, trusted.file), ("r", "conf/pki/clients-ca.pem"))
        self.assertEqual(trusted.certificates, (clients_root().parsed,))
        self.assertIs(settings.client_ssl_certificate, config.http_listeners[0].ssl_certificate)


REWRITES = """
[rewrite_rule certificate/second]
request_header.X-B = b

[rewrite_rule other/only]
url_path = /other

[rewrite_rule certificate/first]
rule_sequence = 1
request_header.X-A = a
"""


class RewriteRuleSetTests(SynchronousTestCase):
    """Sections [rewrite_rule SET/NAME] and who refers to their sets."""

    def used(self, name: str) -> str:
        """A configuration whose rule uses a set."""
        return f"{GOOD}rewrite_rule_set = {name}\n{REWRITES}"

    def test_rules_make_sets(self) -> None:
        """A set is the rules of its name, in the order of their numbers, and a rule that refers to it has it."""
        config = load(self.used("certificate"))
        self.assertEqual([each.name for each in config.rewrite_rule_sets], ["certificate", "other"])
        self.assertEqual(
            [rule.name for rule in config.rewrite_rule_sets[0].rules], ["certificate/first", "certificate/second"]
        )
        self.assertIs(config.request_routing_rules[0].rewrite_rule_set, config.rewrite_rule_sets[0])
        self.assertIsNone(load().request_routing_rules[0].rewrite_rule_set)

    def test_unknown_set(self) -> None:
        """The nearest name of a set is offered; a rule's own name is none."""
        for name in ("certifcate", "certificate/first"):
            errors = [line for line in said(self.used(name)) if line.startswith("ERROR")]
            self.assertEqual(len(errors), 1, errors)
            self.assertIn(f"there is no rewrite_rule_set {name!r}; did you mean 'certificate'?", errors[0])

    def test_broken_rule(self) -> None:
        """A set with a rule that could not be built is none, and only the rule is blamed."""
        for broken in ("request_header.X-B = {", "rule_sequence = x"):
            [line] = said(
                self.used("certificate\ndeny_unless.1 = var_host exists")
                .replace("request_header.X-B = b", broken)
                .replace("other/only", "certificate/only")
            )
            self.assertIn("[rewrite_rule certificate/second]", line)


class AccessTests(SynchronousTestCase):
    """deny_unless."""

    def test_conditions(self) -> None:
        """A rule has its conditions in the order of their numbers; none where there are none."""
        text = f"{GOOD}deny_unless.10 = var_host exists\ndeny_unless.9 = var_http_method == GET\n"
        [rule] = load(text).request_routing_rules
        self.assertEqual([each.text for each in rule.deny_unless], ["var_http_method == GET", "var_host exists"])
        self.assertEqual(load().request_routing_rules[0].deny_unless, ())

    def test_wrong_conditions(self) -> None:
        """One that cannot be read, or that asks for the response, is an error: no client is accepted by mistake."""
        for text in ("var_hots exists", "var_host", "http_resp_X exists", "", "var_host ~ ("):
            [line] = said(f"{GOOD}deny_unless.1 = {text}\n")
            self.assertIn("ERROR conf/gw.ini:33 [request_routing_rule public] deny_unless.1 ", line)
