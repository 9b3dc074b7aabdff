"""`agwtwisted.core.arm.exporting`: a configuration as ARM."""

from __future__ import annotations

import base64
import json

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.arm.exporting import Export, ExportOptions, exported
from agwtwisted.core.base.errors import Severity
from agwtwisted.core.sections import ini
from agwtwisted.core.sections.ini_text import written
from agwtwisted.core.verification.server_certificates import read_pfx
from tests import configurations

PROBES = """
[probe none]
protocol = Http

[probe own]
protocol = Https
host = a.example

[probe stream]
protocol = Tcp
"""

FAR = "".join(
    f"\n[http_listener l{number}]\naddress = 10.0.0.{number}\nport = 80\nprotocol = Http\n" for number in (1, 2)
)


def export(text: str = configurations.GOOD, *, read_as: str = "", **options: object) -> Export:
    """What is written of a file, whose body is read as another one; by default as one that says nothing."""
    document = ini.parse(text.encode(), configurations.FILE)
    return exported(
        document,
        configurations.files(site_pfx=pfx()).read,
        lambda data: ini.parse(read_as.encode(), "gateway.json"),
        ExportOptions(directory="conf", **options),  # type: ignore[arg-type]
    )


def pfx() -> bytes:
    """The server's certificate, encrypted by a password."""
    site = configurations.site()
    leaf, *others = x509.load_pem_x509_certificates(site.chain_pem)
    encryption = BestAvailableEncryption(b"old")
    return pkcs12.serialize_key_and_certificates(b"site", site.key, leaf, others, encryption)


class ExportingTests(SynchronousTestCase):
    """Bodies, templates, secrets, findings."""

    def test_trusted(self) -> None:
        """Trusted certificates are in the body as their files are."""
        [found] = export().body["properties"]["trustedClientCertificates"]
        self.assertEqual(base64.b64decode(found["properties"]["data"]), configurations.clients_root().pem)

    def test_no_secrets(self) -> None:
        """Unless they are wanted there are no keys, and that is said; the overlay has their files."""
        found = export()
        self.assertNotIn("data", json.dumps(found.body["properties"]["sslCertificates"]))
        self.assertIn("--secrets", str(found.findings[0]))
        self.assertIn("[ssl_certificate site]\ncertificate_file = pki/site.pem\n", written(found.overlay))

    def test_pem(self) -> None:
        """A certificate and its key become a PFX with the given password, chain included; the overlay has no files."""
        found = export(password="new")
        [certificate] = found.body["properties"]["sslCertificates"]
        server = read_pfx(base64.b64decode(certificate["properties"]["data"]), b"new")
        self.assertEqual(len(server.certificates), 2)
        self.assertEqual(certificate["properties"]["password"], "new")
        self.assertNotIn("site.pem", written(found.overlay))

    def test_pfx(self) -> None:
        """A PFX is written as it is, with its own password."""
        text = configurations.GOOD.replace(
            "pki/site.pem\nkey_file = pki/site.key", "pki/site.pfx\npassword_file = pki/pw"
        )
        document = ini.parse(text.encode(), configurations.FILE)
        source = configurations.files(site_pfx=pfx())
        source.data["conf/pki/pw"] = b"old\n"
        options = ExportOptions(password="new")
        found = exported(document, source.read, lambda data: ini.parse(b"", ""), options)
        [certificate] = found.body["properties"]["sslCertificates"]
        self.assertEqual(certificate["properties"]["data"], base64.b64encode(source.data["conf/pki/site.pfx"]).decode())
        self.assertEqual(certificate["properties"]["password"], "old")

    def test_template(self) -> None:
        """A template has parameters in place of secrets; where these are wanted, a file of their own has the values."""
        found = export(template=True)
        self.assertIn("$schema", found.body)
        self.assertIsNone(found.parameters)
        with_secrets = export(template=True, password="new")
        self.assertEqual(with_secrets.body, found.body)
        self.assertEqual(
            with_secrets.parameters and with_secrets.parameters["parameters"]["sslCertificate_site_password"],
            {"value": "new"},
        )
        self.assertNotIn('"new"', repr(with_secrets))

    def test_conditions(self) -> None:
        """Conditions are numbered anew, as they are read: the overlay has none of them twice."""
        text = "[rewrite_rule a/b]\ncondition.5 = var_host ~ a\ncondition.20 = var_host ~ b\nurl_path = /x\n"
        read_as = text.replace(".5 ", ".1 ").replace(".20 ", ".2 ")
        self.assertNotIn("condition", written(export(configurations.GOOD + text, read_as=read_as).overlay))

    def test_variables(self) -> None:
        """A variable that the product does not have is said, for Azure refuses the rule."""
        condition = "condition.1 = var_client_certificate_subject_cn == x"
        rule = f"\n[rewrite_rule a/b]\n{condition}\nrequest_header.X-A = {{var_host}}\n"
        found = [str(each) for each in export(configurations.GOOD + rule, read_as=rule).findings]
        self.assertTrue(any("no variable var_client_certificate_subject_cn" in each for each in found), found)
        self.assertFalse(any("var_host" in each for each in found), found)

    def test_findings(self) -> None:
        """What Azure refuses, or has no place for, is said before it does."""
        found = [
            str(each)
            for each in export(configurations.GOOD + PROBES + FAR).findings
            if each.severity is Severity.WARNING
        ]
        self.assertTrue(any("[probe none] Azure wants host" in each for each in found), found)
        self.assertFalse(any("probe own" in each or "probe stream" in each for each in found), found)
        self.assertTrue(any("[http_listener l2] address 10.0.0.2" in each for each in found), found)
        self.assertFalse(any("http_listener l1" in each for each in found), found)
