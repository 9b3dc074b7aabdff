"""The files that a configuration names."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.sections.settings import beside
from agwtwisted.core.sections.sources import SourceFile, own_mode_problems
from tests import pki
from tests.configurations import FILE, GOOD, Files, changed, clients_root, files, load, said, site


class PathTests(SynchronousTestCase):
    """Where files are."""

    def test_relative_to_the_configuration(self) -> None:
        """Paths begin at the directory of the configuration, absolute ones at the root."""
        self.assertEqual(beside("/etc/agw/gw.ini", "pki/a.pem"), "/etc/agw/pki/a.pem")
        self.assertEqual(beside("/etc/agw/gw.ini", "/a.pem"), "/a.pem")
        self.assertEqual(beside("gw.ini", "a.pem"), "a.pem")

    def test_what_is_read(self) -> None:
        """Each file is read at its resolved path."""
        source = files()
        load(GOOD, source)
        self.assertEqual(sorted(source.asked), ["conf/pki/clients-ca.pem", "conf/pki/site.key", "conf/pki/site.pem"])

    def test_errors_without_words(self) -> None:
        """An OSError that says nothing is named by its kind."""

        def read(path: str) -> SourceFile:
            raise IsADirectoryError

        error = self.assertRaises(ConfigError, parse, GOOD.encode(), FILE, read)
        self.assertIn("cannot read conf/pki/site.pem: IsADirectoryError", str(error))

    def test_missing_files(self) -> None:
        """Every file that cannot be read is reported at the line that names it."""
        lines = said(GOOD, Files())
        reason = "No such file or directory"
        self.assertEqual(
            lines,
            [
                f"ERROR {FILE}:5 [ssl_certificate site] cannot read conf/pki/site.pem: {reason}",
                f"ERROR {FILE}:6 [ssl_certificate site] cannot read conf/pki/site.key: {reason}",
                f"ERROR {FILE}:9 [trusted_client_certificate devices] cannot read conf/pki/clients-ca.pem: {reason}",
            ],
        )


class ModeTests(SynchronousTestCase):
    """Who else may touch a file."""

    def problem(self, file: str, mode: int) -> str:
        """The only thing that is said where a file has this mode; empty where nothing is."""
        source = files()
        source.modes[f"conf/pki/{file}"] = 0o100000 | mode
        return "".join(said(GOOD, source))

    def test_writable_by_others(self) -> None:
        """A file that any user can change is an error, whatever it contains."""
        for file in ("site.pem", "site.key", "clients-ca.pem"):
            self.assertRegex(
                self.problem(file, 0o602), rf"^ERROR .* conf/pki/{file} can be written by other users \(mode 0602\)$"
            )

    def test_key_readable_by_others(self) -> None:
        """A key that group or others may read is a warning."""
        for mode in (0o640, 0o604):
            self.assertRegex(self.problem("site.key", mode), r"^WARNING conf/gw.ini:6 .* can be read by other users")

    def test_own_mode(self) -> None:
        """So is a configuration that any user can change."""
        [problem] = own_mode_problems("gw.ini", 0o100602)
        self.assertEqual(str(problem), "ERROR gw.ini can be written by other users (mode 0602)")
        self.assertEqual(list(own_mode_problems("gw.ini", 0o100664)), [])

    def test_ordinary_modes(self) -> None:
        """Certificates may be readable by all users and writable by a group."""
        self.assertEqual([self.problem(file, 0o664) for file in ("site.pem", "clients-ca.pem")], ["", ""])
        self.assertEqual(self.problem("site.key", 0o400), "")

    def test_key_in_the_certificate_file(self) -> None:
        """A certificate file that holds the key as well is looked at as a key."""
        source = files(both_pem=site().chain_pem + site().key_pem)
        source.modes["conf/pki/both.pem"] = 0o644
        text = changed(("pki/site.pem", "pki/both.pem"), ("pki/site.key", "pki/both.pem"))
        self.assertEqual(
            [line.split()[:2] for line in said(text, source)],
            [["WARNING", "conf/gw.ini:5"], ["WARNING", "conf/gw.ini:6"]],
        )


class TrustedClientCertificateTests(SynchronousTestCase):
    """Files of client CAs."""

    def said(self, content: bytes) -> list[str]:
        """What is said where the file of client CAs holds this."""
        return said(GOOD, files(**{"clients-ca_pem": content}))

    def test_chain_is_read(self) -> None:
        """The profile gets the chain of the file."""
        [listener] = load().http_listeners
        assert listener.ssl_profile is not None
        [trusted] = listener.ssl_profile.trusted_client_certificates
        self.assertEqual((trusted.name, trusted.chain.root), ("devices", clients_root().parsed))

    def test_problems_of_the_file(self) -> None:
        """They stand at the file's own lines, name the section and have the product's code."""
        [problem] = self.said(b"")
        self.assertTrue(
            problem.startswith("ERROR conf/pki/clients-ca.pem [trusted_client_certificate devices] "), problem
        )
        self.assertTrue(problem.endswith("(ApplicationGatewayTrustedClientCertificateMustSpecifyData)"), problem)
        [problem] = self.said(pki.bundle(clients_root(), pki.Authority.root("Another")))
        self.assertIn("(ApplicationGatewayOnlyOneRootCAAllowedInTrustedClientCertificate)", problem)
        self.assertRegex(problem, r"clients-ca.pem:\d\d ")

    def test_warnings_of_the_file(self) -> None:
        """A leaf beside the CAs is left out with a warning, at the line that names the file."""
        [problem] = self.said(pki.bundle(clients_root(), clients_root().issue("device")))
        self.assertTrue(problem.startswith("WARNING conf/gw.ini:9 [trusted_client_certificate devices] "), problem)

    def test_expired_root(self) -> None:
        """A file whose root is out of its time is a warning with file, subject and date: others may let clients in."""
        for options, date in (
            ({"not_after": datetime(2026, 5, 1, tzinfo=UTC)}, "expired on 2026-05-01"),
            ({"not_before": datetime(2026, 7, 1, tzinfo=UTC)}, "not valid before 2026-07-01"),
        ):
            problem, of_profile = self.said(pki.Authority.root("Old", **options).pem)
            self.assertIn("[ssl_profile strict]", of_profile)
            self.assertTrue(problem.startswith("WARNING conf/gw.ini:9 [trusted_client_certificate devices] "), problem)
            for word in ("clients-ca.pem", "CN=Old", date, "every client of this root is refused"):
                self.assertIn(word, problem)

    def test_expired_intermediate(self) -> None:
        """Beside an expired intermediate others may let clients in: a warning."""
        old = clients_root().intermediate("Old", not_after=datetime(2026, 5, 1, tzinfo=UTC))
        [problem] = self.said(pki.bundle(old, clients_root()))
        self.assertTrue(problem.startswith("WARNING") and "expired on 2026-05-01" in problem, problem)


class SslCertificateTests(SynchronousTestCase):
    """Certificate and key of the server."""

    def test_pem(self) -> None:
        """The listener gets chain and key."""
        [listener] = load().http_listeners
        assert listener.ssl_certificate is not None
        self.assertEqual(len(listener.ssl_certificate.certificates), 2)
        self.assertEqual(listener.ssl_certificate.certificates[0], site().certificate)
        self.assertEqual(listener.ssl_certificate.key.public_key(), site().key.public_key())

    def test_problems_of_each_file(self) -> None:
        """Both files are read even where the first is wrong."""
        problems = said(GOOD, files(site_pem=b"garbage", site_key=b"garbage"))
        self.assertEqual([line.split()[1] for line in problems], ["conf/gw.ini:6", "conf/pki/site.pem"])
        for source in (files(site_pem=b"garbage"), files(site_key=b"garbage")):
            self.assertEqual(len(said(GOOD, source)), 1)

    def test_wrong_order(self) -> None:
        """A chain in the wrong order is reported at the file's lines, and the key is not checked."""
        issuer, _ = site().issuers
        [problem] = said(GOOD, files(site_pem=pki.bundle(issuer, site())))
        self.assertRegex(problem, r"^ERROR conf/pki/site.pem:\d+ \[ssl_certificate site\] certificate 2 .* wrong place")

    def test_key_of_another(self) -> None:
        """A key that does not match is an error at the key's line."""
        [problem] = said(GOOD, files(site_key=clients_root().key_pem))
        self.assertIn("conf/gw.ini:6 [ssl_certificate site] conf/pki/site.key is not the key of certificate 1", problem)

    def test_too_big(self) -> None:
        """More than 16 KB is refused, in the product's words."""
        [problem] = said(GOOD, files(site_pem=site().chain_pem + b"\n" * 16384))
        self.assertTrue(problem.endswith("of at most 16384 (ApplicationGatewaySslCertificateDataTooBig)"), problem)

    def test_expired(self) -> None:
        """A server certificate out of date is a warning: clients will turn away by themselves."""
        authority = pki.Authority.root("Servers")
        old = authority.issue_server("old", not_after=datetime(2026, 5, 1, tzinfo=UTC))
        [problem] = said(GOOD, files(site_pem=pki.bundle(old, authority), site_key=old.key_pem))
        self.assertTrue(problem.startswith("WARNING conf/gw.ini:5") and "expired on 2026-05-01" in problem, problem)

    def test_without_its_issuer(self) -> None:
        """A certificate alone that another has issued is a warning: where that is an intermediate, devices fail."""
        authority = pki.Authority.root("Root").intermediate("Issuing")
        leaf = authority.issue_server("localhost")
        [problem] = said(GOOD, files(site_pem=leaf.pem, site_key=leaf.key_pem))
        self.assertTrue(problem.startswith("WARNING conf/gw.ini:5 [ssl_certificate site] conf/pki/site.pem "), problem)
        self.assertIn("without its issuer ('CN=Issuing')", problem)
        self.assertEqual(said(GOOD, files(site_pem=leaf.chain_pem, site_key=leaf.key_pem)), [])

    def test_self_signed(self) -> None:
        """One that has issued itself lacks nothing."""
        root = pki.Authority.root("localhost")
        self.assertEqual(said(GOOD, files(site_pem=root.pem, site_key=root.key_pem)), [])

    def pfx(self, password: bytes, *changes: tuple[str, str], mode: int = 0o600) -> list[str]:
        """What is said about a .pfx with the password "secret", opened with another."""
        data = self.pfx_data(serialization.BestAvailableEncryption(b"secret"))
        keys = ("key_file = pki/site.key", "password_file = pki/password")
        source = files(site_pfx=data, password=password)
        source.modes = {"conf/pki/site.pfx": mode, "conf/pki/password": mode}
        return said(changed(("pki/site.pem", "pki/site.pfx"), keys, *changes), source)

    def pfx_data(self, how: serialization.KeySerializationEncryption) -> bytes:
        """The server's certificate with chain and key in one file."""
        chain = [authority.certificate for authority in site().issuers]
        return pkcs12.serialize_key_and_certificates(None, site().key, site().certificate, chain, how)

    def test_pfx_without_password(self) -> None:
        """A .pfx may have no password, and must be there."""
        text = changed(("pki/site.pem", "pki/site.pfx"), ("key_file = pki/site.key\n", ""))
        data = self.pfx_data(serialization.NoEncryption())
        [listener] = load(text, files(site_pfx=data)).http_listeners
        assert listener.ssl_certificate is not None
        self.assertEqual(len(listener.ssl_certificate.certificates), 3)
        [problem] = said(text)
        self.assertIn("cannot read conf/pki/site.pfx", problem)

    def test_pfx_readable_by_others(self) -> None:
        """A .pfx and its password are looked at as keys."""
        problems = self.pfx(b"secret", mode=0o640)
        self.assertEqual([line.split()[:2] for line in problems], [["WARNING", f"{FILE}:5"], ["WARNING", f"{FILE}:6"]])

    def test_pfx(self) -> None:
        """A .pfx is opened with what the password file holds, less its line end."""
        self.assertEqual(self.pfx(b"secret\n"), [])
        [problem] = self.pfx(b"wrong")
        self.assertIn("conf/gw.ini:5 [ssl_certificate site] conf/pki/site.pfx cannot be opened", problem)

    def test_pfx_without_its_password_file(self) -> None:
        """Where the password cannot be read, the file is not tried without."""
        [problem] = self.pfx(b"secret", ("pki/password", "pki/none"))
        self.assertIn("cannot read conf/pki/none", problem)

    def test_time_is_optional(self) -> None:
        """Without a time dates are not checked."""
        authority = pki.Authority.root("Servers")
        old = authority.issue_server("old", not_after=datetime(2026, 5, 1, tzinfo=UTC))
        plan = parse(GOOD.encode(), FILE, files(site_pem=pki.bundle(old, authority), site_key=old.key_pem).read)
        self.assertEqual(plan.config.warnings, ())


class ErrorPageTests(SynchronousTestCase):
    """Pages of the operator's own."""

    def said(self, page: bytes, mode: int = 0o644) -> list[str]:
        """What is said about a page."""
        source = files(page_html=page)
        source.modes["conf/pki/page.html"] = mode
        return said(f"{GOOD}\n[custom_error gateway/502]\nfile = pki/page.html\n", source)

    def test_sizes(self) -> None:
        """A page has less than one megabyte, and something in it."""
        self.assertEqual(self.said(b"a" * (1024 * 1024 - 1)), [])
        [line] = self.said(b"a" * 1024 * 1024)
        self.assertTrue(line.endswith("conf/pki/page.html has 1048576 bytes, of at most 1048575"), line)
        [line] = self.said(b"")
        self.assertTrue(line.endswith("[custom_error gateway/502] conf/pki/page.html is empty"), line)

    def test_modes(self) -> None:
        """It may be readable by all users, not writable."""
        [line] = self.said(b"a", 0o646)
        self.assertIn("can be written by other users", line)

    def test_missing(self) -> None:
        """A page that is not there stops the start, and so does a section without one."""
        [line] = said(f"{GOOD}\n[custom_error gateway/502]\nfile = pki/page.html\n")
        self.assertIn("cannot read conf/pki/page.html", line)
        [line] = said(f"{GOOD}\n[custom_error gateway/502]\n")
        self.assertIn("[custom_error gateway/502] file is missing", line)

    def test_address_alone(self) -> None:
        """The product's address of a page is never fetched: without a file the gateway's own page is shown."""
        url = "custom_error_page_url = https://pages.example/502.html\n"
        made = load(f"{GOOD}\n[custom_error gateway/502]\n{url}")
        [warning] = made.warnings
        self.assertEqual((warning.name, warning.key), ("error-page-without-file", "custom_error_page_url"))
        self.assertIn("the gateway's own page is shown", warning.message)
        self.assertEqual(made.custom_errors, ())
        made = load(f"{GOOD}\n[custom_error gateway/502]\n{url}file = pki/page.html\n", files(page_html=b"<p>"))
        self.assertEqual(([each.page for each in made.custom_errors], made.warnings), ([b"<p>"], ()))


class TrustedRootTests(SynchronousTestCase):
    """[trusted_root_certificate]."""

    TEXT = changed(
        (
            "[backend_http_settings app]\nport = 9000\n",
            "[trusted_root_certificate r]\nfile = pki/r.pem\n\n"
            "[backend_http_settings app]\nprotocol = Https\ntrusted_root_certificates = r\n",
        )
    )

    def said(self, data: bytes) -> str:
        """Everything that is said of a file."""
        return "\n".join(said(self.TEXT, files(r_pem=data)))

    def test_taken(self) -> None:
        """Its certificates are those of the settings."""
        root = pki.Authority.root()
        [rule] = load(self.TEXT, files(r_pem=root.der)).request_routing_rules
        assert rule.backend_http_settings is not None
        [trusted] = rule.backend_http_settings.trusted_root_certificates
        self.assertEqual((trusted.file, trusted.certificates), ("conf/pki/r.pem", (root.parsed,)))

    def test_problems(self) -> None:
        """They are reported with the file, its line, and the section that names it, and nothing else is made of
        them.
        """
        root = pki.Authority.root()
        leaf = root.issue_server("a")
        self.assertEqual(
            self.said(leaf.pem),
            "ERROR conf/pki/r.pem:1 [trusted_root_certificate r] not a CA certificate (basicConstraints CA:TRUE):"
            " a server's chain ends in a CA",
        )
        self.assertIn("of at most 1048576", self.said(bytes(1_048_577)))
        self.assertIn("cannot read conf/pki/r.pem", "\n".join(said(self.TEXT)))

    def test_warnings(self) -> None:
        """A root that has expired, beside one that has not."""
        old = pki.Authority.root("Old", not_after=datetime(2021, 1, 1, tzinfo=UTC))
        line = self.said(pki.bundle(pki.Authority.root(), old))
        self.assertIn("WARNING conf/gw.ini:", line)
        self.assertIn("'CN=Old': expired on 2021-01-01", line)
