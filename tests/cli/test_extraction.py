"""`agw extract-ca`."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import subprocess
from pathlib import Path

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, pkcs7, pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.extraction import MAX_FILE_BYTES
from agwtwisted.cli.program import main
from agwtwisted.core.verification.chains import TrustedChain, read_chain
from tests import EXAMPLES, pki, running
from tests.programs import needs

ROOT = pki.Authority.root("Root")
FIRST = ROOT.intermediate("First")
LEAF = FIRST.issue("device 7")
WHOLE = pki.bundle(ROOT, FIRST)


def pfx(password: bytes | None, *, root: bool = True) -> bytes:
    """The client's certificate, key and chain."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    issuers = [each.certificate for each in ((ROOT, FIRST) if root else (FIRST,))]
    return pkcs12.serialize_key_and_certificates(b"device", LEAF.key, LEAF.certificate, issuers, encryption)


class Extracting(SynchronousTestCase):
    """A directory with files, and one to be made."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.output = self.directory / "trusted.pem"

    def write(self, name: str, content: bytes) -> str:
        """A file; its path."""
        file = self.directory / name
        file.write_bytes(content)
        return str(file)

    def run_main(self, *words: str) -> tuple[int, str, str]:
        """Exit status, standard output and standard error of a call."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                status = main(["extract-ca", *words])
            except SystemExit as end:  # argparse has said what is wrong
                status = int(end.code or 0)
        return status, out.getvalue(), err.getvalue()

    def extract(self, *words: str) -> tuple[int, str, str]:
        """The answer with an output file."""
        return self.run_main(*words, "-o", str(self.output))


class MadeTests(Extracting):
    """What goes into the file, and what is said of it."""

    def test_a_bundle(self) -> None:
        """Key and leaf are left out, root and intermediate written, the root first."""
        status, out, err = self.extract(self.write("client.pem", LEAF.key_pem + LEAF.chain_pem + ROOT.pem))
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(self.output.read_bytes(), WHOLE)
        self.assertIn("trusted.pem: 2 certificates, the root first\n  CN=Root, SHA-1 ", out)
        self.assertIn("issuer DN, for verify_client_cert_issuer_dn: CN=First\n", out)
        self.assertIn("left out: CN=device 7: no CA\n", out)
        self.assertIn("client.pem:1: a private key\n", out)

    def test_several_files(self) -> None:
        """PEM and DER, in any order and with doubles."""
        words = (
            self.write("a.cer", FIRST.der),
            self.write("b.pem", ROOT.pem + FIRST.pem),
            self.write("c.crt", LEAF.der),
        )
        self.assertEqual(self.extract(*words)[0], 0)
        self.assertEqual(self.output.read_bytes(), WHOLE)

    def test_a_root_alone(self) -> None:
        """A chain may be one certificate long."""
        status, out, _ = self.extract(self.write("root.cer", ROOT.der))
        self.assertEqual((status, self.output.read_bytes()), (0, ROOT.pem))
        self.assertIn("trusted.pem: one root\n", out)

    def test_pfx(self) -> None:
        """With its password in a file, with or without a newline after it, or without any password."""
        for number, (content, password) in enumerate(
            ((pfx(b"secret"), b"secret\r\n"), (pfx(b"s p"), b"s p"), (pfx(None), None))
        ):
            self.output.unlink(missing_ok=True)
            words = [self.write(f"client{number}.PFX", content)]
            if password is not None:
                words += ["--password-file", self.write("password", password)]
            status, out, err = self.extract(*words)
            self.assertEqual((status, err), (0, ""))
            self.assertEqual(self.output.read_bytes(), WHOLE)
            self.assertIn(f"client{number}.PFX: a private key\n", out)

    @needs("openssl")
    def test_pkcs7(self) -> None:
        """A bundle as openssl writes it, in PEM and in DER, whatever its name."""
        chain = self.write("chain.pem", pki.bundle(LEAF, FIRST, ROOT))
        for form in ("PEM", "DER"):
            self.output.unlink(missing_ok=True)
            bundle = str(self.directory / f"chain.{form}")
            make = ["openssl", "crl2pkcs7", "-nocrl", "-certfile", chain, "-outform", form, "-out", bundle]
            subprocess.run(make, check=True, capture_output=True)
            status, out, err = self.extract(bundle)
            self.assertEqual((status, err, self.output.read_bytes()), (0, "", WHOLE))
            self.assertIn("left out: CN=device 7: no CA", out)

    def test_broken_pkcs7(self) -> None:
        """A bundle that cannot be read is named."""
        bundle = pkcs7.serialize_certificates([ROOT.certificate], Encoding.DER)
        status, _, err = self.extract(self.write("broken.p7b", bundle[:-1]))
        self.assertEqual(status, 2)
        self.assertIn("broken.p7b is a PKCS #7 bundle that cannot be read", err)

    @needs("openssl")
    def test_what_s_client_printed(self) -> None:
        """The text that `openssl s_client -showcerts` prints, with all that stands around the certificates."""
        (port,) = running.free_ports(1)
        files = (self.write("leaf.pem", LEAF.pem), self.write("key.pem", LEAF.key_pem), self.write("ca.pem", WHOLE))
        serve = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-www"]
        serve += ["-cert", files[0], "-key", files[1], "-cert_chain", files[2]]
        with running.running(self.directory, *serve) as server:
            server.read_until("ACCEPT")
            ask = ["openssl", "s_client", "-showcerts", "-connect", f"127.0.0.1:{port}"]
            done = subprocess.run(ask, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        status, _, err = self.extract(self.write("saved.txt", done.stdout))
        self.assertEqual((status, err), (0, ""))
        self.assertEqual(self.output.read_bytes(), WHOLE)

    def test_only_its_owner_may_change_it(self) -> None:
        """The gateway takes no file that others may write."""
        before = os.umask(0)
        self.addCleanup(os.umask, before)
        self.extract(self.write("client.pem", WHOLE))
        self.assertEqual(stat.S_IMODE(self.output.stat().st_mode), 0o644)

    def test_is_what_a_gateway_takes(self) -> None:
        """What was written is read again without a problem; what a gateway would warn of is reported at once."""
        old = pki.Authority.root("Old", not_after=pki.NOT_BEFORE)
        status, out, _ = self.extract(self.write("client.pem", pki.bundle(old.issue(), old)))
        self.assertEqual(status, 0)
        self.assertIn("warning: line 1: 'CN=Old': expired on 2020-01-01", out)
        self.assertIsInstance(read_chain(self.output.read_bytes(), "x"), TrustedChain)

    def test_what_cannot_be_read_is_told(self) -> None:
        """A broken block is named with its place, and the rest is used."""
        status, out, _ = self.extract(
            self.write("client.pem", pki.pem_block("CERTIFICATE", b"0\x01a") + LEAF.chain_pem + ROOT.pem)
        )
        self.assertEqual((status, self.output.read_bytes()), (0, WHOLE))
        self.assertIn("client.pem:1: the block is not an X.509 certificate", out)


class NotMadeTests(Extracting):
    """What is missing, and that nothing is written."""

    def assert_not_made(self, words: str, *files: str) -> None:
        """Status 1, and why."""
        status, out, err = self.extract(*files)
        self.assertEqual((status, err), (1, ""), out)
        self.assertIn("trusted.pem is not made:\n  ", out)
        self.assertIn(words, out)
        self.assertFalse(self.output.exists())

    def test_no_root(self) -> None:
        """The issuer that is lacking is named."""
        lost = "the issuer of CN=First is missing: CN=Root;"
        self.assert_not_made(lost, self.write("client.pem", LEAF.chain_pem))
        self.assert_not_made(lost, self.write("client.p12", pfx(None, root=False)))

    def test_no_intermediate(self) -> None:
        """So is one in between."""
        self.assert_not_made(
            "the issuer of CN=device 7 is missing: CN=First", self.write("c.pem", pki.bundle(LEAF, ROOT))
        )

    def test_two_roots(self) -> None:
        """A file has one."""
        other = pki.Authority.root("Other")
        self.assert_not_made("there are 2 roots", self.write("c.pem", pki.bundle(ROOT, other)))

    def test_too_long(self) -> None:
        """What is more than the product takes is not written."""
        chain: list[pki.Authority] = [ROOT]
        for level in range(60):
            chain.append(chain[-1].intermediate(f"Level {level}"))
        self.assert_not_made("the limit is 25600", self.write("c.pem", pki.bundle(*chain)))

    def test_force_keeps_what_was_there(self) -> None:
        """An output file is overwritten by a new one, not by nothing."""
        self.output.write_text("before")
        status, _, _ = self.extract(self.write("client.pem", LEAF.chain_pem), "--force")
        self.assertEqual((status, self.output.read_text()), (1, "before"))


class WrongTests(Extracting):
    """What cannot be read or written: a message, status 2, and no traceback."""

    def assert_wrong(self, answer: tuple[int, str, str], words: str) -> None:
        """That it is such an answer."""
        status, out, err = answer
        self.assertEqual((status, out), (2, ""), err)
        self.assertIn(words, err)
        self.assertNotIn("Traceback", err)

    def test_usage(self) -> None:
        """Files and an output are needed."""
        for words in ((), ("-o", "x"), ("client.pem",)):
            self.assert_wrong(self.run_main(*words), "usage: ")

    def test_existing_output(self) -> None:
        """It stays as it is, until --force."""
        file = self.write("client.pem", LEAF.chain_pem + ROOT.pem)
        self.output.write_text("before, and longer than the file that takes its place" * 100)
        before = self.output.read_text()
        self.assert_wrong(
            self.extract(file), "trusted.pem exists and stays as it is: name another file, or say --force"
        )
        self.assertEqual(self.output.read_text(), before)
        self.assertEqual(self.extract(file, "--force")[0], 0)
        self.assertEqual(self.output.read_bytes(), WHOLE)

    def test_output_is_an_input(self) -> None:
        """A client's file, which may hold its only key, is not overwritten even by force."""
        content = LEAF.key_pem + LEAF.chain_pem + ROOT.pem
        file = self.write("trusted.pem", content)
        link = self.directory / "link.pem"
        link.symlink_to(file)
        for path in (file, str(link)):
            self.assert_wrong(self.extract(path, "--force"), "is one of the files to read: name another file")
        self.assert_wrong(self.run_main(file, "-o", str(link), "--force"), "is one of the files to read")
        self.assertEqual(Path(file).read_bytes(), content)

    def test_output_that_cannot_be_written(self) -> None:
        """A directory that is not there, a directory in place of a file, a name that is none, a dangling link."""
        file = self.write("client.pem", WHOLE)
        self.output.symlink_to(self.directory / "none" / "x")
        for words, reason in (
            (("-o", str(self.directory / "none" / "x")), "x cannot be written: No such file"),
            (("-o", str(self.directory), "--force"), "cannot be written: Is a directory"),
            (("-o", "a\0b"), "a\\x00b"),
            (("-o", str(self.output)), "trusted.pem cannot be written: File exists"),
        ):
            self.assert_wrong(self.run_main(file, *words), reason)

    def test_inputs(self) -> None:
        """Files that are not there, hold no certificate, or are too much."""
        self.assert_wrong(self.extract(str(self.directory / "none.pem")), "none.pem cannot be read: No such file")
        for content, words in (
            (b"", "there is no certificate\n"),
            (LEAF.key_pem, "key.pem:1: a private key"),
            (b"hello", "key.pem: neither PEM"),
            (b"x" * (MAX_FILE_BYTES + 1), "key.pem has more than 1048576 bytes"),
        ):
            self.assert_wrong(self.extract(self.write("key.pem", content)), words)

    def test_pfx(self) -> None:
        """A wrong password, none, an unreadable password file, and what is no PFX."""
        file = self.write("client.pfx", pfx(b"secret"))
        self.assert_wrong(
            self.extract(file), ("it is not PKCS #12, or it has a password: write it into a --password-file")
        )
        wrong = ("--password-file", self.write("password", b"wrong"))
        self.assert_wrong(self.extract(file, *wrong), "it is not PKCS #12, or the password is wrong")
        self.assert_wrong(self.extract(file, "--password-file", "none"), "none cannot be read")
        self.assert_wrong(self.extract(self.write("text.pfx", b"hello"), *wrong), "it is not PKCS #12")

    @settings(max_examples=EXAMPLES or 30)
    @given(st.binary(max_size=300), st.sampled_from(("x.pem", "x.pfx")))
    def test_rubbish(self, content: bytes, name: str) -> None:
        """Whatever a file holds, there is a message."""
        self.assertEqual(self.extract(self.write(name, content))[0], 2)


class ProcessTests(Extracting):
    """As it is started."""

    def test_started(self) -> None:
        """The module runs as a program."""
        self.write("client.pem", LEAF.chain_pem)
        words = (running.PYTHON, "-m", "agwtwisted", "extract-ca", "-o", "trusted.pem", "client.pem")
        done = running.call(self.directory, *words)
        self.assertEqual((done.returncode, done.stderr), (1, ""))
        self.assertIn("the issuer of CN=First is missing: CN=Root;", done.stdout)
        self.write("root.cer", ROOT.der)
        self.assertEqual(running.call(self.directory, *words, "root.cer").returncode, 0)
        done = running.call(self.directory, *words, "root.cer")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertNotIn("Traceback", done.stderr)
