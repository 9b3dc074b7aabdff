"""`agwtwisted.explaining.answer`: what a running gateway answers to POST /explain."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.core.plan.plan import Plan
from agwtwisted.explaining.answer import checked, examined, explained, status_question
from agwtwisted.explaining.explain import MAX_FILE_BYTES
from tests import clients, configurations, pki
from tests.core.reports.test_status_check import certificate, source

PLAN = Plan.of(configurations.load(clients.text("s strict", "open - o.example"), clients.files()))


class AnswerTests(SynchronousTestCase):
    """The JSON object, and the errors."""

    def ask(self, **arguments: Any) -> Any:
        """The members of the answer."""
        return explained(examined(PLAN, arguments, pki.NOW), arguments)

    def assert_wrong(self, status: int, words: str, **arguments: Any) -> None:
        """That these arguments are answered with such an error."""
        error = self.assertRaises(QuestionError, self.ask, **arguments)
        self.assertEqual(error.status, status)
        self.assertIn(words, str(error))

    def test_answer(self) -> None:
        """Verdict, steps and text of a pasted chain, now or at another time."""
        pem = clients.device().chain_pem.decode()
        answer = self.ask(listener="s", certificate=pem, at=None)
        self.assertEqual((answer["accepted"], answer["verdict"]), (True, "Accepted"))
        self.assertTrue(answer["text"].startswith("the certificate on the listener s at 2026-06-01 12:00:00 UTC\n"))
        later = self.ask(listener="s", certificate=pem, at="2060-01-01")
        self.assertEqual((later["accepted"], later["verdict"]), (False, "Refused: certificate has expired"))

    def test_a_refusal_that_is_remembered(self) -> None:
        """What the gateway had found out about revocation decides, since nothing else here can say it; other reasons
        are judged anew.
        """
        ocsp = "verify_client_revocation = OCSP\nocsp_responder_url = http://ocsp.internal/\n"
        text = clients.text("s strict").replace("[ssl_profile strict]\n", f"[ssl_profile strict]\n{ocsp}")
        plan = Plan.of(configurations.load(text, clients.files()))
        arguments = {"listener": "s", "certificate": clients.device().pem.decode()}
        for reason, verdict in (
            ("certificate revoked", "Refused: certificate revoked"),
            ("certificate has expired", "Accepted, if its OCSP responder answers good"),
        ):
            refused = {"reason": reason, "at": "2026-05-31T23:00:00Z"}
            given = {**arguments, "refused": refused}
            answer = explained(examined(plan, given, pki.NOW), given)
            self.assertEqual((answer["accepted"], answer["verdict"]), (verdict.startswith("Accepted"), verdict))
            text = " ".join(answer["text"].split())
            self.assertEqual("client at 2026-05-31T23:00:00Z: certificate revoked" in text, "revoked" in reason)
        without = self.ask(**arguments, refused={"reason": "certificate revoked"})
        self.assertTrue(without["accepted"])

    def test_a_refusal_on_a_path(self) -> None:
        """A client that a path refused is not called accepted, though other paths are open to it."""
        arguments = {"listener": "open", "certificate": clients.device().pem.decode()}
        self.assertTrue(self.ask(**arguments)["accepted"])
        refused = {"stage": "path", "reason": "certificate has expired", "at": "2026-05-31T23:00:00Z"}
        answer = self.ask(**arguments, refused=refused)
        verdict = "Refused on a path that requires a certificate: certificate has expired"
        self.assertEqual((answer["accepted"], answer["verdict"]), (False, verdict))
        self.assertIn(f"{verdict}. On other paths:\nAccepted: ", answer["text"])

    def test_a_root_whose_status_is_to_be_asked_for(self) -> None:
        """A client with a trusted root is refused, whatever `ocsp_unavailable` is: there is no responder to ask."""
        for unavailable in ("Refuse", "Allow"):
            ocsp = "verify_client_revocation = OCSP\nocsp_responder_url = http://ocsp.internal/\n"
            ocsp += f"ocsp_unavailable = {unavailable}\n"
            text = clients.text("s strict").replace("[ssl_profile strict]\n", f"[ssl_profile strict]\n{ocsp}")
            plan = Plan.of(configurations.load(text, clients.files()))
            root = configurations.clients_root().pem.decode()
            given = {"listener": "s", "certificate": root}
            answer = explained(examined(plan, given, pki.NOW), given)
            self.assertEqual(answer["verdict"], "Refused: certificate status request failed")
            steps = {each["name"]: each["outcome"] for each in answer["steps"]}
            self.assertEqual((answer["accepted"], steps["revocation"]), (False, "failed"))

    def test_errors(self) -> None:
        """What is missing, unknown, too long or no certificate."""
        pem = clients.device().pem.decode()
        self.assert_wrong(400, "listener is missing", certificate=pem)
        self.assert_wrong(400, "certificate has to be a text: PEM", listener="s")
        self.assert_wrong(404, "no listener x", listener="x", certificate=pem)
        self.assert_wrong(400, "is no time", listener="s", certificate=pem, at="soon")
        self.assert_wrong(400, "neither PEM", listener="s", certificate="hello\udc80")
        self.assert_wrong(400, "bytes: no client sends that much", listener="s", certificate="x" * (MAX_FILE_BYTES + 1))
        for name in ("listener", "certificate", "at"):
            self.assert_wrong(400, name, **{"listener": "s", "certificate": pem, name: 7})


class StatusTests(SynchronousTestCase):
    """What the gateway knows, or learns, of the revocation of a certificate."""

    def setUp(self) -> None:
        ocsp = "verify_client_revocation = OCSP\nocsp_responder_url = http://ocsp.internal/\n"
        text = clients.text("s strict", "p passthrough p.example").replace(
            "[ssl_profile strict]\n", f"[ssl_profile strict]\n{ocsp}"
        )
        self.plan = Plan.of(configurations.load(text, clients.files()))
        self.given = {"listener": "s", "certificate": clients.device().pem.decode()}
        self.examination = examined(self.plan, self.given, pki.NOW)

    def test_question(self) -> None:
        """The gateway is asked about the certificates that the profile checks, and not about one that is refused."""
        question = status_question(self.examination, ask=True)
        assert question is not None
        self.assertEqual((question["profile"], question["ask"]), ("strict", True))
        [subject] = question["subjects"]
        self.assertEqual(
            [b64decode(each) for each in subject], [clients.device().der, configurations.clients_root().der]
        )
        stranger = {**self.given, "certificate": clients.stranger().pem.decode()}
        self.assertIsNone(status_question(examined(self.plan, stranger, pki.NOW), ask=True))

    def test_no_source(self) -> None:
        """By a profile that checks no revocation nothing is known, and a check is refused."""
        examination = examined(self.plan, {**self.given, "listener": "p"}, pki.NOW)
        self.assertIsNone(status_question(examination, ask=False))
        error = self.assertRaises(QuestionError, status_question, examination, ask=True)
        self.assertEqual(error.status, 400)

    def test_known(self) -> None:
        """A known status decides, whatever was the reason of a refusal before."""
        refused = {"reason": "certificate revoked", "at": "2026-05-31T23:00:00Z"}
        for given in (self.given, {**self.given, "refused": refused}):
            for known, verdict in (("good", "Accepted"), ("revoked", "Refused: certificate revoked")):
                examination = examined(self.plan, given, pki.NOW)
                answer = explained(examination, given, [certificate(source(known))])
                self.assertEqual(answer["verdict"], verdict)
                self.assertIn(f"CN=device 7: OCSP: {known}", answer["text"])

    def test_check(self) -> None:
        """A check has the steps of every source, and the verdict by their answers."""
        answers = {
            "certificates": [certificate(source(None, "good"))],
            "finding": {"accepted": True, "status": "good", "source": "OCSP", "reason": None},
        }
        found = checked(self.examination, answers)
        self.assertEqual((found["accepted"], found["verdict"]), (True, "Accepted: good (OCSP)"))
        self.assertEqual(found["certificates"], answers["certificates"])
        nothing = checked(self.examination, None)
        self.assertEqual((nothing["accepted"], nothing["certificates"]), (False, []))
