"""A certificate authority of `openssl ca` that revokes and publishes lists, and a server that has its lists."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests import pki

CONFIGURATION = """
[ca]
default_ca = devices
[devices]
database = index.txt
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 7
crl_extensions = extensions
[extensions]
authorityKeyIdentifier = keyid
"""


class ListAuthority:
    """`openssl ca` in a directory of its own.

    Args:
        authority: with whose key and name lists are signed.
        directory: that is its own, and is there.
    """

    def __init__(self, authority: pki.Authority, directory: Path) -> None:
        self._directory = directory
        (directory / "index.txt").touch()
        (directory / "crlnumber").write_text("01\n")
        (directory / "ca.pem").write_bytes(authority.pem)
        (directory / "ca.key").write_bytes(authority.key_pem)
        (directory / "openssl.cnf").write_text(CONFIGURATION)

    def revoke(self, device: pki.Credential, reason: str = "keyCompromise") -> None:
        """Revokes a certificate."""
        path = self._directory / "device.pem"
        path.write_bytes(device.pem)
        self._openssl("-revoke", path.name, "-crl_reason", reason)

    def published(self, *options: str) -> bytes:
        """A new list in DER; `options` are those of openssl-ca(1)."""
        self._openssl("-gencrl", "-out", "list.pem", *options)
        words = ["openssl", "crl", "-in", "list.pem", "-outform", "DER"]
        return subprocess.run(words, cwd=self._directory, check=True, capture_output=True).stdout

    def _openssl(self, *words: str) -> None:
        subprocess.run(
            ["openssl", "ca", "-config", "openssl.cnf", "-batch", *words],
            cwd=self._directory,
            check=True,
            capture_output=True,
        )


class ListServer:
    """Serves one list on loopback, and says by its ETag whether it has changed; `close` it."""

    def __init__(self) -> None:
        self.data = b""
        self.headers: dict[str, str] = {}  # that it sends besides, or in place of others
        self.status = 200
        self.cut = 0  # bytes that it keeps back
        self.is_down = False
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[str] = []  # the If-None-Match of each request
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Of the list."""
        return f"http://127.0.0.1:{self._server.server_port}/devices.crl"

    def close(self) -> None:
        """Serves no more."""
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answers one request."""
        known = handler.headers.get("If-None-Match", "")
        self.asked.append(known)
        self.gate.wait(60)
        etag = f'"{hash(self.data):x}"'
        status = 503 if self.is_down else 304 if known == etag else self.status
        data = self.data if status == 200 else b""
        headers = {
            "Content-Type": "application/pkix-crl",
            "Content-Length": str(len(data)),
            "ETag": etag,
            "Connection": "close",
            **self.headers,
        }
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        with suppress(OSError):  # who asked may have left
            handler.wfile.write(data[: len(data) - self.cut])


def _handler_of(server: ListServer) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
