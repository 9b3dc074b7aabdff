"""Reloads, one after the other: each is taken whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogLevel, capturedLogs, formatEvent

from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.plan.changes import Changes
from agwtwisted.loading import Loaded
from agwtwisted.operations.followed_files import signature_of
from agwtwisted.reload import (
    SAID_AT_ONCE,
    STOPPING,
    FileSource,
    Prepared,
    Rejected,
    ReloadCandidate,
    Reloaded,
    ReloadOutcome,
    Reloads,
)
from agwtwisted.transport import threads
from tests.clocks import ThreadedReactor
from tests.test_loading import NOW, Directory


class Preparation:
    """What the target has prepared."""

    def __init__(
        self, events: list[str], warnings: tuple[str, ...] = (), elsewhere: Deferred[None] | None = None
    ) -> None:
        self.warnings = warnings
        self._events = events
        self._elsewhere = elsewhere

    def commit(self) -> None:
        """Notes it."""
        self._events.append("committed")

    def settled(self) -> Deferred[None]:
        """At once, unless the test says otherwise."""
        return self._elsewhere or succeed(None)

    def cancel(self) -> None:
        """Notes it."""
        self._events.append("cancelled")


class ReloadsTests(Directory):
    """A target that a test watches; threads are none, so that all is done at once."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(threads.threading, "Thread", _AtOnce)
        self.reactor = ThreadedReactor()
        self.events: list[str] = []
        self.preparing: Deferred[Prepared] | None = None
        self.warnings: tuple[str, ...] = ()
        self.now = NOW
        self.source = FileSource(self.file, lambda: self.now)
        self.first = self.source.load()
        self.reloads = Reloads(self.first, self.source, self, self.reactor)

    def prepare(self, loaded: Loaded) -> Deferred[Prepared]:
        """As ReloadTarget says."""
        self.events.append("prepared")
        self.prepared = loaded
        return self.preparing or succeed(Preparation(self.events, self.warnings))

    def change(self, key: str = "drain_timeout = 9") -> None:
        """Another configuration."""
        self.configure(lambda text: text.replace("[gateway]\n", f"[gateway]\n{key}\n"))

    def said(self, call: Callable[[], Deferred[ReloadOutcome]]) -> tuple[ReloadOutcome, list[str]]:
        """What comes of a reload at once, and what the log says."""
        with capturedLogs() as events:
            outcome = self.successResultOf(call())
        return outcome, [formatEvent(event) for event in events]

    def test_reloaded(self) -> None:
        """Another configuration is prepared and put in force; one line says which, what is other, and how long."""
        self.change()
        outcome, lines = self.said(self.reloads.reload)
        self.assertEqual(self.events, ["prepared", "committed"])
        assert isinstance(outcome, Reloaded)
        plan = self.prepared.plan
        self.assertEqual(
            (outcome.generation, outcome.fingerprint, outcome.changes, outcome.seconds),
            (2, plan.fingerprint, Changes(changed=("gateway",)), 0.0),
        )
        self.assertEqual(self.reloads.in_force.plan, plan)
        self.assertEqual(
            lines,
            [
                f"Reload of the configuration: generation 2 ({plan.fingerprint[:12]}) is in force after 0.000 s;"
                " changed: gateway"
            ],
        )

    def test_lists(self) -> None:
        """A list that was replaced is taken by a reload, though the configuration is the same; once, and not again."""
        lists = "verify_client_revocation = CRL\ncrl_files = ca.crl"
        path = self.write("conf/ca.crl", b"one")
        self.configure(lambda text: text.replace("[ssl_profile strict]\n", f"[ssl_profile strict]\n{lists}\n"))
        first = self.source.load()
        self.assertEqual(first.lists, {str(path): signature_of(str(path))})
        self.reloads = Reloads(first, self.source, self, self.reactor)
        self.said(self.reloads.reload)
        self.assertEqual(self.events, [])
        path.write_bytes(b"another")
        changed = []
        for reload in (self.reloads.reload_files, self.reloads.reload):
            outcome, _ = self.said(reload)
            assert isinstance(outcome, Reloaded)
            self.assertEqual(self.events, ["prepared", "committed"])
            changed.append(str(outcome.changes))
        self.assertEqual(changed, ["changed: ssl_profile strict", "nothing changed"])

    def test_other_processes(self) -> None:
        """The answer comes once all processes have the configuration in force; here it is from the commit on."""
        elsewhere: Deferred[None] = Deferred()
        self.preparing = succeed(Preparation(self.events, elsewhere=elsewhere))
        self.change()
        with capturedLogs() as events:
            asked = self.reloads.reload()
            self.assertNoResult(asked)
            self.assertEqual((self.events, self.reloads.generation, events), (["prepared", "committed"], 2, []))
            self.assertEqual(self.reloads.in_force.plan, self.prepared.plan)
            elsewhere.callback(None)
        self.assertIsInstance(self.successResultOf(asked), Reloaded)
        self.assertIn("is in force", formatEvent(events[-1]))

    def test_stopped_before_other_processes(self) -> None:
        """A gateway that stops waits for them no longer: the answer is that the configuration is in force."""
        self.preparing = succeed(Preparation(self.events, elsewhere=Deferred()))
        self.change()
        asked = self.reloads.reload()
        self.reloads.stop()
        self.assertIsInstance(self.successResultOf(asked), Reloaded)

    def test_subscribers(self) -> None:
        """Subscribers hear of the begin of each reload, and of what comes of it before the answer."""
        heard: list[object] = []
        self.reloads.subscribe(lambda: heard.append("begun"), heard.append)
        for reload in (self.reloads.reload, self.reloads.reload_files):
            asked = reload().addCallback(lambda outcome: heard.append("answered") or outcome)  # type: ignore[func-returns-value]
            outcome = self.successResultOf(asked)
            self.assertEqual(heard, ["begun", outcome, "answered"])
            heard.clear()
        self.change("foo = 1")
        rejected = self.successResultOf(self.reloads.reload())
        assert isinstance(rejected, Rejected)
        self.assertEqual(heard, ["begun", rejected])

    def test_nothing_changed(self) -> None:
        """What changes nothing is said, and leaves everything as it is; the text of the next reload is the new one."""
        self.configure(lambda text: "; a comment\n" + text)
        outcome, lines = self.said(self.reloads.reload)
        self.assertEqual((self.events, self.reloads.generation), ([], 1))
        assert isinstance(outcome, Reloaded)
        self.assertEqual((outcome.changes, outcome.warnings), (Changes(), self.warned(self.source.load())))
        self.assertEqual(lines[0].partition("; ")[2], "nothing changed")
        self.assertIs(self.reloads.in_force.plan, self.first.plan)
        self.assertTrue(self.reloads.in_force.files.main.data.startswith(b"; a comment"))

    def warned(self, loaded: Loaded) -> tuple[str, ...]:
        """The warnings of a configuration, as lines."""
        return tuple(map(str, loaded.plan.config.warnings))

    def test_errors(self) -> None:
        """Every problem is in the log and in the answer, and nothing is prepared."""
        self.change("foo = 1\nbar = 2")
        outcome, lines = self.said(self.reloads.reload)
        assert isinstance(outcome, Rejected)
        self.assertEqual(self.events, [])
        self.assertEqual((outcome.generation, outcome.fingerprint), (1, self.first.plan.fingerprint))
        for line, key in ((2, "foo"), (3, "bar")):
            self.assertRegex("\n".join(outcome.problems), rf"ERROR .*gw\.ini:{line} .*{key}")
        self.assertEqual(lines[:-1], list(outcome.problems))
        self.assertEqual(lines[-1], "Reload of the configuration rejected: generation 1 stays in force")
        self.assertIs(self.reloads.in_force, self.first)

    def test_errors_without_end(self) -> None:
        """The log has so many lines of them at most; the answer has all."""
        self.change("\n".join(f"key_{number} = 1" for number in range(200)))
        outcome, lines = self.said(self.reloads.reload)
        assert isinstance(outcome, Rejected)
        self.assertGreaterEqual(len(outcome.problems), 200)
        self.assertEqual(lines[SAID_AT_ONCE], f"and {len(outcome.problems) - SAID_AT_ONCE} more")
        self.assertEqual(len(lines), SAID_AT_ONCE + 2)

    def test_what_cannot_change(self) -> None:
        """A key that stays as it is until a restart is refused with its line, and everything with it."""
        self.change("state_directory = s\ndrain_timeout = 9")
        outcome, _ = self.said(self.reloads.reload)
        assert isinstance(outcome, Rejected)
        self.assertRegex(outcome.problems[0], r"^ERROR .*gw\.ini:2 \[gateway\] state_directory cannot change while")
        self.assertEqual(self.events, [])

    def test_not_prepared(self) -> None:
        """What only the system refuses rejects it as well."""
        self.change()
        self.preparing = Deferred()
        asked = self.reloads.reload()
        self.preparing.errback(ConfigError([Problem(place=Place(file="gw.ini", line=3), message="is busy")]))
        outcome = self.successResultOf(asked)
        assert isinstance(outcome, Rejected)
        self.assertEqual(outcome.problems, ("ERROR gw.ini:3 is busy",))
        self.assertEqual((self.events, self.reloads.generation), (["prepared"], 1))

    def test_defect(self) -> None:
        """A defect is logged, and rejects the reload; the next one is made."""
        self.change()
        self.preparing = Deferred()
        asked = self.reloads.reload()
        self.preparing.errback(ZeroDivisionError())
        outcome = self.successResultOf(asked)
        assert isinstance(outcome, Rejected)
        self.assertEqual(outcome.problems, ("ERROR a defect of the gateway: ZeroDivisionError",))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.preparing = None
        self.assertIsInstance(self.successResultOf(self.reloads.reload()), Reloaded)

    def test_warnings(self) -> None:
        """Of the configuration's warnings the log has those that are new; the answer has all, and the target's."""
        self.warnings = ("WARNING few descriptors",)
        self.change()
        outcome, lines = self.said(self.reloads.reload)
        assert isinstance(outcome, Reloaded)
        self.assertEqual(outcome.warnings, (*self.warned(self.prepared), "WARNING few descriptors"))
        self.assertEqual(lines[:-1], ["WARNING few descriptors"])
        self.change("drain_timeout = 8")
        outcome, lines = self.said(self.reloads.reload)
        assert isinstance(outcome, Reloaded)
        self.assertEqual((outcome.warnings[-1], len(lines)), ("WARNING few descriptors", 1))

    def test_expired_meanwhile(self) -> None:
        """A certificate that has expired since is warned of, though nothing has changed."""
        self.now = datetime(2200, 1, 1, tzinfo=UTC)
        outcome, lines = self.said(self.reloads.reload)
        assert isinstance(outcome, Reloaded)
        self.assertFalse(outcome.changes)
        self.assertIn("expired", "\n".join(lines[:-1]))
        _, again = self.said(self.reloads.reload)
        self.assertEqual(len(again), 1)

    def test_one_after_the_other(self) -> None:
        """Those that are asked for while one is under way are one, afterwards, which reads what is there then."""
        self.change()
        self.preparing = Deferred()
        first = self.reloads.reload()
        others = [self.reloads.reload() for _ in range(3)]
        self.change("drain_timeout = 8")
        preparing, self.preparing = self.preparing, None
        preparing.callback(Preparation(self.events))
        outcomes: list[Any] = [self.successResultOf(each) for each in (first, *others)]
        self.assertEqual([each.generation for each in outcomes], [2, 3, 3, 3])
        self.assertEqual(self.events, ["prepared", "committed"] * 2)
        self.assertEqual(self.prepared.plan.gateway.drain_timeout, 8.0)

    def test_cancelled(self) -> None:
        """One whose asker leaves goes on."""
        self.change()
        self.preparing = Deferred()
        asked = self.reloads.reload()
        asked.cancel()
        self.preparing.callback(Preparation(self.events))
        self.failureResultOf(asked)
        self.assertEqual(self.events, ["prepared", "committed"])

    def test_files_alone(self) -> None:
        """Files are read anew under the main text that is in force, whatever stands in that file now."""
        self.change("foo = 1")
        outcome, _ = self.said(self.reloads.reload_files)
        assert isinstance(outcome, Reloaded)
        self.assertFalse(outcome.changes)
        other = self.directory / "conf" / "pki" / "partners.pem"
        (self.directory / "conf" / "pki" / "clients-ca.pem").write_bytes(other.read_bytes())
        outcome, lines = self.said(self.reloads.reload_files)
        assert isinstance(outcome, Reloaded)
        self.assertEqual(outcome.changes, Changes(changed=("trusted_client_certificate devices",)))
        self.assertIn("Reload of the files of the configuration: generation 2", lines[-1])
        key = self.directory / "conf" / "pki" / "site.key"
        key.unlink()
        key.mkdir()
        outcome, _ = self.said(self.reloads.reload_files)
        assert isinstance(outcome, Rejected)
        self.assertRegex("\n".join(outcome.problems), r"cannot read .*/conf/pki/site\.key: Is a directory")

    def test_candidate(self) -> None:
        """A candidate is put in force as what is read is; the next reload of the files comes after it."""
        self.change()
        following = self.source.load()
        outcome, lines = self.said(lambda: self.reloads.take(ReloadCandidate("what was put", lambda: following)))
        assert isinstance(outcome, Reloaded)
        self.assertEqual((self.events, self.reloads.in_force), (["prepared", "committed"], following))
        self.assertIn("Reload of what was put: generation 2", lines[0])

    def test_refused_candidate(self) -> None:
        """One that is refused changes nothing; its problems are there as values, too."""
        problem = Problem(place=Place(file="gateway.json", path="properties.probes[0]"), message="is wrong")

        def load() -> Loaded:
            raise ConfigError([problem])

        outcome, _ = self.said(lambda: self.reloads.take(ReloadCandidate("what was put", load)))
        assert isinstance(outcome, Rejected)
        self.assertEqual((outcome.findings, outcome.problems), ((problem,), (str(problem),)))
        self.assertEqual((self.events, self.reloads.in_force), ([], self.first))

    def test_candidates_in_turn(self) -> None:
        """Two candidates are two reloads, and what waits for the first one is called before the second begins."""
        self.preparing = Deferred()
        seen: list[str] = []
        self.change()
        one = self.source.load()
        self.change("drain_timeout = 8")
        two = self.source.load()
        first = self.reloads.take(ReloadCandidate("one", lambda: one))
        second = self.reloads.take(ReloadCandidate("two", lambda: seen.append("begins") or two))
        first.addCallback(lambda _: seen.append("answered"))
        preparing, self.preparing = self.preparing, None
        preparing.callback(Preparation(self.events))
        self.successResultOf(second)
        self.assertEqual((seen, self.reloads.in_force), (["answered", "begins"], two))

    def test_followed(self) -> None:
        """Files are followed where the configuration in force says so."""
        self.assertEqual(self.reloads.followed, {})
        self.assertIs(self.reloads.followed, self.reloads.followed)
        self.change("watch_files = true")
        self.successResultOf(self.reloads.reload())
        self.assertIs(self.reloads.followed, self.reloads.in_force.files.named)

    def test_files_touched(self) -> None:
        """Files that hold what they held are no news; from then on they are known as they are."""
        key = str(self.directory / "conf" / "pki" / "site.key")
        os.utime(key, (1, 1))
        with capturedLogs() as events:
            outcome = self.successResultOf(self.reloads.reload_files())
        assert isinstance(outcome, Reloaded)
        self.assertFalse(outcome.changes)
        self.assertEqual([event["log_level"] for event in events if "Reload" in formatEvent(event)], [LogLevel.debug])
        self.assertEqual(self.reloads.in_force.files.named[key].signature, signature_of(key))
        self.assertNotEqual(self.first.files.named[key].signature, signature_of(key))

    def test_stopped(self) -> None:
        """When the gateway stops, what is under way changes nothing, and no further one begins."""
        self.change()
        self.preparing = Deferred()
        asked = [self.reloads.reload(), self.reloads.reload()]
        self.reloads.stop()
        outcomes: list[Any] = [self.successResultOf(each) for each in asked]
        self.assertEqual([each.problems for each in outcomes], [(STOPPING,)] * 2)
        self.assertEqual(self.events, ["prepared"])
        outcome, lines = self.said(self.reloads.reload)
        self.assertEqual((outcome, lines), (outcomes[0], [f"No reload of the configuration: {STOPPING}"]))

    def test_not_for_this_process(self) -> None:
        """A configuration that this process cannot have is refused like one with errors."""

        def check(loaded: Loaded) -> None:
            raise ConfigError([Problem(place=Place(file=loaded.files.file), message="not here")])

        reloads = Reloads(self.first, FileSource(self.file, lambda: NOW, check), self, self.reactor)
        outcome = self.successResultOf(reloads.reload())
        assert isinstance(outcome, Rejected)
        self.assertEqual(outcome.problems, (f"ERROR {self.file} not here",))


class _AtOnce:
    """A thread that has ended when it was started."""

    def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
        self.start = target
