"""From the path of a configuration file to a plan, or to every reason why it is not taken: as a value, and no exit.

`tap`, `explain` and the demo load with it. `placed` is around whatever is made of a plan, for what only OpenSSL or the
system can say: that is a problem of the configuration as well, with the line that asks for it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from agwtwisted.core.base.errors import AgwError, ConfigError, Place, Problem, SectionError
from agwtwisted.core.certificates.pem import read_certificates
from agwtwisted.core.configuration.parsing import parse
from agwtwisted.core.configuration.trust_coherence import key_of
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.resources.resources import Protocol
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.listening.listener import BindError
from agwtwisted.tls.backend_contexts import BackendContexts
from agwtwisted.tls.port_contexts import PortContexts

_SYSTEM_ROOTS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)


def load(file: str, now: datetime | None) -> Plan:
    """The plan of a configuration file.

    Args:
        file: its path; paths in it are relative to its directory.
        now: the time (aware) at which certificates have expired; None: dates do not count.

    Raises:
        ConfigError: with every problem, warnings included; so, too, where the file cannot be read.
    """
    try:
        source = read(file)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([Problem(place=Place(file=file), message=f"cannot be read: {reason}")]) from error
    return parse(source.data, file, read, mode=source.mode, now=now, system_roots=_system_roots)


def read(path: str) -> SourceFile:
    """A file that the configuration is or names; raises OSError where there is none."""
    with Path(path).open("rb") as file:
        return SourceFile(data=file.read(), mode=os.fstat(file.fileno()).st_mode)


def try_contexts(plan: Plan) -> None:
    """OpenSSL has the last word about certificates and groups: it is heard as when the ports are made.

    Raises:
        AgwError: it does not take one.
    """
    for port in plan.ports:
        if port.encrypted:
            PortContexts.of(port.sites, max_depth=plan.gateway.max_client_chain_depth)
    backends = BackendContexts()
    for _, settings in plan.routes:
        if settings.protocol is Protocol.HTTPS:
            backends.of(settings)


@contextmanager
def placed(plan: Plan) -> Iterator[None]:
    """Has what goes wrong inside raised as a ConfigError, with the line of the file that asks for it."""
    try:
        yield
    except ConfigError:
        raise  # it has its lines
    except (AgwError, OSError) as error:
        raise ConfigError([_problem(error, plan)]) from error


def _problem(error: AgwError | OSError, plan: Plan) -> Problem:
    match error:
        case BindError():
            section, key, message = plan.listener_at(error.where), "port", str(error)
        case SectionError():
            section, key, message = error.section, "", error.reason
        case OSError():
            log = plan.gateway.access_log
            section, key = "gateway", "state_directory"
            if log is not None and os.path.abspath(log) == error.filename:
                key = "access_log"
            message = f"{key} {error.filename} cannot be opened: {error.strerror}"
        case _:
            section, key, message = "", "", str(error)
    return Problem(place=plan.origins.place(section, key), section=section, message=message)


def _system_roots() -> frozenset[bytes]:
    """The keys of the authorities that this machine trusts for servers; none where they stand at no usual place."""
    for path in (ssl.get_default_verify_paths().cafile or "", *_SYSTEM_ROOTS):
        with suppress(OSError):
            found = read_certificates(read(path).data, "").certificates
            return frozenset(key_of(block.certificate) for block in found)
    return frozenset()
