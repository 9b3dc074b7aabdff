"""`agw revocation`: what is known, and from whom; and what is forgotten."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.cli.revocation import revocation_text
from tests.cli.answered import HOSTILE, PIPE, REVOCATION, SHOWN, answered, on_terminal


class RevocationTests(SynchronousTestCase):
    """The text."""

    def test_text(self) -> None:
        """Profiles, numbers of answers and questions, responders, renewals."""
        text = revocation_text(REVOCATION, PIPE)
        self.assertIn("devices      OCSP        Refuse            -\n", text)
        self.assertIn("known answers            3 good, 1 revoked, 0 unknown\n", text)
        self.assertIn("questions                5 good, 2 timeout\n", text)
        self.assertIn("answered from memory     40\nlet in without a status  6\n", text)
        self.assertIn("http://ocsp.example/  open     3         1        2026-01-01T00:00:00Z " + SHOWN, text)
        self.assertIn("0a      CN=CA   revoked  2026-01-02T00:00:00Z  2026-01-01T12:00:00Z", text)

    def test_lists_and_store(self) -> None:
        """Lists with their age and what is wrong with them, and the store that gateways share."""
        revocation_list = {
            "issuer": HOSTILE,
            "limited": False,
            "origin": "a.crl",
            "number": "7",
            "entries": 3,
            "this_update": "2026-01-01T00:00:00Z",
            "next_update": "2026-01-02T00:00:00Z",
            "renewal": None,
            "problem": "too long",
        }
        store = {"url": "redis://a/", "connected": False, "hits": 2, "misses": 1, "commands": 9, "errors": 3}
        store["last_error"] = HOSTILE
        text = revocation_text({**REVOCATION, "lists": [revocation_list], "shared_store": store}, PIPE)
        self.assertRegex(text, rf"(?m)^{re.escape(SHOWN)} +a\.crl +7 +3 +2026-01-01T00:00:00Z .* - +too long$")
        self.assertIn("shared store        redis://a/\nconnected           NO\nanswers from it     2\n", text)
        self.assertIn(f"commands            9, of which 3 failed\nlast error          {SHOWN}\n", text)

    def test_nothing(self) -> None:
        """Where nothing is asked, that is said."""
        nothing = {
            "profiles": [],
            "answers": {},
            "questions": {},
            "cache_hits": 0,
            "let_in_without_status": 0,
            "responders": [],
            "next_renewals": [],
        }
        text = revocation_text(nothing, PIPE)
        self.assertEqual(text.splitlines()[0], "no SSL profile asks for revocation")
        self.assertEqual(text.splitlines()[-1], "no responder was asked")

    def test_terminals(self) -> None:
        """A circuit breaker that is open stands out; no line is too long."""
        self.assertIn("\x1b[31mopen\x1b[0m", revocation_text(REVOCATION, on_terminal(200, color=True)))
        for width in (40, 80, 200):
            lines = revocation_text(REVOCATION, on_terminal(width)).splitlines()
            self.assertLessEqual(max(map(len, lines)), width)


class ForgetTests(SynchronousTestCase):
    """The action."""

    def test_asks(self) -> None:
        """One certificate, or all of them."""
        done, asked = answered({"outcome": "forgotten", "count": 1}, "revocation", "forget", "--serial", "0a")
        self.assertEqual((done.status, done.out), (0, "serial 0a: forgotten, count 1\n"))
        self.assertEqual(asked.call_args.args[1], "/revocation/forget")
        self.assertEqual(asked.call_args.kwargs, {"method": "POST", "body": {"serial": "0a"}})
        done, asked = answered({"outcome": "forgotten"}, "revocation", "forget")
        self.assertEqual((done.out, asked.call_args.kwargs["body"]), ("all answers: forgotten\n", {}))
        _, asked = answered({"error": "serial is empty"}, "revocation", "forget", "--serial", "", status=400)
        self.assertEqual(asked.call_args.kwargs["body"], {"serial": ""})
