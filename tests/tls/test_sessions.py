"""The contexts with which connections begin whose sessions may be resumed."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.verification.verdicts import Trusted
from agwtwisted.tls import sessions
from agwtwisted.tls.openssl import session_id, session_reused
from agwtwisted.tls.port_contexts import PortContexts, servername_callback
from agwtwisted.tls.sessions import CONTEXT_LIFE, SESSION_LIFE, IdRoom, Keys, SessionContexts
from tests import configurations
from tests.clients import TLS_1_2, Gateway, client_context, device, files, text
from tests.tls.test_resumption import LENIENT, come_back, found, session_of, ways


def contexts_of(gateway: Gateway) -> SessionContexts:
    """Those of a gateway's port."""
    assert gateway.contexts
    assert gateway.contexts.sessions
    return gateway.contexts.sessions


def full_gateway(keys: str = "") -> Gateway:
    """One whose sessions with ids take all their room."""
    *_, (_, context) = ways(device())
    gateway = Gateway(text(f"basic strict{keys}"))
    contexts_of(gateway)._ids = IdRoom(1)
    gateway.shake_hands(context)
    return gateway


class ContextTests(SynchronousTestCase):
    """What they are."""

    def test_session_id_context(self) -> None:
        """Sessions are bound to a port and a profile."""
        seen = set()
        for profile in ("strict", "http400", "lenient", "-"):
            for number in (8443, 8444):
                [port] = configurations.plan(LENIENT + text(f"basic {profile}"), files()).http_ports.values()
                made = PortContexts.of(port.sites, max_depth=8, address=("", number))
                assert made.sessions
                seen.add(made.sessions._birth.session_id_context)
        self.assertEqual(len(seen), 8)
        self.assertEqual({len(each) for each in seen}, {32})

    def test_lifetime(self) -> None:
        """OpenSSL knows for how long a session may be resumed."""
        self.patch(sessions, "SESSION_LIFE", 100)
        for keys in Keys:
            self.assertEqual(contexts_of(Gateway(text("basic strict"))).context(keys).get_timeout(), 100)

    def test_age(self) -> None:
        """They are made anew after a day, by a clock that cannot be set, and the same until then."""
        gateway = Gateway(text("basic strict"))
        contexts = contexts_of(gateway)
        before = {keys: contexts.context(keys) for keys in Keys}
        gateway.wall.ahead = 10 * CONTEXT_LIFE
        gateway.reactor.advance(CONTEXT_LIFE - 1)
        self.assertFalse(contexts.is_over)
        for keys in Keys:
            self.assertIs(contexts.context(keys), before[keys])
        gateway.reactor.advance(1)
        self.assertTrue(contexts.is_over)
        for keys in Keys:
            self.assertIsNot(contexts.context(keys), before[keys])
        self.assertFalse(contexts.is_over)

    def test_shared(self) -> None:
        """What was forked with the same contexts goes on to the same keys every day, until those made in advance are
        used up.
        """
        now = [0.0]
        birth = contexts_of(Gateway(text("basic strict")))._birth
        contexts = SessionContexts(birth, servername_callback, seconds=lambda: now[0], days=3)
        days = [contexts._contexts, *contexts._coming]
        for day in (0, 1, 2):
            for hours in (0, 23.9):
                now[0] = (day * 24 + hours) * 3600
                self.assertFalse(contexts.is_over)
                self.assertEqual({keys: contexts.context(keys) for keys in Keys}, days[day])
        now[0] = 3 * CONTEXT_LIFE
        self.assertTrue(contexts.is_over)
        self.assertNotIn(contexts.context(), [each[Keys.USUAL] for each in days])
        self.assertFalse(contexts.is_over)

    def test_a_long_sleep(self) -> None:
        """Days on which no connection came are skipped with their keys."""
        now = [0.0]
        birth = contexts_of(Gateway(text("basic strict")))._birth
        contexts = SessionContexts(birth, servername_callback, seconds=lambda: now[0], days=3)
        last = contexts._coming[1]
        now[0] = 2.5 * CONTEXT_LIFE
        self.assertIs(contexts.context(), last[Keys.USUAL])
        self.assertFalse(contexts._coming)

    def test_public_interface(self) -> None:
        """Where the ids of sessions cannot be read, no session is kept by one."""
        self.patch(sessions, "KNOWN", False)
        contexts = contexts_of(Gateway(text("basic -")))
        for keys in Keys:
            self.assertEqual(contexts.context(keys).get_session_cache_mode(), SSL.SESS_CACHE_OFF)


class IdTests(SynchronousTestCase):
    """Sessions that OpenSSL keeps by their ids."""

    def test_room(self) -> None:
        """What is taken is given back once the life of a session is over; the last one may go beyond the room."""
        room = IdRoom(100)
        room.take(60, 0)
        self.assertTrue(room.has_room(0))
        room.take(60, 1)
        self.assertFalse(room.has_room(SESSION_LIFE - 1))
        self.assertTrue(room.has_room(SESSION_LIFE))
        room.take(40, SESSION_LIFE)
        self.assertFalse(room.has_room(SESSION_LIFE))

    def test_without_room(self) -> None:
        """Sessions with ids are not stored while others take all the room; tickets need none."""
        for (way, context), resumed in zip(ways(device()), (True, True, False), strict=True):
            with self.subTest(way=way):
                gateway = full_gateway()
                session = session_of(gateway, context)
                client = come_back(gateway, context, session)
                self.assertEqual(session_reused(client.tls), resumed)
                self.assertEqual(found(client).verdict, Trusted())

    def test_those_stored(self) -> None:
        """What is stored already may come back while there is no room, and new ones are stored once there is again."""
        *_, (_, context) = ways(device())
        gateway = Gateway(text("basic strict"))
        contexts_of(gateway)._ids = IdRoom(1)
        session = session_of(gateway, context)
        self.assertTrue(session_reused(come_back(gateway, context, session).tls))
        self.assertFalse(session_reused(come_back(gateway, context, session_of(gateway, context)).tls))
        gateway.reactor.advance(SESSION_LIFE)
        self.assertTrue(session_reused(come_back(gateway, context, session_of(gateway, context)).tls))

    def test_connections_without_room(self) -> None:
        """A connection whose session is not stored goes on as every other one, and ends well by close_notify."""
        *_, (_, context) = ways(device())
        context.set_alpn_protos([b"h2"])
        gateway = full_gateway("; enable_http2 = true")
        client = gateway.shake_hands(context)
        server = client.server_side
        self.assertEqual(server.get_alpn_proto_negotiated(), b"h2")
        self.assertEqual(found(client).connection.tls_version, "TLSv1.2")
        self.assertEqual(server.get_finished(), client.tls.get_peer_finished())
        client.leave()
        self.assertEqual((client.connection.end_reason, client.connection.cut), ("", False))

    def test_which_have_one(self) -> None:
        """Sessions of TLS 1.2 clients that know no tickets have ids."""
        for (way, context), has_id in zip(ways(device()), (False, False, True), strict=True):
            with self.subTest(way=way):
                gateway = Gateway(text("basic strict"))
                server = gateway.shake_hands(context).server_side
                if server.get_protocol_version() == TLS_1_2:
                    self.assertEqual(bool(session_id(server)), has_id)

    def test_no_session(self) -> None:
        """A connection without a session has no id."""
        connection = SSL.Connection(SSL.Context(SSL.TLS_METHOD), None)
        connection.set_accept_state()
        self.assertEqual(session_id(connection), b"")
        self.assertIsNotNone(client_context())
