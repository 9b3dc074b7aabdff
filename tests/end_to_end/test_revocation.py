"""Revocation as clients, backends and logs see it: a real gateway, real responders, over real HTTP."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import pki, programs, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Answer, Call
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import DEADLINE
from tests.responder import TRY_LATER, Responder, delegate, http

REVOKED = "certificate revoked"
UNAVAILABLE = "certificate status request failed"
UNKNOWN = "certificate status unknown"


@cache
def issuer() -> pki.Authority:
    """Who issues the devices of every test here: an intermediate of the root that the gateway trusts."""
    root = gateway.certificates()["devices-root"]
    assert isinstance(root, pki.Authority)
    return root.intermediate("Devices with a responder")


@cache
def signer() -> pki.Credential:
    """Who signs about them: a delegate."""
    return delegate(issuer())


class Place:
    """A responder, a backend and a gateway whose listeners ask the responder."""

    def __init__(
        self, stack: ExitStack, *, gateway_keys: dict[str, Any] | None = None, further: str = "", **keys: Any
    ) -> None:
        self.responder = stack.enter_context(closing(Responder(signer())))
        self.responder.certificates = (signer(),)
        self.backend = stack.enter_context(closing(Backend()))
        names = ("handshake", "http400", "allow", "aia")
        self.doors = dict(zip(names, running.free_ports(len(names)), strict=True))
        url = {"ocsp_responder_url": self.responder.url}
        profiles: dict[str, dict[str, Any]] = {
            "handshake": url,
            "http400": {**url, "refusal": "Http400"},
            "allow": {**url, "ocsp_unavailable": "Allow"},
            "aia": {"ocsp_allowed_networks": "127.0.0.0/8", "ocsp_allowed_ports": "1-65535"},
        }
        text = gateway.gateway_section(drain_timeout=5, **(gateway_keys or {})) + gateway.PROFILES
        text += gateway.pool("app", self.backend.port)
        for name, extra in profiles.items():
            asking = {"trusted_client_certificates": "devices", "verify_client_revocation": "OCSP", "ocsp_timeout": 10}
            text += section(f"ssl_profile ocsp-{name}", **{**asking, **extra, **keys})
            text += gateway.door(name, self.doors[name], f"ocsp-{name}")
        text += further
        self.gateway: Gateway = stack.enter_context(gateway.running_gateway(text))

    def device(self, name: str, status: str = "good", **options: Any) -> pki.Credential:
        """A device about which the responder says this."""
        device = issuer().issue(name, **options)
        self.responder.knows(device, status=status)
        device.write(self.gateway.directory, name)
        return device

    def ask(self, door: str, name: str) -> tuple[Answer, dict[str, Any]]:
        """What a device gets, and its line in the access log."""
        call = self.gateway.call(self.doors[door], name)
        answer = clients.by_python(call)
        return answer, self.gateway.record(clientIP=call.source)

    def call(self, door: str, name: str) -> Call:
        """How a device comes."""
        return self.gateway.call(self.doors[door], name)


@contextmanager
def place(**keys: Any) -> Iterator[Place]:
    """A place, which must end well."""
    with ExitStack() as stack:
        yield Place(stack, **keys)


class DoorTests(SynchronousTestCase):
    """What is seen at each door."""

    def check(self, at: Place, door: str, name: str, status: int, verify: str, ocsp: str) -> Answer:
        """Ask, and compare the answer and the log."""
        answer, record = at.ask(door, name)
        found = (answer.status, record["httpStatus"], record["sslClientVerify"], record["ocspStatus"])
        self.assertEqual(found, (status, status, verify, ocsp))
        if status == 400:
            self.assertIn(verify.removeprefix("FAILED:"), answer.body)
        return answer

    def test_every_status(self) -> None:
        """Good is let in, revoked and unknown are not, whatever the refusal; nothing of theirs reaches the backend."""
        with place() as at:
            for status in ("good", "revoked", "unknown"):
                at.device(status, status)
            doors = ("handshake", "http400", "allow")
            for door in doors:
                self.check(at, door, "revoked", 400, f"FAILED:{REVOKED}", "revoked")
                self.check(at, door, "unknown", 400, f"FAILED:{UNKNOWN}", "unknown")
            self.assertEqual(at.backend.lines, [])
            for door in doors:
                self.check(at, door, "good", 200, "SUCCESS", "good")
            self.assertEqual(at.backend.received.count(b"GET / "), len(doors))

    def test_asked_once(self) -> None:
        """The second connection is answered from memory."""
        with place() as at:
            at.device("good")
            for _ in range(3):
                self.check(at, "handshake", "good", 200, "SUCCESS", "good")
            self.assertEqual(len(at.responder.asked), 1)

    def test_unavailable(self) -> None:
        """Where no status is to be had clients are refused, and let in, with a warning each, where the profile says."""
        with place() as at:
            at.device("good")
            at.responder.say = lambda _: http(TRY_LATER)
            self.check(at, "http400", "good", 400, f"FAILED:{UNAVAILABLE}", "unavailable")
            for _ in range(2):
                self.check(at, "allow", "good", 200, "SUCCESS", "unavailable-allowed")
            self.assertEqual(at.gateway.output.count("is accepted although"), 2)
            self.assertIn("try later", at.gateway.output)

    def test_revoked_stays_so(self) -> None:
        """Known as revoked, a client is refused when the responder is gone, also where unavailable is allowed."""
        with place() as at:
            at.device("revoked", "revoked")
            self.check(at, "allow", "revoked", 400, f"FAILED:{REVOKED}", "revoked")
            at.responder.close()
            self.check(at, "allow", "revoked", 400, f"FAILED:{REVOKED}", "revoked")

    def test_responder_of_the_certificate(self) -> None:
        """The certificate's own responder is asked; without one, or at a closed address, there is no status."""
        with place() as at:
            at.device("named", ocsp_url=at.responder.url)
            at.device("nameless")
            at.device("far", ocsp_url="http://169.254.169.254/latest/")
            self.check(at, "aia", "named", 200, "SUCCESS", "good")
            for name in ("nameless", "far"):
                self.check(at, "aia", name, 400, f"FAILED:{UNAVAILABLE}", "unavailable")
            self.assertIn("names no responder", at.gateway.output)
            self.assertIn("169.254.169.254: ocsp_allowed_networks = 169.254.169.254 would allow", at.gateway.output)
            self.assertEqual(len(at.responder.asked), 1)

    def test_nobody_asks_about_strangers(self) -> None:
        """About an untrusted certificate no OCSP request is sent."""
        with place() as at:
            answer, record = at.ask("handshake", "stranger")
            self.assertEqual((answer.alert, record["ocspStatus"]), ("unknown_ca", "not-checked"))
            answer, record = at.ask("http400", "stranger")
            self.assertEqual((answer.status, record["ocspStatus"]), (400, "not-checked"))
            self.assertEqual((at.responder.asked, at.responder.lines), ([], []))

    @programs.needs("curl")
    def test_curl(self) -> None:
        """curl, too, sees the page."""
        with place() as at:
            at.device("revoked", "revoked")
            answer = clients.by_curl(at.call("handshake", "revoked"))
            self.assertEqual(answer.status, 400)
            self.assertIn(f"<center>{REVOKED}</center>", answer.body)


class ManyTests(SynchronousTestCase):
    """Many clients at once."""

    def test_one_certificate(self) -> None:
        """A hundred clients with one certificate and a cold memory: one OCSP request, and all are served."""
        with place() as at:
            at.device("good")
            at.responder.gate.clear()
            with ThreadPoolExecutor(100) as pool:
                answers = [pool.submit(clients.by_python, at.call("handshake", "good")) for _ in range(100)]
                at.responder.wait_for(1)
                at.responder.gate.set()
                self.assertEqual({each.result(DEADLINE).status for each in answers}, {200})
            self.assertEqual(len(at.responder.asked), 1)

    def test_many_certificates(self) -> None:
        """While a slow responder thinks about some, others are served, and in the end all are."""
        with place() as at:
            at.device("known")
            self.assertEqual(at.ask("handshake", "known")[0].status, 200)
            names = [at.device(f"device {number}").certificate.subject and f"device {number}" for number in range(30)]
            at.responder.gate.clear()
            with ThreadPoolExecutor(30) as pool:
                answers = [pool.submit(clients.by_python, at.call("handshake", str(name))) for name in names]
                at.responder.wait_for(31)
                self.assertEqual(at.ask("handshake", "known")[0].status, 200)
                at.responder.gate.set()
                self.assertEqual({each.result(DEADLINE).status for each in answers}, {200})

    def test_client_leaves(self) -> None:
        """A client that leaves before the answer takes its question along: the responder sees the connection end."""
        with place() as at:
            at.device("good")
            at.responder.say = lambda _: None
            line = clients.encrypted(at.call("handshake", "good"))
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            at.responder.wait_for(1)
            line.close()
            self.assertTrue(at.responder.lines[0].ended.wait(DEADLINE))
            self.assertEqual(at.backend.lines, [])


class LongTests(SynchronousTestCase):
    """Connections that outlive what was known at their beginning."""

    def test_found_revoked_elsewhere(self) -> None:
        """A certificate that becomes known as revoked loses its live connections; other certificates keep theirs."""
        with place(ocsp_max_age=3, ocsp_clock_skew=1) as at:
            device, _ = at.device("device"), at.device("other")
            with ExitStack() as stack:
                lines = {
                    name: stack.enter_context(closing(clients.encrypted(at.call("handshake", name))))
                    for name in ("device", "other")
                }
                for line in lines.values():
                    line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    self.assertEqual(line.response().status, 200)
                at.responder.knows(device, status="revoked")
                self.assertEqual(lines["device"].rest(), b"")  # closed, by the end of the answer at the latest
                answer, record = at.ask("handshake", "device")
                self.assertEqual((answer.status, record["ocspStatus"]), (400, "revoked"))
                lines["other"].send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(lines["other"].response().status, 200)

    def test_revoked_at_next_update(self) -> None:
        """What is revoked while an answer holds is refused at its nextUpdate, and live connections end then."""
        with place() as at:
            device = at.device("device")
            at.responder.lifetime = timedelta(seconds=3)
            with closing(clients.encrypted(at.call("allow", "device"))) as line:
                line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(line.response().status, 200)
                at.responder.knows(device, status="revoked")
                self.assertEqual(line.rest(), b"")
            answer, record = at.ask("allow", "device")
            self.assertEqual((answer.status, record["ocspStatus"]), (400, "revoked"))

    def test_bridge(self) -> None:
        """At nextUpdate a silent responder ends neither the connection nor the service, for the skew of the clocks."""
        with place(ocsp_timeout=1) as at:
            at.device("device")
            at.responder.lifetime = timedelta(seconds=3)
            with closing(clients.encrypted(at.call("http400", "device"))) as line:
                line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(line.response().status, 200)
                at.responder.say = lambda _: None
                at.responder.wait_for(2)
                line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertEqual(line.response().status, 200)
            answer, record = at.ask("http400", "device")
            self.assertEqual((answer.status, record["ocspStatus"]), (200, "good"))

    def test_restart(self) -> None:
        """With a state directory a restart knows what was known, with the responder gone."""
        with place(gateway_keys={"state_directory": "var"}) as at:
            at.device("good")
            at.device("revoked", "revoked")
            self.assertEqual([at.ask("allow", name)[0].status for name in ("good", "revoked")], [200, 400])
            at.gateway.stop()
            at.responder.close()
            at.gateway.start()
            self.assertEqual([at.ask("allow", name)[0].status for name in ("good", "revoked")], [200, 400])
            self.assertEqual((at.gateway.directory / "var").stat().st_mode & 0o777, 0o700)
            self.assertNotIn("is accepted although", at.gateway.output)


@programs.needs("openssl")
def in_index(device: pki.Credential) -> str:
    """A serial number as openssl's index has it: whole octets, the first of which is not zero."""
    digits = f"{device.certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


class OpensslTests(SynchronousTestCase):
    """`openssl ocsp` as the responder."""

    def serve(self, signing: pki.Credential, *options: str) -> dict[str, str]:
        """What the gateway says to devices whose status is in an index of openssl's."""
        with place() as at, ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            names = ("good", "revoked", "unknown")
            devices = {name: at.device(name) for name in names}
            issuer().write(directory, "ca")
            signing.write(directory, "signer")
            index = "".join(
                f"{flag}\t491231235959Z\t{when}\t{in_index(devices[name])}\tunknown\t/CN={name}\n"
                for name, flag, when in (("good", "V", ""), ("revoked", "R", "260101000000Z"))
            )
            (directory / "index.txt").write_text(index)
            for _ in range(5):  # somebody else may take the port meanwhile
                port = running.free_port_everywhere()
                words = ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "ca.pem"]
                words += ["-nrequest", "9", "-rsigner", "signer.pem", "-rkey", "signer.key", *options]
                process = stack.enter_context(
                    subprocess.Popen(
                        words, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                    )
                )
                stack.callback(process.kill)
                assert process.stdout
                said = iter(process.stdout.readline, b"")
                if any(b"ACCEPT" in line for line in said):  # a connection to see whether it listens upsets it
                    break
            else:
                self.fail("openssl ocsp does not listen")
            for name in names:
                device = issuer().issue(
                    name, serial=devices[name].certificate.serial_number, ocsp_url=f"http://127.0.0.1:{port}/"
                )
                device.write(at.gateway.directory, name)
            return {name: str(at.ask("aia", name)[1]["ocspStatus"]) for name in names}

    def test_issuer_signs(self) -> None:
        """Its responses, signed by the issuer, are understood."""
        found = self.serve(issuer(), "-ndays", "1")
        self.assertEqual(found, {"good": "good", "revoked": "revoked", "unknown": "unknown"})

    def test_delegate_signs(self) -> None:
        """So are those of a delegate, and those without nextUpdate."""
        found = self.serve(signer())
        self.assertEqual(found, {"good": "good", "revoked": "revoked", "unknown": "unknown"})

    def test_stranger_signs(self) -> None:
        """Those of a delegate of another issuer are not."""
        root = gateway.certificates()["devices-root"]
        assert isinstance(root, pki.Authority)
        found = self.serve(delegate(root))
        self.assertEqual(set(found.values()), {"unavailable"})
