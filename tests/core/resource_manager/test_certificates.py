"""Certificates in the body of a gateway."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.serialization import pkcs7
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.resource_manager.certificates import NOT_KEPT
from agwtwisted.core.resource_manager.messages import Serve
from tests.control_planes import GATEWAY, StandIn, base64_of, child, gateway_body, pfx
from tests.pki import Authority

ROOT = Authority.root()
SERVER = ROOT.issue_server("localhost")
DATA = pfx(SERVER, "secret words")


class SslCertificateTests(SynchronousTestCase):
    """Those with keys."""

    def setUp(self) -> None:
        certificate = child("web", data=DATA, password="secret words")
        self.plane = StandIn().with_gateway(sslCertificates=[certificate])

    def served(self) -> Any:
        """The certificates in what the gateway was made of at last."""
        task = self.plane.works[-1].task
        assert isinstance(task, Serve)
        properties: Any = task.body["properties"]
        return [(each["name"], each["properties"].get("data")) for each in properties["sslCertificates"]]

    def shown(self) -> Any:
        """The only one, as it is answered."""
        [certificate] = self.plane.json("GET", GATEWAY)["properties"]["sslCertificates"]
        return certificate["properties"]

    def test_secrets_are_in_no_answer(self) -> None:
        """Data and password go to the gateway and to the secrets, and nowhere else: no answer, no record, no text."""
        self.assertEqual(self.served(), [("web", DATA)])
        self.assertEqual(self.plane.state.secrets["web"].password, "secret words")
        given = self.plane.ask("GET", GATEWAY).body.decode() + self.plane.works[-1].answer.body.decode()
        for text in (given, repr(self.plane.state), repr(self.plane.works[-1])):
            self.assertNotIn(DATA[:60], text)
            self.assertNotIn("secret words", text)

    def test_misspelt_secrets_are_in_no_answer(self) -> None:
        """A member of a certificate that is not known may be its key: what it says is not kept, that it is there is."""
        misspelt = {"pasword": "other words", "pfx": DATA, "properties": {"data": [DATA]}, "order": 1}
        certificate = child("web", data=DATA, password="secret words", **misspelt)
        self.plane.json("PUT", GATEWAY, gateway_body(sslCertificates=[certificate]))
        given = self.plane.ask("GET", GATEWAY).body.decode() + repr(self.plane.state.records)
        for text in (DATA[:60], "secret words", "other words"):
            self.assertNotIn(text, given)
        shown = {name: self.shown()[name] for name in misspelt}
        masked = {"pasword": NOT_KEPT, "pfx": NOT_KEPT, "properties": {"data": [NOT_KEPT]}, "order": 1}
        self.assertEqual(shown, masked)

    def test_keys_among_certificates_of_servers(self) -> None:
        """A private key in a certificate of a server is refused, in each encoding; it would be shown."""
        key = base64_of(SERVER.pem + SERVER.key_pem)
        for data in (DATA, key):
            body = gateway_body(authenticationCertificates=[child("old", data=data)])
            error = self.plane.error("PUT", GATEWAY, body)
            self.assertIn("a private key does not belong", error["message"])
            self.assertNotIn(data[:60], str(error))
        good = child("old", data=base64_of(SERVER.pem))
        self.plane.json("PUT", GATEWAY, gateway_body(authenticationCertificates=[good]))

    def test_public_data(self) -> None:
        """An answer has the certificates without the key, in PKCS #7."""
        found = pkcs7.load_der_pkcs7_certificates(base64.b64decode(self.shown()["publicCertData"]))
        self.assertEqual(set(found), {SERVER.certificate, ROOT.certificate})

    def test_encodings(self) -> None:
        """It has them in whichever encoding the file was sent that the gateway takes."""
        before = self.shown()["publicCertData"]
        for data in (f"{DATA}==", base64.b64encode(DATA.encode()).decode(), DATA.replace("+", "-").replace("/", "_")):
            body = gateway_body(sslCertificates=[child("web", data=data, password="secret words")])
            self.plane.json("PUT", GATEWAY, body)
            self.assertEqual(self.shown()["publicCertData"], before)

    def test_kept_without_data(self) -> None:
        """A GET that is sent back keeps certificate and public data; a new name in it does not work that way."""
        body, before = self.plane.json("GET", GATEWAY), self.shown()
        self.plane.json("PUT", GATEWAY, body)
        self.assertEqual((self.served(), self.shown()), ([("web", DATA)], before))
        body["properties"]["sslCertificates"].append(child("new"))
        error = self.plane.error("PUT", GATEWAY, body)
        self.assertEqual(error["code"], "ApplicationGatewayCertificateDataOrKeyVaultSecretIdMustBeSpecified")
        self.assertIn(f"Certificate '{GATEWAY}/sslCertificates/new'", error["message"])

    def test_replaced(self) -> None:
        """New data takes the place of the old."""
        other = pfx(ROOT.issue_server("other"))
        before = self.shown()
        self.plane.json("PUT", GATEWAY, gateway_body(sslCertificates=[child("web", data=other)]))
        self.assertEqual(self.served(), [("web", other)])
        self.assertEqual(self.plane.state.secrets["web"].password, "")
        self.assertNotEqual(self.shown(), before)

    def test_dropped(self) -> None:
        """A certificate that a PUT leaves out is gone, its secret too; a name that comes back needs data."""
        self.plane.json("PUT", GATEWAY, gateway_body())
        self.assertEqual(self.plane.state.secrets, {})
        self.plane.error("PUT", GATEWAY, gateway_body(sslCertificates=[child("web")]))

    def test_key_vault(self) -> None:
        """A certificate of a vault has no data here; where it takes the place of one that had, the secret goes."""
        vault = "https://v.vault.azure.net/secrets/x"
        self.plane.json("PUT", GATEWAY, gateway_body(sslCertificates=[child("web", keyVaultSecretId=vault)]))
        self.assertEqual((self.plane.state.secrets, self.served()), ({}, [("web", None)]))
        self.assertEqual(self.shown()["keyVaultSecretId"], vault)

    def test_unreadable(self) -> None:
        """What cannot be opened has no public data: the gateway refuses it when it is made."""
        self.plane.json("PUT", GATEWAY, gateway_body(sslCertificates=[child("web", data="bm9uZQ==")]))
        self.assertNotIn("publicCertData", self.shown())


class TrustedClientCertificateTests(SynchronousTestCase):
    """CA certificates for clients."""

    def test_issuer_dn(self) -> None:
        """An answer has the data again, with the DN of the issuer, in each encoding."""
        texts = (base64_of(ROOT.pem), base64_of(ROOT.der), ROOT.pem.decode(), base64_of(ROOT.der).rstrip("="))
        for text in texts:
            plane = StandIn().with_gateway(trustedClientCertificates=[child("ca", data=text)])
            [shown] = plane.json("GET", GATEWAY)["properties"]["trustedClientCertificates"]
            self.assertEqual(shown["properties"]["data"], text)
            self.assertEqual(shown["properties"]["clientCertIssuerDN"], "CN=Test Root")

    def test_unreadable(self) -> None:
        """What is no chain has no DN."""
        plane = StandIn().with_gateway(trustedClientCertificates=[child("ca", data="nothing!")])
        [shown] = plane.json("GET", GATEWAY)["properties"]["trustedClientCertificates"]
        self.assertNotIn("clientCertIssuerDN", shown["properties"])
