"""Clients of the gateway: Python's ssl, curl and openssl. Each gives the same kind of answer, alerts by name."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from collections.abc import Callable
from itertools import count
from typing import Any

import attrs

from tests import running
from tests.end_to_end.lines import DEADLINE, Line

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}

_sources = count(2)


def fresh_source() -> str:
    """An address of this machine that no client has come from yet: failed handshakes are counted by address."""
    number = next(_sources)
    return f"127.1.{number >> 8}.{number & 255}"


@attrs.frozen(kw_only=True)
class Call:
    """How a client comes: to which port, by which name, in which version, with which certificate, from where."""

    port: int
    trusted: str  # the file of the server's root
    name: str = "localhost"  # SNI and Host
    version: str = ""  # of TLS, "1.2" or "1.3"; empty: as both sides like
    certificate: tuple[str, str] | None = None  # the files of the chain and of the key
    source: str = attrs.field(factory=fresh_source)
    protocols: tuple[str, ...] = ()  # that Python's ssl offers by ALPN


@attrs.frozen
class Answer:
    """The status and the body of a response, or the name of the alert instead."""

    status: int = 0
    body: str = ""
    alert: str = ""


def plain(port: int, source: str = "") -> Line:
    """A TCP connection."""
    return Line(socket.create_connection(("127.0.0.1", port), DEADLINE, source_address=(source, 0) if source else None))


def context(call: Call) -> ssl.SSLContext:
    """The context of Python's ssl for a call."""
    made = ssl.create_default_context(cafile=call.trusted)
    if call.version:
        made.minimum_version = made.maximum_version = VERSIONS[call.version]
    if call.certificate:
        made.load_cert_chain(*call.certificate)
    if call.protocols:
        made.set_alpn_protocols(list(call.protocols))
    return made


def encrypted(call: Call, **options: Any) -> Line:
    """A TLS connection by Python's ssl; raises ssl.SSLError. Under TLS 1.3 a refusal comes with the first read."""
    line = plain(call.port, call.source)
    try:
        line.socket = context(call).wrap_socket(line.socket, server_hostname=call.name, **options)
    except BaseException:
        line.close()
        raise
    return line


def by_python(call: Call) -> Answer:
    """One request by Python's ssl."""
    try:
        line = encrypted(call)
        try:
            line.send(_get(call))
            response = line.response()
        finally:
            line.close()
    except ssl.SSLError as error:
        return Answer(alert=alert_of(error))
    return Answer(response.status, response.body.decode("latin-1"))


def alert_of(error: ssl.SSLError) -> str:
    """The alert's name as RFC 8446 writes it, from ``SSLV3_ALERT_HANDSHAKE_FAILURE`` and the like."""
    return re.sub(r"^(SSL|TLS)V\d+_(ALERT_)?", "", error.reason or "").lower()


def by_curl(call: Call) -> Answer:
    """One request by curl."""
    words = ["curl", "--silent", "--show-error", "--include", "--cacert", call.trusted, "--interface", call.source]
    words += ["--connect-to", f"{call.name}:{call.port}:127.0.0.1:{call.port}", "--max-time", str(int(DEADLINE))]
    if call.version:
        words += [f"--tlsv{call.version}", "--tls-max", call.version]
    if call.certificate:
        words += ["--cert", call.certificate[0], "--key", call.certificate[1]]
    done = run([*words, f"https://{call.name}:{call.port}/"])
    if done.returncode == 60 and "certificate verification failed" in done.stderr:
        return Answer(alert="certificate_expired")  # the one alert that curl takes for a complaint of its own
    return answered(done.stdout, done.stderr)


def by_openssl(call: Call, *options: str, request: bytes | None = None) -> Answer:
    """One request by `openssl s_client`."""
    return answered(*s_client(call, *options, request=request))


def s_client(call: Call, *options: str, request: bytes | None = None) -> tuple[str, str]:
    """What `openssl s_client` prints of one request: on its standard output, and on the other one."""
    words = ["openssl", "s_client", "-connect", f"127.0.0.1:{call.port}", "-bind", f"{call.source}:0", "-nocommands"]
    words += ["-CAfile", call.trusted, "-ign_eof", *options]
    if call.name:
        words += ["-servername", call.name]
    else:
        words += ["-noservername"]
    if call.version:
        words.append("-tls" + call.version.replace(".", "_"))
    if call.certificate:
        words += ["-cert", call.certificate[0], "-cert_chain", call.certificate[0], "-key", call.certificate[1]]
    done = run(words, _get(call) if request is None else request)
    return done.stdout, done.stderr


def _get(call: Call) -> bytes:
    return f"GET / HTTP/1.1\r\nHost: {call.name}\r\nConnection: close\r\n\r\n".encode()


def run(words: list[str], given: bytes = b"", patience: float = DEADLINE) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with some input."""
    done = subprocess.run(
        words, input=given, capture_output=True, check=False, env=running.environment(), timeout=patience
    )
    return subprocess.CompletedProcess(
        words, done.returncode, done.stdout.decode("latin-1"), done.stderr.decode("latin-1")
    )


_RESPONSE = re.compile(r"HTTP/1\.1 (\d{3}) .*?Content-Length: (\d+)\r\n(?:.*?\r\n)??\r\n(.*)", re.DOTALL)
_ALERT = re.compile(r"(?:alert|tlsv1) ((?!alert)[a-z ]+?)(?:, errno|:|\n|$)")


def answered(printed: str, complained: str) -> Answer:
    """The answer among what a program printed."""
    if response := _RESPONSE.search(printed):
        return Answer(int(response[1]), response[3][: int(response[2])])
    if alert := _ALERT.search(complained):
        return Answer(alert=alert[1].strip().replace(" ", "_"))
    return Answer(alert=f"none: {complained}")


CLIENTS: dict[str, Callable[[Call], Answer]] = {"python": by_python, "curl": by_curl, "openssl": by_openssl}
"""The clients by name; of the last two the programs may be missing."""
