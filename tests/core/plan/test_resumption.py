"""On which ports sessions are resumed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.resumption import why_not_resumed
from tests import configurations
from tests.clients import files, text

PROFILES = """
[ssl_profile off]
verify_client_auth_mode = Strict
trusted_client_certificates = devices
session_resumption = off

[ssl_profile old]
ssl_policy = AppGwSslPolicy20220101

[ssl_profile modern]
ssl_policy = AppGwSslPolicy20220101
"""
DIFFERENT = "its listeners have different SSL profiles"
OFF = "session_resumption is off in [ssl_profile off]"


class ResumedTests(SynchronousTestCase):
    """By the profiles of a port's listeners."""

    def test_why_not(self) -> None:
        """Sessions are resumed where all have one profile, or none asks for certificates; a profile may decline."""
        for listeners, reason in (
            (("basic -",), ""),
            (("basic -", "o - o.example"), ""),
            (("basic strict",), ""),
            (("basic strict", "s strict s.example"), ""),
            (("basic passthrough", "p passthrough p.example"), ""),
            (("basic old", "o modern o.example", "n - n.example"), ""),
            (("basic strict", "o - o.example"), DIFFERENT),
            (("basic strict", "h http400 h.example"), DIFFERENT),
            (("basic -", "p passthrough p.example"), DIFFERENT),
            (("basic off",), OFF),
            (("basic strict", "o off o.example"), OFF),
        ):
            with self.subTest(listeners=listeners):
                [port] = configurations.plan(PROFILES + text(*listeners), files()).http_ports.values()
                self.assertEqual(why_not_resumed(port.sites.all()), reason)
