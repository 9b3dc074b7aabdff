"""Sessions that clients resume: by OpenSSL's and Java's own programs, in TLS 1.2 and 1.3, judged again each time."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs

from tests import pki, programs, running
from tests.end_to_end import clients, gateway, java
from tests.end_to_end.backends import Backend
from tests.end_to_end.changes import GET, Changing
from tests.end_to_end.clients import Answer, Call
from tests.end_to_end.gateway import section
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_clocks import HOUR, FakeTime
from tests.end_to_end.test_revocation import issuer, signer
from tests.responder import Responder

VERSIONS = ("1.2", "1.3")

WAYS = {
    "1.2, ticket": ("1.2", ()),
    "1.2, id": ("1.2", ("-no_ticket",)),
    "1.3, ticket": ("1.3", ()),
}
"""How a session can be resumed: the version, and more options of `openssl s_client`."""

TIMES = 4
"""Connections that resume, one after the other."""

DOORS = ("open", "strict", "passthrough", "off", "same", "mixed", "ocsp")


@contextmanager
def _stage(environment: dict[str, str] | None = None, **keys: Any) -> Iterator[gateway.Scene]:
    """Doors with and without profiles, before a backend that echoes; `same` and `mixed` have two sites each."""
    doors = dict(zip(DOORS, running.free_ports(len(DOORS)), strict=True))
    with ExitStack() as stack:
        responder = stack.enter_context(closing(Responder(signer())))
        responder.certificates = (signer(),)
        backend = stack.enter_context(closing(Backend()))
        text = gateway.gateway_section(**{"drain_timeout": 5, **keys}) + gateway.PROFILES
        text += gateway.pool("app", backend.port)
        text += section("ssl_profile off", trusted_client_certificates="devices", session_resumption="off")
        text += section(
            "ssl_profile ocsp",
            trusted_client_certificates="devices",
            verify_client_revocation="OCSP",
            ocsp_responder_url=responder.url,
        )
        text += gateway.door("open", doors["open"])
        for name in ("strict", "passthrough", "off", "ocsp"):
            text += gateway.door(name, doors[name], name)
        text += gateway.door("same", doors["same"], "strict", host_names="strict.example")
        text += gateway.door("same-too", doors["same"], "strict", host_names="other.example")
        text += gateway.door("mixed", doors["mixed"], "strict", host_names="strict.example")
        text += gateway.door("mixed-open", doors["mixed"], host_names="open.example")
        started = stack.enter_context(gateway.running_gateway(text, environment))
        yield gateway.Scene(gateway=started, doors=doors, backend=responder)


@contextmanager
def one() -> Iterator[gateway.Scene]:
    """One process."""
    with _stage() as scene:
        yield scene


@contextmanager
def two() -> Iterator[gateway.Scene]:
    """Two workers."""
    with _stage(workers=2) as scene:
        yield scene


class Sessions:
    """The session of one client of `openssl s_client`, in a file."""

    def __init__(self, directory: Path, way: str, *, alone: bool) -> None:
        self._file = directory / way.replace(", ", "-")
        self.version, self._options = WAYS[way]
        self.sure = alone or not self._options  # a session that an id stands for is known to the worker that made it

    def call(self, call: Call) -> tuple[Answer, bool]:
        """One request, with the session of the request before where there was one; whether it was resumed."""
        options = [*self._options, "-sess_out", str(self._file)]
        if self._file.exists():
            options += ["-sess_in", str(self._file)]
        printed, complained = clients.s_client(attrs.evolve(call, version=self.version), *options)
        return clients.answered(printed, complained), bool(re.search(r"(?m)^Reused, ", printed))


class ResumptionCase(gateway.SceneCase):
    """What the tests here use."""

    def setUp(self) -> None:
        super().setUp()
        self.doors = self.scene.doors
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def sessions(self) -> dict[str, Sessions]:
        """A client for each way, without a session."""
        directory = Path(tempfile.mkdtemp(dir=self.directory))
        alone = "\nworkers = 2\n" not in self.gateway.file.read_text()
        return {way: Sessions(directory, way, alone=alone) for way in WAYS}

    def call(self, door: str, certificate: str = "ecdsa", **options: Any) -> Call:
        """A client's call."""
        return self.gateway.call(self.doors[door], certificate, **options)

    def obtain(self, door: str, certificate: str = "ecdsa", **options: Any) -> dict[str, Sessions]:
        """Clients that have their sessions of a door, each resumed once."""
        found = self.sessions()
        for way, sessions in found.items():
            for resumed in (False, True):
                answer, reused = sessions.call(self.call(door, certificate, **options))
                self.assertEqual(answer.status, 200, way)
                if sessions.sure:
                    self.assertEqual(reused, resumed, way)
        return found


def told(echo: str) -> dict[str, str]:
    """The headers about the client's certificate that the backend got."""
    return dict(re.findall(r"(?m)^(X-Client-Certificate[\w-]*): (.*?)\r?$", echo))


@programs.needs("openssl")
class OpenSslTests(ResumptionCase):
    """`openssl s_client -sess_out` and `-sess_in`."""

    stage = staticmethod(one)

    def resumes(self, door: str, certificate: str = "ecdsa") -> dict[str, str]:
        """Every connection but the first resumes, the backend gets the same of each, and the log says which did."""
        last: dict[str, str] = {}
        for way, sessions in self.sessions().items():
            call = self.call(door, certificate)
            found = [sessions.call(call) for _ in range(1 + TIMES)]
            self.assertEqual([answer.status for answer, _ in found], [200] * (1 + TIMES), way)
            if sessions.sure:
                self.assertEqual([reused for _, reused in found], [False, *[True] * TIMES], way)
            headers = [told(answer.body) for answer, _ in found]
            self.assertEqual(headers, headers[:1] * (1 + TIMES), way)
            last = headers[0]
            self.logged(call, [reused for _, reused in found])
        return last

    def logged(self, call: Call, resumed: list[bool]) -> None:
        """The access log says of each connection of a client whether it was resumed."""

        def lines() -> list[bool]:
            records = [each for each in self.gateway.records() if each["clientIP"] == call.source]
            return [each["sslSessionReused"] == "on" for each in records] if len(records) == len(resumed) else []

        self.assertEqual(sorted(wait_until(lines, "the log has every line")), sorted(resumed))

    def test_without_certificates(self) -> None:
        """A session of a port that asks for no certificate resumes."""
        self.assertEqual(self.resumes("open", ""), {})

    def test_strict(self) -> None:
        """A client with a certificate resumes, and the backend gets what it got at the full handshake."""
        headers = self.resumes("strict")
        self.assertEqual(headers["X-Client-Certificate-Verification"], "SUCCESS")
        self.assertIn("X-Client-Certificate-Subject", headers)

    def test_passthrough(self) -> None:
        """A Passthrough listener forwards the certificate of a client that resumes, too; or that there is none."""
        self.assertEqual(self.resumes("passthrough")["X-Client-Certificate-Verification"], "PASSTHROUGH")
        self.assertEqual(self.resumes("passthrough", "")["X-Client-Certificate-Verification"], "NONE")

    def test_of_one_profile(self) -> None:
        """Sites of one port that share a profile share sessions, and each request gets to the site that it names."""
        for way, sessions in self.obtain("same", name="strict.example").items():
            answer, _ = sessions.call(self.call("same", name="other.example"))
            self.assertEqual((answer.status, "Host: other.example" in answer.body), (200, True), way)

    def test_of_several_profiles(self) -> None:
        """On a port whose sites have different profiles nothing resumes: a session of the open site opens no other."""
        for way, sessions in self.sessions().items():
            for certificate, name, status in (
                ("", "open.example", 200),
                ("", "open.example", 200),
                ("", "strict.example", 0),
                ("ecdsa", "strict.example", 200),
                ("ecdsa", "strict.example", 200),
                ("", "strict.example", 0),
            ):
                answer, reused = sessions.call(self.call("mixed", certificate, name=name))
                self.assertEqual((answer.status, reused), (status, False), (way, name))

    def test_of_another_port(self) -> None:
        """A session of another port falls back to a full handshake, which needs a certificate."""
        for way, sessions in self.obtain("open", "").items():
            answer, reused = sessions.call(self.call("strict", ""))
            self.assertEqual((answer.status, reused), (0, False), way)
        for way, sessions in self.obtain("passthrough").items():
            answer, reused = sessions.call(self.call("strict"))
            self.assertEqual((answer.status, reused), (200, False), way)

    def test_off(self) -> None:
        """A profile may switch it off."""
        for way, sessions in self.sessions().items():
            found = [sessions.call(self.call("off")) for _ in range(2)]
            self.assertEqual([(answer.status, reused) for answer, reused in found], [(200, False)] * 2, way)

    def test_revoked(self) -> None:
        """A certificate that becomes known as revoked after its session was made is refused with the session, too."""
        responder: Responder = self.scene.backend
        device = issuer().issue(f"device of {type(self).__name__}")
        responder.knows(device)
        device.write(self.gateway.directory, "device")
        lifetime, responder.lifetime = responder.lifetime, timedelta(seconds=4)
        self.addCleanup(setattr, responder, "lifetime", lifetime)
        with closing(clients.encrypted(self.call("ocsp", "device"))) as line:
            line.send(GET % b"/")
            self.assertEqual(line.response().status, 200)
            found = self.obtain("ocsp", "device")
            responder.knows(device, status="revoked")
            self.assertEqual(line.rest(), b"")
        for way, sessions in found.items():
            answer, _ = sessions.call(self.call("ocsp", "device"))
            self.assertEqual(answer.status, 400, way)

    def test_reload(self) -> None:
        """A reload that leaves a listener as it was leaves its sessions as they were."""
        found = self.obtain("strict")
        Changing(self.gateway).reload()
        for way, sessions in found.items():
            answer, reused = sessions.call(self.call("strict"))
            self.assertEqual((answer.status, reused or not sessions.sure), (200, True), way)


@programs.needs("javac")
class JavaTests(ResumptionCase):
    """Java's own TLS."""

    stage = staticmethod(one)

    def test_resumes(self) -> None:
        """Java resumes with and without a certificate, and keeps a connection for several requests."""
        for version in VERSIONS:
            with java.client(self.call("strict", version=version)) as client:
                for door in ("strict", "open"):
                    port = self.doors[door]
                    found = [client.new(port) for _ in range(3)]
                    self.assertEqual([each.status for each in found], [200] * 3)
                    self.assertEqual([each.resumed for each in found], [False, True, True], (version, door))
                    self.assertEqual(
                        {"X-Client-Certificate-Subject: " in each.body for each in found}, {door == "strict"}
                    )
                    kept = {source_of(client.keep(port).body) for _ in range(3)}
                    self.assertEqual(len(kept), 1)


def source_of(echo: str) -> str:
    """The client's address and port, as the backend has seen them."""
    found = re.search(r"X-Forwarded-For: (\S+?)\|", echo)
    assert found, echo
    return found[1]


@programs.needs("openssl")
class ReloadedTests(ResumptionCase):
    """Sessions over a reload that changes trust. They come last: then each worker may have ticket keys of its own."""

    stage = staticmethod(one)

    def test_removed_authority(self) -> None:
        """When a reload removes the CA, its client's session opens nothing; once it is back, a handshake does."""
        changing = Changing(self.gateway)
        found = self.obtain("strict")
        narrowed = changing.first.replace("file = trusted.pem", "file = partners-root.pem").replace(
            "[trusted_client_certificate partners]\nfile = partners-root.pem",
            "[trusted_client_certificate partners]\nfile = trusted.pem",
        )
        self.addCleanup(changing.reload, changing.first)
        changing.reload(narrowed)
        for way, sessions in found.items():
            self.assertEqual(sessions.call(self.call("strict"))[0].status, 0, way)
        changing.reload(changing.first)
        for way, sessions in found.items():
            self.assertEqual(sessions.call(self.call("strict"))[0].status, 200, way)


class WorkersOpenSslTests(OpenSslTests):
    """The same with two workers: a session of one resumes in the other."""

    stage = staticmethod(two)


class WorkersJavaTests(JavaTests):
    """The same with two workers."""

    stage = staticmethod(two)


class WorkersReloadedTests(ReloadedTests):
    """The same with two workers."""

    stage = staticmethod(two)


@programs.needs("faketime", "openssl")
class ExpiryTests(ResumptionCase):
    """Certificates that expire."""

    workers = 1

    def setUp(self) -> None:
        """A gateway with a clock of its own."""

    def test_expired(self) -> None:
        """A session does not outlive its client's certificate."""
        with tempfile.TemporaryDirectory() as directory:
            self.directory = Path(directory)
            time = FakeTime(self.directory)
            with _stage(time.environment, workers=self.workers) as scene:
                self.gateway, self.doors = scene.gateway, scene.doors
                self.check(time)

    def check(self, time: FakeTime) -> None:
        """Sessions of a certificate that ends within the hour, and then the hour."""
        devices = gateway.certificates()["devices"]
        assert isinstance(devices, pki.Authority)
        short = devices.issue("short", not_after=datetime.now(UTC) + timedelta(minutes=30))
        short.write(self.gateway.directory, "short")
        found = self.obtain("strict", "short")
        time.set(HOUR)
        for way, sessions in found.items():
            self.assertEqual(sessions.call(self.call("strict", "short"))[0].status, 0, way)


class WorkersExpiryTests(ExpiryTests):
    """The same with two workers."""

    workers = 2
