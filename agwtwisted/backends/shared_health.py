"""Health of servers in a gateway of several processes: the parent alone probes, and all workers have what it finds.

A worker reports what its requests find: that a server refuses connections, or accepts them though it is down. The
parent counts that as it would count its own, and every change of a server's health comes to all workers, in order.
While nothing comes, the last health stays.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from random import Random
from typing import Final

from twisted.internet.interfaces import IReactorTime

from agwtwisted.backends.health import SOON, Prober
from agwtwisted.backends.server_pools import ServerKey
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import Health, HealthState
from agwtwisted.interfaces import Siblings

HEALTH: Final = "health"
"""Published by the parent: the health of a server, and what it is known by."""

REFUSED: Final = "refused"
"""Published by a worker: what a server is known by that refused a connection."""

REACHED: Final = "reached"
"""The same of one that accepted a connection though it is down."""

_HEAD: Final = struct.Struct("!B?I")
_STATES: Final = tuple(HealthState)
_MOST_FAILURES: Final = 0xFFFFFFFF


def key_bytes(key: ServerKey) -> bytes:
    """What a server is known by, in every process with a configuration that says the same of it."""
    return "\0".join(map(str, key)).encode()


def payload_of(key: bytes, health: Health) -> bytes:
    """The health of a server for workers."""
    failures = min(health.failures, _MOST_FAILURES)
    return _HEAD.pack(_STATES.index(health.state), health.refused, failures) + key


def read(payload: bytes, now: float) -> tuple[bytes, Health]:
    """What a server is known by, and its health, which is as it is since `now`. Raises struct.error, IndexError."""
    state, refused, failures = _HEAD.unpack_from(payload)
    health = Health(state=_STATES[state], failures=failures, since=now, refused=refused)
    return payload[_HEAD.size :], health


class HealthPublisher:
    """The parent's side.

    Args:
        siblings: the workers.
    """

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings
        self._targets: dict[bytes, Target] = {}
        self._subscribed: list[Callable[[], None]] = []
        siblings.subscribe(REFUSED, self._refused)
        siblings.subscribe(REACHED, self._reached)

    def use(self, servers: Iterable[tuple[ServerKey, Target]]) -> None:
        """These are in force from now on: workers get the health of each, and every change of it."""
        for unsubscribe in self._subscribed:
            unsubscribe()
        self._targets = {key_bytes(key): target for key, target in servers}
        self._subscribed = [self._follow(key, target) for key, target in self._targets.items()]
        for _, payload in self.present():
            self._siblings.publish(HEALTH, payload)

    def present(self) -> Iterator[tuple[str, bytes]]:
        """The topic and payload of every server's health now: for a worker that begins."""
        return ((HEALTH, payload_of(key, target.health)) for key, target in self._targets.items())

    def _follow(self, key: bytes, target: Target) -> Callable[[], None]:
        def changed() -> None:
            self._siblings.publish(HEALTH, payload_of(key, target.health))

        target.subscribe(changed)
        return partial(target.unsubscribe, changed)

    def _refused(self, key: bytes) -> None:
        target = self._targets.get(key)
        if target is not None:
            target.refused()

    def _reached(self, key: bytes) -> None:
        target = self._targets.get(key)
        if target is not None:
            target.reached()


class ParentsHealth:
    """A worker's side: the health of servers as the parent has found it.

    Args:
        clock: monotonic.
        siblings: the way to the parent.
    """

    def __init__(self, clock: IReactorTime, siblings: Siblings) -> None:
        self._clock = clock
        self._siblings = siblings
        self._known: dict[bytes, Health] = {}
        self._targets: dict[bytes, Target] = {}
        self._reached_at: dict[bytes, float] = {}
        siblings.subscribe(HEALTH, self._heard)

    def use(self, servers: Iterable[tuple[ServerKey, Target]]) -> None:
        """These are in force from now on, with the health that is known of each; what others had is forgotten."""
        self.stop()
        self._targets = {key_bytes(key): target for key, target in servers}
        self._known = {key: health for key, health in self._known.items() if key in self._targets}
        for key, target in self._targets.items():
            target.when_refused = partial(self._refused, key, target)
            target.when_reached = partial(self._reached, key)
            if key in self._known:
                target.found(self._known[key])

    def stop(self) -> None:
        """Reports nothing more; the health stays as it is."""
        for target in self._targets.values():
            target.when_refused = target.when_reached = None
        self._targets = {}
        self._reached_at = {}

    def _heard(self, payload: bytes) -> None:
        key, health = read(payload, self._clock.seconds())
        self._known[key] = health
        target = self._targets.get(key)
        if target is not None:
            target.found(health)

    def _refused(self, key: bytes, target: Target) -> None:
        if target.health.state is not HealthState.DOWN:
            self._siblings.publish(REFUSED, key)

    def _reached(self, key: bytes) -> None:
        """Once a moment: the parent probes no more often for it."""
        now = self._clock.seconds()
        if now >= self._reached_at.get(key, now - SOON) + SOON:
            self._reached_at[key] = now
            self._siblings.publish(REACHED, key)


class HealthFollower(Prober):
    """In the place of a prober, in a worker: probes nothing, and has the parent's health in force while it runs.

    Args:
        health: of the parent.
        servers: all that routes lead to, with what each is known by.
        random: of the process.
    """

    def __init__(self, health: ParentsHealth, servers: Iterable[tuple[ServerKey, Target]], random: Random) -> None:
        super().__init__((), random)
        self._health = health
        self._servers = tuple(servers)

    def startService(self) -> None:
        """These servers have the parent's health from now on."""
        super().startService()
        self._health.use(self._servers)

    def stopService(self) -> None:
        """Reports nothing more."""
        super().stopService()
        self._health.stop()
