"""Client certificates over HTTP/2: who is let in, who is refused and how, and what a refusal leaves alone."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import alert_of
from tests.end_to_end.gateway import section
from tests.end_to_end.http2 import Actor, Http2Case
from tests.end_to_end.test_revocation import issuer, signer
from tests.http2_clients import Http2Client, SocketWire, over_tls
from tests.responder import Responder

NO_CERTIFICATE = {"1.2": "handshake_failure", "1.3": "certificate_required"}


class HandshakeTests(Http2Case):
    """Refusals in the handshake, and who comes in."""

    def test_refused(self) -> None:
        """A Strict listener ends the handshake by the alert that fits, in both versions of TLS."""
        for version, alert in NO_CERTIFICATE.items():
            for certificate, expected in (("", alert), ("stranger", "unknown_ca"), ("expired", "certificate_expired")):
                with self.assertRaises(ssl.SSLError) as raised:
                    self.client("strict", certificate, version=version).fetch("/refused-in-handshake")
                self.assertEqual(alert_of(raised.exception), expected)

    def test_identity(self) -> None:
        """The server gets who the client is with every request of the connection."""
        client = self.client("strict", "ecdsa")
        for response in [client.request("/") for _ in range(3)]:
            told = self.told(client.finished(response))
            self.assertEqual(told.all("x-client-certificate-verification"), ["SUCCESS"])
            self.assertEqual(told.all("x-client-certificate-subject"), ["CN=ecdsa device"])

    def test_passthrough(self) -> None:
        """Passthrough lets a client in with any certificate and without one, and says so."""
        for certificate, verification in (("", "NONE"), ("stranger", "PASSTHROUGH")):
            told = self.told(self.client("passthrough", certificate).fetch("/"))
            self.assertEqual(told.all("x-client-certificate-verification"), [verification])


class PageTests(Http2Case):
    """`refusal = Http400`."""

    def refused(self, certificate: str, reason: str) -> None:
        """The page on the first stream, then GOAWAY, and the end; other streams may be repeated elsewhere."""
        call = self.gateway.call(self.scene.doors["http400"], certificate)
        client = over_tls(call)
        self.addCleanup(client.close)
        first, second = client.request("/first"), client.request("/second")
        client.finished(first)
        self.assertEqual(first.status, 400)
        self.assertIn(f"<center>{reason}</center>", first.text)
        client.rest()
        self.assertEqual((client.goaways[-1].last_stream_id, client.goaways[-1].error_code), (1, 0))
        self.assertTrue(client.may_be_repeated(second), second)
        record = self.gateway.record(clientIP=call.source)
        self.assertEqual((record["httpStatus"], record["requestUri"]), (400, "/first"))
        self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")

    def test_without_certificate(self) -> None:
        """A client without a certificate reads the page, and its connection ends."""
        self.refused("", "No required SSL certificate was sent")

    def test_wrong_certificate(self) -> None:
        """One whose certificate is refused reads why."""
        self.refused("expired", "certificate has expired")


class SiteTests(Http2Case):
    """Several sites on one port: one connection may carry requests for all of them (RFC 9113, section 9.1.1)."""

    def test_other_profile(self) -> None:
        """A host of another profile gets 421 on its stream; streams before, beside and after it are served."""
        client = self.client("sites", name="open.example")
        self.told(client.fetch("/", authority="open.example"))
        hosts = ("open.example", "strict.example", "partners.example", "OPEN.example")
        asked = [client.request("/", authority=host) for host in hosts]
        self.assertEqual([client.finished(each).status for each in asked], [200, 421, 421, 200])
        self.told(client.fetch("/", authority="open.example"))
        self.assertEqual(client.goaways, [])

    def test_same_profile(self) -> None:
        """A host of the same profile is served on the same connection."""
        client = self.client("sites", "ecdsa", name="strict.example")
        for host in ("strict.example", "also.example", f"also.example:{self.scene.doors['sites']}"):
            told = self.told(client.fetch("/", authority=host))
            self.assertEqual((told.all("host"), told.all("x-client-certificate-verification")), ([host], ["SUCCESS"]))
        self.assertEqual(client.fetch("/", authority="open.example").status, 421)

    def test_host_beside_authority(self) -> None:
        """A Host that names another site than `:authority` is refused."""
        client = self.client("sites", name="open.example")
        response = client.fetch("/", ("host", "strict.example"), authority="open.example")
        self.assertTrue(response.reset == 1 or response.status == 400, response)
        self.told(client.fetch("/", ("host", "open.example"), authority="open.example"))


class PathTests(Http2Case):
    """Paths that require a certificate on a Passthrough listener."""

    def test_without_certificate(self) -> None:
        """The path is refused on its stream, in every spelling; others on the connection are served."""
        client = self.client("mixed")
        paths = ("/", "/admin", "/x/../admin", "/%61dmin", "//admin", "/other")
        asked = [client.request(path) for path in paths]
        self.assertEqual([client.finished(each).status for each in asked], [200, 400, 400, 400, 400, 200])
        self.assertIn("No required SSL certificate was sent", asked[1].text)

    def test_with_certificate(self) -> None:
        """With one the path is served, its client verified; elsewhere the same client is not."""
        client = self.client("mixed", "ecdsa")
        asked = [client.request(path) for path in ("/admin", "/other", "/admin/x")]
        verified = [self.told(client.finished(each)).all("x-client-certificate-verification") for each in asked]
        self.assertEqual(verified, [["SUCCESS"], ["PASSTHROUGH"], ["SUCCESS"]])


@contextmanager
def revocation_stage() -> Iterator[gateway.Scene]:
    """Doors that ask a responder: for every client, and on a path."""
    doors = dict(zip(("strict", "mixed"), running.free_ports(2), strict=True))
    app = {"backend_address_pool": "app", "backend_http_settings": "app"}
    with ExitStack() as stack:
        responder = stack.enter_context(closing(Responder(signer())))
        responder.certificates = (signer(),)
        backend = stack.enter_context(closing(Backend(Actor())))
        asking = {"trusted_client_certificates": "devices", "ocsp_responder_url": responder.url}
        asking["verify_client_revocation"] = "OCSP"
        text = gateway.gateway_section(enable_http2="true") + gateway.PROFILES + gateway.pool("app", backend.port)
        text += section("ssl_profile asking", **asking)
        text += section("ssl_profile mixed", verify_client_auth_mode="Passthrough", **asking)
        text += gateway.door("strict", doors["strict"], "asking")
        text += section("url_path_map map", **{f"default_{key}": value for key, value in app.items()})
        text += section("path_rule map/admin", paths="/admin*", client_certificate="Require", **app)
        listener = {"address": "127.0.0.1", "port": doors["mixed"], "protocol": "Https", "ssl_profile": "mixed"}
        text += section("http_listener mixed", ssl_certificate="server", **listener)
        ways = {"rule_type": "PathBasedRouting", "url_path_map": "map"}
        text += section("request_routing_rule mixed", priority=1, http_listener="mixed", **ways)
        started = stack.enter_context(gateway.running_gateway(text))
        for status in ("good", "revoked"):
            device = issuer().issue(f"{status} over h2")
            responder.knows(device, status=status)
            device.write(started.directory, status)
        yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class RevocationTests(gateway.SceneCase):
    """Certificates that a responder says are revoked."""

    stage = staticmethod(revocation_stage)

    def setUp(self) -> None:
        super().setUp()
        self.scene.backend.forget()

    def client(self, door: str, certificate: str) -> Http2Client:
        """A client after its handshake."""
        made = over_tls(self.gateway.call(self.scene.doors[door], certificate))
        self.addCleanup(made.close)
        return made

    def test_revoked(self) -> None:
        """A revoked client gets its page on the first stream, then GOAWAY; a good one is served."""
        client = self.client("strict", "revoked")
        response = client.fetch("/")
        self.assertEqual(response.status, 400)
        self.assertIn("certificate revoked", response.text)
        client.rest()
        self.assertEqual(client.goaways[-1].last_stream_id, 1)
        self.assertEqual(self.scene.backend.received, b"")
        good = self.client("strict", "good")
        self.assertEqual([good.fetch("/").status for _ in range(2)], [200, 200])

    def test_path(self) -> None:
        """On a path that requires a certificate a revoked one is refused on that stream alone."""
        for certificate, status in (("revoked", 400), ("good", 200)):
            client = self.client("mixed", certificate)
            asked = [client.request(path) for path in ("/", "/admin", "/admin/again", "/other")]
            self.assertEqual([client.finished(each).status for each in asked], [200, status, status, 200])


class ResumptionTests(Http2Case):
    """Sessions of TLS."""

    def test_resumed(self) -> None:
        """A resumed session speaks HTTP/2, and its client is judged again."""
        for version in ("1.2", "1.3"):
            call = self.gateway.call(self.scene.doors["strict"], "ecdsa", version=version, protocols=("h2",))
            context, session = clients.context(call), None
            reused = []
            for _ in range(2):
                with context.wrap_socket(
                    clients.plain(call.port).socket, server_hostname=call.name, session=session
                ) as connected:
                    client = Http2Client(SocketWire(connected))
                    told = self.told(client.fetch("/"))
                    self.assertEqual(told.all("x-client-certificate-verification"), ["SUCCESS"])
                    session = connected.session
                    reused.append(connected.session_reused)
            self.assertEqual(reused, [False, True], version)
