"""`agwtwisted.checking`: a configuration is checked as a start would, and as this user on this machine."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import checking
from agwtwisted.checking import check
from agwtwisted.core.base.errors import Severity
from agwtwisted.core.reports.check_report import CheckReport, CheckStatus
from agwtwisted.tls import openssl
from tests import configurations, pki
from tests.crls import Crl

LISTS = "verify_client_revocation = CRL\ncrl_files = devices.crl\n"

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class CheckingTests(SynchronousTestCase):
    """A configuration in a directory."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        for path, content in configurations.files().data.items():
            self.write(path, content)
        self.patch(checking, "raise_limit", lambda: 1 << 20)

    def write(self, path: str, content: bytes) -> None:
        """A file that its owner alone may read."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)

    def check(self, *changes: tuple[str, str], text: str = "", now: datetime = NOW) -> CheckReport:
        """The report about GOOD with changes."""
        self.write("conf/gw.ini", (text or configurations.changed(*changes)).encode())
        before = sorted(self.directory.rglob("*"))
        report = check(str(self.directory / "conf/gw.ini"), now)
        self.assertEqual(sorted(self.directory.rglob("*")), before)
        return report

    def assert_found(self, report: CheckReport, severity: str, name: str, key: str) -> None:
        """That one thing is found, with its line."""
        [found] = report.findings
        self.assertEqual((found.severity.value, found.name, found.key), (severity, name, key))
        self.assertTrue(found.place.line)
        self.assertIn(f"(uid {os.geteuid()})", found.message)

    def test_valid(self) -> None:
        """The effective configuration, as text and for programs."""
        report = self.check()
        self.assertEqual((report.status(), report.findings), (CheckStatus.VALID, ()))
        self.assertTrue(report.text.endswith("gw.ini: the configuration is valid"))
        self.assertIn("http_listener public", report.configuration or {})

    def test_lists(self) -> None:
        """Lists in files are shown with their age; one that is over is a warning, a file without lists an error."""
        keys = ("verify_client_auth_mode = Strict\n", "verify_client_auth_mode = Strict\n" + LISTS)
        root = configurations.clients_root()
        self.write("conf/devices.crl", Crl(signer=root, next_update=pki.NOW + timedelta(days=1)).pem())
        report = self.check(keys)
        self.assertEqual(report.findings, ())
        self.assertIn("2026-06-02T12:00:00Z", report.text)
        [found] = self.check(keys, now=NOW + timedelta(days=9)).findings
        self.assertEqual((found.name, found.severity), ("crl-over", Severity.WARNING))
        self.write("conf/devices.crl", b"none")
        self.assertEqual(self.check(keys).status(), CheckStatus.NOT_VALID)

    def test_not_valid(self) -> None:
        """Problems, and no configuration; what only OpenSSL can say is one, too."""
        report = self.check(text="[gateway]\nworkers = many\n")
        self.assertEqual((report.status(), report.configuration, report.text), (CheckStatus.NOT_VALID, None, ""))
        weak = pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(1024))
        self.write("conf/pki/site.pem", weak.pem)
        self.write("conf/pki/site.key", weak.key_pem)
        report = self.check()
        self.assertEqual([each.section for each in report.problems], ["ssl_certificate site"])

    def test_unreadable(self) -> None:
        """The file itself."""
        for path in ("none.ini", "."):
            report = check(str(self.directory / path), NOW)
            self.assertEqual(report.status(), CheckStatus.UNREADABLE)
            self.assertIn("cannot be read", report.problems[0].message)

    def test_certificates(self) -> None:
        """Those that end soon at the time of the check, not at another one."""
        root = pki.Authority.root("Ending", not_after=datetime(2027, 1, 1, tzinfo=UTC))
        self.write("conf/pki/clients-ca.pem", root.pem)
        self.assertEqual(self.check().warnings, ())
        [warning] = self.check(now=datetime(2026, 12, 24, tzinfo=UTC)).warnings
        self.assertEqual(warning.name, "certificate-ends-soon")

    def test_access_log(self) -> None:
        """A directory that is not there is an error: a start would end there."""
        report = self.check(("access_log = -\n", "access_log = none/access.log\n"))
        self.assert_found(report, "ERROR", "access-log-unusable", "access_log")
        self.assertEqual(self.check(("access_log = -\n", "access_log = access.log\n")).findings, ())

    def test_state_directory(self) -> None:
        """One that cannot be made, once: the control socket in it is not reported as well."""
        report = self.check(("access_log = -\n", "access_log = -\nstate_directory = pki/site.pem\n"))
        self.assert_found(report, "ERROR", "state-directory-unusable", "state_directory")
        off = "[control]\nsocket = off\n[gateway]\n"  # its path would be too long here
        made = ("access_log = -\n", "access_log = -\nstate_directory = a/b\n")
        self.assertEqual(self.check(("[gateway]\n", off), made).findings, ())

    def test_control_socket(self) -> None:
        """An error where it is asked for, else a warning."""
        gateway = "[gateway]\n"
        report = self.check((gateway, f"[control]\nsocket = a/b/c.sock\n{gateway}"))
        self.assert_found(report, "ERROR", "control-socket-unusable", "socket")
        with mock.patch.dict(os.environ, {"RUNTIME_DIRECTORY": str(self.directory / "a" / "b")}):
            [found] = self.check().findings
        self.assertEqual((found.severity.value, found.name), ("WARNING", "control-socket-unusable"))

    def test_control_token(self) -> None:
        """The token of the control port: one that others can read, none in the file, or no directory to make it in."""
        for content, mode, token_file in ((b"x" * 40, 0o644, "t"), (b"short", 0o600, "t"), (b"", 0o600, "a/b/t")):
            self.write("conf/t", content)
            (self.directory / "conf/t").chmod(mode)
            section = f"[control]\nport = 9900\ntoken_file = {token_file}\nsocket = off\n[gateway]\n"
            report = self.check(("[gateway]\n", section))
            self.assert_found(report, "ERROR", "control-token-unusable", "token_file")
        for content in (b"x" * 40, None):
            (self.directory / "conf/t").unlink()
            if content:
                self.write("conf/t", content)
            section = "[control]\nport = 9900\ntoken_file = t\nsocket = off\n[gateway]\n"
            self.assertEqual(self.check(("[gateway]\n", section)).findings, ())

    def test_libraries(self) -> None:
        """Libraries that are not known are a warning."""
        self.patch(openssl, "FALLBACK", "the installed pyOpenSSL is not one")
        self.assertEqual([each.message for each in self.check().warnings], ["the installed pyOpenSSL is not one"])

    def test_descriptors(self) -> None:
        """So are too few of them."""
        self.patch(checking, "raise_limit", lambda: 64)
        self.assertEqual([each.section for each in self.check().warnings], ["gateway"])

    def test_workers(self) -> None:
        """How many processes serve."""
        report = self.check(("access_log = -\n", "access_log = -\nworkers = 3\n"))
        self.assertIn("\n3 workers\n", report.text)
