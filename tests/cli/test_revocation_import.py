"""`agw revocation import`: which file is given to the gateway as what, and what came of it."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.revocation_import import LONGEST_RESPONSE
from tests.cli.answered import HOSTILE, SHOWN, answered
from tests.cli.calls import call
from tests.core.revocation.test_brought_files import lists
from tests.responder import Response, Single
from tests.revocations import DEVICE, ISSUER

RESPONSE = Response(signer=ISSUER, singles=[Single(certificate=DEVICE)]).der()


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
        done, asked = answered(imported(taken=True, detail="good"), "revocation", "import", file)
        self.assertEqual((done.status, done.out), (0, f"{file}: taken: serial 0a: good\n"))
        self.assertEqual(asked.call_args.args[1], "/revocation/import")
        self.assertEqual(b64decode(asked.call_args.kwargs["body"]["ocsp_response"]), RESPONSE)

    def test_lists(self) -> None:
        """Of lists the path is sent, and the gateway reads them."""
        file = self.file(lists().public_bytes(Encoding.PEM))
        _, asked = answered(imported(taken=True), "revocation", "import", file)
        self.assertEqual(asked.call_args.kwargs["body"], {"crl_file": file})

    def test_not_taken(self) -> None:
        """What is not taken, and what is refused, is said; the exit status is 1, and no text obeys a terminal."""
        file = self.file(RESPONSE)
        done, _ = answered(imported(taken=False, what=HOSTILE), "revocation", "import", file, file)
        self.assertEqual((done.status, done.out), (1, f"{file}: NOT TAKEN: {SHOWN}\n" * 2))
        done, _ = answered({"error": "it cannot be read"}, "revocation", "import", file, status=400)
        self.assertEqual((done.status, done.out, done.err), (1, "", f"{file}: it cannot be read\n"))

    def test_json(self) -> None:
        """For a program: one object for all files."""
        file = self.file(RESPONSE)
        done, _ = answered(imported(taken=True), "revocation", "import", "--json", file)
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
