"""Mixed traffic through a gateway, and its metrics beside its access log: both must say the same.

HTTP with and without TLS, of every class of status, requests that no server gets, clients that leave or are refused in
each stage, and L4 sessions. The server behind the gateway has a process of its own: `answering_server`.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any, Final

import attrs
from prometheus_client.parser import text_string_to_metric_families

from tests import http2_clients, running
from tests.end_to_end import clients, gateway
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import DEADLINE, Line, wait_until

AT_ONCE: Final = 8
"""Connections that ask at once."""

BURST: Final = 25
"""Requests that one of them sends ahead."""

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
"""Values by name and labels."""


@contextmanager
def answering_server() -> Iterator[int]:
    """The port of a server in a process of its own, which ends with this one."""
    with closing(socket.create_server(("127.0.0.1", 0), backlog=512)) as listening:
        words = [sys.executable, "-P", "-m", "tests.end_to_end.answering_server", str(listening.fileno())]
        environment = {**running.environment(), "PYTHONPATH": str(running.ROOT)}
        with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, pass_fds=[listening.fileno()]) as process:
            try:
                yield listening.getsockname()[1]
            finally:
                process.kill()


@attrs.frozen(kw_only=True)
class Place:
    """A gateway, and the ports of its doors by name."""

    gateway: Gateway
    doors: Mapping[str, int]
    server: int


DOORS: Final = ("plain", "strict", "http400", "ocsp", "mixed", "dead", "tcp", "tls", "deadtcp")


@contextmanager
def place(workers: int) -> Iterator[Place]:
    """A gateway of one process, or with workers, before such a server."""
    with ExitStack() as stack:
        server = stack.enter_context(answering_server())
        ports = running.free_ports(len(DOORS) + 1)
        doors, nowhere = dict(zip(DOORS, ports, strict=False)), ports[-1]
        made = stack.enter_context(gateway.prepared(_configuration(doors, server, nowhere, workers)))
        made.start()
        stack.callback(made.stop)
        yield Place(gateway=made, doors=doors, server=server)
        gateway.assert_no_defect(made.output)


def _configuration(doors: Mapping[str, int], server: int, nowhere: int, workers: int) -> str:
    app = {"backend_address_pool": "app", "backend_http_settings": "app"}
    asking = {"verify_client_revocation": "OCSP", "ocsp_responder_url": f"http://127.0.0.1:{nowhere}/"}
    text = gateway.gateway_section(state_directory="state", workers=workers) + gateway.PROFILES
    text += section("ssl_profile ocsp", trusted_client_certificates="devices", refusal="Http400", **asking)
    text += section("ssl_profile mixed", verify_client_auth_mode="Passthrough", trusted_client_certificates="devices")
    text += gateway.pool("app", server) + gateway.pool("nobody", nowhere, probe=None, request_timeout=1)
    text += gateway.door("plain", doors["plain"], protocol="Http", host_names="localhost, a.example")
    text += gateway.door("strict", doors["strict"], "strict") + gateway.door("http400", doors["http400"], "http400")
    text += gateway.door("ocsp", doors["ocsp"], "ocsp")
    text += gateway.door("dead", doors["dead"], to="nobody", protocol="Http")
    text += section("redirect_configuration moved", redirect_type="Found", target_url="https://b.example/")
    text += section("url_path_map map", **{f"default_{key}": value for key, value in app.items()})
    text += section("path_rule map/old", paths="/old*", redirect_configuration="moved")
    text += section("path_rule map/admin", paths="/admin*", client_certificate="Require", **app)
    text += section(
        *("http_listener mixed",),
        address="127.0.0.1",
        port=doors["mixed"],
        protocol="Https",
        ssl_certificate="server",
        ssl_profile="mixed",
        enable_http2="true",
    )
    paths = {"rule_type": "PathBasedRouting", "url_path_map": "map"}
    text += section("request_routing_rule mixed", priority=1, http_listener="mixed", **paths)
    text += gateway.relay_pool("echo", server) + gateway.relay_pool("silence", nowhere, timeout=1)
    text += gateway.relay_door("tcp", doors["tcp"], to="echo", protocol="Tcp")
    text += gateway.relay_door("tls", doors["tls"], "strict", to="echo")
    return text + gateway.relay_door("deadtcp", doors["deadtcp"], to="silence", protocol="Tcp")


def _request(method: str, target: str, body: bytes = b"", host: str = "localhost") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body or method in ("POST", "PUT") else ""
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n".encode() + body


MIXED: Final = (
    *(_request("GET", "/200"), _request("HEAD", "/200"), _request("POST", "/201", b"y" * 300), _request("GET", "/204")),
    *(_request("PUT", "/500", b"z" * 40_000), _request("GET", "/404?x=1"), _request("DELETE", "/301")),
    *(_request("GET", "/503"), _request("OPTIONS", "/200"), _request("PATCH", "/409", b"{}")),
    _request("GET", "/200", host="nobody.example"),  # 404, by no rule
)
"""Requests after each of which the connection goes on."""

LAST: Final = (
    b"GET / HTTP/1.1\r\n\r\n",  # no Host
    b"NONSENSE\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /200 HTTP/1.0\r\nHost: localhost\r\n\r\n",
    b"GET /\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
)
"""Requests that end it."""


class Traffic:
    """Clients of such a gateway, which counts itself how many requests and sessions there were."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.lines = 0
        """Lines that the access log is to have."""

    def send(self, requests: int) -> None:
        """So many requests at least, and some of everything else."""
        self._odd_ones()
        while self.lines < requests:
            self._bursts("plain", "")
            self._bursts("strict", "ecdsa")

    def _bursts(self, door: str, certificate: str) -> None:
        """Several connections, each of which sends many requests before it reads."""
        lines = [self._line(door, certificate) for _ in range(AT_ONCE)]
        asked = [MIXED[(number * 7 + index) % len(MIXED)] for number in range(AT_ONCE) for index in range(BURST)]
        for number, line in enumerate(lines):
            line.send(*asked[number * BURST : (number + 1) * BURST])
        for number, line in enumerate(lines):
            for request in asked[number * BURST : (number + 1) * BURST]:
                line.response(to_head=request.startswith(b"HEAD"))
            line.close()
        self.lines += len(asked)

    def _line(self, door: str, certificate: str = "") -> Line:
        port = self._place.doors[door]
        if door in ("plain", "dead", "tcp", "deadtcp"):
            return clients.plain(port, clients.fresh_source())
        return clients.encrypted(self._place.gateway.call(port, certificate))

    def _odd_ones(self) -> None:
        for request in LAST:
            self._asked("plain", request)
        self._asked("dead", _request("GET", "/"))
        for target in ("/200", "/old", "/admin"):
            self._asked("mixed", _request("GET", target))
        self._asked("mixed", _request("GET", "/admin"), certificate="ecdsa")
        for door, certificate in (("http400", "stranger"), ("http400", ""), ("http400", "expired"), ("ocsp", "rsa")):
            self._asked(door, _request("GET", "/200"), certificate=certificate)
        for certificate in ("expired", "stranger", ""):
            self._refused("strict", certificate)
            self._refused("tls", certificate)
        self._leaves()
        for door, certificate in (("tcp", ""), ("tcp", ""), ("tls", "ecdsa")):
            self._echoes(door, certificate)
        with closing(self._line("deadtcp")) as line:
            line.rest()
        self.lines += 1
        self._speaks_no_http2()

    def _asked(self, door: str, request: bytes, *, certificate: str = "") -> None:
        with closing(self._line(door, certificate)) as line:
            line.send(request)
            line.response()
        self.lines += 1

    def _refused(self, door: str, certificate: str) -> None:
        """A handshake that fails, of an address of its own: each has a line of its own."""
        with suppress(ssl.SSLError, ConnectionError):
            call = self._place.gateway.call(self._place.doors[door], certificate, version="1.2")
            clients.encrypted(call).close()
        self.lines += 1

    def _speaks_no_http2(self) -> None:
        """A client that agrees on HTTP/2 and speaks something else: it is cut, and has asked for nothing."""
        with closing(http2_clients.tls(self._place.gateway.call(self._place.doors["mixed"]))) as wire:
            wire.send(b"something else")
            while wire.receive():
                pass

    def _leaves(self) -> None:
        """A client that does not wait for its answer."""
        with closing(self._line("plain")) as line:
            line.send(_request("GET", "/never"))
            with suppress(TimeoutError):
                line.socket.settimeout(0.2)
                line.more()
        self.lines += 1

    def _echoes(self, door: str, certificate: str) -> None:
        with closing(self._line(door, certificate)) as line:
            for size in (10, 10_000):
                line.send(b"echo " + b"e" * size)
                line.exactly(size + 5)
        self.lines += 1


def scrape(made: Gateway, accept: str = "") -> str:
    """What the gateway answers to `GET /metrics`."""
    with closing(socket.socket(socket.AF_UNIX)) as connected:
        connected.settimeout(DEADLINE)
        connected.connect(str(made.directory / "state" / "control.sock"))
        line = Line(connected)
        line.send(f"GET /metrics HTTP/1.1\r\nHost: gateway\r\nAccept: {accept}\r\n\r\n".encode())
        response = line.response()
    assert response.status == 200, response
    return response.body.decode()


def samples_of(text: str) -> Samples:
    """The values of such an answer."""
    families = text_string_to_metric_families(text)
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


@attrs.frozen(kw_only=True)
class Counted:
    """What the metrics and the access log have both counted, in the same form."""

    requests: Counter[tuple[str, ...]]  # by listener, rule, class of the status
    sessions: Counter[tuple[str, ...]]  # by listener, rule, serverStatus
    received: Counter[tuple[str, ...]]  # bytes, by listener, rule
    sent: Counter[tuple[str, ...]]
    durations: Counter[tuple[str, ...]]  # how many, by listener, rule
    errors: Counter[tuple[str, ...]]  # by listener, error_info
    responses: Counter[tuple[str, ...]]  # of servers, by pool, settings, server, class
    failed_handshakes: Counter[tuple[str, ...]]  # by listener
    refusals: Counter[tuple[str, ...]]  # in handshakes, by listener, reason

    @classmethod
    def of_metrics(cls, samples: Samples) -> Counted:
        """By these samples."""
        return cls(
            requests=_by(samples, "agw_http_requests_total", "listener", "rule", "code"),
            sessions=_by(samples, "agw_l4_sessions_total", "listener", "rule", "status"),
            received=_by(samples, "agw_received_bytes_total", "listener", "rule"),
            sent=_by(samples, "agw_sent_bytes_total", "listener", "rule"),
            durations=_by(samples, "agw_http_request_duration_seconds_count", "listener", "rule")
            + _by(samples, "agw_l4_session_duration_seconds_count", "listener", "rule"),
            errors=_by(samples, "agw_http_errors_total", "listener", "error_info"),
            responses=_by(samples, "agw_backend_responses_total", "backend_pool", "backend_settings", "server", "code"),
            failed_handshakes=_by(samples, "agw_tls_handshake_failures_total", "listener"),
            refusals=_by(samples, "agw_client_certificate_refusals_total", "listener", "stage", "reason"),
        )

    @classmethod
    def of_log(cls, records: list[dict[str, Any]]) -> Counted:
        """By these lines."""
        counted = cls(**{each.name: Counter() for each in attrs.fields(cls)})
        for record in records:
            if "handshakeError" in record:
                counted._add_handshake(record)
            elif record.get("protocol") == "TCP":
                counted._add_session(record)
            else:
                counted._add_request(record)
        return counted

    def _add_handshake(self, record: Mapping[str, Any]) -> None:
        listener, count = record["listenerName"], 1 + record["omitted"]
        self.failed_handshakes[(listener,)] += count
        verify = record["sslClientVerify"]
        reason = "no certificate" if verify == "NONE" else verify.removeprefix("FAILED:")
        self.refusals[listener, "handshake", reason] += count

    def _add_session(self, record: Mapping[str, Any]) -> None:
        names = record["listenerName"], record["ruleName"]
        self.sessions[(*names, record["serverStatus"])] += 1
        self._add_transfer(names, record)

    def _add_request(self, record: Mapping[str, Any]) -> None:
        names = record["listenerName"], record["ruleName"]
        self.requests[(*names, _class_of(record["httpStatus"]))] += 1
        self._add_transfer(names, record)
        if record["error_info"] != "ERRORINFO_NO_ERROR":
            self.errors[names[0], record["error_info"]] += 1
        if record["serverStatus"]:
            server = record["backendPoolName"], record["backendSettingName"], record["serverRouted"]
            self.responses[(*server, _class_of(int(record["serverStatus"])))] += 1
        self._add_refusal(names[0], record)

    def _add_refusal(self, listener: str, record: Mapping[str, Any]) -> None:
        """Of a client that is refused, and has asked once: after its handshake, or by the path."""
        if record["error_info"] != "ERRORINFO_HTTPS_NO_CERT":
            return
        verify = record["sslClientVerify"]
        stage = "path" if record["ruleName"] else "verdict"
        self.refusals[listener, stage, "no certificate" if verify == "NONE" else verify.removeprefix("FAILED:")] += 1

    def _add_transfer(self, names: tuple[str, str], record: Mapping[str, Any]) -> None:
        self.durations[names] += 1
        self.received[names] += record["receivedBytes"]
        self.sent[names] += record["sentBytes"]


def _class_of(status: int) -> str:
    return f"{status // 100}xx"


def _by(samples: Samples, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    counted: Counter[tuple[str, ...]] = Counter()
    for (each, pairs), value in samples.items():
        if each == name and value:
            values = dict(pairs)
            counted[tuple(values[label] for label in labels)] += int(value)
    return counted


def send_all(place: Place, requests: int) -> None:
    """Send so many requests and more; returns once the access log has them, besides those that it had before."""
    before = len(place.gateway.records())
    traffic = Traffic(place)
    traffic.send(requests)
    lines = before + traffic.lines
    wait_until(lambda: len(place.gateway.records()) >= lines, f"the access log has {lines} lines")


def compared(place: Place, requests: int) -> tuple[Counted, Counted]:
    """What the metrics and the access log say of so many requests and more, once all of it is there."""
    send_all(place, requests)
    return Counted.of_metrics(samples_of(scrape(place.gateway))), Counted.of_log(place.gateway.records())


def main(requests: int = 100_000, processes: tuple[int, ...] = (1, 2)) -> None:
    """Compares so many requests, in one process and with two workers."""
    for workers in processes:
        with place(workers) as made:
            by_metrics, by_log = compared(made, requests)
            total = by_log.requests.total(), by_log.sessions.total(), by_log.failed_handshakes.total()
            print(f"{workers} processes: {by_metrics == by_log}, requests, sessions, failed handshakes: {total}")
            print(f"  bytes {by_log.received.total()} received, {by_log.sent.total()} sent; {dict(by_log.requests)}")


if __name__ == "__main__":
    main()
