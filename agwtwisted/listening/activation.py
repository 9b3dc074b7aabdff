"""Listening sockets that systemd has made and passes on (LISTEN_FDS of sd_listen_fds(3)), instead of bound ones.

systemd keeps its own descriptor of each: connections that come while no gateway runs wait in the socket's queue for the
next one. So nothing is done to such a socket that would outlive this process.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import attrs

from agwtwisted.core.base.errors import AgwError, shown
from agwtwisted.core.plan.plan import Address
from agwtwisted.listening.listener import InheritedSocket, bind, display

FIRST: Final = 3
"""The descriptor of the first one (SD_LISTEN_FDS_START)."""

_SO_DETACH_FILTER: Final = 27  # of Linux, which the socket module does not name


_VARIABLES: Final = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class ActivationError(AgwError):
    """Sockets that were passed on and cannot be used; the message names each."""


@attrs.frozen
class Inherited:
    """The sockets that were passed on to this process, by the address that each listens on.

    They stay open for as long as this is kept: a listener gets a descriptor of its own.
    """

    sockets: Mapping[Address, InheritedSocket] = attrs.field(factory=dict, repr=False)
    names: Mapping[Address, str] = attrs.Factory(dict)  # FileDescriptorName= of the socket unit

    @classmethod
    def of_process(cls) -> Inherited:
        """Those of this process; its variables are removed, so that no child takes the sockets for its own.

        Raises:
            ActivationError: one of them is no socket that a gateway can accept on.
        """
        for name in _VARIABLES:
            os.environ.pop(name, None)
        return cls.of(_environment_of_start(), os.getpid())

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Inherited:
        """Those that an environment names, if it is for the process with this id; raises the same."""
        count, named, names = (environment.get(name, "") for name in _VARIABLES)
        if not (count.isascii() and count.isdigit()) or named != str(pid):
            return cls()
        titles = names.split(":") if names else []
        titles += [""] * (int(count) - len(titles))
        sockets: dict[Address, InheritedSocket] = {}
        found: dict[Address, str] = {}
        problems = []
        for descriptor, title in enumerate(titles[: int(count)], FIRST):
            try:
                address, taken = _another(descriptor, sockets)
            except _UnusableError as error:
                problems.append(f"descriptor {descriptor}{_title(title)} {error}")
            else:
                sockets[address], found[address] = taken, title
        if problems:
            for taken in sockets.values():
                taken.close()
            raise ActivationError(_text(problems))
        return cls(sockets, found)

    def bound(self, address: Address) -> InheritedSocket | None:
        """The socket of an address, with a descriptor of its own; None: none was passed on for it."""
        inherited = self.sockets.get(address)
        if inherited is None:
            return None
        own = inherited.dup()
        own.setblocking(False)
        return own

    def check(self, addresses: Iterable[Address]) -> None:
        """Whether each of them is for a listener, of those of a configuration.

        Raises:
            ActivationError: some are not; clients that connect to those would wait in vain.
        """
        unused = sorted(set(self.sockets) - set(addresses))
        if unused:
            problems = [f"no listener has the address {display(*each)}{_title(self.names[each])}" for each in unused]
            raise ActivationError(_text(problems, _advice(unused, addresses)))


@attrs.frozen(kw_only=True)
class Binding:
    """Where the listening sockets of a process come from."""

    inherited: Inherited = attrs.Factory(Inherited)
    reuse_port: bool = False  # as `[gateway] reuse_port` has it

    def check(self, addresses: Iterable[Address]) -> None:
        """Raises `ActivationError` where a socket was passed on for none of the addresses."""
        self.inherited.check(addresses)

    def bind(self, address: Address) -> socket.socket:
        """The socket that was passed on for an address, or one that is bound; raises `BindError`."""
        inherited = self.inherited.bound(address)
        return bind(*address, reuse_port=self.reuse_port) if inherited is None else inherited


OWN_SOCKETS: Final = Binding()
"""Of a gateway that binds all of its sockets, and shares none."""


class _UnusableError(Exception):
    """What is wrong about a descriptor."""


def _another(descriptor: int, sockets: Mapping[Address, InheritedSocket]) -> tuple[Address, InheritedSocket]:
    """A socket beside these, with its address; raises _UnusableError."""
    taken = _taken(descriptor)
    address: Address = taken.getsockname()[:2]
    if address in sockets:
        taken.close()
        raise _UnusableError(f"listens on {display(*address)} as another does")
    return address, taken


def _environment_of_start() -> Mapping[str, str]:
    """The environment that the process was started with.

    When Twisted's endpoints are imported they take these variables out of `os.environ`, and keep the descriptors for
    descriptions of endpoints ("systemd:index=0"), of which the gateway has none.
    """
    try:
        entries = Path("/proc/self/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    pairs = (os.fsdecode(entry).partition("=") for entry in entries)
    return {name: value for name, _, value in pairs}


def _taken(descriptor: int) -> InheritedSocket:
    """The socket behind a descriptor, which children do not inherit, with the options of a bound one."""
    try:
        os.set_inheritable(descriptor, False)
    except OSError as error:
        raise _UnusableError("is not open") from error
    try:
        taken = InheritedSocket(fileno=descriptor)
    except OSError:
        raise _UnusableError("is no socket") from None
    reason = _unusable(taken)
    if reason:
        taken.close()
        raise _UnusableError(reason)
    taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):  # there is none, as a rule
        taken.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    taken.setblocking(False)
    return taken


def _unusable(taken: socket.socket) -> str:
    """Why no listener can have this socket; empty where one can."""
    if taken.family not in (socket.AF_INET, socket.AF_INET6) or taken.type != socket.SOCK_STREAM:
        return "is no TCP socket: write ListenStream= with an IP address and a port"
    if not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "is no listening socket: write Accept=no"
    if taken.family == socket.AF_INET6 and not taken.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        return (
            "takes IPv4 connections on an IPv6 address: write BindIPv6Only=ipv6-only, and for IPv4 a ListenStream= of "
            "its own"
        )
    return ""


def _title(name: str) -> str:
    return f" ({shown(name)})" if name else ""


def _text(problems: Iterable[str], advice: str = "") -> str:
    return f"sockets of the service manager (LISTEN_FDS): {'; '.join(problems)}{advice}"


def _advice(unused: Iterable[Address], addresses: Iterable[Address]) -> str:
    """What may be meant where a port is right and the address is not."""
    wanted = {port: address for address, port in addresses}
    found = [display(wanted[port], port) for _, port in unused if port in wanted]
    return f" (there are listeners on {', '.join(found)})" if found else ""
