"""Work of the control plane: each piece is done whole, or nothing of it, and one comes after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.arm.findings import NAMES_NOTHING
from agwtwisted.core.base.errors import ConfigError, Place, Problem, UnacceptableError
from agwtwisted.core.operations.questions import Question
from agwtwisted.core.resource_manager.messages import (
    ArmAnswer,
    ArmRequest,
    ArmState,
    AskHealth,
    Change,
    JsonObject,
    NoTask,
    ProbeOnce,
    Serve,
    ServeNothing,
    Stored,
    Task,
    Work,
)
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.reload import STOPPING, Rejected, ReloadOutcome
from agwtwisted.resource_manager import source as sources
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.resource_manager.store import Store
from agwtwisted.resource_manager.works import OPERATIONS, SYNCHRONOUS, TURN, WAITING, Works
from agwtwisted.transport import threads
from tests.clocks import ThreadedReactor
from tests.resource_manager.planes import IN_FORCE, AtOnce, FakeGateway, FakeProtocol

EMPTY = ArmState(tenant="t", subscription="s")
DONE = ArmAnswer(status=201)
BODY: JsonObject = {"name": "gw"}


def request(number: int = 1, method: str = "PUT") -> ArmRequest:
    """One with this id."""
    moment = datetime(2026, 11, 30, tzinfo=UTC)
    return ArmRequest(method=method, path="/x", base_url="https://localhost", request_id=f"ID-{number}", moment=moment)


def work(name: str, task: Task | None = None, **more: Any) -> Work:
    """What puts a resource of this name, and serves it unless the task is another one."""
    stored = Stored(id=f"/{name}", body={"name": name}, etag="1")
    serve = Serve(body={"name": name}) if task is None else task
    return Work(task=serve, answer=DONE, changes=(Change(id=f"/{name}", stored=stored),), summary=f"PUT {name}", **more)


class WorksCase(SynchronousTestCase):
    """Work with threads that are none, and a store on the disk."""

    def setUp(self) -> None:
        self.patch(threads.threading, "Thread", AtOnce)
        self.patch(sources, "load_arm", self.load)
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.wrong: dict[bytes, Problem] = {}
        self.reactor: Any = ThreadedReactor()
        self.gateway = FakeGateway()
        self.protocol = FakeProtocol()
        self.store = Store(self.directory, self.step)
        self.broken = ""
        self.probed: list[ProbeOnce] = []
        self.finding: Deferred[JsonObject] = succeed({"servers": []})
        self.source = PlaneSource("gw.ini", lambda: datetime.now(UTC), self.store, EMPTY, None)
        gateway: Any = self.gateway
        self.works = Works(self.reactor, gateway, self.source, self.probe, self.protocol)

    def step(self, name: str) -> None:
        """A step of the store, which fails where the test says so."""
        if name == self.broken:
            raise OSError(28, "No space left on device", "state.json")

    def load(self, body: bytes | None, overlay: str, now: datetime) -> Any:
        """In place of the loading of a gateway."""
        for name, problem in self.wrong.items():
            if body is not None and name in body:
                raise ConfigError([problem])
        return body

    def probe(self, task: ProbeOnce) -> Deferred[JsonObject]:
        """Notes what is to be probed."""
        self.probed.append(task)
        return self.finding

    def does(self, *answers: ArmAnswer | Work) -> Deferred[ArmAnswer]:
        """What comes of a request that is answered, or worked on, like this."""
        self.protocol.answers += answers
        return self.works.work(request(), "ci")

    def status(self, *answers: ArmAnswer | Work) -> int:
        """The status of a request that is answered at once."""
        return self.successResultOf(self.does(*answers)).status

    def kept(self) -> list[str]:
        """The resources that a restart finds."""
        return sorted(Store(self.directory).read(EMPTY).records)


class ChangeTests(WorksCase):
    """Changes."""

    def test_given_values(self) -> None:
        """A request is judged with what `[arm]` of the file in force says in place of Azure."""
        text = SourceFile(data=b"[arm]\nvalue.1 = reference('x').port=8080\n", mode=0o600)
        self.gateway.arm = ArmFiles(overlay="gateway.ini", text=text)
        self.assertEqual(self.status(DONE), 201)
        [(expression, node)] = self.protocol.states[-1].values.items()
        self.assertEqual((expression, node.value), ("reference('x').port", "8080"))
        self.gateway.arm = None
        self.assertEqual(self.status(DONE), 201)
        self.assertEqual(self.protocol.states[-1].values, {})

    def test_put(self) -> None:
        """A gateway is put in force, kept and answered; the log says who has put what."""
        with capturedLogs() as events:
            self.assertEqual(self.status(work("one", removed=("probes",))), 201)
        self.assertEqual((self.gateway.events, self.kept()), (["take PUT one"], ["/one"]))
        self.assertEqual((self.source.body, list(self.works.state.records)), ({"name": "one"}, ["/one"]))
        lines = [formatEvent(each) for each in events]
        self.assertEqual(lines, ["Control plane: PUT one by ci: done (201); removed: probes"])

    def test_sections_that_wait(self) -> None:
        """The line of each change names sections of the file that name nothing: what they protect is open."""
        place = Place(file="gw.ini")
        waits = Problem(place=place, section="ssl_profile devices", message="none", name=NAMES_NOTHING.name)
        self.gateway.warnings = (Problem(place=place, section="other", message="unwise"), waits)
        with capturedLogs() as events:
            self.status(work("one"))
        self.assertIn("without effect, since they name nothing: ssl_profile devices", str(formatEvent(events[-1])))

    def test_order(self) -> None:
        """It is written before it is in force, and kept only then: until it is in force a restart finds what was."""
        self.gateway.taking = Deferred()
        answered = self.does(work("one"))
        self.assertEqual((self.kept(), self.source.body, list(self.works.state.records)), ([], None, []))
        self.assertTrue((self.directory / "arm" / "state.json.new").exists())
        self.assertNoResult(answered)
        self.gateway.taking.callback(IN_FORCE)
        self.successResultOf(answered)
        self.assertEqual(self.kept(), ["/one"])

    def test_refused(self) -> None:
        """A gateway that is not taken changes nothing: neither what serves, nor what is kept or shown."""
        self.status(work("one"))
        problem = Problem(place=Place(file="gateway.json", path="properties.probes[0]"), message="is wrong")
        self.wrong[b"two"] = problem
        self.assertEqual(self.status(work("two")), 400)
        self.assertEqual((self.protocol.problems, self.kept()), ((problem,), ["/one"]))
        self.assertEqual((self.source.body, list(self.works.state.records)), ({"name": "one"}, ["/one"]))
        self.assertFalse((self.directory / "arm" / "state.json.new").exists())

    def test_cannot_be_written(self) -> None:
        """Where it cannot be written nothing is put in force."""
        for self.broken in ("begin", "state"):
            self.assertEqual(self.status(work("one")), 400)
        self.assertIn("No space left on device", self.protocol.problems[0].message)
        self.assertEqual((self.gateway.events, self.kept()), ([], []))

    def test_cannot_be_kept(self) -> None:
        """Where it cannot be kept once it is in force, what served before is put in force again."""
        self.status(work("one"))
        self.broken = "rename"
        self.assertEqual(self.status(work("two")), 400)
        self.assertEqual(self.gateway.served[-1], self.gateway.served[0])
        self.assertEqual((self.kept(), self.source.body), (["/one"], {"name": "one"}))

    def test_cannot_be_taken_back(self) -> None:
        """Where that fails as well, the log says that what serves is not what is kept."""
        self.status(work("one"))
        self.broken = "rename"
        self.gateway.taking = Deferred()
        answered = self.does(work("two"))
        taking, self.gateway.taking = self.gateway.taking, None
        self.wrong[b"one"] = Problem(place=Place(file="x"), message="a port is busy")
        with capturedLogs() as events:
            taking.callback(IN_FORCE)
        self.assertEqual(self.successResultOf(answered).status, 400)
        self.assertIn("is not the one that is kept", "\n".join(map(str, map(formatEvent, events))))

    def test_stop_and_start(self) -> None:
        """What is stopped serves nothing, and stays stopped in a restart; a start puts it in force again."""
        self.status(work("one"))
        self.status(work("one", ServeNothing(), running=False))
        self.assertIsNone(self.source.body)
        self.assertFalse(Store(self.directory).read(EMPTY).running)
        self.status(work("one", running=True))
        self.assertEqual(self.source.body, {"name": "one"})
        self.assertTrue(Store(self.directory).read(EMPTY).running)

    def test_judged_alone(self) -> None:
        """A gateway that is to be judged alone, as one that is stopped, is kept and serves nothing."""
        self.assertEqual(self.status(work("one", Serve(body=BODY, only_judged=True))), 201)
        self.assertEqual((self.gateway.events, self.kept()), ([], ["/one"]))
        self.wrong[b"gw"] = Problem(place=Place(file="x"), message="is wrong")
        self.assertEqual(self.status(work("two", Serve(body=BODY, only_judged=True))), 400)
        self.assertEqual(self.kept(), ["/one"])

    def test_neighbours(self) -> None:
        """A resource that serves nothing is kept, without a reload; what changes nothing is not even written."""
        self.assertEqual(self.status(work("group", NoTask())), 201)
        self.assertEqual((self.gateway.events, self.kept()), ([], ["/group"]))
        self.broken = "begin"
        self.assertEqual(self.status(work("group", NoTask())), 201)

    def test_stopping(self) -> None:
        """A gateway that is stopping takes nothing, and says so by 503."""
        self.gateway.taking = succeed(Rejected(generation=1, fingerprint="f", problems=(STOPPING,)))
        self.assertEqual(self.status(work("one")), 503)
        self.assertEqual(self.kept(), [])

    def test_rejected_without_findings(self) -> None:
        """A reload that is rejected for a defect has its lines alone."""
        self.gateway.taking = succeed(Rejected(generation=1, fingerprint="f", problems=("ERROR a defect",)))
        self.assertEqual(self.status(work("one")), 400)
        self.assertEqual([each.message for each in self.protocol.problems], ["ERROR a defect"])


class TurnTests(WorksCase):
    """One after the other."""

    def test_state_of_its_turn(self) -> None:
        """A request is decided by the state of its turn, not of its arrival."""
        self.gateway.taking = Deferred()
        first, second = self.does(work("one")), self.does(work("two"))
        self.assertEqual(len(self.protocol.states), 1)
        taking: Deferred[ReloadOutcome] = self.gateway.taking
        self.gateway.taking = None
        taking.callback(IN_FORCE)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual([list(each.records) for each in self.protocol.states], [[], ["/one"]])
        self.assertEqual(self.kept(), ["/one", "/two"])

    def test_bound(self) -> None:
        """So many wait; one more is refused, and reading goes on."""
        self.gateway.taking = Deferred()
        waiting = [self.does(work("one")) for _ in range(WAITING)]
        self.assertEqual(self.status(), 429)
        self.assertEqual(self.successResultOf(self.works.read(request(method="GET"))).status, 404)
        taking: Deferred[ReloadOutcome] = self.gateway.taking
        self.gateway.taking = None
        taking.callback(IN_FORCE)
        self.assertEqual([self.successResultOf(each).status for each in waiting], [201] * WAITING)
        self.assertEqual(self.status(work("one")), 201)

    def test_too_long(self) -> None:
        """A request whose turn does not come in time is refused, and no work is begun for it later."""
        self.gateway.taking = Deferred()
        first, second = self.does(work("one")), self.does(work("two"))
        self.reactor.advance(TURN)
        self.assertEqual(self.successResultOf(second).status, 503)
        self.assertEqual(self.successResultOf(first).status, 202)
        taking: Deferred[ReloadOutcome] = self.gateway.taking
        self.gateway.taking = None
        taking.callback(IN_FORCE)
        self.assertEqual(self.kept(), ["/one"])
        self.successResultOf(self.works.idle())

    def test_defect(self) -> None:
        """A defect is the outcome of its own request, and the next one gets its turn."""
        self.gateway.taking = fail(ZeroDivisionError())
        self.failureResultOf(self.does(work("one")), ZeroDivisionError)
        self.gateway.taking = None
        self.assertEqual(self.status(work("two")), 201)

    def test_answers(self) -> None:
        """What needs no work is answered with what the protocol says."""
        self.assertEqual(self.status(ArmAnswer(status=412)), 412)
        self.assertEqual(self.gateway.events, [])


class ReadTests(WorksCase):
    """Requests that change nothing."""

    def test_thread(self) -> None:
        """What is read is made in a thread, for one request after the other; one too many is refused."""
        started: list[Callable[[], None]] = []
        self.patch(threads.threading, "Thread", lambda target, **_: AtOnce(lambda: started.append(target), "", True))
        answers = [self.works.read(request(method="GET")) for _ in range(2 + WAITING)]
        self.assertEqual((self.successResultOf(answers.pop()).status, self.protocol.states), (429, []))
        while started:
            (target,) = started
            started.clear()
            target()
        self.assertEqual([self.successResultOf(each).status for each in answers], [404] * (1 + WAITING))


class OperationTests(WorksCase):
    """Work that takes longer than its request."""

    def accepted(self, number: int = 1) -> Deferred[ReloadOutcome]:
        """Work that goes on; returns what it waits for."""
        taking: Deferred[ReloadOutcome] = Deferred()
        self.gateway.taking = taking
        self.protocol.answers.append(work("one"))
        answered = self.works.work(request(number), "ci")
        self.assertNoResult(answered)
        self.reactor.advance(SYNCHRONOUS)
        self.assertEqual(self.successResultOf(answered).status, 202)
        return taking

    def test_outcome(self) -> None:
        """It is accepted, and those that ask hear of its outcome by the id of the request once it is done."""
        taking = self.accepted()
        self.assertIsNone(self.works.state.operations["id-1"].answer)
        taking.callback(IN_FORCE)
        self.assertEqual((self.works.state.operations["id-1"].answer, self.kept()), (DONE, ["/one"]))

    def test_defect(self) -> None:
        """A defect is an outcome, too, and in the log."""
        self.accepted().errback(ZeroDivisionError())
        answer = self.works.state.operations["id-1"].answer
        assert answer is not None
        self.assertEqual(answer.status, 500)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_bound(self) -> None:
        """So many are known, the last ones; quick work is none, and no timer is left."""
        for number in range(OPERATIONS + 2):
            self.accepted(number).callback(IN_FORCE)
        self.assertEqual(len(self.works.state.operations), OPERATIONS)
        self.assertNotIn("id-1", self.works.state.operations)
        self.gateway.taking = None
        self.status(work("two"))
        self.assertEqual(len(self.works.state.operations), OPERATIONS)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class HealthTests(WorksCase):
    """The health of servers."""

    def test_backends(self) -> None:
        """The gateway's own answer is what the protocol is given."""
        self.assertEqual(self.status(Work(task=AskHealth(), answer=DONE)), 200)
        self.assertEqual((self.gateway.asked, self.protocol.found), ([Question.BACKENDS], {"backend_pools": []}))

    def test_probe(self) -> None:
        """A probe is made once; values that are none are the client's error."""
        task = ProbeOnce(pool="p", settings="s")
        self.assertEqual(self.status(Work(task=task, answer=DONE)), 200)
        self.assertEqual((self.probed, self.protocol.found), ([task], {"servers": []}))
        self.finding = fail(UnacceptableError("path is wrong"))
        self.assertEqual(self.status(Work(task=task, answer=DONE)), 400)


class RefreshTests(WorksCase):
    """Another gateway had the store until it ended."""

    def test_newer(self) -> None:
        """What that one has kept last is put in force."""
        Store(self.directory).stage(EMPTY.after(work("one"))).commit()
        self.successResultOf(self.works.refresh())
        self.assertEqual((self.source.body, list(self.works.state.records)), ({"name": "one"}, ["/one"]))
        self.successResultOf(self.works.refresh())
        self.assertEqual(len(self.gateway.events), 1)

    def test_stopped_or_damaged(self) -> None:
        """A gateway that was stopped serves nothing; a store that is damaged changes nothing, and the log says so."""
        Store(self.directory).stage(EMPTY.after(work("one", running=False))).commit()
        self.successResultOf(self.works.refresh())
        self.assertEqual((self.source.body, self.works.state.running), (None, False))
        (self.directory / "arm" / "state.json").write_text("{")
        with capturedLogs() as events:
            self.successResultOf(self.works.refresh())
        self.assertIn("is damaged", str(formatEvent(events[0])))
