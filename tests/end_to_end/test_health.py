"""Servers that fail and come back: which ones the gateway uses, and what happens to requests in progress."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend, Named
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import DEADLINE, Line, Message, wait_until
from tests.programs import needs

SICK = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
GET = b"GET %b HTTP/1.1\r\nHost: app.example\r\n%b\r\n"


class HealthCase(SynchronousTestCase):
    """A gateway for each test before two servers that know their names."""

    def setUp(self) -> None:
        self.plain, self.secure = running.free_ports(2)
        self.sites = [Named("one"), Named("two")]
        ports = running.free_ports(2)  # which stay theirs while they are away
        self.servers = [Backend(site, port) for site, port in zip(self.sites, ports, strict=True)]
        self.ports = [server.port for server in self.servers]
        self.addCleanup(lambda: [server.close() for server in self.servers])

    def configuration(self, probe: dict[str, object] | None = None, **settings: object) -> str:
        """The configuration, with a probe of these keys every second; None: without a probe of its own."""
        text = gateway.gateway_section(state_directory="state") + gateway.PROFILES
        if probe is not None:
            settings["probe"] = "deep"
            keys = {"protocol": "Http", "interval": 1, "timeout": DEADLINE, "unhealthy_threshold": 1, **probe}
            text += gateway.section("probe deep", **keys)
        text += gateway.pool("app", *self.ports, **{"probe": None, **settings})
        return text + gateway.door("plain", self.plain, protocol="Http") + gateway.door("secure", self.secure)

    def start(self, probe: dict[str, object] | None = None, **settings: object) -> Gateway:
        """A gateway that serves."""
        entered = gateway.running_gateway(self.configuration(probe, **settings))
        self.gateway = entered.__enter__()
        self.addCleanup(entered.__exit__, None, None, None)
        return self.gateway

    def await_log(self, server: int, change: str, count: int = 1) -> str:
        """The line of the log about the last of so many of these changes of a server, once it is there."""
        words = f"Backend server 127.0.0.1:{self.ports[server]} (app): {change}"

        def found() -> list[str]:
            lines = [line for line in self.gateway.output.splitlines() if words in line]
            return lines if len(lines) >= count else []

        return wait_until(found, f"{words} is logged")[-1]

    def await_both(self) -> None:
        """Both servers are known to be well."""
        for server in (0, 1):
            self.await_log(server, "Unknown -> Up")

    def connect(self, port: int = 0) -> Line:
        """A connection to the plain door, or another."""
        line = clients.plain(port or self.plain)
        self.addCleanup(line.close)
        return line

    def ask(self, target: bytes = b"/", *lines: bytes) -> Message:
        """One request, over a connection of its own."""
        with closing(self.connect()) as line:
            line.send(GET % (target, b"".join(lines)))
            return line.response()

    def answers(self, count: int) -> Counter[str]:
        """Who answered so many requests, every one of them with 200."""
        responses = [self.ask() for _ in range(count)]
        self.assertEqual({response.status for response in responses}, {200})
        return Counter(response.body.decode() for response in responses)


class ProbeTests(HealthCase):
    """What the servers see."""

    def test_default(self) -> None:
        """Each is asked at the start for / of 127.0.0.1, over a connection that is closed then."""
        self.start()
        self.await_both()
        for site, server in zip(self.sites, self.servers, strict=True):
            [probe] = site.probes
            self.assertEqual((probe.start, probe.get("host")), ("GET / HTTP/1.1", "127.0.0.1"))
            self.assertEqual(probe.get("accept-encoding"), "")
            self.assertTrue(server.line(0).ended.wait(DEADLINE))
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})

    def test_own(self) -> None:
        """A probe of one's own, again and again, each time over a new connection."""
        self.start({"host": "probed.example", "path": "/healthz?deep", "match_body": "is well"})
        self.await_both()
        wait_until(lambda: len(self.sites[0].probes) > 2, "there are three probes")
        starts = {(probe.start, probe.get("host")) for probe in self.sites[0].probes}
        self.assertEqual(starts, {("GET /healthz?deep HTTP/1.1", "probed.example")})
        self.assertGreaterEqual(len(self.servers[0].lines), 3)

    def test_sick(self) -> None:
        """A server that answers probes with the wrong status or text gets no requests, until it answers well."""
        for answer, reason in (
            (SICK, "status 503 is not one of 200-399"),
            (self.sites[0].well.replace(b"well", b"sick"), "match_body is not in the first 4090 bytes"),
        ):
            with self.subTest(reason=reason):
                well, self.sites[0].well = self.sites[0].well, answer
                entered = gateway.running_gateway(self.configuration({"match_body": "well"}))
                with entered as self.gateway:
                    self.assertIn(reason, self.await_log(0, "Unknown -> Down"))
                    self.await_log(1, "Unknown -> Up")
                    self.assertEqual(self.answers(4), {"two": 4})
                    self.sites[0].well = well
                    self.await_log(0, "Down -> Up")
                    self.assertEqual(self.answers(4), {"one": 2, "two": 2})
                    self.assertEqual(self.gateway.output.count("-> Down"), 1)

    def test_threshold(self) -> None:
        """So many failures in a row make a server unhealthy, and no fewer."""
        self.start({"unhealthy_threshold": 2})
        self.await_both()
        well, self.sites[0].well = self.sites[0].well, SICK
        seen = len(self.sites[0].probes)
        self.await_log(0, "Up -> Down")
        self.assertGreaterEqual(len(self.sites[0].probes) - seen, 2)
        self.sites[0].well = well
        self.await_log(0, "Down -> Up")


class OutageTests(HealthCase):
    """Servers that are not there."""

    def test_dies_and_returns(self) -> None:
        """No request is lost when one of two servers dies; when it is back it gets its share again."""
        self.start({})
        self.await_both()
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})
        self.servers[0].close()
        self.assertEqual(self.answers(6), {"two": 6})
        self.await_log(0, "Up -> Down")
        self.assertEqual(self.answers(4), {"two": 4})
        self.servers[0] = Backend(self.sites[0], self.ports[0])
        self.await_log(0, "Down -> Up")
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})

    def test_found_by_requests(self) -> None:
        """Refused requests find a server down long before its next probe, and it is asked soon whether it is back."""
        self.start({"interval": 3600, "unhealthy_threshold": 3})
        self.await_both()
        self.servers[0].close()
        self.assertEqual(self.answers(8), {"two": 8})
        self.assertIn("connections are refused", self.await_log(0, "Up -> Down"))
        self.servers[0] = Backend(self.sites[0], self.ports[0])
        self.await_log(0, "Down -> Up")
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})

    def test_one_after_the_other(self) -> None:
        """While servers are started anew one after the other no request is lost, however far away the next probe."""
        self.start({"interval": 3600})
        self.await_both()
        for down in (0, 1):
            other = self.sites[1 - down].name
            self.servers[down].close()
            self.assertEqual(self.answers(8), {other: 8})
            self.servers[down] = Backend(self.sites[down], self.ports[down])

    def test_all_down(self) -> None:
        """When none is left the answer is a 502 of the gateway's own, until one of them is back."""
        self.start({"interval": 3600})
        self.await_both()
        for server in self.servers:
            server.close()
        for _ in range(3):
            self.assertEqual(self.ask().status, 502)
        for server in (0, 1):
            self.await_log(server, "Up -> Down")
        self.assertEqual(self.ask(b"/last").status, 502)
        record = self.gateway.record(requestUri="/last")
        self.assertEqual(record["error_info"], "ERRORINFO_UPSTREAM_NO_LIVE")
        self.servers[1] = Backend(self.sites[1], self.ports[1])
        self.assertEqual(self.answers(4), {"two": 4})

    def test_first_requests(self) -> None:
        """Before any probe is answered, requests are served all the same."""
        for site in self.sites:
            site.well = b""  # no answer yet
        self.start({})
        wait_until(lambda: all(site.probes for site in self.sites), "both servers are asked")
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})

    def test_many(self) -> None:
        """A gateway before as many servers as a pool may have starts, learns how they are, and ends as any other."""
        (nowhere,) = running.free_ports(1)
        addresses = [f"127.9.{number >> 8}.{number & 255}:{nowhere}" for number in range(1199)]
        text = self.configuration({"interval": 3600})
        text = text.replace(f"127.0.0.1:{self.ports[1]}", ",\n  ".join(addresses))
        with gateway.running_gateway(text) as self.gateway:
            self.await_log(0, "Unknown -> Up")
            self.assertEqual(self.answers(2), {"one": 2})
            wait_until(lambda: self.gateway.output.count("Unknown -> Down") == 1199, "all are asked")
            self.assertEqual(self.answers(2), {"one": 2})


class DrainTests(HealthCase):
    """What is under way at a server that goes down."""

    def go_down(self) -> None:
        """The first server is found sick."""
        self.sites[0].well = SICK
        self.await_log(0, "Up -> Down")

    def on_the_first(self, begin: Callable[[Line], Message | None]) -> tuple[Line, Message]:
        """A connection whose request has reached the first server."""
        for _ in range(2):
            line = self.connect()
            head = begin(line)
            assert head
            if head.get("x-server") == "one":
                return line, head
        raise AssertionError("the first server has its turn")

    def slow(self, line: Line) -> None:
        """Answers half, and the rest when the test says so."""
        line.send(b"HTTP/1.1 200 OK\r\nX-Server: one\r\nContent-Length: 8\r\n\r\nhalf")
        wait_until(lambda: self.may_end, "the rest may come", 2 * DEADLINE)
        line.send(b"half")

    may_end = False

    def half(self, line: Line) -> Message | None:
        """Asks for an answer of which only a half comes."""
        line.send(GET % (b"/slow", b""))
        return line.head()

    def both(self) -> None:
        """The first server plays what takes long, the second says its name."""
        self.sites[0].others = {"/slow": self.slow, "/ws": switching_on}
        self.await_both()

    def upgraded(self, line: Line) -> Message | None:
        """Asks for another protocol."""
        line.send(GET % (b"/ws", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        return line.head()

    def test_finishes(self) -> None:
        """An answer under way may finish."""
        self.start({}, connection_draining_timeout=3600)
        self.both()
        line, _ = self.on_the_first(self.half)
        self.go_down()
        self.assertEqual(self.answers(4), {"two": 4})
        self.may_end = True
        self.assertEqual(line.exactly(8), b"halfhalf")

    def test_cut(self) -> None:
        """When the time is over it is cut, and the log says that the server was lost."""
        self.start({}, connection_draining_timeout=1)
        self.both()
        line, _ = self.on_the_first(self.half)
        self.go_down()
        self.assertEqual(line.rest(), b"half")
        self.may_end = True
        record = self.gateway.record(requestUri="/slow", serverRouted=f"127.0.0.1:{self.ports[0]}")
        self.assertEqual((record["httpStatus"], record["error_info"]), (200, "ERRORINFO_UPSTREAM_CLOSED_CONNECTION"))

    def test_upgraded(self) -> None:
        """So is an upgraded connection."""
        self.start({}, connection_draining_timeout=1)
        self.both()
        line, head = self.on_the_first(self.upgraded)
        self.assertEqual(head.status, 101)
        self.go_down()
        self.assertEqual(line.rest(), b"")


class AffinityTests(HealthCase):
    """Clients that come back to their server."""

    def curl(self, *words: str, jar: str = "jar", secure: bool = True) -> str:
        """What curl prints, with a cookie jar of that name."""
        url = f"https://localhost:{self.secure}/" if secure else f"http://localhost:{self.plain}/"
        trust = ["--cacert", str(self.gateway.directory / "server-root.pem")]
        path = str(Path(self.gateway.directory) / jar)
        jars = ["--cookie", path, "--cookie-jar", path]
        done = clients.run(["curl", "--silent", "--show-error", *trust, *jars, *words, url])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def start_bound(self, **settings: object) -> None:
        """A gateway whose clients are bound to their servers, both of which are well."""
        self.start({}, **{"cookie_based_affinity": "Enabled", **settings})
        self.await_both()

    @needs("curl")
    def test_comes_back(self) -> None:
        """A client that keeps its cookies stays where it is; each without any is another one's turn."""
        self.start_bound()
        for jar in ("a", "b"):
            self.assertEqual(len({self.curl(jar=jar) for _ in range(4)}), 1)
        self.assertEqual({self.curl(jar=jar) for jar in ("a", "b")}, {"one", "two"})
        self.assertEqual(self.answers(4), {"one": 2, "two": 2})

    @needs("curl")
    def test_cookies(self) -> None:
        """Two over TLS and one without, of a hash; said once, and forwarded like any other cookie."""
        self.start_bound(affinity_cookie_name="Own")
        first, again = self.curl("--include"), self.curl("--include")
        cookies = [line for line in first.splitlines() if line.startswith("Set-Cookie")]
        self.assertEqual(
            [re.sub("=[0-9a-f]{32};", "=…;", line) for line in cookies],
            ["Set-Cookie: Own=…; Path=/", "Set-Cookie: OwnCORS=…; Path=/; SameSite=None; Secure"],
        )
        self.assertNotIn("Set-Cookie", again)
        self.assertTrue(any(b"Own=" in server.received for server in self.servers))
        plain = self.curl("--include", jar="plain", secure=False)
        self.assertEqual(plain.count("Set-Cookie"), 1)

    @needs("curl")
    def test_dies(self) -> None:
        """When its server dies a client is led to the other, and stays there."""
        self.start_bound()
        server = ["one", "two"].index(self.curl())
        other = self.sites[1 - server].name
        self.servers[server].close()
        self.assertEqual([self.curl() for _ in range(3)], [other] * 3)
        self.await_log(server, "Up -> Down")
        self.servers[server] = Backend(self.sites[server], self.ports[server])
        self.await_log(server, "Down -> Up")
        self.assertEqual([self.curl() for _ in range(3)], [other] * 3)

    @needs("curl")
    def test_drained(self) -> None:
        """A client that is bound to a server that is drained still goes there, others do not."""
        self.start_bound(connection_draining_timeout=3600)
        server = ["one", "two"].index(self.curl())
        self.sites[server].well = SICK
        self.await_log(server, "Up -> Down")
        self.assertEqual([self.curl() for _ in range(3)], [self.sites[server].name] * 3)
        self.assertEqual(self.answers(3), {self.sites[1 - server].name: 3})

    @needs("curl")
    def test_drained_at_last(self) -> None:
        """When the time is over the client is led to another one."""
        self.start_bound(connection_draining_timeout=1)
        server = ["one", "two"].index(self.curl())
        self.sites[server].well = SICK
        self.await_log(server, "Up -> Down")
        wait_until(lambda: self.curl() == self.sites[1 - server].name, "the client is led elsewhere")
        self.assertEqual([self.curl() for _ in range(3)], [self.sites[1 - server].name] * 3)

    @needs("curl")
    def test_restart(self) -> None:
        """A client finds its server after the gateway was started anew."""
        self.start_bound()
        jars = [f"jar {number}" for number in range(4)]
        before = [self.curl(jar=jar) for jar in jars]
        self.gateway.stop()
        self.gateway.start()
        self.assertEqual([self.curl("--include", jar=jar).partition("\r\n\r\n")[2] for jar in jars], before)

    def test_made_up(self) -> None:
        """A cookie that the gateway did not make binds to no server, and is replaced."""
        self.start_bound()
        for value in (b"0" * 32, b"127.0.0.1:%d" % self.ports[0], b"", b"one"):
            responses = [self.ask(b"/", b"Cookie: ApplicationGatewayAffinity=%b\r\n" % value) for _ in range(4)]
            self.assertEqual(Counter(each.body for each in responses), {b"one": 2, b"two": 2})
            self.assertTrue(all(each.get("set-cookie") for each in responses))


class LeastConnectionsTests(HealthCase):
    """`load_distribution_algorithm = LeastConnections`."""

    def test_least(self) -> None:
        """While one server is busy the other gets what comes."""
        for site in self.sites:
            site.others["/ws"] = switching_on
        self.start({}, load_distribution_algorithm="LeastConnections")
        self.await_both()
        line = self.connect()
        line.send(GET % (b"/ws", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"))
        head = line.head()
        assert head
        self.assertEqual(head.status, 101)
        self.assertEqual(len(self.answers(6)), 1)
        line.close()
        wait_until(lambda: len(self.answers(4)) == 2, "both servers get something again")


def switching_on(line: Line) -> None:
    """Speaks another protocol from here on."""
    switch = b"X-Server: one\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    line.send(b"HTTP/1.1 101 Switching Protocols\r\n", switch)
    line.rest()
