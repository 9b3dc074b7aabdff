"""Answers about revocation, and the action that forgets answers of responders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.logger import Logger

from agwtwisted.core.operations.list_states import MOST_LISTS
from agwtwisted.core.operations.questions import QuestionError, text_argument
from agwtwisted.core.operations.revocation_state import MOST_RENEWALS, MOST_RESPONDERS, revocation_members
from agwtwisted.core.revocation.memory import Forgotten
from agwtwisted.revocation.shared_knowledge import NOTHING_SHARED
from agwtwisted.shared import Shared

if TYPE_CHECKING:
    from agwtwisted.revocation.redis_knowledge import RedisKnowledge

_log = Logger()

_LONGEST_SERIAL: Final = 256


def revocation_of(shared: Shared) -> Mapping[str, Any]:
    """The members of `/revocation`, for one process."""
    revocation, answers = shared.revocation, shared.ocsp_answers
    now, ticks = shared.wall.seconds(), shared.reactor.seconds()
    counters = revocation.counters
    return revocation_members(
        profiles=revocation.profiles,
        answers=answers.answers,
        questions=counters.outcomes,
        cache_hits=counters.cache_hits,
        let_in=revocation.fail_open_count,
        responders=shared.ocsp_client.responders(MOST_RESPONDERS, now - ticks),
        lists=shared.crl_lists.states(MOST_LISTS),
        store=None if shared.knowledge is NOTHING_SHARED else cast("RedisKnowledge", shared.knowledge).state,
        renewals=answers.next_renewals(MOST_RENEWALS),
    )


def forget(shared: Shared, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Forgets what responders have answered, so that they are asked again; never that a certificate is revoked.

    Connections keep the verdicts that they have, until those end.

    Args:
        shared: of this process.
        arguments: `serial`, in hexadecimal: that of the certificate alone; and `issuer`, as `/revocation` shows it.

    Raises:
        QuestionError: the serial number is none, or an issuer comes without one.
    """
    forgotten = _forgotten(arguments)
    count = shared.ocsp_answers.forget(forgotten)
    what = "all answers" if forgotten.serial is None else "the answers about one serial number"
    _log.info("An operator has {what} of OCSP responders forgotten: {count} were in memory", what=what, count=count)
    return {"outcome": "forgotten", "forgotten": count}


def _forgotten(arguments: Mapping[str, Any]) -> Forgotten:
    serial, issuer = text_argument(arguments, "serial"), text_argument(arguments, "issuer")
    if arguments.get("serial") == "":  # of a script whose variable is empty
        raise QuestionError(400, "serial is empty: leave it out to have all answers forgotten")
    if not serial:
        if issuer:
            raise QuestionError(400, "issuer goes with the serial number of a certificate")
        return Forgotten()
    digits = serial.replace(":", "").removeprefix("-")
    try:
        magnitude = int(digits, 16) if len(digits) <= _LONGEST_SERIAL else None
    except ValueError:
        magnitude = None
    if magnitude is None or not digits.isalnum():
        raise QuestionError(400, "serial has to be a number in hexadecimal")
    return Forgotten(serial=-magnitude if serial.startswith("-") else magnitude, issuer=issuer)
