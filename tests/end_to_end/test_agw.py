"""Commands of `agw` that ask and change a running gateway, by its socket and by its port."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from tests import running
from tests.end_to_end import clients, gateway
from tests.end_to_end.backends import Backend
from tests.end_to_end.clients import Call
from tests.end_to_end.lines import wait_until

GET = b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n"

AGW = (running.PYTHON, "-P", "-m", "agwtwisted")

QUESTIONS = ("status", "listeners", "backends", "certificates", "clients", "revocation", "refusals", "configuration")


@contextmanager
def stage() -> Iterator[gateway.Scene]:
    """A plain and a strict door before a backend, and another pool whose server is not there; a control port."""
    names = ("plain", "strict", "control", "nothing")
    doors = dict(zip(names, running.free_ports(len(names)), strict=True))
    with closing(Backend()) as backend:
        text = gateway.gateway_section(state_directory="state") + gateway.section("control", port=doors["control"])
        text += gateway.PROFILES + gateway.pool("app", backend.port) + gateway.pool("gone", doors["nothing"])
        text += gateway.door("plain", doors["plain"], protocol="Http") + gateway.door(
            "strict", doors["strict"], "strict"
        )
        text += gateway.door("gone", doors["plain"], protocol="Http", host_names="gone.example", to="gone")
        with gateway.running_gateway(text) as started:
            yield gateway.Scene(gateway=started, doors=doors, backend=backend)


class AgwCase(gateway.SceneCase):
    """Commands in the directory of the gateway."""

    stage = staticmethod(stage)

    def agw(self, *words: str, status: int = 0) -> str:
        """What a command prints, which ends so; nothing is on standard error unless it fails."""
        done = self.gateway.agw(*words, "--config", "gw.ini")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        if status == 0:
            self.assertEqual(done.stderr, "")
        return done.stdout if status == 0 else done.stderr

    def members(self, *words: str) -> dict[str, Any]:
        """The answer as JSON."""
        return dict(json.loads(self.agw(*words, "--json")))


class AskTests(AgwCase):
    """Questions."""

    def test_everything_is_answered(self) -> None:
        """Each has a text whose lines are whole, without color."""
        for command in QUESTIONS:
            with self.subTest(command):
                text = self.agw(command)
                self.assertNotIn("\x1b", text)
                self.assertNotIn("…", text)

    def test_by_port(self) -> None:
        """The answer by the port, with the token of the configuration, is that by the socket."""
        url = f"http://127.0.0.1:{self.scene.doors['control']}"
        self.assertEqual(self.members("certificates", "--control", url), self.members("certificates"))

    def test_listeners(self) -> None:
        """Every listener, and how it authenticates clients."""
        text = self.agw("listeners")
        self.assertRegex(
            text, rf"(?m)^strict +127\.0\.0\.1:{self.scene.doors['strict']} +Https .* strict +Strict, Handsh"
        )
        self.assertRegex(text, r"(?m)^gone .* gone\.example ")

    def test_certificates(self) -> None:
        """Those that end first are first, with what uses them."""
        days = [each["days_left"] for each in self.members("certificates")["certificates"]]
        self.assertEqual(days, sorted(days))
        self.assertRegex(self.agw("certificates"), r"ssl_certificate +server .*http_listener strict")

    def test_refusals(self) -> None:
        """A client without a certificate is among them, and explained."""
        call = Call(port=self.scene.doors["strict"], trusted=str(self.gateway.directory / "server-root.pem"))
        self.assertTrue(clients.by_python(call).alert)
        found = wait_until(lambda: self.members("refusals")["refusals"], "the refusal is known")
        self.assertEqual(found[0]["listener"], "strict")
        self.assertRegex(self.agw("refusals"), r"(?m)^ID +TIME +LISTENER +CLIENT +REASON ")

    def test_refusal_explained(self) -> None:
        """A certificate that was refused is judged again by its refusal's id, step by step."""
        call = self.gateway.call(self.scene.doors["strict"], "stranger")
        self.assertTrue(clients.by_python(call).alert)

        def found() -> list[str]:
            """Ids of refusals whose certificate is known."""
            return [each["id"] for each in self.members("refusals")["refusals"] if each["has_certificate"]]

        explained = self.gateway.agw("refusals", "explain", wait_until(found, "it is known")[0], "-c", "gw.ini")
        self.assertEqual((explained.returncode, explained.stderr), (1, ""), explained.stdout)
        self.assertIn("refused", explained.stdout.lower())
        self.assertIn("is not remembered", self.agw("refusals", "explain", "0-99999", status=1))

    def test_no_token(self) -> None:
        """By the port it takes the token: with another one the gateway refuses to answer."""
        (self.gateway.directory / "other.token").write_text("another")
        words = ("--control", f"http://127.0.0.1:{self.scene.doors['control']}", "--token-file", "other.token")
        self.assertIn("token", self.agw("status", *words, status=1))

    def test_no_gateway(self) -> None:
        """Where nothing listens, the exit status is 2."""
        words = ("--control", f"http://127.0.0.1:{self.scene.doors['nothing']}")
        self.assertIn("no gateway answers on http://127.0.0.1:", self.agw("backends", *words, status=2))


class ChangeTests(AgwCase):
    """Actions."""

    def test_drain(self) -> None:
        """A server is drained, and given requests again; another one that there is not is refused."""
        server = f"127.0.0.1:{self.scene.backend.port}"
        names = [
            (pool["name"], settings["name"])
            for pool in self.members("backends")["backend_pools"]
            for settings in pool["backend_settings"]
        ]
        self.assertIn(("app", "app"), names)
        self.assertEqual(self.agw("backends", "drain", "app", "app", server), f"app app {server}: drained\n")
        self.assertRegex(self.agw("backends"), rf"(?m)^app +app +{server} +Draining ")
        self.assertEqual(self.members("backends", "undrain", "app", "app", server), {"outcome": "undrained"})
        self.assertNotIn("Draining", self.agw("backends"))
        self.assertIn("no server", self.agw("backends", "drain", "app", "app", "127.0.0.1:1", status=1))

    def test_close(self) -> None:
        """A client that is connected is shown, found by its address, and ended."""
        source = clients.fresh_source()
        with closing(clients.plain(self.scene.doors["plain"], source)) as line:
            line.send(GET[:10])
            found = wait_until(
                lambda: self.members("clients", "--search", source)["clients"], "the client is among them"
            )
            (client,) = found
            self.assertIn(f"{client['id']} ", self.agw("clients", "--search", source))
            self.assertEqual(self.agw("clients", "close", client["id"]), f"connection {client['id']}: closed\n")
            with contextlib.suppress(ConnectionError):
                self.assertEqual(line.rest(), b"")
        self.assertIn("no client", self.agw("clients", "close", client["id"], status=1))


class TerminalTests(AgwCase):
    """On a terminal."""

    def shown(self, columns: int, *words: str, **environment: str) -> str:
        """What a command prints on a terminal that is so wide."""
        main, terminal = pty.openpty()
        variables = {**running.environment(), "TERM": "xterm", "COLUMNS": str(columns), **environment}
        variables.pop("NO_COLOR", None) if "NO_COLOR" not in environment else None
        process = subprocess.Popen(
            [*AGW, *words, "--config", "gw.ini"],
            cwd=self.gateway.directory,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        printed = b""
        with (
            contextlib.suppress(OSError),
            open(main, "rb", buffering=0) as output,
        ):  # EIO: the last process has closed it
            while piece := output.read(1 << 12):
                printed += piece
        self.assertEqual(process.wait(running.PATIENCE), 0, printed)
        return printed.decode()

    def test_color_and_width(self) -> None:
        """There is color, which NO_COLOR and --no-color switch off, and no line is wider than the terminal."""
        self.assertIn("\x1b[1mLISTENER\x1b[0m", self.shown(200, "listeners"))
        self.assertIn("\x1b[32mrunning", self.shown(80, "status"))
        self.assertNotIn("\x1b[", self.shown(80, "status", NO_COLOR="1"))
        plain = self.shown(40, "backends", "--no-color")
        self.assertNotIn("\x1b[", plain)
        self.assertLessEqual(max(map(len, re.split(r"[\r\n]+", plain))), 40)


class EventsTests(AgwCase):
    """`agw events`."""

    def test_refusal(self) -> None:
        """A client that is refused is a line, while it runs; Ctrl-C ends it well."""
        call = Call(port=self.scene.doors["strict"], trusted=str(self.gateway.directory / "server-root.pem"))
        words = [*AGW, "events", "--kinds", "refusal", "--config", "gw.ini"]
        with running.running(self.gateway.directory, *words) as events:
            os.set_blocking(events._output.fileno(), False)

            def printed() -> list[str]:
                """Has a client refused, and reads what has come."""
                clients.by_python(call)
                events.printed += (events._output.read() or b"").decode().splitlines()
                return events.printed

            first = wait_until(printed, "an event is printed")[0]
            self.assertRegex(first, r"refusal .*listener=strict")
            status, everything = events.end(signal.SIGINT)
        self.assertEqual(status, 0, everything)
        self.assertNotIn("the gateway has ended", everything)


class LogTests(AgwCase):
    """`agw log`."""

    def request(self, target: str) -> None:
        """One request, which the access log has."""
        with closing(clients.plain(self.scene.doors["plain"])) as line:
            line.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertEqual(line.response().status, 200)

    def test_shows(self) -> None:
        """A request is one line, found by its listener, client and status."""
        self.request("/shown?a=b")
        words = ("log", "--listener", "plain", "--client", "127.0.0.0/8", "--status", "2xx", "--since", "5m", "-n", "1")
        found = wait_until(lambda: "/shown" in (text := self.agw(*words)) and text, "the log has it")
        self.assertRegex(
            str(found), r"127\.0\.0\.1:\d+ +\S+ plain GET localhost /shown\?a=b 200 \d\.\d+s -> 127\.0\.0\.1:"
        )

    def test_follows(self) -> None:
        """With --follow requests are shown as they come, those after a rotation, too."""
        words = [*AGW, "log", "--follow", "-n", "0", "--config", "gw.ini"]
        log = self.gateway.directory / "access.log"
        with running.running(self.gateway.directory, *words) as shown:
            os.set_blocking(shown._output.fileno(), False)

            def come(target: str) -> bool:
                """Whether a request for it was shown."""
                self.request(target)
                shown.printed += (shown._output.read() or b"").decode().splitlines()
                return any(f" {target} 200 " in line for line in shown.printed)

            wait_until(lambda: come("/before"), "it is shown")
            log.rename(self.gateway.directory / "access.log.1")
            assert self.gateway.process
            os.kill(self.gateway.pid, signal.SIGUSR1)
            wait_until(log.exists, "the gateway has made another one")
            wait_until(lambda: come("/after"), "it is shown, too")
            status, everything = shown.end(signal.SIGINT)
        self.assertEqual(status, 130, everything)
        self.assertNotIn("Traceback", everything)
