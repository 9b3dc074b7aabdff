"""Where the configurations of a gateway with a control plane come from: its INI file, and the gateway that was put.

The file is the overlay of what was put: it has ``[gateway]``, ``[control]`` and ``[arm]``, and further keys of
resources that are there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from agwtwisted.arm_files import NO_ARGUMENTS, ArmArguments
from agwtwisted.core.base.errors import ConfigError, Place, Problem
from agwtwisted.core.sections.control_keys import asks_for_arm
from agwtwisted.loading import Files, Loaded, load_arm, loaded_of, plan_of, read
from agwtwisted.reload import FileSource, ReloadCandidate

if TYPE_CHECKING:
    from agwtwisted.core.resource_manager.messages import ArmState, JsonObject
    from agwtwisted.resource_manager.store import Store


def source_of(
    file: str,
    now: Callable[[], datetime],
    check: Callable[[Loaded], None] = lambda _: None,
    *,
    arm: ArmArguments = NO_ARGUMENTS,
) -> AnySource:
    """Where the configurations of a file come from: the file alone, or with it what clients of its control plane put.

    Args:
        file: its path, absolute.
        now: as `PlaneSource` has it.
        check: as `PlaneSource` has it.
        arm: what the command line says about a file that is an ARM document.

    Raises:
        ConfigError: the file asks for a control plane, and it, or what is kept, is not what it should be.
    """
    try:
        asks = asks_for_arm(read(file).data)
    except (OSError, ValueError):
        asks = False  # what is wrong with it is said where it is loaded
    if not asks:
        return FileSource(file, now, check, arm=arm)
    # Not before: they take time, and a gateway without a control plane starts without them.
    from agwtwisted.core.resource_manager.answering import stored_gateway
    from agwtwisted.core.resource_manager.messages import ArmState
    from agwtwisted.resource_manager.store import Store
    from agwtwisted.resource_manager.tokens import TENANT

    plan = load_arm(None, file, now()).plan
    control, directory = plan.config.control, plan.gateway.state_directory
    if arm:
        message = "has a control plane: options about ARM documents have no effect; set the keys of [arm] in it"
        raise ConfigError([Problem(place=Place(file=file), message=message)])
    if control is None or directory is None:
        raise AssertionError("arm needs a state_directory")
    store = Store(Path(directory))
    state = store.read(ArmState(tenant=TENANT, subscription=control.arm_subscription))
    body = stored_gateway(state) if state.running else None
    return PlaneSource(file, now, store, state, body, check)


class PlaneSource:
    """As `reload.ConfigurationSource` has it.

    Args:
        file: the path of the INI file, absolute.
        now: returns the time (aware) at which certificates have expired.
        store: of the state.
        state: what was in it at the start.
        body: the gateway that is to serve, in form C; None: there is none, or it is stopped.
        check: raises `ConfigError` for what this process cannot have.
    """

    def __init__(
        self,
        file: str,
        now: Callable[[], datetime],
        store: Store,
        state: ArmState,
        body: JsonObject | None,
        check: Callable[[Loaded], None] = lambda _: None,
    ) -> None:
        self.file: Final = file
        self.now: Final = now
        self.store = store
        self.state = state
        self.body = body
        self._check = check

    def load(self) -> Loaded:
        """The gateway that was put, with the file as it is now."""
        return self.judged(self.body)

    def reread(self, files: Files) -> Loaded:
        """The gateway in force, with the files that it names as they are now."""
        read = files.reread()
        return self._checked(loaded_of(plan_of(read, self.now()), read))

    def judged(self, body: JsonObject | None) -> Loaded:
        """What a gateway comes to, with the file as it is now; in a thread. Raises `ConfigError`."""
        data = None if body is None else json.dumps(body, indent=1, default=dict).encode()
        return self._checked(load_arm(data, self.file, self.now()))

    def candidate(self, body: JsonObject | None, summary: str) -> ReloadCandidate:
        """A gateway, to be put in force."""
        return ReloadCandidate(summary, lambda: self.judged(body))

    def _checked(self, loaded: Loaded) -> Loaded:
        self._check(loaded)
        return loaded


AnySource: TypeAlias = FileSource | PlaneSource
