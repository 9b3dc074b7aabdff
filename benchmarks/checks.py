"""Shown before anything is measured: wrong answers are found, and the peers do the same job."""

from __future__ import annotations

import json
import socket
import ssl
import time
from pathlib import Path

from benchmarks.load import Generator, Load, require_success
from benchmarks.peers import HTTP2, RunningPeer
from benchmarks.pki import SERVER_NAME
from benchmarks.programs import BenchmarkError

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

# What each of these must be reported as, by a generator that is asked for 1024 bytes of the pattern.
WRONG_ANSWERS = {"/2k": "length", "/wrong/1k": "body", "/missing": "status"}

FORWARDED = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-original-host", "x-original-url")
CERTIFICATE = (
    "x-client-certificate",
    "x-client-certificate-verification",
    "x-client-certificate-subject",
    "x-client-certificate-issuer",
    "x-client-certificate-serial",
    "x-client-certificate-fingerprint",
    "x-client-certificate-start-date",
    "x-client-certificate-end-date",
)


def check_generator(generator: Generator, backend_port: int) -> None:
    """Raises `BenchmarkError` if the generator takes a wrong answer for a right one."""
    right = Load(mode="keepalive", count=20, concurrency=4)
    require_success(generator.run(right, backend_port, None), right, "backend")
    for path, error in WRONG_ANSWERS.items():
        result = generator.run(Load(mode="handshake", count=5, path=path), backend_port, None, quiet=True)
        if result.errors != {error: 5} or result.operations:
            raise BenchmarkError(f"the load generator does not see that {path} is answered wrongly: {result}")


def check_http2(generator: Generator, peer: RunningPeer) -> None:
    """Raises `BenchmarkError` if the generator takes a wrong answer over HTTP/2 for a right one."""
    for path, error in WRONG_ANSWERS.items():
        load = Load(mode="keepalive", path=path, http=2, streams=4)
        result = generator.run(load, peer.port, peer.pki, quiet=True)
        # Frames say no length ahead: it shows as a byte too many.
        if result.errors != {{"length": "surplus"}.get(error, error): 1} or result.operations:
            raise BenchmarkError(f"the load generator does not see that {path} of {peer.name} is wrong: {result}")


def check_refusals(generator: Generator, peer: RunningPeer) -> None:
    """Raises `BenchmarkError` if the peer serves a client whose certificate is not of the trusted root."""
    if not peer.peer.verifies:
        return
    for tls in ("1.2", "1.3"):
        load = Load(mode="handshake", count=2, tls=tls)
        result = generator.run(load, peer.port, peer.pki, peer.pki.stranger, quiet=True)
        if result.operations or "200" in result.statuses:
            raise BenchmarkError(f"{peer.name} serves a client with a stranger's certificate over TLS {tls}")


Head = dict[str, str]
"""The request's headers as the peer hands them to the backend, names in lower case."""


def _context(peer: RunningPeer, tls: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(peer.pki.trusted))
    context.load_cert_chain(peer.pki.client.chain, peer.pki.client.key)
    context.minimum_version = context.maximum_version = VERSIONS[tls]
    return context


def _forwarded(
    peer: RunningPeer, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[Head, bool, ssl.SSLSession | None]:
    """What one request has as it comes to the backend, whether its session was resumed, and its session."""
    request = f"GET /head HTTP/1.1\r\nHost: {SERVER_NAME}\r\nUser-Agent: check\r\nConnection: close\r\n\r\n"
    plain = socket.create_connection(("127.0.0.1", peer.port), timeout=10)
    with plain, context.wrap_socket(plain, server_hostname=SERVER_NAME, session=session) as secure:
        secure.sendall(request.encode())
        answer = b"".join(iter(lambda: secure.recv(65536), b""))
        resumed, new_session = bool(secure.session_reused), secure.session
    body = answer.partition(b"\r\n\r\n")[2].decode("latin-1")
    lines = [line.partition(":") for line in body.split("\r\n")[1:] if line]
    return {name.lower(): value.strip() for name, _, value in lines}, resumed, new_session


def check_headers(peer: RunningPeer) -> Head:
    """Returns the headers that the backend gets; raises `BenchmarkError` if one of the job's is missing."""
    return _whole(peer, _forwarded(peer, _context(peer, "1.3"))[0])


def check_resumed_headers(peer: RunningPeer) -> None:
    """Raises `BenchmarkError` unless a client that comes again resumes, and the backend knows it as before."""
    for tls in VERSIONS:
        context = _context(peer, tls)
        first, _, session = _forwarded(peer, context)
        again, resumed, _ = _forwarded(peer, context, session)
        if not resumed:
            raise BenchmarkError(f"{peer.name} does not resume a session of TLS {tls}")
        if differing := differing_headers(_whole(peer, again), first):
            raise BenchmarkError(f"{peer.name} says something else of a client that resumes: {differing}")


def _whole(peer: RunningPeer, head: Head) -> Head:
    missing = [name for name in (*FORWARDED, *CERTIFICATE) if not head.get(name)]
    if missing or head["x-client-certificate-verification"] != "SUCCESS":
        raise BenchmarkError(f"{peer.name} does not do the whole job, the backend misses {missing}: {head}")
    return head


def differing_headers(ours: Head, theirs: Head) -> list[str]:
    """The certificate headers whose values are not the same."""
    return [name for name in CERTIFICATE if ours[name] != theirs[name]]


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def check_access_log(generator: Generator, peer: RunningPeer) -> None:
    """Raises `BenchmarkError` unless every request brings a line of the access log, in JSON, within five seconds."""
    load = Load(mode="handshake", count=50, concurrency=4)
    if peer.scene == HTTP2:
        load = Load(mode="keepalive", count=48, concurrency=2, http=2)  # 50 with the first of each connection
    before = len(_lines(peer.access_log))
    require_success(generator.run(load, peer.port, peer.pki), load, peer.name)
    expected = before + 50 - peer.peer.log_backlog
    deadline = time.monotonic() + 5
    while len(_lines(peer.access_log)) < expected and time.monotonic() < deadline:
        time.sleep(0.1)
    lines = _lines(peer.access_log)
    if len(lines) < expected:
        raise BenchmarkError(f"{peer.name} logged {len(lines) - before} lines for {load.count} requests")
    # The last one may be written only in part.
    if json.loads(lines[-2]).get("httpStatus", 200) != 200:
        raise BenchmarkError(f"{peer.name} logs something else than was answered: {lines[-2]}")


def check_relay_log(peer: RunningPeer) -> None:
    """Raises `BenchmarkError` unless sessions leave anything in the log within five seconds."""
    deadline = time.monotonic() + 5
    while not _lines(peer.access_log):
        if time.monotonic() > deadline:
            raise BenchmarkError(f"{peer.name} logs nothing")
        time.sleep(0.1)
