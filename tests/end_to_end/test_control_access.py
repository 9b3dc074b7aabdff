"""Who may ask the control API: other users, other sites, those without the token; and what it gives away."""

from __future__ import annotations

import os
import subprocess
import sys

import treq
from twisted.trial.unittest import TestCase

from agwtwisted.core.operations.routes import ROUTES
from tests.end_to_end import control_api, gateway
from tests.end_to_end.control_api import ControlAnswer, bearer
from tests.programs import needs

ANOTHER = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    if sys.argv[1].endswith(".sock"):
        client = socket.socket(socket.AF_UNIX)
        client.connect(sys.argv[1])
        client.sendall(b"GET /status HTTP/1.1\\r\\nHost: gateway\\r\\n\\r\\n")
        print(client.makefile().read())
    else:
        open(sys.argv[1]).read()
except PermissionError:
    print("denied")
"""


def other_user(path: str) -> str:
    """What another user of the machine gets who connects to a socket, or reads a file."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", ANOTHER, path], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() or done.stderr


@needs("curl")
class TcpTests(gateway.SceneCase):
    """The control API on TCP."""

    stage = staticmethod(control_api.one)

    def setUp(self) -> None:
        super().setUp()
        self.port = self.scene.doors["control"]
        self.bearer = bearer(self.gateway)

    def ask(self, path: str, *words: str) -> ControlAnswer:
        """An answer over TCP, without the token."""
        return control_api.curl_tcp(self.port, path, *words)

    def test_token(self) -> None:
        """No route answers without the token, in the query or with a wrong one; with it every one does."""
        token = self.bearer[1].rpartition(" ")[2]
        for route in ROUTES:
            path = route.path.replace("{", "").replace("}", "")
            method = ("--request", route.method)
            answer = self.ask(path, *method)
            self.assertEqual((answer.status, answer.members.keys()), (401, {"error"}), route.path)
            self.assertIn("Bearer", answer.headers["www-authenticate"])
            for wrong in ("Basic eDp5", "Bearer", f"Bearer {token[:-1]}", f"Bearer x{token}"):
                answer = self.ask(path, *method, "--header", f"Authorization: {wrong}")
                self.assertIn(answer.status, (401, 429), (route.path, wrong))
                self.assertEqual(answer.members.keys(), {"error"})
            self.assertEqual(self.ask(f"{path}?token={token}", *method).status, 401)
        self.assertEqual(self.ask("/status", *self.bearer).status, 200)

    def test_other_hosts(self) -> None:
        """A name that another site has pointed here (DNS rebinding) gets nothing, not even the console."""
        for host in (
            "evil.example",
            f"evil.example:{self.port}",
            "127.0.0.1",
            f"127.0.0.1:{self.port}.evil.example",
            "",
        ):
            for path in ("/status", "/console/", "/"):
                answer = self.ask(path, *self.bearer, "--header", f"Host: {host}" if host else "Host;")
                self.assertIn(answer.status, (400, 421), (host, path, answer))
                self.assertNotIn("generation", answer.body)
        self.assertEqual(self.ask("/status", *self.bearer, "--header", f"Host: localhost:{self.port}").status, 200)

    def test_other_origins(self) -> None:
        """A page of another origin may not ask; nothing allows it to (CORS)."""
        for origin in ("https://evil.example", "null", f"https://127.0.0.1:{self.port}", "http://127.0.0.1"):
            for method in ("GET", "POST", "OPTIONS"):
                answer = self.ask("/status", *self.bearer, "--request", method, "--header", f"Origin: {origin}")
                self.assertEqual(answer.status, 403, (origin, method))
                self.assertFalse([name for name in answer.headers if name.startswith("access-control")])
        own = self.ask("/status", *self.bearer, "--header", f"Origin: http://127.0.0.1:{self.port}")
        self.assertEqual(own.status, 200)

    def test_forms(self) -> None:
        """A form of a page, which needs no leave of CORS, changes nothing even with the token."""
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            words = ("--request", "POST", "--data", "{}", "--header", f"Content-Type: {media_type}")
            self.assertEqual(self.ask("/revocation/forget", *self.bearer, *words).status, 415)

    def test_console(self) -> None:
        """The console needs no token, holds none, and may be framed by no page."""
        answer = self.ask("/console/")
        self.assertEqual((answer.status, answer.headers["content-type"].partition(";")[0]), (200, "text/html"))
        self.assertNotIn(self.bearer[1].rpartition(" ")[2], answer.body)
        self.assertIn("frame-ancestors 'none'", answer.headers["content-security-policy"])
        self.assertIn(self.ask("/").status, (301, 302, 303, 307, 308))

    def test_nothing_logged(self) -> None:
        """The token is in no log, no command line and no answer."""
        token = self.bearer[1].rpartition(" ")[2]
        self.ask("/status", *self.bearer)
        self.ask("/status", "--header", "Authorization: Bearer " + "x" * 43)
        self.assertNotIn(token, self.gateway.output)
        for route in ROUTES:
            if route.method == "GET" and route.path != "/events":
                self.assertNotIn(token, self.ask(route.path, *self.bearer).body, route.path)


class TreqTests(TestCase):
    """A program with treq, in a reactor of its own."""

    async def test_status(self) -> None:
        """It asks over TCP with the token."""
        scene = gateway.shared(control_api.one)
        port, (_, header) = scene.doors["control"], bearer(scene.gateway)
        name, _, value = header.partition(": ")
        answer = await treq.get(f"http://localhost:{port}/status", headers={name: value}, persistent=False)
        self.assertEqual(answer.code, 200)
        status = await answer.json()
        self.assertEqual((status["pid"], status["phase"]), (scene.gateway.pid, "running"))


class FileTests(gateway.SceneCase):
    """What is in the file system."""

    stage = staticmethod(control_api.one)

    def test_modes(self) -> None:
        """Socket and token are their owner's alone."""
        state = self.gateway.directory / "state"
        for name in ("control.sock", "control.token"):
            self.assertEqual((state / name).stat().st_mode & 0o777, 0o600, name)

    def test_other_user(self) -> None:
        """Another user can neither connect nor read the token, though the directory be open."""
        if os.geteuid():
            self.skipTest("only root can become another user")
        state = self.gateway.directory / "state"
        for directory in (self.gateway.directory, state):
            self.addCleanup(directory.chmod, directory.stat().st_mode & 0o777)
            directory.chmod(0o755)
        for name in ("control.sock", "control.token"):
            self.assertEqual(other_user(str(state / name)), "denied", name)
        (state / "control.sock").chmod(0o666)  # by mistake
        self.addCleanup((state / "control.sock").chmod, 0o600)
        answer = other_user(str(state / "control.sock"))
        self.assertTrue(answer.startswith("HTTP/1.1 403 "), answer)
        self.assertIn("owner's alone", answer)
