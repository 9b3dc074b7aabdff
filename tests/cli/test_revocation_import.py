"""`agw revocation import`: which file is given to the gateway as what, and what came of it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli import asking
from agwtwisted.cli.control import ControlAnswer
from agwtwisted.cli.revocation_import import LONGEST_RESPONSE
from tests.cli.answered import HOSTILE, SHOWN
from tests.cli.calls import Called, call
from tests.core.revocation.test_brought_files import lists
from tests.responder import Response, Single
from tests.revocations import DEVICE, ISSUER

RESPONSE = Response(signer=ISSUER, singles=[Single(certificate=DEVICE)]).der()


def answered(members: Mapping[str, Any], *files: str, status: int = 200) -> tuple[Called, Any]:
    """What the command does where each file is answered so, and the bodies that it sent."""
    answers = [ControlAnswer(status, members) for each in files if not each.startswith("-")]
    with mock.patch.object(asking, "post_each", return_value=answers) as asked:
        done = call("revocation", "import", *files)
    target, bodies = asked.call_args.args[1:]
    assert target == "/revocation/import"
    return done, bodies


def imported(*, taken: bool, what: str = "serial 0a", detail: str | None = None) -> dict[str, Any]:
    """An answer about one of a file."""
    return {"imported": [{"taken": taken, "what": what, "detail": detail}]}


class ImportTests(SynchronousTestCase):
    """The command."""

    def file(self, data: bytes) -> str:
        """A file with this content."""
        path = Path(self.mktemp())
        path.write_bytes(data)
        return str(path.absolute())

    def test_response(self) -> None:
        """A response is sent."""
        file = self.file(RESPONSE)
        done, [body] = answered(imported(taken=True, detail="good"), file)
        self.assertEqual((done.status, done.out), (0, f"{file}: taken: serial 0a: good\n"))
        self.assertEqual(b64decode(body["ocsp_response"]), RESPONSE)

    def test_lists(self) -> None:
        """Of lists the path is sent, and the gateway reads them."""
        file = self.file(lists().public_bytes(Encoding.PEM))
        _, bodies = answered(imported(taken=True), file)
        self.assertEqual(bodies, [{"crl_file": file}])

    def test_not_taken(self) -> None:
        """What is not taken, and what is refused, is said; the exit status is 1, and no text obeys a terminal."""
        file = self.file(RESPONSE)
        done, _ = answered(imported(taken=False, what=HOSTILE), file, file)
        self.assertEqual((done.status, done.out), (1, f"{file}: NOT TAKEN: {SHOWN}\n" * 2))
        done, _ = answered({"error": "it cannot be read"}, file, status=400)
        self.assertEqual((done.status, done.out, done.err), (1, "", f"{file}: it cannot be read\n"))

    def test_json(self) -> None:
        """For a program: one object for all files."""
        file = self.file(RESPONSE)
        done, _ = answered(imported(taken=True), "--json", file)
        self.assertIn('"files"', done.out)

    def test_neither(self) -> None:
        """A file that is neither, is too long, or is not there is an error, and nothing of the others is sent."""
        long = RESPONSE + bytes(LONGEST_RESPONSE)
        for file, words in (
            (self.file(DEVICE.pem), "is neither"),
            (self.file(long), "more than"),
            ("none", "cannot be read"),
        ):
            done = call("revocation", "import", self.file(RESPONSE), file)
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(words, done.err)
