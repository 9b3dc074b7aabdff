"""What stands behind the demo's gateway: a server that shows what it gets, and an OCSP responder; also alone."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.error import CannotListenError
from twisted.internet.posixbase import PosixReactorBase
from twisted.web.resource import Resource
from twisted.web.server import Site

from agwtwisted.core.http.destinations import destination
from agwtwisted.core.plan.plan import Address, Plan
from agwtwisted.core.reports.route_report import address_and_port
from agwtwisted.demo.backend import ReceivedRequest
from agwtwisted.demo.certificates import DemoError
from agwtwisted.demo.responder import Authority, ResponderResource


def address(text: str | None) -> Address | None:
    """What ``HOST:PORT`` names, an IPv6 address in brackets; raises DemoError where it is something else."""
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    try:
        if not host or not 0 < int(port) < 65536:
            raise ValueError
    except ValueError:
        raise DemoError(f"{text}: needs to be HOST:PORT, as 127.0.0.1:9000 or [::1]:9000") from None
    return host.removeprefix("[").removesuffix("]"), int(port)


def start_servers(plan: Plan, pki: Path, reactor: PosixReactorBase) -> None:
    """Answers at every server's address of a configuration, and at every OCSP responder of its profiles.

    All of them have to be addresses of this machine. Raises DemoError where one cannot be listened on.
    """
    for address in _backend_addresses(plan):
        start_backend(address, reactor)
    for address in _responder_addresses(plan):
        start_responder(address, pki, reactor)


def start_backend(address: Address, reactor: PosixReactorBase) -> None:
    """Shows at this address what it gets; raises DemoError where that cannot be listened on."""
    _listen("demo backend", address, ReceivedRequest(), reactor)


def start_responder(address: Address, pki: Path, reactor: PosixReactorBase) -> None:
    """Answers at this address about the clients of a directory of certificates; raises DemoError where it cannot."""
    try:
        authority = Authority.of(pki)
    except (OSError, ValueError) as error:
        raise DemoError(f"demo responder: needs client.pem, revoked.pem and responder.pem in {pki}: {error}") from error
    _listen("demo responder", address, ResponderResource(authority, lambda: datetime.now(UTC)), reactor)


def serve(backend: Address | None, responder: Address | None, pki: Path, reactor: PosixReactorBase) -> None:
    """The backend, the responder or both without a gateway, until a signal comes; raises DemoError as these do."""
    if backend is not None:
        start_backend(backend, reactor)
        print(f"demo backend: http://{address_and_port(*backend)}/ shows what it gets", flush=True)
    if responder is not None:
        start_responder(responder, pki, reactor)
        where = address_and_port(*responder)
        print(f"demo responder: http://{where}/ answers about the certificates in {pki}", flush=True)
    stop_at_hangup(reactor)
    reactor.callWhenRunning(print, "Ctrl-C ends it.", flush=True)
    reactor.run()


def stop_at_hangup(reactor: PosixReactorBase) -> None:
    """Ends with the terminal, whose signal Twisted leaves alone; where it is ignored (nohup) it stays so."""
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(reactor.stop))


def reason(error: OSError) -> str:
    """The system's words alone; Python adds to them what the message says already."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)


def _backend_addresses(plan: Plan) -> list[Address]:
    routes = [(pool, settings.port) for pool, settings in plan.routes]
    routes += [(pool, settings.port) for pool, settings in plan.relay_routes]
    return sorted({(each.host, each.port or port) for pool, port in routes for each in pool.backend_addresses})


def _responder_addresses(plan: Plan) -> list[Address]:
    profiles = [listener.ssl_profile for listener in plan.config.http_listeners]
    urls = {profile.ocsp_responder_url for profile in profiles if profile} - {""}
    return sorted({(where.host, where.port) for where in map(destination, urls)})


def _listen(name: str, address: Address, resource: Resource, reactor: PosixReactorBase) -> None:
    site = Site(resource)
    site.noisy = False
    host, port = address
    try:
        reactor.listenTCP(port, site, interface=host)
    except CannotListenError as error:
        where = address_and_port(host, port)
        raise DemoError(f"{name}: cannot listen on {where}: {reason(error.socketError)}") from error
