"""The server variables: one table of what rewrite rules and conditions can ask about a request and its client.

Names and values are those of the product page "Rewrite HTTP headers and URL". All of them describe the request as the
client sent it: what rules change shows in the headers (``http_req_NAME``), never here. Each is computed when a rule
asks for it, from a `Context`, and empty where there is no value.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from enum import Enum
from operator import attrgetter
from typing import Final, TypeAlias

import attrs

from agwtwisted.core.http.messages import METHODS
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.rules.variable_values import joined, joined_values
from agwtwisted.core.tls.client_hello import suite_names
from agwtwisted.core.tls.ja4 import FORM
from agwtwisted.core.verification.verdicts import verification_variable

FromContext: TypeAlias = Callable[[Context], bytes]
AllFromContext: TypeAlias = Callable[[Context], tuple[bytes, ...]]


class Comparison(Enum):
    """How conditions look at the value of a variable."""

    TEXT = "octet by octet"
    DISTINGUISHED_NAME = "patterns do not take a part of a value for an attribute: `core.certificates.names`"
    HOST_NAME = "letter case does not count (RFC 4343)"


class About(Enum):
    """What the value of a variable depends on. It decides how headers and conditions that use it are protected."""

    CERTIFICATE = "the client's certificate or the verdict on it: what is set from it says who the client is"
    CONNECTION = "anything else about the connection"
    PATH = "the path of the request"
    REQUEST = "anything else about the request"
    RESPONSE = "the response; there is no value before it is there"


@attrs.frozen(kw_only=True)
class ServerVariable:
    """One variable: its name without ``var_``, its meaning in one line, and how it is read."""

    name: str
    about: About
    meaning: str
    read: FromContext = attrs.field(repr=False)
    ours: bool = False  # the product has none of this name
    # Of a variable with several values; `read` joins them.
    read_all: AllFromContext | None = attrs.field(default=None, repr=False)
    # The values of which servers may take another than `read`.
    read_rivals: AllFromContext | None = attrs.field(default=None, repr=False)
    comparison: Comparison = Comparison.TEXT
    form: str = ""  # a pattern that every value fits which is not empty; "": any text may be one


def cookie(name: bytes) -> FromContext:
    """How the cookie of that name is read: the first, names are compared with case (RFC 6265)."""
    read_all = cookies(name)
    return lambda context: next(iter(read_all(context)), b"")


def cookies(name: bytes) -> AllFromContext:
    """How all cookies of that name are read, any of which a server may take (RFC 6265 section 4.2.2)."""
    beginning = name + b"="

    def read_all(context: Context) -> tuple[bytes, ...]:
        pairs = [pair.strip(b" \t") for pair in joined(context.head.headers, b"cookie").split(b";")]
        return tuple([pair[len(beginning) :] for pair in pairs if pair.startswith(beginning)])

    return read_all


def _add_x_forwarded_for_proxy(context: Context) -> bytes:
    earlier, address = context.head.forwarded_for, _client_ip(context)
    return earlier + b", " + address if earlier else address


def _client_ip(context: Context) -> bytes:
    return context.client.connection.address.encode()


def _client_user(context: Context) -> bytes:
    """As nginx's ``$remote_user``: RFC 7617, the password is not verified."""
    scheme, _, credentials = joined(context.head.headers, b"authorization").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        user, colon, _ = binascii.a2b_base64(credentials.strip(b" \t"), strict_mode=True).partition(b":")
    except binascii.Error:
        return b""
    return user if colon else b""


def _query(context: Context) -> bytes:
    return context.head.target.partition(b"?")[2]


def _http_status(context: Context) -> bytes:
    return b"" if context.response is None else b"%d" % context.response.status


def _verification(context: Context) -> bytes:
    return verification_variable(context.client.verdict).encode()


def _of_certificate(field: str) -> FromContext:
    """How a field of the certificate is read."""

    def read(context: Context) -> bytes:
        certificate = context.client.certificate
        return b"" if certificate is None else getattr(certificate, field)

    return read


def _product(name: str, about: About, meaning: str, read: FromContext, form: str = "") -> ServerVariable:
    return ServerVariable(name=name, about=about, meaning=meaning, read=read, form=form)


def _ours(name: str, about: About, meaning: str, read: FromContext, form: str = "") -> ServerVariable:
    return ServerVariable(name=name, about=about, meaning=meaning, read=read, form=form, ours=True)


def _name(name: str, meaning: str, field: str) -> ServerVariable:
    """A distinguished name of the certificate."""
    return ServerVariable(
        name=name,
        about=About.CERTIFICATE,
        meaning=meaning,
        read=_of_certificate(field),
        comparison=Comparison.DISTINGUISHED_NAME,
    )


def _attribute(
    name: str, meaning: str, read_all: AllFromContext, comparison: Comparison = Comparison.TEXT
) -> ServerVariable:
    """An attribute of the certificate, with all of its values."""

    def read(context: Context) -> bytes:
        remembered = context.client.remembered
        if name not in remembered:
            remembered[name] = joined_values(read_all(context))
        found: bytes = remembered[name]
        return found

    return ServerVariable(
        name=name,
        about=About.CERTIFICATE,
        meaning=meaning,
        read=read,
        ours=True,
        read_all=read_all,
        comparison=comparison,
    )


_TABLE: Final = (
    _product(
        "add_x_forwarded_for_proxy",
        About.REQUEST,
        "X-Forwarded-For as received with client_ip appended, without ports",
        _add_x_forwarded_for_proxy,
    ),
    _product(
        "ciphers_supported",
        About.CONNECTION,
        "the cipher suites that the client offered, in OpenSSL's names",
        lambda context: suite_names(context.client.connection.offered_suites),
    ),
    _product(
        "ciphers_used",
        About.CONNECTION,
        "the cipher suite of the TLS connection, in OpenSSL's name",
        lambda context: context.client.connection.cipher.encode(),
    ),
    _product(
        "client_ip", About.CONNECTION, "address of the client, or of the proxy in front of the gateway", _client_ip
    ),
    _product(
        "client_port", About.CONNECTION, "the client's port", lambda context: b"%d" % context.client.connection.port
    ),
    _product(
        "client_tcp_rtt",
        About.CONNECTION,
        "round-trip time of the client's connection in microseconds, if the system provides it",
        lambda context: context.client.connection.tcp_rtt(),
    ),
    _product(
        "client_user",
        About.REQUEST,
        "user name of HTTP Basic authentication; the password is not verified",
        _client_user,
    ),
    _product(
        "host",
        About.REQUEST,
        "host name of the request, lower case, without port",
        lambda context: context.head.host.encode(),
        r"[^A-Z\s:]*[^A-Z\s:.]|\[?[0-9a-f:.]+\]?",
    ),
    _product(
        "http_method",
        About.REQUEST,
        "GET, POST, …",
        lambda context: context.head.method,
        b"|".join(sorted(METHODS)).decode(),
    ),
    _product("http_status", About.RESPONSE, "status of the response; for response headers only", _http_status),
    _product(
        "http_version",
        About.REQUEST,
        "HTTP/1.0, HTTP/1.1 or HTTP/2.0",
        lambda context: b"HTTP/" + context.head.version,
        r"HTTP/(1\.[01]|2\.0)",
    ),
    _product("query_string", About.REQUEST, "the query of the URL, without ?", _query),
    _product(
        "received_bytes",
        About.REQUEST,
        "bytes of the request: of its head and, once the response has begun, of its body too",
        lambda context: b"%d" % (context.received_bytes or context.head.size),
        "[0-9]+",
    ),
    _product("request_query", About.REQUEST, "the same as query_string", _query),
    _product(
        "request_scheme",
        About.CONNECTION,
        "http or https",
        lambda context: b"https" if context.client.connection.tls_version else b"http",
        "https?",
    ),
    _product(
        "request_uri",
        About.PATH,
        "path and query of the URL as received; the path is normalized if it decides access",
        lambda context: context.target,
    ),
    _product(
        "sent_bytes",
        About.REQUEST,
        "bytes of the response that went to the client so far",
        lambda context: b"%d" % context.sent_bytes,
        "[0-9]+",
    ),
    _product(
        "server_port",
        About.CONNECTION,
        "the gateway's port that the client connected to",
        lambda context: b"%d" % context.client.connection.gateway_port,
    ),
    _product(
        "ssl_connection_protocol",
        About.CONNECTION,
        "TLSv1.2 or TLSv1.3",
        lambda context: context.client.connection.tls_version.encode(),
        r"TLSv1\.[23]",
    ),
    _product(
        "ssl_enabled",
        About.CONNECTION,
        "On over TLS, else empty",
        lambda context: b"On" if context.client.connection.tls_version else b"",
        "On",
    ),
    _product(
        "uri_path",
        About.PATH,
        "path of the URL as received, percent-encoded; normalized if it decides access",
        lambda context: context.target.partition(b"?")[0],
    ),
    _product(
        "client_certificate",
        About.CERTIFICATE,
        "the client's certificate, as PEM in URL encoding",
        _of_certificate("certificate"),
    ),
    _product(
        "client_certificate_end_date",
        About.CERTIFICATE,
        "its end: May 30 15:32:00 2023 GMT",
        _of_certificate("end_date"),
    ),
    _product(
        "client_certificate_fingerprint",
        About.CERTIFICATE,
        "its SHA-1, lower-case hexadecimal",
        _of_certificate("fingerprint"),
        "[0-9a-f]{40}",
    ),
    _name("client_certificate_issuer", "its issuer's distinguished name (RFC 2253)", "issuer"),
    _product(
        "client_certificate_serial",
        About.CERTIFICATE,
        "its serial number, upper-case hexadecimal",
        _of_certificate("serial"),
        "-?(?:[0-9A-F]{2})+",
    ),
    _product(
        "client_certificate_start_date", About.CERTIFICATE, "its start, as its end", _of_certificate("start_date")
    ),
    _name("client_certificate_subject", "its subject's distinguished name (RFC 2253)", "subject"),
    _product(
        "client_certificate_verification",
        About.CERTIFICATE,
        "SUCCESS, PASSTHROUGH (sent and not verified), NONE (not sent), empty if the listener asks for none",
        _verification,
        "SUCCESS|PASSTHROUGH|NONE",
    ),
    _ours(
        "ssl_session_reused",
        About.CONNECTION,
        "On if the handshake resumed a TLS session, else empty",
        lambda context: b"On" if context.client.connection.session_reused else b"",
        "On",
    ),
    _ours("client_ja4", About.CONNECTION, "JA4 fingerprint of its TLS", attrgetter("client.connection.ja4"), FORM),
    _ours(
        "client_certificate_fingerprint_sha256",
        About.CERTIFICATE,
        "its SHA-256, lower-case hexadecimal",
        lambda context: context.fingerprint_sha256,
        "[0-9a-f]{64}",
    ),
    _ours(
        "client_certificate_san_dns",
        About.CERTIFICATE,
        "its alternative names that are DNS names, with `, ` between them",
        lambda context: context.dns_names,
    ),
    _ours(
        "client_certificate_san_uri",
        About.CERTIFICATE,
        "its alternative names that are URIs, with `, ` between them",
        lambda context: context.uris,
    ),
    _attribute(
        "client_certificate_subject_cn",
        "the common names of its subject, each a value by itself",
        lambda context: context.attributes.common_names,
    ),
    _attribute(
        "client_certificate_subject_ou",
        "the organizational units of its subject, likewise",
        lambda context: context.attributes.organizational_units,
    ),
    _attribute(
        "client_certificate_subject_o",
        "the organizations of its subject, likewise",
        lambda context: context.attributes.organizations,
    ),
    _attribute(
        "client_certificate_subject_dns",
        "its alternative names that are DNS names, each a value by itself, compared without case",
        lambda context: context.attributes.dns_names,
        Comparison.HOST_NAME,
    ),
    _attribute(
        "client_certificate_subject_uri",
        "its alternative names that are URIs, each a value by itself",
        lambda context: context.attributes.uris,
    ),
    _attribute(
        "client_certificate_subject_email",
        "its e-mail addresses, of the alternative names and of the subject, each a value by itself",
        lambda context: context.attributes.email_addresses,
    ),
)

SERVER_VARIABLES: Final = {variable.name: variable for variable in _TABLE}
"""Every variable by its name; ``cookie_NAME`` besides, by `server_variable`."""

COOKIE: Final = "cookie_"
"""What begins the name of a variable that is a cookie."""

_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def server_variable(name: str) -> ServerVariable | None:
    """The variable of that name, without ``var_``; None where there is none."""
    if name.startswith(COOKIE) and _COOKIE_NAME.fullmatch(name, len(COOKIE)):
        of_that_name = name[len(COOKIE) :].encode()
        return ServerVariable(
            name=name,
            about=About.REQUEST,
            meaning="the value of a cookie",
            read=cookie(of_that_name),
            read_rivals=cookies(of_that_name),
        )
    return SERVER_VARIABLES.get(name)
