"""The control plane as a part of a process: when it has its port and its state, and what it leaves behind."""

from __future__ import annotations

import socket
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from twisted.trial.unittest import TestCase

from agwtwisted.core.resource_manager.messages import ArmState, Stored
from agwtwisted.core.resources.gateway import Control
from agwtwisted.resource_manager import source as sources
from agwtwisted.resource_manager.plane import ControlPlane, StoreTakenError
from agwtwisted.resource_manager.source import PlaneSource
from agwtwisted.resource_manager.store import Store
from tests import configurations
from tests.control.sites import ClockedReactor
from tests.resource_manager.planes import FakeGateway
from tests.running import free_ports
from tests.sockets import until

EMPTY = ArmState(tenant="t", subscription="s")
GATEWAY = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/applicationGateways/gw"
PUT = ArmState(
    tenant="t",
    subscription="s",
    records={GATEWAY.lower(): Stored(id=GATEWAY, body={"name": "gw", "properties": {}}, etag="1")},
)


class PlaneTests(TestCase):
    """One or two of them in a directory."""

    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        (self.port,) = free_ports(1)
        self.clock: Any = ClockedReactor()
        self.plan = configurations.plan()
        self.patch(sources, "load_arm", lambda body, *_: body)

    def made(self, *, waits: bool = False) -> tuple[ControlPlane, FakeGateway]:
        """One, and what it serves."""
        gateway: Any = FakeGateway()
        source = PlaneSource("gw.ini", partial(datetime.now, UTC), Store(self.directory), EMPTY, None)
        control = Control(arm=True, arm_port=self.port)
        plane = ControlPlane(self.clock, gateway, source, control, self.directory, lambda: self.plan, waits=waits)
        self.addCleanup(lambda: plane.running and plane.stopService())
        return plane, gateway

    def accepts(self) -> bool:
        """Whether something listens on the port."""
        with closing(socket.socket()) as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    async def test_starts_and_stops(self) -> None:
        """It has its port from before the start until it stops, and lets go of it and of the store then."""
        plane, _ = self.made()
        self.assertTrue(plane.open())
        self.assertTrue(self.accepts())
        plane.startService()
        await plane.stopService()
        self.assertFalse(self.accepts())
        again, _ = self.made()
        self.assertTrue(again.open())
        again.startService()

    def test_busy_port(self) -> None:
        """A port of another program stops the start."""
        with closing(socket.socket()) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", self.port))
            other.listen()
            self.assertRaises(OSError, self.made()[0].open)

    def test_one_for_a_directory(self) -> None:
        """A second gateway with the same state does not start: two would overwrite what the other has kept."""
        first, _ = self.made()
        first.open()
        first.startService()
        (self.port,) = free_ports(1)
        error = self.assertRaises(StoreTakenError, self.made()[0].open)
        self.assertIn("is another gateway's, which runs", str(error))

    async def test_upgrade(self) -> None:
        """One that waits for another one's end serves then, and first takes what that one has kept meanwhile."""
        first, _ = self.made(waits=True)
        first.open()
        first.startService()
        second, gateway = self.made(waits=True)
        self.assertFalse(second.open())
        second.startService()
        Store(self.directory).stage(PUT).commit()
        self.clock.advance(1)
        self.assertEqual(gateway.served, [])
        await first.stopService()
        self.clock.advance(1)
        await until(lambda: gateway.served)
        await until(lambda: second.works.state.records)
        self.assertEqual(second.works.state.records, PUT.records)
        self.assertTrue(self.accepts())
