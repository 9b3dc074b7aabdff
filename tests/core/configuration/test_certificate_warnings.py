"""`agwtwisted.core.configuration.certificate_warnings`: what is warned of about certificates, and what is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import Problem
from agwtwisted.core.configuration.certificate_warnings import KINDS, certificate_warnings, covers
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.demo import certificates
from tests import configurations, pki
from tests.configurations import GOOD, changed, files

SERVERS = pki.Authority.root("Servers Root").intermediate("Servers")
SOON = pki.NOW + timedelta(days=29)
LATER = pki.NOW + timedelta(days=30)


def warned(text: str = GOOD, **others: bytes) -> list[Problem]:
    """The warnings about GOOD, or another configuration, with these files."""
    return list(certificate_warnings(configurations.plan(text, files(**others)), pki.NOW))


def of_server(credential: pki.Credential, text: str = GOOD) -> list[str]:
    """The names of the warnings where a listener has this certificate."""
    found = warned(text, site_pem=credential.chain_pem, site_key=credential.key_pem)
    return [each.name for each in found]


def named(*names: str) -> str:
    """GOOD with host names."""
    return changed(("address = 127.0.0.1\n", f"host_names = {', '.join(names)}\n"))


class EndingTests(SynchronousTestCase):
    """Certificates that end soon, whatever they are for."""

    def test_of_servers(self) -> None:
        """A leaf or an intermediate within 30 days, not before, and not once it is over, which is another warning."""
        self.assertEqual(warned(), [])
        self.assertEqual(of_server(SERVERS.issue_server("localhost", not_after=SOON)), ["certificate-ends-soon"])
        self.assertEqual(of_server(SERVERS.issue_server("localhost", not_after=LATER)), [])
        self.assertEqual(of_server(SERVERS.issue_server("localhost", not_after=pki.NOW)), ["certificate-ends-soon"])
        over = SERVERS.issue_server("localhost", not_after=pki.NOW - timedelta(seconds=1))
        self.assertEqual(of_server(over), [])
        ending = SERVERS.issuers[0].intermediate("Ending", not_after=SOON)
        self.assertEqual(of_server(ending.issue_server("localhost")), ["certificate-ends-soon"])

    def test_of_clients(self) -> None:
        """A trusted CA: the section and the key that name it, and a text that is the same on the next day."""
        root = pki.Authority.root("Ending Root", not_after=SOON)
        [found] = warned(**{"clients-ca_pem": root.pem})
        self.assertEqual((found.section, found.key), ("trusted_client_certificate devices", "file"))
        line = GOOD.splitlines().index("file = pki/clients-ca.pem") + 1
        self.assertEqual((found.place.file, found.place.line), (configurations.FILE, line))
        self.assertEqual(found.message, "'CN=Ending Root' ends on 2026-06-30, in fewer than 30 days")
        plan = configurations.plan(GOOD, files(**{"clients-ca_pem": root.pem}))
        self.assertEqual(certificate_warnings(plan, pki.NOW + timedelta(days=1)), (found,))

    def test_of_backends(self) -> None:
        """A root for backends, and the certificate that the gateway shows to them."""
        root = pki.Authority.root("Backends", not_after=SOON)
        own = pki.Authority.root("Own").issue("gateway", not_after=SOON)
        text = GOOD + "[trusted_root_certificate r]\nfile = pki/r.pem\n"
        text += "[ssl_certificate own]\ncertificate_file = pki/own.pem\nkey_file = pki/own.key\n"
        text = text.replace("port = 9000\n", "port = 9000\nprotocol = Https\ntrusted_root_certificates = r\n")
        text = text.replace("protocol = Https\ntrusted", "protocol = Https\nclient_ssl_certificate = own\ntrusted")
        found = warned(text, r_pem=root.pem, own_pem=own.pem, own_key=own.key_pem)
        sections = [(each.name, each.section) for each in found]
        self.assertEqual(
            sections,
            [
                ("certificate-ends-soon", "trusted_root_certificate r"),
                ("certificate-ends-soon", "ssl_certificate own"),
            ],
        )


class HostNameTests(SynchronousTestCase):
    """Certificates that do not have a listener's names."""

    def test_covered(self) -> None:
        """Exact names, wildcards and names beyond ASCII, in the form that clients compare."""
        for host_name, name, covered in (
            ("shop.example.com", "shop.example.com", True),
            ("shop.example.com", "SHOP.example.COM.", True),
            ("shop.example.com", "*.example.com", True),
            ("shop.example.com", "*.com", False),
            ("a.shop.example.com", "*.example.com", False),
            ("example.com", "*.example.com", False),
            ("example.com", "shop.example.com", False),
            ("*.example.com", "*.example.com", True),
            ("*.example.com", "shop.example.com", False),
            ("shop-*.example.com", "*.example.com", True),
            ("shop-?.example.com", "*.example.com", True),
            ("*.shop.example.com", "*.example.com", False),
            ("shop.*.com", "*.example.com", False),
            ("shop.example.com", "s*.example.com", False),
            ("xn--mnchen-3ya.example", "xn--mnchen-3ya.example", True),
            ("xn--mnchen-3ya.example", "münchen.example", False),
            ("localhost", "localhost", True),
            ("localhost", "*", False),
        ):
            self.assertEqual(covers(name, host_name), covered, (host_name, name))

    def test_listeners(self) -> None:
        """A listener with names that are not in its certificate; one without host names takes any."""
        two = SERVERS.issue_server("a.example", "*.b.example")
        self.assertEqual(of_server(two, named("a.example", "x.b.example")), [])
        self.assertEqual(of_server(two, named("a.example", "c.example")), ["host-name-not-covered"])
        self.assertEqual(
            of_server(SERVERS.issue_server("bücher.example".encode("idna").decode()), named("bücher.example")), []
        )
        self.assertEqual(of_server(two), [])
        [found] = warned(named("d.example"), site_pem=two.chain_pem, site_key=two.key_pem)
        self.assertEqual((found.section, found.key), ("http_listener public", "host_names"))
        self.assertEqual(
            found.message, "d.example is not covered by the certificate site, which has a.example, *.b.example"
        )

    def test_common_names(self) -> None:
        """A common name alone covers nothing."""
        old = SERVERS.issue("a.example", eku=(pki.SERVER_AUTH,))
        [found] = warned(named("a.example"), site_pem=old.chain_pem, site_key=old.key_pem)
        self.assertIn("has no DNS names in subjectAltName: clients ignore the common name", found.message)

    def test_many(self) -> None:
        """Of very many names the first are listed."""
        hosts = [f"{number}.example" for number in range(5)]
        certificate = SERVERS.issue_server(*[f"{number}.test" for number in range(30)])
        [found] = warned(named(*hosts), site_pem=certificate.chain_pem, site_key=certificate.key_pem)
        self.assertTrue(found.message.endswith("9.test and 20 more"), found.message)


class FitnessTests(SynchronousTestCase):
    """Certificates that peers refuse."""

    def test_purposes(self) -> None:
        """serverAuth, or no extendedKeyUsage at all; keyUsage with digitalSignature, or none."""
        for options, names in (
            ({"eku": (pki.SERVER_AUTH,)}, []),
            ({"eku": None}, []),
            ({"eku": (pki.CLIENT_AUTH,)}, ["certificate-not-for-servers"]),
            ({"eku": (pki.ANY_USE,)}, ["certificate-not-for-servers"]),
            ({"usage": None}, []),
            ({"usage": pki.key_usage("key_encipherment")}, ["certificate-cannot-sign"]),
        ):
            credential = SERVERS.issue("x", **{"eku": (pki.SERVER_AUTH,), "san": ["localhost"]} | options)
            self.assertEqual(of_server(credential), names, options)

    def test_of_the_gateway_as_a_client(self) -> None:
        """What it shows to backends has to be for clients."""
        text = GOOD + "[ssl_certificate own]\ncertificate_file = pki/own.pem\nkey_file = pki/own.key\n"
        text = text.replace("port = 9000\n", "port = 9000\nprotocol = Https\nclient_ssl_certificate = own\n")
        for eku, names in ((pki.CLIENT_AUTH, []), (pki.SERVER_AUTH, ["certificate-not-for-clients"])):
            own = SERVERS.issue("gateway", eku=(eku,))
            found = warned(text, own_pem=own.chain_pem, own_key=own.key_pem)
            self.assertEqual([each.name for each in found], names)

    def test_weak(self) -> None:
        """Keys that are too short and digests that are broken, anywhere in the chain but in a root's own signature."""
        weak = {"key": pki.rsa_key(1024)}
        self.assertEqual(of_server(SERVERS.issue_server("localhost", **weak)), ["weak-key"])
        self.assertEqual(of_server(SERVERS.issue_server("localhost", hash=hashes.SHA1())), ["weak-signature"])
        root = pki.Authority.root("Old", hash=hashes.SHA1())
        leaf = root.issue_server("localhost")
        self.assertEqual(of_server(leaf), [])
        with_root = pki.bundle(leaf, root)
        self.assertEqual(warned(site_pem=with_root, site_key=leaf.key_pem), [])
        middle = SERVERS.intermediate("Weak", **weak).issue_server("localhost")
        self.assertEqual(of_server(middle), ["weak-key"])

    def test_must_staple(self) -> None:
        """A certificate that demands a staple and has none, or none after a start, is warned of; no other is."""
        url = {"ocsp_url": "http://ocsp.example/"}
        demanding = {"extra": (pki.extension(x509.TLSFeature([x509.TLSFeatureType.status_request])),)}
        kept = changed(("access_log = -\n", "access_log = -\nstate_directory = state\n"))
        off = kept.replace("key_file = pki/site.key", "key_file = pki/site.key\nocsp_stapling = false")
        self.assertEqual(of_server(SERVERS.issue_server("localhost", **url)), [])
        both = SERVERS.issue_server("localhost", **url, **demanding)
        self.assertEqual(of_server(both), ["must-staple"])
        self.assertEqual(of_server(both, kept), [])
        self.assertEqual(of_server(both, off), ["must-staple"])
        self.assertEqual(of_server(SERVERS.issue_server("localhost", **demanding), kept), ["must-staple"])
        [warning] = warned(off, site_pem=both.chain_pem, site_key=both.key_pem)
        self.assertIn("(must-staple), and has none: ocsp_stapling is false", warning.message)

    def test_said_once(self) -> None:
        """Of a certificate that several listeners have, a warning stands once."""
        weak = SERVERS.issue_server("localhost", key=pki.rsa_key(1024))
        text = GOOD + configurations.with_listener("other", port=9443)
        self.assertEqual(of_server(weak, text), ["weak-key"])


class KindsTests(SynchronousTestCase):
    """The kinds of warnings."""

    def test_names(self) -> None:
        """Each has a name of its own, a meaning and a remedy."""
        self.assertEqual(len({kind.name for kind in KINDS}), len(KINDS))
        for kind in KINDS:
            self.assertTrue(kind.meaning.endswith(".") and kind.remedy.endswith("."), kind)

    def test_of_single_files(self) -> None:
        """What a file shows by itself has the names of the table as well."""
        past = pki.NOW - timedelta(days=1)
        late = pki.Authority.root("Late", not_after=past)
        weak = pki.Authority.root("Weak", not_after=past, key=pki.rsa_key(1024))
        leaf = SERVERS.issue_server("localhost", not_after=past)
        for others, names in (
            ({"clients-ca_pem": late.pem}, ["certificate-out-of-date", ""]),
            ({"clients-ca_pem": weak.pem}, ["", "certificate-out-of-date", ""]),
            ({"site_pem": leaf.chain_pem, "site_key": leaf.key_pem}, ["certificate-out-of-date"]),
            ({"site_pem": leaf.pem, "site_key": leaf.key_pem}, ["certificate-out-of-date", "chain-incomplete"]),
        ):
            warnings = configurations.plan(GOOD, files(**others)).config.warnings
            self.assertEqual([each.name for each in warnings], names, warnings)
            self.assertLessEqual({each.name for each in warnings} - {""}, {kind.name for kind in KINDS})

    def test_demo(self) -> None:
        """The demo begins without a warning about its certificates, as long as it keeps them."""
        made = certificates.make(pki.NOW)
        file = Path(__file__).parents[3] / "conf" / "gw.ini"
        plan = parse(file.read_bytes(), "gw.ini", lambda path: SourceFile(data=made[Path(path).name], mode=0o600))
        last = pki.NOW + certificates.LIFETIME - certificates.MARGIN
        for now in (pki.NOW, last):
            self.assertEqual(certificate_warnings(plan, now), ())
