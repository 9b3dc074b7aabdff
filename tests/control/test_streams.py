"""GET /events."""

from __future__ import annotations

import json
import re
import socket
from contextlib import closing
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater

from agwtwisted.control import streams
from agwtwisted.control.streams import KEEP_ALIVE, KEPT, LINGER, STALL_TIMEOUT
from tests.control.sites import SiteCase, received
from tests.sockets import until


def events_in(data: bytes) -> list[tuple[str, Any]]:
    """The events that a client has received: kinds and data."""
    found = re.findall(rb"event: (\w+)\ndata: (.*)\n", data)
    return [(kind.decode(), json.loads(text)) for kind, text in found]


class StreamCase(SiteCase):
    """Readers of events."""

    async def reader(self, query: str = "", last: str = "") -> socket.socket:
        """One whose answer has begun."""
        client = self.client()
        self.addCleanup(client.close)
        before = len(self.streams.readers)
        header = f"Last-Event-ID: {last}\r\n" if last else ""
        client.sendall(f"GET /events{query} HTTP/1.1\r\nHost: g\r\n{header}\r\n".encode())
        await until(lambda: len(self.streams.readers) > before)
        return client

    async def read(self, client: socket.socket, count: int) -> bytes:
        """So many events."""
        return await received(client, lambda data: len(events_in(data)) >= count)


class EventTests(StreamCase):
    """What readers get."""

    async def test_events(self) -> None:
        """Each event has a kind, an id and its members; the head says what it is, and that nothing keeps it."""
        client = await self.reader()
        self.happenings.publish("refusal", {"reason": "a\nb", "listener": "ü"})
        data = await self.read(client, 1)
        head = data.partition(b"\r\n\r\n")[0].lower()
        self.assertIn(b"content-type: text/event-stream", head)
        self.assertIn(b"cache-control: no-store", head)
        self.assertEqual(events_in(data), [("refusal", {"reason": "a\nb", "listener": "ü"})])
        self.assertRegex(data, rb"id: [0-9a-f]{8}-1\nevent: refusal")

    async def test_kinds(self) -> None:
        """`kinds` selects; an unknown one is an error."""
        client = await self.reader("?kinds=health,reload")
        for kind in ("refusal", "health", "worker", "reload"):
            self.happenings.publish(kind, {})
        self.assertEqual([kind for kind, _ in events_in(await self.read(client, 2))], ["health", "reload"])
        answer = await self.exchange("GET", "/events?kinds=health,no")
        self.assertEqual(answer.status, 400)
        self.assertIn("refusal, health", answer.members["error"])

    async def test_keep_alive(self) -> None:
        """A comment comes from time to time."""
        client = await self.reader()
        self.clock.advance(KEEP_ALIVE)
        self.clock.advance(KEEP_ALIVE)
        await received(client, lambda data: data.count(b": alive\n\n") == 2)

    async def test_listens_while_read(self) -> None:
        """The source is listened to from the first reader on, and for a while after the last one."""
        self.assertEqual(self.happenings.heard, [])
        first, second = await self.reader(), await self.reader()
        self.assertEqual(len(self.happenings.heard), 1)
        first.close()
        second.close()
        await until(lambda: not self.streams.readers)
        self.clock.advance(LINGER / 2)
        self.assertEqual(len(self.happenings.heard), 1)
        self.clock.advance(LINGER)
        self.assertEqual((self.happenings.heard, self.clock.getDelayedCalls()), ([], []))

    async def test_stop(self) -> None:
        """All answers end when the gateway stops, whole where they are read."""
        client = await self.reader()
        self.streams.close()
        self.assertTrue((await received(client)).endswith(b"\r\n0\r\n\r\n"))
        self.assertEqual(self.happenings.heard, [])

    async def test_head(self) -> None:
        """HEAD has no stream."""
        self.assertEqual((await self.exchange("HEAD", "/events")).status, 200)
        self.assertEqual(self.streams.readers, {})


class ResumeTests(StreamCase):
    """Readers that come back."""

    async def last_id(self) -> str:
        """The id of the only event that there is."""
        client = await self.reader()
        self.happenings.publish("health", {"at": 0})
        data = await self.read(client, 1)
        client.close()
        await until(lambda: not self.streams.readers)
        return re.findall(rb"id: (\S+)", data)[0].decode()

    async def test_resumes(self) -> None:
        """A reader that names its last event gets those since, also those while none read."""
        last = await self.last_id()
        self.happenings.publish("health", {"at": 1})
        self.happenings.publish("health", {"at": 2})
        client = await self.reader(last=last)
        self.happenings.publish("health", {"at": 3})
        self.assertEqual([each["at"] for _, each in events_in(await self.read(client, 3))], [1, 2, 3])

    async def test_too_late(self) -> None:
        """What is not kept any more is missing, and an event says how many; with a selection it is not known."""
        last = await self.last_id()
        for at in range(1, KEPT + 6):
            self.happenings.publish("health", {"at": at})
        found = events_in(await self.read(await self.reader(last=last), KEPT + 1))
        self.assertEqual(found[0], ("lost", {"count": 5}))
        self.assertEqual([each["at"] for _, each in found[1:]], [*range(6, KEPT + 6)])
        found = events_in(await self.read(await self.reader("?kinds=refusal", last=last), 1))
        self.assertEqual(found, [("lost", {"count": None})])

    async def test_other_ids(self) -> None:
        """An id of another run, or none at all, begins with what is kept, after an event that some may be missing."""
        await self.last_id()
        for last in ("00000000-1", "nonsense", "-", "1" * 5000):
            found = events_in(await self.read(await self.reader(last=last), 2))
            self.assertEqual(found, [("lost", {"count": None}), ("health", {"at": 0})], last)

    async def test_after_a_pause(self) -> None:
        """What happened while nothing listened is not passed off as nothing."""
        last = await self.last_id()
        self.clock.advance(LINGER)
        found = events_in(await self.read(await self.reader(last=last), 1))
        self.assertEqual(found, [("lost", {"count": None})])


class SlowReaderTests(StreamCase):
    """Readers that do not read."""

    async def flood(self, client: socket.socket, count: int) -> None:
        """So many events, until the client's connection takes no more, and then so many."""
        (reader,) = self.streams.readers

        def full() -> bool:
            self.happenings.publish("refusal", {"text": "x" * 10000})
            return reader._paused

        await until(full)
        for _ in range(count):
            self.happenings.publish("refusal", {"text": "y"})

    async def test_lost(self) -> None:
        """The oldest events are dropped for a reader that is slow, and an event says how many in their place."""
        client = await self.reader()
        await self.flood(client, KEPT + 7)
        self.happenings.publish("health", {})
        data = await received(client, lambda data: events_in(data)[-1:] == [("health", {})])
        found = events_in(data)
        lost = [index for index, (kind, _) in enumerate(found) if kind == "lost"]
        self.assertEqual(len(lost), 1)
        self.assertEqual(len(found) - lost[0] - 1, KEPT)
        numbers = [int(each) for each in re.findall(rb"id: \w+-(\d+)", data)]
        self.assertEqual(found[lost[0]][1]["count"], numbers[-1] - len(numbers))

    async def test_bytes(self) -> None:
        """What is kept for a reader is bounded in bytes, too."""
        client = await self.reader()
        await self.flood(client, 0)
        (reader,) = self.streams.readers
        for _ in range(200):
            self.happenings.publish("refusal", {"text": "z" * 20000})
        self.assertLessEqual(reader._waiting_bytes, streams.KEPT_BYTES)
        self.assertLess(len(reader._waiting), 60)
        self.assertLessEqual(self.streams._kept_bytes, streams.KEPT_BYTES)

    async def test_ten_that_never_read(self) -> None:
        """Ten readers that never read, of very many events, keep no reload from its answer, and little is kept."""
        for _ in range(10):
            await self.reader()
        readers = tuple(self.streams.readers)
        for _ in range(50):
            for _ in range(100):
                self.happenings.publish("refusal", {"text": "x" * 1000})
            await deferLater(reactor, 0)  # type: ignore[arg-type]
        self.assertEqual({each._paused for each in readers}, {True})
        self.assertLessEqual(sum(each._waiting_bytes for each in readers), 10 * streams.KEPT_BYTES)
        self.assertEqual((await self.exchange("POST", "/reload")).status, 422)
        self.clock.advance(STALL_TIMEOUT)
        await until(lambda: not self.streams.readers)

    async def test_stall(self) -> None:
        """A reader that reads nothing for long is cut off."""
        client = await self.reader()
        await self.flood(client, 0)
        self.clock.advance(STALL_TIMEOUT)
        await until(lambda: not self.streams.readers)
        with closing(client):
            await received(client)
