"""Taking turns by weights, and by the address of the client."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from math import gcd

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.backends.balancing import Balancer, Order, Pool
from agwtwisted.core.backends.health import HealthState
from agwtwisted.core.backends.weighted_balancing import REMEMBERED, IpHash, WeightedLeastConnections, WeightedRoundRobin
from tests.core.backends.test_balancing import PoolTests, Server, TakenOverTests, named, servers
from tests.identities import admitted

WEIGHTS = st.lists(st.integers(1, 100), min_size=1, max_size=12)


def weighted(balancer: Balancer[Server], weights: Sequence[int]) -> dict[Server, int]:
    """Servers ``a``, ``b``, ... with these weights, which take turns there."""
    found = dict(zip(servers("abcdefghijklmnopqrstuvwxyz"[: len(weights)]), weights, strict=True))
    balancer.use([*found], (), found)
    return found


def ip_hash() -> IpHash[Server]:
    """By the addresses of clients."""
    return IpHash(lambda server: server.name.encode())


def first(balancer: Balancer[Server], client: str = "") -> Server:
    """The server that one request is asked of, which is soon over."""
    order = balancer.order(client=client)
    found = next(order)
    order.close()
    return found


class WeightedRoundRobinTests(SynchronousTestCase):
    """By weights, one after the other."""

    def setUp(self) -> None:
        self.turns: WeightedRoundRobin[Server] = WeightedRoundRobin()

    def test_smooth(self) -> None:
        """The turns of a heavy server lie between those of the others."""
        weighted(self.turns, (5, 1, 1))
        self.assertEqual("".join(first(self.turns).name for _ in range(14)), "aaabcaa" * 2)
        weighted(self.turns, (2, 1))
        self.assertEqual("".join(first(self.turns).name for _ in range(6)), "abaaba")

    def test_equal(self) -> None:
        """Equal weights are turns in the order of the configuration."""
        weighted(self.turns, (7, 7, 7))
        self.assertEqual("".join(first(self.turns).name for _ in range(7)), "abcabca")

    @given(WEIGHTS, st.integers(1, 3))
    def test_shares(self, weights: list[int], rounds: int) -> None:
        """In each round every server has exactly as many turns as its weight says, measured by the weights' divisor."""
        turns: WeightedRoundRobin[Server] = WeightedRoundRobin()
        each = weighted(turns, weights)
        unit = gcd(*weights)
        for _ in range(rounds):
            counts = Counter(first(turns) for _ in range(sum(weights) // unit))
            self.assertEqual(counts, {server: weight // unit for server, weight in each.items()})

    @given(WEIGHTS)
    def test_never_far(self, weights: list[int]) -> None:
        """At no time has a server had one turn more, or less, than its share and one for each other server ahead."""
        turns: WeightedRoundRobin[Server] = WeightedRoundRobin()
        each = weighted(turns, weights)
        asked = [first(turns) for _ in range(sum(weights))]
        for server, weight in each.items():
            for number, had in enumerate(accumulate(found is server for found in asked), start=1):
                share = number * weight / sum(weights)
                self.assertLess(abs(had - share), 1 + len(weights) * weight / (2 * sum(weights)))

    def test_others_follow(self) -> None:
        """The others follow by their next turns, each once, and their turns are not taken."""
        weighted(self.turns, (1, 3))
        self.assertEqual([named(self.turns.order()) for _ in range(5)], ["ba", "ab", "ba", "ba", "ba"])

    def test_bound(self) -> None:
        """A bound server comes first, even if it takes no turns; nobody's turn is taken."""
        weighted(self.turns, (2, 1))
        other = Server("x")
        self.assertEqual([named(self.turns.order(other)) for _ in range(3)], ["xab"] * 3)
        self.assertEqual(named(self.turns.order(), 1), "a")

    def test_goes_on(self) -> None:
        """Turns go on where they were if the same servers are used again."""
        each = weighted(self.turns, (2, 1))
        self.assertEqual(first(self.turns).name, "a")
        self.turns.use([*each], (), dict(each))
        self.assertEqual(first(self.turns).name, "b")

    def test_few(self) -> None:
        """From an empty pool only a bound server is chosen."""
        self.turns.use([])
        self.assertEqual([named(self.turns.order()), named(self.turns.order(Server("x")))], ["", "x"])


class WeightedLeastConnectionsTests(SynchronousTestCase):
    """By the exchanges in progress, compared with the weights."""

    def setUp(self) -> None:
        self.balancer: WeightedLeastConnections[Server] = WeightedLeastConnections()
        self.open: list[Order[Server]] = []

    def ask(self, bound: Server | None = None) -> Server:
        """A request that stays under way."""
        order = self.balancer.order(bound)
        self.open.append(order)
        return next(order)

    @given(WEIGHTS, st.integers(1, 3))
    def test_shares(self, weights: list[int], rounds: int) -> None:
        """Where nothing ends, every server has as much to do as its weight says."""
        self.setUp()
        each = weighted(self.balancer, weights)
        counts = Counter(self.ask() for _ in range(rounds * sum(weights)))
        self.assertEqual(counts, {server: rounds * weight for server, weight in each.items()})

    @given(WEIGHTS, st.integers(1, 3))
    def test_shares_of_the_idle(self, weights: list[int], rounds: int) -> None:
        """Where each request is over before the next comes, turns are taken by the weights."""
        each = weighted(self.balancer, weights)
        unit = gcd(*weights)
        for _ in range(rounds):
            counts = Counter(first(self.balancer) for _ in range(sum(weights) // unit))
            self.assertEqual(counts, {server: weight // unit for server, weight in each.items()})

    def test_no_turns_later(self) -> None:
        """A server that was busy for long does not get all requests at once when it is done."""
        a, _ = weighted(self.balancer, (1, 1))
        self.assertIs(self.ask(), a)
        self.assertEqual({first(self.balancer).name for _ in range(100)}, {"b"})
        self.open.pop().close()
        self.assertEqual("".join(first(self.balancer).name for _ in range(10)), "aababababa")

    @given(WEIGHTS, st.lists(st.tuples(st.sampled_from("acd"), st.integers(0, 9)), max_size=200))
    def test_like_the_rule(self, weights: list[int], steps: list[tuple[str, int]]) -> None:
        """Whatever comes and goes, who is asked has no more to do for its weight than any other; little is kept."""
        self.setUp()
        each = weighted(self.balancer, weights)
        under_way: list[tuple[Order[Server], Server]] = []
        for step, number in steps:
            if step == "d" and under_way:
                under_way.pop(number % len(under_way))[0].close()
                continue
            bound = [*each][number % len(each)] if step == "c" else None
            count = Counter(server for _, server in under_way)
            order = self.balancer.order(bound)
            server = next(order)
            load = {other: count[other] / weight for other, weight in each.items()}
            self.assertTrue(server is bound or load[server] == min(load.values()))
            under_way.append((order, server))
            self.assertLessEqual(len(self.balancer._heap), 4 * len(each) + 64)
        for order, _ in under_way:
            order.close()
        self.assertEqual(self.balancer._counts, {})

    def test_others_follow(self) -> None:
        """The others follow by what they have to do; only the one that is asked is busy."""
        a, b, c = weighted(self.balancer, (4, 1, 1))
        for server in (a, b, c, c):
            self.ask(server)
        order = self.balancer.order()
        self.assertEqual(named(order), "abc")
        self.assertEqual(self.balancer._counts, {a: 1, b: 1, c: 2})

    def test_few(self) -> None:
        """From an empty pool only a bound server is chosen."""
        self.balancer.use([])
        self.assertEqual([named(self.balancer.order()), named(self.balancer.order(Server("x")))], ["", "x"])


ADDRESSES = [f"192.0.{number // 250}.{number % 250}" for number in range(5000)]


class IpHashTests(SynchronousTestCase):
    """By the address of the client."""

    def setUp(self) -> None:
        self.hash = ip_hash()

    def led(self, weights: Mapping[Server, int], addresses: Sequence[str] = ADDRESSES) -> dict[str, Server]:
        """Where clients are led to, with these servers."""
        self.hash.use([*weights], (), weights)
        return {address: first(self.hash, address) for address in addresses}

    def test_stays(self) -> None:
        """Requests from one address go to one server, in every process."""
        each = dict.fromkeys(servers("abc"), 1)
        before = self.led(each)
        self.assertEqual(self.led(each), before)
        other = ip_hash()
        other.use([*each], (), each)
        self.assertTrue(all(first(other, address) is server for address, server in before.items()))

    def test_known(self) -> None:
        """The servers of some addresses, as every version of the gateway chooses them."""
        led = self.led(
            dict(zip(servers("abcd"), (1, 2, 3, 4), strict=True)), ("192.0.2.7", "192.0.2.8", "2001:db8::7", "::1")
        )
        self.assertEqual("".join(server.name for server in led.values()), "bacd")

    @given(st.lists(st.integers(1, 100), min_size=2, max_size=8), st.data())
    def test_moves_only_what_it_must(self, weights: list[int], data: st.DataObject) -> None:
        """Of a server that goes only its own clients go elsewhere, and with it they come back."""
        each = dict(zip(servers("abcdefgh"[: len(weights)]), weights, strict=True))
        gone = data.draw(st.sampled_from([*each]))
        addresses = ADDRESSES[:200]
        before = self.led(each, addresses)
        without = self.led({server: weight for server, weight in each.items() if server is not gone}, addresses)
        self.assertTrue(all(without[address] is server for address, server in before.items() if server is not gone))
        self.assertNotIn(gone, without.values())
        self.assertEqual(self.led(each, addresses), before)

    @given(st.integers(0, 3), st.integers(1, 99))
    def test_more_weight(self, place: int, more: int) -> None:
        """A server that gets more weight takes clients from others, and these lose none to each other."""
        each = dict.fromkeys(servers("abcd"), 1)
        heavy = [*each][place]
        addresses = ADDRESSES[:200]
        before, after = self.led(each, addresses), self.led(each | {heavy: 1 + more}, addresses)
        self.assertTrue(all(after[address] in (server, heavy) for address, server in before.items()))

    def test_shares(self) -> None:
        """Clients are spread by the weights, as well as chance does it."""
        each = dict(zip(servers("abcd"), (1, 2, 3, 4), strict=True))
        counts = Counter(self.led(each).values())
        for server, weight in each.items():
            self.assertLess(abs(counts[server] / len(ADDRESSES) - weight / 10), 0.02)

    def test_others_follow(self) -> None:
        """The next server is the one that the client will have when the first is gone."""
        each = dict.fromkeys(servers("abcd"), 1)
        self.hash.use([*each])
        for address in ADDRESSES[:50]:
            ranked = list(self.hash.order(client=address))
            self.assertEqual({*ranked}, {*each})
            rest = self.led({server: 1 for server in each if server is not ranked[0]}, (address,))
            self.assertIs(rest[address], ranked[1])
            self.hash.use([*each])

    def test_bound(self) -> None:
        """A bound server comes first."""
        each = dict.fromkeys(servers("ab"), 1)
        self.hash.use([*each])
        other = Server("x")
        self.assertEqual(next(self.hash.order(other, "192.0.2.7")), other)
        self.assertEqual(len([*self.hash.order(next(iter(each)), "192.0.2.7")]), 2)

    def test_bounded(self) -> None:
        """Of many clients only the last are remembered."""
        self.hash.use(servers("ab"))
        for address in ADDRESSES:
            first(self.hash, address)
        self.assertEqual(len(self.hash._found), REMEMBERED)

    def test_few(self) -> None:
        """From an empty pool only a bound server is chosen."""
        self.hash.use([])
        self.assertEqual([named(self.hash.order()), named(self.hash.order(Server("x")))], ["", "x"])


class PoolOfClientsTests(SynchronousTestCase):
    """A pool leads clients by their own addresses."""

    def test_address(self) -> None:
        """It is the one of the connection that counts, as a load balancer ahead names it."""
        pool = Pool(servers("abcdefgh"), ip_hash())
        alone = ip_hash()
        alone.use(pool.servers)
        for address in ADDRESSES[:20]:
            self.assertIs(next(pool.order(admitted(address=address))), first(alone, address))

    def test_weights(self) -> None:
        """Its weights are those of its balancer, whoever of its servers is up."""
        each = dict(zip(servers("abc"), (3, 1, 1), strict=True))
        pool = Pool([*each], WeightedRoundRobin(), weights=each)
        self.assertEqual(Counter(next(pool.order(admitted())).name for _ in range(5)), {"a": 3, "b": 1, "c": 1})
        [*each][1].state = HealthState.DOWN
        pool.changed()
        self.assertEqual(Counter(next(pool.order(admitted())).name for _ in range(4)), {"a": 3, "c": 1})


class WeightedRoundRobinPoolTests(PoolTests):
    """Who may be asked is the same for each way to take turns."""

    balancer: Callable[[], Balancer[Server]] = WeightedRoundRobin

    def test_usable(self) -> None:
        """The healthy ones, then those not probed yet, then those that refused connections; no other that is down."""
        for states, expected in {"a?b-c+": "ca", "a?b-c?": "ac", "a-b-": "", "a!b-c!": "ac", "a!b?c-d+": "dab"}.items():
            self.assertEqual(named(self.pool(states).order(admitted())), expected, states)

    def test_changed(self) -> None:
        """A change counts from the next request on."""
        pool = self.pool("a+b?")
        self.assertEqual(named(pool.order(admitted())), "ab")
        self.servers[1].state = HealthState.UP
        pool.changed()
        self.assertEqual({named(pool.order(admitted()), 1) for _ in range(2)}, {"a", "b"})


class WeightedLeastConnectionsPoolTests(WeightedRoundRobinPoolTests):
    """The same by the other algorithm."""

    balancer = WeightedLeastConnections


class WeightedTakenOverTests(TakenOverTests):
    """A reload goes on with what is in progress."""

    def test_weights_of_the_next(self) -> None:
        """What is in progress counts on, by the weights of the next configuration."""
        a, b = servers("ab")
        old = Pool((a, b), WeightedLeastConnections(), weights={a: 1, b: 2})
        new = Pool((a, b), WeightedLeastConnections(), weights={a: 4, b: 1})
        kept = [old.order(admitted()) for _ in range(3)]
        self.assertEqual(Counter(next(order).name for order in kept), {"a": 1, "b": 2})
        new.take_over(old)
        more = [new.order(admitted()) for _ in range(7)]
        self.assertEqual(Counter(next(order).name for order in more), {"a": 7})
