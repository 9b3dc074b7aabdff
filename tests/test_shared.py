"""What outlives a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.plan.plan import Plan
from agwtwisted.revocation.ocsp_store import MemoryStore, OpenedStore, StoredResponse
from agwtwisted.revocation.sqlite_store import SqliteStore
from agwtwisted.shared import Shared, WorkerPlace
from agwtwisted.sharing.memory import SharedMemory
from agwtwisted.tls.contexts import trusted_variables
from tests import clients, configurations, forks, relays
from tests.clocks import ThreadedReactor


class SharedTests(SynchronousTestCase):
    """What a process begins with."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.reactor = ThreadedReactor()

    def plan(self, *changes: tuple[str, str], text: str = "") -> Plan:
        """A plan whose access log is nowhere, with these changes."""
        text = text or clients.text("basic strict")
        for old, new in (("access_log = -\n", ""), *changes):
            self.assertIn(old, text)
            text = text.replace(old, new, 1)
        return configurations.plan(text, clients.files())

    def made(self, *changes: tuple[str, str], **keys: Any) -> Shared:
        """What is made of it."""
        return Shared.make(self.plan(*changes), self.reactor, **keys)

    def test_store(self) -> None:
        """Answers about certificates are kept on disk where there is a state directory and revocation is checked.

        What was proven revoked earlier counts for profiles, too, that read lists alone.
        """
        kept = ("[gateway]\n", f"[gateway]\nstate_directory = {self.directory}\n")
        asks = ("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")
        lists = ("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = CRL\n")
        for changes, store in (
            ((), MemoryStore),
            ((kept,), MemoryStore),
            ((asks,), MemoryStore),
            ((kept, asks), SqliteStore),
            ((kept, lists), SqliteStore),
        ):
            self.assertIsInstance(self.made(*changes).ocsp_answers._store, store)

    def test_l4(self) -> None:
        """L4 listeners ask as well."""
        text = relays.text("mqtt strict", gateway=f"state_directory = {self.directory}\n")
        asks = ("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")
        shared = Shared.make(self.plan(asks, text=text), self.reactor)
        self.assertIsInstance(shared.ocsp_answers._store, SqliteStore)
        self.assertEqual(shared.own_ports, {8883})

    def opened(self, shared: Shared, *changes: tuple[str, str]) -> OpenedStore | None:
        """What is opened for a plan that is to be in force next."""
        return shared.opened_store(self.plan(*changes))

    def test_store_later(self) -> None:
        """Where a later configuration is the first to check revocation, answers are kept on disk from then on, and
        those that are there count; where they are already, nothing is opened.
        """
        kept = ("[gateway]\n", f"[gateway]\nstate_directory = {self.directory}\n")
        asks = ("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")
        earlier = SqliteStore(self.directory, self.reactor.seconds, self.reactor.callFromThread)
        stored = StoredResponse(key=b"key", response=b"response", is_revoked=True, until=1.0)
        earlier.load(0, 1)
        earlier._write([stored])
        shared = self.made(kept)
        self.assertIsNone(self.opened(shared, kept))
        opened = self.opened(shared, kept, asks)
        assert opened
        self.assertIsInstance(shared.ocsp_answers._store, MemoryStore)
        with mock.patch.object(SqliteStore, "start") as started:
            shared.use(self.plan(kept, asks), opened)
        started.assert_called_once_with()
        self.assertIs(shared.ocsp_answers._store, opened.store)
        self.assertEqual((opened.responses, shared.ocsp_answers._unproven.pop(b"key")), ((stored,), [stored]))
        self.assertIsNone(self.opened(shared, kept, asks))
        self.assertIsNone(self.opened(self.made(), asks))

    def test_profiles(self) -> None:
        """The profiles of the plan in force are known, as far as they ask."""
        asks = ("[ssl_profile strict]\n", "[ssl_profile strict]\nverify_client_revocation = OCSP\n")
        shared = self.made()
        known = [shared.ocsp_answers._profiles.named("strict")]
        for changes in ((asks,), ()):
            shared.use(self.plan(*changes))
            known.append(shared.ocsp_answers._profiles.named("strict"))
        self.assertEqual([each is not None for each in known], [False, True, False])
        self.assertIsNotNone(self.made(asks).ocsp_answers._profiles.named("strict"))

    def test_alone(self) -> None:
        """A process is the whole gateway, with no other to reach, where nothing else is said."""
        shared = self.made()
        self.assertTrue(shared.place.is_alone)
        shared.place.siblings.subscribe("topic", self.fail)
        shared.place.siblings.publish("topic", b"what no process hears")

    def test_one_of_several(self) -> None:
        """A worker has the memory of certificates of its inherited contexts, and the parent's affinity key."""
        variables_of = trusted_variables()
        memory = SharedMemory.create(100, 3)
        place = WorkerPlace(index=2, count=3, memory=memory, variables_of=variables_of, affinity_key=b"parent's")
        shared = self.made(("[gateway]\n", f"[gateway]\nstate_directory = {self.directory}\n"), place=place)
        self.assertIs(shared.variables_of, variables_of)
        self.assertFalse(shared.place.is_alone)
        self.assertEqual((shared.affinity_key.load(), self.directory.exists()), (b"parent's", False))

    def test_random(self) -> None:
        """Workers that were forked from one process have random numbers of their own: trace ids, and keys, differ."""
        said = forks.run(
            """
from secrets import token_hex
from ssl import RAND_bytes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from agwtwisted.shared import Shared, WorkerPlace
from tests import clients, configurations
from tests.clocks import ThreadedReactor

plan = configurations.plan(clients.text("basic strict").replace("access_log = -\\n", ""), clients.files())
RAND_bytes(16), generate_private_key(SECP256R1())  # as where contexts are made before the fork
memory = SharedMemory.create(10, 2)

def work(index):
    shared = Shared.make(plan, ThreadedReactor(), place=WorkerPlace(index=index, count=2, memory=memory))
    key = generate_private_key(SECP256R1()).private_numbers().private_value
    made = [shared.random.getrandbits(128), key, shared.affinity_key.load().hex(), RAND_bytes(16).hex(), token_hex()]
    os.write(1, (" ".join(map(str, made)) + "\\n").encode())

all_well(forked(work, 1), forked(work, 2))
"""
        )
        first, second = (line.split() for line in said.splitlines())
        self.assertEqual(len(first), 5)
        self.assertFalse(set(first) & set(second))

    def test_clocks(self) -> None:
        """One wall clock for validity and the log; what waits, waits by the reactor's."""
        shared = self.made(seconds=lambda: 1e9)
        self.assertEqual((shared.wall.seconds(), shared.access_log.timestamp()), (1e9, b"2001-09-09T01:46:40+00:00"))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_room(self) -> None:
        """Descriptors bound the connections where they are fewer than allowed."""
        self.assertEqual(self.made().limits.connections.room, 20000)
        self.assertEqual(self.made(room=7).limits.connections.room, 7)

    def test_affinity_key(self) -> None:
        """It is that of the state directory, which is not touched before a key is needed."""
        shared = self.made(("[gateway]\n", f"[gateway]\nstate_directory = {self.directory}\n"))
        self.assertFalse(self.directory.exists())
        shared.affinity_key.load()
        self.assertTrue(self.directory.exists())
