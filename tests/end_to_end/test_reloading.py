"""SIGHUP: another configuration, and nothing is lost; a wrong one, and nothing changes."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from tests import pki, programs, running
from tests.end_to_end import changes, clients, gateway, java
from tests.end_to_end.backends import accepts
from tests.end_to_end.changes import GET, STEADY, Changing, Lives, Steady
from tests.end_to_end.lines import DEADLINE, Line, wait_until

ISSUER = "verify_client_cert_issuer_dn = true"

BETWEEN = 60
"""Requests that are answered from one reload to the next."""


@contextmanager
def one() -> Iterator[gateway.Scene]:
    """One process."""
    with changes.stage() as scene:
        yield scene


@contextmanager
def two() -> Iterator[gateway.Scene]:
    """Two workers."""
    with changes.stage(workers=2) as scene:
        yield scene


class ReloadCase(gateway.SceneCase):
    """Every test leaves the first configuration in force."""

    def setUp(self) -> None:
        super().setUp()
        self.doors = self.scene.doors
        self.changing = Changing(self.gateway)
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)
        self.addCleanup(self.restore)

    def restore(self) -> None:
        """Undo what a test did."""
        for name in ("trusted", "server"):
            self.put_back(name)
        self.changing.reload(self.changing.first)

    def put_back(self, name: str) -> None:
        """The first files of that name."""
        for path in self.gateway.directory.glob(f"{name}.*.first"):
            shutil.move(path, path.with_suffix(""))

    def replace(self, name: str, content: bytes) -> None:
        """Another content of a file, by rename."""
        path = self.gateway.directory / name
        kept = path.with_name(name + ".first")
        if not kept.exists():
            shutil.copy2(path, kept)
        new = path.with_name(name + ".new")
        shutil.copy2(path, new)
        new.write_bytes(content)
        new.replace(path)

    def line(self, door: str, certificate: str = "ecdsa") -> Line:
        """A connection."""
        return self.stack.enter_context(closing(clients.encrypted(self.gateway.call(self.doors[door], certificate))))

    def status(self, door: str, certificate: str = "ecdsa") -> int:
        """What a new client gets; 0: it is refused in the handshake."""
        return clients.by_python(self.gateway.call(self.doors[door], certificate)).status

    def served(self, door: str) -> int:
        """The serial number of the certificate that the gateway shows there."""
        with closing(self.line(door)) as line:
            assert isinstance(line.socket, ssl.SSLSocket)
            shown = line.socket.getpeercert(binary_form=True)
            assert shown
            return pki.x509.load_der_x509_certificate(shown).serial_number


class LoadTests(ReloadCase):
    """Clients that never stop asking."""

    stage = staticmethod(one)

    def test_nothing_is_lost(self) -> None:
        """Reloads of every kind cost no client an error or its connection, and the log has a line for every request."""
        strict = self.gateway.call(self.doors["strict"], "ecdsa")
        asking = [Steady(lambda: clients.plain(self.doors["plain"]), keeps=True) for _ in range(4)]
        asking += [Steady(lambda: clients.encrypted(strict), keeps=True) for _ in range(4)]
        asking += [Steady(lambda: clients.plain(self.doors["plain"]), keeps=False) for _ in range(2)]
        asking += [Steady(lambda: clients.encrypted(strict), keeps=False) for _ in range(2)]
        first = self.changing.first
        other = gateway.door("other", *running.free_ports(1), "strict")
        for text in (first, first + other, first, first.replace("drain_timeout = 5", "drain_timeout = 6"), first):
            before = sum(each.answered for each in asking)
            self.changing.reload(text)
            self.replace("server.pem", (self.gateway.directory / "server.pem").read_bytes() + b"\n")
            wait_until(
                lambda before=before: sum(each.answered for each in asking) > before + BETWEEN,  # type: ignore[misc]
                "clients are answered",
            )
        for each in asking:
            each.stop()
        self.assertEqual([failure for each in asking for failure in each.failures], [])
        self.assertEqual({each.connections for each in asking if each.keeps}, {1})
        answered = sum(each.answered for each in asking)
        wait_until(lambda: self.logged() >= answered, "every request has its line")
        self.assertEqual(self.logged(), answered)

    def logged(self) -> int:
        """How many lines the access log has of those clients."""
        return sum(each.get("requestUri") == STEADY.decode() for each in self.gateway.records())


class KeptTests(ReloadCase):
    """Connections that a reload finds."""

    stage = staticmethod(one)

    def test_live_on(self) -> None:
        """A kept connection, a stream of events, a WebSocket, an L4 session and a device at a broker go on."""
        living = Lives(self.scene, self.stack).all()
        for each in living:
            each.speak()
        for text in (self.changing.first, self.changing.first.replace("drain_timeout = 5", "drain_timeout = 6")):
            self.changing.reload(text)
            for each in living:
                each.speak()

    @programs.needs("curl")
    def test_curl(self) -> None:
        """A request under way ends by the old rules, the next one on the same connection follows the new ones."""
        call = self.gateway.call(self.doors["strict"], "ecdsa")
        assert call.certificate
        words = ["curl", "--silent", "--show-error", "--cacert", call.trusted, "--interface", call.source]
        words += ["--connect-to", f"::127.0.0.1:{call.port}", "--cert", call.certificate[0]]
        words += ["--key", call.certificate[1], "--max-time", str(int(DEADLINE)), "--write-out", " %{num_connects}\n"]
        urls = [f"https://localhost:{call.port}/{path}" for path in ("", "slow", "")]
        pages = self.scene.backend.one
        pages.asked.clear()
        pages.go_on.clear()
        asking = subprocess.Popen([*words, *urls], stdout=subprocess.PIPE, env=running.environment(), text=True)
        with asking:
            assert pages.asked.wait(DEADLINE)
            text = re.sub(
                r"(http_listener = strict\nbackend_address_pool = )app(\nbackend_http_settings = )app",
                r"\1other\2other",
                self.changing.first,
            )
            self.assertNotEqual(text, self.changing.first)
            self.changing.reload(text)
            pages.go_on.set()
            printed, _ = asking.communicate(timeout=DEADLINE)
        self.assertEqual(printed.splitlines(), ["one 1", "one 0", "two 0"])

    @programs.needs("javac")
    def test_java(self) -> None:
        """Java's HTTP client keeps its connection, with its certificate, in both versions of TLS."""
        port = self.doors["strict"]
        for version in ("1.2", "1.3"):
            before = self.of_java()
            with java.client(self.gateway.call(port, "ecdsa", version=version)) as client:
                self.assertEqual(client.keep(port).body, "one")
                self.changing.reload()
                self.assertEqual(client.keep(port).body, "one")
            wait_until(lambda before=before: len(self.of_java()) == len(before) + 2, "both requests have their lines")  # type: ignore[misc]
            self.assertEqual(len(set(self.of_java()[len(before) :])), 1)

    def of_java(self) -> list[int]:
        """The ports from which Java's requests came, as the access log has them."""
        return [each["clientPort"] for each in self.gateway.records() if "Java" in each.get("userAgent", "")]

    def test_removed_listener_drains(self) -> None:
        """A listener that is not there any more accepts nothing; what is under way on it is answered."""
        idle, under_way = self.line("extra"), self.line("extra")
        pages = self.scene.backend.one
        pages.asked.clear()
        pages.go_on.clear()
        idle.send(GET % b"/")
        idle.response()
        under_way.send(GET % b"/slow")
        assert pages.asked.wait(DEADLINE)
        patient = self.changing.first.replace("drain_timeout = 5", "drain_timeout = 600")
        self.changing.reload(without(patient, "extra"))
        wait_until(lambda: not accepts(self.doors["extra"]), "the listener is gone")
        pages.go_on.set()
        self.assertEqual(under_way.response().body, b"one")
        self.assertEqual(under_way.rest(), b"")
        self.assertEqual(idle.rest(), b"")
        self.assertEqual(self.status("strict"), 200)
        self.changing.reload(self.changing.first)
        self.assertEqual(self.status("extra"), 200)


def without(text: str, door: str) -> str:
    """A configuration without a listener and its rule."""
    sections = re.split(r"(?m)^(?=\[)", text)
    return "".join(each for each in sections if not re.match(rf"\[\w+ {door}\]", each))


class TrustTests(ReloadCase):
    """Trust that is withdrawn."""

    stage = staticmethod(one)

    def test_every_connection_ends(self) -> None:
        """When a CA is removed, connections of its clients of every kind end, and those of other profiles do not."""
        living = Lives(self.scene, self.stack).all()
        partner = Lives(self.scene, self.stack, "stranger").kept("partners")
        for each in (*living, partner):
            each.speak()
        self.replace("trusted.pem", gateway.certificates()["partners-root"].pem)
        self.changing.reload()
        for each in living:
            each.end()
        partner.speak()
        self.assertEqual(self.status("strict"), 0)
        self.assertEqual(self.status("strict", "stranger"), 200)

    def test_narrowed(self) -> None:
        """When the profile begins to compare the issuer's name, a client of another issuer ends, one of this stays."""
        good, other = Lives(self.scene, self.stack), Lives(self.scene, self.stack, "other-issuer")
        stays, goes = good.kept(), other.kept()
        stays.speak()
        goes.speak()
        self.changing.reload(
            self.changing.first.replace(
                "[ssl_profile strict]", "[ssl_profile strict]\nverify_client_cert_issuer_dn = true"
            )
        )
        goes.end()
        stays.speak()


class RejectedTests(ReloadCase):
    """Configurations that cannot be taken."""

    stage = staticmethod(one)

    def rejected(self, text: str | None, pattern: str) -> None:
        """The gateway says why it takes this not, and serves on as before."""
        living = Lives(self.scene, self.stack).kept()
        living.speak()
        self.assertRegex(self.changing.fail(text), pattern)
        living.speak()
        self.assertEqual(self.status("strict"), 200)
        self.assertEqual(self.status("strict", "stranger"), 0)

    def test_wrong_file(self) -> None:
        """Every error in the file is named with its line, and nothing changes."""
        first = self.changing.first
        lines = first.count("\n")
        said = f"{first}[http_listener bad]\nprt = 1\nport = 70000\nssl_certificate = nothing\n"
        self.rejected(said, rf"gw\.ini:{lines + 2} (?s:.*)gw\.ini:{lines + 3} (?s:.*)gw\.ini:{lines + 4} ")

    def test_no_file(self) -> None:
        """A file that is not there is named."""
        self.gateway.file.unlink()
        self.rejected(None, r"gw\.ini cannot be read: No such file or directory")

    def test_busy_port(self) -> None:
        """A new listener whose port is taken is named; nothing else of the new configuration is in force."""
        (port,) = running.free_ports(1)
        text = self.changing.first + gateway.door("busy", port, "strict")
        text = text.replace("verify_client_auth_mode = Strict", "verify_client_auth_mode = Passthrough")
        with closing(socket.create_server(("127.0.0.1", port))):
            self.rejected(text, rf"\[http_listener busy\] cannot listen on 127\.0\.0\.1:{port}: Address")

    def test_certificates(self) -> None:
        """A key of another certificate, an unreadable key, and a file of CAs without any are refused."""
        certificates = gateway.certificates()
        for name, content, pattern in (
            ("server.key", certificates["ecdsa"].key_pem, r"server\.(key|pem)"),
            ("server.key", b"no key", r"server\.key"),
            ("trusted.pem", b"", r"trusted\.pem"),
            ("trusted.pem", b"no certificate", r"trusted\.pem"),
        ):
            self.replace(name, content)
            self.rejected(None, pattern)
            self.put_back(name.partition(".")[0])

    def test_what_cannot_change(self) -> None:
        """The number of workers and the state directory are named and refused."""
        first = self.changing.first
        for line in ("workers = 3", "state_directory = state"):
            text = re.sub(r"(?m)^workers = 2\n", "", first).replace("[gateway]\n", f"[gateway]\n{line}\n")
            self.rejected(text, line.partition(" ")[0])

    def test_mended(self) -> None:
        """After a reload that failed, a good one succeeds."""
        self.changing.fail(self.changing.first + "[nonsense]\n")
        text = self.changing.first + gateway.door("late", *(late := running.free_ports(1)), "strict")
        self.changing.reload(text)
        self.doors = {**self.doors, "late": late[0]}
        self.assertEqual(self.status("late"), 200)


class WorkersLoadTests(LoadTests):
    """The same with two workers."""

    stage = staticmethod(two)


class WorkersKeptTests(KeptTests):
    """The same with two workers."""

    stage = staticmethod(two)


class WorkersTrustTests(TrustTests):
    """The same with two workers."""

    stage = staticmethod(two)


class WorkersRejectedTests(RejectedTests):
    """The same with two workers."""

    stage = staticmethod(two)
