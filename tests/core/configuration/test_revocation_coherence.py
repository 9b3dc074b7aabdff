"""Checks across sections about revocation."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.configurations import changed, noted

STORE = ("access_log = -\n", "access_log = -\nrevocation_store = redis://127.0.0.1\n")
MODE = "verify_client_auth_mode = Strict\n"


class StoreTests(SynchronousTestCase):
    """`revocation_store`."""

    def test_without_anything_to_share(self) -> None:
        """A store has no effect where no profile checks revocation, and has where one does, by whatever source."""
        note = "revocation_store has no effect: no ssl_profile has verify_client_revocation"
        self.assertEqual(noted(changed(STORE)), [note])
        for source in ("OCSP", "CRL"):
            checking = (MODE, f"{MODE}verify_client_revocation = {source}\n")
            self.assertEqual(noted(changed(STORE, checking)), [])
