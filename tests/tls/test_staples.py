"""What OpenSSL sends to clients that ask for an OCSP response."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import attrs
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation.stapling import StapleSubject, subject_of
from agwtwisted.tls.openssl import lib, session_reused
from agwtwisted.tls.staples import no_staple, ocsp_callback, staple_to
from tests import pki, servers
from tests.clients import TLS_1_2, TLS_1_3, VERSIONS
from tests.responder import Response, Single

ISSUER = pki.Authority.root("Root").intermediate("Issuer")
SITES = {name: ISSUER.issue_server(name, ocsp_url="http://ocsp.example/") for name in ("a.example", "b.example")}


def key_of(name: str) -> bytes:
    """The key of a site's certificate."""
    found = subject_of(servers.own(SITES[name]))
    assert isinstance(found, StapleSubject)
    return found.key


RESPONSES = {
    key_of(name): Response(signer=ISSUER, singles=[Single(certificate=site)]).der() for name, site in SITES.items()
}
"""OpenSSL sends nothing that it cannot parse."""


class Notes:
    """What goes with a connection."""

    def __init__(self, staple_of: Any) -> None:
        self.staple_of = staple_of


def context_of(name: str, **changes: Any) -> SSL.Context:
    """The context of a site."""
    context = servers.server_context(SITES[name])
    staple_to(context, attrs.evolve(servers.own(SITES[name]), **changes))
    return context


class StaplesTests(SynchronousTestCase):
    """Handshakes in memory."""

    def setUp(self) -> None:
        self.contexts = {name: context_of(name) for name in SITES}
        self.asked: list[bytes] = []
        self.got: list[bytes] = []
        self.born = SSL.Context(SSL.TLS_SERVER_METHOD)
        self.born.set_session_id(b"port")
        for context in self.contexts.values():
            context.set_session_id(b"port")
        self.born.set_tlsext_servername_callback(
            lambda connection: connection.set_context(self.contexts[(connection.get_servername() or b"").decode()])
        )

    def staple_of(self, key: bytes) -> bytes:
        """A response of its own for each certificate."""
        self.asked.append(key)
        return RESPONSES[key]

    def client_context(self, version: int) -> SSL.Context:
        """A client's that asks for responses."""
        context = SSL.Context(SSL.TLS_CLIENT_METHOD)
        context.set_min_proto_version(version)
        context.set_max_proto_version(version)
        context.set_ocsp_client_callback(lambda _, response, __: self.got.append(response) or True)
        return context

    def shake_hands(
        self,
        name: str,
        version: int = TLS_1_3,
        *,
        asks: bool = True,
        came_back: SSL.Connection | None = None,
        staple_of: Any = None,
    ) -> SSL.Connection:
        """A handshake for a name, of a client that was here before or not; returns the client's end."""
        self.asked, self.got = [], []
        context = self.client_context(version) if came_back is None else came_back.get_context()
        client = SSL.Connection(context, None)
        client.set_tlsext_host_name(name.encode())
        if asks:
            client.request_ocsp()
        if came_back is not None:
            client.set_session(came_back.get_session())  # type: ignore[arg-type]
        client.set_connect_state()
        server = SSL.Connection(self.born, None)
        server.set_app_data(Notes(staple_of or self.staple_of))
        server.set_accept_state()
        for _ in range(4):
            for this, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    this.do_handshake()
                    this.read(1)
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(this.bio_read(65536))
        self.assertEqual(client.get_state_string(), b"SSL negotiation finished successfully")
        self.assertEqual(session_reused(server), came_back is not None)
        return client

    def test_by_site(self) -> None:
        """A client gets the response about the certificate of the site that its name chooses, in both versions."""
        for version in VERSIONS:
            for name in SITES:
                self.shake_hands(name, version)
                self.assertEqual(self.got, [RESPONSES[key_of(name)]])

    def test_not_asked(self) -> None:
        """A client that does not ask for a response gets none, and none is looked for."""
        for version in VERSIONS:
            self.shake_hands("a.example", version, asks=False)
            self.assertEqual(self.asked, [])

    def test_none(self) -> None:
        """Without a response the handshake goes on."""
        for version in VERSIONS:
            self.shake_hands("a.example", version, staple_of=no_staple)
            self.assertEqual(self.got, [b""])

    def test_switched_off(self) -> None:
        """A context whose certificate is not to be stapled is asked for nothing."""
        self.contexts["a.example"] = context_of("a.example", ocsp_stapling=False)
        self.contexts["a.example"].set_session_id(b"port")
        for version in VERSIONS:
            self.shake_hands("a.example", version)
            self.assertEqual((self.asked, self.got), ([], [b""]))

    def test_resumed(self) -> None:
        """Where a session is resumed no certificate is shown, and no response is looked for."""
        for version in VERSIONS:
            client = self.shake_hands("a.example", version)
            self.shake_hands("a.example", version, came_back=client)
            self.assertEqual(self.asked, [])

    def test_retried_hello(self) -> None:
        """After a HelloRetryRequest a client gets its response as well."""
        done = lib.SSL_CTX_set1_curves_list(self.born._context, b"P-384")  # type: ignore[attr-defined]
        self.assertEqual(done, 1)
        self.shake_hands("b.example")
        self.assertEqual(self.asked, [key_of("b.example")] * 2)
        self.assertEqual(self.got, [RESPONSES[key_of("b.example")]])

    def test_defects(self) -> None:
        """What goes wrong is logged, and the client gets no response."""

        def defective(key: bytes) -> bytes:
            raise ValueError

        self.shake_hands("a.example", TLS_1_2, staple_of=defective)
        self.assertEqual(self.got, [b""])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_is_freed(self) -> None:
        """A context with the callback, and what pyOpenSSL has made of it, go without the garbage collector."""
        context: Any = context_of("a.example")
        seen = [weakref.ref(context), weakref.ref(context._ocsp_helper)]
        gc.disable()
        self.addCleanup(gc.enable)
        del context
        self.assertEqual([each() for each in seen], [None, None])

    def test_without_key(self) -> None:
        """Nothing is known of a context without a key."""
        connection = SSL.Connection(self.born, None)
        connection.set_app_data(Notes(lambda key: key))
        self.assertEqual(ocsp_callback(connection, None), b"")
