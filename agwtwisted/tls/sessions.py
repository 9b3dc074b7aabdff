"""The contexts with which the connections of a port begin whose clients may resume TLS sessions.

They hold the keys of tickets and the sessions with ids, and no certificate: a site is chosen by its name a moment
later, and brings its own context. So they outlive the renewal of a site's certificate, and sites that come and go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

import attrs
from OpenSSL import SSL

from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.tls.contexts import SetVerify, apply_policy, restrict
from agwtwisted.tls.openssl import KNOWN, session_id, set_groups, store_sessions
from agwtwisted.transport.clocks import monotonic_time

SESSION_LIFE: Final = 7200
"""Seconds for which a session can be resumed."""

CONTEXT_LIFE: Final = 24 * 3600.0
"""Seconds after which other ticket keys are used: what they were stolen for is over then."""

SHARED_DAYS: Final = 7
"""Days for which workers share ticket keys: OpenSSL's are made with a context, and cannot be handed over."""

ROOM: Final = 1 << 24
"""Bytes that the sessions with ids of one port may take in memory: those of TLS 1.2 clients that know no tickets."""

_OF_ONE: Final = 4096
"""Bytes that such a session takes, the client's certificates not counted."""

_PARSED: Final = 8
"""Times its octets that a certificate takes which OpenSSL has parsed."""


class Keys(Enum):
    """Which tickets a new connection may be resumed with."""

    USUAL = "those of all clients"
    OTHER = "those since a session of this client was refused"
    NONE = "none: that happened again"


@attrs.frozen(kw_only=True)
class Birth:
    """What a connection has before its ClientHello has chosen a site: what OpenSSL does not take from the site's."""

    policy: TlsPolicy | None
    allow_weak: bool
    groups: bytes  # in the form of `openssl.set_groups`
    verify_mode: int
    set_verify: SetVerify
    max_depth: int
    session_id_context: bytes  # a session is resumed only where it is the same


class SessionContexts:
    """Those of one port.

    Args:
        birth: of its connections.
        servername_callback: chooses the site of each.
        content: the fingerprint of all that they are made of.
        seconds: a clock that cannot be set, the same in all processes.
        days: for how many of them keys are made in advance, for processes that are to have the same when this one is
            forked; afterwards each makes its own.
    """

    def __init__(
        self,
        birth: Birth,
        servername_callback: Callable[[SSL.Connection], None],
        content: str = "",
        seconds: Callable[[], float] = monotonic_time,
        days: int = 1,
    ) -> None:
        self.content = content
        self._birth = birth
        self._servername_callback = servername_callback
        self._seconds = seconds
        self._until = seconds() + CONTEXT_LIFE
        self._ids = IdRoom()
        self._stores = True  # the sessions with ids
        self._contexts = self._all_made()
        self._coming = deque([self._all_made() for _ in range(1, days)])

    @property
    def is_over(self) -> bool:
        """Whether all of their keys are too old."""
        return self._seconds() >= self._until + len(self._coming) * CONTEXT_LIFE

    def context(self, keys: Keys = Keys.USUAL) -> SSL.Context:
        """That of a new connection."""
        now = self._seconds()
        if now >= self._until:
            self._renew()
        elif not self._stores and self._ids.has_room(now):
            self._store(True)
        return self._contexts[keys]

    def completed(self, connection: SSL.Connection, received: int) -> None:
        """After a full handshake of TLS 1.2, in which the client sent so many bytes, certificates among them.

        Once the sessions with ids take all their room no more of them are stored, until the first of them are over.
        """
        if self._stores and session_id(connection):
            self._ids.take(_OF_ONE + _PARSED * received, self._seconds())
            if not self._ids.has_room(self._seconds()):
                self._store(False)

    def _renew(self) -> None:
        """Goes on to the keys of today."""
        now = self._seconds()
        while self._coming and now >= self._until:
            self._contexts = self._coming.popleft()
            self._until += CONTEXT_LIFE
        if now >= self._until:
            self._contexts = self._all_made()
            self._until = now + CONTEXT_LIFE
        self._ids = IdRoom()
        self._stores = True

    def _store(self, stores: bool) -> None:
        """Whether the sessions with ids of handshakes that end from now on are stored; those stored are found.

        A stored session is left to OpenSSL: to take it away (SSL_set_session) would make a connection forget what it
        has agreed on, its protocol among that, and take its close_notify for a defect.
        """
        self._stores = stores
        for keys in (Keys.USUAL, Keys.OTHER):
            store_sessions(self._contexts[keys], stores)

    def _all_made(self) -> dict[Keys, SSL.Context]:
        return {keys: self._made(resumable=keys is not Keys.NONE) for keys in Keys}

    def _made(self, *, resumable: bool) -> SSL.Context:
        birth = self._birth
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        apply_policy(context, birth.policy, allow_weak=birth.allow_weak)
        restrict(context, resumable=resumable)
        if not KNOWN:
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # what sessions with ids take could not be bounded
        set_groups(context, birth.groups)
        context.set_verify_depth(birth.max_depth)
        context.set_session_id(birth.session_id_context)
        context.set_timeout(SESSION_LIFE)
        if birth.verify_mode != SSL.VERIFY_NONE:
            birth.set_verify(context, birth.verify_mode)
        context.set_tlsext_servername_callback(self._servername_callback)
        return context


class IdRoom:
    """How much the sessions with ids may take that OpenSSL keeps until their time is over.

    OpenSSL's own limit is one of their number, twenty thousand, and the bindings cannot lower it.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._taken = 0
        self._until: deque[tuple[float, int]] = deque()

    def take(self, size: int, now: float) -> None:
        """So many bytes more, for the life of a session; what was taken for the last one may go beyond the room."""
        self._taken += size
        self._until.append((now + SESSION_LIFE, size))

    def has_room(self, now: float) -> bool:
        """Whether one more session may be stored: what others have taken whose life is over is given back first."""
        while self._until and self._until[0][0] <= now:
            self._taken -= self._until.popleft()[1]
        return self._taken < self._room
