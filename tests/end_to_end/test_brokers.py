"""What people put behind L4 listeners: an MQTT broker with its own client, a database that speaks as it likes."""

from __future__ import annotations

import queue
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests import programs, running
from tests.end_to_end import brokers, clients, gateway
from tests.end_to_end.lines import DEADLINE, Line

LARGE = 1 << 20


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Strict and plain doors before the broker and the database."""
    names = ("mqtt", "redis", "redis-plain")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with ExitStack() as stack:
        places = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        broker = stack.enter_context(brokers.mosquitto(places[0]))
        database = stack.enter_context(brokers.redis(places[1]))
        text = gateway.gateway_section() + gateway.PROFILES
        text += gateway.relay_pool("mqtt", broker) + gateway.relay_pool("redis", database)
        text += gateway.relay_door("mqtt", doors["mqtt"], "strict", to="mqtt")
        text += gateway.relay_door("redis", doors["redis"], "strict", to="redis")
        text += gateway.relay_door("redis-plain", doors["redis-plain"], protocol="Tcp", to="redis")
        yield gateway.Scene(gateway=stack.enter_context(gateway.running_gateway(text)), doors=doors)


@programs.needs("mosquitto", "redis-server")
class MqttTests(gateway.SceneCase):
    """Debian's mosquitto behind a Strict listener, spoken to by paho-mqtt."""

    stage = staticmethod(stage)

    def client(self, certificate: str) -> Client:
        """A client of the broker with this certificate, not connected yet."""
        call = self.gateway.call(self.scene.doors["mqtt"], certificate)
        made = Client(CallbackAPIVersion.VERSION2)
        files = call.certificate or (None, None)
        made.tls_set(ca_certs=call.trusted, certfile=files[0], keyfile=files[1], tls_version=ssl.PROTOCOL_TLS_CLIENT)
        return made

    def connected(self, certificate: str, came: queue.Queue[Any]) -> Client:
        """A client that is connected, subscribed to everything, and puts into `came` what comes."""
        made = self.client(certificate)
        subscribed: queue.Queue[None] = queue.Queue()
        made.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        made.on_subscribe = lambda *_: subscribed.put(None)
        made.on_message = lambda _, __, message: came.put((message.topic, message.payload))
        made.connect("localhost", self.scene.doors["mqtt"], keepalive=30)
        made.loop_start()
        self.addCleanup(made.loop_stop)
        self.addCleanup(made.disconnect)
        subscribed.get(timeout=DEADLINE)
        return made

    def test_publish(self) -> None:
        """Devices with certificates publish to each other, little and much, with acknowledgement."""
        came: queue.Queue[Any] = queue.Queue()
        self.connected("ecdsa", came)
        other: queue.Queue[Any] = queue.Queue()
        publisher = self.connected("rsa", other)
        for topic, payload in (("temperature", b"21.5"), ("picture", bytes(range(256)) * (LARGE // 256))):
            publisher.publish(topic, payload, qos=1).wait_for_publish(DEADLINE)
            for each in (came, other):
                self.assertEqual(each.get(timeout=DEADLINE), (topic, payload))

    def test_strangers(self) -> None:
        """A device without a certificate, or with a stranger's, never reaches the broker."""
        for certificate in ("", "stranger"):
            client = self.client(certificate)
            told: queue.Queue[Any] = queue.Queue()
            client.on_connect = lambda *_, told=told: told.put("connected")
            client.on_disconnect = lambda *_, told=told: told.put("refused")
            try:
                client.connect("localhost", self.scene.doors["mqtt"])
            except ssl.SSLError:
                told.put("refused")
            else:  # under TLS 1.3 the alert comes with the first read
                while told.empty():
                    client.loop(1.0)
            self.assertEqual(told.get(timeout=DEADLINE), "refused")


@programs.needs("mosquitto", "redis-server")
class RedisTests(gateway.SceneCase):
    """Debian's Redis behind a Strict Tls listener and behind a Tcp one."""

    stage = staticmethod(stage)

    def ask(self, line: Line, *words: bytes) -> bytes:
        """A command and the first line of its answer, or the string that it announces."""
        line.send(b"*%d\r\n" % len(words), *(b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
        return self.answer(line)

    def answer(self, line: Line) -> bytes:
        """The next answer."""
        first = b""
        while not first.endswith(b"\r\n"):
            first += line.exactly(1)
        if first.startswith(b"$"):
            return line.exactly(int(first[1:]) + 2)[:-2]
        return first[:-2]

    def test_commands(self) -> None:
        """Questions and answers, a megabyte among them, many of them at once, and one that waits for its answer."""
        for door in ("redis", "redis-plain"):
            port = self.scene.doors[door]
            line = clients.encrypted(self.gateway.call(port, "ecdsa")) if door == "redis" else clients.plain(port)
            with closing(line):
                self.assertEqual(self.ask(line, b"PING"), b"+PONG")
                value = bytes(range(256)) * (LARGE // 256)
                self.assertEqual(self.ask(line, b"SET", b"large", value), b"+OK")
                self.assertEqual(self.ask(line, b"GET", b"large"), value)
                line.send(b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n" * 1000)
                answers = [int(self.answer(line)[1:]) for _ in range(1000)]
                self.assertEqual(answers, list(range(answers[0], answers[0] + 1000)))
                self.assertEqual(self.ask(line, b"QUIT"), b"+OK")
                self.assertEqual(line.rest(), b"")
