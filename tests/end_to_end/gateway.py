"""A gateway as its users start it: twistd in a process of its own, with a file, certificates and an access log."""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import attrs
from twisted.trial.unittest import SynchronousTestCase

from tests import fork_server, pki, running
from tests.end_to_end import clients
from tests.end_to_end.backends import Backend, accepts
from tests.end_to_end.clients import Call
from tests.end_to_end.lines import DEADLINE, Line, wait_until
from tests.fork_server import Forked

TWISTD = (running.PYTHON, "-c", "from twisted.scripts.twistd import run; run()")
AGW = (running.PYTHON, "-m", "agwtwisted")
"""Both work for a package that is installed and for one on PYTHONPATH alike, whatever the name of the script is."""

SITES = ("open", "passthrough", "strict", "http400", "partners", "other", "*.wild")
NAMES = ("localhost", "127.0.0.1", *(f"{site}.example" for site in SITES))
"""What the server's certificate stands for."""


@cache
def certificates() -> dict[str, pki.Credential]:
    """The certificates of every test here, one set a run: the server's, and clients good and bad."""
    servers = pki.Authority.root("Servers Root")
    root = pki.Authority.root("Devices Root", key=pki.rsa_key())
    issuer = root.intermediate("Devices")
    other = root.intermediate("Other devices")
    strangers = pki.Authority.root("Strangers")
    past, future = datetime(2021, 1, 1, tzinfo=UTC), datetime(2048, 1, 1, tzinfo=UTC)
    return {
        "server-root": servers,
        "server": servers.issue_server(*NAMES),
        "devices-root": root,
        "devices": issuer,
        "rsa": issuer.issue("rsa device", key=pki.rsa_key()),
        "ecdsa": issuer.issue("ecdsa device"),
        "ed25519": issuer.issue("ed25519 device", key=pki.ed25519_key()),
        "expired": issuer.issue("expired device", not_after=past),
        "not-yet-valid": issuer.issue("future device", not_before=future),
        "server-only": issuer.issue("server", eku=[pki.SERVER_AUTH]),
        "authority": issuer.intermediate("a device that may issue"),
        "partners-root": strangers,
        "stranger": strangers.issue("stranger"),
        "self-signed": pki.self_signed("self-made"),
        "other-issuer": other.issue("device of another issuer"),
    }


def section(title: str, **keys: object) -> str:
    """A section of the configuration; None leaves a key out."""
    lines = [f"{name} = {value}" for name, value in keys.items() if value is not None]
    return "\n".join([f"[{title}]", *lines, "", ""])


def door(name: str, port: int, profile: str | None = None, *, to: str = "app", **keys: object) -> str:
    """An Https listener and the rule that leads from it to a pool; `protocol="Http"` for one without TLS."""
    keys = {"address": "127.0.0.1", "port": port, "protocol": "Https", "ssl_profile": profile, **keys}
    certificate = "server" if keys["protocol"] == "Https" else None
    listener = section(f"http_listener {name}", ssl_certificate=certificate, **keys)
    priority = zlib.crc32(name.encode()) % 20000 + 1
    ways = {"http_listener": name, "backend_address_pool": to, "backend_http_settings": to}
    return listener + section(f"request_routing_rule {name}", priority=priority, **ways)


def pool(name: str, *ports: int, **settings: object) -> str:
    """A backend address pool on these ports, and its settings, of the same name.

    Unless the settings name a probe, or None for the default one, the servers themselves see none, so that tests have
    theirs to themselves: another server answers for them that they are well, or does not answer where TLS is spoken.
    """
    addresses = ", ".join(f"127.0.0.1:{port}" for port in ports)
    probe = ""
    if "probe" not in settings:
        if settings.get("protocol", "Http") == "Http":
            probe = section(f"probe {name}", protocol="Http", port=well())
        else:
            probe = section(f"probe {name}", protocol="Https", port=silent(), timeout=86400)
        settings = {"probe": name, **settings}
    settings = {"request_timeout": 20, **settings}
    return (
        section(f"backend_address_pool {name}", backend_addresses=addresses)
        + probe
        + section(f"backend_http_settings {name}", **settings)
    )


def relay_door(name: str, port: int, profile: str | None = None, *, to: str = "app", **keys: object) -> str:
    """An L4 listener and the rule that leads from it to a pool; `protocol="Tcp"` for one without TLS."""
    keys = {"address": "127.0.0.1", "port": port, "protocol": "Tls", "ssl_profile": profile, **keys}
    certificate = "server" if keys["protocol"] == "Tls" else None
    listener = section(f"listener {name}", ssl_certificate=certificate, **keys)
    priority = zlib.crc32(name.encode()) % 20000 + 1
    ways = {"listener": name, "backend_address_pool": to, "backend_settings": to}
    return listener + section(f"routing_rule {name}", priority=priority, **ways)


def relay_pool(name: str, *ports: int, **settings: object) -> str:
    """A backend address pool on these ports, and its L4 settings, of the same name; about probes see `pool`."""
    addresses = ", ".join(f"127.0.0.1:{port}" for port in ports)
    probe = ""
    if "probe" not in settings and settings.get("protocol", "Tcp") == "Tcp":
        probe = section(f"probe relay-{name}", protocol="Tcp", port=well())
        settings = {"probe": f"relay-{name}", **settings}
    settings = {"port": ports[0], "timeout": 20, **settings}
    return (
        section(f"backend_address_pool {name}", backend_addresses=addresses)
        + probe
        + section(f"backend_settings {name}", **settings)
    )


@cache
def well() -> int:
    """The port of a server that answers every probe, one for the whole run."""
    return Backend().port


@cache
def silent() -> int:
    """The port of a server that accepts and says nothing, so that its health stays unknown."""

    def listen(line: Line) -> None:
        line.socket.settimeout(None)
        line.rest()

    return Backend(listen).port


PROFILES = (
    section("ssl_certificate server", certificate_file="server.pem", key_file="server.key")
    + section("trusted_client_certificate devices", file="trusted.pem")
    + section("trusted_client_certificate partners", file="partners-root.pem")
    + section("ssl_profile strict", verify_client_auth_mode="Strict", trusted_client_certificates="devices")
    + section("ssl_profile partners", trusted_client_certificates="partners")
    + section("ssl_profile http400", trusted_client_certificates="devices", refusal="Http400")
    + section("ssl_profile issuer", trusted_client_certificates="devices", verify_client_cert_issuer_dn="true")
    + section("ssl_profile passthrough", verify_client_auth_mode="Passthrough")
)
"""The certificate and the profiles that every configuration here may use."""


def gateway_section(**keys: object) -> str:
    """The gateway's own section, with an access log beside the configuration."""
    return section("gateway", **{"access_log": "access.log", **keys})


class Gateway:
    """One gateway, in a directory of its own; started by `running_gateway`."""

    def __init__(self, directory: Path, configuration: str) -> None:
        self.directory = directory
        self.file = directory / "gw.ini"
        self.file.write_text(configuration)
        self.ports = [int(port) for port in re.findall(r"(?m)^\[\w*listener .*\n(?:.+\n)*?port = (\d+)", configuration)]
        self.process: subprocess.Popen[bytes] | Forked | None = None
        self.environment: dict[str, str] = {}  # what it gets on top
        self.prefix: list[str] = []  # what the command line begins with
        self.descriptors: tuple[int, ...] = ()  # that it inherits
        if not (directory / "trusted.pem").exists():  # else another one has them, and clients may be reading them
            for name, credential in certificates().items():
                credential.write(directory, name)
            pki.write(directory, "trusted.pem", certificates()["devices-root"], certificates()["devices"])

    def words(self, *twistd_options: str, check: bool = False) -> list[str]:
        """The command line."""
        options = ["--check"] if check else []
        return [
            *self.prefix,
            *TWISTD,
            *(twistd_options or ("-n", "--pidfile=")),
            "agwgateway",
            "--config",
            "gw.ini",
            *options,
        ]

    def begin(self, *twistd_options: str) -> subprocess.Popen[bytes] | Forked:
        """Start it, and wait for nothing."""
        words = self.words(*twistd_options)
        environment = {**running.environment(), **self.environment}
        with (self.directory / "output").open("ab") as output:
            if self._may_be_forked(words):
                outputs = (output.fileno(),) * 2
                self.process = fork_server.start("twistd", words[len(TWISTD) :], self.directory, environment, outputs)
            else:
                self.process = subprocess.Popen(
                    words,
                    cwd=self.directory,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=self.descriptors,
                )
        return self.process

    def _may_be_forked(self, words: list[str]) -> bool:
        """Whether it needs no interpreter of its own: no other one, in no environment that one reads, by no program."""
        own = self.environment or self.descriptors or "AGW_PYTHON" in os.environ
        return not own and tuple(words[: len(TWISTD)]) == TWISTD

    def agw(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command of `agw`, in the gateway's directory, run to its end."""
        if "AGW_PYTHON" in os.environ:
            return running.call(self.directory, *AGW, *words)
        return fork_server.call("agw", words, self.directory, running.PATIENCE)

    def start(self, *twistd_options: str) -> None:
        """Start it, and wait until it accepts on every port, and serves."""
        process = self.begin(*twistd_options)
        wait_until(lambda: process.poll() is not None or all(map(accepts, self.ports)), "the gateway listens")
        assert process.poll() is None, f"the gateway did not start:\n{self.output}"
        with closing(clients.plain(self.ports[0])) as line:
            line.socket.shutdown(socket.SHUT_WR)
            line.rest()  # its ports are bound before its reactor runs, and has the signals

    @property
    def output(self) -> str:
        """What it printed so far."""
        return (self.directory / "output").read_text()

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.process
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; returns the exit status. Killed when that does not come, which fails the test."""
        assert self.process
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the gateway does not end:\n{self.output}") from None

    def stop(self) -> int:
        """End it by SIGTERM; returns the exit status."""
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def call(self, port: int, certificate: str = "", **options: Any) -> Call:
        """A client's call, with the certificate of that name."""
        files = (str(self.directory / f"{certificate}.pem"), str(self.directory / f"{certificate}.key"))
        trusted = str(self.directory / "server-root.pem")
        return Call(port=port, trusted=trusted, certificate=files if certificate else None, **options)

    def records(self, file: str = "access.log") -> list[dict[str, Any]]:
        """The access log so far, each line flat: the members of `properties` beside the others."""
        whole, _, _ = (self.directory / file).read_bytes().rpartition(b"\n")  # the rest may be half written
        return [{**record.pop("properties"), **record} for record in map(json.loads, whole.splitlines())]

    def record(self, **members: object) -> dict[str, Any]:
        """The one line of the access log with these members, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [each for each in self.records() if members.items() <= each.items()]

        wanted = wait_until(found, f"the access log has a line with {members}")
        assert len(wanted) == 1, wanted
        return wanted[0]

    def highest_memory(self) -> int:
        """The most memory it has ever had, in MiB."""
        return self._status("VmHWM") >> 20

    def memory(self) -> int:
        """The memory that it has now, in bytes."""
        return self._status("VmRSS")

    def _status(self, name: str) -> int:
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) << 10

    def open_sockets(self) -> int:
        """How many sockets it has."""
        directory = f"/proc/{self.pid}/fd"
        sockets = 0
        for descriptor in os.listdir(directory):
            with suppress(FileNotFoundError):  # it was closed since the directory was read
                sockets += os.readlink(f"{directory}/{descriptor}").startswith("socket:")
        return sockets


@contextmanager
def prepared(configuration: str) -> Iterator[Gateway]:
    """A gateway that was not started yet, in a directory that goes with it; ended whatever happens."""
    directory = Path(tempfile.mkdtemp(prefix="agw-"))  # a TemporaryDirectory would go before the last stage closes
    gateway = Gateway(directory, configuration)
    try:
        yield gateway
    finally:
        if gateway.process and gateway.process.poll() is None:
            gateway.process.kill()
            gateway.process.wait()
        shutil.rmtree(directory)


@contextmanager
def running_gateway(configuration: str, environment: Mapping[str, str] | None = None) -> Iterator[Gateway]:
    """A gateway that serves; at the end it must end well, and have complained of nothing."""
    with prepared(configuration) as gateway:
        gateway.environment = dict(environment or {})
        gateway.start()
        yield gateway
        status = gateway.stop()
        assert status in (0, -signal.SIGTERM), f"exit status {status}:\n{gateway.output}"
        assert_no_defect(gateway.output)


def assert_no_defect(output: str) -> None:
    """A traceback or an unhandled error among what was printed is a defect, whatever the clients saw."""
    assert not re.search(r"Traceback|Unhandled|CRITICAL", output), output


Stage = TypeVar("Stage")

_closing = ExitStack()
_playing: list[Any] = []
atexit.register(_closing.close)


def shared(stage: Callable[[], AbstractContextManager[Stage]]) -> Stage:
    """What `stage` gives, made once for all tests of a class, closed when another class's is asked for, or at the end.

    trial knows no fixtures of a class.
    """
    if not _playing or _playing[0] is not stage:
        _playing.clear()
        _closing.close()
        made = _closing.enter_context(stage())
        _playing[:] = [stage, made]
    return _playing[1]  # type: ignore[no-any-return]


@attrs.frozen(kw_only=True)
class Scene:
    """A gateway that runs, what stands behind it, and the ports of its doors by name."""

    gateway: Gateway
    doors: dict[str, int]
    backend: Any = None


class SceneCase(SynchronousTestCase):
    """Tests that share the gateway of `stage`; each fails that has it complain of a defect."""

    stage: Callable[[], AbstractContextManager[Scene]]

    def setUp(self) -> None:
        self.scene = shared(type(self).stage)
        self.gateway = self.scene.gateway
        self.addCleanup(lambda: assert_no_defect(self.gateway.output))
