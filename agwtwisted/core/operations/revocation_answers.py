"""The members of the answers of the control API about revocation, as `answers` has those of the others."""

from __future__ import annotations

from typing import Final

from agwtwisted.core.operations.answer_members import AnswerMember, AnswerTree

_M = AnswerMember

_TIME: Final = "2026-11-30T10:12:24Z"

REVOCATION: Final[AnswerTree] = {
    "profiles": [
        {
            "name": _M("of a profile that checks revocation", "clients"),
            "verify_client_revocation": _M("its sources, the preferred one first: `OCSP`, `CRL`, or both", "OCSP, CRL"),
            "ocsp_unavailable": _M("what follows where no responder answers: `Refuse` or `Allow`", "Refuse"),
            "ocsp_scope": _M("`Leaf` or `Chain`", "Leaf"),
            "ocsp_responder_url": _M("the responder; null: the certificates say", None),
            "ocsp_timeout": _M("seconds that a client waits for the status", 5.0),
            "crl_unavailable": _M("what follows where no list says anything: `Refuse` or `Allow`", "Refuse"),
            "crl_scope": _M("`Leaf` or `Chain`", "Leaf"),
            "crl_files": _M("files with lists", ["/etc/agwtwisted/devices.crl"]),
            "crl_timeout": _M("seconds for the download of a list", 30.0),
        }
    ],
    "answers": {
        "good": _M("certificates that are known as good", 412),
        "revoked": _M("those known as revoked", 3),
        "unproven": _M("those whose answer another worker, or an earlier run, has verified, and this one not yet", 0),
        "unknown": _M("those that their responder does not know", 0),
    },
    "questions": _M("to responders since the start, by outcome", {"good": 801, "timeout": 2}),
    "cache_hits": _M("questions that were answered from memory", 15023),
    "let_in_without_status": _M("clients that were let in without a status (`ocsp_unavailable = Allow`)", 0),
    "responders": [
        {
            "address": _M("of a responder, the last ones that were asked", "ocsp.example:80"),
            "circuit": _M("`closed` (it is asked), `open` (it is not, after failures) or `half-open`", "closed"),
            "failures": _M("in a row", 0),
            "last_failure": _M("when that was, or null", None),
            "last_error": _M("what it was, or null", None),
            "waiting": _M("questions that wait for their turn", 0),
            "under_way": _M("questions that are asked", 1),
        }
    ],
    "lists": [
        {
            "issuer": _M("of a list of revoked certificates in force, at most 100 of them", "CN=Devices,O=Example"),
            "origin": _M("where it is from: a file, a URL, or `import`", "http://crl.example/devices.crl"),
            "number": _M("its cRLNumber in hexadecimal, or null", "2A"),
            "this_update": _M("when it was signed as true", _TIME),
            "next_update": _M("until when it counts", _TIME),
            "entries": _M("certificates in it", 1207),
            "bytes": _M("of the list", 43912),
            "limited": _M("whether it is about some certificates, or some reasons, alone", False),
            "renewal": _M("when it is downloaded again, or null", _TIME),
            "problem": _M("of the last download, or null", None),
        }
    ],
    "shared_store": {
        "url": _M(
            "of the store that gateways share; `shared_store` is null without one", "redis://redis.internal:6379/0"
        ),
        "connected": _M("whether every process is connected with it", True),
        "hits": _M("answers that came from it", 212),
        "misses": _M("certificates about which a responder was asked all the same", 9),
        "commands": _M("that were sent", 703),
        "errors": _M("of these, how many had no good reply", 0),
        "last_error": _M("the last one, or null", None),
    },
    "next_renewals": [
        {
            "serial": _M("of a certificate whose status is asked for again, at most 100 of them", "2DE0E84B"),
            "issuer": _M("its issuer", "CN=Devices,O=Example"),
            "status": _M("`good`", "good"),
            "next_update": _M("until when the answer counts", _TIME),
            "renewal": _M("when it is asked for", _TIME),
        }
    ],
}

FORGET: Final[AnswerTree] = {
    "outcome": _M("`forgotten`", "forgotten"),
    "forgotten": _M("how many certificates' status is asked for anew", 409),
}

_STATUS: Final[AnswerTree] = {
    "status": _M("`good`, `revoked`, `unknown`, `unavailable` or `not-asked`; null: nothing is known", "good"),
    "until": _M("until when that counts without asking; null: it does not, or without an end", _TIME),
    "revoked_at": _M("since when it is revoked, or null", None),
    "reason": _M("why it was revoked, or why there is no answer; or null", None),
}

_FACTS: Final[AnswerTree] = {
    **_STATUS,
    "origin": _M("where that is from; null: nothing is known", "an OCSP response"),
    "this_update": _M("when it was signed as true, or null", _TIME),
    "next_update": _M("when newer information will be there, or null", _TIME),
    "renewal": _M("when it is asked for again, or null", _TIME),
    "notes": _M("further lines", ["learnt at 2026-11-30T10:12:24Z"]),
}

CERTIFICATE_STATUSES: Final[AnswerTree] = {
    "certificates": [
        {
            "subject": _M("of a certificate that the profile checks, the client's own first", "CN=device"),
            "issuer": _M("its issuer", "CN=Devices,O=Example"),
            "serial": _M("its serial number, in hexadecimal", "2DE0E84B"),
            "sources": [
                {
                    "source": _M("of the profile, the preferred one first: `OCSP` or `CRL`", "OCSP"),
                    "known": _FACTS,
                    "asked": _STATUS,
                    "steps": _M("what was asked, and what came of it", ["http://ocsp.example/: answers"]),
                    "now": _FACTS,
                }
            ],
        }
    ]
}
"""What sources say: `known` before they were asked, `asked` just now, and `now` what they know since then."""

IMPORTED: Final[AnswerTree] = {
    "imported": [
        {
            "taken": _M("whether it counts from now on", True),
            "what": _M(
                "the certificate that an OCSP response is about, or whose list it is", "serial 2DE0E84B of CN=CA"
            ),
            "detail": _M("what it says, or why it is not taken", "good until 2026-11-30T10:12:24Z"),
        }
    ]
}
