"""From a file to a plan, or to the reasons why there is none."""

from __future__ import annotations

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted import loading
from agwtwisted.core.base.errors import AgwError, ConfigError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.listening.listener import BindError
from agwtwisted.loading import LARGEST, READINGS, Files, load, load_files, placed, plan_of, read, try_contexts
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.tls import contexts, system_roots
from agwtwisted.tls.contexts import AuthorityError, CertificateError, GroupsError
from tests import clients, configurations, pki, running

NOW = datetime.now(UTC)

FIRST_HTTP2_CLIENT = """
import sys
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.http import port
from agwtwisted.loading import load
plan = load(sys.argv[1], None)
before = set(sys.modules)
port._translator(plan.gateway, HeaderNames())
port._blocks()
from agwtwisted.http2 import client_protocol
print(sorted(set(sys.modules) - before))
"""


class Directory(SynchronousTestCase):
    """A configuration in a directory of its own."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        for path, content in clients.files().data.items():
            self.write(path, content)
        self.text = clients.text("l strict; address = 127.0.0.1")
        self.file = self.configure()

    def write(self, path: str, content: bytes) -> Path:
        """A file that its owner alone may read."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        return file

    def configure(self, change: Callable[[str], str] = str) -> str:
        """Writes the configuration; returns its path."""
        return str(self.write("conf/gw.ini", change(self.text).encode()))

    def line(self, start: str) -> int:
        """The number of the configuration's first line that begins so."""
        lines = Path(self.file).read_text().split("\n")
        return 1 + next(number for number, line in enumerate(lines) if line.startswith(start))

    def problems(self, file: str) -> list[str]:
        """All that is said about a file that is not taken."""
        with self.assertRaises(ConfigError) as caught:
            load(file, NOW)
        return str(caught.exception).splitlines()


class LoadTests(Directory):
    """Files."""

    def test_loads(self) -> None:
        """A good file is a plan, the same each time, with its warnings; nothing is printed, and no process ends."""
        plan = load(self.file, NOW)
        self.assertEqual([listener.port for listener in plan.config.http_listeners], [8443])
        self.assertTrue(plan.config.warnings)
        self.assertEqual(plan, load(self.file, None))

    def test_imports(self) -> None:
        """What the first HTTP/2 client needs is imported with the plan, in no turn of the reactor, nor after an upgrade
        has taken the files away."""
        file = self.configure(lambda text: text.replace("[gateway]", "[gateway]\nenable_http2 = true", 1))
        words = [sys.executable, "-c", FIRST_HTTP2_CLIENT, file]
        done = subprocess.run(words, env=running.environment(), capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "[]\n")

    def test_authorities_of_everybody(self) -> None:
        """It is unwise to trust, of clients, an authority that the machine trusts of servers."""
        for file, expected in (("site.pem", False), ("clients-ca.pem", True)):
            self.patch(os, "environ", {**os.environ, "SSL_CERT_FILE": str(self.directory / "conf" / "pki" / file)})
            said = "\n".join(map(str, load(self.file, NOW).config.warnings))
            self.assertEqual("this machine trusts for servers" in said, expected, file)

    def test_missing(self) -> None:
        """A file that is not there, or none at all, is said with its name."""
        for path, reason in (
            (f"{self.directory}/none.ini", "No such file or directory"),
            (str(self.directory), "Is a directory"),
            (f"{self.directory}/a\0b", "embedded null byte"),
        ):
            [problem] = self.problems(path)
            self.assertTrue(problem.endswith(f" cannot be read: {reason}"), problem)
            self.assertTrue(problem.startswith(f"ERROR {self.directory}"), problem)

    def test_not_regular(self) -> None:
        """A pipe, which may never say anything, and a device, which may never end, are not read."""
        pipe, key = self.directory / "pipe", self.directory / "conf/pki/site.key"
        os.mkfifo(pipe, 0o600)
        files = load_files(self.file, NOW).files
        for other in (pipe, Path("/dev/zero")):
            self.assertIn("cannot be read: it is not a regular file", self.problems(str(other))[0])
            key.unlink()
            key.symlink_to(other)
            said = f"cannot read {key}: it is not a regular file"
            self.assertIn(said, self.problems(self.file)[0])
            with self.assertRaises(ConfigError) as caught:
                plan_of(files.reread(), NOW)
            self.assertIn(said, str(caught.exception))

    def test_huge(self) -> None:
        """A file that is larger than any configuration is not read into memory."""
        with open(self.file, "ab") as file:
            file.truncate(LARGEST + 1)
        self.assertIn("cannot be read: it is larger than 16 MiB", "".join(self.problems(self.file)))

    def test_wrong(self) -> None:
        """Every problem is said, with file and line."""
        self.configure(lambda text: text.replace("[gateway]\n", "[gateway]\nfoo = 1\nbar = 2\n"))
        found = "\n".join(self.problems(self.file))
        for line, key in ((2, "foo"), (3, "bar")):
            self.assertRegex(found, rf"ERROR .*gw\.ini:{line} .*{key}")

    def test_modes(self) -> None:
        """A configuration that others may write is not taken: its mode is looked at."""
        os.chmod(self.file, 0o666)
        self.assertIn(f"ERROR {self.file} can be written by other users (mode 0666)", self.problems(self.file))


class FilesTests(Directory):
    """What a configuration was read from."""

    def test_bytes_alone(self) -> None:
        """The bytes make the same plan in another process, whatever stands in the files by then."""
        loaded = load_files(self.file, NOW)
        self.configure(lambda text: "nonsense")
        (self.directory / "conf" / "pki" / "site.key").unlink()
        sent: Files = pickle.loads(pickle.dumps(loaded.files))
        self.assertEqual((sent, plan_of(sent, NOW)), (loaded.files, loaded.plan))

    def test_every_file(self) -> None:
        """Each file that is named is among them once, by its path; its bytes are in no repr."""
        files = load_files(self.file, NOW).files
        named = sorted(
            str(self.directory / "conf" / "pki" / name) for name in ("clients-ca.pem", "site.key", "site.pem")
        )
        self.assertEqual(set(named) - set(files.named), set())
        self.assertNotIn("PRIVATE", repr(files))

    def test_reread(self) -> None:
        """Files are read anew, beside the same main text; one that cannot be read is said with the system's reason."""
        files = load_files(self.file, NOW).files
        self.configure(lambda text: "nonsense")
        key = self.directory / "conf" / "pki" / "site.key"
        content = key.read_bytes()
        key.unlink()
        key.mkdir()
        unreadable = files.reread()
        self.assertEqual(unreadable.main, files.main)
        with self.assertRaises(ConfigError) as caught:
            plan_of(unreadable, NOW)
        self.assertIn(f"cannot read {key}: Is a directory", str(caught.exception))
        key.rmdir()
        self.write("conf/pki/site.key", content)
        self.assertEqual(unreadable.reread(), files)

    def test_gone(self) -> None:
        """A file that is not there any more, or whose directory is not, stays as it was read, until it is back."""
        files = load_files(self.file, NOW).files
        directory = self.directory / "conf" / "pki"
        key = str(directory / "site.key")
        for change in (Path(key).unlink, lambda: directory.rename(self.directory / "aside"), directory.touch):
            change()
            gone = files.reread()
            self.assertEqual((gone, gone.named[key].signature), (files, None))
            self.assertEqual(gone.reread().named[key].signature, None)
        directory.unlink()
        (self.directory / "aside").rename(directory)
        self.write("conf/pki/site.key", files.named[key].data)
        self.assertEqual(gone.reread().named[key].signature, signature_of(key))

    def test_read_while_they_change(self) -> None:
        """Files that change while they are read are read again, so that all are of one moment; not for ever."""
        files = load_files(self.file, NOW).files
        first, *_, last = files.named
        contents = [b"1", b"2", b"3"]

        def reading(path: str) -> SourceFile:
            found = read(path)
            if path == last and contents:
                Path(first).write_bytes(contents.pop(0) * 99)
            return found

        self.patch(loading, "read", reading)
        self.assertEqual(files.reread().named[first].data, b"3" * 99)
        self.assertEqual(contents, [])
        contents += [b"4", b"5"] * READINGS
        with self.assertRaisesRegex(ConfigError, "gw.ini.* change while they are read"):
            files.reread()

    def test_not_read(self) -> None:
        """A file that was not read is not there."""
        with self.assertRaises(FileNotFoundError):
            load_files(self.file, NOW).files.read("/none")


class SystemRootsTests(Directory):
    """The authorities that the machine trusts for servers."""

    def test_any_place(self) -> None:
        """They are known by their keys, in whichever place they are; without any there are none."""
        root, nowhere = pki.Authority.root("Of this system"), str(self.directory / "none.pem")
        file = str(self.write("roots.pem", root.chain_pem))
        for files, count in (((nowhere, file), 1), ((file, nowhere), 1), ((nowhere,), 0)):
            with mock.patch.object(system_roots, "files", lambda files=files: files):
                self.assertEqual(len(loading._system_roots()), count)


class PlacedTests(Directory):
    """What only the system or OpenSSL can say has its line, too."""

    def said(self, error: Exception) -> str:
        """What an error becomes that a start meets."""
        with self.assertRaises(ConfigError) as caught, placed(load(self.file, NOW)):
            raise error
        return str(caught.exception)

    def test_address(self) -> None:
        """An address that cannot be bound has the line of the port, in the first listener that wants it."""
        busy = BindError("127.0.0.1", 8443, OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE)))
        place = f"ERROR {self.file}:{self.line('port = 8443')} [http_listener l]"
        self.assertEqual(self.said(busy), f"{place} cannot listen on 127.0.0.1:8443: Address already in use")

    def test_files(self) -> None:
        """A file or directory that cannot be made has the line of its key."""
        self.configure(lambda text: text.replace("access_log = -\n", "access_log = a.log\nstate_directory = s\n"))
        for name, key in (("a.log", "access_log"), ("s", "state_directory")):
            path = str(self.directory / "conf" / name)
            place = f"ERROR {self.file}:{self.line(key)} [gateway] {key}"
            denied = PermissionError(errno.EACCES, "Permission denied", path)
            self.assertEqual(self.said(denied), f"{place} {path} cannot be opened: Permission denied")

    def test_whatever_else(self) -> None:
        """Another error of ours, and a shortage of the system, has the file; a defect stays what it is."""
        self.assertEqual(self.said(AgwError("it will not do")), f"ERROR {self.file} it will not do")
        shortage = OSError(errno.EMFILE, "Too many open files")
        self.assertEqual(self.said(shortage), f"ERROR {self.file} Too many open files")
        with self.assertRaises(ZeroDivisionError), placed(load(self.file, NOW)):
            raise ZeroDivisionError
        placed_already = ConfigError([])
        with self.assertRaises(ConfigError) as caught, placed(load(self.file, NOW)):
            raise placed_already
        self.assertIs(caught.exception, placed_already)

    def test_weak_key(self) -> None:
        """A server certificate that OpenSSL does not serve has the line of its section."""
        weak = pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(1024))
        self.write("conf/pki/site.pem", weak.chain_pem)
        self.write("conf/pki/site.key", weak.key_pem)
        place = f"{self.file}:{self.line('[ssl_certificate site]')} [ssl_certificate site]"
        self.assertEqual(self.tried(load(self.file, NOW)), f"ERROR {place} cannot be used: ee key too small")

    def test_each_section(self) -> None:
        """Whatever OpenSSL does not take has the line of its section: CAs of clients as well as certificates."""
        for error in (CertificateError("site", "x"), AuthorityError("devices", "x"), GroupsError("strict")):
            line = self.line(f"[{error.section}]")
            self.assertEqual(self.said(error), f"ERROR {self.file}:{line} [{error.section}] {error.reason}")

    def test_unknown_groups(self) -> None:
        """So have groups for key exchange that this OpenSSL does not have."""
        self.patch(contexts, "set_groups", lambda context, groups: b"DEFAULT" in groups)
        self.configure(lambda text: text.replace("[ssl_profile strict]", "[ssl_profile strict]\ntls_groups = x448"))
        self.assertIn(
            "[ssl_profile strict] tls_groups has a group that this OpenSSL does not know",
            self.tried(load(self.file, NOW)),
        )

    def test_contexts_that_can_be_made(self) -> None:
        """A good configuration's contexts are made, of HTTP and of backends; plain ports have none."""
        with placed(load(self.file, NOW)):
            try_contexts(load(self.file, NOW))
            try_contexts(configurations.plan(clients.plain(self.text), clients.files()))

    def tried(self, plan: Plan) -> str:
        """Why contexts cannot be made of a plan."""
        with self.assertRaises(ConfigError) as caught, placed(plan):
            try_contexts(plan)
        return str(caught.exception)
