"""A gateway with everything that the console shows, `agw console` beside it, and a browser."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import attrs

from tests import fork_server, running
from tests.console.browser import Browser, browsing
from tests.end_to_end.backends import Backend, Named
from tests.end_to_end.clients import by_python
from tests.end_to_end.gateway import (
    PROFILES,
    Gateway,
    certificates,
    door,
    gateway_section,
    pool,
    running_gateway,
    section,
)
from tests.end_to_end.lines import wait_until

MARKUP = "<img src=x onerror=window.pwned=1>"
"""What a stranger writes into a certificate: text that would be a script if a page took it for markup."""


SHOWN = MARKUP.replace("<", "\\<").replace(">", "\\>")
"""The same as a distinguished name has it (RFC 4514, section 2.4)."""


@attrs.frozen(kw_only=True)
class ConsoleScene:
    """What the tests of the console have in common."""

    gateway: Gateway
    browser: Browser
    ports: dict[str, int]
    url: str

    @property
    def place(self) -> str:
        """The page's URL without its token."""
        return self.url.partition("#")[0]

    def get(self, door: str, certificate: str = "") -> Any:
        """A client's call; the status is that of its response, and 0 where the handshake failed."""
        return by_python(self.gateway.call(self.ports[door], certificate))

    def traffic(self, seconds: int) -> None:
        """Calls of all kinds for so long, more and fewer of them in turn: for pictures alone."""
        never = threading.Event()
        for turn in range(seconds * 2):
            calls = [("strict", "rsa"), ("strict", "ecdsa"), ("passthrough", "stranger")] * (2 + turn // 12 % 3)
            calls += [("http400", ("expired", "stranger", "", "not-yet-valid")[turn % 4])] * (turn % 3 == 0)
            for name, certificate in calls:
                self.get(name, certificate)
            never.wait(0.3)


def configuration(ports: dict[str, int], backend: Backend, dead: int, control: int) -> str:
    """Listeners of each mode, and a pool with a server that is down."""
    return (
        gateway_section()
        + section("control", socket="control.sock", port=control, token_file="control.token")
        + PROFILES
        + door("strict", ports["strict"], "strict")
        + door("http400", ports["http400"], "http400")
        + door("passthrough", ports["passthrough"], "passthrough")
        + pool("app", backend.port)
        + door("plain", ports["plain"], to="other", protocol="Http")
        + section("probe other", protocol="Http", path="/ready", interval=1, unhealthy_threshold=1)
        + pool("other", backend.port, dead, probe="other")
    )


@contextmanager
def console(gateway: Gateway) -> Iterator[str]:
    """`agw console` for a gateway, and the URL that it prints."""
    words = ("console", "--no-browser", "--control", "control.sock")
    place = gateway.directory / "console.out"
    with place.open("wb") as output:
        outputs = (output.fileno(),) * 2
        process = fork_server.start("agw", words, gateway.directory, running.environment(), outputs)
    try:
        found = wait_until(lambda: re.search(r"http://\S+#token=\S+\n", place.read_text()), "the console has a URL")
        yield found[0].strip()
        process.send_signal(signal.SIGINT)
        assert process.wait(running.PATIENCE) == 0, place.read_text()
    finally:
        process.kill()


@contextmanager
def stage() -> Iterator[ConsoleScene]:
    """The scene."""
    doors = ("strict", "http400", "passthrough", "plain", "dead", "control")
    ports = dict(zip(doors, running.free_ports(len(doors)), strict=True))
    backend = Backend(Named("app"))
    with running_gateway(configuration(ports, backend, ports.pop("dead"), ports["control"])) as gateway:
        issuer = certificates()["devices"]
        issuer.issue(MARKUP).write(gateway.directory, "markup")  # type: ignore[attr-defined]  # an authority
        past = datetime(2021, 1, 1, tzinfo=UTC)
        issuer.issue(MARKUP, not_after=past).write(gateway.directory, "ended")  # type: ignore[attr-defined]
        with console(gateway) as url, browsing() as browser:
            yield ConsoleScene(gateway=gateway, browser=browser, ports=ports, url=url)
    backend.close()
