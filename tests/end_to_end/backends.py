"""Servers behind the gateway: one that records every byte, and some that others have written."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import attrs

from tests import programs, running
from tests.end_to_end.lines import DEADLINE, Line, Message, wait_until

Talk = Callable[[Line], None]


def echo(line: Line) -> None:
    """Answers every request with its head and its body, as they came."""
    before = 0
    while head := line.head():
        line.body(head)
        came = bytes(line.received[before:])
        before = len(line.received)
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(came), came)


def answering(*answers: bytes) -> Talk:
    """Answers the requests of a connection with these bytes, in turn, then closes it."""

    def talk(line: Line) -> None:
        for answer in answers:
            head = line.head()
            if head is None:
                return
            line.body(head)
            line.send(answer)

    return talk


class Named:
    """Answers requests with its name, and probes with what the test says; any request may be answered otherwise."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.well = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nis well"  # the answer to probes
        self.probes: list[Message] = []
        self.others: dict[str, Talk] = {}  # what is played after a request for this target

    def __call__(self, line: Line) -> None:
        """Talks on one connection."""
        while head := line.head():
            line.body(head)
            target = head.start.split()[1]
            if "probe" in head.get("user-agent"):
                self.probes.append(head)
                line.send(self.well)
            elif target in self.others:
                self.others[target](line)
            else:
                line.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(self.name), self.name.encode()))


class Backend:
    """A server whose every connection is one call of `talk`, in a thread of its own; closed when that returns."""

    def __init__(self, talk: Talk = echo, port: int = 0) -> None:
        self.talk = talk
        self.lines: list[Line] = []
        self._forgotten: dict[Line, int] = {}
        # With a full queue the kernel lets clients believe that they are connected, for half a minute perhaps.
        self._listening = socket.create_server(("127.0.0.1", port), backlog=4096)
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def received(self) -> bytes:
        """Every byte of every connection since `forget`: the gateway uses its connections again."""
        return b"".join(bytes(line.received[self._forgotten.get(line, 0) :]) for line in self.lines)

    def line(self, number: int) -> Line:
        """The connection of that number, once it is there."""
        wait_until(lambda: len(self.lines) > number, f"a backend has {number + 1} connections")
        return self.lines[number]

    def forget(self) -> None:
        """What comes from now on is another test's."""
        self._forgotten = {line: len(line.received) for line in self.lines}

    def wait_for_ends(self) -> None:
        """Wait until every connection that was made or used since `forget` has ended, and all of it is read."""
        with closing(Line(socket.create_connection(("127.0.0.1", self.port)))) as last:  # accepted after all others
            last.socket.shutdown(socket.SHUT_WR)
            last.rest()
        used = [line for line in self.lines if len(line.received) > self._forgotten.get(line, -1)]
        wait_until(lambda: all(line.ended.is_set() for line in used), "the connections of a backend have ended")

    def close(self) -> None:
        """Accept no more, and wait for the end of every connection; once more does nothing."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(DEADLINE)  # so that every connection is among the lines
        for line in self.lines:
            with suppress(OSError):
                line.socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line = Line(self._listening.accept()[0])
                self.lines.append(line)
                thread = threading.Thread(target=self._serve, args=(line,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self, line: Line) -> None:
        with suppress(OSError, AssertionError):  # the gateway may leave at any point
            self.talk(line)
            line.socket.shutdown(socket.SHUT_WR)
            line.rest()
        line.socket.close()
        line.ended.set()


NGINX = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 0;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        root {directory};
        location /connection {{ return 200 "$connection $connection_requests"; }}
        location /nothing {{ return 204; }}
        location /zipped {{ alias {directory}/large; gzip on; gzip_min_length 0; gzip_types *; }}
        location /headers {{ return 200 "$host|$http_connection|$http_x_client_certificate_subject"; }}
    }}
}}
"""


@contextmanager
def nginx(directory: Path) -> Iterator[int]:
    """Debian's nginx, which serves the directory; gives its port."""
    (port,) = running.free_ports(1)
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, port=port))
    program = programs.path_of("nginx")
    assert program
    with serving([program, "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"], directory, port):
        yield port


NGINX_TLS = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off; keepalive_requests 1000000; client_max_body_size 0;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    {servers}
}}
"""

NGINX_TLS_SERVER = """
    server {{
        listen 127.0.0.1:{port} {listens}; root {directory}; ssl_protocols {protocols};
        ssl_certificate {directory}/{certificate}.pem; ssl_certificate_key {directory}/{certificate}.key; {more}
        location = / {{ return 200 "well"; }}
        location /connection {{ return 200 "$connection $connection_requests"; }}
        location /tls {{ return 200 "$host|$ssl_server_name|$ssl_client_s_dn|$ssl_protocol|$ssl_session_reused"; }}
    }}
"""


@attrs.frozen(kw_only=True)
class TlsServer:
    """One of nginx's servers: its port, its certificate by the name of its files, and more of its configuration."""

    port: int
    certificate: str
    protocols: str = "TLSv1.2 TLSv1.3"
    listens: str = "ssl"
    more: str = ""


@contextmanager
def nginx_tls(directory: Path, *servers: TlsServer) -> Iterator[None]:
    """Debian's nginx with these servers, whose certificates are in the directory; they serve it, too."""
    blocks = "".join(NGINX_TLS_SERVER.format(directory=directory, **attrs.asdict(server)) for server in servers)
    (directory / "nginx.conf").write_text(NGINX_TLS.format(directory=directory, servers=blocks))
    program = programs.path_of("nginx")
    assert program
    words = [program, "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]
    with serving(words, directory, servers[0].port):
        yield


def encrypting(context: ssl.SSLContext, talk: Talk, *, farewell: bool = True) -> Talk:
    """The same in TLS, by Python's ssl; ended by close_notify or by nothing."""

    def encrypted(line: Line) -> None:
        wrapped = context.wrap_socket(line.socket, server_side=True)
        line.socket = wrapped
        with closing(wrapped):
            talk(line)
            if farewell:
                line.socket = wrapped.unwrap()

    return encrypted


GUNICORN = "; threads = 4; keepalive = 5; loglevel = 'error'; control_socket_disable = True"


@contextmanager
def gunicorn(directory: Path) -> Iterator[int]:
    """gunicorn with the application of tests/end_to_end/application.py; gives its port."""
    (port,) = running.free_ports(1)
    (directory / "gunicorn.conf.py").write_text(f"bind = '127.0.0.1:{port}'{GUNICORN}")
    words = [sys.executable, "-m", "gunicorn", "tests.end_to_end.application:application"]
    with serving(words, directory, port):
        yield port


@contextmanager
def uvicorn(directory: Path) -> Iterator[int]:
    """uvicorn with the application of tests/end_to_end/asgi.py; gives its port."""
    (port,) = running.free_ports(1)
    words = [sys.executable, "-m", "uvicorn", "tests.end_to_end.asgi:application", "--host", "127.0.0.1"]
    with serving([*words, "--port", str(port), "--log-level", "error", "--no-proxy-headers"], directory, port):
        yield port


@contextmanager
def serving(words: list[str], directory: Path, port: int) -> Iterator[None]:
    """A program that runs in the directory, once it listens on the port; ended at the end."""
    environment = running.environment() | {"PYTHONPATH": str(running.ROOT)}
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(words, cwd=directory, env=environment, stdout=output, stderr=output)
    try:
        wait_until(lambda: process.poll() is not None or accepts(port), f"{words[0]} listens")
        assert process.poll() is None, (directory / "output").read_text()
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE)


def accepts(port: int) -> bool:
    """Whether a server listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
