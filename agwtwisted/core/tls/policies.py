"""TLS policies: the predefined ones of the product and those a configuration spells out.

Source of lists and rules: the product's pages "TLS policy overview" and "TLS 1.0 and 1.1 retirement", and for the
order within a predefined policy the answer of its API. TLS 1.0 and 1.1 left the product on 2025-08-31, and with them
the policies and suites that are refused here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from agwtwisted.core.tls.client_hello import suite_names

TLS_1_2: Final = "TLSv1_2"
TLS_1_3: Final = "TLSv1_3"

DEFAULT: Final = "AppGwSslPolicy20220101"
"""The predefined policy without any in the configuration: the product's, for API versions from 2023-02-01 on."""


@attrs.frozen(kw_only=True)
class TlsPolicy:
    """Versions and cipher suites, in order of preference, by their IANA names."""

    name: str
    min_version: str  # TLSv1_2 | TLSv1_3
    max_version: str  # TLSv1_2 | TLSv1_3
    tls12_cipher_suites: tuple[str, ...]
    tls13_cipher_suites: tuple[str, ...]


def is_retired(name: str) -> bool:
    """Whether the product had a predefined policy of this name until TLS 1.0 and 1.1 left it."""
    return name in _RETIRED_POLICIES


def predefined(name: str) -> TlsPolicy | str:
    """The product's policy of this name, or why there is none."""
    if is_retired(name):
        return f"the TLS policy {name} was retired on 2025-08-31 with TLS 1.0 and 1.1"
    return _PREDEFINED.get(name) or f"unknown TLS policy {name!r}{_nearest(name, _PREDEFINED)}"


def custom(policy_type: str, min_protocol_version: str, cipher_suites: Sequence[str]) -> TlsPolicy | str:
    """The policy that a configuration spells out, or the first reason why there is none.

    `policy_type` is Custom (TLS 1.2 alone) or CustomV2 (TLS 1.3 too). The two suites of TLS 1.3 are always on with
    CustomV2, named or not; suites that the gateway would not use are refused rather than silently left out.
    """
    if policy_type not in _MINIMUM_VERSIONS:
        return f"unknown policy type {policy_type!r}{_nearest(policy_type, _MINIMUM_VERSIONS)}"
    problem = _version_problem(policy_type, min_protocol_version) or _suites_problem(
        policy_type, min_protocol_version, cipher_suites
    )
    if problem:
        return problem
    newer = policy_type == "CustomV2"
    return TlsPolicy(
        name=policy_type,
        min_version=min_protocol_version,
        max_version=TLS_1_3 if newer else TLS_1_2,
        tls12_cipher_suites=tuple(suite for suite in cipher_suites if suite not in _TLS_1_3_SUITES),
        tls13_cipher_suites=_TLS_1_3_SUITES if newer else (),
    )


def mixing_problem(policies: Iterable[TlsPolicy]) -> str:
    """Why these policies cannot be on one gateway; empty when they can.

    The product keeps 2022 and CustomV2 policies, which speak TLS 1.3, apart from all older ones, over the gateway's own
    policy and those of all SSL profiles.
    """
    newer, older = set[str](), set[str]()
    for policy in policies:
        (newer if policy.max_version == TLS_1_3 else older).add(policy.name)
    if not newer or not older:
        return ""
    return (
        f"TLS policies with TLS 1.3 ({_listed(newer)}) and older ones ({_listed(older)}) cannot be used in one gateway"
    )


def openssl_cipher_list(policy: TlsPolicy) -> bytes:
    """The suites of TLS 1.2 in the form of SSL_CTX_set_cipher_list; empty where the policy starts at TLS 1.3."""
    return ":".join(_OPENSSL_NAMES[suite] for suite in policy.tls12_cipher_suites).encode()


def openssl_ciphersuites(policy: TlsPolicy) -> bytes:
    """The suites of TLS 1.3 in the form of SSL_CTX_set_ciphersuites; empty where the policy ends at TLS 1.2."""
    return ":".join(policy.tls13_cipher_suites).encode()


def predefined_names() -> tuple[str, ...]:
    """The names of the product's policies that are not retired, the newest last."""
    return tuple(_PREDEFINED)


def available_cipher_suites() -> tuple[str, ...]:
    """Every suite that a policy can name, those of TLS 1.3 first."""
    return (*_TLS_1_3_SUITES, *_OPENSSL_NAMES)


def expected_suite(policy: TlsPolicy, offered: bytes, *, with_rsa_key: bool) -> str:
    """The suite of TLS 1.2 that a server chooses, by OpenSSL's name: the first of its own that fits client and key.

    Args:
        policy: the server's.
        offered: by the client, as `client_hello.offered_suites` has it.
        with_rsa_key: whether the key of the server's certificate is one of RSA.
    """
    names = suite_names(offered).decode().split(":")
    for suite in policy.tls12_cipher_suites:
        if ("_ECDSA_" not in suite) is with_rsa_key and _OPENSSL_NAMES[suite] in names:
            return _OPENSSL_NAMES[suite]
    return ""


def suits_http2(suite: str) -> bool:
    """Whether HTTP/2 may be spoken over a suite, given by OpenSSL's name (RFC 9113 section 9.2.2 and appendix A).

    Of TLS 1.2 those may be used that have an ephemeral key exchange and authenticate what they encrypt.
    """
    return suite.startswith("TLS_") or (suite.startswith("ECDHE-") and "-GCM-" in suite)


def _version_problem(policy_type: str, version: str) -> str:
    if version in _MINIMUM_VERSIONS[policy_type]:
        return ""
    if version in ("TLSv1_0", "TLSv1_1"):
        return f"{version} was retired on 2025-08-31; the minimum is {TLS_1_2}"
    if version == TLS_1_3:
        return f"{TLS_1_3} needs the policy type CustomV2"
    return f"unknown minimum protocol version {version!r}{_nearest(version, _MINIMUM_VERSIONS['CustomV2'])}"


def _suites_problem(policy_type: str, min_version: str, suites: Sequence[str]) -> str:
    for position, suite in enumerate(suites):
        if suite in suites[:position]:
            return f"cipher suite {suite} is named twice"
        if problem := _suite_problem(policy_type, min_version, suite):
            return problem
    if min_version == TLS_1_2 and not _OPENSSL_NAMES.keys() & set(suites):
        return f"{policy_type} with {TLS_1_2} needs at least one cipher suite of TLS 1.2"
    if policy_type == "Custom" and not set(suites) & set(_ONE_OF_THESE):
        return f"a Custom policy needs at least one of {', '.join(_ONE_OF_THESE)}"
    return ""


def _suite_problem(policy_type: str, min_version: str, suite: str) -> str:
    if suite in _TLS_1_3_SUITES:
        return "" if policy_type == "CustomV2" else f"cipher suite {suite} needs the policy type CustomV2"
    if suite.startswith("TLS_DHE_") and suite in _UNUSED_SUITES:
        return f"cipher suite {suite} is never used: the product supports no DHE"
    if suite in _UNUSED_SUITES or (policy_type == "Custom" and suite in _LOST_BY_CUSTOM):
        return f"cipher suite {suite} was retired on 2025-08-31 with TLS 1.0 and 1.1"
    if suite not in _OPENSSL_NAMES:
        return f"unknown cipher suite {suite!r}{_nearest(suite, (*_OPENSSL_NAMES, *_TLS_1_3_SUITES))}"
    if min_version == TLS_1_3:
        return f"cipher suite {suite} is one of TLS 1.2, below the minimum {TLS_1_3}"
    return ""


def _nearest(word: str, known: Iterable[str]) -> str:
    """A hint in brackets: the likeliest of the known words, else all of them."""
    by_lower_case = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower_case, n=1, cutoff=0.7)
    if near:
        return f" (did you mean {by_lower_case[near[0]]}?)"
    return f" (known: {', '.join(by_lower_case.values())})"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


_MINIMUM_VERSIONS: Final[Mapping[str, tuple[str, ...]]] = {"Custom": (TLS_1_2,), "CustomV2": (TLS_1_2, TLS_1_3)}

_TLS_1_3_SUITES: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")

_OPENSSL_NAMES: Final[Mapping[str, str]] = {
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384": "ECDHE-RSA-AES256-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA256": "AES256-SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384": "ECDHE-ECDSA-AES256-SHA384",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
}
"""Every suite of TLS 1.2 that the product can negotiate, with OpenSSL's name for it."""

_UNUSED_SUITES: Final = frozenset(
    {
        "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_DHE_DSS_WITH_AES_256_CBC_SHA256",
        "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256",
        "TLS_DHE_DSS_WITH_AES_256_CBC_SHA",
        "TLS_DHE_DSS_WITH_AES_128_CBC_SHA",
        "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA",
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    }
)
"""Suites that the product's API still names."""

SUITES: Final = (*_TLS_1_3_SUITES, *_OPENSSL_NAMES, *sorted(_UNUSED_SUITES))
"""Every suite that the product's API names, in its spelling; `custom` says which of them may be used."""

_LOST_BY_CUSTOM: Final = frozenset({"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"})
"""Suites that only the predefined 2022 policy and CustomV2 kept."""

_ONE_OF_THESE: Final = (
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
)
"""The product's page "Frequently asked questions", less the suites that were retired since."""

_RETIRED_POLICIES: Final = ("AppGwSslPolicy20150501", "AppGwSslPolicy20170401")

_PREDEFINED: Final[Mapping[str, TlsPolicy]] = {
    policy.name: policy
    for policy in (
        TlsPolicy(
            name="AppGwSslPolicy20170401S",
            min_version=TLS_1_2,
            max_version=TLS_1_2,
            tls12_cipher_suites=(
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
                "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
                "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
                "TLS_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_RSA_WITH_AES_256_CBC_SHA256",
                "TLS_RSA_WITH_AES_128_CBC_SHA256",
                "TLS_RSA_WITH_AES_256_CBC_SHA",
                "TLS_RSA_WITH_AES_128_CBC_SHA",
            ),
            tls13_cipher_suites=(),
        ),
        TlsPolicy(
            name="AppGwSslPolicy20220101",
            min_version=TLS_1_2,
            max_version=TLS_1_3,
            tls12_cipher_suites=(
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
            ),
            tls13_cipher_suites=_TLS_1_3_SUITES,
        ),
        TlsPolicy(
            name="AppGwSslPolicy20220101S",
            min_version=TLS_1_2,
            max_version=TLS_1_3,
            tls12_cipher_suites=(
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
                "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            ),
            tls13_cipher_suites=_TLS_1_3_SUITES,
        ),
    )
}
