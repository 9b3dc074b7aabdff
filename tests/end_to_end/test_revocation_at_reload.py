"""What is known of revocation outlives a reload: real responders, whose requests are counted."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.end_to_end.lines import wait_until
from tests.end_to_end.test_revocation import REVOKED, Place, place, signer
from tests.end_to_end.test_trust_at_reload import IN_FORCE
from tests.responder import Responder


def reload(at: Place, *changes: tuple[str, str]) -> None:
    """Takes the configuration with these changes, and returns once it is in force."""
    text = at.gateway.file.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    before = len(at.gateway.output)
    at.gateway.file.write_text(text)
    at.gateway.signal(signal.SIGHUP)
    wait_until(lambda: IN_FORCE.search(at.gateway.output, before), "the reload is in force")


class KeptTests(SynchronousTestCase):
    """Requests to responders, over reloads."""

    def status(self, at: Place, name: str) -> tuple[Any, Any]:
        """What a device gets, and what is known of it."""
        answer, record = at.ask("http400", name)
        return answer.status, record["ocspStatus"]

    def test_kept(self) -> None:
        """What is known is not asked about again, whatever changed; a new certificate is, at the new responder."""
        with place() as at, closing(Responder(signer())) as other:
            other.certificates = at.responder.certificates
            at.device("first")
            self.assertEqual(self.status(at, "first"), (200, "good"))
            for changes in (
                [("drain_timeout = 5", "drain_timeout = 4")],
                [("ocsp_timeout = 10", "ocsp_timeout = 9")],
                [(at.responder.url, other.url)],
            ):
                reload(at, *changes)
                self.assertEqual(self.status(at, "first"), (200, "good"))
            self.assertEqual((len(at.responder.asked), len(other.asked)), (1, 0))
            other.knows(at.device("second"))
            self.assertEqual(self.status(at, "second"), (200, "good"))
            self.assertEqual((len(at.responder.asked), len(other.asked)), (1, 1))

    def test_revoked(self) -> None:
        """A certificate that is known as revoked stays refused after a reload, at every profile, though none can be
        asked any more.
        """
        with place() as at:
            at.device("lost", status="revoked")
            self.assertEqual(self.status(at, "lost"), (400, "revoked"))
            at.responder.gate.clear()
            reload(at, ("ocsp_timeout = 10", "ocsp_timeout = 1"))
            for door in ("http400", "allow"):
                _, record = at.ask(door, "lost")
                self.assertEqual(record["sslClientVerify"], f"FAILED:{REVOKED}")
            self.assertEqual(len(at.responder.asked), 1)

    def test_failures_begin_anew(self) -> None:
        """A profile that changed does not wait for the end of a failure: it asks at once."""
        with place() as at:
            at.device("other", status="unknown")
            self.assertEqual(self.status(at, "other")[0], 400)
            self.assertEqual(self.status(at, "other")[0], 400)
            self.assertEqual(len(at.responder.asked), 1)
            reload(at, ("ocsp_timeout = 10", "ocsp_timeout = 9"))
            self.assertEqual(self.status(at, "other")[0], 400)
            self.assertEqual(len(at.responder.asked), 2)
