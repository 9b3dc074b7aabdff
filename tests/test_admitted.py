"""Nothing of a client reaches a backend unless it is admitted: the types hold it, and mypy the types."""

from __future__ import annotations

import re
import subprocess
import sys
import unittest
from importlib.util import find_spec
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

HEAD = """
from typing import Any

from agwtwisted.core.backends.balancing import Pool
from agwtwisted.core.exchange.certificate_headers import header_block
from agwtwisted.core.exchange.decisions import Forwarded, Redirected, decide
from agwtwisted.core.exchange.forwarding import IdentityBlocks, identity_block
from agwtwisted.core.identity.clients import Admitted, CertificateProof, PendingClient, TurnedAway
from agwtwisted.core.relay.announcing import header
from agwtwisted.core.rules.variable_context import Context
from agwtwisted.core.verification.verdicts import Missing, Refused, Unchecked
from agwtwisted.exchange.deciding import route
from agwtwisted.http.port import HttpPort
from agwtwisted.http.session import HttpSession
from agwtwisted.identity.gate import Gate
from agwtwisted.interfaces import Session
from agwtwisted.relay.client_sessions import RelaySession
from agwtwisted.relay.port import RelayPort


def forward(
    client: CLIENT,
    pool: Pool[Any],
    blocks: IdentityBlocks,
    http: HttpPort,
    session: HttpSession,
    exchange: Session,
    relay: RelayPort,
    any: Any,
) -> None:
"""

FORWARDING = """
pool.order(client)
Forwarded(any, client, None)
Redirected(any, client, 302, b"/")
decide(any, any, client)
Context(any, client)
identity_block(client, frozenset())
blocks.block(client, frozenset())
session.identity(any, client)
exchange.identity(any, client)
header(client, any, any, None)
route(any, any, client)
http.begin(any, client)
relay.begin(any, client)
RelaySession(any, any, any, client)
header_block(client.identity, frozenset())
client.certificate
"""
"""Each leads to a backend, or writes what backends may know."""

REFUSED = """
Gate(any, admitted=any.begin, turned_away=relay.begin)
CertificateProof(verdict=Missing(), strict_verdict=Unchecked())
TurnedAway(connection=any, proof=any, verdict=Unchecked())
any_client: Admitted = PendingClient(connection=any, proof=any)
"""
"""What mypy refuses of any client."""


def lines(text: str) -> list[str]:
    """The lines of a text, but for empty ones."""
    return [line for line in text.splitlines() if line]


class TypeTests(SynchronousTestCase):
    """What mypy says of programs that use the internals."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir(parents=True)

    def faulty(self, client: str, statements: str) -> list[str]:
        """The statements about such a client that mypy refuses."""
        body = lines(statements)
        program = HEAD.replace("CLIENT", client) + "".join(f"    {line}\n" for line in body)
        (self.directory / "program.py").write_text(program)
        words = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", "program.py"]
        done = subprocess.run(words, cwd=self.directory, capture_output=True, text=True, check=False)
        before = len(HEAD.splitlines())
        found = {int(number) - before - 1 for number in re.findall(r"^program\.py:(\d+): error", done.stdout, re.M)}
        self.assertTrue(all(0 <= each < len(body) for each in found), done.stdout + done.stderr)
        self.assertIn("1 source file", done.stdout)
        return [body[each] for each in sorted(found)]

    @unittest.skipUnless(find_spec("mypy"), "mypy is not installed")
    def test_only_admitted(self) -> None:
        """What leads to a backend takes an admitted client, and none that is turned away, pending or not yet known."""
        self.assertEqual(self.faulty("Admitted", FORWARDING), [])
        for client in ("TurnedAway", "PendingClient", "Admitted | TurnedAway"):
            self.assertEqual(self.faulty(client, FORWARDING), lines(FORWARDING), client)

    @unittest.skipUnless(find_spec("mypy"), "mypy is not installed")
    def test_no_way_round(self) -> None:
        """A port takes no client that is turned away for an admitted one, and no verdict is of the wrong kind."""
        self.assertEqual(self.faulty("Admitted", REFUSED), lines(REFUSED))
