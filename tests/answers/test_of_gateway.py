"""The answers of a process by which clients are served."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from agwtwisted.core.operations.questions import Question, QuestionError
from agwtwisted.listening.listener import bind
from agwtwisted.service import GatewayService, build
from tests import configurations
from tests.running import free_ports
from tests.sockets import connected, until

PLAIN = """\
[http_listener public]
address = 127.0.0.1
port = {port}
protocol = Http

[backend_address_pool app]
backend_addresses = 127.0.0.1:{server}

[backend_http_settings app]
port = 9000

[request_routing_rule public]
priority = 100
http_listener = public
backend_address_pool = app
backend_http_settings = app
"""


class GatewayAnswersTests(TestCase):
    """A gateway that is asked."""

    def setUp(self) -> None:
        self.port, server = free_ports(2)
        self.plan = configurations.plan(PLAIN.format(port=self.port, server=server))
        running: Any = reactor
        self.gateway: GatewayService = build(
            self.plan, running, {("127.0.0.1", self.port): bind("127.0.0.1", self.port)}
        )
        self.gateway.startService()

    def tearDown(self) -> Deferred[None]:
        """Ends it."""
        self.gateway.drain_without_limit()
        return self.gateway.stopService()

    async def test_listeners_count_clients(self) -> None:
        """A listener says how many clients are connected to it."""
        answer = await self.gateway.ask(Question.LISTENERS, {})
        self.assertEqual([(each["name"], each["connections"]) for each in answer["listeners"]], [("public", 0)])
        client = connected(("127.0.0.1", self.port))
        await until(lambda: self.gateway.connections == 1)
        answer = await self.gateway.ask(Question.LISTENERS, {})
        self.assertEqual(answer["listeners"][0]["connections"], 1)
        client.close()

    async def test_unknown_questions(self) -> None:
        """What a gateway cannot answer fails with a status, and is never an answer."""
        error = await self.assertFailure(self.gateway.ask(Question.CLOSE, {}), QuestionError)
        self.assertEqual(error.status, 501)
