"""Configurations for tests: files in memory, and a gateway that is right, to be made wrong one thing at a time."""

from __future__ import annotations

import errno
from functools import cache

import attrs

from agwtwisted.core.base.errors import ConfigError
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Config
from agwtwisted.core.sections.sources import SourceFile
from tests import pki

FILE = "conf/gw.ini"

GOOD = """\
[gateway]
access_log = -

[ssl_certificate site]
certificate_file = pki/site.pem
key_file = pki/site.key

[trusted_client_certificate devices]
file = pki/clients-ca.pem

[ssl_profile strict]
verify_client_auth_mode = Strict
trusted_client_certificates = devices

[http_listener public]
address = 127.0.0.1
port = 8443
protocol = Https
ssl_certificate = site
ssl_profile = strict

[backend_address_pool app]
backend_addresses = 127.0.0.1:9000

[backend_http_settings app]
port = 9000

[request_routing_rule public]
priority = 100
http_listener = public
backend_address_pool = app
backend_http_settings = app
"""


@attrs.define
class Files:
    """Files in memory, all with mode 0600 unless `modes` says another; a missing one raises FileNotFoundError."""

    data: dict[str, bytes] = attrs.Factory(dict)
    modes: dict[str, int] = attrs.Factory(dict)
    asked: list[str] = attrs.Factory(list)

    def read(self, path: str) -> SourceFile:
        """A reader for `parse`."""
        self.asked.append(path)
        if path not in self.data:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return SourceFile(data=self.data[path], mode=self.modes.get(path, 0o100600))


@cache
def clients_root() -> pki.Authority:
    """The root of the clients, one for the whole run."""
    return pki.Authority.root("Clients Root")


@cache
def site() -> pki.Credential:
    """The server's certificate, one for the whole run."""
    return pki.Authority.root("Servers Root").intermediate("Servers").issue_server("localhost")


def files(**others: bytes) -> Files:
    """The files that GOOD names, and others in conf/pki; ``_`` in a name is a dot: ``other_key`` is other.key."""
    data = {
        "conf/pki/site.pem": site().chain_pem,
        "conf/pki/site.key": site().key_pem,
        "conf/pki/clients-ca.pem": clients_root().pem,
    }
    return Files(data | {f"conf/pki/{name.replace('_', '.')}": content for name, content in others.items()})


def plan(text: str = GOOD, source: Files | None = None) -> Plan:
    """The configuration, compiled; ConfigError where it is wrong."""
    return parse(text.encode(), FILE, (source or files()).read, now=pki.NOW)


def load(text: str = GOOD, source: Files | None = None) -> Config:
    """Its values alone."""
    return plan(text, source).config


def said(text: str, source: Files | None = None) -> list[str]:
    """Every problem, errors and warnings, as printed."""
    try:
        return [str(problem) for problem in load(text, source).warnings]
    except ConfigError as error:
        return [str(problem) for problem in error.problems]


def noted(text: str, source: Files | None = None) -> list[str]:
    """What a valid configuration has without effect, each without its place."""
    return [str(note).partition("] ")[2] for note in load(text, source).notes]


def changed(*changes: tuple[str, str]) -> str:
    """GOOD with some of its text replaced; what is replaced must stand there once."""
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text


def with_listener(name: str, *, port: int = 8443, profile: str = "", extra: str = "", priority: int = 0) -> str:
    """Sections for one more Https listener on 127.0.0.1, with its rule."""
    asks = f"ssl_profile = {profile}\n" if profile else ""
    return f"""
[http_listener {name}]
address = 127.0.0.1
port = {port}
protocol = Https
ssl_certificate = site
{asks}{extra}

[request_routing_rule {name}]
priority = {priority or 1000 + sum(name.encode())}
http_listener = {name}
backend_address_pool = app
backend_http_settings = app
"""


STRICT = "verify_client_auth_mode = Strict\ntrusted_client_certificates = devices\n"
"""The profile of GOOD."""

PASSTHROUGH = "verify_client_auth_mode = Passthrough\ntrusted_client_certificates = devices\n"
"""One for it whose paths may require certificates."""

RULE = "backend_address_pool = app\nbackend_http_settings = app\n"
"""Where the rule of GOOD leads."""

MAP = "\n[url_path_map map]\ndefault_backend_address_pool = app\ndefault_backend_http_settings = app\n"


def mapped(*path_rules: str, profile: str = STRICT) -> str:
    """GOOD with a map in its rule, and these path rules."""
    text = changed((RULE, "rule_type = PathBasedRouting\nurl_path_map = map\n"), (STRICT, profile))
    return text + MAP + "".join(path_rules)


def path_rule(name: str, paths: str, *, extra: str = "", end: str = RULE) -> str:
    """A section for the map of `mapped`."""
    return f"\n[path_rule map/{name}]\npaths = {paths}\n{end}{extra}"


def redirect(name: str, *keys: str) -> str:
    """A section of a redirect, of the type Found."""
    return "\n".join([f"\n[redirect_configuration {name}]", "redirect_type = Found", *keys, ""])


def names_of_size(total: int) -> list[bytes]:
    """Names (DER) of CAs that have so many bytes together in a CertificateRequest; some 1000 each."""
    sizes = [1000] * (total // 1000)
    sizes[-1] += total % 1000 if total % 1000 < 200 else 0
    sizes += [total % 1000] if total % 1000 >= 200 else []
    return [_name_of_size(size - 2, number) for number, size in enumerate(sizes)]


def _name_of_size(size: int, number: int) -> bytes:
    """A name of organizational units, the last of which fills it up."""
    first = f"{number} ".encode()
    for last in range(1, 65):
        for units in range(size // 75 - 2, size // 75 + 2):
            texts = [first.ljust(64, b"x"), *[b"x" * 64] * units, b"y" * last]
            parts = [pki.tlv(0x31, pki.tlv(0x30, bytes.fromhex("060355040b"), pki.tlv(0x0C, each))) for each in texts]
            name = pki.tlv(0x30, *parts)
            if len(name) == size:
                return name
    raise AssertionError(f"no name has {size} bytes")
