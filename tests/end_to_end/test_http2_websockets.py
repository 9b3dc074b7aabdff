"""WebSocket over HTTP/2 (RFC 8441): the package websockets on both ends, and Chromium."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

from h2.settings import SettingCodes
from twisted.trial.unittest import SynchronousTestCase
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from tests import running
from tests.console.browser import Browser, browsing
from tests.end_to_end import gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.gateway import section
from tests.end_to_end.http2 import Actor
from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_websockets import Speaker
from tests.http2_clients import Http2Client, Response, over_tls
from tests.programs import needs

CANCEL = 8


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """Doors with and without client certificates; /socket leads to a WebSocket server, all else to one of HTTP."""
    doors = dict(zip(("open", "strict"), running.free_ports(2), strict=True))
    app = {"backend_address_pool": "app", "backend_http_settings": "app"}
    with ExitStack() as stack:
        speaker = stack.enter_context(closing(Speaker()))
        backend = stack.enter_context(closing(Backend(Actor())))
        text = gateway.gateway_section(enable_http2="true") + gateway.PROFILES
        text += gateway.pool("sockets", speaker.port) + gateway.pool("app", backend.port)
        text += section("url_path_map map", **{f"default_{key}": value for key, value in app.items()})
        to_sockets = {"backend_address_pool": "sockets", "backend_http_settings": "sockets"}
        text += section("path_rule map/sockets", paths="/socket*, /goodbye", **to_sockets)
        for priority, (name, profile) in enumerate((("open", None), ("strict", "strict")), 1):
            listener = {"address": "127.0.0.1", "port": doors[name], "protocol": "Https", "ssl_profile": profile}
            text += section(f"http_listener {name}", ssl_certificate="server", **listener)
            ways = {"rule_type": "PathBasedRouting", "url_path_map": "map"}
            text += section(f"request_routing_rule {name}", priority=priority, http_listener=name, **ways)
        started = stack.enter_context(gateway.running_gateway(text))
        yield gateway.Scene(gateway=started, doors=doors, backend=speaker)


def ask_for_socket(client: Http2Client, path: str, *fields: tuple[str, str], authority: str = "localhost") -> Response:
    """An extended CONNECT, and the gateway's answer."""
    asked = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", path),
        (":authority", authority),
        ("sec-websocket-version", "13"),
        *fields,
    ]
    response = client.send_fields(asked, end=False)
    client.until(lambda: response.status or response.done, "CONNECT is answered")
    return response


class Socket:
    """A WebSocket in a stream."""

    def __init__(self, client: Http2Client, path: str) -> None:
        self.client = client
        self.stream = ask_for_socket(client, path)
        assert self.stream.status == 200, self.stream
        self._protocol = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._frames: list[Frame] = []

    def send(self, message: bytes) -> None:
        """Sends a binary message."""
        self._protocol.send_binary(message)
        self._flush()

    def recv(self) -> Frame:
        """The next message, or close frame."""
        while not self._frames:
            self.client.until(lambda: self.stream.body or self.stream.done, "a message comes")
            assert self.stream.body, "the stream ended"
            self._protocol.receive_data(bytes(self.stream.body))
            self.stream.body.clear()
            self._frames += [each for each in self._protocol.events_received() if isinstance(each, Frame)]
            self._flush()
        return self._frames.pop(0)

    def close(self) -> None:
        """Sends a close frame, and waits for the end of the stream."""
        self._protocol.send_close(1000)
        self._flush()
        self.recv()
        self.client.body(self.stream, b"", end=True)
        self.client.until(lambda: self.stream.done, "the stream ends")

    def _flush(self) -> None:
        data = b"".join(self._protocol.data_to_send())
        if data:
            self.client.body(self.stream, data)


class SocketCase(gateway.SceneCase):
    """What the tests of WebSocket use."""

    stage = staticmethod(stage)

    def client(self, door: str, certificate: str = "") -> Http2Client:
        """A client after its handshake, and the settings of the gateway."""
        made = over_tls(self.gateway.call(self.scene.doors[door], certificate))
        self.addCleanup(made.close)
        made.round_trip()
        return made


class WebSocketTests(SocketCase):
    """Sockets in streams."""

    def test_is_announced(self) -> None:
        """The gateway says that it takes extended CONNECT."""
        settings = self.client("open").h2.remote_settings
        self.assertEqual(settings[SettingCodes.ENABLE_CONNECT_PROTOCOL], 1)

    def test_messages(self) -> None:
        """Messages of all sizes come back on two sockets of one connection, beside other requests."""
        client = self.client("strict", "ecdsa")
        sockets = [Socket(client, f"/socket/{number}") for number in range(2)]
        for size in (0, 1, 125, 126, 65_535, 300_000):
            for socket in sockets:
                message = os.urandom(size)
                socket.send(message)
                answer = socket.recv()
                self.assertEqual((answer.opcode, bytes(answer.data)), (Opcode.BINARY, message))
            self.assertEqual(client.fetch("/").status, 200)
        for socket in sockets:
            socket.close()
            self.assertTrue(socket.stream.ended, socket.stream)
        self.assertEqual(client.goaways, [])
        record = self.gateway.record(requestUri="/socket/1")
        self.assertEqual((record["httpVersion"], record["error_info"]), ("HTTP/2.0", "ERRORINFO_NO_ERROR"))

    def test_server_closes(self) -> None:
        """The server's close frame arrives, and the end of the stream after it."""
        client = self.client("open")
        socket = Socket(client, "/goodbye")
        socket.send(b"this")
        frame = socket.recv()
        self.assertEqual((frame.opcode, bytes(frame.data)[2:]), (Opcode.CLOSE, b"enough of b'this'"))
        client.body(socket.stream, b"", end=True)
        client.until(lambda: socket.stream.done, "the stream ends")

    def test_client_resets(self) -> None:
        """A stream that the client resets ends the server's connection, and nothing else."""
        client = self.client("open")
        before = len(self.scene.backend.connections)
        socket = Socket(client, "/socket/reset")
        connection = wait_until(lambda: self.scene.backend.connections[before:], "the server has it")[0]
        client.reset(socket.stream, CANCEL)
        self.scene.backend.end_of(connection)
        self.assertEqual(client.fetch("/").status, 200)

    def test_refused_by_server(self) -> None:
        """A server that does not switch protocols: its answer is the answer, and the stream ends."""
        client = self.client("open")
        response = ask_for_socket(client, "/no-socket-here")
        self.assertNotEqual(response.status, 101)
        client.until(lambda: response.done, "the stream ends")
        self.assertEqual(client.fetch("/").status, 200)

    def test_other_protocol(self) -> None:
        """Extended CONNECT for anything but websocket is refused on its stream."""
        client = self.client("open")
        fields = [(":method", "CONNECT"), (":protocol", "connect-udp"), (":scheme", "https"), (":path", "/socket")]
        response = client.send_fields([*fields, (":authority", "localhost")], end=False)
        client.until(lambda: response.done, "it is refused")
        self.assertTrue(response.reset == 1 or response.status in (400, 405, 501), response)
        self.assertEqual(client.fetch("/").status, 200)


class DrainTests(SynchronousTestCase):
    """The gateway is stopped while a WebSocket is open in a stream."""

    def test_goes_on(self) -> None:
        """GOAWAY comes, the tunnel goes on, and once it has ended so has the gateway."""
        with stage() as scene:
            client = over_tls(scene.gateway.call(scene.doors["strict"], "ecdsa"))
            self.addCleanup(client.close)
            socket = Socket(client, "/socket")
            scene.gateway.signal(signal.SIGTERM)
            client.until(lambda: len(client.goaways) == 2, "GOAWAY comes twice")
            for number in range(3):
                socket.send(b"%d" % number)
                self.assertEqual(bytes(socket.recv().data), b"%d" % number)
            socket.close()
            client.rest()
            client.close()
            self.assertEqual([each.last_stream_id for each in client.goaways], [2**31 - 1, 1])
            self.assertIn(scene.gateway.wait(), (0, -signal.SIGTERM))


SCRIPT = """
const [url, done] = arguments;
const socket = new WebSocket(url);
socket.onmessage = (event) => { socket.close(); done(event.data); };
socket.onerror = () => done("failed");
socket.onopen = () => socket.send("over h2");
"""


@needs("chromium", "chromedriver")
class ChromiumTests(SocketCase):
    """A browser."""

    def test_page_and_socket(self) -> None:
        """Chromium loads a page and several resources over HTTP/2, and opens its WebSocket on the same connection."""
        url = f"https://localhost:{self.scene.doors['open']}/"
        with browsing("--ignore-certificate-errors") as browser:
            browser.open(url)
            protocols = browser.run("return performance.getEntriesByType('navigation').map((e) => e.nextHopProtocol)")
            self.assertEqual(protocols, ["h2"])
            self.assertEqual(self.asynchronously(browser, FETCHES), [200] * 20)
            socket = url.replace("https", "wss") + "socket/chromium"
            self.assertEqual(self.asynchronously(browser, SCRIPT, socket), "over h2")
        record = self.gateway.record(requestUri="/socket/chromium")
        page = wait_until(
            lambda: [each for each in self.gateway.records() if each["requestUri"] == "/chromium-19"], "it is logged"
        )
        self.assertEqual((record["httpVersion"], record["clientPort"]), ("HTTP/2.0", page[0]["clientPort"]))

    def asynchronously(self, browser: Browser, script: str, *arguments: object) -> object:
        """What a script hands to its last argument."""
        browser.driver.set_script_timeout(60)
        return browser.driver.execute_async_script(script, *arguments)


FETCHES = """
const done = arguments[0];
const asked = { method: "POST", body: "x".repeat(1000) };
const all = Array.from({ length: 20 }, (_, number) => fetch(`/chromium-${number}`, asked));
Promise.all(all).then((each) => done(each.map((one) => one.status)), (error) => done(String(error)));
"""
