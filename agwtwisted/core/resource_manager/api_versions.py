"""The versions of the API that a request may name.

Source: the published specifications of Microsoft.Network.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Final

from agwtwisted.core.resource_manager.messages import ArmRequest
from agwtwisted.core.resource_manager.service_errors import ServiceError

OF_GATEWAYS: Final[tuple[str, ...]] = (
    "2026-03-01",
    "2026-01-01",
    "2025-09-01",
    "2025-07-01",
    "2025-05-01",
    "2025-03-01",
    "2025-01-01",
    "2024-10-01",
    "2024-07-01",
    "2024-05-01",
    "2024-03-01",
    "2024-01-01",
    "2023-11-01",
    "2023-09-01",
    "2023-06-01",
    "2023-05-01",
    "2023-04-01",
    "2023-02-01",
    "2022-11-01",
    "2022-09-01",
    "2022-07-01",
    "2022-05-01",
    "2022-01-01",
    "2021-12-01",
    "2021-08-01",
    "2021-06-01",
    "2021-05-01",
    "2021-04-01",
    "2021-03-01",
    "2021-02-01",
    "2021-01-01",
    "2020-11-01",
    "2020-08-01",
    "2020-07-01",
    "2020-06-01",
    "2020-05-01",
    "2020-04-01",
    "2020-03-01",
    "2020-01-01",
    "2019-12-01",
    "2019-11-01",
    "2019-09-01",
    "2019-08-01",
    "2019-07-01",
    "2019-06-01",
    "2019-04-01",
    "2019-02-01",
    "2018-12-01",
    "2018-11-01",
    "2018-10-01",
    "2018-08-01",
    "2018-07-01",
    "2018-06-01",
    "2018-05-01",
    "2018-04-01",
    "2018-03-01",
    "2018-02-01",
    "2018-01-01",
    "2017-11-01",
    "2017-10-01",
    "2017-09-01",
    "2017-08-01",
    "2017-06-01",
    "2017-04-01",
    "2017-03-30",
    "2017-03-01",
    "2016-12-01",
    "2016-11-01",
    "2016-10-01",
    "2016-09-01",
    "2016-08-01",
    "2016-07-01",
    "2016-06-01",
    "2016-03-30",
    "2015-06-15",
)
"""Of Microsoft.Network/applicationGateways, the newest first."""

PRIORITY_REQUIRED: Final = "2021-08-01"
"""From this version on every request routing rule has a priority."""

_FORM: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:-(?:preview|alpha|beta|privatepreview))?")


def version_of(request: ArmRequest) -> str:
    """The version that a request names; empty: none."""
    return request.query.get("api-version", "")


def missing_or_malformed(request: ArmRequest) -> ServiceError | None:
    """Why the version of a request about anything is not taken: there is none, or it is no date."""
    version = version_of(request)
    if not version:
        return ServiceError(
            code="MissingApiVersionParameter",
            message="The api-version query parameter (?api-version=) is required for all requests.",
        )
    return None if _is_well_formed(version) else _invalid(version)


def unknown_to_gateways(request: ArmRequest) -> ServiceError | None:
    """Why the version of a request about application gateways is not taken."""
    problem = missing_or_malformed(request)
    if problem is not None or version_of(request) in OF_GATEWAYS:
        return problem
    return _invalid(version_of(request))


def _is_well_formed(version: str) -> bool:
    match = _FORM.fullmatch(version)
    if match is None:
        return False
    try:
        date.fromisoformat(match[1])
    except ValueError:
        return False
    return True


def _invalid(version: str) -> ServiceError:
    return ServiceError(
        code="InvalidApiVersionParameter",
        message=f"The api-version '{version[:40]}' is invalid. The supported versions are '{','.join(OF_GATEWAYS)}'.",
    )
