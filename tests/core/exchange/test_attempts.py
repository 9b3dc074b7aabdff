"""Which server a request tries, and what is kept of its body."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.exchange.attempts import KEPT_BODY, NO_BODY, KeptBody, ServerChoice
from agwtwisted.core.http.messages import Framing, RequestHead
from agwtwisted.core.http.request_reader import LARGEST_WHOLE

GET = RequestHead(method=b"GET", target=b"/", version=b"1.1", host="a", authority=b"a", headers=())


@attrs.define(eq=False)
class Candidate:
    """A server, as far as its turn goes."""

    name: str
    state: HealthState = HealthState.UP
    refusing: bool = False
    draining: bool = False


class ServerChoiceTests(SynchronousTestCase):
    """The order in which servers are tried."""

    def choice(self, first: Candidate, *others: Candidate, stays: bool = False) -> ServerChoice[Candidate]:
        """Of these, in this order; the first was asked."""
        return ServerChoice((server for server in others), first, stays=stays)

    def test_each_once(self) -> None:
        """Every server is tried once; after the last one the last stays the one that was asked."""
        one, two = Candidate("one"), Candidate("two")
        choice = self.choice(one, two)
        self.assertIs(choice.current, one)
        self.assertIs(choice.after_failed_connection(refused=True), two)
        self.assertIsNone(choice.after_failed_connection(refused=True))
        self.assertIs(choice.current, two)

    def test_down(self) -> None:
        """A server that is down is tried after a refusal only; silence leaves it for a later refusal."""
        for refused, then in ((True, "two"), (False, None)):
            choice = self.choice(Candidate("one"), Candidate("two", HealthState.DOWN))
            server = choice.after_failed_connection(refused=refused)
            self.assertEqual(server and server.name, then)

    def test_spare(self) -> None:
        """A server that is down, and was passed over, is still there when a refusal allows it."""
        one, two, three = Candidate("one"), Candidate("two", HealthState.DOWN), Candidate("three")
        choice = self.choice(one, two, three)
        self.assertIsNone(choice.after_failed_connection(refused=False))
        self.assertIs(choice.after_failed_connection(refused=True), two)

    def test_again(self) -> None:
        """A request that was sent goes to the next server, or where there is none to the same; once."""
        one, two = Candidate("one"), Candidate("two")
        for servers, then in (((one, two), two), ((one,), one)):
            choice = self.choice(*servers)
            self.assertIs(choice.again(timed_out=False), then)
            self.assertIs(choice.current, then)
            self.assertIsNone(choice.again(timed_out=False))

    def test_again_and_stays(self) -> None:
        """A request that is bound to its server stays there, unless that was too slow or is down by now."""
        for timed_out, state, then in (
            (False, HealthState.UP, "one"),
            (True, HealthState.UP, "two"),
            (False, HealthState.DOWN, "two"),
        ):
            one, two = Candidate("one"), Candidate("two")
            choice = self.choice(one, two, stays=True)
            one.state = state
            server = choice.again(timed_out=timed_out)
            self.assertEqual(server and server.name, then)

    def test_again_nowhere(self) -> None:
        """One that is too slow is not asked twice, and one that is down only if it did not time out."""
        alone = self.choice(Candidate("one"))
        self.assertIsNone(alone.again(timed_out=True))
        for timed_out, then in ((True, None), (False, "two")):
            one, two = Candidate("one"), Candidate("two", HealthState.DOWN)
            choice = self.choice(one, two)
            one.state = HealthState.DOWN
            server = choice.again(timed_out=timed_out)
            self.assertEqual(server and server.name, then)


class KeptBodyTests(SynchronousTestCase):
    """What is kept of a body, to be sent again."""

    def test_nothing_behind_the_end(self) -> None:
        """What a server would read as another request is a defect of the gateway, and not sent."""
        chunked, counted = KeptBody(Framing.CHUNKED), KeptBody(Framing.LENGTH)
        chunked.end(sent=True)
        counted.end(sent=True)
        for body in (chunked, counted, NO_BODY):
            self.assertRaises(AssertionError, body.add, b"GET / HTTP/1.1", sent=True)
        self.assertRaises(AssertionError, chunked.end, sent=True)

    def test_as_it_is_sent(self) -> None:
        """A piece of unknown length becomes a chunk, and the end a chunk of its own; others go as they come."""
        body = KeptBody(Framing.CHUNKED)
        self.assertEqual((body.add(b"abc", sent=True), body.whole), (b"3\r\nabc\r\n", False))
        self.assertEqual((body.end(sent=True), body.whole), (b"0\r\n\r\n", True))
        self.assertEqual(body.so_far(), b"3\r\nabc\r\n0\r\n\r\n")
        body = KeptBody(Framing.LENGTH)
        self.assertEqual((body.add(b"abc", sent=False), body.end(sent=False), body.so_far()), (b"abc", b"", b"abc"))

    def test_whole(self) -> None:
        """A body that came with its head is whole from the start, and is sent as pieces would be."""
        for framing, body, sent in (
            (Framing.LENGTH, b"abc", b"abc"),
            (Framing.LENGTH, b"", b""),
            (Framing.CHUNKED, b"abc", b"3\r\nabc\r\n0\r\n\r\n"),
            (Framing.CHUNKED, b"", b"0\r\n\r\n"),
        ):
            kept = KeptBody(framing, body)
            self.assertEqual((kept.whole, kept.so_far(), kept.may_be_sent_again(GET)), (True, sent, True))
            self.assertRaises(AssertionError, kept.add, b"x", sent=True)
        self.assertLessEqual(LARGEST_WHOLE, KEPT_BODY)

    def test_none(self) -> None:
        """A request without a body is whole from the start, and has nothing to be sent."""
        self.assertEqual((NO_BODY.whole, NO_BODY.so_far()), (True, b""))

    def test_room(self) -> None:
        """Before a server takes it no more is wanted than a bound; all that came is kept for the first one."""
        body = KeptBody(Framing.LENGTH)
        body.add(bytes(KEPT_BODY), sent=False)
        self.assertTrue(body.has_room)
        body.add(b"x", sent=False)
        self.assertFalse(body.has_room)
        self.assertEqual((len(body.so_far()), body.may_be_sent_again(GET)), (KEPT_BODY + 1, True))

    def test_forgotten(self) -> None:
        """A body that was sent and is larger than the bound is not kept, and its request not sent again."""
        body = KeptBody(Framing.LENGTH)
        body.add(bytes(KEPT_BODY + 1), sent=True)
        self.assertEqual((body.so_far(), body.may_be_sent_again(GET), body.has_room), (b"", False, False))
        body.add(b"x", sent=True)
        self.assertEqual(body.so_far(), b"")

    def test_may_be_sent_again(self) -> None:
        """Idempotent methods may be repeated, others and upgrades not (RFC 9110 section 9.2.2)."""
        body = NO_BODY
        for method, upgrade, may in (
            (b"GET", b"", True),
            (b"PUT", b"", True),
            (b"POST", b"", False),
            (b"PATCH", b"", False),
            (b"GET", b"websocket", False),
        ):
            self.assertEqual(body.may_be_sent_again(attrs.evolve(GET, method=method, upgrade=upgrade)), may)
