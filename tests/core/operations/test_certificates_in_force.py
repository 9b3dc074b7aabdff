"""The certificates in force, as the control API shows them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.certificates_in_force import CertificateInForce, certificates_in_force
from tests import pki
from tests.configurations import GOOD, files, plan, site

TLS = """\
port = 9000
protocol = Https
host_name = app
trusted_root_certificates = servers
client_ssl_certificate = own
"""

BACKENDS = """
[trusted_root_certificate servers]
file = pki/servers.pem

[ssl_certificate own]
certificate_file = pki/own.pem
key_file = pki/own.key
"""


@cache
def _found() -> tuple[CertificateInForce, ...]:
    """Those of a configuration with certificates of all kinds; the gateway's own ends first."""
    servers = pki.Authority.root("Backends Root")
    own = servers.issue("gateway", not_after=pki.NOW + timedelta(days=10, hours=1))
    text = GOOD.replace("port = 9000\n", TLS) + BACKENDS
    source = files(servers_pem=servers.pem, own_pem=own.chain_pem, own_key=own.key_pem)
    return certificates_in_force(plan(text, source))


class CertificatesInForceTests(SynchronousTestCase):
    """Their members."""

    def setUp(self) -> None:
        self.found = _found()

    def of(self, kind: str, name: str, role: str = "authority") -> CertificateInForce:
        """The one of this kind and name."""
        [found] = [each for each in self.found if (each.kind, each.name, each.role) == (kind, name, role)]
        return found

    def test_end_first(self) -> None:
        """Those that end first come first, with the whole days that are left."""
        members = [each.members(pki.NOW) for each in self.found]
        self.assertEqual((members[0]["name"], members[0]["days_left"]), ("own", 10))
        days = [each["days_left"] for each in members]
        self.assertEqual(days, sorted(days))
        self.assertEqual(json.loads(json.dumps(members)), members)

    def test_days_left(self) -> None:
        """On its last day a certificate has 0 days left, and fewer once it has expired."""
        own = self.of("ssl_certificate", "own", "end_entity")
        end = own.not_after
        for now, days in ((end - timedelta(hours=1), 0), (end + timedelta(hours=1), -1)):
            self.assertEqual(own.days_left(now), days)

    def test_used_by(self) -> None:
        """Each names the sections that use it."""
        self.assertEqual(self.of("ssl_certificate", "site", "end_entity").used_by, ("http_listener public",))
        self.assertEqual(self.of("trusted_client_certificate", "devices").used_by, ("ssl_profile strict",))
        self.assertEqual(self.of("trusted_root_certificate", "servers").used_by, ("backend_http_settings app",))
        self.assertEqual(self.of("ssl_certificate", "own", "end_entity").used_by, ("backend_http_settings app",))

    def test_what_it_says(self) -> None:
        """Names, serial number, fingerprint and DNS names are those of the certificate."""
        found, leaf = self.of("ssl_certificate", "site", "end_entity"), site().certificate
        self.assertEqual(found.subject, "CN=localhost")
        self.assertEqual(int(found.serial, 16), leaf.serial_number)
        self.assertEqual(found.dns_names, ("localhost",))
        authority = self.of("trusted_client_certificate", "devices")
        self.assertEqual(authority.subject, "CN=Clients Root")
        self.assertEqual(len(authority.fingerprint_sha256), 64)

    def test_members(self) -> None:
        """The members keep their names."""
        names = "kind name role subject issuer serial not_before not_after days_left fingerprint_sha256"
        self.assertEqual(
            list(self.found[0].members(datetime.fromtimestamp(0, pki.NOW.tzinfo))),
            [*names.split(), "dns_names", "used_by"],
        )
