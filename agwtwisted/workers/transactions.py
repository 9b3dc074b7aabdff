"""A configuration that all processes prepare before any has it in force, and that all have in force then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twisted.internet.defer import Deferred

from agwtwisted.core.base.errors import ConfigError, Problem

SPAWNER: Final = 0
"""Stands for the spawner, where a worker is known by its serial number."""


class Transaction:
    """Waits until each process has said that it is ready, or that it is not; or that it has committed.

    A worker that ends meanwhile is awaited no longer: its successor is not made before the transaction is over, and so
    from what is in force then.

    Args:
        serial: the number of the configuration.
        awaited: the processes that are to prepare it.
    """

    def __init__(self, serial: int, awaited: Iterable[int]) -> None:
        self.serial = serial
        self.prepared: dict[int, Sequence[str]] = {}
        """What those that are ready have said is unwise."""
        self._awaited = set(awaited)
        self.decided: Deferred[None] = Deferred()
        """Fires once all are ready, or fails with `ConfigError`; may be cancelled."""
        if not self._awaited:
            self.decided.callback(None)

    @property
    def awaited(self) -> frozenset[int]:
        """Those that have not answered yet."""
        return frozenset(self._awaited)

    def ready(self, process: int, serial: int, warnings: Sequence[str]) -> None:
        """One is ready, with this configuration or an earlier one that was given up."""
        if serial == self.serial and process in self._awaited:
            self.prepared[process] = warnings
            self._await_no_more(process)

    def refuse(self, serial: int, problems: Iterable[Problem]) -> None:
        """One cannot take it: none does."""
        if serial == self.serial and not self.decided.called:
            self.decided.errback(ConfigError(problems))

    def gone(self, process: int) -> None:
        """A worker has ended."""
        self.prepared.pop(process, None)
        self._await_no_more(process)

    def _await_no_more(self, process: int) -> None:
        self._awaited.discard(process)
        if not self._awaited and not self.decided.called:
            self.decided.callback(None)


class WorkersReplacement:
    """A configuration that all processes have ready, as `reload.Prepared` says."""

    def __init__(
        self,
        transaction: Transaction,
        *,
        commit: Callable[[], None],
        settled: Callable[[], Deferred[None]],
        cancel: Callable[[], None],
    ) -> None:
        said = (warning for warnings in transaction.prepared.values() for warning in warnings)
        self.warnings: Sequence[str] = tuple(dict.fromkeys(said))
        self.commit = commit
        self.settled = settled
        self.cancel = cancel
