"""`agw explain`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.program import main
from agwtwisted.explaining.explain import MAX_FILE_BYTES
from tests import EXAMPLES, clients, configurations, pki, running
from tests.responder import Responder

TEXT = clients.text(
    "s strict s.example", "h http400 h.example", "p passthrough p.example", "pin pinned", "open - o.example"
)
PLAIN = """
[http_listener plain]
port = 8080
protocol = Http

[request_routing_rule plain]
priority = 99
http_listener = plain
backend_address_pool = app
backend_http_settings = app
"""
PAST = datetime(2021, 1, 1, tzinfo=UTC)


class Explaining(SynchronousTestCase):
    """A configuration in a directory, and certificates beside it."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        for path, content in {**clients.files().data, "conf/gw.ini": (TEXT + PLAIN).encode()}.items():
            self.write(path, content)

    def write(self, path: str, content: bytes) -> Path:
        """A file that its owner alone may read."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        return file

    def run_main(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a call."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status = main(words)
            except SystemExit as end:  # argparse has said what is wrong
                status = int(end.code or 0)
        return status, out.getvalue(), err.getvalue()

    def explain(self, listener: str, content: bytes, *words: str) -> tuple[int, str, str]:
        """The answer about a file with this content."""
        file = self.write("client.pem", content)
        config = str(self.directory / "conf" / "gw.ini")
        return self.run_main("explain", "--config", config, "--listener", listener, str(file), *words)


class VerdictTests(Explaining):
    """What is answered."""

    def test_accepted(self) -> None:
        """A trusted client is accepted by every listener, whatever it asks; an untrusted one by listeners that do not
        verify.
        """
        for client, listeners in (
            (clients.device(), ("s", "h", "p", "open", "plain")),
            (clients.stranger(), ("p", "open", "plain")),
        ):
            for listener in listeners:
                status, out, err = self.explain(listener, client.chain_pem)
                self.assertEqual((status, err), (0, ""), listener)
                self.assertTrue(out.splitlines()[-1].startswith("Accepted"))

    def test_refused(self) -> None:
        """With the reason, and what to do."""
        root = configurations.clients_root()
        for client, reason in (
            (clients.stranger(), "unable to get local issuer certificate"),
            (root.issue(not_after=PAST), "certificate has expired"),
            (root.issue(eku=(pki.SERVER_AUTH,)), "unsuitable certificate purpose"),
            (root.issue(key=pki.rsa_key(1024)), "EE certificate key too weak"),
            (root.issue(not_after=pki.utc_time(b"261301000000Z")), "format error in certificate's notAfter field"),
        ):
            for listener in ("s", "h"):
                status, out, err = self.explain(listener, client.chain_pem)
                self.assertEqual((status, err), (1, ""), out)
                self.assertIn(f"\n\nRefused: {reason}\nWhat to do: ", out)

    def test_denied(self) -> None:
        """A client that does not meet a condition of the rule is refused, whatever the result of the handshake."""
        for name, listener, status in (("device", "s", 0), ("other", "s", 1), ("device", "plain", 0)):
            condition = f"deny_unless.1 = var_client_certificate_subject_cn == {name}\n"
            text = TEXT.replace("http_listener = s\n", f"http_listener = s\n{condition}") + PLAIN
            self.assertIn(condition, text)
            self.write("conf/gw.ini", text.encode())
            found, out, _ = self.explain(listener, configurations.clients_root().issue("device").chain_pem)
            self.assertEqual((found, out.endswith("does not hold.\n")), (status, bool(status)), out)

    def test_fingerprints(self) -> None:
        """Each certificate has those by which the access log names it."""
        device = clients.device()
        _, out, _ = self.explain("s", device.chain_pem)
        for name, function in (("SHA-1", hashlib.sha1), ("SHA-256", hashlib.sha256)):
            self.assertIn(f"      {name} {function(device.der).hexdigest()}\n", out)

    def requiring_paths(self) -> str:
        """A configuration whose Passthrough listener has paths that require a certificate; it ends in their rule."""
        text = TEXT.replace(
            "verify_client_auth_mode = Passthrough\n",
            "verify_client_auth_mode = Passthrough\ntrusted_client_certificates = devices\n",
        )
        rule, end = "[request_routing_rule p]", "backend_address_pool = app\nbackend_http_settings = app\n"
        before, _, after = text.partition(rule)
        after = after.replace(end, "rule_type = PathBasedRouting\nurl_path_map = m\n", 1)
        return f"""{before}{rule}{after}
[url_path_map m]
default_backend_address_pool = app
default_backend_http_settings = app
[path_rule m/admin]
paths = /admin/*, /keys
backend_address_pool = app
backend_http_settings = app
client_certificate = Require
"""

    def test_paths_that_require_a_certificate(self) -> None:
        """A Passthrough listener refuses on such paths the clients that a Strict one refuses, and the answer says
        so.
        """
        self.write("conf/gw.ini", self.requiring_paths().encode())
        passes = "Accepted: this listener verifies no certificate. The backend gets PASSTHROUGH.\n\n"
        paths = "On the paths that require a certificate, /admin/*, /keys:\n"
        status, out, err = self.explain("p", clients.stranger().chain_pem)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f"{passes}{paths}Refused: unable to get local issuer certificate\nWhat to do: ", out)
        self.assertIn("FAILED   Paths that require a certificate: /admin/*, /keys\n   Refused: unable to get", out)
        status, out, err = self.explain("p", clients.device().chain_pem)
        self.assertEqual((status, err), (0, ""))
        self.assertIn(f"{passes}{paths}Accepted. ", out)
        self.assertIn("passed   Paths that require a certificate: /admin/*, /keys\n   Accepted. ", out)
        self.assertNotIn("But requests get 403", out)

    def test_a_condition_of_paths_that_require_a_certificate(self) -> None:
        """A client that a condition of such a path refuses is not called accepted there; the verdict stays."""
        conditions = "deny_unless.1 = var_client_certificate_subject_cn == another\n"
        self.write("conf/gw.ini", (self.requiring_paths() + conditions).encode())
        status, out, err = self.explain("p", clients.device().chain_pem)
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(
            out.endswith("But requests get 403, because a condition does not hold: paths /admin/*, /keys\n"),
            out,
        )
        _, out, _ = self.explain("p", clients.stranger().chain_pem)
        self.assertNotIn("But requests get 403", out)

    def test_l4_listener(self) -> None:
        """An L4 listener judges as an HTTP listener with the same profile that refuses in the handshake; its clients
        are not spoken to in HTTP.
        """
        relay = """
[listener raw]
port = 9000
protocol = Tcp
[listener tls]
port = 9001
protocol = Tls
ssl_certificate = site
ssl_profile = http400
[backend_settings raw]
port = 9009
[routing_rule raw]
priority = 1
listener = raw
backend_address_pool = app
backend_settings = raw
[routing_rule tls]
priority = 2
listener = tls
backend_address_pool = app
backend_settings = raw
"""
        self.write("conf/gw.ini", (TEXT + PLAIN + relay).encode())
        status, out, _ = self.explain("tls", clients.device().chain_pem)
        self.assertEqual(status, 0, out)
        self.assertIn("L4 listener tls: Tls on 0.0.0.0:9001, SSL profile http400", out)
        self.assertIn("Strict, Handshake", " ".join(out.split()))
        sibling = clients.stranger().chain_pem
        status, out, _ = self.explain("tls", sibling)
        self.assertEqual(status, 1, out)
        self.assertIn("FAILED   Chain: it ends in no trusted root\n   CN=stranger: sent by the client\n", out)
        status, out, _ = self.explain("raw", sibling)
        self.assertEqual(status, 0, out)
        for title, found in (
            ("http_listener s", "2. note     Listener s:"),
            ("listener s", "2. note     L4 listener s:"),
        ):
            named = relay.replace("listener tls]", "listener s]").replace("listener = tls", "listener = s")
            self.write("conf/gw.ini", (TEXT + PLAIN + named).encode())
            self.assertIn(found, self.explain(title, sibling)[1])
            self.assertIn("2. note     Listener s:", self.explain("s", sibling)[1])
        self.assertIn("L4 listener raw: Tcp on 0.0.0.0:9000, which asks for no certificate: there is no TLS", out)
        self.assertNotIn("PASSTHROUGH", out)

    def test_json(self) -> None:
        """Programs get the verdict, and each step with its outcome; the text is the same that people get."""
        _, text, _ = self.explain("s", clients.stranger().chain_pem, "--at", "2026-06-01")
        status, out, _ = self.explain("s", clients.stranger().chain_pem, "--at", "2026-06-01", "--json")
        answer = json.loads(out)
        self.assertEqual((status, answer["accepted"]), (1, False))
        self.assertEqual(answer["verdict"], "Refused: unable to get local issuer certificate")
        self.assertEqual(answer["text"] + "\n", text)
        outcomes = {step["name"]: step["outcome"] for step in answer["steps"]}
        self.assertEqual(
            outcomes,
            {
                "certificates": "passed",
                "listener": "note",
                "chain": "failed",
                "openssl": "failed",
                "rules": "failed",
                "time": "passed",
                "issuer_dn": "skipped",
            },
        )

    def test_issuer_dn(self) -> None:
        """Both names stand side by side, whether they are the same or not."""
        sibling = clients.partners().issuers[0].intermediate("Others").issue()
        status, out, _ = self.explain("pin", sibling.chain_pem)
        self.assertEqual(status, 1)
        self.assertRegex(out, r"the client's  CN=Others\n +the file's    CN=Partners: another\s+\(.*/partners\.pem\)\n")
        self.assertIn("Refused: unable to verify the client certificate issuer", out)
        self.assertEqual(self.explain("pin", clients.partner().chain_pem)[0], 0)

    def test_where_certificates_come_from(self) -> None:
        """The client's own from the client, the intermediate from either, the root from the file."""
        file = rf"{re.escape(str(self.directory))}/conf/pki/partners\.pem"
        for sent, origin in ((clients.partner().pem, "in"), (clients.partner().chain_pem, "sent by the client, in")):
            _, out, _ = self.explain("pin", sent)
            flat = re.sub(r"\s+", " ", out)
            self.assertRegex(flat, rf"CN=partner 7: sent by the client CN=Partners: {origin} {file}")
            self.assertRegex(flat, rf"CN=Partners Root: root of {file} 4")

    def test_time(self) -> None:
        """The question may be put for another time, in several spellings."""
        client = configurations.clients_root().issue(not_after=PAST)
        for at, status in (
            ("2020-06-01", 0),
            ("2020-12-31T23:59:00Z", 0),
            ("2020-12-31T23:59:00-02:00", 1),
            ("2021-01-01T00:00:01.5", 1),
        ):
            found, out, _ = self.explain("s", client.pem, "--at", at)
            self.assertEqual(found, status, out)
        self.assertIn(" at 2021-01-01 00:00:01 UTC\n", out)

    def test_a_root_that_has_expired(self) -> None:
        """`--check` warns of it; here is the place to see why every client is refused."""
        root = pki.Authority.root("Old", not_after=PAST)
        self.write("conf/pki/clients-ca.pem", root.pem)
        status, out, _ = self.explain("s", root.issue().pem)
        self.assertEqual(status, 1)
        self.assertIn("CN=Old: expired", out)
        self.assertEqual(self.explain("s", root.issue().pem, "--at", "2020-06-01")[0], 0)

    def test_forms_of_the_file(self) -> None:
        """PEM with a key before, text around, or DER."""
        device = clients.device()
        for content in (
            device.key_pem + device.pem,
            b"subject=...\r\n" + device.pem.replace(b"\n", b"\r\n"),
            device.der,
        ):
            self.assertEqual(self.explain("s", content)[0], 0)

    def test_too_many(self) -> None:
        """What the gateway would not read of a client is refused here too."""
        status, out, _ = self.explain("s", clients.device().pem * 300)
        self.assertEqual(status, 1)
        self.assertIn("the handshake failed: the handshake is too long", out)


class NastyTests(Explaining):
    """Files that some client, or somebody in a hurry, may come with: a clear answer, and never a traceback."""

    def test_kinds(self) -> None:
        """The verdict on odd certificates, on listeners of every kind."""
        root = configurations.clients_root()
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\5\0")
        for content, reason in (
            (root.issue(key=pki.ed25519_key()).pem, ""),
            (root.issue(key=pki.ec_key(ec.SECP521R1())).pem, ""),
            (root.issue(key=pki.rsa_key(1024)).pem, "EE certificate key too weak"),
            (root.intermediate("A CA").pem, ""),
            (root.pem, ""),
            (root.issue(not_before=pki.NOT_AFTER).pem, "certificate is not yet valid or the system clock is incorrect"),
            (root.issue(extra=[pki.extension(unknown, critical=True)]).pem, "unhandled critical extension"),
            (clients.device().pem + clients.stranger().pem * 999, "the certificate was not verified"),
            (clients.device().pem + clients.stranger().pem * 20, ""),
        ):
            for listener in ("s", "h", "plain"):
                status, out, err = self.explain(listener, content)
                refused = bool(reason) and listener != "plain"
                self.assertEqual((status, err), (int(refused), ""), out)
                self.assertEqual(f"\nRefused: {reason}\n" in out, refused, out)
                self.assertTrue(all(len(line) < 200 for line in out.splitlines()))

    def test_keys_that_prove_nothing(self) -> None:
        """A client that cannot use its key sends no certificate: that refuses it where one is needed, whatever its
        certificate says; a key for one version of TLS alone is remarked on.
        """
        root = configurations.clients_root()
        odd = root.issue(key=pki.ec_key(ec.SECP256K1())).pem
        status, out, _ = self.explain("s", odd)
        self.assertEqual(status, 1, out)
        self.assertIn("FAILED   Key: EC, on a curve that TLS has no signatures with", out)
        self.assertIn("\nRefused: no certificate was sent\nWhat to do: Make a key with which TLS has signatures", out)
        status, out, _ = self.explain("p", odd)
        self.assertEqual((status, out.splitlines()[-1]), (0, "Accepted, without a certificate."))
        status, out, _ = self.explain("plain", odd)
        self.assertEqual((status, "Key: " in out), (0, False))
        status, out, _ = self.explain("s", root.issue(key=dsa.generate_private_key(2048)).pem)
        self.assertEqual(status, 0, out)
        self.assertIn("note     Key: DSA: in TLS 1.2 alone; over another version a client sends no certificate", out)

    def test_other_files(self) -> None:
        """What is beside certificates, or in their place, is named, with what to do."""
        request = b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"
        for content, words in (
            (request, "a block CERTIFICATE REQUEST does not belong here"),
            (b"\x30\x82\x01\x00" + bytes(256), "not an X.509 certificate"),
            (b"\x30\x82\x01\x00\x02\x01\x03" + bytes(250), "openssl pkcs12 -nokeys"),
            (b"\xff\xfe-\0-\0", "the file is UTF-16 text"),
        ):
            status, out, err = self.explain("s", content)
            self.assertEqual((status, out), (2, ""), err)
            self.assertIn(words, err)


class WrongTests(Explaining):
    """What has no answer: one message, status 2, and no traceback."""

    def assert_wrong(self, answer: tuple[int, str, str], words: str) -> None:
        """That it is such an answer."""
        status, out, err = answer
        self.assertEqual((status, out), (2, ""), err)
        self.assertIn(words, err)
        self.assertNotIn("Traceback", err)

    def test_usage(self) -> None:
        """A listener and a file are needed."""
        for words in ((), ("--listener", "s"), ("client.pem",)):
            self.assert_wrong(self.run_main("explain", *words), "usage: ")

    def test_listener(self) -> None:
        """An unknown listener is answered with the nearest one, or with all."""
        device = clients.device().pem
        self.assert_wrong(self.explain("plan", device), "gw.ini has no listener plan; did you mean 'plain'?")
        self.assert_wrong(self.explain("xyz\n", device), "no listener xyz\\n; there are ")

    def test_listener_without_rule(self) -> None:
        """One that no rule names is not bound, so it accepts no client: the answer says that."""
        text = TEXT + PLAIN + "\n[http_listener other]\nport = 8999\nprotocol = Http\n"
        self.write("conf/gw.ini", text.encode())
        for name in ("other", "http_listener other"):
            answer = self.explain(name, clients.device().pem)
            self.assert_wrong(answer, f"gw.ini: no rule names the listener {name}: it is not bound")

    def test_time(self) -> None:
        """A time that is none, or that is beyond every calendar."""
        for at in ("yesterday", "2026-13-01", "", "0001-01-01T00:00+10:00", "9999-12-31T23:00-10:00"):
            answer = self.explain("s", clients.device().pem, "--at", at)
            self.assert_wrong(answer, "is no time: write 2026-06-01, or 2026-06-01T12:00Z")

    def test_configuration(self) -> None:
        """Every problem of the configuration, with file and line; or that there is none."""
        self.write("conf/gw.ini", TEXT.encode() + b"[nonsense x]\n")
        self.assert_wrong(self.explain("s", b""), f"gw.ini:{len(TEXT.splitlines()) + 1} ")
        (self.directory / "conf" / "gw.ini").unlink()
        self.assert_wrong(self.explain("s", b""), "gw.ini cannot be read: No such file or directory")

    def test_a_server_certificate_that_openssl_does_not_serve(self) -> None:
        """There is no handshake to be had with it."""
        weak = pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(1024))
        self.write("conf/pki/site.pem", weak.pem)
        self.write("conf/pki/site.key", weak.key_pem)
        self.assert_wrong(self.explain("s", clients.device().pem), "[ssl_certificate site] cannot be used")

    def test_file(self) -> None:
        """A file that is not there, a directory, one without certificates, a broken one, a huge one."""
        config = str(self.directory / "conf" / "gw.ini")
        for path, words in (
            ("none.pem", "none.pem cannot be read: No such file or directory"),
            (str(self.directory), "cannot be read: Is a directory"),
            ("a\0b", "a\\x00b cannot be read: embedded null byte"),
        ):
            self.assert_wrong(self.run_main("explain", "--config", config, "--listener", "s", path), words)
        device = clients.device()
        for content, words in (
            (b"", "client.pem the file is empty"),
            (device.key_pem, "client.pem holds no certificate"),
            (b"hello", "client.pem neither PEM"),
            (device.pem[:200], "client.pem:1 a BEGIN line without its END line"),
            (device.pem + pki.pem_block("CERTIFICATE", b"0\x03abc"), "is not an X.509 certificate"),
            (b"x" * (MAX_FILE_BYTES + 1), "has more than 1048576 bytes"),
        ):
            self.assert_wrong(self.explain("s", content), words)

    def test_no_file(self) -> None:
        """A pipe without a writer holds nothing up, a device has no end, and a file of 10 MB is too long."""
        config = str(self.directory / "conf" / "gw.ini")
        pipe = self.directory / "pipe"
        os.mkfifo(pipe)
        huge = self.write("huge.pem", b"-----BEGIN CERTIFICATE-----\n" * 400_000)
        for path, words in (
            (pipe, "pipe cannot be read: it is not a regular file"),
            ("/dev/zero", "/dev/zero cannot be read: it is not a regular file"),
            (huge, "huge.pem has more than 1048576 bytes"),
        ):
            self.assert_wrong(self.run_main("explain", "--config", config, "--listener", "s", str(path)), words)

    @settings(max_examples=EXAMPLES or 25)
    @given(st.binary(max_size=400), st.booleans())
    def test_rubbish(self, rubbish: bytes, encoded: bool) -> None:
        """Whatever the file holds, there is an answer or a message."""
        content = pki.pem_block("CERTIFICATE", rubbish) if encoded else rubbish
        self.assertIn(self.explain("s", content)[0], (1, 2))


class ProcessTests(Explaining):
    """As it is started."""

    def test_started(self) -> None:
        """The module runs as a program: the text on standard output, the verdict as its status."""
        self.write("client.pem", clients.stranger().pem)
        words = (running.PYTHON, "-m", "agwtwisted", "explain", "--listener", "s", "client.pem")
        done = running.call(self.directory, *words)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("\nRefused: unable to get local issuer certificate\n", done.stdout)
        done = running.call(self.directory, *words, "--at", "never")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertNotIn("Traceback", done.stderr)

    def test_online(self) -> None:
        """A responder is asked for real, and the process ends with the verdict."""
        responder = Responder(configurations.clients_root())
        self.addCleanup(responder.close)
        client = configurations.clients_root().issue("revoked")
        responder.knows(client, status="revoked")
        ocsp = f"verify_client_revocation = OCSP\nocsp_responder_url = {responder.url}\n"
        text = TEXT.replace("[ssl_profile strict]\n", f"[ssl_profile strict]\n{ocsp}")
        self.write("conf/gw.ini", text.encode())
        self.write("client.pem", client.pem)
        words = (running.PYTHON, "-m", "agwtwisted", "explain", "--listener", "s", "--online", "client.pem")
        done = running.call(self.directory, *words)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("\nRefused: certificate revoked\n", done.stdout)
        done = running.call(self.directory, *words, "--at", "2026-01-01")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("not allowed with argument", done.stderr)
