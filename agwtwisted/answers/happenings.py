"""Publishes what happens to a gateway as a whole: reloads, and certificates that end soon.

One process does it for all: the one of a gateway without workers, or the parent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from agwtwisted.answers.of_configuration import ConfigurationAnswers
from agwtwisted.core.operations.certificates_in_force import ENDS_SOON
from agwtwisted.core.operations.happenings import EndingCertificates, reload_event
from agwtwisted.operations.events import CERTIFICATE, RELOAD, Events
from agwtwisted.reload import Rejected, ReloadOutcome, Reloads

LOOK: Final = 60.0
"""Seconds between two looks at certificates, where anything listens."""


class Happenings(Service):
    """Publishes them.

    Args:
        clock: runs the timer.
        wall: seconds since 1970.
        events: where they go.
        reloads: whose outcomes are published.
        certificates: those in force.
    """

    def __init__(
        self,
        clock: IReactorTime,
        wall: Callable[[], float],
        events: Callable[[], Events],
        reloads: Reloads,
        certificates: ConfigurationAnswers,
    ) -> None:
        self.setName("happenings")
        self._clock = clock
        self._wall = wall
        self._events = events
        self._certificates = certificates
        self._ending = EndingCertificates(ENDS_SOON)
        self._timer: IDelayedCall | None = None
        reloads.subscribe(_nothing, self._reloaded)

    def startService(self) -> None:
        """Looks at certificates from now on."""
        super().startService()
        self._timer = self._clock.callLater(LOOK, self._look)

    def stopService(self) -> None:
        """Leaves no timer behind."""
        super().stopService()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = self._clock.callLater(LOOK, self._look)
        events = self._events()
        if events.wanted:
            now = datetime.fromtimestamp(self._wall(), UTC)
            for members in self._ending.due(self._certificates.certificates_in_force, now):
                events.publish(CERTIFICATE, members)

    def _reloaded(self, outcome: ReloadOutcome) -> None:
        members = reload_event(
            outcome.generation,
            outcome.fingerprint,
            problems=outcome.problems if isinstance(outcome, Rejected) else outcome.warnings,
            changes=None if isinstance(outcome, Rejected) else outcome.changes,
        )
        self._events().publish(RELOAD, members)


def _nothing() -> None:
    """That a reload begins is no event."""
