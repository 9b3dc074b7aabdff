"""GET /console/…: the files of the console. They are the same for every gateway, and need no token."""

from __future__ import annotations

import json
from collections.abc import Mapping

from agwtwisted.console.files import HEADERS, INDEX, console_files
from agwtwisted.control.channel import ControlRequest
from agwtwisted.core.operations.routes import PREFIX_CONSOLE


def is_file(request: ControlRequest) -> bool:
    """Whether a request is for a file of the console."""
    return request.path == b"/" or request.path.startswith(PREFIX_CONSOLE.encode())


def answer_file(request: ControlRequest) -> None:
    """Answers it with the file."""
    name = request.path.removeprefix(PREFIX_CONSOLE.encode()).decode("latin-1") or INDEX
    found = console_files().get(name)
    if request.method not in (b"GET", b"HEAD"):
        _refuse(request, 405, "the method of this path is GET", {"Allow": "GET, HEAD"})
    elif request.path == b"/":
        request.answer(302, b"", {**HEADERS, "Location": PREFIX_CONSOLE})
    elif found is None:
        _refuse(request, 404, "no such file", {})
    else:
        request.answer(200, found.content, {**HEADERS, "Content-Type": found.media_type})


def _refuse(request: ControlRequest, status: int, message: str, headers: Mapping[str, str]) -> None:
    body = json.dumps({"error": message}).encode() + b"\n"
    request.answer(status, body, {**HEADERS, **headers, "Content-Type": "application/json"})
