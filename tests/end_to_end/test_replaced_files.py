"""Files that were replaced, in every way, and what is not taken: a gateway of this process on a real file system."""

from __future__ import annotations

import os
import shutil
import ssl
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.logger import LogLevel, globalLogPublisher

from agwtwisted.operations import followed_files
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.shared import WorkerPlace
from agwtwisted.sharing.memory import SharedMemory
from tests import pki
from tests.configurations import redirect
from tests.sockets import until
from tests.test_replacement import RunningGateway

NAME = "www.example"


class FollowedCase(RunningGateway):
    """A gateway with one certificate, whose files are looked at often."""

    certificate, key = "certificate.pem", "key.pem"

    async def setUp(self) -> None:  # type: ignore[override]
        self.patch(followed_files, "INTERVAL", 0.05)
        super().setUp()
        self.root = pki.Authority.root("Servers")
        self.log: list[str] = []
        globalLogPublisher.addObserver(self.note)
        self.addCleanup(globalLogPublisher.removeObserver, self.note)
        self.place = self.directory / "conf" / "live"
        self.place.mkdir()
        self.first = self.issue()
        self.begin(self.first)
        self.serve_certificate()
        await self.reloaded()
        self.assertEqual(await self.served(), self.first.der)
        await until(lambda: self.service.followed._known)

    def note(self, event: dict[str, object]) -> None:
        """Keeps what the log says of errors and warnings."""
        if event["log_level"] in (LogLevel.error, LogLevel.warn):
            self.log.append(str(event.get("line") or event.get("log_format")))

    def issue(self) -> pki.Credential:
        """Another certificate of the same name."""
        return self.root.issue_server(NAME)

    def begin(self, shown: pki.Credential) -> None:
        """The files are there for the first time."""
        self.put(self.certificate, self.chain(shown))
        self.put(self.key, shown.key_pem)

    def chain(self, shown: pki.Credential) -> bytes:
        """The certificate and its root, which ends a warning."""
        return pki.bundle(shown, self.root)

    def put(self, name: str, content: bytes) -> Path:
        """A file, written in place."""
        path = self.place / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return path

    def serve_certificate(self, *, watch: bool = True) -> None:
        """The configuration."""
        port = self.ports[0]
        section = f"""
[ssl_certificate site]
certificate_file = live/{self.certificate}
key_file = live/{self.key}

[http_listener site]
address = 127.0.0.1
port = {port}
protocol = Https
ssl_certificate = site

[request_routing_rule site]
priority = 1
http_listener = site
redirect_configuration = site
{redirect("site", "target_url = https://one.example/")}"""
        self.serve(section, gateway=f"watch_files = {'on' if watch else 'off'}\n")

    def served(self) -> Deferred[bytes]:
        """The certificate that a client gets now."""

        def ask() -> bytes:
            return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", self.ports[0])))

        return deferToThread(ask)

    async def becomes(self, shown: pki.Credential) -> None:
        """A client gets this certificate, in the end."""
        while await self.served() != shown.der:
            await self.looks(1)

    async def looks(self, count: int) -> None:
        """Files are looked at so often."""
        seen = []
        look = followed_files._signatures
        self.patch(followed_files, "_signatures", lambda paths: seen.append(1) or look(paths))
        await until(lambda: len(seen) >= count)


class ReplacedTests(FollowedCase):
    """Certificate and key as two files of a directory."""

    async def test_in_place(self) -> None:
        """Both are overwritten."""
        for following in (self.issue(), self.issue()):
            self.put("certificate.pem", self.chain(following))
            self.put("key.pem", following.key_pem)
            await self.becomes(following)
        self.assertEqual(self.service.reloads.generation, 4)

    async def test_renamed(self) -> None:
        """Both are written beside, and renamed."""
        following = self.issue()
        for name, content in (("key.pem", following.key_pem), ("certificate.pem", self.chain(following))):
            self.put("new", content).rename(self.place / name)
        await self.becomes(following)
        self.assertEqual(self.log, [])

    async def test_half_a_pair(self) -> None:
        """As long as certificate and key do not belong together the old pair is served, and the log says so once."""
        following = self.issue()
        self.put("certificate.pem", self.chain(following))
        await until(lambda: len(self.log) == 2)
        await self.looks(5)
        self.assertEqual((await self.served(), len(self.log)), (self.first.der, 2))
        self.assertIn("[ssl_certificate site]", self.log[0])
        self.assertIn("rejected", self.log[1])
        self.put("key.pem", following.key_pem)
        await self.becomes(following)
        self.assertEqual(len(self.log), 2)

    async def test_broken(self) -> None:
        """A file that is no certificate is not taken; the next one that is one is."""
        self.put("certificate.pem", b"-----BEGIN CERTIFICATE-----\nMII")
        await until(lambda: len(self.log) == 2)
        self.assertEqual(await self.served(), self.first.der)
        self.put("certificate.pem", self.chain(self.first))
        following = self.issue()
        self.begin(following)
        await self.becomes(following)

    async def test_vanished(self) -> None:
        """Files that are gone stay as they were, with a warning for each; when they are back they are taken."""
        for name in ("certificate.pem", "key.pem"):
            (self.place / name).unlink()
        await until(lambda: len(self.log) == 2)
        await self.looks(5)
        self.assertEqual((await self.served(), len(self.log)), (self.first.der, 2))
        self.assertIn("is not there any more", self.log[0])
        following = self.issue()
        self.begin(following)
        await self.becomes(following)

    async def test_touched(self) -> None:
        """Another time of the same content is no other configuration."""
        for name in ("certificate.pem", "key.pem"):
            os.utime(self.place / name, (1, 1))
        key = str(self.place / "key.pem")
        await until(lambda: self.service.reloads.in_force.files.named[key].signature == signature_of(key))
        self.assertEqual((self.service.reloads.generation, self.log), (2, []))

    async def test_main_text(self) -> None:
        """A configuration file that is being edited is not taken with them."""
        self.configure(lambda _: "[nonsense\n")
        following = self.issue()
        self.begin(following)
        await self.becomes(following)
        self.assertEqual(self.log, [])

    async def test_worker(self) -> None:
        """A worker follows no file: its parent does."""
        place = WorkerPlace(index=1, count=1, memory=SharedMemory.create(1, 1))
        object.__setattr__(self.service.shared, "place", place)
        self.begin(self.issue())
        await until(lambda: not self.service.followed._known)
        self.assertEqual(await self.served(), self.first.der)

    async def test_switched_off(self) -> None:
        """Once a reload has switched it off nothing is taken by itself."""
        self.serve_certificate(watch=False)
        await self.reloaded()
        self.begin(self.issue())
        await until(lambda: not self.service.followed._known)
        self.assertEqual(await self.served(), self.first.der)


class CertbotTests(FollowedCase):
    """Links that lead to numbered files of another directory, as certbot has them."""

    certificate, key = "fullchain.pem", "privkey.pem"

    def begin(self, shown: pki.Credential) -> None:
        """The first pair, and links to it."""
        self.renewals = 0
        (self.directory / "conf" / "archive").mkdir()
        self.renew(shown)

    def renew(self, shown: pki.Credential) -> None:
        """Files with the next number, and after that the links, one by one."""
        self.renewals += 1
        contents = {"privkey": shown.key_pem, "fullchain": self.chain(shown)}
        for name, content in contents.items():
            file = self.directory / "conf" / "archive" / f"{name}{self.renewals}.pem"
            file.touch(mode=0o600)
            file.write_bytes(content)
        for name in contents:
            link = self.place / f"{name}.pem"
            link.unlink(missing_ok=True)
            link.symlink_to(f"../archive/{name}{self.renewals}.pem")

    async def test_renewed(self) -> None:
        """A renewal is served, and the one after it."""
        for following in (self.issue(), self.issue()):
            self.renew(following)
            await self.becomes(following)


class KubernetesTests(FollowedCase):
    """A mounted secret: the files are links into ``..data``, a link itself, which is replaced as a whole."""

    certificate, key = "tls.crt", "tls.key"

    def begin(self, shown: pki.Credential) -> None:
        """The first state of the secret."""
        self.updates = 0
        self.update(shown)
        for name in ("tls.crt", "tls.key"):
            (self.place / name).symlink_to(f"..data/{name}")

    def update(self, shown: pki.Credential) -> None:
        """The next state: another directory, to which ``..data`` leads at once; the former one is removed."""
        former, self.updates = self.place / f"..{self.updates}", self.updates + 1
        directory = self.place / f"..{self.updates}"
        directory.mkdir()
        for name, content in (("tls.crt", self.chain(shown)), ("tls.key", shown.key_pem)):
            self.put(f"{directory.name}/{name}", content)
        link = self.place / "..data_tmp"
        link.symlink_to(directory.name)
        link.rename(self.place / "..data")
        shutil.rmtree(former, ignore_errors=True)

    async def test_updated(self) -> None:
        """An update is served, and the one after it; at no time there is anything to complain about."""
        for following in (self.issue(), self.issue()):
            self.update(following)
            await self.becomes(following)
        self.assertEqual(self.log, [])
