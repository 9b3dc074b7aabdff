"""Why a listener accepts a client's certificates or refuses them, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, assert_never

from agwtwisted.core.base.errors import printable
from agwtwisted.core.base.tables import beside
from agwtwisted.core.identity.clients import ClientRevocationStatus, RevocationSource
from agwtwisted.core.reports import report
from agwtwisted.core.reports.advice import what_to_do
from agwtwisted.core.reports.examination import Examination, indented, name_of
from agwtwisted.core.reports.revocation_steps import allowing, revocation_steps
from agwtwisted.core.reports.sent_certificates import DATES, sent_step
from agwtwisted.core.reports.steps import Explanation, ExplanationStep, StepOutcome, failed, note, skipped
from agwtwisted.core.reports.verification_steps import verification_steps
from agwtwisted.core.resources.resources import HttpListener
from agwtwisted.core.verification.verdicts import (
    Absent,
    Missing,
    NotAsked,
    Refused,
    Trusted,
    Unchecked,
    Verdict,
    admits,
)

_VERSIONS: Final = {"TLSv1_2": "TLS 1.2", "TLSv1_3": "TLS 1.3"}

_NO_KEY: Final = (
    "Make a key with which TLS has signatures, and request a certificate for it: RSA of 2048 bits or more, EC on"
    " secp256r1 (P-256), secp384r1 or secp521r1, Ed25519 or Ed448."
)

_PROOF: Final = "The client must have the certificate's key, which only a real handshake proves."


def explained(examination: Examination) -> Explanation:
    """The explanation of what was found out."""
    conclusion = tuple(_Conclusion(examination).lines())
    steps = [sent_step(examination), _listener(examination), *_key(examination), *_verification(examination)]
    steps += revocation_steps(examination)
    steps += _access(examination)
    steps += _paths(examination)
    steps += _resumption(examination)
    listener = examination.listener.name
    return Explanation(
        heading=f"{printable(examination.source)} on the listener {listener} at {examination.now:{DATES}} UTC",
        accepted=examination.accepted,
        verdict=_Conclusion(examination).verdict(),
        conclusion=conclusion,
        steps=tuple(steps),
    )


def _listener(examination: Examination) -> ExplanationStep:
    listener, profile = examination.listener, examination.profile
    kind = "Listener" if isinstance(listener, HttpListener) else "L4 listener"
    used = f"SSL profile {profile.name}, " if profile else ""
    asks = f"client certificates: {report.mode(report.as_used(listener))}"
    if not examination.is_encrypted:
        asks = "which asks for no certificate: there is no TLS"
    title = f"{kind} {listener.name}: {listener.protocol.value} on {report.place(listener)}, {used}{asks}"
    trusted = [each.chain for each in profile.trusted_client_certificates] if profile else []
    lines = [
        line for chain in trusted for line in indented(f"trusts {name_of(chain.root.der)}, the root of {chain.file}")
    ]
    return note("listener", title, lines)


def _key(examination: Examination) -> Iterator[ExplanationStep]:
    """That a client cannot prove to have the key of the certificate, in all versions of TLS or in some."""
    key = examination.proving_key
    if key is None:
        return
    usable = examination.usable_versions
    words = " and ".join(_VERSIONS[version] for version in usable)
    if not usable:
        title = f"Key: {key.name}: in no version of TLS that this listener speaks; a client then sends no certificate"
        yield failed("key", title)
    elif len(usable) < len({*examination.spoken_versions}):
        yield note("key", f"Key: {key.name}: in {words} alone; over another version a client sends no certificate")


def _verification(examination: Examination) -> list[ExplanationStep]:
    profile, anchors = examination.profile, examination.anchors
    if examination.is_verified and profile is not None and anchors is not None:
        return verification_steps(examination, profile, anchors)
    if isinstance(examination.verdict, NotAsked):
        return [skipped("chain", "Chain: this listener asks for no certificate")]
    if not admits(examination.verdict):
        why = f"Chain: none was built, because the handshake failed: {examination.failure}"
        return [failed("chain", why)]
    return [skipped("chain", "Chain: this listener verifies no certificate (Passthrough)")]


def _access(examination: Examination) -> Iterator[ExplanationStep]:
    found = examination.findings
    if not found:
        return
    holds = {each.holds for each in found}
    outcome = StepOutcome.PASSED if holds == {True} else StepOutcome.NOTE
    if any(each.refuses_all for each in found):
        outcome = StepOutcome.FAILED
    lines = [line for each in found for line in indented(str(each))]
    yield ExplanationStep("access", outcome, "Access control (deny_unless)", lines)


def _paths(examination: Examination) -> Iterator[ExplanationStep]:
    """What becomes of the certificate on the paths that require one."""
    if not examination.requiring:
        return
    required = examination.concluded(examination.required_verdict)
    title = f"Paths that require a certificate: {', '.join(examination.requiring)}"
    lines = list(indented(_Conclusion(examination).words(required)))
    lines += _denied(examination) if admits(required) else ()
    yield ExplanationStep(
        "paths", StepOutcome.PASSED if admits(required) else StepOutcome.FAILED, printable(title), lines
    )


def _denied(examination: Examination) -> Iterator[str]:
    """The paths that require a certificate and have a condition that this one does not meet."""
    denied = [each.where for each in examination.findings if each.requiring and each.holds is False]
    for where in dict.fromkeys(denied):
        yield from indented(f"But requests get 403, because a condition does not hold: {where}")


def _resumption(examination: Examination) -> Iterator[ExplanationStep]:
    """Whether this port resumes sessions, and what a client that resumes one is judged by."""
    if not examination.is_encrypted or not admits(examination.concluded(examination.verdict)):
        return
    if examination.why_not_resumed:
        title = f"Resumption: none on this port: {examination.why_not_resumed}; each handshake is a full one"
    elif isinstance(examination.verdict, NotAsked):
        title = "Resumption: clients may resume sessions on this port"
    elif examination.is_verified:
        title = (
            "Resumption: clients may resume sessions on this port; the certificate of the session is judged anew each"
            " time, by what is in force then, as in a full handshake, its revocation included"
        )
    else:
        title = "Resumption: clients may resume sessions on this port; the backend gets the certificate of the session"
    yield note("resumption", title)


class _Conclusion:
    """The verdict in words."""

    def __init__(self, examination: Examination) -> None:
        self._examination = examination
        self._concluded = examination.concluded(examination.verdict)

    def verdict(self) -> str:
        """In one line."""
        if admits(self._concluded) and not self._examination.accepted:
            return "Refused: every request gets 403, because a condition of the rule does not hold"
        return self.words(self._concluded).partition(". ")[0].rstrip(".")

    def lines(self) -> Iterator[str]:
        """With what to do, and what becomes of the client on paths that require a certificate."""
        yield from self._advised(self._concluded)
        if admits(self._concluded) and not self._examination.accepted:
            yield "But every request gets 403: a condition of the rule does not hold."
        if requiring := self._examination.requiring:
            yield ""
            yield from beside("On the paths that require a certificate, ", ", ".join(map(printable, requiring)) + ":")
            required = self._examination.concluded(self._examination.required_verdict)
            yield from self._advised(required)
            if admits(required):
                for line in _denied(self._examination):
                    yield line.strip()

    def words(self, verdict: Verdict) -> str:
        """A verdict in one or two sentences."""
        match verdict:
            case NotAsked():
                return "Accepted: this listener asks for no certificate, so the client sends none."
            case Unchecked():
                headers = isinstance(self._examination.listener, HttpListener)
                end = " The backend gets PASSTHROUGH." if headers else ""
                return f"Accepted: this listener verifies no certificate.{end}"
            case Absent():
                return "Accepted, without a certificate."
            case Trusted():
                return f"Accepted{self._condition()}. {_PROOF}"
            case Missing():
                return "Refused: no certificate was sent"
            case Refused(reason):
                return f"Refused: {reason}"
            case _:
                assert_never(verdict)

    def _advised(self, verdict: Verdict) -> Iterator[str]:
        yield self.words(verdict)
        if not admits(verdict):
            advice = what_to_do(verdict.reason) if isinstance(verdict, Refused) else _NO_KEY
            yield from beside("What to do: ", advice)

    def _condition(self) -> str:
        """The condition for accepting a trusted client."""
        finding = self._examination.finding
        if self._examination.is_known_as_good:
            return ""
        if not self._examination.questions or (finding is not None and finding.status is ClientRevocationStatus.GOOD):
            return ""
        profile = self._examination.profile
        if profile is not None and (self._examination.is_unaskable or finding is not None):
            return f", although its status cannot be obtained ({allowing(profile)})"
        if profile is not None and RevocationSource.CRL in profile.verify_client_revocation:
            return ", if a source says that it is good"
        return ", if its OCSP responder answers good"
