"""The same small plan with a gateway that runs: real certificates, handshakes, OCSP over HTTP, and real time.

The devices are asyncio's TLS clients, the responder is a server of asyncio's with the same latency, capacity and
outages, the gateway is started as its users start it. Only its random numbers are not ours.
None is restarted, and no network is cut.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from urllib.parse import unquote_to_bytes

from cryptography.x509 import ocsp

from benchmarks.fleet.devices import LONGEST_PAUSE
from benchmarks.fleet.plan import Plan, Sharing
from benchmarks.fleet.record import Record
from benchmarks.fleet.simulation import Run
from tests import pki, running
from tests.end_to_end import gateway
from tests.end_to_end.gateway import Gateway, section
from tests.end_to_end.lines import wait_until
from tests.end_to_end.redis_servers import PASSWORD, USER, redis_server
from tests.responder import CONTENT_TYPE, Response, Single

REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
NOT_ASKED = b"could not be asked"
SHARED = "Revocation is shared over"


class RunningResponder:
    """Answers by the plan, in the loop of the devices."""

    def __init__(self, plan: Plan, signer: pki.Authority, devices: dict[int, pki.Credential], record: Record) -> None:
        self._plan = plan
        self._signer = signer
        self._devices = devices
        self._record = record
        self._free_at = 0.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, with any number of requests."""
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the last one at the end of all
            while True:
                request = ocsp.load_der_ocsp_request(await _request(reader))
                answer = await self._answer(request.serial_number)
                if answer is None:
                    await reader.read()  # until the gateway has enough
                    break
                lines = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
                writer.write(lines % (CONTENT_TYPE, len(answer)) + answer)
        writer.close()

    async def _answer(self, serial: int) -> bytes | None:
        self._record.count("question")
        now, loop = self._record.seconds(), asyncio.get_running_loop()
        if any(outage.holds(now) for outage in self._plan.outages):
            return None
        self._free_at = max(now, self._free_at) + 1.0 / self._plan.responder.capacity
        done = loop.time() + self._free_at - now + self._plan.responder.latency
        response = self._signed(serial)
        await asyncio.sleep(done - loop.time())
        return response

    def _signed(self, serial: int) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        single = Single(
            certificate=self._devices[serial],
            this_update=now,
            next_update=now + timedelta(seconds=self._plan.responder.lifetime),
        )
        return Response(signer=self._signer, singles=[single], produced_at=now).der()


class RunningDevice:
    """One device: what `devices.Device` is in a simulation."""

    def __init__(self, plan: Plan, record: Record, ports: list[int], context: ssl.SSLContext, random: Random) -> None:
        self._plan = plan
        self._record = record
        self._ports = ports
        self._context = context
        self._random = random
        self._tries = 0

    async def live(self) -> None:
        """Comes and goes until it is cancelled."""
        await asyncio.sleep(self._random.uniform(0.0, self._plan.devices.arrive_within))
        while True:
            await asyncio.sleep(await self._connection())

    async def _connection(self) -> float:
        """One connection; returns the seconds until the next."""
        self._record.count("connection")
        port = self._random.choice(self._ports)
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=self._context, server_hostname="localhost"
        )
        try:
            began = time.monotonic()
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            waited = time.monotonic() - began
            if waited > self._plan.responder.latency / 2:
                self._record.waited(waited)
            else:
                self._record.count("at_once")
            if head.startswith(b"HTTP/1.1 200"):
                return await self._stay(reader)
            page = await reader.read()
            self._record.count("not_asked" if NOT_ASKED in page else "unavailable")
            return self._pause()
        finally:
            writer.transport.abort()

    async def _stay(self, reader: asyncio.StreamReader) -> float:
        self._tries = 0
        self._record.count("accepted")
        self._record.connected(1)
        session = self._plan.devices.session
        try:
            length = None if session == inf else self._random.expovariate(1.0 / session)
            await asyncio.wait_for(reader.read(), length)  # of the first answer nothing is needed but its head
        except TimeoutError:
            return self._random.expovariate(1.0 / self._plan.devices.absence)
        finally:
            self._record.connected(-1)
        self._record.count("ended")
        return self._pause()

    def _pause(self) -> float:
        self._tries += 1
        return min(2.0 ** (self._tries - 1), LONGEST_PAUSE) * self._random.uniform(0.5, 1.5)


async def _request(reader: asyncio.StreamReader) -> bytes:
    """An OCSP request over HTTP, by GET or POST (RFC 6960 appendix A.1)."""
    head = await reader.readuntil(b"\r\n\r\n")
    if head.startswith(b"GET "):
        return b64decode(unquote_to_bytes(head.split()[1].rpartition(b"/")[2]))
    return await reader.readexactly(int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]))


async def _backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers every request of a connection with nothing."""
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
    writer.close()


@contextmanager
def _store(plan: Plan) -> Iterator[dict[str, object]]:
    """The keys of a Redis server that the gateways of the plan share, if they do."""
    if plan.gateways.sharing is not Sharing.FLEET:
        yield {}
        return
    with TemporaryDirectory() as name, redis_server(Path(name)) as redis:
        password = Path(name, "password")
        password.touch(mode=0o600)
        password.write_text(f"{PASSWORD}\n")
        url = f"redis://{USER}@127.0.0.1:{redis.port}/1"
        yield {"revocation_store": url, "revocation_store_password_file": password}


@contextmanager
def _gateways(plan: Plan, responder: int, backend: int) -> Iterator[tuple[Gateway, list[int]]]:
    """The gateways of the plan: one of them, and the ports that devices connect to."""
    configured, ports = plan.gateways, running.free_ports(plan.gateways.count)
    with ExitStack() as stack:
        keys = {"workers": configured.workers if configured.workers > 1 else None, **stack.enter_context(_store(plan))}
        started = []
        for port in ports:
            text = gateway.gateway_section(**keys) + gateway.PROFILES + gateway.pool("app", backend)
            text += section(
                "ssl_profile fleet",
                trusted_client_certificates="devices",
                verify_client_revocation="OCSP",
                ocsp_responder_url=f"http://127.0.0.1:{responder}/",
                ocsp_timeout=configured.timeout,
                ocsp_clock_skew=configured.clock_skew,
                ocsp_unavailable="Allow" if configured.allow else "Refuse",
            )
            text += gateway.door("fleet", port, "fleet")
            started.append(stack.enter_context(gateway.running_gateway(text)))
        if "revocation_store" in keys:
            for each in started:
                wait_until(lambda each=each: SHARED in each.output, "gateways have connected to Redis")  # type: ignore[misc]
        yield started[0], ports


def _context(device: pki.Credential, started: Gateway, number: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(started.directory / "server-root.pem"))
    context.load_cert_chain(*device.write(started.directory, f"device-{number}"))
    return context


def run(plan: Plan, seed: int) -> Run:
    """Runs the plan in real time."""
    return asyncio.run(_run(plan, seed))


async def _run(plan: Plan, seed: int) -> Run:
    issuer = gateway.certificates()["devices"]
    assert isinstance(issuer, pki.Authority)
    devices = [issuer.issue(f"device {number}") for number in range(plan.devices.count)]
    began = 0.0
    record = Record(lambda: time.monotonic() - began, plan)
    responder = RunningResponder(plan, issuer, {each.certificate.serial_number: each for each in devices}, record)
    servers = [await asyncio.start_server(serve, "127.0.0.1", backlog=1024) for serve in (responder.serve, _backend)]
    servers_at = [server.sockets[0].getsockname()[1] for server in servers]
    with _gateways(plan, *servers_at) as (started, ports):
        random = Random(seed)
        contexts = [_context(device, started, number) for number, device in enumerate(devices)]
        began = time.monotonic()
        lives = [
            asyncio.create_task(RunningDevice(plan, record, ports, context, Random(random.random())).live())
            for context in contexts
        ]
        done, _ = await asyncio.wait(lives, timeout=plan.seconds)
        for life in done:  # none ends by itself
            life.result()
        figures = record.figures(answers=0)
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        for server in servers:
            server.close()
    return Run(plan=plan, figures=figures, record=record)
