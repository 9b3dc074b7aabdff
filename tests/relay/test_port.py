"""How clients of L4 listeners are refused, and how a port of theirs ends."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.listening.admission import Awaited
from agwtwisted.listening.ports import QUIET
from agwtwisted.relay.client_sessions import CONNECT_TIMEOUT
from tests import pki
from tests.clients import client_context, device, stranger
from tests.configurations import clients_root
from tests.relays import Check, Stand, text
from tests.wires import Line

ONE = "mqtt strict"
TCP = "tcp tcp"
TWO_SERVERS = "127.0.0.1, 127.0.0.2"


class RefusalTests(SynchronousTestCase):
    """Clients that are not let in."""

    def test_in_the_handshake(self) -> None:
        """Without a certificate, or with a stranger's, the handshake ends; whatever the profile says of Http400."""
        for profile in ("strict", "http400"):
            for credential, reason in (
                (None, "peer did not return a certificate"),
                (stranger(), "certificate verify failed"),
            ):
                stand = Stand(text(f"mqtt {profile}"))
                client = stand.shake_hands(client_context(credential))
                self.assertIsNotNone(client.error)
                client.line.hang_up()
                self.assertEqual(stand.backend().attempts, 0)
                self.assertEqual((stand.record["handshakeError"], stand.record["listenerName"]), (reason, "mqtt"))
                self.assertTrue(stand.nothing_is_left())

    def test_for_servers(self) -> None:
        """A client whose certificate is for servers comes in where the profile allows it, and not else."""
        credential = clients_root().issue(eku=(pki.SERVER_AUTH,))
        for keys, is_in in (("\nmissing_client_auth_eku = Allow", True), ("", False)):
            stand = Stand(text(ONE).replace("[ssl_profile strict]", f"[ssl_profile strict]{keys}"))
            client = stand.shake_hands(client_context(credential))
            self.assertEqual(client.error is None, is_in)
            client.line.hang_up()

    def test_plain_text(self) -> None:
        """A client that speaks no TLS is cut off, with a line in the log."""
        stand = Stand(text(ONE))
        client = stand.dial()
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        stand.network.advance(0)
        self.assertEqual((client.take(), client.reset, stand.backend().attempts), (b"", True, 0))
        self.assertEqual(stand.record["handshakeError"], "the client does not speak TLS")
        self.assertTrue(stand.nothing_is_left())

    def test_revoked(self) -> None:
        """A client found revoked gets close_notify, and no byte of it reached a backend."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        client.say(b"early")
        self.assertEqual(stand.backend().attempts, 0)
        check.answer(good=False)
        client.talk()
        self.assertEqual((client.closed, client.line.eof, stand.backend().attempts), (True, True, 0))
        expected = {
            "serverStatus": "403",
            "serverRouted": "",
            "sslClientVerify": "FAILED:certificate revoked",
            "ocspStatus": "revoked",
            "sessionEnd": "client certificate refused",
            "upstreamSourcePort": "",
        }
        self.assertLessEqual(expected.items(), stand.record.items())
        self.assertTrue(stand.nothing_is_left())

    def test_defects_refuse(self) -> None:
        """A check that breaks is a refusal."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        client = stand.shake_hands(client_context(device()))
        check.asked[-1].errback(ZeroDivisionError())
        client.talk()
        self.assertEqual((client.closed, stand.backend().attempts), (True, 0))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class EndTests(SynchronousTestCase):
    """Ends of sessions that the relay does not know of."""

    def test_idle(self) -> None:
        """`timeout` seconds without a byte end a session."""
        stand = Stand(text(TCP))
        stand.dial().send(b"x")
        stand.network.advance(60)
        stand.network.advance(0)
        self.assertEqual((stand.record["sessionEnd"], stand.record["serverStatus"]), ("idle timeout", "200"))
        self.assertTrue(stand.nothing_is_left())

    def test_drain(self) -> None:
        """Draining lets sessions go on, those too whose server has not accepted yet."""
        stand = Stand(text(TCP, addresses=TWO_SERVERS))
        client = stand.dial()
        stand.backend(host="127.0.0.2").silent = True
        waiting = stand.dial()
        stand.port.drain()
        stand.port.drain()
        stand.network.advance(CONNECT_TIMEOUT)
        waiting.send(b"y")
        self.assertEqual(stand.backend().line.take(), b"y")
        client.send(b"x")
        self.assertEqual(stand.backend().lines[0].take(), b"x")

    def test_awaited(self) -> None:
        """Who has a server and has never said a word is waited for, or waits."""
        stand = Stand(text(TCP))
        stand.backend().silent = True
        stand.dial()
        [session] = stand.port._sessions.values()
        self.assertIs(session.awaited(0)[0], Awaited.NOTHING)
        stand = Stand(text(TCP))
        stand.dial()
        session = next(iter(stand.port._sessions.values()))
        self.assertIs(session.awaited(0)[0], Awaited.MORE)

    def test_awaited_when_idle(self) -> None:
        """Who has said a word is waited for since something moved for the last time, from either side."""
        stand = Stand(text(TCP))
        client = stand.dial()
        session = next(iter(stand.port._sessions.values()))
        client.send(b"x")
        spoken = stand.network.seconds()
        stand.network.advance(2)
        self.assertEqual(session.awaited(stand.network.seconds()), (Awaited.MORE, spoken))
        stand.backend().line.send(b"y")
        now = stand.network.seconds()
        self.assertEqual(session.awaited(now), (Awaited.MORE, now))

    def test_awaited_with_a_certificate(self) -> None:
        """Who has proven who it is may wait for the server's word as long as it likes, and be idle."""
        stand = Stand(text(ONE))
        client = stand.shake_hands(client_context(device()))
        session = next(iter(stand.port._sessions.values()))
        self.assertEqual(session.awaited(session._began + 9), (Awaited.MORE, session._began + 9))
        client.say(b"x")
        self.assertEqual(session.awaited(session._began + 99)[0], Awaited.NOTHING)

    def test_drain_in_the_handshake(self) -> None:
        """Who is still in the handshake, or before the gate, goes on; who is silent is closed in a moment."""
        check = Check()
        stand = Stand(text(ONE), check_of=check.of)
        silent, late = stand.dial(), stand.dial()
        waiting = stand.shake_hands(client_context(device()))
        waiting.say(b"x")
        stand.port.drain()
        stand.network.advance(QUIET / 2)
        self.assertEqual((silent.reset, check.cancelled), (False, 0))
        check.answer()
        stand.network.advance(0)
        self.assertEqual(stand.backend().line.take(), b"x")
        self.assertTrue(stand.shake_hands(client_context(device()), line=late).established)
        stand.network.advance(QUIET / 2)
        stand.network.advance(0)
        self.assertTrue(silent.reset)

    def test_abort(self) -> None:
        """When the time for draining is over all sessions are cut off; the session counts as there until both are
        gone.
        """
        stand = Stand(text(TCP))
        client = stand.dial()
        backend: Line = stand.backend().line
        self.assertEqual(len(stand.port.connections), 2)
        stand.port.abort()
        stand.network.advance(0)
        self.assertTrue(client.reset and backend.reset)
        self.assertEqual((stand.record["sessionEnd"], stand.record["serverStatus"]), ("the gateway is stopping", "200"))
        self.assertTrue(stand.nothing_is_left())

    def test_abort_early(self) -> None:
        """So are those that have no backend yet, or a client that does not read its close_notify, or no session."""
        stand = Stand(text(ONE))
        stand.backend().silent = True
        stand.dial()
        client = stand.shake_hands(client_context(device()))
        client.line.stall(0)
        stand.port.abort()
        stand.network.advance(0)
        self.assertTrue(client.line.reset)
        self.assertEqual(stand.record["serverStatus"], "503")
        self.assertTrue(stand.nothing_is_left())

    def test_backend_outlives_the_client(self) -> None:
        """A backend that still takes what was sent to it keeps the session, and its line of the log, alive."""
        stand = Stand(text(TCP))
        client = stand.dial()
        backend: Line = stand.backend().line
        backend.stall(0)
        client.send(b"for the backend")
        client.crash()
        stand.network.advance(0)
        self.assertEqual((len(stand.port.connections), stand.log.lines), (1, []))
        self.assertEqual(len(stand.limits.connections), 0)
        stand.port.drain()
        backend.read()
        stand.network.advance(0)
        self.assertEqual((backend.take(), stand.record["sessionEnd"]), (b"for the backend", "client cut off"))
        self.assertTrue(stand.nothing_is_left())
