"""Why a gateway was not made as a request wanted it, in the service's codes: from problems of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
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


_CERTIFICATES: Final[Mapping[str, str]] = {
    "ApplicationGatewaySslCertificatePasswordIncorrect": "Password specified for certificate {} is incorrect",
    "ApplicationGatewaySslCertificateDataTooBig": "Data too big for certificate {}. Max data length supported is 16384",
}
"""The service's messages about a certificate, whose id they name."""


_OPTIONS: Final[Sequence[tuple[re.Pattern[str], str]]] = tuple(
    (re.compile(pattern), key)
    for pattern, key in (
        (r"--certificate (\S+)=FILE", r"certificate.\1 = FILE in [arm] of gateway.ini"),
        (r"--tls-policy\b", "tls_policy in [arm] of gateway.ini"),
        (r"--port 443=8443 or --port-offset 8000 \(in the overlay: \[arm\] ports, port_offset\)", "ports in [arm]"),
    )
)
"""Options of commands that read documents, and the keys of `[arm]` that do the same here."""


def refused(problems: Iterable[Problem], gateway_id: str) -> ServiceError:
    """One error of all problems that stop a configuration; warnings and notes are left out."""
    errors = [_error(each, gateway_id) for each in problems if each.severity is Severity.ERROR]
    return all_of(errors) if errors else ServiceError(code=OWN_CODE, message="The configuration was not taken.")


def _error(problem: Problem, gateway_id: str) -> ServiceError:
    code = _code(problem)
    return ServiceError(code=code, message=_message(problem, code, gateway_id), target=problem.place.path)


def _code(problem: Problem) -> str:
    if problem.code:
        return problem.code
    return next((code for pattern, code in _CODES if pattern.search(problem.message)), OWN_CODE)


def _message(problem: Problem, code: str, gateway_id: str) -> str:
    path = f" Path {problem.place.path}." if problem.place.path else ""
    kind, _, name = problem.section.partition(" ")
    if code in _CERTIFICATES and kind == "ssl_certificate":
        return f"{_CERTIFICATES[code].format(f'{gateway_id}/sslCertificates/{name}')}.{path}"
    section = f"[{problem.section}] " if problem.section else ""
    # What comes in a body is called FILE#NAME; the client knows no file.
    message = problem.message.replace(f"{problem.place.file}#", "")
    for option, key in _OPTIONS:
        message = option.sub(key, message)
    return f"{section}{message.rstrip('.')}.{path}"
