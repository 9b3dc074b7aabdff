"""Answers of the configuration in force."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from agwtwisted.answers.of_configuration import ConfigurationAnswers
from agwtwisted.arm_files import ArmFiles
from agwtwisted.core.operations.masking import MASK
from agwtwisted.core.operations.staples_in_force import StapleState
from agwtwisted.core.sections.sources import SourceFile
from agwtwisted.loading import Files, Loaded
from tests import configurations, pki
from tests.core.revocation.test_stapling import SITE


class ConfigurationAnswersTests(TestCase):
    """What it is asked."""

    def setUp(self) -> None:
        main = SourceFile(data=configurations.GOOD.encode(), mode=0o600)
        key = SourceFile(data=configurations.site().key_pem, mode=0o600)
        files = Files(file=configurations.FILE, main=main, named={"conf/pki/site.key": key})
        self.loaded = Loaded(plan=configurations.plan(), files=files)
        self.reloads: Any = SimpleNamespace(in_force=self.loaded, generation=3, since=pki.NOW.timestamp())
        self.answers = ConfigurationAnswers(reactor, self.reloads, pki.NOW.timestamp)  # type: ignore[arg-type]

    async def test_configuration(self) -> None:
        """The text, its files by their digests, and the report of the configuration in force."""
        answer = await self.answers.configuration()
        self.assertEqual(
            (answer["file"], answer["generation"], answer["since"]), ("conf/gw.ini", 3, "2026-06-01T12:00:00Z")
        )
        self.assertEqual(answer["text"], configurations.GOOD)
        self.assertEqual([each["path"] for each in answer["files"]], ["conf/gw.ini", "conf/pki/site.key"])
        self.assertIn("LISTENER", answer["report"])
        resources = {each["path"]: each["properties"] for each in answer["resources"]}
        self.assertEqual(resources["httpListeners/public"]["protocol"], "Https")

    async def test_password(self) -> None:
        """Of a file that holds a password there is no digest, by which it could be guessed."""
        main = SourceFile(data=b"[ssl_certificate a]\npassword_file = a.password\n", mode=0o600)
        named = {f"conf/{name}": SourceFile(data=b"hunter2", mode=0o600) for name in ("a.password", "a.pfx")}
        files = Files(file=configurations.FILE, main=main, named=named)
        self.reloads.in_force = Loaded(plan=configurations.plan(), files=files)
        digests = {each["path"]: each["sha256"] for each in (await self.answers.configuration())["files"]}
        self.assertIsNone(digests["conf/a.password"])
        self.assertIsNotNone(digests["conf/a.pfx"])

    async def test_arm_document(self) -> None:
        """Of an ARM document and its overlay both texts are shown, secrets masked, and no digest of passwords."""
        overlay = b"[arm]\npassword.site = a.password\nparameters = p.json, /q.json\nparameter.adminPassword = HIDDEN\n"
        arm = ArmFiles(overlay="conf/gw.overlay.ini", text=SourceFile(data=overlay, mode=0o600))
        main = SourceFile(data=b'{"name": "gw", "password": "HIDDEN"} // shown', mode=0o600)
        named = {
            path: SourceFile(data=b"{}", mode=0o600) for path in ("conf/a.password", "conf/p.json", "/q.json", "/c")
        }
        files = Files(file="conf/gw.json", main=main, named=named, arm=arm)
        self.reloads.in_force = Loaded(plan=configurations.plan(), files=files)
        answer = await self.answers.configuration()
        self.assertEqual(answer["text"], f'{{"name": "gw", "password": "{MASK}"}} // shown')
        self.assertIn("parameters = p.json", answer["overlay"])
        self.assertNotIn("HIDDEN", str(answer))
        digests = {each["path"] for each in answer["files"] if each["sha256"] is not None}
        self.assertEqual(digests, {"conf/gw.json", "conf/gw.overlay.ini", "/c"})

    async def test_no_key(self) -> None:
        """No part of a private key is in an answer."""
        key = configurations.site().key_pem.splitlines()[1].decode()
        self.assertNotIn(key, str(await self.answers.configuration()) + str(self.answers.certificates()))

    def test_staples(self) -> None:
        """A certificate that a listener shows has its staple, or why there is none; a CA has no such member's value."""
        state = StapleState(names=("site",), status="good", next_update=pki.NOW.timestamp())
        site = configurations.files(site_pem=SITE.chain_pem, site_key=SITE.key_pem)
        for plan, known, expected in (
            (configurations.plan(), [], ("none", "it names no OCSP responder")),
            (configurations.plan(configurations.GOOD, site), [state], ("good", None)),
        ):
            self.reloads.in_force = Loaded(plan=plan, files=self.loaded.files)
            answers = ConfigurationAnswers(reactor, self.reloads, pki.NOW.timestamp, lambda known=known: known)  # type: ignore[arg-type, misc]
            found = {each["role"]: each for each in answers.certificates()["certificates"]}
            leaf = found["end_entity"]
            self.assertEqual((leaf["ocsp_staple"], leaf["ocsp_staple_problem"]), expected)
            self.assertIsNone(found["authority"]["ocsp_staple"])

    def test_certificates_are_read_once(self) -> None:
        """The certificates of a configuration are read when asked for first, and those of the next one then."""
        first = self.answers.certificates_in_force
        self.assertIs(self.answers.certificates_in_force, first)
        self.assertEqual({each["name"] for each in self.answers.certificates()["certificates"]}, {"site", "devices"})
        text = configurations.changed(("port = 8443", "port = 8444"))
        self.reloads.in_force = Loaded(plan=configurations.plan(text), files=self.loaded.files)
        self.assertIsNot(self.answers.certificates_in_force, first)
