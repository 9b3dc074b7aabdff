"""``agw init``: a first configuration, with a local CA and the certificates that it takes to try it."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import attrs

from agwtwisted.core.base.errors import AgwError, ConfigError
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.http.destinations import destination
from agwtwisted.core.reports.route_report import address_and_port
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.starter.configuration import Starter, StarterMode
from agwtwisted.starter.issuing import Issuing
from agwtwisted.starter.new_files import NewFile, write_all

ORGANIZATION: Final = "agwtwisted local"
"""organizationName of the certificates."""

AUTHORITY_LIFETIME: Final = timedelta(days=3650)
LIFETIME: Final = timedelta(days=397)
"""Of certificates of servers and clients: programs that set a limit to these (browsers) take 398 days."""

STARTS_BEFORE: Final = timedelta(hours=1)
"""Certificates are valid from then on: clocks of other machines may be behind."""

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

DEFAULT_BACKEND: Final = "127.0.0.1:9000"

_PLACE: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
"""``host:port``, an IPv6 address in brackets."""

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME: Final = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_ONE_WORD: Final = re.compile(r"[^\s;#,]+")
"""A value that stays one in the file."""


@attrs.frozen(kw_only=True)
class InitRequest:
    """What was asked for.

    `hosts` are names of the server beside those of this machine's loopback addresses.
    """

    directory: Path
    mode: StarterMode = StarterMode.STRICT
    address: str = "127.0.0.1"
    port: int = 8443
    backend: str | None = None  # None: the demo's, which the printed commands start
    hosts: tuple[str, ...] = ()
    state: str = "state"
    ocsp: str = ""
    force: bool = False

    def starter(self) -> Starter:
        """The configuration; raises AgwError for a value that it cannot have."""
        backend = self.backend or DEFAULT_BACKEND
        if not _PLACE.fullmatch(backend):
            raise AgwError(f"--backend {backend}: needs to be HOST:PORT, as 127.0.0.1:9000 or [::1]:9000")
        if self.ocsp and self.mode is StarterMode.PASSTHROUGH:
            raise AgwError("--ocsp: with --mode passthrough the gateway verifies no certificate, and asks no responder")
        for option, value in (("--state", self.state), ("--ocsp", self.ocsp or "-")):
            if not _ONE_WORD.fullmatch(value):
                raise AgwError(f"{option} {value!r}: has a character that the file cannot have there")
        return Starter(
            mode=self.mode,
            address=self._address(),
            port=self.port,
            backend=backend,
            names=tuple(dict.fromkeys((*LOOPBACK, *map(_host, self.hosts), *self._own_address()))),
            state=self.state,
            ocsp=self.ocsp,
        )

    def _address(self) -> str:
        try:
            return str(ip_address(self.address))
        except ValueError:
            raise AgwError(f"--address {self.address}: needs to be an IP address of this machine") from None

    def _own_address(self) -> tuple[str, ...]:
        """The address that clients reach the gateway by, where it is one of the network."""
        address = ip_address(self._address())
        return () if address.is_unspecified or address.is_loopback else (str(address),)

    @property
    def url(self) -> str:
        """Where a client of this machine finds the gateway."""
        host = next(iter(self._own_address()), "localhost")
        return f"https://{f'[{host}]' if ':' in host else host}:{self.port}/"


def init(request: InitRequest, now: datetime, agw: str) -> str:
    """Writes gw.ini and pki/ into the directory, all of it or nothing.

    Args:
        request: what was asked for.
        now: the time (aware).
        agw: the program as a shell takes it, for the commands.

    Returns:
        The text to print: what was made, and the next commands.

    Raises:
        AgwError: something is there already, a value is not accepted, or a file cannot be written.
    """
    starter = request.starter()
    directory = Path(os.path.abspath(request.directory))
    pki = _certificates(starter, now)
    text = starter.text().encode()
    _prove(text, pki, now)
    files = {directory / "pki" / name: NewFile(data=data, secret=_is_secret(data)) for name, data in pki.items()}
    files[directory / "gw.ini"] = NewFile(data=text)  # the last one: where it is, the others are
    write_all(files, force=request.force)
    return "\n".join([_made(directory, pki), "", *_commands(request, starter, directory, agw), *_busy(starter)])


def program(argument: str, environment: Mapping[str, str]) -> str:
    """How this program is called from any shell: `agw`, its path, or the interpreter with ``-m agwtwisted``."""
    if os.path.basename(argument) != "agw":
        return shlex.join([sys.executable, "-m", "agwtwisted"])
    found = shutil.which("agw", path=environment.get("PATH"))
    on_path = found is not None and os.path.exists(argument) and os.path.samefile(found, argument)
    # An activated environment is on the path of this shell alone.
    return "agw" if on_path and not environment.get("VIRTUAL_ENV") else shlex.quote(os.path.abspath(argument))


def _certificates(starter: Starter, now: datetime) -> dict[str, bytes]:
    """The content of each file of pki/, by its name."""
    start = now.astimezone(UTC).replace(microsecond=0) - STARTS_BEFORE
    leaves = Issuing(organization=ORGANIZATION, lifetime=LIFETIME)
    authorities = attrs.evolve(leaves, lifetime=AUTHORITY_LIFETIME)
    # Two CAs of one name would be mistaken for each other where both are installed.
    root = authorities.authority(f"Local CA {secrets.token_hex(4)}", start, path_length=0)
    server = leaves.server("agwtwisted gateway", root, start, starter.names)
    client = leaves.client("first client", root, start)
    files = {
        "ca.pem": root.pem(),
        "ca.key": root.key_pem(),
        "server.pem": server.pem() + root.pem(),
        "server.key": server.key_pem(),
        "client.pem": client.key_pem() + client.pem(),
    }
    if starter.trusts:
        elsewhere = authorities.authority("Another CA", start, path_length=0)
        stranger = leaves.client("client of another CA", elsewhere, start)
        files["stranger.pem"] = stranger.key_pem() + stranger.pem()
    if starter.ocsp:
        revoked = leaves.client("revoked client", root, start)
        responder = leaves.responder("OCSP responder", root, start)
        files["revoked.pem"] = revoked.key_pem() + revoked.pem()
        files["responder.pem"] = responder.key_pem() + responder.pem()
    return files


def _is_secret(data: bytes) -> bool:
    return b"PRIVATE KEY" in data


def _prove(text: bytes, pki: Mapping[str, bytes], now: datetime) -> None:
    """Has the gateway's own reader take the configuration: what it does not accept is never written."""

    def read(path: str) -> SourceFile:
        return SourceFile(data=pki[path.removeprefix("pki/")], mode=0o600)

    try:
        parse(text, "gw.ini", read, now=now)
    except ConfigError as error:
        raise AgwError(f"a gateway would not take this: {error}") from error


def _host(name: str) -> str:
    with suppress(ValueError):
        return str(ip_address(name))
    if not _DNS_NAME.fullmatch(name):
        raise AgwError(f"--host {name!r}: needs to be a DNS name or an IP address")
    return name


_MEANINGS: Final = {
    "ca.pem": "the CA that clients trust the gateway by, and the gateway its clients; ca.key: with it you can issue"
    " more certificates",
    "server.pem": "the gateway's certificate; server.key: its key",
    "client.pem": "a client's certificate, and its key",
    "stranger.pem": "the same of a CA that the gateway does not trust",
    "revoked.pem": "the same of a client whose certificate the demo responder calls revoked",
    "responder.pem": "what the demo responder signs with",
}


def _made(directory: Path, pki: Mapping[str, bytes]) -> str:
    lines = [f"{directory / 'gw.ini'}: the configuration, with every line explained", f"{directory / 'pki'}:"]
    return "\n".join([*lines, *(f"  {name:<13} {meaning}" for name, meaning in _MEANINGS.items() if name in pki)])


def _commands(request: InitRequest, starter: Starter, directory: Path, agw: str) -> Iterator[str]:
    """What to do next, as a shell takes it in any directory."""
    numbers = iter(range(1, 9))
    pki = directory / "pki"
    configuration = shlex.quote(str(directory / "gw.ini"))
    responder = ""
    if starter.ocsp:
        where = destination(starter.ocsp)
        at = shlex.quote(address_and_port(where.host, where.port))
        responder = f" --responder {at} --pki {shlex.quote(str(pki))}"
    if request.backend is None:
        demo = f"{agw} demo --backend {starter.backend}{responder}"
        yield f"{next(numbers)}. A server to try it with, which shows what it is sent, in a terminal of its own:"
        yield f"   {demo}"
    elif responder:
        yield f"{next(numbers)}. A responder to try it with, in a terminal of its own, unless you have one at that URL:"
        yield f"   {agw} demo{responder}"
    another = request.backend is None or responder
    yield f"{next(numbers)}. The gateway, in {'another one' if another else 'a terminal of its own'}:"
    yield f"   {agw} run --config {configuration}"
    yield f"{next(numbers)}. {_ACCEPTED[starter.mode]}"
    yield f"   {_curl(pki, 'client.pem', request.url)}"
    yield f"{next(numbers)}. {_REFUSED[starter.mode]}"
    yield f"   {_curl(pki, 'stranger.pem' if starter.trusts else '', request.url)}"
    if responder:
        yield f"{next(numbers)}. A client whose certificate was revoked is refused, too:"
        yield f"   {_curl(pki, 'revoked.pem', request.url)}"


def _busy(starter: Starter) -> Iterator[str]:
    """What keeps the gateway from starting there, as it is now."""
    family = socket.AF_INET6 if ":" in starter.address else socket.AF_INET
    try:
        socket.create_server((starter.address, starter.port), family=family).close()
    except OSError as error:
        where = address_and_port(starter.address, starter.port)
        reason = os.strerror(error.errno or 0)
        yield f"\nWARNING the gateway cannot listen on {where} now: {reason}; change port in gw.ini"


_ACCEPTED: Final = {
    StarterMode.STRICT: "A client with a certificate of your CA is accepted, and gets the server's answer:",
    StarterMode.PASSTHROUGH: "A client's certificate is passed on, unverified:",
    StarterMode.L4: "A client with a certificate of your CA is accepted, and its bytes are relayed:",
}
_REFUSED: Final = {
    StarterMode.STRICT: "A client with a certificate of another CA is refused (alert unknown ca):",
    StarterMode.PASSTHROUGH: "A client without a certificate is passed on, too: refusing it is up to the server:",
    StarterMode.L4: "A client with a certificate of another CA is refused (alert unknown ca):",
}


def _curl(pki: Path, certificate: str, url: str) -> str:
    words: Sequence[str] = ("curl", "--cacert", str(pki / "ca.pem"))
    if certificate:
        words = (*words, "--cert", str(pki / certificate))
    return shlex.join([*words, url])
