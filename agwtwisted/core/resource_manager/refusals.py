"""Why a gateway was not made as a request wanted it, in the service's codes: from problems of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from agwtwisted.core.base.errors import Problem, Severity
from agwtwisted.core.resource_manager.service_errors import ServiceError, all_of

OWN_CODE: Final = "InvalidGatewayConfiguration"
"""Of what this gateway does not serve, and the service has no code for."""

_CODES: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern, re.IGNORECASE), code)
    for pattern, code in (
        (r"password is wrong|has a password|wrong password", "ApplicationGatewaySslCertificatePasswordIncorrect"),
        (r"was retired on 2025-08-31", "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy"),
        (r"key ?vault", "ApplicationGatewayKeyVaultSecretException"),
    )
)
"""What the service calls problems that have no code of their own, by what is said of them."""


def refused(problems: Iterable[Problem]) -> ServiceError:
    """One error of all problems that stop a configuration; warnings and notes are left out."""
    errors = [_error(each) for each in problems if each.severity is Severity.ERROR]
    return all_of(errors) if errors else ServiceError(code=OWN_CODE, message="The configuration was not taken.")


def _error(problem: Problem) -> ServiceError:
    return ServiceError(code=_code(problem), message=_message(problem), target=problem.place.path)


def _code(problem: Problem) -> str:
    if problem.code:
        return problem.code
    return next((code for pattern, code in _CODES if pattern.search(problem.message)), OWN_CODE)


def _message(problem: Problem) -> str:
    section = f"[{problem.section}] " if problem.section else ""
    path = f" Path {problem.place.path}." if problem.place.path else ""
    return f"{section}{problem.message}.{path}"
