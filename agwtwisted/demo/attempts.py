"""What to try with the running demonstration, and what then happens: one table, printed and tested."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import attrs

from agwtwisted.core.resources.resources import Config, HttpListener, Protocol

VERIFICATION = "X-Client-Certificate-Verification"


@attrs.frozen(kw_only=True)
class Attempt:
    """One call of curl: to which listener, with which arguments, and what comes of it."""

    title: str
    listener: str
    certificate: str = ""  # a file of the demo's directory
    arguments: str = ""
    scheme: str = ""  # instead of the listener's own
    status: int | None = 200  # None: the handshake fails
    shows: str = ""
    hides: str = ""

    @property
    def expectation(self) -> str:
        """What curl prints, in a line."""
        outcome = str(self.status) if self.status else "no answer, the handshake fails"
        shown = f", with {self.shows}" if self.shows else ""
        return f"{outcome}{shown}" + (f", without {self.hides}" if self.hides else "")


ATTEMPTS = (
    Attempt(
        title="Strict, with a trusted certificate",
        listener="strict",
        certificate="client.pem",
        shows=f'"{VERIFICATION}": "SUCCESS"',
    ),
    Attempt(
        title="Strict, without a certificate",
        listener="strict",
        status=None,
        shows="alert certificate required",
    ),
    Attempt(
        title="Strict, with an expired certificate",
        listener="strict",
        certificate="expired.pem",
        status=None,
        shows="alert certificate expired",
    ),
    Attempt(
        title="Strict, with a stranger's certificate",
        listener="strict",
        certificate="stranger.pem",
        status=None,
        shows="alert unknown ca",
    ),
    Attempt(
        title="Strict with an answer in HTTP, without a certificate",
        listener="strict-http400",
        status=400,
        shows="No required SSL certificate was sent",
    ),
    Attempt(
        title="Strict with an answer in HTTP, with a stranger's certificate",
        listener="strict-http400",
        certificate="stranger.pem",
        status=400,
        shows="The SSL certificate error",
    ),
    Attempt(
        title="Passthrough, without a certificate",
        listener="passthrough",
        shows=f'"{VERIFICATION}": "NONE"',
    ),
    Attempt(
        title="Passthrough, with a stranger's certificate",
        listener="passthrough",
        certificate="stranger.pem",
        shows=f'"{VERIFICATION}": "PASSTHROUGH"',
    ),
    Attempt(
        title="Revocation, with a certificate that is good",
        listener="revocation",
        certificate="client.pem",
        shows=f'"{VERIFICATION}": "SUCCESS"',
    ),
    Attempt(
        title="Revocation, with a revoked certificate",
        listener="revocation",
        certificate="revoked.pem",
        status=400,
        shows="certificate revoked",
    ),
    Attempt(
        title="Plain HTTP",
        listener="plain",
        shows='"X-Forwarded-Proto": "http"',
        hides=VERIFICATION,
    ),
    Attempt(
        title="Plain HTTP, with a forged certificate header",
        listener="plain",
        arguments=f"-H '{VERIFICATION}: SUCCESS'",
        hides=VERIFICATION,
    ),
    Attempt(
        title="Plain HTTP to an HTTPS port",
        listener="strict",
        scheme="http",
        status=400,
        shows="The plain HTTP request was sent to HTTPS port",
    ),
)


def possible(config: Config) -> Iterator[tuple[Attempt, HttpListener]]:
    """The attempts whose listener the configuration has."""
    listeners = {listener.name: listener for listener in config.http_listeners}
    for attempt in ATTEMPTS:
        if attempt.listener in listeners:
            yield attempt, listeners[attempt.listener]


def command(attempt: Attempt, listener: HttpListener, directory: Path) -> str:
    """The command as a shell takes it; `directory` is where the demo certificates are."""
    scheme = attempt.scheme or ("https" if listener.protocol is Protocol.HTTPS else "http")
    words = ["curl", "-i"]
    if scheme == "https":
        words += ["--cacert", str(directory / "root.pem")]
    if attempt.certificate:
        words += ["--cert", str(directory / attempt.certificate)]
    words += [*shlex.split(attempt.arguments), f"{scheme}://localhost:{listener.port}/"]
    return shlex.join(words)


def lines(config: Config, directory: Path) -> Iterator[str]:
    """The table as it is printed."""
    for number, (attempt, listener) in enumerate(possible(config), start=1):
        yield f"{number}. {attempt.title}: {attempt.expectation}"
        yield f"   {command(attempt, listener, directory)}"
