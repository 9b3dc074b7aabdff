"""Taking turns."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from itertools import islice
from types import FrameType

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends import balancing
from agwtwisted.core.backends.affinity import Affinity
from agwtwisted.core.backends.balancing import Balancer, LeastConnections, Order, Pool, RoundRobin
from agwtwisted.core.backends.health import HealthState
from tests.identities import admitted

CLIENT = admitted()


@attrs.define(eq=False)
class Server:
    """A candidate."""

    name: str
    state: HealthState = HealthState.UP
    refusing: bool = False
    draining: bool = False


def servers(names: str) -> list[Server]:
    """A healthy server for each letter."""
    return list(map(Server, names))


def named(order: Order[Server], most: int | None = None) -> str:
    """The letters of an order, or of its beginning."""
    return "".join(server.name for server in islice(order, most))


class RoundRobinTests(SynchronousTestCase):
    """One after the other."""

    def using(self, names: str) -> RoundRobin[Server]:
        """Turns among these."""
        turns: RoundRobin[Server] = RoundRobin()
        self.servers = servers(names)
        turns.use(self.servers)
        return turns

    def test_turns(self) -> None:
        """Each is first in its turn, and the others follow in the order of the configuration."""
        turns = self.using("abc")
        self.assertEqual([named(turns.order()) for _ in range(4)], ["abc", "bca", "cab", "abc"])

    def test_few(self) -> None:
        """A single server is always chosen, and from an empty pool none."""
        one = self.using("a")
        self.assertEqual([named(one.order()), named(one.order()), named(self.using("").order())], ["a", "a", ""])

    def test_bound(self) -> None:
        """A bound server comes first, once; a request that stays there does not take another server's turn."""
        turns = self.using("abc")
        bound = self.servers[1]
        self.assertEqual([named(turns.order(bound), 1), named(turns.order(), 1)], ["b", "a"])
        self.assertEqual(
            [named(turns.order(bound)), named(turns.order(bound)), named(turns.order())], ["bca", "bca", "abc"]
        )

    def test_bound_elsewhere(self) -> None:
        """Who is bound need not be one of those that take turns."""
        self.assertEqual(named(self.using("ab").order(Server("x"))), "xab")

    def test_down_since(self) -> None:
        """Who went down after the order was made is passed over."""
        order = self.using("abc").order()
        self.assertEqual(named(order, 1), "a")
        self.servers[1].state = HealthState.DOWN
        self.assertEqual(named(order), "c")

    def test_others(self) -> None:
        """The turn goes on where it was among others, and fewer."""
        turns = self.using("abcd")
        for _ in range(3):
            named(turns.order(), 1)
        turns.use(servers("xy"))
        self.assertEqual([named(turns.order()) for _ in range(2)], ["yx", "xy"])

    @given(st.integers(1, 20), st.integers(1, 5))
    def test_fair(self, count: int, rounds: int) -> None:
        """After whole rounds every server was first equally often, and every order has all servers."""
        turns: RoundRobin[Server] = RoundRobin()
        everybody = [Server(str(number)) for number in range(count)]
        turns.use(everybody)
        orders = [list(turns.order()) for _ in range(count * rounds)]
        self.assertEqual(set(Counter(order[0].name for order in orders).values()), {rounds})
        self.assertTrue(all(len(order) == count and {*order} == {*everybody} for order in orders))


class LeastConnectionsTests(SynchronousTestCase):
    """The one with the least to do."""

    def setUp(self) -> None:
        self.balancer: LeastConnections[Server] = LeastConnections()
        self.servers = servers("abc")
        self.balancer.use(self.servers)
        self.open: list[Order[Server]] = []

    def ask(self, bound: Server | None = None) -> str:
        """A request that stays under way."""
        order = self.balancer.order(bound)
        self.open.append(order)
        return named(order, 1)

    def test_least(self) -> None:
        """Each gets one before any gets two; who is done first gets the next."""
        self.assertEqual("".join(self.ask() for _ in range(6)), "abcabc")
        for order in (self.open[1], self.open[4]):
            order.close()
        self.assertEqual("".join(self.ask() for _ in range(3)), "bba")

    def test_ties(self) -> None:
        """Those with equally little to do take turns."""
        asked = []
        for _ in range(6):
            asked.append(self.ask())
            self.open.pop().close()
        self.assertEqual("".join(asked), "abcabc")

    def test_others(self) -> None:
        """The others follow, those with less to do first; only the one that is asked is busy."""
        self.ask(self.servers[0])
        self.ask(self.servers[0])
        self.ask(self.servers[1])
        order = self.balancer.order()
        self.assertEqual(named(order), "cba")
        self.assertEqual(self.ask(), "c")

    def test_bound(self) -> None:
        """Who is bound comes first, and is busy with it like any other."""
        self.assertEqual("".join(self.ask(self.servers[2]) for _ in range(2)), "cc")
        self.assertEqual("".join(self.ask() for _ in range(5)), "ababc")

    def test_bound_elsewhere(self) -> None:
        """Who is bound need not be one of those that take turns, and what it has to do is known when it joins them."""
        other = Server("x")
        self.assertEqual(self.ask(other), "x")
        self.balancer.use([other, *self.servers])
        self.assertEqual("".join(self.ask() for _ in range(4)), "abcx")

    def test_down_since(self) -> None:
        """Who went down after the first was asked is passed over."""
        order = self.balancer.order()
        self.assertEqual(named(order, 1), "a")
        self.servers[1].state = HealthState.DOWN
        self.assertEqual(named(order), "c")

    def test_nobody(self) -> None:
        """From an empty pool only a bound server is chosen."""
        self.balancer.use([])
        self.assertEqual([named(self.balancer.order()), named(self.balancer.order(self.servers[0]))], ["", "a"])

    def test_leaves_nothing(self) -> None:
        """An order that is dropped without being closed is over, too."""
        self.ask()
        self.ask()
        self.open.clear()
        self.assertEqual(self.balancer._counts, {})
        self.assertEqual(self.ask(), "c")

    @given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=60))
    def test_like_the_rule(self, steps: list[tuple[str, int]]) -> None:
        """Whatever comes and goes, who is asked has no more to do than any other that is there to be asked."""
        everybody = servers("abcdefghij")
        using = everybody[:5]
        self.balancer.use(using)
        under_way: list[tuple[Order[Server], list[Server]]] = []
        for step, number in steps:
            if step == "a":
                using = everybody[number : number + 5]
                self.balancer.use(using)
                continue
            order, asked = self.balancer.order(everybody[number] if step == "b" else None), []
            if step == "c" and under_way:  # the next one is asked
                order, asked = under_way.pop(number % len(under_way))
            elif step == "d" and under_way:
                under_way.pop(number % len(under_way))[0].close()
            count = Counter(each[-1] for _, each in under_way)
            server = next(order, None)
            free = [each for each in using if each not in asked]
            if step == "b":
                self.assertIs(server, everybody[number])
            else:
                self.assertEqual(server is None, not free)
                self.assertTrue(server is None or count[server] == min(count[each] for each in free))
            if server is not None:
                under_way.append((order, [*asked, server]))
        for order, _ in under_way:
            order.close()
        self.assertEqual(self.balancer._counts, {})

    def test_cost(self) -> None:
        """A choice among a thousand servers looks at no more of them than one among ten."""
        self.assertEqual(*(steps(LeastConnections(), count) for count in (10, 1000)))
        self.assertEqual(*(steps(RoundRobin(), count) for count in (10, 1000)))


def steps(balancer: Balancer[Server], count: int) -> int:
    """The lines of Python that 50 choices take, of which some overlap."""
    balancer.use([Server(str(number)) for number in range(count)])
    taken = 0

    def trace(frame: FrameType, event: str, argument: object) -> Callable[..., object] | None:
        nonlocal taken
        if frame.f_code.co_filename != balancing.__file__:  # what the collector calls meanwhile, for instance
            return None
        taken += event == "line"
        return trace

    gc.collect()  # orders of other tests, which would be closed meanwhile
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for _ in range(10):
            orders = [balancer.order() for _ in range(5)]
            for order in orders:
                next(order)
            for order in orders:
                order.close()
    finally:
        sys.settrace(before)
    return taken


class PoolTests(SynchronousTestCase):
    """Who may be asked."""

    balancer: Callable[[], Balancer[Server]] = RoundRobin

    def pool(self, states: str, affinity: Affinity[Server] | None = None) -> Pool[Server]:
        """Servers named by letters, after each its state: ``+``, ``-``, ``?``, or ``!`` for down by refusals."""
        of = {"+": HealthState.UP, "-": HealthState.DOWN, "?": HealthState.UNKNOWN, "!": HealthState.DOWN}
        pairs = zip(states[::2], states[1::2], strict=True)
        self.servers = [Server(name, of[state], refusing=state == "!") for name, state in pairs]
        return Pool(self.servers, self.balancer(), affinity)

    def test_usable(self) -> None:
        """The healthy ones, then those not probed yet, then those that refused connections; no other that is down."""
        for states, expected in {
            "a+b+c+": "abc",
            "a?b-c+": "ca",
            "a?b-c?": "ac",
            "a?b?": "ab",
            "a-b-": "",
            "a!b-c!": "ac",
            "a!b?c-d+": "dab",
            "a!b+c!d+": "bdac",
            "": "",
        }.items():
            self.assertEqual(named(self.pool(states).order(CLIENT)), expected, states)

    def test_refusing(self) -> None:
        """Where nothing else is left, servers that refused take turns like healthy ones."""
        pool = self.pool("a!b-c!d!")
        self.assertEqual([named(pool.order(CLIENT), 1) for _ in range(4)], ["a", "c", "d", "a"])

    def test_once(self) -> None:
        """A server that is found down while a request is on its way is not asked twice by it."""
        order = self.pool("a+b+c!").order(CLIENT)
        asked = ""
        for server in order:
            asked += server.name
            server.state, server.refusing = HealthState.DOWN, True
        self.assertEqual(asked, "abc")

    def test_found_down_by_others(self) -> None:
        """A server that refused others meanwhile comes after those that are up; one that answers badly, never."""
        order = self.pool("a+b+c+d+").order(CLIENT)
        next(order)
        self.servers[1].state, self.servers[1].refusing = HealthState.DOWN, True
        self.servers[3].state = HealthState.DOWN
        self.assertEqual(named(order), "cb")

    def test_changed(self) -> None:
        """A change counts from the next request on."""
        pool = self.pool("a+b?")
        self.assertEqual(named(pool.order(CLIENT)), "ab")
        self.servers[1].state = HealthState.UP
        pool.changed()
        self.assertEqual(named(pool.order(CLIENT)), "ba")
        self.servers[0].state = HealthState.DOWN
        pool.changed()
        self.assertEqual(named(pool.order(CLIENT)), "b")

    def bound(self, states: str, *draining: str) -> str:
        """The servers of a request whose cookie stands for ``b``."""
        self.pool(states)
        affinity = Affinity("A", {server: server.name.encode() * 32 for server in self.servers})
        for server in self.servers:
            server.draining = server.name in draining
        return named(Pool(self.servers, RoundRobin(), affinity).order(CLIENT, [(b"Cookie", b"A=" + b"b" * 32)]))

    def test_bound(self) -> None:
        """A client comes back to its server unless that is down and drained; then the others are there for it."""
        self.assertEqual(self.bound("a+b+c+"), "bac")
        self.assertEqual(self.bound("a+b?c+"), "bac")
        self.assertEqual(self.bound("a+b-c+"), "ac")
        self.assertEqual(self.bound("a+b-c+", "b"), "bac")
        self.assertEqual(self.bound("a-b-c-", "b"), "b")
        self.assertEqual(self.bound("a-b-c-"), "")

    def test_bound_to_several(self) -> None:
        """Of several cookies the first counts whose server may be asked."""
        self.pool("a-b+c+")
        affinity = Affinity("d", {server: server.name.encode() * 32 for server in self.servers})
        cookies = b"; ".join(b"d=" + each * 32 for each in (b"a", b"c", b"b"))
        self.assertEqual(named(Pool(self.servers, RoundRobin(), affinity).order(CLIENT, [(b"Cookie", cookies)])), "cb")

    def test_nobody_is_bound(self) -> None:
        """Without affinity cookies mean nothing."""
        self.assertEqual(named(self.pool("a+b+").order(CLIENT, [(b"Cookie", b"A=" + b"b" * 32)])), "ab")


class TakenOverTests(SynchronousTestCase):
    """A pool of the next configuration, in place of the same one of the configuration before."""

    def pools(self, balancer: Callable[[], Balancer[Server]], names: str, others: str) -> tuple[Pool[Server], ...]:
        """The old one and the new one, of servers with these names; those of one name are the same."""
        known = {name: Server(name) for name in names + others}
        return tuple(Pool([known[name] for name in each], balancer()) for each in (names, others))

    def test_turns(self) -> None:
        """The turn goes on where it is."""
        old, new = self.pools(RoundRobin, "abc", "abcd")
        self.assertEqual(named(old.order(CLIENT), 1) + named(old.order(CLIENT), 1), "ab")
        new.take_over(old)
        self.assertEqual([named(new.order(CLIENT), 1) for _ in range(3)], ["c", "d", "a"])

    def test_counts(self) -> None:
        """Exchanges in progress count on until they end, where they began."""
        old, new = self.pools(LeastConnections, "abc", "abd")
        kept = [old.order(CLIENT) for _ in range(3)]
        self.assertEqual("".join(named(order, 1) for order in kept), "abc")
        new.take_over(old)
        more = [new.order(CLIENT) for _ in range(2)]
        self.assertEqual("".join(named(order, 1) for order in more), "da")
        for order in kept:
            order.close()
        self.assertEqual(named(new.order(CLIENT), 1), "b")

    def test_old_pool(self) -> None:
        """The old one serves its own servers to the requests that are under way there, and leaves the new one alone."""
        for balancer in (RoundRobin, LeastConnections):
            old, new = self.pools(balancer, "ab", "cd")
            new.take_over(old)
            self.assertEqual([named(pool.order(CLIENT)) for pool in (old, new, old)][:2], ["ab", "cd"])

    def test_other_algorithm(self) -> None:
        """Another algorithm begins anew."""
        [old, _], [_, new] = self.pools(RoundRobin, "ab", "ab"), self.pools(LeastConnections, "cd", "cd")
        new.take_over(old)
        self.assertEqual((named(old.order(CLIENT)), named(new.order(CLIENT))), ("ab", "cd"))

    def test_not_notified(self) -> None:
        """A pool that hears of no change looks at its servers for each request."""
        [pool, _] = self.pools(RoundRobin, "ab", "")
        pool.not_notified()
        self.assertEqual(named(pool.order(CLIENT)), "ab")
        pool.servers[1].state = HealthState.DOWN
        self.assertEqual(named(pool.order(CLIENT)), "a")


class LeastConnectionsPoolTests(PoolTests):
    """The same by the other algorithm."""

    balancer = LeastConnections

    def test_refusing(self) -> None:
        """Where nothing else is left, servers that refused are asked by the number of their exchanges."""
        pool = self.pool("a!b-c!d!")
        orders = [pool.order(CLIENT) for _ in range(4)]
        self.assertEqual("".join(named(order, 1) for order in orders), "acda")

    def test_changed(self) -> None:
        """A change counts from the next request on."""
        pool = self.pool("a+b?")
        kept = pool.order(CLIENT)
        self.assertEqual(named(kept, 1), "a")
        self.servers[1].state = HealthState.UP
        pool.changed()
        self.assertEqual(named(pool.order(CLIENT), 1), "b")
