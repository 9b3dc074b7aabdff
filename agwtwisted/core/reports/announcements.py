"""What the gateway's own log says of listeners: a line for each at the start, and for those that a reload changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from agwtwisted.core.configuration.coherence import AnyListener
from agwtwisted.core.plan.plan import Plan, title_of
from agwtwisted.core.reports.report import ANY_HOST, as_used, mode, place, spoken
from agwtwisted.core.resources.resources import Protocol, StreamProtocol

NOWHERE: Final = "Listening nowhere: no listener has a rule"


def start_lines(plan: Plan) -> Iterator[str]:
    """A line for each listener in force, in the order of the file: where it listens, and how clients prove themselves.

    ``Listening on 127.0.0.1:8443: http_listener shop (Https, any host; ssl_profile devices: Strict, Handshake)``
    """
    listeners = in_force(plan)
    yield from map(_came, listeners.values()) if listeners else [NOWHERE]


def reload_lines(before: Plan, after: Plan) -> Iterator[str]:
    """A line for each listener that went, and for each that came; one that changed its address is both."""
    old, new = in_force(before), in_force(after)
    yield from (_went(listener) for key, listener in old.items() if key not in new)
    yield from (_came(listener) for key, listener in new.items() if key not in old)
    if old and not new:
        yield NOWHERE


def in_force(plan: Plan) -> Mapping[tuple[str, str], AnyListener]:
    """The listeners that a rule leads from, by their titles and places."""
    return {(title_of(each), place(each)): each for each in plan.config.served}


def _went(listener: AnyListener) -> str:
    return f"No longer listening on {place(listener)}: {title_of(listener)}"


def _came(listener: AnyListener) -> str:
    return f"Listening on {place(listener)}: {title_of(listener)} ({'; '.join(_features(listener))})"


def _features(listener: AnyListener) -> Iterator[str]:
    names = ", ".join(listener.host_names) or ANY_HOST
    yield f"{spoken(listener)}, {names}"
    profile = listener.ssl_profile
    if profile is not None:
        yield f"ssl_profile {profile.name}: {mode(as_used(listener))}"
    elif listener.protocol in (Protocol.HTTPS, StreamProtocol.TLS):
        yield "no ssl_profile: clients are asked for no certificate"
