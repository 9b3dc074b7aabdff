"""Two gateways that share what they know of revocation over a real Redis server, which may do its worst."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation import ocsp
from tests import pki, programs, running
from tests.crls import point_name, points_extension, uri
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import Line, wait_until
from tests.end_to_end.list_authority import ListAuthority, ListServer
from tests.end_to_end.redis_servers import PASSWORD, USER, RedisProcess, redis_server
from tests.responder import Responder, Response, Single, delegate

SHARED = "Revocation is shared over"
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@cache
def issuer() -> pki.Authority:
    """Who issues the devices of every test here."""
    root = gateway.certificates()["devices-root"]
    assert isinstance(root, pki.Authority)
    return root.intermediate("Devices that gateways share")


@cache
def signer() -> pki.Credential:
    """Who signs about them."""
    return delegate(issuer())


class Fleet:
    """A responder, a Redis server, and two gateways that ask both."""

    def __init__(self, stack: ExitStack, redis: RedisProcess, directory: Path, **keys: Any) -> None:
        self.redis = redis
        self.responder = stack.enter_context(closing(Responder(signer())))
        self.responder.certificates = (signer(),)
        self.backend = stack.enter_context(closing(Backend()))
        self.gateways: list[Gateway] = []
        (directory / "ca").mkdir()
        password = directory / "password"
        password.touch(mode=0o600)
        password.write_text(f"{PASSWORD}\n")
        self.authority = ListAuthority(issuer(), directory / "ca") if programs.path_of("openssl") else None
        self.lists = stack.enter_context(closing(ListServer()))
        for _ in range(2):
            port, lists_port = running.free_ports(2)
            store = {
                "revocation_store": f"redis://{USER}@127.0.0.1:{redis.port}/1",
                "revocation_store_password_file": password,
                "revocation_store_timeout": 2,  # a busy machine takes its time
                "state_directory": "var",  # with the control socket
            }
            profile = {
                "trusted_client_certificates": "devices",
                "verify_client_revocation": "OCSP",
                "ocsp_responder_url": self.responder.url,
                "ocsp_timeout": 30,
            }
            text = gateway.gateway_section(drain_timeout=5, **{**store, **keys}) + gateway.PROFILES
            lists = {
                "trusted_client_certificates": "devices",
                "verify_client_revocation": "CRL",
                "ocsp_allowed_networks": "127.0.0.0/8",
                "ocsp_allowed_ports": "1-65535",
            }
            text += gateway.pool("app", self.backend.port) + section("ssl_profile ocsp", **profile)
            text += section("ssl_profile lists", **lists)
            text += gateway.door("door", port, "ocsp") + gateway.door("lists", lists_port, "lists")
            self.gateways.append(stack.enter_context(gateway.running_gateway(text)))
        self.wait_until_shared(int(keys.get("workers", 1)))

    def wait_until_shared(self, times: int) -> None:
        """Wait until each gateway, or its workers, have connected so often."""
        for each in self.gateways:
            wait_until(lambda each=each: each.output.count(SHARED) >= times, "gateways have connected to Redis")  # type: ignore[misc]

    def device(self, name: str, status: str = "good") -> pki.Credential:
        """A device about which the responder says this, and which names the server of lists."""
        device = issuer().issue(name, extra=[points_extension(point_name(uri(self.lists.url)))])
        self.responder.knows(device, status=status)
        for each in self.gateways:
            device.write(each.directory, name)
        return device

    def ask(self, number: int, name: str, door: int = 0) -> tuple[int, str]:
        """What a device gets of a gateway, and its status in the access log."""
        at = self.gateways[number]
        call = at.call(at.ports[door], name)
        answer = clients.by_python(call)
        return answer.status, str(at.record(clientIP=call.source)["revocationStatus"])

    def open(self, number: int, name: str, door: int = 0) -> Line:
        """A connection of a device, after a request."""
        at = self.gateways[number]
        line = clients.encrypted(at.call(at.ports[door], name))
        line.send(REQUEST)
        assert line.response().status == 200
        return line

    @property
    def count(self) -> int:
        """How often the responder was asked."""
        return len(self.responder.asked)


def key_of(device: pki.Credential) -> str:
    """The key of a device's answer."""
    return ocsp.key_of(device.der, issuer().der).hex()


@contextmanager
def fleet(**keys: Any) -> Iterator[Fleet]:
    """Two gateways on one server."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield Fleet(stack, stack.enter_context(redis_server(directory)), directory, **keys)


class FleetCase(SynchronousTestCase):
    """Tests on one fleet, whose server is well at the end of each."""

    stage: Callable[[], AbstractContextManager[Fleet]] = staticmethod(fleet)

    def setUp(self) -> None:
        self.fleet = gateway.shared(type(self).stage)
        self.redis = self.fleet.redis
        for each in self.fleet.gateways:
            self.addCleanup(lambda each=each: gateway.assert_no_defect(each.output))  # type: ignore[misc]

    def assert_asked(self, expected: int, number: int, name: str, status: int = 200, word: str = "good") -> None:
        """Checks what a device gets, and how many questions to the responder that takes."""
        before = self.fleet.count
        self.assertEqual(self.fleet.ask(number, name), (status, word))
        self.assertEqual(self.fleet.count - before, expected)


@programs.needs("redis-server")
class SharingTests(FleetCase):
    """What gateways have of each other."""

    def test_asked_once(self) -> None:
        """What one gateway was answered the other need not ask for, be it good or revoked."""
        for name, status, word in (("shared good", 200, "good"), ("shared revoked", 400, "revoked")):
            self.fleet.device(name, word)
            self.assert_asked(1, 0, name, status, word)
            self.assert_asked(0, 1, name, status, word)

    def test_news_of_a_revocation(self) -> None:
        """What one gateway finds revoked ends connections of the other, which would not have asked for an hour."""
        device = self.fleet.device("to be revoked")
        with closing(self.fleet.open(0, "to be revoked")) as line:
            self.fleet.responder.knows(device, status="revoked")
            self.redis.ask("FLUSHALL")
            self.assert_asked(1, 1, "to be revoked", 400, "revoked")
            self.assertEqual(line.rest(), b"")
            self.assert_asked(0, 0, "to be revoked", 400, "revoked")

    def test_what_is_stored(self) -> None:
        """Everything has the prefix and an end, but for the news, which are cut."""
        for name, word in (("stored good", "good"), ("stored revoked", "revoked")):
            self.fleet.device(name, word)
            self.fleet.ask(0, name)
        self.assertEqual(self.redis.ask("CONFIG", "GET", "databases"), [b"databases", b"16"])
        keys = wait_until(lambda: self.redis.keys("agwtwisted:revoked:*"), "the revocation is stored")
        for key in {*keys, *self.redis.keys("agwtwisted:ocsp:*")}:
            ttl = self.redis.ask("PTTL", key)
            assert isinstance(ttl, int)
            self.assertGreater(ttl, 0)
        self.assertEqual([key for key in self.redis.keys("*") if not key.startswith(b"agwtwisted:")], [])


@programs.needs("redis-server", "openssl")
class ListsTests(FleetCase):
    """CRLs."""

    def test_downloaded_once(self) -> None:
        """What one gateway downloads the other need not, and a newer list ends connections everywhere."""
        authority = self.fleet.authority
        assert authority is not None
        self.fleet.lists.data = authority.published()
        self.fleet.device("listed")
        device = self.fleet.device("to be listed")
        for number in range(2):
            self.assertEqual(self.fleet.ask(number, "listed", door=1), (200, "good"))
        self.assertEqual(len(self.fleet.lists.asked), 1)
        with closing(self.fleet.open(1, "to be listed", door=1)) as line:
            authority.revoke(device)
            self.fleet.lists.data = authority.published()
            words = ("revocation", "check", "--config", "gw.ini", "--listener", "lists", "to be listed.pem")
            self.assertIn("revoked", self.fleet.gateways[0].agw(*words).stdout)
            self.assertEqual(line.rest(), b"")
        self.assertEqual(self.fleet.ask(1, "to be listed", door=1), (400, "revoked"))
        self.assertEqual(len(self.fleet.lists.asked), 2)


@programs.needs("redis-server")
class UntrustedTests(FleetCase):
    """What a server gives that is not what was stored: nothing but the hit is lost."""

    def put(self, kind: str, device: pki.Credential, value: bytes) -> None:
        """The server has this instead."""
        self.assertEqual(self.redis.ask("SET", f"agwtwisted:{kind}:{key_of(device)}", value), b"OK")

    def signed(
        self, device: pki.Credential, status: str = "good", by: pki.Credential | None = None, **when: Any
    ) -> bytes:
        """An answer about a device of this moment, unless it is another moment's."""
        now = datetime.now(UTC).replace(microsecond=0)
        when = {"this_update": now, "next_update": now + timedelta(hours=1), **when}
        single = Single(certificate=device, status=status, **when)
        signed_by = signer() if by is None else by
        return Response(signer=signed_by, singles=[single], certificates=(signed_by,), produced_at=now).der()

    def test_garbage(self) -> None:
        """What is no answer is none: bytes, another certificate's answer, one of another signer, one that is over."""
        other, stranger = self.fleet.device("another"), delegate(pki.Authority.root("Strangers"))
        now = datetime.now(UTC).replace(microsecond=0)
        over = {"this_update": now - timedelta(hours=2), "next_update": now - timedelta(minutes=1)}
        for number, make in enumerate[Callable[[pki.Credential], bytes]](
            (
                lambda _: b"",
                lambda _: bytes(100_000),
                lambda _: self.signed(other),
                lambda device: self.signed(device, by=stranger),
                lambda device: self.signed(device, **over),
                lambda device: self.signed(device, "unknown"),
            )
        ):
            device = self.fleet.device(f"garbage {number}")
            for kind in ("ocsp", "revoked"):
                self.put(kind, device, make(device))
            self.assert_asked(1, number % 2, f"garbage {number}")

    def test_revoked_stays_so(self) -> None:
        """An old answer that says *good* changes nothing for a gateway that knows better, whatever news come."""
        device = self.fleet.device("replayed", "revoked")
        self.assert_asked(1, 0, "replayed", 400, "revoked")
        now = datetime.now(UTC).replace(microsecond=0)
        good = self.signed(device, this_update=now - timedelta(minutes=5), next_update=now + timedelta(hours=1))
        for kind in ("ocsp", "revoked"):
            self.put(kind, device, good)
        self.redis.ask("XADD", "agwtwisted:news", "*", "topic", "revoked", "news", bytes.fromhex(key_of(device)))
        self.assert_asked(0, 0, "replayed", 400, "revoked")

    def test_news_of_nothing(self) -> None:
        """News that no answer bears out end no connection."""
        device = self.fleet.device("slandered")
        with closing(self.fleet.open(0, "slandered")) as line:
            self.put("revoked", device, self.signed(device, "revoked", by=delegate(pki.Authority.root("Strangers"))))
            for news in (bytes.fromhex(key_of(device)), b"", bytes(32), bytes(400)):
                self.redis.ask("XADD", "agwtwisted:news", "*", "topic", "revoked", "news", news)
            self.redis.ask("XADD", "agwtwisted:news", "*", "other", "fields")
            line.send(REQUEST)
            self.assertEqual(line.response().status, 200)
            self.assert_asked(0, 0, "slandered")

    def test_other_types(self) -> None:
        """Keys that hold something else are no values, and the stream may be something else, too."""
        device = self.fleet.device("another type")
        self.redis.ask("DEL", "agwtwisted:news")
        self.redis.ask("SET", "agwtwisted:news", "no stream")
        self.redis.ask("RPUSH", f"agwtwisted:ocsp:{key_of(device)}", "a")
        self.assert_asked(1, 0, "another type")
        self.redis.ask("DEL", "agwtwisted:news")


@programs.needs("redis-server")
class FailureTests(FleetCase):
    """A server that does not do its part: clients are served as if there were none, and it is taken up again."""

    def test_killed(self) -> None:
        """Where it is gone each gateway asks for itself; what has begun anew is used again."""
        connected = self.fleet.gateways[0].output.count(SHARED)
        self.redis.kill()
        self.fleet.device("while it is gone")
        for number in range(2):
            self.assert_asked(1, number, "while it is gone")
        self.redis.start()
        self.fleet.wait_until_shared(connected + 1)
        self.fleet.device("after it came back")
        self.assert_asked(1, 0, "after it came back")
        self.assert_asked(0, 1, "after it came back")

    def test_frozen(self) -> None:
        """A server that takes commands and answers none costs one wait; once it goes on it is used again."""
        connected = self.fleet.gateways[0].output.count(SHARED)
        self.redis.freeze()
        for number in range(3):
            self.fleet.device(f"while it is frozen {number}")
            for each in range(2):
                self.assert_asked(1, each, f"while it is frozen {number}")
        self.redis.thaw()
        self.fleet.wait_until_shared(connected + 1)

    def test_full(self) -> None:
        """A server without memory takes no answer, and gives those that it has."""
        self.fleet.device("before it was full")
        self.assert_asked(1, 0, "before it was full")
        self.redis.ask("CONFIG", "SET", "maxmemory", "1")
        try:
            self.assert_asked(0, 1, "before it was full")
            self.fleet.device("since it is full")
            for number in range(2):
                self.assert_asked(1, number, "since it is full")
            self.assertIn("answers with an error: OOM", self.fleet.gateways[0].output)
        finally:
            self.redis.ask("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def encrypted_fleet() -> Iterator[Fleet]:
    """Two gateways of two workers, on a server that speaks TLS alone with those whom its CA has certified."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root = pki.Authority.root("Redis Root")
        root.issue_server("127.0.0.1").write(directory, "server")
        root.issue("gateways").write(directory, "client")
        pki.write(directory, "root.pem", root)
        files = ("tls-cert-file server.pem", "tls-key-file server.key", "tls-ca-cert-file root.pem")
        (tls_port,) = running.free_ports(1)
        redis = stack.enter_context(redis_server(directory, f"tls-port {tls_port}", "tls-auth-clients yes", *files))
        keys = {
            "revocation_store": f"rediss://{USER}@127.0.0.1:{tls_port}/1",
            "revocation_store_trusted_file": directory / "root.pem",
            "revocation_store_certificate_file": directory / "client.pem",
            "revocation_store_key_file": directory / "client.key",
            "workers": 2,
        }
        yield Fleet(stack, redis, directory, **keys)


@programs.needs("redis-server")
class EncryptedTests(FleetCase):
    """Over TLS, and with several workers in each gateway."""

    stage = staticmethod(encrypted_fleet)

    def test_shared(self) -> None:
        """Whichever worker of whichever gateway gets a client, the responder is asked once, for good and revoked."""
        for name, status, word in (("encrypted good", 200, "good"), ("encrypted revoked", 400, "revoked")):
            self.fleet.device(name, word)
            self.assert_asked(1, 0, name, status, word)
            for number in (1, 0, 1):
                self.assert_asked(0, number, name, status, word)

    def test_news(self) -> None:
        """A revocation that one worker of one gateway finds ends connections in all workers of the other."""
        device = self.fleet.device("revoked for workers")
        with ExitStack() as stack:
            lines = [
                stack.enter_context(closing(self.fleet.open(number, "revoked for workers"))) for number in (0, 0, 0, 0)
            ]
            self.fleet.responder.knows(device, status="revoked")
            self.redis.ask("FLUSHALL")
            self.assert_asked(1, 1, "revoked for workers", 400, "revoked")
            self.assertEqual([line.rest() for line in lines], [b""] * 4)
