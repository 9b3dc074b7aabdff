"""`agw clients`: who is connected, by pages; and the end of a connection."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.clients import clients_text
from tests.cli.answered import CLIENTS, PIPE, SHOWN, answered, on_terminal
from tests.cli.calls import call


class ClientsTests(SynchronousTestCase):
    """The text, and what is asked."""

    def test_text(self) -> None:
        """A row for each, how many there are, and how to see the following page."""
        lines = clients_text(CLIENTS, PIPE).splitlines()
        self.assertIn(
            f"1-4711  public    http/1.1  192.0.2.7:50000  2026-01-01T00:00:00Z  SUCCESS  {SHOWN}  idle", lines[1]
        )
        self.assertTrue(lines[1].endswith("  12        2.0 KiB  512 B  -"), lines[1])
        self.assertEqual(lines[-1], "1 of 2 clients; the following page: --after 1-4711")
        self.assertEqual(clients_text({"clients": [], "total": 0, "next": None}, PIPE), "no client is connected")

    def test_several_requests(self) -> None:
        """A connection of HTTP/2 shows how many requests are under way, where its gateway says it."""
        [client] = CLIENTS["clients"]
        busy = {**client, "protocol": "h2", "state": "active"}
        older = {name: value for name, value in client.items() if name != "under_way"}
        for shown, state in ((busy | {"under_way": 16}, "active, 16 requests"), (busy, "active"), (older, "idle")):
            text = clients_text({**CLIENTS, "clients": [shown]}, PIPE)
            self.assertIn(f"  {state}  ", text.splitlines()[1])

    def test_asks(self) -> None:
        """Limit, page, listener and text are the gateway's to apply."""
        _, asked = answered(CLIENTS, "clients")
        self.assertEqual(asked.call_args.args[1], "/clients")
        words = ["--limit", "5", "--after", "1-2", "--listener", "public", "--search", "a&b"]
        _, asked = answered(CLIENTS, "clients", *words)
        self.assertEqual(asked.call_args.args[1], "/clients?limit=5&after=1-2&listener=public&search=a%26b")

    def test_limit(self) -> None:
        """A limit is a number from 1 to 1000."""
        for limit in ("0", "1001", "-1", "x", "\u0661"):
            done = call("clients", f"--limit={limit}")
            self.assertEqual(done.status, 2)
            self.assertIn("is no number from 1 to 1000", done.err)

    def test_terminals(self) -> None:
        """No line is too long."""
        for width in (40, 80, 200):
            lines = clients_text(CLIENTS, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), max(width, 52))

    def test_close(self) -> None:
        """A connection is ended by one request."""
        done, asked = answered({"outcome": "closed"}, "clients", "close", "1-4711")
        self.assertEqual((done.status, done.out), (0, "connection 1-4711: closed\n"))
        self.assertEqual(asked.call_args.args[1], "/connections/1-4711/close")
        self.assertEqual(asked.call_args.kwargs["method"], "POST")
