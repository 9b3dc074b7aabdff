"""The sections about certificates and TLS: `ssl_certificate`, trusted certificates, `ssl_profile`.

One table for each kind: its keys, what each means, and what must fit together within one section.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agwtwisted.core.base import limits
from agwtwisted.core.base.errors import Problem
from agwtwisted.core.base.texts import one_line
from agwtwisted.core.resources.certificates import SslCertificate, TrustedClientCertificate, TrustedRootCertificate
from agwtwisted.core.resources.resources import (
    ClientAuth,
    MissingClientAuthEku,
    Refusal,
    SslProfile,
)
from agwtwisted.core.sections.revocation_keys import PROFILE_KEYS, SOURCES, profile_problems
from agwtwisted.core.sections.settings import (
    Empty,
    Key,
    Kind,
    Row,
    boolean,
    choice,
    listed,
    path,
    reference,
)
from agwtwisted.core.tls import policies
from agwtwisted.core.tls.extensions import tls_group
from agwtwisted.core.tls.policies import TlsPolicy
from agwtwisted.core.verification.server_certificates import is_pfx

POLICY = {
    "ssl_policy": Key(one_line, "A predefined TLS policy by its name.", empty=Empty.REFUSED),
    "policy_type": Key(
        one_line,
        "`Predefined`, or `Custom` (TLS 1.2) or `CustomV2` (TLS 1.3 too), defined by the next two keys.",
        empty=Empty.REFUSED,
    ),
    "min_protocol_version": Key(one_line, "`TLSv1_2` or `TLSv1_3`, of a custom policy.", empty=Empty.REFUSED),
    "cipher_suites": Key(
        listed(one_line, limits.CIPHER_SUITES),
        "The suites of a custom policy by their IANA names, the preferred first.",
        empty=Empty.REFUSED,
    ),
}
"""The keys that name a TLS policy or spell it out: the same of a gateway and of a profile."""


def client_auth(row: Row) -> ClientAuth:
    """What a profile asks of clients: Strict where it names trusted client certificates and no mode."""
    mode = row.values.get("verify_client_auth_mode")
    if isinstance(mode, ClientAuth):
        return mode
    return ClientAuth.NONE if row.unset("trusted_client_certificates") else ClientAuth.STRICT


RETIRED_POLICY: Final = "ApplicationGatewayDeprecatedTlsVersionUsedInSslPolicy"


def tls_policy(row: Row) -> TlsPolicy | str | None:
    """The TLS policy that a section names or spells out, or why that is none; None where it says nothing of it."""
    given = {key: row.values[key] for key in POLICY if key in row.values}
    return _policy(**given) if given else None


def policy_key(row: Row) -> str:
    """The first of the section's keys about its TLS policy; empty where it has none."""
    return next((key for key in POLICY if not row.unset(key)), "")


def _policy(
    *,
    ssl_policy: str = "",
    policy_type: str = "",
    min_protocol_version: str = "",
    cipher_suites: tuple[str, ...] = (),
) -> TlsPolicy | str:
    if policy_type in ("", "Predefined"):
        if min_protocol_version or cipher_suites:
            return "min_protocol_version and cipher_suites need policy_type = Custom or CustomV2"
        return policies.predefined(ssl_policy) if ssl_policy else "policy_type = Predefined needs ssl_policy"
    if ssl_policy:
        return "ssl_policy names a predefined policy: it cannot be used with policy_type = Custom or CustomV2"
    if policy_type in ("Custom", "CustomV2") and not min_protocol_version:
        return f"policy_type = {policy_type} needs min_protocol_version"
    return policies.custom(policy_type, min_protocol_version, cipher_suites)


def ssl_policy_problems(row: Row) -> Iterator[Problem]:
    """What is wrong with the TLS policy of a section."""
    policy = tls_policy(row)
    if isinstance(policy, str) and not row.refused & {*POLICY}:
        yield row.problem(policy, key=policy_key(row), code=RETIRED_POLICY if "was retired" in policy else "")


def _ssl_certificate(row: Row) -> Iterator[Problem]:
    if "certificate_file" in row.refused:
        return
    if is_pfx(row.get("certificate_file")):
        if "key_file" in row.values:
            yield row.problem("key_file cannot be used with a .pfx, which contains the key", key="key_file")
        return
    if "password_file" in row.values:
        yield row.problem("password_file is for a .pfx only: store the key without passphrase", key="password_file")
    if row.unset("key_file"):
        yield row.problem("key_file is missing")


SSL_CERTIFICATE = Kind(
    name="ssl_certificate",
    meaning="A server certificate with its key.",
    resource=SslCertificate,
    keys={
        "certificate_file": Key(
            path, "The certificate first, then its intermediates (PEM), or a `.pfx` with the key in it.", required=True
        ),
        "key_file": Key(path, "The private key (PEM), unless it is in the `.pfx`."),
        "password_file": Key(path, "A file with the password of the `.pfx`."),
        "ocsp_stapling": Key(
            boolean,
            "Staple OCSP responses: clients that ask for the certificate's status get it in the handshake, where the "
            "file has the certificate of the issuer ([how](../stapling.md)).",
        ),
    },
    check=_ssl_certificate,
)

TRUSTED_CLIENT_CERTIFICATE = Kind(
    name="trusted_client_certificate",
    meaning="A chain of CA certificates that clients are verified against.",
    resource=TrustedClientCertificate,
    keys={
        "file": Key(path, "Exactly one root and its intermediates, PEM or CER, at most 25 KB.", required=True),
    },
)

TRUSTED_ROOT_CERTIFICATE = Kind(
    name="trusted_root_certificate",
    meaning="CA certificates that backend servers are verified against.",
    resource=TrustedRootCertificate,
    keys={
        "file": Key(path, "One or several CA certificates, PEM or CER.", required=True),
    },
)


def _ssl_profile(row: Row) -> Iterator[Problem]:
    yield from ssl_policy_problems(row)
    if "verify_client_auth_mode" in row.refused:
        return
    mode = client_auth(row)
    if mode is ClientAuth.STRICT and row.unset("trusted_client_certificates"):
        yield row.problem("Strict needs trusted_client_certificates", key="verify_client_auth_mode")
    for key in ("verify_client_cert_issuer_dn", "allow_weak", "missing_client_auth_eku"):
        if mode is ClientAuth.NONE and row.get(key) not in (None, False, MissingClientAuthEku.REFUSE):
            yield row.problem(f"{key} needs Strict", key=key)
    if mode is ClientAuth.STRICT:
        yield from weak_key_warnings(row)
    if mode is not ClientAuth.STRICT and "advertise_ca_names" in row.values:
        message = "advertise_ca_names has no effect without Strict: no names are sent"
        yield row.warning(message, key="advertise_ca_names")
    if mode is not ClientAuth.STRICT and "refusal" in row.values:
        yield row.warning("refusal has no effect without Strict: no client is refused", key="refusal")
    yield from profile_problems(row, mode)
    if mode is ClientAuth.NONE and not policy_key(row):
        # The product: "must specify either SslPolicy or TrustedClientCertificates".
        message = "is empty: it must specify a TLS policy or trusted_client_certificates"
        yield row.problem(message, code="ApplicationGatewaySslProfileMustSpecifyPolicyOrCertificates")


VERIFYING_KEYS = ("verify_client_cert_issuer_dn", "allow_weak", "missing_client_auth_eku", SOURCES)
"""What a profile says about verifying certificates; of one that is Passthrough it depends on other sections."""


def weak_key_warnings(row: Row) -> Iterator[Problem]:
    """Warnings about profiles that accept weak certificates, or those for other purposes."""
    if row.get("allow_weak"):
        yield row.warning(
            "allow_weak accepts keys that can be broken and signatures that can be forged: issue new certificates"
            " instead",
            key="allow_weak",
        )
    if row.get("missing_client_auth_eku") is MissingClientAuthEku.ALLOW:
        yield row.warning(
            "missing_client_auth_eku = Allow accepts certificates that are not for clients: the owner of any server"
            " certificate of a trusted CA is accepted as a client",
            key="missing_client_auth_eku",
        )


SSL_PROFILE = Kind(
    name="ssl_profile",
    meaning="How a listener verifies its TLS clients.",
    resource=SslProfile,
    keys={
        "verify_client_auth_mode": Key(
            choice(ClientAuth.STRICT, ClientAuth.PASSTHROUGH),
            "`Strict`, the default with trusted client certificates, or `Passthrough`.",
            empty=Empty.REFUSED,
        ),
        "trusted_client_certificates": Key(
            listed(reference("trusted_client_certificate"), limits.CLIENT_CAS_PER_PROFILE),
            "The `trusted_client_certificate` sections that clients are verified against.",
            empty=Empty.REFUSED,
        ),
        "verify_client_cert_issuer_dn": Key(
            boolean, "Whether a client's issuer must be the last CA of the file's longest chain.", empty=Empty.REFUSED
        ),
        "allow_weak": Key(
            boolean, "Whether short keys and signatures over SHA-1 or MD5 are accepted. Insecure.", empty=Empty.REFUSED
        ),
        "missing_client_auth_eku": Key(
            choice(*MissingClientAuthEku),
            "What happens to a client whose extendedKeyUsage has no clientAuth: `Refuse`, or `Allow` while a fleet"
            " changes its CA.",
            empty=Empty.REFUSED,
        ),
        "advertise_ca_names": Key(
            boolean,
            "Whether a Strict listener sends the names of its trusted CAs in the handshake, by which clients"
            " choose a certificate.",
            empty=Empty.REFUSED,
        ),
        "tls_groups": Key(
            listed(tls_group, limits.TLS_GROUPS),
            "Groups for key exchange, the preferred one first, by their registered names (`x25519`,"
            " `secp256r1`, `X25519MLKEM768`, `brainpoolP256r1`); without it those of OpenSSL in its order,"
            " then brainpool curves. Over TLS 1.2 client certificates must be on one of them. The same for all"
            " listeners of a port.",
            empty=Empty.REFUSED,
        ),
        "refusal": Key(
            choice(*Refusal),
            "How a Strict listener refuses: with an alert in the `Handshake`, or with a page after it (`Http400`).",
            empty=Empty.REFUSED,
        ),
        "session_resumption": Key(
            boolean,
            "Whether clients may resume TLS sessions: their certificates are judged again each time. Only on ports"
            " whose listeners all have the same profile.",
            empty=Empty.REFUSED,
        ),
        **POLICY,
        **PROFILE_KEYS,
    },
    check=_ssl_profile,
)
