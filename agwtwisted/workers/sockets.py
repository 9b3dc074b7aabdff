"""The listening sockets of workers: one for each worker and address. The kernel spreads connections among them.

The parent keeps them all (SO_REUSEPORT, socket(7)): a connection that waits in the queue of a worker that has died is
served by the next one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from agwtwisted.core.plan.plan import Address
from agwtwisted.listening.activation import OWN_SOCKETS, Binding
from agwtwisted.listening.listener import bind

Sockets: TypeAlias = Mapping[Address, Sequence[socket.socket]]
"""For each address as many as there are workers."""


def bind_all(addresses: Iterable[Address], count: int, binding: Binding = OWN_SOCKETS) -> Sockets:
    """Binds `count` sockets for each address, or none of them; raises BindError.

    An address of another program is busy, unless `reuse_port` is set, even where that program lets others share it. One
    socket that systemd has passed on is that of all workers.
    """
    bound: dict[Address, Sequence[socket.socket]] = {}
    try:
        for address in addresses:
            bound[address] = _bind(address, count, binding)
    except BaseException:
        close_all(bound)
        raise
    return bound


def _bind(address: Address, count: int, binding: Binding) -> Sequence[socket.socket]:
    inherited = [each for _ in range(count) if (each := binding.inherited.bound(address)) is not None]
    if inherited:
        return inherited
    if not binding.reuse_port:
        bind(*address).close()  # which fails where another program listens
    bound: list[socket.socket] = []
    try:
        for _ in range(count):
            bound.append(bind(*address, reuse_port=True))
    except BaseException:
        close_all({address: bound})
        raise
    return bound


def close_all(sockets: Sockets) -> None:
    """Closes them here."""
    for bound in sockets.values():
        for each in bound:
            each.close()
