"""How commands reach a gateway: where it is, and what its answers and failures come to."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from agwtwisted.cli import control
from agwtwisted.cli.control import (
    LONGEST_TOKEN,
    RUNTIME_DIRECTORY,
    ControlPlace,
    NoGatewayError,
    ask,
    follow,
    place_of,
)


class ConfiguredTests(SynchronousTestCase):
    """Where the gateway is, by its configuration."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())  # short enough for a socket

    def place(self, text: str, token_file: str | None = None) -> ControlPlace:
        """Where it is by a configuration."""
        self.file.write_text(text)
        return place_of(None, token_file, str(self.file))

    def test_found(self) -> None:
        """The configuration says it; else it is in the runtime directory, of systemd or of the unit."""
        place = self.place("[control]\nsocket = c.sock\nport = 9\nnonsense\n")
        self.assertEqual(place, ControlPlace(path=str(self.file.parent / "c.sock")))
        with mock.patch.dict(os.environ):
            os.environ.pop("RUNTIME_DIRECTORY", None)
            self.assertEqual(self.place("nonsense\n").path, f"{RUNTIME_DIRECTORY}/control.sock")
            os.environ["RUNTIME_DIRECTORY"] = "/run/a:/run/b"
            self.assertEqual(self.place("nonsense\n").path, "/run/a/control.sock")

    def test_not_found(self) -> None:
        """A file that is not there, and one that switches the socket off, are errors that say so."""
        with self.assertRaises(NoGatewayError) as caught:
            place_of(None, None, str(self.file))
        self.assertIn(
            "cannot be read: No such file or directory; --config names another file, --control the socket",
            str(caught.exception),
        )
        with self.assertRaises(NoGatewayError) as caught:
            place_of("http://127.0.0.1:9901", None, str(self.file))
        self.assertIn("--config names another file, --token-file the token", str(caught.exception))
        for port in ("", "port = x\n"):
            with self.assertRaises(NoGatewayError) as caught:
                self.place(f"[control]\nsocket = off\n{port}")
            self.assertIn("socket = off", str(caught.exception))

    def test_port(self) -> None:
        """Where there is a port and no socket, it is asked there, with the token of the file that is configured."""
        token = self.file.with_name("control.token")
        token.write_text("secret-token")
        self.addCleanup(token.unlink)
        off = "[control]\nsocket = off\nport = 9\n"
        for text in (
            f"{off}token_file = control.token\n",
            f"[gateway]\nstate_directory = .\n{off}",
        ):
            self.assertEqual(self.place(text), ControlPlace(host="127.0.0.1", port=9, token="secret-token"))
        place = self.place(f"{off}address = ::1\n", str(token))
        self.assertEqual(place, ControlPlace(host="::1", port=9, token="secret-token"))
        self.file.write_text(f"{off}token_file = control.token\n")
        self.assertEqual(place_of("http://127.0.0.1:10", None, str(self.file)).token, "secret-token")
        with self.assertRaises(NoGatewayError) as caught:
            self.place(off)
        self.assertIn("does not say where the token is: name its file with --token-file", str(caught.exception))


class PlaceTests(SynchronousTestCase):
    """Where the gateway is, by a URL."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp()).absolute()
        self.file.write_text("secret-token\n")

    def test_socket(self) -> None:
        """What is no URL is the path of a socket."""
        self.assertEqual(place_of("a.sock", None, "gw.ini"), ControlPlace(path="a.sock"))
        self.assertEqual(str(place_of("a\x1b", None, "gw.ini")), "a\\x1b")

    def test_no_path(self) -> None:
        """What cannot be the path of a socket is an error."""
        for path in ("", "x" * 108):
            with self.assertRaises(NoGatewayError) as caught:
                place_of(path, None, "gw.ini")
            self.assertIn("is no path of a socket: it has 1 to 107 bytes", str(caught.exception))

    def test_address(self) -> None:
        """An address of this machine, with the token of the file, which no repr has."""
        for host, authority in (("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]")):
            place = place_of(f"http://{authority}:9/", str(self.file), "gw.ini")
            self.assertEqual((place.host, place.port, place.token), (host, 9, "secret-token"))
            self.assertEqual(str(place), f"http://{authority}:9")
            self.assertNotIn("secret", repr(place))

    def test_other_machines(self) -> None:
        """Another machine's address is refused: the token would be readable on the way."""
        for url in ("http://192.0.2.1:9", "https://127.0.0.1:9", "http://127.0.0.1", "http://127.0.0.1:0", "http:x"):
            with self.assertRaises(NoGatewayError) as caught:
                place_of(url, str(self.file), "gw.ini")
            self.assertIn("write the path of the control socket, or http://127.0.0.1:PORT", str(caught.exception))

    def test_no_token(self) -> None:
        """A URL without a token file, with a missing one, and with one that holds no token, are errors."""
        for token_file, expected in (
            (None, "gw.ini cannot be read"),
            (f"{self.file}2", "cannot be read: No such file"),
            (str(self.file), "holds no token"),
        ):
            for text in ("", "two words", "x" * (LONGEST_TOKEN + 1)):
                self.file.write_text(text)
                with self.assertRaises(NoGatewayError) as caught:
                    place_of("http://127.0.0.1:9", token_file, "gw.ini")
                self.assertIn(expected, str(caught.exception))
                self.assertNotIn("two", str(caught.exception))


class _Answer(Resource):
    """Answers every request as the test wants."""

    isLeaf = True

    def __init__(self, answer: Callable[[Request], object]) -> None:
        super().__init__()
        self._answer = answer

    def render(self, request: Request) -> object:
        """The answer."""
        return self._answer(request)


class AskTests(TestCase):
    """Requests to a server on an address of this machine."""

    def setUp(self) -> None:
        self.requests: list[Request] = []
        self.bodies: list[bytes] = []
        self.body = b"{}"
        self.status = 200
        self.respond: Callable[[Request], object] = lambda _: self.body
        site = Site(_Answer(self.answer))
        site.noisy = False
        port = reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(port.stopListening)
        self.place = ControlPlace(host="127.0.0.1", port=port.getHost().port, token="secret-token")

    def answer(self, request: Request) -> object:
        """Notes the request, and answers it."""
        self.requests.append(request)
        self.bodies.append(request.content.read())
        request.setResponseCode(self.status)
        return self.respond(request)

    async def test_asks(self) -> None:
        """Method, target, token and JSON of the request; status and members of the answer."""
        self.status, self.body = 409, b'{"error": "no"}'
        answer = await ask(reactor, self.place, "POST", "/a%2Fb?c=d", {"e": 1})  # type: ignore[arg-type]
        self.assertEqual((answer.status, answer.members), (409, {"error": "no"}))
        (request,) = self.requests
        self.assertEqual((request.method, request.uri), (b"POST", b"/a%2Fb?c=d"))
        self.assertEqual(request.getHeader("authorization"), "Bearer secret-token")
        self.assertEqual(request.getHeader("host"), f"127.0.0.1:{self.place.port}")
        self.assertEqual(request.getHeader("content-type"), "application/json")
        self.assertEqual(self.bodies, [b'{"e": 1}'])

    async def test_another_user(self) -> None:
        """A program of another user, which has taken the port, gets neither the token nor a connection."""
        with (
            mock.patch.object(control, "port_owners", return_value=frozenset({os.geteuid(), 4711})),
            self.assertRaises(NoGatewayError) as caught,
        ):
            await ask(reactor, self.place, "GET", "/status")  # type: ignore[arg-type]
        self.assertIn("another user (user id 4711) listens on http://127.0.0.1:", str(caught.exception))
        self.assertEqual(self.requests, [])

    async def test_no_gateway(self) -> None:
        """Something else that answers there is no gateway: no JSON, no object, too much of it."""
        self.patch(control, "LONGEST", 10)
        for body in (b"<html>", b"[]", b'{"a": "bcdefghij"}'):
            self.body = body
            with self.assertRaises(NoGatewayError) as caught:
                await ask(reactor, self.place, "GET", "/status")  # type: ignore[arg-type]
            self.assertIn(f"no gateway's answer on http://127.0.0.1:{self.place.port}", str(caught.exception))

    async def test_closed(self) -> None:
        """A connection that ends without an answer, and a port on which nothing listens."""

        def close(request: Request) -> object:
            """Ends the connection."""
            request.transport.abortConnection()
            return NOT_DONE_YET

        self.respond = close
        with self.assertRaises(NoGatewayError) as caught:
            await ask(reactor, self.place, "GET", "/status")  # type: ignore[arg-type]
        self.assertIn("no answer on http://127.0.0.1:", str(caught.exception))
        nothing = ControlPlace(host="127.0.0.1", port=1, token="x")
        with self.assertRaises(NoGatewayError) as caught:
            await ask(reactor, nothing, "GET", "/status")  # type: ignore[arg-type]
        self.assertIn("no gateway answers on http://127.0.0.1:1: ", str(caught.exception))

    async def test_follows(self) -> None:
        """The bytes of an answer that goes on are handed on as they come, and its end is no error."""
        heard: list[bytes] = []

        def begin(request: Request) -> object:
            """The first bytes of an answer that goes on."""
            request.write(b"one")
            return NOT_DONE_YET

        def go_on(data: bytes) -> None:
            """Has the next piece come, or the end."""
            heard.append(data)
            if len(heard) == 1:
                self.requests[0].write(b"two")
            else:
                self.requests[0].finish()

        self.respond = begin
        self.assertIsNone(await follow(reactor, self.place, "/events", go_on))  # type: ignore[arg-type]
        self.assertEqual(heard, [b"one", b"two"])

    async def test_follows_no_refusal(self) -> None:
        """A refusal is the answer."""
        self.status, self.body = 503, b'{"error": "no"}'
        refused = await follow(reactor, self.place, "/events", self.fail)  # type: ignore[arg-type]
        self.assertEqual(refused, control.ControlAnswer(503, {"error": "no"}))

    async def test_nothing_takes_it(self) -> None:
        """Where what comes cannot be printed, following ends with that error."""

        def begin(request: Request) -> object:
            """The first bytes of an answer that goes on."""
            request.notifyFinish().addErrback(lambda _: None)
            request.write(b"one")
            return NOT_DONE_YET

        def heard(data: bytes) -> None:
            """Cannot print it."""
            raise BrokenPipeError

        self.respond = begin
        with self.assertRaises(BrokenPipeError):
            await follow(reactor, self.place, "/events", heard)  # type: ignore[arg-type]

    async def test_silence(self) -> None:
        """Where nothing comes any more, following ends with an error."""
        self.patch(control, "SILENCE", 0.01)

        def begin(request: Request) -> object:
            """The first bytes of an answer that goes on."""
            request.notifyFinish().addErrback(lambda _: None)
            request.write(b"one")
            return NOT_DONE_YET

        self.respond = begin
        with self.assertRaises(NoGatewayError) as caught:
            await follow(reactor, self.place, "/events", lambda _: None)  # type: ignore[arg-type]
        self.assertIn("no answer on", str(caught.exception))
