"""CRLs as clients, servers and logs see them: a real gateway, lists of openssl ca, over real HTTP."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import pki, programs, running
from tests.crls import point_name, points_extension, uri
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Call
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import Line
from tests.end_to_end.list_authority import ListAuthority, ListServer
from tests.end_to_end.test_worker_processes import GET
from tests.end_to_end.worker_processes import worker_of, workers

OPEN = {"ocsp_allowed_networks": "127.0.0.0/8", "ocsp_allowed_ports": "1-65535"}


class Place:
    """An authority with its server, a backend, and a gateway whose listener reads lists."""

    def __init__(self, stack: ExitStack, *, gateway_keys: dict[str, Any] | None = None, **keys: Any) -> None:
        root = gateway.certificates()["devices-root"]
        assert isinstance(root, pki.Authority)
        self.issuer = root.intermediate("Devices with lists")
        self._directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.authority = ListAuthority(self.issuer, self.directory("devices"))
        self.server = stack.enter_context(closing(ListServer()))
        self.server.data = self.authority.published()
        self.backend = stack.enter_context(closing(Backend()))
        [self.port] = running.free_ports(1)
        self.keys = {"trusted_client_certificates": "devices", "verify_client_revocation": "CRL", **OPEN, **keys}
        self.gateway_keys = {"drain_timeout": 5, **(gateway_keys or {})}
        self.gateway: Gateway = stack.enter_context(gateway.prepared(self.text()))

    def directory(self, name: str) -> Path:
        """One for an authority."""
        made = self._directory / name
        made.mkdir()
        return made

    def text(self) -> str:
        """The configuration."""
        return (
            gateway.gateway_section(**self.gateway_keys)
            + gateway.PROFILES
            + gateway.pool("app", self.backend.port)
            + section("ssl_profile lists", **self.keys)
            + gateway.door("lists", self.port, "lists")
            + section("control", socket="control.sock")
        )

    def device(self, name: str, *, points: bool = True, query: str = "") -> pki.Credential:
        """A certificate that names the server, with a URL of its own if it has a query."""
        extra = [points_extension(point_name(uri(self.server.url + query)))] if points else []
        device = self.issuer.issue(name, extra=extra)
        device.write(self.gateway.directory, name)
        return device

    def ask(self, name: str) -> tuple[int, str, str]:
        """What a device gets: the status, and what the log says of its revocation and who said so."""
        call = self.call(name)
        answer = clients.by_python(call)
        record = self.gateway.record(clientIP=call.source)
        return answer.status, record["revocationStatus"], record["revocationSource"]

    def call(self, name: str) -> Call:
        """How a device comes."""
        return self.gateway.call(self.port, name)


@contextmanager
def place(**keys: Any) -> Iterator[Place]:
    """A place, whose gateway must end well."""
    with ExitStack() as stack:
        yield Place(stack, **keys)


@contextmanager
def started(at: Place) -> Iterator[Gateway]:
    """Its gateway runs."""
    at.gateway.start()
    yield at.gateway
    status = at.gateway.stop()
    assert status in (0, -15), f"exit status {status}:\n{at.gateway.output}"
    gateway.assert_no_defect(at.gateway.output)


@programs.needs("openssl")
class RevocationListsTests(SynchronousTestCase):
    """Lists of distribution points and of files."""

    def test_downloaded(self) -> None:
        """A list is downloaded once for all certificates; who is in it is refused, also after a restart without
        its server, and a client that is connected as soon as a new list has it.
        """
        with place(gateway_keys={"state_directory": "var"}) as at:
            at.device("good")
            bad = at.device("bad")
            at.authority.revoke(bad)
            at.server.data = at.authority.published()
            with started(at):
                self.assertEqual(at.ask("good"), (200, "good", "CRL"))
                self.assertEqual(at.ask("bad"), (400, "revoked", "CRL"))
                self.assertEqual(at.ask("good"), (200, "good", "CRL"))
                self.assertEqual(at.server.asked, [""])
                self.assertIn("The CRL 2 of CN=Devices with lists is in force: 1 certificates", at.gateway.output)
            at.server.is_down = True
            with started(at):
                self.assertEqual(at.ask("good"), (200, "good", "CRL"))
                self.assertEqual(at.ask("bad"), (400, "revoked", "CRL"))
                self.assertEqual(len(at.server.asked), 1)

    def test_unavailable(self) -> None:
        """Where the profile says so a client is let in without a list; the log has the reason."""
        with place(crl_unavailable="Allow") as at:
            at.device("good")
            at.server.is_down = True
            with started(at):
                self.assertEqual(at.ask("good"), (200, "unavailable-allowed", ""))
                self.assertIn(f"No CRL from {at.server.url}: the server of the CRL answers", at.gateway.output)

    def test_bad_servers(self) -> None:
        """What is no list, or does not come whole, in time and as it is, is no answer, and none is stored; the type
        that a server gives a list does not matter.
        """
        bad: dict[str, tuple[str, dict[str, Any]]] = {
            "html": ("the CRL cannot be read", {"data": b"<html>" * 100}),
            "long": ("the CRL is longer than crl_max_bytes (5000)", {"data": b"0" * 5001}),
            "compressed": ("Content-Encoding", {"headers": {"Content-Encoding": "gzip"}}),
            "cut": ("", {"cut": 10}),
            "moved": (
                "ocsp_allowed_networks",
                {"status": 302, "headers": {"Location": "http://169.254.169.254/latest"}},
            ),
            "missing": ("the server of the CRL answers with HTTP status 404", {"status": 404}),
            "slow": ("no response in time", {}),
        }
        with place(crl_max_bytes=5000, gateway_keys={"state_directory": "var"}) as at, started(at):
            whole = at.authority.published()
            for name, (reason, how) in bad.items():
                for key, value in {"data": whole, "headers": {}, "status": 200, "cut": 0, **how}.items():
                    setattr(at.server, key, value)
                if name == "slow":  # the others have all the time of a busy machine
                    at.gateway.file.write_text(at.text().replace("crl_max_bytes", "crl_timeout = 1\ncrl_max_bytes"))
                    self.assertEqual(at.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
                    at.server.gate.clear()
                at.device(name, query=f"?{name}")
                self.assertEqual(at.ask(name), (400, "unavailable", ""), name)
                self.assertRegex(at.gateway.output, rf"No CRL from {at.server.url}\?{name}: .*{re.escape(reason)}")
            self.assertEqual(list((at.gateway.directory / "var" / "crls").glob("*.crl")), [])
            at.server.gate.set()
            at.gateway.file.write_text(at.text())
            self.assertEqual(at.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
            at.server.headers = {"Content-Type": "text/html"}
            at.device("good", query="?good")
            self.assertEqual(at.ask("good"), (200, "good", "CRL"))

    def test_files(self) -> None:
        """A list of a file counts without any download; with watch_files a new one ends what is connected."""
        with place(gateway_keys={"watch_files": "true"}, crl_files="devices.crl") as at:
            one = at.device("one")
            path = at.gateway.directory / "devices.crl"
            path.write_bytes(at.authority.published())
            with started(at):
                self.assertEqual(at.ask("one"), (200, "good", "CRL"))
                self.assertEqual(at.server.asked, [])
                with closing(clients.encrypted(at.gateway.call(at.port, "one"))) as line:
                    line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertTrue(line.head())
                    at.authority.revoke(one)
                    path.write_bytes(at.authority.published())
                    line.rest()  # the gateway closes it
                self.assertEqual(at.ask("one"), (400, "revoked", "CRL"))

    def test_chain(self) -> None:
        """With the scope Chain a list of the root refuses all clients of an intermediate that it has."""
        with place(crl_files="devices.crl, root.crl", crl_scope="Chain", ocsp_scope=None) as at:
            at.device("device", points=False)
            root = ListAuthority(at.issuer.issuers[0], at.directory("root"))
            (at.gateway.directory / "devices.crl").write_bytes(at.authority.published())
            (at.gateway.directory / "root.crl").write_bytes(root.published())
            with started(at):
                self.assertEqual(at.ask("device"), (200, "good", "CRL"))
                root.revoke(at.issuer, "cACompromise")
                (at.gateway.directory / "root.crl").write_bytes(root.published())
                self.assertEqual(at.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
                self.assertEqual(at.ask("device"), (400, "revoked", "CRL"))

    def test_bad_file(self) -> None:
        """A file that is no list stops a start, with the section that names it, and a check says the same."""
        with place(crl_files="devices.crl") as at:
            (at.gateway.directory / "devices.crl").write_bytes(b"nothing")
            at.gateway.begin()
            self.assertNotEqual(at.gateway.wait(), 0)
            self.assertIn("[ssl_profile lists]", at.gateway.output)
            self.assertIn("the file has no CRL", at.gateway.output)
            checked = at.gateway.agw("check", "gw.ini")
            self.assertIn("the file has no CRL", checked.stdout + checked.stderr)

    def test_reload(self) -> None:
        """A reload takes another file with all that goes with it, or nothing; what was known as revoked stays so."""
        with place(crl_files="one.crl") as at:
            bad = at.device("bad", points=False)
            other = at.device("other", points=False)
            directory = at.gateway.directory
            at.authority.revoke(bad)
            (directory / "one.crl").write_bytes(at.authority.published())
            at.authority.revoke(other)
            (directory / "two.crl").write_bytes(at.authority.published())
            (directory / "three.crl").write_bytes(b"nothing")
            with started(at):
                self.assertEqual([at.ask(name)[0] for name in ("bad", "other")], [400, 200])
                at.gateway.file.write_text(at.text().replace("one.crl", "three.crl"))
                refused = at.gateway.agw("reload", "--config", "gw.ini")
                self.assertNotEqual(refused.returncode, 0)
                self.assertIn("three.crl: the file has no CRL", refused.stdout + refused.stderr)
                self.assertEqual(at.ask("other"), (200, "good", "CRL"))
                at.gateway.file.write_text(at.text().replace("one.crl", "two.crl"))
                taken = at.gateway.agw("reload", "--config", "gw.ini")
                self.assertEqual(taken.returncode, 0, taken.stdout + taken.stderr)
                self.assertEqual(at.ask("other"), (400, "revoked", "CRL"))
                third = at.device("third", points=False)
                self.assertEqual(at.ask("third"), (200, "good", "CRL"))
                at.authority.revoke(third)
                (directory / "two.crl").write_bytes(at.authority.published())  # and nothing else
                self.assertEqual(at.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
                self.assertEqual(at.ask("third"), (400, "revoked", "CRL"))
                at.gateway.file.write_text(at.text().replace("crl_files = one.crl\n", ""))
                self.assertEqual(at.gateway.agw("reload", "--config", "gw.ini").returncode, 0)
                self.assertEqual(at.ask("bad"), (400, "revoked", "CRL"))


def kept_at(url: str) -> list[Path]:
    """Where workers without a state directory keep a list of this URL; other gateways come and go meanwhile."""
    found: list[Path] = []
    for path in Path(tempfile.gettempdir()).glob("agwtwisted-*/*.crl"):
        with contextlib.suppress(OSError):
            if url.encode() in path.read_bytes():
                found.append(path.parent)
    return found


@programs.needs("openssl")
class WorkersTests(SynchronousTestCase):
    """Two workers, without a state directory."""

    def lines(self, at: Place, name: str) -> Iterator[tuple[int, Line]]:
        """Connections of a device that have had an answer, each with the index of its worker."""
        while True:
            line = clients.encrypted(at.gateway.call(at.port, name))
            self.addCleanup(line.close)
            line.send(GET)
            self.assertEqual(line.response().status, 200)
            yield worker_of(line, workers(at.gateway)), line

    def test_shared(self) -> None:
        """One worker downloads a list for both; a new one that either learns of ends the connections of both, counts
        in a worker that begins later, and nothing of the lists is left behind.
        """
        with place(gateway_keys={"workers": 2}) as at:
            device = at.device("device")
            with started(at):
                found: dict[int, Line] = {}
                for index, line in self.lines(at, "device"):
                    found[index] = line
                    if len(found) == 2:
                        break
                self.assertEqual(at.server.asked, [""])
                at.authority.revoke(device)
                at.server.data = at.authority.published()
                chain = str(at.gateway.directory / "device.pem")
                done = at.gateway.agw("revocation", "check", "--listener", "lists", "--config", "gw.ini", chain)
                self.assertIn("revoked", done.stdout, done.stderr)
                for line in found.values():
                    self.assertEqual(line.rest(), b"")
                self.assertEqual(len(at.server.asked), 2)
                self.assertNotEqual(at.server.asked[1], "")  # it was a conditional request
                at.server.is_down = True
                killed = workers(at.gateway)[1]
                os.kill(killed, signal.SIGKILL)
                workers(at.gateway, besides=killed)
                for _ in range(8):
                    self.assertEqual(at.ask("device"), (400, "revoked", "CRL"))
                self.assertEqual(len(at.server.asked), 2)
                kept = kept_at(at.server.url)
                self.assertEqual(len(kept), 1)
            self.assertFalse(kept[0].exists())
