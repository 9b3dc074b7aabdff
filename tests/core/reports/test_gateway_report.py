"""`agwtwisted.core.reports.gateway_report`: what `--check` shows of the whole gateway."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH
from agwtwisted.core.reports import gateway_report
from agwtwisted.core.resources.gateway import Gateway
from tests import configurations

OCSP = "verify_client_revocation = OCSP\n"
PROFILE = "trusted_client_certificates = devices\n"


def report(*changes: tuple[str, str]) -> str:
    """The tables of GOOD with changes."""
    return "\n".join(gateway_report.tables(configurations.plan(configurations.changed(*changes))))


def flat(*changes: tuple[str, str]) -> str:
    """The same with single spaces."""
    return " ".join(report(*changes).split())


def profile(keys: str) -> tuple[str, str]:
    """The change that gives the profile of GOOD these keys, and asks responders."""
    old = "verify_client_auth_mode = Strict\n"
    return old, f"{old}{OCSP}{keys}"


class GatewayReportTests(SynchronousTestCase):
    """The tables."""

    def test_every_limit(self) -> None:
        """Every key of [gateway] stands there with its value in force, and the unit."""
        text = report()
        for field in attrs.fields(Gateway):
            self.assertEqual(f"\n  {field.name} " in text, field.name != "ssl_policy", field.name)
        for line in ("handshake_timeout 10 s", "max_header_bytes 32768 bytes", "min_body_rate 240 bytes a second"):
            self.assertIn(f" {line} ", flat())
        self.assertIn("max_connections_per_address no limit", flat())
        self.assertIn("revocation_store none: what is learnt stays in this gateway", flat())
        self.assertIn(" workers 4 ", flat(("access_log = -\n", "access_log = -\nworkers = 4\n")))

    def test_control(self) -> None:
        """Where the control socket is."""
        state = ("access_log = -\n", "access_log = -\nstate_directory = state\n")
        self.assertIn("socket in the runtime directory, where systemd gives one; else none", flat())
        self.assertIn("socket conf/state/control.sock", flat(state))
        gateway = "[gateway]\n"
        self.assertIn("socket conf/x.sock", flat((gateway, f"[control]\nsocket = x.sock\n{gateway}")))
        port = flat((gateway, f"[control]\nport = 9900\ntoken_file = a/token\n{gateway}"))
        self.assertIn("port 127.0.0.1:9900 token_file conf/a/token", port)
        self.assertIn("port none", flat())
        self.assertIn("socket off", flat((gateway, f"[control]\nsocket = off\n{gateway}"), state))

    def test_proxies(self) -> None:
        """Which listeners require PROXY headers, and of whom."""
        self.assertNotIn("PROXY", report())
        port = ("port = 8443\n", "port = 8443\naccept_proxy_protocol = 10.0.0.0/8, 192.0.2.1\n")
        self.assertIn("PROXY protocol headers LISTENER REQUIRED FROM public 10.0.0.0/8 192.0.2.1/32", flat(port))

    def test_width(self) -> None:
        """All of it fits a terminal."""
        keys = "ocsp_allowed_networks = 10.0.0.0/8, fd00::/8\nocsp_allowed_ports = 80, 8000-8099\n"
        self.assertLessEqual(max(map(len, report(profile(keys)).splitlines())), WIDTH)
