"""TLS clients in memory: pyOpenSSL on one end, the connection of a port of a real configuration on the other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache
from random import Random
from tempfile import NamedTemporaryFile
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from agwtwisted.backends.pools import Backends
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.http.header_names import HeaderNames
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Config, SslProfile
from agwtwisted.exchange.exchange import HttpExchanges
from agwtwisted.http.port import HttpPort
from agwtwisted.identity.revalidation import Check
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.ports import PortEnvironment, unchecked
from agwtwisted.operations.refusals import Refusals
from agwtwisted.tls.handshake import ServerHandshake
from agwtwisted.tls.port_contexts import PortContexts
from agwtwisted.tls.resumption import Resumption
from tests import configurations, pki
from tests.clocks import SettableClock

TLS_1_2, TLS_1_3 = SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION
VERSIONS = (TLS_1_2, TLS_1_3)
WARNING, FATAL = 1, 2
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

PROFILES = """\
[gateway]
access_log = -
{gateway}
[ssl_certificate site]
certificate_file = pki/site.pem
key_file = pki/site.key

[trusted_client_certificate devices]
file = pki/clients-ca.pem

[trusted_client_certificate partners]
file = pki/partners.pem

[ssl_profile strict]
verify_client_auth_mode = Strict
trusted_client_certificates = devices

[ssl_profile http400]
verify_client_auth_mode = Strict
trusted_client_certificates = devices
refusal = Http400

[ssl_profile partners]
verify_client_auth_mode = Strict
trusted_client_certificates = partners

[ssl_profile pinned]
verify_client_auth_mode = Strict
trusted_client_certificates = partners
verify_client_cert_issuer_dn = true

[ssl_profile weak]
verify_client_auth_mode = Strict
trusted_client_certificates = devices
allow_weak = true

[ssl_profile passthrough]
verify_client_auth_mode = Passthrough

[backend_address_pool app]
backend_addresses = 127.0.0.1:9000

[backend_http_settings app]
port = 9000
client_certificate_headers = all
"""


def text(*listeners: str, gateway: str = "") -> str:
    """A configuration whose listeners share one port: ``text("basic strict", "open - open.example")``.

    Each is a name, a profile (``-`` for none) and host names, separated by spaces; what follows ``;`` are more keys.
    """
    return PROFILES.format(gateway=gateway) + "".join(map(_listener, range(1, 1 + len(listeners)), listeners))


def _listener(number: int, line: str) -> str:
    line, _, extra = line.partition(";")
    name, profile, *hosts = line.split()
    asks = "" if profile == "-" else f"ssl_profile = {profile}"
    named = f"host_names = {', '.join(hosts)}" if hosts else ""
    return (
        f"""
[http_listener {name}]
port = 8443
protocol = Https
ssl_certificate = site
{asks}
{named}
{extra.strip()}

[request_routing_rule {name}]
priority = {number}
http_listener = {name}
backend_address_pool = app
backend_http_settings = app
""".replace("\n\n\n", "\n")
        .replace("\n\n[r", "\n[r")
        .replace("\n\nhost", "\nhost")
        .replace("\n\nreq", "\nreq")
    )


def plain(configuration: str) -> str:
    """The same with Http for Https, and so without certificates and profiles."""
    configuration = re.sub("ssl_profile = .*\n", "", configuration)
    return configuration.replace("protocol = Https\nssl_certificate = site\n", "protocol = Http\n")


@cache
def partners() -> pki.Authority:
    """An intermediate of a second root."""
    return pki.Authority.root("Partners Root").intermediate("Partners")


@cache
def device() -> pki.Credential:
    """A client that the profiles of devices trust."""
    return configurations.clients_root().issue("device 7")


@cache
def partner() -> pki.Credential:
    """A client that the profiles of partners trust."""
    return partners().issue("partner 7")


@cache
def stranger() -> pki.Credential:
    """A client of an unknown CA."""
    return pki.Authority.root("Strangers Root").issue("stranger")


def certificate_fingerprint(credential: pki.Credential) -> str:
    """A certificate's fingerprint, as the log has it."""
    return hashlib.sha1(credential.der).hexdigest()


def files(**others: bytes) -> configurations.Files:
    """The files that the configurations of `text` name."""
    return configurations.files(**{"partners_pem": pki.bundle(partners(), partners().issuers[0]), **others})


class Log:
    """An access log that keeps its lines."""

    enabled = True

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def timestamp(self) -> bytes:
        """A time of no interest."""
        return b"2026-06-01T12:00:00+00:00"

    def write(self, line: bytes) -> None:
        """Keeps a line."""
        self.lines.append(line)

    def write_later(self, line: Callable[[], bytes]) -> None:
        """The same."""
        if made := line():
            self.lines.append(made)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The lines, read, with the properties among the rest."""
        read = [json.loads(line) for line in self.lines]
        return [{**record, **record["properties"]} for record in read]


class Gateway:
    """One port of a configuration, on a clock, with a log and a reactor in memory; with those of the one `before`."""

    def __init__(
        self,
        configuration: str | Config,
        source: configurations.Files | None = None,
        *,
        before: Gateway | None = None,
        check_of: Callable[[SslProfile | None], Check | None] = unchecked,
    ) -> None:
        if isinstance(configuration, str):
            configuration = configurations.load(configuration, source or files())
        self.config = configuration
        self.reactor = before.reactor if before else MemoryReactorClock()
        if before is None:
            self.reactor.advance(pki.NOW.timestamp())
        self.log = before.log if before else Log()
        self.wall = before.wall if before else SettableClock(self.reactor)
        self.limits = before.limits if before else Limits(self.config.gateway, self.reactor)
        self.refusals = before.refusals if before else Refusals(worker=1, wall=self.wall.seconds)
        self.exchanges = HttpExchanges(
            self.config.gateway,
            Backends(self.reactor),
            self.reactor,
            self.log,
            Random(0),  # type: ignore[arg-type]
            wall=self.wall.seconds,
            refusals=self.refusals,
        )
        [plan] = Plan.of(self.config).http_ports.values()
        self.contexts = (
            PortContexts.of(
                plan.sites,
                max_depth=self.config.gateway.max_client_chain_depth,
                address=plan.address,
                kept=None if before is None else before.contexts,
                seconds=self.reactor.seconds,
            )
            if plan.encrypted
            else None
        )
        self.port = HttpPort(
            plan,
            self.contexts,
            PortEnvironment(
                gateway=self.config.gateway,
                limits=self.limits,
                clock=self.reactor,
                wall=self.wall,
                access_log=self.log,  # type: ignore[arg-type]
                limiter=LogRateLimiter(self.reactor.seconds),
                check_of=check_of,
                refusals=self.refusals,
                resumption=before.port.resumption if before else Resumption(self.reactor.seconds),
            ),
            exchanges=self.exchanges,
            names=HeaderNames(reject_odd=False),
        )

    def reloaded(self, configuration: str, **others: Any) -> Gateway:
        """The gateway of another configuration, whose port has taken over."""
        following = Gateway(configuration, before=self, **others)
        following.port.take_over(self.port)
        return following

    def client(self, context: SSL.Context | None = None, name: str = "", *, address: str = "192.0.2.7") -> Client:
        """A client that has connected, and said nothing yet."""
        return Client(self.port, context or client_context(), name, address)

    def shake_hands(self, context: SSL.Context | None = None, name: str = "") -> Client:
        """A client after its handshake, well or badly."""
        client = self.client(context, name)
        client.talk()
        return client

    def backend(self) -> bytes:
        """The events of the last connection to a backend, once it is made."""
        _, _, factory, _, _ = self.reactor.tcpClients[-1]
        transport = Transport()
        factory.buildProtocol(None).makeConnection(transport)
        return transport.sent

    def answering(self) -> Callable[[bytes], None]:
        """The last connection to a backend, which has taken the request; a call of it answers."""
        _, _, factory, _, _ = self.reactor.tcpClients[-1]
        connection = factory.buildProtocol(None)
        connection.makeConnection(Transport())
        answer: Callable[[bytes], None] = connection.dataReceived
        return answer

    @property
    def forwarded(self) -> int:
        """How many connections to backends were begun."""
        return len(self.reactor.tcpClients)


class Transport:
    """A `sockets.Socket` in memory; it takes `room` bytes at a time, None for any."""

    def __init__(self) -> None:
        self.sent = b""  # and not yet read by the client
        self.room: int | None = None
        self.reading = True
        self.writing = False  # whether room is to be told
        self.ended = ""  # "half", "closed", "aborted"
        self.arrived = 0
        self.owner: Any = None

    def send(self, data: bytes | memoryview) -> int:
        """Sends what there is room for."""
        count = len(data) if self.room is None else min(self.room, len(data))
        if self.room is not None:
            self.room -= count
        self.sent += data[:count]
        self.arrived += count
        return count

    def took_none(self, error: OSError) -> None:
        """Nothing is raised here."""

    def start_writing(self) -> None:
        """Room is reported."""
        self.writing = True

    def stop_writing(self) -> None:
        """No more."""
        self.writing = False

    def pause(self) -> None:
        """No more input."""
        self.reading = False

    def resume(self) -> None:
        """Input again."""
        self.reading = True

    def bound_reads(self, size: int) -> None:
        """It brings what it is given."""

    def bound_unsent(self, size: int) -> None:
        """It takes all."""

    def shut_down_output(self) -> None:
        """Ends one direction."""
        self.ended = self.ended or "half"

    def close_now(self) -> None:
        """Ends it, with nothing left to send."""
        assert not self.writing
        self.close_later()

    def close_later(self) -> None:
        """Ends it."""
        self.ended = self.ended if self.ended == "aborted" else "closed"

    def abort(self) -> None:
        """Ends it at once."""
        self.ended = "aborted"

    def has_unread(self) -> bool:
        """Nothing is."""
        return False

    def is_reset(self) -> bool:
        """It is not."""
        return False

    def acknowledged(self) -> int:
        """What was sent."""
        return self.arrived

    def round_trip_time(self) -> bytes:
        """None worth a word."""
        return b"0"

    def getHost(self) -> IPv4Address:
        """An address of no interest."""
        return IPv4Address("TCP", "127.0.0.1", 50001)

    def drain(self, room: int | None = None) -> None:
        """The peer reads again, `room` bytes or all there are."""
        self.room = room
        while self.writing and self.room != 0:
            self.owner.writable()


class Client:
    """A TLS client on the other end of a port's connection; `talk` lets both speak until neither has more to say."""

    def __init__(self, port: HttpPort, context: SSL.Context, name: str, address: str) -> None:
        connection = port.accept(address, 50000)
        assert connection is not None, "not admitted"
        self.connection = connection
        self.transport = Transport()
        self.received = b""
        self.error: SSL.Error | None = None
        self.established = False
        self.closed = False  # whether a close_notify came
        self.alerts: list[tuple[int, int]] = []  # level and description, as they came
        self.raw = b""  # everything that the server sent
        self.lost = False
        self.tls = SSL.Connection(context, None)
        alerts = self.alerts

        def note(_: SSL.Connection, where: int, value: int) -> None:
            if where & SSL.SSL_CB_READ_ALERT == SSL.SSL_CB_READ_ALERT:
                alerts.append((value >> 8, value & 0xFF))

        self.tls.set_info_callback(note)
        if name:
            self.tls.set_tlsext_host_name(name.encode())
        self.tls.set_connect_state()
        self.transport.owner = connection
        connection.makeConnection(self.transport)

    @property
    def server_side(self) -> SSL.Connection:
        """OpenSSL's connection on the other end."""
        connection: Any = self.connection
        if isinstance(connection.receiver, ServerHandshake):
            return connection.receiver._tls
        found: SSL.Connection = connection.codec._records._connection
        return found

    @property
    def is_shaking_hands(self) -> bool:
        """Whether OpenSSL is in the handshake, on the other end."""
        shaking: Any = self.connection.receiver
        return isinstance(shaking, ServerHandshake) and shaking._owner is not None and shaking._taken > 0

    # -- what it does

    def talk(self) -> None:
        """Both speak until neither has more to say."""
        while self._hear() | self._speak():
            pass
        if self.transport.ended in ("closed", "aborted") and not self.transport.writing:
            self.lose()

    def say(self, data: bytes) -> None:
        """Sends application data, and hears the answer."""
        self.tls.sendall(data)
        self.talk()

    def hello(self) -> bytes:
        """The bytes that the client would send next."""
        with suppress(SSL.WantReadError):
            self.tls.do_handshake()
        return self.outgoing()

    def outgoing(self) -> bytes:
        """What lies ready to be sent."""
        try:
            return self.tls.bio_read(1 << 20)
        except SSL.WantReadError:
            return b""

    def give(self, data: bytes) -> None:
        """Hands raw bytes to the server."""
        self.connection.dataReceived(data)

    def take(self) -> bytes:
        """The raw bytes that the server sent since."""
        sent, self.transport.sent = self.transport.sent, b""
        self.raw += sent
        return sent

    def leave(self) -> None:
        """Sends close_notify, and is gone."""
        self.tls.shutdown()
        self.talk()
        self.lose()

    def lose(self) -> None:
        """The connection is over."""
        if not self.lost:
            self.lost = True
            self.transport.owner = None
            self.connection.connectionLost(Failure(ConnectionDone()))

    # -- how

    def _hear(self) -> bool:
        sent = self.take()
        if sent:
            self.tls.bio_write(sent)
        return bool(sent)

    def _speak(self) -> bool:
        if self.error is None and not self.closed:
            try:
                if not self.established:
                    self.tls.do_handshake()
                    self.established = True
                while True:
                    self.received += self.tls.recv(1 << 16)
            except SSL.WantReadError:
                pass
            except SSL.ZeroReturnError:
                self.closed = True
            except SSL.Error as error:
                self.error = error
        data = self.outgoing() if self.transport.reading and not self.lost else b""
        if data:
            self.give(data)
        return bool(data)


def client_context(
    credential: pki.Credential | None = None,
    *,
    version: int | None = None,
    sent: Sequence[pki.Credential] | None = None,
    protocols: Sequence[bytes] = (),
    groups: bytes = b"",
    ciphers: bytes = b"",
) -> SSL.Context:
    """A client's context.

    Args:
        credential: its certificate, sent with its intermediates.
        version: the only one it speaks.
        sent: the authorities that it sends, where not its intermediates.
        protocols: what it offers by ALPN.
        groups: of key exchange; a key share is sent for the first alone.
        ciphers: of TLS 1.2.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(ciphers or b"ALL:@SECLEVEL=0")
    if version is not None:
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
    if credential is not None:
        _use(context, credential)
        for authority in credential.issuers[:-1] if sent is None else sent:
            context.add_extra_chain_cert(x509.load_der_x509_certificate(authority.der))
    if protocols:
        context.set_alpn_protos(list(protocols))
    if groups:
        assert SSL._lib.SSL_CTX_set1_curves_list(context._context, groups) == 1  # type: ignore[attr-defined]
    return context


def _use(context: SSL.Context, credential: pki.Credential) -> None:
    """By way of a file: OpenSSL takes certificates that cryptography cannot read."""
    with NamedTemporaryFile() as file:
        file.write(credential.der)
        file.flush()
        context.use_certificate_file(file.name, crypto.FILETYPE_ASN1)
    context.use_privatekey(credential.key)
