"""The contexts of the sites of a port, and which of them a client gets: the choice by server name (SNI).

For the ports, for `explain`, and for loading, which makes them to see whether OpenSSL takes a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import attrs
from OpenSSL import SSL

from agwtwisted.core.http.host_names import is_address
from agwtwisted.core.plan.fingerprints import Fingerprints
from agwtwisted.core.plan.plan import Address
from agwtwisted.core.plan.resumption import why_not_resumed
from agwtwisted.core.plan.routing import AnySite, NamedSites, RelaySite, S
from agwtwisted.core.tls.client_hello import server_name_in
from agwtwisted.core.tls.extensions import openssl_groups
from agwtwisted.tls.client_certificates import ClientCertificates, set_verify
from agwtwisted.tls.contexts import Basis, SiteContext, Trusts, VariablesOf, asks, site_context, trusted_variables
from agwtwisted.tls.openssl import KNOWN, session_reused
from agwtwisted.tls.sessions import Birth, Keys, SessionContexts
from agwtwisted.transport.clocks import monotonic_time


@attrs.frozen(eq=False)
class PortContexts:
    """The contexts of every site of a port, and the choice among them."""

    sites: NamedSites[Any]
    by_site: dict[AnySite, SiteContext]
    first: SiteContext  # of the basic listener, else of any
    sessions: SessionContexts | None  # with which connections begin; None: with the first, and none is resumed

    @classmethod
    def of(
        cls,
        sites: NamedSites[S],
        *,
        max_depth: int,
        trusts: Trusts | None = None,
        variables_of: VariablesOf | None = None,
        address: Address = ("", 0),
        kept: PortContexts | None = None,
        fingerprints: Fingerprints | None = None,
        seconds: Callable[[], float] = monotonic_time,
        days: int = 1,
    ) -> PortContexts:
        """Makes the contexts, but for those that are in `kept` with the same content.

        Args:
            sites: of the port.
            max_depth: of a client's chain.
            trusts: what is made of the CAs of the configuration's profiles, with the same depth; None: this port's own.
            variables_of: the memory that the ports of a gateway share; None: this port has its own.
            address: of the port, that its sessions are bound to.
            kept: the contexts of the same address that are in force.
            fingerprints: those of the configuration.
            seconds: a clock that cannot be set, the same in all processes.
            days: for how many of them ticket keys are made in advance.
        """
        making = _Making(
            sites.all(),
            trusts or Trusts(max_depth),
            variables_of or trusted_variables(),
            address,
            fingerprints or Fingerprints(),
        )
        before = {} if kept is None else {each.content: each for each in kept.by_site.values()}
        by_site: dict[AnySite, SiteContext] = {site: making.site_context(site, before) for site in sites.all()}
        first = by_site[sites.all()[0]]
        sessions = making.sessions(first, None if kept is None else kept.sessions, seconds, days)
        if sessions is None and servername_callback not in first.remembered:  # it must not be set while it may run
            first.context.set_tlsext_servername_callback(servername_callback)
            first.remembered[servername_callback] = True
        return cls(sites, by_site, first, sessions)

    def connection(self, notes: ClientCertificates, keys: Keys = Keys.USUAL) -> SSL.Connection:
        """A new connection in the server's role, whose callbacks write into `notes`; it may be resumed with `keys`."""
        begins = self.first.context if self.sessions is None else self.sessions.context(keys)
        connection = SSL.Connection(begins, None)
        notes.choose_site = self.choose
        notes.sessions = self.sessions
        connection.set_app_data(notes)
        connection.set_accept_state()
        return connection

    def choose(self, connection: SSL.Connection, notes: ClientCertificates) -> None:
        """Chooses the site of a ClientHello, which has a name or none.

        `set_context` leaves the old verify mode in place: without `set_verify` a strict site would fail open. A refusal
        is noted, not raised: raising would print a traceback for every such client. A second ClientHello, after a
        HelloRetryRequest, chooses again; a client that was refused once stays refused.
        """
        name = notes.server_name = _asked_name(connection, notes)
        site = self.sites.of_handshake(name)
        if site is None:
            notes.name_refused = True
            notes.site_context = None
            chosen = self.first  # OpenSSL goes on until its answer is complete, which the client does not get
        else:
            chosen = notes.site_context = self.by_site[site]
        if connection.get_context() is not chosen.context:
            connection.set_context(chosen.context)
            set_verify(connection, chosen.verify_mode)


def servername_callback(connection: SSL.Connection) -> None:
    """OpenSSL's servername callback for every port, which runs for every ClientHello.

    It finds the contexts of the port by the connection. A callback that held them would be held by one of them, and the
    private keys in them would stay until the garbage collector finds the circle.
    """
    notes: ClientCertificates = connection.get_app_data()
    if notes.choose_site is None:
        raise AssertionError("a connection is made by the contexts of its port")
    notes.choose_site(connection, notes)


def _asked_name(connection: SSL.Connection, notes: ClientCertificates) -> str:
    """The name that this ClientHello asks for.

    Where a session of TLS 1.2 is resumed OpenSSL reports the name that the session began with.
    """
    if (
        notes.sessions is not None
        and session_reused(connection)
        and connection.get_protocol_version() == SSL.TLS1_2_VERSION
    ):
        sent = server_name_in(notes.hello)
        return server_name(connection) if sent is None else _normal(sent)
    return server_name(connection)


def server_name(connection: SSL.Connection) -> str:
    """The SNI of a connection, in lower case; empty when none was sent, or an address (RFC 6066 section 3)."""
    return _normal(connection.get_servername() or b"")


def _normal(sent: bytes) -> str:
    return (_known_name if len(sent) <= _LONGEST_KNOWN else _normalised)(sent)


def _normalised(sent: bytes) -> str:
    name = sent.decode("ascii", "backslashreplace").lower()
    return "" if is_address(name) else name


_known_name: Final = lru_cache(256)(_normalised)
_LONGEST_KNOWN: Final = 255
"""Octets of a name that is remembered, as many as a host name may have."""


class _Making:
    """Makes what the sites of one port need, or takes what is there already."""

    def __init__(
        self,
        sites: Sequence[AnySite],
        trusts: Trusts,
        variables_of: VariablesOf,
        address: Address,
        fingerprints: Fingerprints,
    ) -> None:
        self._trusts = trusts
        self._max_depth = max_depth = trusts.max_depth
        self._variables_of = variables_of
        self._fingerprints = fingerprints
        profile = sites[0].profile
        asking = any(map(asks, sites))
        self._resumes = not why_not_resumed(sites) and (KNOWN or not asking)
        self._begins = None if self._resumes else sites[0]  # with whose context connections begin
        # All that a verdict depends on, if it is the same for all sites.
        self._verdicts = fingerprints.of((profile, max_depth, isinstance(sites[0], RelaySite))) if asking else "none"
        self._session_id_context = sha256(fingerprints.of((*address, self._verdicts)).encode()).digest()

    def site_context(self, site: AnySite, before: dict[str, SiteContext]) -> SiteContext:
        """The context of a site."""
        listener = site.listener
        made_of = (listener.ssl_certificate, listener.ssl_policy, listener.ssl_profile, self._max_depth)
        protocols = site.listener.alpn_protocols if isinstance(site, RelaySite) else (site.listener.http2,)
        content = self._fingerprints.of((*made_of, isinstance(site, RelaySite), protocols, self._resumes))
        content += self._session_id_context.hex()
        if site is self._begins:
            content += " begins"  # it has a callback more, and a context in use takes none
        known = before.get(content)
        if known is not None:
            return attrs.evolve(known, site=site)
        basis = Basis(
            variables_of=self._variables_of,
            set_verify=set_verify,
            trusts=self._trusts,
            content=content,
            sessions_of=self._verdicts if self._resumes else "",
            session_id_context=self._session_id_context if self._resumes else b"",
        )
        return site_context(site, basis)

    def sessions(
        self, first: SiteContext, before: SessionContexts | None, seconds: Callable[[], float], days: int
    ) -> SessionContexts | None:
        """The contexts with which connections begin, where sessions are resumed."""
        if not self._resumes:
            return None
        policy, profile = first.site.listener.ssl_policy, first.site.profile
        groups = () if profile is None else profile.tls_groups
        allow_weak = profile is not None and profile.allow_weak
        content = self._fingerprints.of((policy, groups, allow_weak)) + self._session_id_context.hex()
        if before is not None and before.content == content and not before.is_over:
            return before
        birth = Birth(
            policy=policy,
            allow_weak=allow_weak,
            groups=openssl_groups(groups),
            verify_mode=first.verify_mode,
            set_verify=set_verify,
            max_depth=self._max_depth,
            session_id_context=self._session_id_context,
        )
        return SessionContexts(birth, servername_callback, content, seconds, days)
