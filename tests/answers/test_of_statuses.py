"""What sources say about a client's certificates, and what an operator brings them."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, maybeDeferred

from agwtwisted.answers.of_statuses import import_brought, statuses
from agwtwisted.core.certificates.reading import Certificate
from agwtwisted.core.operations.questions import QuestionError
from agwtwisted.revocation.crl_import import BroughtList
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from tests import pki
from tests.core.revocation.test_brought_files import lists
from tests.revocations import DEVICE, ISSUER, PROFILE, SUBJECT, RevocationCase


class StatusesCase(RevocationCase):
    """Of one process."""

    def setUp(self) -> None:
        super().setUp()
        self.shared: Any = SimpleNamespace(
            revocation=self.revocation, ocsp_answers=self.answers, knowledge=NOTHING_SHARED
        )

    def asking(self, answer: Coroutine[Deferred[Any], Any, Any]) -> Deferred[Any]:
        """An answer under way."""
        waiting = Deferred.fromCoroutine(answer)
        self.waiting.append(waiting)
        return waiting

    def refused(self, answer: Coroutine[Deferred[Any], Any, Any]) -> QuestionError:
        """Why there is none."""
        error: QuestionError = self.failureResultOf(self.asking(answer), QuestionError).value
        return error


class StatusesTests(StatusesCase):
    """What sources say."""

    def statuses(self, *, ask: bool, profile: str = PROFILE.name) -> Deferred[Any]:
        """Of the device."""
        subject = [b64encode(each).decode() for each in SUBJECT]
        return self.asking(statuses(self.shared, {"profile": profile, "subjects": [subject], "ask": ask}))

    def test_known(self) -> None:
        """Without asking it is what is known."""
        self.learn()
        found = self.successResultOf(self.statuses(ask=False))
        [certificate] = found["certificates"]
        self.assertEqual((certificate["subject"], found["finding"]), ("CN=device", None))
        [source] = certificate["sources"]
        self.assertEqual((source["source"], source["known"]["status"], source["asked"]), ("OCSP", "good", None))

    def test_asked(self) -> None:
        """Asked, it is what the responder says then, and what follows for the client."""
        self.learn()
        self.clock.advance(1)
        waiting = self.statuses(ask=True)
        self.answer(self.response("revoked"))
        found = self.successResultOf(waiting)
        [source] = found["certificates"][0]["sources"]
        self.assertEqual([source[when]["status"] for when in ("known", "asked", "now")], ["good", "revoked", "revoked"])
        self.assertEqual(source["steps"], ["asked"])
        self.assertEqual(
            found["finding"],
            {"accepted": False, "status": "revoked", "source": "OCSP", "reason": "certificate revoked"},
        )

    def test_good(self) -> None:
        """A good one is accepted, and what was learnt counts for clients."""
        waiting = self.statuses(ask=True)
        self.answer()
        self.assertTrue(self.successResultOf(waiting)["finding"]["accepted"])
        self.assertIsNotNone(self.answers.known(SUBJECT, PROFILE))

    def test_no_profile(self) -> None:
        """A profile that is gone is a conflict."""
        error = self.failureResultOf(self.statuses(ask=True, profile="other"), QuestionError).value
        self.assertEqual(error.status, 409)


class ImportTests(StatusesCase):
    """What an operator brings."""

    def setUp(self) -> None:
        super().setUp()
        trusted = SimpleNamespace(chain=SimpleNamespace(authorities=()))
        profile = SimpleNamespace(trusted_client_certificates=[trusted])
        listeners = [SimpleNamespace(ssl_profile=None), SimpleNamespace(ssl_profile=profile)]
        self.plan: Any = SimpleNamespace(config=SimpleNamespace(served=listeners))
        self.trusted = trusted

    def bring(self, response: bytes | None = None, **arguments: Any) -> dict[str, Any]:
        """The one answer of a response."""
        given = {"ocsp_response": b64encode(self.response() if response is None else response).decode(), **arguments}
        found = self.successResultOf(self.asking(import_brought(self.shared, self.plan, given)))
        [answer] = found["imported"]
        return dict(answer)

    def test_taken(self) -> None:
        """By an issuer of the trusted client certificates, or one that comes with it; then it counts."""
        self.assertEqual(self.bring()["taken"], False)
        self.assertEqual(self.bring(issuers=ISSUER.pem.decode())["taken"], True)
        self.trusted.chain = SimpleNamespace(authorities=(Certificate.read(ISSUER.der),))
        serial = f"{DEVICE.certificate.serial_number:02X}"
        for status, detail in (
            ("good", "good until 2026-06-01T13:00:00Z"),
            ("revoked", "revoked on 2026-05-31T12:00:00Z"),
        ):
            answer = self.bring(self.response(status))
            self.assertEqual(answer, {"taken": True, "what": f"serial {serial} of CN=Issuer", "detail": detail})

    def test_not_taken(self) -> None:
        """What proves nothing, and what is over, is not, with the reason."""
        for response, reason in (
            (b"x", "the response cannot be read"),
            (self.response(next_update=pki.NOW, this_update=pki.NOW), "the response has expired"),
        ):
            self.clock.advance(1000)
            answer = self.bring(response, issuers=ISSUER.pem.decode())
            self.assertEqual((answer["taken"], answer["detail"]), (False, reason))
        self.assertEqual(self.answers.answers.unproven, 0)

    def bring_lists(self, file: str, become: Callable[[], list[BroughtList]]) -> Deferred[Any]:
        """Lists in a file, and what becomes of them."""
        self.taken_of: list[Any] = []
        called: list[Any] = []
        is_read = threading.Event()

        def take(data: bytes, issuers: list[bytes]) -> Deferred[Any]:
            self.taken_of.append((data, issuers))
            return maybeDeferred(become)

        def call_from_thread(call: Any, *arguments: Any) -> None:
            called.append(lambda: call(*arguments))
            is_read.set()

        self.shared.crl_lists = SimpleNamespace(take=take)
        self.shared.reactor = SimpleNamespace(callFromThread=call_from_thread)
        arguments = {"crl_file": file, "issuers": ISSUER.pem.decode()}
        waiting = self.asking(import_brought(self.shared, self.plan, arguments))
        if not waiting.called:
            self.assertTrue(is_read.wait(60))
        for call in called:
            call()
        return waiting

    def test_lists(self) -> None:
        """They are read here, and given to the source of lists one by one, with the issuers that there are."""
        file, made = Path(self.mktemp()).absolute(), lists()
        file.write_bytes(made.public_bytes(Encoding.PEM) * 2)
        brought = BroughtList(taken=True, what="CRL 1 of CN=Issuer", detail="3 certificates")
        found = self.successResultOf(self.bring_lists(str(file), lambda: [brought]))
        answer = {"taken": True, "what": "CRL 1 of CN=Issuer", "detail": "3 certificates"}
        self.assertEqual(found["imported"], [answer, answer])
        self.assertEqual(self.taken_of, [(made.public_bytes(Encoding.DER), [ISSUER.der])] * 2)

    def test_no_lists(self) -> None:
        """A path that is not absolute, a file that is not there or no regular one, and one without lists is refused."""
        file = Path(self.mktemp()).absolute()
        file.write_bytes(b"none")

        for path, words in (
            ("a.crl", "absolute"),
            (str(file) + ".gone", "No such file"),
            (str(file.parent), "cannot read the file"),
            (str(file), "neither"),
        ):
            waiting = self.bring_lists(path, list)
            error = self.failureResultOf(waiting, QuestionError).value
            self.assertEqual(error.status, 400)
            self.assertIn(words, error.message)

    def test_wrong_arguments(self) -> None:
        """Neither or both kinds, what is no base64, and issuers that are none are refused."""
        good = b64encode(b"x").decode()
        for arguments in (
            {},
            {"ocsp_response": good, "crl_file": "/a"},
            {"ocsp_response": 7},
            {"ocsp_response": "%"},
            {"ocsp_response": good, "issuers": 7},
            {"ocsp_response": good, "issuers": "none"},
        ):
            self.assertEqual(self.refused(import_brought(self.shared, self.plan, arguments)).status, 400)
