"""`agwtwisted.explaining.online`: what responders say decides, as when the client connects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import attrs
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from agwtwisted.core.http.service_urls import proxy_address
from agwtwisted.core.plan.plan import Plan
from agwtwisted.core.reports.explanation import explained
from agwtwisted.core.reports.steps import Explanation, StepOutcome
from agwtwisted.explaining.explain import examine
from agwtwisted.explaining.online import asked
from tests import clients, configurations
from tests.responder import Responder


class OnlineTests(TestCase):
    """A responder on a real socket."""

    def setUp(self) -> None:
        self.responder = Responder(configurations.clients_root())
        self.addCleanup(self.responder.close)
        self.client = configurations.clients_root().issue("asked about")

    def plan(self, keys: str = "") -> Plan:
        """A configuration whose profile asks the responder."""
        ocsp = f"verify_client_revocation = OCSP\nocsp_responder_url = {self.responder.url}\n{keys}"
        text = clients.text("s strict", "p passthrough p.example").replace(
            "[ssl_profile strict]\n", f"[ssl_profile strict]\n{ocsp}"
        )
        return Plan.of(configurations.load(text, clients.files()))

    async def explain(self, plan: Plan, listener: str = "s", certificates: bytes = b"") -> Explanation:
        """The explanation with answers."""
        examination = examine(plan, listener, certificates or self.client.chain_pem, datetime.now(UTC))
        used: Any = reactor
        return explained(await asked(used, examination))

    async def test_answers(self) -> None:
        """A good certificate is accepted without a condition; one that is revoked or unknown is refused."""
        for status, accepted, outcome, verdict in (
            ("good", True, StepOutcome.PASSED, "Accepted"),
            ("revoked", False, StepOutcome.FAILED, "Refused: certificate revoked"),
            ("unknown", False, StepOutcome.FAILED, "Refused: certificate status unknown"),
        ):
            self.responder.knows(self.client, status=status)
            found = await self.explain(self.plan())
            [step] = [each for each in found.steps if each.name == "revocation"]
            self.assertEqual((found.accepted, step.outcome, found.verdict), (accepted, outcome, verdict), found.text)
            self.assertIn("asked just now", step.title)

    async def test_no_answer(self) -> None:
        """Where the responder is gone, ocsp_unavailable says what becomes of the client."""
        refusing, allowing = self.plan(), self.plan("ocsp_unavailable = Allow\n")
        self.responder.close()
        found = await self.explain(refusing)
        self.assertEqual((found.accepted, found.verdict), (False, "Refused: certificate status request failed"))
        self.assertIn("no answer: ", found.text)
        found = await self.explain(allowing)
        self.assertTrue(found.accepted)
        self.assertIn("although its status cannot be obtained (ocsp_unavailable = Allow)", found.text)

    async def test_proxy(self) -> None:
        """It is asked through the gateway's proxy, and without a way past that."""
        self.responder.knows(self.client)
        gone = Responder(configurations.clients_root())
        proxy = gone.url.rstrip("/")
        gone.close()
        plan = self.plan()
        gateway = attrs.evolve(plan.config.gateway, outbound_proxy=proxy_address(proxy))
        found = await self.explain(Plan.of(attrs.evolve(plan.config, gateway=gateway)))
        self.assertFalse(found.accepted)
        self.assertIn(f"outbound_proxy {proxy}: ", found.text)
        self.assertEqual(self.responder.heads, [])

    async def test_nothing_to_ask(self) -> None:
        """Nothing is asked about a certificate that is refused already, nor where the profile does not ask."""
        for listener, client in (("s", clients.stranger()), ("p", self.client)):
            await self.explain(self.plan(), listener, client.chain_pem)
        self.assertEqual(self.responder.heads, [])
