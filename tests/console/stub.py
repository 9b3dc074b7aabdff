"""A control API that answers what a test says: for numbers of clients that no gateway has in a test.

It serves the page as the control API does, so that what runs in the browser is the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs

from agwtwisted.console.files import HEADERS, INDEX, console_files

Answer = tuple[int, Any] | Any
"""A status and the members of the answer, or the members alone; text where it is no JSON."""


@attrs.define(kw_only=True)
class Stub:
    """What it answers: by path, a function of the arguments of the query and the members of the body."""

    answers: dict[str, Callable[[Mapping[str, str], Mapping[str, Any]], Answer]] = attrs.field(factory=dict)
    url: str = ""
    asked: list[str] = attrs.field(factory=list)


@contextmanager
def serving(stub: Stub, port: int = 0) -> Iterator[Stub]:
    """The stub on a port of loopback, within a `with` block."""
    handler = type("Handler", (_Handler,), {"stub": stub})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    stub.url = f"http://127.0.0.1:{server.server_port}/console/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    stub: Stub

    def do_GET(self) -> None:
        """A file of the page, or an answer."""
        parts = urlsplit(self.path)
        name = parts.path.removeprefix("/console/") if parts.path.startswith("/console/") else None
        if name is None:
            self._answer(parts.path, {key: values[0] for key, values in parse_qs(parts.query).items()}, {})
            return
        file = console_files().get(name or INDEX)
        self.send_response(200 if file else 404)
        for header, value in HEADERS.items():
            self.send_header(header, value)
        self.send_header("Content-Type", file.media_type if file else "text/plain")
        self.end_headers()
        self.wfile.write(file.content if file else b"")

    def do_POST(self) -> None:
        """An answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(self.path, {}, json.loads(body or b"{}"))

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _answer(self, path: str, arguments: Mapping[str, str], members: Mapping[str, Any]) -> None:
        self.stub.asked.append(self.path)
        found = self.stub.answers.get(path)
        answer = (404, {"error": "no such path"}) if found is None else found(arguments, members)
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        text = content if isinstance(content, str) else json.dumps(content)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(content, str) else "application/json")
        self.end_headers()
        self.wfile.write(text.encode())
