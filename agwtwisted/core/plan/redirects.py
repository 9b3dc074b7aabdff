"""Where a redirect sends a client: the Location of its answer, from what was compiled at load and one request.

Path and query are kept where the configuration says so. The product's page "Request routing rules" says that a path
cannot be forwarded to an external site; the product does append it (its interface has `includePath` for both kinds of
target), and so does the gateway. A redirect knows nothing of rewrite rules: it is the request's own path that is kept.
"""

from __future__ import annotations

import re

import attrs

from agwtwisted.core.base.errors import UnacceptableError, shown
from agwtwisted.core.http.host_names import host_and_port
from agwtwisted.core.resources.resources import HttpListener, Protocol, RedirectConfiguration

_URL = re.compile(r"https?://([^/?#]+)(?:[/?#][!-~]*)?", re.IGNORECASE)
DEFAULT_PORTS = {Protocol.HTTP: 80, Protocol.HTTPS: 443}


@attrs.frozen(kw_only=True)
class Redirect:
    """A redirect configuration, compiled: its target taken apart where something of the request is put in."""

    name: str  # of the configuration
    status: int
    start: bytes  # of the target, up to its host where that is the request's, else to the end of its path
    port: bytes | None = None  # follows the request's host; None: the target has a host of its own
    query: bytes = b""
    fragment: bytes = b""  # with its "#"
    include_path: bool = False
    include_query_string: bool = False

    @classmethod
    def of(cls, configuration: RedirectConfiguration) -> Redirect:
        """Compiles a configuration that was found right."""
        port = None
        if configuration.target_listener is not None:
            start, port = _before_path(configuration.target_listener)
            query = fragment = sharp = b""
        else:
            rest, sharp, fragment = configuration.target_url.encode("ascii").partition(b"#")
            start, _, query = rest.partition(b"?")
        return cls(
            name=configuration.name,
            status=configuration.redirect_type.status,
            start=start,
            port=port,
            query=query,
            fragment=sharp + fragment,
            include_path=configuration.include_path,
            include_query_string=configuration.include_query_string,
        )

    @property
    def needs_host(self) -> bool:
        """Whether the host is the request's."""
        return self.port is not None

    def location(self, host: str, target: bytes) -> bytes:
        """The value of the Location header, as fit for a header as the request's own host and target.

        Args:
            host: of the request, without port, as in `RequestHead`.
            target: of the request, in origin-form or ``*``.
        """
        path, _, query = target.partition(b"?")
        location = self.start
        if self.port is not None:
            location += host.encode("ascii") + self.port
        if self.include_path:
            location = location.removesuffix(b"/") + (b"/" if path == b"*" else path)
        query = b"&".join(filter(None, (self.query, query if self.include_query_string else b"")))
        return location + (b"?" + query if query else b"") + self.fragment


def redirect_url(text: str) -> str:
    """A URL to which a redirect may lead: as fit for a header as it stands."""
    match = _URL.fullmatch(text)
    if match is None:
        raise UnacceptableError(f"is {shown(text)}, but must be a URL in ASCII that begins with https:// or http://")
    if not match[1].isascii():
        raise UnacceptableError(f"is {shown(text)}: write the host name with xn--")
    host_and_port(match[1])
    return text


def _before_path(listener: HttpListener) -> tuple[bytes, bytes | None]:
    """The start of URLs of a listener and, unless it has a host name of its own, what follows the host."""
    scheme = listener.protocol.value.lower().encode() + b"://"
    port = b"/" if listener.port == DEFAULT_PORTS[listener.protocol] else b":%d/" % listener.port
    if not listener.host_names:
        return scheme, port
    [name] = listener.host_names  # that there are no more is seen to at load
    return scheme + name.encode("ascii") + port, None
