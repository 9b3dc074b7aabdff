"""What becomes of a path: where it goes, where it is sent, and who has to show a certificate for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import Message

APP = {"backend_address_pool": "app", "backend_http_settings": "app"}
API = {"backend_address_pool": "api", "backend_http_settings": "api"}
DOWN = b"<p>We are back soon.</p>"


def path_rule(name: str, paths: str, **keys: object) -> str:
    """A section of the map."""
    return section(f"path_rule map/{name}", paths=paths, **keys)


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A Passthrough door with a map, and a plain one that redirects to it, before a server that answers with what it
    got.
    """
    doors = dict(zip(("mixed", "plain"), running.free_ports(2), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.pool("api", backend.port, path="/v2/")
        text += section("backend_address_pool nobody")
        text += section(
            "ssl_profile mixed",
            verify_client_auth_mode="Passthrough",
            trusted_client_certificates="devices",
            verify_client_cert_issuer_dn="true",
        )
        text += section("custom_error mixed/502", file="down.html")
        text += section(
            "redirect_configuration tls", redirect_type="Permanent", target_listener="mixed", include_path="on"
        )
        text += section(
            "redirect_configuration moved",
            redirect_type="Found",
            target_url="https://example.org/new?a=b",
            include_query_string="on",
        )
        text += section("url_path_map map", **{f"default_{key}": value for key, value in APP.items()})
        text += path_rule("admin", "/admin, /admin/*", client_certificate="Require", **APP)
        text += path_rule("quiet", "/quiet*", client_certificate="Ignore", **APP)
        text += path_rule("api", "/api/*", **API)
        text += path_rule("old", "/old*", redirect_configuration="moved")
        text += path_rule("down", "/down", **{**APP, "backend_address_pool": "nobody"})
        text += path_rule("posts", "/posts*", **APP, **{"deny_unless.1": "var_http_method == POST"})
        text += section(
            "http_listener mixed",
            address="127.0.0.1",
            port=doors["mixed"],
            protocol="Https",
            ssl_certificate="server",
            ssl_profile="mixed",
        )
        text += section(
            "request_routing_rule mixed",
            priority=1,
            http_listener="mixed",
            rule_type="PathBasedRouting",
            url_path_map="map",
        )
        text += section("http_listener plain", address="127.0.0.1", port=doors["plain"], protocol="Http")
        text += section("request_routing_rule plain", priority=2, http_listener="plain", redirect_configuration="tls")
        with gateway.prepared(text) as running_gateway:
            (running_gateway.directory / "down.html").write_bytes(DOWN)
            running_gateway.start()
            yield gateway.Scene(gateway=running_gateway, doors=doors, backend=backend)


class PathCase(gateway.SceneCase):
    """One connection, and what it asks for."""

    stage = staticmethod(stage)

    def setUp(self) -> None:
        super().setUp()
        self.scene.backend.forget()

    def ask(self, *targets: str, certificate: str = "", method: str = "GET") -> list[Message]:
        """The answers to requests for these targets, one after the other on one connection."""
        call = self.gateway.call(self.scene.doors["mixed"], certificate)
        answers = []
        with closing(clients.encrypted(call)) as line:
            for target in targets:
                line.send(
                    f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode("latin-1")
                )
                answers.append(line.response())
        return answers

    def forwarded(self, answer: Message) -> tuple[str, dict[str, str]]:
        """The target and the headers that the server got."""
        self.assertEqual(answer.status, 200, answer)
        start, *lines = answer.body.decode("latin-1").strip().split("\r\n")
        return start.split()[1], dict(line.split(": ", 1) for line in lines)


class RoutingTests(PathCase):
    """Where paths lead."""

    def test_pools_and_override_paths(self) -> None:
        """A path goes where its rule says; where the settings have a path, without what the rule matched."""
        targets = ("/", "/api/devices/7?x=/api/", "/API/a", "/api", "/apis/x")
        got = [self.forwarded(answer)[0] for answer in self.ask(*targets)]
        self.assertEqual(got, ["/", "/v2/devices/7?x=/api/", "/v2/a", "/api", "/apis/x"])

    def test_log(self) -> None:
        """The log has pool and settings of the path, and the target as it came."""
        self.ask("/api/unique-1")
        record = self.gateway.record(originalRequestUriWithArgs="/api/unique-1")
        self.assertEqual((record["backendPoolName"], record["backendSettingName"]), ("api", "api"))

    def test_redirects(self) -> None:
        """A path that has moved, and a door that leads to another."""
        [moved] = self.ask("/old/a?c=d")
        self.assertEqual((moved.status, moved.get("location")), (302, "https://example.org/new?a=b&c=d"))
        self.assertIn(b"<title>302 Found</title>", moved.body)
        with closing(clients.plain(self.scene.doors["plain"])) as line:
            line.send(b"GET /a?b HTTP/1.1\r\nHost: LOCALHOST:1\r\n\r\n")
            answer = line.response()
        self.assertEqual(answer.status, 301)
        self.assertEqual(answer.get("location"), f"https://localhost:{self.scene.doors['mixed']}/a")
        self.assertEqual(self.scene.backend.received, b"")

    def test_error_page(self) -> None:
        """The page of one's own stands for the gateway's, of that status alone."""
        down, denied = self.ask("/down", "/posts")
        self.assertEqual((down.status, down.body, down.get("content-type")), (502, DOWN, "text/html"))
        self.assertEqual(denied.status, 403)
        self.assertIn(b"<title>403 Forbidden</title>", denied.body)
        [allowed] = self.ask("/posts", method="POST")
        self.assertEqual(self.forwarded(allowed)[0], "/posts")


class CertificateTests(PathCase):
    """Paths that require a certificate on a door that does not."""

    FORMS = (
        "/admin",
        "/ADMIN",
        "/x/../admin",
        "//admin",
        "/%61dmin",
        "/a/%2e./admin",
        "/./admin",
        "/admin/",
        "/admin/a%2eb",
    )
    TRICKS = (
        "/admin;x",
        "/admin;/a",
        "/x/..;/admin",
        "/admin%20",
        "/admin.",
        "/%2e%2e/",
        "/x/%2e%2e/%2e%2e/admin",
        "/x%2f..%2fadmin",
        "/x\\..\\admin",
        "/admin%00",
        "/%2561dmin",
        "/%c1%a1dmin",
        "/%ef%bd%81dmin",
        "/admin%3fx",
        "/%u0061dmin",
        "/admin::$DATA",
    )

    def test_without_certificate(self) -> None:
        """In no spelling of the path a client without a certificate reaches it, and the connection goes on."""
        for answer in self.ask(*self.FORMS):
            self.assertEqual(answer.status, 400)
            self.assertIn(b"No required SSL certificate was sent", answer.body)
        self.assertEqual(self.scene.backend.received, b"")

    def test_with_certificate(self) -> None:
        """With one they all are the same path, to the server too, and it gets that the certificate was verified."""
        got = [self.forwarded(answer) for answer in self.ask(*self.FORMS, certificate="ecdsa")]
        self.assertEqual([target for target, _ in got], ["/admin", "/ADMIN", *["/admin"] * 5, "/admin/", "/admin/a.b"])
        self.assertEqual({headers["X-Client-Certificate-Verification"] for _, headers in got}, {"SUCCESS"})

    def test_tricks(self) -> None:
        """What servers could take for it is answered 400, with a certificate and without."""
        for certificate in ("", "ecdsa"):
            for answer in self.ask(*self.TRICKS, certificate=certificate):
                self.assertEqual(answer.status, 400)
                self.assertIn(b"<title>400 Bad Request</title>", answer.body)
        self.assertEqual(self.scene.backend.received, b"")

    def test_wrong_certificates(self) -> None:
        """One that is not accepted is refused there with its reason, and nowhere else; the issuer counts."""
        for certificate, reason in {
            "stranger": b"unable to get local issuer certificate",
            "expired": b"certificate has expired",
            "other-issuer": b"unable to verify the client certificate issuer",
        }.items():
            refused, elsewhere = self.ask("/admin/a", "/", certificate=certificate)
            self.assertEqual(refused.status, 400)
            self.assertIn(b"The SSL certificate error", refused.body)
            self.assertIn(reason, refused.body)
            self.assertEqual(self.forwarded(elsewhere)[1]["X-Client-Certificate-Verification"], "PASSTHROUGH")

    def test_elsewhere(self) -> None:
        """The same connection is Passthrough on other paths, and unknown where certificates are ignored."""
        required, other, ignored = self.ask("/admin/1", "/other", "/quiet", certificate="ecdsa")
        self.assertEqual(self.forwarded(required)[1]["X-Client-Certificate-Verification"], "SUCCESS")
        self.assertEqual(self.forwarded(other)[1]["X-Client-Certificate-Verification"], "PASSTHROUGH")
        self.assertNotIn("X-Client-Certificate", self.forwarded(ignored)[1])
