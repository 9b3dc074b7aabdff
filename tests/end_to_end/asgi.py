"""An ASGI application for uvicorn to serve behind the gateway: it answers while it reads, and notes who leaves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from agwtwisted import client_identity

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_left: list[str] = []
"""The paths whose clients left before they had their answers."""

_wanted = asyncio.Semaphore(0)
"""Events that somebody has asked for."""


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """By path, as `_HTTP` lists them; every WebSocket is an echo."""
    if scope["type"] == "http":
        await _HTTP[scope["path"]](scope, receive, send)
    elif scope["type"] == "websocket":
        await _echo_messages(receive, send)
    else:
        raise NotImplementedError(scope["type"])  # which tells uvicorn that there is no lifespan


async def _echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Sends back every piece of the body when it comes."""
    await _begin(send)
    more = True
    while more:
        piece = await receive()
        more = piece.get("more_body", False)
        await send({"type": "http.response.body", "body": piece.get("body", b""), "more_body": more})


async def _digest(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answers with size and digest of the body."""
    digest, size, more = hashlib.sha256(), 0, True
    while more:
        piece = await receive()
        digest.update(piece.get("body", b""))
        size += len(piece.get("body", b""))
        more = piece.get("more_body", False)
    await _answer(send, f"{size} {digest.hexdigest()}")


async def _who(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answers with the client's identity, as the gateway sends it."""
    client = client_identity(scope["headers"])
    await _answer(send, f"{client.verification.name} {client.subject}")


async def _early(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answers without a look at the body."""
    await _answer(send, "too much", status=413)


async def _upload(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Begins an answer and then reads until the client has left."""
    await _begin(send)
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await _until_left(scope, receive)


async def _download(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Begins an answer to a request without a body, and then waits until the client has left."""
    await receive()
    await _upload(scope, receive, send)


async def _see(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Notes which clients have left."""
    await _answer(send, " ".join(_left))


async def _events(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Server-Sent Events: the first at once, each other one on request."""
    await _begin(send, (b"content-type", b"text/event-stream"))
    for number in range(3):
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
        await _wanted.acquire()
    await send({"type": "http.response.body", "body": b"data: last\n\n"})


async def _want(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Asks for another event."""
    _wanted.release()
    await _answer(send, "")


async def _client(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answers with the port at the other end of the connection."""
    await _answer(send, str(scope["client"][1]))


_HTTP = {
    "/who": _who,
    "/echo": _echo,
    "/digest": _digest,
    "/early": _early,
    "/upload": _upload,
    "/download": _download,
    "/left": _see,
    "/events": _events,
    "/want": _want,
    "/client": _client,
}


async def _echo_messages(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def _until_left(scope: dict[str, Any], receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    _left.append(scope["path"])


async def _begin(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def _answer(send: Send, text: str, status: int = 200) -> None:
    body = text.encode()
    await _begin(send, (b"content-length", b"%d" % len(body)), status=status)
    await send({"type": "http.response.body", "body": body})
