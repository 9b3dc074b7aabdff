"""The contexts of the sites of a port, and which of them a client gets: the choice by server name (SNI).

For the ports, for `explain`, and for loading, which makes them to see whether OpenSSL takes a configuration.
"""

from __future__ import annotations

from typing import Any

import attrs
from OpenSSL import SSL

from agwtwisted.core.http.host_names import is_address
from agwtwisted.core.plan.routing import AnySite, NamedSites, S
from agwtwisted.tls.client_certificates import ClientCertificates, set_verify
from agwtwisted.tls.contexts import SiteContext, VariablesOf, asks, site_context, trusted_variables


@attrs.frozen(eq=False)
class PortContexts:
    """The contexts of every site of a port, and the choice among them."""

    sites: NamedSites[Any]
    by_site: dict[AnySite, SiteContext]
    first: SiteContext  # connections are born with it, whatever site they select

    @classmethod
    def of(cls, sites: NamedSites[S], *, max_depth: int, variables_of: VariablesOf | None = None) -> PortContexts:
        """Makes the contexts; the port's first one is that of its basic listener, else of any site.

        `variables_of` is the memory that the ports of a gateway share; None: this port has its own.
        """
        every = sites.all()
        remembered = variables_of or trusted_variables()
        resumable = all(not asks(site) for site in every)
        by_site: dict[AnySite, SiteContext] = {
            site: site_context(site, remembered, set_verify, resumable=resumable, max_depth=max_depth) for site in every
        }
        contexts = cls(sites, by_site, by_site[every[0]])
        contexts.first.context.set_tlsext_servername_callback(servername_callback)
        return contexts

    def connection(self, notes: ClientCertificates) -> SSL.Connection:
        """A new connection in the server's role, whose callbacks write into `notes`."""
        connection = SSL.Connection(self.first.context, None)
        notes.choose_site = self.choose
        connection.set_app_data(notes)
        connection.set_accept_state()
        return connection

    def choose(self, connection: SSL.Connection, notes: ClientCertificates) -> None:
        """Chooses the site of a ClientHello, which has a name or none.

        `set_context` leaves the old verify mode in place: without `set_verify` a strict site would fail open. A refusal
        is noted, not raised: raising would print a traceback for every such client. A second ClientHello, after a
        HelloRetryRequest, chooses again; a client that was refused once stays refused.
        """
        name = notes.server_name = server_name(connection)
        site = self.sites.of_handshake(name)
        if site is None:
            notes.name_refused = True
            notes.site_context = None
            return
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


def server_name(connection: SSL.Connection) -> str:
    """The SNI of a connection, in lower case; empty when none was sent, or an address (RFC 6066 section 3)."""
    sent = connection.get_servername()
    name = sent.decode("ascii", "backslashreplace").lower() if sent else ""
    return "" if is_address(name) else name
