"""A server that answers fast with what it is asked for, in a process of its own: `python -m … DESCRIPTOR`.

The descriptor is that of a listening socket; the process ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from typing import Any


class AnsweringServer(asyncio.Protocol):
    """Answers with the status that the path names, and echoes what is no HTTP."""

    def __init__(self) -> None:
        self._bytes = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Part of a request, or of something else."""
        if not self._bytes and data.startswith(b"echo "):
            self._transport.write(data)
            return
        self._bytes += data
        while (end := self._bytes.find(b"\r\n\r\n")) >= 0:
            head = self._bytes[:end]
            lower = head.lower()
            length = int(lower.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if len(self._bytes) < end + 4 + length:
                return
            self._bytes = self._bytes[end + 4 + length :]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        method, path, _ = head.split(b"\r\n")[0].split()
        word = path.split(b"?")[0].rpartition(b"/")[2]
        if word == b"never":
            return
        status = int(word) if word.isdigit() else 200
        body = b"" if status == 204 or method == b"HEAD" else b"x" * (status % 97)
        length = b"" if status == 204 else b"Content-Length: %d\r\n" % (status % 97)
        self._transport.write(b"HTTP/1.1 %d Status\r\n%b\r\n%b" % (status, length, body))


async def _run(listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), os._exit, 0)
    server = await loop.create_server(AnsweringServer, sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_run(socket.socket(fileno=int(sys.argv[1]))))
