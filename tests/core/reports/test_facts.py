"""`agwtwisted.core.reports.facts`: what a configuration says, and what is different in another one."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.masking import MASK
from agwtwisted.core.reports.facts import DifferenceKind, Facts, differences, facts_of, masked_facts
from tests import configurations

REWRITES = """
[rewrite_rule r/one]
condition.1 = var_host == a
request_header.X-Api-Key = hunter2
response_header.Set-Cookie =
response_header_matcher.Set-Cookie = ~ ^old
url_path = /x

[rewrite_rule r/two]
request_header.X-A = b
"""

PATHS = """
[url_path_map paths]
default_backend_address_pool = app
default_backend_http_settings = app

[path_rule paths/images]
paths = /images/*
backend_address_pool = app
backend_http_settings = app

[path_rule paths/all]
paths = /*
backend_address_pool = app
backend_http_settings = app
deny_unless.1 = var_client_certificate_verification == SUCCESS
"""


def _with(*changes: tuple[str, str], more: str = "") -> Facts:
    """The facts of a configuration that is right, changed."""
    return facts_of(configurations.plan(configurations.changed(*changes) + more))


_REWRITTEN = ("http_listener = public\n", "http_listener = public\nrewrite_rule_set = r\n")
_BY_PATH = (
    "http_listener = public\nbackend_address_pool = app\nbackend_http_settings = app\n",
    "http_listener = public\nrule_type = PathBasedRouting\nurl_path_map = paths\n",
)


class FactsTests(SynchronousTestCase):
    """The facts of one configuration."""

    def test_http2(self) -> None:
        """That HTTP/2 may be spoken is a fact of the gateway, by the product's name, and of a listener that says it."""
        on = _with(("[gateway]", "[gateway]\nenable_http2 = true"))
        [change] = differences(_with(), on)
        self.assertEqual((change.place, change.before, change.after), ("gateway.enableHttp2", False, True))
        own = _with(
            ("[gateway]", "[gateway]\nenable_http2 = true"), ("port = 8443\n", "port = 8443\nenable_http2 = false\n")
        )
        [change] = differences(on, own)
        self.assertEqual((change.place, change.after), ("httpListeners/public.enable_http2", False))

    def test_resources(self) -> None:
        """Resources stand there by their paths, with properties in the product's words, in the order of the file."""
        found = _with()
        self.assertEqual(list(found)[:3], ["gateway", "sslCertificates/site", "trustedClientCertificates/devices"])
        self.assertEqual(found["httpListeners/public"]["protocol"], "Https")
        self.assertEqual(found["httpListeners/public"]["sslProfile"], "strict")
        self.assertEqual(found["backendAddressPools/app"]["backendAddresses"], ["127.0.0.1:9000"])
        self.assertEqual(found["sslProfiles/strict"]["clientAuthConfiguration.verifyClientAuthMode"], "Strict")
        self.assertEqual(found["sslProfiles/strict"]["sslPolicy"], "AppGwSslPolicy20220101")

    def test_certificates(self) -> None:
        """Certificates stand there by subject and fingerprint, and nothing of a key does."""
        found = _with()
        [leaf, _] = found["sslCertificates/site"]["certificates"] or ()  # type: ignore[misc]
        self.assertRegex(leaf, r"^CN=localhost \(SHA-256 [0-9a-f]{64}\)$")
        [root] = found["trustedClientCertificates/devices"]["chain"] or ()  # type: ignore[misc]
        self.assertIn("CN=Clients Root (SHA-256 ", root)
        self.assertNotIn(configurations.site().key_pem.splitlines()[1].decode(), str(found))

    def test_rules(self) -> None:
        """Rules of paths and of rewrites are resources of their own; their order is a fact of what they are in."""
        found = _with(_BY_PATH, more=PATHS)
        self.assertEqual(found["urlPathMaps/paths"]["order of pathRules"], ["images", "all"])
        rule = found["urlPathMaps/paths/pathRules/all"]
        self.assertEqual(rule["deny_unless.1"], "var_client_certificate_verification == SUCCESS")
        found = _with(_REWRITTEN, more=REWRITES)
        self.assertEqual(found["rewriteRuleSets/r"], {"order of rewriteRules": ["one", "two"]})
        rule = found["rewriteRuleSets/r/rewriteRules/one"]
        self.assertEqual(rule["response_header.Set-Cookie"], "(deleted)")
        self.assertEqual(rule["response_header.Set-Cookie where"], "~ ^old")
        self.assertEqual((rule["condition.1"], rule["url_path"]), ("var_host == a", "/x"))

    def test_places(self) -> None:
        """A path below the directory of the file is relative to it: another directory is no other fact."""
        found = _with(("access_log = -", "access_log = log/access.json"))
        self.assertEqual(found["gateway"]["access_log"], "log/access.json")
        self.assertNotIn("conf/", str(found))

    def test_secrets(self) -> None:
        """Values that may be secrets are masked."""
        found = masked_facts(_with(_REWRITTEN, more=REWRITES))
        rule = found["rewriteRuleSets/r/rewriteRules/one"]
        self.assertEqual((rule["request_header.X-Api-Key"], rule["url_path"]), (MASK, "/x"))


class DifferencesTests(SynchronousTestCase):
    """Two configurations."""

    def test_equal(self) -> None:
        """A default that is spelled out, comments and the order of sections make no difference."""
        other = _with(("port = 9000", "port = 9000\nrequest_timeout = 20 ; the default"))
        self.assertEqual(differences(_with(), other), ())

    def test_changed(self) -> None:
        """A property is named with what it was and what it is."""
        [found] = differences(_with(), _with(("port = 8443", "port = 8444")))
        self.assertEqual((found.place, found.before, found.after), ("httpListeners/public.port", 8443, 8444))
        self.assertEqual(found.members()["change"], "changed")

    def test_added_and_removed(self) -> None:
        """A resource that only one of them has is named as a whole."""
        found = differences(_with(), _with(_REWRITTEN, more=REWRITES))
        self.assertIn(("rewriteRuleSets/r", DifferenceKind.ADDED), [(each.place, each.change) for each in found])
        found = differences(_with(_REWRITTEN, more=REWRITES), _with())
        self.assertIn(("rewriteRuleSets/r", DifferenceKind.REMOVED), [(each.place, each.change) for each in found])
        self.assertIsNone(found[-1].members()["property"])

    def test_order(self) -> None:
        """Another order is a difference where it matters, and none of host names and servers."""
        images, everything = PATHS.index("[path_rule paths/images]"), PATHS.index("[path_rule paths/all]")
        turned = PATHS[:images] + PATHS[everything:] + PATHS[images:everything]
        [found] = differences(_with(_BY_PATH, more=PATHS), _with(_BY_PATH, more=turned))
        self.assertEqual((found.name, found.after), ("order of pathRules", ["all", "images"]))
        one = _with(("9000\n\n[backend_http", "9000, 127.0.0.1:9001\n\n[backend_http"))
        other = _with(("= 127.0.0.1:9000\n\n[backend_http", "= 127.0.0.1:9001, 127.0.0.1:9000\n\n[backend_http"))
        self.assertEqual(differences(one, other), ())

    def test_secrets(self) -> None:
        """That a secret is another one is said, and neither of both."""
        other = REWRITES.replace("hunter2", "hunter3")
        [found] = differences(_with(_REWRITTEN, more=REWRITES), _with(_REWRITTEN, more=other))
        self.assertEqual((found.name, found.before, found.after), ("request_header.X-Api-Key", MASK, MASK))
