"""The octets of the gateway's own requests: directly to a server, or to a proxy."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import urlsplit

from agwtwisted.core.http.destinations import Destination
from agwtwisted.core.http.header_lines import Header, rendered
from agwtwisted.core.http.host_names import bracketed
from agwtwisted.core.http.service_urls import ProxyAddress
from agwtwisted.outbound.fetching import OutboundRequest

_DEFAULT_PORTS = {"http": 80, "https": 443}


def authority_of(destination: Destination) -> bytes:
    """Host, and port where it is not that of the scheme (RFC 9110 section 4.2.3)."""
    host = bracketed(destination.host)
    is_default = destination.port == _DEFAULT_PORTS[destination.scheme]
    return (host if is_default else f"{host}:{destination.port}").encode()


def octets_of(request: OutboundRequest, proxy: ProxyAddress | None = None) -> bytes:
    """A whole request; to a proxy, which passes it on, in the absolute form (RFC 9112 section 3.2.2)."""
    destination = request.destination
    authority = authority_of(destination)
    parts = urlsplit(destination.url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}".encode()
    extra = () if proxy is None else _credentials(proxy)
    if proxy is not None:
        target = b"%b://%b%b" % (destination.scheme.encode(), authority, target)
    if request.method != b"GET":
        extra = (*extra, (b"Content-Length", b"%d" % len(request.body)))
    lines = rendered((*request.headers, *extra))
    return b"%b %b HTTP/1.1\r\nHost: %b\r\n%b\r\n%b" % (request.method, target, authority, lines, request.body)


def connect_octets(destination: Destination, proxy: ProxyAddress) -> bytes:
    """The request for a tunnel to a server (RFC 9110 section 9.3.6)."""
    authority = f"{bracketed(destination.host)}:{destination.port}".encode()
    return b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, rendered(_credentials(proxy)))


def _credentials(proxy: ProxyAddress) -> tuple[Header, ...]:
    """What proves to the proxy who asks (RFC 7617)."""
    if not proxy.user:
        return ()
    return ((b"Proxy-Authorization", b"Basic " + b64encode(f"{proxy.user}:{proxy.password}".encode())),)
