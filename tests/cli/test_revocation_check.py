"""`agw revocation check`: what the sources say about one certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.revocation_check import check_text
from agwtwisted.core.certificates.pem import read_certificates
from tests.cli.answered import answered, on_terminal
from tests.cli.calls import call
from tests.revocations import DEVICE

TEXT = "client.pem on the listener a\n\n1. FAILED   OCSP: CN=device: revoked\n\nRefused: certificate revoked (OCSP)"


class CheckTests(SynchronousTestCase):
    """The command."""

    def setUp(self) -> None:
        self.file = Path(self.mktemp())
        self.file.write_bytes(DEVICE.chain_pem + DEVICE.key_pem)

    def check(self, members: Any, *words: str, status: int = 200) -> tuple[Any, Any]:
        """What came of it, and the request's body."""
        done, asked = answered(members, "revocation", "check", *words, status=status)
        self.assertEqual(asked.call_args.args[1], "/revocation/check")
        return done, asked.call_args.kwargs["body"]

    def test_accepted_or_not(self) -> None:
        """The text is the gateway's, and the exit status its verdict."""
        for accepted in (True, False):
            done, _ = self.check({"accepted": accepted, "text": TEXT}, "--listener", "a", str(self.file))
            self.assertEqual((done.status, done.out), (0 if accepted else 1, f"{TEXT}\n"))
        done, _ = self.check({"error": "no such listener"}, "--listener", "a", str(self.file), status=404)
        self.assertEqual((done.status, done.err), (1, "no such listener\n"))

    def test_key_stays(self) -> None:
        """The certificates are sent, and no key that stands beside them."""
        _, body = self.check({"accepted": True, "text": TEXT}, "--listener", "a", str(self.file))
        self.assertEqual(body["listener"], "a")
        self.assertNotIn("KEY", body["certificate"])
        sent = [each.der for each in read_certificates(body["certificate"].encode(), "sent").encoded]
        self.assertEqual(sent, [each.der for each in read_certificates(DEVICE.chain_pem, "given").encoded])

    def test_refusal(self) -> None:
        """In place of a certificate a refusal is named; it has its listener."""
        _, body = self.check({"accepted": True, "text": TEXT}, "--refusal", "1-7")
        self.assertEqual(body, {"refusal": "1-7"})

    def test_no_certificate(self) -> None:
        """A file that is not there, or has none, is an error before anything is asked."""
        self.file.write_text("nothing")
        for file, words in ((self.file, "neither PEM"), (Path("none.pem"), "cannot be read")):
            done = call("revocation", "check", "--listener", "a", str(file))
            self.assertEqual((done.status, done.out), (2, ""))
            self.assertIn(words, done.err)

    def test_color(self) -> None:
        """What failed and the verdict stand out."""
        lines = check_text({"text": TEXT}, on_terminal(200, color=True)).splitlines()
        self.assertEqual(["\x1b[" in line for line in lines], [False, False, True, False, True])
