"""L4 listeners in memory: a port of a real configuration, clients with and without TLS, backends on a `Network`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import DNSLookupError

from agwtwisted.backends.resolver import Resolver
from agwtwisted.core.base.log_rate_limiter import LogRateLimiter
from agwtwisted.core.identity.clients import ClientRevocationStatus, PendingClient, RevocationFinding
from agwtwisted.core.resources.resources import SslProfile
from agwtwisted.core.verification import reasons
from agwtwisted.core.verification.verdicts import Refused
from agwtwisted.listening.admission import Limits
from agwtwisted.listening.ports import PortEnvironment, unchecked
from agwtwisted.relay.backends import RelayBackends
from agwtwisted.relay.port import RelayPort
from agwtwisted.tls.port_contexts import PortContexts
from tests import clients, configurations, pki
from tests.clients import PROFILES, client_context
from tests.clocks import SettableClock
from tests.servers import Server
from tests.wires import Line, Network

POOLS = """
[backend_address_pool brokers]
backend_addresses = {addresses}

[backend_settings mqtt]
port = 1883
timeout = 60
{settings}
"""


def text(*listeners: str, addresses: str = "127.0.0.1", settings: str = "", gateway: str = "") -> str:
    """A configuration whose L4 listeners share one port: ``text("mqtt strict", "open - open.example")``.

    Each is a name, a profile (``-`` for none, ``tcp`` for no TLS) and host names; what follows ``;`` are more keys.
    """
    rules = "".join(map(_listener, range(1, 1 + len(listeners)), listeners))
    return PROFILES.format(gateway=gateway) + POOLS.format(addresses=addresses, settings=settings) + rules


def _listener(number: int, line: str) -> str:
    line, _, extra = line.partition(";")
    name, profile, *hosts = line.split()
    keys = [f"[listener {name}]", "port = 8883"]
    keys += ["protocol = Tcp"] if profile == "tcp" else ["protocol = Tls", "ssl_certificate = site"]
    if profile not in ("-", "tcp"):
        keys.append(f"ssl_profile = {profile}")
    if hosts:
        keys.append(f"host_names = {', '.join(hosts)}")
    keys += [extra.strip()]
    keys += [f"[routing_rule {name}]", f"priority = {number}", f"listener = {name}"]
    keys += ["backend_address_pool = brokers", "backend_settings = mqtt"]
    return "\n".join(keys) + "\n\n"


def _unknown(name: str) -> Deferred[Any]:
    return fail(DNSLookupError(name))


class Check:
    """Whether certificates were revoked: the test answers, as often as it is asked."""

    def __init__(self) -> None:
        self.asked: list[Deferred[RevocationFinding]] = []
        self.cancelled = 0
        self.watching: list[Callable[[], None]] = []

    def __call__(self, client: PendingClient) -> Deferred[RevocationFinding]:
        """A question."""
        answer: Deferred[RevocationFinding] = Deferred(self._cancel)
        self.asked.append(answer)
        return answer

    def _cancel(self, deferred: Deferred[RevocationFinding]) -> None:
        self.cancelled += 1

    def watch(self, client: PendingClient, told: Callable[[], None]) -> Callable[[], None]:
        """Keeps the subscribers."""
        self.watching.append(told)
        return lambda: self.watching.remove(told)

    def of(self, profile: SslProfile | None) -> Check:
        """For every profile."""
        return self

    def answer(self, *, good: bool = True, seconds: float = 3600.0) -> None:
        """Answers the last question."""
        finding = RevocationFinding(status=ClientRevocationStatus.GOOD, until=pki.NOW.timestamp() + seconds)
        if not good:
            finding = RevocationFinding(status=ClientRevocationStatus.REVOKED, refusal=Refused(reasons.REVOKED))
        self.asked[-1].callback(finding)


class Stand:
    """One port of L4 listeners, on a `Network` whose time is that of the tests' certificates, or on that of another."""

    def __init__(
        self, configuration: str, *, check_of: Any = unchecked, files: Any = None, before: Stand | None = None
    ) -> None:
        self.network = before.network if before else Network()
        if before is None:
            self.network.advance(pki.NOW.timestamp())
        self.log = before.log if before else clients.Log()
        self.wall = before.wall if before else SettableClock(self.network)
        plan = configurations.plan(configuration, files or clients.files())
        config = plan.config
        self.limits = before.limits if before else Limits(config.gateway, self.network)
        [port] = plan.relay_ports.values()
        self.backends = RelayBackends(self.network, Resolver(self.network, _unknown))  # type: ignore[arg-type]
        self.port = RelayPort(
            port,
            PortContexts.of(port.sites, max_depth=config.gateway.max_client_chain_depth) if port.encrypted else None,
            PortEnvironment(
                gateway=config.gateway,
                limits=self.limits,
                clock=self.network,
                wall=self.wall,
                access_log=self.log,  # type: ignore[arg-type]
                limiter=LogRateLimiter(self.network.seconds),
                check_of=check_of,
            ),
            backends=self.backends,
        )

    def reloaded(self, configuration: str, **others: Any) -> Stand:
        """The same with another configuration, whose port has taken over."""
        following = Stand(configuration, before=self, **others)
        following.port.take_over(self.port)
        return following

    def backend(self, port: int = 1883, host: str = "127.0.0.1") -> Any:
        """The server at that address."""
        return self.network.backend(port, host)

    def pool(self, name: str, settings: str) -> Any:
        """The servers of a pool under some settings."""
        return self.backends._servers._pools[name, settings]

    def dial(self, address: str = "192.0.2.7", port: int = 50000) -> Line:
        """A TCP client, who has said nothing yet."""
        connection: Any = self.port.accept(address, port)
        assert connection is not None, "not admitted"
        line = self.network.dial(connection)
        self.network.advance(0)
        return line

    def shake_hands(self, context: SSL.Context | None = None, name: str = "", *, line: Line | None = None) -> Server:
        """A TLS client, after its handshake, well or badly."""
        client = Server(self.network, line or self.dial(), context or client_context())
        client.tls.set_connect_state()
        if name:
            client.tls.set_tlsext_host_name(name.encode())
        client.talk()
        return client

    @property
    def record(self) -> dict[str, Any]:
        """The one line of the log."""
        [record] = self.log.records
        return record

    def nothing_is_left(self) -> bool:
        """Whether no connection is counted or known any more, and no timer runs."""
        counted = (len(self.limits.connections), len(self.limits.handshakes), self.limits._by_address)
        known = (len(self.port.connections), self.port._sessions)
        return (counted, known, self.network.timers()) == ((0, 0, {}), (0, {}), [])
