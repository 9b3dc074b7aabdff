"""HTTP/2 under load: reloads, the end of the gateway, and two workers; no request is lost."""

from __future__ import annotations

import re
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end import clients, gateway, http2
from tests.end_to_end.changes import Changing
from tests.end_to_end.http2 import Http2Case
from tests.end_to_end.lines import DEADLINE, wait_until
from tests.end_to_end.worker_processes import workers
from tests.http2_clients import Http2Client, Response, over_tls
from tests.programs import needs

AT_ONCE = 4
"""Streams that are open at once on each connection."""


MAX_REQUESTS = 60
"""Of a connection, where a test has them end; more than each of `test_h2load` has."""


@attrs.define
class Asking:
    """A client that always has some requests under way, on a thread of its own, until it is stopped or cannot connect.

    A request that the server says it has not processed is asked again; any other that is not answered is a failure.
    """

    connect: Callable[[], Http2Client]
    path: str = "/"
    answered: int = 0
    repeated: int = 0
    connections: int = 0
    goaways: int = 0  # graceful ones, of two frames
    failures: list[str] = attrs.field(factory=list)
    stopped: threading.Event = attrs.field(factory=threading.Event)
    thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.thread = threading.Thread(target=self._ask, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Returns after the last answer."""
        self.stopped.set()
        self.thread.join(DEADLINE)

    def _ask(self) -> None:
        while not self.stopped.is_set():
            try:
                client = self.connect()
            except (OSError, AssertionError):
                return  # it does not listen any more
            self.connections += 1
            try:
                self._use(client)
            except (AssertionError, ssl.SSLError) as error:
                self.failures.append(repr(error))
                return
            finally:
                client.close()

    def _use(self, client: Http2Client) -> None:
        """Asks on one connection until the server says that it is to be the last, or the test does."""
        under_way: list[Response] = []
        while True:
            while len(under_way) < AT_ONCE and not client.goaways and not client.ended and not self.stopped.is_set():
                under_way.append(client.request(self.path))
            if not under_way:
                break
            client.until(lambda: client.goaways or any(self._over(client, each) for each in under_way), "answers come")
            if client.goaways:
                client.until(lambda: all(self._over(client, each) for each in under_way), "the last answers come")
            for each in [each for each in under_way if self._over(client, each)]:
                under_way.remove(each)
                self._count(client, each)
        self.goaways += [each.last_stream_id for each in client.goaways][:1] == [2**31 - 1]

    def _over(self, client: Http2Client, response: Response) -> bool:
        return response.done or client.may_be_repeated(response)

    def _count(self, client: Http2Client, response: Response) -> None:
        if response.ended and response.status == 200:
            self.answered += 1
        elif client.may_be_repeated(response):
            self.repeated += 1
        else:
            self.failures.append(repr(response))


class LoadTests(Http2Case):
    """Clients that never stop asking."""

    def asking(self, door: str, certificate: str = "", path: str = "/") -> Asking:
        """One, until the end of the test."""
        call = self.gateway.call(self.scene.doors[door], certificate)
        made = Asking(lambda: over_tls(call), path)
        self.addCleanup(made.stop)
        return made

    def test_reloads(self) -> None:
        """Reloads cost no request, and connections go over to the new configuration instead of ending."""
        changing = Changing(self.gateway)
        self.addCleanup(changing.reload, changing.first)
        asking = [self.asking("open"), self.asking("strict", "ecdsa"), self.asking("open", path="/bytes/200000")]
        for number in range(4):
            before = [each.answered for each in asking]
            changing.reload(changing.first.replace("request_timeout = 20", f"request_timeout = {30 + number}"))
            self.go_on(asking, before)
        for each in asking:
            each.stop()
        self.assertEqual([each.failures for each in asking], [[], [], []])
        self.assertEqual([each.connections for each in asking], [1, 1, 1])

    def test_listener_without_http2(self) -> None:
        """A listener that speaks no HTTP/2 any more: its connections end by GOAWAY twice, and nothing is lost."""
        changing = Changing(self.gateway)
        self.addCleanup(changing.reload, changing.first)
        asking = [self.asking("open") for _ in range(2)]
        wait_until(lambda: all(each.answered for each in asking), "there is load")
        changing.reload(re.sub(r"(\[http_listener open\]\n)", r"\1enable_http2 = false\n", changing.first))
        for each in asking:
            each.thread.join(DEADLINE)  # the server does not select h2 for another connection
        self.assertEqual([each.failures for each in asking], [[], []])
        self.assertEqual([(each.connections, each.goaways) for each in asking], [(1, 1), (1, 1)])

    def go_on(self, asking: list[Asking], before: list[int]) -> None:
        """Wait until each has some more answers."""
        wait_until(
            lambda: all(
                each.failures or each.answered >= count + 2 * AT_ONCE
                for each, count in zip(asking, before, strict=True)
            ),
            "all go on",
        )


class TrustTests(Http2Case):
    """A client whose trust a reload takes away while streams are under way."""

    def test_distrusted(self) -> None:
        """GOAWAY: no further request is served; what is under way is answered, and an endless stream ends at once."""
        changing = Changing(self.gateway)
        self.addCleanup(changing.reload, changing.first)
        actor = self.scene.backend
        actor.go_on.clear()
        client = self.client("strict", "ecdsa")
        slow, events = client.request("/slow"), client.request("/events")
        client.until(lambda: events.body, "an event comes")
        self.assertTrue(actor.asked.acquire(timeout=DEADLINE))
        profile = "[ssl_profile strict]\nverify_client_auth_mode = Strict\ntrusted_client_certificates = "
        self.assertIn(profile + "devices", changing.first)
        changing.reload(changing.first.replace(profile + "devices", profile + "partners"))
        late = client.request("/late")
        client.until(lambda: events.done and client.may_be_repeated(late), "the client is expelled")
        self.assertIsNotNone(events.reset)
        actor.go_on.set()
        self.told(client.finished(slow))
        client.rest()
        self.assertEqual((late.status, client.goaways[-1].error_code), (0, 0))
        with self.assertRaises(ssl.SSLError):
            self.client("strict", "ecdsa").fetch("/again")
        self.assertFalse([each for each in self.gateway.records() if each.get("requestUri") == "/late"])


class StoppingTests(SynchronousTestCase):
    """SIGTERM."""

    @contextmanager
    def started(self, **keys: object) -> Iterator[gateway.Scene]:
        """A gateway for one test, which ends it."""
        with http2.stage(**keys) as scene:
            yield scene

    def stop_under_load(self, **keys: object) -> None:
        """Every request of every connection is answered, or may be repeated; the log has each answered one."""
        with self.started(**keys) as scene:
            call = scene.gateway.call(scene.doors["strict"], "ecdsa")
            opened = scene.gateway.call(scene.doors["open"])
            asking = [Asking(lambda: over_tls(call)) for _ in range(4)]
            asking += [Asking(lambda: over_tls(opened), "/bytes/200000") for _ in range(2)]
            wait_until(lambda: all(each.answered >= 8 for each in asking), "there is load")
            scene.gateway.signal(signal.SIGTERM)
            for each in asking:
                each.thread.join(DEADLINE)
            self.assertEqual([each.failures for each in asking], [[]] * len(asking))
            self.assertTrue(all(each.goaways for each in asking), asking)
            self.assertIn(scene.gateway.wait(), (0, -signal.SIGTERM))
            answered = [each for each in scene.gateway.records() if each["httpStatus"] == 200]
            self.assertEqual(len(answered), sum(each.answered for each in asking))

    def test_under_load(self) -> None:
        """The end of a gateway under load loses nothing."""
        self.stop_under_load()

    def test_two_workers(self) -> None:
        """Nor does that of a gateway with two workers."""
        self.stop_under_load(workers=2)


@contextmanager
def two() -> Iterator[gateway.Scene]:
    """Two workers, and connections that end early."""
    with http2.stage(workers=2, http2_max_requests=MAX_REQUESTS) as scene:
        workers(scene.gateway)
        yield scene


class WorkersTests(Http2Case):
    """A gateway of two workers."""

    stage = staticmethod(two)

    @needs("h2load")
    def test_h2load(self) -> None:
        """Connections of both workers are served, and the log has a line for each stream."""
        call = self.gateway.call(self.scene.doors["open"])
        words = ["h2load", "-n", "400", "-c", "8", "-m", "10", f"https://localhost:{call.port}/workers"]
        done = clients.run(words)
        self.assertIn("400 succeeded, 0 failed", done.stdout)

        def logged() -> bool:
            return sum(each["requestUri"] == "/workers" for each in self.gateway.records()) == 400

        wait_until(logged, "the log has a line for each stream")

    def test_max_requests(self) -> None:
        """After `http2_max_requests` a connection ends by GOAWAY twice, and its client loses nothing."""
        call = self.gateway.call(self.scene.doors["strict"], "ecdsa")
        asking = Asking(lambda: over_tls(call))
        wait_until(lambda: asking.failures or asking.answered >= 3 * MAX_REQUESTS, "several connections have ended")
        asking.stop()
        self.assertEqual(asking.failures, [])
        self.assertGreaterEqual(asking.goaways, 2)
        self.assertLess(asking.answered, asking.connections * (MAX_REQUESTS + 8 * AT_ONCE))
