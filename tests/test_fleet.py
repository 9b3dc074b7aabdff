"""The simulated fleet: its clock, its answers, what becomes of its devices, and that a gateway does the same."""

from __future__ import annotations

from xml.etree import ElementTree

import attrs
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.revocation import ocsp
from agwtwisted.core.revocation.ocsp import OcspRequest, ProvenResponse
from agwtwisted.core.revocation.status import Unusable
from benchmarks.fleet import comparison, page, running
from benchmarks.fleet.__main__ import summary
from benchmarks.fleet.answers import EPOCH, answer, number_asked, subject_of, unsigned
from benchmarks.fleet.clock import SimulatedClock
from benchmarks.fleet.large import STUDIES
from benchmarks.fleet.plan import Devices, Gateways, NetworkOutage, Outage, Plan, Responder, Restart, Sharing
from benchmarks.fleet.record import Figures
from benchmarks.fleet.simulation import Simulation

PLAN = Plan(
    name="a few",
    seconds=600,
    devices=Devices(count=20, arrive_within=10),
    responder=Responder(lifetime=3600),
)


def figures(seed: int = 1, **changes: object) -> Figures:
    """What a small plan with these changes comes to."""
    return Simulation(attrs.evolve(PLAN, **changes), seed).run().figures


class ClockTests(SynchronousTestCase):
    """Simulated time."""

    def setUp(self) -> None:
        self.clock = SimulatedClock()
        self.called: list[tuple[str, float]] = []

    def note(self, name: str) -> None:
        """It is called."""
        self.called.append((name, self.clock.seconds()))

    def test_order(self) -> None:
        """Calls are made at their times, those of one time in the order in which they were asked for."""
        for name, delay in (("late", 5), ("first", 1), ("second", 1)):
            self.clock.callLater(delay, self.note, name)
        self.clock.run(until=7)
        self.assertEqual(self.called, [("first", 1), ("second", 1), ("late", 5)])
        self.assertEqual(self.clock.seconds(), 7)

    def test_not_due(self) -> None:
        """What is due after the end is not called, and neither is what was cancelled."""
        self.clock.callLater(2, self.note, "cancelled").cancel()
        self.clock.callLater(9, self.note, "later")
        self.clock.run(until=7)
        self.assertEqual(self.called, [])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)

    def test_moved(self) -> None:
        """A call that was put off, or made sooner, is made once, at its new time."""
        off, sooner = self.clock.callLater(2, self.note, "off"), self.clock.callLater(9, self.note, "sooner")
        off.delay(3)
        sooner.reset(1)
        self.clock.run(until=20)
        self.assertEqual(self.called, [("sooner", 1), ("off", 5)])


class AnswerTests(SynchronousTestCase):
    """Certificates and answers without a signature."""

    def test_answer_is_about_one_device(self) -> None:
        """The gateway's own request names the device, and another device's answer proves nothing about it."""
        request = OcspRequest.of(*subject_of(7))
        assert isinstance(request, OcspRequest)
        self.assertEqual(number_asked(request.der), 7)
        of_7, of_8 = (answer(n, revoked=False, this_update=EPOCH, next_update=EPOCH + 60) for n in (7, 8))
        with unsigned():
            self.assertIsInstance(ocsp.prove(of_7, request), ProvenResponse)
            self.assertIsInstance(ocsp.prove(of_8, request), Unusable)
        self.assertIsInstance(ocsp.prove(of_7, request), Unusable)


class SimulationTests(SynchronousTestCase):
    """What becomes of a fleet."""

    def test_seed(self) -> None:
        """One seed gives the same figures each time, another one others."""
        plan = {"devices": Devices(count=20, arrive_within=10, session=60)}
        self.assertEqual(figures(**plan), figures(**plan))
        self.assertNotEqual(figures(**plan).connections, figures(2, **plan).connections)

    def test_asked_once(self) -> None:
        """Each device waits once, and is asked about once, while its answer lasts."""
        found = figures()
        self.assertEqual((found.connections, found.questions, found.accepted, found.waits.count), (20, 20, 20, 20))

    def test_renewed_ahead(self) -> None:
        """Answers are renewed after a half to four fifths of their time, and no client waits for it."""
        found = figures(responder=Responder(lifetime=60))
        self.assertGreater(found.questions, 20 * 600 / (60 * 0.8) * 0.9)
        self.assertLess(found.questions, 20 * 600 / (60 * 0.5) * 1.1)
        self.assertEqual((found.waits.count, found.holds.count), (20, 0))

    def test_memory_that_is_too_small(self) -> None:
        """A worker that cannot hold the answers of its connections asks at their end, and holds requests meanwhile."""
        found = figures(responder=Responder(lifetime=60), gateways=Gateways(max_answers=10, clock_skew=0))
        self.assertGreater(found.holds.count, 0)
        self.assertEqual(found.answers, 10)

    def test_sharing(self) -> None:
        """What one worker has learnt its siblings know; without sharing each asks for itself."""
        devices = Devices(count=20, arrive_within=10, session=20)
        alone, shared = (
            figures(devices=devices, gateways=Gateways(workers=4, sharing=sharing))
            for sharing in (Sharing.ALONE, Sharing.WORKERS)
        )
        self.assertEqual(shared.questions, 20)
        self.assertGreater(alone.questions, 60)

    def test_shared_by_gateways(self) -> None:
        """Over a shared store each device is asked about once, wherever it comes to, and a restart loses nothing."""
        devices = Devices(count=20, arrive_within=10, session=20)
        apart, shared = (
            figures(
                devices=devices,
                gateways=Gateways(count=3, sharing=sharing),
                restarts=(Restart(at=300, keeps_answers=False),),
            )
            for sharing in (Sharing.WORKERS, Sharing.FLEET)
        )
        self.assertEqual(shared.questions, 20)
        self.assertGreater(apart.questions, 50)

    def test_restart(self) -> None:
        """After a restart a state directory saves the questions."""
        kept, lost = (figures(restarts=(Restart(at=300, keeps_answers=keeps),)) for keeps in (True, False))
        self.assertEqual((kept.questions, lost.questions), (20, 40))
        self.assertEqual((kept.connections, kept.accepted), (40, 40))

    def test_network_outage(self) -> None:
        """Devices that had no network come back, and are known."""
        found = figures(network_outages=(NetworkOutage(begin=100, end=200, spread=30),))
        self.assertEqual((found.connections, found.at_once, found.questions), (40, 20, 20))
        self.assertLessEqual(found.connected_within, 30)

    def test_silent_responder(self) -> None:
        """Without a responder clients are refused, or let in where the profile says so; later all are in."""
        outage = (Outage(begin=0, end=200),)
        refused, allowed = (figures(outages=outage, gateways=Gateways(allow=allow)) for allow in (False, True))
        self.assertGreater(refused.unavailable, 20)
        self.assertEqual(refused.accepted, 20)
        self.assertEqual((allowed.unavailable, allowed.accepted), (0, 20))

    def test_responder_that_refuses(self) -> None:
        """A refusal is found at once."""
        found = figures(outages=(Outage(begin=0, end=100, refuses=True),))
        self.assertLess(found.waits.most, 0.1)
        self.assertGreater(found.unavailable, 20)

    def test_revoked(self) -> None:
        """A revoked device loses its connection at the next renewal, and gets none any more."""
        devices = Devices(count=20, arrive_within=10, revoked_share=0.5, revoked_at=100)
        found = figures(devices=devices, responder=Responder(lifetime=60))
        self.assertEqual((found.ended, found.stays.count), (10, 10))
        self.assertLess(found.stays.most, 60)
        self.assertGreater(found.revoked, 0)

    def test_signed_ahead(self) -> None:
        """Answers that are signed ahead have less of their time left."""
        fresh, ahead = (
            figures(responder=Responder(lifetime=200, signed_every=every)).questions for every in (0.0, 150.0)
        )
        self.assertGreater(ahead, fresh)

    def test_processor(self) -> None:
        """What a worker's processor has to do takes its time: connections wait for each other."""
        found = figures(gateways=Gateways(handshake_cpu=2.0))
        self.assertGreater(found.connected_within, 35)

    def test_plans_have_names_of_their_own(self) -> None:
        """No two plans of the page are confused, and each has the part of the fleet that it says."""
        names = [case.plan.name for study in STUDIES for case in study.cases]
        self.assertEqual(len(names), len(set(names)))


class PageTests(SynchronousTestCase):
    """docs/revocation-at-scale.md."""

    def setUp(self) -> None:
        run = Simulation(attrs.evolve(PLAN, outages=(Outage(begin=100, end=200),)), 1).run()
        self.results = {case.plan.name: summary(run, 1) for study in STUDIES for case in study.cases}

    def test_tables(self) -> None:
        """Each study has a table between its marks, with a row for each plan; the text around it stays."""
        marks = "".join(f"text\n{page.begin(study)}old\n{page.END}" for study in STUDIES)
        made = page.with_tables(marks, self.results)
        self.assertEqual((made.count("text\n"), made.count("old\n")), (len(STUDIES), 0))
        self.assertEqual(made.count("\n| "), sum(2 + len(study.cases) for study in STUDIES))
        self.assertEqual(page.with_tables(made, self.results), made)

    def test_plots(self) -> None:
        """The page of plots is SVG, with a curve for each case of its two panels."""
        root = ElementTree.fromstring(page.plots(self.results))
        curves = [each for each in root.iter() if each.tag.endswith("polyline")]
        drawn = [study for study in STUDIES if study.name in ("start", "outage")]
        self.assertEqual(len(curves), sum(len(study.cases) for study in drawn))

    def test_page_has_its_tables(self) -> None:
        """The page in docs/ has the marks of every study, and no table is empty."""
        text = page.PAGE.read_text()
        for study in STUDIES:
            table = text.partition(page.begin(study))[2].partition(page.END)[0]
            self.assertEqual(table.count("\n| "), 1 + len(study.cases), study.name)


class RunningTests(SynchronousTestCase):
    """The same plan, simulated and run."""

    def test_a_gateway_does_the_same(self) -> None:
        """A gateway that runs asks as often, and takes as many clients, as the simulation says."""
        plan = attrs.evolve(PLAN, seconds=3, devices=Devices(count=12, arrive_within=0.5, session=1000))
        plan = attrs.evolve(plan, responder=Responder(lifetime=3600, latency=0.1))
        rows = comparison.rows([Simulation(plan, 1).run().figures], running.run(plan, 1).figures)
        wrong = [row for row in rows if not row.agrees and not row.name.startswith("wait")]
        self.assertEqual(wrong, [])


class ComparisonTests(SynchronousTestCase):
    """Figures side by side."""

    def test_tolerance(self) -> None:
        """A tenth more is agreement, unless it is more than a few in number; a line says where there is none."""
        base = figures()
        for questions, agrees in ((100, True), (110, True), (112, False)):
            simulated = attrs.evolve(base, questions=100)
            row = comparison.rows([simulated], attrs.evolve(base, questions=questions))[2]
            self.assertEqual((row.agrees, "DIFFERS" not in str(row)), (agrees, agrees))
