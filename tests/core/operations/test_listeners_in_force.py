"""The listeners in force, as the control API shows them."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.listeners_in_force import ListenerInForce, listeners_in_force
from tests.configurations import PASSTHROUGH, STRICT, changed, mapped, path_rule, plan

RELAY = """
[listener raw]
address = 127.0.0.1
port = 8444
protocol = Tls
ssl_certificate = site
ssl_profile = strict

[backend_settings raw]
port = 9001

[routing_rule raw]
priority = 50
listener = raw
backend_address_pool = app
backend_settings = raw
"""


class ListenersInForceTests(SynchronousTestCase):
    """Their members."""

    def listener(self, text: str, name: str = "public", connections: int = 0) -> ListenerInForce:
        """The listener of this name of a configuration."""
        found = {each.name: each for each in listeners_in_force(plan(text), {name: connections})}
        return found[name]

    def test_strict(self) -> None:
        """A Strict listener says where it listens, what it asks for and how it refuses."""
        members = self.listener(changed(), connections=3).members()
        self.assertEqual(
            members,
            {
                "name": "public",
                "kind": "http_listener",
                "protocol": "Https",
                "http2": False,
                "address": "127.0.0.1",
                "port": 8443,
                "host_names": [],
                "ssl_profile": "strict",
                "verify_client_auth_mode": "Strict",
                "refusal": "Handshake",
                "verify_client_revocation": "None",
                "ssl_policy": "AppGwSslPolicy20220101",
                "ssl_certificate": "site",
                "rules": ["public"],
                "paths_that_require_certificates": [],
                "connections": 3,
            },
        )
        self.assertEqual(json.loads(json.dumps(members)), members)

    def test_plain(self) -> None:
        """A listener without TLS has neither certificate nor profile, and asks for nothing."""
        tls = "protocol = Https\nssl_certificate = site\nssl_profile = strict\n"
        found = self.listener(changed((tls, "protocol = Http\n")))
        self.assertEqual((found.ssl_profile, found.ssl_policy, found.ssl_certificate), (None, None, None))
        self.assertEqual((found.verify_client_auth_mode, found.refusal, found.verify_client_revocation), (None,) * 3)

    def test_paths_that_require(self) -> None:
        """Of a Passthrough listener the paths are named that require a certificate, and no others."""
        rules = (path_rule("a", "/a/*, /b", extra="client_certificate = Require\n"), path_rule("c", "/c"))
        found = self.listener(mapped(*rules, profile=PASSTHROUGH))
        self.assertEqual((found.verify_client_auth_mode, found.refusal), ("Passthrough", None))
        self.assertEqual(found.paths_that_require_certificates, ("/a/*", "/b"))

    def test_relay(self) -> None:
        """A listener of L4 refuses in the handshake, whatever its profile says."""
        refusal = changed((STRICT, STRICT + "refusal = Http400\n"))
        found = self.listener(refusal + RELAY, "raw")
        self.assertEqual(
            (found.kind, found.protocol, found.refusal, found.rules), ("listener", "Tls", "Handshake", ("raw",))
        )
        self.assertEqual(self.listener(refusal + RELAY).refusal, "Http400")
