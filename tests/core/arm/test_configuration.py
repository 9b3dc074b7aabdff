"""`agwtwisted.core.arm.configuration`: a document and its overlay as the sections of a configuration."""

from __future__ import annotations

import json

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.configuration import (
    NO_OVERLAY,
    ArmConfiguration,
    ArmSource,
    arm_configuration,
    arm_gateways,
)
from agwtwisted.core.arm.inputs import ArmKeys, with_arm
from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.sections import ini
from tests.arm_gateways import Body, gateway, https, pfx, sections, server
from tests.configurations import Files

OVERLAY = "conf/gateway.overlay.ini"


def source(
    body: Body | list[Body] | None, overlay: str = "", keys: ArmKeys = (), *, may_wait: bool = False
) -> ArmSource:
    """A document with an overlay and options."""
    return ArmSource(
        data=None if body is None else json.dumps(body, indent=1).encode(),
        file="conf/gateway.json",
        overlay=with_arm(ini.parse(overlay.encode(), OVERLAY) if overlay else NO_OVERLAY, OVERLAY, keys),
        overlay_file=OVERLAY,
        names_may_wait=may_wait,
    )


def made(
    body: Body | list[Body] | None, overlay: str = "", keys: ArmKeys = (), *, may_wait: bool = False
) -> ArmConfiguration:
    """Its configuration; there are no files on the disk."""
    return arm_configuration(source(body, overlay, keys, may_wait=may_wait), Files().read)


def errors(configuration: ArmConfiguration) -> list[str]:
    """What is wrong with it."""
    return [str(each) for each in configuration.document.problems if each.severity.value == "ERROR"]


class ConfigurationTests(SynchronousTestCase):
    """From a document to sections."""

    def test_bicep(self) -> None:
        """Bicep is refused with what to do."""
        for text in (b"param x string\n", b"targetScope = 'subscription'"):
            with self.assertRaisesRegex(ConfigError, "bicep build"):
                arm_configuration(ArmSource(data=text, file="main.bicep"), Files().read)

    def test_overlay_and_options(self) -> None:
        """Options of the command line replace keys of the overlay, which replace those of the document."""
        overlay = (
            "[arm]\nports = 80=8081\nbackend.app = 127.0.0.1:1\n[backend_http_settings plain]\nrequest_timeout = 7\n"
        )
        found = made(gateway(), overlay, (("ports", "80=8082"),))
        self.assertEqual(errors(found), [])
        of = sections(found.document)
        self.assertEqual(of["http_listener web"]["port"], "8082")
        self.assertEqual(of["backend_address_pool app"]["backend_addresses"], "127.0.0.1:1")
        self.assertEqual(of["backend_http_settings plain"]["request_timeout"], "7")
        self.assertEqual(of["arm"], {"ports": "80=8082", "backend.app": "127.0.0.1:1"})

    def test_files_of_the_document(self) -> None:
        """Certificates in a document are files that the disk cannot have: an overlay may name one of the same path."""
        found = made(https())
        self.assertEqual(errors(found), [])
        self.assertEqual(
            sorted(found.files),
            ["conf/gateway.json#certificates/site.password", "conf/gateway.json#certificates/site.pfx"],
        )
        self.assertEqual(
            sections(found.document)["ssl_certificate site"],
            {
                "certificate_file": "gateway.json#certificates/site.pfx",
                "password_file": "gateway.json#certificates/site.password",
            },
        )
        body = https()
        body["properties"]["sslCertificates"].append({"name": "other", "properties": {}})
        own = "[ssl_certificate other]\ncertificate_file = certificates/site.pfx\n"
        over = sections(made(body, own).document)
        self.assertEqual(over["ssl_certificate other"]["certificate_file"], "certificates/site.pfx")
        self.assertEqual(over["ssl_certificate site"]["certificate_file"], "gateway.json#certificates/site.pfx")
        self.assertNotIn("secret", repr(found))

    def test_certificates_elsewhere(self) -> None:
        """A certificate without data is no error where the overlay names its files."""
        body = https()
        body["properties"]["sslCertificates"] = [{"name": "site", "properties": {}}]
        self.assertEqual(len(errors(made(body))), 1)
        own = "[ssl_certificate site]\ncertificate_file = site.pem\nkey_file = site.key\n"
        found = made(body, own)
        self.assertEqual(errors(found), [])
        self.assertEqual(
            sections(found.document)["ssl_certificate site"], {"certificate_file": "site.pem", "key_file": "site.key"}
        )

    def test_given_certificate(self) -> None:
        """A certificate of [arm] is in place of the document's: the file itself, which is relative to its key."""
        files = Files({"conf/site.pem": server().chain_pem + server().key_pem})
        body = https()
        body["properties"]["sslCertificates"] = [{"name": "site", "properties": {"keyVaultSecretId": "https://v/s"}}]
        found = arm_configuration(source(body, "[arm]\ncertificate.sslCertificates/SITE = site.pem\n"), files.read)
        self.assertEqual(errors(found), [])
        [section] = (each for each in found.document.sections if each.kind == "ssl_certificate")
        self.assertEqual({each.key for each in section.entries}, {"certificate_file", "key_file"})
        self.assertEqual({each.value for each in section.entries}, {"site.pem"})
        self.assertEqual({str(each.place) for each in section.entries}, {f"{OVERLAY}:2"})
        self.assertEqual(found.files, {})

    def test_given_certificate_of_another_name(self) -> None:
        """One whose name does not say that it is PKCS #12 is read by its content; its own mode counts."""
        files = Files({"conf/site.bin": pfx("secret"), "conf/p": b"secret\n"}, modes={"conf/site.bin": 0o100640})
        overlay = "[arm]\ncertificate.site = site.bin\npassword.site = p\n"
        found = arm_configuration(source(https(), overlay), files.read)
        self.assertEqual(errors(found), [])
        self.assertEqual(found.modes, {"conf/gateway.json#certificates/site.pfx": 0o100640})
        of = sections(found.document)["ssl_certificate site"]
        self.assertEqual(of, {"certificate_file": "gateway.json#certificates/site.pfx", "password_file": "p"})

    def test_names_of_nothing(self) -> None:
        """What the overlay names and the document does not have is an error there; of a control plane a warning."""
        overlay = "[arm]\nbackend.ap = 127.0.0.1:1\n[ssl_profile devices]\nrefusal = Http400\n"
        lines = errors(made(gateway(), overlay))
        self.assertEqual(len(lines), 2)
        self.assertIn(f"ERROR {OVERLAY}:2 [arm] backend.ap names no backend pool", lines[0])
        self.assertIn(f"ERROR {OVERLAY}:3 [ssl_profile devices] the document has no ssl_profile", lines[1])
        found = made(gateway(), overlay, may_wait=True)
        self.assertEqual(errors(found), [])
        self.assertIn(
            "WARNING", [each.severity.value for each in found.document.problems if "ssl_profile" in each.section]
        )

    def test_several_gateways(self) -> None:
        """Of several gateways one has to be named, in any case."""
        other = gateway()
        other["name"] = "Other"
        self.assertEqual(
            [each.resource.name for each in arm_gateways(source([gateway(), other]), Files().read)], ["edge", "Other"]
        )
        with self.assertRaisesRegex(ConfigError, "has 2 application gateways: 'edge', 'Other'; name one: --name"):
            made([gateway(), other])
        self.assertEqual(errors(made([gateway(), other], keys=(("name", "other"),))), [])

    def test_unreadable_document(self) -> None:
        """Where there is no gateway to be read, what is wrong with the overlay and its keys is said all the same."""
        with self.assertRaises(ConfigError) as caught:
            arm_configuration(source({"a": 1}, "[arm]\nports = x\ncertificate.a = a.pem\n"), Files().read)
        said = [str(each) for each in caught.exception.problems]
        self.assertEqual(len(said), 3)
        self.assertIn(f"{OVERLAY}:2 [arm] ports has 'x'", said[0])
        self.assertIn(f"{OVERLAY}:3 [arm] cannot read conf/a.pem", said[1])
        self.assertIn("conf/gateway.json:1 has no application gateway", said[2])

    def test_without_a_gateway(self) -> None:
        """Without a document the overlay's own sections are left."""
        found = made(None, "[gateway]\nworkers = 2\n[ssl_profile a]\nrefusal = Http400\n[arm]\nport_offset = 1\n")
        self.assertEqual(sections(found.document), {"gateway": {"workers": "2"}, "arm": {"port_offset": "1"}})
        self.assertEqual(found.files, {})
