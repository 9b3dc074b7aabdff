"""A WSGI application for gunicorn to serve behind the gateway."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """By path: the digest of the body that came, a body in chunks, no body, or the request's variables."""
    path = environ["PATH_INFO"]
    if path == "/digest":
        digest = hashlib.sha256()
        size = 0
        while piece := environ["wsgi.input"].read(65536):
            digest.update(piece)
            size += len(piece)
        return _answer(start_response, "200 OK", f"{size} {digest.hexdigest()}".encode())
    if path == "/chunks":
        start_response("200 OK", [("Content-Type", "text/plain")])  # without a length gunicorn sends chunks
        return (b"%05d\n" % number for number in range(2000))
    if path == "/unchanged":
        start_response("304 Not Modified", [("ETag", '"1"')])
        return []
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    return _answer(start_response, "200 OK", "\n".join(f"{name}={shown[name]}" for name in sorted(shown)).encode())


def _answer(start_response: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
