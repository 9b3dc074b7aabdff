"""The options about a gateway that comes as ARM JSON: what its document cannot say of this machine.

Each is a key of the section `[arm]`, over the one that the overlay has; `core/sections/arm_keys.py` says what it means.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # it takes its time
    from agwtwisted.arm_files import ArmArguments

_FIRST_NUMBER: Final = 1_000_001
"""Of `page.N` and `value.N`: an overlay has its own from 1 on, which stay."""


def add_arm_options(parser: argparse.ArgumentParser) -> None:
    """The options of every command that takes ARM JSON."""
    add_overlay(parser)
    group = parser.add_argument_group("a gateway in ARM JSON", "each is a key of [arm] in the overlay, too")
    for name, metavar, meaning in _REPEATED:
        kind = str if name in ("port", "address", "parameters") else _pair
        group.add_argument(
            f"--{name}", dest=f"arm_{name}", action="append", default=[], type=kind, metavar=metavar, help=meaning
        )
    for name, metavar, meaning in _SINGLE:
        group.add_argument(f"--{name}", dest=f"arm_{name.replace('-', '_')}", metavar=metavar, help=meaning)


def add_overlay(parser: argparse.ArgumentParser) -> None:
    """`--overlay`: where the further keys of a document are."""
    parser.add_argument(
        "--overlay",
        metavar="FILE",
        help="the INI file with further keys for an ARM document; default: gateway.overlay.ini beside gateway.json",
    )


_REPEATED: Final = (
    ("port", "THERE=HERE", "ports in place of those of the document: 443=8443,80=8080"),
    ("address", "ADDRESS", "where to listen, or FRONTEND=ADDRESS for one frontend; default: 127.0.0.1"),
    ("backend", "POOL=SERVERS", "servers in place of those of a pool: app=127.0.0.1:8000,127.0.0.1:8001"),
    ("certificate", "NAME=FILE", "the file of a certificate that is in a Key Vault; of a PFX FILE:PASSWORDFILE"),
    ("page", "URL=FILE", "the error page that the document has at this URL"),
    ("parameters", "FILE", "parameters of the template"),
    ("parameter", "NAME=VALUE", "one of them; no secrets: every user of the machine sees a command line"),
    ("value", "EXPRESSION=VALUE", "the value of an expression that only a deployment knows, as errors name it"),
)
"""Options that may be repeated."""

_SINGLE: Final = (
    ("port-offset", "N", "a number to add to every other port: 8000 makes 8443 of 443"),
    ("tls-policy", "POLICY", "a predefined TLS policy in place of retired ones"),
    ("name", "GATEWAY", "the gateway, where the document has several"),
)


def arm_arguments(options: argparse.Namespace) -> ArmArguments:
    """What a command line says about an ARM document; paths are absolute, for a daemon has another directory."""
    from agwtwisted.arm_files import ArmArguments

    overlay: str | None = getattr(options, "overlay", None)
    keys = tuple(_keys(options)) if hasattr(options, "arm_port") else ()
    return ArmArguments(overlay=None if overlay is None else os.path.abspath(overlay), keys=keys)


def _keys(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if options.arm_port:
        yield "ports", ", ".join(options.arm_port)
    for text in options.arm_address:
        frontend, equals, address = text.rpartition("=")
        yield (f"address.{frontend}" if equals else "address"), address
    for family in ("backend", "parameter"):
        for text in getattr(options, f"arm_{family}"):
            name, _, value = text.partition("=")
            yield f"{family}.{name}", value
    for text in options.arm_certificate:
        yield from _certificate(text)
    for number, text in enumerate(options.arm_page, start=_FIRST_NUMBER):
        url, _, file = text.rpartition("=")  # a URL may have equals signs of its own
        yield f"page.{number}", f"{url} {os.path.abspath(file)}"
    for number, text in enumerate(options.arm_value, start=_FIRST_NUMBER):
        yield f"value.{number}", text
    if options.arm_parameters:
        yield "parameters", "\n".join(map(os.path.abspath, options.arm_parameters))
    for key in ("port_offset", "tls_policy", "name"):
        if (value := getattr(options, f"arm_{key}")) is not None:
            yield key, value


def _certificate(text: str) -> Iterator[tuple[str, str]]:
    """``NAME=FILE:PASSWORDFILE``; a path with a colon can stand in the overlay alone."""
    name, _, files = text.partition("=")
    file, colon, password = files.partition(":")
    yield f"certificate.{name}", os.path.abspath(file)
    if colon:
        yield f"password.{name}", os.path.abspath(password)


def _pair(text: str) -> str:
    """Raises ArgumentTypeError where a text has no name."""
    name, equals, _ = text.partition("=")
    if not equals or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} has no name: write NAME=VALUE")
    return text
