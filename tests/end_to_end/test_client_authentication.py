"""Who is let in: each mode of client authentication, seen by real clients, by the backend and in the access log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import unquote

from cryptography.hazmat.primitives import hashes

from tests import programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Answer

KEYS = ("rsa", "ecdsa", "ed25519")
VERSIONS = ("1.2", "1.3")

NO_CERTIFICATE = {"1.2": "handshake_failure", "1.3": "certificate_required"}

INVALID = {
    "expired": ("certificate_expired", "certificate has expired"),
    "not-yet-valid": ("bad_certificate", "certificate is not yet valid or the system clock is incorrect"),
    "server-only": ("unsupported_certificate", "unsuitable certificate purpose"),
    "stranger": ("unknown_ca", "unable to get local issuer certificate"),
    "self-signed": ("unknown_ca", "self-signed certificate"),
}
"""Certificates that are refused: the alert, and the reason in OpenSSL's words."""


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A door for each mode, all to one backend that answers with what it got."""
    names = ("open", "passthrough", "strict", "http400", "issuer", "plain", "wide")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section() + gateway.PROFILES + gateway.pool("app", backend.port)
        text += gateway.pool("all", backend.port, client_certificate_headers="all")
        for name in ("passthrough", "strict", "http400", "issuer"):
            text += gateway.door(name, doors[name], name)
        text += gateway.door("open", doors["open"]) + gateway.door("plain", doors["plain"], protocol="Http")
        text += gateway.door("wide", doors["wide"], "passthrough", to="all")
        with gateway.running_gateway(text) as running_gateway:
            yield gateway.Scene(gateway=running_gateway, doors=doors, backend=backend)


class DoorCase(gateway.SceneCase):
    """What the tests of every mode use."""

    stage = staticmethod(stage)
    client = "python"

    def setUp(self) -> None:
        super().setUp()
        self.scene.backend.forget()

    def ask(self, door: str, certificate: str = "", version: str = "1.3") -> tuple[Answer, str]:
        """What a client gets, and the address that it came from."""
        call = self.gateway.call(self.scene.doors[door], certificate, version=version)
        return clients.CLIENTS[self.client](call), call.source

    def forwarded(self, door: str, certificate: str, version: str, verification: str) -> dict[str, str]:
        """Ask, expect an answer of the backend and the line in the log; returns the headers that the backend got."""
        answer, source = self.ask(door, certificate, version)
        self.assertEqual(answer.status, 200, (door, certificate, version, answer))
        headers = dict(line.split(": ", 1) for line in answer.body.strip().split("\r\n")[1:])
        record = self.gateway.record(clientIP=source, transactionId=headers["X-Appgw-Trace-Id"])
        shown = certificate and verification != "NONE"
        self.assertEqual(
            {name: record[name] for name in ("sslClientVerify", "sslProtocol", "httpStatus", "listenerName")},
            {
                "sslClientVerify": verification,
                "sslProtocol": f"TLSv{version}",
                "httpStatus": 200,
                "listenerName": door,
            },
        )
        self.assertEqual(record["sslClientCertificateFingerprint"], fingerprint(certificate) if shown else "")
        self.assertEqual(record["sslClientCertificateIssuerName"], issuer(certificate) if shown else "")
        self.assertEqual(record["error_info"], "ERRORINFO_NO_ERROR")
        return headers

    def assert_nothing_forwarded(self) -> None:
        """No byte reached the backend."""
        self.assertEqual(self.scene.backend.received, b"")


def fingerprint(name: str) -> str:
    """SHA-1 in hex, as the product shows it."""
    return gateway.certificates()[name].certificate.fingerprint(hashes.SHA1()).hex()


def issuer(name: str) -> str:
    """The issuer's name, the common name alone in every certificate here."""
    return gateway.certificates()[name].certificate.issuer.rfc4514_string()


class PythonTests(DoorCase):
    """Python's ssl, in every mode and version."""

    def test_no_profile(self) -> None:
        """A listener without a profile asks for no certificate, and the backend gets none."""
        for version in VERSIONS:
            for certificate in ("", "ecdsa"):
                headers = self.forwarded("open", certificate, version, "NONE")
                self.assertEqual(of_certificate(headers), {})

    def test_passthrough_without_certificate(self) -> None:
        """Passthrough lets a client without a certificate in, and says so to the backend."""
        for version in VERSIONS:
            headers = self.forwarded("passthrough", "", version, "NONE")
            self.assertEqual(of_certificate(headers), {"X-Client-Certificate-Verification": "NONE"})

    def test_passthrough_with_any_certificate(self) -> None:
        """Passthrough hands on whatever certificate comes, valid or not, and judges none."""
        for version in VERSIONS:
            for certificate in (*KEYS, *INVALID):
                headers = of_certificate(self.forwarded("passthrough", certificate, version, "PASSTHROUGH"))
                self.assertEqual(headers.pop("X-Client-Certificate-Verification"), "PASSTHROUGH")
                self.assertEqual(unquote(headers.pop("X-Client-Certificate")), pem(certificate))
                self.assertEqual(headers, {})

    def test_passthrough_tells_all_where_all_is_wanted(self) -> None:
        """`client_certificate_headers = all` fills every variable for an unverified certificate."""
        for version in VERSIONS:
            headers = of_certificate(self.forwarded("wide", "stranger", version, "PASSTHROUGH"))
            self.assertEqual(len(headers), 8)
            self.assertEqual(headers["X-Client-Certificate-Subject"], "CN=stranger")
            self.assertEqual(headers["X-Client-Certificate-Fingerprint"], fingerprint("stranger"))

    def test_strict_with_a_valid_certificate(self) -> None:
        """Strict lets a valid certificate in, with a key of every kind, and identifies the client to the backend."""
        for door in ("strict", "http400", "issuer"):
            for version in VERSIONS:
                for certificate in KEYS:
                    headers = of_certificate(self.forwarded(door, certificate, version, "SUCCESS"))
                    self.assertEqual(headers["X-Client-Certificate-Verification"], "SUCCESS")
                    self.assertEqual(headers["X-Client-Certificate-Subject"], f"CN={certificate} device")
                    self.assertEqual(headers["X-Client-Certificate-Issuer"], "CN=Devices")
                    self.assertEqual(headers["X-Client-Certificate-Fingerprint"], fingerprint(certificate))
                    self.assertEqual(unquote(headers["X-Client-Certificate"]), pem(certificate))
                    self.assertEqual(len(headers), 8)

    def test_strict_without_certificate(self) -> None:
        """Strict ends the handshake of a client without a certificate: no byte of it reaches the backend."""
        for version in VERSIONS:
            answer, source = self.ask("strict", "", version)
            self.assertEqual(answer, Answer(alert=NO_CERTIFICATE[version]))
            record = self.gateway.record(clientIP=source)
            self.assertEqual(record["sslClientVerify"], "NONE")
            self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")
            self.assertEqual(record["httpStatus"], 0)
            self.assertIn("peer did not return a certificate", record["handshakeError"])
        self.assert_nothing_forwarded()

    def test_strict_with_an_invalid_certificate(self) -> None:
        """Strict ends the handshake of an invalid certificate by the alert that fits, and logs whose it was and why."""
        for version in VERSIONS:
            for certificate, (alert, reason) in INVALID.items():
                answer, source = self.ask("strict", certificate, version)
                self.assertEqual(answer, Answer(alert=alert), (certificate, version))
                record = self.gateway.record(clientIP=source)
                self.assertEqual(record["sslClientVerify"], f"FAILED:{reason}")
                self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")
                self.assertEqual(record["listenerName"], "strict")
        self.assert_nothing_forwarded()

    def test_page_without_certificate(self) -> None:
        """With `refusal = Http400` a client without a certificate reads the product's page."""
        for version in VERSIONS:
            answer, source = self.ask("http400", "", version)
            self.assertEqual(answer.status, 400)
            self.assertIn("<center>No required SSL certificate was sent</center>", answer.body)
            record = self.gateway.record(clientIP=source)
            self.assertEqual(record["sslClientVerify"], "NONE")
            self.assertEqual(record["error_info"], "ERRORINFO_HTTPS_NO_CERT")
            self.assertEqual(record["httpStatus"], 400)
        self.assert_nothing_forwarded()

    def test_page_with_an_invalid_certificate(self) -> None:
        """With `refusal = Http400` the page says why a certificate is refused, and so does the log."""
        for version in VERSIONS:
            for certificate, (_, reason) in INVALID.items():
                answer, source = self.ask("http400", certificate, version)
                self.assertEqual(answer.status, 400, (certificate, version))
                self.assertIn("<center>The SSL certificate error</center>", answer.body)
                self.assertIn(f"<center>{reason}</center>", answer.body)
                record = self.gateway.record(clientIP=source)
                self.assertEqual(record["sslClientVerify"], f"FAILED:{reason}")
                self.assertEqual(record["sslClientCertificateFingerprint"], fingerprint(certificate))
                self.assertEqual(record["sslClientCertificateIssuerName"], issuer(certificate))
        self.assert_nothing_forwarded()

    def test_wrong_issuer(self) -> None:
        """With `verify_client_cert_issuer_dn` a certificate of the same root's other issuer is refused."""
        for version in VERSIONS:
            answer, source = self.ask("issuer", "other-issuer", version)
            self.assertEqual(answer, Answer(alert="unknown_ca"))
            record = self.gateway.record(clientIP=source)
            self.assertEqual(record["sslClientVerify"], "FAILED:unable to verify the client certificate issuer")
            self.assertEqual(self.ask("strict", "other-issuer", version)[0].status, 200)

    def test_names_in_the_request_change_nothing(self) -> None:
        """What a client says of itself in certificate headers, in whatever spelling, never reaches the backend."""
        claims = "".join(
            f"{name}: forged\r\n"
            for name in (
                "X-Client-Certificate-Subject",
                "x-client-certificate-subject",
                "X_Client_Certificate_Subject",
                "X.Client.Certificate-Subject",
                "X-Client-Certificate-Verification",
                "X-Client-Certificate",
                "Client-Cert",
                "X-Forwarded-Client-Cert",
                "X-Forwarded-Proto",
                "X-Original-Host",
                "X-Appgw-Trace-Id",
            )
        )
        for door, certificate in (("strict", "ecdsa"), ("passthrough", ""), ("open", ""), ("plain", "")):
            call = self.gateway.call(self.scene.doors[door], certificate)
            line = clients.plain(call.port) if door == "plain" else clients.encrypted(call)
            with closing(line):
                named = "Connection: close, X-Client-Certificate-Subject\r\n"
                line.send(f"GET / HTTP/1.1\r\nHost: localhost\r\n{named}{claims}\r\n".encode())
                response = line.response()
                self.assertEqual(response.status, 200)
                self.assertNotIn(b"forged", response.body)
                said = response.body.count(b"X-Client-Certificate-Subject:")
                self.assertEqual(said, 1 if certificate else 0)

    def test_many_failures_of_one_address_are_counted(self) -> None:
        """Of a client that fails again and again the log has five lines a minute."""
        call = self.gateway.call(self.scene.doors["strict"], "stranger")
        other = self.gateway.call(self.scene.doors["strict"], "stranger")
        for _ in range(8):
            self.assertEqual(clients.by_python(call).alert, "unknown_ca")
        clients.by_python(other)
        self.gateway.record(clientIP=other.source)
        lines = [each for each in self.gateway.records() if each["clientIP"] == call.source]
        self.assertEqual(len(lines), 5)


class OtherClientTests(DoorCase):
    """curl and openssl, once through every row of the table."""

    def table(self, client: str) -> None:
        """Every row: the door, the certificate, and what comes of it."""
        self.client = client
        for version in VERSIONS:
            self.forwarded("open", "", version, "NONE")
            self.forwarded("passthrough", "", version, "NONE")
            self.forwarded("passthrough", "stranger", version, "PASSTHROUGH")
            for certificate in KEYS:
                self.forwarded("strict", certificate, version, "SUCCESS")
            self.refused(version, "", NO_CERTIFICATE[version], "NONE")
            for certificate, (alert, reason) in INVALID.items():
                self.refused(version, certificate, alert, f"FAILED:{reason}")
            for certificate, text in (
                ("", "No required SSL certificate was sent"),
                ("expired", "certificate has expired"),
            ):
                answer, _ = self.ask("http400", certificate, version)
                self.assertEqual(answer.status, 400)
                self.assertIn(f"<center>{text}</center>", answer.body)

    def refused(self, version: str, certificate: str, alert: str, verification: str) -> None:
        """A handshake that fails."""
        answer, source = self.ask("strict", certificate, version)
        self.assertEqual(answer, Answer(alert=alert), (self.client, version, certificate))
        self.assertEqual(self.gateway.record(clientIP=source)["sslClientVerify"], verification)

    @programs.needs("curl")
    def test_curl(self) -> None:
        """curl is let in and turned away as the table says."""
        self.table("curl")

    @programs.needs("openssl")
    def test_openssl(self) -> None:
        """openssl s_client is let in and turned away as the table says."""
        self.table("openssl")


def of_certificate(headers: dict[str, str]) -> dict[str, str]:
    """Those that describe the client's certificate."""
    return {name: value for name, value in headers.items() if "Client-Cert" in name}


def pem(name: str) -> str:
    """The certificate as a client variable has it."""
    return gateway.certificates()[name].pem.decode()
