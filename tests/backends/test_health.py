"""When servers are probed, and what follows for their health."""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.backends.health import PACE, SOON, Prober, Watch
from agwtwisted.backends.http_probe import http_watches
from agwtwisted.backends.pools import Backends
from agwtwisted.backends.targets import Target
from agwtwisted.core.backends.health import ConnectionRefused, HealthState, LastProbe, ProbeFinding, Shortage
from agwtwisted.core.resources.backend_pools import BackendAddress, BackendAddressPool
from agwtwisted.core.resources.resources import BackendHttpSettings, Probe
from tests.identities import admitted
from tests.wires import Network

INTERVAL, THRESHOLD, DRAIN = 30.0, 3, 10.0
NAME = "127.0.0.1:80 (s)"
SICK = "status 500 is not one of 200-399"


class WatchTests(SynchronousTestCase):
    """One target, on a clock; each question's answer is the test's."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.target = Target(self.clock, DRAIN)
        self.answers: list[Deferred[str]] = []
        self.cancelled = 0
        self.watch = Watch(self.clock, self.target, NAME, self.ask, interval=INTERVAL, threshold=THRESHOLD)

    def ask(self) -> Deferred[str]:
        """A question."""

        def cancel(answer: Deferred[str]) -> None:
            self.cancelled += 1

        self.answers.append(Deferred(cancel))
        return self.answers[-1]

    def after(self, *problems: str) -> HealthState:
        """The state after these answers, each an interval after the one before; the first question is asked already."""
        for problem in problems:
            self.answers[-1].callback(problem)
            self.clock.advance(INTERVAL)
        return self.target.state

    def started(self) -> None:
        """The first question is asked."""
        self.watch.start(0)
        self.clock.advance(0)

    def test_moved(self) -> None:
        """Each change of the state is heard of, with why."""
        moves: list[tuple[str, HealthState, HealthState, str]] = []
        Prober([self.watch], Random(0), lambda *move: moves.append(move))
        self.started()
        self.after("", "", *[SICK] * THRESHOLD)
        self.assertEqual(
            [(before, after) for _, before, after, _ in moves],
            [(HealthState.UNKNOWN, HealthState.UP), (HealthState.UP, HealthState.DOWN)],
        )
        self.assertEqual((moves[1][0], moves[1][3]), (NAME, SICK))
        self.watch.stop()

    def test_last_probe(self) -> None:
        """The last probe is kept with its time, and with what it has found in the product's words, if it has any."""
        self.assertIsNone(self.target.last_probe)
        self.started()
        for problem, log in ((ProbeFinding("", "Success."), "Success."), (SICK, SICK)):
            self.clock.advance(1)
            self.answers[-1].callback(problem)
            self.assertEqual(self.target.last_probe, LastProbe(at=self.clock.seconds(), log=log))
            self.clock.advance(INTERVAL)
        self.target.refused()
        assert self.target.last_probe is not None
        self.assertIn("A request was refused a connection", self.target.last_probe.log)
        self.watch.stop()

    def test_shortage(self) -> None:
        """A probe that could not be sent says nothing about the server, and is logged once until one can be sent
        again.
        """
        self.started()
        with capturedLogs() as events:
            self.assertIs(self.after("", *[Shortage("Too many open files")] * 5), HealthState.UP)
        said = [formatEvent(event) for event in events]
        told = [line for line in said if "not probed" in line]
        self.assertEqual(told, [f"{NAME} was not probed: Too many open files"])
        self.assertIs(self.after(*[SICK] * THRESHOLD), HealthState.DOWN)

    def test_delay(self) -> None:
        """The first lookup waits as long as configured."""
        self.watch.start(2)
        self.clock.advance(1.9)
        self.assertEqual(self.answers, [])
        self.clock.advance(0.1)
        self.assertEqual((len(self.answers), self.target.state), (1, HealthState.UNKNOWN))

    def test_interval(self) -> None:
        """A question begins an interval after the one before began, however long the answer took."""
        self.started()
        self.clock.advance(INTERVAL - 10)
        self.answers[-1].callback("")
        self.clock.advance(9)
        self.assertEqual(len(self.answers), 1)
        self.clock.advance(1)
        self.assertEqual(len(self.answers), 2)

    def test_one_at_a_time(self) -> None:
        """An answer that takes longer than the interval is waited for, and the next question follows at once."""
        self.started()
        self.clock.advance(3 * INTERVAL)
        self.assertEqual(len(self.answers), 1)
        self.answers[-1].callback("")
        self.clock.advance(0)
        self.assertEqual(len(self.answers), 2)

    def test_answered_at_once(self) -> None:
        """An answer that is there at once is taken as well."""
        self.watch = Watch(self.clock, self.target, "n", lambda: succeed(""), interval=INTERVAL, threshold=1)
        self.started()
        self.assertIs(self.target.state, HealthState.UP)
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_states(self) -> None:
        """Up with the first success; down with the first answer, or after so many failures in a row."""
        self.started()
        self.assertIs(self.after(SICK), HealthState.DOWN)
        self.assertIs(self.after(""), HealthState.UP)
        self.assertIs(self.after(SICK, SICK), HealthState.UP)
        self.assertIs(self.after(SICK), HealthState.DOWN)
        self.assertIs(self.after(""), HealthState.UP)

    def test_log(self) -> None:
        """Each change is logged once, with the reason."""
        self.started()
        with capturedLogs() as events:
            self.after("", "", SICK, SICK, SICK, SICK, "", "")
        self.assertEqual(
            [(event["log_level"].name, formatEvent(event)) for event in events],
            [
                ("info", "Backend server 127.0.0.1:80 (s): Unknown -> Up: the probe's answer is as it should be"),
                ("warn", f"Backend server 127.0.0.1:80 (s): Up -> Down: {SICK}"),
                ("info", "Backend server 127.0.0.1:80 (s): Down -> Up: the probe's answer is as it should be"),
            ],
        )

    def test_stop(self) -> None:
        """Nothing is left of it: no timer, no question, no answer taken."""
        self.watch.start(5)
        self.watch.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.started()
        self.watch.stop()
        self.assertEqual((self.cancelled, self.clock.getDelayedCalls()), (1, []))
        self.assertIs(self.target.state, HealthState.UNKNOWN)
        self.assertEqual((self.target.when_refused, self.target.when_reached), (None, None))

    def test_stop_between(self) -> None:
        """Nor between two questions."""
        self.started()
        self.answers[-1].callback("")
        self.watch.stop()
        self.assertEqual((self.cancelled, self.clock.getDelayedCalls(), self.target.state), (0, [], HealthState.UP))

    def test_defect(self) -> None:
        """A defect is logged, counts as a failure, and the questions go on."""
        self.started()
        self.answers[-1].errback(KeyError("a defect"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertIs(self.target.state, HealthState.DOWN)
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.answers), 2)

    # -- what requests find out

    def test_refused(self) -> None:
        """A refused connection counts like a failed probe."""
        self.started()
        self.after("", SICK)
        self.target.refused()
        self.assertIs(self.target.state, HealthState.UP)
        with capturedLogs() as events:
            self.target.refused()
        self.assertIs(self.target.state, HealthState.DOWN)
        self.assertIn("Up -> Down: connections are refused", formatEvent(events[0]))

    def test_refused_at_first(self) -> None:
        """Before the first answer one is enough."""
        self.started()
        self.target.refused()
        self.assertIs(self.target.state, HealthState.DOWN)

    def test_refusing(self) -> None:
        """Requests and probes that were refused leave a server that may be back; any other answer says more."""
        self.started()
        self.after("")
        for _ in range(THRESHOLD):
            self.target.refused()
        self.assertEqual((self.target.state, self.target.refusing), (HealthState.DOWN, True))
        for problem, refusing in (
            (ConnectionRefused("refused"), True),
            (SICK, False),
            (ConnectionRefused("refused"), True),
        ):
            self.after(problem)
            self.assertEqual((self.target.state, self.target.refusing), (HealthState.DOWN, refusing))

    def test_reached(self) -> None:
        """A server that is down and takes a connection is asked at once, but not twice within a second."""
        self.started()
        self.after(SICK, SICK, SICK, SICK, SICK)
        asked = len(self.answers)
        self.answers[-1].callback(SICK)
        self.target.reached()
        self.clock.advance(0.99)
        self.assertEqual(len(self.answers), asked)
        self.clock.advance(0.01)
        self.assertEqual(len(self.answers), asked + 1)
        self.target.reached()  # while it is being asked
        self.answers[-1].callback(SICK)
        self.clock.advance(SOON)
        self.target.reached()
        self.clock.advance(0)
        self.assertEqual(len(self.answers), asked + 2)
        self.watch.stop()
        self.target.reached()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused_while_down(self) -> None:
        """A server that is down is not more so because of it."""
        self.started()
        self.after(SICK)
        self.target.refused()
        self.assertEqual(self.target.health.failures, 1)

    def asked_at(self, seconds: float) -> list[float]:
        """When the questions of this time come that all are answered with a failure."""
        times: list[float] = []
        end = self.clock.seconds() + seconds
        while self.clock.seconds() < end:
            count = len(self.answers)
            self.clock.advance(0.5)
            if len(self.answers) > count:
                times.append(self.clock.seconds())
                self.answers[-1].callback(SICK)
        return times

    def test_asked_soon(self) -> None:
        """A server that requests find down is asked soon, and less and less soon as long as it stays down."""
        self.started()
        self.answers[-1].callback("")
        for _ in range(THRESHOLD):
            self.target.refused()
        soon = [SOON, 3 * SOON, 7 * SOON, 15 * SOON, 31 * SOON]
        self.assertEqual(self.asked_at(100), [*soon, *(soon[-1] + INTERVAL * number for number in (1, 2))])

    def test_asked_soon_at_first(self) -> None:
        """So is one that is not there yet when the gateway starts."""
        self.started()
        self.answers[-1].callback(SICK)
        soon = [SOON, 3 * SOON, 7 * SOON, 15 * SOON, 31 * SOON]
        self.assertEqual(self.asked_at(70), [*soon, soon[-1] + INTERVAL])

    def test_not_later(self) -> None:
        """Not later than it would have been."""
        self.started()
        self.answers[-1].callback("")
        self.clock.advance(INTERVAL - SOON / 2)
        for _ in range(THRESHOLD):
            self.target.refused()
        self.clock.advance(SOON / 2)
        self.assertEqual(len(self.answers), 2)

    def test_soon_no_longer(self) -> None:
        """Once it is up again it is asked as often as others."""
        self.started()
        self.answers[-1].callback("")
        for _ in range(THRESHOLD):
            self.target.refused()
        self.clock.advance(SOON)
        self.answers[-1].callback("")
        self.assertIs(self.target.state, HealthState.UP)
        self.clock.advance(INTERVAL - 1)
        self.assertEqual(len(self.answers), 2)
        self.clock.advance(1)
        for _ in range(THRESHOLD):
            self.answers[-1].callback(SICK)
            self.assertEqual(self.asked_at(INTERVAL - 1), [])
            self.clock.advance(1)

    def test_refused_while_asked(self) -> None:
        """The answer to a question under way counts after it."""
        self.started()
        self.after("")
        for _ in range(THRESHOLD):
            self.target.refused()
        self.answers[-1].callback("")
        self.assertIs(self.target.state, HealthState.UP)


class ProberTests(SynchronousTestCase):
    """Every server of a configuration."""

    def setUp(self) -> None:
        self.network = Network()
        self.backends = Backends(self.network)  # type: ignore[arg-type]

    def prober(self, *ways: tuple[str, dict[str, Any]], ports: tuple[int, ...] = (1, 2)) -> Prober:
        """A prober of pools on these ports, each under the settings of that name."""
        addresses = tuple(BackendAddress(host="127.0.0.1", port=port) for port in ports)
        pairs = [
            (
                BackendAddressPool(name=str(number), backend_addresses=addresses),
                BackendHttpSettings(name=name, **settings),
            )
            for number, (name, settings) in enumerate(ways)
        ]
        prober = Prober(http_watches(self.network, self.backends, pairs), Random(1))
        self.pools = [self.backends.pool(*pair) for pair in pairs]
        return prober

    def attempts(self, *ports: int) -> list[int]:
        """How many connections were made to these ports."""
        return [self.network.backend(port).attempts for port in ports]

    def test_starts(self) -> None:
        """Every server is asked at once, and anew after the interval."""
        prober = self.prober(("s", {}))
        prober.startService()
        self.network.advance(2 * PACE)
        self.assertEqual(self.attempts(1, 2), [1, 1])
        self.network.advance(0)
        for port in (1, 2):
            self.network.backend(port).line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual([server.state for server in self.pools[0].servers], [HealthState.UP, HealthState.UP])
        self.network.advance(INTERVAL)
        self.assertEqual(self.attempts(1, 2), [2, 2])
        prober.stopService()

    def test_each_settings(self) -> None:
        """A server is asked once for each settings, whichever pools it is in; its health is theirs."""
        prober = self.prober(("s", {}), ("s", {}), ("t", {}))
        prober.startService()
        self.network.advance(1)
        self.assertEqual(self.attempts(1, 2), [2, 2])
        self.network.backend(1).lines[0].send(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        states = [[server.state for server in pool.servers] for pool in self.pools]
        self.assertEqual(states[0], states[1])
        self.assertNotEqual(states[0], states[2])
        prober.stopService()

    def test_port_of_its_own(self) -> None:
        """A probe with a port asks there; what it sees is said of the server itself."""
        prober = self.prober(("s", {"probe": Probe(name="p", port=3, path="/x")}), ports=(1,))
        prober.startService()
        self.network.advance(PACE)
        self.network.advance(0)
        self.assertEqual(self.attempts(1, 3), [0, 1])
        self.assertTrue(self.network.backend(3).line.take().startswith(b"GET /x HTTP/1.1\r\n"))
        self.network.backend(3).line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        self.assertIs(self.pools[0].servers[0].state, HealthState.UP)
        prober.stopService()

    def test_slow_answer(self) -> None:
        """A probe has its own time, however short that of requests under way at a server that is down."""
        prober = self.prober(("s", {"connection_draining_timeout": 1.0}), ports=(1,))
        prober.startService()
        server = self.pools[0].servers[0]
        for seconds, status, state in (
            (0, 500, HealthState.DOWN),
            (INTERVAL, 500, HealthState.DOWN),
            (INTERVAL, 200, HealthState.UP),
        ):
            self.network.advance(seconds)
            self.network.advance(PACE)
            self.network.advance(5)
            self.network.backend(1).line.send(b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n" % status)
            self.assertIs(server.state, state)
        prober.stopService()

    def test_many(self) -> None:
        """Many are asked one after the other, in far less than the interval; the stop leaves nothing."""
        ports = tuple(range(1, 301))
        prober = self.prober(("s", {}), ports=ports)
        prober.startService()
        self.network.advance(PACE)
        self.assertLessEqual(sum(self.attempts(*ports)), 2)
        for _ in range(100):
            self.network.advance(300 * PACE / 100)
        self.assertEqual(sum(self.attempts(*ports)), 300)
        prober.stopService()
        self.network.advance(0)
        self.assertEqual(self.network.timers(), [])

    def test_short_interval(self) -> None:
        """However many there are, all are asked within one interval."""
        ports = tuple(range(1, 301))
        prober = self.prober(("s", {"probe": Probe(name="p", interval=1)}), ports=ports)
        prober.startService()
        for _ in range(10):
            self.network.advance(0.1)
        self.assertEqual(sum(self.attempts(*ports)), 300)
        prober.stopService()

    def test_refused_request(self) -> None:
        """A request that is refused a connection is taken into account as long as probes are made."""
        prober = self.prober(("s", {}))
        prober.startService()
        server = self.pools[0].servers[0]
        server.refused()
        self.assertIs(server.state, HealthState.DOWN)
        self.assertEqual([each.port for each in self.pools[0].order(admitted())], [2, 1])
        prober.stopService()
        self.pools[0].servers[1].refused()
        self.assertEqual([each.port for each in self.pools[0].order(admitted())], [2, 1])
        self.backends.close_idle()

    def test_nobody(self) -> None:
        """A configuration without servers has nothing to ask."""
        prober = self.prober(("s", {}), ports=())
        prober.startService()
        self.assertEqual(self.network.timers(), [])
        prober.stopService()


class ReplacedTests(SynchronousTestCase):
    """The prober of the next configuration, in place of the one before."""

    def setUp(self) -> None:
        self.network = Network()
        self.backends = Backends(self.network)  # type: ignore[arg-type]
        self.prober, _ = self.made(None, ports=(1, 2))
        self.prober.startService()
        self.addCleanup(lambda: self.prober.stopService())
        self.network.advance(1)
        self.answer(1, 2)
        self.network.advance(9)

    def made(
        self, previous: Backends | None, *, ports: tuple[int, ...], probe: Probe | None = None, **settings: Any
    ) -> tuple[Prober, Backends]:
        """A prober of one pool on these ports, which takes from the previous backends, and its own."""
        backends = self.backends if previous is None else Backends(self.network, previous=previous)  # type: ignore[arg-type]
        addresses = tuple(BackendAddress(host="127.0.0.1", port=port) for port in ports)
        pair = (
            BackendAddressPool(name="p", backend_addresses=addresses),
            BackendHttpSettings(name="s", probe=probe, **settings),
        )
        prober = Prober(http_watches(self.network, backends, [pair]), Random(1))
        self.pool = backends.pool(*pair)
        return prober, backends

    def answer(self, *ports: int, status: int = 200) -> None:
        """The servers on these ports answer the last question."""
        for port in ports:
            self.network.backend(port).line.send(b"HTTP/1.1 %d -\r\nContent-Length: 0\r\n\r\n" % status)

    def replaced(self, *ports: int, probe: Probe | None = None, **settings: Any) -> None:
        """The next configuration is in force."""
        prober, backends = self.made(self.backends, ports=ports, probe=probe, **settings)
        backends.take_over(self.backends)
        prober.take_over(self.prober)
        self.prober.stopService()
        prober.startService()
        self.prober, self.backends = prober, backends

    def attempts(self, *ports: int) -> list[int]:
        """How many connections were made to these ports."""
        return [self.network.backend(port).attempts for port in ports]

    def states(self) -> list[HealthState]:
        """What is known of the servers of the pool."""
        return [server.state for server in self.pool.servers]

    def test_same(self) -> None:
        """Servers that are probed as before keep their times, however often the configuration is replaced."""
        for _ in range(10):
            self.replaced(1, 2)
        self.assertEqual(self.states(), [HealthState.UP, HealthState.UP])
        self.network.advance(INTERVAL - 9 - PACE)
        self.assertEqual(self.attempts(1, 2), [1, 1])
        self.network.advance(PACE)
        self.assertEqual(self.attempts(1, 2), [2, 2])

    def test_other_settings(self) -> None:
        """So do those whose settings differ in nothing that concerns servers."""
        self.replaced(1, 2, request_timeout=7.0, cookie_based_affinity=True)
        self.network.advance(1)
        self.assertEqual((self.attempts(1, 2), self.states()), ([1, 1], [HealthState.UP] * 2))

    def test_new_and_gone(self) -> None:
        """A new server is probed at once, and one that left is not probed any more."""
        gone = self.pool.servers[1]
        self.replaced(1, 3)
        self.assertEqual(self.states(), [HealthState.UP, HealthState.UNKNOWN])
        self.assertEqual([next(self.pool.order(admitted())).port for _ in range(3)], [1, 1, 1])
        self.network.advance(PACE)
        self.assertEqual(self.attempts(1, 2, 3), [1, 1, 1])
        self.network.advance(0)
        self.answer(3)
        self.assertEqual(self.states(), [HealthState.UP] * 2)
        self.network.advance(INTERVAL)
        self.assertEqual(self.attempts(1, 2, 3), [2, 1, 2])
        self.assertEqual((gone.when_refused, gone.when_reached), (None, None))

    def test_all_new(self) -> None:
        """Where no server is known yet, requests go to all of them, as at the start."""
        self.replaced(3, 4)
        self.assertEqual([each.port for each in self.pool.order(admitted())], [3, 4])

    def test_other_probe(self) -> None:
        """Another probe is sent at once; what the one before has found counts until the first result, its failures
        do not.
        """
        self.network.advance(INTERVAL - 9)
        self.network.advance(0)
        self.answer(1, 2, status=500)
        self.assertEqual([server.health.failures for server in self.pool.servers], [1, 1])
        self.replaced(1, 2, probe=Probe(name="p", path="/new", unhealthy_threshold=2))
        self.assertEqual((self.states(), self.pool.servers[0].health.failures), ([HealthState.UP] * 2, 0))
        self.network.advance(2 * PACE)
        self.network.advance(0)
        self.assertEqual(self.attempts(1, 2), [3, 3])
        self.assertTrue(self.network.backend(1).line.take().startswith(b"GET /new "))
        self.answer(1, 2, status=500)
        self.assertEqual(self.states(), [HealthState.UP] * 2)

    def test_under_way(self) -> None:
        """A question under way goes on where the probe is the same, and is given up where it is not."""
        for probe, state in ((None, HealthState.UP), (Probe(name="p", path="/new"), HealthState.UNKNOWN)):
            self.network = Network()
            self.backends = Backends(self.network)  # type: ignore[arg-type]
            self.prober, _ = self.made(None, ports=(1,))
            self.prober.startService()
            self.network.advance(PACE)
            self.network.advance(0)
            asked = self.network.backend(1).line
            self.replaced(1, probe=probe)
            self.network.advance(0)
            asked.send(b"HTTP/1.1 200 -\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual((self.states(), asked.reset), ([state], probe is not None))

    def test_requests_report(self) -> None:
        """Requests report refused connections to the watch in force, whichever configuration they began under."""
        server = self.pool.servers[0]
        for probe in (None, Probe(name="p", path="/new", unhealthy_threshold=1)):
            self.replaced(1, 2, probe=probe)
            self.assertIs(self.pool.servers[0], server)
            server.refused()
        self.assertEqual(self.states(), [HealthState.DOWN, HealthState.UP])

    def test_many(self) -> None:
        """Many servers are not probed by a change that does not concern them; where all are new, one by one."""
        ports = tuple(range(10, 310))
        self.replaced(*ports)
        for _ in range(100):
            self.network.advance(300 * PACE / 100)
        self.assertEqual({*self.attempts(*ports)}, {1})
        self.replaced(*ports, 1)
        self.network.advance(5)
        self.assertEqual({*self.attempts(*ports)}, {1})
        self.replaced(*ports, probe=Probe(name="p", path="/new"))
        self.network.advance(PACE)
        self.assertLessEqual(sum(self.attempts(*ports)), len(ports) + 2)

    def test_thrown_away(self) -> None:
        """A prober that never comes into force probes nothing, and takes nothing."""
        self.made(self.backends, ports=(1, 3))
        self.network.advance(INTERVAL)
        self.assertEqual(self.attempts(1, 2, 3), [2, 2, 0])
