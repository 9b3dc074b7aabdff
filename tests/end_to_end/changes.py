"""A gateway whose configuration changes while it serves: the change, clients that never stop, connections that stay."""

from __future__ import annotations

import contextlib  # trial takes a global named suppress for its own
import queue
import re
import signal
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

import attrs
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed

from tests import programs, running
from tests.end_to_end import brokers, clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import Gateway
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.end_to_end.test_proxying import directory
from tests.end_to_end.test_relays import echoing
from tests.end_to_end.test_websockets import Speaker, dial

GET = b"GET %b HTTP/1.1\r\nHost: localhost\r\n\r\n"

STEADY = b"/steady"
"""What clients ask for that never stop, and no others: lines of earlier tests may come late into the access log."""

RELOADED = re.compile(r"Reload of .*: generation \d+ .* is in force after .*")
REJECTED = re.compile(r"Reload of .* rejected: generation \d+ stays in force")
"""What the gateway's log says of a reload, once for each."""


class Changing:
    """A gateway's configuration: what stands in its file, and what is in force."""

    def __init__(self, of: Gateway) -> None:
        self._gateway = of
        self.first = of.file.read_text()

    def write(self, text: str) -> None:
        """Another configuration, which nobody has to read yet."""
        new = self._gateway.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self._gateway.file)

    def reload(self, text: str | None = None) -> str:
        """Has it reload, with another text where one is given; returns what it says about what has changed."""
        return self._hang_up(text, RELOADED)

    def fail(self, text: str | None = None) -> str:
        """Has it reload what it cannot take; returns all that it says about that."""
        return self._hang_up(text, REJECTED)

    def _hang_up(self, text: str | None, pattern: re.Pattern[str]) -> str:
        if text is not None:
            self.write(text)
        before = len(self._gateway.output)
        self._gateway.signal(signal.SIGHUP)

        def said() -> str:
            found = pattern.search(self._gateway.output, before)
            return self._gateway.output[before : found.end()] if found else ""

        return wait_until(said, f"the gateway says {pattern.pattern}")


@attrs.define
class Steady:
    """A client that asks again and again, on a thread of its own, until it is stopped."""

    connect: Callable[[], Line]
    keeps: bool
    answered: int = 0
    connections: int = 0
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
        line: Line | None = None
        while not self.stopped.is_set():
            try:
                if line is None:
                    line = self.connect()
                    self.connections += 1
                line.send(GET % STEADY)
                assert line.response().status == 200
            except (OSError, AssertionError) as error:
                self.failures.append(repr(error))
                return
            self.answered += 1
            if not self.keeps:
                line.close()
                line = None
        if line:
            line.close()


class Pages:
    """A server that answers with its name, streams events when the test says so, and waits with /slow for its word."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.streams: list[queue.Queue[bytes]] = []  # what is put into one is sent as an event; nothing ends it
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, line: Line) -> None:
        """Talks on one connection."""
        while head := line.head():
            line.body(head)
            if "/events" in head.start:
                line.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                events: queue.Queue[bytes] = queue.Queue()
                self.streams.append(events)
                while event := events.get():
                    line.send(b"%x\r\n%b\r\n" % (len(event), event))
                return
            if "/slow" in head.start:
                self.asked.set()
                self.go_on.wait(DEADLINE)
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self.name), self.name))


@attrs.frozen(kw_only=True)
class Behind:
    """The servers behind the gateway."""

    one: Pages
    two: Pages
    speaker: Speaker


DOORS = ("plain", "strict", "partners", "socket", "relay", "mqtt", "extra")


@contextmanager
def stage(**keys: object) -> Iterator[gateway.Scene]:
    """Doors of every kind: HTTP, WebSocket, L4 with echo, and with a broker where one is installed."""
    doors = dict(zip(DOORS, running.free_ports(len(DOORS)), strict=True))
    with ExitStack() as stack:
        one, two = Pages("one"), Pages("two")
        speaker = stack.enter_context(closing(Speaker()))
        pools = {"app": Backend(one), "other": Backend(two), "echo": Backend(echoing)}
        for backend in pools.values():
            stack.enter_context(closing(backend))
        stack.callback(lambda: [stream.put(b"") for stream in one.streams])
        stack.callback(one.go_on.set)
        text = gateway.gateway_section(**{"drain_timeout": 5, **keys}) + gateway.PROFILES
        text += gateway.pool("app", pools["app"].port) + gateway.pool("other", pools["other"].port)
        text += gateway.pool("socket", speaker.port) + gateway.relay_pool("echo", pools["echo"].port, timeout=600)
        text += gateway.door("plain", doors["plain"], protocol="Http")
        text += gateway.door("strict", doors["strict"], "strict") + gateway.door("extra", doors["extra"], "strict")
        text += gateway.door("partners", doors["partners"], "partners")
        text += gateway.door("socket", doors["socket"], "strict", to="socket")
        text += gateway.relay_door("relay", doors["relay"], "strict", to="echo")
        if programs.path_of("mosquitto"):
            broker = stack.enter_context(brokers.mosquitto(stack.enter_context(directory())))
            text += gateway.relay_pool("mqtt", broker) + gateway.relay_door("mqtt", doors["mqtt"], "strict", to="mqtt")
        started = stack.enter_context(gateway.running_gateway(text))
        yield gateway.Scene(gateway=started, doors=doors, backend=Behind(one=one, two=two, speaker=speaker))


@attrs.frozen
class Living:
    """A connection of some kind that stays: asked whether it still carries data, and how it ends."""

    kind: str
    speak: Callable[[], None]
    """Sends something there and back; raises where that fails."""
    end: Callable[[], None]
    """Waits for the end that the gateway makes."""


class Lives:
    """Opens connections of every kind with one certificate."""

    def __init__(self, scene: gateway.Scene, stack: ExitStack, certificate: str = "ecdsa") -> None:
        self._scene = scene
        self._stack = stack
        self._certificate = certificate

    def _line(self, door: str) -> Line:
        call = self._scene.gateway.call(self._scene.doors[door], self._certificate)
        return self._stack.enter_context(closing(clients.encrypted(call)))

    def kept(self, door: str = "strict") -> Living:
        """An HTTP connection, idle between its requests."""
        line = self._line(door)

        def speak() -> None:
            line.send(GET % b"/")
            assert line.response().status == 200

        return Living("kept", speak, lambda: ends(line))

    def events(self) -> Living:
        """A stream of events."""
        line, pages = self._line("strict"), self._scene.backend.one
        before = len(pages.streams)
        line.send(GET % b"/events")
        assert line.response(to_head=True).status == 200
        stream: queue.Queue[bytes] = wait_until(lambda: pages.streams[before:], "the server has the request")[0]

        def speak() -> None:
            stream.put(b"data: here\n\n")
            assert line.chunk() == b"data: here\n\n"

        return Living("events", speak, lambda: ends(line))

    def socket(self) -> Living:
        """A WebSocket."""
        scene = self._scene
        dialled = dial(scene.gateway, scene.doors["socket"], "/echo", certificate=self._certificate)
        connection = self._stack.enter_context(dialled)

        def speak() -> None:
            connection.send("here")
            assert connection.recv(DEADLINE) == "here"

        def end() -> None:
            with contextlib.suppress(ConnectionClosed):
                connection.recv(DEADLINE)
                raise AssertionError("the server said something")

        return Living("socket", speak, end)

    def relayed(self) -> Living:
        """An L4 session."""
        line = self._line("relay")

        def speak() -> None:
            line.send(b"here")
            assert line.exactly(4) == b"here"

        return Living("relayed", speak, lambda: ends(line))

    def device(self) -> Living:
        """A device that is connected to the broker, and hears what it publishes."""
        call = self._scene.gateway.call(self._scene.doors["mqtt"], self._certificate)
        came: queue.Queue[bytes] = queue.Queue()
        subscribed, lost = threading.Event(), threading.Event()
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        files = call.certificate or (None, None)
        client.tls_set(ca_certs=call.trusted, certfile=files[0], keyfile=files[1], tls_version=ssl.PROTOCOL_TLS_CLIENT)
        client.on_connect = lambda each, *_: each.subscribe("here", qos=1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda _, __, message: came.put(message.payload)
        client.on_disconnect = lambda *_: lost.set()
        client.connect("localhost", call.port, keepalive=600)
        client.loop_start()
        self._stack.callback(client.loop_stop)
        self._stack.callback(client.disconnect)
        assert subscribed.wait(DEADLINE)

        def speak() -> None:
            assert not lost.is_set()
            client.publish("here", b"21.5", qos=1).wait_for_publish(DEADLINE)
            assert came.get(timeout=DEADLINE) == b"21.5"

        def end() -> None:
            assert lost.wait(DEADLINE)

        return Living("device", speak, end)

    def all(self) -> list[Living]:
        """One of every kind."""
        found = [self.kept(), self.events(), self.socket(), self.relayed()]
        return [*found, self.device()] if programs.path_of("mosquitto") else found


def ends(line: Line) -> None:
    """Waits for the end of a connection."""
    with contextlib.suppress(ssl.SSLError):  # the alert of a client that is not trusted any more
        line.rest()
