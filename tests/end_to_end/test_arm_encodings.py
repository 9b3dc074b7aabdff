"""Certificates in every encoding in which ARM documents have them: from the document, and from the INI made of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from tests import running
from tests.arm_gateways import child, listener, pfx, reference, rule, text_of
from tests.arm_gateways import gateway as body_of
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.pki import Credential

FORMS: Final = ("pem", "der", "text", "url")


def trusted(form: str, root: Credential) -> str:
    """The data of a trusted client certificate: base64 of PEM or DER, the text of a PEM file, base64 for URLs."""
    if form == "text":
        return root.pem.decode()
    if form == "url":
        return base64.urlsafe_b64encode(root.der).decode().rstrip("=")
    return text_of(root.pem if form == "pem" else root.der)


def document(backend: int) -> dict[str, Any]:
    """A strict listener for each form, on a port of its own."""
    found = gateway.certificates()
    numbered = {form: f"{4430 + number}" for number, form in enumerate(FORMS)}
    site = text_of(pfx("hunter2", found["server"]))
    wrapped = "\n".join(site[start : start + 76] for start in range(0, len(site), 76))
    return body_of(
        sslCertificates=[child("site", data=wrapped, password="hunter2")],
        trustedClientCertificates=[child(form, data=trusted(form, found["devices-root"])) for form in FORMS],
        sslProfiles=[
            child(form, trustedClientCertificates=[reference("trustedClientCertificates", form)]) for form in FORMS
        ],
        frontendPorts=[child(form, port=number) for form, number in numbered.items()],
        httpListeners=[
            listener(
                form,
                form,
                protocol="Https",
                sslCertificate=reference("sslCertificates", "site"),
                sslProfile=reference("sslProfiles", form),
            )
            for form in FORMS
        ],
        backendHttpSettingsCollection=[child("plain", port=backend, protocol="Http")],
        requestRoutingRules=[rule(form, form, number) for number, form in enumerate(FORMS, start=1)],
    )


def pairs(ports: list[int]) -> str:
    """The ports of the document, and those in their places."""
    return ", ".join(f"{4430 + number}={port}" for number, port in enumerate(ports))


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Two gateways: one of the document, which is called gw.ini, and one of the INI file that is made of it."""
    ports = running.free_ports(2 * len(FORMS))
    of_document, of_ini = ports[: len(FORMS)], ports[len(FORMS) :]
    with closing(Backend()) as backend, gateway.prepared("") as first, gateway.prepared("") as second:
        first.file.write_text(json.dumps(document(backend.port), indent=1))
        first.file.chmod(0o600)
        (first.directory / "gw.overlay.ini").write_text(f"[arm]\nports = {pairs(of_document)}\n")
        options = ("--port", pairs(of_ini).replace(" ", ""), "--output", str(second.directory), "--force")
        imported = first.agw("import", "gw.ini", *options)
        assert imported.returncode == 0, imported.stdout + imported.stderr
        for each, doors in ((first, of_document), (second, of_ini)):
            each.ports = doors
            each.start()
        names = [f"{source} {form}" for source in ("json", "ini") for form in FORMS]
        yield gateway.Scene(gateway=first, doors=dict(zip(names, ports, strict=True)), backend=backend)
        for each in (first, second):
            each.stop()
            gateway.assert_no_defect(each.output)


class EncodingTests(gateway.SceneCase):
    """Clients good, bad and absent."""

    stage = staticmethod(stage)

    def test_clients(self) -> None:
        """Whatever the encoding, and whichever of both is read, the same clients are accepted and refused."""
        for door, port in self.scene.doors.items():
            for certificate, status in (("rsa", 200), ("ecdsa", 200), ("stranger", 400), ("expired", 400), ("", 400)):
                found = clients.by_python(self.gateway.call(port, certificate)).status
                self.assertEqual(found, status, f"{door} {certificate}")
