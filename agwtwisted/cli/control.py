"""How commands ask a running gateway: where its control API is, and one request to it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import treq
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from agwtwisted.cli.own_sections import own_sections
from agwtwisted.cli.port_owners import port_owners
from agwtwisted.core.base.errors import AgwError, printable, shown
from agwtwisted.core.sections.control_keys import located, located_port

RUNTIME_DIRECTORY: Final = "/run/agwtwisted"
"""The runtime directory of the unit in deploy/systemd."""

TIMEOUT: Final = 300.0
"""Seconds for an answer: a reload reads, judges and prepares all before."""

CONNECT_TIMEOUT: Final = 10
"""Seconds until there is a connection."""

OK: Final = 200

SILENCE: Final = 60.0
"""Seconds without a byte of an answer that goes on; the gateway sends one every fifteen."""

LONGEST: Final = 4 << 20
"""Bytes of an answer."""

LONGEST_PATH: Final = 107
"""Bytes of the path of a socket (sun_path of unix(7), without its end)."""

LONGEST_TOKEN: Final = 4096
"""Bytes of a file with a token."""

_URL: Final = re.compile(r"http://(127(?:\.\d{1,3}){3}|localhost|\[::1\]):(\d{1,5})/?")
"""Loopback alone: in http the token is readable for all that see the packets."""


class NoGatewayError(AgwError):
    """No gateway was reached: the message says where, and why."""


@attrs.frozen
class ControlAnswer:
    """What a gateway answered."""

    status: int  # of HTTP
    members: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class ControlPlace:
    """Where a gateway is asked: a Unix socket, or an address of this machine, with a token."""

    path: str = ""
    host: str = ""
    port: int = 0
    token: str = attrs.field(default="", repr=False)
    trusted: frozenset[int] = attrs.field(eq=False, factory=lambda: frozenset((0, os.geteuid())))
    """The users to whose programs the token may go: root, this one, and the owner of its file."""

    def __str__(self) -> str:
        return printable(self.path) if self.path else f"http://{self.authority}"

    @property
    def authority(self) -> str:
        """Of the URLs of requests."""
        return "gateway" if self.path else f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def place_of(control: str | None, token_file: str | None, config: str) -> ControlPlace:
    """Where the gateway is asked.

    Args:
        control: a path or a URL, as it was given; None: as the configuration has it, by its socket if it has one.
        token_file: the path of the file with the token for a URL; None: as the configuration has it.
        config: the path of the gateway's configuration, which may have errors.

    Raises:
        NoGatewayError: the configuration or the token cannot be read, or there is no such place.
    """
    if control is None:
        return _configured(config, token_file)
    if not control.startswith(("http:", "https:")):
        return _socket(control)
    found = _URL.fullmatch(control)
    if found is None or not 0 < int(found[2]) < 65536:
        raise NoGatewayError(
            f"--control {printable(control)} is no place: write the path of the control socket, or"
            " http://127.0.0.1:PORT; of another machine forward the port, as `ssh -L PORT:127.0.0.1:PORT` does"
        )
    return _port(found[1].strip("[]"), int(found[2]), token_file or _token_file(config))


def _configured(config: str, token_file: str | None) -> ControlPlace:
    """The control socket of the configuration, or its port where it has no socket."""
    data, file = _read(config)
    path = located(data, file, os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or RUNTIME_DIRECTORY)
    if path is not None:
        return _socket(path)
    named = located_port(data, file)
    if named is None:
        raise NoGatewayError(f"{printable(file)}: [control] socket = off, so the gateway has no control socket")
    host, port, _ = named
    return _port(host, port, token_file or _token_file(config))


def _socket(path: str) -> ControlPlace:
    if not 0 < len(os.fsencode(path)) <= LONGEST_PATH:
        raise NoGatewayError(f"{shown(path)} is no path of a socket: it has 1 to {LONGEST_PATH} bytes")
    return ControlPlace(path=path)


def _port(host: str, port: int, token_file: str) -> ControlPlace:
    token, owner = _token(token_file)
    return ControlPlace(host=host, port=port, token=token, trusted=frozenset((0, os.geteuid(), owner)))


def _token_file(config: str) -> str:
    """The file with the token, by the configuration."""
    named = located_port(*_read(config, "--token-file the token"))
    if named is None or named[2] is None:
        raise NoGatewayError(f"{printable(config)} does not say where the token is: name its file with --token-file")
    return named[2]


def _read(config: str, instead: str = "--control the socket") -> tuple[bytes, str]:
    try:
        return own_sections(config)
    except OSError as error:
        raise NoGatewayError(
            f"{printable(config)} cannot be read: {error.strerror}; --config names another file, {instead}"
        ) from error


def _token(file: str) -> tuple[str, int]:
    """What is in the file, and the user that it belongs to."""
    try:
        with Path(file).open("rb") as opened:
            token, owner = opened.read(LONGEST_TOKEN + 1).strip(), os.fstat(opened.fileno()).st_uid
    except OSError as error:
        raise NoGatewayError(f"the token in {printable(file)} cannot be read: {error.strerror}") from error
    if not re.fullmatch(rb"[!-~]{1,%d}" % LONGEST_TOKEN, token):
        raise NoGatewayError(f"{printable(file)} holds no token: one line of printable ASCII")
    return token.decode("ascii"), owner


def check_owner(place: ControlPlace) -> None:
    """Raises NoGatewayError where a program of another user would get the token."""
    strangers = port_owners(place.host, place.port) - place.trusted if place.token else frozenset()
    if strangers:
        users = ", ".join(map(str, sorted(strangers)))
        raise NoGatewayError(
            f"a program of another user (user id {users}) listens on {place}: it does not get the token, which is for"
            " programs of root, of this user, and of the owner of the token's file"
        )


async def ask(
    reactor: PosixReactorBase,
    place: ControlPlace,
    method: str,
    target: str,
    body: Mapping[str, Any] | None = None,
) -> ControlAnswer:
    """Asks the gateway; raises `NoGatewayError`.

    Args:
        reactor: runs the request.
        place: where it is asked.
        method: of the request.
        target: its path and query, percent-encoded.
        body: the members of the JSON object in its body; None: it has none.
    """
    with _reaching(place):
        response = await _response(reactor, place, method, target, body)
        return await _whole(reactor, response)


async def follow(
    reactor: PosixReactorBase, place: ControlPlace, target: str, heard: Callable[[bytes], None]
) -> ControlAnswer | None:
    """Has `heard` called with the bytes of an answer that goes on, as they come, until the gateway ends it.

    Returns:
        What was answered in its place, if the gateway refused; None: it ended.

    Raises:
        NoGatewayError: no gateway was reached, or it has gone silent.
    """
    with _reaching(place):
        response = await _response(reactor, place, "GET", target, None)
        if response.code != OK:
            return await _whole(reactor, response)
        following = _Following(reactor, heard)
        response.deliverBody(following)
        await following.ended
    return None


async def _response(
    reactor: PosixReactorBase, place: ControlPlace, method: str, target: str, body: Mapping[str, Any] | None
) -> Any:
    """The head of the response."""
    check_owner(place)
    client = treq.client.HTTPClient(Agent.usingEndpointFactory(reactor, _Endpoint(reactor, place)))
    headers = Headers({"Connection": ["close"]})
    if place.token:
        headers.addRawHeader("Authorization", f"Bearer {place.token}")
    if body is not None:
        headers.addRawHeader("Content-Type", "application/json")
    return await client.request(
        method,
        f"http://{place.authority}{target}",
        allow_redirects=False,
        timeout=TIMEOUT,
        headers=headers,
        data=None if body is None else json.dumps(body).encode(),
        unbuffered=True,
    )


async def _whole(reactor: PosixReactorBase, response: Any) -> ControlAnswer:
    """The JSON object of the response; raises ValueError where it is none."""
    received = bytearray()
    collecting: Deferred[None] = treq.collect(response, lambda data: _collect(received, data))
    await collecting.addTimeout(TIMEOUT, reactor)
    members = json.loads(received)
    if not isinstance(members, dict):
        raise ValueError("no JSON object")
    return ControlAnswer(response.code, members)


@contextmanager
def _reaching(place: ControlPlace) -> Iterator[None]:
    """What may go wrong on the way, as `NoGatewayError`."""
    try:
        yield
    except ConnectError as error:
        reason = os.strerror(error.osError) if isinstance(error.osError, int) else str(error)
        hint = "the log of a gateway names its control socket, which --control takes"
        raise NoGatewayError(f"no gateway answers on {place}: {reason}; {hint}") from error
    except (ConnectionLost, ResponseFailed, TimeoutError, CancelledError) as error:
        raise NoGatewayError(f"no answer on {place}: {type(error).__name__}") from error
    except ValueError as error:
        raise NoGatewayError(f"no gateway's answer on {place}: {error}") from error


class _Following(Protocol):
    """Hands on the body of a response; `ended` fires at its end, or fails with what ended it."""

    def __init__(self, reactor: PosixReactorBase, heard: Callable[[bytes], None]) -> None:
        self.ended: Deferred[None] = Deferred()
        self._heard = heard
        self._timer = reactor.callLater(SILENCE, self._end, Failure(TimeoutError()))

    def dataReceived(self, data: bytes) -> None:
        """A piece of the body."""
        if not self._timer.active():
            return
        self._timer.reset(SILENCE)
        try:
            self._heard(data)
        except (AgwError, OSError):  # no event, or nothing reads what is printed
            self._end(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Its end."""
        if self._timer.active():
            self._timer.cancel()
        if not self.ended.called:
            self.ended.callback(None)

    def _end(self, why: Failure) -> None:
        if self._timer.active():
            self._timer.cancel()
        self.ended.errback(why)
        if self.transport is not None:
            self.transport.loseConnection()


def _collect(received: bytearray, data: bytes) -> None:
    if len(received) + len(data) > LONGEST:
        raise ValueError("too long an answer")
    received.extend(data)


@implementer(IAgentEndpointFactory)
@attrs.frozen
class _Endpoint:
    """Leads every request to one place."""

    reactor: PosixReactorBase
    place: ControlPlace

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        """The place."""
        if self.place.path:
            return UNIXClientEndpoint(self.reactor, self.place.path, timeout=CONNECT_TIMEOUT)
        return HostnameEndpoint(self.reactor, self.place.host, self.place.port, timeout=CONNECT_TIMEOUT)
