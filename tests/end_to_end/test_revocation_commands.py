"""`agw revocation` and `agw explain` of a gateway that reads lists of `openssl ca`."""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import programs
from tests.end_to_end import clients
from tests.end_to_end.lines import Line
from tests.end_to_end.test_revocation_lists import Place, place, started
from tests.end_to_end.worker_processes import worker_of, workers


@programs.needs("openssl")
class ListCommandsTests(SynchronousTestCase):
    """Of two workers with a state directory."""

    def agw(self, at: Place, *words: str, status: int = 0) -> str:
        """What a command prints, which ends so."""
        done = at.gateway.agw(*words, "--config", "gw.ini")
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout

    def members(self, at: Place, *words: str) -> Any:
        """The same as JSON."""
        return json.loads(self.agw(at, *words, "--json"))

    def of_both(self, at: Place, name: str) -> list[Line]:
        """A connection of each worker with a device."""
        found: dict[int, Line] = {}
        while len(found) < 2:
            line = clients.encrypted(at.call(name))
            self.addCleanup(line.close)
            line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertEqual(line.response().status, 200)
            found[worker_of(line, workers(at.gateway))] = line
        return [*found.values()]

    def test_asked_shown_and_brought(self) -> None:
        """A check downloads the list, which is shown with its age and renewal; a newer one that is brought while its
        server is down ends the connections of both workers, and an older one is not taken.
        """
        with place(gateway_keys={"state_directory": "var", "workers": 2}) as at:
            device = at.device("device")
            check = ("revocation", "check", "--listener", "lists", "device.pem")
            old = at.gateway.directory / "old.crl"
            old.write_bytes(at.server.data)
            at.server.data = at.authority.published()
            with started(at):
                workers(at.gateway)
                online = self.agw(at, "explain", "--online", "--listener", "lists", "device.pem")
                self.assertIn("CN=device: CRL: good\n", online)
                self.assertIn(f"{at.server.url}: the newest list is in force\n", online)
                text = self.agw(at, *check)
                self.assertIn("CRL: CN=device: good\n   known before: nothing\n", text)
                self.assertTrue(text.endswith("\nAccepted: good (CRL)\n"), text)
                shown = self.members(at, "revocation")
                [found] = shown["lists"]
                self.assertEqual((found["issuer"], found["origin"]), ("CN=Devices with lists", at.server.url))
                self.assertEqual((found["number"], found["entries"], found["problem"]), ("2", 0, None))
                self.assertEqual(shown["profiles"][0]["verify_client_revocation"], "CRL")
                lines = self.of_both(at, "device")
                at.authority.revoke(device)
                new = at.gateway.directory / "new.crl"
                new.write_bytes(at.authority.published())
                at.server.is_down = True
                [taken, refused] = self.brought(at, str(new), str(old))
                self.assertEqual((taken["taken"], refused["taken"]), (True, False))
                self.assertIn("older", refused["detail"])
                for line in lines:
                    self.assertEqual(line.rest(), b"")
                self.assertEqual(at.ask("device"), (400, "revoked", "CRL"))
                text = self.agw(at, *check, status=1)
                self.assertIn("known before: revoked on ", text)
                self.assertIn("Refused: certificate revoked (CRL)\n", text)
                self.agw(at, "revocation", "import", "device.pem", status=2)

    def brought(self, at: Place, *files: str) -> list[Any]:
        """What becomes of the lists in these files, one in each."""
        done = at.gateway.agw("revocation", "import", *files, "--config", "gw.ini", "--json")
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        return [each["imported"][0] for each in json.loads(done.stdout)["files"]]
