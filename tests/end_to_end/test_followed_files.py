"""`watch_files = true`: files that are replaced while the gateway runs, as certbot does it, and Kubernetes."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import ssl
from contextlib import ExitStack, closing
from pathlib import Path

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from tests import pki, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.changes import GET, REJECTED, RELOADED
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import wait_until


def new_server() -> pki.Credential:
    """The server's next certificate, with a key of its own."""
    root = gateway.certificates()["server-root"]
    assert isinstance(root, pki.Authority)
    return root.issue_server(*gateway.NAMES)


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """A new file in the place of an old one, by rename."""
    new = path.with_name(path.name + ".new")
    new.touch(mode=mode)
    new.write_bytes(content)
    new.replace(path)


class FollowingTests(SynchronousTestCase):
    """What clients see of it."""

    workers = 1

    def setUp(self) -> None:
        self.stack = ExitStack()
        self.addCleanup(self.stack.close)

    def start(self, layout: str = "") -> Gateway:
        """A gateway with a Strict door; its files lie below `layout`."""
        backend = self.stack.enter_context(closing(Backend()))
        (self.port,) = running.free_ports(1)
        text = gateway.gateway_section(watch_files="true", workers=self.workers, drain_timeout=5) + gateway.PROFILES
        text += gateway.pool("app", backend.port) + gateway.door("strict", self.port, "strict")
        for name in ("server.pem", "server.key", "trusted.pem"):
            text = text.replace(f"= {name}\n", f"= {layout}{name}\n")
        started = self.stack.enter_context(gateway.prepared(text))
        if layout:
            self.lay_out(started.directory, "first", started.directory)
        started.start()
        self.addCleanup(lambda: gateway.assert_no_defect(started.output))
        return started

    def lay_out(self, directory: Path, version: str, source: Path, **contents: bytes) -> None:
        """The files as Kubernetes mounts a secret: a directory for each version, and two stages of symlinks."""
        mounted, target = directory / "mounted", directory / "mounted" / f"..{version}"
        target.mkdir(parents=True)
        for name in ("server.pem", "server.key", "trusted.pem"):
            (target / name).write_bytes(contents.get(name.replace(".", "_")) or (source / name).read_bytes())
            (target / name).chmod(0o600)
            if not (mounted / name).is_symlink():
                (mounted / name).symlink_to(f"..data/{name}")
        new = mounted / "..data_tmp"
        new.symlink_to(f"..{version}")
        new.replace(mounted / "..data")

    def served(self, at: Gateway) -> int:
        """The serial number that a new client sees; it is served, whatever happens to the files meanwhile."""
        with closing(clients.encrypted(at.call(self.port, "ecdsa"))) as line:
            line.send(GET % b"/")
            self.assertEqual(line.response().status, 200)
            assert isinstance(line.socket, ssl.SSLSocket)
            shown = line.socket.getpeercert(binary_form=True)
            assert shown
            return x509.load_der_x509_certificate(shown).serial_number

    def test_renewed_by_rename(self) -> None:
        """New clients see a renewed certificate, connected ones go on, and half of a pair is never taken."""
        at = self.start()
        line = self.stack.enter_context(closing(clients.encrypted(at.call(self.port, "ecdsa"))))
        line.send(GET % b"/")
        line.response()
        old, new = gateway.certificates()["server"], new_server()
        write(at.directory / "server.pem", new.chain_pem)
        wait_until(lambda: REJECTED.search(at.output), "the gateway has seen half of a pair")
        self.assertEqual(self.served(at), old.certificate.serial_number)
        write(at.directory / "server.key", new.key_pem)
        wait_until(lambda: self.served(at) == new.certificate.serial_number, "clients see the new certificate")
        self.assertEqual(len(RELOADED.findall(at.output)), 1)
        line.send(GET % b"/")
        self.assertEqual(line.response().status, 200)

    def test_renewed_by_symlink(self) -> None:
        """A secret of Kubernetes, whose files change all at once by one symlink, is taken as a whole."""
        at = self.start("mounted/")
        new = new_server()
        self.lay_out(at.directory, "second", at.directory, server_pem=new.chain_pem, server_key=new.key_pem)
        wait_until(lambda: self.served(at) == new.certificate.serial_number, "clients see the new certificate")
        self.assertNotRegex(at.output, REJECTED)

    def test_authority_removed(self) -> None:
        """A client whose CA is no more in the file loses its connection."""
        at = self.start()
        line = self.stack.enter_context(closing(clients.encrypted(at.call(self.port, "ecdsa"))))
        line.send(GET % b"/")
        line.response()
        write(at.directory / "trusted.pem", gateway.certificates()["partners-root"].pem, 0o644)
        with contextlib.suppress(ssl.SSLError):
            line.rest()
        wait_until(lambda: RELOADED.search(at.output), "all workers have it")
        self.assertEqual(clients.by_python(at.call(self.port, "stranger")).status, 200)


class WorkersFollowingTests(FollowingTests):
    """The same with two workers."""

    workers = 2
