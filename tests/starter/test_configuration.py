"""The text of a first configuration file."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.starter.configuration import Starter, StarterMode


def text(mode: StarterMode, state: str = "state", ocsp: str = "") -> str:
    """The file for a mode."""
    starter = Starter(
        mode=mode,
        address="127.0.0.1",
        port=8443,
        backend="127.0.0.1:9000",
        names=("localhost",),
        state=state,
        ocsp=ocsp,
    )
    return starter.text()


class StarterTests(SynchronousTestCase):
    """What stands in it; that a gateway takes it is shown by `test_init`."""

    def test_every_line_is_explained(self) -> None:
        """Every line that sets something has a meaning behind it, or above it where it is long, within 120 columns."""
        for mode in StarterMode:
            above = ""
            for line in text(mode, state="state/" * 9).splitlines():
                with self.subTest(line, mode=mode):
                    self.assertLessEqual(len(line), 120)
                    if line and not line.startswith((";", " ")):
                        self.assertTrue("; " in line or above.startswith("; "))
                above = line

    def test_modes(self) -> None:
        """The modes differ in profile and listener."""
        self.assertIn("verify_client_auth_mode = Strict", text(StarterMode.STRICT))
        self.assertIn("\n[http_listener public]", text(StarterMode.STRICT))
        self.assertIn("verify_client_auth_mode = Passthrough", text(StarterMode.PASSTHROUGH))
        self.assertNotIn("\n[trusted_client_certificate", text(StarterMode.PASSTHROUGH))
        self.assertIn("\n[listener public]", text(StarterMode.L4))
        self.assertIn("verify_client_auth_mode = Strict", text(StarterMode.L4))

    def test_revocation(self) -> None:
        """Responders are asked where there is one."""
        self.assertNotIn("OCSP", text(StarterMode.STRICT))
        asked = text(StarterMode.STRICT, ocsp="http://127.0.0.1:9001/")
        self.assertIn("verify_client_revocation = OCSP", asked)
        self.assertIn("ocsp_responder_url = http://127.0.0.1:9001/", asked)
