"""CRLs as clients, servers and logs see them: a real gateway, lists of openssl ca, over real HTTP."""

from __future__ import annotations

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
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.list_authority import ListAuthority, ListServer

OPEN = {"ocsp_allowed_networks": "127.0.0.0/8", "ocsp_allowed_ports": "1-65535"}


class Place:
    """An authority with its server, a backend, and a gateway whose listener reads lists."""

    def __init__(self, stack: ExitStack, *, gateway_keys: dict[str, Any] | None = None, **keys: Any) -> None:
        root = gateway.certificates()["devices-root"]
        assert isinstance(root, pki.Authority)
        self.issuer = root.intermediate("Devices with lists")
        self.authority = ListAuthority(self.issuer, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        self.server = stack.enter_context(closing(ListServer()))
        self.server.data = self.authority.published()
        self.backend = stack.enter_context(closing(Backend()))
        [self.port] = running.free_ports(1)
        self.keys = {"trusted_client_certificates": "devices", "verify_client_revocation": "CRL", **OPEN, **keys}
        self.gateway_keys = {"drain_timeout": 5, **(gateway_keys or {})}
        self.gateway: Gateway = stack.enter_context(gateway.prepared(self.text()))

    def text(self) -> str:
        """The configuration."""
        return (
            gateway.gateway_section(**self.gateway_keys)
            + gateway.PROFILES
            + gateway.pool("app", self.backend.port)
            + section("ssl_profile lists", **self.keys)
            + gateway.door("lists", self.port, "lists")
        )

    def device(self, name: str, *, points: bool = True) -> pki.Credential:
        """A certificate that names the server."""
        extra = [points_extension(point_name(uri(self.server.url)))] if points else []
        device = self.issuer.issue(name, extra=extra)
        device.write(self.gateway.directory, name)
        return device

    def ask(self, name: str) -> tuple[int, str, str]:
        """What a device gets: the status, and what the log says of its revocation and who said so."""
        call = self.gateway.call(self.port, name)
        answer = clients.by_python(call)
        record = self.gateway.record(clientIP=call.source)
        return answer.status, record["revocationStatus"], record["revocationSource"]


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
        """Without a list a client is refused, or let in where the profile says so; the log has the reason."""
        for value, expected in (("Refuse", (400, "unavailable", "")), ("Allow", (200, "unavailable-allowed", ""))):
            with place(crl_unavailable=value) as at:
                at.device("good")
                at.server.is_down = True
                with started(at):
                    self.assertEqual(at.ask("good"), expected)
                    self.assertIn(f"No CRL from {at.server.url}: the server of the CRL answers", at.gateway.output)

    def test_bad_servers(self) -> None:
        """What is no list, or too long, is no answer; the type that a server gives it does not matter."""
        with place(crl_max_bytes=2000) as at, started(at):
            for name, data in (("html", b"<html>"), ("long", b"0" * 3000)):
                at.device(name)
                at.server.data = data
                self.assertEqual(at.ask(name), (400, "unavailable", ""))
                at.gateway.stop()
                at.gateway.start()
            at.device("good")
            at.server.content_type, at.server.data = "text/html", at.authority.published()
            self.assertEqual(at.ask("good"), (200, "good", "CRL"))
            self.assertIn("the CRL is longer than crl_max_bytes (2000)", at.gateway.output)

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
