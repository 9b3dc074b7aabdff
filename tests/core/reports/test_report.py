"""`agwtwisted.core.reports.report`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.report import mode, table
from agwtwisted.core.resources.resources import ClientAuth, RevocationUnavailable
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.demo import certificates
from tests import clients, configurations, pki

CONF = Path(__file__).parents[3] / "conf"


def report(text: str, source: configurations.Files | None = None) -> str:
    """The tables of a configuration."""
    return table(configurations.plan(text, source or clients.files()), pki.NOW)


def cells(text: str, title: str) -> list[list[str]]:
    """The lines of the table with this title, taken apart at two spaces."""
    _, _, rest = f"\n{text}".partition(f"\n{title}\n")
    assert rest, title
    body, _, _ = rest.partition("\n\n")
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in body.splitlines()]


class ReportTests(SynchronousTestCase):
    """What an operator sees."""

    def test_nothing_served(self) -> None:
        """A configuration without listeners has the table of the gateway's own keys, and no table without rows."""
        made = parse(b"[gateway]", configurations.FILE, configurations.files().read, may_be_empty=True)
        self.assertTrue(table(made, pki.NOW).startswith("Gateway\n"))

    def test_listener_without_rule(self) -> None:
        """A listener that is not bound is in the table, and says so below its place."""
        text = clients.text("b -") + "\n[http_listener other]\nport = 8999\nprotocol = Http\n"
        rows = cells(report(text), "Listeners")[2:]
        self.assertEqual(rows[0][:2], ["other", "0.0.0.0:8999"])
        self.assertEqual(rows[1], ["NOT BOUND: no rule"])

    def test_listeners(self) -> None:
        """Each with its place, its hosts, its profile and what that asks."""
        text = clients.text(
            "b -",
            "s strict s.example *.s.example",
            "h http400 h.example",
            "p passthrough p.example; enable_http2 = true",
            "w weak w.example",
        )
        rows = cells(report(text), "Listeners")[1:]
        self.assertEqual(
            rows,
            [
                ["b", "0.0.0.0:8443", "Https", "any host", "-", "none", "-"],
                ["s", "0.0.0.0:8443", "Https", "s.example", "strict", "Strict, Handshake", "any"],
                ["*.s.example"],
                ["h", "0.0.0.0:8443", "Https", "h.example", "http400", "Strict, Http400", "any"],
                ["p", "0.0.0.0:8443", "Https", "p.example", "passthrough", "Passthrough", "-"],
                ["HTTP/2"],
                ["w", "0.0.0.0:8443", "Https", "w.example", "weak", "Strict, Handshake, weak", "any"],
                ["keys"],
            ],
        )

    def test_modes_of_a_profile(self) -> None:
        """What a profile takes besides, and that it sends no names, stands with its mode."""
        keys = "[ssl_profile strict]\nmissing_client_auth_eku = Allow\nadvertise_ca_names = false"
        text = report(clients.text("b strict").replace("[ssl_profile strict]", keys))
        self.assertIn("purpose, no CA names", " ".join(text.split()))

    def test_revocation(self) -> None:
        """Whether responders are asked stands with the mode, and what becomes of clients when they do not answer."""
        profile = configurations.load(clients.text("b strict"), clients.files()).http_listeners[0].ssl_profile
        assert profile is not None
        asking = attrs.evolve(profile, verify_client_revocation=(RevocationSource.OCSP,))
        allowing = attrs.evolve(asking, ocsp_unavailable=RevocationUnavailable.ALLOW)
        self.assertEqual(mode(asking), "Strict, Handshake, OCSP")
        self.assertEqual(mode(allowing), "Strict, Handshake, OCSP if available")
        self.assertEqual(mode(attrs.evolve(asking, client_auth=ClientAuth.PASSTHROUGH)), "Passthrough, OCSP")

    def test_issuer_dn(self) -> None:
        """Whether it is compared, and which one a file stands for."""
        text = report(clients.text("b pinned"))
        self.assertEqual(cells(text, "Listeners")[1][-1], "compared")
        [file, profiles, issuer] = cells(text, "Trusted client certificate partners")
        self.assertEqual(file, ["file", "conf/pki/partners.pem"])
        self.assertEqual(profiles, ["SSL profiles", "pinned"])
        self.assertEqual(issuer, ["issuer DN", "CN=Partners"])

    def test_issuer_dn_of_paths(self) -> None:
        """It may be compared on a Passthrough listener too, for paths that require a certificate."""
        rule = configurations.path_rule("a", "/a*", extra="client_certificate = Require\n")
        profile = f"{configurations.PASSTHROUGH}verify_client_cert_issuer_dn = true\n"
        shown = report(configurations.mapped(rule, profile=profile))
        self.assertEqual(cells(shown, "Listeners")[1][-2:], ["Passthrough", "compared"])

    def test_trusted_certificates(self) -> None:
        """Every certificate of the file, the root first, with its days and its fingerprint."""
        root = pki.Authority.root("Root", not_after=pki.NOW + timedelta(days=10, hours=1))
        old = root.intermediate("Old", not_after=pki.NOW - timedelta(hours=1))
        last = root.intermediate("Last day", not_after=pki.NOW + timedelta(hours=1))
        source = clients.files(clients__ca_pem=b"", **{"clients-ca_pem": pki.bundle(old, last, root)})
        _, _, rest = report(clients.text("b strict"), source).partition("SUBJECT, ROOT FIRST")
        rows = [line.rsplit(maxsplit=2) for line in rest.splitlines()[1:4]]
        prints = [each.certificate.fingerprint(pki.hashes.SHA1()).hex() for each in (root, old, last)]
        self.assertEqual(
            [[cell.strip() for cell in row] for row in rows],
            [["CN=Root", "10", prints[0]], ["CN=Old", "-1", prints[1]], ["CN=Last day", "0", prints[2]]],
        )

    def test_policies(self) -> None:
        """Versions and suites of each policy, and who has it; policies that differ are distinguished."""
        custom = "policy_type = CustomV2\nmin_protocol_version = TLSv1_3\n"
        text = clients.text("b -", "s strict s.example").replace(
            "[ssl_profile strict]\n", f"[ssl_profile strict]\n{custom}"
        )
        text = text.replace("port = 8443", "port = 8444", 1)
        rows = cells(report(text), "TLS policies")[1:]
        self.assertEqual(rows[0][:3], ["AppGwSslPolicy20220101", "b", "TLSv1_2"])
        self.assertEqual(rows[1], ["TLSv1_3", "TLS_AES_256_GCM_SHA384"])
        self.assertEqual(
            rows[-2:], [["CustomV2", "s", "TLSv1_3", "TLS_AES_128_GCM_SHA256"], ["TLS_AES_256_GCM_SHA384"]]
        )

    def test_resumption(self) -> None:
        """For each port of TLS whether sessions are resumed there, and else why not."""
        for listeners, wanted in (
            (("b strict", "s strict s.example"), "resumed, certificates are judged again"),
            (("b -", "s strict s.example"), "not resumed: its listeners have different SSL profiles"),
        ):
            [row] = cells(report(clients.text(*listeners)), "Resumption")[1:]
            self.assertEqual(row, ["0.0.0.0:8443", wanted])

    def test_settings(self) -> None:
        """How backends are spoken to."""
        for extra, host, headers in (
            ("", "the client's", "on for listeners that ask for certificates"),
            ("host_name = app.example\nclient_certificate_headers = off", "app.example", "off"),
            ("path = /app/\nclient_certificate_headers = off", "the client's /app/", "off"),
            (
                "pick_host_name_from_backend_address = on\nclient_certificate_headers = xfcc, on",
                "the backend's",
                "on, xfcc",
            ),
        ):
            text = configurations.changed(("port = 9000\n", f"port = 9000\n{extra}\n"))
            expected = ["app", "Http", "9000", "20 s", host, headers]
            self.assertEqual(cells(report(text), "Backend settings")[1], expected)

    def test_balancing(self) -> None:
        """Whose turn it is, the cookie if there is one, and how long servers are drained."""
        for extra, row in (
            ("", ["app", "RoundRobin", "-", "shared", "30 s"]),
            (
                "load_distribution_algorithm = LeastConnections\ncookie_based_affinity = Enabled\n"
                "connection_draining_timeout = 5\ndedicated_backend_connection = true",
                ["app", "LeastConnections", "ApplicationGatewayAffinity", "one for each client's", "5 s"],
            ),
        ):
            text = configurations.changed(("port = 9000\n", f"port = 9000\n{extra}\n"))
            self.assertEqual(cells(report(text), "Balancing")[1], row)

    def test_probes(self) -> None:
        """What servers are asked, where no probe is named as well."""
        default = ["app", "(default)", "the server's", "127.0.0.1", "/", "30 s", "30 s", "3", "200-399"]
        self.assertEqual(cells(report(configurations.GOOD), "Probes")[1], default)
        keys = "port = 81\npath = /x\ninterval = 5\ntimeout = 2\nunhealthy_threshold = 1\nmatch_body = well"
        for extra, host in (
            ("", "127.0.0.1"),
            ("host_name = a.b\n", "a.b"),
            ("pick_host_name_from_backend_address = on\n", "the backend's"),
        ):
            text = configurations.changed(("port = 9000\n", f"port = 9000\nprobe = p\n{extra}"))
            rows = cells(report(f"{text}\n[probe p]\nprotocol = Http\n{keys}\n"), "Probes")
            self.assertEqual(rows[1], ["app", "p", "81", host, "/x", "5 s", "2 s", "1", "200-399 and match_body"])

    def test_backend_tls(self) -> None:
        """The names that servers must prove, and the CAs that they are verified against; nothing of it where none
        speaks TLS.
        """
        self.assertNotIn("TLS to backends", report(configurations.GOOD))
        roots = "[trusted_root_certificate internal]\nfile = pki/clients-ca.pem\n\n[backend_http_settings app]\n"
        for keys, row in (
            ("", ["app", "the system's", "checked", "the pool's, else the client's", "checked", "-"]),
            (
                "trusted_root_certificates = internal\nhost_name = a.example:1\nclient_ssl_certificate = site",
                ["app", "internal", "checked", "a.example", "checked", "site"],
            ),
            (
                "validate_cert_chain_and_expiry = false\nvalidate_sni = false\nsni_name = b.example\n"
                "pick_host_name_from_backend_address = true",
                ["app", "the system's", "NOT CHECKED", "b.example", "NOT CHECKED", "-"],
            ),
            (
                "pick_host_name_from_backend_address = true",
                ["app", "the system's", "checked", "the pool's", "checked", "-"],
            ),
        ):
            text = report(
                configurations.changed(
                    ("[backend_http_settings app]\n", roots), ("port = 9000\n", f"protocol = Https\n{keys}\n")
                )
            )
            self.assertEqual(cells(text, "TLS to backends")[1], row)
        trusted = configurations.changed(
            ("[backend_http_settings app]\n", roots),
            ("port = 9000\n", "protocol = Https\ntrusted_root_certificates = internal\n"),
        )
        [row] = cells(report(trusted), "Trusted root certificates")[1:]
        self.assertEqual(row[:2], ["internal", "CN=Clients Root"])

    def test_fits_a_terminal(self) -> None:
        """The example configurations are shown whole in a hundred columns of ASCII."""
        made = certificates.make(pki.NOW)
        for file in CONF.glob("*.ini"):
            plan = parse(file.read_bytes(), file.name, lambda path: SourceFile(data=made[Path(path).name], mode=0o600))
            shown = table(plan, pki.NOW)
            self.assertTrue(shown.isascii())
            self.assertLessEqual(max(map(len, shown.splitlines())), WIDTH)
            for listener in plan.config.http_listeners:
                self.assertIn(f"\n  {listener.name} ", shown)

    def test_no_secret(self) -> None:
        """No key is in it."""
        self.assertNotIn("PRIVATE", report(configurations.GOOD))
