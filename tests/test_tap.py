"""What `twistd agwgateway` does with its options, and what it says when it cannot start."""

from __future__ import annotations

import io
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted._version import VERSION
from agwtwisted.listening.listener import bind
from agwtwisted.loading import load
from agwtwisted.tap import Options, makeService
from agwtwisted.tls import openssl
from agwtwisted.transport import reactor as transport_reactor
from tests import clients, pki, running
from tests.clients import GET
from tests.sockets import NONSENSE

NEEDLESS = (
    *("agwtwisted.checking", "agwtwisted.cli", "agwtwisted.console", "agwtwisted.control", "agwtwisted.core.arm."),
    *("agwtwisted.core.http2", "agwtwisted.core.reports.explanation", "agwtwisted.core.reports.facts"),
    *("agwtwisted.core.resource_manager.", "agwtwisted.demo", "agwtwisted.explaining", "agwtwisted.http2"),
    *("agwtwisted.relay.port", "agwtwisted.revocation.redis", "agwtwisted.revocation.sqlite_store"),
    *("agwtwisted.starter", "agwtwisted.workers", "h2", "hpack", "prometheus_client", "re2", "sqlite3", "twisted.web"),
)
"""What no gateway of an INI file needs that has one process and neither patterns, HTTP/2 nor a control socket."""

STARTS = """
import gc, importlib, sys, time
from agwtwisted.tap import Options, makeService
assert "twisted.internet.reactor" not in sys.modules
for reactor in sys.argv[2:]:
    importlib.import_module("twisted.internet." + reactor).install()
options = Options()
options.parseOptions(["--config", sys.argv[1]])
service = makeService(options)
gateway = service.gateway
print([child.name for child in gateway])
from twisted.internet import reactor
print(type(reactor).__name__, gc.get_threshold()[0] > 1000, gc.get_freeze_count() > 10000)
backends = gateway.generation.backends
print(any(each is backends for each in gc.get_objects()))  # which has none that are frozen
print([name for name in sys.modules if name.startswith({needless!r})])
print(reactor.seconds is time.monotonic, reactor._pendingTimedCalls + reactor._newTimedCalls)
""".replace("{needless!r}", repr(NEEDLESS))


class OptionsTests(SynchronousTestCase):
    """The command line."""

    def test_defaults(self) -> None:
        """Without options it is conf/gw.ini, and more than a check."""
        options = Options()
        options.parseOptions([])
        self.assertEqual((options["config"], options["check"]), ("conf/gw.ini", 0))

    def test_given(self) -> None:
        """The file by its long or short name, and the check."""
        for words in (["--config", "a.ini", "--check"], ["-c", "a.ini", "--check"]):
            options = Options()
            options.parseOptions(words)
            self.assertEqual((options["config"], options["check"]), ("a.ini", 1))

    def test_unknown(self) -> None:
        """What cannot be understood ends the process with one line, which has the command line that was meant."""
        for words, expected in (
            (["--confg", "a.ini"], "there is no option --confg; did you mean '--config'?"),
            (["a.ini"], "a configuration file is named by --config: twistd -n agwgateway --config a.ini"),
            (["-n"], "-n is an option of twistd, and stands before agwgateway: twistd -n agwgateway --config"),
            (["--pidfile="], "--pidfile= is an option of twistd"),
            (["reload"], "reload is a command of agw: agw reload --config conf/gw.ini"),
            (["--config"], "--config needs the name of a file"),
        ):
            with self.assertRaises(SystemExit) as caught:
                Options().parseOptions(words)
            self.assertIn(f"twistd agwgateway: {expected}", str(caught.exception.code))

    def test_version(self) -> None:
        """`--version` is the gateway's own."""
        with redirect_stdout(io.StringIO()) as printed, self.assertRaises(SystemExit) as caught:
            Options().parseOptions(["--version"])
        self.assertEqual((printed.getvalue(), caught.exception.code), (f"agwtwisted {VERSION}\n", 0))


class Directory(SynchronousTestCase):
    """A configuration in a directory of its own."""

    def setUp(self) -> None:
        umask = os.umask(0o077)
        os.umask(umask)
        self.addCleanup(os.umask, umask)  # a start changes it
        self.directory = Path(self.mktemp()).absolute()
        for path, content in clients.files().data.items():
            self.write(path, content)
        self.ports = running.free_ports(2)
        self.file = self.configure("access.log")

    def write(self, path: str, content: bytes) -> Path:
        """A file that its owner alone may read."""
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(content)
        return file

    def configure(self, access_log: str, change: Callable[[str], str] = str) -> str:
        """Writes a configuration with two ports; returns its path."""
        text = clients.text(*(f"l{port} strict; address = 127.0.0.1" for port in self.ports))
        for port in self.ports:
            text = text.replace(f"[http_listener l{port}]\nport = 8443", f"[http_listener l{port}]\nport = {port}")
        secure = "protocol = Https\nssl_certificate = site\nssl_profile = strict\n"
        text = text.replace(secure, "protocol = Http\n", 1)
        text = text.replace("access_log = -", f"access_log = {access_log}")
        return str(self.write("conf/gw.ini", change(text).encode()))

    def options(self, *words: str, parent: dict[str, object] | None = None) -> Options:
        """Options as twistd makes them."""
        options = Options()
        options.parseOptions(["--config", self.file, *words])
        options.parent = parent
        return options

    def ended(self, call: Callable[[], object]) -> tuple[object, str, str]:
        """What the process would end with: status or message, and what it printed."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err), self.assertRaises(SystemExit) as caught:
            call()
        return caught.exception.code, out.getvalue(), err.getvalue()

    def assert_ports_are_free(self) -> None:
        """No socket of the gateway is open."""
        for port in self.ports:
            bind("127.0.0.1", port).close()


class LoadTests(Directory):
    """The configuration file."""

    def test_warnings(self) -> None:
        """What is unwise in a file is printed on stderr, whatever becomes of it."""
        with mock.patch("agwtwisted.checking.raise_limit", return_value=1 << 20):
            _, _, printed = self.ended(lambda: makeService(self.options("--check")))
        self.assertIn("WARNING", printed)
        self.assertEqual(len(printed.splitlines()), len(load(self.file, datetime.now(UTC)).config.warnings))

    def test_a_library_that_is_not_known(self) -> None:
        """A warning says that the public interface is used, and what that means for clients."""
        self.patch(openssl, "FALLBACK", "the installed pyOpenSSL is not one")
        _, _, printed = self.ended(lambda: makeService(self.options("--check")))
        self.assertIn(" the installed pyOpenSSL is not one\n", printed)

    def test_a_reactor_that_is_not_known(self) -> None:
        """Another says that Twisted's own reactor is used."""
        self.patch(transport_reactor, "FALLBACK", "the installed Twisted is not one")
        _, _, printed = self.ended(lambda: makeService(self.options("--check")))
        self.assertIn(" the installed Twisted is not one\n", printed)

    def test_missing(self) -> None:
        """A file that is not there ends the process with its name and the reason."""
        self.file = f"{self.directory}/none.ini"
        message, _, _ = self.ended(lambda: makeService(self.options()))
        self.assertEqual(message, f"ERROR {self.file} cannot be read: No such file or directory")

    def test_wrong(self) -> None:
        """So does a wrong one, with every problem, file and line."""
        self.configure("access.log", lambda text: text.replace("[gateway]\n", "[gateway]\nfoo = 1\nbar = 2\n"))
        message, _, _ = self.ended(lambda: makeService(self.options()))
        for line, key in ((2, "foo"), (3, "bar")):
            self.assertRegex(str(message), rf"ERROR .*gw\.ini:{line} .*{key}")


class StartTests(Directory):
    """A service, or the reason why there is none."""

    def test_check(self) -> None:
        """`--check` shows what the file comes to, and binds nothing: the gateway itself may be running."""
        with closing(bind("127.0.0.1", self.ports[0])):
            status, printed, _ = self.ended(lambda: makeService(self.options("--check")))
        self.assertEqual((status, printed[:10]), (0, "Listeners\n"))
        self.assertIn(f"  l{self.ports[0]}", printed)
        self.assertTrue(printed.endswith(f"\n\n{self.file}: the configuration is valid\n"))

    def test_check_that_is_not_read_to_the_end(self) -> None:
        """`--check | head` is no error, and there is no traceback."""
        code = (
            "import sys; from agwtwisted.tap import Options, makeService;"
            " options = Options(); options.parseOptions(sys.argv[1:]); makeService(options)"
        )
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as output:
            done = subprocess.run(
                [sys.executable, "-c", code, "--check", "--config", str(self.file)],
                env=running.environment(),
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        self.assertEqual(
            (done.returncode, [line for line in done.stderr.splitlines() if "WARNING" not in line]), (0, [])
        )
        self.assertFalse((self.directory / "conf" / "access.log").exists())

    def test_few_descriptors(self) -> None:
        """A check says, as a start does, that the system's limit is too few descriptors, and where the key stands."""
        self.configure("access.log", lambda text: text.replace("[gateway]\n", "[gateway]\nmax_connections = 500\n"))
        for limit, said in ((256, True), (65536, False)):
            with mock.patch("agwtwisted.checking.raise_limit", return_value=limit):
                status, _, complained = self.ended(lambda: makeService(self.options("--check")))
            self.assertEqual(status, 0)
            self.assertEqual("gw.ini:2 [gateway] max_connections = 500 takes" in complained, said, complained)

    def test_check_of_a_wrong_file(self) -> None:
        """`--check` of a wrong file ends with the reasons, as a start would."""
        self.configure("access.log", lambda text: text + "\n[nonsense x]\n")
        for words in (["--check"], []):
            message, printed, complained = self.ended(lambda words=words: makeService(self.options(*words)))
            self.assertIn("nonsense", complained if words else str(message))
            self.assertEqual((printed, message if words else 1), ("", 1))

    def test_busy_port(self) -> None:
        """A busy port ends the start with file, line and listener, and the ports bound before it are let go."""
        port = self.ports[1]
        with closing(bind("127.0.0.1", port)):
            message, _, _ = self.ended(lambda: makeService(self.options()))
        place = f"{self.file}:{self.line(f'port = {port}')} [http_listener l{port}]"
        self.assertEqual(message, f"ERROR {place} cannot listen on 127.0.0.1:{port}: Address already in use")
        self.assert_ports_are_free()

    def test_log(self) -> None:
        """So does an access log that cannot be opened, or a state directory that cannot be made."""
        self.configure("missing/access.log")
        message, _, _ = self.ended(lambda: makeService(self.options()))
        path = self.directory / "conf" / "missing" / "access.log"
        place = f"{self.file}:{self.line('access_log')} [gateway]"
        self.assertEqual(message, f"ERROR {place} access_log {path} cannot be opened: No such file or directory")
        self.assert_ports_are_free()
        self.configure("access.log", _remembering)
        message, _, _ = self.ended(lambda: makeService(self.options()))
        place = f"{self.file}:{self.line('state_directory')} [gateway]"
        self.assertEqual(message, f"ERROR {place} state_directory {self.file} cannot be opened: File exists")

    def test_weak_key(self) -> None:
        """So does a server certificate that OpenSSL does not serve; a check says so, too."""
        weak = pki.Authority.root("Servers").issue_server("localhost", key=pki.rsa_key(1024))
        self.write("conf/pki/site.pem", weak.chain_pem)
        self.write("conf/pki/site.key", weak.key_pem)
        for words in ((), ("--check",)):
            message, printed, complained = self.ended(lambda words=words: makeService(self.options(*words)))
            place = f"{self.file}:{self.line('[ssl_certificate site]')} [ssl_certificate site]"
            said = complained.rstrip() if words else message
            self.assertEqual((said, printed), (f"ERROR {place} cannot be used: ee key too small", ""))
            self.assert_ports_are_free()

    def line(self, start: str) -> int:
        """The number of the configuration's first line that begins so."""
        lines = Path(self.file).read_text().split("\n")
        return 1 + next(number for number, line in enumerate(lines) if line.startswith(start))

    def test_daemon_without_output(self) -> None:
        """A daemon has no standard output to write its access log to; twistd -n has."""
        self.configure("-")
        message, _, _ = self.ended(lambda: makeService(self.options(parent={"nodaemon": 0})))
        self.assertIn("access_log = -", str(message))
        with closing(bind("127.0.0.1", self.ports[0])):
            message, _, _ = self.ended(lambda: makeService(self.options(parent={"nodaemon": 1})))
        self.assertIn("cannot listen", str(message))

    def starts(self, *reactor: str) -> list[str]:
        """What a process prints that makes the service, after it chose a reactor."""
        done = subprocess.run(
            [sys.executable, "-c", STARTS, self.file, *reactor],
            env=running.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_starts(self) -> None:
        """A good file makes a service of log and listeners; no reactor is chosen before its options are read.

        No module is imported that it does not need: each takes some 50 KB in every process. What is made of the plan is
        not frozen, so that the garbage collector finds it once another plan is in force.
        """
        names, process, collected, needless, clock = self.starts()
        self.assertEqual(collected, "True")
        self.assertEqual(
            names,
            str(
                [
                    *("wall clock", "access log", "revocation", "stapling", "probes"),
                    *(f"listener 127.0.0.1:{port}" for port in self.ports),
                    "followed files",
                    "grown buffers",
                    "happenings",
                ]
            ),
        )
        self.assertEqual((process, clock), ("LeanEPollReactor True True", "True []"))
        self.assertEqual(needless, "[]")

    def test_chosen_reactor(self) -> None:
        """A reactor that was chosen before is the one, and waits by a time that cannot be set either."""
        self.assertEqual(self.starts("selectreactor")[1:], ["SelectReactor True True", "True", "[]", "True []"])
        self.assertEqual(
            self.starts("asyncioreactor")[1:], ["AsyncioSelectorReactor True True", "True", "[]", "True []"]
        )

    def test_reactor_that_waits_already(self) -> None:
        """Where something waits on the reactor already, by the system's time, the start says what may come of it."""
        early = "from twisted.internet import reactor\nreactor.callLater(1000, int)\n"
        started = STARTS.replace("options = Options()", early + "options = Options()")
        words = [sys.executable, "-c", started, self.file, "selectreactor"]
        done = subprocess.run(words, env=running.environment(), capture_output=True, text=True, check=True)
        self.assertIn("WARNING", done.stderr)
        self.assertIn("this reactor (SelectReactor) has a clock of its own, or has scheduled calls", done.stderr)
        self.assertIn("False", done.stdout.splitlines()[-1])


TWISTD = (running.TWISTD, "--nodaemon", "--pidfile=", "agwgateway", "--config", "conf/gw.ini")


class TwistdTests(Directory):
    """The process that twistd makes of it."""

    def test_says_why_not(self) -> None:
        """A busy port: exit status 1, and the message alone on stderr."""
        with closing(bind("127.0.0.1", self.ports[1])):
            done = running.call(self.directory, *TWISTD)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.rstrip().endswith("Address already in use"), done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr)

    def test_rotation(self) -> None:
        """SIGUSR1 has the access log opened anew: what is written after a rotation is in the new file."""
        log = self.directory / "conf" / "access.log"
        with running.running(self.directory, *TWISTD) as gateway:
            self.wait(gateway, self.ask)
            self.wait(gateway, log.read_bytes)
            log.rename(log.with_suffix(".old"))
            gateway.signal(signal.SIGUSR1)
            self.wait(gateway, log.exists)
            self.ask()
            status, printed = gateway.end(signal.SIGTERM)
        self.assertEqual(status, -signal.SIGTERM, printed)
        self.assertEqual(len(log.read_bytes().splitlines()), 1)
        self.assertNotIn("Traceback", printed)

    def test_second_signal(self) -> None:
        """A second SIGTERM ends a gateway that waits for its connections, without a word."""
        with closing(socket.create_server(("127.0.0.1", 0))) as backend:
            backend.settimeout(running.PATIENCE)
            port = backend.getsockname()[1]
            self.configure("access.log", lambda text: _waiting(text).replace("127.0.0.1:9000", f"127.0.0.1:{port}"))
            with running.running(self.directory, *TWISTD) as gateway, ExitStack() as stack:
                self.wait(gateway, self.ask)
                client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", self.ports[0]))))
                client.sendall(GET)
                accepted, _ = backend.accept()
                stack.enter_context(closing(accepted))
                gateway.signal(signal.SIGTERM)
                self.wait(gateway, lambda: not self.ask())
                status, printed = gateway.end(signal.SIGTERM)
        self.assertEqual(status, -signal.SIGTERM, printed)
        self.assertNotIn("Traceback", printed)

    def wait(self, gateway: running.Running, condition: Callable[[], object]) -> None:
        """Until the condition holds, for as long as the gateway lives."""
        while not condition():
            self.assertIsNone(gateway._process.poll())

    def ask(self) -> bytes:
        """The gateway's answer to nonsense; empty if no port listens."""
        try:
            with closing(socket.create_connection(("127.0.0.1", self.ports[0]))) as client:
                client.sendall(NONSENSE)
                return client.recv(1 << 16)
        except ConnectionError:
            return b""


def _remembering(text: str) -> str:
    """The same with a state directory that is a file, and a profile that needs one."""
    text = text.replace("[gateway]\n", "[gateway]\nstate_directory = gw.ini\n")
    return text.replace("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")


def _waiting(text: str) -> str:
    """The same with much time for the last exchanges."""
    return text.replace("[gateway]\n", "[gateway]\ndrain_timeout = 1000\n")
