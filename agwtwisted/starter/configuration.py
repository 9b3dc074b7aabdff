"""The text of a first configuration file, with every line of it explained, for the mode that is asked for."""

from __future__ import annotations

import textwrap
from enum import Enum
from typing import Final, TypeAlias

import attrs

_COLUMN: Final = 40
"""Where comments begin."""

_WIDTH: Final = 120

Setting: TypeAlias = tuple[str, str]
"""A line of the file, and what it means."""


class StarterMode(Enum):
    """What the first gateway does with its clients."""

    STRICT = "strict"
    PASSTHROUGH = "passthrough"
    L4 = "l4"


@attrs.frozen(kw_only=True)
class Starter:
    """What is to be different from one first configuration to the next."""

    mode: StarterMode
    address: str
    port: int
    backend: str  # host:port
    names: tuple[str, ...]  # of the server's certificate
    state: str
    ocsp: str = ""  # the URL of a responder; empty: revocation is not checked

    @property
    def trusts(self) -> bool:
        """Whether the gateway itself verifies its clients."""
        return self.mode is not StarterMode.PASSTHROUGH

    def text(self) -> str:
        """The file."""
        return "\n\n".join([_HEAD[self.mode], *map(_rendered, self._sections())]) + "\n"

    def _sections(self) -> list[list[Setting]]:
        relay = self.mode is StarterMode.L4
        sections = [_gateway(self), _certificate(self)]
        sections += [_trusted(), _strict(self)] if self.trusts else [_passthrough()]
        sections += [_relay_listener(self) if relay else _http_listener(self), _pool(self)]
        return sections + ([_relay_settings(self), _relay_rule()] if relay else [_http_settings(), _http_rule()])


_LEGEND: Final = """\
;
; The commands for this file; each takes `--config` with its path:
;   agw check     shows what the file means, or every error in it with its line, and starts nothing
;   agw run       starts the gateway; Ctrl-C ends it, once requests in progress are answered
;   agw reload    has the running gateway take what was changed here, without ending a connection
;
; A section begins with [kind name]: it is a resource of Azure Application Gateway, and a key is one of the resource's
; properties, written in snake_case. What follows a semicolon is a comment. Paths are relative to this file, durations
; are in seconds. `agw reference docs` writes pages with every key and its default."""

_HEAD: Final = {
    StarterMode.STRICT: "; A gateway that lets in clients with a certificate of the CA in pki/ca.pem, and no others.\n"
    + _LEGEND,
    StarterMode.PASSTHROUGH: "; A gateway that asks clients for a certificate, and passes on to the server what they"
    " send, unverified.\n" + _LEGEND,
    StarterMode.L4: "; A gateway that relays the bytes of any protocol (L4), for clients with a certificate of the CA"
    " in pki/ca.pem.\n" + _LEGEND,
}


def _rendered(section: list[Setting]) -> str:
    return "\n".join(_line(setting, meaning) for setting, meaning in section)


def _line(setting: str, meaning: str) -> str:
    """The line, with its meaning behind it, on further lines where it is long."""
    lines = textwrap.wrap(meaning, _WIDTH - _COLUMN - 2, break_on_hyphens=False)
    if len(setting) >= _COLUMN:
        return "\n".join([*(f"; {line}" for line in lines), setting])
    before = [setting, *[""] * (len(lines) - 1)]
    return "\n".join(f"{part:<{_COLUMN}}; {line}" for part, line in zip(before, lines, strict=True))


def _gateway(starter: Starter) -> list[Setting]:
    return [
        ("[gateway]", "what concerns the gateway as a whole"),
        (
            "access_log = -",
            "one line of JSON for every request and every refused client; - is standard output, or else the path of a"
            " file",
        ),
        (
            f"state_directory = {starter.state}",
            "what outlives a restart, and the control socket, by which `agw status` and other commands ask the running"
            " gateway; made if it is missing",
        ),
        (
            "max_connections = 1000",
            "of clients at once; each takes up to two file descriptors (ulimit -n). The default is 20000",
        ),
    ]


def _certificate(starter: Starter) -> list[Setting]:
    return [
        ("[ssl_certificate server]", "a certificate that the gateway shows to clients, and the key of it"),
        (
            "certificate_file = pki/server.pem",
            f"names and addresses in it: {', '.join(starter.names)}. In a file of your own: the server's certificate"
            " first, then the intermediates (PEM)",
        ),
        ("key_file = pki/server.key", "its private key, readable by its owner only (chmod 600)"),
    ]


def _trusted() -> list[Setting]:
    return [
        ("[trusted_client_certificate local]", "a CA whose client certificates are trusted"),
        (
            "file = pki/ca.pem",
            "one root and, below it, its intermediates (PEM); a certificate of any other CA is refused",
        ),
    ]


def _strict(starter: Starter) -> list[Setting]:
    settings = [
        ("[ssl_profile clients]", "how clients prove who they are"),
        (
            "verify_client_auth_mode = Strict",
            "a client without a valid certificate is refused; Passthrough: what it sends is not verified",
        ),
        ("trusted_client_certificates = local", "the section above; several with commas"),
    ]
    if starter.ocsp:
        settings += [
            ("verify_client_revocation = OCSP", "a responder is asked whether a certificate was revoked"),
            (
                f"ocsp_responder_url = {starter.ocsp}",
                "this one, instead of the one that the certificate names; without an answer the client is refused",
            ),
        ]
    return settings


def _passthrough() -> list[Setting]:
    return [
        ("[ssl_profile clients]", "how clients prove who they are"),
        (
            "verify_client_auth_mode = Passthrough",
            "clients are asked for a certificate, and none is refused: the server gets the certificate in a header, and"
            " has to verify it. Strict: only clients with a certificate of a trusted CA get in; that takes"
            " trusted_client_certificates here, and a section [trusted_client_certificate]",
        ),
    ]


def _address(starter: Starter) -> list[Setting]:
    return [
        (
            f"address = {starter.address}",
            "127.0.0.1 is reached from this machine only; 0.0.0.0 is every IPv4 address of it, :: every IPv6 one",
        ),
        (f"port = {starter.port}", "a port below 1024 takes a privilege (CAP_NET_BIND_SERVICE)"),
    ]


def _http_listener(starter: Starter) -> list[Setting]:
    return [
        ("[http_listener public]", "where the gateway accepts clients"),
        *_address(starter),
        ("protocol = Https", "Https, or Http without TLS and without client certificates"),
        ("ssl_certificate = server", "the section [ssl_certificate server] above"),
        ("ssl_profile = clients", "the section [ssl_profile clients]; without it no client is asked for a certificate"),
    ]


def _relay_listener(starter: Starter) -> list[Setting]:
    return [
        ("[listener public]", "where the gateway accepts clients; an L4 listener knows nothing of HTTP"),
        *_address(starter),
        ("protocol = Tls", "Tls, or Tcp without TLS and without client certificates"),
        ("ssl_certificate = server", "the section [ssl_certificate server] above"),
        ("ssl_profile = clients", "the section [ssl_profile clients]; without it no client is asked for a certificate"),
    ]


def _pool(starter: Starter) -> list[Setting]:
    return [
        ("[backend_address_pool app]", "the servers that the gateway leads to"),
        (f"backend_addresses = {starter.backend}", "host:port; several with commas share the load"),
    ]


def _http_settings() -> list[Setting]:
    return [
        ("[backend_http_settings app]", "how the gateway speaks to them"),
        ("protocol = Http", "Http or Https; both ask the server for / every 30 seconds, to know whether it is well"),
        ("request_timeout = 20", "until the server answers: after that the client gets 504"),
        (
            "client_certificate_headers = on",
            "the server gets what the gateway knows of the client's certificate in headers, X-Client-Certificate and"
            " others; they are removed from what clients send",
        ),
    ]


def _relay_settings(starter: Starter) -> list[Setting]:
    return [
        ("[backend_settings app]", "how the gateway connects to them"),
        (f"port = {starter.backend.rpartition(':')[2]}", "of servers that have none of their own in the pool"),
        ("protocol = Tcp", "Tcp: what the client sends, without its TLS; or Tls"),
        ("timeout = 300", "without a byte in either direction: after that the session ends"),
    ]


def _http_rule() -> list[Setting]:
    return [
        ("[request_routing_rule main]", "leads from the listener to the servers"),
        ("priority = 100", "1 to 20000, each number once; of several rules the smallest counts first"),
        ("http_listener = public", "requests of clients that were accepted here"),
        ("backend_address_pool = app", "go to one of these servers"),
        ("backend_http_settings = app", "in this way"),
    ]


def _relay_rule() -> list[Setting]:
    return [
        ("[routing_rule main]", "leads from the listener to the servers"),
        ("priority = 100", "1 to 20000, each number once"),
        ("listener = public", "the bytes of clients that were accepted here"),
        ("backend_address_pool = app", "go to one of these servers"),
        ("backend_settings = app", "in this way"),
    ]
