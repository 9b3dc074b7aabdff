"""One gateway of an ARM document and one of the INI that is imported from it: real clients have equal answers."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

import attrs

from tests import running
from tests.arm_gateways import child, listener, pfx, reference, rule, text_of
from tests.arm_gateways import gateway as body_of
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Named, echo
from tests.end_to_end.lines import Line
from tests.http2_clients import over_tls

DOORS: Final = ("strict", "passthrough", "shared", "relayed", "dedicated")
FIRST: Final = 4430
CLIENTS: Final = ("ecdsa", "rsa", "stranger", "expired", "self-signed", "")
GET: Final = b"GET /a?b HTTP/1.1\r\nHost: localhost\r\nX-Client-Certificate-Subject: forged\r\n\r\n"
OWN: Final = ("x-appgw-trace-id", "x-forwarded-for", "x-forwarded-port")
"""Headers that differ from request to request, or by the port."""

JA4: Final = "x-azure-ja4-fingerprint"
"""That of a client's TLS, which has the protocols that it offers in it."""


def document() -> dict[str, Any]:
    """Doors that are Strict, Passthrough, of a policy, of L4, and one whose connections to servers are not shared.

    Its servers are in a network that is not here.
    """
    found = gateway.certificates()
    tls = {"protocol": "Https", "sslCertificate": reference("sslCertificates", "site")}
    strict = tls | {"sslProfile": reference("sslProfiles", "strict")}
    mode = {"verifyClientCertIssuerDN": False, "verifyClientRevocation": "None"}
    return body_of(
        enableHttp2=True,
        sslCertificates=[child("site", data=text_of(pfx("hunter2", found["server"])), password="hunter2")],
        trustedClientCertificates=[child("devices", data=text_of(found["devices-root"].pem))],
        sslProfiles=[
            child(
                "strict",
                trustedClientCertificates=[reference("trustedClientCertificates", "devices")],
                clientAuthConfiguration=mode | {"verifyClientAuthMode": "strict"},
            ),
            child("lax", clientAuthConfiguration=mode | {"verifyClientAuthMode": "Passthrough"}),
        ],
        frontendPorts=[child(door, port=FIRST + number) for number, door in enumerate(DOORS)],
        httpListeners=[
            listener("strict", "strict", **strict),
            listener("passthrough", "passthrough", **tls, sslProfile=reference("sslProfiles", "lax")),
            listener("shared", "shared", **tls),
            listener("dedicated", "dedicated", **strict),
        ],
        listeners=[listener("relayed", "relayed", **strict | {"protocol": "Tls"})],
        backendAddressPools=[
            child(name, backendAddresses=[{"fqdn": f"{name}.internal.example"}])
            for name in ("app", "one", "two", "raw")
        ],
        backendHttpSettingsCollection=[
            child("plain", port=80, protocol="Http", requestTimeout=30),
            child("own", port=80, protocol="Http", dedicatedBackendConnection=True),
        ],
        backendSettingsCollection=[child("raw", port=1883, protocol="Tcp", timeout=60)],
        loadDistributionPolicies=[
            child(
                "canary",
                loadDistributionAlgorithm="RoundRobin",
                loadDistributionTargets=[
                    child("a", weightPerServer=3, backendAddressPool=reference("backendAddressPools", "one")),
                    child("b", weightPerServer=1, backendAddressPool=reference("backendAddressPools", "two")),
                ],
            )
        ],
        rewriteRuleSets=[
            child(
                "certificate",
                rewriteRules=[
                    {
                        "name": "Says Who It Is",
                        "ruleSequence": 100,
                        "actionSet": {
                            "requestHeaderConfigurations": [
                                {"headerName": "X-Verified", "headerValue": "{var_client_certificate_verification}"},
                                {"headerName": "X-Print", "headerValue": "{var_client_certificate_fingerprint}"},
                            ]
                        },
                    }
                ],
            )
        ],
        requestRoutingRules=[
            rule("strict", "strict", 1),
            rule("passthrough", "passthrough", 2, rewriteRuleSet=reference("rewriteRuleSets", "Certificate")),
            rule("shared", "shared", 3, loadDistributionPolicy=reference("loadDistributionPolicies", "canary")),
            rule(
                "dedicated",
                "dedicated",
                4,
                backendHttpSettings=reference("backendHttpSettingsCollection", "own"),
            ),
        ],
        routingRules=[
            child(
                "relayed",
                ruleType="Basic",
                priority=5,
                listener=reference("listeners", "relayed"),
                backendAddressPool=reference("backendAddressPools", "raw"),
                backendSettings=reference("backendSettingsCollection", "raw"),
            )
        ],
    )


def pairs(ports: list[int]) -> str:
    """The ports of the document, and those in their places."""
    return ",".join(f"{FIRST + number}={port}" for number, port in enumerate(ports))


def shouting(line: Line) -> None:
    """A server of L4: what it gets, in capital letters."""
    line.send(line.exactly(5).upper())
    line.rest()


@attrs.frozen
class Both:
    """The ports of both gateways by the names of doors."""

    document: dict[str, int]
    ini: dict[str, int]


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """The gateway of the document, called gw.ini, and that of the INI file that is made of it."""
    ports = running.free_ports(2 * len(DOORS))
    of_document, of_ini = ports[: len(DOORS)], ports[len(DOORS) :]
    with (
        closing(Backend(echo)) as echoes,
        closing(Backend(shouting)) as relayed,
        closing(Backend(Named("one"))) as one,
        closing(Backend(Named("two"))) as two,
        gateway.prepared("") as first,
        gateway.prepared("") as second,
    ):
        servers = {"app": echoes.port, "one": one.port, "two": two.port, "raw": relayed.port}
        first.file.write_text(json.dumps(document()))
        first.file.chmod(0o600)
        here = "".join(f"backend.{name} = 127.0.0.1:{port}\n" for name, port in servers.items())
        (first.directory / "gw.overlay.ini").write_text(f"[arm]\nports = {pairs(of_document)}\n{here}")
        options = ["--port", pairs(of_ini), "--output", str(second.directory), "--force"]
        for name, port in servers.items():
            options += ["--backend", f"{name}=127.0.0.1:{port}"]
        imported = first.agw("import", "gw.ini", *options)
        assert imported.returncode == 0, imported.stdout + imported.stderr
        for each, doors in ((first, of_document), (second, of_ini)):
            each.ports = doors
            each.start()
        both = Both(*(dict(zip(DOORS, doors, strict=True)) for doors in (of_document, of_ini)))
        yield gateway.Scene(gateway=first, doors=both.document, backend=(both, echoes))
        for each in (first, second):
            each.stop()
            gateway.assert_no_defect(each.output)


class AlikeTests(gateway.SceneCase):
    """Clients good, bad and absent, at both."""

    stage = staticmethod(stage)

    def both(self, door: str) -> tuple[int, int]:
        """The ports of a door."""
        ports: Both = self.scene.backend[0]
        return ports.document[door], ports.ini[door]

    def answer(self, port: int, certificate: str) -> tuple[object, ...]:
        """What a client gets, and what the server behind the gateway got of it."""
        try:
            with closing(clients.encrypted(self.gateway.call(port, certificate))) as line:
                line.send(GET)
                response = line.response()
        except ssl.SSLError as error:
            return (clients.alert_of(error),)
        kept = sorted(line for line in response.body.decode().lower().split("\r\n") if not line.startswith(OWN))
        return response.status, response.get("server"), kept

    def test_http(self) -> None:
        """Status and page, and the headers by which a server knows the client."""
        for door, expected in (
            ("strict", [200, 200, 400, 400, 400, 400]),
            ("passthrough", [200] * 6),
            ("dedicated", [200, 200, 400, 400, 400, 400]),
        ):
            found = {}
            for certificate in CLIENTS:
                found[certificate], other = (self.answer(port, certificate) for port in self.both(door))
                self.assertEqual(found[certificate], other, f"{door} {certificate}")
            self.assertEqual([answer[0] for answer in found.values()], expected, door)
            self.assertNotIn("forged", str(found), door)

    def test_passthrough(self) -> None:
        """The rules of the document say who the client is."""
        for certificate, verified in (("ecdsa", "passthrough"), ("stranger", "passthrough"), ("", "none")):
            for port in self.both("passthrough"):
                headers = str(self.answer(port, certificate))
                self.assertIn(f"x-verified: {verified}", headers)
                self.assertEqual(bool(certificate), "x-print: " in headers, headers)

    def test_http2(self) -> None:
        """A client that speaks HTTP/2 has the same answer with it as with HTTP/1.1."""
        for port in self.both("strict"):
            with closing(over_tls(self.gateway.call(port, "ecdsa"))) as client:
                response = client.fetch("/a?b", ("x-client-certificate-subject", "forged"))
            mine = response.text.lower().split("\r\n")
            _, _, theirs = self.answer(port, "ecdsa")
            found = [sorted(each for each in lines if not each.startswith((*OWN, JA4))) for lines in (mine, theirs)]
            self.assertEqual((response.status, found[0]), (200, found[1]))

    def test_weights(self) -> None:
        """Pools of a policy share requests by their weights."""
        for port in self.both("shared"):
            counts = Counter(str(self.answer(port, "")[2]) for _ in range(8))
            self.assertEqual(counts, {"['one']": 6, "['two']": 2})

    def test_relayed(self) -> None:
        """On L4 the same clients come through, and the others none of their bytes."""
        for certificate in CLIENTS:
            found = set()
            for port in self.both("relayed"):
                try:
                    with closing(clients.encrypted(self.gateway.call(port, certificate))) as line:
                        line.send(b"hello")
                        found.add(line.exactly(5))
                except (ssl.SSLError, AssertionError, OSError):
                    found.add(b"")
            self.assertEqual(found, {b"HELLO" if certificate in ("ecdsa", "rsa") else b""}, certificate)
