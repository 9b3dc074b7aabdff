"""A gateway that comes as ARM JSON, run as it is, with an overlay: in two workers, by real clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests import running
from tests.arm_gateways import child, listener, pfx, reference, rule, text_of
from tests.arm_gateways import gateway as body_of
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.lines import wait_until

DOCUMENT_PORT = 443


def document(server: str) -> dict[str, Any]:
    """A strict listener on the port of HTTPS, whose pool has a server in Azure."""
    found = gateway.certificates()
    https = listener(
        "web",
        "p443",
        protocol="Https",
        sslCertificate=reference("sslCertificates", "site"),
        sslProfile=reference("sslProfiles", "Devices"),
    )
    trusted = found["devices-root"].pem + found["devices"].pem
    return body_of(
        sslCertificates=[child("site", data=text_of(pfx("hunter2", found["server"])), password="hunter2")],
        trustedClientCertificates=[child("ca", data=text_of(trusted))],
        sslProfiles=[child("devices", trustedClientCertificates=[reference("trustedClientCertificates", "ca")])],
        httpListeners=[https],
        backendAddressPools=[child("app", backendAddresses=[{"fqdn": server}])],
        requestRoutingRules=[rule("web", "web")],
    )


def overlay(port: int, backend: int, *more: str) -> str:
    """What differs here."""
    lines = (
        "[gateway]\naccess_log = access.log\nstate_directory = state\nworkers = 2\n[arm]",
        f"ports = {DOCUMENT_PORT}={port}",
        f"backend.app = 127.0.0.1:{backend}",
        *more,
        "",
    )
    return "\n".join(lines)


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """The gateway; its document is called gw.ini, for it is found by its content."""
    [port] = running.free_ports(1)
    with closing(Backend()) as backend, gateway.prepared("") as prepared:
        prepared.file.write_text(json.dumps(document("app.internal"), indent=1))
        prepared.file.chmod(0o600)
        (prepared.directory / "gw.overlay.ini").write_text(overlay(port, backend.port))
        prepared.ports = [port]
        prepared.start()
        yield gateway.Scene(gateway=prepared, doors={"web": port}, backend=backend)
        prepared.stop()
        gateway.assert_no_defect(prepared.output)


class ArmDocumentTests(gateway.SceneCase):
    """Clients and operators."""

    stage = staticmethod(stage)

    def agw(self, *words: str, status: int = 0) -> str:
        """What a command about this gateway prints."""
        done = self.gateway.agw(*words, "--config", "gw.ini")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def status(self, port: int, certificate: str = "") -> int:
        """What a client with this certificate gets; 0 for an alert."""
        return clients.by_python(self.gateway.call(port, certificate)).status

    def test_clients(self) -> None:
        """A client of the trusted CA gets its response; one of another CA, and one without a certificate, gets 400."""
        port = self.scene.doors["web"]
        self.assertEqual(self.status(port, "ecdsa"), 200)
        for name in ("stranger", "expired", ""):
            self.assertEqual(self.status(port, name), 400, name)

    def test_questions(self) -> None:
        """The control socket is found by the overlay; the configuration is shown without certificate and password."""
        self.assertIn("running", self.agw("status"))
        shown = self.agw("configuration", "--json")
        answer = json.loads(shown)
        self.assertEqual(json.loads(answer["text"])["name"], "edge")
        self.assertNotIn("hunter2", shown)
        self.assertNotIn(document("")["properties"]["sslCertificates"][0]["properties"]["data"][:100], shown)
        self.assertIn("backend.app", answer["overlay"])

    def test_explain(self) -> None:
        """Its listener is explained by the file, without the running gateway."""
        self.assertIn("Accepted.", self.agw("explain", "--listener", "web", "ecdsa.pem"))
        self.assertIn("Refused", self.agw("explain", "--listener", "web", "stranger.pem", status=1))

    def test_reload(self) -> None:
        """A changed overlay is a reload in all processes; one that names nothing is refused, and changes nothing."""
        file, port = self.gateway.directory / "gw.overlay.ini", self.scene.doors["web"]
        before = file.read_text()
        self.addCleanup(lambda: (file.write_text(before), self.agw("reload")))
        file.write_text(before + "[ssl_profile device]\nrefusal = Handshake\n")
        refused = self.agw("reload", status=1)
        self.assertIn("[ssl_profile device] the document has no ssl_profile 'device'; did you mean 'devices'?", refused)
        self.assertNotIn("NOTE", refused)
        self.assertEqual(self.status(port), 400)
        file.write_text(before + "[ssl_profile devices]\nrefusal = Handshake\n")
        self.assertIn("ssl_profile devices", self.agw("reload"))
        wait_until(lambda: self.status(port) == 0, "the overlay's refusal is in force")
        self.assertEqual(self.status(port, "ecdsa"), 200)

    def test_check(self) -> None:
        """Check finds it valid, with its notes, and says of what."""
        found = self.agw("check")
        self.assertIn("NOTE gw.ini:", found)
        self.assertIn("properties.frontendIPConfigurations[0]", found)
