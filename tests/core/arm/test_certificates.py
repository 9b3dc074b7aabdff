"""The certificates of a gateway as sections and files."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.certificate_data import VirtualFile
from agwtwisted.core.arm.certificates import VirtualFiles
from agwtwisted.core.arm.context import GATEWAY_TYPE
from agwtwisted.core.arm.import_options import GivenCertificate, ImportOptions
from agwtwisted.core.base.errors import Severity
from tests.arm_gateways import (
    ID,
    Body,
    authority,
    child,
    converted,
    gateway,
    https,
    pfx,
    plan_of,
    plan_of_ini,
    reference,
    refusals,
    said,
    sections,
    server,
    text_of,
)

STRICT: Body = {"trustedClientCertificates": [reference("trustedClientCertificates", "ca")]}


def strict(data: Any) -> Body:
    """A gateway whose clients are verified against the certificate with these data."""
    return https(profile=STRICT, trusted=[child("ca", data=data)])


def with_roots(data: Any, **properties: Any) -> Body:
    """A gateway whose servers are verified against the certificate with these data."""
    settings = {"port": 9000, "protocol": "Https"} | {
        "trustedRootCertificates": [reference("trustedRootCertificates", "ca")]
    }
    roots = [child("ca", data=data, **properties)]
    return gateway(backendHttpSettingsCollection=[child("plain", **settings)], trustedRootCertificates=roots)


class SslCertificateTests(SynchronousTestCase):
    """What listeners show."""

    def test_pfx(self) -> None:
        """A PFX and its password are files that only their owner may read."""
        conversion = converted(https())
        self.assertEqual(
            sections(conversion)["ssl_certificate site"],
            {"certificate_file": "certificates/site.pfx", "password_file": "certificates/site.password"},
        )
        self.assertEqual([each.is_secret for each in conversion.files.values()], [True, True])
        self.assertEqual(conversion.files["certificates/site.password"].data, b"secret")
        for plan in (plan_of(conversion), plan_of_ini(conversion)):
            (listener,) = plan.config.http_listeners
            assert listener.ssl_certificate
            self.assertEqual(len(listener.ssl_certificate.certificates), 2)

    def test_without_password(self) -> None:
        """A PFX without a password needs none, whether it is absent or empty."""
        for properties in ({}, {"password": ""}, {"password": None}):
            body = https(sslCertificates=[child("site", data=text_of(pfx()), **properties)])
            conversion = converted(body)
            self.assertEqual([*conversion.files], ["certificates/site.pfx"])
            self.assertEqual(refusals(conversion), [])

    def test_wrong_password(self) -> None:
        """A wrong password, or none, is refused with the product's code; it is in no message."""
        for password in ("hunter2", ""):
            body = https(sslCertificates=[child("site", data=text_of(pfx("secret")), password=password)])
            (only,) = refusals(converted(body))
            self.assertTrue(only.endswith("(ApplicationGatewaySslCertificatePasswordIncorrect)"), only)
            self.assertNotIn("hunter2", only)

    def test_too_big(self) -> None:
        """A PFX over the product's limit is refused with its code."""
        body = https(sslCertificates=[child("site", data=text_of(pfx("secret") + bytes(16_384)), password="secret")])
        (only,) = refusals(converted(body))
        self.assertTrue(only.endswith("(ApplicationGatewaySslCertificateDataTooBig)"), only)

    def test_pem_with_key(self) -> None:
        """A PEM file with certificate and key is taken as both."""
        data = server().chain_pem + server().key_pem
        conversion = converted(https(sslCertificates=[child("site", data=text_of(data))]))
        self.assertEqual(
            sections(conversion)["ssl_certificate site"],
            {"certificate_file": "certificates/site.pem", "key_file": "certificates/site.pem"},
        )
        self.assertEqual(refusals(conversion), [])

    def test_no_data(self) -> None:
        """A certificate without data is refused with the product's code and the option that helps."""
        for properties in ({}, {"publicCertData": text_of(server().der)}, {"data": "", "password": "x"}):
            (only,) = refusals(converted(https(sslCertificates=[{"name": "site", "properties": properties}])))
            self.assertIn(f"for Certificate '{ID}/sslCertificates/site' in Application Gateway", only)
            self.assertIn("--certificate site=FILE gives its file", only)
            self.assertTrue(only.endswith("(ApplicationGatewayCertificateDataOrKeyVaultSecretIdMustBeSpecified)"))

    def test_key_vault(self) -> None:
        """A secret of Key Vault is named, with the certificate and the option that helps."""
        secret = "https://vault.example/secrets/site"
        (only,) = refusals(converted(https(sslCertificates=[child("site", keyVaultSecretId=secret)])))
        self.assertIn(f"certificate site is in Key Vault ({secret})", only)
        self.assertTrue(
            only.endswith("--certificate site=FILE gives its file (ApplicationGatewayKeyVaultSecretException)")
        )

    def test_key_vault_by_option(self) -> None:
        """The option gives the file of a certificate, whose name counts without case."""
        body = https(sslCertificates=[child("site", keyVaultSecretId="https://vault.example/secrets/site")])
        for name in ("site", "SITE", "sslCertificates/site"):
            file = GivenCertificate(data=pfx("other"), password=b"other")
            conversion = converted(body, ImportOptions(certificates={name: file}))
            self.assertEqual(refusals(conversion), [])
            self.assertEqual(conversion.files["certificates/site.password"].data, b"other")

    def test_unknown_values(self) -> None:
        """Data, password or secret that only a deployment has are refused, unless the option gives the file."""
        expressions = ({"data": "[parameters('d')]"}, {"keyVaultSecretId": "[reference('v').uri]"})
        options = ImportOptions(certificates={"site": GivenCertificate(data=pfx())})
        for properties in (*expressions, {"data": text_of(pfx("x")), "password": "[parameters('p')]"}):
            body = https(sslCertificates=[child("site", **properties)]) | {"type": GATEWAY_TYPE}
            del body["id"]
            (only,) = refusals(converted(body))
            self.assertTrue("parameters('" in only or "reference('v')" in only, only)
            self.assertEqual(refusals(converted(body, options)), [])

    def test_hsm(self) -> None:
        """A key in an HSM is refused once."""
        body = https(sslCertificates=[child("site", hsm={"keyId": "https://hsm.example/keys/k"})])
        (only,) = said(converted(body))
        self.assertIn("hsm is not supported", only)

    def test_placeholder(self) -> None:
        """A placeholder is called so."""
        (only,) = refusals(converted(https(sslCertificates=[child("site", data="****")])))
        self.assertIn("certificate site holds a placeholder", only)

    def test_elsewhere(self) -> None:
        """A certificate whose files an overlay names needs no data here."""
        body = https(sslCertificates=[{"name": "site", "properties": {}}])
        conversion = converted(body, ImportOptions(elsewhere=frozenset({"ssl_certificate site"})))
        self.assertEqual((said(conversion), sections(conversion)["ssl_certificate site"]), ([], {}))


class TrustedClientCertificateTests(SynchronousTestCase):
    """What clients are verified against."""

    def test_every_encoding(self) -> None:
        """The same CA is trusted in whatever encoding it was written."""
        pem, der = authority().pem, authority().der
        forms = (text_of(pem), text_of(der), pem.decode(), base64.urlsafe_b64encode(der).decode().rstrip("="))
        for data in forms:
            conversion = converted(strict(data))
            for plan in (plan_of(conversion), plan_of_ini(conversion)):
                (listener,) = plan.config.http_listeners
                assert listener.ssl_profile
                (trusted,) = listener.ssl_profile.trusted_client_certificates
                self.assertEqual(trusted.chain.root.der, der)

    def test_places(self) -> None:
        """What is wrong with a certificate in the document is said where it stands there: it is in no other file."""
        (only,) = refusals(converted(strict(text_of(b"0\x82\x01\x00"))))
        self.assertTrue(
            only.startswith("properties.trustedClientCertificates[0].properties.data [trusted_client"), only
        )

    def test_codes(self) -> None:
        """Data that will not do are refused with the product's codes."""
        leaf = authority().issue("device")
        code = "ApplicationGatewayTrustedClientCertificate"
        for data, ending in (
            (None, f"({code}MustSpecifyData)"),
            ("no base64!", f"({code}InvalidData)"),
            (text_of(b"neither"), f"({code}InvalidData)"),
            (text_of(leaf.pem), f"({code}DoesNotContainAnyCACertificate)"),
            (text_of(authority().pem + leaf.key_pem), f"({code}MustNotHavePrivateKey)"),
        ):
            found = refusals(converted(strict(data)))
            self.assertTrue(found and found[0].endswith(ending), (ending, found))


class TrustedRootCertificateTests(SynchronousTestCase):
    """What servers are verified against."""

    def test_encodings(self) -> None:
        """PEM and DER, as base64, are taken."""
        for data in (authority().pem, authority().der):
            conversion = converted(with_roots(text_of(data)))
            self.assertEqual(refusals(conversion), [])
            self.assertEqual(sections(conversion)["backend_http_settings plain"]["trusted_root_certificates"], "ca")

    def test_key_vault(self) -> None:
        """A secret of Key Vault is refused, unless an option gives the file."""
        body = with_roots(None, keyVaultSecretId="https://vault.example/secrets/ca")
        self.assertEqual(len(refusals(converted(body))), 1)
        options = ImportOptions(certificates={"ca": GivenCertificate(data=authority().pem)})
        self.assertEqual(refusals(converted(body, options)), [])


class AuthenticationCertificateTests(SynchronousTestCase):
    """Certificates that v1 pinned."""

    def pinned(self, data: bytes) -> Any:
        """A gateway of v1 that pins a certificate."""
        settings = {"port": 9000, "protocol": "Https"} | {
            "authenticationCertificates": [reference("authenticationCertificates", "server")]
        }
        return converted(
            gateway(
                backendHttpSettingsCollection=[child("plain", **settings)],
                authenticationCertificates=[child("server", data=text_of(data))],
            )
        )

    def test_authority(self) -> None:
        """That of a CA becomes a trusted root, with a warning."""
        found = self.pinned(authority().der)
        self.assertEqual(sections(found)["backend_http_settings plain"]["trusted_root_certificates"], "server")
        self.assertEqual(refusals(found), [])
        self.assertIn("becomes a trusted root", said(found, Severity.WARNING)[0])

    def test_others(self) -> None:
        """That of a server is ignored with a warning, and the servers are verified against the system's roots."""
        found = self.pinned(authority().issue_server("localhost").der)
        self.assertNotIn("trusted_root_certificates", sections(found)["backend_http_settings plain"])
        self.assertIn("is ignored", said(found, Severity.WARNING)[0])
        self.assertEqual(refusals(found), [])

    def test_data(self) -> None:
        """Data that are none are refused."""
        self.assertTrue(said(self.pinned(b"")))


class VirtualFilesTests(SynchronousTestCase):
    """Files of a conversion."""

    def test_names(self) -> None:
        """No two files differ in case alone."""
        files = VirtualFiles()
        paths = [files.add("d", name, ".pem", VirtualFile(data=b"")) for name in ("a", "A", "a")]
        self.assertEqual(paths, ["d/a.pem", "d/A-2.pem", "d/a-3.pem"])

    def test_two_collections(self) -> None:
        """Certificates of two collections may have one name."""
        body = strict(text_of(authority().der))
        body["properties"]["trustedRootCertificates"] = [child("ca", data=text_of(authority().der))]
        found = sections(converted(body))
        self.assertEqual(found["trusted_client_certificate ca"]["file"], "certificates/ca.cer")
        self.assertEqual(found["trusted_root_certificate ca"]["file"], "certificates/ca-2.cer")
