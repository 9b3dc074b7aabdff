"""`agwtwisted.core.reports.explanation`: the text; the verdicts in it are those of tests/cli/test_explain.py."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from agwtwisted.core.base.tables import WIDTH
from agwtwisted.core.certificates.pem import EncodedBlock
from agwtwisted.core.identity.clients import RevocationSource
from agwtwisted.core.reports.examination import Examination
from agwtwisted.core.reports.explanation import explained
from agwtwisted.core.reports.steps import Explanation, StepOutcome
from agwtwisted.core.resources.resources import RevocationScope, RevocationUnavailable
from agwtwisted.core.rules.conditions import access_condition
from agwtwisted.core.verification.judging import Anchors, Evidence
from agwtwisted.core.verification.verdicts import Absent, Missing, NotAsked, Refused, Trusted, Unchecked
from tests import clients, configurations, pki
from tests.gateways import site

CONFIG = configurations.load(clients.text("s pinned"), clients.files())
[LISTENER] = CONFIG.http_listeners
CHAINS = [trusted.chain for trusted in LISTENER.ssl_profile.trusted_client_certificates] if LISTENER.ssl_profile else []
PARTNER = clients.partner()


def examined(*sent: pki.Credential | bytes, **changes: Any) -> Explanation:
    """The explanation of what a listener that compares issuers says."""
    ders = [each if isinstance(each, bytes) else each.der for each in sent]
    found = Examination(
        source="client.pem",
        sent=tuple(EncodedBlock(der=der, line=line) for line, der in enumerate(ders, start=1)),
        listener=LISTENER,
        now=pki.NOW,
        verdict=Trusted(),
        evidence=Evidence(chain=PARTNER.chain_der, error=0),
        anchors=Anchors.of(CHAINS, True),
    )
    return explained(attrs.evolve(found, **changes))


def explanation(*sent: pki.Credential | bytes, **changes: Any) -> str:
    """Its text."""
    return examined(*sent, **changes).text


class ExplanationTests(SynchronousTestCase):
    """What is said of a verdict."""

    def test_trusted(self) -> None:
        """Every step, for a valid client."""
        text = explanation(PARTNER)
        for words in (
            "client.pem on the listener s at 2026-06-01 12:00:00 UTC\n",
            "1. passed   Read: 1 certificate, the first is the client's own\n   line 1: CN=partner 7\n",
            "\n      issuer CN=Partners\n",
            "2. note     Listener s: Https on 0.0.0.0:8443, SSL profile pinned, client certificates: Strict,\n"
            "            Handshake\n",
            "   trusts CN=Partners Root, the root of conf/pki/partners.pem\n",
            "3. passed   Chain: it ends in a trusted root\n   CN=partner 7: sent by the client\n"
            "   CN=Partners: in conf/pki/partners.pem\n   CN=Partners Root: root of conf/pki/partners.pem\n",
            "4. passed   OpenSSL (chain, signatures, purposes, constraints, time): no error\n",
            "5. passed   The gateway's own rules: no error\n",
            "   CN=partner 7: valid, 2020-01-01 00:00:00 to 2049-12-31 23:59:59 UTC\n",
            "7. passed   Issuer DN (verify_client_cert_issuer_dn)\n   the client's  CN=Partners\n"
            "   the file's    CN=Partners: the same (conf/pki/partners.pem)\n",
        ):
            self.assertIn(words, text)
        self.assertTrue(text.splitlines()[-1].startswith("Accepted. "))

    def test_conditions(self) -> None:
        """What the rule's conditions say follows the verdict's steps; where one refuses all, the last words say so."""
        holds = access_condition("var_client_certificate_subject_cn == partner 7")
        fails = access_condition("var_client_certificate_subject_ou == Staff")
        for conditions, refused in (((holds,), False), ((holds, fails), True)):
            rule = attrs.evolve(site().rule, deny_unless=conditions)
            text = explanation(PARTNER, rule=rule)
            self.assertIn(f"Access control (deny_unless)\n   holds: {holds.text} (rule {rule.name})\n", text)
            self.assertEqual("\nBut every request gets 403" in text, refused)
            self.assertNotIn("Access control", explanation(PARTNER, rule=rule, verdict=Refused("x")))
        self.assertIn("      var_client_certificate_subject_cn: 'partner 7'\n", text)

    def test_revocation(self) -> None:
        """Where a responder will be asked nothing is promised: it is named, and the certificates asked about."""
        assert LISTENER.ssl_profile
        for keys, told in (
            ({"ocsp_responder_url": "http://ocsp.internal/"}, ["CN=partner 7: http://ocsp.internal/"]),
            (
                {"ocsp_responder_url": "http://ocsp.internal/", "ocsp_scope": RevocationScope.CHAIN},
                ["CN=partner 7: http://ocsp.internal/", "CN=Partners: http://ocsp.internal/"],
            ),
        ):
            profile = attrs.evolve(LISTENER.ssl_profile, verify_client_revocation=(RevocationSource.OCSP,), **keys)
            text = explanation(PARTNER, listener=attrs.evolve(LISTENER, ssl_profile=profile))
            step = text.partition("8. note     Revocation (verify_client_revocation = OCSP): ")[2].partition("\n\n")[0]
            self.assertEqual(step.split("\n   ")[2:-1], told)
            self.assertTrue(text.splitlines()[-1].startswith("Accepted, if its OCSP responder answers good. "))
        device = clients.partners().issue("named", ocsp_url="http://ocsp.example/")
        profile = attrs.evolve(LISTENER.ssl_profile, verify_client_revocation=(RevocationSource.OCSP,))
        evidence = Evidence(chain=device.chain_der, error=0)
        text = explanation(device, listener=attrs.evolve(LISTENER, ssl_profile=profile), evidence=evidence)
        self.assertIn("   CN=named: http://ocsp.example/\n", text)

    def test_responders_that_are_not_asked(self) -> None:
        """Where no responder may be asked the gateway refuses, and so does the explanation, unless Allow lets in."""
        for url, words in (
            ("", "names no responder, so its status cannot be obtained"),
            ("http://ocsp.example:8888/", "port 8888: ocsp_allowed_ports = 8888 would allow it"),
            ("http://127.0.0.1/", "at 127.0.0.1: ocsp_allowed_networks = 127.0.0.1 would allow it"),
            ("ldap://ocsp.example/", "must begin with http:// or https://"),
        ):
            device = clients.partners().issue("named", **({"ocsp_url": url} if url else {}))
            told = {"evidence": Evidence(chain=device.chain_der, error=0)}
            assert LISTENER.ssl_profile
            for unavailable, end in (
                (RevocationUnavailable.REFUSE, "Refused: certificate status request failed\nWhat to do: "),
                (
                    RevocationUnavailable.ALLOW,
                    "Accepted, although its status cannot be obtained (ocsp_unavailable = Allow). ",
                ),
            ):
                profile = attrs.evolve(
                    LISTENER.ssl_profile,
                    verify_client_revocation=(RevocationSource.OCSP,),
                    ocsp_unavailable=unavailable,
                )
                text = explanation(device, listener=attrs.evolve(LISTENER, ssl_profile=profile), **told)
                self.assertIn(words, " ".join(text.split()))
                self.assertIn(f"\n\n{end}", text)
                opened = attrs.evolve(profile, ocsp_responder_url="http://ocsp.internal/")
                text = explanation(device, listener=attrs.evolve(LISTENER, ssl_profile=opened), **told)
                self.assertIn("\n\nAccepted, if its OCSP responder answers good. ", text)

    def outcome(self, name: str, **changes: Any) -> StepOutcome | None:
        """What came of a step; None: it is left out."""
        steps = examined(PARTNER, **changes).steps
        return next((each.outcome for each in steps if each.name == name), None)

    def test_outcomes_of_conditions(self) -> None:
        """One that refuses every request has failed; where all hold the step has passed; else it decides nothing."""
        holds = access_condition("var_client_certificate_subject_cn == partner 7")
        fails = access_condition("var_client_certificate_subject_ou == Staff")
        open_one = access_condition("var_host == a.example")
        for conditions, outcome in (
            ((holds,), StepOutcome.PASSED),
            ((holds, open_one), StepOutcome.NOTE),
            ((holds, fails), StepOutcome.FAILED),
            ((), None),
        ):
            rule = attrs.evolve(site().rule, deny_unless=conditions)
            self.assertIs(self.outcome("access", rule=rule), outcome)

    def test_outcomes_of_revocation(self) -> None:
        """Not asked before the client connects; failed where no responder can be asked and the profile refuses."""
        assert LISTENER.ssl_profile
        for url, unavailable, outcome in (
            ("http://ocsp.internal/", RevocationUnavailable.REFUSE, StepOutcome.NOTE),
            ("", RevocationUnavailable.REFUSE, StepOutcome.FAILED),
            ("", RevocationUnavailable.ALLOW, StepOutcome.NOTE),
        ):
            profile = attrs.evolve(
                LISTENER.ssl_profile,
                verify_client_revocation=(RevocationSource.OCSP,),
                ocsp_responder_url=url,
                ocsp_unavailable=unavailable,
            )
            listener = attrs.evolve(LISTENER, ssl_profile=profile)
            self.assertIs(self.outcome("revocation", listener=listener), outcome)
            refused = self.outcome("revocation", listener=listener, verdict=Refused("x"))
            self.assertIs(refused, StepOutcome.SKIPPED)
        self.assertIsNone(self.outcome("revocation"))

    def test_resumption(self) -> None:
        """Whether the port resumes sessions, and what a client is judged by then; nothing of it for a refused one."""
        for changes, words in (
            ({}, "the certificate of the session is judged anew each time"),
            ({"verdict": Unchecked()}, "the backend gets the certificate of the session"),
            ({"verdict": NotAsked()}, "clients may resume sessions on this port"),
            ({"why_not_resumed": "reasons"}, "none on this port: reasons; each handshake is a full one"),
        ):
            self.assertIn(words, " ".join(explanation(PARTNER, **changes).split()))
        self.assertIsNone(self.outcome("resumption", verdict=Refused("x")))

    def test_verdicts(self) -> None:
        """Each verdict has its last words; a refusal says what to do."""
        for verdict, words in (
            (NotAsked(), "Accepted: this listener asks for no certificate"),
            (Unchecked(), "Accepted: this listener verifies no certificate"),
            (Absent(), "Accepted, without"),
            (Trusted(), "Accepted. "),
            (Missing(), "Refused: no certificate was sent\nWhat to do: "),
            (
                Refused("certificate has expired"),
                "Refused: certificate has expired\nWhat to do: A certificate of the chain",
            ),
        ):
            self.assertIn(f"\n\n{words}", explanation(PARTNER, verdict=verdict))

    def test_origins(self) -> None:
        """A certificate may come from both sides."""
        text = explanation(PARTNER, clients.partners())
        self.assertIn("CN=Partners: sent by the client, in conf/pki/partners.pem", text)

    def test_a_chain_that_ends_early(self) -> None:
        """The issuer that is lacking is named, and a CA of its name that is not it is pointed at."""
        namesake = pki.Authority.root("Partners Root")
        client = namesake.issue("x")
        text = explanation(client, evidence=Evidence(chain=(client.der,), error=20))
        self.assertIn("Chain: it ends in no trusted root", text)
        self.assertIn(
            ("the issuer of the last certificate is in no trusted file and was not sent: CN=Partners Root"), text
        )
        self.assertIn("conf/pki/partners.pem has a CA of that name, but with another key", text)
        self.assertIn("not used, the chain ends in another root", text)
        self.assertIn("OpenSSL: unable to get local issuer certificate (error 20), at CN=x", text)
        text = explanation(
            client, namesake, evidence=Evidence(chain=(client.der, namesake.der), error=19, error_depth=1)
        )
        self.assertIn("CN=Partners Root is self-signed, and is in no trusted file", text)

    def test_our_rules(self) -> None:
        """A fault is reported with its certificate, whatever OpenSSL's result."""
        client = clients.partners().issue("weak", key=pki.rsa_key(1024))
        text = explanation(client, evidence=Evidence(chain=client.chain_der, error=0))
        self.assertIn("own rules: EE certificate key too weak\n   CN=weak: EE certificate key too weak\n", text)

    def test_issuers_that_differ(self) -> None:
        """Both names are shown, and that they differ."""
        client = clients.partners().issuers[0].issue("x")
        text = explanation(client, evidence=Evidence(chain=client.chain_der, error=0))
        self.assertIn("   the client's  CN=Partners Root\n   the file's    CN=Partners: another (", text)

    def test_times(self) -> None:
        """Who is too old or too young at the time in question."""
        client = clients.partners().issue("old", not_before=pki.NOT_BEFORE, not_after=pki.NOT_BEFORE)
        text = explanation(client, evidence=Evidence(chain=client.chain_der, error=10))
        self.assertIn("CN=old: expired, ", text)
        client = clients.partners().issue("new", not_before=pki.NOT_AFTER)
        self.assertIn(
            "CN=new: not valid yet, ", explanation(client, evidence=Evidence(chain=client.chain_der, error=9))
        )

    def test_the_wrong_one_first(self) -> None:
        """A file that begins with a CA is remarked on: the verdict is the CA's."""
        remark = "The first certificate is a CA's, and another is not"
        self.assertIn(remark, explanation(clients.partners(), PARTNER))
        self.assertNotIn(remark, explanation(PARTNER, clients.partners()))
        self.assertNotIn(remark, explanation(clients.partners()))

    def test_what_cannot_be_read(self) -> None:
        """Of a certificate with doubled extensions or an odd issuer's name, the rest is shown."""
        twice = pki.key_usage("digital_signature")
        name = pki.tlv(0x30, pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x03", pki.tlv(0x03, b"\0a"))))
        client = clients.partners().issue("odd", extra=[twice], issuer=name)
        text = explanation(client, evidence=Evidence(chain=client.chain_der, error=0))
        self.assertIn("CN=odd: invalid or inconsistent certificate extension\n", text)
        self.assertIn("the client's  CN=#03020061\n   the file's    CN=Partners: another (", text)

    def test_a_handshake_that_failed(self) -> None:
        """Where nothing was verified, the reason stands in place of the chain."""
        text = explanation(PARTNER, evidence=Evidence(chain=(), error=0), failure="excessive message size")
        self.assertIn("3. FAILED   Chain: none was built, because the handshake failed: excessive message size\n", text)

    def test_names_cannot_play_tricks(self) -> None:
        """Control characters of names stay escaped, and long ones are wrapped."""
        parts = [pki.tlv(0x0C, b"a\r\n\x1b[31m"), *[pki.tlv(0x0C, b"long long")] * 30]
        names = (pki.tlv(0x31, pki.tlv(0x30, b"\x06\x03\x55\x04\x0b", part)) for part in parts)
        client = clients.partners().issue(pki.tlv(0x30, *names))
        text = explanation(client, evidence=Evidence(chain=client.chain_der, error=0), source="a\nb.pem")
        self.assertTrue(all(line.isprintable() for line in text.splitlines()))
        self.assertNotIn("\x1b", text)
        self.assertTrue(text.startswith("a\\nb.pem on "))
        self.assertLessEqual(max(map(len, text.splitlines()[2:])), WIDTH)

    @given(st.lists(st.binary(max_size=200), min_size=1, max_size=3), st.integers(0, 120), st.integers(0, 4))
    def test_rubbish(self, ders: list[bytes], error: int, depth: int) -> None:
        """Whatever is sent and said, there is a text."""
        evidence = Evidence(chain=tuple(ders), error=error, error_depth=depth)
        self.assertIn("1. ", explanation(*ders, evidence=evidence, verdict=Refused("x")))
